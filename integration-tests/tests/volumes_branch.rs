//! Branches of volumes from the command line: what is read through the fork point, what a merge makes of both sides, and who may
//! what by which spelling.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::{Home, finish},
    serve::Serve,
};
use ipc::{Role, policy::TABLE};
use serde_json::Value;

/// How long anything is waited for before a test gives up.
const GIVE_UP: Duration = Duration::from_secs(120);

/// The files that a word is found in, when everything was looked through.
#[track_caller]
fn found(home: &Home, word: &str) -> Vec<String> {
    let until = Instant::now() + GIVE_UP;
    loop {
        let found = home.run(["--json", "search", word]).json();
        if found["complete"] == true {
            let hits = found["hits"].as_array().unwrap();
            let mut paths: Vec<String> = hits.iter().map(|hit| hit["title"].as_str().unwrap().to_owned()).collect();
            paths.sort();
            return paths;
        }
        assert!(Instant::now() < until, "it never was complete: {found:#}");
    }
}

/// Exit code of a merge that does not fit together.
const CONFLICT: i32 = 11;

/// Writes this text there.
#[track_caller]
fn write(home: &Home, path: &str, text: impl AsRef<[u8]>) {
    home.command(["vol", "write", "-", path]).input(text).run().good();
}

#[track_caller]
fn cat(home: &Home, path: &str) -> String {
    home.run(["vol", "cat", path]).good()
}

#[track_caller]
fn gone(home: &Home, path: &str) {
    home.run(["vol", "cat", path]).bad(3);
}

#[track_caller]
fn vol(home: &Home, words: &[&str]) -> Value {
    home.run([&["--json", "vol"][..], words].concat()).json()
}

/// The names that a command lists.
#[track_caller]
fn names(home: &Home, words: &[&str]) -> Vec<String> {
    let name = |item: &Value| match item["folder"].as_str() {
        Some(folder) => format!("{folder}/"),
        None => item["name"].as_str().unwrap().to_owned(),
    };
    vol(home, words).as_array().unwrap().iter().map(name).collect()
}

/// The branches with the number of files that changed on each.
#[track_caller]
fn branches(home: &Home) -> Vec<(String, u64)> {
    let listed = vol(home, &["branch"]);
    let one = |item: &Value| (item["branch"].as_str().unwrap().to_owned(), item["changed"].as_u64().unwrap());
    listed.as_array().unwrap().iter().map(one).collect()
}

#[track_caller]
fn versions(home: &Home, path: &str) -> usize {
    vol(home, &["log", path]).as_array().unwrap().len()
}

