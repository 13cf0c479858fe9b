//! Starting a process of a role: the same binary again, with two variables for its allocator as its
//! environment, two sockets, a pipe for what it logs and nothing else.

use std::{
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::Instant,
};

use ipc::{
    codec,
    frame::{Body, Frame},
    header::{Header, Kind},
    messages::start::Start,
};
use rustix::{
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
    process::{Pid, PidfdFlags, pidfd_open},
};

/// The program itself. It stays what it was when the file is replaced while it runs.
const OURSELVES: &str = "/proc/self/exe";

/// Most descriptors that are handed over with a start message.
pub const MAX_HANDED: usize = 2;

/// A process that has been started and told what it is.
pub struct Spawned {
    /// When it was begun.
    pub since: Instant,
    /// To wait for it.
    pub child: Offspring,
    /// To signal it without mistaking another for it.
    pub pidfd: OwnedFd,
    /// Calls, answers and streams.
    pub data: OwnedFd,
    /// What overtakes them.
    pub control: OwnedFd,
    /// What it logs.
    pub log: OwnedFd,
}

/// A process that was started here. Whoever drops it, on an error on the way up say, leaves no process and no zombie.
pub struct Offspring(Child);

impl Offspring {
    /// Its pid.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for Offspring {
    fn drop(&mut self) {
        // Does nothing if it was waited for; otherwise it is not waited for long.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a process and hands it its start message with these descriptors.
///
/// Called from the supervisor's one thread only: a child is bound to the thread that made it.
pub fn spawn(start: &Start, handed: &[BorrowedFd<'_>]) -> io::Result<Spawned> {
    let since = Instant::now();
    let (data, data_child) = UnixStream::pair()?;
    let (control, control_child) = UnixStream::pair()?;
    let (log, log_child) = io::pipe()?;
    let child = Command::new(OURSELVES)
        .arg0(format!("lamos-{}", start.role))
        .arg(format!("--role={}", start.role))
        .env_clear()
        // Without this the allocator reserves a gibibyte of address space at a time, which the limits would count.
        .env("MIMALLOC_ARENA_RESERVE", "32768")
        // It would look for the nodes in /sys when a second thread comes, long after it may look anywhere.
        .env("MIMALLOC_USE_NUMA_NODES", "1")
        .stdin(Stdio::from(OwnedFd::from(data_child)))
        .stdout(Stdio::from(OwnedFd::from(control_child)))
        .stderr(Stdio::from(OwnedFd::from(log_child)))
        // Its own group, so that a Ctrl-C meant for a command line does not reach it.
        .process_group(0)
        .spawn()?;
    let child = Offspring(child);
    let pidfd = pidfd_open(child.pid(), PidfdFlags::NONBLOCK)?;
    hand_over(&data, start, handed)?;
    data.set_nonblocking(true)?;
    control.set_nonblocking(true)?;
    rustix::io::ioctl_fionbio(&log, true)?;
    Ok(Spawned { since, child, pidfd, data: data.into(), control: control.into(), log: log.into() })
}

fn hand_over(data: &UnixStream, start: &Start, handed: &[BorrowedFd<'_>]) -> io::Result<()> {
    let body = Body::from(codec::encode(start).map_err(io::Error::other)?);
    let frame = Frame { header: Header::new(Kind::Hello), body };
    let bytes = [&frame.prefix()[..], frame.body.as_slice()].concat();
    let mut space = [const { std::mem::MaybeUninit::uninit() }; rustix::cmsg_space!(ScmRights(MAX_HANDED))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !handed.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(handed)) {
        return Err(io::Error::other("more descriptors than a start message takes"));
    }
    // The descriptors travel with the first byte, and a few hundred bytes fit into any socket.
    let sent = sendmsg(data.as_fd(), &[io::IoSlice::new(&bytes)], &mut ancillary, SendFlags::empty())?;
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_dropped_is_ended_and_reaped() {
        let child = Command::new("sleep").arg("100").spawn().expect("a process");
        let place = format!("/proc/{}", child.id());
        assert!(std::path::Path::new(&place).exists());
        drop(Offspring(child));
        assert!(!std::path::Path::new(&place).exists(), "not even a zombie is left");
    }
}
