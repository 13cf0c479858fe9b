//! The supervisor: it owns every process, moves frames between them by the hub's word, and decides who lives.
//!
//! One thread, one runtime, one [`Tree`]. Each process has a task that reads its sockets and one that waits for its
//! end; all of them come here, and what the hub answers is done at once, so that a frame is passed on in the same turn
//! in which it was read.
//!
//! **Architecture Invariant:** the supervisor decodes only what is addressed to itself (`service`), keeps no secret, and
//! parses nothing that a stranger wrote: of what a process logs it takes single capped lines, as data.

mod again;
mod drain;
mod flight;
mod gate;
mod health;
mod idle;
mod levels;
mod life;
pub mod log;
mod proc;
pub mod process;
pub mod prove;
mod reap;
pub mod restart;
mod service;
pub mod spawn;
pub mod status;
#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell, RefMut},
    collections::{BTreeMap, BTreeSet, HashMap},
    os::fd::OwnedFd,
    rc::Rc,
    time::Instant,
};

use flight::Recorder;
use ipc::{
    Code, Refusal, Role, codec,
    frame::Frame,
    header::{Flags, Header, Kind},
    id::{CallId, ConversationId, Generation, Instance},
    limits::{MAX_QUEUED, MAX_UNREAD},
    link::{Inbox, LinkError, Outbox},
    messages::start::{CacheProfile, Hello, KeyCost, LogLevel, Outcome},
    policy::TABLE,
};
use log::Log;
use process::{Life, Process, State};
use restart::Restarts;
use tokio::sync::Notify;

use crate::{
    hub::{Availability, Blame, Effect, Hub, Lane, Place, SUPERVISOR},
    levels::Levels,
    places::Places,
};

/// The roles that are started and restarted without a conversation or a run that needs them.
const PERMANENT: &[Role] = &[Role::Storage, Role::Crypto, Role::Llm, Role::Courier, Role::Ui];

/// Those of them that work on the open space, and so are there only while one is.
const OF_A_SPACE: &[Role] = &[Role::Storage, Role::Ui];

/// Why the supervisor cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum CannotBegin {
    /// Another one is there.
    #[error("another Lamos uses this data directory")]
    Locked,
    /// The directories cannot be used.
    #[error("{0}")]
    Places(#[from] crate::places::NoPlace),
    /// There are spaces and no keys to them.
    #[error("{0} is empty and there are spaces that its keys open; put back a copy of the file, nothing was changed")]
    KeysMissing(std::path::PathBuf),
    /// A file in them cannot be used.
    #[error("cannot use {what}: {error}")]
    File {
        /// Which.
        what: String,
        /// Why.
        error: std::io::Error,
    },
}

/// The one installation's supervisor. Cheap to clone: all clones are the same.
#[derive(Clone)]
pub struct Tree(Rc<Inner>);

struct Inner {
    state: RefCell<Everything>,
    /// A deadline came nearer than the clock was set for.
    hurry: Notify,
    /// A process has ended.
    ended: Notify,
    /// Nothing more is to be done: the supervisor may exit.
    done: Notify,
}

/// All that the supervisor knows.
pub(crate) struct Everything {
    pub(crate) hub: Hub,
    pub(crate) processes: HashMap<Place, Process>,
    pub(crate) roles: HashMap<Role, RoleState>,
    pub(crate) places: Places,
    pub(crate) log: Log,
    pub(crate) begun: Instant,
    pub(crate) draining: bool,
    /// The walls are being tried.
    proving: bool,
    /// No new work is taken from outside; when what is in progress is done, the tree goes down.
    pub(crate) closing: bool,
    /// A command line that said it serves; there is one at most.
    pub(crate) serving: Option<Place>,
    /// `None` where it cannot be kept.
    flight: Option<Recorder>,
    slots: OwnedFd,
    audit: OwnedFd,
    /// Held for as long as this process lives.
    _lock: OwnedFd,
    last_instance: HashMap<Role, u32>,
    last_birth: u64,
    /// The directory of the open space.
    space: Option<String>,
    /// TCP ports the person named, for each role that has the network.
    ports: BTreeMap<Role, BTreeSet<u16>>,
    /// How much the window's cache may hold.
    profile: CacheProfile,
    cost: KeyCost,
    /// Which kinds of events it has by itself, as the command line has read it.
    rules: String,
    conversations: HashMap<ConversationId, service::Conversation>,
    engaging: HashMap<Instance, service::Engaging>,
    own_calls: HashMap<CallId, Instance>,
    last_own_call: u64,
    /// Calls of `Opened` that wait for the archive.
    opening: Vec<CallId>,
    /// Calls of `AllowPorts` that wait for a process of the role.
    allowing: Vec<(Role, CallId)>,
    /// What listens, and who asked for it.
    gates: BTreeMap<Instance, gate::Gate>,
    /// What the clock is set for.
    alarm: Option<Instant>,
    watch: idle::Watch,
}

