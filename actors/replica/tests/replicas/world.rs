//! Devices, their clocks, and what passes between them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::event::{EventHeader, SIGNING_TAG};
use replica::{
    AuthorHead, Carried, Draft, Form, Kept, Parcel, Refused, Replica, StoreKeys, Taken, Unfit, Wall, Writer,
    body::{Author, Body, Content, FileBody, Message, Part, Status, Title},
    engine::Engine,
    state::{Act, Change, Operation, Step},
};

use crate::memory::Memory;

pub(crate) const SPACE: [u8; 16] = [7; 16];

/// Where these devices would have large content, of which they have none.
pub(crate) const NO_BLOBS: &str = "no-blobs";

/// Noon of some day.
pub(crate) const NOON: u64 = 1_790_000_000_000;

/// A device with a store in memory.
pub(crate) struct Device {
    pub(crate) key: SigningKey,
    pub(crate) wall: Arc<AtomicU64>,
    pub(crate) memory: Memory,
    pub(crate) replica: Replica,
    pub(crate) writer: Writer,
    master: [u8; 32],
}

pub(crate) fn store(engine: Arc<dyn Engine>, key: &SigningKey, master: [u8; 32], wall: &Arc<AtomicU64>) -> Replica {
    let keys = StoreKeys::new(&master, SPACE, key.verifying_key().to_bytes());
    let wall = wall.clone();
    Replica::on(engine, Path::new(NO_BLOBS), keys, Wall::new(move || wall.load(Ordering::Relaxed))).unwrap()
}

impl Device {
    /// A device that shares the archive's key with the others that [`Device::new`] makes.
    pub(crate) fn new(number: u8) -> Device {
        Device::with(number, [9; 32], Memory::new())
    }

    pub(crate) fn with(number: u8, master: [u8; 32], memory: Memory) -> Device {
        let key = SigningKey::from_bytes(&[number; 32]);
        let wall = Arc::new(AtomicU64::new(NOON));
        let replica = store(Arc::new(memory.clone()), &key, master, &wall);
        let writer = replica.writer().unwrap();
        Device { key, wall, memory, replica, writer, master }
    }

    /// The same store, opened again.
    pub(crate) fn reopen(&mut self) {
        self.replica = store(Arc::new(self.memory.clone()), &self.key, self.master, &self.wall);
        self.writer = self.replica.writer().unwrap();
    }

    pub(crate) fn id(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    pub(crate) fn tick(&self, millis: u64) {
        self.wall.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn try_append(&mut self, draft: &Draft) -> Result<Kept, Refused> {
        self.writer.write(|batch| batch.append(draft)).unwrap()
    }

    pub(crate) fn append(&mut self, draft: &Draft) -> Kept {
        self.try_append(draft).unwrap()
    }

    pub(crate) fn change(&mut self, entity: u8, operations: Vec<Operation>) -> Kept {
        self.append(&Draft { entity: [entity; 16], body: Body::Change(Change { operations }), once: None })
    }

    /// Signs what has no signature.
    pub(crate) fn sign(&mut self) {
        let unsigned = self.replica.snapshot().unwrap().unsigned(usize::MAX).unwrap();
        let key = &self.key;
        self.writer
            .write(|batch| unsigned.iter().try_for_each(|(position, header)| batch.sign(*position, &signature(key, header))))
            .unwrap();
    }

    pub(crate) fn heads(&self) -> Vec<AuthorHead> {
        self.replica.snapshot().unwrap().heads().unwrap()
    }

    /// All that the other has not, by its heads.
    pub(crate) fn missing(&self, other: &Device, form: Form) -> Vec<Parcel> {
        let theirs = other.heads();
        let snapshot = self.replica.snapshot().unwrap();
        let mut parcels = Vec::new();
        for head in snapshot.heads().unwrap() {
            let from = theirs.iter().find(|other| other.author == head.author).map_or(0, |head| head.sequence) + 1;
            parcels.extend(snapshot.range(&head.author, from, head.sequence, usize::MAX, form).unwrap());
        }
        parcels
    }

    /// Everything, as one who has all would give it to one who has nothing.
    pub(crate) fn everything(&self, form: Form) -> Vec<Parcel> {
        let snapshot = self.replica.snapshot().unwrap();
        let heads = snapshot.heads().unwrap();
        heads.iter().flat_map(|head| snapshot.range(&head.author, 1, u64::MAX, usize::MAX, form).unwrap()).collect()
    }

    pub(crate) fn take(&mut self, parcels: &[Parcel]) -> Vec<Result<Taken, Unfit>> {
        self.writer.take(parcels).unwrap()
    }

    pub(crate) fn take_one(&mut self, parcel: &Parcel) -> Result<Taken, Unfit> {
        self.take(std::slice::from_ref(parcel))[0]
    }

    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        self.replica.snapshot().unwrap().fingerprint().unwrap()
    }
}

/// Signs and gives to another all that it has not.
pub(crate) fn give(from: &mut Device, to: &mut Device, form: Form) -> Vec<Result<Taken, Unfit>> {
    from.sign();
    let parcels = from.missing(to, form);
    to.take(&parcels)
}

/// Lets two devices have the same.
pub(crate) fn meet(one: &mut Device, other: &mut Device) {
    give(one, other, Form::Sealed);
    give(other, one, Form::Open);
}

pub(crate) fn signature(key: &SigningKey, header: &[u8]) -> [u8; 64] {
    key.sign(&[&SIGNING_TAG[..], blake3::hash(header).as_bytes()].concat()).to_bytes()
}

/// The parcel of a header that someone else made up, signed by this key.
pub(crate) fn forged(key: &SigningKey, header: &EventHeader, body: Carried) -> Parcel {
    let header = header.encode();
    let signature = signature(key, &header);
    Parcel { header, signature, body }
}

pub(crate) fn begin(entity: u8, title: &str) -> Draft {
    let entity = [entity; 16];
    Draft { entity, body: Body::Conversation(Title { title: title.into() }), once: Some(entity) }
}

pub(crate) fn rename(entity: u8, title: &str) -> Draft {
    Draft { entity: [entity; 16], body: Body::Title(Title { title: title.into() }), once: None }
}

pub(crate) fn say(entity: u8, id: u16, text: &str) -> Draft {
    let mut name = [0; 16];
    name[..2].copy_from_slice(&id.to_le_bytes());
    let message = Message {
        id: name,
        turn: [0; 16],
        author: Author::Person,
        parts: vec![Part::Text(text.into())],
        attachments: Vec::new(),
        status: Status::Complete,
        made_by: String::new(),
    };
    Draft { entity: [entity; 16], body: Body::Message(message), once: Some(name) }
}

pub(crate) fn file(entity: u8, bytes: &[u8]) -> Draft {
    let body = Body::File(FileBody::new(format!("user/{entity}"), Content::Bytes(bytes.to_vec())));
    Draft { entity: [entity; 16], body, once: None }
}

pub(crate) fn on(path: &[&str], act: Act) -> Operation {
    Operation { path: path.iter().map(|name| Step::from(*name)).collect(), act }
}
