//! Bits that a disk forgets: each is found and named, and put back from a backup. And an export, which anybody can check.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs, path::Path, process::Command, time::Duration};

use integration_tests::{
    home::{Home, finish},
    tended::{hers, noise, until, up},
};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn find(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    (0..=bytes.len() - what.len()).filter(|&at| bytes[at..].starts_with(what)).collect()
}

/// A space with a little of everything, and its backup.
fn filled() -> (Home, String) {
    let home = Home::new();
    let serve = up(&home);
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    let middle = home.file("middle", noise(5, 60_000));
    let large = home.file("large", noise(6, 1_000_000));
    home.run(["vol", "write", middle.to_str().unwrap(), "user/middle"]).good();
    home.run(["vol", "write", large.to_str().unwrap(), "user/large"]).good();
    home.run(["backup", "b"]).good();
    assert_eq!(home.run(["--json", "verify"]).json()["damaged"], json!([]));
    let id = home.run(["--json", "history"]).json()[0]["id"].as_str().unwrap().to_owned();
    drop(serve);
    home.run(["stop"]).good();
    home.assert_empty();
    (home, id)
}

/// What `verify` says is damaged, which must be something.
fn damaged(home: &Home) -> Vec<Value> {
    let outcome = hers(home, ["--json", "verify"]).run();
    assert_eq!(outcome.code, 9, "{outcome:?}");
    assert!(outcome.err.contains("--repair-from") || outcome.err.contains("--rebuild"), "{}", outcome.err);
    let said: Value = serde_json::from_str(&outcome.out).unwrap();
    said["damaged"].as_array().unwrap().clone()
}

fn repaired(home: &Home) {
    let outcome = hers(home, ["--json", "verify", "--repair-from", "b"]).run();
    let said = outcome.json();
    assert_eq!(said["damaged"], json!([]));
    assert!(said["put_back"].is_object(), "{said}");
    assert_eq!(hers(home, ["--json", "verify"]).run().json()["damaged"], json!([]));
    assert_eq!(fs::read(home.path("middle")).unwrap(), noise(5, 60_000));
    let read = |path: &str| {
        let (to, home) = (home.path("read"), home);
        let out = fs::File::create(&to).unwrap();
        let mut command = Command::new(home.lamos());
        command.args(["--data-dir", home.data().to_str().unwrap(), "--user", "ada", "--password-fd", "0", "vol", "cat", path]);
        command.stdin(fs::File::open(home.file("password", "correct horse battery\n")).unwrap()).stdout(out);
        assert!(command.status().unwrap().success());
        fs::read(to).unwrap()
    };
    assert!(read("user/middle") == noise(5, 60_000) && read("user/large") == noise(6, 1_000_000));
}

#[test]
fn a_bit_of_a_header_and_of_a_signature() {
    let (home, id) = filled();
    let objects = hers(&home, ["--json", "objects", &id]).run().json();
    let event = objects[0]["id"].as_str().unwrap().to_owned();
    let shown = hers(&home, ["--json", "objects", &event]).run().json();
    home.assert_empty();
    let database = home.space().join("data.mdb");
    let signature = unhex(shown["signature"].as_str().unwrap());
    for offset in [10, 64 + 60] {
        // Wherever a version of its page lies, be it in use or not.
        for at in find(&fs::read(&database).unwrap(), &signature) {
            flip(&database, at + offset);
        }
        let found = damaged(&home);
        assert!(found.iter().any(|found| found["event"] == event.as_str()), "at {offset}: {found:#?}");
        assert!(found.iter().all(|found| found["position"].is_u64()), "{found:#?}");
        repaired(&home);
        home.assert_empty();
    }
}

#[test]
fn a_bit_of_what_an_event_says() {
    let (home, _) = filled();
    let database = home.space().join("data.mdb");
    let bytes = fs::read(&database).unwrap();
    // A large value has pages of its own: number u64, pad u16, flags u16 of which 4 says so, how many u32.
    let pages = bytes.chunks(4096).enumerate().filter(|(_, page)| page[10..12] == [4, 0] && page[12] >= 14);
    for (page, _) in pages {
        flip(&database, page * 4096 + 9000);
    }
    let found = damaged(&home);
    assert_eq!((found.len(), found[0]["name"].as_str()), (1, Some("user/middle")), "{found:#?}");
    assert!(found[0]["what"].as_str().unwrap().contains("what it says"), "{found:#?}");
    repaired(&home);
}

