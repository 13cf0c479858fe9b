//! The other side of a spawn: what a process does between its first line and its first call.
//!
//! It reads what it is, takes what it needs, locks itself down, proves it, and only then starts a runtime and its
//! tenant. Any failure on the way is said to the supervisor in the place of `Ready`.

use std::{
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use ipc::{
    Code, Refusal, Role, codec,
    frame::{Frame, LENGTH_LEN},
    header::{HEADER_LEN, Header, Kind},
    limits::MAX_BODY,
    messages::start::{Hello, Outcome, Report, Start, Work},
};
use rustix::{
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
    process::{Pid, getppid},
};

use crate::{
    lockdown::{
        self, Birthright,
        rights::{self, Rights},
    },
    logging, probe, tenants,
    tree::spawn::MAX_HANDED,
};

/// Exit code of a process that could not start.
const CANNOT_START: u8 = 70;

/// Runs this process as one of the tree. Returns when the connection to the supervisor has ended.
pub fn run(role: Role) -> ExitCode {
    let begun = Instant::now();
    match begin(role, begun) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{{\"event\":\"cannot start\",\"error\":{:?}}}", error.to_string());
            ExitCode::from(CANNOT_START)
        }
    }
}

fn begin(role: Role, begun: Instant) -> io::Result<()> {
    let parent = getppid().map_or(1, |parent| i32::from(Pid::as_raw_nonzero(parent)));
    std::panic::set_hook(Box::new(end_with_a_word));
    let (data, control) = take_sockets()?;
    let (start, handed) = read_start(&data)?;
    let hello = Hello::ours();
    if start.role != role || !hello.matches(&start.hello) {
        return Err(io::Error::other(format!("the supervisor speaks of {} in version {}", start.role, start.hello.program)));
    }
    logging::start(start.log);
    if let Some(probe) = &start.probe {
        return probe::run(&start, probe, data, &control, handed, parent);
    }
    let mut report = Report::default();
    let prepared = prepare(&start, handed, parent, &mut report);
    report.micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    // From here on there is a runtime; what failed before is reported over it.
    let system = actix::System::new();
    system.block_on(live(data, control, hello, prepared, report))
}

/// Takes what the role needs and then everything else away.
fn prepare(start: &Start, handed: Vec<OwnedFd>, parent: i32, report: &mut Report) -> Result<tenants::Prepared, Refusal> {
    let (prepared, rights, birthright) = take(start, handed, parent)?;
    (report.walls, report.proofs) = lockdown::enter(rights, &birthright).map_err(|breach| cannot(start.role, &breach))?;
    Ok(prepared)
}

/// Takes what the role needs, while it may still take it.
pub(crate) fn take(
    start: &Start,
    handed: Vec<OwnedFd>,
    parent: i32,
) -> Result<(tenants::Prepared, &'static Rights, Birthright), Refusal> {
    let listener = match start.work {
        Work::Gate => handed.first().map(|listener| rustix::io::fcntl_dupfd_cloexec(listener, 3)).transpose(),
        _ => Ok(None),
    };
    let listener = listener.map_err(|error| cannot(start.role, &format!("take its listener: {error}")))?;
    let prepared = tenants::prepare(&start.work, start.generation, handed)?;
    let rights = rights::of(start.role).ok_or_else(|| cannot(start.role, &"find its rights"))?;
    let mut birthright = Birthright { directory: None, path: PathBuf::new(), ports: Vec::new(), listener, parent };
    match &start.work {
        Work::Storage { directory, .. } | Work::Ui { directory, .. } => {
            let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(directory.as_slice());
            birthright.path = path.into();
            let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
            let directory = rustix::fs::open(path, flags, rustix::fs::Mode::empty());
            birthright.directory = Some(directory.map_err(|error| cannot(start.role, &format!("open its directory: {error}")))?);
        }
        Work::Llm { ports } | Work::Courier { ports } => birthright.ports = [&[443, 53], &ports[..]].concat(),
        Work::Crypto { .. } | Work::Agent { .. } | Work::Code | Work::Verifier | Work::Gate => {}
    }
    Ok((prepared, rights, birthright))
}

/// Why a process does not start, in a sentence.
pub(crate) fn cannot(role: Role, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Code::CannotStart, format!("the {role} process failed to {error}"))
}

/// The life of the process.
async fn live(
    data: OwnedFd,
    control: OwnedFd,
    hello: Hello,
    prepared: Result<tenants::Prepared, Refusal>,
    report: Report,
) -> io::Result<()> {
    let (caller, events, mut connection) = ipc::endpoint::connect(data, control)?;
    connection.on_level(logging::set);
    let outbox = connection.outbox();
    outbox.send(Frame { header: Header::new(Kind::Hello), body: codec::encode(&hello).map_err(io::Error::other)?.into() });
    let connection = actix::spawn(connection.run());
    let outcome = match prepared {
        Ok(prepared) => tenants::start(prepared, caller, events).await.map(|tenant| (tenant, report)),
        Err(refusal) => Err(refusal),
    };
    let (tenant, outcome) = match outcome {
        Ok((tenant, report)) => (Some(tenant), Outcome::Ready(report)),
        Err(refusal) => (None, Outcome::Failed(refusal)),
    };
    let body = codec::encode(&outcome).map_err(io::Error::other)?;
    outbox.send(Frame { header: Header::new(Kind::Ready), body: body.into() });
    if let Some(tenant) = tenant {
        // Ends when the supervisor has gone, or when the tenant has drained.
        tokio::select! {
            _ = connection => {}
            () = tenant => {}
        }
    }
    outbox.drained().await;
    Ok(())
}

/// The sockets came as standard input and output, so that no descriptor had to be passed by number. What a library
/// prints by mistake must not end up in them.
fn take_sockets() -> io::Result<(OwnedFd, OwnedFd)> {
    let data = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok((data, control))
}

/// Reads the start message and the descriptors that come with its first byte.
fn read_start(data: &OwnedFd) -> io::Result<(Start, Vec<OwnedFd>)> {
    let mut prefix = [0; LENGTH_LEN];
    let mut space = [const { std::mem::MaybeUninit::uninit() }; rustix::cmsg_space!(ScmRights(MAX_HANDED))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(
        data.as_fd(),
        &mut [io::IoSliceMut::new(&mut prefix)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL,
    )?;
    if got.bytes != prefix.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut handed = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            handed.extend(descriptors);
        }
    }
    let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if !(HEADER_LEN..=HEADER_LEN + MAX_BODY).contains(&length) {
        return Err(io::Error::other("a start message of this length"));
    }
    let mut rest = vec![0; length];
    let mut socket = UnixStream::from(data.try_clone()?);
    socket.read_exact(&mut rest)?;
    socket.set_nonblocking(true)?;
    let start = codec::decode(&rest[HEADER_LEN..]).map_err(io::Error::other)?;
    Ok((start, handed))
}

/// A panic ends the process, whatever thread it is on: half a process is worse than none. The word about it holds where
/// it happened and not what with, which could be anything.
fn end_with_a_word(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "somewhere".to_owned(), |place| format!("{}:{}", place.file(), place.line()));
    eprintln!("{{\"event\":\"panic\",\"place\":\"{place}\"}}");
    #[expect(clippy::disallowed_methods, reason = "there is nothing to go back to")]
    std::process::exit(PANICKED);
}

/// Exit code of a process that panicked.
const PANICKED: i32 = 101;
