//! A real store on a real disk: what goes in comes out, in order, sealed, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{fs, path::Path};

use ipc::event::EventHeader;
use replica::{
    Conversation, Draft, Kept, Page, Refused, Replica, ReplicaError, StoreKeys, Writer,
    body::{Author, Body, Content, FileBody, FileRemoved, Message, Part, Status, Title},
    state::{Act, Change, Operation, Value},
};

const SPACE: [u8; 16] = [7; 16];
const DEVICE: [u8; 32] = [8; 32];

fn open(directory: &Path) -> Replica {
    Replica::open(directory, StoreKeys::new(&[9; 32], SPACE, DEVICE)).unwrap()
}

fn append(writer: &mut Writer, draft: &Draft) -> Result<Kept, Refused> {
    writer.write(|batch| batch.append(draft)).unwrap()
}

fn begin(entity: u8, title: &str) -> Draft {
    let entity = [entity; 16];
    Draft { entity, body: Body::Conversation(Title { title: title.into() }), once: Some(entity) }
}

fn say(entity: u8, id: u8, text: &str) -> Draft {
    let message = Message {
        id: [id; 16],
        turn: [0; 16],
        author: Author::Person,
        parts: vec![Part::Text(text.into())],
        attachments: Vec::new(),
        status: Status::Complete,
        made_by: String::new(),
    };
    Draft { entity: [entity; 16], body: Body::Message(message), once: Some([id; 16]) }
}

fn texts(replica: &Replica, entity: u8) -> Vec<String> {
    let page = replica.snapshot().unwrap().messages(&[entity; 16], 0, 100, usize::MAX).unwrap();
    let text = |body: Body| match body {
        Body::Message(message) => match &message.parts[..] {
            [Part::Text(text)] => text.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    page.items.into_iter().map(|record| text(record.body)).collect()
}

#[test]
fn what_was_said_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    {
        let replica = open(directory.path());
        let mut writer = replica.writer().unwrap();
        append(&mut writer, &begin(1, "First")).unwrap();
        for (id, text) in [(1, "one"), (2, "two"), (3, "three")] {
            append(&mut writer, &say(1, id, text)).unwrap();
        }
    }
    let replica = open(directory.path());
    assert_eq!(texts(&replica, 1), ["one", "two", "three"]);
    let mut writer = replica.writer().unwrap();
    append(&mut writer, &say(1, 4, "four")).unwrap();
    assert_eq!(texts(&replica, 1), ["one", "two", "three", "four"]);
    let view = replica.snapshot().unwrap().conversation(&[1; 16]).unwrap().unwrap();
    assert_eq!((view.title.as_str(), view.messages), ("First", 4));
}

#[test]
fn events_form_one_unbroken_chain() {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    append(&mut writer, &begin(1, "a")).unwrap();
    for id in 0..5 {
        append(&mut writer, &say(1, id, "x")).unwrap();
    }
    drop(writer);
    let mut writer = replica.writer().unwrap();
    for id in 5..10 {
        append(&mut writer, &say(1, id, "x")).unwrap();
    }
    let events = replica.snapshot().unwrap().after(0, 100).unwrap();
    assert_eq!(events.len(), 11);
    let mut previous = ([0; 32], 0);
    for (index, event) in events.iter().enumerate() {
        let EventHeader { sequence, previous: before, clock, space, author, ref seen, .. } = event.header;
        assert_eq!((sequence, before, space, author), (index as u64 + 1, previous.0, SPACE, DEVICE));
        assert!(clock.0 > previous.1);
        assert_eq!(seen.first().copied().unwrap_or_default(), previous.0, "all are of one entity");
        assert_eq!(event.id, *blake3::hash(&event.header.encode()).as_bytes());
        previous = (event.id, clock.0);
    }
}

#[test]
fn doing_it_twice_does_it_once() {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    append(&mut writer, &begin(1, "a")).unwrap();
    let first = append(&mut writer, &say(1, 1, "hello")).unwrap();
    let again = append(&mut writer, &say(1, 1, "hello")).unwrap();
    assert_eq!((again.id, again.position, again.again), (first.id, first.position, true));
    assert_eq!(append(&mut writer, &say(1, 1, "other words")), Err(Refused::Conflict));
    assert_eq!(append(&mut writer, &say(2, 9, "to nobody")), Err(Refused::NoConversation));
    assert_eq!(texts(&replica, 1), ["hello"]);
}

#[test]
fn one_that_is_refused_does_not_hold_up_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    let drafts = [begin(1, "a"), say(3, 1, "lost"), say(1, 2, "kept")];
    let results: Vec<_> = writer.write(|batch| drafts.iter().map(|draft| batch.append(draft)).collect()).unwrap();
    assert!(results[0].is_ok() && results[1] == Err(Refused::NoConversation) && results[2].is_ok());
    assert_eq!(texts(&replica, 1), ["kept"]);
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    append(&mut writer, &begin(1, "a")).unwrap();
    let failed: Result<(), _> = writer.write(|batch| {
        batch.append(&say(1, 1, "never"))?.unwrap();
        Err(ReplicaError::DiskFull)
    });
    assert!(failed.is_err());
    let kept = append(&mut writer, &say(1, 2, "after")).unwrap();
    assert_eq!(kept.position, 2, "the place was not used up");
    assert_eq!(texts(&replica, 1), ["after"]);
}

