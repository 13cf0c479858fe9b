//! Two real archives on disk, opened again after each cut.

use std::{fs, path::Path};

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::event::SIGNING_TAG;
use proptest::prelude::*;
use replica::{
    Draft, Form, Replica, StoreKeys, Writer,
    body::{Author, Body, Message, Part, Status, Title},
    chum::{Archive, Progress, Side},
};

use crate::line::{Line, end, once};

const SPACE: [u8; 16] = [7; 16];

struct Store {
    replica: Replica,
    writer: Writer,
    key: SigningKey,
}

impl Store {
    fn open(directory: &Path, key: u8) -> Store {
        let key = SigningKey::from_bytes(&[key; 32]);
        // The two have one archive key, as a person's devices have.
        let keys = StoreKeys::new(&[9; 32], SPACE, key.verifying_key().to_bytes());
        let replica = Replica::open(directory, keys).unwrap();
        let writer = replica.writer().unwrap();
        Store { replica, writer, key }
    }

    fn archive(&mut self, form: Form) -> Archive<'_, Writer> {
        Archive::new(&self.replica, &mut self.writer, form)
    }

    fn append(&mut self, draft: Draft) {
        self.writer.write(|batch| batch.append(&draft)).unwrap().unwrap();
    }

    fn begin(&mut self, entity: u8) {
        let body = Body::Conversation(Title { title: format!("conversation {entity}") });
        self.append(Draft { entity: [entity; 16], body, once: Some([entity; 16]) });
    }

    fn say(&mut self, entity: u8, text: String) {
        let message = Message {
            id: *blake3::hash(text.as_bytes()).as_bytes().first_chunk().unwrap(),
            turn: [0; 16],
            author: Author::Person,
            parts: vec![Part::Text(text)],
            attachments: Vec::new(),
            status: Status::Complete,
            made_by: String::new(),
        };
        let once = Some(message.id);
        self.append(Draft { entity: [entity; 16], body: Body::Message(message), once });
    }

    fn sign(&mut self) {
        let unsigned = self.replica.snapshot().unwrap().unsigned(usize::MAX).unwrap();
        let key = &self.key;
        self.writer
            .write(|batch| {
                for (position, header) in &unsigned {
                    let id = blake3::hash(header);
                    batch.sign(*position, &key.sign(&[&SIGNING_TAG[..], id.as_bytes()].concat()).to_bytes())?;
                }
                Ok(())
            })
            .unwrap();
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.replica.snapshot().unwrap().fingerprint().unwrap()
    }

    fn events(&self) -> u64 {
        self.replica.snapshot().unwrap().counts().unwrap().0
    }
}

fn sync(one: &mut Store, other: &mut Store, form: Form) -> Line {
    let mut line = Line::new(end(once()), end(once()));
    line.run(&mut one.archive(form), &mut other.archive(form)).unwrap();
    line
}

#[test]
fn two_archives_fold_the_same() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for form in [Form::Sealed, Form::Open] {
        let (mut one, mut other) = (Store::open(first.path(), 1), Store::open(second.path(), 2));
        let entity = if form == Form::Open { 1 } else { 2 };
        one.begin(entity);
        other.begin(entity + 10);
        for number in 0..20 {
            one.say(entity, format!("{form:?} {number} by the first"));
            other.say(entity + 10, format!("{form:?} {number} by the second"));
        }
        one.sign();
        other.sign();
        assert!(sync(&mut one, &mut other, form).is_finished());
        assert_eq!(one.fingerprint(), other.fingerprint());
        // An answer in the other's conversation.
        other.say(entity, format!("{form:?} an answer"));
        // What is not signed yet is not given out.
        assert!(sync(&mut one, &mut other, form).bytes() <= 400);
        other.sign();
        sync(&mut one, &mut other, form);
        assert_eq!(one.fingerprint(), other.fingerprint());
        let line = sync(&mut one, &mut other, form);
        assert!(line.bytes() <= 400, "{} bytes", line.bytes());
        let id = other.archive(form).entity(&[entity; 16], u64::MAX, 1).unwrap();
        assert_eq!(id, one.archive(form).entity(&[entity; 16], u64::MAX, 1).unwrap());
    }
}

