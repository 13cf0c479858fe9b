//! The one writer: events in, one synced transaction out.

use heed::{PutFlags, RwTxn};
use ipc::event::{Clock, EventHeader};

use crate::{
    Damage, Replica, ReplicaError,
    body::{self, Body},
    clock,
    log::{self, Recorded, hex},
    sealed, views,
};

/// Something to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What it is about.
    pub entity: [u8; 16],
    /// What it says.
    pub body: Body,
    /// What makes it the same as one that was kept before.
    pub once: Option<Once>,
}

/// The identity under which something is kept once.
pub type Once = [u8; 16];

/// It is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its place.
    pub position: u64,
    /// The event's id.
    pub id: [u8; 32],
    /// Its kind.
    pub kind: u16,
    /// What it is about.
    pub entity: [u8; 16],
    /// It had been kept before.
    pub again: bool,
}

/// Why a draft is not kept. Others of the same transaction are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something else was kept under this identity.
    #[error("something else was kept under this id before")]
    Conflict,
    /// It belongs to a conversation that was never begun.
    #[error("there is no such conversation")]
    NoConversation,
    /// There is no such file to be removed.
    #[error("there is no such file")]
    NoFile,
}

/// The author's newest event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    sequence: u64,
    clock: Clock,
    id: [u8; 32],
}

/// Writes. It remembers where it is, so that it reads nothing it wrote itself.
pub struct Writer {
    replica: Replica,
    head: Head,
    position: u64,
}

/// A transaction in progress.
pub struct Batch<'t> {
    replica: &'t Replica,
    txn: RwTxn<'t>,
    head: Head,
    position: u64,
}

impl Writer {
    pub(crate) fn new(replica: Replica) -> Result<Writer, ReplicaError> {
        let txn = replica.read()?;
        let position = match replica.tables.event.last(&txn)? {
            Some((key, _)) => u64::from_be_bytes(key.try_into().map_err(|_| Damage::Record("events"))?),
            None => 0,
        };
        let head = match replica.tables.head.get(&txn, &replica.keys.device)? {
            Some(value) => Head::read(value).ok_or(Damage::Record("heads"))?,
            None => Head::default(),
        };
        drop(txn);
        Ok(Writer { replica, head, position })
    }

    /// Does some work in one transaction. When this returns well, all of it is on disk and synced; otherwise nothing of it
    /// is there.
    pub fn write<T>(&mut self, work: impl FnOnce(&mut Batch<'_>) -> Result<T, ReplicaError>) -> Result<T, ReplicaError> {
        let mut batch =
            Batch { replica: &self.replica, txn: self.replica.env.write_txn()?, head: self.head, position: self.position };
        let result = work(&mut batch)?;
        let Batch { txn, head, position, .. } = batch;
        txn.commit().map_err(|error| self.replica.why(error.into()))?;
        (self.head, self.position) = (head, position);
        Ok(result)
    }
}

impl Batch<'_> {
    /// Keeps a draft as an event of this device, unless it was kept before.
    pub fn append(&mut self, draft: &Draft) -> Result<Result<Kept, Refused>, ReplicaError> {
        let plain = draft.body.to_bytes();
        let kind = draft.body.kind();
        let digest = self.replica.keys.blind("once", &[&plain]);
        if let Some(once) = draft.once {
            let key = once_key(kind, &once);
            if let Some(value) = self.replica.tables.once.get(&self.txn, &key)? {
                let (position, before) = value.split_first_chunk::<8>().ok_or(Damage::Record("identities"))?;
                let same = before == digest;
                let position = u64::from_be_bytes(*position);
                let event = self.replica.event(&self.txn, position)?;
                return Ok(same
                    .then_some(Kept { position, id: event.id, kind, entity: event.header.entity, again: true })
                    .ok_or(Refused::Conflict));
            }
        }
        if let Err(refused) = self.check(draft)? {
            return Ok(Err(refused));
        }
        let event = self.put(draft, &plain)?;
        if let Some(once) = draft.once {
            let value = [&event.position.to_be_bytes()[..], &digest].concat();
            self.replica.tables.once.put(&mut self.txn, &once_key(kind, &once), &value)?;
        }
        self.fold(&event, &draft.body)?;
        Ok(Ok(Kept { position: event.position, id: event.id, kind, entity: draft.entity, again: false }))
    }

    /// Adds the signature of an event.
    pub fn sign(&mut self, position: u64, signature: &[u8; 64]) -> Result<(), ReplicaError> {
        let key = position.to_be_bytes();
        let value = self.replica.tables.event.get(&self.txn, &key)?.ok_or(Damage::Record("events"))?;
        let header = log::header_bytes(value).ok_or(Damage::Record("events"))?.to_vec();
        self.replica.tables.event.put(&mut self.txn, &key, &log::value(&header, Some(signature)))?;
        self.replica.tables.unsigned.delete(&mut self.txn, &key)?;
        Ok(())
    }

    /// Whether what the draft belongs to is there.
    fn check(&self, draft: &Draft) -> Result<Result<(), Refused>, ReplicaError> {
        Ok(match draft.body {
            Body::Message(_) | Body::Title(_) | Body::Trace(_) | Body::Attachment(_) => {
                let known = self.replica.tables.conversation.get(&self.txn, &draft.entity)?.is_some();
                if known { Ok(()) } else { Err(Refused::NoConversation) }
            }
            Body::FileRemoved(_) => {
                let there = self.file(&draft.entity)?.is_some_and(|file| file.position != 0);
                if there { Ok(()) } else { Err(Refused::NoFile) }
            }
            _ => Ok(()),
        })
    }

