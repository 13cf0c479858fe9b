//! How a space opens changes when its person says so: another password, a kit of 24 words, a device that remembers. And
//! who may not be told anything is told the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use integration_tests::{
    files,
    home::{Home, Outcome},
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{
    Code, Refusal,
    messages::crypto::{
        ChangePassword, Deploy, ForgetRemembered, KeyState, KeyStatus, Lock, MakeKit, Remember, Remembered, ShowPicture, Unlock,
        UnlockRemembered,
    },
    secret::Secret,
};
use serde_json::Value;

const OLD: &str = "correct horse battery";
const NEW: &str = "staple under the stairs";
/// Exit code of what the key process refuses, and of what is not there.
const SIGN_IN: i32 = 8;
const NOTHING: i32 = 3;

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// A space of her own, with something in it.
fn kept(home: &Home) {
    home.command(["ask", "--no-model", "5 miles in km"]).signed_in("ada", &format!("{OLD}\n{OLD}\n")).run().good();
}

/// Whether a pair opens the space in which something is kept.
#[track_caller]
fn opens(home: &Home, user: &str, password: &str) -> bool {
    let outcome = home.command(["history"]).signed_in(user, &format!("{password}\n")).run();
    match outcome.code {
        0 => outcome.good().contains("5 miles in km"),
        code => {
            assert_eq!(code, SIGN_IN, "{outcome:?}");
            assert!(outcome.err.contains("new, empty space"), "{outcome:?}");
            false
        }
    }
}

