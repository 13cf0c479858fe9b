//! `ps --rights --prove`: the escape suite as a table, role by act, and whether it came out as the rights say.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use ipc::Role;
use serde_json::json;

use super::{
    args::Common,
    ps::not_running,
    session::places,
    words::{self, Failure, Outcome, Waiting, table},
};
use crate::{
    control::rpc::{Request, Response},
    exit,
    lockdown::rights,
    tree::prove::{self, Proven, Row},
};

/// How long one role may take. The one that dies of every act needs a process for each.
const PATIENCE: Duration = Duration::from_secs(600);

/// Tries everything in every role and prints it; fails if something came out otherwise than the rights say.
pub async fn prove(common: &Common) -> Outcome {
    let mut waiting = Waiting::begin("trying what each role must not do");
    let mut proven = Vec::new();
    for role in rights::TABLE.iter().map(|rights| rights.role) {
        waiting.now(&format!("trying what {role} must not do"));
        proven.push(ask(common, role)?);
    }
    waiting.end();
    if common.json {
        words::json(&serde_json::to_value(&proven).unwrap_or_default())?;
    } else {
        words::answer(&text(&proven))?;
    }
    let wrong: Vec<String> = proven.iter().flat_map(wrong).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(exit::OURS, wrong.join("\n"))) }
}

fn ask(common: &Common, role: Role) -> Result<Proven, Failure> {
    let mut socket = UnixStream::connect(places(common)?.control_socket()).map_err(|_| not_running())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    writeln!(socket, "{}", Request::line("prove", json!({ "role": role.name() })))?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line)?;
    let response: Option<Response> = serde_json::from_str(&line).ok();
    match response {
        Some(Response { error: Some(error), .. }) => Err(error.into_refusal().into()),
        Some(Response { result: Some(result), .. }) => serde_json::from_value(result)
            .map_err(|error| Failure::new(exit::OURS, format!("failed to understand the supervisor: {error}"))),
        _ => Err(Failure::new(exit::OURS, "the supervisor ended before everything was tried; `lamos tail` may show why")),
    }
}

/// What came out otherwise than the rights say, one sentence each.
fn wrong(proven: &Proven) -> impl Iterator<Item = String> + '_ {
    proven.acts.iter().filter(|row| !row.wrong.is_empty()).map(|row| {
        let how = row.how.iter().cloned().collect::<Vec<_>>().join(", ");
        let (role, act) = (&proven.role, &row.act);
        match (row.outcome, row.allowed) {
            (prove::Outcome::Allowed, false) => format!("BREACH: the {role} process can {act} (tries {:?})", row.wrong),
            (_, false) => format!("UNCLEAR: that the {role} process cannot {act}: {how} (tries {:?})", row.wrong),
            (_, true) => format!("MISSING: the {role} process cannot {act}, which is its right: {how}"),
        }
    })
}

/// The table, with the walls on top. Nothing in it differs between two machines whose kernels give the same walls.
fn text(proven: &[Proven]) -> String {
    let heading = |first: &str| [vec![first.to_owned()], proven.iter().map(|proven| proven.role.clone()).collect()].concat();
    let mut walls: Vec<&str> = Vec::new();
    for wall in proven.iter().flat_map(|proven| &proven.walls) {
        if !walls.contains(&wall.name.as_str()) {
            walls.push(&wall.name);
        }
    }
    let mut rows = vec![heading("WALL")];
    rows.extend(walls.iter().map(|wall| {
        let stands = proven.iter().map(|proven| stands(proven, wall).to_owned());
        [(*wall).to_owned()].into_iter().chain(stands).collect()
    }));
    rows.push(Vec::new());
    rows.push(heading("ACT"));
    let acts = proven.first().map(|proven| proven.acts.len()).unwrap_or_default();
    rows.extend((0..acts).map(|act| {
        let rows: Vec<&Row> = proven.iter().filter_map(|proven| proven.acts.get(act)).collect();
        let name = rows.first().map(|row| row.act.clone()).unwrap_or_default();
        [name].into_iter().chain(rows.iter().map(|row| cell(row))).collect()
    }));
    table(&rows)
}

fn stands(proven: &Proven, wall: &str) -> &'static str {
    match proven.walls.iter().find(|known| known.name == wall) {
        Some(wall) if wall.enforced => "stands",
        Some(_) => "MISSING",
        None => "-",
    }
}

fn cell(row: &Row) -> String {
    let how = row.how.iter().cloned().collect::<Vec<_>>().join(" ");
    let came = match row.outcome {
        prove::Outcome::Killed => "killed".to_owned(),
        prove::Outcome::Denied => format!("denied {how}"),
        prove::Outcome::Unclear => format!("unclear {how}"),
        prove::Outcome::Allowed if row.exception => "allowed: exception".to_owned(),
        prove::Outcome::Allowed => "allowed".to_owned(),
    };
    match (row.wrong.is_empty(), row.outcome, row.allowed) {
        (true, ..) => came,
        (false, prove::Outcome::Allowed, false) => format!("BREACH {came}"),
        (false, _, false) => came.to_uppercase(),
        (false, _, true) => format!("MISSING {came}"),
    }
}
