//! Words that a person types everywhere, and where they lie on disk: nowhere. However Lamos is ended, with or without having
//! been asked, no file of it shows a title, a message, a name, a term that was looked for or a line of code.
//!
//! What looks for them is shown first that it finds them: in the clear, as UTF-16, compressed, and in the middle of a large file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::{Call, Home},
    scripted_http::{ScriptedHttp, answer, python},
    serve::Serve,
};
use serde_json::Value;

/// How long anything is waited for before the test gives up.
const GIVE_UP: Duration = Duration::from_secs(120);

/// What is typed. Every word of it begins so, and no other word in the world does.
const CANARY: &str = "qzvanary";

/// One of them, for a place.
fn canary(place: &str) -> String {
    format!("{CANARY}{place}")
}

/// A word of a script without spaces that nobody writes.
const UNSPACED: &str = "龘靐齉";

/// The folder of the files that are given to it.
const GIVEN: &str = "given";

/// How a word may lie in a file.
struct Finder {
    needles: Vec<(String, Vec<u8>)>,
}

impl Finder {
    fn new() -> Finder {
        let mut needles = Vec::new();
        for word in [CANARY, UNSPACED] {
            let pairs: Vec<u16> = word.encode_utf16().collect();
            needles.push((word.to_owned(), word.as_bytes().to_vec()));
            needles.push((format!("{word} as UTF-16"), pairs.iter().flat_map(|pair| pair.to_le_bytes()).collect()));
            needles.push((
                format!("{word} as UTF-16, the other way round"),
                pairs.iter().flat_map(|pair| pair.to_be_bytes()).collect(),
            ));
            needles
                .push((format!("{word} as numbers"), word.bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()));
        }
        // A dictionary of terms keeps what two words share once: so pieces of the word are looked for as well.
        needles.push(("the canary's tail".to_owned(), CANARY.as_bytes()[1..].to_vec()));
        Finder { needles }
    }

    /// What is found in some bytes. Letters of either case are the same.
    fn in_bytes(&self, bytes: &[u8]) -> Vec<&str> {
        let lower = bytes.to_ascii_lowercase();
        let has = |needle: &[u8]| lower.windows(needle.len()).any(|window| window == needle);
        self.needles.iter().filter(|(_, needle)| has(&needle.to_ascii_lowercase())).map(|(name, _)| name.as_str()).collect()
    }

    /// The same after opening what begins in the middle of the bytes like something compressed.
    fn in_file(&self, path: &Path) -> Vec<String> {
        let bytes = fs::read(path).unwrap_or_default();
        let mut found: Vec<String> = self.in_bytes(&bytes).into_iter().map(str::to_owned).collect();
        for (magic, program) in [(&[0x28, 0xb5, 0x2f, 0xfd][..], "zstd"), (&[0x1f, 0x8b, 0x08], "gzip")] {
            for at in (0..bytes.len().saturating_sub(magic.len())).filter(|at| bytes[*at..].starts_with(magic)) {
                let end = bytes.len().min(at + (1 << 20));
                found.extend(
                    self.in_bytes(&unpacked(program, &bytes[at..end])).into_iter().map(|name| format!("{name}, {program}")),
                );
            }
        }
        found
    }

    /// Every file below these folders that has any, and every name that is one.
    fn below(&self, folders: &[PathBuf]) -> (usize, Vec<String>) {
        let (mut read, mut found, mut left) = (0, Vec::new(), folders.to_vec());
        while let Some(path) = left.pop() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            found.extend(self.in_bytes(name.as_bytes()).into_iter().map(|what| format!("{what} in the name {name}")));
            let kind = fs::symlink_metadata(&path).map(|metadata| metadata.file_type());
            if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                left.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
            } else if kind.is_ok_and(|kind| kind.is_file()) {
                read += 1;
                found.extend(self.in_file(&path).into_iter().map(|what| format!("{what} in {}", path.display())));
            }
        }
        (read, found)
    }
}

/// What a program of the system makes of it; nothing where there is none.
fn unpacked(program: &str, bytes: &[u8]) -> Vec<u8> {
    let started = Command::new(program).arg("-dcq").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = started else { return Vec::new() };
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = thread::spawn(move || drop(input.write_all(&bytes)));
    let output = child.wait_with_output().map(|output| output.stdout).unwrap_or_default();
    writer.join().unwrap();
    output
}

/// A home with folders for everything a desktop names one for.
struct Room {
    home: Home,
}

