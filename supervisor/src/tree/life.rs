//! Starting, restarting and reaping.

use std::{
    cell::Cell,
    fmt,
    fs::{self, File, OpenOptions},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{
            ffi::OsStrExt as _,
            fs::{FileExt as _, OpenOptionsExt as _},
        },
    },
    path::Path,
    process::ExitStatus,
    rc::Rc,
    time::{Duration, Instant},
};

use ipc::{
    Code, Refusal, Role,
    id::{CallId, ConversationId, Generation, Instance},
    link,
    messages::{
        common::Done,
        start::{CacheProfile, Hello, KeyCost, LogLevel, Start, Work},
        supervisor::Closed,
    },
    refusal::{Death, Ends},
};
use rustix::fs::{FlockOperation, flock};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, unix::AsyncFd},
    net::unix::pipe,
    task::JoinHandle,
};

use super::{
    CannotBegin, OF_A_SPACE, PERMANENT, Tree, levels,
    log::{MAX_LINE, Pace},
    not_signed_in,
    process::{Life, Process, Started, State, death},
    reap,
    restart::Verdict,
    spawn::{Spawned, spawn},
};
use crate::hub::{Availability, Blame, Place};

/// How long a process may take to lock itself down and say that it is ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what a dead process said may take to be read. It is in the sockets already.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a process that has answered its one call, or has hung up, may take to go.
const LINGER: Duration = Duration::from_secs(2);

/// The one process of a permanent role.
pub(super) const ONLY: Instance = Instance(1);

/// How a process came to be missing.
enum End {
    /// It could not be started.
    NeverBegun(std::io::Error),
    /// It ended.
    Died(Death),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::NeverBegun(error) => write!(f, "could not be started: {error}"),
            End::Died(death) => death.fmt(f),
        }
    }
}

/// Makes sure that this is the only supervisor of this data directory, for as long as it lives.
pub(super) fn take_lock(path: &Path) -> Result<OwnedFd, CannotBegin> {
    let file = private_file(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| CannotBegin::Locked)?;
    // For `lamos stop --force`, which must find a supervisor that does not answer. Without it, it says so.
    let _ = file.set_len(0).and_then(|()| file.write_all_at(std::process::id().to_string().as_bytes(), 0));
    Ok(file.into())
}

/// Opens the file of wrapped keys, to be handed to the key process. What is in it is not this process's business.
pub(super) fn open_slots(path: &Path, spaces: &Path) -> Result<OwnedFd, CannotBegin> {
    let file = private_file(path)?;
    // An empty file would be filled with new keys, and whoever signed in then would find a new, empty space.
    let is_empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
    let are_spaces = fs::read_dir(spaces).is_ok_and(|mut spaces| spaces.next().is_some());
    if is_empty && are_spaces { Err(CannotBegin::KeysMissing(path.to_owned())) } else { Ok(file.into()) }
}

/// Opens the log of what is done with the keys, to be handed to the key process.
pub(super) fn open_audit(path: &Path) -> Result<OwnedFd, CannotBegin> {
    Ok(private_file(path)?.into())
}

fn private_file(path: &Path) -> Result<File, CannotBegin> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map_err(|error| CannotBegin::File { what: path.display().to_string(), error })
}

impl Tree {
    /// Starts what is needed before anybody has asked for anything.
    pub fn begin(&self) {
        self.start_permanent(Role::Crypto);
        self.start_waiting(Role::Code);
    }

    /// Somebody waits for a process of this role.
    pub(super) fn wanted(&self, role: Role) {
        match role {
            Role::Llm | Role::Courier | Role::Crypto | Role::Ui => self.start_permanent(role),
            Role::Code | Role::Verifier => self.start_waiting(role),
            _ => {}
        }
    }

