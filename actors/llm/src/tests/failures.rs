//! What goes wrong, and how it is said.

use super::{
    scripted_server::{Act, END, STREAM, ScriptedServer, begun, chunk, nobody, streamed, whole},
    *,
};

/// What a server's first answer is refused as, and how often it was asked.
fn refusal(wire: Wire, times: Times, script: Vec<Act>) -> (Refusal, usize) {
    let server = ScriptedServer::start(vec![script]);
    let refusal = Cell::new(None);
    story(async {
        let stage = Setting { times, ..Setting::at(server.address) }.stage();
        refusal.set(Some(stage.refused(wire).await));
    });
    (refusal.take().expect("a refusal"), server.asked().len())
}

#[test]
fn answers_that_are_no_success() {
    let error =
        |kind: &str| format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"they say {KEY} \u001b[31mis bad"}}}}"#);
    let json = "application/json";
    #[rustfmt::skip]
    let rows = [
        (whole("401 Unauthorized", json, "", &error("authentication_error")), Code::KeyRejected, 1, "[key] [31mis bad”); check it"),
        (whole("403 Forbidden", "text/html", "", "<html>no"), Code::KeyRejected, 1, "(403: “a web page”); check it"),
        (whole("400 Bad Request", json, "", &error("invalid_request_error")), Code::ModelRefused, 1, "change the question"),
        (whole("404 Not Found", json, "", r#"{"error":"no such model"}"#), Code::ModelRefused, 1, "(404: “no such model”); check the model's name"),
        (whole("400 Bad Request", json, "", &error("exceed_context_size_error")), Code::ContextTooLong, 1, "begin a new one"),
        (whole("413 Too Large", "text/plain", "", ""), Code::ContextTooLong, 1, "(413); begin a new one"),
        (whole("429 Too Many", json, "", &error("rate_limit_error")), Code::ModelBusy, 3, "wait a little"),
        (whole("429 Too Many", json, "", &error("insufficient_quota")), Code::ModelBusy, 1, "raise it there"),
        (whole("429 Too Many", json, "retry-after: 40\r\n", "{}"), Code::ModelBusy, 1, "asks to wait 40 seconds"),
        (whole("503 Busy", json, "x-should-retry: false\r\n", "{}"), Code::ModelBusy, 1, "wait a little"),
        (whole("529 Overloaded", json, "", &error("overloaded_error")), Code::ModelBusy, 3, "wait a little"),
        (whole("500 Oops", "text/html", "", "<!doctype html><h1>oops</h1>"), Code::ModelBusy, 3, "(500: “a web page”)"),
        (whole("200 OK", "text/html", "", "<html>welcome"), Code::ModelNonsense, 1, "“text/html” instead of a stream"),
        (whole("200 OK", json, "", r#"{"choices":[]}"#), Code::ModelNonsense, 1, "“application/json” instead of a stream"),
        (whole("200 OK", json, "", &error("overloaded_error")), Code::ModelBusy, 1, "wait a little"),
        (whole("200 OK", "text/event-stream", "content-encoding: gzip\r\n", "x"), Code::ModelNonsense, 1, "compresses"),
        (vec![Act::Say(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())], Code::ModelNonsense, 1, "empty"),
        (vec![Act::Say(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()), Act::Close], Code::ModelNonsense, 1, "not HTTP"),
        (vec![Act::Close], Code::ModelUnreachable, 3, "broke before an answer"),
    ];
    for (script, code, tries, words) in rows {
        for wire in BOTH {
            let (refusal, asked) = refusal(wire, TIMES, script.clone());
            assert_eq!((refusal.code, asked), (code, tries), "{}", refusal.sentence);
            assert!(refusal.sentence.contains(words), "{}", refusal.sentence);
            assert!(!refusal.sentence.contains('\u{1b}'), "{}", refusal.sentence);
        }
    }
}

#[test]
fn a_failure_whose_body_never_ends_is_told_soon() {
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 9999\r\n\r\nno such thing";
    let mut script = vec![Act::Say(head.as_bytes().to_vec())];
    // Each byte comes sooner than silence would be noticed.
    script.extend([Act::Say(b".".to_vec()), Act::Pause(Duration::from_millis(100))].into_iter().cycle().take(2 * 80));
    let begin = std::time::Instant::now();
    let (refusal, _) = refusal(Wire::OpenAiChat, Times { failure: Duration::from_millis(300), ..TIMES }, script);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(refusal.code, Code::ModelRefused);
    assert!(refusal.sentence.contains("400: “no such thing."), "{}", refusal.sentence);
}

#[test]
fn answers_that_go_wrong_on_the_way() {
    let (good, _) = short(Wire::OpenAiChat);
    let half = &good[..good.find("data: {\"choices\"").expect("a second event")];
    let says = |more: &str| Act::Say([STREAM.as_bytes(), &chunk(half.as_bytes()), &chunk(more.as_bytes()), END].concat());
    let short_of = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n{half}");
    let unbounded = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{half}");
    #[rustfmt::skip]
    let rows = [
        ("an error", vec![says("data: {\"error\":{\"message\":\"oops\",\"type\":\"server_error\"}}\n\n")], Code::StreamBroken, "broke off (“oops”)"),
        ("overload", vec![says("data: {\"error\":{\"message\":\"oops\",\"code\":529}}\n\n")], Code::ModelBusy, "(529: “oops”)"),
        ("no JSON", vec![says("data: <html>\n\n")], Code::ModelNonsense, "cannot be read"),
        ("a proper end too early", vec![says(": nothing more\n\n")], Code::StreamBroken, "ended before the answer"),
        ("an end without a length", vec![Act::Say(unbounded.into_bytes()), Act::Close], Code::StreamBroken, "ended before the answer"),
        ("fewer bytes than promised", vec![Act::Say(short_of.into_bytes()), Act::Close], Code::StreamBroken, "connection was lost"),
        ("the connection breaks", vec![begun(half), Act::Close], Code::StreamBroken, "connection was lost"),
        ("bad chunks", vec![begun(half), Act::Say(b"zz\r\n".to_vec()), Act::Close], Code::StreamBroken, "connection was lost"),
        ("silence", vec![begun(half), Act::AwaitGone], Code::StreamBroken, "silent for too long"),
        ("an event without end", vec![begun(half), Act::SayForEver(chunk(&vec![b'x'; 64 << 10]))], Code::ModelNonsense, "more than 1048576 bytes"),
    ];
    for (what, script, code, words) in rows {
        let server = ScriptedServer::start(vec![script]);
        story(async {
            let stage = Setting { times: IMPATIENT, ..Setting::at(server.address) }.stage();
            let (events, result) = stage.ask(Wire::OpenAiChat).await;
            let refusal = result.expect_err(what);
            assert_eq!((refusal.code, events), (code, hi()), "{what}: {}", refusal.sentence);
            assert!(refusal.sentence.contains(words), "{what}: {}", refusal.sentence);
        });
        assert_eq!(server.asked().len(), 1, "{what}: nothing is repeated once an answer has begun");
    }
}

#[test]
fn a_limit_that_passes_is_waited_for() {
    let (stream, completed) = short(Wire::Anthropic);
    let busy = |hint: &str| {
        whole("429 Too Many Requests", "application/json", hint, r#"{"error":{"type":"rate_limit_error","message":"m"}}"#)
    };
    for hint in ["retry-after: 0.01\r\n", "retry-after-ms: 10\r\n", "x-should-retry: true\r\n", ""] {
        let server = ScriptedServer::start(vec![busy(hint), busy(hint), streamed(&stream)]);
        story(async {
            let stage = Setting::at(server.address).stage();
            assert_eq!(stage.ask(Wire::Anthropic).await, (hi(), Ok(completed.clone())), "{hint}");
            assert_eq!(stage.released.get(), 1, "one key for the call, however often it is repeated");
        });
        let asked = server.asked();
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|other| other.body == asked[0].body && other.header("x-api-key") == Some(KEY)));
    }
}

#[test]
fn a_retry_waits_as_long_as_it_was_told() {
    let busy = whole("503 Busy", "application/json", "retry-after-ms: 300\r\n", "{}");
    let server = ScriptedServer::start(vec![busy, streamed(&short(Wire::OpenAiChat).0)]);
    story(async {
        let begin = std::time::Instant::now();
        assert!(Setting::at(server.address).stage().ask(Wire::OpenAiChat).await.1.is_ok());
        assert!(begin.elapsed() >= Duration::from_millis(300));
    });
}

#[test]
fn headers_that_never_end_are_given_up() {
    let drop = || [Act::Say(b"a: b\r\n".to_vec()), Act::Pause(IMPATIENT.idle / 8)];
    let mut drop_by_drop = vec![Act::Say(b"HTTP/1.1 200 OK\r\n".to_vec())];
    drop_by_drop.extend((0..40).flat_map(|_| drop()));
    let (refusal, asked) = refusal(Wire::OpenAiChat, IMPATIENT, drop_by_drop);
    assert_eq!((refusal.code, asked), (Code::ModelUnreachable, 1), "{}", refusal.sentence);
}

#[test]
fn headers_without_number_are_given_up() {
    let endless =
        vec![Act::Say(b"HTTP/1.1 200 OK\r\n".to_vec()), Act::SayForEver(b"x-a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n".repeat(1000))];
    let (refusal, asked) = refusal(Wire::OpenAiChat, TIMES, endless);
    assert_eq!((refusal.code, asked), (Code::ModelNonsense, 1), "{}", refusal.sentence);
}

#[test]
fn a_ping_is_a_sign_of_life() {
    let (stream, completed) = short(Wire::OpenAiChat);
    let mut script = vec![begun(":\n\n")];
    for _ in 0..8 {
        script.extend([Act::Pause(IMPATIENT.idle / 3), Act::Say(chunk(b":\n\n"))]);
    }
    script.push(Act::Say([&chunk(stream.as_bytes()), END].concat()));
    let server = ScriptedServer::start(vec![script]);
    story(async {
        let stage = Setting { times: IMPATIENT, ..Setting::at(server.address) }.stage();
        assert_eq!(stage.ask(Wire::OpenAiChat).await, (hi(), Ok(completed)));
    });
}

#[test]
fn nobody_there() {
    story(async {
        let refusal = Setting::at(nobody()).stage().refused(Wire::OpenAiChat).await;
        assert_eq!(refusal.code, Code::ModelUnreachable);
        assert!(refusal.sentence.contains("nothing answers at http://127.0.0.1:"), "{}", refusal.sentence);
    });
}

#[test]
fn a_list_of_models_has_an_end() {
    let endless = vec![
        Act::Say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()),
        Act::SayForEver(chunk(&vec![b' '; 64 << 10])),
    ];
    for (script, code, words) in [
        (endless, Code::ModelNonsense, "more than 4194304 bytes"),
        (whole("200 OK", "text/html", "", "<html>"), Code::ModelNonsense, "list of models is none"),
        (whole("401 No", "application/json", "", "{}"), Code::KeyRejected, "(401); check it"),
    ] {
        let server = ScriptedServer::start(vec![script]);
        story(async {
            let refusal = Setting::at(server.address).stage().models(Wire::OpenAiChat).await.expect_err("a refusal");
            assert_eq!(refusal.code, code, "{}", refusal.sentence);
            assert!(refusal.sentence.contains(words), "{}", refusal.sentence);
        });
    }
}
