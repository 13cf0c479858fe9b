//! `ps`: the processes as a table, once or again and again, and who talks to whom.

use std::{
    collections::HashMap,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    args::{Common, Ps},
    ps::{not_running, status_with},
    words::{self, Outcome, bytes, line, span, table, tell},
};
use crate::tree::status::{Activity, Degraded, Memory, ProcessStatus, Status};

/// What a terminal needs to begin again at its top.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Shown where there is nothing to show.
const NONE: &str = "-";

/// Processor time of each process at the last look, and when that was.
struct Before {
    at: Instant,
    cpu_ms: HashMap<i64, u64>,
}

/// `lamos ps`, without `--rights`.
pub async fn look(common: &Common, args: &Ps) -> Outcome {
    let mut status = status_with(common, args.talks)?.ok_or_else(not_running)?;
    let Some(seconds) = args.watch else { return once(common, args, &status) };
    let terminal = io::stdout().is_terminal();
    let mut before = None;
    loop {
        if common.json {
            words::say(&json(args, &status).to_string())?;
        } else {
            let mut text = if args.talks { talks(&status) } else { processes(&status, before.as_ref()) };
            for note in notes(&status) {
                text.push_str(&line(&note));
                text.push('\n');
            }
            words::answer(&if terminal { format!("{CLEAR}{text}") } else { format!("{text}\n") })?;
        }
        before = Some(Before { at: Instant::now(), cpu_ms: cpu_of(&status) });
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        match status_with(common, args.talks)? {
            Some(next) => status = next,
            None => {
                tell("Lamos has ended.");
                return Ok(());
            }
        }
    }
}

fn once(common: &Common, args: &Ps, status: &Status) -> Outcome {
    if common.json {
        return Ok(words::json(&json(args, status))?);
    }
    words::answer(&if args.talks { talks(status) } else { processes(status, None) })?;
    for note in notes(status) {
        tell(&note);
    }
    Ok(())
}

fn json(args: &Ps, status: &Status) -> Value {
    let value = if args.talks { serde_json::to_value(&status.talks) } else { serde_json::to_value(status) };
    value.unwrap_or_default()
}

fn cpu_of(status: &Status) -> HashMap<i64, u64> {
    let processes = status.processes.iter().map(|process| (i64::from(process.pid), process.activity.cpu_ms));
    processes.chain([(i64::from(status.pid), status.activity.cpu_ms)]).collect()
}

fn processes(status: &Status, before: Option<&Before>) -> String {
    let head = [
        "PROCESS", "STATE", "PID", "START", "UP", "RESTARTS", "MEMORY", "CPU", "ASKING", "SERVING", "QUEUED", "IN", "OUT", "WHY",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let supervisor = Shown {
        name: "supervisor".to_owned(),
        state: if status.draining { "draining" } else { "ready" },
        pid: i64::from(status.pid),
        generation: 1,
        uptime_ms: status.uptime_ms,
        restarts: 0,
        memory: status.memory,
        activity: status.activity,
        why: None,
    };
    rows.push(row(&supervisor, before));
    rows.extend(status.processes.iter().map(|process| row(&shown(process), before)));
    rows.extend(status.degraded.iter().map(degraded));
    table(&rows)
}

/// What a row shows.
struct Shown<'a> {
    name: String,
    state: &'a str,
    pid: i64,
    generation: u32,
    uptime_ms: u64,
    restarts: u32,
    memory: Memory,
    activity: Activity,
    why: Option<&'a str>,
}

fn shown(process: &ProcessStatus) -> Shown<'_> {
    Shown {
        name: format!("{}/{}", process.role, process.instance),
        state: &process.state,
        pid: i64::from(process.pid),
        generation: process.generation,
        uptime_ms: process.uptime_ms,
        restarts: process.restarts,
        memory: process.memory,
        activity: process.activity,
        why: process.last_end.as_deref(),
    }
}

