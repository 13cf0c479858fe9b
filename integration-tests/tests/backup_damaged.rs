//! Backups of what is damaged, of what an older copy was put in the place of, and at places that keep nothing: nothing that
//! was backed up is lost in silence, and what is said is true.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{collections::BTreeSet, fs, net::TcpListener, path::Path, process::Command};

use integration_tests::{
    files,
    home::{Home, Outcome},
    scripted_blob::TOKEN,
    tended::{hers, noise, up},
};
use serde_json::{Value, json};

fn write(home: &Home, name: &str) {
    hers(home, ["vol", "write", home.file("said", name).to_str().unwrap(), &format!("user/{name}")]).run().good();
}

/// The files of the volume.
fn files_of(home: &Home) -> BTreeSet<String> {
    let listed = hers(home, ["--json", "vol", "glob", "user/**"]).run().json();
    listed.as_array().unwrap().iter().filter_map(|file| Some(file["path"].as_str()?.to_owned())).collect()
}

fn all(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("user/{name}")).collect()
}

fn stop(home: &Home) {
    // It may have ended by itself.
    let _ = home.run(["stop"]);
    home.assert_empty_but_for_the_socket();
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn restored(home: &Home, more: &[&str]) -> (Home, Outcome) {
    let other = Home::new();
    let folder = home.path("b");
    let arguments = ["--json", "restore", folder.to_str().unwrap()];
    let outcome = hers(&other, arguments.iter().chain(more).copied()).run();
    (other, outcome)
}

fn json_of(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("{outcome:?}"))
}

