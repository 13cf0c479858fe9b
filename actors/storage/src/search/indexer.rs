//! The thread that keeps the index up with the archive.
//!
//! It is told that something was kept and is never waited for by who keeps: a write costs the archive a flag. It gathers
//! for two seconds, reads the archive in snapshots of milliseconds, and commits at the latest every [`COMMIT_DOCUMENTS`]
//! or [`COMMIT_BYTES`]. Each commit says how far it came, so that a kill costs nothing but the way from there. Whatever is
//! wrong with the index (missing, damaged, of another program or another archive), it is made again from the beginning.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use replica::{Replica, ReplicaError};
use tantivy::{
    Index, IndexWriter, ReloadPolicy, TantivyError,
    collector::DocSetCollector,
    indexer::{IndexWriterOptions, LogMergePolicy},
    query::TermQuery,
    schema::IndexRecordOption,
};
use tokio::sync::watch;

use super::{
    index::{self, Change, Fields, Reached},
    orders::{Order, Orders},
    sealed_directory::SealedDirectory,
};

/// Memory of the engine for what is not yet written, in bytes. It takes no less.
const HEAP: usize = 16_000_000;

/// Documents and bytes of text in one commit.
const COMMIT_DOCUMENTS: usize = 20_000;
const COMMIT_BYTES: usize = 8 << 20;

/// Events and bytes of bodies read in one snapshot.
const READ_EVENTS: usize = 128;
const READ_BYTES: usize = 1 << 20;

/// Share of documents of a file that were replaced or removed, from which on it is written anew without them.
const REPLACED: f32 = 0.3;

/// How long the index stays open when nothing is kept.
const IDLE: Duration = Duration::from_secs(10);

/// Failures in a row after which the index is made again whatever they were.
const PATIENCE: u32 = 3;

/// How far the index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The place of the last event that is found.
    pub(crate) position: u64,
    /// How often it was thrown away.
    pub(crate) rebuilds: u64,
    /// Rises with each commit.
    pub(crate) commits: u64,
    /// How often another one was to be made and could not be.
    pub(crate) refused: u64,
    /// The last time for want of room on the disk.
    pub(crate) full: bool,
}

