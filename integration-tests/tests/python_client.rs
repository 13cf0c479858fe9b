//! A client in another language, written from `ipc/PROTOCOL.md` alone, sees what `lamos` says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs, process::Command};

use integration_tests::{
    home::{Home, workspace},
    serve::Serve,
};
use serde_json::{Value, json};

const CLIENT: &str = "integration-tests/peers/client.py";

fn run(home: &Home) -> Value {
    let output = Command::new("python3")
        .arg(workspace().join(CLIENT))
        .arg(home.data().join("run/control.sock"))
        .output()
        .expect("python3 is here, `cargo verify` looks for it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

#[test]
fn what_the_document_says_is_enough() {
    let home = Home::new();
    let serve = Serve::start(&home);
    // It makes the demo space itself.
    let first = run(&home);
    assert_eq!(first["pid"], serve.status()["pid"]);
    assert_eq!((&first["demo"], &first["echo"], &first["done"]), (&json!(true), &json!(true), &json!(true)), "{first}");
    // More pieces than one window holds, each whole.
    assert_eq!(first["pieces"], json!(vec![60_000; 100]));
    assert_eq!(first["conversations"], json!([]));
    for question in ["5 miles in km", "What is 17 percent of 310?"] {
        home.run(["ask", "--no-model", question]).good();
    }
    let (again, list) = (run(&home), home.run(["--json", "history"]).json());
    let listed = list.as_array().expect("a list");
    assert_eq!(listed.len(), 2);
    for (theirs, ours) in again["conversations"].as_array().expect("a list").iter().zip(listed) {
        for field in ["id", "title", "messages"] {
            assert_eq!(theirs[field], ours[field], "{field}: {theirs} and {ours}");
        }
    }
    home.run(["stop"]).good();
    home.assert_empty();
}

#[test]
fn it_is_short() {
    let text = fs::read_to_string(workspace().join(CLIENT)).expect("it is here");
    assert!(text.lines().count() <= 60 && !text.contains("pip"), "the protocol takes no more than that");
}
