//! A provider's key that is kept reaches the one server it was kept for, and nothing else of this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs, path::Path};

use integration_tests::{
    files,
    home::{Call, Home, Outcome},
    scripted_http::{ScriptedHttp, answer, models},
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{
    Code, Role,
    messages::{
        crypto::{KeepKey, LendKept, Unlock},
        llm::{ListModels, Wire},
        storage::ListSecrets,
        supervisor::AllowPorts,
    },
    secret::Secret,
};

const PASSWORD: &str = "correct horse battery staple\n";
const KEY: &str = "sk-Kanari-Kept-77a1bQ";
const NEWER: &str = "sk-Kanari-Newer-0c4eF";

/// A supervisor with Anna's space open, so that commands need no password.
fn up(home: &Home) -> Serve<'_> {
    Serve::of(home, home.command(["serve"]).signed_in("anna", &format!("{PASSWORD}{PASSWORD}")))
}

fn add(home: &Home, provider: &str, base_url: &str, key: &str) -> Outcome {
    home.command(["keys", "add", provider, "--base-url", base_url, "--key-fd", "0"]).input(format!("{key}\n")).run()
}

fn ask(home: &Home, more: &[&str]) -> Call {
    let words: Vec<&str> = [&["ask", "-m", "scripted"][..], more, &["Say something."]].concat();
    home.command(words)
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Everything of this home that can be looked into: files, and what each process was started with.
fn assert_nowhere(home: &Home, word: &str) {
    let mut looked = 0;
    for (path, bytes) in files::read_below(&home.data()) {
        assert!(!has(&bytes, word), "{} has it", path.display());
        looked += 1;
    }
    for process in home.processes() {
        for what in ["cmdline", "environ"] {
            // Those that cannot be dumped cannot be looked into.
            let Ok(bytes) = fs::read(format!("/proc/{}/{what}", process.pid)) else { continue };
            assert!(!has(&bytes, word), "{what} of {process:?} has it");
            looked += 1;
        }
    }
    assert!(looked > 8, "{looked}");
}

fn listed(home: &Home) -> serde_json::Value {
    home.run(["--json", "keys", "list"]).json()
}

#[test]
fn a_kept_key_reaches_its_server_and_nothing_else() {
    let home = Home::new();
    let serve = Serve::of(&home, home.command(["--log", "trace", "serve"]).signed_in("anna", &format!("{PASSWORD}{PASSWORD}")));
    let server = ScriptedHttp::start(vec![answer("Hello.")]);
    let added = add(&home, "mine", &server.openai(), KEY);
    assert!(!added.err.contains(KEY) && !added.out.contains(KEY));
    added.good();
    let said = listed(&home);
    assert_eq!((said[0]["provider"].as_str(), said[0]["base_url"].as_str()), (Some("mine"), Some(server.openai().as_str())));
    assert!(!said.to_string().contains(&KEY[KEY.len() - 4..]), "not even its end is shown: {said}");

    assert!(ask(&home, &[]).run().good().contains("Hello."));
    assert!(server.asked()[0].head.contains(&format!("Bearer {KEY}")), "it came where it belongs: {}", server.asked()[0].head);
    assert!(!has(server.asked()[0].body.as_bytes(), KEY));

    // Another address does not get it, though the person names it; this one does when it is named.
    let other = ScriptedHttp::start(vec![answer("Give me more.")]);
    ask(&home, &["--base-url", &other.openai()]).run().good();
    assert!(
        !other.asked().is_empty() && other.asked().iter().all(|asked| !asked.head.contains("Bearer")),
        "{:?}",
        other.asked()[0].head
    );
    ask(&home, &["--base-url", &server.openai()]).run().good();
    assert!(server.asked()[1].head.contains(KEY));

    // The environment goes first.
    let of_env = ScriptedHttp::start(vec![answer("From the environment.")]);
    let call = ask(&home, &[]).env("OPENAI_BASE_URL", &of_env.openai()).env("OPENAI_API_KEY", "sk-of-the-environment");
    assert!(call.run().good().contains("From the environment."));
    assert!(of_env.asked()[0].head.contains("sk-of-the-environment"));

    let printed = home.run(["tail", "--no-follow", "-n", "1000000"]).good() + &home.run(["flight", "--last", "100000"]).good();
    assert!(printed.len() > 1000 && !printed.contains(KEY));
    assert_nowhere(&home, KEY);
    // What is looked for is found where it is.
    fs::write(home.data().join("logs/planted"), KEY).unwrap();
    assert!(files::read_below(&home.data()).iter().any(|(path, bytes)| path.ends_with("planted") && has(bytes, KEY)));
    fs::remove_file(home.data().join("logs/planted")).unwrap();
    drop(serve);
    home.assert_empty();
    assert_nowhere_on_disk(&home.data());
}

fn assert_nowhere_on_disk(folder: &Path) {
    for (path, bytes) in files::read_below(folder) {
        for word in [KEY, NEWER] {
            assert!(!has(&bytes, word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn another_key_takes_its_place_and_a_removed_one_is_gone() {
    let home = Home::new();
    let serve = up(&home);
    let server = ScriptedHttp::start(vec![answer("Hello.")]);
    add(&home, "mine", &server.openai(), KEY).good();
    add(&home, "mine", &server.openai(), NEWER).good();
    assert_eq!(listed(&home).as_array().unwrap().len(), 1);
    ask(&home, &[]).run().good();
    assert!(server.asked()[0].head.contains(NEWER));

    // To another address only with the key entered anew: what was sealed for the first does not open for it.
    let elsewhere = ScriptedHttp::start(vec![answer("Hello from elsewhere.")]);
    on_wire(async {
        let attached = Attached::to(&home);
        let kept = attached.client.call(&ListSecrets).await.unwrap().items.remove(0).secret;
        let moved = LendKept { provider: kept.provider, base_url: elsewhere.openai(), sealed: kept.sealed };
        assert_eq!(attached.client.call(&moved).await.unwrap_err().code, Code::NoSuchKey);
    });
    add(&home, "mine", &elsewhere.openai(), KEY).good();
    ask(&home, &[]).run().good();
    assert!(elsewhere.asked()[0].head.contains(KEY));
    assert_eq!(server.asked().len(), 1, "the first is asked no more");

    home.run(["keys", "remove", "mine"]).good();
    assert_eq!(listed(&home).as_array().unwrap().len(), 0);
    home.run(["keys", "remove", "mine"]).bad(3);
    ask(&home, &["--base-url", &elsewhere.openai()]).run().good();
    assert!(!elsewhere.asked()[1].head.contains("Bearer"), "{}", elsewhere.asked()[1].head);
    // The events that held one say nothing any more.
    let objects = home.run(["--json", "objects", "-n", "1000", "--kind", "change"]).json();
    let erased = objects.as_array().unwrap().iter().filter(|object| object["erased"] == true).count();
    assert_eq!(erased, 3, "{objects:#}");
    drop(serve);
}

#[test]
fn a_lease_of_a_kept_key_ends_with_the_lock() {
    let home = Home::new();
    let serve = up(&home);
    let server = ScriptedHttp::start(vec![models()]);
    add(&home, "mine", &server.openai(), KEY).good();
    on_wire(async {
        let attached = Attached::to(&home);
        let lend = || async {
            let kept = attached.client.call(&ListSecrets).await.unwrap().items.remove(0).secret;
            let kept = LendKept { provider: kept.provider, base_url: kept.base_url, sealed: kept.sealed };
            attached.client.call(&kept).await.unwrap().number
        };
        let ask = |lease| {
            let request = ListModels { lease, wire: Wire::OpenAiChat };
            let client = &attached.client;
            async move { client.call(&request).await.map_err(|refusal| refusal.code) }
        };
        let ports = vec![server.address().port()];
        attached.client.call(&AllowPorts { role: Role::Llm, ports }).await.unwrap();
        let lease = lend().await;
        assert!(ask(lease).await.is_ok());
        home.run(["lock"]).good();
        assert_eq!(ask(lease).await.unwrap_err(), Code::NoSuchKey);
        let secret = |text: &str| Secret::new(text.trim().as_bytes().to_vec());
        attached.client.call(&Unlock { user: secret("anna"), password: secret(PASSWORD) }).await.unwrap();
        assert_eq!(ask(lease).await.unwrap_err(), Code::NoSuchKey, "the one from before stays dead");
        assert!(ask(lend().await).await.is_ok(), "a new one is lent of the same kept key");
    });
    assert!(server.asked().iter().all(|asked| asked.head.contains(KEY)));
    drop(serve);
}

/// A12: what everybody can open keeps no key.
#[test]
fn the_demo_space_keeps_no_key() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let said = add(&home, "openai", "http://127.0.0.1:1/v1", KEY).bad(8);
    assert!(said.contains("demo"), "{said}");
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        let keep = KeepKey { provider: "openai".into(), base_url: "https://host/v1".into(), key: Secret::new(KEY.into()) };
        assert_eq!(attached.client.call(&keep).await.err().map(|refusal| refusal.code), Some(Code::DemoRefused));
    });
    drop(serve);
    assert_nowhere_on_disk(&home.data());
}

#[test]
fn a_key_is_never_an_argument() {
    let home = Home::new();
    let serve = up(&home);
    home.run(["keys", "add", "openai", KEY]).bad(2);
    let said = home.run(["keys", "add", "openai"]).bad(2);
    assert!(said.contains("--key-fd"), "{said}");
    let said = home.command(["keys", "add", "nobody-knows", "--key-fd", "0"]).input("k\n").run().bad(2);
    assert!(said.contains("--base-url"), "{said}");
    home.command(["keys", "add", "openai", "--key-fd", "0"]).input("\n").run().bad(3);
    home.command(["keys", "add", "openai", "--key-fd", "77"]).run().bad(2);
    home.command(["keys", "add", "openai", "--base-url", "no address", "--key-fd", "0"]).input("k\n").run().bad(2);
    assert_eq!(listed(&home).as_array().unwrap().len(), 0);
    drop(serve);
}
