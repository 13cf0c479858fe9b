//! `flight`: the flight recorder as people read it. Nothing has to run for it: that is what it is for.

use std::io;

use ipc::{Code, Role, header::Kind, policy};
use serde_json::{Value, json};

use super::{
    args::{Common, Flight},
    session::places,
    words::{self, Failure, Outcome, bytes, instant, table},
};
use crate::{
    exit,
    flight::{self, Record, What},
};

/// Digits of a trace id that are shown; whoever wants all of them takes JSON.
const SHORT: usize = 8;

/// `lamos flight`.
pub fn flight(common: &Common, args: &Flight) -> Outcome {
    let [now, before] = places(common)?.flights();
    let path = if args.before { before } else { now };
    let records = flight::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(3, "there is no flight recorder yet"),
        _ => Failure::new(exit::DATA, format!("cannot read {}: {error}", path.display())),
    })?;
    let wanted = |record: &&Record| args.trace.as_ref().is_none_or(|trace| record.trace.to_string().starts_with(trace));
    let fitting: Vec<&Record> = records.iter().filter(wanted).collect();
    let last = &fitting[fitting.len().saturating_sub(args.last)..];
    if common.json {
        return Ok(words::json(&last.iter().map(|record| value(record)).collect())?);
    }
    let mut rows =
        vec![["TIME", "WHAT", "FROM", "TO", "METHOD", "CALL", "BYTES", "STREAM", "TRACE", "OUTCOME"].map(str::to_owned).to_vec()];
    rows.extend(last.iter().map(|record| row(record)));
    Ok(words::answer(&table(&rows))?)
}

fn row(record: &Record) -> Vec<String> {
    let none = |number: u64, text: String| if number == 0 { "-".to_owned() } else { text };
    let trace = record.trace.to_string();
    let (call, outcome) = match record.what {
        What::Frame(_) => (none(record.call, record.call.to_string()), outcome(record)),
        What::Ready | What::Ended => (format!("pid {}", record.call), outcome(record)),
    };
    vec![
        instant(record.micros / 1000),
        what(record.what).to_owned(),
        place(record.from),
        place(record.to),
        method(record),
        call,
        bytes(u64::from(record.length)),
        none(record.streamed.into(), bytes(record.streamed.into())),
        if record.trace.0 == [0; 16] { "-".to_owned() } else { trace[..SHORT].to_owned() },
        outcome.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn value(record: &Record) -> Value {
    json!({
        "number": record.number, "micros": record.micros, "what": what(record.what), "from": place(record.from),
        "to": place(record.to), "method": method(record), "call": record.call, "bytes": record.length,
        "streamed": record.streamed, "trace": record.trace.to_string(), "outcome": outcome(record),
    })
}

fn what(what: What) -> &'static str {
    match what {
        What::Frame(Kind::Call) => "call",
        What::Frame(Kind::Open) => "open",
        What::Frame(Kind::Answer) => "answer",
        What::Frame(Kind::Refuse) => "refuse",
        What::Frame(Kind::Cancel) => "cancel",
        What::Frame(_) => "frame",
        What::Ready => "ready",
        What::Ended => "ended",
    }
}

fn place((role, instance): (Role, ipc::Instance)) -> String {
    format!("{role}/{}", instance.0)
}

/// The method's name. Its number is one of the side that answers.
fn method(record: &Record) -> String {
    let sides = match record.what {
        What::Frame(Kind::Answer | Kind::Refuse) => [record.from.0, record.to.0],
        _ => [record.to.0, record.from.0],
    };
    match record.method {
        0 => "-".to_owned(),
        number => sides
            .into_iter()
            .find_map(|role| policy::method_name(role, number))
            .map_or_else(|| format!("{number:#x}"), str::to_owned),
    }
}

fn outcome(record: &Record) -> Option<String> {
    match (record.what, record.outcome) {
        (What::Ended, how) if how >= 256 => Some(format!("signal {}", how - 256)),
        (What::Ended, how) => Some(format!("code {how}")),
        (_, 0) => None,
        (_, number) => {
            let code = Code::ALL.iter().find(|code| **code as u16 == number);
            Some(code.map_or_else(|| number.to_string(), |code| format!("{code:?}")))
        }
    }
}
