//! Authors whose events are made by hand, archives that hold them, and sparse stores that are filled from them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::event::{Clock, EventHeader, SIGNING_TAG};
use replica::{
    Carried, Draft, Form, Parcel, Replica, StoreKeys, Wall, Writer,
    body::{self, Body, Message, Part, Status, Title},
    chum::{Archive, Progress, Settings, Span},
    sparse::{Ask, Missing, Profile, Sparse, Titles},
};

use crate::line::{Line, archive, end, once};

pub(crate) const SPACE: [u8; 16] = [7; 16];

/// The key of the cache, which is no archive's.
pub(crate) const CACHE_KEY: [u8; 32] = [3; 32];

/// Noon of some day, in milliseconds.
pub(crate) const NOON: u64 = 1_790_000_000_000;

pub(crate) const DAY: u64 = 86_400_000;

/// Whether `cargo verify --full` runs.
pub(crate) fn is_full() -> bool {
    std::env::var("LAMOS_FULL_TESTS").is_ok_and(|value| value == "1")
}

/// A clock that a test sets.
#[derive(Clone)]
pub(crate) struct Watch(Arc<AtomicU64>);

impl Watch {
    pub(crate) fn new(millis: u64) -> Watch {
        Watch(Arc::new(AtomicU64::new(millis)))
    }

    pub(crate) fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn tick(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn wall(&self) -> Wall {
        let watch = self.clone();
        Wall::new(move || watch.now())
    }
}

/// The least there can be: what a test fills in a moment.
pub(crate) const TINY: Profile = Profile { limit: 16 << 20, outbox: 1 << 20, ..Profile::SMALL };

pub(crate) fn open(directory: &Path, profile: Profile, watch: &Watch) -> Sparse {
    Sparse::open_by(directory, &CACHE_KEY, SPACE, profile, watch.wall()).unwrap()
}

/// An author whose events are made one by one and kept nowhere.
pub(crate) struct Pen {
    key: SigningKey,
    sequence: u64,
    previous: [u8; 32],
    clock: u64,
    chance: u64,
}

impl Pen {
    pub(crate) fn new(number: u8) -> Pen {
        let key = SigningKey::from_bytes(&[number; 32]);
        Pen { key, sequence: 0, previous: [0; 32], clock: 0, chance: u64::from(number) << 32 }
    }

    /// The next event at this moment, with what it has seen.
    pub(crate) fn write(&mut self, millis: u64, entity: [u8; 16], seen: Vec<[u8; 32]>, body: &Body) -> (Parcel, [u8; 32]) {
        let plain = body.to_bytes();
        self.chance += 1;
        let digest_key = *blake3::hash(&self.chance.to_le_bytes()).as_bytes();
        self.clock = Clock::from_millis(millis).0.max(self.clock + 1);
        self.sequence += 1;
        let header = EventHeader {
            space: SPACE,
            author: self.key.verifying_key().to_bytes(),
            sequence: self.sequence,
            previous: self.previous,
            clock: Clock(self.clock),
            kind: body.kind(),
            entity,
            body_len: plain.len() as u32,
            body_digest: *blake3::keyed_hash(&digest_key, &plain).as_bytes(),
            seen,
        };
        let bytes = header.encode();
        let id = *blake3::hash(&bytes).as_bytes();
        self.previous = id;
        let signature = self.key.sign(&[&SIGNING_TAG[..], &id].concat()).to_bytes();
        // As it is kept, not compressed: what is random does not become shorter.
        let kept = [&[0][..], &digest_key, &plain].concat();
        (Parcel { header: bytes, signature, body: Carried::Open(kept) }, id)
    }
}

pub(crate) fn entity(number: u64) -> [u8; 16] {
    let mut entity = *blake3::hash(&number.to_le_bytes()).as_bytes().first_chunk().unwrap();
    entity[0] |= 1;
    entity
}

/// Text of so many bytes that does not get shorter.
pub(crate) fn noise(seed: u64, length: usize) -> String {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes.iter_mut().for_each(|byte| *byte = b'0' + (*byte & 63));
    String::from_utf8(bytes).unwrap()
}

pub(crate) fn begin(title: &str) -> Body {
    Body::Conversation(Title { title: title.into() })
}

pub(crate) fn say(id: u64, text: String) -> Body {
    let mut name = [0; 16];
    name[..8].copy_from_slice(&id.to_le_bytes());
    Body::Message(Message {
        id: name,
        turn: [0; 16],
        author: body::Author::Person,
        parts: vec![Part::Text(text)],
        attachments: Vec::new(),
        status: Status::Complete,
        made_by: String::new(),
    })
}

/// An archive on disk that writes its own events and signs them.
pub(crate) struct Home {
    pub(crate) replica: Replica,
    pub(crate) writer: Writer,
    key: SigningKey,
    pub(crate) watch: Watch,
    said: u64,
    _directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new(number: u8, watch: &Watch) -> Home {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::from_bytes(&[number; 32]);
        let keys = StoreKeys::new(&[9; 32], SPACE, key.verifying_key().to_bytes());
        let replica = Replica::open_by(directory.path(), keys, watch.wall()).unwrap();
        let writer = replica.writer().unwrap();
        Home { replica, writer, key, watch: watch.clone(), said: u64::from(number) << 32, _directory: directory }
    }

