//! What the supervisor says of itself and of its processes: the figures behind `lamos ps`.

use std::time::Instant;

use ipc::{
    Role,
    messages::start::{self, Report},
};
use serde::{Deserialize, Serialize};

pub use super::proc::Memory;
use super::{
    Tree, levels,
    proc::{cpu_ms, memory},
    process::State,
};
use crate::hub::{Place, SUPERVISOR, Traffic};

/// The tree at one moment.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the running program.
    pub version: String,
    /// [`ipc::PROTOCOL_VERSION`], for who would attach and is not the same program.
    #[serde(default)]
    pub protocol: u8,
    /// [`ipc::SCHEMA_HASH`], for the same.
    #[serde(default)]
    pub schema: u64,
    /// The supervisor.
    pub pid: u32,
    /// Milliseconds since it began.
    pub uptime_ms: u64,
    /// It is going down, or takes no new work and will go down when what is in progress is done.
    pub draining: bool,
    /// A space is open.
    pub open: bool,
    /// It is locked when nobody asked for anything for so many seconds; 0 for never.
    #[serde(default)]
    pub locks_after_s: u64,
    /// The supervisor's own memory.
    pub memory: Memory,
    /// What the supervisor itself does.
    pub activity: Activity,
    /// Its processes and the command lines that are attached, by role.
    pub processes: Vec<ProcessStatus>,
    /// Roles that are not started any more, and why.
    pub degraded: Vec<Degraded>,
    /// What people wait for.
    pub errands: Vec<Errand>,
    /// Calls that wait for a process.
    pub waiting: Vec<Waiting>,
    /// How much is logged.
    pub log: String,
    /// Who talks to whom, where it was asked for.
    #[serde(default)]
    pub talks: Vec<Talk>,
}

/// One process at one moment.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// What it is.
    pub role: String,
    /// Which of its role.
    pub instance: u32,
    /// How far it has come.
    pub state: String,
    /// Its pid.
    pub pid: i32,
    /// Which start of it.
    pub generation: u32,
    /// Milliseconds since it was started.
    pub uptime_ms: u64,
    /// Microseconds from its first line to being locked down.
    pub locked_in_micros: u64,
    /// Microseconds from before it was spawned to its being ready; `None` while it is not.
    pub ready_in_micros: Option<u64>,
    /// How often its role was started again.
    pub restarts: u32,
    /// How the one before it ended.
    pub last_end: Option<String>,
    /// Its memory.
    pub memory: Memory,
    /// What it does.
    #[serde(flatten)]
    pub activity: Activity,
    /// What is enforced on it.
    pub walls: Vec<Wall>,
    /// What it tried and could not do.
    pub proofs: Vec<Proof>,
}

/// What a process has done and does.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Activity {
    /// Milliseconds of a processor it has used.
    pub cpu_ms: u64,
    /// Calls it made.
    pub asked: u64,
    /// Its own calls that are unanswered.
    pub asking: usize,
    /// Calls it was given.
    pub answered: u64,
    /// Calls it works on now.
    pub serving: usize,
    /// Bytes of bodies it sent.
    pub bytes_sent: u64,
    /// Bytes of bodies it was sent.
    pub bytes_received: u64,
    /// Bytes that wait for it to read them.
    pub queued: usize,
}

/// A mechanism that holds a process in.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wall {
    /// What it is called.
    pub name: String,
    /// Whether it stands.
    pub enforced: bool,
    /// How, or why not.
    pub detail: String,
}

impl From<start::Wall> for Wall {
    fn from(wall: start::Wall) -> Wall {
        let start::Wall { name, enforced, detail } = wall;
        Wall { name, enforced, detail }
    }
}

/// An act that was tried.
#[derive(Debug, Serialize, Deserialize)]
pub struct Proof {
    /// The act.
    pub act: String,
    /// What came of it.
    pub outcome: String,
}

/// A role that is not started any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct Degraded {
    /// Which.
    pub role: String,
    /// Why, and what to do.
    pub why: String,
    /// How often it was started again.
    pub restarts: u32,
    /// How its last process ended.
    pub last_end: Option<String>,
}

/// Something that a person waits for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Errand {
    /// Who waits, as in `cli/1`.
    pub from: String,
    /// Who works on it; `None` while it waits for somebody.
    pub to: Option<String>,
    /// What is wanted.
    pub method: String,
    /// The request it belongs to.
    pub trace: String,
}

/// Calls that wait for a process of a role.
#[derive(Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Which role.
    pub role: String,
    /// How many.
    pub calls: usize,
}

