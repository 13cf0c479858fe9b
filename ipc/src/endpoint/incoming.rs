//! The answering side: a call that has arrived and the one answer it gets.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    marker::PhantomData,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc};
use tracing::Span;

use super::{
    call::encode,
    halves::{Line, Receiving, Sending},
    window::{Allowance, Taken},
};
use crate::{
    frame::{Body, Frame},
    header::{Direction, Flags, Header, Kind},
    id::{CallId, Instance, TraceId},
    limits::{MAX_EARLY, WINDOW_FRAMES},
    link::Outbox,
    refusal::{Code, Refusal},
    role::Role,
    service::{Method, malformed},
};

/// Something that a process has to deal with.
pub enum Event {
    /// A call.
    Call(Incoming),
    /// Finish what is in progress within this time, then exit.
    Drain(Duration),
}

/// The events of a process, in the order they came. Bounded: who does not read them is not sent more.
pub struct Events(pub(super) mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Event> {
        let mut event = self.0.recv().await;
        if let Some(Event::Call(incoming)) = &mut event {
            incoming.handed = true;
        }
        event
    }
}

/// The calls this process is working on.
pub(super) struct Serving {
    data: Rc<Outbox>,
    calls: RefCell<HashMap<CallId, Served>>,
    /// Calls that were taken back and are not there: they have been answered, or have not come yet, since a cancel
    /// travels over the faster socket. The hub's ids do not rise here, so which of the two cannot be told.
    early: RefCell<VecDeque<CallId>>,
    /// Set when the process is to finish.
    draining: Rc<Signal>,
}

struct Served {
    pieces: Option<mpsc::Sender<Body>>,
    allowance: Rc<Allowance>,
    cancelled: Rc<Signal>,
}

impl Served {
    /// The caller takes the question back.
    fn stop(&mut self) {
        self.cancelled.set();
        self.allowance.close();
        self.pieces = None;
    }
}

impl Serving {
    pub(super) fn new(data: Rc<Outbox>) -> Serving {
        Serving { data, calls: RefCell::default(), early: RefCell::default(), draining: Rc::default() }
    }

    /// The process is to finish: what would never end by itself ends now.
    pub(super) fn drain(&self) {
        self.draining.set();
    }

    /// A new call. One that was taken back before it came is cancelled from the start.
    pub(super) fn begin(self: &Rc<Self>, frame: Frame) -> Incoming {
        let Frame { header, body } = frame;
        let (piece_in, piece_out) = mpsc::channel(usize::from(WINDOW_FRAMES) + 1);
        let allowance = Rc::new(Allowance::default());
        let cancelled = Rc::new(Signal::default());
        let mut served = Served {
            pieces: (header.kind == Kind::Open).then_some(piece_in),
            allowance: Rc::clone(&allowance),
            cancelled: Rc::clone(&cancelled),
        };
        if self.was_taken_back(header.call) {
            served.stop();
        }
        self.calls.borrow_mut().insert(header.call, served);
        Incoming {
            source: header.source.unwrap_or((Role::Supervisor, Instance(0))),
            method: header.method,
            call: header.call,
            trace: header.trace,
            deadline: Duration::from_millis(u64::from(header.deadline_ms)),
            body,
            name: "",
            begun: Instant::now(),
            answered: false,
            handed: false,
            serving: Rc::clone(self),
            pieces: piece_out,
            allowance,
            cancelled,
            taken: Taken::default(),
        }
    }

    /// A frame that belongs to a call of somebody else's. One that belongs to none is late and of no use.
    pub(super) fn receive(&self, frame: Frame) {
        let mut calls = self.calls.borrow_mut();
        let Some(served) = calls.get_mut(&frame.header.call) else {
            if frame.header.kind == Kind::Cancel {
                self.remember_taken_back(frame.header.call);
            }
            return;
        };
        match frame.header.kind {
            Kind::Data => {
                if let Some(pieces) = &served.pieces {
                    // Cannot be full: the hub holds the other side to its credit.
                    let _ = pieces.try_send(frame.body);
                }
            }
            Kind::End => served.pieces = None,
            Kind::Credit => served.allowance.give_back(frame.header.credit),
            Kind::Cancel => served.stop(),
            _ => {}
        }
    }

    fn remember_taken_back(&self, call: CallId) {
        let mut early = self.early.borrow_mut();
        if early.len() == MAX_EARLY {
            early.pop_front();
        }
        early.push_back(call);
    }

    fn was_taken_back(&self, call: CallId) -> bool {
        let mut early = self.early.borrow_mut();
        let place = early.iter().position(|other| *other == call);
        place.and_then(|place| early.remove(place)).is_some()
    }

    fn finish(&self, call: CallId, kind: Kind, flags: Flags, body: Body) {
        if let Some(served) = self.calls.borrow_mut().remove(&call) {
            served.allowance.close();
            self.data.send(Frame { header: Header { call, flags, ..Header::new(kind) }, body });
        }
    }
}

/// A call that has arrived. Exactly one of [`Reply::answer`] and [`refuse`](Incoming::refuse) ends it; dropping it
/// refuses it.
pub struct Incoming {
    source: (Role, Instance),
    method: u16,
    call: CallId,
    trace: TraceId,
    deadline: Duration,
    body: Body,
    name: &'static str,
    begun: Instant,
    answered: bool,
    /// The process has been given it.
    handed: bool,
    serving: Rc<Serving>,
    pieces: mpsc::Receiver<Body>,
    allowance: Rc<Allowance>,
    cancelled: Rc<Signal>,
    taken: Taken,
}

impl Incoming {
    /// Who asks, as the hub knows it.
    pub fn source(&self) -> (Role, Instance) {
        self.source
    }