#[test]
fn a_branch_is_its_base_as_that_was_and_what_is_written_over_it() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for volume in ["user", "team/red", "project/lamp"] {
        let (main, side) = (|path: &str| format!("{volume}/{path}"), |path: &str| format!("{volume}@draft/{path}"));
        for path in ["a", "b", "d/c", "d/e@f"] {
            write(&home, &main(path), format!("{path} one"));
        }
        home.run(["vol", "branch", "draft", "--from", volume]).good();
        // The base moves on, and the branch does not see it.
        write(&home, &main("a"), "a two");
        home.run(["vol", "rm", &main("b")]).good();
        write(&home, &main("new"), "new one");
        for path in ["a", "b", "d/c", "d/e@f"] {
            assert_eq!(cat(&home, &side(path)), format!("{path} one"));
        }
        gone(&home, &side("new"));
        assert_eq!(names(&home, &["ls", &format!("{volume}@draft")]), [side("a"), side("b"), side("d/")]);
        assert_eq!(names(&home, &["glob", &side("**/*@*")]), [side("d/e@f")]);
        assert_eq!(versions(&home, &side("a")), 1);
        // What is written on it, nobody else sees.
        write(&home, &side("a"), "a on the branch");
        write(&home, &side("a"), "a on the branch again");
        write(&home, &side("own"), "");
        home.run(["vol", "rm", &side("b")]).good();
        home.run(["vol", "mv", &side("d/c"), &side("d/moved")]).good();
        assert_eq!(cat(&home, &side("a")), "a on the branch again");
        assert_eq!(cat(&home, &main("a")), "a two");
        assert_eq!(cat(&home, &side("own")), "");
        assert_eq!(cat(&home, &side("d/moved")), "d/c one");
        assert_eq!(cat(&home, &main("d/c")), "d/c one");
        gone(&home, &side("b"));
        gone(&home, &side("d/c"));
        gone(&home, &main("own"));
        assert_eq!(names(&home, &["glob", &side("**")]), ["a", "d/e@f", "d/moved", "own"].map(side));
        assert_eq!(names(&home, &["ls", &side("d")]), ["d/e@f", "d/moved"].map(side));
        assert_eq!(names(&home, &["glob", &main("**")]), ["a", "d/c", "d/e@f", "new"].map(main));
        home.run(["vol", "rm", &side("b")]).bad(3);
        home.run(["vol", "rm", &side("none")]).bad(3);
        // Its history goes on into that of its base.
        let log = vol(&home, &["log", &side("a")]);
        let lengths: Vec<u64> = log.as_array().unwrap().iter().map(|version| version["length"].as_u64().unwrap()).collect();
        assert_eq!(lengths, [21, 15, 5], "on the branch twice, and before in its base once");
        assert_eq!(home.run(["vol", "cat", &side("a"), "--version", "~2"]).good(), "a one");
        let diff = home.run(["vol", "diff", &side("a"), "~2", "~0"]).good();
        assert!(diff.contains("-a one") && diff.contains("+a on the branch again"), "{diff}");
        let diff = home.run(["vol", "diff", &side("a"), &main("a")]).good();
        assert!(diff.contains("-a two") && diff.contains("+a on the branch again"), "{diff}");
        home.run(["vol", "rollback", &side("a"), "~2"]).good();
        assert_eq!(cat(&home, &side("a")), "a one");
        assert_eq!(cat(&home, &main("a")), "a two");
        home.run(["vol", "rollback", &side("b"), "~1"]).good();
        assert_eq!(cat(&home, &side("b")), "b one");
        home.run(["vol", "rm", "-r", &side("d")]).good();
        assert_eq!(names(&home, &["glob", &side("**")]), ["a", "b", "own"].map(side));
    }
    let listed = branches(&home);
    assert_eq!(
        listed.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>(),
        ["project/lamp@draft", "team/red@draft", "user@draft"]
    );
    assert!(listed.iter().all(|(_, changed)| *changed == 6), "a b own d/c d/moved d/e@f: {listed:?}");
    assert_eq!(vol(&home, &["branch", "--from", "team/red"]).as_array().unwrap().len(), 1);
    // A branch of a project may be the layer over everything.
    write(&home, "project/lamp@draft/layered", "on the branch");
    assert_eq!(home.run(["vol", "cat", "layered", "--project", "lamp@draft"]).good(), "on the branch");
    home.run(["vol", "cat", "layered", "--project", "lamp"]).bad(3);
    // Large content is read through the fork point as well, and a new supervisor finds all of it.
    let large: String = (0..40_000).map(|number| format!("line {number}\n")).collect();
    write(&home, "user/large", &large);
    home.run(["vol", "branch", "user@later"]).good();
    write(&home, "user/large", "small now");
    home.run(["stop"]).good();
    assert_eq!(cat(&home, "user@later/large"), large);
    assert_eq!(cat(&home, "user@draft/own"), "");
    home.run(["verify"]).good();
}

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

