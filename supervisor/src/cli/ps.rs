//! `ps`, `stop`, `restart`, `tail`: looking at the tree and tending it, over the control socket.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use ipc::{
    Refusal, Role,
    endpoint::Options,
    id::ConversationId,
    messages::{common::Echo, supervisor::Engage},
};
use serde_json::{Value, json};

use super::{
    args::{Common, Ps, Restart},
    prove,
    session::{self, Session, places},
    sign_in::sign_in,
    words::{self, Failure, Outcome, bytes, plain, span, table, tell},
};
use crate::{
    control::rpc::Request,
    exit,
    tree::status::{Memory, ProcessStatus, Status},
};

/// How long a tree may take to go down.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks the running supervisor; `None` if there is none.
fn ask(common: &Common, method: &str, params: Value) -> Result<Option<Value>, Failure> {
    let Ok(socket) = UnixStream::connect(places(common)?.control_socket()) else { return Ok(None) };
    let Some(response) = session::exchange(&socket, method, params)? else { return Ok(None) };
    match response.error {
        Some(error) => Err(Refusal::from(error).into()),
        None => Ok(response.result),
    }
}

pub fn not_running() -> Failure {
    Failure::new(exit::ELSEWHERE, "Lamos is not running; `lamos serve` keeps it up")
}

/// The tree as it is; `None` if there is none.
pub fn status(common: &Common) -> Result<Option<Status>, Failure> {
    let Some(value) = ask(common, "status", json!({}))? else { return Ok(None) };
    let status = serde_json::from_value(value);
    status.map(Some).map_err(|error| {
        Failure::new(exit::OURS, format!("failed to understand the supervisor: {error}; is it of another version?"))
    })
}

/// `lamos ps`.
pub async fn ps(common: &Common, args: &Ps) -> Outcome {
    if args.rights {
        return rights(common, args.prove).await;
    }
    let status = status(common)?.ok_or_else(not_running)?;
    if common.json {
        return Ok(words::json(&serde_json::to_value(&status).unwrap_or_default())?);
    }
    let mut rows = vec![
        ["ROLE", "STATE", "PID", "START", "UP", "MEMORY", "ASKED", "ANSWERED", "SERVING", "QUEUED"].map(str::to_owned).to_vec(),
    ];
    rows.push(vec![
        "supervisor".to_owned(),
        if status.draining { "draining" } else { "ready" }.to_owned(),
        status.pid.to_string(),
        "1".to_owned(),
        span(status.uptime_ms),
        memory(status.memory),
    ]);
    rows.extend(status.processes.iter().map(row));
    words::answer(&table(&rows))?;
    for degraded in &status.degraded {
        tell(&format!("{} is degraded: {}", degraded.role, degraded.why));
    }
    Ok(())
}

fn row(process: &ProcessStatus) -> Vec<String> {
    vec![
        format!("{}/{}", process.role, process.instance),
        process.state.clone(),
        process.pid.to_string(),
        process.generation.to_string(),
        span(process.uptime_ms),
        memory(process.memory),
        process.asked.to_string(),
        process.answered.to_string(),
        process.serving.to_string(),
        bytes(process.queued as u64),
    ]
}

/// The share of memory where it is known, and at most what is resident where it is not.
fn memory(memory: Memory) -> String {
    memory.pss.map_or_else(|| format!("≤ {}", bytes(memory.rss)), bytes)
}

/// `lamos ps --rights`: every role is woken, so that what is enforced on it can be shown.
async fn rights(common: &Common, prove: bool) -> Outcome {
    let session = Session::open(common, false).await?;
    let result = match wake(&session, common).await {
        Ok(()) if prove => prove::prove(common).await,
        Ok(()) => show_rights(common),
        Err(failure) => Err(failure),
    };
    session.close().await;
    result
}

