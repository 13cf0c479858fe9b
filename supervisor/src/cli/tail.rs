//! `tail` and `log`: reading what the processes say, and saying how much they are to say.
//!
//! What is in the log was written by processes: it is data, and nothing of it reaches a terminal that a terminal would obey.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
};

use ipc::{Role, messages::start::LogLevel};
use serde_json::{Value, json};

use super::{
    args::{Common, Log, Tail},
    ps::{ask, not_running},
    session::places,
    words::{self, Outcome, line as one_line, tell},
};
use crate::{control::rpc::Request, levels::Levels, line::Line, places::Places};

/// Most bytes of a log file that are read: it is turned over at half of this.
const MAX_FILE: u64 = 8 << 20;

/// Digits of a trace id that are shown; whoever wants all of them takes JSON.
const SHORT: usize = 8;

/// `lamos log`.
pub fn log(common: &Common, args: &Log) -> Outcome {
    let params = args.levels.as_ref().map_or_else(|| json!({}), |levels| json!({ "levels": levels.to_string() }));
    let answer = ask(common, "log", params)?.ok_or_else(not_running)?;
    if common.json {
        return Ok(words::json(&answer)?);
    }
    Ok(words::say(&one_line(answer["levels"].as_str().unwrap_or_default()))?)
}

/// `lamos tail`.
pub fn tail(common: &Common, args: &Tail) -> Outcome {
    let places = places(common)?;
    let sieve = Sieve::new(args);
    let Ok(socket) = UnixStream::connect(places.control_socket()) else {
        if !args.no_follow {
            return Err(not_running());
        }
        let mut last = Last::new(args.lines);
        from_files(&places, u64::MAX, |line| last.push(&sieve, line));
        return last.print(common.json);
    };
    follow(common, args, &sieve, &places, socket)
}

/// First what the files have and then what comes, each line once.
fn follow(common: &Common, args: &Tail, sieve: &Sieve, places: &Places, mut socket: UnixStream) -> Outcome {
    writeln!(socket, "{}", Request::line("tail", json!({})))?;
    let mut said =
        BufReader::new(socket).lines().map_while(Result::ok).filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let answer = said.next().ok_or_else(not_running)?;
    let mut last = Last::new(args.lines);
    from_files(places, answer["result"]["first"].as_u64().unwrap_or(u64::MAX), |line| last.push(sieve, line));
    let recent = answer["result"]["recent"].as_u64().unwrap_or(0);
    for said in said.by_ref().take(usize::try_from(recent).unwrap_or(0)) {
        if let Some(line) = line_of(&said) {
            last.push(sieve, line);
        }
    }
    last.print(common.json)?;
    if args.no_follow {
        return Ok(());
    }
    for said in said {
        match line_of(&said) {
            Some(line) if sieve.takes(&line) => print(&line, common.json)?,
            Some(_) => {}
            None => tell(&format!("({} lines were missed; the log has them)", said["params"]["lines"])),
        }
    }
    Ok(())
}

fn line_of(said: &Value) -> Option<Line> {
    serde_json::from_str(said["params"]["line"].as_str()?).ok()
}

/// The lines of the log and of the one before it that are older than this number. What cannot be read is not there.
fn from_files(places: &Places, first: u64, mut take: impl FnMut(Line)) {
    let [now, before] = places.logs();
    for path in [before, now] {
        let Ok(file) = File::open(path) else { continue };
        for text in BufReader::new(file.take(MAX_FILE)).lines().map_while(Result::ok) {
            if let Ok(line) = serde_json::from_str::<Line>(&text)
                && line.n < first
            {
                take(line);
            }
        }
    }
}

/// The last lines that were taken.
struct Last {
    most: usize,
    lines: VecDeque<Line>,
}

impl Last {
    fn new(most: usize) -> Last {
        Last { most, lines: VecDeque::new() }
    }

    fn push(&mut self, sieve: &Sieve, line: Line) {
        if !sieve.takes(&line) {
            return;
        }
        self.lines.push_back(line);
        if self.lines.len() > self.most {
            self.lines.pop_front();
        }
    }