/// The 24 words of a sheet, in their order.
fn words_of(sheet: &str) -> String {
    let mut words: Vec<(u32, &str)> = Vec::new();
    let tokens: Vec<&str> = sheet.split_whitespace().collect();
    for pair in tokens.windows(2) {
        if let Some(number) = pair[0].strip_suffix('.').and_then(|number| number.parse().ok()) {
            words.push((number, pair[1]));
        }
    }
    words.sort_unstable();
    assert!(words.iter().map(|(number, _)| *number).eq(1..=24), "{sheet}");
    words.into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_password_is_changed_and_the_old_one_opens_nothing() {
    let home = Home::new();
    kept(&home);
    let changed = home.command(["password"]).signed_in("ada", &format!("{OLD}\n{NEW}\n{NEW}\n")).run();
    assert!(changed.err.contains("guesses") && changed.err.contains("old password"), "{}", changed.err);
    changed.good();
    assert!(opens(&home, "ada", NEW) && !opens(&home, "ada", OLD));
    // The name too, or nothing else.
    let lines = format!("{NEW}\n{NEW}\n{NEW}\n");
    home.command(["password", "--new-user", "lovelace"]).signed_in("ada", &lines).run().good();
    assert!(opens(&home, "Lovelace", NEW) && !opens(&home, "ada", NEW));
    home.assert_empty();
}

#[test]
fn a_change_that_is_none_changes_nothing() {
    let home = Home::new();
    kept(&home);
    home.run(["history"]).good();
    let before = fs::read(home.data().join("slots")).unwrap();
    let says = |user: &str, lines: &str, code: i32, word: &str| {
        let said = home.command(["password"]).signed_in(user, lines).run().bad(code);
        assert!(said.contains(word), "{said}");
    };
    says("ada", &format!("wrong\n{NEW}\n{NEW}\n"), NOTHING, "open no space");
    says("nobody", &format!("{OLD}\n{NEW}\n{NEW}\n"), NOTHING, "open no space");
    says("ada", &format!("{OLD}\n{NEW}\n{OLD}\n"), SIGN_IN, "differs");
    says("ada", &format!("{OLD}\n{OLD}\n{OLD}\n"), SIGN_IN, "in use already");
    says("demo", &format!("demo\n{NEW}\n{NEW}\n"), SIGN_IN, "public demo space");
    says("ada", &format!("{OLD}\n{NEW}\n"), 2, "no password");
    let to_demo = home.command(["password", "--new-user", "demo"]).signed_in("ada", &format!("{OLD}\ndemo\ndemo\n")).run();
    assert!(to_demo.bad(SIGN_IN).contains("public demo space"));
    let said = home.run(["password"]).bad(2);
    assert!(said.contains("--user"), "{said}");
    assert_eq!(fs::read(home.data().join("slots")).unwrap(), before);
    assert!(opens(&home, "ada", OLD));
}

#[test]
fn a_new_pair_does_not_hide_another_space() {
    let home = Home::new();
    kept(&home);
    home.command(["history"]).signed_in("berta", &format!("{NEW}\n{NEW}\n")).run().good();
    let change = home.command(["password", "--new-user", "berta"]).signed_in("ada", &format!("{OLD}\n{NEW}\n{NEW}\n"));
    assert!(change.run().bad(SIGN_IN).contains("in use already"));
    assert!(opens(&home, "ada", OLD));
}

/// The words are all that is left: a backup, and no password.
#[test]
fn a_kit_opens_a_backup_in_a_new_installation() {
    let home = Home::new();
    kept(&home);
    let device =
        |home: &Home, password: &str| home.command(["--json", "whoami"]).signed_in("ada", &format!("{password}\n")).run().json();
    let sheet = home.command(["recovery", "make"]).signed_in("ada", &format!("{OLD}\n")).run().good();
    assert!(sheet.contains("RECOVERY KIT"), "{sheet}");
    assert!(!sheet.split(|letter: char| !letter.is_alphabetic()).any(|word| word == "ada"), "it names nobody: {sheet}");
    let words = words_of(&sheet);
    let folder = home.path("backup");
    let folder = folder.to_str().unwrap();
    home.command(["backup", folder]).signed_in("ada", &format!("{OLD}\n")).run().good();

    let other = Home::new();
    let restore = ["restore", folder, "--recovery"];
    let wrong = format!("{}\n{NEW}\n{NEW}\n", words.split(' ').rev().collect::<Vec<_>>().join(" "));
    let said = other.command(restore).signed_in("ada", &wrong).run();
    assert!(said.code == SIGN_IN || said.code == NOTHING, "{said:?}");
    other.command(restore).signed_in("ada", &format!("{words}\n{NEW}\n{NEW}\n")).run().good();
    assert!(opens(&other, "ada", NEW), "the new pair opens what was restored");
    assert!(!opens(&other, "ada", OLD), "and the old one nothing");
    assert!(opens(&home, "ada", OLD), "where the backup came from nothing has changed");
    let (here, there) = (device(&home, OLD), device(&other, NEW));
    assert_eq!(here["person"], there["person"]);
    assert_ne!(here["device"], there["device"], "it is another device");

    // The kit goes on opening it, and as the device that it is now.
    other.command(["recovery", "use"]).signed_in("ada", &format!("{words}\n{OLD}\n{OLD}\n")).run().good();
    assert_eq!(device(&other, OLD), {
        let mut same = there.clone();
        same["words"] = device(&other, OLD)["words"].clone();
        same
    });
    other.command(["ask", "--no-model", "7 miles in km"]).signed_in("ada", &format!("{OLD}\n")).run().good();
    let verified = other.command(["verify"]).signed_in("ada", &format!("{OLD}\n")).run();
    assert_eq!(verified.code, 0, "{verified:?}");
    other.assert_empty();
}

#[test]
fn a_kit_is_written_for_its_owner_alone_and_a_new_one_ends_it() {
    let home = Home::new();
    kept(&home);
    let file = home.path("kit.txt");
    let make = |out: &Path, lines: &str| {
        home.command(["recovery", "make", "--out", out.to_str().unwrap()]).signed_in("ada", lines).run()
    };
    let right = format!("{OLD}\n");
    assert!(make(&file, "wrong\n").bad(NOTHING).contains("open no space"));
    assert!(!file.exists(), "nothing is left of it");
    assert_eq!(make(&file, &right).good(), "");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let first = words_of(&fs::read_to_string(&file).unwrap());
    assert!(make(&file, &right).bad(NOTHING).contains("kit.txt"), "a file that is there is not written over");
    assert_eq!(words_of(&fs::read_to_string(&file).unwrap()), first);
    let second = home.path("second.txt");
    make(&second, &right).good();
    let second = words_of(&fs::read_to_string(&second).unwrap());
    assert_ne!(first, second);
    let using = |words: &str| home.command(["recovery", "use"]).signed_in("ada", &format!("{words}\n{NEW}\n{NEW}\n")).run();
    assert!(using(&first).bad(NOTHING).contains("newer kit"));
    assert!(opens(&home, "ada", OLD));
    // The first four letters are enough, in any case and on any lines.
    let short: Vec<String> = second.split(' ').map(|word| word.chars().take(4).collect::<String>().to_uppercase()).collect();
    using(&short.join("\n")).good();
    assert!(opens(&home, "ada", NEW) && !opens(&home, "ada", OLD));
    // What no list has is named by its number.
    let said = using(&second.replacen(' ', " qwertz ", 5)).bad(NOTHING);
    assert!(said.contains("word 2 is none of the list") && !said.contains("qwertz"), "{said}");
    assert!(home.command(["recovery", "make"]).signed_in("demo", "demo\n").run().bad(SIGN_IN).contains("public demo space"));
}

#[test]
fn neither_words_nor_passwords_lie_on_the_disk() {
    let home = Home::new();
    kept(&home);
    let made = home.command(["--log", "trace", "recovery", "make"]).signed_in("ada", &format!("{OLD}\n")).run().good();
    let words = words_of(&made);
    let lines = format!("{words}\n{NEW}\n{NEW}\n");
    home.command(["--log", "trace", "recovery", "use"]).signed_in("ada", &lines).run().good();
    let picture = home.command(["--json", "whoami"]).signed_in("ada", &format!("{NEW}\n")).run().json();
    let picture = picture["words"].as_str().unwrap();
    assert!(home.command(["--log", "trace", "history"]).signed_in("ada", "mistyped\n").run().bad(SIGN_IN).contains("words are"));
    let first_three = words.split(' ').take(3).collect::<Vec<_>>().join(" ");
    for (path, bytes) in files::read_below(&home.data()) {
        for secret in [&first_three, OLD, NEW, picture] {
            let lies = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!lies, "{secret:?} lies in {}", path.display());
        }
    }
}