    /// Starts the one process of a role, unless it is there or must not be started.
    pub(super) fn start_permanent(&self, role: Role) {
        let mut state = self.lock();
        if state.draining || state.role(role).degraded.is_some() || state.processes.contains_key(&(role, ONLY)) {
            return;
        }
        let Some(work) = state.work(role) else { return };
        if let Some(cache) = state.cache().filter(|_| role == Role::Ui)
            && let Err(error) = crate::places::private_directory(&cache)
        {
            drop(state);
            return self.degrade(role, Refusal::new(Code::CannotStart, error.to_string()));
        }
        state.role(role).generation += 1;
        let generation = Generation(state.role(role).generation);
        drop(state);
        self.start((role, ONLY), generation, work);
    }

    /// Starts a process that waits for its one call, a run or a look at credentials, unless one waits or is on its way.
    pub(super) fn start_waiting(&self, role: Role) {
        let mut state = self.lock();
        let waits = |(place, process): (&Place, &Process)| {
            let coming = matches!(process.state, State::Starting | State::Ready) && !process.condemned;
            place.0 == role && coming && !state.hub.is_taken(*place)
        };
        let waits = state.processes.iter().any(waits);
        if waits || state.draining || state.role(role).degraded.is_some() {
            return;
        }
        let instance = state.new_instance(role);
        drop(state);
        let work = if role == Role::Code { Work::Code } else { Work::Verifier };
        self.start((role, instance), Generation(1), work);
    }

    /// Starts the agent of a conversation.
    pub(super) fn start_agent(&self, instance: Instance, conversation: ConversationId) {
        self.start((Role::Agent, instance), Generation(1), Work::Agent { conversation });
    }

    pub(super) fn start(&self, place: Place, generation: Generation, work: Work) {
        let mut state = self.lock();
        let start = Start {
            hello: Hello::ours(),
            role: place.0,
            instance: place.1.0,
            generation: generation.0,
            work,
            log: state.log.levels.of(place.0),
            probe: None,
        };
        let handed = match place.0 {
            Role::Crypto => vec![state.slots.as_fd(), state.audit.as_fd()],
            Role::Gate => state.listeners(place.1),
            _ => Vec::new(),
        };
        let spawned = spawn(&start, &handed);
        drop(handed);
        let started = spawned.and_then(|spawned| self.adopt(&mut state, place, generation, spawned));
        if let Err(error) = started {
            state.log.note("cannot spawn", serde_json::json!({ "role": place.0.name(), "error": error.to_string() }));
            drop(state);
            self.after_end(place, None, End::NeverBegun(error), None);
        }
    }

    /// Takes in a process that was spawned, and sets the tasks that belong to it.
    fn adopt(
        &self,
        state: &mut super::Everything,
        place: Place,
        generation: Generation,
        spawned: Spawned,
    ) -> std::io::Result<()> {
        let Spawned { since, child, pidfd, data, control, log } = spawned;
        let (data_in, data_out) = link::open(data)?;
        let (control_in, control_out) = link::open(control)?;
        let (data_out, control_out) = (Rc::new(data_out), Rc::new(control_out));
        let pid = i32::from(child.pid().as_raw_nonzero());
        let fields = serde_json::json!({ "process": levels::name(place), "pid": pid, "generation": generation.0 });
        state.log.tell(LogLevel::Info, "started", fields);
        let pidfd = Rc::new(pidfd);
        let exit = reap::watch(rustix::io::fcntl_dupfd_cloexec(&*pidfd, 3)?)?;
        let log = pipe::Receiver::from_owned_fd(log)?;
        let life = state.new_life(place);
        let process = Process {
            state: State::Starting,
            generation,
            birth: life.birth,
            since,
            greeted: false,
            condemned: false,
            blame: Cell::new(None),
            why: None,
            ready_at: None,
            report: Default::default(),
            missed: 0,
            pid,
            data: Rc::clone(&data_out),
            control: Rc::clone(&control_out),
            child: Some(Started { child, pidfd }),
        };
        state.processes.insert(place, process);
        state.hub.join(place, generation);
        let readers = [data_in, control_in].map(|inbox| tokio::task::spawn_local(self.clone().read(life, inbox)));
        for outbox in [data_out, control_out] {
            tokio::task::spawn_local(Self::write(outbox));
        }
        tokio::task::spawn_local(self.clone().listen(place, log));
        tokio::task::spawn_local(self.clone().wait(life, exit, readers));
        tokio::task::spawn_local(self.clone().expect_ready(life, PATIENCE));
        Ok(())
    }

