//! What a process of each role can do after its lockdown, and what strangers can do to it: the escape suite against two
//! kept tables, and the abuse cases that come from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::BTreeSet,
    env,
    ffi::CString,
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::{Home, workspace},
    serve::Serve,
};
use serde_json::Value;

/// How long something may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(30);

const NOBODY: &str = "65534";

/// Neither root nor the person.
const SOMEBODY_ELSE: &str = "65533";

/// What is kept of the suite, with every wall and without the one that a container may refuse.
const TABLES: [&str; 2] = ["with_namespaces", "without_namespaces"];

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Runs what follows it as this user, without any capability.
fn as_user(id: &str) -> Vec<String> {
    words(&format!("setpriv --reuid {id} --regid {id} --clear-groups --no-new-privs"))
}

/// Runs what follows it where the kernel gives no namespaces: in one of the test's own the limit can be set to none.
fn without_namespaces() -> Vec<String> {
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --inh-caps=-all --ambient-caps=-all --no-new-privs \"$0\" \"$@\"";
    let mut by = words("unshare --user --map-current-user --keep-caps sh -c");
    by.push(script.to_owned());
    by
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether an ordinary person is given namespaces here; a container may refuse them.
fn namespaces_are_given() -> bool {
    Command::new("unshare").args(["-rmn", "true"]).status().is_ok_and(|status| status.success())
}

/// A home that belongs to this user.
fn home_of(user: &str) -> Home {
    let home = Home::new();
    if is_root() {
        let given = Command::new("chown").args(["-R", user]).arg(home.path("")).status().unwrap();
        assert!(given.success());
    }
    home
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

/// What a shell leaves open reaches no process of the tree.
#[test]
fn no_descriptor_is_inherited_from_the_shell() {
    let home = Home::new();
    let secret = home.file("secret", "what a shell has open");
    let script = format!("exec 7<'{}' 8<&7; exec \"$0\" \"$@\"", secret.display());
    let by = [words("sh -c"), vec![script]].concat();
    let serve = Serve::of(&home, home.command_by(&by, ["serve"]));
    home.run(["ask", "chance that 3d6 is at least 15"]).good();
    let holds = |pid: i32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
        open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).any(|path| path == secret)
    };
    // The command line itself has it: otherwise nothing was tried.
    assert!(holds(serve.child.id() as i32), "the shell's descriptor is not there");
    let tree: Vec<_> = home.processes().into_iter().filter(|process| process.command.contains("--role=")).collect();
    assert!(tree.len() >= 4, "{tree:?}");
    for process in tree {
        assert!(!holds(process.pid), "{process:?} holds what the shell had open");
    }
}

/// What a stranger was told to do, and does when this program is run as one.
const ORDER: &str = "LAMOS_STRANGER";

/// Runs this program as a stranger with this user id; what it says, line by line.
fn stranger(home: &Home, user: &str, order: &str) -> Vec<String> {
    // Where this user may run it.
    let program = home.path("stranger");
    if !program.exists() {
        fs::copy(env::current_exe().unwrap(), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut by = if is_root() { as_user(user) } else { vec!["env".to_owned()] }.into_iter();
    let output = Command::new(by.next().unwrap())
        .args(by)
        .arg(program)
        .args(["--exact", "a_stranger", "--ignored", "--nocapture", "--test-threads=1"])
        .env(ORDER, order)
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Vec<String> = text.lines().filter_map(|line| line.strip_prefix("stranger: ")).map(str::to_owned).collect();
    assert!(
        output.status.success() && !said.is_empty(),
        "the stranger failed: {text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// No test of its own: what a stranger does.
#[test]
#[ignore = "it is run by others, as another user"]
fn a_stranger() {
    let Ok(order) = env::var(ORDER) else { return };
    let (what, on) = order.split_once(' ').unwrap();
    match what {
        "look" => look_into(on.parse().unwrap()),
        "reach" => reach(&PathBuf::from(on)),
        other => panic!("{other}"),
    }
}

fn say(word: &str, result: Result<String, std::io::Error>) {
    // The line that the harness has begun ends first.
    println!("\nstranger: {word} {}", result.unwrap_or_else(|error| format!("refused {}", error.raw_os_error().unwrap_or(0))));
}

/// Tries every way to another process's memory.
#[expect(unsafe_code, reason = "system calls that no safe wrapper makes")]
fn look_into(pid: i32) {
    let environ = fs::read(format!("/proc/{pid}/environ"));
    say("environ", environ.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', ",")));
    let memory = fs::File::open(format!("/proc/{pid}/mem"));
    say("mem", memory.map(|_| "open".to_owned()));
    say("maps", fs::read(format!("/proc/{pid}/maps")).map(|bytes| format!("{} bytes", bytes.len())));
    say("fd", fs::read_dir(format!("/proc/{pid}/fd")).map(|_| "open".to_owned()));
    let name = CString::new("here").unwrap();
    let mut byte = [0_u8; 1];
    let ours = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // An address that is ours; that it is not theirs is another error than that it is none of our business.
    let theirs = libc::iovec { iov_base: name.as_ptr().cast_mut().cast(), iov_len: 1 };
    // SAFETY: both lists have one element and outlive the call.
    let read = unsafe { libc::process_vm_readv(pid, &raw const ours, 1, &raw const theirs, 1, 0) };
    say("process_vm_readv", checked(read as i64));
    // SAFETY: no memory is involved; the tracer lets go when it ends.
    let traced = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) };
    say("ptrace", checked(traced));
}

fn checked(result: i64) -> Result<String, std::io::Error> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok("done".to_owned()) }
}

/// Says something into a socket, and hears whether anybody answers.
fn reach(path: &std::path::Path) {
    let mut socket = match UnixStream::connect(path) {
        Ok(socket) => socket,
        Err(error) => return say("connect", Err(error)),
    };
    say("connect", Ok("done".to_owned()));
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who is not wanted finds the socket closed, now or a moment later.
    let _ = socket.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":{}}\n");
    let mut answer = [0; 64];
    let heard = socket.read(&mut answer).unwrap_or(0);
    say("heard", Ok(heard.to_string()));
}

