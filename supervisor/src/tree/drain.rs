//! Going down in order: what depends on others first, the keys last, each with time to finish and to sync.

use std::time::{Duration, Instant};

use ipc::{Role, header::Kind, messages::start::LogLevel};

use super::{
    Tree, control_frame,
    process::{Life, State},
};
use crate::hub::{Blame, Lane, Place};

/// The reverse of the order in which they are needed.
const ORDER: &[&[Role]] = &[
    &[Role::Gate, Role::Agent, Role::Code, Role::Verifier, Role::Llm, Role::Ui],
    &[Role::Storage],
    &[Role::Courier],
    &[Role::Crypto],
];

/// How long one step may take before what is left of it is ended.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of that a process is told it has for the calls in progress; the rest is for what it does after them.
const FOR_CALLS: Duration = Duration::from_secs(4);

impl Tree {
    /// Takes no new work from outside, waits for what is in progress however long it takes, and then goes down. Processes
    /// that this work needs are still started.
    pub fn drain_patiently(&self) {
        let mut state = self.lock();
        if state.draining || std::mem::replace(&mut state.closing, true) {
            return;
        }
        state.hub.drain();
        state.log.tell(LogLevel::Info, "takes no new work", serde_json::json!({}));
        drop(state);
        // Perhaps there is nothing to wait for.
        self.settle();
    }

    /// Lets every process finish, ends what does not, and then the supervisor. Doing it twice does it once.
    pub fn drain(&self) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.draining, true) {
            return;
        }
        state.hub.drain();
        state.log.tell(LogLevel::Info, "draining", serde_json::json!({}));
        drop(state);
        let tree = self.clone();
        tokio::task::spawn_local(async move {
            for roles in ORDER {
                let lives = tree.lives(roles);
                tree.finish(&lives).await;
            }
            tree.flush_attached().await;
            tree.0.done.notify_one();
        });
    }

    /// The processes of these roles that live now.
    pub(super) fn lives(&self, roles: &[Role]) -> Vec<Life> {
        let state = self.lock();
        let places = state.processes.keys().copied().filter(|place| roles.contains(&place.0));
        places.filter_map(|place| state.life(place)).collect()
    }

    /// Ends these processes: first by asking, then by force. Those that come after them are none of its business.
    pub(super) async fn finish(&self, lives: &[Life]) {
        for &life in lives {
            self.tell_to_finish(life);
        }
        let until = Instant::now() + PATIENCE;
        while self.any_left(lives) {
            let ended = self.0.ended.notified();
            if tokio::time::timeout_at(until.into(), ended).await.is_err() {
                self.kill_all(lives);
                break;
            }
        }
        while self.any_left(lives) {
            self.0.ended.notified().await;
        }
    }

    /// Ends one process: first by asking, then by force.
    pub(super) fn ask_to_finish(&self, place: Place) {
        let Some(life) = self.lock().life(place) else { return };
        self.tell_to_finish(life);
        let tree = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(PATIENCE).await;
            if let Some(process) = tree.lock().living(life) {
                process.kill(Blame::Supervisor);
            }
        });
    }

    fn tell_to_finish(&self, life: Life) {
        let mut state = self.lock();
        let Some(process) = state.living(life) else { return };
        match process.state {
            // It does not listen yet, and it has done nothing that would be lost.
            State::Starting => process.kill(Blame::Supervisor),
            State::Ready => process.send(Lane::Control, control_frame(Kind::Drain, FOR_CALLS.as_millis() as u32)),
            State::Draining => {}
        }
        process.state = State::Draining;
    }

    fn any_left(&self, lives: &[Life]) -> bool {
        let mut state = self.lock();
        lives.iter().any(|life| state.living(*life).is_some())
    }

    fn kill_all(&self, lives: &[Life]) {
        let mut state = self.lock();
        for &life in lives {
            if let Some(process) = state.living(life) {
                process.kill(Blame::Supervisor);
            }
        }
    }

    /// The last answers leave before the sockets close.
    async fn flush_attached(&self) {
        let outboxes: Vec<_> = self.lock().processes.values().map(|process| process.data.clone()).collect();
        for outbox in outboxes {
            let _ = tokio::time::timeout(Duration::from_millis(200), outbox.drained()).await;
        }
    }
}
