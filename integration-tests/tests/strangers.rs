//! What programs outside of the tree can do to it, and what a crash leaves: other processes of the same user, another
//! user, the shell that started it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    env,
    ffi::CString,
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    files,
    home::Home,
    serve::Serve,
    users::{NOBODY, SOMEBODY_ELSE, as_user, home_of, is_root, words},
};

/// How long something may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let mut by = as_user(user).into_iter();
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
fn reach(path: &Path) {
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
    let by = as_user(NOBODY);
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
    let files = files::below(&home.path(""));
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
