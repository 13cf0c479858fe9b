//! What a person did and the archive has not acknowledged yet: commands, in the order in which they were given, on disk and
//! synced before anybody is told that they were taken.
//!
//! It is a database of its own, apart from the cache that a window may throw away. The archive does a command once however
//! often it comes, by its id, so after a kill everything that waits is sent again. When it is full it says so and takes
//! nothing more; nothing in it is ever dropped to make room.
//!
//! What a person has pinned lies in it too: that is told to no archive, so it must outlive the cache.

use std::{collections::BTreeSet, ops::Bound, path::Path, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    Damage, ReplicaError, StoreKeys,
    engine::{self, Engine, Reading, Writing, prefix},
    log::position,
    sealed,
    tables::Table,
};

/// Chosen by who gives the command; the same id is the same command.
pub type CommandId = [u8; 16];

/// Which layout this is, `u32`, and the space, `16` bytes.
const META_FORMAT: &[u8] = b"outbox";
const FORMAT: u32 = 1;

/// The next position `u64` ‖ commands `u64` ‖ their bytes `u64`, little-endian.
const META_COUNT: &[u8] = b"outbox count";

/// Most bytes of one command. What is longer is a blob, and the command names it.
const MAX_COMMAND: usize = 1 << 20;

/// What is counted for a command beside its sealed bytes: its keys and its share of a page.
const AROUND: u64 = 128;

const BY_POSITION: u8 = 0;
const BY_ID: u8 = 1;
const PINNED: u8 = 2;

/// Most things that may be pinned.
const MAX_PINNED: usize = 1024;

/// Why a command is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// There is no room. What waits stays.
    #[error("{commands} commands wait for the archive, and there is no room for another: nothing was taken, try again later")]
    Full {
        /// How many wait.
        commands: u64,
    },
    /// Another command was given under this id.
    #[error("another command was given under this id before")]
    Conflict,
    /// It is too long.
    #[error("a command of {0} bytes is too long")]
    TooLong(usize),
    /// Too much is pinned.
    #[error("{MAX_PINNED} conversations are pinned, and there is no room for another pin: unpin one first")]
    Pinned,
    /// The database fails.
    #[error(transparent)]
    Store(#[from] ReplicaError),
}

/// A command that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its place in the order.
    pub position: u64,
    /// It had been taken before and still waits.
    pub again: bool,
}

/// A command that waits.
#[derive(Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the order.
    pub position: u64,
    /// Its id.
    pub id: CommandId,
    /// Itself.
    pub command: Zeroizing<Vec<u8>>,
}

/// How full it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Commands that wait.
    pub commands: u64,
    /// Their bytes, sealed.
    pub bytes: u64,
    /// Bytes there is room for.
    pub capacity: u64,
}

/// Commands that wait for the archive. See the module.
pub struct Outbox {
    engine: Arc<dyn Engine>,
    keys: StoreKeys,
    capacity: u64,
}

struct Count {
    next: u64,
    commands: u64,
    bytes: u64,
}

impl Outbox {
    /// Opens the outbox in this directory, or makes one in an empty directory. `capacity` is in bytes of sealed commands;
    /// the file may take up to twice that.
    pub fn open(directory: &Path, keys: StoreKeys, capacity: u64) -> Result<Outbox, ReplicaError> {
        Outbox::on(engine::open(directory)?, keys, capacity)
    }

    /// The outbox in this database.
    pub fn on(engine: Arc<dyn Engine>, keys: StoreKeys, capacity: u64) -> Result<Outbox, ReplicaError> {
        begin(&*engine, &keys)?;
        Ok(Outbox { engine, keys, capacity })
    }

    /// Takes a command. When this returns well it is on disk and synced, once.
    pub fn put(&self, id: &CommandId, command: &[u8]) -> Result<Placed, OutboxError> {
        if command.len() > MAX_COMMAND {
            return Err(OutboxError::TooLong(command.len()));
        }
        let digest = self.keys.blind("outbox", &[command]);
        let mut txn = self.engine.write()?;
        if let Some(value) = txn.get(Table::Outbox, &by_id(id))? {
            let position = position(value, "the outbox")?;
            let held = txn.get(Table::Outbox, &by_position(position))?.ok_or_else(damaged)?;
            let same = held.get(16..32).ok_or_else(damaged)? == digest;
            return if same { Ok(Placed { position, again: true }) } else { Err(OutboxError::Conflict) };
        }
        let count = count(txn.reading())?;
        let position = count.next;
        let sealed = sealed::seal(&self.keys.views, &[b"outbox", id, &position.to_le_bytes()], command)?;
        let bytes = count.bytes + weight(&sealed);
        if bytes > self.capacity {
            return Err(OutboxError::Full { commands: count.commands });
        }
        let mut write = || {
            txn.put(Table::Outbox, &by_position(position), &[&id[..], &digest, &sealed].concat())?;
            txn.put(Table::Outbox, &by_id(id), &position.to_be_bytes())?;
            put_count(&mut *txn, &Count { next: position + 1, commands: count.commands + 1, bytes })
        };
        match write().and_then(|()| txn.commit()) {
            // Its file may not grow as far as its commands may: that of a sparse store has a limit of its own.
            Err(ReplicaError::MapFull(_)) => Err(OutboxError::Full { commands: count.commands }),
            done => done.map(|()| Placed { position, again: false }).map_err(OutboxError::Store),
        }
    }

