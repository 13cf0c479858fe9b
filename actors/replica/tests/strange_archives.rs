//! Archives of other programs, other people and other times, on a real disk; and very many things in one place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::event::{EventHeader, SIGNING_TAG};
use replica::{
    Draft, Form, Replica, ReplicaError, StoreKeys, Table, Taken, Unfit, Wall, Writer,
    body::{Author, Body, Content, FileBody, Message, Part, Status, Title},
    engine,
};

const SPACE: [u8; 16] = [7; 16];

/// The keys of the store that is kept in `fixtures`.
fn keys() -> StoreKeys {
    StoreKeys::new(&[9; 32], SPACE, [8; 32])
}

/// A store that a program of format 1 wrote, before there were any others. It is never made again.
fn format_1(directory: &Path) {
    let packed = include_bytes!("fixtures/format-1.mdb.zst");
    fs::write(directory.join("data.mdb"), zstd::bulk::decompress(packed, 1 << 20).unwrap()).unwrap();
}

fn begin(entity: u8, title: &str) -> Draft {
    let entity = [entity; 16];
    Draft { entity, body: Body::Conversation(Title { title: title.into() }), once: Some(entity) }
}

fn say(entity: u8, number: u32, text: &str) -> Draft {
    let mut id = [0xaa; 16];
    id[..4].copy_from_slice(&number.to_le_bytes());
    let message = Message {
        id,
        turn: [0; 16],
        author: Author::Person,
        parts: vec![Part::Text(text.into())],
        attachments: Vec::new(),
        status: Status::Complete,
        made_by: String::new(),
    };
    Draft { entity: [entity; 16], body: Body::Message(message), once: Some(id) }
}