/// B01: a program of the same user.
#[test]
fn a_program_of_the_same_user_sees_nothing_of_who_holds_keys() {
    let home = home_of(NOBODY);
    let by = if is_root() { as_user(NOBODY) } else { vec!["env".to_owned()] };
    let serve = Serve::of(&home, home.command_by(&by, ["serve"]));
    // Every role is there: a question brings all but the one, and this the last.
    home.command_by(&by, ["ps", "--rights"]).run().good();
    home.command_by(&by, ["ask", "chance that 3d6 is at least 15"]).run().good();
    for role in ["crypto", "storage", "llm"] {
        let said = stranger(&home, NOBODY, &format!("look {}", serve.process(role).pid));
        assert_eq!(said.len(), 6, "{said:?}");
        for line in said {
            assert!([" refused 1", " refused 13"].iter().any(|end| line.ends_with(end)), "{role}: {line}");
        }
    }
    // These two and the supervisor can be looked into where the system allows that; their environment tells nothing.
    for role in ["agent", "code"] {
        let said = stranger(&home, NOBODY, &format!("look {}", serve.process(role).pid));
        let environ = said.iter().find_map(|line| line.strip_prefix("environ ")).unwrap();
        let harmless = environ.split_terminator(',').all(|pair| pair.starts_with("MIMALLOC_"));
        assert!(harmless || environ.starts_with("refused"), "{role}: {environ}");
    }
    drop(serve);
}

/// B03: another user.
#[test]
fn another_user_reaches_nobody() {
    if !is_root() {
        eprintln!("not tried: nobody can be another user here");
        return;
    }
    let home = home_of(NOBODY);
    let _serve = Serve::of(&home, home.command_by(&as_user(NOBODY), ["serve"]));
    let socket = home.data().join("run/control.sock");
    let order = format!("reach {}", socket.display());
    let anybody = |path: PathBuf, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    anybody(home.path(""), 0o755);
    assert_eq!(stranger(&home, SOMEBODY_ELSE, &order), ["connect refused 13"]);
    // Nor where somebody has opened every door: whoever is not this person is not listened to.
    anybody(home.data(), 0o755);
    anybody(home.data().join("run"), 0o755);
    anybody(socket, 0o666);
    assert_eq!(stranger(&home, SOMEBODY_ELSE, &order), ["connect done", "heard 0"]);
    let same = stranger(&home, NOBODY, &order);
    assert!(same.len() == 2 && same[1] != "heard 0", "who is meant to reach it does not: {same:?}");
}

/// B02: a crash of the key process.
#[test]
fn a_crash_of_the_key_process_leaves_nothing_and_locks() {
    const PASSWORD: &str = "correct horse battery staple 4711";
    let home = Home::new();
    let serve = Serve::start(&home);
    let lines = format!("{PASSWORD}\n{PASSWORD}\n");
    for signal in [libc::SIGSEGV, libc::SIGABRT] {
        home.command(["ask", "5 miles in km"]).signed_in("anna", &lines).run().good();
        assert_eq!(serve.status()["open"], true);
        let process = serve.process("crypto");
        let limits = fs::read_to_string(format!("/proc/{}/limits", process.pid)).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
        // It comes back, with nothing open.
        let until = Instant::now() + PATIENCE;
        loop {
            let status = serve.status();
            let crypto = status["processes"].as_array().unwrap().iter().find(|other| other["role"] == "crypto").cloned();
            let is_back = crypto.is_some_and(|other| other["pid"] != process.pid && other["state"] == "ready");
            if is_back && status["open"] == false {
                break;
            }
            assert!(Instant::now() < until, "it does not come back locked: {status:#}");
            // Once is not enough: the first fault that is none is forgiven by the runtime, which looks for stack overflows.
            if home.processes().iter().any(|other| other.pid == process.pid) {
                process.signal(signal);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    drop(serve);
    home.assert_empty_but_for_the_socket();
    let log = fs::read_to_string(home.data().join("logs/lamos.log")).unwrap();
    assert!(log.contains("crypto"), "its end is in the log: {log}");
    let mut files = Vec::new();
    every_file(&home.path(""), &mut files);
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.starts_with("core"), "a core file is left: {}", file.display());
        let bytes = fs::read(&file).unwrap();
        for secret in [PASSWORD, "anna"] {
            // The program itself is one of the files; this test is another program.
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found || name == "lamos", "{} has {secret:?} in it", file.display());
        }
    }
}

fn every_file(directory: &std::path::Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            every_file(&path, files);
        } else if kind.is_file() {
            files.push(path);
        }
    }
}
