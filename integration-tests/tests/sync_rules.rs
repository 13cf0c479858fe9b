//! The window's instance by rules for kinds: what is on demand stays in the archive, everything else comes; other rules hold
//! from the next start on and lose nothing; and a table that cannot be kept to is refused with its line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use integration_tests::{home::Home, serve::Serve};
use serde_json::Value;

const FILES: usize = 6;

/// What the instance says of itself, as soon as it says this.
#[track_caller]
fn until(home: &Home, what: &str, so: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let status = home.run(["--json", "instance", "status"]).json();
        if so(&status) {
            return status;
        }
        assert!(Instant::now() < until, "it never came to this: {what}; {status}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Events by the number of their kind, as the instance or `stats` lists them.
fn by_kind(listed: &Value) -> BTreeMap<u64, u64> {
    let kinds = listed["kinds"].as_array().unwrap();
    kinds.iter().map(|kind| (kind["kind"].as_u64().unwrap(), kind["events"].as_u64().unwrap())).collect()
}

/// Files and removals that are held.
fn files(listed: &Value) -> [u64; 2] {
    [6, 7].map(|kind| by_kind(listed).get(&kind).copied().unwrap_or(0))
}

/// Writes some files, removes one, and then notes something: that comes after them.
fn work(home: &Home, id: &str, words: &str) {
    for number in 0..FILES {
        home.command(["vol", "write", "-", &format!("user/{words}/{number}")]).input(words).run().good();
    }
    home.run(["vol", "rm", &format!("user/{words}/0")]).good();
    home.run(["instance", "note", id, words]).good();
}

/// Whether everything is done and it holds all of what is said.
fn has_said(status: &Value, messages: u64) -> bool {
    status["link"] == "live" && status["outbox"]["commands"] == 0 && by_kind(status).get(&2) == Some(&messages)
}

#[test]
fn what_is_on_demand_stays_in_the_archive_until_the_rules_are_others() {
    let home = Home::new();
    let rules = home.file("rules", "# files stay where they are\nfile on-demand\nfile-removed on-demand\n");
    let serve = Serve::of(&home, home.command(["serve"]).env("LAMOS_INSTANCE_RULES", rules.to_str().unwrap()));
    let id = home.run(["instance", "begin", "by", "rules"]).good().trim().to_owned();
    work(&home, &id, "one");
    work(&home, &id, "two");
    let status = until(&home, "what was said is held", |status| has_said(status, 2));
    assert_eq!(files(&status), [0, 0], "{status}");
    assert_eq!(status["rules"], serde_json::json!(["file merge on-demand", "file-removed merge on-demand"]));
    let [written, removed] = files(&home.run(["--json", "stats"]).json());
    assert!(written >= 2 * FILES as u64 && removed == 2, "{written} {removed}");
    let text = home.run(["instance", "status"]).good();
    assert!(text.contains("file merge on-demand, file-removed merge on-demand") && text.contains("2 message"), "{text}");
    // What a command names while something runs already changes nothing in it.
    let other = home.file("other", "bundle no-take\n");
    let said = home.run(["--json", "--instance-rules", other.to_str().unwrap(), "instance", "status"]).json();
    assert_eq!(said["rules"], status["rules"]);
    // Nor does a process of it that begins anew.
    home.run(["restart", "ui"]).good();
    work(&home, &id, "three");
    let status = until(&home, "what was said after it began anew is held", |status| has_said(status, 3));
    assert_eq!(files(&status), [0, 0], "{status}");
    drop(serve);
    home.assert_empty_but_for_the_socket();

    let serve = Serve::start(&home);
    let all = files(&home.run(["--json", "stats"]).json());
    assert!(all[0] >= 3 * FILES as u64 && all[1] == 3, "{all:?}");
    let status = until(&home, "the files come by themselves", |status| files(status) == all && has_said(status, 3));
    assert_eq!(status["rules"], serde_json::json!([]));
    let text = home.run(["instance", "status"]).good();
    assert!(text.contains("every kind comes by itself"), "{text}");
    let shown = home.run(["--json", "instance", "recent", &id]).json();
    assert_eq!((&shown["missing"], shown["messages"].as_array().unwrap().len()), (&false.into(), 3));
    drop(serve);
    home.assert_empty_but_for_the_socket();
}

#[test]
fn a_table_that_cannot_be_kept_to_is_refused_with_its_line() {
    let home = Home::new();
    let refused = |table: &[u8]| {
        let file = home.file("rules", table);
        let by_option = home.run(["--instance-rules", file.to_str().unwrap(), "instance", "status"]).bad(2);
        let by_environment = home.command(["ps"]).env("LAMOS_INSTANCE_RULES", file.to_str().unwrap()).run().bad(2);
        assert_eq!(by_option, by_environment);
        by_option
    };
    for (table, line, words) in [
        ("bundle\nfile sometimes\n", 2, "\"sometimes\" is not known"),
        ("# a comment\n\nmesage on-demand", 3, "\"mesage\" is not known"),
        ("bundle\nbundle no-take", 2, "has a rule already"),
        ("erase on-demand", 1, "erasures reach every replica"),
        ("bundle\nmessage on-demand", 2, "whose pages would have holes"),
        ("title last-write", 1, "whose pages would have holes"),
        ("bundle\n\nbranch no-give", 3, "nothing but commands"),
        ("change last-write", 1, "made of all of its events"),
        ("bundle\nfile on-demand", 2, "have the same rule"),
        ("300 no-take", 1, "on-demand keeps it back"),
    ] {
        let said = refused(table.as_bytes());
        assert!(said.contains(&format!("line {line}: ")) && said.contains(words), "{table:?}: {said}");
    }
    let said = refused(&[b' '; (64 << 10) + 1]);
    assert!(said.contains("at most 65536 bytes"), "{said}");
    let said = refused(b"bundle \xff");
    assert!(said.contains("not UTF-8"), "{said}");
    let said = home.run(["--instance-rules", "no such file", "instance", "status"]).bad(2);
    assert!(said.contains("No such file"), "{said}");
    home.assert_empty();
}
