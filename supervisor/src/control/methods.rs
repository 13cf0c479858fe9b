//! What can be asked over the control socket.

use std::time::Duration;

use ipc::{Instance, Refusal, Role, link, messages::start::Hello, policy};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{
    lines::Lines,
    rpc::{self, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, Request},
};
use crate::{levels::Levels, tree::Tree};

/// What becomes of the connection after a line.
pub enum Next {
    /// It gets this line and goes on.
    Say(String),
    /// It gets an answer to the request with this id, and then every line of the log.
    Tail(Value),
    /// It becomes a part of the wire.
    Attach(Attach),
}

/// A command line that wants to be attached.
pub struct Attach {
    id: Value,
    params: rpc::Attach,
}

#[derive(Deserialize)]
struct ProveParams {
    role: String,
}

#[derive(Deserialize)]
struct StatusParams {
    #[serde(default)]
    talks: bool,
}

#[derive(Deserialize)]
struct DrainParams {
    /// Wait for what is in progress, however long it takes.
    #[serde(default)]
    patient: bool,
}

#[derive(Deserialize)]
struct RestartParams {
    /// `llm`, or one process as in `agent/3`.
    role: String,
}

#[derive(Deserialize)]
struct LogParams {
    /// As in `info,llm=trace`; nothing changes without it.
    #[serde(default)]
    levels: Option<String>,
}

#[derive(Deserialize)]
struct ExplainParams {
    source: Option<String>,
    destination: Option<String>,
    method: Option<String>,
}

/// What a line is answered with.
pub async fn answer(tree: &Tree, line: &str) -> Next {
    let Request { id, method, params, .. } = match Request::read(line) {
        Ok(request) => request,
        Err(error) => return Next::Say(rpc::error(&Value::Null, error.code, &error.message)),
    };
    let bad =
        |error: serde_json::Error| Next::Say(rpc::error(&id, INVALID_PARAMS, &format!("{method} does not take this: {error}")));
    match method.as_str() {
        "status" => match from_params::<StatusParams>(params) {
            Ok(params) => Next::Say(rpc::result(&id, serde_json::to_value(tree.status(params.talks)).unwrap_or(Value::Null))),
            Err(error) => bad(error),
        },
        "tail" => Next::Tail(id),
        "drain" => match from_params::<DrainParams>(params) {
            Ok(DrainParams { patient: true }) => {
                tree.drain_patiently();
                Next::Say(rpc::result(&id, json!({})))
            }
            Ok(DrainParams { patient: false }) => {
                tree.drain();
                Next::Say(rpc::result(&id, json!({})))
            }
            Err(error) => bad(error),
        },
        "restart" => match serde_json::from_value::<RestartParams>(params) {
            Ok(params) => Next::Say(match which(&params.role) {
                Ok((role, instance)) => match tree.restart(role, instance) {
                    Ok(()) => rpc::result(&id, json!({})),
                    Err(refusal) => rpc::refused(&id, &refusal),
                },
                Err(sentence) => rpc::error(&id, INVALID_PARAMS, &sentence),
            }),
            Err(error) => bad(error),
        },
        "prove" => match serde_json::from_value::<ProveParams>(params) {
            Ok(params) => Next::Say(match params.role.parse::<Role>() {
                Ok(role) => match proven(tree, role).await {
                    Ok(proven) => rpc::result(&id, proven),
                    Err(refusal) => rpc::refused(&id, &refusal),
                },
                Err(error) => rpc::error(&id, INVALID_PARAMS, &format!("failed to {error}")),
            }),
            Err(error) => bad(error),
        },
        "log" => match from_params::<LogParams>(params) {
            Ok(params) => Next::Say(match params.levels.as_deref().map(str::parse::<Levels>) {
                Some(Err(sentence)) => rpc::error(&id, INVALID_PARAMS, &sentence),
                Some(Ok(change)) => {
                    tree.set_levels(&change);
                    rpc::result(&id, json!({ "levels": tree.levels().to_string() }))
                }
                None => rpc::result(&id, json!({ "levels": tree.levels().to_string() })),
            }),
            Err(error) => bad(error),
        },
        "policy.explain" => match serde_json::from_value::<ExplainParams>(params) {
            Ok(params) => Next::Say(rpc::result(&id, explain(&params))),
            Err(error) => bad(error),
        },
        "attach" => match rpc::Attach::read(params) {
            Ok(params) => Next::Attach(Attach { id, params }),
            Err(error) => bad(error),
        },
        _ => Next::Say(rpc::error(&id, METHOD_NOT_FOUND, &format!("there is no method {method:?}"))),
    }
}