#[test]
fn what_only_one_side_changed_is_taken_and_texts_are_merged_by_lines() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for (path, text) in [
        ("mine", "x"),
        ("theirs", "x"),
        ("lines", LINES),
        ("both", "x"),
        ("gone-here", "x"),
        ("gone-there", "x"),
        ("gone-both", "x"),
        ("empty", "x"),
        ("untouched", "x"),
        ("away", LINES),
    ] {
        write(&home, &format!("user/{path}"), text);
    }
    home.run(["vol", "branch", "draft"]).good();
    let large: String = (0..40_000).map(|number| format!("line {number}\n")).collect();
    for (path, text) in [
        ("mine", "mine"),
        ("both", "same"),
        ("lines", "ONE\n2\n3\n4\n5\n6\n7\n8\n9\n"),
        ("added-both", "same"),
        ("only-main", "m"),
    ] {
        write(&home, &format!("user/{path}"), text);
    }
    for (path, text) in [
        ("theirs", "theirs"),
        ("both", "same"),
        ("lines", "1\n2\n3\n4\n5\n6\n7\n8\nNINE\n"),
        ("added-both", "same"),
        ("added", ""),
        ("empty", ""),
        ("large", &large),
    ] {
        write(&home, &format!("user@draft/{path}"), text);
    }
    home.run(["vol", "rm", "user/gone-here", "user/gone-both"]).good();
    home.run(["vol", "rm", "user@draft/gone-there", "user@draft/gone-both"]).good();
    home.run(["vol", "mv", "user@draft/away", "user@draft/moved"]).good();
    let before = names(&home, &["glob", "user/**"]);
    let planned = vol(&home, &["merge", "user@draft", "--dry-run"]);
    let fates: Vec<(&str, &str)> = planned["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["path"].as_str().unwrap(), file["becomes"].as_str().unwrap()))
        .collect();
    let expected = [
        ("added", "take"),
        ("added-both", "keep"),
        ("away", "remove"),
        ("both", "keep"),
        ("empty", "take"),
        ("gone-both", "keep"),
        ("gone-there", "remove"),
        ("large", "take"),
        ("lines", "merge"),
        ("moved", "take"),
        ("theirs", "take"),
    ];
    assert_eq!(fates, expected);
    assert_eq!((&planned["merged"], names(&home, &["glob", "user/**"])), (&Value::Bool(false), before));
    let merged = vol(&home, &["merge", "user@draft", "-m", "all of it"]);
    assert_eq!((merged["written"].as_u64(), merged["removed"].as_u64()), (Some(6), Some(2)), "{merged:#}");
    let expected = [
        ("mine", "mine"),
        ("theirs", "theirs"),
        ("both", "same"),
        ("lines", "ONE\n2\n3\n4\n5\n6\n7\n8\nNINE\n"),
        ("added-both", "same"),
        ("added", ""),
        ("empty", ""),
        ("untouched", "x"),
        ("moved", LINES),
        ("only-main", "m"),
        ("large", &large),
    ];
    for (path, text) in expected {
        // The fork point has moved: the branch has what its volume has.
        assert_eq!(cat(&home, &format!("user/{path}")), text, "{path}");
        assert_eq!(cat(&home, &format!("user@draft/{path}")), text, "{path}");
    }
    for path in ["gone-here", "gone-there", "gone-both", "away"] {
        gone(&home, &format!("user/{path}"));
        gone(&home, &format!("user@draft/{path}"));
    }
    // One commit with both parents.
    let log = vol(&home, &["log", "user/lines"]);
    let (newest, before) = (&log[0], &log[1]);
    assert_eq!((&newest["commit"], newest["message"].as_str()), (&merged["commit"], Some("all of it")));
    assert_eq!((newest["merge"]["from"].as_str(), newest["merge"]["into"].as_str()), (Some("user@draft"), Some("user")));
    assert_eq!(newest["merge"]["ours"], before["version"]);
    let theirs = newest["merge"]["theirs"].as_str().unwrap();
    let text = home.run(["vol", "cat", "user@draft/lines", "--version", theirs]).good();
    assert_eq!(text, "1\n2\n3\n4\n5\n6\n7\n8\nNINE\n");
    assert_eq!(vol(&home, &["log", "user/added"])[0]["commit"], merged["commit"]);
    assert_eq!(branches(&home), [("user@draft".to_owned(), 0)]);
    // Said twice it is done once, and then it brings only what is new.
    let counted = versions(&home, "user/lines");
    assert_eq!(vol(&home, &["merge", "user@draft"])["merged"], false);
    assert_eq!(versions(&home, "user/lines"), counted);
    write(&home, "user@draft/lines", "ONE\n2\n3\n4\n5\n6\n7\neight\nNINE\n");
    write(&home, "user/lines", "ONE\ntwo\n3\n4\n5\n6\n7\n8\nNINE\n");
    let merged = vol(&home, &["merge", "user@draft", "--into", "user"]);
    assert_eq!((merged["written"].as_u64(), merged["removed"].as_u64()), (Some(1), Some(0)));
    assert_eq!(cat(&home, "user/lines"), "ONE\ntwo\n3\n4\n5\n6\n7\neight\nNINE\n");
    assert_eq!(cat(&home, "user@draft/lines"), cat(&home, "user/lines"));
    home.run(["verify"]).good();
}

