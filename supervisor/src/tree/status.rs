//! What the supervisor says of itself and of its processes: the figures behind `lamos ps`.

use std::{fs, time::Instant};

use ipc::{Role, messages::start::Report};
use serde::{Deserialize, Serialize};

use super::{Tree, process::State};

/// The tree at one moment.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the running program.
    pub version: String,
    /// The supervisor.
    pub pid: u32,
    /// Milliseconds since it began.
    pub uptime_ms: u64,
    /// It is going down.
    pub draining: bool,
    /// A space is open.
    pub open: bool,
    /// The supervisor's own memory.
    pub memory: Memory,
    /// Its processes, by role.
    pub processes: Vec<ProcessStatus>,
    /// Roles that are not started any more, and why.
    pub degraded: Vec<Degraded>,
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
    /// How often its role was started again.
    pub restarts: u32,
    /// How the one before it ended.
    pub last_end: Option<String>,
    /// Its memory.
    pub memory: Memory,
    /// Calls it made.
    pub asked: u64,
    /// Calls it was given.
    pub answered: u64,
    /// Calls it works on now.
    pub serving: usize,
    /// Bytes of bodies it sent.
    pub bytes: u64,
    /// Bytes that wait for it to read them.
    pub queued: usize,
    /// What is enforced on it.
    pub walls: Vec<Wall>,
    /// What it tried and could not do.
    pub proofs: Vec<Proof>,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Resident.
    pub rss: u64,
    /// Its share: pages shared by n processes count 1/n. `None` where the kernel does not let us look.
    pub pss: Option<u64>,
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
}

impl Tree {
    /// The tree at this moment.
    pub fn status(&self) -> Status {
        let state = self.lock();
        let mut processes: Vec<ProcessStatus> = state
            .processes
            .iter()
            .map(|(place, process)| {
                let role = state.roles.get(&place.0);
                let traffic = state.hub.traffic(*place);
                let Report { walls, proofs, micros } = process.report.clone();
                ProcessStatus {
                    role: place.0.name().to_owned(),
                    instance: place.1.0,
                    state: process.state.name().to_owned(),
                    pid: process.pid,
                    generation: process.generation.0,
                    uptime_ms: millis_since(process.since),
                    locked_in_micros: micros,
                    restarts: role.map_or(0, |role| role.restarts.total()),
                    last_end: role.and_then(|role| role.last_end.clone()),
                    memory: memory(process.pid),
                    asked: traffic.asked,
                    answered: traffic.answered,
                    serving: traffic.serving,
                    bytes: traffic.bytes,
                    queued: process.data.queued(),
                    walls: walls
                        .into_iter()
                        .map(|wall| Wall { name: wall.name, enforced: wall.enforced, detail: wall.detail })
                        .collect(),
                    proofs: proofs.into_iter().map(|proof| Proof { act: proof.act, outcome: proof.outcome }).collect(),
                }
            })
            .collect();
        let order = |name: &str| name.parse::<Role>().map_or(0, |role| role as u8);
        processes.sort_by_key(|process| (order(&process.role), process.instance));
        let degraded = state.roles.iter().filter_map(|(role, known)| {
            known.degraded.as_ref().map(|why| Degraded { role: role.name().to_owned(), why: why.sentence.clone() })
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: millis_since(state.begun),
            draining: state.draining,
            open: state.processes.iter().any(|(place, process)| place.0 == Role::Storage && process.state == State::Ready),
            memory: memory(i32::try_from(std::process::id()).unwrap_or(0)),
            degraded: degraded.collect(),
            processes,
        }
    }
}

fn millis_since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The parent of a process; `None` if it is gone.
pub(super) fn parent(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are counted from the last one.
    text.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The memory of a process, as `/proc` tells it.
fn memory(pid: i32) -> Memory {
    let pss = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    let pages = fs::read_to_string(format!("/proc/{pid}/statm"))
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    Memory { rss: pages * rustix::param::page_size() as u64, pss: pss.map(|kib| kib << 10) }
}
