//! Two endpoints on one socket pair: what the hub adds is tested where the hub is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{os::unix::net::UnixStream, rc::Rc, time::Duration};

use ipc::{
    Client, Code, Refusal,
    endpoint::{Event, Events, Options, connect},
    frame::Frame,
    header::{Header, Kind},
    id::{CallId, Instance},
    limits::MAX_EARLY,
    link::{self, Inbox, Outbox},
    messages::{
        common::{Chunk, Done, Echo, Echoed, Source},
        storage::{self, Follow, Statistics, WriteFile},
    },
    role::{Role, source},
    service::Method as _,
};

struct Pair {
    client: Client<source::Cli>,
    events: Events,
}

fn pair() -> Pair {
    let socket = || {
        let (a, b) = UnixStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        b.set_nonblocking(true).unwrap();
        (a, b)
    };
    let ((data_a, data_b), (control_a, control_b)) = (socket(), socket());
    let (caller, _, connection) = connect(data_a.into(), control_a.into()).unwrap();
    tokio::task::spawn_local(connection.run());
    let (_, events, connection) = connect(data_b.into(), control_b.into()).unwrap();
    tokio::task::spawn_local(connection.run());
    Pair { client: Client::new(caller), events }
}

/// A process whose other end is played by hand: what it hears on either socket, and what it says.
struct Alone {
    data: Outbox,
    control: Outbox,
    said: Inbox,
    events: Events,
}

fn alone() -> Alone {
    let (data, data_of_it) = UnixStream::pair().unwrap();
    let (control, control_of_it) = UnixStream::pair().unwrap();
    for socket in [&data, &data_of_it, &control, &control_of_it] {
        socket.set_nonblocking(true).unwrap();
    }
    let (_, events, connection) = connect(data_of_it.into(), control_of_it.into()).unwrap();
    tokio::task::spawn_local(connection.run());
    let (said, data) = link::open(data.into()).unwrap();
    let (_, control) = link::open(control.into()).unwrap();
    Alone { data, control, said, events }
}

impl Alone {
    async fn cancel(&self, call: u64) {
        self.control.send(Frame::bare(Header { call: CallId(call), ..Header::new(Kind::Cancel) }));
        self.control.drained().await;
    }

    async fn ask(&self, call: u64) {
        let destination = Some((Role::Storage, Instance(1)));
        let header = Header { destination, method: Statistics::NUMBER, call: CallId(call), ..Header::new(Kind::Call) };
        self.data.send(Frame::bare(header));
        self.data.drained().await;
    }
}

fn run<F: Future<Output = ()>>(story: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), story).await.expect("the story ends") };
    tokio::task::LocalSet::new().block_on(&runtime, limited);
}

async fn next_call(events: &mut Events) -> ipc::endpoint::Incoming {
    match events.next().await {
        Some(Event::Call(incoming)) => incoming,
        _ => panic!("a call was expected"),
    }
}

#[test]
fn what_every_process_answers_needs_no_service() {
    run(async {
        let pair = pair();
        let options = Options { role: Some(Role::Storage), ..Options::default() };
        let answer = pair.client.call_with(&Echo { bytes: vec![1, 2, 3] }, options).await;
        assert_eq!(answer, Ok(Echoed { bytes: vec![1, 2, 3] }));
        let mut stream = pair.client.open(&Source { pieces: 100, size: 60_000 }, options).unwrap();
        let mut bytes = 0;
        while let Some(chunk) = stream.next().await {
            bytes += chunk.unwrap().0.len();
        }
        assert_eq!((bytes, stream.answer().await), (6_000_000, Ok(Done)));
    });
}

