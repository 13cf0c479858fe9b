//! What other devices may have written: events that are signed and in order, whose bodies are any bytes. Two stores take
//! them in, each in an order of its own, and must hold the same. The target in `fuzz_targets/` calls this with what the
//! fuzzer makes up, and `actors/replica/tests/replicas` with what lies in `corpus/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is what is looked for")]
#![allow(unreachable_pub, dead_code, reason = "a test includes this file as one of its own")]

use std::{path::Path, sync::Arc};

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::event::{Clock, EventHeader, SIGNING_TAG};
use replica::{Carried, Parcel, Replica, StoreKeys, Wall, Writer, body, engine::Engine};

const SPACE: [u8; 16] = [7; 16];
const NOON: u64 = 1_790_000_000_000;
/// Kinds that are known, and one that is not.
pub const KINDS: [u16; 14] = [
    body::CONVERSATION,
    body::MESSAGE,
    body::TITLE,
    body::TRACE,
    body::ATTACHMENT,
    body::FILE,
    body::FILE_REMOVED,
    body::EXPERIENCE,
    body::BUNDLE,
    body::BRANCH,
    body::RIGHT,
    body::ERASE,
    body::CHANGE,
    999,
];
/// More events take longer and find no more.
const MOST: usize = 24;

/// One event as the fuzzer writes it.
#[derive(Clone, Debug)]
pub struct Written {
    /// Which of two devices.
    pub author: bool,
    /// Whether it had seen what came before it in the entity, from both devices.
    pub saw: bool,
    /// Milliseconds after the event before it.
    pub later: bool,
    /// Which of four entities.
    pub entity: u8,
    /// Which of [`KINDS`].
    pub kind: u8,
    /// What it says.
    pub body: Vec<u8>,
}

impl Written {
    /// As [`read`] reads it.
    pub fn put(&self, into: &mut Vec<u8>) {
        let flags = u8::from(self.author) | u8::from(self.saw) << 1 | u8::from(self.later) << 2 | self.entity << 3;
        into.extend_from_slice(&[flags, self.kind]);
        into.extend_from_slice(&(self.body.len() as u16).to_le_bytes());
        into.extend_from_slice(&self.body);
    }
}

fn read(mut bytes: &[u8]) -> Vec<Written> {
    let mut events = Vec::new();
    while let Some((&[flags, kind, low, high], rest)) = bytes.split_first_chunk::<4>() {
        if events.len() == MOST {
            break;
        }
        let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let (body, rest) = rest.split_at(length);
        events.push(Written {
            author: flags & 1 != 0,
            saw: flags & 2 != 0,
            later: flags & 4 != 0,
            entity: flags >> 3 & 3,
            kind: kind % KINDS.len() as u8,
            body: body.to_vec(),
        });
        bytes = rest;
    }
    events
}

/// The name of an entity: where erasures are written, or one of three.
pub fn entity(number: u8) -> [u8; 16] {
    if number == 0 { body::ERASURES } else { [number; 16] }
}

/// Events as their devices would sign them.
fn parcels(events: &[Written]) -> [Vec<Parcel>; 2] {
    let mut chains = [Vec::new(), Vec::new()];
    let mut last = [([0; 32], 0); 2];
    let mut seen: [[Option<[u8; 32]>; 2]; 4] = [[None; 2]; 4];
    let mut clock = Clock::from_millis(NOON);
    for event in events {
        let who = usize::from(event.author);
        let key = SigningKey::from_bytes(&[who as u8 + 1; 32]);
        clock.0 += if event.later { 1 << 16 } else { 1 };
        let heads = &mut seen[usize::from(event.entity)];
        let mut saw: Vec<[u8; 32]> =
            if event.saw { heads.iter().flatten().copied().collect() } else { heads[who].into_iter().collect() };
        saw.sort_unstable();
        let header = EventHeader {
            space: SPACE,
            author: key.verifying_key().to_bytes(),
            sequence: last[who].1 + 1,
            previous: last[who].0,
            clock,
            kind: KINDS[usize::from(event.kind)],
            entity: entity(event.entity),
            body_len: event.body.len() as u32,
            body_digest: *blake3::keyed_hash(&[0; 32], &event.body).as_bytes(),
            seen: saw,
        }
        .encode();
        let id = *blake3::hash(&header).as_bytes();
        let signature = key.sign(&[&SIGNING_TAG[..], &id].concat()).to_bytes();
        // As it is kept: not compressed, the key of the digest, and what it says.
        let kept = [&[0; 33][..], &event.body].concat();
        chains[who].push(Parcel { header, signature, body: Carried::Open(kept) });
        last[who] = (id, last[who].1 + 1);
        heads[who] = Some(id);
    }
    chains
}

/// A store that is a third device's.
fn store(engine: Arc<dyn Engine>) -> (Replica, Writer) {
    let keys = StoreKeys::new(&[9; 32], SPACE, SigningKey::from_bytes(&[3; 32]).verifying_key().to_bytes());
    let replica = Replica::on(engine, Path::new("no-blobs"), keys, Wall::new(|| NOON + 60_000)).unwrap();
    let writer = replica.writer().unwrap();
    (replica, writer)
}

/// Two stores take in what these bytes say: one device after the other and all at once, or by turns and one by one.
pub fn ingest(bytes: &[u8], engine: impl Fn() -> Arc<dyn Engine>) {
    let events = read(bytes);
    let [one, other] = parcels(&events);
    let (whole, mut writer) = store(engine());
    writer.take(&[&one[..], &other].concat()).unwrap();
    let (pieces, mut writer) = store(engine());
    let (mut left, mut right) = (other.iter(), one.iter());
    while left.len() + right.len() > 0 {
        for parcel in left.next().into_iter().chain(right.next()) {
            writer.take(std::slice::from_ref(parcel)).unwrap();
            // What comes twice is there once.
            writer.take(std::slice::from_ref(parcel)).unwrap();
        }
    }
    let (whole, pieces) = (whole.snapshot().unwrap(), pieces.snapshot().unwrap());
    assert_eq!(whole.heads().unwrap().len(), pieces.heads().unwrap().len());
    for number in 0..4 {
        let entity = entity(number);
        let states = [&whole, &pieces].map(|store| store.state(&entity).unwrap().map(|state| state.root));
        assert_eq!(states[0], states[1], "entity {number}");
        for store in [&whole, &pieces] {
            store.messages(&entity, 0, 100, usize::MAX).unwrap();
            store.history(&entity, 0, 100).unwrap();
            store.references_to(&entity, None, 100).unwrap();
        }
    }
    for store in [&whole, &pieces] {
        store.conversations(None, 100).unwrap();
        store.files("", "", 100).unwrap();
        store.statistics().unwrap();
    }
    assert_eq!(whole.fingerprint().unwrap(), pieces.fingerprint().unwrap(), "the order makes a difference");
}
