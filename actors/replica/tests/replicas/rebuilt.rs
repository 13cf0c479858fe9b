//! What is derived is made anew where the log itself is damaged: what is damaged stays named, listed and mendable.

use replica::{ReplicaError, Table, body::Body, state::Act};

use crate::world::{Device, begin, file, meet, on, say};

/// A device with a conversation, a file of one version, one of two and a state; and another that has all of it.
fn two() -> (Device, Device) {
    let (mut one, mut other) = (Device::new(1), Device::new(2));
    one.append(&begin(1, "a title"));
    for id in 1..4 {
        one.append(&say(1, id, "words that are said here"));
    }
    one.append(&file(0x20, b"only"));
    one.append(&file(0x21, b"first"));
    one.append(&file(0x21, b"second"));
    one.change(0x30, vec![on(&["a"], Act::Increment(1))]);
    one.change(0x30, vec![on(&["a"], Act::Increment(1))]);
    meet(&mut one, &mut other);
    (one, other)
}

fn places(device: &Device, entity: u8) -> Vec<u64> {
    let snapshot = device.replica.snapshot().unwrap();
    snapshot.history(&[entity; 16], 0, 99).unwrap().iter().map(|event| event.position).collect()
}

fn hurt(device: &Device, table: Table, place: u64, at: usize) {
    device.memory.tamper(table, &place.to_be_bytes(), |value| value[at] ^= 4);
}

/// What is found damaged: where, which and what.
fn damaged(device: &Device) -> Vec<replica::Damaged> {
    device.replica.snapshot().unwrap().verify(0, usize::MAX).unwrap().damaged
}

fn path(device: &Device, entity: u8) -> Option<String> {
    device.replica.snapshot().unwrap().file_view(&[entity; 16]).unwrap().map(|view| view.path)
}

fn is_damaged<T>(result: Result<T, ReplicaError>) -> bool {
    matches!(result, Err(ReplicaError::Damaged(_)))
}

#[test]
fn a_file_that_cannot_be_read_stays_listed_and_says_so() {
    for (entity, version) in [(0x20, 0), (0x21, 1)] {
        let (mut one, other) = two();
        hurt(&one, Table::Body, places(&one, entity)[version], 30);
        let found = damaged(&one);
        assert_eq!(found.len(), 1);
        for _ in 0..2 {
            one.writer.rebuild().unwrap();
            assert_eq!(path(&one, entity), Some(format!("user/{entity}")), "its name is not lost");
            assert!(is_damaged(one.replica.snapshot().unwrap().content(&[entity; 16])), "nor is an older version given");
            assert_eq!(damaged(&one), found);
            assert_eq!(one.replica.snapshot().unwrap().verify_folds(None, 99).unwrap().wrong, []);
        }
        one.writer.mend(&other.everything(replica::Form::Open)).unwrap();
        one.writer.rebuild().unwrap();
        assert_eq!((damaged(&one), one.fingerprint()), (vec![], other.fingerprint()));
    }
}

#[test]
fn where_the_view_is_damaged_too_a_file_goes_by_the_name_it_had_before() {
    let (mut one, other) = two();
    hurt(&one, Table::Body, places(&one, 0x21)[1], 30);
    one.memory.tamper(Table::File, &[0x21; 16], |value| value[30] ^= 1);
    one.writer.rebuild().unwrap();
    assert_eq!(path(&one, 0x21).as_deref(), Some("user/33"));
    assert!(is_damaged(one.replica.snapshot().unwrap().content(&[0x21; 16])));
    // Of one that never had another nothing tells the name; the event is named all the same.
    hurt(&one, Table::Body, places(&one, 0x20)[0], 30);
    one.memory.tamper(Table::File, &[0x20; 16], |value| value[30] ^= 1);
    one.writer.rebuild().unwrap();
    assert_eq!(path(&one, 0x20).as_deref(), Some(""));
    assert_eq!(damaged(&one).len(), 2);
    one.writer.mend(&other.everything(replica::Form::Open)).unwrap();
    one.writer.rebuild().unwrap();
    assert_eq!((damaged(&one), one.fingerprint()), (vec![], other.fingerprint()));
}

#[test]
fn a_message_that_cannot_be_read_is_not_passed_over() {
    let (mut one, other) = two();
    hurt(&one, Table::Body, places(&one, 1)[2], 30);
    one.writer.rebuild().unwrap();
    let snapshot = one.replica.snapshot().unwrap();
    assert!(is_damaged(snapshot.messages(&[1; 16], 0, 99, usize::MAX)));
    let view = snapshot.conversation(&[1; 16]).unwrap().unwrap();
    assert_eq!((view.title.as_str(), view.messages), ("a title", 3));
    drop(snapshot);
    one.writer.mend(&other.everything(replica::Form::Open)).unwrap();
    one.writer.rebuild().unwrap();
    assert_eq!((damaged(&one), one.fingerprint()), (vec![], other.fingerprint()));
}

#[test]
fn an_event_whose_header_is_damaged_is_found_named_and_mended_after_it_too() {
    for (entity, which) in [(1, 0), (1, 2), (0x20, 0), (0x21, 1), (0x30, 1)] {
        // The value is `signed ‖ signature 64 ‖ header`: version, space, author, number, …
        for at in [65, 70, 85, 115, 119, 123, 160, 200] {
            let (mut one, other) = two();
            let (place, path) = (places(&one, entity)[which], path(&one, entity));
            let before = one.fingerprint();
            hurt(&one, Table::Event, place, at);
            let found = damaged(&one);
            assert!(found.iter().any(|damaged| damaged.position == place && damaged.id.is_some()), "{found:?}");
            one.writer.rebuild().unwrap();
            one.reopen();
            assert_eq!(damaged(&one), found, "byte {at} of {place}");
            assert_eq!(self::path(&one, entity), path);
            if let Some(other) = path.and(Some(entity)) {
                assert!(one.replica.snapshot().unwrap().content(&[other; 16]).is_err(), "byte {at}");
            }
            one.writer.mend(&other.everything(replica::Form::Open)).unwrap();
            one.writer.rebuild().unwrap();
            assert_eq!((damaged(&one), one.fingerprint()), (vec![], before), "byte {at} of {place}");
        }
    }
}

#[test]
fn one_that_is_cut_off_goes_on_with_what_it_knew() {
    let (one, other) = two();
    hurt(&one, Table::Body, places(&one, 0x20)[0], 30);
    hurt(&one, Table::Event, places(&one, 1)[2], 70);
    let found = damaged(&one);
    let mut cut = 0;
    for writes in 0.. {
        let memory = one.memory.copy();
        let mut device = Device::with(1, [9; 32], memory.clone());
        memory.fail_after(writes);
        let ended = device.writer.rebuild().is_ok();
        memory.mend();
        device.reopen();
        assert_eq!(path(&device, 0x20).as_deref(), Some("user/32"), "cut off after {writes} writes");
        assert_eq!(damaged(&device), found);
        device.writer.mend(&other.everything(replica::Form::Open)).unwrap();
        device.writer.rebuild().unwrap();
        assert_eq!((damaged(&device), device.fingerprint()), (vec![], other.fingerprint()));
        cut += u32::from(!ended);
        if ended {
            break;
        }
    }
    assert!(cut > 10);
    // What was not damaged is as whole as ever.
    let record = one.replica.snapshot().unwrap().record(places(&one, 1)[1]).unwrap().unwrap();
    assert!(matches!(record.body, Body::Message(_)));
}