/// Why the index cannot go on.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Engine(#[from] TantivyError),
    #[error("{0}")]
    Store(#[from] ReplicaError),
    #[error("{0}")]
    Disk(#[from] io::Error),
    #[error("it is of another program or another archive")]
    Other,
}

impl Failed {
    /// Whether the index is what is wrong, and not the disk or the archive.
    fn spoils(&self) -> bool {
        match self {
            Failed::Engine(error) => !matches!(
                error,
                TantivyError::IoError(_)
                    | TantivyError::OpenWriteError(_)
                    | TantivyError::ErrorInThread(_)
                    | TantivyError::SystemError(_)
                    | TantivyError::LockFailure(..)
            ),
            Failed::Store(_) | Failed::Disk(_) => false,
            Failed::Other => true,
        }
    }
}

struct Open {
    index: Index,
    writer: IndexWriter,
    fields: Fields,
    reached: Reached,
}

impl Open {
    /// Opens an index for writing.
    fn new(index: Index, fields: Fields, reached: Reached) -> Result<Open, Failed> {
        let options = IndexWriterOptions::builder().memory_budget_per_thread(HEAP).num_worker_threads(1);
        let writer = index.writer_with_options(options.num_merge_threads(1).build())?;
        let mut policy = LogMergePolicy::default();
        policy.set_del_docs_ratio_before_merge(REPLACED);
        writer.set_merge_policy(Box::new(policy));
        Ok(Open { index, writer, fields, reached })
    }
}

/// What the thread has.
pub(crate) struct Indexer {
    // Dropped first: who sees the channel of the progress closed knows that nothing is written any more.
    open: Option<Open>,
    replica: Replica,
    directory: SealedDirectory,
    orders: Arc<Orders>,
    progress: watch::Sender<Progress>,
    /// Held while files come and go all at once, so that nobody opens half of them.
    turning: Arc<Mutex<()>>,
}

impl Indexer {
    /// An indexer that has not begun.
    pub(crate) fn new(
        replica: Replica,
        directory: SealedDirectory,
        orders: Arc<Orders>,
        progress: watch::Sender<Progress>,
        turning: Arc<Mutex<()>>,
    ) -> Indexer {
        Indexer { open: None, replica, directory, orders, progress, turning }
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut failures = 0;
        loop {
            let order = self.orders.next(self.open.is_some().then_some(IDLE));
            let result = match order {
                Order::Stop => return,
                Order::Idle => {
                    self.close();
                    continue;
                }
                Order::Rebuild => self.rebuild().and_then(|()| self.catch_up()),
                Order::Renew => {
                    self.renew();
                    // What was kept meanwhile.
                    self.orders.hurry();
                    continue;
                }
                Order::CatchUp => self.catch_up(),
            };
            let Err(error) = result else {
                failures = 0;
                continue;
            };
            failures += 1;
            // To throw it away helps nobody where the disk has no room for another.
            let patient = failures % PATIENCE != 0 || self.directory.was_full();
            let again = self.directory.damaged() || error.spoils() || !patient;
            // An error of the engine may name a file by its inner name, which says nothing of what is in it.
            tracing::warn!(%error, again, failures, "the search index cannot go on");
            self.close();
            if again && let Err(error) = self.rebuild() {
                tracing::warn!(%error, "the search index cannot be made again yet");
            }
            // The first time at once, then more and more rarely, for a disk may be full for long.
            self.orders.later(if failures == 1 { Duration::ZERO } else { Duration::from_secs(1 << failures.min(8)) });
        }
    }

    /// Throws the index away.
    fn rebuild(&mut self) -> Result<(), Failed> {
        self.close();
        let _turning = self.turning.lock();
        self.directory.clear()?;
        self.progress.send_modify(|progress| {
            progress.position = 0;
            progress.rebuilds += 1;
        });
        tracing::info!("the search index is made again");
        Ok(())
    }

    /// Makes another index beside this one, which answers meanwhile, and takes it in its place when it is whole.
    fn renew(&mut self) {
        self.close();
        let (next, mut full) = (self.directory.beside(), false);
        let Err(error) = next.map_err(Failed::from).and_then(|next| {
            let made = match self.fill(&next) {
                Ok(Some(reached)) => self.take_over(&next, reached).map_err(Failed::from),
                other => other.map(drop),
            };
            full = next.was_full();
            // Where it was taken over nothing is left of it.
            next.remove()?;
            made
        }) else {
            return;
        };
        full |= self.directory.was_full();
        tracing::warn!(%error, full, "another search index cannot be made; the old one stays");
        self.progress.send_modify(|progress| (progress.refused, progress.full) = (progress.refused + 1, full));
    }

    /// Everything there is, in an index in this empty directory; nothing if the thread is to end.
    fn fill(&self, directory: &SealedDirectory) -> Result<Option<Reached>, Failed> {
        let (index, fields) = index::create(directory)?;
        let mut open = Open::new(index, fields, Reached::default())?;
        // Nobody is told of it before it is in its place.
        let unheard = watch::channel(Progress::default()).0;
        let whole = take_in(&self.replica, directory, &mut open, &unheard, &|| self.orders.interrupt_renewing());
        let Open { writer, reached, .. } = open;
        let merged = writer.wait_merging_threads();
        if !whole? {
            return Ok(None);
        }
        merged?;
        Ok(Some(reached))
    }

    fn take_over(&self, next: &SealedDirectory, reached: Reached) -> io::Result<()> {
        let _turning = self.turning.lock();
        self.directory.replace_by(next)?;
        self.progress.send_modify(|progress| {
            progress.position = reached.position;
            progress.rebuilds += 1;
        });
        tracing::info!("the search index was made again");
        Ok(())
    }

    fn close(&mut self) {
        if let Some(Open { writer, .. }) = self.open.take() {
            // What is not committed is read again.
            let _ = writer.wait_merging_threads();
        }
        self.directory.forget();
    }

    /// The index and how far it is, opened if it is not.
    fn opened(&mut self) -> Result<&mut Open, Failed> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let (index, fields, reached) = self.found()?;
                Open::new(index, fields, reached)?
            }
        };
        Ok(self.open.insert(open))
    }

    /// What there is of an index.
    fn found(&self) -> Result<(Index, Fields, Reached), Failed> {
        let _turning = self.turning.lock();
        if !index::exists(&self.directory).map_err(TantivyError::from)? {
            self.directory.clear()?;
            let (index, fields) = index::create(&self.directory)?;
            return Ok((index, fields, Reached::default()));
        }
        let (index, fields) = index::open(&self.directory)?;
        let reached = match index.load_metas()?.payload {
            Some(payload) => Reached::read(&payload).ok_or(Failed::Other)?,
            None => Reached::default(),
        };
        if reached.position > 0 && self.replica.snapshot()?.id_at(reached.position)? != Some(reached.event) {
            return Err(Failed::Other);
        }
        Ok((index, fields, reached))
    }

    /// Takes in everything that is kept and not yet in the index.
    fn catch_up(&mut self) -> Result<(), Failed> {
        let (replica, directory, orders) = (self.replica.clone(), self.directory.clone(), Arc::clone(&self.orders));
        let newest = replica.snapshot()?.newest_event()?.map_or(0, |(position, _)| position);
        if self.open.is_none() {
            // Looked at before the engine is started: most of the time there is nothing to do at a start.
            let (_, _, reached) = self.found()?;
            self.progress.send_modify(|progress| progress.position = reached.position);
            if reached.position == newest {
                return Ok(());
            }
        }
        let progress = self.progress.clone();
        take_in(&replica, &directory, self.opened()?, &progress, &|| orders.interrupt()).map(drop)
    }
}