async fn wake(session: &Session, common: &Common) -> Outcome {
    sign_in(session, common).await?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Failure::new(exit::OURS, format!("failed to get random bytes: {error}")))?;
    session.client.call(&Engage { conversation: ConversationId(id) }).await?;
    for role in [Role::Llm, Role::Code] {
        let options = Options { role: Some(role), ..Options::default() };
        session.client.call_with(&Echo { bytes: Vec::new() }, options).await?;
    }
    Ok(())
}

/// One locked process of each role.
pub fn one_of_each(status: &Status) -> Vec<&ProcessStatus> {
    let mut seen: Vec<&ProcessStatus> = Vec::new();
    for process in status.processes.iter().filter(|process| !process.walls.is_empty()) {
        if !seen.iter().any(|other| other.role == process.role) {
            seen.push(process);
        }
    }
    seen
}

fn show_rights(common: &Common) -> Outcome {
    let status = status(common)?.ok_or_else(not_running)?;
    let seen = one_of_each(&status);
    if common.json {
        let roles: Vec<Value> = seen
            .iter()
            .map(|process| json!({ "role": process.role, "walls": process.walls, "proofs": process.proofs, "locked_in_micros": process.locked_in_micros }))
            .collect();
        return Ok(words::json(&Value::Array(roles))?);
    }
    for process in seen {
        words::say(&format!("{}  (locked down {} after its first line)", process.role, micros(process.locked_in_micros)))?;
        let walls: Vec<Vec<String>> = process
            .walls
            .iter()
            .map(|wall| {
                vec![if wall.enforced { "  stands" } else { "  MISSING" }.to_owned(), wall.name.clone(), wall.detail.clone()]
            })
            .collect();
        words::answer(&table(&walls))?;
        let allowed: Vec<&str> =
            process.proofs.iter().filter(|proof| proof.outcome == "allowed").map(|proof| proof.act.as_str()).collect();
        let refused = process.proofs.len() - allowed.len();
        words::say(&format!("  tried   {refused} forbidden acts, all refused"))?;
        for proof in process.proofs.iter().filter(|proof| proof.outcome != "allowed") {
            words::say(&format!("          {:<8} {}", proof.outcome, proof.act))?;
        }
        let may = if allowed.is_empty() { "nothing of what was tried".to_owned() } else { allowed.join(", ") };
        words::say(&format!("  may     {may}\n"))?;
    }
    Ok(())
}

fn micros(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}

/// `lamos stop`.
pub async fn stop(common: &Common) -> Outcome {
    let socket = places(common)?.control_socket();
    if ask(common, "drain", json!({}))?.is_none() {
        if !places(common)?.is_free()? {
            return Err(Failure::new(exit::OURS, "Lamos is running and does not answer; `lamos stop --force` ends it"));
        }
        tell("Lamos is not running.");
        return Ok(());
    }
    let until = Instant::now() + PATIENCE;
    while UnixStream::connect(&socket).is_ok() {
        if Instant::now() > until {
            return Err(Failure::new(exit::OURS, "Lamos does not end; `lamos stop --force` ends it at once"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// `lamos restart`.
pub fn restart(common: &Common, args: &Restart) -> Outcome {
    if args.role.parse::<Role>().is_err() {
        let sentence = format!("there is no process {:?}; it is one of storage, crypto, llm and code", args.role);
        return Err(Failure::new(exit::USAGE, sentence));
    }
    ask(common, "restart", json!({ "role": args.role }))?.map(drop).ok_or_else(not_running)
}

/// `lamos tail`.
pub fn tail(common: &Common) -> Outcome {
    let mut socket = UnixStream::connect(places(common)?.control_socket()).map_err(|_| not_running())?;
    writeln!(socket, "{}", Request::line("tail", json!({})))?;
    for line in BufReader::new(socket).lines() {
        let Ok(line) = line else { break };
        let Ok(said) = serde_json::from_str::<Value>(&line) else { continue };
        match said["method"].as_str() {
            Some("log") => words::say(&plain(said["params"]["line"].as_str().unwrap_or_default()))?,
            Some("missed") => tell(&format!("({} lines were missed)", said["params"]["lines"])),
            _ => {}
        }
    }
    Ok(())
}
