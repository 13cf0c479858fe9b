//! A day's use under a capture of every packet: nothing leaves for a host that the person did not choose (M3, U20).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    capture::{Capture, RESOLVER, inside},
    home::{Home, workspace},
    scripted_http::{ScriptedHttp, answer, python},
    serve::Serve,
};

/// Waits until this has left, and fails if anything has that was not to.
#[track_caller]
fn assert_sent(capture: &Capture, expected: &[String]) {
    let until = Instant::now() + Duration::from_secs(30);
    while capture.sent() != expected && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(capture.sent(), expected);
}

/// Everything a person does who talks to nobody outside, and to a model on this machine.
fn a_day(home: &Home) {
    let file = workspace().join("examples/bike-counts.csv");
    let file = file.to_str().unwrap();
    home.run(["doctor"]).good();
    home.run(["ask", "chance that 3d6 is at least 15"]).good();
    home.run(["ask", "--file", file, "summarise this table"]).good();
    for skill in home.run(["--json", "skills"]).json()["skills"].as_array().unwrap() {
        home.run(["skills", skill["name"].as_str().unwrap()]).good();
        home.run(["run", skill["name"].as_str().unwrap(), "--file", file]);
    }
    let serve = Serve::start(home);
    // A model on this machine that wants to reach out by every way a script has.
    let reaching = "import urllib.request, socket\nprint(socket.create_connection(('192.0.2.7', 80)))";
    let server = ScriptedHttp::start(vec![python(reaching), answer("It did not work.")]);
    home.command(["ask", "--model", "scripted", "Fetch https://example.com/ and 192.0.2.7"])
        .env("OPENAI_BASE_URL", &server.openai())
        .env("OPENAI_API_KEY", "sk-canary")
        .run()
        .good();
    home.command(["chat", "--no-model"]).input("5 miles in km\n20 C in F\n").run().good();
    home.command(["history"]).signed_in("ada", "correct horse battery\ncorrect horse battery\n").run();
    let newest = home.run(["--json", "history"]).json();
    home.run(["history", newest[0]["id"].as_str().unwrap()]).good();
    home.run(["ask", "--continue", "6 miles in km"]).good();
    for words in [&["ps"][..], &["ps", "--rights"], &["policy", "explain"], &["restart", "llm"], &["lock"], &["man"]] {
        home.run(words.iter().copied()).good();
    }
    home.run(["completions", "bash"]).good();
    home.run(["stop"]).good();
    drop(serve);
    home.run(["reset", "--yes"]).good();
    home.assert_empty();
}

#[test]
fn a_whole_day_reaches_only_who_was_chosen() {
    let Some(capture) = inside("a_whole_day_reaches_only_who_was_chosen") else { return };
    // That the capture sees what leaves: otherwise an empty one would say nothing.
    UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", "192.0.2.1:7").unwrap();
    UdpSocket::bind("[::]:0").unwrap().send_to(b"x", "[2001:db8::1]:7").unwrap();
    let mut expected = vec!["udp 192.0.2.1 7".to_owned(), "udp 2001:db8::1 7".to_owned()];
    assert_sent(&capture, &expected);

    let home = Home::new();
    a_day(&home);
    assert_sent(&capture, &expected);

    // Chosen by its address: it, on this port, and nobody else.
    let ask = |url: &str| home.command(["ask", "--model", "m", "Hello"]).env("OPENAI_BASE_URL", url).env("OPENAI_API_KEY", "k");
    let asked = |url: &str| {
        let mut child = ask(url).start();
        // Nobody answers out there; that it was tried is all that is wanted.
        let until = Instant::now() + Duration::from_secs(10);
        let before = capture.sent();
        while capture.sent() == before && child.try_wait().unwrap().is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        home.assert_empty();
    };
    asked("https://10.77.0.2:8443/v1");
    expected.insert(0, "tcp 10.77.0.2 8443".to_owned());
    assert_sent(&capture, &expected);

    // Chosen by its name: the resolver of this machine is asked for it, over TCP.
    asked("https://models.example/v1");
    expected.insert(1, format!("tcp {RESOLVER} 53"));
    assert_sent(&capture, &expected);
}
