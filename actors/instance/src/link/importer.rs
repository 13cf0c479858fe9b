//! One session and what it asks for. Its steps are made on the thread of the store.

use std::{collections::HashMap, rc::Rc};

use ipc::{Refusal, messages::instance::Link};
use replica::{
    chum::{Everything, Fault, Peer, Progress, Session, Settings, Side, Span, Tally},
    sparse::{Missing, Sparse, SparseError, Titles},
};
use tokio::sync::{Notify, oneshot};

use super::plan::Plan;
use crate::{
    fetches::Wanted,
    held::{Held, failed},
    standing::{Standing, Whose},
};

/// Bytes that one step writes at most, and a message more.
const ROOM: usize = 256 << 10;

/// What a person is told who put an older copy of the archive in the place of the one that was.
const FORKED: &str =
    "the archive is another than it was, perhaps a copy that was put back; `lamos restart ui` fetches everything from it anew";

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// What everything is called, and what is erased. It ends by itself.
    Titles,
    /// What is recent, and what is new as it comes. With `audit` all that is recent is compared once, which finds what a
    /// cache has lost.
    Window { audit: bool },
}

/// What a step came to.
pub(super) struct Step {
    pub(super) out: Vec<u8>,
    pub(super) fault: Option<Fault>,
}

/// Something that was asked for, and who waits for it; nobody if it was not missed yet.
struct Fetch {
    missing: Missing,
    came: Option<oneshot::Sender<()>>,
}

/// See the module.
pub(super) struct Importer {
    held: Held,
    purpose: Purpose,
    /// Away while a step is made.
    session: Option<Box<Session>>,
    standing: Rc<Standing>,
    idle: Rc<Notify>,
    fetching: HashMap<u32, Fetch>,
    plan: Plan,
    counted: Tally,
    /// There is something to be said though nothing has come.
    speaks: bool,
    caught_up: bool,
    forked: bool,
}

impl Importer {
    pub(super) async fn new(held: Held, purpose: Purpose, standing: Rc<Standing>, idle: Rc<Notify>) -> Result<Importer, Refusal> {
        let settings = match purpose {
            Purpose::Titles => {
                let rules = held.ask(|sparse| Ok(Titles::rules(sparse.rules()))).await?;
                Settings { rules, live: false, ..Settings::window(archive(), vec![Span::ALL]) }
            }
            Purpose::Window { audit } => {
                let (spans, rules) = held.ask(|sparse| Ok((sparse.spans()?, sparse.rules().clone()))).await?;
                Settings { audit, rules, ..Settings::window(archive(), spans) }
            }
        };
        standing.count(|counted| counted.sessions += 1);
        Ok(Importer {
            held,
            purpose,
            // The archive is the same person's; what it asks for it may have.
            session: Some(Box::new(Session::new(settings, Box::new(Everything)))),
            standing,
            idle,
            fetching: HashMap::new(),
            plan: Plan::default(),
            counted: Tally::default(),
            speaks: true,
            caught_up: false,
            forked: false,
        })
    }

    /// There is something to be said though nothing has come.
    pub(super) fn has_to_speak(&self) -> bool {
        self.speaks
    }

    /// All that the session is for has come.
    pub(super) fn has_caught_up(&self) -> bool {
        self.caught_up
    }

    /// Whether something may be asked for in it: it does not end meanwhile.
    pub(super) fn can_fetch(&self) -> bool {
        self.purpose != Purpose::Titles || !self.caught_up
    }

    /// Whether things are asked for in it unasked.
    pub(super) fn plans(&self) -> bool {
        self.purpose != Purpose::Titles && self.caught_up
    }

    /// Asks for what somebody waits for.
    pub(super) fn fetch(&mut self, Wanted { missing, came }: Wanted) {
        self.ask(missing, Some(came));
    }

    /// What is asked for unasked may be something else now.
    pub(super) fn plan_anew(&mut self) {
        self.plan.anew();
        self.speaks = true;
    }

    fn ask(&mut self, missing: Missing, came: Option<oneshot::Sender<()>>) {
        let Some(session) = &mut self.session else { return };
        let request = session.fetch_entity(missing.entity, missing.before, missing.limit);
        self.fetching.insert(request, Fetch { missing, came });
        self.speaks = true;
    }