#[test]
fn what_does_not_fit_together_is_listed_and_decided() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for path in ["lines", "binary", "removed-here", "removed-there", "fine"] {
        write(&home, &format!("user/{path}"), "base\n");
    }
    home.run(["vol", "branch", "draft"]).good();
    for (side, own) in [("user", "main"), ("user@draft", "branch")] {
        write(&home, &format!("{side}/lines"), format!("{own}\n"));
        write(&home, &format!("{side}/binary"), format!("{own}\0\n"));
        write(&home, &format!("{side}/added"), format!("{own}\n"));
    }
    home.run(["vol", "rm", "user/removed-here"]).good();
    write(&home, "user@draft/removed-here", "branch\n");
    write(&home, "user/removed-there", "main\n");
    home.run(["vol", "rm", "user@draft/removed-there"]).good();
    write(&home, "user@draft/fine", "branch\n");
    let said = home.run(["vol", "merge", "user@draft"]).bad(CONFLICT);
    assert!(said.contains("5 files") && said.contains("nothing was written"), "{said}");
    home.run(["vol", "merge", "user@draft", "--dry-run"]).bad(CONFLICT);
    let listed = home.run(["--json", "vol", "merge", "user@draft"]);
    let report: Value = serde_json::from_str(&listed.out).unwrap();
    let conflicts: Vec<&str> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| file["becomes"] == "conflict")
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(conflicts, ["added", "binary", "lines", "removed-here", "removed-there"]);
    assert_eq!((cat(&home, "user/fine"), versions(&home, "user/lines")), ("base\n".to_owned(), 2), "nothing was written");
    home.run(["vol", "merge", "user@draft", "--ours", "--theirs"]).bad(2);
    // The volume into the branch, where the branch has its way; the volume stays what it is.
    let merged = vol(&home, &["merge", "user", "--into", "user@draft", "--ours"]);
    assert_eq!(merged["merged"], true);
    for (path, text) in [("lines", "branch\n"), ("added", "branch\n"), ("removed-here", "branch\n"), ("fine", "branch\n")] {
        assert_eq!(cat(&home, &format!("user@draft/{path}")), text, "{path}");
    }
    gone(&home, "user@draft/removed-there");
    assert_eq!((cat(&home, "user/lines"), cat(&home, "user/fine")), ("main\n".to_owned(), "base\n".to_owned()));
    assert_eq!(vol(&home, &["merge", "user", "--into", "user@draft"])["merged"], false, "said twice");
    // So nothing is left to be decided.
    let merged = vol(&home, &["merge", "user@draft"]);
    assert_eq!((merged["written"].as_u64(), merged["removed"].as_u64()), (Some(5), Some(1)), "{merged:#}");
    assert_eq!((cat(&home, "user/lines"), cat(&home, "user/binary")), ("branch\n".to_owned(), "branch\0\n".to_owned()));
    gone(&home, "user/removed-there");
    // And once more, decided while it is merged.
    for (flag, lines) in [("--ours", "main again\n"), ("--theirs", "branch again\n")] {
        write(&home, "user/lines", "main again\n");
        write(&home, "user@draft/lines", "branch again\n");
        home.run(["vol", "merge", "user@draft"]).bad(CONFLICT);
        home.run(["vol", "merge", "user@draft", flag]).good();
        assert_eq!((cat(&home, "user/lines"), cat(&home, "user@draft/lines")), (lines.to_owned(), lines.to_owned()));
        home.run(["vol", "rm", "user/lines"]).good();
        home.run(["vol", "merge", "user", "--into", "user@draft"]).good();
        gone(&home, "user@draft/lines");
    }
}

#[test]
fn a_branch_that_ends_keeps_its_history_and_leaves_its_name() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    write(&home, "user/a", "base");
    home.run(["vol", "branch", "user@draft"]).good();
    assert!(home.run(["vol", "branch", "user@draft"]).bad(3).contains("already"));
    home.run(["vol", "branch", "-d", "user@draft"]).good();
    gone(&home, "user@draft/a");
    assert!(home.command(["vol", "write", "-", "user@draft/a"]).input("x").run().bad(3).contains("no branch"));
    home.run(["vol", "branch", "user@draft"]).good();
    write(&home, "user@draft/a", "lost");
    write(&home, "user@draft/b", "lost");
    let said = home.run(["vol", "branch", "-d", "user@draft"]).bad(3);
    assert!(said.contains("--force") && said.contains("\"a\""), "{said}");
    home.run(["vol", "branch", "-d", "user@draft", "--force"]).good();
    assert_eq!(branches(&home), []);
    gone(&home, "user@draft/a");
    home.run(["vol", "ls", "user@draft"]).bad(3);
    home.run(["vol", "merge", "user@draft"]).bad(3);
    assert_eq!(versions(&home, "user@draft/a"), 2);
    assert_eq!(home.run(["vol", "cat", "user@draft/a", "--version", "~0"]).good(), "lost");
    // A new one of the same name has nothing of it.
    home.run(["vol", "branch", "user@draft"]).good();
    assert_eq!(cat(&home, "user@draft/a"), "base");
    gone(&home, "user@draft/b");
    assert_eq!(names(&home, &["glob", "user@draft/**"]), ["user@draft/a"]);
    // What its volume has too is nothing that could be lost.
    write(&home, "user@draft/a", "both");
    write(&home, "user/a", "both");
    home.run(["vol", "branch", "-d", "user@draft"]).good();
    // What is erased of a file is read by no branch.
    write(&home, "user/secret", "for a day");
    home.run(["vol", "branch", "keeps"]).good();
    write(&home, "user/secret", "changed");
    assert_eq!(cat(&home, "user@keeps/secret"), "for a day");
    home.run(["erase", "user/secret", "--yes"]).good();
    gone(&home, "user@keeps/secret");
    assert_eq!(names(&home, &["ls", "user@keeps"]), ["user@keeps/a"]);
}

