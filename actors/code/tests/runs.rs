//! Runs of scripts, each in a process of its own as in the program, without the walls around it: what the interpreter and
//! its watcher do by themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
    time::Duration,
};

use ipc::{
    Client, Refusal, Role,
    endpoint::{Caller, Options, connect_single},
    link,
    messages::{
        code::{Ending, Entry, Output, Ran, Run, RunFile, RunLimits},
        common::Chunk,
    },
    role::source,
};

#[global_allocator]
static ALLOCATOR: code::memory::Counting<mimalloc::MiMalloc> = code::memory::Counting(mimalloc::MiMalloc);

const CHILD: &str = "LAMOS_RUN_PROCESS";

/// The process of a run. It is this test again, asked for by name.
#[test]
fn run_process() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).unwrap();
    actix::System::new().block_on(async {
        let (inbox, outbox) = link::open(socket).unwrap();
        let (_, events, connection) = connect_single(inbox, outbox);
        let outbox = connection.outbox();
        actix::spawn(connection.run());
        code::start(code::prepare().unwrap(), events).await.unwrap().await;
        outbox.drained().await;
    });
    #[expect(clippy::disallowed_methods, reason = "what the interpreter still does must not keep the process")]
    std::process::exit(0);
}

struct Report {
    ran: Result<Ran, Refusal>,
    stdout: String,
    stderr: String,
}

impl Report {
    fn value(&self) -> &str {
        match &self.ran {
            Ok(Ran { ending: Ending::Finished, value, .. }) => value,
            other => panic!("{other:?} {}", self.stderr),
        }
    }

    fn ending(&self) -> &Ending {
        &self.ran.as_ref().unwrap().ending
    }

    fn raised(&self) -> &str {
        match self.ending() {
            Ending::Raised { summary, .. } => summary,
            other => panic!("{other:?}"),
        }
    }
}

