//! The asking side: one-answer calls and calls with streams.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    marker::PhantomData,
    rc::Rc,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    halves::{Line, Receiving, Sending},
    window::{Allowance, Taken},
};
use crate::{
    codec,
    frame::{Body, Frame},
    header::{Direction, Flags, Header, Kind},
    id::{CallId, Instance, TraceId},
    limits::{MAX_DATA, WINDOW_FRAMES},
    link::Outbox,
    refusal::{Code, Refusal},
    role::Role,
    service::{Method, malformed},
};

/// How a call is made. The default asks any process of the method's role, with the policy's own deadline.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Which process of the role.
    pub instance: Instance,
    /// Which role, for the methods that every role answers.
    pub role: Option<Role>,
    /// How long the answer is of use; the policy's row may say less.
    pub deadline: Option<Duration>,
    /// The call on whose behalf this one is made: its deadline and trace hold for this one too.
    pub parent: Option<CallId>,
    /// The request this belongs to, where there is no parent.
    pub trace: Option<TraceId>,
}

impl Options {
    /// Asks this process.
    pub fn at(instance: u32) -> Options {
        Options { instance: Instance(instance), ..Options::default() }
    }

    /// Asks on behalf of a call.
    #[must_use]
    pub fn for_call(self, parent: CallId) -> Options {
        Options { parent: Some(parent), ..self }
    }
}

/// Asks other processes on behalf of this one.
pub struct Caller {
    data: Rc<Outbox>,
    control: Rc<Outbox>,
    next: Cell<u64>,
    waiting: RefCell<HashMap<CallId, Waiting>>,
    /// The connection has ended: nothing that is asked from now on would ever be answered.
    gone: Cell<bool>,
}

/// What an unanswered call waits for.
struct Waiting {
    answer: oneshot::Sender<Result<Body, Refusal>>,
    pieces: Option<mpsc::Sender<Body>>,
    allowance: Rc<Allowance>,
}

impl Caller {
    pub(super) fn new(data: Rc<Outbox>, control: Rc<Outbox>) -> Caller {
        Caller { data, control, next: Cell::new(0), waiting: RefCell::default(), gone: Cell::new(false) }
    }

    pub(crate) async fn call<M: Method>(
        &self,
        request: &M,
        to: (Role, Instance),
        options: Options,
    ) -> Result<M::Answer, Refusal> {
        let (call, answer, _, _) = self.begin(request, Kind::Call, to, options)?;
        let guard = CancelOnDrop { caller: self, call };
        let answer = answer.await.map_err(|_| disconnected())?;
        drop(guard);
        decode_answer::<M>(&answer?)
    }

    pub(crate) fn open<M: Method>(
        self: &Rc<Self>,
        request: &M,
        to: (Role, Instance),
        options: Options,
    ) -> Result<StreamCall<M>, Refusal> {
        let (call, answer, pieces, allowance) = self.begin(request, Kind::Open, to, options)?;
        Ok(StreamCall {
            caller: Rc::clone(self),
            call,
            answer: Some(answer),
            pieces,
            allowance,
            taken: Taken::default(),
            method: PhantomData,
        })
    }

    #[allow(clippy::type_complexity, reason = "the four ends of one new call, used twice and only here")]
    fn begin<M: Method>(
        &self,
        request: &M,
        kind: Kind,
        to: (Role, Instance),
        options: Options,
    ) -> Result<(CallId, oneshot::Receiver<Result<Body, Refusal>>, mpsc::Receiver<Body>, Rc<Allowance>), Refusal> {
        if self.gone.get() {
            return Err(disconnected());
        }
        let (body, flags) = encode(request, M::SENSITIVE).map_err(|error| malformed(M::NAME, &error))?;
        let call = CallId(self.next.get() + 1);
        self.next.set(call.0);
        let header = Header {
            flags,
            destination: Some(to),
            method: M::NUMBER,
            call,
            parent: options.parent,
            deadline_ms: options.deadline.map_or(0, |time| u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1)),
            trace: options.trace.unwrap_or_else(|| if options.parent.is_some() { TraceId::default() } else { TraceId::random() }),
            ..Header::new(kind)
        };
        let (answer_in, answer_out) = oneshot::channel();
        // One place more than may be on their way, for the piece that arrives while a credit does.
        let (piece_in, piece_out) = mpsc::channel(usize::from(WINDOW_FRAMES) + 1);
        let allowance = Rc::new(Allowance::default());
        let waiting = Waiting { answer: answer_in, pieces: Some(piece_in), allowance: Rc::clone(&allowance) };
        self.waiting.borrow_mut().insert(call, waiting);
        self.data.send(Frame { header, body });
        Ok((call, answer_out, piece_out, allowance))
    }

    /// A frame that belongs to a call of ours. One that belongs to none is late and of no use.
    pub(super) fn receive(&self, frame: Frame) {
        let Frame { header, body } = frame;
        match header.kind {
            Kind::Answer => self.finish(header.call, Ok(body)),
            Kind::Refuse => self.finish(header.call, Err(Refusal::from_body(body.as_slice()))),
            Kind::Data => {
                if let Some(pieces) = self.waiting.borrow().get(&header.call).and_then(|waiting| waiting.pieces.as_ref()) {
                    // Cannot be full: the hub holds the other side to its credit.
                    let _ = pieces.try_send(body);
                }
            }
            Kind::End => {
                if let Some(waiting) = self.waiting.borrow_mut().get_mut(&header.call) {
                    waiting.pieces = None;
                }
            }
            Kind::Credit => {
                if let Some(waiting) = self.waiting.borrow().get(&header.call) {
                    waiting.allowance.give_back(header.credit);
                }
            }
            _ => {}
        }
    }

    fn finish(&self, call: CallId, result: Result<Body, Refusal>) {
        if let Some(waiting) = self.waiting.borrow_mut().remove(&call) {
            waiting.allowance.close();
            // Nobody may be waiting any more; then nobody misses it.
            let _ = waiting.answer.send(result);
        }
    }

    /// The connection is gone: every unanswered call is refused, and every later one.
    pub(super) fn disconnect(&self) {
        self.gone.set(true);
        let calls: Vec<CallId> = self.waiting.borrow().keys().copied().collect();
        for call in calls {
            self.finish(call, Err(disconnected()));
        }
    }

    fn cancel(&self, call: CallId) {
        if self.waiting.borrow_mut().remove(&call).is_some() {
            self.control.send(Frame::bare(Header { call, ..Header::new(Kind::Cancel) }));
        }
    }
}

