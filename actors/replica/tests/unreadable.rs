//! Events whose headers cannot be read: bits are flipped in the file of a real database. What walks the log goes on behind
//! them, what they are about can be erased, and an intact copy puts everything right.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{collections::BTreeMap, fs, path::Path};

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::event::{EventHeader, SIGNING_TAG};
use replica::{
    Damaged, Draft, Form, Parcel, Replica, ReplicaError, StoreKeys, Table, What, Which, Writer,
    body::{self, Author, Body, Content, FileBody, Message, Part, Status, Title},
    engine,
};
use tempfile::TempDir;

const TALK: [u8; 16] = [1; 16];
const OTHER: [u8; 16] = [2; 16];
const FILE: [u8; 16] = [3; 16];

/// Bytes of a header that can make it one that cannot be read: its version, and how many heads it has.
const VERSION_AT: usize = 0;
const SEEN_AT: usize = 151;

struct Store {
    directory: TempDir,
    key: SigningKey,
}

impl Store {
    /// Two conversations, between whose messages a file is written; all signed. The last event is a message.
    fn filled() -> Store {
        let store = Store { directory: tempfile::tempdir().unwrap(), key: SigningKey::from_bytes(&[5; 32]) };
        let (replica, mut writer) = store.open();
        for draft in [
            begin(TALK, "one"),
            begin(OTHER, "other"),
            say(TALK, 1),
            say(TALK, 2),
            Draft { entity: FILE, body: Body::File(FileBody::new("user/a".into(), Content::Bytes(vec![7; 90]))), once: None },
            say(OTHER, 3),
            say(TALK, 4),
        ] {
            writer.write(|batch| batch.append(&draft)).unwrap().unwrap();
        }
        store.sign(&replica, &mut writer);
        store
    }

    fn open(&self) -> (Replica, Writer) {
        let keys = StoreKeys::new(&[9; 32], [7; 16], self.key.verifying_key().to_bytes());
        let replica = Replica::open(self.directory.path(), keys).unwrap();
        let writer = replica.writer().unwrap();
        (replica, writer)
    }

    fn sign(&self, replica: &Replica, writer: &mut Writer) {
        let unsigned = replica.snapshot().unwrap().unsigned(99).unwrap();
        let sign = |header: &[u8]| self.key.sign(&[&SIGNING_TAG[..], blake3::hash(header).as_bytes()].concat()).to_bytes();
        writer.write(|batch| unsigned.iter().try_for_each(|(place, header)| batch.sign(*place, &sign(header)))).unwrap();
    }

    /// Everything as another store would give it.
    fn copies(&self) -> Vec<Parcel> {
        let (replica, _writer) = self.open();
        let snapshot = replica.snapshot().unwrap();
        let ids: Vec<[u8; 32]> = snapshot.after(0, 99).unwrap().iter().map(|event| event.id).collect();
        snapshot.parcels(&ids, usize::MAX, Form::Sealed).unwrap()
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.open().0.snapshot().unwrap().fingerprint().unwrap()
    }

    /// Flips a bit of the header of the event at a place, wherever a version of its page lies in the file.
    fn hurt(&self, place: u64, at: usize) -> [u8; 32] {
        let event = self.open().0.snapshot().unwrap().after(place - 1, 1).unwrap().remove(0);
        flip(self.directory.path(), &event.header, at);
        event.id
    }

    /// Whether a table has a row.
    fn has(&self, table: Table, key: &[u8]) -> bool {
        let engine = engine::open(self.directory.path()).unwrap();
        let txn = engine.read().unwrap();
        txn.get(table, key).unwrap().is_some()
    }
}

fn flip(directory: &Path, header: &EventHeader, at: usize) {
    let (path, header) = (directory.join("data.mdb"), header.encode());
    let mut bytes = fs::read(&path).unwrap();
    let places: Vec<usize> = (0..=bytes.len() - header.len()).filter(|&from| bytes[from..].starts_with(&header)).collect();
    assert!(!places.is_empty(), "the header lies in the file");
    places.into_iter().for_each(|from| bytes[from + at] ^= 4);
    fs::write(path, bytes).unwrap();
}

fn begin(entity: [u8; 16], title: &str) -> Draft {
    Draft { entity, body: Body::Conversation(Title { title: title.into() }), once: Some(entity) }
}

fn say(entity: [u8; 16], number: u8) -> Draft {
    let message = Message {
        id: [number; 16],
        turn: [0; 16],
        author: Author::Person,
        parts: vec![Part::Text(format!("word {number}"))],
        attachments: Vec::new(),
        status: Status::Complete,
        made_by: String::new(),
    };
    Draft { entity, body: Body::Message(message), once: Some([number; 16]) }
}

fn damaged(replica: &Replica) -> Vec<Damaged> {
    replica.snapshot().unwrap().verify(0, 99).unwrap().damaged
}

