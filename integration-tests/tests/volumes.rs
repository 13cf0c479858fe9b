//! Files of volumes from the command line: layers, history, differences, the way back, patterns, names, and who may what.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::fs;

use integration_tests::{
    home::{Home, workspace},
    serve::Serve,
};
use ipc::{Role, policy::TABLE};
use serde_json::Value;

/// Writes this text there.
#[track_caller]
fn write(home: &Home, path: &str, text: &str) {
    home.command(["vol", "write", "-", path]).input(text).run().good();
}

#[track_caller]
fn cat(home: &Home, words: &[&str]) -> String {
    home.run([&["vol", "cat"][..], words].concat()).good()
}

/// The names that a command lists.
#[track_caller]
fn names(home: &Home, words: &[&str]) -> Vec<String> {
    let listed = home.run([&["--json", "vol"][..], words].concat()).json();
    let name = |item: &Value| match item["folder"].as_str() {
        Some(folder) => format!("{folder}/"),
        None => item["name"].as_str().unwrap().to_owned(),
    };
    listed.as_array().unwrap().iter().map(name).collect()
}

/// The versions of a file, newest first.
#[track_caller]
fn log(home: &Home, path: &str) -> Vec<Value> {
    home.run(["--json", "vol", "log", path]).json().as_array().unwrap().clone()
}

/// Everything a command line may do in each volume, and what ships can never be written by any command.
#[test]
fn each_volume_takes_what_it_may() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for volume in ["user", "team/red", "project/lamp"] {
        let path = format!("{volume}/note");
        write(&home, &path, "first");
        write(&home, &path, "second");
        assert_eq!(cat(&home, &[&path]), "second");
        assert_eq!(log(&home, &path).len(), 2);
        home.run(["vol", "rollback", &path, "~1"]).good();
        assert_eq!(cat(&home, &[&path]), "first");
        home.run(["vol", "mv", &path, &format!("{volume}/other")]).good();
        assert_eq!(names(&home, &["ls", volume]), [format!("{volume}/other")]);
        home.run(["vol", "rm", &format!("{volume}/other")]).good();
        // That of the person is always there.
        if volume == "user" {
            assert_eq!(home.run(["vol", "ls", volume]).good(), "");
        } else {
            assert!(home.run(["vol", "ls", volume]).bad(3).contains("nothing lies"));
        }
    }
    let shipped = "system/skills/loan-plan/SKILL.md";
    let on_disk = fs::read_to_string(workspace().join("system-skills/loan-plan/SKILL.md")).unwrap();
    assert_eq!(cat(&home, &[shipped]), on_disk);
    assert!(names(&home, &["ls", "system/skills"]).contains(&"system/skills/loan-plan/".to_owned()));
    for words in [
        &["write", "-", shipped][..],
        &["write", "-", "system/new"],
        &["rm", shipped],
        &["mv", shipped, "user/x"],
        &["mv", "--force", "user/x", shipped],
        &["rollback", shipped, "00"],
    ] {
        let said = home.command([&["vol"][..], words].concat()).input("x").run().bad(3);
        assert!(said.contains("ships") || said.contains("no file"), "{words:?}: {said}");
    }
    assert_eq!(cat(&home, &[shipped]), on_disk, "it is what it was");
    // What reads strangers' words has no way to write a file: there is no row for it.
    let writes = ["WriteFile", "RemoveFile", "CommitFiles", "RollBack", "MakeBranch", "MergeBranch", "EndBranch"];
    for row in TABLE.iter().filter(|row| row.destination == Role::Storage && writes.contains(&row.name)) {
        assert!(matches!(row.source, Role::Cli | Role::Ui), "{row:?}");
    }
}