    /// Commands that wait, in their order, beginning after a place; `limit` at most, and no more than `bytes` but for the
    /// first.
    pub fn waiting(&self, after: Option<u64>, limit: usize, bytes: usize) -> Result<Vec<Waiting>, ReplicaError> {
        let txn = self.engine.read()?;
        let from = by_position(after.map_or(0, |after| after.saturating_add(1)));
        let rows = txn.range(Table::Outbox, Bound::Included(&from), Bound::Excluded(&[BY_ID]))?;
        let (mut waiting, mut total) = (Vec::new(), 0);
        for row in rows.take(limit) {
            let (key, value) = row?;
            let position = position(key, "the outbox")?;
            let (id, rest) = value.split_first_chunk::<16>().ok_or_else(damaged)?;
            let sealed = rest.get(16..).ok_or_else(damaged)?;
            total += sealed.len();
            if total > bytes && !waiting.is_empty() {
                break;
            }
            let place: [&[u8]; 3] = [b"outbox", id, &position.to_le_bytes()];
            let command = sealed::open(&self.keys.views, &place, sealed).ok_or_else(damaged)?;
            waiting.push(Waiting { position, id: *id, command });
        }
        Ok(waiting)
    }

    /// The archive has done these, now or before. Returns how many of them had waited.
    pub fn acknowledge(&self, ids: &[CommandId]) -> Result<u64, ReplicaError> {
        let mut txn = self.engine.write()?;
        let mut count = count(txn.reading())?;
        let before = count.commands;
        for id in ids {
            let Some(value) = txn.get(Table::Outbox, &by_id(id))? else { continue };
            let key = by_position(position(value, "the outbox")?);
            let held = txn.get(Table::Outbox, &key)?.ok_or_else(damaged)?;
            count.bytes = count.bytes.saturating_sub(weight(held.get(32..).ok_or_else(damaged)?));
            count.commands = count.commands.saturating_sub(1);
            txn.delete(Table::Outbox, &key)?;
            txn.delete(Table::Outbox, &by_id(id))?;
        }
        put_count(&mut *txn, &count)?;
        txn.commit()?;
        Ok(before - count.commands)
    }

    /// Keeps in mind that the person wants to have this at hand, or no longer. When this returns well it is on disk and synced.
    pub fn set_pinned(&self, entity: &[u8; 16], pinned: bool) -> Result<(), OutboxError> {
        let mut txn = self.engine.write()?;
        let key = by_pinned(entity);
        if txn.get(Table::Outbox, &key)?.is_some() == pinned {
            return Ok(());
        }
        if !pinned {
            txn.delete(Table::Outbox, &key)?;
            return Ok(txn.commit()?);
        }
        if prefix(txn.reading(), Table::Outbox, &[PINNED])?.count() >= MAX_PINNED {
            return Err(OutboxError::Pinned);
        }
        match txn.put(Table::Outbox, &key, &[]).and_then(|()| txn.commit()) {
            Err(ReplicaError::MapFull(_)) => Err(OutboxError::Pinned),
            done => done.map_err(OutboxError::Store),
        }
    }

    /// What the person wants to have at hand.
    pub fn pinned(&self) -> Result<BTreeSet<[u8; 16]>, ReplicaError> {
        let txn = self.engine.read()?;
        let rows = prefix(&*txn, Table::Outbox, &[PINNED])?;
        rows.map(|row| row?.0.get(1..).and_then(|entity| entity.try_into().ok()).ok_or_else(damaged)).collect()
    }

    /// How full it is.
    pub fn filled(&self) -> Result<Filled, ReplicaError> {
        let Count { commands, bytes, .. } = count(&*self.engine.read()?)?;
        Ok(Filled { commands, bytes, capacity: self.capacity })
    }
}

/// Says in an empty database what it is for, and looks whether that is what it says.
fn begin(engine: &dyn Engine, keys: &StoreKeys) -> Result<(), ReplicaError> {
    let mut txn = engine.write()?;
    match txn.get(Table::Meta, META_FORMAT)?.map(<[u8]>::to_vec) {
        None => {
            txn.put(Table::Meta, META_FORMAT, &[&FORMAT.to_le_bytes()[..], &keys.space].concat())?;
            txn.commit()?;
        }
        Some(value) => {
            let (format, space) = value.split_first_chunk::<4>().ok_or(Damage::Record("the outbox"))?;
            let found = u32::from_le_bytes(*format);
            if found > FORMAT {
                return Err(ReplicaError::Newer { found, known: FORMAT });
            }
            if space != keys.space {
                return Err(ReplicaError::OtherSpace);
            }
        }
    }
    Ok(())
}

fn by_position(position: u64) -> Vec<u8> {
    [&[BY_POSITION][..], &position.to_be_bytes()].concat()
}

fn by_id(id: &CommandId) -> Vec<u8> {
    [&[BY_ID][..], id].concat()
}

fn by_pinned(entity: &[u8; 16]) -> Vec<u8> {
    [&[PINNED][..], entity].concat()
}

fn weight(sealed: &[u8]) -> u64 {
    sealed.len() as u64 + AROUND
}

fn damaged() -> ReplicaError {
    Damage::Record("the outbox").into()
}

fn count(txn: &dyn Reading) -> Result<Count, ReplicaError> {
    let Some(value) = txn.get(Table::Meta, META_COUNT)? else { return Ok(Count { next: 0, commands: 0, bytes: 0 }) };
    let number = |at: usize| value.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let read = || Some(Count { next: number(0)?, commands: number(8)?, bytes: number(16)? });
    read().ok_or_else(damaged)
}

fn put_count(txn: &mut dyn Writing, count: &Count) -> Result<(), ReplicaError> {
    let value = [count.next, count.commands, count.bytes].map(u64::to_le_bytes);
    txn.put(Table::Meta, META_COUNT, value.as_flattened())
}

/// A command is a person's words; they are not printed.
impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "command {} of {} bytes", self.position, self.command.len())
    }
}
