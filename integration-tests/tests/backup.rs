//! Backups: only what is new is written, a crash at any moment leaves a usable one, and with it and the password everything
//! is there again, in another place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use integration_tests::{
    chance::Chance,
    files,
    home::Home,
    scripted_blob::{ScriptedBlob, TOKEN},
    tended::{PASSWORD, hers, noise, until, up},
};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// Files below a folder, if it is there, and what is in them.
fn kept(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    if folder.exists() { files::read_below(folder).into_iter().collect() } else { BTreeMap::new() }
}

fn packs(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = kept(folder);
    found.retain(|path, _| path.parent().unwrap().ends_with("packs"));
    found
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in kept(from) {
        let path = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Words that must be nowhere in a backup.
const CANARIES: [&str; 6] = ["miles in km", "canary-folder", "canary-file", "canary content", "ada", "correct horse"];

fn fill(home: &Home) {
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    let large = home.file("large", noise(8, 3_000_000));
    home.run(["vol", "write", large.to_str().unwrap(), "user/large"]).good();
    home.command(["vol", "write", "-", "user/canary-folder/canary-file"]).input("canary content").run().good();
}

/// What can be read of a home.
fn told(home: &Home) -> Value {
    let history = hers(home, ["--json", "history"]).run().json();
    let shown: Vec<Value> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|conversation| hers(home, ["--json", "history", conversation["id"].as_str().unwrap()]).run().json())
        .collect();
    let listed = hers(home, ["--json", "vol", "ls", "user"]).run().json();
    json!({ "history": history, "shown": shown, "files": listed })
}

/// Another home, restored from this folder of the first.
fn restored(home: &Home, folder: &str, code: i32) -> (Home, String) {
    let other = Home::new();
    let folder = home.path(folder);
    let outcome = hers(&other, ["--json", "restore", folder.to_str().unwrap()]).run();
    assert_eq!(outcome.code, code, "{outcome:?}");
    (other, outcome.out + &outcome.err)
}

/// The same at a place outside, which sees sealed files alone; and what the place forgets is named.
#[test]
fn a_place_outside_keeps_a_backup_too() {
    let home = Home::new();
    let serve = up(&home);
    fill(&home);
    let server = ScriptedBlob::start();
    let address = server.address();
    let json = format!(
        r#"{{"kind":"vercel-blob","endpoint":"http://{address}/api/blob","content":"http://{address}/content","token":"t"}}"#
    );
    let backup =
        |at: &Path| home.command(["--json", "backup", at.to_str().unwrap()]).env("LAMOS_PLACE_SECRET", TOKEN).run().json();
    let at = home.file("place.json", &json);
    let made = backup(&at);
    assert!(made["written_bytes"].as_u64() > Some(3_000_000), "{made}");
    assert_eq!(backup(&at)["written_packs"], 0);
    for (name, bytes) in server.values() {
        for canary in CANARIES {
            let open = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!open || canary == "ada", "{canary:?} lies open in {name:?}");
        }
    }
    drop(serve);
    let before = told(&home);

    let other = Home::new();
    let at = other.file("place.json", &json);
    let restored = hers(&other, ["--json", "restore", at.to_str().unwrap()]).env("LAMOS_PLACE_SECRET", TOKEN).run().json();
    assert_eq!((&restored["same"], &restored["lost_packs"]), (&json!(true), &json!([])));
    assert_eq!(told(&other), before);

    let lost = server.values().into_keys().find(|name| name.contains("/packs/")).unwrap();
    server.lose(&lost);
    let third = Home::new();
    let at = third.file("place.json", &json);
    let outcome = hers(&third, ["--json", "restore", at.to_str().unwrap()]).env("LAMOS_PLACE_SECRET", TOKEN).run();
    let pack = lost.rsplit('/').next().unwrap();
    assert!(outcome.code == 9 && (outcome.out.clone() + &outcome.err).contains(pack), "{outcome:?}");
}

