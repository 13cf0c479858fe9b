//! Erasing for good, by command: nothing of it is left to be read or found, nothing brings it back, and all else stays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs, path::Path, time::Duration};

use integration_tests::{
    asking::{Asking, PIECES, SEEN, answer_of, piece},
    home::Home,
    tended::{noise, until, up},
};

const PATIENCE: Duration = Duration::from_secs(60);

fn conversation(home: &Home, question: &str) -> String {
    home.run(["ask", "--no-model", question]).good();
    home.run(["--json", "history"]).json()[0]["id"].as_str().unwrap().to_owned()
}

/// The bytes of chunk files.
fn large_bytes(home: &Home) -> u64 {
    let space = home.space();
    let Ok(packs) = fs::read_dir(space.join("blobs")) else { return 0 };
    packs.map(|pack| pack.unwrap().metadata().unwrap().len()).sum()
}

fn database(home: &Home) -> Vec<u8> {
    let space = home.space();
    fs::read(space.join("data.mdb")).unwrap()
}

fn write(home: &Home, from: &Path, to: &str) {
    home.run(["vol", "write", from.to_str().unwrap(), to]).good();
}

#[test]
fn a_conversation_is_gone_and_the_others_stay() {
    let home = Home::new();
    let _serve = up(&home);
    let gone = conversation(&home, "5 miles in km");
    let stays = conversation(&home, "7 pounds in kg");
    let about = home.run(["--json", "objects", &gone]).json();
    let said = about.as_array().unwrap().len();

    let err = home.run(["erase", &gone]).bad(2);
    assert!(err.contains("--yes"), "{err}");
    assert!(home.run(["erase", "--yes", "ffffffff"]).bad(3).contains("no conversation"));
    let erased = home.run(["--json", "erase", "--yes", &gone[..10]]).json();
    assert_eq!(erased[0]["events"], said);

    assert!(home.run(["history", &gone]).bad(3).contains("no such conversation"));
    assert!(home.run(["erase", "--yes", &gone]).bad(3).contains("erased before"));
    home.run(["ask", "--no-model", "-c", &gone, "3 miles in km"]).bad(3);
    let listed = home.run(["--json", "history"]).json();
    assert_eq!((listed.as_array().unwrap().len(), listed[0]["id"].as_str()), (1, Some(&stays[..])));
    assert!(home.run(["history", &stays]).good().contains("kilogram"));
    // Its events are there, and say nothing.
    let left = home.run(["--json", "objects", &gone]).json();
    assert_eq!(left.as_array().unwrap().len(), said);
    for object in left.as_array().unwrap() {
        assert_eq!(object["erased"], true);
        assert_eq!(home.run(["--json", "objects", object["id"].as_str().unwrap()]).json()["fields"].as_array().unwrap().len(), 0);
    }
    until(PATIENCE, "it is still found", || {
        home.run(["--json", "search", "miles"]).json()["hits"].as_array().unwrap().is_empty()
    });
    assert!(!home.run(["--json", "search", "pounds"]).json()["hits"].as_array().unwrap().is_empty());
    let verified = home.run(["--json", "verify"]).json();
    assert_eq!((&verified["damaged"], &verified["erased"]), (&serde_json::json!([]), &said.into()));
}

#[test]
fn a_file_with_all_its_versions_is_gone_and_its_path_is_free() {
    let home = Home::new();
    let _serve = up(&home);
    let (own, shared) = (home.file("own", noise(1, 2_000_000)), home.file("shared", noise(2, 2_000_000)));
    write(&home, &own, "user/a");
    write(&home, &home.file("small", "second version"), "user/a");
    write(&home, &shared, "user/b");
    write(&home, &shared, "user/c");
    let before = large_bytes(&home);
    assert!((4_000_000..5_000_000).contains(&before), "equal things lie there once: {before}");

    assert!(home.run(["erase", "--yes", "user/nothing"]).bad(3).contains("no file"));
    let erased = home.run(["--json", "erase", "--yes", "user/a"]).json();
    assert!(erased[0]["events"] == 2 && erased[0]["chunks"].as_u64() > Some(3), "{erased}");
    home.run(["vol", "cat", "user/a"]).bad(3);
    home.run(["vol", "cat", "user/a", "--version", "~1"]).bad(3);
    assert!(!home.run(["vol", "ls", "user"]).good().contains("a\n"), "nor is its name listed");
    assert!(large_bytes(&home) < before - 1_900_000, "its chunks are gone: {} of {before}", large_bytes(&home));
    // One owner of shared chunks goes, the other still has them.
    assert_eq!(home.run(["--json", "erase", "--yes", "user/b"]).json()[0]["chunks"], 0);
    home.run(["vol", "cat", "user/b"]).bad(3);
    assert_eq!(home.run(["--json", "verify"]).json()["damaged"], serde_json::json!([]));
    home.run(["erase", "--yes", "user/a"]).bad(3);
    write(&home, &home.file("new", "third version"), "user/a");
    assert_eq!(home.run(["vol", "cat", "user/a"]).good(), "third version");
}

