//! The run process: one script, in an interpreter that has no operating system, in a process that has no rights.
//!
//! The interpreter is RustPython without host access: there is no module in the program that opens a file, makes a socket
//! or starts a process, so the wall around the process is the second one. It is warm before the process says that it is
//! ready; then it takes one run, answers, and ends. A thread of the process watches time, memory and output from outside
//! the interpreter, so no script can talk its way past them.
//!
//! **Architecture Invariant:** nothing of one run is there in the next, because nothing of the process is.

mod interpreter;
pub mod memory;
mod native;
mod service;
mod watch;

use std::future::Future;

use ipc::{Refusal, endpoint::Events};

/// What the run process takes before it is locked down: a pipe to itself.
pub struct Prepared {
    bell: memory::Bell,
}

/// Takes a pipe to itself.
pub fn prepare() -> Result<Prepared, Refusal> {
    let bell = memory::Bell::new().map_err(|error| Refusal::internal(format!("make a pipe: {error}")))?;
    Ok(Prepared { bell })
}

/// Warms an interpreter and waits for its one run.
pub async fn start(prepared: Prepared, events: Events) -> Result<impl Future<Output = ()>, Refusal> {
    memory::this_thread_is_the_host();
    let interpreter = interpreter::Interpreter::start().await?;
    Ok(service::run(interpreter, prepared.bell, events))
}