#[test]
fn a_writer_waits_for_its_reader() {
    run(async {
        let mut pair = pair();
        let mut stream = pair.client.open(&Follow { after: 0 }, Options::default()).unwrap();
        let reply = next_call(&mut pair.events).await.reply::<Follow>();
        let sent = Rc::new(std::cell::Cell::new(0));
        let counter = Rc::clone(&sent);
        let writer = tokio::task::spawn_local(async move {
            for position in 0..100 {
                let change = storage::Change { position, kind: 1, entity: [0; 16], event: [0; 32] };
                assert_eq!(reply.send(&change).await, Ok(true));
                counter.set(position + 1);
            }
            reply.answer(&Done);
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(sent.get(), 16, "the window is 16 pieces");
        let mut got = 0;
        while let Some(change) = stream.next().await {
            assert_eq!(change.unwrap().position, got);
            got += 1;
        }
        assert_eq!(got, 100);
        assert_eq!(stream.answer().await, Ok(Done));
        writer.await.unwrap();
    });
}

#[test]
fn a_stream_goes_up_and_its_answer_comes_down() {
    run(async {
        let mut pair = pair();
        let request = WriteFile::new("user/a".into(), 3);
        let stream = pair.client.open(&request, Options::default()).unwrap();
        assert_eq!(stream.send(&Chunk(vec![1, 2])).await, Ok(true));
        assert_eq!(stream.send(&Chunk(vec![3])).await, Ok(true));
        stream.end();
        let mut reply = next_call(&mut pair.events).await.reply::<WriteFile>();
        let mut bytes = Vec::new();
        while let Some(chunk) = reply.next().await {
            bytes.extend(chunk.unwrap().0);
        }
        assert_eq!(bytes, [1, 2, 3]);
        reply.refuse(&Refusal::new(Code::DiskFull, "full"));
        assert_eq!(stream.answer().await.unwrap_err().code, Code::DiskFull);
    });
}

#[test]
fn a_call_that_is_dropped_refuses_itself() {
    run(async {
        let mut pair = pair();
        let client = pair.client.clone();
        let call = tokio::task::spawn_local(async move { client.call(&Statistics).await });
        drop(next_call(&mut pair.events).await);
        assert_eq!(call.await.unwrap().unwrap_err().code, Code::Internal);
    });
}

#[test]
fn who_stops_waiting_takes_the_question_back() {
    run(async {
        let mut pair = pair();
        let stream = pair.client.open(&Follow { after: 0 }, Options::default()).unwrap();
        let incoming = next_call(&mut pair.events).await;
        let cancelled = incoming.cancelled();
        assert!(!cancelled.is_set());
        drop(stream);
        cancelled.wait().await;
        let reply = incoming.reply::<Follow>();
        let change = storage::Change { position: 0, kind: 1, entity: [0; 16], event: [0; 32] };
        assert_eq!(reply.send(&change).await, Ok(false));
    });
}

#[test]
fn a_question_taken_back_before_it_came_is_not_begun() {
    run(async {
        let mut alone = alone();
        alone.cancel(7).await;
        // The other socket is the slower one.
        tokio::time::sleep(Duration::from_millis(20)).await;
        alone.ask(7).await;
        let refused = alone.said.next().await.unwrap().unwrap();
        assert_eq!((refused.header.kind, refused.header.call), (Kind::Refuse, CallId(7)));
        assert_eq!(Refusal::from_body(refused.body.as_slice()).code, Code::Cancelled);
        alone.ask(8).await;
        assert_eq!(next_call(&mut alone.events).await.call(), CallId(8), "others are");
    });
}

#[test]
fn what_was_taken_back_is_remembered_within_a_bound() {
    run(async {
        let mut alone = alone();
        for call in 0..=MAX_EARLY as u64 {
            alone.cancel(1 + call).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        alone.ask(1).await;
        assert_eq!(next_call(&mut alone.events).await.call(), CallId(1), "the oldest is forgotten");
        alone.ask(2).await;
        alone.ask(2000).await;
        assert_eq!(next_call(&mut alone.events).await.call(), CallId(2000), "the others are not");
    });
}

#[test]
fn when_the_other_end_dies_every_question_is_answered() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        let (control, other) = UnixStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        control.set_nonblocking(true).unwrap();
        let (caller, _events, connection) = connect(a.into(), control.into()).unwrap();
        tokio::task::spawn_local(connection.run());
        let client: Client<source::Cli> = Client::new(caller);
        let asking = client.clone();
        let call = tokio::task::spawn_local(async move { asking.call(&Statistics).await });
        tokio::task::yield_now().await;
        drop((b, other));
        assert_eq!(call.await.unwrap().unwrap_err().code, Code::PeerDied);
        // So is one that comes when nobody is there any more.
        assert_eq!(client.call(&Statistics).await.unwrap_err().code, Code::PeerDied);
    });
}

#[test]
fn what_comes_behind_a_drain_hears_that_it_was_not_begun() {
    run(async {
        let mut alone = alone();
        alone.ask(1).await;
        let begun = next_call(&mut alone.events).await;
        alone.control.send(Frame::bare(Header { deadline_ms: 1000, ..Header::new(Kind::Drain) }));
        alone.control.drained().await;
        while !matches!(alone.events.next().await, Some(Event::Drain(_))) {}
        alone.ask(2).await;
        drop(begun);
        let refused = alone.said.next().await.unwrap().unwrap();
        assert_eq!((refused.header.call, Refusal::from_body(refused.body.as_slice()).code), (CallId(1), Code::Internal));
        drop(alone.events);
        let refused = alone.said.next().await.unwrap().unwrap();
        assert_eq!((refused.header.call, Refusal::from_body(refused.body.as_slice()).code), (CallId(2), Code::Draining));
    });
}
