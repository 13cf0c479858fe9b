//! A process may die at any moment; the system may not, and nothing that was shown is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    io::Read as _,
    process::Child,
    time::{Duration, Instant},
};

use integration_tests::{
    home::{Home, Outcome, finish},
    scripted_http::{Act, ScriptedHttp, end, stream_head, text},
    serve::Serve,
};
use serde_json::Value;

/// Pieces of the long answer, and those that are seen before something is killed.
const PIECES: usize = 60;
const SEEN: usize = 12;

fn piece(number: usize) -> String {
    format!("piece {number} ")
}

fn long_answer() -> ScriptedHttp {
    let mut script = vec![stream_head()];
    for number in 0..PIECES {
        script.extend([text(&piece(number)), Act::Pause(Duration::from_millis(20))]);
    }
    script.push(end("stop"));
    ScriptedHttp::start(vec![script])
}

/// A question whose answer is under way, and what of it was shown.
struct Asking {
    child: Child,
    shown: String,
}

impl Asking {
    fn begin(home: &Home, server: &ScriptedHttp) -> Asking {
        let call = home.command(["ask", "-m", "scripted", "Tell me a long story"]).env("OPENAI_BASE_URL", &server.openai());
        let mut asking = Asking { child: call.start(), shown: String::new() };
        let out = asking.child.stdout.as_mut().unwrap();
        let mut buffer = [0; 64];
        while !asking.shown.contains(&piece(SEEN)) {
            let length = out.read(&mut buffer).unwrap();
            assert!(length > 0, "it ended too soon: {}", asking.shown);
            asking.shown.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        asking
    }

    /// Waits for its end; all that was shown, and how it ended.
    fn end(self) -> (String, Outcome) {
        let outcome = finish(self.child, Duration::from_secs(60), "ask, disturbed");
        (self.shown + &outcome.out, outcome)
    }
}

/// The last message of the newest conversation.
fn kept(home: &Home) -> Value {
    let list = home.run(["--json", "history"]).json();
    let shown = home.run(["--json", "history", list[0]["id"].as_str().unwrap()]).json();
    shown["messages"].as_array().unwrap().last().unwrap().clone()
}

#[track_caller]
fn assert_kept(home: &Home, shown: &str, status: &str) {
    // The archive hears of an end a moment after the person does.
    let until = Instant::now() + Duration::from_secs(10);
    while kept(home)["author"] != "assistant" {
        assert!(Instant::now() < until, "the turn does not end: {:#}", kept(home));
        std::thread::sleep(Duration::from_millis(50));
    }
    let message = kept(home);
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with(shown.trim_end()), "shown and not kept: {shown:?} of {text:?}");
    assert_eq!(message["status"], status, "{message:#}");
}

#[test]
fn the_model_process_dies() {
    let (home, server) = (Home::new(), long_answer());
    let serve = Serve::start(&home);
    let asking = Asking::begin(&home, &server);
    serve.process("llm").signal(libc::SIGKILL);
    let (shown, outcome) = asking.end();
    assert!(outcome.code != 0, "{outcome:?}");
    assert!(outcome.err.contains("the model process ended by signal 9"), "it says what died: {}", outcome.err);
    assert_kept(&home, &shown, "interrupted");
    works(&home, &serve);
}

#[test]
fn the_conversations_own_process_dies() {
    let (home, server) = (Home::new(), long_answer());
    let serve = Serve::start(&home);
    let asking = Asking::begin(&home, &server);
    serve.process("agent").signal(libc::SIGKILL);
    let (shown, outcome) = asking.end();
    assert!(outcome.err.contains("kept") && outcome.err.contains("lamos history"), "{}", outcome.err);
    assert_kept(&home, &shown, "interrupted");
    works(&home, &serve);
}

#[test]
fn the_archive_dies_and_the_answer_goes_on() {
    let (home, server) = (Home::new(), long_answer());
    let serve = Serve::start(&home);
    let asking = Asking::begin(&home, &server);
    serve.process("storage").signal(libc::SIGKILL);
    let (shown, outcome) = asking.end();
    outcome.good();
    assert!(shown.contains(&piece(PIECES - 1)), "{shown}");
    assert_kept(&home, &shown, "complete");
    works(&home, &serve);
}

#[test]
fn the_key_process_dies_and_that_means_locked() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.run(["ask", "5 miles in km"]).good();
    serve.process("crypto").signal(libc::SIGKILL);
    let until = Instant::now() + Duration::from_secs(10);
    while serve.status()["open"] == true || !serve.of_role("storage").is_empty() {
        assert!(Instant::now() < until, "still open: {:#}", serve.status());
        std::thread::sleep(Duration::from_millis(20));
    }
    // The demo pair opens it again.
    assert_eq!(home.run(["--json", "history"]).json().as_array().unwrap().len(), 1);
    works(&home, &serve);
}

