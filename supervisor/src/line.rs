//! One line of the log: who said it, when, how important it is, to which request it belongs, and what it says.
//!
//! What a process writes is data. It decides the words, the fields, the level and the trace of its own line; who it is, when
//! it was and the number are the supervisor's. A line that is not in the form of ours is kept as words.

use ipc::messages::start::LogLevel;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::levels;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Rises from line to line, also from one supervisor to the next.
    #[serde(default)]
    pub n: u64,
    /// Milliseconds since 1970.
    pub ms: u64,
    /// `warn`, `info`, `debug` or `trace`.
    #[serde(default)]
    pub level: String,
    /// Who said it.
    pub role: String,
    /// Which of its role.
    pub instance: u32,
    /// The request it belongs to, as 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// What it says.
    #[serde(default)]
    pub text: String,
    /// What belongs to it.
    #[serde(default)]
    pub fields: Map<String, Value>,
}

impl Line {
    /// What a process wrote to its standard error. Number, time and place are the caller's to fill in.
    pub fn heard(text: &str) -> Line {
        match serde_json::from_str(text) {
            Ok(Value::Object(said)) => Line::read(said),
            // A panic of a library, or a word of the C library.
            _ => Line { level: levels::name(LogLevel::Warn).to_owned(), text: text.to_owned(), ..Line::default() },
        }
    }

    /// Reads what `tracing` writes: a level, fields of which one is the message, and the spans it was said in.
    fn read(mut said: Map<String, Value>) -> Line {
        let level = said.remove("level").and_then(|level| levels::parse(&level.as_str()?.to_lowercase()).ok());
        let trace = said.remove("spans").and_then(|spans| trace_of(spans.as_array()?.last()?.get("trace")?.as_str()?));
        let mut fields = match said.remove("fields") {
            Some(Value::Object(fields)) => fields,
            _ => said,
        };
        let text = ["message", "event"].iter().find_map(|name| match fields.remove(*name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        });
        Line {
            level: levels::name(level.unwrap_or(LogLevel::Warn)).to_owned(),
            trace,
            text: text.unwrap_or_default(),
            fields,
            ..Line::default()
        }
    }

    /// How important it is. What cannot be told is important.
    pub fn level(&self) -> LogLevel {
        levels::parse(&self.level).unwrap_or_default()
    }
}

fn trace_of(text: &str) -> Option<String> {
    (text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ours_is_taken_apart() {
        let text = r#"{"level":"INFO","fields":{"message":"asks a server","attempt":0},"spans":[{"trace":"000102030405060708090a0b0c0d0e0f","name":"call"}]}"#;
        let line = Line::heard(text);
        assert_eq!((line.level(), line.text.as_str()), (LogLevel::Info, "asks a server"));
        assert_eq!(line.trace.as_deref(), Some("000102030405060708090a0b0c0d0e0f"));
        assert_eq!(line.fields.len(), 1);
        let panic = Line::heard(r#"{"event":"panic","place":"src/a.rs:1"}"#);
        assert_eq!((panic.level(), panic.text.as_str()), (LogLevel::Warn, "panic"));
        assert_eq!(panic.fields["place"], "src/a.rs:1");
    }

    #[test]
    fn whatever_a_process_writes_is_one_line_and_stands_as_what_it_is() {
        let wild = [
            "",
            "[]",
            "null",
            "{",
            "{\"level\":7,\"fields\":[],\"spans\":{}}",
            "\u{1b}]0;x\u{7}",
            "{\"role\":\"crypto\",\"n\":1}",
        ];
        for text in wild.iter().copied().chain([&*"[".repeat(8000), &*"{\"a\":".repeat(1000)]) {
            let line = Line::heard(text);
            assert_eq!((line.n, line.role.as_str(), line.trace.as_deref()), (0, "", None), "{text}");
            let written = serde_json::to_string(&line).expect("JSON");
            assert!(!written.contains(char::is_control), "{written}");
            assert_eq!(serde_json::from_str::<Line>(&written).expect("a line"), line);
        }
        let spoofed = Line::heard(r#"{"level":"INFO","fields":{"message":"x"},"spans":[{"trace":"not a trace"}]}"#);
        assert_eq!(spoofed.trace, None);
    }
}