#[test]
fn a_bit_of_a_chunk_and_a_file_of_chunks_that_is_lost_or_cut() {
    let (home, _) = filled();
    let blobs = home.space().join("blobs");
    let pack = || fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let length = fs::metadata(pack()).unwrap().len() as usize;
    flip(&pack(), length / 2);
    let found = damaged(&home);
    assert_eq!((found.len(), found[0]["name"].as_str()), (1, Some("user/large")), "one chunk alone: {found:#?}");
    let (file, offset) = (found[0]["file"].as_str().unwrap(), found[0]["offset"].as_u64().unwrap() as usize);
    assert!(home.space().join(file) == pack() && offset <= length / 2 && length / 2 < offset + (300 << 10), "{found:#?}");
    repaired(&home);

    fs::File::options().write(true).open(pack()).unwrap().set_len(10).unwrap();
    assert!(damaged(&home).iter().all(|found| found["name"] == "user/large"));
    repaired(&home);
    for entry in fs::read_dir(&blobs).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert!(damaged(&home).iter().all(|found| found["what"].as_str().unwrap().contains("missing")));
    repaired(&home);
}

#[test]
fn without_a_backup_of_this_space_nothing_is_mended_and_that_is_said() {
    let (home, _) = filled();
    let pack = fs::read_dir(home.space().join("blobs")).unwrap().next().unwrap().unwrap().path();
    flip(&pack, 1000);
    fs::create_dir(home.path("empty")).unwrap();
    assert!(hers(&home, ["verify", "--repair-from", "empty"]).run().bad(9).contains("no backup of this space"));
    assert!(hers(&home, ["verify", "--repair-from", "nothing"]).run().bad(3).contains("nothing"));
    assert!(hers(&home, ["vol", "cat", "user/middle"]).run().code == 0, "all else can be read");
    assert_eq!(damaged(&home).len(), 1);
}

/// Changes a bit in every view of a thing, wherever a version of its page lies.
fn flip_views(home: &Home, entity: &str) {
    let database = home.space().join("data.mdb");
    let entity = unhex(entity);
    // Before a key stand the length of its value, u16 and u16, flags and the length of the key. A wrapped key has 72 bytes.
    let is_view = |row: &[u8]| row[6..8] == [16, 0] && row[2..6] == [0; 4] && row[0] != 72 && (row[0] >= 60 || row[1] > 0);
    let bytes = fs::read(&database).unwrap();
    let views: Vec<usize> = find(&bytes, &entity).into_iter().filter(|&at| at > 8 && is_view(&bytes[at - 8..at])).collect();
    assert!(!views.is_empty(), "there is a view");
    views.into_iter().for_each(|at| flip(&database, at + 16 + 30));
}

#[test]
fn what_is_derived_is_made_anew_without_a_backup() {
    let (home, id) = filled();
    let files = hers(&home, ["--json", "objects", "--kind", "file"]).run().json();
    let entities: Vec<&str> = files.as_array().unwrap().iter().map(|file| file["entity"].as_str().unwrap()).collect();
    home.assert_empty();
    flip_views(&home, &id);
    entities.iter().for_each(|entity| flip_views(&home, entity));
    for words in [&["vol", "ls", "user"] as &[&str], &["vol", "cat", "user/middle"], &["history"]] {
        let said = hers(&home, words.iter().copied()).run().bad(9);
        assert!(said.contains("lamos verify") && said.contains("--rebuild") && said.contains("--repair-from"), "{said}");
        assert!(!said.contains("put back a copy"), "{said}");
    }
    let said = hers(&home, ["verify"]).run().bad(9);
    assert!(said.contains("`lamos verify --rebuild`") && said.contains("no backup") && !said.contains("--repair-from"), "{said}");
    let found = damaged(&home);
    assert!(found.len() >= 3 && found.iter().all(|found| found["derived"] == true), "{found:#?}");

    let rebuilt = hers(&home, ["--json", "verify", "--rebuild"]).run().json();
    assert_eq!((&rebuilt["damaged"], &rebuilt["rebuilt"]), (&json!([]), &json!(true)));
    assert_eq!(hers(&home, ["--json", "verify"]).run().json()["damaged"], json!([]));
    let listed = hers(&home, ["vol", "ls", "user"]).run().good();
    assert!(listed.contains("middle") && listed.contains("large"), "{listed}");
    assert!(hers(&home, ["history"]).run().good().contains("5 miles in km"));
    assert!(hers(&home, ["search", "miles"]).run().good().contains("miles"));
    hers(&home, ["backup", "b"]).run().good();
    // Where nothing is wrong it does no harm.
    assert!(hers(&home, ["verify", "--rebuild"]).run().good().contains("as they were written"));
}