#[test]
fn the_supervisor_dies_and_takes_all_with_it() {
    let (home, server) = (Home::new(), long_answer());
    let serve = Serve::start(&home);
    let asking = Asking::begin(&home, &server);
    let pid = i32::try_from(serve.status()["pid"].as_i64().unwrap()).unwrap();
    let supervisor = home.processes().into_iter().find(|process| process.pid == pid).unwrap();
    assert!(home.processes().iter().filter(|process| process.session == supervisor.session).count() >= 6);
    supervisor.signal(libc::SIGKILL);
    let (shown, outcome) = asking.end();
    assert!(outcome.code != 0 && !outcome.err.is_empty(), "{outcome:?}");
    drop(serve);
    let until = Instant::now() + Duration::from_secs(10);
    while !home.processes().is_empty() {
        assert!(Instant::now() < until, "orphans: {:?}", home.processes());
        std::thread::sleep(Duration::from_millis(10));
    }
    // The socket it left does not stop the next one.
    assert_kept(&home, &shown, "interrupted");
    home.assert_empty();
}

#[test]
fn the_command_line_dies_and_the_answer_so_far_is_kept() {
    let (home, server) = (Home::new(), long_answer());
    let serve = Serve::start(&home);
    let mut asking = Asking::begin(&home, &server);
    asking.child.kill().unwrap();
    asking.child.wait().unwrap();
    assert_kept(&home, &asking.shown, "stopped");
    works(&home, &serve);
}

#[test]
fn a_run_dies_and_the_model_is_told() {
    let home = Home::new();
    let code = "import time\nprint('begun', flush=True)\ntime.sleep(20)";
    let server = ScriptedHttp::start(vec![
        integration_tests::scripted_http::python(code),
        integration_tests::scripted_http::answer("I see."),
    ]);
    let serve = Serve::start(&home);
    let child = home.command(["ask", "-m", "scripted", "Hi"]).env("OPENAI_BASE_URL", &server.openai()).start();
    let until = Instant::now() + Duration::from_secs(20);
    let busy = loop {
        let found = serve.of_role("code").into_iter().find(|process| process["serving"] == 1);
        if let Some(found) = found {
            break found["pid"].as_i64().unwrap();
        }
        assert!(Instant::now() < until, "no run begins: {:#}", serve.status());
        std::thread::sleep(Duration::from_millis(10));
    };
    let run = home.processes().into_iter().find(|process| i64::from(process.pid) == busy).unwrap();
    run.signal(libc::SIGKILL);
    assert_eq!(finish(child, Duration::from_secs(60), "ask").good().trim_end(), "I see.");
    assert!(server.asked()[1].body.contains("signal 9"), "{}", server.asked()[1].body);
    works(&home, &serve);
}

#[test]
fn what_crashes_again_and_again_is_degraded_and_said_and_the_rest_goes_on() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let server = long_answer();
    // The model process is started by the first question for one.
    let asking = Asking::begin(&home, &server);
    let until = Instant::now() + Duration::from_secs(60);
    while serve.status()["degraded"].as_array().unwrap().is_empty() {
        assert!(Instant::now() < until, "it is never given up: {:#}", serve.status());
        if let Some(process) = home.processes().into_iter().find(|process| process.is("llm")) {
            process.signal(libc::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(asking.end());
    let listed = home.run(["ps"]);
    assert!(listed.err.contains("llm is degraded"), "{}", listed.err);
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    let said = home.command(["ask", "-m", "scripted", "Hi"]).env("OPENAI_BASE_URL", &server.openai()).run();
    assert!(said.code != 0 && said.err.contains("lamos restart llm"), "{said:?}");
    home.run(["restart", "llm"]).good();
    let again = home.command(["ask", "-m", "scripted", "Hi"]).env("OPENAI_BASE_URL", &server.openai()).run().good();
    assert!(again.contains(&piece(PIECES - 1)), "{again}");
}

/// The same supervisor answers as if nothing had happened.
#[track_caller]
fn works(home: &Home, serve: &Serve<'_>) {
    let pid = serve.status()["pid"].clone();
    assert_eq!(
        home.run(["ask", "--no-model", "What is 17 percent of 310?"]).good().lines().next().map(|line| line.contains("52.7")),
        Some(true)
    );
    assert_eq!(serve.status()["pid"], pid);
    home.run(["stop"]).good();
    home.assert_empty();
}
