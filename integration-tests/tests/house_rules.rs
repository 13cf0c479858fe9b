//! What is true of the whole tree: who may know whom, where the heavy crates live, and that each room says what it is for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use integration_tests::home::workspace;

fn metadata() -> Metadata {
    MetadataCommand::new()
        .current_dir(workspace())
        .other_options(["--locked".to_owned()])
        .exec()
        .expect("cargo describes the workspace")
}

/// Every edge that may be, tests aside.
const KNOWS: &[(&str, &[&str])] = &[
    ("ipc", &[]),
    ("backends", &[]),
    ("replica", &["ipc"]),
    ("courier", &["backends", "ipc", "outbound"]),
    // What ships is in it once: a skill to the agent, a volume to the archive.
    ("system-skills", &[]),
    ("storage", &["backends", "credentials", "ipc", "replica", "system-skills"]),
    ("credentials", &[]),
    ("crypto", &["credentials", "ipc"]),
    ("gate", &["ipc"]),
    ("instance", &["ipc", "replica"]),
    ("outbound", &["ipc"]),
    ("llm", &["ipc", "outbound"]),
    ("code", &["ipc"]),
    ("verifier", &["credentials", "ipc"]),
    ("agent", &["ipc", "system-skills"]),
    (
        "lamos",
        &[
            "agent",
            "backends",
            "code",
            "courier",
            "credentials",
            "crypto",
            "gate",
            "instance",
            "ipc",
            "llm",
            "storage",
            "verifier",
        ],
    ),
    // It starts the binary, and attaches to it as a command line does.
    ("integration-tests", &["ipc"]),
];

#[test]
fn knowledge_has_one_direction() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = KNOWS.iter().copied().collect();
    assert_eq!(ours, allowed.keys().copied().collect(), "a room is new or gone: say here whom it may know");
    for package in metadata.workspace_packages() {
        for dependency in package.dependencies.iter().filter(|dependency| ours.contains(dependency.name.as_str())) {
            // The test of hostile processes is a whole Lamos with one of them in it, and drives itself with the harness;
            // those of the courier have its servers and its bad line.
            let harness = ["lamos", "courier"].contains(&package.name.as_str())
                && dependency.name == "integration-tests"
                && dependency.kind == DependencyKind::Development;
            let may = harness || allowed[package.name.as_str()].contains(&dependency.name.as_str());
            assert!(may, "{} must not know {}", package.name, dependency.name);
        }
    }
}

/// Heavy crates, and the room each lives in.
const HEAVY: &[(&str, &[&str])] = &[
    ("rustpython", &["code"]),
    ("rustpython-vm", &["code"]),
    ("opendal", &["courier"]),
    ("reqwest", &["courier", "llm", "outbound"]),
    ("rustls", &["llm", "outbound"]),
    ("hickory-resolver", &["outbound"]),
    ("heed", &["replica"]),
    ("loro", &["replica"]),
    ("tantivy", &["storage"]),
    ("hyper", &["gate"]),
    ("landlock", &["lamos"]),
    ("seccompiler", &["lamos"]),
    ("clap", &["lamos"]),
    ("argon2", &["crypto"]),
    ("oxjsonld", &["credentials"]),
    ("oxrdf", &["credentials"]),
    ("bincode", &["ipc"]),
    ("include_dir", &["system-skills"]),
    ("similar", &["lamos"]),
    // The sockets of the wire, and the named one of the supervisor.
    ("interprocess", &["ipc", "lamos"]),
];

#[test]
fn heavy_crates_live_in_one_room() {
    let metadata = metadata();
    for (name, rooms) in HEAVY {
        let users: Vec<&str> = metadata
            .workspace_packages()
            .iter()
            .filter(|package| {
                package
                    .dependencies
                    .iter()
                    .any(|dependency| dependency.name == *name && dependency.kind == DependencyKind::Normal)
            })
            .map(|package| package.name.as_str())
            .collect();
        assert!(users.iter().all(|user| rooms.contains(user)), "{name} belongs into {rooms:?} and is in {users:?}");
        assert!(!users.is_empty(), "{name} is used nowhere: take it out of this list");
    }
}

/// What is built to be tested is what ships: with other features the same crates would be compiled twice.
#[test]
fn tests_ask_for_no_other_features_than_what_ships() {
    let features = |words: &[&str]| -> BTreeSet<String> {
        let tree = ["tree", "--locked", "--no-dedupe", "--prefix", "none", "--format", "{p} {f}"];
        let output = Command::new(env!("CARGO")).args(tree).args(words).current_dir(workspace()).output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    };
    let ships = features(&["--package", "lamos", "--edges", "normal,build"]);
    let tested = features(&["--workspace", "--edges", "normal,build,dev"]);
    let twice: Vec<&String> = ships.difference(&tested).collect();
    assert!(ships.len() > 100 && twice.is_empty(), "compiled twice, with other features: {twice:#?}");
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// The fuzz targets are a workspace of their own, built by another compiler and not with everything else; what changes in
/// ours must not leave their lock file behind.
#[test]
fn the_fuzz_targets_are_locked_to_what_is_here() {
    let described = MetadataCommand::new().current_dir(workspace().join("fuzz")).other_options(["--locked".to_owned()]).exec();
    assert!(described.is_ok(), "in fuzz/, `cargo update --workspace --offline` brings it up to date: {described:?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let mut files = Vec::new();
    sources(workspace(), &mut files);
    assert!(files.len() > 100, "the sources are found");
    let silent: Vec<&PathBuf> = files
        .iter()
        .filter(|path| {
            let text = fs::read_to_string(path).expect("a source can be read");
            !text.trim_start().starts_with("//!")
        })
        .collect();
    assert!(silent.is_empty(), "modules without `//!`: {silent:?}");
}

#[test]
fn files_stay_small() {
    let mut files = Vec::new();
    sources(workspace(), &mut files);
    for path in files {
        let lines = fs::read_to_string(&path).expect("a source can be read").lines().count();
        assert!(lines <= 800, "{} has {lines} lines: it holds more than one idea", path.display());
    }
}

#[test]
fn nothing_names_a_machine() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(workspace()).output().expect("git lists files");
    for name in String::from_utf8(listed.stdout).expect("names are text").split_terminator('\0') {
        let Ok(text) = fs::read_to_string(workspace().join(name)) else { continue };
        if name == "Cargo.lock" || name.ends_with("house_rules.rs") {
            continue;
        }
        for path in ["/root/", "/work/", "artifactory"] {
            assert!(!text.contains(path), "{name} names {path}");
        }
    }
}