fn places<'e>(events: impl IntoIterator<Item = &'e replica::Recorded>) -> Vec<u64> {
    events.into_iter().map(|event| event.position).collect()
}

/// What is all right, and what comes of it, for every event and each of the two bytes.
#[test]
fn whoever_walks_the_log_goes_on_behind_it_and_a_copy_puts_it_right() {
    for place in 1..=7 {
        for at in [VERSION_AT, SEEN_AT] {
            let store = Store::filled();
            let (copies, whole) = (store.copies(), store.fingerprint());
            let id = store.hurt(place, at);
            let (replica, mut writer) = store.open();
            assert_eq!(damaged(&replica), [Damaged { position: place, id: Some(id), what: What::Header }], "it is named");
            let others: Vec<u64> = (1..=7).filter(|other| *other != place).collect();
            let snapshot = replica.snapshot().unwrap();
            assert!(matches!(snapshot.after(0, 99), Err(ReplicaError::Damaged(_))), "it cannot be read at all");
            let walked = snapshot.walk(0, 99).unwrap();
            assert_eq!((places(&walked.events), &walked.damaged[..], walked.last), (others.clone(), &[place][..], Some(7)));
            // One at a time: the cursor passes it.
            let (mut after, mut seen) = (0, Vec::new());
            while let Some(last) = snapshot.walk(after, 1).unwrap().last {
                seen.extend(places(&snapshot.walk(after, 1).unwrap().events));
                after = last;
            }
            assert_eq!(seen, others);
            assert_eq!(snapshot.newest_event().unwrap().map(|(place, _)| place), Some(7));
            assert_eq!(snapshot.newest_event().unwrap().map(|(_, id)| id), snapshot.id_at(7).unwrap());

            let of_kinds = [body::CONVERSATION, body::MESSAGE, body::FILE].map(|kind| snapshot.of_kind(kind, 0, 99).unwrap());
            let mut listed: Vec<u64> = of_kinds.iter().flatten().map(|listed| listed.event.position).collect();
            listed.sort_unstable();
            assert_eq!(listed, others);
            let of_entities = [TALK, OTHER, FILE].map(|entity| snapshot.of_entity(&entity).unwrap().count());
            assert_eq!(of_entities.iter().sum::<usize>(), 6);
            assert_eq!(
                [TALK, OTHER, FILE].map(|entity| snapshot.is_about(place, &entity).unwrap()).iter().filter(|is| **is).count(),
                1
            );
            let page = snapshot.listed(Which::All, 0, 99).unwrap();
            assert_eq!((page.items.len(), page.damaged, page.last, page.more), (6, 1, Some(1), false));
            let records = [body::CONVERSATION, body::MESSAGE, body::FILE].map(|kind| snapshot.newest(kind, 99).unwrap());
            assert_eq!(records.iter().flatten().count(), 6);
            let mut sizes = BTreeMap::new();
            assert_eq!(snapshot.add_up(0, 99, &mut sizes).unwrap(), Some(7));
            assert_eq!(sizes.values().map(|size| size.events).sum::<u64>(), 6);
            assert_eq!(snapshot.conversations(None, 9).unwrap().items.len(), 2, "the list comes from the views");
            assert_eq!(snapshot.files("", "", 9).unwrap().items.len(), 1);
            drop(snapshot);

            // Writing goes on, also in the same conversation.
            writer.write(|batch| batch.append(&say(OTHER, 9))).unwrap().unwrap();
            store.sign(&replica, &mut writer);
            assert_eq!(writer.mend(&copies).unwrap(), 1);
            writer.rebuild().unwrap();
            assert_eq!(damaged(&replica), []);
            assert_eq!(replica.snapshot().unwrap().walk(0, 99).unwrap().events.len(), 8);
            drop((replica, writer));
            // As if nothing had been, but for what was said since.
            let other = Store::filled_from(&copies);
            assert_eq!(other.fingerprint(), whole);
        }
    }
}

impl Store {
    /// Another device that has taken these in.
    fn filled_from(copies: &[Parcel]) -> Store {
        let store = Store { directory: tempfile::tempdir().unwrap(), key: SigningKey::from_bytes(&[6; 32]) };
        let (_replica, mut writer) = store.open();
        assert!(writer.take(copies).unwrap().iter().all(Result::is_ok));
        store
    }
}

#[test]
fn mended_it_is_what_it_was() {
    for place in 1..=7 {
        let store = Store::filled();
        let (copies, whole) = (store.copies(), store.fingerprint());
        store.hurt(place, VERSION_AT);
        let (replica, mut writer) = store.open();
        // What is derived is made anew while it is damaged, and loses nothing by that.
        writer.rebuild().unwrap();
        assert_eq!(damaged(&replica).len(), 1);
        assert_eq!(replica.snapshot().unwrap().conversations(None, 9).unwrap().items.len(), 2);
        assert_eq!(writer.mend(&copies).unwrap(), 1);
        writer.rebuild().unwrap();
        assert_eq!(damaged(&replica), []);
        assert_eq!(replica.snapshot().unwrap().fingerprint().unwrap(), whole);
    }
}