#[test]
fn what_is_found_is_what_is_read() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    write(&home, "user/a", "marimba");
    home.run(["vol", "branch", "draft"]).good();
    write(&home, "user@draft/a", "marimba and xylophone");
    assert_eq!(found(&home, "marimba"), ["user/a", "user@draft/a"]);
    home.run(["vol", "merge", "user@draft"]).good();
    assert_eq!(found(&home, "xylophone"), ["user/a"], "it is merged");
    write(&home, "user@draft/b", "glockenspiel");
    assert_eq!(found(&home, "glockenspiel"), ["user@draft/b"]);
    home.run(["vol", "branch", "-d", "user@draft", "--force"]).good();
    home.run(["vol", "branch", "draft"]).good();
    assert_eq!(found(&home, "glockenspiel"), Vec::<String>::new(), "it has ended");
}

#[test]
fn no_spelling_of_a_branch_is_a_way_around() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    write(&home, "user/a", "a");
    home.run(["vol", "branch", "draft"]).good();
    for name in [
        "system@x", "user@", "user@UP", "user@-a", "user@a@b", "team@x", "team/red", "team/@x", "etc@x", "user@a/b", "user@..",
        "",
    ] {
        assert_ne!(home.run(["vol", "branch", name, "--from", ""]).code, 0, "{name}");
        if name.contains('@') {
            home.run(["vol", "branch", name]).bad(3);
        }
    }
    assert!(home.run(["vol", "branch", "x", "--from", "system"]).bad(3).contains("never changed"));
    let long = format!("user@{}/a", "a".repeat(65));
    for path in [
        "system@draft/skills/x",
        "user@draft",
        "user@draft/../a",
        "user@draft/x/../../a",
        "user@/a",
        "user@UP/a",
        "user@draft@draft/a",
        "USER@draft/a",
        "users@draft/a",
        "team@draft/red/a",
        "team/red@/a",
        "./user@draft/a",
        "/user@draft/a",
        "user@draft//a",
        &long,
    ] {
        home.command(["vol", "write", "-", path]).input("x").run().bad(3);
        home.run(["vol", "rm", path]).bad(3);
        assert_ne!(home.run(["vol", "cat", path]).code, 0, "{path}");
        assert_ne!(home.run(["vol", "mv", "user/a", path]).code, 0, "{path}");
    }
    for (from, into) in [
        ("user@draft", "team/red"),
        ("user@draft", "system"),
        ("user", "user"),
        ("user@draft", "user@draft"),
        ("user", "team/red@draft"),
        ("system", "user@draft"),
    ] {
        home.run(["vol", "merge", from, "--into", into]).bad(3);
    }
    home.run(["vol", "merge", "user"]).bad(2);
    home.run(["vol", "glob", "user@*/**"]).bad(3);
    assert_eq!(names(&home, &["glob", "user/**"]), ["user/a"]);
    assert_eq!(names(&home, &["glob", "**/a"]), ["user/a"], "branches are named");
    // An `@` elsewhere is a letter.
    write(&home, "user/mail@home/a@b", "x");
    assert_eq!(cat(&home, "user/mail@home/a@b"), "x");
    // What reads strangers' words may read a branch where it may read the volume, and has no row to make, merge or end one.
    let changes = ["MakeBranch", "MergeBranch", "EndBranch", "ListBranches", "CompareBranch"];
    let rows: Vec<_> = TABLE.iter().filter(|row| row.destination == Role::Storage && changes.contains(&row.name)).collect();
    assert_eq!(rows.len(), 2 * changes.len());
    assert!(rows.iter().all(|row| matches!(row.source, Role::Cli | Role::Ui)));
}

