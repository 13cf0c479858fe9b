//! What passed, by its headers alone, and who talks to whom: for the flight recorder and for `lamos ps`.
//!
//! **Architecture Invariant:** nothing of a body comes here but its length, and of a secret not even that. Of a refusal its
//! code is taken, which is the first byte.

use std::{collections::BTreeMap, time::Instant};

use ipc::{
    Refusal, Role,
    frame::{Body, Frame},
    header::{Header, Kind},
    id::{CallId, TraceId},
};

use super::{Hub, Pending, Place, SUPERVISOR};

/// A call that may take longer than this only looks on; nobody waits for its end.
const ONLY_WATCHES_S: u32 = 86_400;

/// One frame that passed the hub. Pieces of streams have none: they are counted in what ends their call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Call, Open, Answer, Refuse or Cancel.
    pub kind: Kind,
    /// Who sent it; the supervisor where the hub itself did.
    pub from: Place,
    /// Who got it.
    pub to: Place,
    /// The method, 0 where there is none.
    pub method: u16,
    /// The call as the hub numbers it; 0 for one that never became a call.
    pub call: CallId,
    /// The request it belongs to.
    pub trace: TraceId,
    /// Bytes of the body.
    pub length: u32,
    /// Bytes of all pieces of the call's streams, in what ends it.
    pub streamed: u32,
    /// The number of a refusal's code, otherwise 0.
    pub outcome: u16,
}

/// How much one process asks of one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// Calls it made.
    pub calls: u64,
    /// Calls that are unanswered.
    pub in_flight: u32,
    /// Bytes of its requests and of the pieces it sent.
    pub up: u64,
    /// Bytes of the answers and of the pieces it got.
    pub down: u64,
}

/// How much of one row a process uses.
pub(super) struct Use {
    pub(super) in_flight: u16,
    pub(super) second: Instant,
    pub(super) in_this_second: u16,
    /// Calls made by it.
    pub(super) made: u64,
    /// Bytes of the calls that have ended, towards who answers and back.
    pub(super) up: u64,
    pub(super) down: u64,
}

impl Use {
    pub(super) fn new(now: Instant) -> Use {
        Use { in_flight: 0, second: now, in_this_second: 0, made: 0, up: 0, down: 0 }
    }
}

/// A call of a command line or a window that is being worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errand {
    /// Who waits for it.
    pub from: Place,
    /// Who works on it; `None` while it waits for somebody.
    pub to: Option<Place>,
    /// What is wanted.
    pub method: &'static str,
    /// The request it belongs to.
    pub trace: TraceId,
}

impl Hub {
    /// What has passed since this was asked for last, oldest first.
    pub fn passed(&mut self) -> impl Iterator<Item = Passed> + '_ {
        self.passed.drain(..)
    }

    /// Who talks to whom.
    pub fn talks(&self) -> BTreeMap<(Place, Role), Talk> {
        let mut talks: BTreeMap<(Place, Role), Talk> = BTreeMap::new();
        for (place, member) in &self.members {
            for (row, used) in member.uses.iter().filter_map(|(index, used)| Some((self.table.get(*index)?, used))) {
                let talk = talks.entry((*place, row.destination)).or_default();
                talk.calls += used.made;
                talk.in_flight += u32::from(used.in_flight);
                talk.up += used.up;
                talk.down += used.down;
            }
        }
        // What is under way is counted where it ends.
        for call in self.calls.values() {
            let row = self.table.get(call.row);
            if let Some(talk) = row.and_then(|row| talks.get_mut(&(call.caller, row.destination))) {
                talk.up += call.up;
                talk.down += call.down;
            }
        }
        talks
    }

    /// What people wait for. Who only follows what is kept waits for nothing.
    pub fn errands(&self) -> impl Iterator<Item = Errand> + '_ {
        let outside = self.calls.values().filter(|call| matches!(call.caller.0, Role::Cli | Role::Ui));
        outside.filter_map(|call| {
            let row = self.table.get(call.row).filter(|row| row.deadline_s <= ONLY_WATCHES_S)?;
            Some(Errand { from: call.caller, to: call.callee, method: row.name, trace: call.trace })
        })
    }

    /// Calls that wait for a process of this role.
    pub fn waiting_for(&self, role: Role) -> usize {
        self.waiting.iter().filter(|waiting| waiting.to.0 == role).count()
    }

    /// A call is given to the one who works on it.
    pub(super) fn note_call(&mut self, to: Place, frame: &Frame) {
        let Header { kind, source, method, call, trace, .. } = frame.header;
        let from = source.unwrap_or(SUPERVISOR);
        self.passed.push(Passed { kind, from, to, method, call, trace, length: told(&frame.body), streamed: 0, outcome: 0 });
    }

    /// A call gets its terminal answer.
    pub(super) fn note_end(&mut self, id: CallId, call: &Pending, frame: &Frame) {
        let method = self.table.get(call.row).map_or(0, |row| row.method);
        self.passed.push(Passed {
            kind: frame.header.kind,
            from: call.callee.unwrap_or(SUPERVISOR),
            to: call.caller,
            method,
            call: id,
            trace: call.trace,
            length: told(&frame.body),
            streamed: u32::try_from(call.streamed).unwrap_or(u32::MAX),
            outcome: outcome(frame),
        });
    }

    /// A call was refused before it was one.
    pub(super) fn note_reject(&mut self, to: Place, frame: &Frame) {
        let Header { method, trace, .. } = self.asking;
        let length = told(&frame.body);
        let (kind, outcome) = (Kind::Refuse, outcome(frame));
        self.passed.push(Passed { kind, from: SUPERVISOR, to, method, call: CallId(0), trace, length, streamed: 0, outcome });
    }

    /// Somebody is told to stop.
    pub(super) fn note_cancel(&mut self, to: Place, id: CallId) {
        let (from, trace, row) = self
            .calls
            .get(&id)
            .map_or((SUPERVISOR, TraceId::default(), None), |call| (call.caller, call.trace, self.table.get(call.row)));
        let method = row.map_or(0, |row| row.method);
        let kind = Kind::Cancel;
        self.passed.push(Passed { kind, from, to, method, call: id, trace, length: 0, streamed: 0, outcome: 0 });
    }
}

fn outcome(frame: &Frame) -> u16 {
    let refused = frame.header.kind == Kind::Refuse;
    refused.then(|| Refusal::code_of(frame.body.as_slice())).flatten().map_or(0, |code| code as u16)
}

/// The length of a body. That of a secret says something about the secret.
fn told(body: &Body) -> u32 {
    if matches!(body, Body::Sensitive(_)) { 0 } else { u32::try_from(body.len()).unwrap_or(u32::MAX) }
}