#[test]
fn with_a_backup_and_the_password_everything_is_there_again() {
    let home = Home::new();
    let serve = up(&home);
    fill(&home);
    let made = home.run(["--json", "backup", "b"]).json();
    assert_eq!((&made["whole"], &made["unreadable_chunks"]), (&json!(true), &json!(0)));
    assert!(made["written_bytes"].as_u64() > Some(3_000_000), "{made}");
    let all = kept(&home.path("b"));
    for (path, bytes) in &all {
        for canary in CANARIES {
            let open = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            // Three letters come up by chance in megabytes of noise.
            assert!(!open || canary == "ada", "{canary:?} lies open in {path:?}");
            let name = path.strip_prefix(home.path("b")).unwrap().to_str().unwrap();
            assert!(!name.contains(canary) || canary == "ada", "{name}");
        }
    }
    drop(serve);
    let before = told(&home);

    let (other, said) = restored(&home, "b", 0);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["same"], &said["lost_packs"], &said["events"]), (&json!(true), &json!([]), &made["events"]));
    assert_eq!(told(&other), before);
    assert_eq!(hers(&other, ["--json", "verify"]).run().json()["damaged"], json!([]));
    hers(&other, ["vol", "cat", "user/canary-folder/canary-file"]).run().good();
    assert!(!hers(&other, ["--json", "search", "miles"]).run().json()["hits"].as_array().unwrap().is_empty());
    // It goes on as another device, and the first one is left alone.
    hers(&other, ["ask", "--no-model", "7 pounds in kg"]).run().good();
    let heads = hers(&other, ["--json", "objects", "--heads"]).run().json();
    assert_eq!(heads.as_array().unwrap().len(), 2, "{heads:#}");
    let own = hers(&home, ["--json", "objects", "--heads"]).run().json();
    assert_eq!(own.as_array().unwrap().len(), 1);
    assert!(heads.as_array().unwrap().contains(&own[0]), "what the first device made is as it was");
    // And has backups of its own in the same folder, beside those of the first.
    let folder = home.path("b");
    hers(&other, ["backup", folder.to_str().unwrap()]).run().good();
    let listed = hers(&other, ["--json", "backup", "list", folder.to_str().unwrap()]).run().json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed:#}");
    assert_eq!((&listed[0]["this_device"], &listed[1]["this_device"]), (&json!(true), &json!(false)));
    assert_eq!(hers(&home, ["--json", "backup", "b"]).run().json()["written_packs"], 0, "the first goes on with its own");

    // What is not empty is not written to, and a wrong password puts nothing anywhere.
    assert!(hers(&other, ["restore", folder.to_str().unwrap()]).run().bad(3).contains("not empty"));
    let (third, wrong) = (Home::new(), "another password\nanother password\n");
    let outcome = third.command(["restore", folder.to_str().unwrap(), "--keys", "0"]).signed_in("ada", wrong).run();
    assert!(outcome.code == 9 || outcome.code == 8, "{outcome:?}");
    let key = kept(&folder.join("keys")).keys().next().unwrap().file_name().unwrap().to_str().unwrap()[..8].to_owned();
    let outcome = third.command(["restore", folder.to_str().unwrap(), "--keys", &key]).signed_in("ada", wrong).run();
    assert!(outcome.bad(8).contains("nothing was put back"));
    let outcome = third.command(["restore", folder.to_str().unwrap(), "--keys", &key]).signed_in("ada", PASSWORD).run();
    outcome.good();
}

#[test]
fn only_what_is_new_is_written() {
    let home = Home::new();
    let _serve = up(&home);
    fill(&home);
    home.run(["backup", "b"]).good();
    let before = packs(&home.path("b"));
    let again = home.run(["--json", "backup", "b"]).json();
    assert_eq!((&again["written_packs"], &again["goes_on"]), (&json!(0), &json!(true)));
    assert_eq!(packs(&home.path("b")), before, "not one byte of them");
    home.run(["ask", "--no-model", "7 pounds in kg"]).good();
    let new = home.run(["--json", "backup", "b"]).json();
    assert_eq!(new["written_packs"], 1);
    assert!(new["written_bytes"].as_u64() < Some(10_000), "{new}");
    let after = packs(&home.path("b"));
    assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)), "a pack never changes");
    assert_eq!(after.len(), before.len() + 1);
}

