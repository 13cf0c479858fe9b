//! An event whose header cannot be read: everything else goes on as if it were not there, what it is about can be erased, and
//! after it is put back from a backup everything is as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    tended::{noise, up},
};
use serde_json::{Value, json};

/// How long anything is waited for before the test gives up.
const GIVE_UP: Duration = Duration::from_secs(120);

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// What is found by some words when everything was looked through: kinds and events.
fn found(home: &Home, words: &str) -> BTreeSet<(String, String)> {
    let until = Instant::now() + GIVE_UP;
    loop {
        let found = home.run(["--json", "search", words]).json();
        if found["complete"] == true {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            return found["hits"].as_array().unwrap().iter().map(|hit| (text(&hit["kind"]), text(&hit["event"]))).collect();
        }
        assert!(Instant::now() < until, "it never was complete: {found:#}");
    }
}

/// The conversations, newest first: their ids and titles.
fn conversations(home: &Home) -> Vec<(String, String)> {
    let listed = home.run(["--json", "history"]).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(|one| (text(&one["id"]), text(&one["title"]))).collect()
}

/// Makes the header of an event one that cannot be read, and forgets the search index, so that it is made over it.
fn hurt(home: &Home, signature: &[u8]) {
    home.assert_empty();
    let database = home.space().join("data.mdb");
    let mut bytes = fs::read(&database).unwrap();
    let places: Vec<usize> = (0..=bytes.len() - signature.len()).filter(|&at| bytes[at..].starts_with(signature)).collect();
    assert!(!places.is_empty(), "the event lies in the file");
    // The version of the header comes behind the signature.
    places.into_iter().for_each(|at| bytes[at + signature.len()] ^= 4);
    fs::write(&database, bytes).unwrap();
    let _ = fs::remove_dir_all(home.space().join("search"));
}

fn down(home: &Home, serve: integration_tests::serve::Serve<'_>) {
    drop(serve);
    home.run(["stop"]).good();
}

#[test]
fn everything_else_goes_on_and_after_a_repair_everything_is_as_it_was() {
    let home = Home::new();
    let serve = up(&home);
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    let large = home.file("large", noise(6, 300_000));
    home.run(["vol", "write", large.to_str().unwrap(), "user/large"]).good();
    home.run(["ask", "--no-model", "7 pounds in kg"]).good();
    home.run(["backup", "b"]).good();
    let before = (conversations(&home), found(&home, "miles"), found(&home, "pounds"));
    let [_, (first, _)] = &before.0[..] else { panic!("{:?}", before.0) };
    let objects = home.run(["--json", "objects", "--kind", "message"]).json();
    let mut messages = objects.as_array().unwrap().iter().filter(|object| object["entity"] == first.as_str());
    // By their clocks, newest first: the question is the last.
    let event = messages.next_back().unwrap()["id"].as_str().unwrap().to_owned();
    let signature = unhex(home.run(["--json", "objects", &event]).json()["signature"].as_str().unwrap());
    let transcript = home.run(["history", first]).good();
    down(&home, serve);

    hurt(&home, &signature);
    let serve = up(&home);
    let is_named = || {
        let outcome = home.run(["--json", "verify"]);
        assert_eq!(outcome.code, 9, "{outcome:?}");
        let damaged: Value = serde_json::from_str::<Value>(&outcome.out).unwrap()["damaged"].take();
        assert_eq!((damaged.as_array().unwrap().len(), &damaged[0]["event"]), (1, &json!(event)), "{damaged:#}");
        assert!(damaged[0]["position"].is_u64() && damaged[0]["what"].as_str().unwrap().contains("header"), "{damaged:#}");
    };
    is_named();
    assert_eq!(found(&home, "pounds"), before.2, "what was said later is found");
    assert!(found(&home, "miles").iter().all(|(_, found)| *found != event), "another entry of its turn may be");
    assert_eq!(conversations(&home), before.0);
    assert!(home.run(["history", &before.0[0].0]).good().contains("7 pounds in kg"));
    let said = home.run(["history", first]).bad(9);
    assert!(
        said.contains("damaged") && said.contains("lamos verify"),
        "what is damaged is not shown as if it were whole: {said}"
    );
    assert!(home.run(["vol", "ls", "user"]).good().contains("large"));
    assert!(!home.run(["--json", "objects", first]).json().as_array().unwrap().is_empty());
    assert!(home.run(["stats"]).good().contains("message"));
    let said = |words: &[&str]| serde_json::from_str::<Value>(&home.run(words.iter().copied()).out).unwrap();
    let exported = said(&["--json", "export", "all.jsonl"]);
    assert_eq!((&exported["damaged"], &exported["files"]), (&json!(1), &json!(1)), "{exported}");
    let one = |id: &str, file: &str| said(&["--json", "export", file, "--conversation", id])["damaged"].clone();
    assert_eq!((one(first, "one.jsonl"), one(&before.0[0].0, "other.jsonl")), (json!(1), json!(0)));
    home.run(["ask", "--no-model", "9 inches in cm"]).good();
    assert!(!found(&home, "inches").is_empty(), "what is said from now on is found");

    let said = home.run(["--json", "verify", "--repair-from", "b"]).json();
    assert_eq!((&said["damaged"], &said["put_back"]["events"]), (&json!([]), &json!(1)), "{said}");
    assert_eq!(home.run(["--json", "verify"]).json()["damaged"], json!([]));
    assert!(!home.space().join("mending").exists());
    assert_eq!(home.run(["history", first]).good(), transcript);
    assert_eq!(conversations(&home)[1..], before.0);
    let until = Instant::now() + GIVE_UP;
    while (found(&home, "miles"), found(&home, "pounds")) != (before.1.clone(), before.2.clone()) {
        assert!(Instant::now() < until, "it is found again once the index was made anew");
    }
    down(&home, serve);

    // Once more, and now what it is about is erased.
    hurt(&home, &signature);
    let serve = up(&home);
    let erased = home.run(["--json", "erase", "--yes", first]).json();
    assert_eq!((&erased[0]["damaged"], &erased[0]["chunks_stay"]), (&json!(1), &json!(false)), "{erased}");
    assert!(erased[0]["events"].as_u64().unwrap() >= 3, "{erased}");
    assert!(conversations(&home).iter().all(|(id, _)| id != first));
    assert_eq!((found(&home, "miles"), found(&home, "pounds")), (BTreeSet::new(), before.2.clone()));
    is_named();
    // The backup still has what it said. What was erased does not come back.
    let said = home.run(["--json", "verify", "--repair-from", "b"]).json();
    assert_eq!((&said["damaged"], &said["put_back"]["events"]), (&json!([]), &json!(1)), "{said}");
    assert_eq!(home.run(["--json", "verify"]).json()["damaged"], json!([]));
    home.run(["history", first]).bad(3);
    assert_eq!(found(&home, "miles"), BTreeSet::new());
    down(&home, serve);
}