    /// Writes the event itself and its indexes.
    fn put(&mut self, draft: &Draft, plain: &[u8]) -> Result<Recorded, ReplicaError> {
        let tables = self.replica.tables;
        let keys = &self.replica.keys;
        let body = sealed::Body::new(plain)?;
        let header = EventHeader {
            space: keys.space,
            author: keys.device,
            sequence: self.head.sequence + 1,
            previous: self.head.id,
            clock: clock::next(self.head.clock),
            kind: draft.body.kind(),
            entity: draft.entity,
            body_len: body.length,
            body_digest: body.digest,
            seen: self.newest_of(&draft.entity)?,
        };
        let bytes = header.encode();
        let id = *blake3::hash(&bytes).as_bytes();
        let entity_key = self.entity_key(&draft.entity)?;
        let sealed = body.seal(&entity_key, &id)?;
        self.position += 1;
        let position = self.position.to_be_bytes();
        let clock = header.clock.0.to_be_bytes();
        let txn = &mut self.txn;
        tables.event.put_with_flags(txn, PutFlags::APPEND, &position, &log::value(&bytes, None))?;
        tables.body.put_with_flags(txn, PutFlags::APPEND, &position, &sealed)?;
        tables.unsigned.put_with_flags(txn, PutFlags::APPEND, &position, &[])?;
        tables.id.put(txn, &id, &position)?;
        tables.entity.put(txn, &[&draft.entity[..], &clock, &position].concat(), &[])?;
        tables.kind.put(txn, &[&header.kind.to_be_bytes()[..], &position].concat(), &[])?;
        self.head = Head { sequence: header.sequence, clock: header.clock, id };
        tables.head.put(txn, &keys.device, &self.head.value())?;
        Ok(Recorded { position: self.position, id, header, signature: None })
    }

    /// Brings the views up to date.
    fn fold(&mut self, event: &Recorded, body: &Body) -> Result<(), ReplicaError> {
        let (tables, keys) = (self.replica.tables, &self.replica.keys);
        let entity = &event.header.entity;
        match body {
            Body::File(_) | Body::FileRemoved(_) => {
                let mut file = self.file(entity)?.unwrap_or_default();
                file.fold(event, body);
                tables.file.put(&mut self.txn, entity, &views::seal(keys, "files", entity, &file)?)?;
            }
            Body::Unknown(_) => {}
            _ => {
                let before = tables.conversation.get(&self.txn, entity)?;
                let mut view: views::Conversation =
                    before.map(|bytes| views::open(keys, "conversations", entity, bytes)).transpose()?.unwrap_or_default();
                if view.changed != 0 {
                    tables.recent.delete(&mut self.txn, &[&view.changed.to_be_bytes()[..], entity].concat())?;
                }
                view.fold(event, body);
                tables.conversation.put(&mut self.txn, entity, &views::seal(keys, "conversations", entity, &view)?)?;
                tables.recent.put(&mut self.txn, &[&view.changed.to_be_bytes()[..], entity].concat(), &[])?;
                if event.header.kind == body::MESSAGE {
                    let key = [&entity[..], &event.header.clock.0.to_be_bytes(), &event.position.to_be_bytes()].concat();
                    tables.message.put(&mut self.txn, &key, &[])?;
                }
            }
        }
        Ok(())
    }

    fn file(&self, entity: &[u8; 16]) -> Result<Option<views::File>, ReplicaError> {
        let bytes = self.replica.tables.file.get(&self.txn, entity)?;
        bytes.map(|bytes| views::open(&self.replica.keys, "files", entity, bytes)).transpose()
    }

    /// The ids of the newest events of an entity. There is one author yet, so there is one at most.
    fn newest_of(&self, entity: &[u8; 16]) -> Result<Vec<[u8; 32]>, ReplicaError> {
        let Some(last) = self.replica.tables.entity.rev_prefix_iter(&self.txn, entity)?.next() else { return Ok(Vec::new()) };
        let position = last?.0.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(Damage::Record("entities"))?;
        Ok(vec![self.replica.event(&self.txn, position)?.id])
    }

    /// The key of an entity, made when it is first needed.
    fn entity_key(&mut self, entity: &[u8; 16]) -> Result<zeroize::Zeroizing<[u8; 32]>, ReplicaError> {
        if let Some(key) = self.replica.entity_key(&self.txn, entity)? {
            return Ok(key);
        }
        let mut key = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| ReplicaError::Io(error.into()))?;
        let wrapped = sealed::wrap(&self.replica.keys, entity, &key)?;
        self.replica.tables.key.put(&mut self.txn, entity, &wrapped)?;
        Ok(key)
    }
}

impl Head {
    fn value(self) -> Vec<u8> {
        [&self.sequence.to_le_bytes()[..], &self.clock.0.to_le_bytes(), &self.id].concat()
    }

    fn read(value: &[u8]) -> Option<Head> {
        let (sequence, rest) = value.split_first_chunk::<8>()?;
        let (clock, id) = rest.split_first_chunk::<8>()?;
        let clock = Clock(u64::from_le_bytes(*clock));
        Some(Head { sequence: u64::from_le_bytes(*sequence), clock, id: id.try_into().ok()? })
    }
}

fn once_key(kind: u16, once: &Once) -> Vec<u8> {
    [&kind.to_be_bytes()[..], once].concat()
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", hex(&self.id), self.position)
    }
}
