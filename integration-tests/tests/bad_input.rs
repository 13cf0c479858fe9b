//! What bad input gets: a clear sentence that says what to do, a documented exit code, nothing lost, no process left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use integration_tests::{
    files,
    home::Home,
    scripted_http::{ScriptedHttp, answer, python},
    serve::Serve,
    small_disk::on_small_disk,
};

#[test]
fn unknown_commands_and_flags() {
    let home = Home::new();
    for (words, hint) in [
        (&["hisotry"][..], "history"),
        (&["ask", "--fiel", "x", "hello"], "--file"),
        (&["ask"], "TEXT"),
        (&["run", "loan-plan", "-i", "rate"], "NAME=VALUE"),
        (&["history", "-n", "0"], "1"),
        (&[], "Usage"),
        (&["ask", "-m", "x", "hello"], "OPENAI_API_KEY"),
        (&["ask", "--base-url", "not a url", "hello"], "http://host:port"),
        (&["policy", "explain", "nobody"], "nobody"),
    ] {
        let said = home.run(words.iter().copied()).bad(2);
        assert!(said.contains(hint), "{words:?}: {hint:?} is not in {said}");
    }
    home.assert_empty();
    // Help is no failure.
    assert!(home.run(["--help"]).good().contains("lamos ask") || home.run(["--help"]).good().contains("Usage"));
    assert!(home.run(["--version"]).good().starts_with("lamos "));
}

#[test]
fn files_that_cannot_be_given() {
    let home = Home::new();
    let large = home.file("large.csv", vec![b'x'; (1 << 20) + 1]);
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    for (path, words) in [
        (text(home.path("nowhere.csv")), "no such file"),
        (text(home.path("")), "directory"),
        (text(large), "larger than 1.0 MiB"),
        ("/proc/self/mem".to_owned(), "cannot give"),
    ] {
        let said = home.run(["ask", "--file", &path, "What is in it?"]).bad(3);
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    if !rustix::process::geteuid().is_root() {
        let secret = home.file("secret.csv", "a;b\n");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o0)).unwrap();
        let said = home.run(["ask", "--file", &text(secret), "What is in it?"]).bad(3);
        assert!(said.contains("you may not read it"), "{said}");
    }
    let one = home.file("one.csv", "a;b\n1;2\n");
    fs::create_dir(home.path("other")).unwrap();
    let other = home.file("other/one.csv", "a;b\n3;4\n");
    let said = home.run(["ask", "-f", &text(one), "-f", &text(other), "What is in them?"]).bad(3);
    assert!(said.contains("two files are called one.csv"), "{said}");
    let said = home.run(["ask", "--file", "/dev/zero", "What is in it?"]).bad(3);
    assert!(said.contains("larger than"), "{said}");
    // What is no table is said to be none, by the skill that wanted one.
    let noise: Vec<u8> = (0..20_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let noise = home.file("noise.csv", noise);
    let outcome = home.run(["run", "summarise-csv", "--file", &text(noise)]);
    assert!(matches!(outcome.code, 0 | 3 | 6), "{outcome:?}");
    home.assert_empty();
}

#[test]
fn conversations_and_skills_that_are_not_there() {
    let home = Home::new();
    assert!(home.run(["history", "abcdef"]).bad(3).contains("lamos history"));
    home.run(["history", "00000000000000000000000000000000"]).bad(3);
    assert!(home.run(["ask", "--continue", "5 miles in km"]).bad(3).contains("no conversation"));
    assert!(home.run(["run", "loan-paln"]).bad(3).contains("loan-plan"), "the nearest name is offered");
    assert!(home.run(["run", "loan-plan", "-i", "amount=lots", "-i", "rate=3", "-i", "years=5"]).bad(3).contains("amount"));
    home.assert_empty();
}

