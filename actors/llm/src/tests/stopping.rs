//! Who stops listening stops the request: the server sees its connection close, whatever the call was waiting for.

use std::time::Instant;

use super::{
    scripted_server::{Act, STREAM, ScriptedServer, begun, chunk, whole},
    *,
};

/// How long a server may wait for the connection to close. The aim is a tenth of this; the machine may be busy.
const SOON: Duration = Duration::from_secs(1);

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn gone(server: &ScriptedServer, since: Instant) {
    let mut at = None;
    until("the connection closes", || {
        at = server.gone();
        at.is_some()
    })
    .await;
    let waited = at.expect("it went").saturating_duration_since(since);
    assert!(waited < SOON, "the connection closed after {waited:?}");
}

#[test]
fn in_the_middle_of_an_answer() {
    for drop_it in [false, true] {
        let (stream, _) = short(Wire::OpenAiChat);
        let server =
            ScriptedServer::start(vec![vec![begun(stream.split_inclusive("\n\n").next().expect("an event")), Act::AwaitGone]]);
        story(async {
            let stage = Setting::at(server.address).stage();
            let mut call = stage.open(Wire::OpenAiChat);
            assert_eq!(call.next().await, Some(Ok(ModelEvent::Text("Hi 東".into()))));
            let since = Instant::now();
            if drop_it {
                drop(call);
            } else {
                call.cancel();
                assert_eq!(call.answer().await.expect_err("a refusal").code, Code::Cancelled);
            }
            gone(&server, since).await;
        });
    }
}

#[test]
fn when_its_time_is_over() {
    let server = ScriptedServer::start(vec![vec![Act::AwaitGone]]);
    story(async {
        let stage = Setting::at(server.address).stage();
        let time = Duration::from_millis(300);
        let begin = Instant::now();
        let options = Options { deadline: Some(time), ..Options::default() };
        let call = stage.agent.open(&question(Wire::OpenAiChat, "some-model"), options).expect("a call");
        assert_eq!(call.answer().await.expect_err("a refusal").code, Code::DeadlineExceeded);
        gone(&server, begin + time).await;
    });
}

#[test]
fn before_an_answer() {
    let server = ScriptedServer::start(vec![vec![Act::AwaitGone]]);
    story(async {
        let call = Setting::at(server.address).stage().open(Wire::Anthropic);
        until("the question arrives", || !server.asked().is_empty()).await;
        let since = Instant::now();
        call.cancel();
        assert_eq!(call.answer().await.expect_err("a refusal").code, Code::Cancelled);
        gone(&server, since).await;
    });
}

#[test]
fn while_more_arrives_than_anybody_reads() {
    let words = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"flood \"}}]}\n\n".repeat(1000);
    for endless in [words, b":\n\n".repeat(1000)] {
        let script = vec![Act::Say(STREAM.as_bytes().to_vec()), Act::SayForEver(chunk(&endless))];
        let server = ScriptedServer::start(vec![script]);
        story(async {
            let call = Setting::at(server.address).stage().open(Wire::OpenAiChat);
            until("the question arrives", || !server.asked().is_empty()).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let since = Instant::now();
            call.cancel();
            assert_eq!(call.answer().await.expect_err("a refusal").code, Code::Cancelled);
            assert!(since.elapsed() < SOON);
        });
    }
}

#[test]
fn while_a_retry_is_waited_for() {
    let busy = whole("503 Busy", "application/json", "retry-after: 900\r\n", "{}");
    let server = ScriptedServer::start(vec![busy]);
    story(async {
        let patient = Times { most_wait: Duration::from_secs(1000), ..TIMES };
        let call = Setting { times: patient, ..Setting::at(server.address) }.stage().open(Wire::OpenAiChat);
        until("the question arrives", || !server.asked().is_empty()).await;
        call.cancel();
        assert_eq!(call.answer().await.expect_err("a refusal").code, Code::Cancelled);
        assert_eq!(server.asked().len(), 1);
    });
}

#[test]
fn a_place_in_the_queue_is_given_back() {
    let server = ScriptedServer::start(vec![vec![Act::AwaitGone]]);
    story(async {
        let stage = Setting::at(server.address).stage();
        let mut calls: Vec<_> = (0..6).map(|_| stage.open(Wire::OpenAiChat)).collect();
        until("four questions arrive", || server.asked().len() == 4).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!((server.asked().len(), stage.released.get()), (4, 4), "who waits has no key");
        // One that waits goes, then one that has a place: the sixth takes it.
        drop(calls.remove(4));
        drop(calls.remove(0));
        until("one more question arrives", || server.asked().len() == 5).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.asked().len(), 5);
    });
}