#[test]
fn what_nothing_mends_stays_listed_and_named() {
    let (home, _) = filled();
    let late = home.file("late", noise(7, 30_000));
    hers(&home, ["vol", "write", late.to_str().unwrap(), "user/late"]).run().good();
    hers(&home, ["stop"]).run();
    home.assert_empty();
    let database = home.space().join("data.mdb");
    let bytes = fs::read(&database).unwrap();
    let pages = bytes.chunks(4096).enumerate().filter(|(_, page)| page[10..12] == [4, 0] && page[12] == 8);
    pages.for_each(|(page, _)| flip(&database, page * 4096 + 9000));
    let is_named = || {
        let found = damaged(&home);
        assert_eq!((found.len(), found[0]["name"].as_str(), &found[0]["derived"]), (1, Some("user/late"), &json!(false)));
        assert!(hers(&home, ["vol", "ls", "user"]).run().good().contains("late"));
        let said = hers(&home, ["vol", "cat", "user/late"]).run().bad(9);
        assert!(said.contains("damaged") && said.contains("lamos verify"), "{said}");
    };
    is_named();
    // The backup was made before there was such a file.
    let said = hers(&home, ["verify", "--repair-from", "b"]).run().bad(9);
    assert!(said.contains("does not have"), "{said}");
    is_named();
    hers(&home, ["verify", "--rebuild"]).run().bad(9);
    is_named();
    assert_eq!(fs::read(home.path("middle")).unwrap(), noise(5, 60_000));
    assert_eq!(hers(&home, ["vol", "cat", "user/middle"]).run().code, 0, "all else can be read");
}

