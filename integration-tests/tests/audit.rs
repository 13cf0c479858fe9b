//! What was done with the keys is told to whose keys they are, in order and whole; who changes the log is found out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, attach, on_wire},
};
use ipc::{
    Code, Instance, Role,
    frame::Frame,
    header::{Header, Kind},
    id::CallId,
    link,
    messages::crypto::{Lend, LendKept, ReadAudit, ReleaseApiKey, ReleaseStoreKey, SignEvents},
    secret::Secret,
    service::Method,
};
use serde_json::Value;

const HEADER: usize = 256;
const RECORD: usize = 256;
const PASSWORD: &str = "correct horse battery staple\n";
const OTHER: &str = "another long word\n";

fn twice(password: &str) -> String {
    format!("{password}{password}")
}

fn log(home: &Home) -> PathBuf {
    home.data().join("audit")
}

/// The records as `lamos audit` lists them, the newest first.
fn records(home: &Home, user: &str, password: &str) -> Vec<Value> {
    let said = home.command(["--json", "audit", "-n", "10000"]).signed_in(user, password).run().json();
    said["records"].as_array().unwrap().clone()
}

fn verbs(records: &[Value]) -> Vec<&str> {
    records.iter().rev().map(|record| record["verb"].as_str().unwrap()).collect()
}

fn verify(home: &Home) -> integration_tests::home::Outcome {
    home.command(["--json", "audit", "--verify"]).signed_in("anna", PASSWORD).run()
}

/// What the check found, whatever it ended with.
fn found(home: &Home) -> (i32, String) {
    let outcome = verify(home);
    let said: Value =
        serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {}{}", outcome.out, outcome.err));
    (outcome.code, said["check"]["wrong"].to_string())
}

#[test]
fn what_was_done_with_the_keys_is_listed_in_its_order() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.command(["ask", "5 miles in km"]).signed_in("anna", &twice(PASSWORD)).run().good();
    home.command(["ask", "6 miles in km"]).signed_in("anna", PASSWORD).run().good();
    home.run(["lock"]).good();
    for wrong in ["wrong\n", "also wrong\n"] {
        home.command(["history"]).signed_in("anna", wrong).run().bad(8);
    }
    let listed = records(&home, "anna", PASSWORD);
    let numbers: Vec<u64> = listed.iter().map(|record| record["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=listed.len() as u64).rev().collect::<Vec<_>>(), "the newest first, without a gap");
    let in_order = verbs(&listed);
    assert_eq!(in_order[..2], ["Deploy", "ReleaseStoreKey"]);
    for verb in ["SignEvents", "Unlock", "Lock"] {
        assert!(in_order.contains(&verb), "{in_order:?}");
    }
    assert_eq!(
        (listed[0]["verb"].as_str(), in_order.iter().filter(|verb| **verb == "Lock").count()),
        (Some("ReleaseStoreKey"), 1)
    );
    let unlocked = listed.iter().find(|record| record["verb"] == "Unlock").unwrap();
    assert_eq!((&unlocked["misses"], &unlocked["outcome"]), (&2.into(), &"done".into()), "{unlocked}");
    let deployed = listed.last().unwrap();
    assert_eq!(deployed["misses"], 0, "the first entry of a new space is no miss: {deployed}");
    assert!(deployed["caller"].as_str().unwrap().starts_with("cli/"), "{deployed}");
    let signed = listed.iter().find(|record| record["verb"] == "SignEvents").unwrap();
    assert!(signed["caller"].as_str().unwrap().starts_with("storage/") && signed["objects"] != "0".repeat(64), "{signed}");

    // In words, and not more of it than was asked for.
    let said = home.command(["audit", "-n", "3"]).signed_in("anna", PASSWORD).run().good();
    assert_eq!(said.lines().count(), 3, "{said}");
    let checked = home.command(["audit", "--verify"]).signed_in("anna", PASSWORD).run();
    assert!(checked.err.contains("are whole"), "{}", checked.err);
    drop(serve);
    home.assert_empty();
    let bytes = fs::read(log(&home)).unwrap();
    assert_eq!((bytes.len() - HEADER) % RECORD, 0);
    for word in ["anna", "correct horse", "Unlock", "storage"] {
        assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word} is in the file");
    }
}

#[test]
fn a_space_learns_nothing_of_another_from_the_log() {
    let home = Home::new();
    home.command(["ask", "5 miles in km"]).signed_in("anna", &twice(PASSWORD)).run().good();
    let of_anna = fs::read(log(&home)).unwrap().len();
    home.command(["ask", "6 miles in km"]).signed_in("berta", &twice(OTHER)).run().good();
    assert!(fs::read(log(&home)).unwrap().len() > of_anna, "both write into one file");
    let listed = records(&home, "berta", OTHER);
    assert_eq!(listed.last().unwrap()["number"], 1, "her log begins with her");
    assert_eq!(verbs(&listed).iter().filter(|verb| **verb == "Deploy").count(), 1);
    let (code, wrong) = found(&home);
    assert_eq!((code, wrong.as_str()), (0, "[]"), "and Anna's is whole with hers between");
}