#[test]
fn a_space_is_known_by_its_words() {
    let home = Home::new();
    let shown = |said: &str| said.split_once("words are: ").map(|(_, rest)| rest[..23].to_owned()).expect("its words are shown");
    let first = shown(&home.command(["history"]).signed_in("ada", &format!("{OLD}\n")).run().bad(SIGN_IN));
    assert_eq!(first, shown(&home.command(["history"]).signed_in("ADA ", &format!("{OLD}\n")).run().bad(SIGN_IN)));
    assert_ne!(first, shown(&home.command(["history"]).signed_in("ada", "mistyped\n").run().bad(SIGN_IN)));
    kept(&home);
    let who = home.command(["whoami"]).signed_in("ada", &format!("{OLD}\n")).run().good();
    assert!(who.contains(&first), "{who}");
    // In another installation the same pair has others.
    let elsewhere = shown(&Home::new().command(["history"]).signed_in("ada", &format!("{OLD}\n")).run().bad(SIGN_IN));
    assert_ne!(first, elsewhere);
}

#[test]
fn a_device_that_remembers_opens_without_a_password() {
    let home = Home::new();
    kept(&home);
    let _serve = Serve::start(&home);
    on_wire(async {
        let client = Attached::to(&home).client;
        let refused = |refusal: Result<_, Refusal>| refusal.map(drop).expect_err("refused").code;
        let remember = |user: &str, password: &str| Remember { user: secret(user), password: secret(password) };
        assert_eq!(refused(client.call(&remember("demo", "demo")).await.map(drop)), Code::DemoRefused);
        assert_eq!(refused(client.call(&remember("ada", "wrong")).await.map(drop)), Code::NotFound);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let Remembered { secret: first } = client.call(&remember("ada", OLD)).await.unwrap();
        let first = first.expose().to_vec();
        assert_eq!(first.len(), 32);
        let unlock = |bytes: &[u8]| UnlockRemembered { secret: Secret::new(bytes.to_vec()) };
        assert!(!client.call(&unlock(&first)).await.unwrap().demo);
        let words = client.call(&ShowPicture).await.unwrap().words;
        assert_eq!(words.expose().len(), 23, "who is remembered sees the words of the pair");
        client.call(&Lock).await.unwrap();
        assert_eq!(refused(client.call(&unlock(&[7; 32])).await.map(drop)), Code::NotFound);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(refused(client.call(&unlock(&[7; 31])).await.map(drop)), Code::Credentials);
        client.call(&unlock(&first)).await.unwrap();
        client.call(&ForgetRemembered).await.unwrap();
        client.call(&Lock).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(refused(client.call(&unlock(&first)).await.map(drop)), Code::NotFound);
        assert_eq!(refused(client.call(&ForgetRemembered).await.map(drop)), Code::NotSignedIn);
        // A changed password ends it too.
        let Remembered { secret: second } = client.call(&remember("ada", OLD)).await.unwrap();
        let change =
            ChangePassword { user: secret("ada"), password: secret(OLD), new_user: secret("ada"), new_password: secret(NEW) };
        client.call(&change).await.unwrap();
        assert_eq!(refused(client.call(&unlock(second.expose())).await.map(drop)), Code::NotFound);
        assert!(matches!(client.call(&KeyStatus).await.unwrap(), KeyState::Locked { .. }), "nothing of this opened a space");
    });
}

