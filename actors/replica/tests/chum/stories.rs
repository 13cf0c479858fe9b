//! Several whole archives on disk, folds and all, whose lines are cut anywhere, whose clocks are hours apart, which are killed
//! and folded anew, and in which things are said, renamed, counted and erased meanwhile. In the end all read the same. The same
//! seed plays the same story: `CHUM_SEED=… cargo test -p replica --test chum stories`.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::event::SIGNING_TAG;
use replica::{
    Draft, Form, Replica, StoreKeys, Wall, Writer,
    body::{Author, Body, Message, Part, Status, Title},
    chum::{Archive, Settings},
    state::{Act, Change, Operation, Step, Value},
};

use crate::{
    line::{Line, end, once},
    memory::NOON,
    simulation::Chance,
};

const HOUR: u64 = 3_600_000;

/// Conversations that are spoken of, and what is counted.
const CONVERSATIONS: u8 = 5;
const COUNTED: u8 = 0x40;

/// A device with its archive.
struct Device {
    directory: PathBuf,
    key: SigningKey,
    wall: Arc<AtomicU64>,
    open: Option<(Replica, Writer)>,
}

impl Device {
    fn new(directory: PathBuf, number: u8) -> Device {
        std::fs::create_dir(&directory).unwrap();
        let mut device =
            Device { directory, key: SigningKey::from_bytes(&[number; 32]), wall: Arc::new(AtomicU64::new(NOON)), open: None };
        device.reopen();
        device
    }

    /// As after a kill.
    fn reopen(&mut self) {
        self.open = None;
        let keys = StoreKeys::new(&[9; 32], [7; 16], self.key.verifying_key().to_bytes());
        let wall = Arc::clone(&self.wall);
        let replica = Replica::open_by(&self.directory, keys, Wall::new(move || wall.load(Ordering::Relaxed))).unwrap();
        let writer = replica.writer().unwrap();
        self.open = Some((replica, writer));
    }

    fn replica(&self) -> &Replica {
        &self.open.as_ref().unwrap().0
    }

    fn archive(&mut self) -> Archive<'_, Writer> {
        let (replica, writer) = self.open.as_mut().unwrap();
        Archive::new(replica, writer, Form::Sealed)
    }

    /// Keeps and signs it, unless the archive refuses it: there is no such conversation yet, or it was erased.
    fn keep(&mut self, draft: &Draft) -> bool {
        let (replica, writer) = self.open.as_mut().unwrap();
        if writer.write(|batch| batch.append(draft)).unwrap().is_err() {
            return false;
        }
        let unsigned = replica.snapshot().unwrap().unsigned(usize::MAX).unwrap();
        let sign = |header: &[u8]| self.key.sign(&[&SIGNING_TAG[..], blake3::hash(header).as_bytes()].concat()).to_bytes();
        writer.write(|batch| unsigned.iter().try_for_each(|(place, header)| batch.sign(*place, &sign(header)))).unwrap();
        true
    }

    /// Everything that a person would read.
    fn told(&self) -> Vec<String> {
        let snapshot = self.replica().snapshot().unwrap();
        let mut told = Vec::new();
        for (id, view) in snapshot.conversations(None, usize::MAX).unwrap().items {
            told.push(format!("{:02x} {} {}", id[0], view.title, view.messages));
            for record in snapshot.messages(&id, 0, usize::MAX, usize::MAX).unwrap().items {
                if let Body::Message(message) = record.body {
                    told.push(format!("  {:?}", message.parts));
                }
            }
        }
        let state = snapshot.state(&[COUNTED; 16]).unwrap().unwrap_or_default();
        told.push(format!("{:?}", state.field("count").map(|node| node.counter.value())));
        told
    }
}

fn title(title: String) -> Title {
    Title { title }
}

/// Something a person does.
fn deed(chance: &mut Chance, device: &mut Device, number: u64) -> bool {
    let of = 1 + chance.below(CONVERSATIONS.into()) as u8;
    let entity = [of; 16];
    let draft = match chance.below(20) {
        0..4 => Draft { entity, body: Body::Conversation(title(format!("begun {number}"))), once: None },
        4..6 => Draft { entity, body: Body::Title(title(format!("named {number}"))), once: None },
        6..9 => {
            let operation = Operation { path: vec![Step::from("count")], act: Act::Increment(1 + chance.below(5) as i64) };
            let seen = Operation { path: vec![Step::from("seen")], act: Act::Add(Value::Number(chance.below(9) as i64)) };
            Draft { entity: [COUNTED; 16], body: Body::Change(Change { operations: vec![operation, seen] }), once: None }
        }
        9 => {
            // The newest thing said in it, if anything is.
            let last = {
                let snapshot = device.replica().snapshot().unwrap();
                snapshot.messages(&entity, 0, usize::MAX, usize::MAX).unwrap().items.pop()
            };
            match last {
                Some(record) => Draft::erase_event(entity, record.event.id),
                None => return false,
            }
        }
        10 if chance.below(4) == 0 => Draft::erase_entity(entity, None),
        _ => {
            let mut id = [0x77; 16];
            id[..8].copy_from_slice(&number.to_le_bytes());
            let message = Message {
                id,
                turn: [0; 16],
                author: Author::Person,
                parts: vec![Part::Text(format!("said {number} {}", "w".repeat(chance.below(900))))],
                attachments: Vec::new(),
                status: Status::Complete,
                made_by: String::new(),
            };
            Draft { entity, body: Body::Message(message), once: Some(id) }
        }
    };
    device.keep(&draft)
}