#[test]
fn the_project_lies_over_mine_over_the_teams_over_what_ships() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let name = "skills/loan-plan/SKILL.md";
    let read = |layers: &[&str]| cat(&home, &[&[name][..], layers].concat());
    let all = ["--project", "lamp", "--team", "red", "--team", "blue"];
    let shipped = read(&all);
    assert!(shipped.contains("name: loan-plan"));
    for (volume, below) in
        [("team/blue", &shipped[..]), ("team/red", "team/blue"), ("user", "team/red"), ("project/lamp", "user")]
    {
        assert_eq!(read(&all), below);
        write(&home, &format!("{volume}/{name}"), volume);
        assert_eq!(read(&all), volume);
    }
    assert_eq!(read(&[]), "user", "without a project and teams");
    assert_eq!(read(&["--team", "red", "--project", "none"]), "user");
    let layers = home.run([&["--json", "vol", "cat", "--where", name][..], &all].concat()).json();
    assert!(home.run(["vol", "cat", "--where", "user/a/b"]).bad(2).contains("\"a/b\""), "a path has no layers");
    home.run(["--json", "vol", "cat", "--where", "no/such"]).bad(3);
    let paths: Vec<&str> = layers.as_array().unwrap().iter().map(|layer| layer["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["project/lamp", "user", "team/red", "team/blue", "system"].map(|volume| format!("{volume}/{name}")));
    assert!(layers[0]["read"] == true && layers[1]["read"] == false, "{layers:#}");
    assert_eq!(names(&home, &[&["glob", "skills/loan*/SKILL.md"][..], &all].concat()), [name], "each name is listed once");
    // What is removed is gone from its layer and hides nothing below.
    for (volume, below) in
        [("project/lamp", "user"), ("user", "team/red"), ("team/red", "team/blue"), ("team/blue", &shipped[..])]
    {
        home.run(["vol", "rm", &format!("{volume}/{name}")]).good();
        assert_eq!(read(&all), below);
    }
    let layers = home.run([&["--json", "vol", "cat", "--where", name][..], &all].concat()).json();
    assert!(layers[0]["there"] == false && layers[4]["read"] == true, "{layers:#}");
    // An empty file is a file.
    write(&home, &format!("user/{name}"), "");
    assert_eq!(read(&all), "");
    assert!(home.run(["vol", "cat", "skills/nothing/SKILL.md"]).bad(3).contains("no layer"));
    assert!(home.run(["vol", "cat", name, "--team", "../user"]).bad(3).contains("id"));
}

#[test]
fn every_version_stays_and_can_be_read_compared_and_brought_back() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let path = "user/plan.md";
    let versions = ["one\ntwo\nthree\n", "one\n2\nthree\n", "one\n2\nthree\nfour\n"];
    for (index, text) in versions.iter().enumerate() {
        home.command(["vol", "write", "-", path, "-m", &format!("change {index}\nmore")]).input(*text).run().good();
    }
    // What is the same already makes no version.
    let same = home.command(["--json", "vol", "write", "-", path]).input(versions[2]).run().json();
    assert_eq!((&same["written"], &same["unchanged"]), (&0.into(), &1.into()));
    assert_eq!(same["commit"], serde_json::Value::Null, "nothing was made");
    home.run(["vol", "rm", path, "--message", "enough"]).good();
    let history = log(&home, path);
    let said: Vec<&str> = history.iter().map(|version| version["message"].as_str().unwrap()).collect();
    assert_eq!(said, ["enough", "change 2\nmore", "change 1\nmore", "change 0\nmore"]);
    assert_eq!(history[0]["change"], "removed");
    let ids: Vec<&str> = history.iter().map(|version| version["version"].as_str().unwrap()).collect();
    for (index, text) in versions.iter().enumerate() {
        let id = ids[3 - index];
        assert_eq!(cat(&home, &[path, "--version", &id[..12]]), *text);
        assert_eq!(history[3 - index]["length"], text.len());
    }
    assert_eq!(cat(&home, &[path, "--version", "~3"]), versions[0]);
    let said = home.run(["vol", "cat", path]).bad(3);
    assert!(said.contains(path), "{said}");

    let diff = |words: &[&str]| home.run([&["vol", "diff", path][..], words].concat()).good();
    let changed = diff(&["~3", "~2"]);
    assert!(changed.contains("\n-two\n+2\n") && changed.contains("@@ -1,3 +1,3 @@"), "{changed}");
    assert!(diff(&["~2", "~1"]).contains("+four"));
    assert!(diff(&[]).contains("-four"), "to what it is now, which is nothing");
    assert_eq!(diff(&["~2", "~2"]), "");
    let report = home.run(["--json", "vol", "diff", path, "~2", "~2"]).json();
    assert_eq!(report["same"], true);

    home.run(["vol", "rollback", path, ids[3]]).good();
    assert_eq!(cat(&home, &[path]), versions[0]);
    // The way back to a removal is a way too.
    home.run(["vol", "rollback", path, ids[0], "-m", "again"]).good();
    home.run(["vol", "cat", path]).bad(3);
    home.run(["vol", "rollback", path, "~1"]).good();
    assert_eq!(cat(&home, &[path]), versions[0]);
    assert_eq!(log(&home, path).len(), 7, "nothing is ever lost");
    assert_eq!(log(&home, path)[1]["message"], "again");

    // The version of one file is none of another's.
    write(&home, "user/other", "x");
    let other = log(&home, "user/other")[0]["version"].as_str().unwrap().to_owned();
    assert!(home.run(["vol", "cat", path, "--version", &other]).bad(3).contains("no version"));
    assert!(home.run(["vol", "rollback", path, "~99"]).bad(3).contains("no 99 versions"));
    assert!(home.run(["vol", "log", "user/never"]).bad(3).contains("never was"));
    write(&home, "user/bytes", "a\0b");
    write(&home, "user/bytes", "a\0c");
    assert!(home.run(["vol", "diff", "user/bytes"]).good().contains("not both text"));
}

