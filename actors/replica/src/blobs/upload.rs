//! Content on its way in. It is cut, sealed and put into packs as it comes; from time to time a [`Checkpoint`] enters what
//! has come into the database, so that it is still there after a kill and the upload goes on from there. The last one goes
//! with the event that refers to the blob, in one transaction.

use std::collections::{BTreeSet, HashMap};

use minicbor::{Decode, Encode, bytes::ByteVec};
use zeroize::Zeroizing;

use super::{
    Blob, chunker,
    chunks::{Sealer, place_value},
    keys::{Made, Name},
    manifest::{self, Entry, Lists},
    packs::Place,
    whole::Whole,
};
use crate::{Damage, Replica, ReplicaError, Table, read::Snapshot, sealed, write::Batch};

/// Bytes after which what has come is entered into the database.
const CHECKPOINT: u64 = 32 << 20;

/// Bytes that may wait to be cut before what was cut is moved out of their way.
const WAITING: usize = 1 << 20;

/// What is to be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Which upload; random if nobody will ask for it again.
    pub id: [u8; 16],
    /// Whose content it is. Its key is what makes an unfinished upload readable.
    pub entity: [u8; 16],
    /// Bytes of the whole content.
    pub length: u64,
    /// It may be gone on with after this process has ended.
    pub resumable: bool,
    /// Milliseconds since 1970.
    pub now: u64,
}

/// Why an upload cannot begin or go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadRefused {
    /// Somebody is at it.
    #[error("this upload is in progress")]
    Busy,
    /// It was begun for something else, or with another length.
    #[error("an upload with this id was begun for something else")]
    Other,
}

/// An upload as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadState {
    /// Whose content it is.
    pub entity: [u8; 16],
    /// Bytes of the whole content.
    pub length: u64,
    /// Bytes that are kept; it goes on after them.
    pub offset: u64,
    /// When something last came, in milliseconds since 1970.
    pub touched: u64,
    /// It may be gone on with after its process has ended.
    pub resumable: bool,
}

/// What is put down of an upload.
#[derive(Encode, Decode)]
pub(super) struct State {
    #[n(0)]
    length: u64,
    #[n(1)]
    offset: u64,
    #[n(2)]
    touched: u64,
    #[n(3)]
    resumable: bool,
    #[n(4)]
    whole: Whole,
    #[n(5)]
    lists: Vec<ByteVec>,
}

/// Whose an upload is, and how far it is unless its owner was erased.
type Row = ([u8; 16], Option<State>);

/// Content on its way in. Dropping it gives up what was not entered into the database.
pub struct Upload {
    replica: Replica,
    begin: Begin,
    offset: u64,
    waiting: Zeroizing<Vec<u8>>,
    /// Bytes of `waiting` that are in chunks already.
    cut: usize,
    whole: Whole,
    lists: Lists,
    /// Chunks that this upload relies on since the last checkpoint, with their places if these are not in the database.
    relied: HashMap<Name, Option<Place>>,
    /// The packs of chunks that are not in the database yet, one entry for each chunk.
    appended: Vec<u64>,
    since: u64,
    sealer: Sealer,
    /// Something could not be put, so what came after it must not be kept.
    failed: bool,
}

/// What has come, to be entered into the database by [`Batch::keep_upload`].
pub struct Checkpoint {
    id: [u8; 16],
    entity: [u8; 16],
    rows: Vec<(Name, Place)>,
    /// Nothing when the upload ends.
    state: Option<Zeroizing<Vec<u8>>>,
}

/// All has come.
pub struct Finished {
    /// What the body of the event is to have.
    pub blob: Blob,
    /// What must be entered in the transaction that keeps the event.
    pub checkpoint: Checkpoint,
}

impl Replica {
    /// Begins an upload, or goes on with one of this id where it stands; see [`Upload::offset`].
    pub fn upload(&self, begin: Begin) -> Result<Result<Upload, UploadRefused>, ReplicaError> {
        let sealer = Sealer::new()?;
        if !self.blobs.held().uploads.insert(begin.id) {
            return Ok(Err(UploadRefused::Busy));
        }
        let mut upload = Upload {
            replica: self.clone(),
            begin,
            offset: 0,
            // As much as it ever has, so that no plain bytes stay behind where it grew.
            waiting: Zeroizing::new(Vec::with_capacity(WAITING)),
            cut: 0,
            whole: Whole::default(),
            lists: Lists::default(),
            relied: HashMap::new(),
            appended: Vec::new(),
            since: 0,
            sealer,
            failed: false,
        };
        let snapshot = self.snapshot()?;
        if let Some((entity, state)) = snapshot.upload_row(&begin.id)? {
            let state = state.filter(|state| entity == begin.entity && state.length == begin.length);
            let Some(state) = state else { return Ok(Err(UploadRefused::Other)) };
            upload.lists = Lists::from_bytes(&state.lists).ok_or(Damage::Record("uploads"))?;
            upload.whole = state.whole;
            upload.offset = state.offset;
        }
        Ok(Ok(upload))
    }
}