/// Flips a bit of a header in the file, wherever a version of its page lies.
fn flip(directory: &Path, header: &[u8], at: usize) {
    let path = directory.join("data.mdb");
    let mut bytes = fs::read(&path).unwrap();
    let places: Vec<usize> = (0..=bytes.len() - header.len()).filter(|&from| bytes[from..].starts_with(header)).collect();
    assert!(!places.is_empty(), "the header lies in the file");
    places.into_iter().for_each(|from| bytes[from + at] ^= 4);
    fs::write(path, bytes).unwrap();
}

/// A header whose version, or the number of whose heads, or whose kind is not what was written: the first two cannot be
/// read, the last can.
#[test]
fn a_damaged_event_is_not_sent_and_what_lacks_it_is_not_called_equal() {
    for at in [0, 151, 97] {
        let (first, second, third) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (copies, header) = {
            let mut one = Store::open(first.path(), 1);
            let mut two = Store::open(second.path(), 2);
            one.begin(1);
            two.begin(2);
            for number in 0..5 {
                one.say(1, format!("{number} by the first"));
                two.say(2, format!("{number} by the second"));
            }
            one.sign();
            two.sign();
            sync(&mut one, &mut two, Form::Sealed);
            let snapshot = one.replica.snapshot().unwrap();
            let own = snapshot.by_sequence(&one.replica.device(), 4).unwrap().unwrap();
            (snapshot.parcels(&[own.id], usize::MAX, Form::Sealed).unwrap(), own.header)
        };
        flip(first.path(), &header.encode(), at);
        let mut one = Store::open(first.path(), 1);
        let mut three = Store::open(third.path(), 3);
        for form in [Form::Sealed, Form::Open] {
            let line = sync(&mut one, &mut three, form);
            assert!(line.is_finished());
            let stalled = Progress::Stalled { author: one.replica.device() };
            assert!(line.ends[1].news.contains(&stalled), "at {at}: {:?}", line.ends[1].news);
            // What comes before it of its author, and all of the other.
            assert_eq!(three.events(), 3 + 6, "at {at}");
            assert_ne!(three.archive(form).heads().unwrap(), one.archive(form).heads().unwrap());
            let asked = [*blake3::hash(&header.encode()).as_bytes()];
            assert_eq!(one.archive(form).headers(&asked).unwrap(), [None]);
            assert_eq!(one.archive(form).parcels(&asked, usize::MAX).unwrap(), [None]);
        }
        assert_eq!(one.writer.mend(&copies).unwrap(), 1);
        sync(&mut one, &mut three, Form::Sealed);
        assert_eq!((three.events(), three.fingerprint()), (12, one.fingerprint()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn archives_that_are_killed_have_all_of_it_once(
        cuts in proptest::collection::vec(100..40_000u64, 1..6),
        lengths in proptest::collection::vec(1..2000usize, 1..40),
    ) {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        {
            let mut one = Store::open(first.path(), 1);
            one.begin(1);
            for (number, length) in lengths.iter().enumerate() {
                one.say(1, format!("{number} {}", "w".repeat(*length)));
            }
            one.sign();
            let mut other = Store::open(second.path(), 2);
            other.begin(2);
            other.say(2, "hello".to_owned());
            other.sign();
        }
        for cut in cuts {
            let (mut one, mut other) = (Store::open(first.path(), 1), Store::open(second.path(), 2));
            let mut line = Line::new(end(once()), end(once()));
            line.piece = Box::new(|| 777);
            line.cut = cut;
            line.run(&mut one.archive(Form::Sealed), &mut other.archive(Form::Sealed)).unwrap();
        }
        let (mut one, mut other) = (Store::open(first.path(), 1), Store::open(second.path(), 2));
        sync(&mut one, &mut other, Form::Sealed);
        prop_assert_eq!(one.events(), lengths.len() as u64 + 3);
        prop_assert_eq!(other.events(), one.events());
        prop_assert_eq!(one.fingerprint(), other.fingerprint());
    }
}