#[test]
fn a_folder_is_kept_at_once_with_its_message() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let folder = home.path("notes");
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    for (name, text) in [("a.md", "a"), ("deep/b.md", "b"), ("deep/er/c", ""), ("東京 😀.txt", "tokyo")] {
        fs::write(folder.join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    let source = folder.to_str().unwrap();
    let outcome = home.run(["--json", "vol", "write", source, "user/n/", "-m", "Prompts and results"]);
    assert!(outcome.err.contains("link"), "a link is not followed: {}", outcome.err);
    let first = outcome.json();
    assert_eq!(first["written"], 4);
    let all = ["user/n/a.md", "user/n/deep/b.md", "user/n/deep/er/c", "user/n/東京 😀.txt"];
    assert_eq!(names(&home, &["glob", "user/n/**"]), all);
    for path in all {
        assert_eq!(log(&home, path)[0]["commit"], first["commit"]);
        assert_eq!(log(&home, path)[0]["message"], "Prompts and results");
    }
    fs::write(folder.join("a.md"), "A").unwrap();
    let second = home.run(["--json", "vol", "write", source, "user/n"]).json();
    assert_eq!((&second["written"], &second["unchanged"]), (&1.into(), &3.into()));
    // One that cannot be kept takes all with it.
    fs::write(folder.join("b.md"), "new").unwrap();
    fs::write(folder.join("z:z"), "bad").unwrap();
    home.run(["vol", "write", source, "user/n"]).bad(3);
    assert_eq!(names(&home, &["glob", "user/n/**"]), all, "b.md is not there either");
    let gone = home.run(["--json", "vol", "rm", "--recursive", "user/n", "-m", "done"]).json();
    assert_eq!(gone["removed"], 4);
    assert_eq!(names(&home, &["glob", "user/**"]), Vec::<String>::new());
    assert_eq!(log(&home, all[0]).len(), 3);
    assert!(home.run(["vol", "rm", "user/n/a.md"]).bad(3).contains("user/n/a.md"));
    assert!(home.run(["vol", "write", "/nowhere/at/all", "user/x"]).bad(3).contains("/nowhere/at/all"));
    assert!(
        home.run(["vol", "write", home.file("big", vec![0; (1 << 20) + 1]).to_str().unwrap(), "user/x", "-m", "m"]).code != 0
    );
}

/// What is too large for the body of its event lies in chunks, and has commits and versions like everything else.
#[test]
fn what_lies_in_chunks_has_versions_too() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let lines = |count: usize, what: &str| (0..count).map(|number| format!("{number} {what}\n")).collect::<String>();
    let (small, first, second) = (lines(3, "small"), lines(20_000, "first"), lines(20_000, "second"));
    let folder = home.path("large");
    fs::create_dir_all(&folder).unwrap();
    let put = |large: &str| {
        fs::write(folder.join("large"), large).unwrap();
        fs::write(folder.join("small"), &small).unwrap();
        home.run(["--json", "vol", "write", folder.to_str().unwrap(), "user/c", "-m", "why"]).json()
    };
    assert_eq!(put(&first)["written"], 2);
    assert_eq!(put(&first)["unchanged"], 2, "what is there already is known without being kept again");
    let third = put(&second);
    assert_eq!((&third["written"], &third["unchanged"]), (&1.into(), &1.into()));
    assert_eq!(cat(&home, &["user/c/large"]), second);
    assert_eq!(cat(&home, &["user/c/large", "--version", "~1"]), first);
    assert!(home.run(["vol", "diff", "user/c/large"]).good().contains("-7 first"));
    home.run(["vol", "rollback", "user/c/large", "~1"]).good();
    assert_eq!(cat(&home, &["user/c/large"]), first);
    let versions = log(&home, "user/c/large");
    assert_eq!(versions.len(), 3);
    assert_eq!((&versions[0]["length"], &versions[2]["message"]), (&first.len().into(), &"why".into()));
    // One that cannot be kept takes the large one with it.
    fs::write(folder.join("z:z"), "bad").unwrap();
    fs::write(folder.join("large"), lines(20_000, "third")).unwrap();
    home.run(["vol", "write", folder.to_str().unwrap(), "user/c"]).bad(3);
    assert_eq!(cat(&home, &["user/c/large"]), first);
    // And one that is streamed by itself.
    let streamed = [lines(200_000, "streamed"), lines(200_001, "streamed")];
    for text in &streamed {
        let file = home.file("streamed", text.as_bytes());
        home.run(["vol", "write", file.to_str().unwrap(), "user/s"]).good();
    }
    home.run(["vol", "rollback", "user/s", "~1"]).good();
    assert_eq!(cat(&home, &["user/s"]), streamed[0]);
    assert_eq!(cat(&home, &["user/s", "--version", "~1"]), streamed[1]);
}

