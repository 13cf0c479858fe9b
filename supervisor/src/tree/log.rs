//! What the processes say about themselves: one line of JSON for each event, to a file that is turned over at a limit,
//! and to whoever is tailing it. Nothing is read back by the program.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions, rename},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ipc::{
    Role,
    id::{Instance, TraceId},
    messages::start::LogLevel,
};
use serde_json::Value;
use tokio::sync::broadcast;

use crate::{
    levels::{self, Levels},
    line::Line,
};

/// Bytes after which the file is turned over; one older file is kept.
const MAX_FILE: u64 = 4 << 20;

/// Longest line taken from a process. What is longer is cut.
pub const MAX_LINE: usize = 8 << 10;

/// Lines kept in memory for who begins to tail.
const RECENT: usize = 200;

/// Lines taken from one process in a second. What it says beyond them is counted and left out, so that it cannot keep
/// the supervisor writing.
const MAX_LINES: u32 = 500;

/// How fast one process may log.
pub struct Pace {
    second: Instant,
    lines: u32,
    left_out: u64,
}

/// What becomes of one line.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// It is written down.
    pub kept: bool,
    /// So many before it were not.
    pub left_out: Option<u64>,
}

impl Pace {
    /// For a process that begins now.
    pub fn new(now: Instant) -> Pace {
        Pace { second: now, lines: 0, left_out: 0 }
    }

    /// A line has come, or none will any more.
    pub fn line(&mut self, now: Instant, ended: bool) -> Taken {
        let next = now.saturating_duration_since(self.second) >= Duration::from_secs(1);
        let mut left_out = None;
        if next || ended {
            left_out = Some(std::mem::take(&mut self.left_out)).filter(|lines| *lines > 0);
            (self.second, self.lines) = (now, 0);
        }
        let kept = self.lines < MAX_LINES;
        self.lines += 1;
        self.left_out += u64::from(!kept);
        Taken { kept, left_out }
    }
}

/// The log of one supervisor.
pub struct Log {
    /// How much is logged.
    pub levels: Levels,
    path: PathBuf,
    file: Option<File>,
    limit: u64,
    written: u64,
    /// The number of the next line.
    next: u64,
    recent: VecDeque<(u64, String)>,
    followers: broadcast::Sender<String>,
}

/// What somebody who begins to tail is told at once.
pub struct Recent {
    /// Number of the oldest of these lines, or of the next one if there are none. Lines before it are in the file alone.
    pub first: u64,
    /// The last lines.
    pub lines: Vec<String>,
}

impl Log {
    /// Continues the log in this directory. Without a file (a full disk, say) lines still reach who tails.
    pub fn open(directory: &Path, levels: Levels) -> Log {
        Log::with_limit(directory, levels, MAX_FILE)
    }

    fn with_limit(directory: &Path, levels: Levels, limit: u64) -> Log {
        let path = directory.join("lamos.log");
        let file = append(&path).ok();
        let written = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len());
        // A number that no supervisor before can have reached: none writes a line in every microsecond.
        let next = since_1970().map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(0));
        let mut all = Levels::all(LogLevel::Warn);
        all.apply(&levels);
        Log { levels: all, path, file, limit, written, next, recent: VecDeque::new(), followers: broadcast::Sender::new(RECENT) }
    }

    /// Something went wrong that the supervisor saw.
    pub fn note(&mut self, event: &str, fields: Value) {
        self.tell(LogLevel::Warn, event, fields);
    }

    /// Something that the supervisor did or saw.
    pub fn tell(&mut self, level: LogLevel, event: &str, fields: Value) {
        self.tell_of(level, None, event, fields);
    }

    /// The same, of one request.
    pub fn tell_of(&mut self, level: LogLevel, trace: Option<TraceId>, event: &str, fields: Value) {
        if !self.takes(level) {
            return;
        }
        let fields = if let Value::Object(fields) = fields { fields } else { serde_json::Map::new() };
        let (level, text) = (levels::name(level).to_owned(), event.to_owned());
        let trace = trace.map(|trace| trace.to_string());
        self.line((Role::Supervisor, Instance(1)), Line { level, text, trace, fields, ..Line::default() });
    }

    /// Whether the supervisor logs this much.
    pub fn takes(&self, level: LogLevel) -> bool {
        level <= self.levels.of(Role::Supervisor)
    }

    /// A line that a process wrote to its standard error.
    pub fn heard(&mut self, place: (Role, Instance), text: &str) {
        self.line(place, Line::heard(text));
    }

    /// The last lines, and those that follow.
    pub fn follow(&self) -> (Recent, broadcast::Receiver<String>) {
        let first = self.recent.front().map_or(self.next, |(number, _)| *number);
        let lines = self.recent.iter().map(|(_, line)| line.clone()).collect();
        (Recent { first, lines }, self.followers.subscribe())
    }

    fn line(&mut self, place: (Role, Instance), said: Line) {
        let n = self.next;
        self.next += 1;
        let ms = since_1970().map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let line = Line { n, ms, role: place.0.name().to_owned(), instance: place.1.0, ..said };
        let Ok(line) = serde_json::to_string(&line) else { return };
        self.write(&line);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        // Nobody may be following.
        let _ = self.followers.send(line.clone());
        self.recent.push_back((n, line));
    }

    fn write(&mut self, line: &str) {
        if self.written > self.limit && rename(&self.path, self.path.with_extension("log.1")).is_ok() {
            self.file = append(&self.path).ok();
            self.written = 0;
        }
        let Some(file) = &mut self.file else { return };
        self.written += line.len() as u64 + 1;
        // A log that cannot be written must not stop what it would tell about.
        let _ = writeln!(file, "{line}");
    }
}

fn since_1970() -> Option<Duration> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok()
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_too_much_is_cut_short_and_the_rest_is_counted() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        for line in 0..MAX_LINES + 7 {
            assert_eq!(pace.line(begun, false), Taken { kept: line < MAX_LINES, left_out: None });
        }
        let later = begun + Duration::from_secs(1);
        assert_eq!(pace.line(later, false), Taken { kept: true, left_out: Some(7) });
        assert_eq!(pace.line(later, true).left_out, None);
    }

    #[test]
    fn the_file_is_turned_over_at_its_limit_and_one_older_is_kept() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = std::env::temp_dir().join(format!("lamos-log-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let mut log = Log::with_limit(&directory, Levels::default(), 1000);
        let (_, mut following) = log.follow();
        for number in 0..100 {
            log.note("one of many", serde_json::json!({ "number": number }));
        }
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).expect("a file");
        let (now, before) = (read("lamos.log"), read("lamos.log.1"));
        assert!(now.len() < 1200 && (1000..1200).contains(&before.len()), "{} and {}", now.len(), before.len());
        let kept: Vec<Line> =
            before.lines().chain(now.lines()).map(|line| serde_json::from_str(line).expect("a whole line")).collect();
        assert!(kept.windows(2).all(|pair| pair[0].n + 1 == pair[1].n), "none is lost between the two files");
        assert_eq!(kept.last().map(|line| line.fields["number"].clone()), Some(99.into()));
        for name in ["lamos.log", "lamos.log.1"] {
            let mode = std::fs::metadata(directory.join(name)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(following.try_recv().is_ok(), "who follows gets them too");
        // Another supervisor goes on with the file and with higher numbers.
        let mut next = Log::with_limit(&directory, Levels::default(), 1000);
        assert!(next.follow().0.first > kept.last().expect("a line").n);
        next.tell(LogLevel::Info, "not wanted", Value::Null);
        assert_eq!(next.follow().0.lines.len(), 0);
        let _ = std::fs::remove_dir_all(&directory);
    }
}