#[test]
fn what_it_is_about_is_erased_with_it_and_its_key() {
    for place in [1, 3, 4, 7] {
        let store = Store::filled();
        let copies = store.copies();
        let id = store.hurt(place, SEEN_AT);
        {
            let (replica, mut writer) = store.open();
            let snapshot = replica.snapshot().unwrap();
            assert_eq!((snapshot.bodies_of(&TALK).unwrap(), snapshot.unreadable_of(&TALK).unwrap()), (4, 1));
            assert_eq!(snapshot.unreadable_of(&OTHER).unwrap(), 0);
            drop(snapshot);
            writer.write(|batch| batch.append(&Draft::erase_entity(TALK, None))).unwrap().unwrap();
            let snapshot = replica.snapshot().unwrap();
            assert_eq!((snapshot.bodies_of(&TALK).unwrap(), snapshot.unreadable_of(&TALK).unwrap()), (0, 0));
            assert_eq!(snapshot.conversation(&TALK).unwrap(), None);
            assert_eq!(snapshot.messages(&OTHER, 0, 9, usize::MAX).unwrap().items.len(), 1, "nothing else is touched");
            assert!(!snapshot.has_body(place).unwrap() && snapshot.has_body(6).unwrap());
            store.sign(&replica, &mut writer);
        }
        assert!(!store.has(Table::Key, &TALK) && !store.has(Table::Body, &place.to_be_bytes()));
        assert!(store.has(Table::Key, &OTHER));
        // A copy brings the header back, and nothing of what it said.
        let (replica, mut writer) = store.open();
        assert_eq!(damaged(&replica).len(), 1, "it stays named");
        assert_eq!(writer.mend(&copies).unwrap(), 1);
        writer.rebuild().unwrap();
        assert_eq!(damaged(&replica), []);
        let snapshot = replica.snapshot().unwrap();
        let event = snapshot.event(&id).unwrap().unwrap();
        assert_eq!((event.position, snapshot.record(place).unwrap()), (place, None));
        assert_eq!(snapshot.conversation(&TALK).unwrap(), None);
    }
}

#[test]
fn one_event_and_the_versions_of_a_file_are_erased_though_they_cannot_be_read() {
    let store = Store::filled();
    let id = store.hurt(4, VERSION_AT);
    let file = store.hurt(5, SEEN_AT);
    let (replica, mut writer) = store.open();
    let latest = replica.snapshot().unwrap().latest().unwrap();
    for draft in [Draft::erase_event(TALK, id), Draft::erase_entity(FILE, Some(latest.0))] {
        writer.write(|batch| batch.append(&draft)).unwrap().unwrap();
    }
    let snapshot = replica.snapshot().unwrap();
    assert_eq!((snapshot.bodies_of(&TALK).unwrap(), snapshot.bodies_of(&FILE).unwrap()), (3, 0));
    assert_eq!(snapshot.file_view(&FILE).unwrap(), None);
    assert!(snapshot.is_event_erased(&id).unwrap() && !snapshot.is_event_erased(&file).unwrap());
    // The path can be used again: what was erased is all up to then.
    drop(snapshot);
    let again = Draft { entity: FILE, body: Body::File(FileBody::new("user/a".into(), Content::Bytes(vec![8]))), once: None };
    writer.write(|batch| batch.append(&again)).unwrap().unwrap();
    assert_eq!(replica.snapshot().unwrap().file(&FILE).unwrap(), Some(vec![8]));
}

/// What has no signature yet and is no longer what was written must not get one: it would look as if it had been said.
#[test]
fn what_is_damaged_is_not_signed_and_not_counted() {
    let kind_at = 97;
    for at in [VERSION_AT, SEEN_AT, kind_at] {
        let store = Store::filled();
        {
            let (_replica, mut writer) = store.open();
            for number in 10..13 {
                writer.write(|batch| batch.append(&say(OTHER, number))).unwrap().unwrap();
            }
        }
        store.hurt(9, at);
        let (replica, mut writer) = store.open();
        let head = |replica: &Replica| replica.snapshot().unwrap().heads().unwrap()[0].sequence;
        assert_eq!(head(&replica), 7, "the first without a signature is the eighth");
        let unsigned = replica.snapshot().unwrap().unsigned(99).unwrap();
        assert_eq!(unsigned.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [8, 10]);
        store.sign(&replica, &mut writer);
        assert_eq!(head(&replica), 8, "nothing from the damaged one on is given out");
        let found = damaged(&replica);
        assert_eq!((found.len(), found[0].position, found[0].what), (1, 9, What::Header));
    }
}
