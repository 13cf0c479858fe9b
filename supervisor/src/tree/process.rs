//! What the supervisor knows of one process.

use std::{
    cell::Cell,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    process::ExitStatus,
    rc::Rc,
    time::Instant,
};

use ipc::{frame::Frame, id::Generation, link::Outbox, messages::start::Report, refusal::Death};
use rustix::process::{Signal, pidfd_send_signal};

use super::spawn::Offspring;
use crate::hub::{Blame, Lane, Place};

/// How far a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Started, and not ready yet.
    Starting,
    /// It answers.
    Ready,
    /// It was told to finish.
    Draining,
}

impl State {
    /// The word people see.
    pub fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Ready => "ready",
            State::Draining => "draining",
        }
    }
}

/// One process, and none that comes after it in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Where it is addressed.
    pub place: Place,
    /// How many came before it, in whatever place. Generations do not tell: with another space they begin again.
    pub birth: u64,
}

/// A process of the tree, or a command line attached to it.
pub struct Process {
    /// How far it has come.
    pub state: State,
    /// Which start of it.
    pub generation: Generation,
    /// See [`Life::birth`].
    pub birth: u64,
    /// When it was started or attached.
    pub since: Instant,
    /// It has said Hello, and speaks our version.
    pub greeted: bool,
    /// When it became ready.
    pub ready_at: Option<Instant>,
    /// It did what none of ours does: what it still says is not listened to.
    pub condemned: bool,
    /// Who wanted it to end, once somebody did.
    pub blame: Cell<Option<Blame>>,
    /// Why somebody wanted it to end, for people.
    pub why: Option<String>,
    /// What it has locked away.
    pub report: Report,
    /// Pings it has not answered.
    pub missed: u8,
    /// Its pid as the supervisor sees it.
    pub pid: i32,
    /// Its sockets.
    pub data: Rc<Outbox>,
    /// Its control socket; the same as `data` for a command line.
    pub control: Rc<Outbox>,
    /// What only a process has that was started here.
    pub child: Option<Started>,
}

/// The handles of a process that was started here.
pub struct Started {
    /// To reap it.
    pub child: Offspring,
    /// To signal it.
    pub pidfd: Rc<OwnedFd>,
}

impl Process {
    /// Sends a frame.
    pub fn send(&self, lane: Lane, frame: Frame) {
        match lane {
            Lane::Data => self.data.send(frame),
            Lane::Control => self.control.send(frame),
        }
    }

    /// Ends it at once. What it was doing is lost; what it had said is not.
    pub fn kill(&self, blame: Blame) {
        self.blame.set(self.blame.get().or(Some(blame)));
        if let Some(started) = &self.child {
            // It may have ended already.
            let _ = pidfd_send_signal(&*started.pidfd, Signal::KILL);
        }
    }

    /// What it ended of, now that it has.
    pub fn ended_of(&self) -> Blame {
        let asked = if self.state == State::Draining { Blame::Supervisor } else { Blame::Work };
        self.blame.get().unwrap_or(asked)
    }
}

/// How a process ended, as its callers are told.
pub fn death(generation: Generation, status: ExitStatus) -> Death {
    Death { generation: generation.0, exit: status.code(), signal: status.signal() }
}