/// What the supervisor knows of a role beyond its processes.
#[derive(Default)]
pub(crate) struct RoleState {
    pub(crate) restarts: Restarts,
    pub(crate) generation: u32,
    /// Why it is not started again.
    pub(crate) degraded: Option<Refusal>,
    /// How its last process ended.
    pub(crate) last_end: Option<String>,
}

impl Tree {
    /// Takes the data directory and makes what must be there. No process is started yet.
    pub fn new(places: Places, levels: Levels) -> Result<Tree, CannotBegin> {
        places.make()?;
        let lock = life::take_lock(&places.lock())?;
        let slots = life::open_slots(&places.slots(), &places.spaces())?;
        let audit = life::open_audit(&places.audit())?;
        let mut hub = Hub::new(TABLE);
        for role in [Role::Crypto, Role::Llm, Role::Courier, Role::Code, Role::Verifier, Role::Agent] {
            hub.set_availability(role, Availability::Comes);
        }
        for role in OF_A_SPACE {
            hub.set_availability(*role, Availability::Refused(not_signed_in()));
        }
        // One is asked for by its number, by who has opened it.
        hub.set_availability(Role::Gate, Availability::Refused(gate::none_open()));
        let mut log = Log::open(&places.state, levels);
        let flight = Recorder::begin(&places);
        if let Err(error) = &flight {
            log.note("there is no flight recorder", serde_json::json!({ "error": error.to_string() }));
        }
        let pid = std::process::id();
        log.tell(
            LogLevel::Info,
            "the supervisor begins",
            serde_json::json!({ "pid": pid, "version": env!("CARGO_PKG_VERSION") }),
        );
        Ok(Tree(Rc::new(Inner {
            state: RefCell::new(Everything {
                hub,
                processes: HashMap::new(),
                roles: HashMap::new(),
                places,
                log,
                begun: Instant::now(),
                draining: false,
                proving: false,
                closing: false,
                serving: None,
                flight: flight.ok(),
                slots,
                audit,
                _lock: lock,
                last_instance: HashMap::new(),
                last_birth: 0,
                space: None,
                ports: BTreeMap::new(),
                profile: CacheProfile::default(),
                cost: KeyCost::default(),
                rules: String::new(),
                conversations: HashMap::new(),
                engaging: HashMap::new(),
                own_calls: HashMap::new(),
                last_own_call: 0,
                opening: Vec::new(),
                allowing: Vec::new(),
                gates: BTreeMap::new(),
                alarm: None,
                watch: idle::Watch::new(),
            }),
            hurry: Notify::new(),
            ended: Notify::new(),
            done: Notify::new(),
        })))
    }