/// Moving a file leaves what it was in the history of its earlier name, and that is said.
#[test]
fn what_a_file_was_under_another_name_is_named() {
    let home = Home::new();
    let _serve = up(&home);
    write(&home, &home.file("f", "a word"), "user/r/a");
    write(&home, &home.file("g", "another"), "user/other");
    home.run(["vol", "rm", "user/other"]).good();
    home.run(["vol", "mv", "user/r/a", "user/r/b"]).good();
    home.run(["vol", "mv", "user/r/b", "user/r/c/"]).good();
    let outcome = home.run(["erase", "--yes", "user/r/c/b"]);
    assert!(outcome.err.contains("moved here") && outcome.err.contains("user/r/b"), "{outcome:?}");
    assert!(!outcome.err.contains("user/other"), "{outcome:?}");
    // All that is gone is said, whatever becomes of the rest.
    let outcome = home.run(["--json", "erase", "--yes", "user/r/b", "user/r/nothing", "user/r/a"]);
    let said: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!((&said[0]["erased"], &said[0]["earlier_names"]), (&"user/r/b".into(), &serde_json::json!(["user/r/a"])));
    assert_eq!((outcome.code, said.as_array().unwrap().len()), (3, 1), "{outcome:?}");
    assert_eq!(home.run(["vol", "cat", "user/r/a", "--version", "~1"]).good(), "a word");
    home.run(["erase", "--yes", "user/r/a"]).good();
    home.run(["vol", "cat", "user/r/a", "--version", "~1"]).bad(3);
    assert!(home.run(["vol", "mv", "user/r", "user/s"]).bad(3).contains("no file"));
    write(&home, &home.file("f", "a word"), "user/r/a");
    assert!(home.run(["vol", "mv", "user/r", "user/s"]).bad(3).contains("folder"));
}

#[test]
fn its_sealed_bytes_are_overwritten_on_the_disk() {
    let home = Home::new();
    let serve = up(&home);
    write(&home, &home.file("f", noise(3, 60_000)), "user/a");
    drop(serve);
    home.run(["stop"]).good();
    // A large value has pages of its own: number u64, pad u16, flags u16 of which 4 says so, how many u32.
    let bytes = database(&home);
    let page = bytes.chunks(4096).position(|page| page[10..12] == [4, 0] && page[12] >= 14).expect("a large value");
    let sealed = bytes[page * 4096 + 4096..page * 4096 + 8192].to_vec();
    let holds = |bytes: &[u8]| bytes.chunks(4096).any(|page| page == sealed);
    assert!(holds(&database(&home)));
    let serve = up(&home);
    home.run(["erase", "--yes", "user/a"]).good();
    // Wherever it was with that, the next process goes on.
    serve.process("storage").signal(libc::SIGKILL);
    // Who asks in the moment of its death is told so.
    until(PATIENCE, "the archive does not come back", || home.run(["history"]).code == 0);
    until(PATIENCE, "its bytes still lie there", || !holds(&database(&home)));
    let space = home.space();
    until(PATIENCE, "it is never done", || !space.join("erasing").exists());
}

#[test]
fn what_is_being_said_is_not_erased_under_the_speaker() {
    let home = Home::new();
    let _serve = up(&home);
    let server = answer_of(Duration::from_millis(60));
    let asking = Asking::begin(&home, &server, SEEN);
    let conversation = home.run(["--json", "history"]).json()[0]["id"].as_str().unwrap().to_owned();
    assert!(home.run(["erase", "--yes", &conversation]).bad(10).contains("being written"));
    let (shown, outcome) = asking.end();
    outcome.good();
    assert!(shown.contains(&piece(PIECES - 1)));
    home.run(["erase", "--yes", &conversation]).good();
    assert_eq!(home.run(["--json", "history"]).json(), serde_json::json!([]));
}
