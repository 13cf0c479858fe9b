//! Memory: what was done lately, what was learned from it, and where both go with time.
//!
//! A turn leaves a trace in its conversation. Traces that nothing was made of yet are the short-term memory. Jobs make
//! entries of the memory log from them (long-term memory), archive the traces of conversations that are idle, keep the live
//! part of the log short, and put old entries together; [`numbers`] has the numbers by which they do. A [`job`](JOBS) looks
//! at what there is and says what is to be kept next, a few drafts at a time; [`run`] has them kept, each few in one
//! transaction, so that nobody waits for the writing thread longer than for one of them.
//!
//! **What moving means here.** The archive is a log that nothing is taken out of but by the person who erases it. So a job
//! only ever adds: an entry, or a register of the state of [`memory_of`](replica::body::memory_of) a conversation that says
//! where a trace or an entry is (`active`, `consolidated`, `archived`; live, `archived`, `compressed`). "Compressed" is said
//! of an entry that also stands in a bundle, the entries of one conversation and one calendar month in one body, which is
//! compressed as one before it is sealed and is what lists read from then on. It makes reading cheaper and the log longer:
//! what the entry itself says stays readable in the log as long as the log has it, and no room is given back. A bundle is of
//! one conversation and not of all, because a body is sealed under the key of what it is about, and a month of several
//! conversations could not be erased with one of them.
//!
//! **Forgetting.** What the memory has of a conversation is about an entity of its own that is named after it, with its own
//! key, and is erased in the same transaction; an erasure that comes from elsewhere without that, or of one trace alone, is
//! followed by [`forget`]. Nothing else is ever erased here.
//!
//! **Again, and elsewhere.** What is made from the same traces has the same id and the same words on every device, so doing
//! it twice keeps it once, two devices that do it end with the same, and what a crash left undone is found undone. What is
//! known about where things are is derived from the log and kept in a table beside it; [`ledger`] has it. A start reads
//! nothing of the log for it, and a job reads what is due.
//!
//! **Architecture Invariant:** a job asks no model, no network and no clock but the one it is given; it plans from a
//! snapshot and never writes itself.

mod compress;
mod consolidate;
mod experience;
mod forget;
mod ledger;
mod lifecycle;
mod list;
mod numbers;
mod query;
mod retire;
mod rows;
mod run;
mod similarity;
mod talk;
#[cfg(test)]
mod tests;
mod trim;

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use ipc::{
    Refusal,
    messages::storage::{ListMemory, MemoryFound, MemoryListed, MemoryMoved, MemoryShown, QueryMemory, ShowMemory},
};
use replica::{Draft, Replica, ReplicaError, Snapshot};
use tokio::task::spawn_blocking;

use crate::{
    errors::{ours, refusal},
    keep::erase::Clearing,
    writer::WriterHandle,
};
use ledger::GivenUp;

pub(crate) use ledger::{Compared, compare};

/// An id of an entity, a conversation, an entry.
type Id = [u8; 16];

/// An id of an event.
type EventId = [u8; 32];

/// The clock by which things grow old: milliseconds since 1970.
pub(crate) type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a job sees.
struct Sight<'s> {
    snapshot: &'s Snapshot<'s>,
    now: u64,
    given_up: &'s mut GivenUp,
}

/// What a job has kept next. With no drafts it is done.
#[derive(Default)]
struct Step {
    drafts: Vec<Draft>,
    /// What is moved by them.
    moved: MemoryMoved,
    /// Something is erased by them, and to be cleared off the disk after.
    erases: bool,
}

/// A job: what is to be kept next, if anything is.
type Job = fn(&mut Sight<'_>) -> Result<Step, ReplicaError>;

/// Every job, in the order in which they are done: what is gone first, then along the way that everything goes.
const JOBS: &[(&str, Job)] = &[
    ("forget", forget::step),
    ("consolidate", consolidate::step),
    ("retire traces", retire::step),
    ("trim the log", trim::step),
    ("compress", compress::step),
];

/// The memory of an archive. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    replica: Replica,
    writer: WriterHandle,
    clearing: Clearing,
    now: Now,
    given_up: Arc<Mutex<GivenUp>>,
    /// Held by who runs the jobs.
    turn: Rc<tokio::sync::Mutex<()>>,
    /// Held by who brings the ledger up to date.
    following: Rc<tokio::sync::Mutex<()>>,
    /// Events that the ledger took in since the start.
    taken: Rc<Cell<u64>>,
}

