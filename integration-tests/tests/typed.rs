//! What people type: descriptors that are not there, pipes that are closed, directories of others, names that mean
//! something else elsewhere; and what a new space shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use integration_tests::{home::Home, tended::noise};

#[test]
fn a_descriptor_that_was_not_opened_is_named_and_nothing_else_is_read() {
    let home = Home::new();
    // Among these are numbers that the program's own descriptors have a moment later.
    for number in ["3", "4", "5", "6", "7", "8", "9", "1000000"] {
        let said = home.run(["--user", "bob", "--password-fd", number, "vol", "ls"]).bad(2);
        assert!(said.contains("is not open") && said.contains("3<file"), "{number}: {said}");
    }
    for number in ["1", "2", "-1"] {
        let said = home.run(["--user", "bob", &format!("--password-fd={number}"), "vol", "ls"]).bad(2);
        assert!(said.contains("not one to read from"), "{number}: {said}");
    }
    assert!(!home.data().exists(), "no supervisor was started for it");
}

#[test]
fn whoever_reads_the_beginning_alone_ends_the_command_without_a_word() {
    let home = Home::new();
    for words in [&["completions", "bash"][..], &["man"]] {
        let mut child = Command::new(home.lamos()).args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(141), ""), "{words:?}");
    }
}

#[test]
fn a_full_device_behind_the_answer_is_the_disks_fault() {
    let home = Home::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(home.lamos());
    let ended = command.args(["policy", "explain"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(ended.status.code(), Some(9), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_directory_that_holds_other_things_is_not_taken() {
    let home = Home::new();
    let photos = home.path("photos");
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("one.jpg"), "light").unwrap();
    fs::set_permissions(&photos, fs::Permissions::from_mode(0o755)).unwrap();
    let said = home.run(["--data-dir", photos.to_str().unwrap(), "history"]).bad(9);
    assert!(said.contains("holds other things"), "{said}");
    assert_eq!(fs::metadata(&photos).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_dir(&photos).unwrap().count(), 1);
}

#[test]
fn a_new_space_shows_where_files_go() {
    let home = Home::new();
    assert_eq!(home.run(["vol", "ls", "user"]).good(), "");
    assert_eq!(home.run(["--json", "vol", "ls", "user/"]).json(), serde_json::json!([]));
    assert!(home.run(["vol", "ls", "user/sub"]).bad(3).contains("nothing lies in"));
}

#[test]
fn a_folder_with_large_files_is_kept_whole() {
    let home = Home::new();
    let folder = home.path("mixed");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("small.txt"), "small").unwrap();
    fs::write(folder.join("sub/large.bin"), noise(1, 3 << 20)).unwrap();
    fs::write(folder.join("large.bin"), noise(2, 2 << 20)).unwrap();
    let said = home.run(["--json", "vol", "write", folder.to_str().unwrap(), "user/mixed"]).json();
    assert_eq!(said["written"], 3, "{said}");
    // What is there already is known, small or large, and makes no version.
    let again = home.run(["--json", "vol", "write", folder.to_str().unwrap(), "user/mixed"]).json();
    assert_eq!((&again["written"], &again["unchanged"]), (&0.into(), &3.into()), "{again}");
    let large = folder.join("large.bin");
    let one = home.run(["--json", "vol", "write", large.to_str().unwrap(), "user/mixed/large.bin"]).json();
    assert_eq!((&one["written"], &one["unchanged"]), (&0.into(), &1.into()), "{one}");
    assert_eq!(home.run(["--json", "vol", "log", "user/mixed/large.bin"]).json().as_array().unwrap().len(), 1);
    fs::write(&large, noise(3, 2 << 20)).unwrap();
    let other = home.run(["--json", "vol", "write", large.to_str().unwrap(), "user/mixed/large.bin"]).json();
    assert_eq!((&other["written"], &other["unchanged"]), (&1.into(), &0.into()), "{other}");
    let list = home.run(["--json", "vol", "glob", "user/mixed/**"]).json();
    let lengths: Vec<u64> = list.as_array().unwrap().iter().map(|file| file["length"].as_u64().unwrap()).collect();
    assert_eq!(lengths, [2 << 20, 5, 3 << 20]);
}

#[test]
fn a_file_is_not_put_in_the_place_of_another_by_mistake() {
    let home = Home::new();
    for name in ["one", "two"] {
        let file = home.file(name, name);
        home.run(["vol", "write", file.to_str().unwrap(), "user/"]).good();
    }
    assert!(home.run(["vol", "mv", "user/one", "user/two"]).bad(3).contains("--force"));
    assert_eq!(home.run(["vol", "cat", "user/two"]).good(), "two");
    home.run(["vol", "mv", "--force", "user/one", "user/two"]).good();
    assert_eq!(home.run(["vol", "cat", "user/two"]).good(), "one");
    for name in ["user/CON.txt", "user/..%2fx", "user/gpj.\u{202E}exe"] {
        let said = home.run(["vol", "mv", "user/two", name]).bad(3);
        assert!(said.contains("no file is made at"), "{said}");
    }
}

#[test]
fn what_was_removed_is_found_without_its_name() {
    let home = Home::new();
    for name in ["one", "a#b"] {
        let file = home.file(name, name);
        home.run(["vol", "write", file.to_str().unwrap(), "user/sub/"]).good();
    }
    assert!(home.run(["vol", "ls", "--removed"]).good().is_empty());
    home.run(["vol", "rm", "-r", "user/sub"]).good();
    let list = home.run(["--json", "vol", "ls", "--removed"]).json();
    let paths: Vec<&str> = list.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["user/sub/a#b", "user/sub/one"]);
    home.run(["vol", "rollback", "user/sub/one", "~1"]).good();
    assert_eq!(home.run(["vol", "cat", "user/sub/one"]).good(), "one");
    assert_eq!(home.run(["--json", "vol", "ls", "--removed", "user/sub/"]).json().as_array().unwrap().len(), 1);
    assert_eq!(home.run(["--json", "vol", "ls", "--removed", "team/red"]).json(), serde_json::json!([]));
    home.run(["vol", "ls", "--removed", "user@draft"]).bad(3);
}