impl Upload {
    /// Bytes that were taken in and are in chunks; what is pushed next comes after them.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes in what comes next.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ReplicaError> {
        for piece in bytes.chunks(chunker::MAX) {
            if self.cut > 0 && self.waiting.len() + piece.len() > WAITING {
                self.waiting.drain(..self.cut);
                self.cut = 0;
            }
            self.waiting.extend_from_slice(piece);
            while self.waiting.len() - self.cut >= chunker::MAX {
                self.cut_one()?;
            }
        }
        Ok(())
    }

    /// Whether it is time for a checkpoint.
    pub fn is_due(&self) -> bool {
        self.since >= CHECKPOINT
    }

    /// Puts what has come on disk. It counts when [`Batch::keep_upload`] has entered it, and then [`Upload::kept`] is to
    /// be called.
    pub fn checkpoint(&mut self, now: u64) -> Result<Checkpoint, ReplicaError> {
        let state = State {
            length: self.begin.length,
            offset: self.offset,
            touched: now,
            resumable: self.begin.resumable,
            whole: self.whole.clone(),
            lists: self.lists.to_bytes(),
        };
        // Writing to a vector cannot fail.
        let state = Zeroizing::new(minicbor::to_vec(&state).unwrap_or_default());
        self.entered(Some(state))
    }

    /// The checkpoint stands in the database.
    pub fn kept(&mut self) {
        self.release();
        self.since = 0;
    }

    /// Takes the rest into chunks. The upload must live until the transaction has ended.
    pub fn finish(&mut self) -> Result<Finished, ReplicaError> {
        while self.waiting.len() > self.cut {
            self.cut_one()?;
        }
        let lists = std::mem::take(&mut self.lists);
        let (levels, entries) = lists.finish(&mut |list| self.put_list(list))?;
        let hash = std::mem::take(&mut self.whole).finish();
        let blob = Blob { length: self.offset, hash, levels, entries: manifest::encode(&entries) };
        Ok(Finished { blob, checkpoint: self.entered(None)? })
    }

    fn cut_one(&mut self) -> Result<(), ReplicaError> {
        let waiting = std::mem::take(&mut self.waiting);
        let rest = &waiting[self.cut..];
        let length = self.replica.blobs.chunker.cut(rest);
        let result = self.take(&rest[..length]);
        self.failed |= result.is_err();
        self.waiting = waiting;
        self.cut += length;
        result
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), ReplicaError> {
        let entry = self.put(Made::Leaf, chunk, chunk.len() as u64)?;
        self.whole.update(chunk);
        self.offset += entry.length;
        self.since += entry.length;
        let mut lists = std::mem::take(&mut self.lists);
        lists.push(entry, &mut |list| self.put_list(list))?;
        self.lists = lists;
        Ok(())
    }

    fn put_list(&mut self, list: &[Entry]) -> Result<Entry, ReplicaError> {
        let length = list.iter().map(|entry| entry.length).sum();
        self.put(Made::Node, &Zeroizing::new(manifest::encode(list)), length)
    }

    /// Puts a chunk into a pack, unless it is there.
    fn put(&mut self, made: Made, plain: &[u8], length: u64) -> Result<Entry, ReplicaError> {
        let replica = self.replica.clone();
        let (keys, blobs) = (&replica.keys, &replica.blobs);
        let entry = Entry { digest: keys.blobs.digest(made, plain), length };
        let name = keys.blobs.name(&entry.digest);
        if self.relied.contains_key(&name) {
            return Ok(entry);
        }
        {
            // It is held before it is looked for, so that what is found stays.
            let held = &mut *blobs.held();
            if let Some(touched) = &mut held.touched {
                touched.insert(name);
            }
            let chunk = held.chunks.entry(name).or_default();
            chunk.uploads += 1;
            self.relied.insert(name, chunk.place);
            if let Some(place) = chunk.place {
                // Another upload has put it there, and may give up before this one is done.
                blobs.packs.wait_for(place.pack);
                self.appended.push(place.pack);
                return Ok(entry);
            }
            if replica.has_chunk(&name)? {
                return Ok(entry);
            }
        }
        let place = blobs.packs.append(&self.sealer.seal(keys, &entry, plain)?)?;
        self.appended.push(place.pack);
        self.relied.insert(name, Some(place));
        if let Some(chunk) = blobs.held().chunks.get_mut(&name) {
            chunk.place = Some(place);
        }
        Ok(entry)
    }

    fn entered(&self, state: Option<Zeroizing<Vec<u8>>>) -> Result<Checkpoint, ReplicaError> {
        if self.failed {
            return Err(ReplicaError::Engine("an upload that failed cannot go on".to_owned()));
        }
        let rows: Vec<_> = self.relied.iter().filter_map(|(name, place)| Some((*name, (*place)?))).collect();
        let packs: BTreeSet<u64> = rows.iter().map(|(_, place)| place.pack).collect();
        self.replica.blobs.packs.sync(packs.into_iter())?;
        Ok(Checkpoint { id: self.begin.id, entity: self.begin.entity, rows, state })
    }

    /// Holds nothing any more that was held since the last checkpoint.
    fn release(&mut self) {
        let held = &mut *self.replica.blobs.held();
        for (name, _) in self.relied.drain() {
            if let Some(chunk) = held.chunks.get_mut(&name) {
                chunk.uploads -= 1;
                if chunk.uploads == 0 {
                    held.chunks.remove(&name);
                }
            }
        }
        self.appended.drain(..).for_each(|pack| self.replica.blobs.packs.settle(pack));
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.release();
        self.replica.blobs.held().uploads.remove(&self.begin.id);
    }
}

