//! The one clock of the supervisor: deadlines when there are any, and a tick that asks every process whether it lives.

use std::time::{Duration, Instant};

use ipc::header::Kind;

use super::{Tree, control_frame, process::State};
use crate::hub::{Blame, Lane, Place};

/// Between two questions whether a process lives. Nothing else wakes an idle tree.
const TICK: Duration = Duration::from_secs(5);

/// Unanswered questions after which a process is ended.
const MISSES: u8 = 3;

impl Tree {
    /// Runs the clock for as long as the supervisor lives.
    pub async fn keep_time(self) {
        let mut tick = Instant::now() + TICK;
        loop {
            let alarm = {
                let mut state = self.lock();
                state.alarm = state.hub.next_deadline();
                state.alarm.map_or(tick, |alarm| alarm.min(tick))
            };
            tokio::select! {
                () = tokio::time::sleep_until(alarm.into()) => {}
                () = self.0.hurry.notified() => continue,
            }
            let now = Instant::now();
            self.lock().hub.tick(now);
            self.settle();
            if now >= tick {
                tick = now + TICK;
                self.ask_whether_they_live();
                self.lock_if_nobody_is_here();
            }
        }
    }

    fn ask_whether_they_live(&self) {
        let mut silent: Vec<Place> = Vec::new();
        for (place, process) in &mut self.lock().processes {
            if process.child.is_none() || process.state == State::Starting {
                continue;
            }
            if process.missed >= MISSES {
                silent.push(*place);
            } else {
                process.missed += 1;
                process.send(Lane::Control, control_frame(Kind::Ping, 0));
            }
        }
        for place in silent {
            self.end(place, "it did not answer three pings", Blame::Supervisor);
        }
    }
}
