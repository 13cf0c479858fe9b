//! A process may die at any moment; the system may not, and nothing that was shown is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::time::{Duration, Instant};

use integration_tests::{
    asking::{Asking, PIECES, SEEN, assert_kept, long_answer, piece},
    home::{Home, finish},
    scripted_http::ScriptedHttp,
    serve::Serve,
};

#[test]
fn the_model_process_dies() {
    let (home, server) = (Home::new(), long_answer());
    let serve = Serve::start(&home);
    let asking = Asking::begin(&home, &server, SEEN);
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
    let asking = Asking::begin(&home, &server, SEEN);
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
    let asking = Asking::begin(&home, &server, SEEN);
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
    let asking = Asking::begin(&home, &server, SEEN);
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
    let mut asking = Asking::begin(&home, &server, SEEN);
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
    let asking = Asking::begin(&home, &server, SEEN);
    let others = || ["supervisor", "storage", "crypto"].map(|role| serve.process(role).pid);
    let before = others();
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
    assert_eq!(others(), before, "the others are unharmed");
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