fn row(shown: &Shown<'_>, before: Option<&Before>) -> Vec<String> {
    let Activity { asking, serving, queued, bytes_sent, bytes_received, .. } = shown.activity;
    vec![
        line(&shown.name),
        line(shown.state),
        shown.pid.to_string(),
        shown.generation.to_string(),
        span(shown.uptime_ms),
        shown.restarts.to_string(),
        memory(shown.memory),
        cpu(shown.pid, shown.activity.cpu_ms, before),
        asking.to_string(),
        serving.to_string(),
        bytes(queued as u64),
        bytes(bytes_received),
        bytes(bytes_sent),
        shown.why.map_or_else(|| NONE.to_owned(), |why| line(&format!("the one before {why}"))),
    ]
}

fn degraded(degraded: &Degraded) -> Vec<String> {
    let none = || NONE.to_owned();
    let mut row = vec![line(&degraded.role), "degraded".to_owned(), none(), none(), none(), degraded.restarts.to_string()];
    row.extend(std::iter::repeat_with(none).take(7));
    row.push(degraded.last_end.as_deref().map_or_else(|| line(&degraded.why), |end| line(&format!("the last one {end}"))));
    row
}

/// The share of a processor since the last look; all the time used where there was none.
fn cpu(pid: i64, now: u64, before: Option<&Before>) -> String {
    let Some((before, then)) = before.and_then(|before| Some((before, *before.cpu_ms.get(&pid)?))) else { return span(now) };
    let passed = before.at.elapsed().as_millis().max(1);
    format!("{:.0} %", now.saturating_sub(then) as f64 * 100.0 / passed as f64)
}

/// The share of memory where it is known, and at most what is resident where it is not.
fn memory(memory: Memory) -> String {
    memory.pss.map_or_else(|| format!("≤ {}", bytes(memory.rss)), bytes)
}

fn talks(status: &Status) -> String {
    let mut rows = vec![["WHO", "ASKS", "CALLS", "IN FLIGHT", "SENT", "RECEIVED"].map(str::to_owned).to_vec()];
    rows.extend(status.talks.iter().map(|talk| {
        vec![
            line(&talk.from),
            line(&talk.to),
            talk.calls.to_string(),
            talk.in_flight.to_string(),
            bytes(talk.bytes_sent),
            bytes(talk.bytes_received),
        ]
    }));
    table(&rows)
}

/// What a table has no place for.
fn notes(status: &Status) -> Vec<String> {
    let degraded = status.degraded.iter().map(|degraded| format!("{} is degraded: {}", degraded.role, degraded.why));
    let waiting = status.waiting.iter().map(|waiting| format!("{} calls wait for {}", waiting.calls, waiting.role));
    degraded.chain(waiting).chain(errands(status)).collect()
}

/// What people wait for, a line each.
pub fn errands(status: &Status) -> impl Iterator<Item = String> + '_ {
    status.errands.iter().map(|errand| {
        let to = errand.to.as_deref().unwrap_or("somebody to take it up");
        format!("{} waits for {to}: {} (trace {})", errand.from, errand.method, errand.trace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_processor_is_that_of_the_time_between_two_looks() {
        let at = Instant::now().checked_sub(Duration::from_secs(10)).expect("a time");
        let before = Before { at, cpu_ms: [(7, 1000)].into() };
        assert_eq!(cpu(7, 6000, Some(&before)), "50 %");
        assert_eq!(cpu(8, 1500, Some(&before)), "1.5 s", "one that is new has no share yet");
        assert_eq!(cpu(7, 40, None), "40 ms");
    }

    #[test]
    fn what_is_not_started_any_more_is_a_row_with_its_reason() {
        let gone =
            Degraded { role: "llm".into(), why: "why".into(), restarts: 5, last_end: Some("ended by\u{1b}[31m signal 9".into()) };
        let row = degraded(&gone);
        assert_eq!((row.len(), row[0].as_str(), row[1].as_str(), row[5].as_str()), (14, "llm", "degraded", "5"));
        assert_eq!(row[13], "the last one ended by<U+001B>[31m signal 9");
    }
}
