//! What ten turns leave in the memory: an entry that is listed, shown and found, sealed like everything, in a backup like
//! everything, and gone with its conversation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs, path::Path, time::Duration};

use integration_tests::{
    home::Home,
    scripted_http::{ScriptedHttp, answer, python},
    tended::{hers, until, up},
};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A word that no other text in the world has.
const CANARY: &str = "qzvanary";

fn ask(home: &Home, server: &ScriptedHttp, arguments: &[&str]) {
    let words = [&["ask", "-m", "scripted"], arguments].concat();
    home.command(words).env("OPENAI_BASE_URL", &server.openai()).run().good();
}

fn memory(home: &Home, words: &[&str]) -> Value {
    home.run([&["--json", "memory"], words].concat()).json()
}

/// Files below a folder in which the word lies open.
fn open_in(folder: &Path) -> Vec<String> {
    let (mut found, mut left, mut read) = (Vec::new(), vec![folder.to_owned()], 0);
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            read += 1;
            let bytes = fs::read(&path).unwrap();
            if bytes.windows(CANARY.len()).any(|window| window.eq_ignore_ascii_case(CANARY.as_bytes())) {
                found.push(path.display().to_string());
            }
        }
    }
    assert!(read > 3, "there are files");
    found
}

fn nothing_moved(moved: &Value) -> bool {
    moved.as_object().unwrap().values().all(|count| count == 0)
}

#[test]
fn ten_turns_become_an_entry_that_is_found_again_and_goes_with_its_conversation() {
    let home = Home::new();
    let serve = up(&home);
    let wrong = format!("raise ValueError('no {CANARY} month')");
    let mut scripts = vec![python(&wrong)];
    scripts.extend((0..10).map(|_| answer("Done, as far as it goes.")));
    let server = ScriptedHttp::start(scripts);
    ask(&home, &server, &[&format!("Count the {CANARY} herons of the lake")]);
    for number in 2..10 {
        ask(&home, &server, &["--continue", &format!("Draw the map of region {number}")]);
    }

    // Nine are too few.
    assert!(nothing_moved(&memory(&home, &["run"])));
    let short = memory(&home, &["ls", "--short"]);
    assert_eq!((short["items"].as_array().unwrap().len(), &short["counts"]["traces"]["active"]), (9, &json!(9)));
    assert_eq!(memory(&home, &["ls", "--long"])["items"], json!([]));
    ask(&home, &server, &["--continue", "And the last one"]);
    let moved = memory(&home, &["run"]);
    assert_eq!((&moved["made"], &moved["consolidated"], &moved["archived"]), (&json!(1), &json!(10), &json!(0)));
    assert!(nothing_moved(&memory(&home, &["run"])), "and once");

    let listed = memory(&home, &["ls"]);
    let entry = &listed["items"][0];
    assert_eq!((listed["items"].as_array().unwrap().len(), &entry["tier"], &entry["traces"]), (1, &json!("live"), &json!(10)));
    assert_eq!(entry["goal"], format!("Count the {CANARY} herons of the lake"));
    assert_eq!(memory(&home, &["ls", "--archived"])["items"], json!([]));
    let id = entry["id"].as_str().unwrap();
    let shown = memory(&home, &["show", &id[..8]]);
    assert_eq!((shown["summary"].as_array().unwrap().len(), shown["events"].as_array().unwrap().len()), (10, 10));
    assert!(shown["learnings"][0].as_str().unwrap().contains(&format!("ValueError: no {CANARY} month")), "{shown:#}");
    assert!(shown["components"].as_array().unwrap().contains(&json!("tool python")), "{shown:#}");
    // The traces it was made of are shown too, by the events that keep them.
    let trace = memory(&home, &["show", &shown["events"][0].as_str().unwrap()[..16]]);
    assert_eq!((&trace["kind"], &trace["tier"], &trace["goal"]), (&json!("trace"), &json!("consolidated"), &entry["goal"]));

    let found = memory(&home, &["query", "count", "herons", "of", "the", "lake"]);
    assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &json!(id)));
    assert!(found[0]["similarity"].as_f64().unwrap() > 0.8, "{found:#}");
    assert!(home.run(["memory", "query", "map", "of", "region"]).good().contains("Draw the map of region"));
    assert_eq!(memory(&home, &["query", "something else entirely"]), json!([]));
    assert!(home.run(["memory", "show", "00000000"]).bad(3).contains("memory ls"));

    // It is kept like everything: sealed, whole, and in the backup.
    assert_eq!(home.run(["--json", "verify"]).json()["damaged"], json!([]));
    assert_eq!(home.run(["--json", "objects", "--kind", "experience"]).json().as_array().unwrap().len(), 1);
    home.run(["backup", "b"]).good();
    assert_eq!(open_in(&home.data()), [""; 0]);
    assert_eq!(open_in(&home.path("b")), [""; 0]);
    let other = Home::new();
    let restored = hers(&other, ["--json", "restore", home.path("b").to_str().unwrap()]).run().json();
    assert_eq!(restored["same"], true, "{restored}");
    let there = hers(&other, ["--json", "memory", "show", id]).run().json();
    assert_eq!(there["summary"], shown["summary"]);

    let conversation = entry["conversation"].as_str().unwrap().to_owned();
    home.run(["erase", "--yes", &conversation]).good();
    assert_eq!(memory(&home, &["query", "count", "herons", "of", "the", "lake"]), json!([]));
    let left = memory(&home, &["ls"]);
    assert_eq!((&left["items"], &left["counts"]["entries"]["live"]), (&json!([]), &json!(0)));
    home.run(["memory", "show", id]).bad(3);
    assert!(nothing_moved(&memory(&home, &["run"])), "nothing was left to forget");
    let objects = home.run(["--json", "objects", "--kind", "experience"]).json();
    assert_eq!(objects[0]["erased"], true, "{objects}");
    assert_eq!(home.run(["--json", "verify"]).json()["damaged"], json!([]));
    drop(serve);
    home.run(["stop"]).good();
}

/// What is due is done without being asked for, when the archive is opened.
#[test]
fn what_is_due_at_a_start_is_done() {
    let home = Home::new();
    let serve = up(&home);
    let server = ScriptedHttp::start(vec![answer("Done.")]);
    ask(&home, &server, &["The first one"]);
    for number in 2..11 {
        ask(&home, &server, &["--continue", &format!("Number {number}")]);
    }
    assert_eq!(memory(&home, &["ls", "--short"])["counts"]["traces"]["active"], 10);
    drop(serve);
    home.run(["stop"]).good();
    let _serve = up(&home);
    until(PATIENCE, "nobody looked through the memory", || memory(&home, &["ls", "--long"])["counts"]["entries"]["live"] == 1);
}
