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
//!    └──▶ storage, crypto, llm, code, supervisor
//! ```
//!
//! Crypto waits for the supervisor (`Opened`) while the supervisor waits for storage to be ready and storage waits for
//! crypto (`ReleaseStoreKey`): so the key process answers that one verb while it waits. What the supervisor asks of
//! storage (`BindAgent`) it does not wait for: the answer is an event like any other.
//!
//! # How much is held
//!
//! For each row and process: `in flight` requests of `largest body`, two windows for each stream, and the answers. That
//! is the bound of the hub's memory, whatever anybody sends.
//!
//! **Architecture Invariant:** the hub decodes no body, keeps no clock of its own and does no input or output. It turns
//! frames into [`Effect`]s, so that a test can play every process and every moment. Each call gets exactly one terminal
//! answer.

mod flow;
mod quarantine;
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
    id::{CallId, Generation, Instance, TraceId},
    limits::{CANCEL_GRACE_MS, MAX_ABANDONED, MAX_FORBIDDEN, MAX_WAITING},
    policy::{Marks, Row},
    refusal::Death,
};
use quarantine::{Fingerprint, Quarantine};

/// A process as others address it.
pub type Place = (Role, Instance);

/// The supervisor as a process among the others: what is addressed to it is delivered like everything else.
pub const SUPERVISOR: Place = (Role::Supervisor, Instance(1));

/// Which of a process's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Calls, answers and streams.
    Data,
    /// What must overtake them.
    Control,
}

/// Something the hub wants done.
pub enum Effect {
    /// Send this frame.
    Deliver {
        /// To this process.
        to: Place,
        /// Over this socket.
        lane: Lane,
        /// The frame.
        frame: Frame,
    },
    /// A call waits for a process of this role, and none is there.
    Wanted(Role),
    /// This process serves its one call: another must take its place.
    Taken(Place),
    /// This process has answered its one call.
    Spent(Place),
    /// End this process.
    End {
        /// Which.
        who: Place,
        /// Why.
        why: Misconduct,
    },
}

/// What a process did that none of ours does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misconduct {
    /// It stamped its own frames.
    #[error("it said itself who it is")]
    Spoofed,
    /// It sent what only the supervisor sends, or at the wrong time.
    #[error("it sent a frame of a kind it may not send")]
    OutOfPlace,
    /// It used a call id again.
    #[error("it used a call id twice")]
    ReusedCall,
    /// It named a parent that it does not serve.
    #[error("it called on behalf of a call that is not its own")]
    ForeignParent,
    /// It called a stream method as a plain one or the reverse, or hid a secret.
    #[error("it called a method in the wrong way")]
    WrongKind,
    /// It answered what it was never asked.
    #[error("it answered a call it never got")]
    AnswerToNothing,
    /// It sent a piece of a stream that does not exist.
    #[error("it sent a piece of a stream it does not have")]
    NoStream,
    /// It sent more than the reader has room for.
    #[error("it sent data without credit")]
    NoCredit,
    /// It gave back more than it got.
    #[error("it gave back credit it never had")]
    FalseCredit,
    /// It asked again and again for what it may not have.
    #[error("it asked too often for what it may not have")]
    Insistent,
    /// It does not answer calls that were taken back.
    #[error("it does not stop when it is told to")]
    Deaf,
    /// Its one call is over, and it still works on it.
    #[error("it worked on its one call longer than it may")]
    Overdue,
}

/// Whether a role can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// A process of it is there, or comes when it is wanted.
    Comes,
    /// None, and this is what callers are told.
    Refused(Refusal),
}

/// What the hub knows of a process.
struct Member {
    generation: Generation,
    ready: bool,
    /// It serves its one call or has served it.
    taken: bool,
    marks: Marks,
    /// The newest of its own calls; they rise.
    newest: CallId,
    /// Its own unanswered calls, by the id it gave them.
    asked: HashMap<CallId, CallId>,
    /// Calls it works on.
    serving: HashSet<CallId>,
    /// Calls it worked on when they were given up, and which it has not ended yet.
    abandoned: HashSet<CallId>,
    uses: HashMap<usize, Use>,
    forbidden: u32,
    traffic: Traffic,
}

/// How much of one row a process uses.
struct Use {
    in_flight: u16,
    second: Instant,
    in_this_second: u16,
}

/// What passed between a process and the hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls it made.
    pub asked: u64,
    /// Calls it was given.
    pub answered: u64,
    /// Calls it works on now.
    pub serving: usize,
    /// Bytes of bodies it sent.
    pub bytes: u64,
}

