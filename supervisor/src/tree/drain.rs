//! Going down in order: what depends on others first, the keys last, each with time to finish and to sync.

use std::time::{Duration, Instant};

use ipc::{Role, header::Kind};

use super::{Tree, control_frame, process::State};
use crate::hub::{Lane, Place};

/// The reverse of the order in which they are needed.
const ORDER: &[&[Role]] = &[&[Role::Agent, Role::Code, Role::Llm], &[Role::Storage], &[Role::Crypto]];

/// How long one step may take before what is left of it is ended.
const PATIENCE: Duration = Duration::from_secs(5);

impl Tree {
    /// Lets every process finish, ends what does not, and then the supervisor. Doing it twice does it once.
    pub fn drain(&self) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.draining, true) {
            return;
        }
        state.hub.drain();
        state.log.note("draining", serde_json::json!({}));
        drop(state);
        let tree = self.clone();
        tokio::task::spawn_local(async move {
            for roles in ORDER {
                tree.finish(roles).await;
            }
            tree.flush_attached().await;
            tree.0.done.notify_one();
        });
    }

    /// Ends every process of these roles: first by asking, then by force.
    pub(super) async fn finish(&self, roles: &[Role]) {
        let places: Vec<Place> = self.lock().processes.keys().copied().filter(|place| roles.contains(&place.0)).collect();
        for place in places {
            self.tell_to_finish(place);
        }
        let until = Instant::now() + PATIENCE;
        while self.any_left(roles) {
            let ended = self.0.ended.notified();
            if tokio::time::timeout_at(until.into(), ended).await.is_err() {
                self.kill_all(roles);
                break;
            }
        }
        while self.any_left(roles) {
            self.0.ended.notified().await;
        }
    }

    /// Ends one process: first by asking, then by force.
    pub(super) fn ask_to_finish(&self, place: Place) {
        self.tell_to_finish(place);
        let tree = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(PATIENCE).await;
            if let Some(process) = tree.lock().processes.get(&place) {
                process.kill();
            }
        });
    }

    fn tell_to_finish(&self, place: Place) {
        let mut state = self.lock();
        let Some(process) = state.processes.get_mut(&place) else { return };
        match process.state {
            // It does not listen yet, and it has done nothing that would be lost.
            State::Starting => process.kill(),
            State::Ready => process.send(Lane::Control, control_frame(Kind::Drain, PATIENCE.as_millis() as u32)),
            State::Draining => {}
        }
        process.state = State::Draining;
    }

    fn any_left(&self, roles: &[Role]) -> bool {
        self.lock().processes.keys().any(|place| roles.contains(&place.0))
    }

    fn kill_all(&self, roles: &[Role]) {
        let state = self.lock();
        for (_, process) in state.processes.iter().filter(|(place, _)| roles.contains(&place.0)) {
            process.kill();
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
