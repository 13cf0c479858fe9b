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

use ipc::{Role, id::Instance};
use tokio::sync::broadcast;

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
    path: PathBuf,
    file: Option<File>,
    written: u64,
    recent: VecDeque<String>,
    followers: broadcast::Sender<String>,
}

impl Log {
    /// Continues the log in this directory. Without a file (a full disk, say) lines still reach who tails.
    pub fn open(directory: &Path) -> Log {
        let path = directory.join("lamos.log");
        let file = append(&path).ok();
        let written = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len());
        Log { path, file, written, recent: VecDeque::new(), followers: broadcast::Sender::new(RECENT) }
    }

    /// An event of the supervisor's own.
    pub fn note(&mut self, event: &str, fields: serde_json::Value) {
        self.line((Role::Supervisor, Instance(1)), &serde_json::json!({ "event": event, "fields": fields }));
    }

    /// A line that a process wrote to its standard error.
    pub fn heard(&mut self, place: (Role, Instance), text: &str) {
        // A line that is not JSON is a panic or a library's word; it is kept as text, with what a terminal would obey removed.
        let said = serde_json::from_str(text).unwrap_or_else(|_| {
            let plain: String = text.chars().filter(|letter| !letter.is_control()).collect();
            serde_json::json!({ "event": "said", "text": plain })
        });
        self.line(place, &said);
    }

    /// The last lines, and those that follow.
    pub fn follow(&self) -> (Vec<String>, broadcast::Receiver<String>) {
        (self.recent.iter().cloned().collect(), self.followers.subscribe())
    }

    fn line(&mut self, place: (Role, Instance), said: &serde_json::Value) {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let line = serde_json::json!({ "ms": millis, "role": place.0.name(), "instance": place.1.0, "said": said }).to_string();
        self.write(&line);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        // Nobody may be following.
        let _ = self.followers.send(line.clone());
        self.recent.push_back(line);
    }

    fn write(&mut self, line: &str) {
        if self.written > MAX_FILE && rename(&self.path, self.path.with_extension("log.1")).is_ok() {
            self.file = append(&self.path).ok();
            self.written = 0;
        }
        let Some(file) = &mut self.file else { return };
        self.written += line.len() as u64 + 1;
        // A log that cannot be written must not stop what it would tell about.
        let _ = writeln!(file, "{line}");
    }
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
}