fn texts(replica: &Replica, entity: u8) -> Vec<String> {
    let page = replica.snapshot().unwrap().messages(&[entity; 16], 0, usize::MAX, usize::MAX).unwrap();
    let text = |body| match body {
        Body::Message(Message { parts, .. }) => match &parts[..] {
            [Part::Text(text)] => text.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    page.items.into_iter().map(|record| text(record.body)).collect()
}

fn keep(writer: &mut Writer, draft: &Draft) {
    writer.write(|batch| batch.append(draft)).unwrap().unwrap();
}

#[test]
fn an_archive_of_the_first_format_is_brought_up_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    format_1(directory.path());
    for round in 0..3 {
        let replica = Replica::open(directory.path(), keys()).unwrap();
        let expected = ["one", "東京都 zwei", "four"].map(str::to_owned);
        assert_eq!(texts(&replica, 1)[..3], expected);
        assert_eq!(texts(&replica, 2), ["three ".repeat(200)]);
        let snapshot = replica.snapshot().unwrap();
        let titles: Vec<String> =
            snapshot.conversations(None, 9).unwrap().items.into_iter().map(|(_, view)| view.title).collect();
        assert_eq!(titles, ["Renamed", "Second"]);
        let files: Vec<(String, u64)> =
            snapshot.files("", "", 9).unwrap().items.into_iter().map(|file| (file.path, file.length)).collect();
        assert_eq!(files, [("user/a".to_owned(), 2)]);
        assert_eq!(snapshot.file(&replica.keys().blind("file", &[b"user/a"])).unwrap(), Some(b"22".to_vec()));
        assert_eq!(snapshot.verify(0, 99).unwrap().damaged, []);
        assert_eq!(snapshot.history(&[1; 16], 0, 99).unwrap().len(), 5 + round);
        drop(snapshot);
        keep(&mut replica.writer().unwrap(), &say(1, round as u32, "and on"));
        let copy = directory.path().join("format-1.mdb").exists();
        assert_eq!(copy, round == 0, "a copy is kept until it has held once");
    }
}

#[test]
fn an_archive_of_a_newer_program_and_one_of_another_person_are_left_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    format_1(directory.path());
    let data = directory.path().join("data.mdb");
    let other = StoreKeys::new(&[1; 32], [3; 16], [8; 32]);
    assert!(matches!(Replica::open(directory.path(), other), Err(ReplicaError::OtherSpace)));
    {
        let engine = engine::open(directory.path()).unwrap();
        let mut txn = engine.write().unwrap();
        txn.put(Table::Meta, b"format", &99_u32.to_le_bytes()).unwrap();
        txn.commit().unwrap();
    }
    let before = fs::read(&data).unwrap();
    match Replica::open(directory.path(), keys()) {
        Err(error @ ReplicaError::Newer { found: 99, .. }) => assert!(error.to_string().contains("newer Lamos"), "{error}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
    assert_eq!(fs::read(&data).unwrap(), before);
}

#[test]
fn one_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let replica = Replica::open(directory.path(), keys()).unwrap();
    assert!(matches!(Replica::open(directory.path(), keys()), Err(ReplicaError::InUse)));
    keep(&mut replica.writer().unwrap(), &begin(1, "still here"));
    drop(replica);
    let replica = Replica::open(directory.path(), keys()).unwrap();
    assert!(replica.snapshot().unwrap().conversation(&[1; 16]).unwrap().is_some());
}

/// Ten years, in milliseconds.
const TEN_YEARS: u64 = 10 * 365 * 24 * 3_600_000;
const NOW: u64 = 1_790_000_000_000;

/// A device whose clock can be set.
struct Device {
    key: SigningKey,
    wall: Arc<AtomicU64>,
    directory: tempfile::TempDir,
}

impl Device {
    fn new(number: u8) -> Device {
        let wall = Arc::new(AtomicU64::new(NOW));
        Device { key: SigningKey::from_bytes(&[number; 32]), wall, directory: tempfile::tempdir().unwrap() }
    }

    fn open(&self, now: u64) -> Replica {
        self.wall.store(now, Ordering::Relaxed);
        let wall = Arc::clone(&self.wall);
        let keys = StoreKeys::new(&[9; 32], SPACE, self.key.verifying_key().to_bytes());
        Replica::open_by(self.directory.path(), keys, Wall::new(move || wall.load(Ordering::Relaxed))).unwrap()
    }

    /// Signs all there is and gives it out.
    fn give(&self, replica: &Replica) -> Vec<replica::Parcel> {
        let unsigned = replica.snapshot().unwrap().unsigned(usize::MAX).unwrap();
        let sign = |header: &[u8]| self.key.sign(&[&SIGNING_TAG[..], blake3::hash(header).as_bytes()].concat()).to_bytes();
        let mut writer = replica.writer().unwrap();
        writer.write(|batch| unsigned.iter().try_for_each(|(place, header)| batch.sign(*place, &sign(header)))).unwrap();
        let author = self.key.verifying_key().to_bytes();
        replica.snapshot().unwrap().range(&author, 1, u64::MAX, usize::MAX, Form::Sealed).unwrap()
    }
}

#[test]
fn an_archive_whose_room_is_used_up_says_how_large_it_is_and_keeps_what_it_has() {
    const ROOM: u64 = 2 << 20;
    let directory = tempfile::tempdir().unwrap();
    let wall = || Wall::new(|| 1_790_000_000_000);
    let within =
        |room| Replica::on(engine::open_within(directory.path(), room).unwrap(), directory.path(), keys(), wall()).unwrap();
    let mut kept = Vec::new();
    let (full, small) = {
        let replica = within(ROOM);
        let mut writer = replica.writer().unwrap();
        keep(&mut writer, &begin(1, "a"));
        let mut noise = blake3::Hasher::new().finalize_xof();
        let full = loop {
            let mut bytes = [0; 10_000];
            noise.fill(&mut bytes);
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let number = kept.len() as u32;
            match writer.write(|batch| batch.append(&say(1, number, &text))) {
                Ok(Ok(_)) => kept.push(text),
                Ok(Err(refused)) => panic!("{refused:?}"),
                Err(error) => break error,
            }
        };
        // What is small may still find room, or it hears the same; what was kept is read either way.
        let small = writer.write(|batch| batch.append(&say(1, 1_000_000, "small")));
        assert_eq!(texts(&replica, 1)[..kept.len()], kept);
        (full, small)
    };
    assert!(matches!(full, ReplicaError::MapFull(room) if room as u64 == ROOM), "{full:?}");
    assert!(full.to_string().contains(&ROOM.to_string()), "{full}");
    assert!(kept.len() > 20, "{}", kept.len());
    kept.extend(matches!(small, Ok(Ok(_))).then(|| "small".to_owned()));
    // With more room it goes on where it was.
    let replica = within(4 * ROOM);
    keep(&mut replica.writer().unwrap(), &say(1, 1_000_001, "more"));
    kept.push("more".to_owned());
    assert_eq!(texts(&replica, 1), kept);
}

#[test]
fn a_clock_that_is_set_back_ten_years_and_forward_again_loses_nothing_and_keeps_the_order() {
    let (device, other) = (Device::new(1), Device::new(2));
    let said = ["before", "ten years ago", "now again", "in ten years", "now once more"];
    let clocks = [NOW, NOW - TEN_YEARS, NOW + 1000, NOW + TEN_YEARS, NOW + 2000];
    for (number, (now, text)) in clocks.into_iter().zip(said).enumerate() {
        // Each time the machine is started anew.
        let replica = device.open(now);
        let mut writer = replica.writer().unwrap();
        if number == 0 {
            keep(&mut writer, &begin(1, "clocks"));
        }
        keep(&mut writer, &say(1, number as u32, text));
        assert_eq!(texts(&replica, 1), said[..=number], "in the order in which it was said");
    }
    let replica = device.open(NOW + 2000);
    let events = replica.snapshot().unwrap().after(0, 99).unwrap();
    let rises = |pair: &[replica::Recorded]| {
        let [EventHeader { clock: one, .. }, EventHeader { clock: two, .. }] = [&pair[0].header, &pair[1].header];
        one < two
    };
    assert!(events.windows(2).all(rises));
    // Another device does not believe a clock of the future. It takes what was said before, and the rest when its time has come.
    let parcels = device.give(&replica);
    let receiver = other.open(NOW + 3000);
    let taken = receiver.writer().unwrap().take(&parcels).unwrap();
    let kept = taken.iter().take_while(|taken| matches!(taken, Ok(Taken::Kept(_)))).count();
    assert_eq!(kept, 4, "{taken:?}");
    assert!(taken[4..].iter().all(|taken| matches!(taken, Err(Unfit::Future(_)) | Ok(Taken::Gap(_)))), "{taken:?}");
    assert_eq!(texts(&receiver, 1), said[..3]);
    drop(receiver);
    let receiver = other.open(NOW + TEN_YEARS);
    receiver.writer().unwrap().take(&parcels).unwrap();
    assert_eq!(texts(&receiver, 1), said);
    assert_eq!(receiver.snapshot().unwrap().fingerprint().unwrap(), replica.snapshot().unwrap().fingerprint().unwrap());
}

/// KiB of this process that are no file's.
fn memory() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Pss_Anon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A million where there is time (`cargo verify --full`).
fn very_many() -> u32 {
    if std::env::var("LAMOS_FULL_TESTS").is_ok_and(|value| value == "1") { 1_000_000 } else { 30_000 }
}

/// Things in one transaction.
const TOGETHER: usize = 10_000;

fn keep_all(replica: &Replica, drafts: impl Iterator<Item = Draft>) {
    let mut writer = replica.writer().unwrap();
    let mut drafts = drafts.peekable();
    while drafts.peek().is_some() {
        let some: Vec<Draft> = drafts.by_ref().take(TOGETHER).collect();
        writer.write(|batch| some.iter().try_for_each(|draft| batch.append(draft).map(|kept| assert!(kept.is_ok())))).unwrap();
    }
}

#[test]
fn very_many_messages_in_one_conversation_are_read_in_little_memory() {
    let directory = tempfile::tempdir().unwrap();
    let count = very_many();
    {
        let replica = Replica::open(directory.path(), keys()).unwrap();
        keep_all(
            &replica,
            std::iter::once(begin(1, "long")).chain((0..count).map(|number| say(1, number, "some words of a message"))),
        );
    }
    let replica = Replica::open(directory.path(), keys()).unwrap();
    let before = memory();
    let (mut skip, mut seen) = (count as usize - 5000, 0);
    loop {
        let page = replica.snapshot().unwrap().messages(&[1; 16], skip, 200, 1 << 20).unwrap();
        (skip, seen) = (skip + page.items.len(), seen + page.items.len());
        if !page.more {
            break;
        }
    }
    assert_eq!((skip, seen), (count as usize, 5000));
    assert_eq!(replica.snapshot().unwrap().conversation(&[1; 16]).unwrap().map(|view| view.messages), Some(count));
    keep(&mut replica.writer().unwrap(), &say(1, count, "one more"));
    let grown = memory().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB for pages of 200");
}

#[test]
fn very_many_files_in_one_folder_are_listed_in_pages() {
    let directory = tempfile::tempdir().unwrap();
    let replica = Replica::open(directory.path(), keys()).unwrap();
    let count = very_many() / 10;
    let file = |number: u32| {
        let path = format!("user/folder/{number:07}");
        let entity = replica.keys().blind("file", &[path.as_bytes()]);
        Draft { entity, body: Body::File(FileBody::new(path, Content::Bytes(number.to_le_bytes().to_vec()))), once: None }
    };
    keep_all(&replica, (0..count).map(file));
    let (mut after, mut seen) = (String::new(), 0);
    loop {
        let page = replica.snapshot().unwrap().files("user/folder/", &after, count as usize / 3).unwrap();
        assert!(page.items.is_sorted_by(|one, two| one.path < two.path));
        seen += page.items.len();
        after = page.items.last().unwrap().path.clone();
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, count as usize);
    assert_eq!(after, format!("user/folder/{:07}", count - 1));
}