/// A call without its terminal answer.
struct Pending {
    caller: Place,
    /// The id the caller gave it.
    asked_as: CallId,
    /// Who works on it; `None` while it waits for somebody.
    callee: Option<Place>,
    row: usize,
    fingerprint: Fingerprint,
    deadline: Instant,
    cancelled: bool,
    trace: TraceId,
    streams: Option<[Flow; 2]>,
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
    quarantine: Quarantine,
    last: u64,
    draining: bool,
    effects: Vec<Effect>,
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
            quarantine: Quarantine::default(),
            last: 0,
            draining: false,
            effects: Vec::new(),
        };
        hub.join(SUPERVISOR, Generation(1));
        hub.ready(SUPERVISOR);
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
            asked: HashMap::new(),
            serving: HashSet::new(),
            abandoned: HashSet::new(),
            uses: HashMap::new(),
            forbidden: 0,
            traffic: Traffic::default(),
        };
        self.members.insert(place, member);
    }

    /// A process answers from now on: what waited for it is delivered.
    pub fn ready(&mut self, place: Place) {
        let Some(member) = self.members.get_mut(&place) else { return };
        member.ready = true;
        // What the supervisor itself wants of a new process comes before what others wait to ask it.
        let ours = |waiting: &Waiting| self.calls.get(&waiting.id).is_some_and(|call| call.caller == SUPERVISOR);
        let (mut held, later): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.waiting).into_iter().partition(ours);
        held.extend(later);
        while let Some(waiting) = held.pop_front() {
            match self.choose(waiting.to, self.calls.get(&waiting.id).map(|call| call.row)) {
                Some(callee) => self.dispatch(callee, waiting),
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
        member.map_or_else(Traffic::default, |member| Traffic { serving: member.serving.len(), ..member.traffic })
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
        member.traffic.bytes += frame.body.len() as u64;
        let header = &frame.header;
        let result = if header.source.is_some() || header.generation != Generation(0) {
            Err(Misconduct::Spoofed)
        } else {
            match (header.kind, header.direction) {
                (Kind::Call | Kind::Open, _) => self.call(now, from, frame),
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

    /// A process asks. Whatever it may not have is refused; what none of ours would ask for is an error.
    fn call(&mut self, now: Instant, from: Place, frame: Frame) -> Result<(), Misconduct> {
        let header = frame.header;
        let (Some(to), Some(member)) = (header.destination, self.members.get_mut(&from)) else {
            return Err(Misconduct::OutOfPlace);
        };
        if header.call <= member.newest {
            return Err(Misconduct::ReusedCall);
        }
        member.newest = header.call;
        let found = self.table.iter().position(|row| (row.source, row.destination, row.method) == (from.0, to.0, header.method));
        let Some((index, row)) = found.and_then(|index| self.table.get(index).map(|row| (index, row))) else {
            member.forbidden += 1;
            let sentence = format!("no policy row lets {} ask {} for method {}", from.0, to.0, header.method);
            self.reject(from, header.call, &Refusal::new(Code::Forbidden, sentence));
            return if self.members.get(&from).is_some_and(|member| member.forbidden > MAX_FORBIDDEN) {
                Err(Misconduct::Insistent)
            } else {
                Ok(())
            };
        };
        if row.stream != (header.kind == Kind::Open) || row.sensitive != header.flags.has(Flags::SENSITIVE) {
            return Err(Misconduct::WrongKind);
        }
        let (mut deadline, mut trace) = (now + Duration::from_secs(row.deadline_s.into()), header.trace);
        if header.deadline_ms != 0 {
            deadline = deadline.min(now + Duration::from_millis(header.deadline_ms.into()));
        }
        if let Some(parent) = header.parent {
            if member.abandoned.contains(&parent) {
                self.reject(from, header.call, &Refusal::new(Code::Cancelled, "stopped, as asked"));
                return Ok(());
            }
            let parent = self.calls.get(&parent).filter(|call| call.callee == Some(from)).ok_or(Misconduct::ForeignParent)?;
            deadline = deadline.min(parent.deadline);
            trace = parent.trace;
        }
        let fingerprint = Fingerprint::of(index, frame.body.as_slice());
        if let Err(refusal) = self.admit(now, from, index, row, frame.body.len(), fingerprint) {
            self.reject(from, header.call, &refusal);
            return Ok(());
        }
        self.last += 1;
        let id = CallId(self.last);
        let streams = row.stream.then(Default::default);
        let pending = Pending {
            caller: from,
            asked_as: header.call,
            callee: None,
            row: index,
            fingerprint,
            deadline,
            cancelled: false,
            trace,
            streams,
        };
        self.calls.insert(id, pending);
        self.deadlines.insert((deadline, id));
        if let Some(member) = self.members.get_mut(&from) {
            member.asked.insert(header.call, id);
            member.traffic.asked += 1;
            member.marks = member.marks.with(row.marks);
        }
        let stamped = Header {
            source: Some(from),
            generation: self.members.get(&from).map_or(Generation(0), |member| member.generation),
            call: id,
            parent: None,
            deadline_ms: u32::try_from(deadline.saturating_duration_since(now).as_millis()).unwrap_or(u32::MAX).max(1),
            trace,
            ..header
        };
        let waiting = Waiting { id, to, frames: vec![Frame { header: stamped, body: frame.body }] };
        match self.choose(to, Some(index)) {
            Some(callee) => self.dispatch(callee, waiting),
            None => self.hold(waiting),
        }
        Ok(())
    }

    /// Whether a call that has a row is within it. Counts it if it is.
    fn admit(
        &mut self,
        now: Instant,
        from: Place,
        index: usize,
        row: &Row,
        length: usize,
        fingerprint: Fingerprint,
    ) -> Result<(), Refusal> {
        let Some(member) = self.members.get_mut(&from) else { return Ok(()) };
        if length > row.max_body {
            return Err(Refusal::new(Code::TooLarge, format!("{} takes at most {} bytes, not {length}", row.name, row.max_body)));
        }
        if self.draining && matches!(from.0, Role::Cli | Role::Ui) {
            return Err(Refusal::new(Code::Draining, "Lamos is shutting down; try again when it is up"));
        }
        let tainted = Marks::READS_PRIVATE.with(Marks::BRINGS_UNTRUSTED);
        if row.marks.has(Marks::EGRESS) && member.marks.has(tainted) {
            return Err(Refusal::new(
                Code::NeedsApproval,
                format!("{} would send data out after private data met untrusted text", row.name),
            ));
        }
        if self.quarantine.holds(fingerprint) {
            let sentence = format!("this request ended the {} process twice and is not tried again", row.destination);
            return Err(Refusal::new(Code::Quarantined, sentence));
        }
        let used = member.uses.entry(index).or_insert(Use { in_flight: 0, second: now, in_this_second: 0 });
        if now.saturating_duration_since(used.second) >= Duration::from_secs(1) {
            used.second = now;
            used.in_this_second = 0;
        }
        if used.in_flight >= row.in_flight || used.in_this_second >= row.per_second {
            return Err(Refusal::new(
                Code::Busy,
                format!("{} is asked for too often; wait for an answer and try again", row.name),
            ));
        }
        used.in_flight += 1;
        used.in_this_second += 1;
        Ok(())
    }

    /// Who can take a call to `to` now: the process that is named, or any of the role that is ready, and for a row
    /// whose process serves one call, one that has not.
    fn choose(&self, to: Place, row: Option<usize>) -> Option<Place> {
        let fresh = row.and_then(|row| self.table.get(row)).is_some_and(|row| row.fresh);
        let fits = |member: &Member| member.ready && !(fresh && member.taken);
        if to.1 != Instance(0) {
            return self.members.get(&to).filter(|member| fits(member)).map(|_| to);
        }
        let candidates = self.members.iter().filter(|(place, member)| place.0 == to.0 && fits(member));
        // The longest-lived first, so that the choice does not depend on the order of a map.
        candidates.map(|(place, _)| *place).min()
    }

    /// Nobody can take a call now: keep it until somebody can, if that is to be expected.
    fn hold(&mut self, waiting: Waiting) {
        let (id, (role, instance)) = (waiting.id, waiting.to);
        let comes = match self.availability.get(&role) {
            _ if instance != Instance(0) && !self.members.contains_key(&waiting.to) => {
                Err(Refusal::new(Code::PeerDied, format!("the {role} process {} is gone; ask again", instance.0)))
            }
            Some(Availability::Refused(refusal)) => Err(refusal.clone()),
            Some(Availability::Comes) if self.waiting.len() < MAX_WAITING => Ok(()),
            Some(Availability::Comes) => {
                Err(Refusal::new(Code::Busy, format!("too much waits for the {role} process; try again")))
            }
            None => Err(Refusal::new(Code::CannotStart, format!("there is no {role} process here"))),
        };
        match comes {
            Ok(()) => {
                self.waiting.push_back(waiting);
                self.effects.push(Effect::Wanted(role));
            }
            Err(refusal) => self.refuse(id, &refusal),
        }
    }

    fn dispatch(&mut self, callee: Place, waiting: Waiting) {
        let Some(call) = self.calls.get_mut(&waiting.id) else { return };
        call.callee = Some(callee);
        let fresh = self.table.get(call.row).is_some_and(|row| row.fresh);
        if let Some(member) = self.members.get_mut(&callee) {
            member.serving.insert(waiting.id);
            member.traffic.answered += 1;
            member.taken |= fresh;
        }
        for mut frame in waiting.frames {
            if frame.header.destination.is_some() {
                frame.header.destination = Some(callee);
            }
            self.deliver(callee, frame);
        }
        if fresh {
            self.effects.push(Effect::Taken(callee));
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
        self.quarantine.answered(call.fingerprint);
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
        let header = Header { call: asked_as, ..Header::new(Kind::Refuse) };
        self.deliver(to, Frame { header, body: refusal.to_body().into() });
    }

    fn piece_from_caller(&mut self, from: Place, mut frame: Frame) -> Result<(), Misconduct> {
        let member = self.members.get(&from).ok_or(Misconduct::NoStream)?;
        let Some(&id) = member.asked.get(&frame.header.call) else {
            // Sent before the answer was seen, unless there never was such a call.
            return if frame.header.call <= member.newest { Ok(()) } else { Err(Misconduct::NoStream) };
        };
        let call = self.calls.get_mut(&id).ok_or(Misconduct::NoStream)?;
        check_piece(call, &frame)?;
        frame.header.call = id;
        match call.callee {
            Some(callee) => self.deliver(callee, frame),
            None => {
                if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.id == id) {
                    waiting.frames.push(frame);
                }
            }
        }
        Ok(())
    }

    fn piece_from_callee(&mut self, from: Place, mut frame: Frame) -> Result<(), Misconduct> {
        let id = frame.header.call;
        if self.members.get(&from).is_some_and(|member| member.abandoned.contains(&id)) {
            return Ok(());
        }
        let call = self.calls.get_mut(&id).filter(|call| call.callee == Some(from)).ok_or(Misconduct::NoStream)?;
        check_piece(call, &frame)?;
        frame.header.call = call.asked_as;
        let caller = call.caller;
        self.deliver(caller, frame);
        Ok(())
    }

    /// A caller takes a question back: its worker is told, and has a moment to answer with what it has.
    fn cancel(&mut self, now: Instant, from: Place, asked_as: CallId) {
        let Some(&id) = self.members.get(&from).and_then(|member| member.asked.get(&asked_as)) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(callee) = call.callee else {
            self.waiting.retain(|waiting| waiting.id != id);
            return self.refuse(id, &Refusal::new(Code::Cancelled, "stopped, as asked"));
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
            Refusal::new(Code::Cancelled, "stopped, as asked")
        } else {
            let name = row.map_or("this", |row| row.name);
            Refusal::new(Code::DeadlineExceeded, format!("no answer to {name} came in time"))
        };
        self.waiting.retain(|waiting| waiting.id != id);
        self.refuse(id, &refusal);
        let Some(callee) = callee else { return };
        if !cancelled {
            self.tell_to_stop(callee, id);
        }
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
    pub fn gone(&mut self, place: Place, death: Death) {
        let Some(member) = self.members.remove(&place) else { return };
        for id in member.serving {
            let Some(call) = self.calls.get(&id) else { continue };
            if self.table.get(call.row).is_some_and(|row| !row.fresh) {
                self.quarantine.died(call.fingerprint);
            }
            self.refuse(id, &Refusal::peer_died(place.0.name(), death));
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
            self.refuse(waiting.id, &Refusal::peer_died(place.0.name(), death));
        }
    }

    fn deliver(&mut self, to: Place, frame: Frame) {
        self.effects.push(Effect::Deliver { to, lane: Lane::Data, frame });
    }
}

/// Whether a piece, a credit or an end is one that the stream has.
fn check_piece(call: &mut Pending, frame: &Frame) -> Result<(), Misconduct> {
    let flows = call.streams.as_mut().ok_or(Misconduct::NoStream)?;
    let flow = match frame.header.direction {
        Some(Direction::Up) => &mut flows[0],
        Some(Direction::Down) => &mut flows[1],
        None => return Err(Misconduct::NoStream),
    };
    match frame.header.kind {
        Kind::Data if flow.send(frame.body.len()) => Ok(()),
        Kind::Data => Err(Misconduct::NoCredit),
        Kind::Credit if flow.give_back(frame.header.credit) => Ok(()),
        Kind::Credit => Err(Misconduct::FalseCredit),
        _ if flow.end() => Ok(()),
        _ => Err(Misconduct::NoStream),
    }
}
