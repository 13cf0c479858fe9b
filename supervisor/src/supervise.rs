//! The supervisor's process: everything that lives as long as the tree does.

use std::{env, os::unix::net::UnixStream, path::PathBuf, process::ExitCode};

use ipc::messages::start::{CacheProfile, KeyCost};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::LocalSet,
};

use crate::{
    control::{self, rpc},
    exit,
    levels::Levels,
    places::Places,
    tree::{CannotBegin, Tree},
};

/// Environment by which the command line tells a supervisor what it is for. Not arguments, which everybody can read.
pub const DATA_DIR: &str = "LAMOS_SUPERVISOR_DATA";
/// See [`DATA_DIR`].
pub const LOG_LEVEL: &str = "LAMOS_SUPERVISOR_LOG";
/// See [`DATA_DIR`].
pub const CACHE_PROFILE: &str = "LAMOS_SUPERVISOR_CACHE";
/// See [`DATA_DIR`].
pub const CACHE_RULES: &str = "LAMOS_SUPERVISOR_RULES";
/// See [`DATA_DIR`].
pub const KEY_COST: &str = "LAMOS_SUPERVISOR_KEY_COST";

/// Runs a supervisor whose first connection is its standard input. It ends when nobody is attached any more.
pub fn run() -> ExitCode {
    let data = env::var_os(DATA_DIR).map(PathBuf::from);
    // The command line has looked at it.
    let levels = env::var(LOG_LEVEL).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    let profile = env::var(CACHE_PROFILE).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    let rules = env::var(CACHE_RULES).unwrap_or_default();
    let cost = env::var(KEY_COST).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    // The terminal's signals are for the command line that started us; what it does not survive, we notice.
    let _ = rustix::process::setsid();
    // Whatever a process of ours might start and leave behind stays our descendant: the control socket knows those.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::from(exit::OURS);
    };
    let result = LocalSet::new().block_on(&runtime, supervise(data, levels, (profile, rules), cost));
    runtime.shutdown_background();
    result
}

async fn supervise(data: Option<PathBuf>, levels: Levels, cache: (CacheProfile, String), cost: KeyCost) -> ExitCode {
    let Ok(first) = take_first_connection() else { return ExitCode::from(exit::OURS) };
    let places = match Places::find(data) {
        Ok(places) => places,
        Err(error) => return say(first, exit::DATA, &error.to_string()).await,
    };
    let tree = match Tree::new(places.clone(), levels) {
        Ok(tree) => tree,
        // Another supervisor began at the same moment; the command line finds it.
        Err(CannotBegin::Locked) => return ExitCode::from(exit::ELSEWHERE),
        Err(error) => return say(first, exit::DATA, &error.to_string()).await,
    };
    tree.hold_in_cache(cache.0, cache.1);
    tree.keys_cost(cost);
    tree.begin();
    tokio::task::spawn_local(tree.clone().keep_time());
    tokio::task::spawn_local(end_on_signals(tree.clone()));
    let socket = places.control_socket();
    let listening = tree.clone();
    tokio::task::spawn_local(async move {
        if let Err(error) = control::listen(listening.clone(), &places).await {
            listening.lock().log.note("no control socket", serde_json::json!({ "error": error.to_string() }));
        }
    });
    let parent = rustix::process::getppid().map_or(0, |pid| i32::from(pid.as_raw_nonzero()));
    tokio::task::spawn_local(control::converse(tree.clone(), first, parent));
    tree.done().await;
    // Gone before the lock is: who finds neither starts anew.
    let _ = std::fs::remove_file(socket);
    ExitCode::SUCCESS
}

/// The command line that started us is at the other end of our standard input.
fn take_first_connection() -> std::io::Result<tokio::net::UnixStream> {
    let socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    socket.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(socket)
}

/// Says why there is no tree to the one who wanted it.
async fn say(first: tokio::net::UnixStream, code: u8, sentence: &str) -> ExitCode {
    use tokio::io::AsyncWriteExt as _;
    let mut first = first;
    let number = i64::from(ipc::Code::CannotStart as u16);
    let line = rpc::error(&serde_json::Value::Null, number, sentence) + "\n";
    // Who started us may have gone.
    let _ = first.write_all(line.as_bytes()).await;
    ExitCode::from(code)
}

async fn end_on_signals(tree: Tree) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tree.drain();
}