#[test]
fn an_older_copy_of_the_data_hides_nothing_from_the_backup() {
    let home = Home::new();
    write(&home, "before");
    stop(&home);
    copy(&home.data(), &home.path("copy"));
    for name in ["lost1", "lost2", "lost3"] {
        write(&home, name);
    }
    hers(&home, ["backup", "b"]).run().good();
    stop(&home);
    copy(&home.path("copy"), &home.data());
    for name in ["precious1", "precious2", "precious3"] {
        write(&home, name);
    }
    let made = hers(&home, ["--json", "backup", "b"]).run();
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.err.contains("an older copy of the data"), "{made:?}");
    let made = json_of(&made);
    assert_eq!((&made["whole"], &made["only_in_backup_events"]), (&json!(true), &json!(3)), "{made}");
    assert!(made["written_packs"].as_u64() > Some(0), "{made}");
    let again = hers(&home, ["--json", "backup", "b"]).run().json();
    assert_eq!((&again["written_packs"], &again["only_in_backup_events"]), (&json!(0), &json!(3)));

    let (other, outcome) = restored(&home, &[]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.err.contains("--other-history"), "{outcome:?}");
    assert_eq!((&json_of(&outcome)["same"], &json_of(&outcome)["other_history_events"]), (&json!(true), &json!(3)));
    assert_eq!(files_of(&other), all(&["before", "precious1", "precious2", "precious3"]));
    let (other, outcome) = restored(&home, &["--other-history"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(files_of(&other), all(&["before", "lost1", "lost2", "lost3"]));
}

/// Changes a bit in each of the large values of the database: there is one.
fn damage_large_value(home: &Home) {
    let database = home.space().join("data.mdb");
    let mut bytes = fs::read(&database).unwrap();
    // A large value has pages of its own: number u64, pad u16, flags u16 of which 4 says so, how many u32.
    for page in 0..bytes.len() / 4096 {
        if bytes[page * 4096 + 10..][..2] == [4, 0] && bytes[page * 4096 + 12] >= 14 {
            bytes[page * 4096 + 9000] ^= 4;
        }
    }
    fs::write(database, bytes).unwrap();
}

#[test]
fn after_one_damaged_event_everything_else_is_backed_up_and_put_back() {
    let home = Home::new();
    write(&home, "before");
    let middle = home.file("middle", noise(5, 60_000));
    hers(&home, ["vol", "write", middle.to_str().unwrap(), "user/middle"]).run().good();
    let names: Vec<String> = (0..12).map(|number| format!("after{number}")).collect();
    names.iter().for_each(|name| write(&home, name));
    stop(&home);
    copy(&home.data(), &home.path("whole"));
    damage_large_value(&home);

    // Damaged before there was a backup: it is lost, and it alone.
    let made = hers(&home, ["--json", "backup", "b"]).run();
    assert_eq!(made.code, 9, "{made:?}");
    assert!(made.err.contains("1 things are damaged") && made.err.contains("--repair-from"), "{made:?}");
    let said = json_of(&made);
    assert_eq!((&said["whole"], &said["damaged_events"], &said["lost"]), (&json!(false), &json!(1), &json!(1)));
    assert!(said["damaged"][0].as_str().unwrap().contains("at place"), "{said}");
    let expected: BTreeSet<String> = names.iter().map(|name| format!("user/{name}")).chain(all(&["before"])).collect();
    let (other, outcome) = restored(&home, &[]);
    assert_eq!(outcome.code, 9, "{outcome:?}");
    assert!(outcome.err.contains("1 events are missing") && outcome.err.contains("damaged already"), "{outcome:?}");
    let said = json_of(&outcome);
    assert_eq!((&said["missing_events"], &said["refused"]), (&json!(1), &json!(0)));
    assert_eq!(said["gaps"].as_array().unwrap().len(), 1, "{said}");
    assert_eq!(files_of(&other), expected);

    // Damaged after there was one: the backup keeps it, however often it is brought up to date, and mends it.
    stop(&home);
    copy(&home.path("whole"), &home.data());
    fs::remove_dir_all(home.path("b")).unwrap();
    hers(&home, ["backup", "b"]).run().good();
    stop(&home);
    damage_large_value(&home);
    for number in 0..34 {
        write(&home, &format!("later{number}"));
        let made = hers(&home, ["--json", "backup", "b"]).run();
        assert_eq!(json_of(&made)["lost"], 0, "{made:?}");
    }
    let made = hers(&home, ["backup", "b"]).run();
    assert!(made.bad(9).contains("the backup has all of them from before"));
    let (other, outcome) = restored(&home, &[]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(files_of(&other).len(), 2 + 12 + 34);
    hers(&other, ["vol", "cat", "user/after11"]).run().good();
    assert_eq!(hers(&other, ["--json", "verify"]).run().json()["damaged"], json!([]));
    assert_eq!(hers(&home, ["--json", "verify", "--repair-from", "b"]).run().json()["damaged"], json!([]));
    hers(&home, ["backup", "b"]).run().good();
}

#[test]
fn a_damaged_chunk_is_backed_up_and_put_back_as_what_it_is() {
    let home = Home::new();
    let large = home.file("large", noise(8, 20_000_000));
    let serve = up(&home);
    home.run(["vol", "write", large.to_str().unwrap(), "user/large"]).good();
    drop(serve);
    stop(&home);
    copy(&home.data(), &home.path("whole"));
    let chunks = files::below(&home.space().join("blobs")).into_iter().max().unwrap();
    let mut bytes = fs::read(&chunks).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&chunks, bytes).unwrap();
    let made = hers(&home, ["--json", "backup", "b"]).run();
    assert_eq!(made.code, 9, "{made:?}");
    assert_eq!((&json_of(&made)["unreadable_chunks"], &json_of(&made)["lost"]), (&json!(1), &json!(1)));
    let (other, outcome) = restored(&home, &[]);
    assert_eq!((outcome.code, &json_of(&outcome)["missing_chunks"]), (9, &json!(1)), "{outcome:?}");
    assert_eq!(json_of(&outcome)["same"], false);
    assert_eq!(hers(&other, ["--json", "verify"]).run().code, 9);

    // A pack of chunks that is cut off: nobody is told that everything is as it was.
    stop(&home);
    copy(&home.path("whole"), &home.data());
    hers(&home, ["backup", "b"]).run().good();
    let packs = files::below(&home.path("b")).into_iter().filter(|path| path.parent().unwrap().ends_with("packs"));
    let largest = packs.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    fs::File::options().write(true).open(largest).unwrap().set_len(1000).unwrap();
    let other = Home::new();
    let outcome = hers(&other, ["restore", home.path("b").to_str().unwrap()]).run();
    assert!(!outcome.out.contains("as it was"), "{outcome:?}");
    let said = outcome.bad(9);
    assert!(said.contains("1 packs are lost") && said.contains("chunks of large content are missing"), "{said}");
}

#[test]
fn a_backup_is_not_made_where_it_would_not_be_kept() {
    let home = Home::new();
    write(&home, "before");
    let data = home.data();
    std::os::unix::fs::symlink(&data, home.path("link")).unwrap();
    for place in [data.join("spaces"), data.join("new/deep"), home.path("link/bk"), data.join("x/../bk"), data.clone()] {
        let outcome = hers(&home, ["backup", place.to_str().unwrap()]).run();
        assert!(outcome.bad(3).contains("`lamos reset` would remove it"), "{place:?}");
    }
    assert!(!data.join("new").exists() && !data.join("bk").exists());

    // One that keeps nothing, and one that is not there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("http://127.0.0.1:{port}");
    let described =
        format!(r#"{{"kind":"vercel-blob","endpoint":"{address}/api/blob","content":"{address}/content","token":"t"}}"#);
    let at = home.file("place.json", &described);
    let call = |command: &[&str]| {
        let arguments: Vec<&str> = command.iter().copied().chain([at.to_str().unwrap()]).collect();
        hers(&home, arguments).env("LAMOS_PLACE_SECRET", TOKEN)
    };
    assert!(call(&["backup"]).env("LAMOS_PROFILE", "test").run().bad(3).contains("memory"));
    call(&["place", "ls"]).run().bad(5);
    call(&["backup"]).run().bad(5);
    call(&["backup", "list"]).run().bad(5);
    let other = Home::new();
    let restore = hers(&other, ["restore", at.to_str().unwrap()]).env("LAMOS_PLACE_SECRET", TOKEN);
    restore.run().bad(5);
}