    /// Takes down what a process logs, at no more than a certain pace.
    async fn listen(self, place: Place, log: pipe::Receiver) {
        let mut reader = BufReader::with_capacity(MAX_LINE, log);
        let mut line = Vec::new();
        let mut pace = Pace::new(Instant::now());
        loop {
            line.clear();
            let limit = MAX_LINE as u64;
            let read = (&mut reader).take(limit).read_until(b'\n', &mut line).await;
            let ended = matches!(read, Ok(0) | Err(_));
            let taken = pace.line(Instant::now(), ended);
            let mut state = self.lock();
            if let Some(left_out) = taken.left_out {
                let fields = serde_json::json!({ "role": place.0.name(), "instance": place.1.0, "lines": left_out });
                state.log.note("said too much", fields);
            }
            if ended {
                return;
            }
            if taken.kept {
                state.log.heard(place, String::from_utf8_lossy(&line).trim_end());
            }
        }
    }

    /// Reaps a process when it ends.
    async fn wait(self, life: Life, exit: AsyncFd<OwnedFd>, readers: [JoinHandle<()>; 2]) {
        loop {
            let Ok(mut ready) = exit.readable().await else { return };
            match self.reap(life) {
                Some(Ok(None)) => ready.clear_ready(),
                Some(Ok(Some(status))) => {
                    // What it said before it ended is heard first: an answer and an exit may arrive in the same moment.
                    for reader in readers {
                        let _ = tokio::time::timeout(LAST_WORDS, reader).await;
                    }
                    return self.ended(life, status);
                }
                Some(Err(_)) | None => return,
            }
        }
    }

    /// How a process ended, if it has; `None` for one that is not ours to reap any more.
    fn reap(&self, life: Life) -> Option<std::io::Result<Option<ExitStatus>>> {
        Some(self.lock().living(life)?.child.as_mut()?.child.try_wait())
    }

    /// A process has ended and everything it said was heard.
    fn ended(&self, life: Life, status: ExitStatus) {
        let place = life.place;
        let mut state = self.lock();
        let Some(process) = state.living(life) else { return };
        let (generation, ready_for) = (process.generation, process.ready_at.map(|at| at.elapsed()));
        let draining = process.state == State::Draining;
        let (death, blame) = (death(generation, status), process.ended_of());
        let (pid, why) = (process.pid, process.why.take());
        state.processes.remove(&place);
        let taken = state.hub.is_taken(place);
        state.hub.gone(place, death, blame);
        let quiet = draining || taken || (status.success() && place.0 == Role::Agent);
        let level = if quiet { LogLevel::Info } else { LogLevel::Warn };
        let fields = serde_json::json!({ "process": levels::name(place), "pid": pid, "how": death.to_string(), "why": why });
        state.log.tell(level, "ended", fields);
        if let Some(flight) = &mut state.flight {
            flight.ended(place, pid, death);
        }
        drop(state);
        self.settle();
        self.0.ended.notify_waiters();
        if quiet && !PERMANENT.contains(&place.0) {
            self.forget(place);
        } else if draining {
            self.settle();
        } else {
            self.after_end(place, ready_for, End::Died(death), why);
        }
    }

    /// A process that is not ready in time never will be.
    pub(super) async fn expect_ready(self, life: Life, patience: Duration) {
        tokio::time::sleep(patience).await;
        let late = self.lock().living(life).is_some_and(|process| process.state == State::Starting);
        if late {
            self.end(life.place, "it was not ready in time", Blame::Supervisor);
        }
    }

