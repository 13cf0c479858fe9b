//! A process of a role that is there for nothing but to try what its role must not be able to do.
//!
//! It is started as any other of its role is, with the same descriptors, takes the same things, and is locked down by the
//! same steps to the last turn of the key. Then, in the place of a tenant, it tries every act of [`suite`] and says what
//! came of each. The one that ends it cannot be spoken of; the supervisor sees that, and has another probe go on behind it.

use std::{
    io::{self, Write as _},
    os::{
        fd::{AsRawFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use ipc::{
    Refusal, codec,
    frame::Frame,
    header::{Header, Kind},
    messages::start::{Probe, Probed, Start},
};

use crate::{
    lockdown::{
        self,
        acts::suite::{self, Ground, Targets},
    },
    role::{cannot, take},
};

/// Descriptors are looked for below this number; no role may have so many.
const DESCRIPTORS: i32 = 1024;

/// Tries everything from the probe's first act on.
pub fn run(start: &Start, probe: &Probe, data: OwnedFd, control: &OwnedFd, handed: Vec<OwnedFd>, parent: i32) -> io::Result<()> {
    let mut given = vec![0, 1, 2, data.as_raw_fd(), control.as_raw_fd()];
    given.extend(handed.iter().map(OwnedFd::as_raw_fd));
    let data = UnixStream::from(data);
    // What it says must not be lost, and it has nothing else to do.
    data.set_nonblocking(false)?;
    match try_all(start, probe, &data, given, handed, parent)? {
        Ok(()) => say(&data, &Probed::Done),
        Err(refusal) => say(&data, &Probed::Failed(refusal)),
    }
}

fn try_all(
    start: &Start,
    probe: &Probe,
    data: &UnixStream,
    mut given: Vec<i32>,
    handed: Vec<OwnedFd>,
    parent: i32,
) -> io::Result<Result<(), Refusal>> {
    // What is open now and was not given was inherited by mistake. What the role opens for itself is its own.
    let inherited: Vec<i32> = open_descriptors().filter(|number| !given.contains(number)).collect();
    // Held to the end, as it is for as long as the role lives.
    let (_prepared, rights, birthright) = match take(start, handed, parent) {
        Ok(taken) => taken,
        Err(refusal) => return Ok(Err(refusal)),
    };
    given.extend(open_descriptors().filter(|number| !inherited.contains(number)));
    let unknown = (0..DESCRIPTORS).filter(|number| !given.contains(number)).collect();
    let unlisted = match lockdown::unlisted(rights) {
        Ok(unlisted) => unlisted,
        Err(breach) => return Ok(Err(cannot(start.role, &breach))),
    };
    let targets = Targets::new(probe, unlisted, unknown)?;
    match lockdown::enter(rights, &birthright) {
        Ok((walls, _)) => say(data, &Probed::Locked(walls))?,
        Err(breach) => return Ok(Err(cannot(start.role, &breach))),
    }
    let ground = Ground { rights, birthright: &birthright, targets: &targets };
    suite::try_from(&ground, (probe.act, probe.step), |word| say(data, word))?;
    Ok(Ok(()))
}

fn say(mut data: &UnixStream, word: &Probed) -> io::Result<()> {
    let body = codec::encode(word).map_err(io::Error::other)?;
    let frame = Frame { header: Header::new(Kind::Ready), body: body.into() };
    let bytes = [&frame.prefix()[..], frame.body.as_slice()].concat();
    data.write_all(&bytes)
}

/// The descriptors that are open, by asking for each: what lists them would be one more.
fn open_descriptors() -> impl Iterator<Item = i32> {
    (0..DESCRIPTORS).filter(|&number| is_open(number))
}

#[expect(unsafe_code, reason = "a descriptor that may not be open, by its number")]
fn is_open(number: i32) -> bool {
    // SAFETY: the kernel is asked about the number and nothing is done with what it stands for.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_getfd(descriptor).is_ok()
}