    /// The method's number.
    pub fn method(&self) -> u16 {
        self.method
    }

    /// The request's bytes.
    pub fn body(&self) -> &[u8] {
        self.body.as_slice()
    }

    /// The call, to make further calls on its behalf.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// The request this belongs to.
    pub fn trace(&self) -> TraceId {
        self.trace
    }

    /// What every line that is logged while this is worked on is to be written in, so that it carries the trace.
    pub fn span(&self) -> Span {
        tracing::error_span!("call", trace = %self.trace)
    }

    /// How long the answer is of use.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Becomes ready when the caller takes the question back, or when the process is to finish; see where it comes from.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled(Rc::clone(&self.cancelled))
    }

    /// Ends the call without an answer.
    pub fn refuse(mut self, refusal: &Refusal) {
        // The code alone: a sentence may quote what was asked.
        tracing::debug!(method = self.name, number = self.method, code = ?refusal.code, "refused");
        self.end(Kind::Refuse, Flags::NONE, refusal.to_body().into());
    }

    /// The typed side of this call.
    pub fn reply<M: Method>(mut self) -> Reply<M> {
        self.name = M::NAME;
        let (role, instance) = self.source;
        tracing::debug!(method = M::NAME, from = %format_args!("{role}/{}", instance.0), bytes = told(&self.body), "asked");
        self.body = Body::EMPTY;
        Reply { incoming: self, method: PhantomData }
    }

    fn end(&mut self, kind: Kind, flags: Flags, body: Body) {
        if !self.answered {
            self.answered = true;
            let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            tracing::trace!(method = self.name, bytes = told(&body), micros, "ended");
            self.serving.finish(self.call, kind, flags, body);
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.answered {
            let refusal = if self.cancelled.is_set() {
                Refusal::new(Code::Cancelled, "stopped, as asked")
            } else if !self.handed {
                Refusal::new(Code::Draining, "the process ends and has not begun with it; try again")
            } else {
                Refusal::internal("answer a call it had taken")
            };
            self.end(Kind::Refuse, Flags::NONE, refusal.to_body().into());
        }
    }
}

/// The length of a body as a log may tell it: that of a secret says something about the secret.
fn told(body: &Body) -> usize {
    if matches!(body, Body::Sensitive(_)) { 0 } else { body.len() }
}

/// The typed side of a call that has arrived.
pub struct Reply<M: Method> {
    incoming: Incoming,
    method: PhantomData<M>,
}

impl<M: Method> Reply<M> {
    /// Ends the call well.
    pub fn answer(mut self, answer: &M::Answer) {
        match encode(answer, M::SENSITIVE) {
            Ok((body, flags)) => self.incoming.end(Kind::Answer, flags, body),
            Err(error) => self.incoming.end(Kind::Refuse, Flags::NONE, malformed(M::NAME, &error).to_body().into()),
        }
    }

    /// Ends the call otherwise.
    pub fn refuse(self, refusal: &Refusal) {
        self.incoming.refuse(refusal);
    }

    /// Ends the call with either.
    pub fn finish(self, result: Result<M::Answer, Refusal>) {
        match result {
            Ok(answer) => self.answer(&answer),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Who asks, as the hub knows it.
    pub fn source(&self) -> (Role, Instance) {
        self.incoming.source
    }

    /// The call, to make further calls on its behalf.
    pub fn call(&self) -> CallId {
        self.incoming.call
    }

    /// How long the answer is of use.
    pub fn deadline(&self) -> Duration {
        self.incoming.deadline
    }

    /// Becomes ready when the caller takes the question back, or when the process is to finish; see where it comes from.
    pub fn cancelled(&self) -> Cancelled {
        self.incoming.cancelled()
    }

    /// Set when this process is to finish: what would go on for ever ends then; what has an end goes on to it.
    pub fn draining(&self) -> Cancelled {
        Cancelled(Rc::clone(&self.incoming.serving.draining))
    }

    /// Sends a piece when the caller has room for it. False if the caller has gone.
    pub async fn send(&self, piece: &M::Down) -> Result<bool, Refusal> {
        let line = Line { data: &self.incoming.serving.data, call: self.incoming.call, direction: Direction::Down };
        Sending::<M, M::Down> { line, allowance: &self.incoming.allowance, of: PhantomData }.send(piece).await
    }

    /// The next piece from the caller; `None` when there are no more or the caller has gone.
    pub async fn next(&mut self) -> Option<Result<M::Up, Refusal>> {
        self.halves().1.next().await
    }

    /// Both directions, each to be used while the other waits.
    pub fn halves(&mut self) -> (Sending<'_, M, M::Down>, Receiving<'_, M, M::Up>) {
        let Incoming { serving, call, pieces, allowance, taken, .. } = &mut self.incoming;
        let line = |direction| Line { data: &serving.data, call: *call, direction };
        (
            Sending { line: line(Direction::Down), allowance, of: PhantomData },
            Receiving { line: line(Direction::Up), pieces, taken, of: PhantomData },
        )
    }
}

/// Set once, awaited by any number.
#[derive(Default)]
struct Signal {
    set: Cell<bool>,
    notify: Notify,
}

impl Signal {
    fn set(&self) {
        self.set.set(true);
        self.notify.notify_waiters();
    }

    fn is_set(&self) -> bool {
        self.set.get()
    }
}

/// Becomes ready when the caller takes the question back, or when the process is to finish; see where it comes from.
#[derive(Clone)]
pub struct Cancelled(Rc<Signal>);

impl Cancelled {
    /// Whether it has.
    pub fn is_set(&self) -> bool {
        self.0.is_set()
    }

    /// Waits for it.
    pub async fn wait(&self) {
        while !self.0.is_set() {
            self.0.notify.notified().await;
        }
    }
}
