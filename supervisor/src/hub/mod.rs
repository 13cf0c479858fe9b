//! The hub: every frame passes here, is checked against the policy, stamped with who really sent it, and passed on.
//!
//! # Who may block on whom
//!
//! Nobody blocks on the hub and the hub blocks on nobody: it takes every frame as it comes and either passes it on,
//! holds it within a bound, refuses it, or ends its sender. Between processes, waiting follows the rows of the policy,
//! which have no cycle but the one below the picture:
//!
//! ```text
//! cli, ui ─▶ agent ─▶ llm ─▶ crypto ─▶ supervisor ─▶ storage
//!    │         ├────▶ code
//!    │         └────▶ storage ─▶ crypto
//!    ├──▶ storage, crypto, llm, code, verifier, supervisor
//!    └──▶ gate ─▶ verifier, crypto
//! ```
//!
//! Crypto waits for the supervisor (`Opened`) while the supervisor waits for storage to be ready and storage waits for
//! crypto (`ReleaseStoreKey`): so the key process answers that one verb while it waits. What the supervisor asks of
//! storage (`BindAgent`) and of crypto (`Lock`, `NoteForbidden`) it does not wait for: the answer is an event like any other.
//!
//! # How much is held
//!
//! For each row and process: `in flight` requests of `largest body` (kept until they are answered, see `quarantine`), two
//! windows for each stream, and the answers. That is the bound of the hub's memory, whatever anybody sends. A process
//! that does not keep up with reading gets no new calls until it does ([`Hub::set_crowded`]), and makes none: who asks
//! it, and what it asks, is refused as busy.
//!
//! **Architecture Invariant:** the hub decodes no body, keeps no clock of its own and does no input or output. It turns
//! frames into [`Effect`]s, so that a test can play every process and every moment. Each call gets exactly one terminal
//! answer.

mod admission;
mod flow;
mod passed;
mod quarantine;
mod streams;
mod terms;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use flow::Flow;
use ipc::{
    Code, Refusal, Role,
    frame::Frame,
    header::{Direction, Flags, Header, Kind},
    id::{CallId, Generation, TraceId},
    limits::{CANCEL_GRACE_MS, MAX_ABANDONED, MAX_EARLY, MAX_UNHEARD},
    policy::{Marks, Row},
    refusal::{Death, Ends},
};
pub use passed::Passed;
use passed::Use;
use quarantine::{Quarantine, Request};
pub use terms::{Availability, Blame, Effect, Lane, Misconduct, Place, SUPERVISOR, Traffic};

/// What the hub knows of a process.
struct Member {
    generation: Generation,
    ready: bool,
    /// It serves its one call or has served it.
    taken: bool,
    marks: Marks,
    /// The newest of its own calls; they rise.
    newest: CallId,
    /// Calls that it has taken back and that have not come yet: a cancel travels over the faster socket.
    early: BTreeSet<CallId>,
    /// Its own unanswered calls, by the id it gave them.
    asked: HashMap<CallId, CallId>,
    /// Calls it works on.
    serving: HashSet<CallId>,
    /// Calls it worked on when they were given up, and which it has not ended yet.
    abandoned: HashSet<CallId>,
    uses: HashMap<usize, Use>,
    forbidden: u32,
    /// Calls of its own that were refused out of hand since it had too much to read.
    unheard: u32,
    traffic: Traffic,
}

impl Member {
    /// Whether this call, which has just come, was taken back before. Those before it do not come any more.
    fn was_taken_back(&mut self, call: CallId) -> bool {
        if self.early.is_empty() {
            return false;
        }
        self.early = self.early.split_off(&call);
        self.early.remove(&call)
    }
}

/// A call without its terminal answer.
struct Pending {
    caller: Place,
    /// The id the caller gave it.
    asked_as: CallId,
    /// Who works on it; `None` while it waits for somebody.
    callee: Option<Place>,
    row: usize,
    /// What the quarantine recognises it by, if it is to.
    request: Option<Request>,
    deadline: Instant,
    cancelled: bool,
    trace: TraceId,
    streams: Option<[Flow; 2]>,
    /// Bytes of the request and of pieces from the caller, and of those to it.
    up: u64,
    down: u64,
    /// Bytes of pieces alone.
    streamed: u64,
}

/// A call that waits for a process, and what the caller has sent of its stream already.
struct Waiting {
    id: CallId,
    to: Place,
    frames: Vec<Frame>,
}

