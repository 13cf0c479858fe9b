//! Keeping what is kept, and letting go of it: erasing for good, looking at everything, backups, putting them back, exports.
//!
//! Who asks is the person's command line. It carries sealed files to a place that is not known here and back; what a pack
//! holds, which one comes next and whether one is needed is decided here.

pub(crate) mod backup;
pub(crate) mod erase;
pub(crate) mod export;
pub mod proof;
mod readable;
pub(crate) mod restore;
pub(crate) mod scrub;
pub(crate) mod verify;
mod whole;

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    sync::{Arc, Mutex},
};

use ipc::Refusal;
use replica::{
    ReplicaError, Writer,
    backup::{Plan, Point},
};
use tokio::task::spawn_blocking;

use crate::{
    errors::{ours, refusal},
    memory::Memory,
    search::Search,
    volumes::names::Names,
    writer::WriterHandle,
};

/// What is remembered between the calls of one backup, one restoring or one mending.
#[derive(Default)]
pub(crate) struct Keep {
    /// The backup that is being made. Used on other threads, one after the other.
    plan: RefCell<Option<Arc<Mutex<Plan>>>>,
    /// The point that is being put back.
    point: RefCell<Option<Point>>,
    /// Whether what is here was what its point says, if that was looked at already or is not to be.
    same: Cell<Option<Option<bool>>>,
    /// What the last look at everything found.
    damage: RefCell<Damage>,
    /// An event was put back since.
    mended: Cell<bool>,
}

/// Who goes by what is derived.
pub(crate) struct Derived<'s> {
    pub(crate) writer: &'s WriterHandle,
    pub(crate) memory: &'s Memory,
    pub(crate) names: &'s Names,
    pub(crate) search: &'s Search,
}

impl Derived<'_> {
    /// Makes everything that is derived anew, and has who goes by it begin again. The search index is made again after
    /// that, beside everything else.
    pub(crate) async fn rebuild(&self) -> Result<(), Refusal> {
        let _following = self.memory.hold().await;
        self.writer.run(Writer::rebuild).await?;
        self.names.renew().await;
        self.search.renew();
        Ok(())
    }
}

impl Keep {
    /// A point is being put back, and nothing else is to be written before that is done.
    pub(crate) fn is_restoring(&self) -> bool {
        self.point.borrow().is_some()
    }
}

/// What is damaged.
#[derive(Clone, Default, PartialEq, Eq)]
struct Damage {
    /// Places of events.
    places: Vec<u64>,
    chunks: HashSet<[u8; 16]>,
    /// Views or indexes.
    derived: bool,
}

/// Does on another thread what reads much.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, ReplicaError> + Send + 'static) -> Result<T, Refusal> {
    let done = spawn_blocking(work).await.map_err(|error| ours("wait for the thread that reads", &error))?;
    done.map_err(|error| refusal(&error))
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