    /// A process that has hung up is about to end; one that stays can only keep others waiting.
    pub(super) async fn expect_end(self, life: Life) {
        tokio::time::sleep(LINGER).await;
        let stays = self.lock().living(life).is_some_and(|process| process.state != State::Draining);
        if stays {
            self.end(life.place, "it hung up and did not end", Blame::Work);
        }
    }

    /// A process has ended that should not have.
    fn after_end(&self, place: Place, ready_for: Option<Duration>, end: End, why: Option<String>) {
        let (role, how) = (place.0, end.to_string());
        self.forget(place);
        let mut state = self.lock();
        state.role(role).last_end = Some(why.map_or_else(|| how.clone(), |why| format!("{how}: {why}")));
        if role == Role::Crypto {
            // The keys are gone, so everything is locked.
            drop(state);
            self.close_space(None);
            state = self.lock();
        }
        let wanted = match role {
            Role::Storage | Role::Ui => state.space.is_some(),
            Role::Crypto | Role::Llm | Role::Courier | Role::Code | Role::Verifier => true,
            _ => false,
        };
        if !wanted || state.draining || state.role(role).degraded.is_some() {
            return;
        }
        match state.role(role).restarts.ended(Instant::now(), ready_for, jitter()) {
            Verdict::After(wait) => {
                let (times, millis) = (state.role(role).restarts.total(), wait.as_millis() as u64);
                let fields = serde_json::json!({ "role": role.name(), "restarts": times, "in_ms": millis });
                state.log.tell(LogLevel::Info, "starts again", fields);
                drop(state);
                let tree = self.clone();
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(wait).await;
                    match role {
                        Role::Code | Role::Verifier => tree.start_waiting(role),
                        role => tree.start_permanent(role),
                    }
                });
            }
            Verdict::Degraded => {
                drop(state);
                let sentence = format!(
                    "the {role} process {how} again and again and is not started any more; `lamos tail` shows why, `lamos restart {role}` tries again"
                );
                self.degrade(
                    role,
                    match end {
                        End::Died(death) if death.means_damage(role, Ends::Repeatedly) => Refusal::new(
                            Code::ArchiveDamaged,
                            format!("{sentence}; the archive is probably damaged: `lamos restore` puts a backup into an empty place, or put back a copy of this space's directory"),
                        ),
                        End::Died(_) | End::NeverBegun(_) => Refusal::new(Code::Degraded, sentence),
                    },
                );
            }
        }
    }

    /// A process said why it cannot start. Starting it again would change nothing.
    pub(super) fn cannot_start(&self, place: Place, refusal: Refusal) {
        let mut state = self.lock();
        state.log.note("cannot start", serde_json::json!({ "role": place.0.name(), "why": refusal.sentence }));
        if let Some(process) = state.processes.get_mut(&place) {
            process.state = State::Draining;
        }
        drop(state);
        if place.0 == Role::Gate {
            self.answer_gate(place.1, Err(&refusal));
        }
        self.degrade(place.0, refusal);
    }

    /// Leaves a role as it is until a person wants it otherwise; everybody who waits for it hears why.
    fn degrade(&self, role: Role, refusal: Refusal) {
        let mut state = self.lock();
        if matches!(role, Role::Agent | Role::Gate) {
            // The next conversation is another process, and so is what the next command opens.
            return;
        }
        state.role(role).degraded = Some(refusal.clone());
        state.hub.set_availability(role, Availability::Refused(refusal.clone()));
        state.log.note("degraded", serde_json::json!({ "role": role.name(), "why": refusal.sentence }));
        drop(state);
        self.settle();
        match role {
            Role::Storage => self.answer_opening(Err(&refusal)),
            Role::Llm | Role::Courier => self.answer_allowing(role, Err(&refusal)),
            _ => {}
        }
    }

    /// A process has answered its one call and has nothing left to do.
    pub(super) fn retire(&self, place: Place) {
        let mut state = self.lock();
        let Some(life) = state.life(place) else { return };
        if let Some(process) = state.living(life) {
            process.state = State::Draining;
        }
        drop(state);
        let tree = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LINGER).await;
            if let Some(process) = tree.lock().living(life) {
                process.kill(Blame::Supervisor);
            }
        });
    }

    /// Ends every process that works on the open space, forgets which it is, and then answers who asked for it.
    pub(super) fn close_space(&self, asked: Option<CallId>) {
        let mut state = self.lock();
        state.space = None;
        for role in OF_A_SPACE {
            state.role(*role).degraded = None;
            state.role(*role).generation = 0;
            state.hub.set_availability(*role, Availability::Refused(not_signed_in()));
        }
        drop(state);
        self.answer_opening(Err(&not_signed_in()));
        let lives = self.lives(&[&[Role::Agent], OF_A_SPACE].concat());
        let tree = self.clone();
        tokio::task::spawn_local(async move {
            tree.finish(&lives).await;
            if let Some(call) = asked {
                tree.answer::<Closed>(call, Ok(&Done));
            }
            // Another space may have been opened meanwhile; its archive waited for this one to end.
            tree.start_permanent(Role::Storage);
            tree.start_window_if_used();
        });
    }

    /// Starts the window's instance if a window was ever used in the open space: what the person did there and the archive
    /// has not been told may wait in it.
    pub(super) fn start_window_if_used(&self) {
        let used = |state: &super::Everything| Some(state.cache()?.is_dir());
        if used(&self.lock()) == Some(true) {
            self.start_permanent(Role::Ui);
        }
    }

    /// Makes the directory of a space. The name was made by the key process from nothing but randomness.
    pub(super) fn make_space(&self, name: &str) -> Result<(), Refusal> {
        let path = self.lock().places.spaces().join(name);
        let made = crate::places::private_directory(&path);
        made.map_err(|error| Refusal::new(Code::ArchiveUnavailable, error.to_string()))?;
        // The name of a new directory must be on disk before anything in it is promised to be.
        if let Ok(parent) = fs::File::open(self.lock().places.spaces()) {
            let _ = parent.sync_all();
        }
        Ok(())
    }
}