/// Abuse E08, as far as it is greed: what a script reaches for outside is in `models.rs`.
#[test]
fn scripts_that_are_wrong_endless_greedy_or_loud() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let pid = serve.status()["pid"].clone();
    let cases = [
        ("print('a'", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("while True: pass", "more than 30 seconds"),
        ("x = []\nwhile True: x.append('a' * 10**6)", "memory"),
        ("bytearray(64 << 30)", "emory"),
        ("while True: print('x' * 1000)", "more than 256 KiB"),
        ("print('x' * 10**8)", "more than 256 KiB"),
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError"),
        ("import sys\nsys.exit(3)", ""),
        ("raise BaseException('\\x00' * 10**6)", "BaseException"),
    ];
    let server = ScriptedHttp::start(cases.iter().flat_map(|(code, _)| [python(code), answer("Done.")]).collect());
    for (code, words) in cases {
        let call = home.command(["ask", "-m", "scripted", "Hi"]).env("OPENAI_BASE_URL", &server.openai());
        assert_eq!(call.run().good().trim_end(), "Done.");
        let told = server.asked().pop().unwrap();
        assert!(told.body.contains(words), "{code}: {words:?} is not in {}", told.body);
        assert!(told.body.len() < 64 << 10, "{code}: the model is told {} bytes", told.body.len());
    }
    assert_eq!(serve.status()["pid"], pid);
    assert_eq!(serve.status()["degraded"].as_array().unwrap().len(), 0, "a script's end is no crash: {:#}", serve.status());
    home.run(["stop"]).good();
    home.assert_empty();
}

#[test]
fn a_skill_whose_script_is_wrong() {
    let home = Home::new();
    for (number, (script, code, words)) in [
        ("def execute(inputs) return 1", 6, "SyntaxError"),
        ("def execute(inputs):\n    raise RuntimeError('no such thing')", 6, "no such thing"),
        // What it says of its input is said to the person whose input it was.
        ("def execute(inputs):\n    raise ValueError('no such town')", 3, "no such town"),
        ("def other(): pass", 6, "execute"),
        ("def execute(inputs):\n    while True: pass", 7, "more than 30 seconds"),
        ("def execute(inputs):\n    return {'answer': 'a' * 10**9}", 7, "memory"),
        ("def execute(inputs):\n    print('x' * 10**8)", 7, "256 KiB"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("wrong-{number}");
        let folder = home.path(&name);
        fs::create_dir_all(folder.join("scripts")).unwrap();
        let front =
            format!("---\nname: {name}\ndescription: Does something wrong. Use it to see what happens then.\n---\n# Wrong\n");
        fs::write(folder.join("SKILL.md"), front).unwrap();
        fs::write(folder.join("interface.yaml"), "entry: scripts/main.py\nkeywords: [wrong]\ninputs: []\n").unwrap();
        fs::write(folder.join("scripts/main.py"), script).unwrap();
        home.run(["skills", "add", folder.to_str().unwrap()]).good();
        let said = home.run(["run", &name]).bad(code);
        assert!(said.contains(words), "{script}: {words:?} is not in {said}");
    }
    home.assert_empty();
}

#[test]
fn a_second_serve() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let pid = serve.status()["pid"].clone();
    let said = home.run(["serve"]).bad(10);
    assert!(said.contains("lamos stop"), "{said}");
    assert_eq!(home.processes().iter().filter(|process| process.is("supervisor")).count(), 1);
    home.run(["ask", "5 miles in km"]).good();
    assert_eq!(serve.status()["pid"], pid);
    drop(serve);
    home.assert_empty();
}

#[test]
fn a_supervisor_that_is_not_there() {
    let home = Home::new();
    for words in [&["ps"][..], &["tail"], &["restart", "llm"]] {
        let said = home.run(words.iter().copied()).bad(10);
        assert!(said.contains("lamos serve"), "{said}");
    }
    home.run(["stop"]).good();
    let serve = Serve::start(&home);
    home.run(["restart", "nobody"]).bad(2);
    drop(serve);
    home.assert_empty();
}

#[test]
fn a_supervisor_that_does_not_answer_can_be_ended() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.run(["ask", "5 miles in km"]).good();
    serve.process("supervisor").signal(libc::SIGSTOP);
    let said = home.run(["stop"]).bad(1);
    assert!(said.contains("lamos stop --force"), "{said}");
    home.run(["stop", "--force"]).good();
    drop(serve);
    home.assert_empty_but_for_the_socket();
    assert!(home.run(["history"]).good().contains("5 miles in km"), "what was kept is safe");
    home.run(["stop", "--force"]).good();
}

#[test]
fn a_reset_begins_anew_and_asks_first() {
    let home = Home::new();
    home.run(["ask", "5 miles in km"]).good();
    let serve = Serve::start(&home);
    let said = home.run(["reset"]).bad(2);
    assert!(said.contains("--yes"), "{said}");
    assert!(home.run(["history"]).good().contains("5 miles in km"));
    let said = home.run(["reset", "--yes"]);
    assert!(said.err.contains("Removed 1 space"), "{}", said.err);
    said.good();
    drop(serve);
    home.assert_empty();
    assert!(!home.data().join("slots").exists() && !home.data().join("spaces").exists());
    assert_eq!(home.run(["--json", "history"]).json().as_array().unwrap().len(), 0);
}

