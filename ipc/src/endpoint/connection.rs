//! The task that moves the frames of one process: in from the hub to whoever waits for them, and out.

use std::{os::fd::OwnedFd, rc::Rc, time::Duration};

use tokio::sync::mpsc;

use super::{
    call::Caller,
    incoming::{Event, Events, Incoming, Serving},
};
use crate::{
    frame::Frame,
    header::{Direction, Flags, Header, Kind},
    link::{self, Inbox, LinkError, Outbox},
    messages::{common, start::LogLevel},
    refusal::Refusal,
    service::Method as _,
};

/// Events that may wait for the process to look at them.
const EVENTS: usize = 64;

/// The sockets of a process and what goes on over them.
pub struct Connection {
    data_in: Inbox,
    control_in: Option<Inbox>,
    data_out: Rc<Outbox>,
    control_out: Rc<Outbox>,
    caller: Rc<Caller>,
    serving: Rc<Serving>,
    events: mpsc::Sender<Event>,
    set_level: Option<Box<dyn Fn(LogLevel)>>,
}

/// Takes part over two inherited sockets. Must be called inside a tokio runtime.
pub fn connect(data: OwnedFd, control: OwnedFd) -> std::io::Result<(Rc<Caller>, Events, Connection)> {
    let (data_in, data_out) = link::open(data)?;
    let (control_in, control_out) = link::open(control)?;
    Ok(assemble(data_in, Rc::new(data_out), Some((control_in, Rc::new(control_out)))))
}

/// Takes part over one socket that carries both, as an attached command line does.
pub fn connect_single(data_in: Inbox, data_out: Outbox) -> (Rc<Caller>, Events, Connection) {
    assemble(data_in, Rc::new(data_out), None)
}

fn assemble(data_in: Inbox, data_out: Rc<Outbox>, control: Option<(Inbox, Rc<Outbox>)>) -> (Rc<Caller>, Events, Connection) {
    let (control_in, control_out) = control.map_or_else(|| (None, Rc::clone(&data_out)), |(inbox, outbox)| (Some(inbox), outbox));
    let caller = Rc::new(Caller::new(Rc::clone(&data_out), Rc::clone(&control_out)));
    let serving = Rc::new(Serving::new(Rc::clone(&data_out)));
    let (events_in, events_out) = mpsc::channel(EVENTS);
    let connection = Connection {
        data_in,
        control_in,
        data_out,
        control_out,
        caller: Rc::clone(&caller),
        serving,
        events: events_in,
        set_level: None,
    };
    (caller, Events(events_out), connection)
}

impl Connection {
    /// Sends a frame that belongs to no call: `Hello` or `Ready`.
    pub fn announce(&self, frame: Frame) {
        self.data_out.send(frame);
    }

    /// What sends frames, for who must see them leave before the process exits.
    pub fn outbox(&self) -> Rc<Outbox> {
        Rc::clone(&self.data_out)
    }

    /// Says what is done when the person wants more or less to be logged. Without it, it is refused.
    pub fn on_level(&mut self, set: impl Fn(LogLevel) + 'static) {
        self.set_level = Some(Box::new(set));
    }

    /// Moves frames until the connection ends; then every unanswered call of ours is refused.
    pub async fn run(mut self) -> Result<(), LinkError> {
        let result = self.frames().await;
        self.caller.disconnect();
        result
    }

    async fn frames(&mut self) -> Result<(), LinkError> {
        let data_out = Rc::clone(&self.data_out);
        let control_out = Rc::clone(&self.control_out);
        let separate = self.control_in.is_some();
        let writer = async move {
            let control = async { if separate { control_out.run().await } else { std::future::pending().await } };
            tokio::select! { result = data_out.run() => result, result = control => result }
        };
        tokio::pin!(writer);
        let mut finished = false;
        loop {
            let frame = tokio::select! {
                biased;
                frame = next(self.control_in.as_mut()) => frame?,
                frame = self.data_in.next() => frame?,
                result = &mut writer, if !finished => {
                    // Nothing more goes out; what comes in is read to its end.
                    result?;
                    finished = true;
                    continue;
                }
            };
            let Some(frame) = frame else { return Ok(()) };
            self.receive(frame).await;
        }
    }

    async fn receive(&self, frame: Frame) {
        let header = frame.header;
        match (header.kind, header.direction) {
            (Kind::Call | Kind::Open, _) => {
                let incoming = self.serving.begin(frame);
                if incoming.cancelled().is_set() {
                    // Taken back before it came: it refuses itself, and nobody begins what is not wanted.
                    return;
                }
                if let Some(incoming) = self.answer_common(incoming) {
                    // Nobody listens any more only when the process is about to exit; then the call refuses itself, as not begun.
                    let _ = self.events.send(Event::Call(incoming)).await;
                }
            }
            (Kind::Data | Kind::End, Some(Direction::Up)) | (Kind::Credit, Some(Direction::Down)) | (Kind::Cancel, _) => {
                self.serving.receive(frame);
            }
            (Kind::Answer | Kind::Refuse | Kind::Data | Kind::End | Kind::Credit, _) => self.caller.receive(frame),
            (Kind::Ping, _) if !header.flags.has(Flags::REPLY) => {
                self.control_out.send(Frame::bare(Header { flags: Flags::REPLY, ..Header::new(Kind::Ping) }));
            }
            (Kind::Drain, _) => {
                self.serving.drain();
                let _ = self.events.send(Event::Drain(Duration::from_millis(u64::from(header.deadline_ms)))).await;
            }
            (Kind::Ping | Kind::Hello | Kind::Ready, _) => {}
        }
    }

    /// What every process answers in the same way.
    fn answer_common(&self, incoming: Incoming) -> Option<Incoming> {
        match incoming.method() {
            common::Echo::NUMBER | common::Source::NUMBER | common::SetLevel::NUMBER => {
                // Not at every level, as what is served otherwise: the way is measured with these.
                let _in = tracing::debug_span!("call", trace = %incoming.trace()).entered();
                self.answer_in_common(incoming);
            }
            _ => return Some(incoming),
        }
        None
    }

    fn answer_in_common(&self, incoming: Incoming) {
        match common::Request::decode(incoming.method(), incoming.body()) {
            Ok(common::Request::Echo(echo)) => incoming.reply::<common::Echo>().answer(&common::Echoed { bytes: echo.bytes }),
            Ok(common::Request::Source(source)) => {
                tokio::task::spawn_local(pour(incoming, source));
            }
            Ok(common::Request::SetLevel(common::SetLevel { level })) => {
                let set = self.set_level.as_ref().map(|set| set(level)).map(|()| common::Done);
                incoming.reply::<common::SetLevel>().finish(set.ok_or_else(|| Refusal::internal("keep a log here")));
            }
            Err(refusal) => incoming.refuse(&refusal),
        }
    }
}

/// Streams zeros for who measures the way.
async fn pour(incoming: Incoming, source: common::Source) {
    let reply = incoming.reply::<common::Source>();
    let size = usize::try_from(source.size).unwrap_or(usize::MAX).min(common::Chunk::SIZE);
    let chunk = common::Chunk(vec![0; size]);
    for _ in 0..source.pieces {
        match reply.send(&chunk).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(refusal) => return reply.refuse(&refusal),
        }
    }
    reply.answer(&common::Done);
}

async fn next(inbox: Option<&mut Inbox>) -> Result<Option<Frame>, LinkError> {
    match inbox {
        Some(inbox) => inbox.next().await,
        None => std::future::pending().await,
    }
}
