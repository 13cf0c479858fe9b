//! The arguments of the commands that look at a running tree.

use clap::Args;
use ipc::{Role, messages::start::LogLevel};

use crate::levels::{self, Levels};

/// Arguments of `tail`.
#[derive(Debug, Args)]
pub struct Tail {
    /// Print lines of this level and above, as in info or info,llm=trace (what is not written cannot be printed: see `log`)
    #[arg(long, value_name = "LEVELS")]
    pub level: Option<Levels>,

    /// Print only what this role says, all of it or down to a level; may be given several times
    #[arg(long = "role", value_name = "ROLE[=LEVEL]", value_parser = role)]
    pub roles: Vec<(Role, Option<LogLevel>)>,

    /// Print only what belongs to this request (its trace id, or the beginning of it)
    #[arg(long, value_name = "ID", value_parser = trace)]
    pub trace: Option<String>,

    /// Begin with the last N lines that fit
    #[arg(long, short = 'n', value_name = "N", default_value_t = 200)]
    pub lines: usize,

    /// Print what the log has and end; nothing needs to run for it
    #[arg(long)]
    pub no_follow: bool,
}

/// Arguments of `log`.
#[derive(Debug, Args)]
pub struct Log {
    /// From now on write this much, as in info for all, or llm=trace,storage=debug for some; print the levels without it
    pub levels: Option<Levels>,
}

/// Arguments of `flight`.
#[derive(Debug, Args)]
pub struct Flight {
    /// Print the records of the supervisor before
    #[arg(long)]
    pub before: bool,

    /// Print only what belongs to this request (its trace id, or the beginning of it)
    #[arg(long, value_name = "ID", value_parser = trace)]
    pub trace: Option<String>,

    /// Print the last N that fit
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub last: usize,
}

/// Seconds between two looks.
pub fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is a number of seconds".to_owned())?;
    if (0.1..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("it is from 0.1 to 3600 seconds".to_owned()) }
}

fn role(text: &str) -> Result<(Role, Option<LogLevel>), String> {
    let (role, level) = match text.split_once('=') {
        Some((role, level)) => (role, Some(levels::parse(level)?)),
        None => (text, None),
    };
    Ok((role.parse().map_err(|error| format!("failed to {error}"))?, level))
}

/// A trace id is written in lower case everywhere.
fn trace(text: &str) -> Result<String, String> {
    let whole = (4..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole { Ok(text.to_ascii_lowercase()) } else { Err("a trace id is 4 to 32 hexadecimal digits".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read_or_refused() {
        assert_eq!(role("llm=debug"), Ok((Role::Llm, Some(LogLevel::Debug))));
        assert_eq!(role("llm"), Ok((Role::Llm, None)));
        assert!(role("nobody").is_err() && role("llm=").is_err());
        assert_eq!(trace("ABCD"), Ok("abcd".to_owned()));
        assert!(trace("abc").is_err() && trace("xyzw").is_err() && trace(&"a".repeat(33)).is_err());
        assert_eq!(seconds("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "NaN", "inf", "x", "1e9"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