/// What is said, with the words of the pair taken out, which are of the same length for every pair.
fn masked(outcome: Outcome) -> String {
    let said = outcome.bad(SIGN_IN);
    let mut parts = said.split("words are: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + "words are: ..." + part.get(23..).expect("four words of five letters"))
}

/// What passed between the processes for one command, without what counts up.
fn passed(home: &Home) -> Vec<String> {
    let records = home.run(["--json", "flight", "--last", "100000"]).json();
    let none = "0".repeat(32);
    let of_a_call = |record: &&Value| record["trace"].as_str().is_some_and(|trace| trace != none && trace != "-");
    let told = |record: &Value| {
        let part = |name: &str| record[name].to_string();
        ["what", "from", "to", "method", "bytes", "streamed", "outcome"].map(part).join(" ")
    };
    records.as_array().unwrap().iter().filter(of_a_call).map(told).collect()
}

/// A wrong password, a name that nobody has, the first visit in an installation that others use, and the same in an empty
/// one: the same words, the same messages by kind, method and size, and nothing on the disk.
#[test]
fn who_does_not_open_a_space_is_told_the_same_in_the_same_messages() {
    let used = Home::new();
    kept(&used);
    used.run(["history"]).good();
    let empty = Home::new();
    // Both have their file of keys, and nothing else that differs.
    empty.run(["lock"]).good();
    let untouched = |path: &Path| !path.ends_with("lock") && !path.components().any(|part| part.as_os_str() == "logs");
    let disk =
        |home: &Home| -> Vec<_> { files::read_below(&home.data()).into_iter().filter(|(path, _)| untouched(path)).collect() };
    let rounds = if integration_tests::full() { 5 } else { 1 };
    for round in 0..rounds {
        // Entries of the same length, as sizes tell lengths.
        let other = format!("correct horse batter{round}");
        let tries = [(&used, "ada", &other), (&used, "bob", &other), (&used, "eve", &other), (&empty, "ada", &other)];
        let mut seen: Vec<(String, Vec<String>)> = Vec::new();
        for (home, user, password) in tries {
            let before = disk(home);
            let said = masked(home.command(["history"]).signed_in(user, &format!("{password}\n")).run());
            assert!(disk(home) == before, "something was written");
            seen.push((said, passed(home)));
        }
        assert!(seen[0].1.len() >= 4, "calls and answers were recorded: {:?}", seen[0].1);
        assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
        // What opens is another thing, after as much work: this shows that the record would tell.
        home_opens(&used);
        assert_ne!(passed(&used), seen[0].1);
    }
}

fn home_opens(home: &Home) {
    home.command(["history"]).signed_in("ada", &format!("{OLD}\n")).run().good();
}

#[test]
fn a_flood_of_guesses_costs_little_and_makes_nothing() {
    let home = Home::new();
    kept(&home);
    let serve = Serve::start(&home);
    let resident = || -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", serve.process("crypto").pid)).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let spaces = || fs::read_dir(home.data().join("spaces")).unwrap().count();
    let before = spaces();
    let guesses = if integration_tests::full() { 100_000 } else { 500 };
    on_wire(async {
        let client = Attached::to(&home).client;
        let mut tried = 0;
        // At least as many as are free: on a quick machine the rows let few through in the moment all the others take.
        for guess in 0.. {
            if guess >= guesses && tried >= 3 {
                break;
            }
            let unlock = Unlock { user: secret("ada"), password: secret(&format!("guess {guess}")) };
            let refusal = client.call(&unlock).await.expect_err("no guess opens anything");
            match refusal.code {
                Code::NewSpace => tried += 1,
                Code::Throttled => assert!(refusal.sentence.contains("wait"), "{refusal}"),
                // More than the table allows in a second.
                Code::Busy => {}
                _ => panic!("{refusal}"),
            }
        }
        assert!(tried < guesses / 10, "{tried} were tried");
    });
    let peak = resident();
    assert!(peak < 64 * 1024 + 64 * 1024, "one derivation at a time: {peak} KiB");
    assert_eq!(spaces(), before);
    assert_eq!(serve.status()["open"], false);
}

#[test]
fn no_more_than_five_spaces_are_made_in_an_hour() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for number in 0..6 {
        let outcome = home.command(["history"]).signed_in(&format!("user{number}"), &format!("{OLD}\n{OLD}\n")).run();
        home.run(["lock"]).good();
        if number < 5 {
            outcome.good();
        } else {
            let said = outcome.bad(SIGN_IN);
            assert!(said.contains("five new spaces") && said.contains("wait"), "{said}");
        }
    }
    assert_eq!(fs::read_dir(home.data().join("spaces")).unwrap().count(), 5);
}