    pub(crate) fn lock(&self) -> RefMut<'_, Everything> {
        self.0.state.borrow_mut()
    }

    /// Waits until the supervisor has nothing more to do.
    pub async fn done(&self) {
        self.0.done.notified().await;
    }

    /// A frame has come from a process. Of one that is gone it is of no use, and its successor did not send it.
    fn frame(&self, life: Life, frame: Frame) {
        let mut state = self.lock();
        let Some(process) = state.living(life).filter(|process| !process.condemned) else { return };
        let from = life.place;
        match frame.header.kind {
            Kind::Ping if frame.header.flags.has(Flags::REPLY) => process.missed = 0,
            Kind::Hello => {
                drop(state);
                self.greeted(from, frame.body.as_slice());
            }
            Kind::Ready => {
                drop(state);
                self.reported(from, frame.body.as_slice());
            }
            kind => {
                if matches!(kind, Kind::Call | Kind::Open) {
                    state.look_who_has_read();
                }
                state.hub.frame(Instant::now(), from, frame);
                drop(state);
                self.settle();
            }
        }
    }

    fn greeted(&self, from: Place, body: &[u8]) {
        if codec::decode::<Hello>(body).is_ok_and(|hello| hello.matches(&Hello::ours())) {
            if let Some(process) = self.lock().processes.get_mut(&from) {
                process.greeted = true;
            }
            return;
        }
        self.end(from, "it speaks another version", Blame::Supervisor);
    }

    /// A process says that it is ready, or why it cannot be.
    fn reported(&self, from: Place, body: &[u8]) {
        let mut state = self.lock();
        let Some(process) = state.processes.get_mut(&from).filter(|process| process.greeted && process.state == State::Starting)
        else {
            drop(state);
            return self.end(from, "it said out of turn that it is ready", Blame::Work);
        };
        match codec::decode::<Outcome>(body) {
            Ok(Outcome::Ready(report)) => {
                process.state = State::Ready;
                process.ready_at = Some(Instant::now());
                process.report = report;
                let (pid, micros) = (process.pid, process.report.micros);
                let fields = serde_json::json!({ "process": levels::name(from), "pid": pid, "locked_in_micros": micros });
                state.log.tell(LogLevel::Info, "ready", fields);
                if let Some(flight) = &mut state.flight {
                    flight.ready(from, pid);
                }
                drop(state);
                if from.0 == Role::Storage {
                    self.bind_all();
                }
                self.lock().hub.ready(Instant::now(), from);
                self.came_up(from);
            }
            Ok(Outcome::Failed(refusal)) => {
                drop(state);
                self.cannot_start(from, refusal);
            }
            Err(error) => {
                drop(state);
                self.end(from, &format!("it sent a report that is none: failed to {error}"), Blame::Work);
            }
        }
        self.settle();
    }

    /// Does what the hub wants done, until it wants nothing more.
    fn settle(&self) {
        loop {
            let mut state = self.lock();
            state.record();
            let effects = state.hub.effects();
            drop(state);
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                match effect {
                    Effect::Deliver { to: SUPERVISOR, frame, .. } => self.serve(frame),
                    Effect::Deliver { to, lane, frame } => self.deliver(to, lane, frame),
                    Effect::Wanted(role) => self.wanted(role),
                    Effect::Taken((role @ (Role::Code | Role::Verifier), _)) => self.start_waiting(role),
                    Effect::Taken(_) => {}
                    Effect::Spent(place) => self.retire(place),
                    Effect::Forbidden { who, method } => self.note_forbidden(who, method),
                    Effect::End { who, why } => self.end(who, &why.to_string(), Blame::Work),
                }
            }
        }
        let mut state = self.lock();
        let next = state.hub.next_deadline();
        if next.is_some_and(|next| state.alarm.is_none_or(|alarm| next < alarm)) {
            state.alarm = next;
            self.0.hurry.notify_one();
        }
        if state.closing && !state.draining && state.hub.errands().next().is_none() {
            drop(state);
            self.drain();
        }
    }

    fn deliver(&self, to: Place, lane: Lane, frame: Frame) {
        let mut state = self.lock();
        let Some(process) = state.processes.get(&to) else { return };
        process.send(lane, frame);
        let queued = process.data.queued();
        if queued <= MAX_QUEUED {
            return;
        }
        state.hub.set_crowded(to, true);
        drop(state);
        if queued > MAX_UNREAD || to.0 == Role::Cli {
            self.end(to, "it does not read what it is sent", Blame::Supervisor);
        }
    }

    /// Reads one socket of a process until it ends.
    async fn read(self, life: Life, mut inbox: Inbox) {
        loop {
            match inbox.next().await {
                Ok(Some(frame)) => self.frame(life, frame),
                Ok(None) => break,
                Err(LinkError::Frame(error)) => {
                    if self.lock().living(life).is_some() {
                        self.end(life.place, &format!("it sent what is no frame: failed to {error}"), Blame::Work);
                    }
                    return;
                }
                Err(LinkError::Socket(_)) => break,
            }
        }
        if life.place.0 == Role::Cli {
            self.detached(life.place);
        } else {
            // Not here: who waits for what was said waits for this task.
            tokio::task::spawn_local(self.expect_end(life));
        }
    }

    /// Writes what could not be written at once.
    async fn write(outbox: Rc<Outbox>) {
        // The reader of the same socket sees that it ended.
        let _ = outbox.run().await;
    }

    /// Whether one of our own processes, or a child of one, has this pid.
    pub fn is_ours(&self, pid: i32) -> bool {
        let ourselves = i32::try_from(std::process::id()).unwrap_or(0);
        let children: Vec<i32> =
            self.lock().processes.values().filter(|process| process.child.is_some()).map(|process| process.pid).collect();
        let mut ancestor = Some(pid);
        // A process has fewer ancestors than this unless somebody builds a chain to hide in.
        for _ in 0..64 {
            match ancestor {
                Some(pid) if pid <= 1 => return false,
                Some(pid) if pid == ourselves || children.contains(&pid) => return true,
                Some(pid) => ancestor = proc::parent(pid),
                None => return true,
            }
        }
        true
    }

    /// Whether one more command line may be attached.
    pub fn may_attach(&self, serves: bool) -> Result<(), Refusal> {
        let state = self.lock();
        if state.draining || state.closing {
            return Err(Refusal::new(Code::Draining, "Lamos is shutting down; try again in a moment"));
        }
        if serves && state.serving.is_some() {
            let sentence = "Lamos is being served already; use it, or end it with `lamos stop`";
            return Err(Refusal::new(Code::Busy, sentence));
        }
        if state.processes.keys().filter(|place| place.0 == Role::Cli).count() >= MAX_ATTACHED {
            return Err(Refusal::new(Code::Busy, format!("{MAX_ATTACHED} command lines are attached; wait for one to end")));
        }
        Ok(())
    }

    /// Takes in a command line that [`may_attach`](Self::may_attach).
    pub fn attach(&self, pid: i32, serves: bool, (inbox, outbox): (Inbox, Outbox)) {
        let mut state = self.lock();
        let place = (Role::Cli, state.new_instance(Role::Cli));
        let life = state.new_life(place);
        let outbox = Rc::new(outbox);
        let process = Process {
            state: State::Ready,
            generation: Generation(1),
            birth: life.birth,
            since: Instant::now(),
            greeted: true,
            condemned: false,
            blame: Cell::new(None),
            why: None,
            ready_at: Some(Instant::now()),
            report: Default::default(),
            missed: 0,
            pid,
            data: Rc::clone(&outbox),
            control: Rc::clone(&outbox),
            child: None,
        };
        state.processes.insert(place, process);
        state.hub.join(place, Generation(1));
        state.serving = state.serving.or(serves.then_some(place));
        drop(state);
        tokio::task::spawn_local(self.clone().read(life, inbox));
        tokio::task::spawn_local(Self::write(outbox));
    }

    /// A command line has gone. With the last one the supervisor goes too.
    fn detached(&self, place: Place) {
        let mut state = self.lock();
        let process = state.processes.remove(&place);
        if state.serving == Some(place) {
            state.serving = None;
            state.watch.set_limit(Some(idle::DEFAULT));
        }
        let death = ipc::refusal::Death { generation: 1, exit: Some(0), signal: None };
        state.hub.gone(place, death, Blame::Supervisor);
        let last = !state.processes.keys().any(|place| place.0 == Role::Cli);
        drop(state);
        self.close_gates_of(place);
        self.settle();
        if last {
            // Its socket stays open until this process ends, so that it can wait for that.
            self.drain();
        } else if let Some(process) = process {
            process.data.finish();
        }
    }

    /// Ends a process that cannot stay. What it still says is not listened to.
    fn end(&self, who: Place, why: &str, blame: Blame) {
        let mut state = self.lock();
        let Some(process) = state.processes.get_mut(&who).filter(|process| !process.condemned) else { return };
        process.condemned = true;
        process.why = Some(why.to_owned());
        process.kill(blame);
        let attached = process.child.is_none();
        state.hub.condemn(who);
        state.log.note("ended", serde_json::json!({ "role": who.0.name(), "instance": who.1.0, "why": why }));
        drop(state);
        if attached {
            self.detached(who);
        }
    }
}

