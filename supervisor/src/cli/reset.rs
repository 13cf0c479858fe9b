//! `reset` and `stop --force`: what is done when nothing else helps. Neither needs an answer from what is running.

use std::{
    fs,
    io::{self, IsTerminal as _},
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::{
    args::{Common, Reset},
    ps,
    session::places,
    words::{self, Failure, Outcome, tell},
};
use crate::{exit, places::Places};

/// How long processes may take to die of a SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a person types to have everything removed.
const WORD: &str = "reset";

/// `lamos stop --force`: ends the supervisor, with which every other process dies.
pub async fn stop_by_force(common: &Common) -> Outcome {
    let places = places(common)?;
    if places.is_free()? {
        tell("Lamos is not running.");
        return Ok(());
    }
    let pid = fs::read_to_string(places.lock()).ok().and_then(|text| Pid::from_raw(text.trim().parse().ok()?));
    let pid = pid.ok_or_else(|| Failure::new(exit::OURS, "the running Lamos has not said which process it is"))?;
    let failed = |error| Failure::new(exit::OURS, format!("failed to end process {pid}: {error}"));
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return wait_until_free(&places).await,
        result => result.map_err(failed)?,
    };
    // The handle is of this very process, so what is read of it now stays true until it is signalled.
    if !is_supervisor(pid) {
        return Err(Failure::new(exit::OURS, format!("process {pid} is not a supervisor of Lamos; nothing was ended")));
    }
    pidfd_send_signal(&handle, Signal::KILL).map_err(failed)?;
    wait_until_free(&places).await
}

fn is_supervisor(pid: Pid) -> bool {
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    command.split(|byte| *byte == 0).any(|word| word == b"--role=supervisor")
}

async fn wait_until_free(places: &Places) -> Outcome {
    let until = Instant::now() + PATIENCE;
    while !places.is_free()? {
        if Instant::now() > until {
            return Err(Failure::new(exit::OURS, "the supervisor was ended and its lock is still held"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// `lamos reset`: stops what runs and removes every space, every key and the log.
pub async fn reset(common: &Common, args: &Reset) -> Outcome {
    let places = places(common)?;
    let spaces = fs::read_dir(places.spaces()).map_or(0, Iterator::count);
    if !args.yes {
        confirm(&places, spaces)?;
    }
    if ps::stop(common).await.is_err() {
        stop_by_force(common).await?;
    }
    wait_until_free(&places).await?;
    // Held while things are removed, so that nobody begins in the middle. Where there is none, nobody ever began.
    let lock = fs::File::open(places.lock()).ok();
    if lock.as_ref().is_some_and(|lock| flock(lock, FlockOperation::NonBlockingLockExclusive).is_err()) {
        return Err(Failure::new(exit::ELSEWHERE, "Lamos was started meanwhile; try again"));
    }
    // Keys first: from here on what is left of the spaces opens for nobody.
    remove(&places.slots())?;
    remove(&places.audit())?;
    remove(&places.spaces())?;
    remove(&places.caches())?;
    remove(&places.control_socket())?;
    for log in places.logs().into_iter().chain(places.flights()) {
        remove(&log)?;
    }
    tell(&format!("Removed {spaces} {} and the keys.", if spaces == 1 { "space" } else { "spaces" }));
    Ok(())
}

fn confirm(places: &Places, spaces: usize) -> Outcome {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(exit::USAGE, "reset removes everything that is kept; say --yes if that is wanted"));
    }
    tell(&format!(
        "This removes all that is kept in {}: {spaces} {}, and the keys to them. There is no way back.",
        places.data.display(),
        if spaces == 1 { "space" } else { "spaces" }
    ));
    words::answer(&format!("Type {WORD} to go on: "))?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    if line.trim() == WORD { Ok(()) } else { Err(Failure::new(exit::STOPPED, "nothing was removed")) }
}

/// Removes a file, or a directory with all that is in it; one that is not there is removed already.
fn remove(path: &Path) -> Outcome {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::new(exit::DATA, format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}
