//! A space does not stay open where nobody is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    scripted_http::{ScriptedHttp, answer, python},
    serve::Serve,
};

/// How long anything is waited for before the test gives up.
const GIVE_UP: Duration = Duration::from_secs(60);

const ANNA: (&str, &str) = ("anna", "correct horse battery staple\n");

fn until_locked(serve: &Serve<'_>) {
    let since = Instant::now();
    while serve.status()["open"] == true {
        assert!(since.elapsed() < GIVE_UP, "it is still open: {:#}", serve.status());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_space_is_locked_when_nobody_asks_for_anything() {
    let home = Home::new();
    let twice = format!("{}{}", ANNA.1, ANNA.1);
    home.command(["ask", "What is 17 percent of 310?"]).signed_in(ANNA.0, &twice).run().good();
    let serve = Serve::of(&home, home.command(["serve", "--lock-after", "1s"]).signed_in(ANNA.0, ANNA.1));
    assert_eq!(serve.status()["locks_after_s"], 1);
    until_locked(&serve);
    assert!(serve.of_role("storage").is_empty() && serve.of_role("agent").is_empty(), "{:#}", serve.status());
    // What is said next is not said in the public space instead.
    let said = home.run(["ask", "What is 18 percent of 310?"]).bad(8);
    assert!(said.contains("locked"), "{said}");
    assert!(!said.contains("public demo space, which"), "{said}");
    assert_eq!(home.command(["--json", "history"]).signed_in(ANNA.0, ANNA.1).run().json().as_array().unwrap().len(), 1);
    // Asking to be let in again counts as being there; leaving again does not.
    until_locked(&serve);
    let log = home.run(["tail", "--no-follow", "-n", "1000"]).good();
    assert!(log.contains("the space is locked"), "{log}");
}

#[test]
fn who_waits_for_an_answer_is_there_and_who_only_follows_the_log_is_not() {
    let home = Home::new();
    // Longer than nobody has to be there, and than it takes to be noticed.
    let slow = python("import time\ntime.sleep(12)\nprint('one')");
    let server = ScriptedHttp::start(vec![slow, answer("All done.")]);
    let serve = Serve::of(&home, home.command(["serve", "--lock-after", "1s"]));
    let asked = home.command(["ask", "-m", "scripted", "Hi"]).env("OPENAI_BASE_URL", &server.openai()).run();
    assert_eq!(asked.good().trim_end(), "All done.");
    let mut tail = home.command(["tail"]).start();
    until_locked(&serve);
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn it_stays_open_for_who_wants_it_so() {
    let home = Home::new();
    let serve = Serve::of(&home, home.command(["serve", "--lock-after", "never"]));
    assert_eq!(serve.status()["locks_after_s"], 0);
    for (wrong, why) in [("0s", "a second is the shortest"), ("10ms", "a second is the shortest"), ("soon", "90s, 10m or 2h")] {
        let said = home.run(["serve", "--lock-after", wrong]).bad(2);
        assert!(said.contains(why), "{said}");
    }
    drop(serve);
    let serve = Serve::start(&home);
    assert_eq!(serve.status()["locks_after_s"], 600);
}