/// Command lines that may be attached at once.
const MAX_ATTACHED: usize = 32;

impl Everything {
    fn new_instance(&mut self, role: Role) -> Instance {
        let last = self.last_instance.entry(role).or_insert(0);
        *last += 1;
        Instance(*last)
    }

    fn new_life(&mut self, place: Place) -> Life {
        self.last_birth += 1;
        Life { place, birth: self.last_birth }
    }

    /// The process that is in this place now.
    fn life(&self, place: Place) -> Option<Life> {
        self.processes.get(&place).map(|process| Life { place, birth: process.birth })
    }

    /// This very process, while it lives.
    fn living(&mut self, life: Life) -> Option<&mut Process> {
        self.processes.get_mut(&life.place).filter(|process| process.birth == life.birth)
    }

    /// Who had too much to read, and has read it, gets calls again.
    fn look_who_has_read(&mut self) {
        for place in self.hub.crowded() {
            if self.processes.get(&place).is_none_or(|process| process.data.queued() <= MAX_QUEUED) {
                self.hub.set_crowded(place, false);
            }
        }
    }

    fn role(&mut self, role: Role) -> &mut RoleState {
        self.roles.entry(role).or_default()
    }
}

fn not_signed_in() -> Refusal {
    Refusal::new(Code::NotSignedIn, "nobody is signed in; sign in with --user NAME, or leave it away for the demo space")
}

fn control_frame(kind: Kind, deadline_ms: u32) -> Frame {
    Frame::bare(Header { deadline_ms, ..Header::new(kind) })
}