#[test]
fn a_thousand_files_of_a_branch_are_listed_and_merged() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let folder = |name: &str, numbers: std::ops::Range<usize>, text: &str| {
        let folder = home.path(name);
        fs::create_dir_all(&folder).unwrap();
        numbers.for_each(|number| fs::write(folder.join(format!("{number:04}.txt")), format!("{text} {number}")).unwrap());
        folder.to_str().unwrap().to_owned()
    };
    let long = |words: &[&str]| home.command(words.iter().copied()).within(Duration::from_secs(300)).run();
    long(&["vol", "write", &folder("base", 0..600, "base"), "user/many"]).good();
    home.run(["vol", "branch", "draft"]).good();
    long(&["vol", "write", &folder("side", 400..1000, "side"), "user@draft/many"]).good();
    long(&["vol", "write", &folder("main", 0..200, "main"), "user/many"]).good();
    let listed = names(&home, &["glob", "user@draft/**"]);
    let expected: Vec<String> = (0..1000).map(|number| format!("user@draft/many/{number:04}.txt")).collect();
    assert_eq!(listed, expected);
    assert_eq!(names(&home, &["ls", "user@draft/many"]), expected);
    assert_eq!(branches(&home), [("user@draft".to_owned(), 600)]);
    assert_eq!(cat(&home, "user@draft/many/0007.txt"), "base 7");
    assert_eq!(home.run(["--json", "stats"]).json()["files"], 600, "files of branches are not counted twice");
    assert_eq!(long(&["--json", "vol", "merge", "user@draft"]).json()["written"], 600);
    assert_eq!(names(&home, &["glob", "user/**"]).len(), 1000);
    for (number, text) in [(7, "main 7"), (300, "base 300"), (500, "side 500"), (999, "side 999")] {
        assert_eq!(cat(&home, &format!("user/many/{number:04}.txt")), text);
        assert_eq!(cat(&home, &format!("user@draft/many/{number:04}.txt")), text);
    }
}

const FILES: usize = 500;

#[test]
fn a_merge_does_not_notice_that_the_archive_died_and_overwrites_nothing_it_has_not_seen() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let source = home.path("some");
    fs::create_dir_all(&source).unwrap();
    (0..FILES).for_each(|number| fs::write(source.join(format!("{number}")), format!("{number}")).unwrap());
    home.run(["vol", "branch", "draft"]).good();
    home.run(["vol", "write", source.to_str().unwrap(), "user@draft/some"]).good();
    let victim = serve.process("storage");
    let child = home.command(["--json", "vol", "merge", "user@draft"]).start();
    thread::sleep(Duration::from_millis(40));
    victim.signal(libc::SIGKILL);
    let merged = finish(child, Duration::from_secs(300), "vol merge").json();
    assert!(merged["merged"] == true || merged["merged"] == false, "{merged}");
    assert_eq!(names(&home, &["glob", "user/some/*"]).len(), FILES);
    // Somebody writes the same file all the while; each of their versions is in the history, and the merge has the last.
    write(&home, "user/shared", LINES);
    home.run(["vol", "merge", "user", "--into", "user@draft"]).good();
    write(&home, "user@draft/shared", format!("{LINES}end of the branch\n"));
    let writer = {
        let home = home.clone();
        thread::spawn(move || {
            for number in 0..12 {
                write(&home, "user/shared", format!("number {number}\n{LINES}"));
            }
        })
    };
    for _ in 0..6 {
        home.run(["vol", "merge", "user@draft"]).good();
    }
    writer.join().unwrap();
    let log = vol(&home, &["log", "user/shared"]);
    assert!(log.as_array().unwrap().len() >= 14, "{log:#}");
    for version in log.as_array().unwrap() {
        let text = home.run(["vol", "cat", "user/shared", "--version", version["version"].as_str().unwrap()]).good();
        if version["merge"].is_object() {
            let parent = home.run(["vol", "cat", "user/shared", "--version", version["merge"]["ours"].as_str().unwrap()]).good();
            assert_eq!(text, format!("{parent}end of the branch\n"), "it has what was there when it was made");
        }
    }
}