/// See the module.
pub struct Hub {
    table: &'static [Row],
    members: HashMap<Place, Member>,
    availability: HashMap<Role, Availability>,
    calls: HashMap<CallId, Pending>,
    deadlines: BTreeSet<(Instant, CallId)>,
    waiting: VecDeque<Waiting>,
    /// Processes that have so much to read that they get no new calls.
    crowded: BTreeSet<Place>,
    quarantine: Quarantine,
    last: u64,
    draining: bool,
    effects: Vec<Effect>,
    /// What passed and was not asked for yet.
    passed: Vec<Passed>,
    /// The header of the call that is being taken in.
    asking: Header,
}

impl Hub {
    /// A hub that follows this table, with the supervisor as its one process.
    pub fn new(table: &'static [Row]) -> Hub {
        let mut hub = Hub {
            table,
            members: HashMap::new(),
            availability: HashMap::new(),
            calls: HashMap::new(),
            deadlines: BTreeSet::new(),
            waiting: VecDeque::new(),
            crowded: BTreeSet::new(),
            quarantine: Quarantine::default(),
            last: 0,
            draining: false,
            effects: Vec::new(),
            passed: Vec::new(),
            asking: Header::new(Kind::Call),
        };
        hub.join(SUPERVISOR, Generation(1));
        if let Some(supervisor) = hub.members.get_mut(&SUPERVISOR) {
            supervisor.ready = true;
        }
        hub
    }

    /// A process is there. It may call, and is called once it is [`ready`](Self::ready).
    pub fn join(&mut self, place: Place, generation: Generation) {
        let member = Member {
            generation,
            ready: false,
            taken: false,
            marks: Marks::NONE,
            newest: CallId(0),
            early: BTreeSet::new(),
            asked: HashMap::new(),
            serving: HashSet::new(),
            abandoned: HashSet::new(),
            uses: HashMap::new(),
            forbidden: 0,
            unheard: 0,
            traffic: Traffic::default(),
        };
        self.members.insert(place, member);
    }