#[test]
fn conversations_come_newest_first_and_in_pages() {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    for entity in 1..=5 {
        append(&mut writer, &begin(entity, &format!("c{entity}"))).unwrap();
    }
    append(&mut writer, &say(2, 1, "newest")).unwrap();
    let rename = Draft { entity: [4; 16], body: Body::Title(Title { title: "renamed".into() }), once: None };
    append(&mut writer, &rename).unwrap();
    let snapshot = replica.snapshot().unwrap();
    let first = snapshot.conversations(None, 3).unwrap();
    let names = |page: &Page<([u8; 16], Conversation)>| page.items.iter().map(|(_, view)| view.title.clone()).collect::<Vec<_>>();
    assert_eq!((names(&first), first.more), (vec!["renamed".into(), "c2".into(), "c5".into()], true));
    let last = first.items.last().map(|(id, view)| (view.changed, *id));
    let second = snapshot.conversations(last, 3).unwrap();
    assert_eq!((names(&second), second.more), (vec!["c3".into(), "c1".into()], false));
}

#[test]
fn a_page_of_messages_ends_before_it_is_too_large() {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    append(&mut writer, &begin(1, "a")).unwrap();
    for id in 0..10 {
        append(&mut writer, &say(1, id, &"x".repeat(1000))).unwrap();
    }
    let snapshot = replica.snapshot().unwrap();
    let page = snapshot.messages(&[1; 16], 0, 100, 3500).unwrap();
    assert_eq!((page.items.len(), page.more), (3, true));
    let page = snapshot.messages(&[1; 16], 8, 100, 3500).unwrap();
    assert_eq!((page.items.len(), page.more), (2, false));
    assert_eq!(snapshot.messages(&[1; 16], 0, 5, 1).unwrap().items.len(), 1, "one comes however large it is");
}