const FOLDERS: &[(&str, &str)] = &[
    ("XDG_RUNTIME_DIR", "runtime"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_STATE_HOME", "state"),
    ("TMPDIR", "temporary"),
];

impl Room {
    fn new() -> Room {
        let home = Home::new();
        for (_, folder) in FOLDERS {
            fs::create_dir_all(home.path(folder)).unwrap();
        }
        Room { home }
    }

    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Call {
        FOLDERS
            .iter()
            .fold(self.home.command(words), |call, (name, folder)| call.env(name, self.home.path(folder).to_str().unwrap()))
    }

    fn run<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> String {
        self.command(words).run().good()
    }

    /// Where Lamos may have written anything: all but the program and what it was given.
    fn places(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.home.path("")).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| !path.ends_with("lamos") && !path.ends_with(GIVEN)).collect()
    }

    /// Hits of a search when everything was looked through.
    fn hits(&self, words: &str) -> usize {
        let until = Instant::now() + GIVE_UP;
        loop {
            let outcome = self.command(["--json", "search", words]).run();
            let found: Value = serde_json::from_str(&outcome.out).unwrap_or_default();
            if found["complete"] == true {
                return found["hits"].as_array().unwrap().len();
            }
            assert!(Instant::now() < until, "it never was complete: {found:#}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types a canary everywhere a person can type.
    fn type_everywhere(&self) {
        let home = &self.home;
        let file = |place: &str, text: String| {
            let folder = home.path(GIVEN);
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join(canary(place));
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        // A question, which becomes a title, with an attachment, code that is run, and an answer.
        let sheet = file("sheetname.csv", format!("{};b\n1;{} {UNSPACED}\n", canary("column"), canary("cell")));
        let code = format!("print('{}')\nraise ValueError('{}')", canary("printed"), canary("raised"));
        let server = ScriptedHttp::start(vec![python(&code), answer(&format!("It is {} {UNSPACED}.", canary("answer")))]);
        let question = format!("What is {} {UNSPACED} there?", canary("question"));
        let ask = self.command(["ask", "-m", "scripted", "--file", &sheet, &question]).env("OPENAI_BASE_URL", &server.openai());
        assert!(ask.run().good().contains(CANARY));
        // Code that is refused, and a question that fails.
        let broken = ScriptedHttp::start(Vec::new());
        drop(broken);
        let failing =
            self.command(["ask", "-m", &canary("model"), &canary("unanswered")]).env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
        assert_ne!(failing.run().code, 0);
        // A skill with a name, inputs and a script of its own.
        let skill = home.path(&format!("{CANARY}-skill"));
        fs::create_dir_all(skill.join("scripts")).unwrap();
        let front = format!(
            "---\nname: {CANARY}-skill\ndescription: Says {}. Use it to see what lies on disk.\n---\n# {}\n",
            canary("described"),
            canary("heading")
        );
        fs::write(skill.join("SKILL.md"), front).unwrap();
        let interface = format!(
            "entry: scripts/main.py\nkeywords: [{}]\ninputs:\n  - name: word\n    type: text\n    description: any word\n",
            canary("keyword")
        );
        fs::write(skill.join("interface.yaml"), interface).unwrap();
        let script = format!(
            "# {}\ndef execute(inputs):\n    return {{'answer': '{}' + inputs['word']}}\n",
            canary("comment"),
            canary("returned")
        );
        fs::write(skill.join("scripts/main.py"), script).unwrap();
        self.run(["skills", "add", skill.to_str().unwrap()]);
        let said = self.run(["run", &format!("{CANARY}-skill"), "-i", &format!("word={}", canary("input"))]);
        assert!(said.contains(&canary("returned")), "{said}");
        fs::remove_dir_all(skill).unwrap();
        // Files of volumes: names, folders, what they say, small and large, written over and removed, and what was noted.
        let large = format!("{} {UNSPACED}\n", canary("large")).repeat(40_000);
        for (path, text, note) in [
            ("user/{}folder/{}file.md", canary("body"), "note"),
            ("user/{}large.txt", large, "largenote"),
            ("team/{}team/{}a", canary("team"), "teamnote"),
            ("project/{}project/{}b", canary("project"), "projectnote"),
        ] {
            let path = path.replace("{}", CANARY);
            for text in [&text, &format!("{} again {text}", canary("changed"))] {
                self.command(["vol", "write", "-", &path, "-m", &canary(note)]).input(text).run().good();
            }
        }
        let gone = format!("user/{CANARY}gone");
        self.command(["vol", "write", "-", &gone, "-m", "x"]).input(canary("gone")).run().good();
        self.run(["vol", "rm", &gone]);
        self.command(["vol", "ls", &format!("user/{CANARY}nowhere")]).run();
        self.command(["vol", "glob", &format!("user/{CANARY}*/**")]).run();
        self.command(["vol", "diff", &format!("user/{CANARY}large.txt")]).run();
        // Words that are looked for: there, not there, and wrong.
        assert!(self.hits(&canary("answer")) > 0);
        assert!(self.hits(&canary("body")) > 0);
        assert!(self.hits(UNSPACED) > 0);
        assert_eq!(self.hits(&canary("notthere")), 0);
        self.command(["search", &format!("\"{}", canary("unclosed"))]).run();
        self.command(["history", &canary("history")]).run();
        // Wrong names of commands and users are somebody's words too.
        self.command([&*canary("command")]).run();
        self.command(["run", &canary("noskill"), "-i", &format!("{}=1", canary("noinput"))]).run();
    }
}

#[test]
fn what_looks_for_them_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let finder = Finder::new();
    let (read, found) = finder.below(&[folder.path().to_owned()]);
    assert_eq!((read, found.len()), (0, 0));
    let noise: Vec<u8> = (0..5_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut large = noise.clone();
    large[3_000_001..3_000_001 + CANARY.len()].copy_from_slice(CANARY.to_uppercase().as_bytes());
    let wide: Vec<u8> = canary("x").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let planted: Vec<(&str, Vec<u8>)> = vec![
        ("plain", canary("x").into_bytes()),
        ("large", large),
        ("wide", wide),
        ("unspaced", format!("..{UNSPACED}..").into_bytes()),
        ("tail", CANARY.as_bytes()[1..].to_vec()),
        ("hex", canary("x").bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()),
    ];
    for (name, bytes) in &planted {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert!(!finder.in_file(&path).is_empty(), "{name} is not found");
    }
    // Compressed, and not at the beginning of a file.
    let mut packed = 0;
    for program in ["zstd", "gzip"] {
        let path = folder.path().join(program);
        // Other words around it, so that no letter of it is kept as it is.
        let words: String = (0..5000_u32).map(|number| format!("{} ", number.wrapping_mul(2_654_435_761))).collect();
        fs::write(&path, format!("{words}{}{words}", canary("compressed"))).unwrap();
        let Ok(output) = Command::new(program).arg("-cq").arg(&path).output() else { continue };
        assert!(finder.in_bytes(&output.stdout).is_empty(), "{program} keeps it as it is");
        fs::write(&path, [&noise[..777], &output.stdout[..]].concat()).unwrap();
        assert!(finder.in_file(&path).iter().any(|found| found.contains(program)), "{program}: {:?}", finder.in_file(&path));
        packed += 1;
    }
    assert!(packed > 0, "no program to compress with is installed");
    // A name alone.
    fs::create_dir(folder.path().join(canary("folder"))).unwrap();
    let (read, found) = finder.below(&[folder.path().to_owned()]);
    assert_eq!(read, planted.len() + 2);
    assert!(found.iter().any(|found| found.contains("in the name")), "{found:?}");
}

/// Types everywhere while everything is written to the log that can be, ends Lamos, and looks.
fn story(signal: i32) {
    let room = Room::new();
    let serve = Serve::of(&room.home, room.command(["--log", "trace", "serve"]));
    room.type_everywhere();
    let supervisor = serve.process("supervisor");
    if signal == libc::SIGKILL {
        for process in room.home.processes() {
            process.signal(signal);
        }
    } else {
        supervisor.signal(signal);
    }
    let until = Instant::now() + GIVE_UP;
    while !room.home.processes().is_empty() {
        assert!(Instant::now() < until, "it does not end: {:?}", room.home.processes());
        thread::sleep(Duration::from_millis(20));
    }
    drop(serve);
    let finder = Finder::new();
    let (read, found) = finder.below(&room.places());
    assert!(read > 10, "only {read} files were looked at");
    assert!(found.is_empty(), "{found:#?}");
    // It was all kept, and is there again.
    assert!(room.run(["history"]).contains(CANARY));
    assert!(room.run(["vol", "cat", &format!("user/{CANARY}folder/{CANARY}file.md")]).contains(&canary("body")));
    assert!(room.hits(&canary("answer")) > 0);
    room.home.assert_empty_but_for_the_socket();
    let (_, found) = finder.below(&room.places());
    assert!(found.is_empty(), "after opening it again: {found:#?}");
}

#[test]
fn nothing_that_was_typed_lies_open_after_an_orderly_end() {
    story(libc::SIGTERM);
}

#[test]
fn nothing_that_was_typed_lies_open_after_a_kill() {
    story(libc::SIGKILL);
}