#[test]
fn what_is_erased_leaves_the_backup_and_an_old_copy_does_not_bring_it_back() {
    let home = Home::new();
    let serve = up(&home);
    fill(&home);
    let conversation = home.run(["--json", "history"]).json()[0]["id"].as_str().unwrap().to_owned();
    home.run(["backup", "b"]).good();
    let before = packs(&home.path("b"));
    copy(&home.path("b"), &home.path("old"));
    home.run(["erase", "--yes", &conversation, "user/large"]).good();
    let made = home.run(["--json", "backup", "b"]).json();
    let after = packs(&home.path("b"));
    assert!(before.keys().all(|path| !after.contains_key(path)), "every pack that held something of it is gone");
    assert!(made["bytes"].as_u64() < Some(100_000), "{made}");

    // The old copy is looked through for what could be mended, and read by who has lost everything else.
    drop(serve);
    assert_eq!(hers(&home, ["--json", "verify", "--repair-from", "old"]).run().json()["damaged"], json!([]));
    let blobs = home.space().join("blobs");
    assert!(kept(&blobs).values().map(Vec::len).sum::<usize>() < 100_000);
    hers(&home, ["history", &conversation]).run().bad(3);
    hers(&home, ["vol", "cat", "user/large"]).run().bad(3);
    let (other, _) = restored(&home, "b", 0);
    hers(&other, ["history", &conversation]).run().bad(3);
    hers(&other, ["vol", "cat", "user/large"]).run().bad(3);
    hers(&other, ["vol", "cat", "user/canary-folder/canary-file"]).run().good();
}

#[test]
fn a_damaged_or_lost_pack_is_named_and_all_else_is_put_back() {
    let home = Home::new();
    let serve = up(&home);
    fill(&home);
    home.run(["backup", "b"]).good();
    home.run(["ask", "--no-model", "7 pounds in kg"]).good();
    let second = packs(&home.path("b"));
    home.run(["backup", "b"]).good();
    let newest = packs(&home.path("b")).into_keys().find(|path| !second.contains_key(path)).unwrap();
    drop(serve);
    copy(&home.path("b"), &home.path("changed"));
    let small: PathBuf = second.iter().min_by_key(|(_, bytes)| bytes.len()).unwrap().0.clone();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let below = |folder: &str, path: &Path| home.path(folder).join(path.strip_prefix(home.path("b")).unwrap());

    // The first events are lost, and what follows is put back; then a list that is damaged as well.
    let mut bytes = fs::read(&small).unwrap();
    bytes[100] ^= 1;
    fs::write(below("changed", &small), bytes).unwrap();
    for step in 0..2 {
        let (other, said) = restored(&home, "changed", 9);
        assert!(said.contains(&name(&small)), "{said}");
        let history = hers(&other, ["--json", "history"]).run().json();
        assert_eq!(history.as_array().unwrap().len(), 1, "{history:#}");
        assert!(history[0]["title"].as_str().unwrap().contains("pounds"), "{history:#}");
        hers(&other, ["ask", "--no-model", "3 miles in km"]).run().good();
        if step == 0 {
            let points = kept(&home.path("changed")).into_keys().filter(|path| path.parent().unwrap().ends_with("points"));
            for point in points {
                let mut bytes = fs::read(&point).unwrap();
                bytes[40] ^= 1;
                fs::write(point, bytes).unwrap();
            }
        }
    }
    // Checked, the backup heals.
    fs::write(&small, b"cut").unwrap();
    fs::remove_file(&newest).unwrap();
    let healed = hers(&home, ["--json", "backup", "b", "--check"]).run().json();
    assert_eq!((&healed["written_packs"], &healed["whole"]), (&json!(1), &json!(true)), "one pack of all that is lost");
    let (_, said) = restored(&home, "b", 0);
    assert!(said.contains("\"same\": true"), "{said}");
}

