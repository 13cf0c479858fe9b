//! The way of a call into the hub: the checks it passes, who works on it, and where it waits if nobody can yet.

use std::time::{Duration, Instant};

use ipc::{
    Code, Refusal, Role,
    frame::Frame,
    header::{Flags, Header, Kind},
    id::{CallId, Generation, Instance},
    limits::{MAX_FORBIDDEN, MAX_WAITING},
    policy::{Marks, Row},
};

use super::{
    Availability, Effect, Hub, Member, Misconduct, Pending, Place, Use, Waiting, quarantine::Request, taken_back_refusal,
};

/// A call that has a row, before it is known whether it is within it.
struct Wanted {
    index: usize,
    row: &'static Row,
    callee: Option<Place>,
    length: usize,
    request: Option<Request>,
}

impl Hub {
    /// A process asks. Whatever it may not have is refused; what none of ours would ask for is an error.
    pub(super) fn call(&mut self, now: Instant, from: Place, frame: Frame) -> Result<(), Misconduct> {
        let header = frame.header;
        let (Some(to), Some(member)) = (header.destination, self.members.get_mut(&from)) else {
            return Err(Misconduct::OutOfPlace);
        };
        if header.call <= member.newest {
            return Err(Misconduct::ReusedCall);
        }
        member.newest = header.call;
        let taken_back = member.was_taken_back(header.call);
        let found = self.table.iter().position(|row| (row.source, row.destination, row.method) == (from.0, to.0, header.method));
        let Some((index, row)) = found.and_then(|index| self.table.get(index).map(|row| (index, row))) else {
            member.forbidden += 1;
            let sentence = format!("no policy row lets {} ask {} for method {}", from.0, to.0, header.method);
            self.reject(from, header.call, &Refusal::new(Code::Forbidden, sentence));
            if to.0 == Role::Crypto {
                self.effects.push(Effect::Forbidden { who: from, method: header.method });
            }
            return if self.members.get(&from).is_some_and(|member| member.forbidden > MAX_FORBIDDEN) {
                Err(Misconduct::Insistent)
            } else {
                Ok(())
            };
        };
        if row.stream != (header.kind == Kind::Open) || row.sensitive != header.flags.has(Flags::SENSITIVE) {
            return Err(Misconduct::WrongKind);
        }
        if taken_back {
            self.reject(from, header.call, &taken_back_refusal());
            return Ok(());
        }
        let (mut deadline, mut trace) = (now + Duration::from_secs(row.deadline_s.into()), header.trace);
        if header.deadline_ms != 0 {
            deadline = deadline.min(now + Duration::from_millis(header.deadline_ms.into()));
        }
        if let Some(parent) = header.parent {
            if member.abandoned.contains(&parent) {
                self.reject(from, header.call, &taken_back_refusal());
                return Ok(());
            }
            let parent = self.calls.get(&parent).filter(|call| call.callee == Some(from)).ok_or(Misconduct::ForeignParent)?;
            deadline = deadline.min(parent.deadline);
            trace = parent.trace;
        }
        // Not of what has a process to itself: its death is its own.
        let request = if row.fresh || row.sensitive { None } else { self.quarantine.watch(index, &frame.body) };
        let callee = self.choose(to, Some(index));
        let wanted = Wanted { index, row, callee, length: frame.body.len(), request };
        if let Err(refusal) = self.admit(now, from, &wanted) {
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
            request: wanted.request,
            deadline,
            cancelled: false,
            trace,
            streams,
            up: wanted.length as u64,
            down: 0,
            streamed: 0,
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
            trace,
            ..header
        };
        let waiting = Waiting { id, to, frames: vec![Frame { header: stamped, body: frame.body }] };
        match callee {
            Some(callee) => self.dispatch(now, callee, waiting),
            None => self.hold(waiting),
        }
        Ok(())
    }

    /// Whether a call that has a row is within it. Counts it if it is.
    fn admit(&mut self, now: Instant, from: Place, wanted: &Wanted) -> Result<(), Refusal> {
        let &Wanted { index, row, callee, length, ref request } = wanted;
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
        if self.crowded.contains(&from) {
            return Err(Refusal::new(Code::Busy, "there is more to read than there should be; read it and try again"));
        }
        if callee.is_some_and(|callee| self.crowded.contains(&callee)) {
            let sentence = format!("the {} process has more to read than it should; try again in a moment", row.destination);
            return Err(Refusal::new(Code::Busy, sentence));
        }
        if request.as_ref().is_some_and(|request| self.quarantine.holds(request)) {
            let sentence = format!("this request ended the {} process twice and is not tried again", row.destination);
            return Err(Refusal::new(Code::Quarantined, sentence));
        }
        let used = member.uses.entry(index).or_insert(Use::new(now));
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
        used.made += 1;
        used.in_this_second += 1;
        Ok(())
    }

    /// Who can take a call to `to` now: the process that is named, or any of the role that is ready, and for a row
    /// whose process serves one call, one that has not.
    pub(super) fn choose(&self, to: Place, row: Option<usize>) -> Option<Place> {
        let fresh = row.and_then(|row| self.table.get(row)).is_some_and(|row| row.fresh);
        let fits = |member: &Member| member.ready && !(fresh && member.taken);
        if to.1 != Instance(0) {
            return self.members.get(&to).filter(|member| fits(member)).map(|_| to);
        }
        let candidates = self.members.iter().filter(|(place, member)| place.0 == to.0 && fits(member));
        // One that has its one call last, since it ends after it; and the longest-lived first, so that the choice does not
        // depend on the order of a map.
        candidates.min_by_key(|(place, member)| (member.taken, **place)).map(|(place, _)| *place)
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

    /// Gives a call to the process that works on it.
    pub(super) fn dispatch(&mut self, now: Instant, callee: Place, waiting: Waiting) {
        let Some(call) = self.calls.get_mut(&waiting.id) else { return };
        call.callee = Some(callee);
        let deadline = call.deadline;
        let fresh = self.table.get(call.row).is_some_and(|row| row.fresh);
        if let Some(member) = self.members.get_mut(&callee) {
            member.serving.insert(waiting.id);
            member.traffic.answered += 1;
            member.taken |= fresh;
        }
        for mut frame in waiting.frames {
            if frame.header.destination.is_some() {
                frame.header.destination = Some(callee);
                // What is left of it now: it may have waited for the process.
                let left = deadline.saturating_duration_since(now).as_millis();
                frame.header.deadline_ms = u32::try_from(left).unwrap_or(u32::MAX).max(1);
            }
            self.deliver(callee, frame);
        }
        if fresh {
            self.effects.push(Effect::Taken(callee));
        }
    }
}