/// What came of everything that a role tried.
async fn proven(tree: &Tree, role: Role) -> Result<Value, Refusal> {
    let proven = tree.prove(role).await?;
    serde_json::to_value(proven).map_err(|error| Refusal::internal(error.to_string()))
}

/// Parameters that may be left away altogether.
fn from_params<T: serde::de::DeserializeOwned>(params: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(if params.is_null() { json!({}) } else { params })
}

/// A role, or one process of it, as in `llm` and `agent/3`.
pub fn which(text: &str) -> Result<(Role, Option<Instance>), String> {
    let (role, instance) = match text.split_once('/') {
        Some((role, instance)) => (role, Some(instance)),
        None => (text, None),
    };
    let role = role.parse::<Role>().map_err(|error| format!("failed to {error}"))?;
    let instance = instance.map(|number| number.parse().map(Instance));
    Ok((role, instance.transpose().map_err(|_| format!("{text:?} is no process; write it as in agent/3"))?))
}

/// The rows that match, as the table has them.
fn explain(params: &ExplainParams) -> Value {
    let fits = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let rows = policy::TABLE.iter().filter(|row| {
        fits(&params.source, row.source.name())
            && fits(&params.destination, row.destination.name())
            && fits(&params.method, row.name)
    });
    rows.map(|row| {
        json!({
            "source": row.source.name(), "destination": row.destination.name(), "method": row.name, "number": row.method,
            "stream": row.stream, "sensitive": row.sensitive, "max_body": row.max_body, "in_flight": row.in_flight,
            "per_second": row.per_second, "deadline_s": row.deadline_s, "marks": row.marks.to_string(), "fresh": row.fresh,
        })
    })
    .collect()
}

/// Sends the log for as long as the other side reads it.
pub async fn tail(tree: &Tree, mut lines: Lines, id: Value) {
    let (recent, mut following) = tree.lock().log.follow();
    let answer = json!({ "first": recent.first, "recent": recent.lines.len() });
    if lines.say(&rpc::result(&id, answer)).await.is_err() {
        return;
    }
    for line in recent.lines {
        if lines.say(&rpc::notification("log", json!({ "line": line }))).await.is_err() {
            return;
        }
    }
    loop {
        let said = match following.recv().await {
            Ok(line) => rpc::notification("log", json!({ "line": line })),
            // Who reads too slowly misses lines and is told how many; the log is in the file.
            Err(RecvError::Lagged(missed)) => rpc::notification("missed", json!({ "lines": missed })),
            Err(RecvError::Closed) => return,
        };
        if lines.say(&said).await.is_err() {
            return;
        }
    }
}

/// Makes the connection a part of the wire.
pub async fn attach(tree: &Tree, mut lines: Lines, pid: i32, attach: Attach) {
    let Attach { id, params } = attach;
    let theirs = Hello { version: params.version, schema: params.schema, program: params.program };
    let ours = Hello::ours();
    if !ours.matches(&theirs) {
        let sentence =
            format!("Lamos {} is running and this is {}; end it with `lamos stop` and try again", ours.program, theirs.program);
        let _ = lines.say(&rpc::error(&id, INVALID_REQUEST, &sentence)).await;
        return;
    }
    // The answer must leave before the first frame does, so it is said before the connection is attached.
    if let Err(refusal) = tree.may_attach(params.serves) {
        let _ = lines.say(&rpc::refused(&id, &refusal)).await;
        return;
    }
    if lines.say(&rpc::result(&id, json!({}))).await.is_err() {
        return;
    }
    let Some(socket) = lines.into_socket() else { return };
    tree.attach(pid, params.serves, link::split(socket));
    if let Some(seconds) = params.lock_after.filter(|_| params.serves) {
        tree.lock_after((seconds > 0).then(|| Duration::from_secs(seconds)));
    }
}