#[test]
fn who_changes_the_log_is_found_out() {
    let home = Home::new();
    home.command(["ask", "5 miles in km"]).signed_in("anna", &twice(PASSWORD)).run().good();
    for question in ["6 miles in km", "7 miles in km"] {
        home.command(["ask", question]).signed_in("anna", PASSWORD).run().good();
    }
    // It is whole, and from now on the archive knows how far it goes.
    assert_eq!(found(&home), (0, "[]".to_owned()));
    home.assert_empty();
    let whole = fs::read(log(&home)).unwrap();
    let count = (whole.len() - HEADER) / RECORD;
    assert!(count >= 6, "{count}");

    // A flipped bit closes its record and the next, which was bound to it. Every command appends, so each begins with the whole.
    let mut changed = whole.clone();
    changed[HEADER + 2 * RECORD + 100] ^= 1;
    fs::write(log(&home), &changed).unwrap();
    let (code, wrong) = found(&home);
    assert!(code == 9 && wrong.contains("records 3 to 4 are missing"), "{wrong}");

    let mut removed = whole.clone();
    removed.drain(HEADER + RECORD..HEADER + 2 * RECORD);
    fs::write(log(&home), &removed).unwrap();
    let (code, wrong) = found(&home);
    assert!(code == 9 && wrong != "[]", "{wrong}");

    // Cut at its end: what is left is whole in itself.
    fs::write(log(&home), &whole[..HEADER + 2 * RECORD]).unwrap();
    let (code, wrong) = found(&home);
    assert!(code == 9 && (wrong.contains("cut off") || wrong.contains("another one")), "{wrong}");

    // Gone altogether.
    fs::remove_file(log(&home)).unwrap();
    let (code, wrong) = found(&home);
    assert!(code == 9 && (wrong.contains("cut off") || wrong.contains("another one")), "{wrong}");

    fs::write(log(&home), &whole).unwrap();
    assert_eq!(found(&home), (0, "[]".to_owned()), "as it was written it is whole");
}

/// B06: a caller without a row is refused by the hub, which tells the key process, which writes it down.
#[test]
fn what_was_asked_for_without_a_right_to_it_is_in_the_log() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.command(["ask", "5 miles in km"]).signed_in("anna", &twice(PASSWORD)).run().good();
    let forbidden = [ReleaseStoreKey::NUMBER, SignEvents::NUMBER, ReleaseApiKey::NUMBER];
    on_wire(async {
        let (mut inbox, outbox) = link::open(attach(&home)).unwrap();
        let tasks = tokio::task::spawn_local(async move {
            for (call, method) in (1..).zip(forbidden) {
                let destination = Some((Role::Crypto, Instance(0)));
                outbox.send(Frame::bare(Header { destination, method, call: CallId(call), ..Header::new(Kind::Call) }));
            }
            outbox.run().await
        });
        for _ in forbidden {
            let frame = inbox.next().await.unwrap().unwrap();
            assert_eq!(frame.header.kind, Kind::Refuse);
            assert_eq!(ipc::Refusal::from_body(frame.body.as_slice()).code, Code::Forbidden);
        }
        tasks.abort();
    });
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let listed = records(&home, "anna", PASSWORD);
        let told: Vec<&Value> = listed.iter().filter(|record| record["outcome"] == "refused: Forbidden").collect();
        if told.len() == 3 {
            let verbs: Vec<&str> = told.iter().rev().map(|record| record["verb"].as_str().unwrap()).collect();
            assert_eq!(verbs, ["ReleaseStoreKey", "SignEvents", "ReleaseApiKey"]);
            assert!(told.iter().all(|record| record["caller"].as_str().unwrap().starts_with("cli/")), "{told:?}");
            break;
        }
        assert!(Instant::now() < until, "{listed:?}");
    }
    drop(serve);
}

/// A crash loses what is summed and not written, and leaves a log that is whole.
#[test]
fn a_killed_key_process_leaves_a_log_that_is_whole() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.command(["ask", "5 miles in km"]).signed_in("anna", &twice(PASSWORD)).run().good();
    let before = serve.process("crypto");
    before.signal(libc::SIGKILL);
    let until = Instant::now() + Duration::from_secs(60);
    while home.processes().iter().any(|process| process.pid == before.pid) || serve.status()["open"] == true {
        assert!(Instant::now() < until, "{:#}", serve.status());
    }
    let (code, wrong) = found(&home);
    assert_eq!((code, wrong.as_str()), (0, "[]"));
    let listed = records(&home, "anna", PASSWORD);
    assert_eq!(verbs(&listed)[..2], ["Deploy", "ReleaseStoreKey"]);
    assert!(!verbs(&listed).contains(&"Lock"), "nobody locked it");
}

/// What one caller asks for too often is refused to it, and the others are answered.
#[test]
fn who_asks_too_often_is_refused_and_others_are_answered() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.command(["ask", "5 miles in km"]).signed_in("anna", &twice(PASSWORD)).run().good();
    on_wire(async {
        let attached = Attached::to(&home);
        let lend = || Lend { base_url: "http://127.0.0.1:1/v1".into(), key: Secret::new(b"k".to_vec()), holder: Role::Llm };
        let mut busy = 0;
        for _ in 0..200 {
            match attached.client.call(&lend()).await {
                Ok(_) => {}
                Err(refusal) => {
                    assert_eq!(refusal.code, Code::Busy);
                    busy += 1;
                }
            }
        }
        assert!(busy > 100, "{busy}");
        let kept = LendKept { provider: "x".into(), base_url: "http://127.0.0.1:1/v1".into(), sealed: vec![0; 64] };
        assert_eq!(attached.client.call(&kept).await.unwrap_err().code, Code::NoSuchKey, "another verb is answered");
        let mut read = attached.client.open(&ReadAudit { most: 10 }, ipc::endpoint::Options::default()).unwrap();
        while read.next().await.is_some() {}
        assert!(read.answer().await.unwrap().newest > 3);
    });
    home.command(["ask", "6 miles in km"]).signed_in("anna", PASSWORD).run().good();
    drop(serve);
}