/// Takes a question back when its future is dropped before the answer.
struct CancelOnDrop<'a> {
    caller: &'a Caller,
    call: CallId,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.caller.cancel(self.call);
    }
}

/// A call with a stream. Dropping it before its answer cancels it.
pub struct StreamCall<M: Method> {
    caller: Rc<Caller>,
    call: CallId,
    answer: Option<oneshot::Receiver<Result<Body, Refusal>>>,
    pieces: mpsc::Receiver<Body>,
    allowance: Rc<Allowance>,
    taken: Taken,
    method: PhantomData<M>,
}

impl<M: Method> StreamCall<M> {
    /// Sends a piece when the other side has room for it. False if the call has ended.
    pub async fn send(&self, piece: &M::Up) -> Result<bool, Refusal> {
        let line = Line { data: &self.caller.data, call: self.call, direction: Direction::Up };
        Sending::<M, M::Up> { line, allowance: &self.allowance, of: PhantomData }.send(piece).await
    }

    /// Both directions, each to be used while the other waits.
    pub fn halves(&mut self) -> (Sending<'_, M, M::Up>, Receiving<'_, M, M::Down>) {
        let StreamCall { caller, call, pieces, allowance, taken, .. } = self;
        let line = |direction| Line { data: &caller.data, call: *call, direction };
        (
            Sending { line: line(Direction::Up), allowance, of: PhantomData },
            Receiving { line: line(Direction::Down), pieces, taken, of: PhantomData },
        )
    }

    /// Says that no more pieces follow.
    pub fn end(&self) {
        let header = Header { direction: Some(Direction::Up), call: self.call, ..Header::new(Kind::End) };
        self.caller.data.send(Frame::bare(header));
    }

    /// The next piece; `None` when there are no more, and the answer is all that follows.
    pub async fn next(&mut self) -> Option<Result<M::Down, Refusal>> {
        self.halves().1.next().await
    }

    /// The answer. Pieces that were not read are dropped.
    pub async fn answer(mut self) -> Result<M::Answer, Refusal> {
        let answer = match self.answer.take() {
            Some(answer) => answer.await.map_err(|_| disconnected())?,
            None => Err(disconnected()),
        };
        decode_answer::<M>(&answer?)
    }

    /// Asks the other side to stop; its answer still comes, within
    /// [`CANCEL_GRACE_MS`](crate::limits::CANCEL_GRACE_MS).
    pub fn cancel(&self) {
        self.caller.control.send(Frame::bare(Header { call: self.call, ..Header::new(Kind::Cancel) }));
    }
}

impl<M: Method> Drop for StreamCall<M> {
    fn drop(&mut self) {
        self.caller.cancel(self.call);
    }
}

fn decode_answer<M: Method>(body: &Body) -> Result<M::Answer, Refusal> {
    codec::decode(body.as_slice()).map_err(|error| malformed(M::NAME, &error))
}

/// The bytes of a piece, within a `Data` frame.
pub(super) fn piece_body<M: Method, P: crate::service::Piece>(piece: &P) -> Result<Body, Refusal> {
    let bytes = piece.to_bytes().map_err(|error| malformed(M::NAME, &error))?;
    if bytes.len() > MAX_DATA {
        return Err(Refusal::internal(format!("send a piece of {} bytes in the stream of {}", bytes.len(), M::NAME)));
    }
    Ok(bytes.into())
}

/// The bytes of a request or an answer, and how they are to be treated.
pub(super) fn encode<T: bincode::Encode>(value: &T, sensitive: bool) -> Result<(Body, Flags), codec::CodecError> {
    if sensitive {
        Ok((Body::Sensitive(codec::encode_sensitive(value)?), Flags::SENSITIVE))
    } else {
        Ok((codec::encode(value)?.into(), Flags::NONE))
    }
}

fn disconnected() -> Refusal {
    Refusal::new(Code::PeerDied, "the supervisor is gone; start it again with the next command")
}
