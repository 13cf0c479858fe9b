//! What a process of each role can do after its lockdown: the escape suite, against two kept tables.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{collections::BTreeSet, env, fs, process::Command, time::Duration};

use integration_tests::{
    home::{Home, workspace},
    users::{NOBODY, as_user, home_of, is_root, words},
};
use serde_json::Value;

/// What is kept of the suite, with every wall and without the one that a container may refuse.
const TABLES: [&str; 2] = ["with_namespaces", "without_namespaces"];

/// Runs what follows it where the kernel gives no namespaces: in one of the test's own the limit can be set to none.
fn without_namespaces() -> Vec<String> {
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --inh-caps=-all --ambient-caps=-all --no-new-privs \"$0\" \"$@\"";
    let mut by = words("unshare --user --map-current-user --keep-caps sh -c");
    by.push(script.to_owned());
    by
}

/// Whether an ordinary person is given namespaces here; a container may refuse them.
fn namespaces_are_given() -> bool {
    Command::new("unshare").args(["-rmn", "true"]).status().is_ok_and(|status| status.success())
}

/// What came of every act in every role, as it is kept: the errors are left out, which say where a path leads and how new
/// the kernel is.
fn table(proven: &Value) -> String {
    let roles = proven.as_array().unwrap();
    let mut lines = vec![line("", roles.iter().map(|role| role["role"].as_str().unwrap().to_owned()))];
    let walls: BTreeSet<&str> =
        roles.iter().flat_map(|role| role["walls"].as_array().unwrap()).map(|wall| wall["name"].as_str().unwrap()).collect();
    for name in walls {
        let stands = |role: &Value| {
            let wall = role["walls"].as_array().unwrap().iter().find(|wall| wall["name"] == name);
            wall.map_or("-", |wall| if wall["enforced"] == true { "stands" } else { "MISSING" }).to_owned()
        };
        lines.push(line(&format!("wall: {name}"), roles.iter().map(stands)));
    }
    for act in 0..roles[0]["acts"].as_array().unwrap().len() {
        let cell = |role: &Value| {
            let row = &role["acts"][act];
            let exception = if row["exception"] == true { ", an exception" } else { "" };
            let wrong = if row["wrong"].as_array().unwrap().is_empty() { "" } else { ", WRONG" };
            format!("{}{exception}{wrong}", row["outcome"].as_str().unwrap())
        };
        lines.push(line(roles[0]["acts"][act]["act"].as_str().unwrap(), roles.iter().map(cell)));
    }
    lines.concat()
}

fn line(first: &str, cells: impl Iterator<Item = String>) -> String {
    let cells: String = cells.map(|cell| format!(" | {cell}")).collect();
    format!("{first}{cells}\n")
}

/// Compares with the kept table. To keep another one, run with `LAMOS_KEEP_TABLES=1` and read what changed.
#[track_caller]
fn assert_table(home: &Home, by: &[String], kept: &str) {
    let call = if by.is_empty() {
        home.command(["--json", "ps", "--rights", "--prove"])
    } else {
        home.command_by(by, ["--json", "ps", "--rights", "--prove"])
    };
    let proven = call.within(Duration::from_secs(600)).run().json();
    for role in proven.as_array().unwrap() {
        let tries = |name: &str| {
            let row = role["acts"].as_array().unwrap().iter().find(|row| row["act"] == name);
            row.unwrap_or_else(|| panic!("{name} was not tried"))["tries"].as_u64().unwrap()
        };
        // Nothing is held back by nothing being there.
        assert!(tries("trace each other process") >= 6, "{role:#}");
        assert!(tries("make any other system call that is not on its list") > 350, "{role:#}");
        assert!(tries("make a socket of any other family or kind") > 250, "{role:#}");
        assert!(tries("use a descriptor that nobody gave it") > 1000, "{role:#}");
    }
    let table = table(&proven);
    let path = workspace().join("integration-tests/tests/tables").join(format!("{kept}.txt"));
    if env::var_os("LAMOS_KEEP_TABLES").is_some() {
        fs::write(&path, &table).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap();
    let differing: Vec<_> = table.lines().zip(known.lines()).filter(|(now, then)| now != then).collect();
    assert!(
        table == known,
        "the table is not {}; LAMOS_KEEP_TABLES=1 keeps the new one\nnow and then: {differing:#?}",
        path.display()
    );
    home.assert_empty();
}

#[test]
fn no_role_does_more_than_its_rights() {
    if !namespaces_are_given() {
        eprintln!("not tried with namespaces: none are given here");
        return;
    }
    assert_table(&Home::new(), &[], TABLES[0]);
}

#[test]
fn no_role_of_an_ordinary_user_does_more_than_its_rights() {
    if !is_root() || !namespaces_are_given() {
        // Then the test above is this one.
        return;
    }
    assert_table(&home_of(NOBODY), &as_user(NOBODY), TABLES[0]);
}

#[test]
fn no_role_does_more_without_namespaces_but_for_what_is_named() {
    if !namespaces_are_given() {
        // Then there are none to refuse.
        return assert_table(&Home::new(), &[], TABLES[1]);
    }
    assert_table(&Home::new(), &without_namespaces(), TABLES[1]);
}

#[test]
fn no_role_of_an_ordinary_user_does_more_without_namespaces_but_for_what_is_named() {
    if !is_root() || !namespaces_are_given() {
        return;
    }
    assert_table(&home_of(NOBODY), &[as_user(NOBODY), without_namespaces()].concat(), TABLES[1]);
}

/// The exceptions are those that SECURITY.md explains, and no others.
#[test]
fn what_differs_without_namespaces_is_written_down() {
    let [with, without] = TABLES.map(|name| {
        fs::read_to_string(workspace().join("integration-tests/tests/tables").join(name).with_extension("txt")).unwrap()
    });
    let name = |line: &str| line.split(" | ").next().unwrap().to_owned();
    let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let differing: BTreeSet<String> = lines(&with).symmetric_difference(&lines(&without)).map(|line| name(line)).collect();
    let expected = ["wall: namespaces", "wall: empty root", "look whether a file of the system is there"];
    assert_eq!(differing, expected.map(str::to_owned).into());
    let security = fs::read_to_string(workspace().join("SECURITY.md")).unwrap();
    assert!(security.contains("look whether a file of the system is there"), "SECURITY.md explains the exception");
}

#[test]
fn the_table_is_for_people_too() {
    let home = Home::new();
    let text = home.command(["ps", "--rights", "--prove"]).within(Duration::from_secs(600)).run().good();
    for words in ["WALL", "ACT", "storage", "killed", "denied EPERM", "allowed", "connect to the control socket"] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    for words in ["BREACH", "UNCLEAR"] {
        assert!(!text.contains(words), "{text}");
    }
    home.run(["ps", "--prove"]).bad(2);
    home.assert_empty();
}