#[test]
fn a_backup_that_is_cut_off_is_usable_and_the_next_one_goes_on() {
    let home = Home::new();
    let mut chance = Chance::new();
    let serve = up(&home);
    fill(&home);
    home.run(["backup", "b"]).good();
    for round in 0..5u64 {
        let more = home.file("more", noise(100 + round, 12_000_000));
        home.run(["vol", "write", more.to_str().unwrap(), &format!("user/more-{round}")]).good();
        let mut child = home.command(["backup", "b"]).start();
        let had = packs(&home.path("b")).len() as u64;
        let wanted = had + chance.below(3);
        // Killed between two packs, in one, or before the first.
        until(PATIENCE, "no pack is written", || {
            packs(&home.path("b")).len() as u64 >= wanted || child.try_wait().unwrap().is_some()
        });
        thread::sleep(Duration::from_millis(chance.below(40)));
        child.kill().unwrap();
        child.wait().unwrap();
        if round == 2 {
            copy(&home.path("b"), &home.path("cut"));
        }
    }
    let made = home.run(["--json", "backup", "b"]).json();
    assert_eq!((&made["whole"], &made["goes_on"]), (&json!(true), &json!(true)));
    drop(serve);
    let (_, said) = restored(&home, "b", 0);
    assert!(said.contains("\"same\": true"), "{said}");
    let (other, said) = restored(&home, "cut", 0);
    assert!(said.contains("\"same\": true"), "the last whole one is what is put back: {said}");
    hers(&other, ["vol", "cat", "user/canary-folder/canary-file"]).run().good();
}

#[test]
fn a_restoring_that_is_cut_off_goes_on_when_it_is_done_again() {
    let home = Home::new();
    let mut chance = Chance::new();
    let serve = up(&home);
    fill(&home);
    let more = home.file("more", noise(100, 40_000_000));
    home.run(["vol", "write", more.to_str().unwrap(), "user/more"]).good();
    home.run(["backup", "b"]).good();
    drop(serve);
    let before = told(&home);
    let other = Home::new();
    let folder = home.path("b");
    for _ in 0..6 {
        let mut child = hers(&other, ["restore", folder.to_str().unwrap()]).start();
        thread::sleep(Duration::from_millis(chance.below(1500)));
        for process in other.processes() {
            process.signal(libc::SIGKILL);
        }
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
        other.assert_empty_but_for_the_socket();
    }
    let outcome = hers(&other, ["--json", "restore", folder.to_str().unwrap()]).run();
    if outcome.code != 0 {
        // The last of them had come to its end.
        assert!(outcome.bad(3).contains("not empty"));
    }
    assert_eq!(told(&other), before);
    assert_eq!(hers(&other, ["--json", "verify"]).run().json()["damaged"], json!([]));
}

/// What was cut off at its very end, and then written in: nobody is told that it is whole before it is, and not that something
/// is missing when it is only more.
#[test]
fn a_restoring_that_has_not_ended_is_told_and_may_be_written_in() {
    let home = Home::new();
    let serve = up(&home);
    fill(&home);
    home.run(["backup", "b"]).good();
    drop(serve);
    let (other, said) = restored(&home, "b", 0);
    assert!(said.contains("\"same\": true"), "{said}");
    let stats = || hers(&other, ["--json", "stats"]).run().json()["restoring"].clone();
    assert_eq!(stats(), false);
    hers(&other, ["stop"]).run();
    let mark = other.space().join("restoring");
    fs::write(&mark, "").unwrap();
    assert_eq!(stats(), true);
    let doctor = hers(&other, ["doctor"]).run();
    assert!(doctor.out.contains("a restore was cut off"), "{doctor:?}");
    let mine = other.file("mine", "mine");
    hers(&other, ["vol", "write", mine.to_str().unwrap(), "user/mine"]).run().good();
    let again = hers(&other, ["--json", "restore", home.path("b").to_str().unwrap()]).run().json();
    assert_eq!((&again["same"], &again["missing_events"]), (&json!(null), &json!(0)));
    assert_eq!((stats(), mark.exists()), (json!(false), false));
    assert_eq!(hers(&other, ["vol", "cat", "user/mine"]).run().good(), "mine");
}

#[test]
fn a_place_that_cannot_be_used_is_named() {
    let home = Home::new();
    let _serve = up(&home);
    fill(&home);
    home.file("a-file", "x");
    assert!(home.run(["backup", "a-file"]).bad(3).contains("a-file"));
    assert!(home.run(["backup", "list", "nowhere"]).bad(3).contains("nowhere"));
    fs::create_dir(home.path("empty")).unwrap();
    assert_eq!(home.run(["--json", "backup", "list", "empty"]).json(), json!([]));
    let other = Home::new();
    let empty = home.path("empty");
    assert!(hers(&other, ["restore", empty.to_str().unwrap()]).run().bad(9).contains("no backup here"));
    assert!(other.run(["restore", empty.to_str().unwrap()]).bad(2).contains("--user"));
    home.run(["backup"]).bad(2);
}
