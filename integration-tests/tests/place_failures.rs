//! What a person is told when a place does not do what it should, and how the command ends: which server it was and what it
//! said, the same in every command that meets it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use integration_tests::{
    home::{Call, Home, finish},
    scripted_http::{Act, ScriptedHttp},
    tended::{PASSWORD, USER, hers, until, up},
    users::{NOBODY, as_user, home_of},
};

const SECRET: &str = "lamos:a-canary-of-a-password";

/// A server that always says this.
fn saying(status: &str, kind: &str, body: &str) -> ScriptedHttp {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    ScriptedHttp::start(vec![vec![Act::Say((head + body).into_bytes())]])
}

/// A folder of WebDAV at an address.
fn web_dav(home: &Home, name: &str, address: &str, more: &str) -> PathBuf {
    home.file(name, format!(r#"{{"kind":"webdav","endpoint":"http://{address}/files","token":"t"{more}}}"#))
}

fn call(home: &Home, words: &[&str], at: &Path, more: &[&str]) -> Call {
    let words = [words, &[at.to_str().unwrap()], more].concat();
    hers(home, words).env("LAMOS_PLACE_SECRET", SECRET)
}

/// No place is empty because something else answers for it, and nobody is told so in another way by another command.
#[test]
fn each_failure_is_said_and_ends_alike_in_every_command() {
    let home = Home::new();
    let _serve = up(&home);
    let file = home.file("x", b"x");
    let file = file.to_str().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let servers = [
        (saying("200 OK", "text/html", "<html>Please sign in</html>"), "WebDAV"),
        (saying("401 Unauthorized", "text/plain", ""), "status 401"),
        (saying("403 Forbidden", "text/plain", ""), "status 403"),
        (saying("507 Insufficient Storage", "text/plain", ""), "status 507"),
    ];
    let rows = servers.iter().map(|(server, said)| (server.address().to_string(), *said));
    for (address, said) in rows.chain([(nobody, "reach")]) {
        let at = web_dav(&home, "place.json", &address, "");
        let commands = [
            (&["place", "ls"][..], &[][..]),
            (&["place", "rm"], &["x"]),
            (&["backup", "list"], &[]),
            (&["backup"], &[]),
            (&["place", "glob"], &["**"]),
            (&["place", "cat"], &["x"]),
            (&["place", "put"], &[file, "x"]),
        ];
        // What may pass is tried for seconds each time, and comes the same way.
        let count = if said.starts_with("status") { commands.len() } else { 3 };
        for (words, more) in commands.into_iter().take(count) {
            let sentence = call(&home, words, &at, more).run().bad(5);
            assert!(sentence.contains(said) && sentence.contains(&address), "{words:?}: {sentence}");
            assert!(!sentence.contains("canary") && !sentence.contains("files"), "{sentence}");
        }
    }
}

#[test]
fn a_server_that_failed_has_not_too_much_to_do() {
    let home = Home::new();
    let _serve = up(&home);
    for (status, word) in [("500 Internal Server Error", "status 500"), ("429 Too Many Requests", "too much to do")] {
        let server = saying(status, "text/plain", "boom");
        let at = web_dav(&home, "place.json", &server.address().to_string(), "");
        let sentence = call(&home, &["place", "ls"], &at, &[]).run().bad(5);
        assert!(sentence.contains(word) && !sentence.contains("boom"), "{sentence}");
        assert_eq!(sentence.contains("too much"), status.starts_with("429"), "{sentence}");
    }
}

/// A folder that is not there was named wrongly; one that cannot be written is the disk's.
#[test]
fn a_folder_that_does_not_serve_is_named() {
    let home = home_of(NOBODY);
    let missing = home.path("nowhere");
    let locked = home.path("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let file = home.file("x", b"x");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let by_nobody = |words: &[&str]| home.command_by(&as_user(NOBODY), words.iter().copied()).signed_in(USER, PASSWORD);
    for words in [&["place", "ls", missing.to_str().unwrap()][..], &["backup", "list", missing.to_str().unwrap()]] {
        let sentence = by_nobody(words).run().bad(3);
        assert!(sentence.contains("nowhere") && sentence.contains("made first"), "{sentence}");
    }
    let (locked, file) = (locked.to_str().unwrap(), file.to_str().unwrap());
    for words in [&["place", "put", locked, file, "x"][..], &["backup", locked]] {
        let sentence = by_nobody(words).run().bad(9);
        assert!(sentence.contains(locked) && sentence.contains("no right"), "{sentence}");
    }
}

/// A place with a folder near it, in which something waits.
fn with_a_near_folder(home: &Home, name: &str, address: &str) -> PathBuf {
    web_dav(home, name, address, &format!(r#","near":"near-{name}""#))
}

#[test]
fn what_is_refused_for_good_ends_a_push_and_says_why() {
    let home = Home::new();
    let _serve = up(&home);
    let file = home.file("x", b"x");
    let servers = [
        (saying("401 Unauthorized", "text/plain", ""), "status 401"),
        (saying("200 OK", "text/html", "<html>Please sign in</html>"), "WebDAV"),
    ];
    for (number, (server, said)) in servers.iter().enumerate() {
        let address = server.address().to_string();
        let at = with_a_near_folder(&home, &format!("place-{number}"), &address);
        let put = call(&home, &["place", "put"], &at, &[file.to_str().unwrap(), "x"]).run();
        assert!(put.err.contains("1 change is kept here") && put.err.contains(said), "{}", put.err);
        put.good();
        let removed = call(&home, &["place", "rm"], &at, &["y"]).run();
        assert!(removed.err.contains("2 changes are kept here") && removed.err.contains(said), "{}", removed.err);
        removed.good();
        let sentence = call(&home, &["place", "push"], &at, &[]).run().bad(5);
        assert!(sentence.contains(said) && sentence.contains(&address) && sentence.contains("failed to"), "{sentence}");
        assert!(sentence.contains("not there yet"), "{sentence}");
    }
}

/// Who waits knows for what, and is told once.
#[test]
fn what_passes_is_tried_again_and_says_why() {
    let home = Home::new();
    let _serve = up(&home);
    let file = home.file("x", b"x");
    let server = saying("500 Internal Server Error", "text/plain", "boom");
    let address = server.address().to_string();
    let at = with_a_near_folder(&home, "place.json", &address);
    call(&home, &["place", "put"], &at, &[file.to_str().unwrap(), "x"]).run().good();
    let before = server.asked().len();
    let child = call(&home, &["place", "push"], &at, &[]).start();
    // Each attempt asks several times, so after so many there were two at least.
    until(Duration::from_secs(120), "it tries again", || server.asked().len() >= before + 15);
    // Not SIGINT, which whoever runs the tests may have it ignore.
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    let said = finish(child, Duration::from_secs(60), "place push").err;
    assert_eq!(said.matches("status 500").count(), 1, "{said}");
    assert!(said.contains("1 change is not there yet") && said.contains(&address) && said.contains("tried again"), "{said}");
}