/// The files of the archive, and what is done to them.
fn archive(home: &Home) -> PathBuf {
    let space = home.space();
    let found = files::below(&space).into_iter().find(|path| path.file_name().is_some_and(|name| name == "data.mdb"));
    found.expect("the archive is an LMDB")
}

#[test]
fn a_damaged_archive_is_named_and_left_alone() {
    let home = Home::new();
    home.run(["ask", "5 miles in km"]).good();
    let path = archive(&home);
    let whole = fs::read(&path).unwrap();
    let cut = whole[..whole.len() / 3].to_vec();
    let noise = vec![0x5a; whole.len()];
    let text = b"this is no archive\n".to_vec();
    for damaged in [noise, text, cut, Vec::new()] {
        fs::write(&path, &damaged).unwrap();
        let outcome = home.run(["history"]);
        let said = outcome.bad(9);
        assert!(said.contains("damaged") && said.contains("spaces"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "what is damaged is not made worse");
        home.assert_empty();
    }
    fs::write(&path, &whole).unwrap();
    assert!(home.run(["history"]).good().contains("5 miles in km"), "nothing was lost by trying");
}

#[test]
fn a_damaged_file_of_keys_is_named_and_left_alone() {
    let home = Home::new();
    home.run(["ask", "5 miles in km"]).good();
    let path = home.data().join("slots");
    let whole = fs::read(&path).unwrap();
    for damaged in [whole[..100].to_vec(), vec![7; whole.len()], Vec::new()] {
        fs::write(&path, &damaged).unwrap();
        let said = home.run(["history"]).bad(9);
        assert!(said.contains("slots"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "nothing is made anew over it");
    }
    fs::write(&path, &whole).unwrap();
    assert!(home.run(["history"]).good().contains("5 miles in km"));
    home.assert_empty();
}

#[test]
fn a_data_directory_that_cannot_be_used() {
    let home = Home::new();
    let file = home.file("a-file", "x");
    let said = home.run(["--data-dir", file.to_str().unwrap(), "history"]).bad(9);
    assert!(said.contains("--data-dir"), "{said}");
    let long = home.path(&"x".repeat(120));
    let said = home.run(["--data-dir", long.to_str().unwrap(), "history"]).bad(9);
    assert!(said.contains("shorter"), "{said}");
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_keeps_what_it_has() {
    let home = Home::new();
    // Numbers that no compression makes small.
    let mut number = 1_u64;
    let rows = (0..40_000).map(|_| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{number:x};b\n")
    });
    let big = home.file("big.csv", rows.collect::<String>());
    let script = format!(
        r#"
        $lamos ask "5 miles in km" || exit 1
        for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
            # Content that is there already takes no room.
            sed "s/^/$n/" {big} > $LAMOS_DATA_DIR/../again.csv
            $lamos ask --file $LAMOS_DATA_DIR/../again.csv "Give me an overview" >/dev/null 2>$LAMOS_DATA_DIR/../said; code=$?
            [ $code -ne 0 ] && break
        done
        cat $LAMOS_DATA_DIR/../said
        echo "ended with $code"
        $lamos history || exit 2
        "#,
        big = big.display()
    );
    let Some((code, text)) = on_small_disk(&home, 3 << 10, &script) else { return };
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("ended with 9"), "{text}");
    assert!(text.contains("room") || text.contains("full"), "{text}");
    assert!(text.contains("5 miles in km"), "what was kept before can be read: {text}");
    home.assert_empty();
}

#[test]
fn a_disk_without_any_room_is_named_before_anything_is_made() {
    let home = Home::new();
    let script = "mkdir -m 700 $LAMOS_DATA_DIR/logs; dd if=/dev/zero of=$LAMOS_DATA_DIR/logs/filler bs=1k >/dev/null 2>&1; $lamos ask '5 miles in km'";
    let Some((code, text)) = on_small_disk(&home, 256, script) else { return };
    assert_eq!(code, 9, "{text}");
    assert!(text.contains("room") || text.contains("full") || text.contains("space"), "{text}");
    home.assert_empty();
}