#[test]
fn patterns_and_folders_find_names_of_every_script() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let files = [
        "user/a.md",
        "user/b.txt",
        "user/d/a.md",
        "user/d/e/a.md",
        "user/東京.md",
        "user/[x]{y}",
        "team/t/a.md",
        "user/e\u{301}",
    ];
    for path in files {
        write(&home, path, path);
    }
    assert_eq!(names(&home, &["glob", "user/*.md"]), ["user/a.md", "user/東京.md"]);
    assert_eq!(names(&home, &["glob", "**/a.md"]), ["team/t/a.md", "user/a.md", "user/d/a.md", "user/d/e/a.md"]);
    assert_eq!(names(&home, &["glob", "user/??.md"]), ["user/東京.md"]);
    assert_eq!(names(&home, &["glob", "user/d/**"]), ["user/d/a.md", "user/d/e/a.md"]);
    assert_eq!(names(&home, &["glob", "user/[x]{y}"]), ["user/[x]{y}"], "brackets are letters");
    assert_eq!(names(&home, &["glob", "none/*"]), Vec::<String>::new());
    assert_eq!(names(&home, &["ls"]), ["system/", "team/", "user/"]);
    let user = ["user/[x]{y}", "user/a.md", "user/b.txt", "user/d/", "user/\u{e9}", "user/東京.md"];
    assert_eq!(names(&home, &["ls", "user"]), user);
    assert_eq!(names(&home, &["ls", "user/a.md"]), ["user/a.md"]);
    assert_eq!(cat(&home, &["user/\u{e9}"]), files[7], "however it is typed, it is one name");
    assert!(home.run(["vol", "ls", "user"]).good().contains("東京.md"));
}

#[test]
fn a_path_leads_nowhere_else() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let long = format!("user/{}", "a".repeat(300));
    let id = format!("team/{}/a", "a".repeat(65));
    let bad = [
        "user/../x",
        "user/./x",
        "user//x",
        "/user/x",
        "user/x/..",
        "user/x\\y",
        "user/c:x",
        "user/x.",
        "user/x ",
        "user",
        "team/x",
        "team/UP/x",
        "team/../x",
        "project/-p/x",
        "users/x",
        "etc/passwd",
        "user/x\ny",
        &long,
        &id,
    ];
    for path in bad {
        let said = home.command(["vol", "write", "-", path]).input("x").run().bad(3);
        assert!(said.contains("not a path in a volume"), "{path}: {said}");
        home.run(["vol", "rm", path]).bad(3);
        assert_ne!(home.run(["vol", "cat", path]).code, 0, "{path}");
        assert_ne!(home.run(["vol", "mv", "user/a", path]).code, 0, "{path}");
    }
    assert_eq!(names(&home, &["glob", "user/**"]), Vec::<String>::new());
    assert!(!home.path("x").exists() && !home.data().join("x").exists());
}

#[test]
fn completions_know_the_commands() {
    let home = Home::new();
    let script = home.run(["completions", "bash"]).good();
    for word in ["vol", "rollback", "objects", "stats", "--recursive", "--where", "--heads"] {
        assert!(script.contains(word), "{word}");
    }
}
