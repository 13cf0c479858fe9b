//! Places outside from the command line, through the carrying process: the secret goes to one origin and to one process,
//! and whatever a server does, the person is told whose fault it is. The server is scripted; those of others are asked with
//! `cargo verify --full`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use integration_tests::{
    files,
    home::{Call, Home, Outcome},
    peers,
    python_peers::{PASSWORD, Peer, USER},
    scripted_blob::{Fault, ScriptedBlob, TOKEN},
    serve::Serve,
};
use serde_json::json;

const SECRET: &str = "LAMOS_PLACE_SECRET";

fn described(home: &Home, server: &ScriptedBlob) -> PathBuf {
    let address = server.address();
    let json = format!(
        r#"{{"kind":"vercel-blob","endpoint":"http://{address}/api/blob","content":"http://{address}/content","token":"mine"}}"#
    );
    home.file("place.json", json)
}

fn place(home: &Home, words: &[&str]) -> Call {
    home.command([&["place"][..], words].concat())
}

fn with(call: Call, secret: &str) -> Outcome {
    call.env(SECRET, secret).run()
}

/// Everything a place does, by the command line.
fn everything(home: &Home, at: &str, secret: &str) {
    let large: String = (0..1_200_000).map(|number| format!("{number} ")).collect();
    let (large_file, empty) = (home.file("large", &large), home.file("empty", b""));
    with(place(home, &["put", at, large_file.to_str().unwrap(), "a/large"]), secret).good();
    with(place(home, &["put", at, empty.to_str().unwrap(), "a/b/empty é"]), secret).good();
    let listed = with(home.command(["--json", "place", "ls", at]), secret).json();
    let found: Vec<(String, u64)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["path"].as_str().unwrap().to_owned(), item["length"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [("a/b/empty é".to_owned(), 0), ("a/large".to_owned(), large.len() as u64)]);
    let in_folder = with(place(home, &["ls", at, "a/b"]), secret).good();
    assert!(in_folder.contains("a/b/empty é") && !in_folder.contains("large"), "{in_folder}");
    assert!(with(place(home, &["ls", at, "a/large"]), secret).good().contains("a/large"), "a value is listed as itself");
    assert!(with(place(home, &["ls", at, "a/nowhere"]), secret).bad(3).contains("nothing lies in a/nowhere"));
    let binary = home.file("binary", [0xff, 0x00]);
    with(place(home, &["put", at, binary.to_str().unwrap(), "binary"]), secret).good();
    let read = |path: &str| with(home.command(["--json", "place", "cat", at, path]), secret).json();
    assert_eq!(read("binary"), json!({ "path": "binary", "length": 2, "hex": "ff00" }));
    assert_eq!(read("a/b/empty é"), json!({ "path": "a/b/empty é", "length": 0, "text": "" }));
    with(place(home, &["rm", at, "binary"]), secret).good();
    assert!(with(place(home, &["glob", at, "a/**/empty*"]), secret).good().contains("a/b/empty é"));
    let read = with(place(home, &["cat", at, "a/large"]), secret);
    let read = read.good();
    assert!(read == large, "{} bytes came back of {}", read.len(), large.len());
    assert_eq!(with(place(home, &["cat", at, "a/b/empty é"]), secret).good(), "");
    with(place(home, &["rm", at, "a/large", "a/b/empty é", "never/there"]), secret).good();
    assert!(with(place(home, &["cat", at, "a/large"]), secret).bad(3).contains("nothing lies at a/large"));
    assert_eq!(with(home.command(["--json", "place", "ls", at]), secret).json().as_array().unwrap().len(), 0);
    let refused = with(place(home, &["put", at, empty.to_str().unwrap(), "../out"]), secret).bad(3);
    assert!(refused.contains("path"), "{refused}");
}

#[test]
fn a_folder_is_a_place() {
    let home = Home::new();
    let folder = home.path("values");
    fs::create_dir(&folder).unwrap();
    everything(&home, folder.to_str().unwrap(), "");
    let gone = place(&home, &["rm", folder.to_str().unwrap(), "never"]).run();
    assert!(gone.err.contains("Nothing lay at never"), "{}", gone.err);
    gone.good();
    home.assert_empty();
}

#[test]
fn a_remote_place_is_reached_by_the_carrying_process() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let server = ScriptedBlob::start();
    let at = described(&home, &server);
    everything(&home, at.to_str().unwrap(), TOKEN);
}

