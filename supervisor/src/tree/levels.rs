//! Changing how much is logged while the tree runs. The new level holds for every process that lives and for those that
//! come.

use std::time::Instant;

use ipc::{
    codec,
    frame::Frame,
    header::{Header, Kind},
    id::CallId,
    messages::{common::SetLevel, start::LogLevel},
    service::Method,
};
use serde_json::json;

use super::{Everything, Tree};
use crate::{
    hub::{Place, SUPERVISOR},
    levels::Levels,
};

impl Tree {
    /// Changes levels, and tells every process whose level it changes.
    pub fn set_levels(&self, change: &Levels) {
        let mut state = self.lock();
        let before = state.log.levels.clone();
        state.log.levels.apply(change);
        let after = state.log.levels.clone();
        state.log.note("logs from now on", json!({ "levels": after.to_string() }));
        let started = state.processes.iter().filter(|(_, process)| process.child.is_some());
        let changed: Vec<Place> =
            started.map(|(place, _)| *place).filter(|place| before.of(place.0) != after.of(place.0)).collect();
        for place in changed {
            // Nobody waits for the answer: one that is on its way out does not need to know.
            state.ask(place, &SetLevel { level: after.of(place.0) });
        }
        drop(state);
        self.settle();
    }

    /// How much is logged.
    pub fn levels(&self) -> Levels {
        self.lock().log.levels.clone()
    }
}

impl Everything {
    /// Asks a process in the supervisor's own name. The answer comes as an event, if anybody looks for it.
    pub(super) fn ask<M: Method>(&mut self, to: Place, request: &M) -> CallId {
        self.last_own_call += 1;
        let call = CallId(self.last_own_call);
        let header = Header { destination: Some(to), method: M::NUMBER, call, ..Header::new(Kind::Call) };
        let body = codec::encode(request).unwrap_or_default();
        self.hub.frame(Instant::now(), SUPERVISOR, Frame { header, body: body.into() });
        call
    }

    /// Writes down what has passed the hub.
    pub(super) fn record(&mut self) {
        let Everything { hub, log, flight, watch, .. } = self;
        let everything = log.takes(LogLevel::Trace);
        for passed in hub.passed() {
            watch.passed(&passed);
            if let Some(flight) = flight {
                flight.passed(&passed);
            }
            if everything {
                let fields = json!({
                    "kind": format!("{:?}", passed.kind), "from": name(passed.from), "to": name(passed.to), "method": passed.method,
                    "call": passed.call.0, "bytes": passed.length, "outcome": passed.outcome,
                });
                log.tell_of(LogLevel::Trace, Some(passed.trace), "passed", fields);
            }
        }
    }
}

/// A process as people name it.
pub(super) fn name(place: Place) -> String {
    format!("{}/{}", place.0, place.1.0)
}