    /// The archive as a session sees it: to a store with a key of its own, bodies go open.
    pub(crate) fn side(&mut self) -> Archive<'_, Writer> {
        Archive::new(&self.replica, &mut self.writer, Form::Open)
    }

    pub(crate) fn append(&mut self, drafts: &[Draft]) {
        self.writer
            .write(|batch| {
                drafts.iter().try_for_each(|draft| {
                    batch.append(draft)?.unwrap();
                    Ok(())
                })
            })
            .unwrap();
        self.sign();
    }

    pub(crate) fn begin(&mut self, entity: [u8; 16], title: &str) {
        self.append(&[Draft { entity, body: begin(title), once: Some(entity) }]);
    }

    pub(crate) fn title(&mut self, entity: [u8; 16], title: &str) {
        self.append(&[Draft { entity, body: Body::Title(Title { title: title.into() }), once: None }]);
    }

    /// Says so many things of so many bytes.
    pub(crate) fn say(&mut self, entity: [u8; 16], count: usize, bytes: usize) {
        let drafts: Vec<Draft> = (0..count)
            .map(|_| {
                self.said += 1;
                Draft { entity, body: say(self.said, noise(self.said, bytes)), once: None }
            })
            .collect();
        self.append(&drafts);
    }

    fn sign(&mut self) {
        let unsigned = self.replica.snapshot().unwrap().unsigned(usize::MAX).unwrap();
        let key = &self.key;
        self.writer
            .write(|batch| {
                unsigned.iter().try_for_each(|(position, header)| {
                    let id = blake3::hash(header);
                    batch.sign(*position, &key.sign(&[&SIGNING_TAG[..], id.as_bytes()].concat()).to_bytes())
                })
            })
            .unwrap();
    }

    /// The ids of a conversation's messages, oldest first.
    pub(crate) fn messages(&self, entity: &[u8; 16]) -> Vec<[u8; 32]> {
        let snapshot = self.replica.snapshot().unwrap();
        let page = snapshot.messages(entity, 0, usize::MAX, usize::MAX).unwrap();
        page.items.iter().map(|record| record.event.id).collect()
    }
}

/// What a store shows of a conversation: ids, oldest first, and whether there is nothing before them.
pub(crate) fn shown(sparse: &Sparse, entity: &[u8; 16]) -> (Vec<[u8; 32]>, bool) {
    let page = sparse.page(entity, None, usize::MAX).unwrap();
    (page.items.iter().map(|record| record.event.id).collect(), page.missing.is_none())
}

/// A session that brings what everything is called.
pub(crate) fn bring_titles(sparse: &mut Sparse, home: &mut Home) {
    let settings =
        Settings { rules: Titles::rules(sparse.rules()), live: false, ..Settings::window(archive().peer, vec![Span::ALL]) };
    let mut line = Line::new(end(settings), end(once()));
    line.run(&mut sparse.titles(), &mut home.side()).unwrap();
    assert!(line.is_finished());
}

/// A session that stays, after what is new has come.
pub(crate) fn meet(sparse: &mut Sparse, home: &mut Home) -> Line {
    let mut line = Line::new(end(Settings::window(archive().peer, sparse.spans().unwrap())), end(archive()));
    run(&mut line, sparse, home);
    assert!(line.ends[0].news.contains(&Progress::CaughtUp), "{:?}", line.ends[0].news);
    line
}

pub(crate) fn run(line: &mut Line, sparse: &mut Sparse, home: &mut Home) {
    line.run(sparse, &mut home.side()).unwrap();
}

/// Asks for what is missing. Returns how many events came.
pub(crate) fn fetch(line: &mut Line, sparse: &mut Sparse, home: &mut Home, missing: &Missing) -> u64 {
    let request = line.ends[0].session.fetch_entity(missing.entity, missing.before, missing.limit);
    run(line, sparse, home);
    let came = line.ends[0].news.iter().find_map(|news| match news {
        Progress::Fetched { request: of, came, .. } if *of == request => Some(*came),
        _ => None,
    });
    let came = came.expect("an answer");
    sparse.fetched(missing, came).unwrap();
    came
}

/// Does what the plan says until there is nothing more to do; returns what was asked for.
pub(crate) fn prefetch(line: &mut Line, sparse: &mut Sparse, home: &mut Home) -> Vec<Ask> {
    let mut done = Vec::new();
    loop {
        let plan = sparse.prefetch().unwrap();
        if plan.is_empty() {
            return done;
        }
        for ask in plan {
            match ask {
                Ask::Titles => bring_titles(sparse, home),
                Ask::Some(missing) => {
                    fetch(line, sparse, home, &missing);
                }
            }
            done.push(ask);
            assert!(done.len() < 10_000, "it asks for ever: {ask:?}");
        }
    }
}
