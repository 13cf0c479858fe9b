//! Reaching a supervisor: the one that is running, or one that is started for this call; and leaving it again.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Child, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use ipc::{Client, endpoint, id::TraceId, link, link::Outbox, messages::start::Hello, role::source};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    args::{Command, Common},
    words::{Failure, line, tell},
};
use crate::{
    control::rpc::{self, Request, Response},
    exit,
    folder::{self, Unsuitable},
    places::Places,
    supervise,
};

/// How long a supervisor that is going down is waited for, and one that is coming up.
const PATIENCE: Duration = Duration::from_secs(15);

/// A command line that is attached.
pub struct Session {
    /// Asks the processes. All that one command asks for is one request.
    pub client: Client<source::Cli>,
    /// The request.
    pub trace: TraceId,
    /// Whether the supervisor was started for this call.
    pub started: bool,
    outbox: Rc<Outbox>,
    ended: watch::Receiver<bool>,
    child: Option<Child>,
}

/// Whether a command keeps the tree up for others.
#[derive(Clone, Copy, Debug)]
pub enum Serves {
    /// It does, and after this long without a command the open space is locked.
    Yes(Option<Duration>),
    /// It does its own work.
    No,
}

impl Serves {
    /// What this command does.
    pub fn of(command: &Command) -> Serves {
        match command {
            Command::Serve(args) => Serves::Yes(args.lock_after.0),
            _ => Serves::No,
        }
    }
}

/// What came of trying to attach.
enum Attached {
    /// This.
    Yes(UnixStream),
    /// Nobody is there, or he is about to go.
    Nobody,
}

