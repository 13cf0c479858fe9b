//! `ps --rights`, `stop`, `drain`, `restart`: looking at the tree and tending it, over the control socket.

use std::{
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use ipc::{
    Code, Role,
    endpoint::Options,
    id::ConversationId,
    messages::{
        common::Echo,
        supervisor::{Engage, OpenGate},
    },
};
use serde_json::{Value, json};

use super::{
    args::{Common, Ps, Restart},
    look, prove,
    session::{self, Serves, Session, places},
    sign_in::sign_in,
    words::{self, Failure, Outcome, table, tell},
};
use crate::{
    control::methods::which,
    exit,
    tree::status::{ProcessStatus, Status},
};

/// How long a tree may take to go down.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a supervisor that hears nobody any more may take to be gone.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// Between two looks at what is still in progress.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Asks the running supervisor; `None` if there is none.
pub fn ask(common: &Common, method: &str, params: Value) -> Result<Option<Value>, Failure> {
    let Ok(socket) = UnixStream::connect(places(common)?.control_socket()) else { return Ok(None) };
    let Some(response) = session::exchange_last(&socket, method, params)? else { return Ok(None) };
    match response.error {
        Some(error) => Err(error.into_refusal().into()),
        None => Ok(response.result),
    }
}

/// There is no supervisor.
pub fn not_running() -> Failure {
    Failure::new(exit::ELSEWHERE, "Lamos is not running; `lamos serve` keeps it up")
}

/// The tree as it is; `None` if there is none.
pub fn status(common: &Common) -> Result<Option<Status>, Failure> {
    status_with(common, false)
}

/// The same, and who talks to whom if that is wanted.
pub fn status_with(common: &Common, talks: bool) -> Result<Option<Status>, Failure> {
    let Some(value) = ask(common, "status", json!({ "talks": talks }))? else { return Ok(None) };
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
    look::look(common, args).await
}

/// `lamos ps --rights`: every role is woken, so that what is enforced on it can be shown.
async fn rights(common: &Common, prove: bool) -> Outcome {
    let session = Session::open(common, Serves::No).await?;
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
    match session.client.call(&OpenGate { port: 0, ipv6: false }).await {
        // Then there are others to be shown.
        Err(refusal) if refusal.code == Code::Busy => {}
        opened => {
            opened?;
        }
    }
    for role in [Role::Llm, Role::Code, Role::Verifier, Role::Courier, Role::Ui] {
        let options = Options { role: Some(role), ..Options::default() };
        session.client.call_with(&Echo { bytes: Vec::new() }, options).await?;
    }
    Ok(())
}

/// One locked process of each role.
fn one_of_each(status: &Status) -> Vec<&ProcessStatus> {
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
        // It may be on its way out already: then it has closed its socket and still holds its lock for a moment.
        let until = Instant::now() + LAST_MOMENT;
        while !places(common)?.is_free()? {
            if Instant::now() > until {
                return Err(Failure::new(exit::OURS, "Lamos is running and does not answer; `lamos stop --force` ends it"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
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

/// `lamos drain`.
pub async fn drain(common: &Common) -> Outcome {
    if ask(common, "drain", json!({ "patient": true }))?.is_none() {
        tell("Lamos is not running.");
        return Ok(());
    }
    let mut told = Vec::new();
    while let Some(status) = status(common)? {
        let errands: Vec<String> = look::errands(&status).collect();
        for errand in errands.iter().filter(|errand| !told.contains(*errand)) {
            tell(errand);
        }
        told = errands;
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(())
}

/// `lamos restart`.
pub fn restart(common: &Common, args: &Restart) -> Outcome {
    let Ok((role, _)) = which(&args.role) else {
        let sentence = format!(
            "there is no process {:?}; it is one of storage, crypto, llm, code, verifier, gate, or one agent as in agent/3",
            args.role
        );
        return Err(Failure::new(exit::USAGE, sentence));
    };
    ask(common, "restart", json!({ "role": args.role }))?.ok_or_else(not_running)?;
    if role == Role::Agent {
        tell(&format!("{} has ended; the next question of its conversation starts another.", args.role));
    }
    Ok(())
}
