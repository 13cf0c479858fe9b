//! `doctor`: is everything in order, and what is not.

use std::time::Instant;

use ipc::{
    Role,
    endpoint::Options,
    messages::{common::Echo, instance::Standing, llm::ListModels, storage::Statistics},
};
use serde_json::json;

use super::{
    args::{Common, ModelArgs},
    instance, models, ps,
    restore::CUT_OFF,
    session::{Serves, Session, places},
    sign_in::sign_in,
    words::{self, Failure, Outcome, bytes, table},
};
use crate::{
    exit,
    folder::{self, Unsuitable},
};

/// How well something is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Odd,
    Bad,
}

struct Finding {
    health: Health,
    what: &'static str,
    detail: String,
}

/// Free space below which one should know.
const LITTLE: u64 = 256 << 20;

/// `lamos doctor`.
pub async fn doctor(common: &Common) -> Outcome {
    let mut findings = Vec::new();
    disk(common, &mut findings);
    match Session::open(common, Serves::No).await {
        Ok(session) => {
            tree(&session, common, &mut findings).await;
            session.close().await;
        }
        Err(failure) => findings.push(Finding { health: Health::Bad, what: "supervisor", detail: failure.sentence }),
    }
    report(&findings, common.json)
}

fn disk(common: &Common, findings: &mut Vec<Finding>) {
    let mut add = |health, what, detail| findings.push(Finding { health, what, detail });
    match places(common)
        .and_then(|places| places.make().map(|()| places).map_err(|error| Failure::new(exit::DATA, error.to_string())))
    {
        Ok(places) => {
            add(Health::Good, "data directory", places.data.display().to_string());
            if let Ok(space) = rustix::fs::statvfs(&places.data) {
                let free = space.f_bavail.saturating_mul(space.f_frsize);
                let health = if free < LITTLE { Health::Odd } else { Health::Good };
                add(health, "room on its disk", format!("{} free", bytes(free)));
            }
            match folder::look(&places.data) {
                Some(Unsuitable::Network(system)) => {
                    let detail = format!("the data directory lies on {system}; move it to a disk of this machine");
                    add(Health::Bad, "file system", detail);
                }
                Some(Unsuitable::Synced(program, _)) => {
                    let detail = format!("the data directory is copied by {program}; move it, or have {program} leave it out");
                    add(Health::Odd, "file system", detail);
                }
                None => {}
            }
        }
        Err(failure) => add(Health::Bad, "data directory", failure.sentence),
    }
}

async fn tree(session: &Session, common: &Common, findings: &mut Vec<Finding>) {
    let mut add = |health, what, detail| findings.push(Finding { health, what, detail });
    let how = if session.started { "started for this call" } else { "running" };
    add(Health::Good, "supervisor", how.to_owned());
    match sign_in(session, common).await {
        Ok(()) => {
            match session.client.call(&Statistics).await {
                Ok(counts) => {
                    let detail = format!(
                        "{} conversations, {} events, {} unsigned, {}",
                        counts.conversations,
                        counts.events,
                        counts.unsigned,
                        bytes(counts.bytes)
                    );
                    add(Health::Good, "archive", detail);
                    if counts.restoring {
                        add(Health::Bad, "restoring", CUT_OFF.to_owned());
                    }
                }
                Err(refusal) => add(Health::Bad, "archive", refusal.sentence),
            }
            window(session, findings).await;
        }
        Err(failure) => add(Health::Bad, "sign-in", failure.sentence),
    }
    let mut add = |health, what, detail| findings.push(Finding { health, what, detail });
    for role in [Role::Crypto, Role::Storage, Role::Llm, Role::Code, Role::Verifier, Role::Courier, Role::Ui] {
        let begun = Instant::now();
        let options = Options { role: Some(role), ..Options::default() };
        match session.client.call_with(&Echo { bytes: vec![0; 64] }, options).await {
            Ok(_) => add(Health::Good, role.name(), format!("answers in {} µs", begun.elapsed().as_micros())),
            Err(refusal) => add(Health::Bad, role.name(), refusal.sentence),
        }
    }
    if let Ok(Some(status)) = ps::status(common) {
        for process in &status.processes {
            for wall in process.walls.iter().filter(|wall| !wall.enforced) {
                add(Health::Odd, "wall", format!("{}: {} does not stand: {}", process.role, wall.name, wall.detail));
            }
        }
        for degraded in &status.degraded {
            add(Health::Bad, "degraded", format!("{}: {}", degraded.role, degraded.why));
        }
    }
    // Where no space is open there is no kept key either.
    let args = ModelArgs::default();
    let servers = models::all(session, &args).await.unwrap_or_else(|_| models::servers(&args));
    if servers.is_empty() {
        add(Health::Good, "models", "none is configured; skills answer".to_owned());
    }
    for server in servers {
        let (found_by, base_url, wire) = (server.found_by, server.base_url.clone(), server.wire);
        let listed = match models::prepare(session, server, None).await {
            Ok(choice) => session.client.call(&ListModels { lease: choice.lease, wire }).await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        match listed {
            Ok(models) => add(
                Health::Good,
                "models",
                format!(
                    "{base_url} ({found_by}) has {}, the first is {}",
                    models.ids.len(),
                    models.ids.first().map_or("none", String::as_str)
                ),
            ),
            Err(failure) => add(Health::Bad, "models", format!("{base_url} ({found_by}): {}", failure.sentence)),
        }
    }
}

/// Whether the window's instance goes on, and whether there is room for what is pinned in it.
async fn window(session: &Session, findings: &mut Vec<Finding>) {
    let mut add = |health, detail| findings.push(Finding { health, what: "window's cache", detail });
    match session.client.call(&Standing).await {
        Ok(stands) => {
            let room = format!("{} of {} on disk", bytes(stands.held.bytes), bytes(stands.held.limit));
            match stands.trouble {
                Some(trouble) => add(Health::Bad, trouble),
                None if stands.held.pinned_cut > 0 => add(Health::Odd, format!("pinned: {}", instance::pinned(&stands.held))),
                None => add(Health::Good, room),
            }
        }
        Err(refusal) => add(Health::Bad, refusal.sentence),
    }
}

fn report(findings: &[Finding], as_json: bool) -> Outcome {
    let word = |health| match health {
        Health::Good => "good",
        Health::Odd => "odd",
        Health::Bad => "BAD",
    };
    if as_json {
        let all: Vec<_> =
            findings.iter().map(|finding| json!({ "health": word(finding.health).to_lowercase(), "what": finding.what, "detail": finding.detail })).collect();
        words::json(&all.into())?;
    } else {
        let rows: Vec<Vec<String>> = findings
            .iter()
            .map(|finding| vec![word(finding.health).to_owned(), finding.what.to_owned(), words::line(&finding.detail)])
            .collect();
        words::answer(&table(&rows))?;
    }
    match findings.iter().filter(|finding| finding.health == Health::Bad).count() {
        0 => Ok(()),
        count => Err(Failure::new(exit::DATA, format!("{count} things are not in order"))),
    }
}