impl Session {
    /// Attaches to the supervisor that is running, or starts one.
    pub async fn open(common: &Common, serves: Serves) -> Result<Session, Failure> {
        let places = places(common)?;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(socket) = UnixStream::connect(places.control_socket())
                && let Attached::Yes(socket) = attach(socket, serves)?
            {
                return Session::over(socket, None);
            }
            if let Some((socket, child)) = start(common, serves)? {
                return Session::over(socket, Some(child));
            }
            // Another one has the lock: it is coming up or going down.
            if Instant::now() > until {
                return Err(Failure::new(
                    exit::ELSEWHERE,
                    "Lamos is going down, perhaps when what is in progress is done (`lamos drain` shows it), or does not answer; try \
                     again later, or end it with `lamos stop`",
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn over(socket: UnixStream, child: Option<Child>) -> Result<Session, Failure> {
        socket.set_nonblocking(true)?;
        let (inbox, outbox) = link::open(OwnedFd::from(socket))?;
        let (caller, _events, connection) = endpoint::connect_single(inbox, outbox);
        let outbox = connection.outbox();
        let (has_ended, ended) = watch::channel(false);
        tokio::task::spawn_local(async move {
            // However it ended, it has.
            let _ = connection.run().await;
            let _ = has_ended.send(true);
        });
        let trace = TraceId::random();
        Ok(Session { client: Client::new(caller).within(trace), trace, started: child.is_some(), outbox, ended, child })
    }

    /// Waits until the supervisor has gone.
    pub async fn ended(&self) {
        // An error means that it ended without a word.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Detaches. If the supervisor goes with us, waits until it has gone, so that no process is left behind.
    pub async fn close(self) {
        self.outbox.drained().await;
        self.outbox.finish();
        // Ends when the supervisor has ended, or has others to serve.
        let _ = tokio::time::timeout(PATIENCE, self.ended()).await;
        if let Some(mut child) = self.child {
            // Only to reap it; it may go on for others.
            let _ = child.try_wait();
        }
    }
}

/// Where things are.
pub fn places(common: &Common) -> Result<Places, Failure> {
    Places::find(common.data_dir.clone()).map_err(|error| Failure::new(exit::DATA, error.to_string()))
}

/// Becomes a part of the wire, over a socket that speaks JSON-RPC so far.
fn attach(socket: UnixStream, serves: Serves) -> Result<Attached, Failure> {
    let ours = Hello::ours();
    let mut params = json!({ "version": ours.version, "schema": ours.schema, "program": ours.program, "serves": false });
    if let Serves::Yes(after) = serves {
        params["serves"] = true.into();
        params["lock_after"] = after.map_or(0, |after| after.as_secs()).into();
    }
    let Some(response) = exchange(&socket, "attach", params)? else { return Ok(Attached::Nobody) };
    match response.error.map(rpc::Error::into_refusal) {
        None => Ok(Attached::Yes(socket)),
        Some(refusal) if refusal.code == ipc::Code::Draining => Ok(Attached::Nobody),
        Some(refusal) => Err(refusal.into()),
    }
}

/// One request and its answer; `None` if nobody answers. What follows the answer is not read: the socket goes on.
pub fn exchange(socket: &UnixStream, method: &str, params: Value) -> io::Result<Option<Response>> {
    exchange_by(socket, method, params, 1)
}

/// The same where nothing follows the answer, which is then read in large pieces.
pub fn exchange_last(socket: &UnixStream, method: &str, params: Value) -> io::Result<Option<Response>> {
    exchange_by(socket, method, params, 64 << 10)
}

fn exchange_by(socket: &UnixStream, method: &str, params: Value, piece: usize) -> io::Result<Option<Response>> {
    let mut writer = socket;
    let line = Request::line(method, params) + "\n";
    socket.set_read_timeout(Some(PATIENCE))?;
    // Who has gone already may have said why before: so it is read either way.
    let _ = writer.write_all(line.as_bytes());
    let mut line = String::new();
    let read = BufReader::with_capacity(piece, socket).read_line(&mut line);
    socket.set_read_timeout(None)?;
    match read {
        Ok(0) | Err(_) => Ok(None),
        Ok(_) => Ok(serde_json::from_str(&line).ok()),
    }
}

/// Whether data may be kept where it is to be kept; if that is unwise, a sentence that says so.
fn check_folder(common: &Common) -> Result<Option<String>, Failure> {
    let data = places(common)?.data;
    match folder::look(&data) {
        Some(Unsuitable::Network(system)) if !common.allow_network_dir => Err(Failure::new(
            exit::DATA,
            format!(
                "{} lies on {system}, where two machines or a lost connection can damage a database; name a folder on a disk of \
                 this machine with --data-dir, or keep it there all the same with --allow-network-dir",
                data.display()
            ),
        )),
        Some(Unsuitable::Synced(program, folder)) => Ok(Some(format!(
            "{} is copied by {program}, which copies a database half written: name another folder with --data-dir, or have \
             {program} leave it out",
            line(&folder.display().to_string())
        ))),
        _ => Ok(None),
    }
}

/// Starts a supervisor and attaches to it; `None` if another one has the data directory.
fn start(common: &Common, serves: Serves) -> Result<Option<(UnixStream, Child)>, Failure> {
    let unwise = check_folder(common)?;
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = std::process::Command::new("/proc/self/exe");
    command
        .arg0("lamos-supervisor")
        .arg("--role=supervisor")
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| PASSED.iter().any(|passed| name == passed)))
        .env(supervise::LOG_LEVEL, common.log.to_string())
        .env(supervise::CACHE_PROFILE, common.instance_profile.to_string())
        .env(supervise::KEY_COST, common.key_cost.to_string())
        .env(supervise::CACHE_RULES, common.instance_rules.as_ref().map_or("", |rules| &rules.0))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(directory) = &common.data_dir {
        let directory = std::path::absolute(directory)?;
        command.env(supervise::DATA_DIR, directory);
    }
    let child = command.spawn().map_err(|error| Failure::new(exit::OURS, format!("failed to start: {error}")))?;
    // Our copy of its end goes with the command, so that its death is seen.
    drop(command);
    match attach(ours.try_clone()?, serves)? {
        Attached::Yes(socket) => {
            if let Some(sentence) = unwise {
                tell(&sentence);
            }
            Ok(Some((socket, child)))
        }
        Attached::Nobody => {
            let mut child = child;
            let status = child.wait()?;
            if status.code() == Some(i32::from(exit::ELSEWHERE)) {
                return Ok(None);
            }
            Err(Failure::new(
                exit::OURS,
                format!("the supervisor ended before it answered ({status}); `lamos doctor` may show why"),
            ))
        }
    }
}

/// What a supervisor needs to know of where it is. Keys are not among it.
const PASSED: &[&str] = &["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "RUST_BACKTRACE"];