#[test]
fn odd_entries_are_refused_before_any_work_or_are_what_they_are() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    on_wire(async {
        let client = Attached::to(&home).client;
        let unlock = |user: Vec<u8>, password: Vec<u8>| Unlock { user: Secret::new(user), password: Secret::new(password) };
        let ada = || b"ada".to_vec();
        let refused = [
            (Vec::new(), ada(), Code::Credentials),
            (ada(), Vec::new(), Code::Credentials),
            (b" \t".to_vec(), ada(), Code::Credentials),
            (ada(), vec![0xff; 8], Code::Credentials),
            (ada(), vec![b'x'; 1025], Code::Credentials),
            (ada(), vec![b'x'; 8192], Code::Malformed),
            (ada(), vec![b'x'; 20_000], Code::Malformed),
            (ada(), vec![b'x'; 1 << 20], Code::Malformed),
        ];
        for (user, password, code) in refused {
            let length = password.len();
            let refusal = loop {
                let refusal = client.call(&unlock(user.clone(), password.clone())).await.expect_err("refused");
                if refusal.code != Code::Busy {
                    break refusal;
                }
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            };
            assert_eq!(refusal.code, code, "{length} bytes: {refusal}");
        }
        // A NUL cuts nothing off: the pair with it is another one.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let with = || (Secret::new(ada()), Secret::new(b"one\0two".to_vec()));
        let (user, password) = with();
        assert_eq!(client.call(&Unlock { user, password }).await.expect_err("new").code, Code::NewSpace);
        let (user, password) = with();
        client.call(&Deploy { user, password }).await.expect("made");
        client.call(&Lock).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(client.call(&unlock(ada(), b"one".to_vec())).await.expect_err("another").code, Code::NewSpace);
        let (user, password) = with();
        client.call(&Unlock { user, password }).await.expect("it opens");
        // Nobody but its owner makes a way in for later.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let make = MakeKit { user: Secret::new(ada()), password: secret("one") };
        assert_eq!(client.call(&make).await.map(drop).expect_err("refused").code, Code::NotFound);
    });
}

/// The file as the first version of the program wrote it: what it had, and no more.
#[test]
fn a_backup_with_a_file_of_keys_of_the_first_version_is_restored() {
    let home = Home::new();
    kept(&home);
    let path = home.data().join("slots");
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(512 + 64 * 256);
    bytes[8] = 1;
    bytes[60..512].fill(0);
    let checksum = blake3::hash(&bytes[..480]);
    bytes[480..512].copy_from_slice(checksum.as_bytes());
    fs::write(&path, &bytes).unwrap();
    // The backup copies what lies there before anything brings it forward.
    let folder = home.path("backup");
    home.command(["backup", folder.to_str().unwrap()]).signed_in("ada", &format!("{OLD}\n")).run().good();
    let keys = folder.join("keys");
    let copies: Vec<_> = fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path()).collect();
    let hash = blake3::hash(&bytes).to_hex()[..32].to_owned();
    let installation = blake3::hash(&bytes[24..56]).to_hex()[..32].to_owned();
    for copy in copies {
        assert_eq!(fs::read(&copy).unwrap().len(), 99_328, "it was brought forward when it was opened");
        fs::remove_file(copy).unwrap();
    }
    for number in 1..=2 {
        fs::write(keys.join(format!("{installation}-{hash}-{number}")), &bytes).unwrap();
    }
    let other = Home::new();
    other.command(["restore", folder.to_str().unwrap()]).signed_in("ada", &format!("{OLD}\n")).run().good();
    assert!(opens(&other, "ada", OLD));
    assert_eq!(fs::read(other.data().join("slots")).unwrap().len(), 99_328);
    let sheet = other.command(["recovery", "make"]).signed_in("ada", &format!("{OLD}\n")).run().good();
    words_of(&sheet);
}

/// What ships: the cost is measured on this machine, kept in the file, and never below the floor.
#[test]
fn a_new_installation_measures_what_signing_in_costs() {
    let home = Home::new();
    let calibrated = home.command(["--json", "stats", "--key-cost", "calibrated"]).run().json();
    let number = |name: &str| calibrated["key_cost"][name].as_u64().unwrap();
    assert!((64 << 10..=1 << 20).contains(&number("memory_kib")) && number("passes") >= 3, "{calibrated}");
    assert_eq!(number("lanes"), 4);
    // It stays, whatever is asked for later.
    assert_eq!(home.run(["--json", "stats"]).json()["key_cost"], calibrated["key_cost"]);
    let floor = Home::new().run(["--json", "stats"]).json();
    assert_eq!(floor["key_cost"], serde_json::json!({ "memory_kib": 65536, "passes": 3, "lanes": 4 }));
}