/// How much one process asks of one role.
#[derive(Debug, Serialize, Deserialize)]
pub struct Talk {
    /// Who asks, as in `agent/3`.
    pub from: String,
    /// Who answers.
    pub to: String,
    /// Calls made.
    pub calls: u64,
    /// Calls that are unanswered.
    pub in_flight: u32,
    /// Bytes of requests and of pieces that were sent.
    pub bytes_sent: u64,
    /// Bytes of answers and of pieces that were received.
    pub bytes_received: u64,
}

impl Tree {
    /// The tree at this moment.
    pub fn status(&self, talks: bool) -> Status {
        let state = self.lock();
        let mut places: Vec<Place> = state.processes.keys().copied().collect();
        places.sort_by_key(|place| (place.0 as u8, place.1));
        let processes = places.iter().filter_map(|place| {
            let process = state.processes.get(place)?;
            // An agent or a gate is not started again; how another one ended is not its story.
            let role = state.roles.get(&place.0).filter(|_| !matches!(place.0, Role::Agent | Role::Gate));
            let Report { walls, proofs, micros } = process.report.clone();
            Some(ProcessStatus {
                role: place.0.name().to_owned(),
                instance: place.1.0,
                state: process.state.name().to_owned(),
                pid: process.pid,
                generation: process.generation.0,
                uptime_ms: millis_since(process.since),
                locked_in_micros: micros,
                ready_in_micros: process.ready_at.map(|at| micros_between(process.since, at)),
                restarts: role.map_or(0, |role| role.restarts.total()),
                last_end: role.and_then(|role| role.last_end.clone()),
                memory: memory(process.pid),
                activity: activity(process.pid, state.hub.traffic(*place), process.data.queued()),
                walls: walls.into_iter().map(Wall::from).collect(),
                proofs: proofs.into_iter().map(|proof| Proof { act: proof.act, outcome: proof.outcome }).collect(),
            })
        });
        let degraded = state.roles.iter().filter_map(|(role, known)| {
            known.degraded.as_ref().map(|why| Degraded {
                role: role.name().to_owned(),
                why: why.sentence.clone(),
                restarts: known.restarts.total(),
                last_end: known.last_end.clone(),
            })
        });
        let waiting = Role::ALL.iter().map(|role| Waiting { role: role.name().to_owned(), calls: state.hub.waiting_for(*role) });
        let ourselves = i32::try_from(std::process::id()).unwrap_or(0);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: ipc::PROTOCOL_VERSION,
            schema: ipc::SCHEMA_HASH,
            pid: std::process::id(),
            uptime_ms: millis_since(state.begun),
            draining: state.draining || state.closing,
            open: state.processes.iter().any(|(place, process)| place.0 == Role::Storage && process.state == State::Ready),
            locks_after_s: state.watch.limit().map_or(0, |limit| limit.as_secs()),
            memory: memory(ourselves),
            activity: activity(ourselves, state.hub.traffic(SUPERVISOR), 0),
            degraded: degraded.collect(),
            processes: processes.collect(),
            errands: errands(&state.hub),
            waiting: waiting.filter(|waiting| waiting.calls > 0).collect(),
            log: state.log.levels.to_string(),
            talks: if talks { all_talks(&state.hub) } else { Vec::new() },
        }
    }
}

fn activity(pid: i32, traffic: Traffic, queued: usize) -> Activity {
    Activity {
        cpu_ms: cpu_ms(pid),
        asked: traffic.asked,
        asking: traffic.asking,
        answered: traffic.answered,
        serving: traffic.serving,
        bytes_sent: traffic.sent,
        bytes_received: traffic.received,
        queued,
    }
}

fn errands(hub: &crate::hub::Hub) -> Vec<Errand> {
    let mut errands: Vec<Errand> = hub
        .errands()
        .map(|errand| Errand {
            from: levels::name(errand.from),
            to: errand.to.map(levels::name),
            method: errand.method.to_owned(),
            trace: errand.trace.to_string(),
        })
        .collect();
    errands.sort_by(|one, other| (&one.from, &one.method, &one.trace).cmp(&(&other.from, &other.method, &other.trace)));
    errands
}

fn all_talks(hub: &crate::hub::Hub) -> Vec<Talk> {
    let talks = hub.talks().into_iter().map(|((from, to), talk)| Talk {
        from: levels::name(from),
        to: to.name().to_owned(),
        calls: talk.calls,
        in_flight: talk.in_flight,
        bytes_sent: talk.up,
        bytes_received: talk.down,
    });
    talks.collect()
}

fn micros_between(earlier: Instant, later: Instant) -> u64 {
    u64::try_from(later.saturating_duration_since(earlier).as_micros()).unwrap_or(u64::MAX)
}

fn millis_since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_millis()).unwrap_or(u64::MAX)
}