impl Tree {
    /// The window's cache holds so much from when it starts next, and has kinds of events by these rules.
    pub fn hold_in_cache(&self, profile: CacheProfile, rules: String) {
        let mut all = self.lock();
        (all.profile, all.rules) = (profile, rules);
    }
}

impl Tree {
    /// What a derivation is to cost, if this installation is new.
    pub fn keys_cost(&self, cost: KeyCost) {
        self.lock().cost = cost;
    }
}

impl super::Everything {
    /// The directory of the window's cache of the open space.
    fn cache(&self) -> Option<std::path::PathBuf> {
        Some(self.places.caches().join(self.space.as_ref()?))
    }

    /// What a permanent role works on now; `None` for the others, and for those of a space while none is open.
    pub(super) fn work(&self, role: Role) -> Option<Work> {
        match role {
            Role::Crypto => Some(Work::Crypto { cost: self.cost }),
            Role::Llm => Some(Work::Llm { ports: self.ports_of(role) }),
            Role::Courier => Some(Work::Courier { ports: self.ports_of(role) }),
            Role::Storage => {
                let directory = self.places.spaces().join(self.space.as_ref()?).as_os_str().as_bytes().to_vec();
                Some(Work::Storage { directory, first: true })
            }
            Role::Ui => {
                let directory = self.cache()?.as_os_str().as_bytes().to_vec();
                Some(Work::Ui { directory, profile: self.profile, rules: self.rules.clone() })
            }
            _ => None,
        }
    }
}

/// A number from 0 to 1 that differs between two restarts.
fn jitter() -> f64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    f64::from(nanos % 1000) / 1000.0
}
