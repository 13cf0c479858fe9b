//! The escape suite: a process of a role that tries everything its role must not be able to do, and what came of it.
//!
//! Such a process is no part of the tree: the hub does not know it, it gets no frames and is not restarted. One that is
//! ended by an act was held back by it; the next one begins behind that act. In a role that is killed at the first
//! forbidden call that is one process for nearly every act, and takes seconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::{
        fd::AsFd as _,
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixListener},
            process::ExitStatusExt as _,
        },
    },
    path::Path,
    process::ExitStatus,
    time::Duration,
};

use ipc::{
    Code, Refusal, Role, codec,
    id::ConversationId,
    link::{self, LinkError},
    messages::start::{self, Hello, Probe, Probed, Start, Work},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{
    Tree, gate, not_signed_in, reap,
    spawn::{Spawned, spawn},
    status::Wall,
};
use crate::lockdown::{
    EMPTY_ROOT,
    acts::{Act, Came, errno_name, suite},
    rights::{self, Rights},
};

/// How long an act may take, the start of a process included. One that takes longer was let through and waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most processes for one role: one for each step that ends one.
const MOST: usize = 4096;

/// What came of everything that a role tried.
#[derive(Debug, Serialize, Deserialize)]
pub struct Proven {
    /// Which.
    pub role: String,
    /// Each wall.
    pub walls: Vec<Wall>,
    /// Each act, in the order of the list.
    pub acts: Vec<Row>,
    /// How many processes it took.
    pub processes: usize,
}

/// What came of an act.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// The act.
    pub act: String,
    /// The role's rights allow it.
    pub allowed: bool,
    /// They do so only because there is no root without names here.
    pub exception: bool,
    /// On how many things it was tried.
    pub tries: u32,
    /// What came of them all, or of the worst of them.
    pub outcome: Outcome,
    /// By which errors and signals.
    pub how: BTreeSet<String>,
    /// The steps that came to something else than the rights say.
    pub wrong: Vec<u32>,
}

/// From what is best to what is worst where an act is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The process was ended for it.
    Killed,
    /// It failed at a wall.
    Denied,
    /// It failed, and not at a wall; nothing is known of the wall.
    Unclear,
    /// It was done.
    Allowed,
}

