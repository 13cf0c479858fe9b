//! A name and a password open their space; what does not open says nothing of what exists.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Barrier,
    thread,
};

use integration_tests::{
    files,
    home::{Home, Outcome},
    serve::Serve,
};

const ANNA: (&str, &str) = ("anna", "correct horse battery staple\n");

fn twice(password: &str) -> String {
    format!("{password}{password}")
}

fn make_anna(home: &Home) {
    home.command(["ask", "What is 17 percent of 310?"]).signed_in(ANNA.0, &twice(ANNA.1)).run().good();
}

/// The log and the lock are about runs and not about who signs in.
fn is_of_the_run(path: &Path) -> bool {
    path.ends_with("lock") || path.components().any(|part| part.as_os_str() == "logs")
}

/// Every file that may not change, with its content.
fn picture(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files::read_below(directory).into_iter().filter(|(path, _)| !is_of_the_run(path)).collect()
}

/// Fails with the names of the files that differ.
#[track_caller]
fn assert_unchanged(home: &Home, before: &BTreeMap<PathBuf, Vec<u8>>) {
    let after = picture(&home.data());
    let names = before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name));
    let changed: Vec<&PathBuf> = names.collect();
    assert!(changed.is_empty(), "written before the second entry: {changed:?}");
}

#[test]
fn the_demo_space_is_public_and_says_so() {
    let home = Home::new();
    let asked = home.run(["ask", "5 miles in km"]);
    assert!(asked.err.contains("public demo space"), "{}", asked.err);
    asked.good();
    // It is the same space for everybody who types the pair.
    let listed = home.command(["--json", "history"]).signed_in("demo", "demo\n").run().json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[test]
fn many_commands_meet_a_new_space_at_the_same_moment() {
    const COMMANDS: usize = 12;
    let home = Home::new();
    let serve = Serve::start(&home);
    for _ in 0..3 {
        let together = Barrier::new(COMMANDS);
        thread::scope(|scope| {
            for _ in 0..COMMANDS {
                scope.spawn(|| {
                    together.wait();
                    assert_eq!(home.run(["--json", "history"]).json().as_array().unwrap().len(), 0);
                });
            }
        });
        assert_eq!(serve.status()["open"], true);
        home.run(["lock"]).good();
        assert_eq!(serve.status()["open"], false);
    }
}

#[test]
fn a_space_is_made_by_the_second_entry_and_opened_by_one() {
    let home = Home::new();
    let first = home.command(["ask", "What is 17 percent of 310?"]).signed_in(ANNA.0, &twice(ANNA.1)).run();
    assert!(first.err.contains("new, empty space"), "{}", first.err);
    assert!(!first.err.contains("demo"), "{}", first.err);
    first.good();
    let listed = home.command(["--json", "history"]).signed_in(ANNA.0, ANNA.1).run().json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    // The demo space knows nothing of it.
    let demo = home.run(["--json", "history"]).json();
    assert_eq!(demo.as_array().unwrap().len(), 0, "{demo}");
    home.assert_empty();
}

#[test]
fn wrong_password_unknown_name_and_first_visit_are_the_same() {
    // The words of a pair are its own, and all of one length.
    let words = |outcome: Outcome| {
        let said = outcome.bad(8);
        let parts: Vec<&str> = said.split("words are: ").collect();
        assert!(parts.len() > 1, "{said}");
        let rest: String = parts[1..].iter().map(|part| &part[23..]).collect();
        parts[0].to_owned() + &rest
    };
    let first_visit = {
        let home = Home::new();
        words(home.command(["history"]).signed_in("anna", "something\n").run())
    };
    let home = Home::new();
    make_anna(&home);
    let before = picture(&home.data());
    let wrong = words(home.command(["history"]).signed_in("anna", "something\n").run());
    let unknown = words(home.command(["history"]).signed_in("berta", "something\n").run());
    assert_eq!(wrong, first_visit);
    assert_eq!(unknown, first_visit);
    assert_unchanged(&home, &before);
}

#[test]
fn a_second_entry_that_differs_makes_nothing() {
    let home = Home::new();
    make_anna(&home);
    let before = picture(&home.data());
    let said = home.command(["history"]).signed_in("anna", "one\ntwo\n").run().bad(8);
    assert!(said.contains("differs"), "{said}");
    assert_unchanged(&home, &before);
}

#[test]
fn a_password_is_never_an_argument_and_needs_a_place_to_come_from() {
    let home = Home::new();
    let said = home.run(["--user", "anna", "history"]).bad(2);
    assert!(said.contains("--password-fd"), "{said}");
    let said = home.run(["--user", "anna", "--password-fd", "77", "history"]).bad(2);
    assert!(said.contains("descriptor 77"), "{said}");
    let said = home.command(["history"]).signed_in("anna", "").run().bad(2);
    assert!(said.contains("no password"), "{said}");
    home.assert_empty();
}

#[test]
fn lock_forgets_the_keys() {
    let home = Home::new();
    home.run(["history"]).good();
    make_anna(&home);
    let serve = Serve::of(&home, home.command(["serve"]).signed_in(ANNA.0, ANNA.1));
    assert_eq!(serve.status()["open"], true);
    // A space that is open serves who asks without a name.
    assert_eq!(home.run(["--json", "history"]).json().as_array().unwrap().len(), 1);
    // Another one is not opened beside it.
    let said = home.command(["history"]).signed_in("demo", "demo\n").run().bad(8);
    assert!(said.contains("another space"), "{said}");
    home.run(["lock"]).good();
    assert_eq!(serve.status()["open"], false);
    assert!(serve.of_role("storage").is_empty() && serve.of_role("agent").is_empty(), "{:#}", serve.status());
    let said = home.command(["history"]).signed_in(ANNA.0, "wrong\n").run().bad(8);
    assert!(said.contains("new, empty space"), "{said}");
    assert_eq!(home.command(["--json", "history"]).signed_in(ANNA.0, ANNA.1).run().json().as_array().unwrap().len(), 1);
}
