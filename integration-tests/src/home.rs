//! A home: a data directory, the binary in it, and commands run there.

use std::{
    fs,
    io::{Read, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::processes;

/// How long a command may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// The binary under test: `LAMOS_BIN`, or the one beside this test in the target directory.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("LAMOS_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("this program has a path");
    let found = test.ancestors().skip(1).take(2).map(|directory| directory.join("lamos")).find(|path| path.exists());
    found.expect("the binary is built: run `cargo verify`, or `cargo build --release --package lamos` before the tests")
}

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace")
}

/// A person's machine, as far as one program sees it. It goes with the last of those that share it.
#[derive(Clone)]
pub struct Home {
    directory: Arc<TempDir>,
}

impl Default for Home {
    fn default() -> Home {
        Home::new()
    }
}

impl Home {
    /// An empty one.
    pub fn new() -> Home {
        Home::of(&binary())
    }

    /// An empty one where `lamos` is this program.
    pub fn of(program: &Path) -> Home {
        let directory = tempfile::Builder::new().prefix("lamos-").tempdir().expect("a directory can be made");
        let home = Home { directory: Arc::new(directory) };
        // A name of its own for the binary: every process of this home, and no other, runs under it.
        if fs::hard_link(program, home.lamos()).is_err() {
            fs::copy(program, home.lamos()).expect("the binary can be copied");
        }
        home
    }

    /// The binary.
    pub fn lamos(&self) -> PathBuf {
        self.directory.path().join("lamos")
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The folder of the one space that was made.
    pub fn space(&self) -> PathBuf {
        let mut spaces: Vec<_> = fs::read_dir(self.data().join("spaces")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(spaces.len(), 1, "one space: {spaces:?}");
        spaces.remove(0)
    }

    /// A place for the test's own files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file of the test's own.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("a file can be written");
        path
    }

    /// A command that is not run yet.
    pub fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Call {
        self.called(Command::new(self.lamos()), arguments)
    }

    /// A command that is run by another program, which is given the binary and these arguments after its own.
    pub fn command_by<'a>(&self, program: &[String], arguments: impl IntoIterator<Item = &'a str>) -> Call {
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).arg(self.lamos());
        self.called(command, arguments)
    }

    fn called<'a>(&self, mut command: Command, arguments: impl IntoIterator<Item = &'a str>) -> Call {
        command
            // Thousands sign in here on a few slow cores: at the least cost that is recommended, not at that of this machine.
            .args(["--key-cost", "floor"])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("LAMOS_DATA_DIR", self.data())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .current_dir(self.directory.path());
        Call { command, input: Vec::new(), within: PATIENCE }
    }

    /// Runs a command.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
        self.command(arguments).run()
    }

    /// Every process of this home that lives.
    pub fn processes(&self) -> Vec<processes::Process> {
        processes::of(&self.lamos())
    }

    /// Fails if a process or the control socket is left, a moment after a command has ended.
    pub fn assert_empty(&self) {
        self.assert_empty_but_for_the_socket();
        assert!(!self.data().join("run/control.sock").exists(), "the control socket is left");
    }

    /// The same after a supervisor was killed, which can remove nothing any more.
    pub fn assert_empty_but_for_the_socket(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.processes().is_empty() {
            assert!(Instant::now() < until, "processes are left: {:?}", self.processes());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if Arc::strong_count(&self.directory) > 1 {
            return;
        }
        for process in self.processes() {
            process.signal(libc::SIGKILL);
        }
    }
}

/// A command on its way.
pub struct Call {
    command: Command,
    input: Vec<u8>,
    within: Duration,
}

impl Call {
    /// With this variable.
    pub fn env(mut self, name: &str, value: &str) -> Call {
        self.command.env(name, value);
        self
    }

    /// With this on standard input.
    pub fn input(mut self, bytes: impl AsRef<[u8]>) -> Call {
        self.input = bytes.as_ref().to_vec();
        self
    }

    /// Signed in under this name, with these lines where the password is read.
    pub fn signed_in(mut self, user: &str, lines: &str) -> Call {
        self.command.args(["--user", user, "--password-fd", "0"]);
        self.input(lines)
    }

    /// May take so long.
    pub fn within(mut self, patience: Duration) -> Call {
        self.within = patience;
        self
    }

    /// Starts it, with its output to be read.
    pub fn start(mut self) -> Child {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let mut stdin = child.stdin.take().expect("it has a standard input");
        // Who does not read what it is given has said so by ending.
        let _ = stdin.write_all(&self.input);
        child
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        let words = format!("{:?}", self.command.get_args().collect::<Vec<_>>());
        let within = self.within;
        finish(self.start(), within, &words)
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until it broke is what there is.
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for a command's end and takes what it printed.
pub fn finish(mut child: Child, within: Duration, words: &str) -> Outcome {
    let out = read_all(child.stdout.take().expect("it has a standard output"));
    let err = read_all(child.stderr.take().expect("it has a standard error"));
    let until = Instant::now() + within;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        if Instant::now() > until {
            // Nothing else is to be done with what hangs.
            let _ = child.kill();
            let _ = child.wait();
            panic!("lamos {words} did not end within {within:?}");
        }
        thread::sleep(Duration::from_millis(2));
    };
    Outcome {
        words: words.to_owned(),
        code: status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)),
        out: out.join().expect("its output was read"),
        err: err.join().expect("its errors were read"),
    }
}

/// What came of a command.
#[derive(Debug)]
pub struct Outcome {
    words: String,
    /// Its exit code; a signal as a negative number.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it said beside.
    pub err: String,
}

impl Outcome {
    /// What it printed, if all was well.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "lamos {} failed: {}{}", self.words, self.out, self.err);
        self.out
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.good();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("not JSON: {error}: {out}"))
    }

    /// What it said, if it failed with this code: one clear sentence and nothing of a program's insides.
    #[track_caller]
    pub fn bad(self, code: i32) -> String {
        assert_eq!(self.code, code, "lamos {} ended otherwise: {}{}", self.words, self.out, self.err);
        assert!(!self.err.trim().is_empty(), "lamos {} failed without a word", self.words);
        for inside in ["panicked", "unwrap", "Err(", "RUST_BACKTRACE", "Os {"] {
            assert!(!self.err.contains(inside), "lamos {} shows its insides: {}", self.words, self.err);
        }
        self.err
    }
}