#[test]
fn an_export_is_checked_by_anybody_and_every_byte_of_it_counts() {
    let (home, id) = filled();
    hers(&home, ["erase", "--yes", "user/middle"]).run().good();
    let said = hers(&home, ["--json", "export", "all.jsonl"]).run().json();
    assert_eq!((&said["files"], &said["damaged"]), (&json!(1), &json!(0)));
    hers(&home, ["export", "all.jsonl"]).run().bad(2);
    // No key, no archive.
    fs::remove_dir_all(home.data()).unwrap();
    let check = |file: &str| home.run(["--json", "verify", "--export", file]);
    let checked = check("all.jsonl").json();
    assert_eq!((&checked["events"], &checked["wrong"], &checked["erased"]), (&said["events"], &json!([]), &json!(1)));
    assert!(!home.data().exists(), "nothing was started");

    let whole = fs::read(home.path("all.jsonl")).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    for readable in ["5 miles in km", "user/large", "\"kind\":\"message\""] {
        assert!(text.contains(readable), "{readable} can be read");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let second = lines.iter().find(|line| line["kind"] == "message").unwrap();
    // A byte anywhere: in what is to be read, in what was signed, between them; and each of the last line, for which no
    // hash speaks.
    let step = whole.len() / 150;
    let last_line = text.trim_end().rfind('\n').unwrap() + 1;
    for at in (0..last_line).step_by(step.max(1)).chain(last_line..whole.len()) {
        let mut broken = whole.clone();
        broken[at] = if broken[at] == b'1' { b'2' } else { b'1' };
        if broken[at] == whole[at] {
            continue;
        }
        fs::write(home.path("broken.jsonl"), &broken).unwrap();
        link_files(&home, "broken.jsonl");
        let outcome = check("broken.jsonl");
        assert_eq!(outcome.code, 9, "byte {at}: {outcome:?}");
    }
    // What is to be read is changed, and the hash of all lines with it: it is not what was signed.
    let forged = text.replace("5 miles in km", "9 miles in km");
    let (body, _) = forged.trim_end().rsplit_once('\n').unwrap();
    let end = lines.last().unwrap();
    let hash = blake3_of(&format!("{body}\n"));
    let forged = format!("{body}\n{}\n", json!({ "events": end["events"], "files": end["files"], "blake3": hash }));
    fs::write(home.path("forged.jsonl"), forged).unwrap();
    link_files(&home, "forged.jsonl");
    let outcome = check("forged.jsonl");
    assert_eq!(outcome.code, 9);
    let wrong: Value = serde_json::from_str(&outcome.out).unwrap();
    assert!(
        wrong["wrong"]
            .as_array()
            .unwrap()
            .iter()
            .any(|what| what.as_str().unwrap().contains(&second["id"].as_str().unwrap()[..16])),
        "{wrong:#}"
    );
    // An event left out, the end cut off, a file of content changed or missing.
    let without: Vec<&str> = text.lines().filter(|line| !line.contains(second["id"].as_str().unwrap())).collect();
    for (name, bytes) in [("without", without.join("\n") + "\n"), ("cut", text[..text.len() / 2].to_owned())] {
        fs::write(home.path(name), bytes).unwrap();
        link_files(&home, name);
        assert_eq!(check(name).code, 9, "{name}");
    }
    let content = fs::read_dir(home.path("all.jsonl.files")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read(&content).unwrap(), noise(6, 1_000_000));
    flip(&content, 500_000);
    assert!(check("all.jsonl").out.contains("is not what it was"));
    fs::remove_file(&content).unwrap();
    assert!(check("all.jsonl").out.contains("is missing"));
    assert!(!id.is_empty());
}

/// What an export writes anybody can read. One that does not come to its end leaves nothing.
#[test]
fn an_export_that_is_cut_off_leaves_nothing_to_read() {
    let home = Home::new();
    let serve = up(&home);
    let large = home.file("large", noise(6, 1_000_000));
    home.run(["vol", "write", large.to_str().unwrap(), "user/large"]).good();
    let left = |name: &str| [".unfinished", ""].map(|end| home.path(&format!("{name}{end}")).exists());
    // No file can be made where its folder should be.
    let in_the_way = home.file("x.jsonl.files", "mine");
    assert!(home.run(["export", "x.jsonl"]).bad(9).contains("x.jsonl.files"));
    assert_eq!((left("x.jsonl"), fs::read_to_string(in_the_way).unwrap().as_str()), ([false; 2], "mine"));
    let storage = serve.process("storage");
    storage.signal(libc::SIGSTOP);
    let exporting = home.command(["export", "y.jsonl"]).start();
    until(PATIENCE, "it never begins", || left("y.jsonl")[0]);
    rustix::process::kill_process(rustix::process::Pid::from_child(&exporting), rustix::process::Signal::INT).unwrap();
    let outcome = finish(exporting, PATIENCE, "export");
    storage.signal(libc::SIGCONT);
    assert!(outcome.bad(130).contains("nothing of the export is left"));
    assert_eq!((left("y.jsonl"), home.path("y.jsonl.files").exists()), ([false; 2], false));
    home.run(["export", "y.jsonl"]).good();
    assert_eq!((left("y.jsonl"), home.path("y.jsonl.files").exists()), ([false, true], true));
    assert!(home.run(["verify", "--export", "nowhere.jsonl"]).bad(3).contains("nowhere.jsonl"));
}

fn link_files(home: &Home, name: &str) {
    let to = home.path(&format!("{name}.files"));
    if !to.exists() {
        std::os::unix::fs::symlink(home.path("all.jsonl.files"), to).unwrap();
    }
}

fn blake3_of(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[test]
fn one_conversation_is_exported_by_itself_and_the_demo_space_is_not() {
    let (home, id) = filled();
    hers(&home, ["ask", "--no-model", "7 pounds in kg"]).run().good();
    hers(&home, ["export", "one.jsonl", "--conversation", &id[..9]]).run().good();
    let text = fs::read_to_string(home.path("one.jsonl")).unwrap();
    assert!(text.contains("5 miles in km") && !text.contains("7 pounds in kg") && !text.contains("user/large"));
    assert_eq!(home.run(["--json", "verify", "--export", "one.jsonl"]).json()["wrong"], json!([]));
    home.assert_empty();
    assert!(home.run(["export", "demo.jsonl"]).bad(8).contains("demo"));
    assert!(home.run(["backup", "demo"]).bad(8).contains("demo"));
}