    /// A process answers from now on: what waited for it is delivered.
    pub fn ready(&mut self, now: Instant, place: Place) {
        let Some(member) = self.members.get_mut(&place) else { return };
        member.ready = true;
        // What the supervisor itself wants of a new process comes before what others wait to ask it.
        let ours = |waiting: &Waiting| self.calls.get(&waiting.id).is_some_and(|call| call.caller == SUPERVISOR);
        let (mut held, later): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.waiting).into_iter().partition(ours);
        held.extend(later);
        while let Some(waiting) = held.pop_front() {
            match self.choose(waiting.to, self.calls.get(&waiting.id).map(|call| call.row)) {
                Some(callee) => self.dispatch(now, callee, waiting),
                None => self.waiting.push_back(waiting),
            }
        }
    }

    /// Says whether processes of a role can be had. What waits for one that cannot is refused.
    pub fn set_availability(&mut self, role: Role, availability: Availability) {
        if let Availability::Refused(refusal) = &availability {
            let (hopeless, held) = std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.to.0 == role);
            self.waiting = held;
            let hopeless: VecDeque<Waiting> = hopeless;
            for waiting in hopeless {
                self.refuse(waiting.id, refusal);
            }
        }
        self.availability.insert(role, availability);
    }

    /// From now on no new work is taken from outside; what is in progress goes on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Says whether a process has so much to read that it gets no new calls for now, and makes none.
    pub fn set_crowded(&mut self, place: Place, crowded: bool) {
        match self.members.get_mut(&place) {
            Some(_) if crowded => {
                self.crowded.insert(place);
            }
            member => {
                self.crowded.remove(&place);
                if let Some(member) = member {
                    member.unheard = 0;
                }
            }
        }
    }

    /// A process is being ended: whoever asks its role from now on waits for the next one.
    pub fn condemn(&mut self, place: Place) {
        if let Some(member) = self.members.get_mut(&place) {
            member.ready = false;
        }
    }

    /// The processes that get no new calls for now.
    pub fn crowded(&self) -> Vec<Place> {
        self.crowded.iter().copied().collect()
    }

    /// What is to be done after the calls before. The caller does all of it, in this order.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// What passed between a process and the hub.
    pub fn traffic(&self, place: Place) -> Traffic {
        let member = self.members.get(&place);
        member.map_or_else(Traffic::default, |member| Traffic {
            serving: member.serving.len(),
            asking: member.asked.len(),
            ..member.traffic
        })
    }

    /// Whether a process serves its one call or has served it.
    pub fn is_taken(&self, place: Place) -> bool {
        self.members.get(&place).is_some_and(|member| member.taken)
    }

    /// Calls without an answer.
    #[cfg(test)]
    fn unanswered(&self) -> usize {
        self.calls.len()
    }

    /// A frame has come from a process.
    pub fn frame(&mut self, now: Instant, from: Place, frame: Frame) {
        let Some(member) = self.members.get_mut(&from) else { return };
        member.traffic.sent += frame.body.len() as u64;
        let header = &frame.header;
        let result = if header.source.is_some() || header.generation != Generation(0) {
            Err(Misconduct::Spoofed)
        } else {
            match (header.kind, header.direction) {
                (Kind::Call | Kind::Open, _) => {
                    self.asking = frame.header;
                    self.call(now, from, frame)
                }
                (Kind::Answer | Kind::Refuse, _) => self.answer(from, frame),
                (Kind::Data | Kind::End, Some(Direction::Up)) | (Kind::Credit, Some(Direction::Down)) => {
                    self.piece_from_caller(from, frame)
                }
                (Kind::Data | Kind::End | Kind::Credit, _) => self.piece_from_callee(from, frame),
                (Kind::Cancel, _) => {
                    self.cancel(now, from, header.call);
                    Ok(())
                }
                (Kind::Hello | Kind::Ready | Kind::Ping | Kind::Drain, _) => Err(Misconduct::OutOfPlace),
            }
        };
        if let Err(why) = result {
            self.effects.push(Effect::End { who: from, why });
        }
    }

    /// A process answers.
    fn answer(&mut self, from: Place, mut frame: Frame) -> Result<(), Misconduct> {
        let id = frame.header.call;
        let member = self.members.get_mut(&from).ok_or(Misconduct::AnswerToNothing)?;
        if member.abandoned.remove(&id) {
            if member.taken {
                self.effects.push(Effect::Spent(from));
            }
            return Ok(());
        }
        let call = self.calls.get(&id).filter(|call| call.callee == Some(from)).ok_or(Misconduct::AnswerToNothing)?;
        let row = self.table.get(call.row).ok_or(Misconduct::AnswerToNothing)?;
        if frame.header.kind == Kind::Answer && row.sensitive != frame.header.flags.has(Flags::SENSITIVE) {
            return Err(Misconduct::WrongKind);
        }
        if let Some(request) = &call.request {
            self.quarantine.answered(request);
        }
        frame.header.method = row.method;
        if row.fresh {
            self.effects.push(Effect::Spent(from));
        }
        self.finish(id, frame);
        Ok(())
    }

    /// Gives a call its terminal answer and forgets it.
    fn finish(&mut self, id: CallId, mut frame: Frame) {
        let Some(call) = self.calls.remove(&id) else { return };
        self.deadlines.remove(&(call.deadline, id));
        self.note_end(id, &call, &frame);
        if let Some(callee) = call.callee {
            frame.header.source = Some(callee);
            if let Some(member) = self.members.get_mut(&callee) {
                member.serving.remove(&id);
                frame.header.generation = member.generation;
            }
        }
        if let Some(member) = self.members.get_mut(&call.caller) {
            member.asked.remove(&call.asked_as);
            if let Some(used) = member.uses.get_mut(&call.row) {
                used.in_flight = used.in_flight.saturating_sub(1);
                used.up += call.up;
                used.down += call.down + frame.body.len() as u64;
            }
        }
        frame.header = Header { call: call.asked_as, trace: call.trace, ..frame.header };
        self.deliver(call.caller, frame);
    }

    /// Gives a call a refusal as its terminal answer.
    fn refuse(&mut self, id: CallId, refusal: &Refusal) {
        let header = Header { call: id, ..Header::new(Kind::Refuse) };
        self.finish(id, Frame { header, body: refusal.to_body().into() });
    }

    /// Refuses what has not become a call.
    fn reject(&mut self, to: Place, asked_as: CallId, refusal: &Refusal) {
        if let Some(member) = self.members.get_mut(&to).filter(|_| self.crowded.contains(&to)) {
            member.unheard += 1;
            if member.unheard > MAX_UNHEARD {
                self.effects.push(Effect::End { who: to, why: Misconduct::Unhearing });
                return;
            }
        }
        let header = Header { call: asked_as, ..Header::new(Kind::Refuse) };
        let frame = Frame { header, body: refusal.to_body().into() };
        self.note_reject(to, &frame);
        self.deliver(to, frame);
    }

    /// A caller takes a question back: its worker is told, and has a moment to answer with what it has.
    fn cancel(&mut self, now: Instant, from: Place, asked_as: CallId) {
        let Some(member) = self.members.get_mut(&from) else { return };
        let Some(&id) = member.asked.get(&asked_as) else {
            // Answered already, or still on its way over the slower socket.
            if asked_as > member.newest && member.early.len() < MAX_EARLY {
                member.early.insert(asked_as);
            }
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(callee) = call.callee else {
            self.waiting.retain(|waiting| waiting.id != id);
            return self.refuse(id, &taken_back_refusal());
        };
        if std::mem::replace(&mut call.cancelled, true) {
            return;
        }
        self.deadlines.remove(&(call.deadline, id));
        call.deadline = call.deadline.min(now + Duration::from_millis(CANCEL_GRACE_MS.into()));
        self.deadlines.insert((call.deadline, id));
        self.tell_to_stop(callee, id);
    }

    fn tell_to_stop(&mut self, callee: Place, id: CallId) {
        self.note_cancel(callee, id);
        let frame = Frame::bare(Header { call: id, ..Header::new(Kind::Cancel) });
        self.effects.push(Effect::Deliver { to: callee, lane: Lane::Control, frame });
    }

    /// Time has passed: calls whose answer is of no use any more are refused.
    pub fn tick(&mut self, now: Instant) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            self.expire(id);
        }
    }

    fn expire(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            self.deadlines.retain(|(_, other)| *other != id);
            return;
        };
        let (callee, cancelled, row) = (call.callee, call.cancelled, self.table.get(call.row));
        let refusal = if cancelled {
            taken_back_refusal()
        } else {
            let name = row.map_or("this", |row| row.name);
            Refusal::new(Code::DeadlineExceeded, format!("no answer to {name} came in time"))
        };
        self.waiting.retain(|waiting| waiting.id != id);
        self.refuse(id, &refusal);
        let Some(callee) = callee else { return };
        // Perhaps for the second time: whoever has not heard it waits for credit that nobody gives any more.
        self.tell_to_stop(callee, id);
        if row.is_some_and(|row| row.fresh) {
            self.effects.push(Effect::End { who: callee, why: Misconduct::Overdue });
        }
        self.abandon(callee, id);
    }

    fn abandon(&mut self, callee: Place, id: CallId) {
        let Some(member) = self.members.get_mut(&callee) else { return };
        member.serving.remove(&id);
        member.abandoned.insert(id);
        if member.abandoned.len() > MAX_ABANDONED {
            self.effects.push(Effect::End { who: callee, why: Misconduct::Deaf });
        }
    }

    /// A process has ended: its questions are taken back and those it worked on are refused.
    pub fn gone(&mut self, place: Place, death: Death, blame: Blame) {
        let Some(member) = self.members.remove(&place) else { return };
        self.crowded.remove(&place);
        if blame == Blame::Work {
            self.quarantine.died(member.serving.iter().filter_map(|id| self.calls.get(id)?.request.as_ref()));
        }
        let died = if death.means_damage(place.0, Ends::Once) {
            Refusal::archive_died(death)
        } else {
            Refusal::peer_died(place.0.name(), death)
        };
        for id in member.serving {
            self.refuse(id, &died);
        }
        for id in member.asked.into_values() {
            let Some(call) = self.calls.remove(&id) else { continue };
            self.deadlines.remove(&(call.deadline, id));
            self.waiting.retain(|waiting| waiting.id != id);
            let Some(callee) = call.callee else { continue };
            if self.table.get(call.row).is_some_and(|row| row.fresh) {
                self.effects.push(Effect::End { who: callee, why: Misconduct::Overdue });
            }
            self.tell_to_stop(callee, id);
            self.abandon(callee, id);
        }
        // What waited for this very process waits in vain.
        let (hopeless, held): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.to == place);
        self.waiting = held;
        for waiting in hopeless {
            self.refuse(waiting.id, &died);
        }
    }

    fn deliver(&mut self, to: Place, frame: Frame) {
        if let Some(member) = self.members.get_mut(&to) {
            member.traffic.received += frame.body.len() as u64;
        }
        if frame.header.destination.is_some() {
            self.note_call(to, &frame);
        }
        self.effects.push(Effect::Deliver { to, lane: Lane::Data, frame });
    }
}

fn taken_back_refusal() -> Refusal {
    Refusal::new(Code::Cancelled, "stopped, as asked")
}