impl Memory {
    /// The memory that is in this archive. It reads nothing yet.
    pub(crate) fn new(replica: Replica, writer: WriterHandle, clearing: Clearing, now: Now) -> Memory {
        let (given_up, turn, following, taken) = (Arc::default(), Rc::default(), Rc::default(), Rc::default());
        Memory { replica, writer, clearing, now, given_up, turn, following, taken }
    }

    /// Does every job as far as there is something to do.
    pub(crate) async fn run(&self) -> Result<MemoryMoved, Refusal> {
        run::all(self).await
    }

    /// A page of what is in a part of it.
    pub(crate) async fn list(&self, request: ListMemory) -> Result<MemoryListed, Refusal> {
        self.read(move |replica, _| list::page(&replica.snapshot()?, &request)).await
    }

    /// What in it is like this.
    pub(crate) async fn query(&self, request: QueryMemory) -> Result<MemoryFound, Refusal> {
        query::check(&request)?;
        self.read(move |replica, now| query::find(replica, now, &request.question)).await
    }

    /// One thing in it.
    pub(crate) async fn show(&self, request: ShowMemory) -> Result<MemoryShown, Refusal> {
        let digits = request.digits.to_lowercase();
        self.read(move |replica, _| list::show(&replica.snapshot()?, &digits)).await?.map_err(|why| why.refusal())
    }

    /// Brings the ledger up to date, slice by slice. It costs a look at one row where there is nothing new.
    pub(crate) async fn follow(&self) -> Result<(), Refusal> {
        let _one = self.following.lock().await;
        while let Some(plan) = self.aside(|replica| ledger::plan(&replica.snapshot()?)).await? {
            self.taken.set(self.taken.get() + plan.taken);
            self.keep(plan).await?;
        }
        Ok(())
    }

    /// Takes what was erased of a conversation out of the ledger, if there is one, whatever else is to be followed.
    pub(crate) async fn let_go(&self, conversation: Id) -> Result<(), Refusal> {
        let _one = self.following.lock().await;
        match self.aside(move |replica| ledger::plan_one(&replica.snapshot()?, &conversation)).await? {
            Some(plan) => self.keep(plan).await,
            None => Ok(()),
        }
    }

    /// Drops the ledger. It is made anew when it is next asked for.
    pub(crate) async fn renew(&self) -> Result<(), Refusal> {
        self.keep(ledger::Plan::default()).await
    }

    /// Nobody brings the ledger up to date while this is held.
    pub(crate) async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.following.lock().await
    }

    /// What clears off the disk what was erased.
    pub(crate) fn clearing(&self) -> &Clearing {
        &self.clearing
    }

    async fn keep(&self, plan: ledger::Plan) -> Result<(), Refusal> {
        self.writer.run(move |writer| writer.write(|batch| plan.write(batch))).await
    }

    /// Reads beside everything else, with a ledger that knows what was kept until now.
    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&Replica, u64) -> Result<T, ReplicaError> + Send + Sync + 'static,
    ) -> Result<T, Refusal> {
        let (work, now) = (Arc::new(work), (self.now)());
        let mut again = true;
        loop {
            self.follow().await?;
            let work = Arc::clone(&work);
            match self.aside(move |replica| kept(work(replica, now))).await? {
                Some(done) => return Ok(done),
                None if again => self.renew().await?,
                None => return Err(Refusal::internal("what is known of the memory is damaged again and again")),
            }
            again = false;
        }
    }

    /// Does something beside everything else.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Replica) -> Result<T, ReplicaError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let replica = self.replica.clone();
        let done = spawn_blocking(move || work(&replica)).await;
        done.map_err(|error| ours("wait for the thread that remembers", &error))?.map_err(|error| refusal(&error))
    }
}

/// `None` if the ledger was damaged and is to be made anew.
fn kept<T>(result: Result<T, ReplicaError>) -> Result<Option<T>, ReplicaError> {
    match result {
        Err(error) if ledger::is_damaged(&error) => Ok(None),
        result => result.map(Some),
    }
}

pub(crate) use run::hourly;