fn run(request: &Run, files: &[u8]) -> Report {
    let (socket, child_socket) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    child_socket.set_nonblocking(true).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["run_process", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("MIMALLOC_ARENA_RESERVE", "32768")
        .stdin(Stdio::from(OwnedFd::from(child_socket)))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = tokio::task::LocalSet::new().block_on(&runtime, async {
        let (inbox, outbox) = link::open(socket.into()).unwrap();
        let (caller, _events, connection) = connect_single(inbox, outbox);
        tokio::task::spawn_local(connection.run());
        tokio::time::timeout(Duration::from_secs(60), conduct(caller, request, files)).await.unwrap()
    });
    let _ = child.kill();
    child.wait().unwrap();
    report
}

async fn conduct(caller: std::rc::Rc<Caller>, request: &Run, files: &[u8]) -> Report {
    let client: Client<source::Agent> = Client::new(caller);
    let mut stream = client.open(request, Options { role: Some(Role::Code), ..Options::default() }).unwrap();
    for chunk in files.chunks(Chunk::SIZE) {
        stream.send(&Chunk(chunk.to_vec())).await.unwrap();
    }
    stream.end();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    while let Some(piece) = stream.next().await {
        match piece.unwrap() {
            Output::Stdout(text) => stdout.push_str(&text),
            Output::Stderr(text) => stderr.push_str(&text),
        }
    }
    Report { ran: stream.answer().await, stdout, stderr }
}

fn script(source: &str) -> Run {
    Run {
        source: source.into(),
        entry: Entry::Script,
        inputs: "{}".into(),
        files: Vec::new(),
        limits: RunLimits { millis: 20_000, memory: 256 << 20, output: 64 << 10 },
        seed: 1,
    }
}

fn quick(source: &str, millis: u32) -> Run {
    Run { limits: RunLimits { millis, ..script("").limits }, ..script(source) }
}

#[test]
fn the_value_of_a_script_is_that_of_its_last_line() {
    for (source, value) in [
        ("1+1", "2"),
        ("x = 6\nx * 7", "42"),
        ("'東京'", "'東京'"),
        ("None", ""),
        ("for i in range(3):\n    pass", ""),
        ("import json\njson.dumps({'a': [1, 2.5, None, True]})", "'{\"a\": [1, 2.5, null, true]}'"),
        ("import statistics\nstatistics.median([3, 1, 2])", "2"),
        ("import decimal\nstr(decimal.Decimal('0.1') + decimal.Decimal('0.2'))", "'0.3'"),
        ("import datetime\n(datetime.date(2024, 3, 1) - datetime.date(2024, 2, 1)).days", "29"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 3\nA()", "A(x=3)"),
        ("import os\nos.path.join('a', 'b'), os.getcwd(), os.listdir()", "('a/b', '/', [])"),
        ("import re\nre.findall(r'\\d+', 'a1b22')", "['1', '22']"),
        ("import sys\nsys.exit(0)", ""),
    ] {
        assert_eq!(run(&script(source), b"").value(), value, "{source}");
    }
}

#[test]
fn what_it_prints_arrives_in_order_and_apart() {
    let report = run(&script("import sys\nprint('one')\nprint('two', end='')\nprint('oops', file=sys.stderr)\n3"), b"");
    assert_eq!((report.value(), report.stdout.as_str(), report.stderr.as_str()), ("3", "one\ntwo", "oops\n"));
}

#[test]
fn files_are_found_by_name_and_can_be_written() {
    let source = "
with open('a.csv', newline='') as f:
    import csv
    rows = list(csv.reader(f))
b = open('b.bin', 'rb').read()
with open('out.txt', 'w') as f:
    f.write('kept')
with open('out.txt', 'a') as f:
    f.write(' on')
try:
    open('missing.txt')
except FileNotFoundError as e:
    missing = str(e)
rows, b, open('out.txt').read(), missing, sorted(__import__('os').listdir())";
    let files = vec![RunFile { name: "a.csv".into(), length: 8 }, RunFile { name: "b.bin".into(), length: 2 }];
    let report = run(&Run { files, ..script(source) }, b"x,y\r\n1,2\xff\x00".get(..10).unwrap());
    assert_eq!(
        report.value(),
        "([['x', 'y'], ['1', '2']], b'\\xff\\x00', 'kept on', \"[Errno 2] No such file (the run was given: a.csv, b.bin, out.txt): 'missing.txt'\", ['a.csv', 'b.bin', 'out.txt'])"
    );
}

#[test]
fn execute_takes_inputs_and_gives_json() {
    let source = "def execute(inputs):\n    return {'answer': inputs['a'] + 1, 'who': inputs.get('who', 'ü')}";
    let request = Run { entry: Entry::Execute, inputs: r#"{"a": 41}"#.into(), ..script(source) };
    assert_eq!(run(&request, b"").value(), r#"{"answer": 42, "who": "ü"}"#);
    let none = Run { entry: Entry::Execute, ..script("x = 1") };
    assert_eq!(run(&none, b"").raised(), "NameError: the script defines no function execute(inputs)");
    let endless = Run { entry: Entry::Execute, ..script("def execute(inputs):\n    return {'x': float('nan')}") };
    assert!(run(&endless, b"").raised().starts_with("ValueError:"));
}

#[test]
fn an_error_has_its_traceback() {
    let report = run(&script("def f():\n    return 1 / 0\nf()"), b"");
    match report.ending() {
        Ending::Raised { traceback, summary } => {
            assert_eq!(summary, "ZeroDivisionError: division by zero");
            assert!(traceback.contains("line 2, in f"), "{traceback}");
        }
        other => panic!("{other:?}"),
    }
    assert!(run(&script("x = = 1"), b"").raised().starts_with("SyntaxError:"));
    assert_eq!(run(&script("import sys\nsys.exit(3)"), b"").raised(), "SystemExit: 3");
}

#[test]
fn the_same_run_gives_the_same_result() {
    let source = "import random, os\nrandom.random(), os.urandom(4), hash('a'), random.Random().random(), {'b', 'a', 'c'}";
    let (one, two) = (run(&script(source), b""), run(&script(source), b""));
    assert_eq!(one.value(), two.value());
    let other = run(&Run { seed: 2, ..script(source) }, b"");
    assert_ne!(one.value(), other.value());
}

#[test]
fn there_is_no_operating_system() {
    for (source, error) in [
        ("import socket", "ModuleNotFoundError"),
        ("import subprocess\nsubprocess.run(['ls'])", "Error"),
        ("import os\nos.system('ls')", "PermissionError"),
        ("import os\nos.kill(1, 9)", "PermissionError"),
        ("import ctypes", "ModuleNotFoundError"),
        ("open('/etc/passwd').read()", "FileNotFoundError"),
        ("open(0).read()", "OSError"),
        ("import _io\n_io.FileIO('/etc/passwd')", "AttributeError"),
        ("input('name? ')", "EOFError"),
    ] {
        let report = run(&script(source), b"");
        assert!(report.raised().contains(error), "{source}: {}", report.raised());
    }
}

#[test]
fn what_does_not_end_is_ended() {
    for source in [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "sum(range(10**12))",
        "import re\nre.match('(a+)+$', 'a' * 40 + 'b')",
        "import time\ntime.sleep(100)",
        "x = 3 ** (10 ** 8)",
    ] {
        let report = run(&quick(source, 700), b"");
        assert_eq!(report.ending(), &Ending::TimeLimit, "{source}");
    }
}

#[test]
fn what_takes_too_much_memory_is_ended() {
    for source in [
        "[0] * 10**9",
        "'a' * 10**10",
        "x = []\nwhile True: x.append('a' * 10**6)",
        "x = {}\ni = 0\nwhile True:\n    x[i] = str(i)\n    i += 1",
        "bytearray(10**10)",
    ] {
        // Time enough on a busy machine: what is tested is that memory ends it.
        let report = run(&quick(source, 50_000), b"");
        assert_eq!(report.ending(), &Ending::MemoryLimit, "{source}");
        assert!(report.ran.unwrap().peak_memory > 100 << 20, "{source}");
    }
}

#[test]
fn memory_within_the_limit_is_counted() {
    let report = run(&script("x = bytearray(50 * 2**20)\nlen(x)"), b"");
    let peak = report.ran.unwrap().peak_memory;
    assert!((50 << 20..80 << 20).contains(&peak), "{peak}");
}

#[test]
fn what_writes_too_much_is_ended() {
    for source in ["while True: print('x' * 1000)", "try:\n    print('x' * 10**7)\nexcept BaseException: pass\nwhile True: pass"]
    {
        let report = run(&script(source), b"");
        assert_eq!(report.ending(), &Ending::OutputLimit, "{source}");
        assert_eq!(report.stdout.len(), 64 << 10, "what fitted arrived");
    }
}

#[test]
fn deep_recursion_is_an_exception() {
    assert!(run(&script("def f(n): return f(n + 1)\nf(0)"), b"").raised().starts_with("RecursionError"));
    let source = "import sys\nsys.setrecursionlimit(10**7)\ndef f(n): return f(n + 1)\nf(0)";
    let report = run(&script(source), b"");
    assert!(matches!(report.ending(), Ending::Raised { .. } | Ending::MemoryLimit), "{:?}", report.ran);
}
