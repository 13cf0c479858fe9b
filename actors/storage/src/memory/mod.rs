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
//! known about where things are is read from the log at every start and lies on no disk beside it; [`ledger`] has it.
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
mod run;
mod similarity;
#[cfg(test)]
mod tests;
mod trim;

use std::{
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
use ledger::Ledger;

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
type Job = fn(&Sight<'_>, &mut Ledger) -> Result<Step, ReplicaError>;

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
    ledger: Arc<Mutex<Ledger>>,
    /// Held by who runs the jobs.
    turn: Rc<tokio::sync::Mutex<()>>,
}

impl Memory {
    /// The memory that is in this archive. It reads nothing yet.
    pub(crate) fn new(replica: Replica, writer: WriterHandle, clearing: Clearing, now: Now) -> Memory {
        Memory { replica, writer, clearing, now, ledger: Arc::default(), turn: Rc::default() }
    }

    /// Does every job as far as there is something to do.
    pub(crate) async fn run(&self) -> Result<MemoryMoved, Refusal> {
        run::all(self).await
    }

    /// A page of what is in a part of it.
    pub(crate) async fn list(&self, request: ListMemory) -> Result<MemoryListed, Refusal> {
        self.read(move |replica, ledger, _| list::page(replica, ledger, request)).await
    }

    /// What in it is like this.
    pub(crate) async fn query(&self, request: QueryMemory) -> Result<MemoryFound, Refusal> {
        query::check(&request)?;
        self.read(move |replica, ledger, now| query::find(replica, ledger, now, &request.question)).await
    }

    /// One thing in it.
    pub(crate) async fn show(&self, request: ShowMemory) -> Result<MemoryShown, Refusal> {
        let digits = request.digits.to_lowercase();
        self.read(move |replica, ledger, _| list::show(replica, ledger, &digits)).await?.map_err(|why| why.refusal())
    }

    /// Reads beside everything else, with a ledger that knows what was kept until now.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Replica, &mut Ledger, u64) -> Result<T, ReplicaError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (replica, ledger, now) = (self.replica.clone(), Arc::clone(&self.ledger), (self.now)());
        let done = spawn_blocking(move || {
            // What it knows it reads from the log, and it takes in one event after the other.
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.follow(&replica)?;
            work(&replica, &mut ledger, now)
        });
        let done = done.await.map_err(|error| ours("wait for the thread that remembers", &error))?;
        done.map_err(|error| refusal(&error))
    }
}

pub(crate) use run::hourly;