/// Takes in what is kept after what an index has reached; whether it came to the end.
fn take_in(
    replica: &Replica,
    directory: &SealedDirectory,
    open: &mut Open,
    progress: &watch::Sender<Progress>,
    interrupt: &dyn Fn() -> bool,
) -> Result<bool, Failed> {
    let begun = Instant::now();
    let (mut documents, mut bytes, mut checks) = (0, 0, HashSet::new());
    loop {
        let (reached, changes) = read(replica, &open.fields, open.reached.position)?;
        for change in changes {
            match change {
                Change::Put { slot, again, document, bytes: length } => {
                    if again {
                        open.writer.delete_term(index::in_slot(&open.fields, &slot));
                    }
                    open.writer.add_document(document)?;
                    documents += 1;
                    bytes += length;
                }
                Change::Remove { slot } => drop(open.writer.delete_term(index::in_slot(&open.fields, &slot))),
                Change::Check { entity } => drop(checks.insert(entity)),
            }
        }
        let end = reached.is_none();
        open.reached = reached.unwrap_or(open.reached);
        if (end && progress.borrow().position != open.reached.position) || documents >= COMMIT_DOCUMENTS || bytes >= COMMIT_BYTES
        {
            commit(open, progress)?;
            if !checks.is_empty() {
                forget(replica, open, progress, &checks)?;
            }
            if directory.damaged() {
                return Err(Failed::Other);
            }
            let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            tracing::debug!(documents, micros, "indexed");
            (documents, bytes) = (0, 0);
            checks.clear();
        }
        if end || interrupt() {
            return Ok(end);
        }
    }
}

/// How far the next events reach and what they do to the index, in one short snapshot; nothing if there are no more.
///
/// What cannot be read is passed over. When it is mended another index is made, and if it is the last that was reached,
/// its id tells that even by itself.
fn read(replica: &Replica, fields: &Fields, after: u64) -> Result<(Option<Reached>, Vec<Change>), Failed> {
    let snapshot = replica.snapshot()?;
    let walked = snapshot.walk(after, READ_EVENTS)?;
    let (mut last, mut changes, mut bytes) = (walked.last, Vec::new(), 0);
    for event in &walked.events {
        let changed = || index::change(fields, &snapshot, event, snapshot.record(event.position)?.as_ref());
        match changed() {
            Ok(change) => changes.extend(change),
            // What cannot be read cannot be found; all else can.
            Err(ReplicaError::Damaged(_)) => {}
            Err(error) => return Err(error.into()),
        }
        bytes += event.header.body_len as usize;
        if bytes >= READ_BYTES {
            last = Some(event.position);
            break;
        }
    }
    let Some(position) = last else { return Ok((None, changes)) };
    let event = snapshot.id_at(position)?.unwrap_or_default();
    Ok((Some(Reached { position, event }), changes))
}

fn commit(open: &mut Open, progress: &watch::Sender<Progress>) -> Result<(), Failed> {
    let mut prepared = open.writer.prepare_commit()?;
    prepared.set_payload(&open.reached.payload());
    prepared.commit()?;
    progress.send_modify(|progress| {
        progress.position = open.reached.position;
        progress.commits += 1;
    });
    Ok(())
}

/// Removes documents of these things that the archive no longer has, from the files too and not by a mark alone: what was
/// erased must not lie in the index until it happens to be merged.
fn forget(
    replica: &Replica,
    open: &mut Open,
    progress: &watch::Sender<Progress>,
    entities: &HashSet<[u8; 16]>,
) -> Result<(), Failed> {
    let reader = open.index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    let searcher = reader.searcher();
    let mut gone = false;
    for entity in entities {
        let query = TermQuery::new(index::of_entity(&open.fields, entity), IndexRecordOption::Basic);
        for address in searcher.search(&query, &DocSetCollector)? {
            let columns = searcher.segment_reader(address.segment_ord).fast_fields();
            let (kind, position) = (columns.u64("kind")?.first(address.doc_id), columns.u64("position")?.first(address.doc_id));
            let (Some(kind), Some(position)) = (kind, position) else { continue };
            if !replica.snapshot()?.has_body(position)? {
                open.writer.delete_term(index::in_slot(&open.fields, &index::slot_of(kind, position, entity)));
                gone = true;
            }
        }
    }
    drop(searcher);
    if gone {
        commit(open, progress)?;
        let with_marks = open.index.searchable_segment_metas()?.into_iter().filter(|segment| segment.has_deletes());
        for segment in with_marks.map(|segment| segment.id()).collect::<Vec<_>>() {
            // It fails for one that is being merged anyway, which does the same.
            let _ = open.writer.merge(&[segment]).wait();
        }
        open.writer.garbage_collect_files().wait()?;
    }
    Ok(())
}