#[test]
fn files_are_written_listed_replaced_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    let entity = |path: &str| replica.keys().blind("file", &[path.as_bytes()]);
    let write = |path: &str, bytes: &[u8]| {
        let body = Body::File(FileBody::new(path.into(), Content::Bytes(bytes.to_vec())));
        Draft { entity: entity(path), body, once: None }
    };
    for (path, bytes) in [("user/b", "2"), ("user/a", ""), ("user/c/d", "3"), ("other/x", "4")] {
        append(&mut writer, &write(path, bytes.as_bytes())).unwrap();
    }
    append(&mut writer, &write("user/b", b"22")).unwrap();
    let list = |prefix: &str, after: &str, limit: usize| {
        let page = replica.snapshot().unwrap().files(prefix, after, limit).unwrap();
        page.items.into_iter().map(|file| (file.path, file.length)).collect::<Vec<_>>()
    };
    assert_eq!(list("user/", "", 9), [("user/a".into(), 0), ("user/b".into(), 2), ("user/c/d".into(), 1)]);
    assert_eq!(list("user/", "user/a", 1), [("user/b".into(), 2)]);
    let content = |path: &str| replica.snapshot().unwrap().file(&entity(path)).unwrap();
    assert_eq!((content("user/b"), content("user/a"), content("user/z")), (Some(b"22".to_vec()), Some(vec![]), None));
    let remove = |path: &str| Draft { entity: entity(path), body: Body::FileRemoved(FileRemoved::new(path.into())), once: None };
    append(&mut writer, &remove("user/a")).unwrap();
    assert_eq!(append(&mut writer, &remove("user/a")), Err(Refused::NoFile));
    assert_eq!((content("user/a"), list("user/", "", 9).len()), (None, 2));
    append(&mut writer, &write("user/a", b"back")).unwrap();
    assert_eq!(content("user/a"), Some(b"back".to_vec()));
}

#[test]
fn signatures_are_added_and_leave_nothing_unsigned() {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    append(&mut writer, &begin(1, "a")).unwrap();
    append(&mut writer, &say(1, 1, "x")).unwrap();
    let unsigned = replica.snapshot().unwrap().unsigned(10).unwrap();
    assert_eq!(unsigned.len(), 2);
    writer.write(|batch| unsigned.iter().try_for_each(|(position, _)| batch.sign(*position, &[5; 64]))).unwrap();
    let snapshot = replica.snapshot().unwrap();
    assert_eq!(snapshot.counts().unwrap(), (2, 0, 1));
    assert!(snapshot.after(0, 10).unwrap().iter().all(|event| event.signature == Some([5; 64])));
    assert_eq!(snapshot.after(0, 10).unwrap()[0].header.encode(), unsigned[0].1, "the header did not change");
}

#[test]
fn nothing_that_was_said_can_be_read_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let canary = "xylophonic-quagmire";
    {
        let replica = open(directory.path());
        let mut writer = replica.writer().unwrap();
        append(&mut writer, &begin(1, &format!("title {canary}"))).unwrap();
        append(&mut writer, &say(1, 1, &format!("short {canary}"))).unwrap();
        append(&mut writer, &say(1, 2, &format!("long {canary} ").repeat(500))).unwrap();
        let path = format!("user/{canary}.md");
        let entity = replica.keys().blind("file", &[path.as_bytes()]);
        let body = Body::File(FileBody::new(path, Content::Bytes(canary.into())));
        append(&mut writer, &Draft { entity, body, once: None }).unwrap();
        // A tag, the name of the field it stands in, and a text that is merged.
        let tag = Operation { path: vec![canary.into()], act: Act::Add(Value::Text(canary.into())) };
        let tagged = Body::Change(Change { operations: vec![tag] });
        append(&mut writer, &Draft { entity: [2; 16], body: tagged, once: None }).unwrap();
        writer.write(|batch| batch.write_text(&[2; 16], &["text".into()], canary)).unwrap().unwrap();
    }
    for file in fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap().path();
        let bytes = fs::read(&file).unwrap();
        let needle = &canary.as_bytes()[..9];
        assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{}", file.display());
    }
}