impl Batch<'_> {
    /// Enters what has come of an upload; where that is all, the upload ends.
    pub fn keep_upload(&mut self, checkpoint: &Checkpoint) -> Result<(), ReplicaError> {
        for (name, place) in &checkpoint.rows {
            if self.txn.get(Table::Chunk, name)?.is_none() {
                let value = place_value(&self.replica.keys, name, *place)?;
                self.txn.put(Table::Chunk, name, &value)?;
            }
        }
        match &checkpoint.state {
            None => self.txn.delete(Table::Upload, &checkpoint.id)?,
            Some(state) => {
                let key = self.entity_key(&checkpoint.entity)?;
                let sealed = sealed::seal(&key, &[b"upload", &checkpoint.id], state)?;
                self.txn.put(Table::Upload, &checkpoint.id, &[&checkpoint.entity[..], &sealed].concat())?;
            }
        }
        Ok(())
    }

    /// Gives up an upload. What came of it is removed by the next [`Collection`](super::Collection).
    pub fn discard_upload(&mut self, id: &[u8; 16]) -> Result<(), ReplicaError> {
        self.txn.delete(Table::Upload, id)
    }
}

impl Snapshot<'_> {
    /// An upload that has not ended; `None` if there is none, or if its entity was erased.
    pub fn upload(&self, id: &[u8; 16]) -> Result<Option<UploadState>, ReplicaError> {
        Ok(self.upload_row(id)?.and_then(|(entity, state)| Some(state?.told(entity))))
    }

    /// An upload as it stands in its table: without a state if its entity was erased.
    fn upload_row(&self, id: &[u8; 16]) -> Result<Option<Row>, ReplicaError> {
        let row = self.txn.get(Table::Upload, id)?;
        row.map(|row| self.read_upload(id, row)).transpose()
    }

    pub(super) fn read_upload(&self, id: &[u8], row: &[u8]) -> Result<Row, ReplicaError> {
        let damaged = || Damage::Record("uploads");
        let (entity, sealed) = row.split_first_chunk().ok_or_else(damaged)?;
        let Some(key) = self.replica.entity_key(&*self.txn, entity)? else { return Ok((*entity, None)) };
        // An entity that was erased and begun again has another key.
        let Some(plain) = sealed::open(&key, &[b"upload", id], sealed) else { return Ok((*entity, None)) };
        Ok((*entity, Some(minicbor::decode(&plain).map_err(|_| damaged())?)))
    }
}

impl State {
    pub(super) fn told(&self, entity: [u8; 16]) -> UploadState {
        let State { length, offset, touched, resumable, .. } = *self;
        UploadState { entity, length, offset, touched, resumable }
    }

    /// The lists as they were put down.
    pub(super) fn lists(&self) -> Option<Lists> {
        Lists::from_bytes(&self.lists)
    }
}