    /// Takes what has come, and says what there is to say if there is room for it.
    pub(super) async fn step(&mut self, input: Option<Vec<u8>>, speak: bool) -> Result<Step, Refusal> {
        let lost = || Refusal::internal("go on with a session that has ended");
        let mut session = self.session.take().ok_or_else(lost)?;
        self.speaks &= !speak;
        let (purpose, fetching) =
            (self.purpose, self.fetching.iter().map(|(request, fetch)| (*request, fetch.missing)).collect());
        let stepped = self.held.with(move |sparse| {
            let step = match purpose {
                Purpose::Titles => advance(&mut session, &mut sparse.titles(), input.as_deref(), speak),
                Purpose::Window { .. } => advance(&mut session, sparse, input.as_deref(), speak),
            };
            let progress = session.progress();
            let settled = settle(sparse, &fetching, &progress);
            (session, step, progress, settled)
        });
        let (session, step, progress, settled) = stepped.await?;
        let tally = session.tally();
        self.session = Some(session);
        self.standing.count_session(&self.counted, &tally);
        self.counted = tally;
        progress.iter().for_each(|progress| self.note(progress));
        if self.forked {
            self.standing.set_trouble(Whose::Link, Some(FORKED.to_owned()));
        }
        settled.map_err(|error| self.held.noticed(failed(&error)))?;
        self.go_on_planning().await?;
        Ok(step)
    }

    /// Asks for what is next in the plan, if nothing else is on its way.
    async fn go_on_planning(&mut self) -> Result<(), Refusal> {
        if !self.plans() || !self.fetching.is_empty() || self.plan.is_done() {
            return Ok(());
        }
        let mut next = self.plan.next();
        if next.is_none() {
            self.plan.fill(self.held.prefetch().await?);
            next = self.plan.next();
        }
        match next {
            Some(missing) => self.ask(missing, None),
            None => self.idle.notify_one(),
        }
        Ok(())
    }

    /// Says how it stands.
    fn note(&mut self, progress: &Progress) {
        match progress {
            Progress::Agreed { .. } | Progress::Behind { .. } => self.standing.set_link(Link::CatchingUp),
            Progress::CaughtUp => {
                self.caught_up = true;
                if self.purpose != Purpose::Titles {
                    self.standing.set_link(Link::Live);
                    self.standing.set_trouble(Whose::Link, None);
                }
            }
            Progress::Forked { .. } => {
                // Who reads it goes on until then; a store cannot be thrown away under its readers.
                let noted = self.held.forsake();
                tracing::warn!(noted = noted.is_ok(), "the archive is another than it was");
                self.forked = true;
            }
            Progress::Ahead { .. } => {
                let sentence = "the archive's clock is ahead of this one; what it keeps is taken when this one has come after it";
                self.standing.set_trouble(Whose::Link, Some(sentence.to_owned()));
            }
            Progress::Fetched { request, .. } => {
                let fetch = self.fetching.remove(request);
                if let Some(came) = fetch.and_then(|fetch| fetch.came) {
                    // Who waited may have gone.
                    let _ = came.send(());
                }
            }
            _ => {}
        }
    }
}

fn advance<S: Side + ?Sized>(session: &mut Session, side: &mut S, input: Option<&[u8]>, speak: bool) -> Step {
    let mut out = Vec::new();
    let received = input.map_or(Ok(()), |bytes| session.receive(side, bytes));
    let said = match (&received, speak) {
        (Ok(()), false) => Ok(()),
        // After a fault there is one more message.
        _ => session.send(side, &mut out, ROOM),
    };
    Step { out, fault: received.and(said).err() }
}

/// Tells the store what of that which was asked for has come.
fn settle(sparse: &mut Sparse, fetching: &HashMap<u32, Missing>, progress: &[Progress]) -> Result<(), SparseError> {
    for progress in progress {
        if let Progress::Fetched { request, came, .. } = progress
            && let Some(missing) = fetching.get(request)
        {
            sparse.fetched(missing, *came)?;
        }
    }
    Ok(())
}

/// The archive, as grants know it: the hub has said that it is the one process of its role.
fn archive() -> Peer {
    Peer(*blake3::hash(b"lamos: the archive under this supervisor").as_bytes())
}