/// Two of them, to be changed both.
fn two(devices: &mut [Device], one: usize, other: usize) -> (&mut Device, &mut Device) {
    let [one, other] = devices.get_disjoint_mut([one, other]).unwrap();
    (one, other)
}

const STEPS: u64 = 160;

fn story(seed: u64) -> Vec<String> {
    let mut chance = Chance(seed);
    // In memory where there is such a place: what is tried is not the disk.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let count = 3 + chance.below(3);
    let mut devices: Vec<Device> =
        (0..count).map(|number| Device::new(directory.path().join(number.to_string()), number as u8 + 1)).collect();
    let skews: Vec<u64> = (0..count).map(|_| chance.next() % (6 * HOUR)).collect();
    let mut time = NOON;
    let (mut done, mut cut) = (0, 0);
    for step in 0..STEPS {
        time += chance.next() % 200_000;
        for (device, skew) in devices.iter().zip(&skews) {
            device.wall.store(time + skew, Ordering::Relaxed);
        }
        let at = chance.below(count);
        match chance.below(10) {
            0..6 => done += u32::from(deed(&mut chance, &mut devices[at], step)),
            6..9 => {
                let other = (at + 1 + chance.below(count - 1)) % count;
                let (one, other) = two(&mut devices, at, other);
                let mut line = Line::new(end(once()), end(once()));
                line.cut = if chance.below(3) == 0 { u64::MAX } else { chance.next() % 12_000 };
                let mut pieces = Chance(chance.next());
                line.piece = Box::new(move || 1 + pieces.below(3000));
                line.run(&mut one.archive(), &mut other.archive()).unwrap();
                cut += u32::from(!line.is_finished());
            }
            _ if chance.below(2) == 0 => devices[at].open.as_mut().unwrap().1.rebuild().unwrap(),
            _ => devices[at].reopen(),
        }
    }
    assert!(done > 10 && cut > 0, "seed {seed}: nothing happened: {done} deeds, {cut} cuts");
    // The clocks are set right, and everybody meets the first one twice.
    for device in &devices {
        device.wall.store(time + 6 * HOUR, Ordering::Relaxed);
    }
    for _ in 0..2 {
        for other in 1..count {
            let (one, other) = two(&mut devices, 0, other);
            let settings = || Settings { audit: true, ..once() };
            let mut line = Line::new(end(settings()), end(once()));
            line.run(&mut one.archive(), &mut other.archive()).unwrap();
            assert!(line.is_finished(), "seed {seed}");
        }
    }
    let told = devices[0].told();
    let fingerprint = devices[0].replica().snapshot().unwrap().fingerprint().unwrap();
    for (number, device) in devices.iter_mut().enumerate() {
        let same = |device: &Device| device.replica().snapshot().unwrap().fingerprint().unwrap() == fingerprint;
        assert_eq!(device.told(), told, "seed {seed}, archive {number}");
        assert!(same(device), "seed {seed}, archive {number}");
        assert_eq!(device.replica().snapshot().unwrap().verify(0, 10_000).unwrap().damaged, [], "seed {seed}");
        device.open.as_mut().unwrap().1.rebuild().unwrap();
        device.reopen();
        assert!(same(device), "seed {seed}, archive {number} folded anew");
    }
    told
}

#[test]
fn whole_archives_come_to_read_the_same() {
    let seeds: Vec<u64> = match std::env::var("CHUM_SEED") {
        Ok(seed) => vec![seed.parse().expect("CHUM_SEED is a number")],
        Err(_) => (0..if std::env::var("LAMOS_FULL_TESTS").is_ok_and(|full| full == "1") { 200 } else { 6 }).collect(),
    };
    for seed in seeds {
        println!("CHUM_SEED={seed}");
        assert!(story(seed).len() > 3, "seed {seed}: nothing is left to be read");
    }
}

#[test]
fn the_same_seed_is_the_same_story_with_all_its_folds() {
    assert_eq!(story(77), story(77));
    assert_ne!(story(77), story(78));
}