#[test]
fn a_flipped_bit_of_a_body_is_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let id = {
        let replica = open(directory.path());
        let mut writer = replica.writer().unwrap();
        append(&mut writer, &begin(1, "a")).unwrap();
        // Large and hard to compress, so that it fills pages of its own, where a flipped bit hits nothing of the engine's.
        let mut noise = vec![0; 20_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let text: String = noise.iter().map(|byte| format!("{byte:02x}")).collect();
        append(&mut writer, &say(1, 1, &text)).unwrap().id
    };
    let path = directory.path().join("data.mdb");
    let mut bytes = fs::read(&path).unwrap();
    // The longest run of pages without a stretch of zeros is the body; its middle is flipped.
    let dense = |page: &[u8]| page.chunks(64).all(|chunk| chunk.iter().filter(|byte| **byte == 0).count() < 16);
    let pages: Vec<usize> = (0..bytes.len() / 4096).filter(|page| dense(&bytes[page * 4096..(page + 1) * 4096])).collect();
    assert!(pages.len() > 3, "the body has pages of its own");
    bytes[pages[pages.len() / 2] * 4096 + 2000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let replica = open(directory.path());
    let snapshot = replica.snapshot().unwrap();
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    match snapshot.messages(&[1; 16], 0, 10, usize::MAX) {
        Err(ReplicaError::Damaged(damage)) => assert!(damage.to_string().contains(&hex), "{damage}"),
        other => panic!("{other:?}"),
    }
    assert!(snapshot.conversation(&[1; 16]).unwrap().is_some(), "the rest can be read");
}

#[test]
fn a_file_that_was_cut_off_is_refused_before_it_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    {
        let replica = open(directory.path());
        let mut writer = replica.writer().unwrap();
        append(&mut writer, &begin(1, &"a".repeat(400))).unwrap();
    }
    let path = directory.path().join("data.mdb");
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 8192).unwrap();
    let keys = StoreKeys::new(&[9; 32], SPACE, DEVICE);
    assert!(matches!(Replica::open(directory.path(), keys), Err(ReplicaError::Damaged(_))));
}

/// The bytes that a database has by its own account.
fn claimed(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let number = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    let newest = [0, 4096].into_iter().max_by_key(|page| number(page + 144)).unwrap();
    (number(newest + 136) + 1) * 4096
}

#[test]
fn a_file_that_ends_before_its_last_free_pages_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.mdb");
    let mut noise = vec![0; 60_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let mut events = 0;
    let length = {
        let replica = open(directory.path());
        let mut writer = replica.writer().unwrap();
        // Pages that are taken at the end and given back in one transaction are not written.
        (1..200).find_map(|round: usize| {
            let body = Body::File(FileBody::new("user/a".into(), Content::Bytes(noise[..round * 7919 % 60_000].to_vec())));
            append(&mut writer, &Draft { entity: [2; 16], body, once: None }).unwrap();
            let latest = replica.snapshot().unwrap().latest().unwrap();
            append(&mut writer, &Draft::erase_entity([2; 16], Some(latest.0))).unwrap();
            events += 2;
            let length = fs::metadata(&path).unwrap().len();
            (length < claimed(&path)).then_some(length)
        })
    };
    let length = length.expect("a file becomes shorter than it says");
    assert_eq!(open(directory.path()).snapshot().unwrap().counts().unwrap(), (events, events, 0));
    // What is cut off beyond that is missed, unless it is free as well.
    let end = |pages: u64| {
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - pages * 4096).unwrap();
        let keys = StoreKeys::new(&[9; 32], SPACE, DEVICE);
        Replica::open(directory.path(), keys).err()
    };
    assert!((1..length / 4096 - 2).any(|pages| matches!(end(pages), Some(ReplicaError::Damaged(_)))));
}

#[test]
fn what_is_not_a_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data.mdb"), vec![0x55; 65_536]).unwrap();
    let keys = StoreKeys::new(&[9; 32], SPACE, DEVICE);
    assert!(matches!(Replica::open(directory.path(), keys), Err(ReplicaError::Damaged(_))));
}

#[test]
fn another_space_and_another_key_open_nothing() {
    let directory = tempfile::tempdir().unwrap();
    {
        let replica = open(directory.path());
        let mut writer = replica.writer().unwrap();
        append(&mut writer, &begin(1, "a")).unwrap();
    }
    let other = StoreKeys::new(&[9; 32], [1; 16], DEVICE);
    assert!(matches!(Replica::open(directory.path(), other), Err(ReplicaError::OtherSpace)));
    let wrong = StoreKeys::new(&[1; 32], SPACE, DEVICE);
    let replica = Replica::open(directory.path(), wrong).unwrap();
    assert!(matches!(replica.snapshot().unwrap().conversation(&[1; 16]), Err(ReplicaError::Damaged(_))));
}