    fn print(&self, as_json: bool) -> Outcome {
        self.lines.iter().try_for_each(|line| print(line, as_json))
    }
}

/// Which lines are wanted.
struct Sieve {
    levels: Levels,
    /// These roles and no others, if there are any.
    only: Vec<Role>,
    trace: String,
}

impl Sieve {
    fn new(args: &Tail) -> Sieve {
        let mut levels = args.level.clone().unwrap_or_else(|| Levels::all(LogLevel::Trace));
        for &(role, level) in &args.roles {
            let level = level.unwrap_or_else(|| levels.of(role));
            levels.name(role, level);
        }
        Sieve { levels, only: args.roles.iter().map(|(role, _)| *role).collect(), trace: args.trace.clone().unwrap_or_default() }
    }

    fn takes(&self, line: &Line) -> bool {
        // A line of a role that this program does not know is one more reason to show it.
        let role = line.role.parse::<Role>().ok();
        let named = self.only.is_empty() || role.is_some_and(|role| self.only.contains(&role));
        let wanted = role.is_none_or(|role| line.level() <= self.levels.of(role));
        let trace = line.trace.as_deref().unwrap_or_default();
        wanted && named && trace.starts_with(&self.trace)
    }
}

fn print(line: &Line, as_json: bool) -> Outcome {
    let text = if as_json { serde_json::to_string(line).unwrap_or_default() } else { for_people(line) };
    Ok(words::say(&text)?)
}

/// Time, level, who, to which request it belongs, what, and what belongs to it.
fn for_people(line: &Line) -> String {
    let trace: String = line.trace.as_deref().unwrap_or("-").chars().take(SHORT).collect();
    let who = format!("{}/{}", line.role, line.instance);
    let mut text = format!("{}  {:<5}  {who:<12}  {trace:<SHORT$}  {}", words::instant(line.ms), line.level, line.text);
    for (name, value) in line.fields.iter().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!("  {name}={value}"));
    }
    one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(role: &str, level: &str, trace: &str) -> Line {
        let trace = Some(trace.to_owned()).filter(|trace| !trace.is_empty());
        Line { role: role.into(), level: level.into(), trace, ..Line::default() }
    }

    fn args(level: Option<&str>, roles: &[(Role, Option<LogLevel>)], trace: Option<&str>) -> Tail {
        let level = level.map(|level| level.parse().expect("levels"));
        Tail { level, roles: roles.to_vec(), trace: trace.map(str::to_owned), lines: 10, no_follow: true }
    }

    #[test]
    fn a_sieve_lets_through_what_was_asked_for() {
        let all = Sieve::new(&args(None, &[], None));
        assert!(all.takes(&line("llm", "trace", "")) && all.takes(&line("nobody", "warn", "")));
        let some = Sieve::new(&args(Some("warn,llm=debug"), &[], None));
        assert!(some.takes(&line("llm", "debug", "")) && !some.takes(&line("llm", "trace", "")));
        assert!(some.takes(&line("code", "warn", "")) && !some.takes(&line("code", "info", "")));
        let role = Sieve::new(&args(None, &[(Role::Code, None), (Role::Llm, Some(LogLevel::Warn))], None));
        assert!(role.takes(&line("code", "trace", "")) && !role.takes(&line("storage", "warn", "")));
        assert!(role.takes(&line("llm", "warn", "")) && !role.takes(&line("llm", "info", "")));
        let trace = Sieve::new(&args(None, &[], Some("abcd")));
        assert!(trace.takes(&line("llm", "info", "abcd00")) && !trace.takes(&line("llm", "info", "")));
    }

    #[test]
    fn what_a_process_wrote_moves_no_cursor() {
        let mut evil = line("llm", "warn", "\u{1b}[2J");
        evil.text = "\u{1b}]0;title\u{7}\nsecond line\u{202e}".into();
        evil.fields.insert("name\u{1b}c".into(), "value\r\n\u{9b}31m".into());
        let shown = for_people(&evil);
        assert!(!shown.contains(char::is_control) && !shown.contains('\u{202e}'), "{shown:?}");
        assert!(shown.contains("<U+001B>]0;title<U+0007> second line"), "{shown}");
    }
}