#[test]
fn whose_fault_it_is_is_said() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let server = ScriptedBlob::start();
    let at = described(&home, &server);
    let at = at.to_str().unwrap();
    let file = home.file("x", b"x");
    let put = || with(place(&home, &["put", at, file.to_str().unwrap(), "x"]), TOKEN);
    put().good();

    let without = place(&home, &["ls", at]).run().bad(3);
    assert!(without.contains(SECRET) && without.contains("mine"), "{without}");
    let wrong = with(place(&home, &["ls", at]), "vercel_blob_rw_Store1_ffffffffffffffff").bad(5);
    assert!(!wrong.contains("ffffffff"), "{wrong}");
    with(place(&home, &["ls", at]), "not-a-token").bad(3);

    // Failures that pass are not shown; those that stay are.
    server.fail(vec![Fault::Status(503, "service_unavailable", None), Fault::SilentAfter, Fault::Nonsense]);
    put();
    put().good();
    let other = ScriptedBlob::start();
    server.fail(vec![Fault::Redirect(format!("http://{}/elsewhere", other.address())); 40]);
    let sent = with(place(&home, &["cat", at, "x"]), TOKEN).bad(5);
    assert!(!sent.is_empty() && other.asked().is_empty());
    server.forgive();

    let nobody = home.file("nobody.json", r#"{"kind":"webdav","endpoint":"http://127.0.0.1:9","token":"t"}"#);
    let unreachable = with(place(&home, &["ls", nobody.to_str().unwrap()]), "a:b").bad(5);
    assert!(unreachable.contains("reach"), "{unreachable}");
    for (json, word) in [
        (r#"{"kind":"webdav","endpoint":"http://dav.example","token":"t"}"#, "https://"),
        (r#"{"kind":"ftp"}"#, "kind"),
        (r#"{"kind":"webdav","endpoint":"https://a:b@dav.example"}"#, "password"),
    ] {
        let bad = home.file("bad.json", json);
        let said = with(place(&home, &["ls", bad.to_str().unwrap()]), "a:b").bad(3);
        assert!(said.contains(word), "{said}");
    }
}

/// Near first and at once; what could not be carried waits on disk, in order, and deletions travel too.
#[test]
fn a_near_folder_answers_while_the_far_place_is_away() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let server = ScriptedBlob::start();
    let address = server.address();
    let json = format!(
        r#"{{"kind":"vercel-blob","endpoint":"http://{address}/api/blob","content":"http://{address}/content","near":"near"}}"#
    );
    let at = home.file("place.json", json);
    let at = at.to_str().unwrap();
    let (first, second) = (home.file("one", b"one"), home.file("two", b"two"));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    with(place(&home, &["put", at, first, "stays"]), TOKEN).good();
    with(place(&home, &["put", at, first, "goes"]), TOKEN).good();
    assert_eq!(server.value("lamos/stays").as_deref(), Some(&b"one"[..]));

    server.fail(vec![Fault::Status(500, "internal_server_error", None); 400]);
    let away = with(place(&home, &["put", at, second, "stays"]), TOKEN);
    let listed = with(place(&home, &["ls", at]), TOKEN);
    assert!(listed.err.contains("what lies only there is not in the list"), "{}", listed.err);
    assert!(away.err.contains("1 change is kept here"), "{}", away.err);
    away.good();
    with(place(&home, &["rm", at, "goes"]), TOKEN).good();
    assert_eq!(with(place(&home, &["cat", at, "stays"]), TOKEN).good(), "two");
    with(place(&home, &["cat", at, "goes"]), TOKEN).bad(3);
    assert_eq!(server.value("lamos/stays").as_deref(), Some(&b"one"[..]));

    server.forgive();
    with(place(&home, &["push", at]).within(Duration::from_secs(200)), TOKEN).good();
    assert_eq!(server.value("lamos/stays").as_deref(), Some(&b"two"[..]));
    assert_eq!(server.value("lamos/goes"), None);

    // What somebody else put there is read from there once, and kept.
    server.fill([("lamos/theirs".to_owned(), b"theirs".to_vec())]);
    assert_eq!(with(place(&home, &["cat", at, "theirs"]), TOKEN).good(), "theirs");
    server.asked();
    assert_eq!(with(place(&home, &["cat", at, "theirs"]), TOKEN).good(), "theirs");
    assert!(server.asked().iter().all(|asked| !asked.contains("theirs")));

    // The switch: nothing leaves this machine, and nothing lasts.
    server.asked();
    with(place(&home, &["put", at, first, "local"]).env("LAMOS_PROFILE", "development"), TOKEN).good();
    assert!(server.asked().is_empty() && home.path("near/local").exists());
    with(place(&home, &["put", at, first, "nowhere"]).env("LAMOS_PROFILE", "test"), TOKEN).good();
    assert!(server.asked().is_empty() && !home.path("near/nowhere").exists());
    let unknown = place(&home, &["ls", at]).env("LAMOS_PROFILE", "staging").run().bad(2);
    assert!(unknown.contains("production"), "{unknown}");
}

/// Not in a file, not in a log.
#[test]
fn the_secret_is_nowhere() {
    let home = Home::new();
    let server = ScriptedBlob::start();
    let at = described(&home, &server);
    {
        let _serve = Serve::start(&home);
        with(place(&home, &["ls", at.to_str().unwrap()]), TOKEN).good();
    }
    let files = files::below(&home.data());
    assert!(files.len() > 2, "the installation is looked through");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()), "{}", file.display());
    }
}

fn at_peer(home: &Home, address: SocketAddr, json: &str) -> PathBuf {
    home.file("peer.json", json.replace("ADDRESS", &address.to_string()))
}

#[test]
fn servers_of_others_serve_it() {
    if !peers() {
        return println!("skipped: moto and WsgiDAV are installed from PyPI with LAMOS_PEERS=1 or cargo verify --full");
    }
    let home = Home::new();
    let _serve = Serve::start(&home);
    let dav = Peer::wsgidav();
    let at = at_peer(&home, dav.address(), r#"{"kind":"webdav","endpoint":"http://ADDRESS/","token":"t"}"#);
    everything(&home, at.to_str().unwrap(), &format!("{USER}:{PASSWORD}"));
    let moto = Peer::moto();
    moto.make_bucket("test-bucket");
    let at = at_peer(&home, moto.address(), r#"{"kind":"s3","endpoint":"http://ADDRESS","bucket":"test-bucket","token":"t"}"#);
    everything(&home, at.to_str().unwrap(), "an-id:a-key");
}