impl Row {
    fn new(listed: &suite::Listed, rights: &Rights, empty_root: bool) -> Row {
        Row {
            act: listed.act.name.to_owned(),
            allowed: listed.is_allowed(rights, empty_root),
            exception: listed.is_exception(rights, empty_root),
            tries: 0,
            outcome: Outcome::Killed,
            how: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    fn add(&mut self, step: u32, outcome: Outcome, how: Option<String>) {
        let is_right = if self.allowed { outcome == Outcome::Allowed } else { outcome <= Outcome::Denied };
        self.tries += 1;
        self.outcome = self.outcome.max(outcome);
        self.how.extend(how);
        if !is_right && self.wrong.len() < MOST_NAMED {
            self.wrong.push(step);
        }
    }
}

/// Wrong steps that are named of one act.
const MOST_NAMED: usize = 16;

/// How a probe ended.
enum End {
    /// It has tried everything.
    Done,
    /// It could not be locked down.
    Failed(Refusal),
    /// It was ended by a signal, or ended itself, in the middle.
    Died(ExitStatus),
    /// It had to be ended.
    Hung,
}

impl Tree {
    /// Tries everything in processes of this role.
    pub async fn prove(&self, role: Role) -> Result<Proven, Refusal> {
        if std::mem::replace(&mut self.lock().proving, true) {
            return Err(Refusal::new(Code::Busy, "the walls are being tried already; try again in a moment"));
        }
        // Nothing cancels this: who asked is answered, or has gone and is not missed.
        let result = self.prove_alone(role).await;
        self.lock().proving = false;
        result
    }

    async fn prove_alone(&self, role: Role) -> Result<Proven, Refusal> {
        let rights = rights::of(role).ok_or_else(|| Refusal::new(Code::NotFound, format!("{role} is not a locked process")))?;
        let ours = |error: io::Error| Refusal::internal(format!("try the walls of {role}: {error}"));
        let (mut start, mut probe) = self.probe_of(role)?;
        // Somebody must listen there, so that the wall refuses and not the silence.
        let name = SocketAddr::from_abstract_name(&probe.unnamed).map_err(ours)?;
        let _listener = UnixListener::bind_addr(&name).map_err(ours)?;
        let mut table = Table::new(rights);
        for processes in 1..=MOST {
            start.probe = Some(probe.clone());
            let end = self.probe(&start, &mut table).await.map_err(ours)?;
            let (outcome, how) = match end {
                End::Done => return Ok(Proven { role: role.name().to_owned(), walls: table.walls, acts: table.rows, processes }),
                End::Failed(refusal) => return Err(refusal),
                End::Died(status) if table.is_a_wall(status) => (Outcome::Killed, "killed".to_owned()),
                End::Died(status) => (Outcome::Unclear, status.to_string()),
                End::Hung => (Outcome::Unclear, "no end".to_owned()),
            };
            let Some((act, step)) = table.came(outcome, Some(how.clone())) else {
                return Err(ours(io::Error::other(format!("a process tried nothing: {how}"))));
            };
            (probe.act, probe.step) = (act, step + 1);
        }
        Err(ours(io::Error::other(format!("{MOST} processes were not enough"))))
    }

    /// What a probe of this role is told, and what it tries its acts on.
    fn probe_of(&self, role: Role) -> Result<(Start, Probe), Refusal> {
        let state = self.lock();
        if state.draining {
            return Err(Refusal::new(Code::Draining, "Lamos is shutting down; try again in a moment"));
        }
        let work = match role {
            Role::Agent => Work::Agent { conversation: ConversationId([0; 16]) },
            Role::Code => Work::Code,
            Role::Verifier => Work::Verifier,
            Role::Gate => Work::Gate,
            role => state.work(role).ok_or_else(not_signed_in)?,
        };
        let start =
            Start { hello: Hello::ours(), role, instance: 0, generation: 0, work, log: super::LogLevel::Warn, probe: None };
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        let one_of_each: BTreeMap<Role, i32> = state.processes.iter().map(|(place, process)| (place.0, process.pid)).collect();
        let [log, _] = state.places.logs();
        let probe = Probe {
            act: 0,
            step: 0,
            // Whoever has none has the root for it.
            home: std::env::home_dir().map_or_else(|| b"/".to_vec(), |home| bytes(&home)),
            data: bytes(&state.places.data),
            slots: bytes(&state.places.slots()),
            audit: bytes(&state.places.audit()),
            log: bytes(&log),
            control: bytes(&state.places.control_socket()),
            unnamed: format!("lamos-prove-{}-{role}", std::process::id()).into_bytes(),
            others: one_of_each.into_values().collect(),
        };
        Ok((start, probe))
    }

    /// Starts one process and takes down what it says, until it has tried everything or has ended.
    async fn probe(&self, start: &Start, table: &mut Table) -> io::Result<End> {
        // Somebody waits at the listener, so that he can be let in.
        let visited = (start.role == Role::Gate).then(gate::visited).transpose()?;
        let spawned = {
            let state = self.lock();
            let mut handed = if start.role == Role::Crypto { vec![state.slots.as_fd(), state.audit.as_fd()] } else { Vec::new() };
            handed.extend(visited.as_ref().map(|(listener, _)| listener.as_fd()));
            spawn(start, &handed)?
        };
        // Dropped on every way out of here, whereupon it is ended and reaped. What it logs is not read; it says little.
        let Spawned { mut child, pidfd, data, control: _control, log: _log, .. } = spawned;
        let (mut inbox, _outbox) = link::open(data)?;
        let exit = reap::watch(pidfd)?;
        loop {
            let Ok(frame) = timeout(PATIENCE, inbox.next()).await else { return Ok(End::Hung) };
            let frame = match frame {
                Ok(Some(frame)) => frame,
                Err(LinkError::Frame(error)) => return Err(io::Error::other(error.to_string())),
                // It has ended, and what it said before that was heard.
                Ok(None) | Err(LinkError::Socket(_)) => break,
            };
            match codec::decode::<Probed>(frame.body.as_slice()).map_err(io::Error::other)? {
                Probed::Locked(walls) => table.locked(walls),
                Probed::Tries { act, step } => table.tries(act, step)?,
                Probed::Came(errno) => table.failed_with(errno)?,
                Probed::Failed(refusal) => return Ok(End::Failed(refusal)),
                Probed::Done => return Ok(End::Done),
            }
        }
        let Ok(ended) = timeout(PATIENCE, exit.readable()).await else { return Ok(End::Hung) };
        ended?.retain_ready();
        match child.try_wait()? {
            Some(status) => Ok(End::Died(status)),
            None => Ok(End::Hung),
        }
    }
}

/// The rows of a role as they fill.
struct Table {
    rights: &'static Rights,
    list: Vec<suite::Listed>,
    walls: Vec<Wall>,
    rows: Vec<Row>,
    /// What is being tried.
    now: Option<(u32, u32)>,
}

impl Table {
    fn new(rights: &'static Rights) -> Table {
        Table { rights, list: suite::list(), walls: Vec::new(), rows: Vec::new(), now: None }
    }

    /// A process stands behind these walls. The next ones stand behind the same.
    fn locked(&mut self, walls: Vec<start::Wall>) {
        if self.rows.is_empty() {
            let empty_root = walls.iter().any(|wall| wall.name == EMPTY_ROOT && wall.enforced);
            self.rows = self.list.iter().map(|listed| Row::new(listed, self.rights, empty_root)).collect();
            self.walls = walls.into_iter().map(Wall::from).collect();
        }
    }

    fn tries(&mut self, act: u32, step: u32) -> io::Result<()> {
        if act as usize >= self.rows.len() {
            return Err(io::Error::other("an act that is on no list"));
        }
        self.now = Some((act, step));
        Ok(())
    }

    fn failed_with(&mut self, errno: i32) -> io::Result<()> {
        let act = self.trying().ok_or_else(|| io::Error::other("nothing was tried"))?;
        let outcome = match act.judge(errno) {
            Came::Through => Outcome::Allowed,
            Came::AtAWall => Outcome::Denied,
            Came::Elsewhere => Outcome::Unclear,
        };
        self.came(outcome, (errno != 0).then(|| errno_name(errno)));
        Ok(())
    }

    fn trying(&self) -> Option<&'static Act> {
        let (act, _) = self.now?;
        self.list.get(act as usize).map(|listed| listed.act)
    }

    /// Whether this is how the wall of what is being tried ends a process.
    fn is_a_wall(&self, status: ExitStatus) -> bool {
        let came = self.trying().zip(status.signal()).map(|(act, signal)| act.judge_signal(signal));
        came == Some(Came::AtAWall)
    }

    /// What is being tried has come to this. What it was; `None` if nothing is tried.
    fn came(&mut self, outcome: Outcome, how: Option<String>) -> Option<(u32, u32)> {
        let (act, step) = self.now.take()?;
        self.rows.get_mut(act as usize)?.add(step, outcome, how);
        Some((act, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(role: Role, empty_root: bool) -> Table {
        let mut table = Table::new(rights::of(role).expect("spawned"));
        table.locked(vec![start::Wall { name: EMPTY_ROOT.to_owned(), enforced: empty_root, detail: String::new() }]);
        table
    }

    /// What a row says after its act came to these errors.
    fn after(table: &mut Table, act: &str, errors: &[i32]) -> (Outcome, Vec<u32>) {
        let place = table.rows.iter().position(|row| row.act == act).expect("an act") as u32;
        for (&errno, step) in errors.iter().zip(0..) {
            table.tries(place, step).expect("on the list");
            table.failed_with(errno).expect("it was tried");
        }
        let row = &table.rows[place as usize];
        assert_eq!(row.tries as usize, errors.len());
        (row.outcome, row.wrong.clone())
    }

    #[test]
    fn one_step_that_is_let_through_is_a_breach_and_is_named() {
        let act = "signal each other process";
        let came = after(&mut table(Role::Agent, true), act, &[libc::EPERM, libc::EPERM, 0, libc::EPERM]);
        assert_eq!(came, (Outcome::Allowed, vec![2]));
        let came = after(&mut table(Role::Agent, true), act, &[libc::EPERM, libc::ESRCH]);
        assert_eq!(came, (Outcome::Unclear, vec![1]), "nobody was there");
        assert_eq!(after(&mut table(Role::Agent, true), act, &[libc::EPERM; 3]), (Outcome::Denied, Vec::new()));
    }

    #[test]
    fn a_right_that_is_not_there_is_wrong_too() {
        let act = "make a TCP socket";
        assert_eq!(after(&mut table(Role::Llm, true), act, &[0]), (Outcome::Allowed, Vec::new()));
        assert_eq!(after(&mut table(Role::Llm, true), act, &[libc::EPERM]), (Outcome::Denied, vec![0]));
        assert_eq!(after(&mut table(Role::Code, true), act, &[0]), (Outcome::Allowed, vec![0]));
    }

    #[test]
    fn a_look_by_name_is_an_exception_only_where_names_are() {
        let act = "look whether a file of the system is there";
        assert_eq!(after(&mut table(Role::Storage, false), act, &[0]), (Outcome::Allowed, Vec::new()));
        assert_eq!(after(&mut table(Role::Storage, true), act, &[0]), (Outcome::Allowed, vec![0]));
        assert_eq!(after(&mut table(Role::Agent, false), act, &[0]), (Outcome::Allowed, vec![0]));
    }

    #[test]
    fn only_the_signal_of_a_wall_is_a_wall() {
        let ended_by = |table: &Table, signal: i32| table.is_a_wall(ExitStatus::from_raw(signal));
        let mut table = table(Role::Crypto, true);
        assert!(!ended_by(&table, libc::SIGSYS), "nothing is tried");
        table.tries(0, 0).expect("on the list");
        assert!(ended_by(&table, libc::SIGSYS) && !ended_by(&table, libc::SIGKILL) && !ended_by(&table, libc::SIGSEGV));
        assert!(!table.is_a_wall(ExitStatus::from_raw(0)), "it ended by itself");
        assert!(table.tries(u32::MAX, 0).is_err(), "an act that is on no list");
    }
}
