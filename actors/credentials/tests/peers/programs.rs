//! Programs of others that make and check credentials: installed once, under the target directory, and asked a list of tasks.
//!
//! Who includes this file says where it lies (`PEERS`), and which contexts the programs are given (`contexts`): it is shared
//! with tests that know nothing of this crate.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{PEERS, contexts};

/// Whether they may be installed.
pub(crate) fn wanted() -> bool {
    let wanted = ["LAMOS_PEERS", "LAMOS_FULL_TESTS"].iter().any(|name| env::var_os(name).is_some_and(|value| value == "1"));
    if !wanted {
        println!("skipped: the peers are installed from npm and PyPI with LAMOS_PEERS=1 or cargo verify --full");
    }
    wanted
}

fn here(name: &str) -> PathBuf {
    Path::new(PEERS).join(name)
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder under the target directory, made by `install` if what is wanted is not what is there.
fn installed(name: &str, list: &str, install: impl Fn(&Path)) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| here("../../../../target"), PathBuf::from);
    fs::create_dir_all(&target).unwrap();
    let lock = fs::File::create(target.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let place = target.join(name);
    let wanted = fs::read_to_string(here(list)).unwrap();
    if !fs::read_to_string(place.join("installed")).is_ok_and(|installed| installed == wanted) {
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        install(&place);
        fs::write(place.join("installed"), wanted).unwrap();
    }
    place
}

fn ask(mut command: Command, tasks: &[Value]) -> Vec<Value> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let said = json!({ "tasks": tasks, "contexts": contexts() }).to_string();
    child.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), tasks.len());
    answers
}

/// npm's.
pub(crate) fn node(tasks: &[Value]) -> Vec<Value> {
    let place = installed("credential-peers-node", "package.json", |place| {
        fs::copy(here("package.json"), place.join("package.json")).unwrap();
        run(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(place));
    });
    // A module finds its packages from where it lies.
    fs::copy(here("peer.mjs"), place.join("peer.mjs")).unwrap();
    let mut command = Command::new("node");
    command.arg(place.join("peer.mjs"));
    ask(command, tasks)
}

/// PyPI's.
pub(crate) fn python(tasks: &[Value]) -> Vec<Value> {
    let place = installed("credential-peers-python", "requirements.txt", |place| {
        run(Command::new("python3").args(["-m", "venv"]).arg(place));
        run(Command::new(place.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(here("requirements.txt")));
    });
    let mut command = Command::new(place.join("bin/python"));
    command.arg(here("peer.py"));
    ask(command, tasks)
}
