//! A bit that a disk forgets is found, the event is named, and an intact copy puts it right.

use replica::{
    Damaged, Form, Parcel, Table, Unfit, What,
    body::{Attached, Body},
    state::Act,
};

use crate::{
    memory::Memory,
    world::{Device, begin, file, forged, meet, on, rename, say},
};

fn two() -> (Device, Device) {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    one.append(&begin(1, "a"));
    for id in 1..6 {
        one.append(&say(1, id, "words that are said here"));
    }
    one.append(&file(0x20, b"bytes"));
    two.change(0x30, vec![on(&["a"], Act::Increment(1))]);
    meet(&mut one, &mut two);
    (one, two)
}

fn damaged(device: &Device) -> Vec<Damaged> {
    device.replica.snapshot().unwrap().verify(0, usize::MAX).unwrap().damaged
}

fn repair(device: &mut Device, parcels: &[Parcel]) -> Vec<Result<(), Unfit>> {
    let replica = device.replica.clone();
    device
        .writer
        .write(|batch| {
            let mut results = Vec::new();
            for parcel in parcels {
                results.push(batch.repair(&replica.check(parcel).unwrap())?.map(|_| ()));
            }
            Ok(results)
        })
        .unwrap()
}

#[test]
fn every_bit_of_every_event_is_looked_at() {
    let (one, mut two) = two();
    assert_eq!(damaged(&one), []);
    let whole = one.fingerprint();
    for table in [Table::Event, Table::Body] {
        for key in one.memory.keys(table) {
            let position = u64::from_be_bytes(key[..].try_into().unwrap());
            let id = one.replica.snapshot().unwrap().after(position - 1, 1).unwrap()[0].id;
            for (byte, at_least) in [(0, 0), (1, 1), (70, 1), (100, 1), (usize::MAX, 1)] {
                let memory = one.memory.copy();
                memory.tamper(table, &key, |value| {
                    let byte = byte.min(value.len() - 1);
                    value[byte] ^= 4;
                });
                let mut hurt = Device::with(1, [9; 32], memory);
                let found = damaged(&hurt);
                // The first byte only says whether there is a signature; any but one value says that there is none.
                assert!(found.len() >= at_least, "byte {byte} of {table:?} {position}");
                assert!(found.iter().all(|damaged| damaged.id == Some(id)), "{found:?} is {position}");
                let copy = two.replica.snapshot().unwrap().parcels(&[id], usize::MAX, Form::Open).unwrap();
                assert_eq!(repair(&mut hurt, &copy), [Ok(())]);
                assert_eq!((damaged(&hurt), hurt.fingerprint()), (vec![], whole), "byte {byte} of {table:?} {position}");
            }
        }
    }
    assert_eq!(repair(&mut two, &one.everything(Form::Sealed)).len(), 8, "what is whole is not hurt by it");
    assert_eq!(two.fingerprint(), whole);
}

#[test]
fn a_damaged_key_is_named_and_comes_back_with_any_event_sealed_under_it() {
    let (mut one, two) = two();
    one.memory.tamper(Table::Key, &[1; 16], |value| value[40] ^= 1);
    let found = damaged(&one);
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|damaged| damaged.what == What::Key));
    // The other took the key of the first with what it was sent.
    let copy = two.replica.snapshot().unwrap().parcels(&[found[3].id.unwrap()], usize::MAX, Form::Sealed).unwrap();
    assert_eq!(repair(&mut one, &copy), [Ok(())]);
    assert_eq!((damaged(&one), one.fingerprint()), (vec![], two.fingerprint()));
    // Without it, everything under it is put back open.
    one.memory.tamper(Table::Key, &[1; 16], |value| value[40] ^= 1);
    let ids: Vec<[u8; 32]> = damaged(&one).iter().filter_map(|damaged| damaged.id).collect();
    let copies = two.replica.snapshot().unwrap().parcels(&ids, usize::MAX, Form::Open).unwrap();
    repair(&mut one, &copies);
    assert_eq!((damaged(&one), one.fingerprint()), (vec![], two.fingerprint()));
}

#[test]
fn a_damaged_view_is_named_and_folded_anew() {
    for (table, entity, name) in
        [(Table::Conversation, 1, "conversations"), (Table::File, 0x20, "files"), (Table::State, 0x30, "states")]
    {
        let (mut one, two) = two();
        one.memory.tamper(table, &[entity; 16], |value| value[30] ^= 1);
        assert_eq!(one.replica.snapshot().unwrap().verify_views().unwrap(), [(name, [entity; 16])]);
        one.writer.rebuild().unwrap();
        assert_eq!(one.replica.snapshot().unwrap().verify_views().unwrap(), []);
        assert_eq!(one.fingerprint(), two.fingerprint());
    }
}

#[test]
fn a_view_that_opens_and_is_not_what_the_events_make_is_named_and_folded_anew() {
    for (table, entity, name) in
        [(Table::Conversation, 1, "conversations"), (Table::File, 0x20, "files"), (Table::State, 0x30, "states")]
    {
        let (mut one, mut two) = two();
        let mut before = Vec::new();
        one.memory.tamper(table, &[entity; 16], |value| before = value.clone());
        one.append(&rename(1, "later"));
        one.append(&file(0x20, b"later"));
        one.change(0x30, vec![on(&["later"], Act::Increment(1))]);
        // A write that never reached the disk.
        one.memory.tamper(table, &[entity; 16], |value| *value = before);
        let wrong = || one.replica.snapshot().unwrap().verify_folds(None, usize::MAX).unwrap().wrong;
        assert_eq!((one.replica.snapshot().unwrap().verify_views().unwrap(), wrong()), (vec![], vec![(name, [entity; 16])]));
        one.writer.rebuild().unwrap();
        assert_eq!(one.replica.snapshot().unwrap().verify_folds(None, usize::MAX).unwrap().wrong, []);
        meet(&mut one, &mut two);
        assert_eq!(one.fingerprint(), two.fingerprint());
    }
}

#[test]
fn what_is_not_listed_is_found() {
    for (table, name) in [(Table::Message, "messages"), (Table::Recent, "conversations"), (Table::Refers, "references")] {
        let (mut one, mut two) = two();
        let mut attached = say(1, 9, "look");
        if let Body::Message(message) = &mut attached.body {
            message.attachments.push(Attached { id: [0x50; 16], name: "a".into(), length: 5 });
        }
        one.append(&attached);
        meet(&mut one, &mut two);
        let key = one.memory.keys(table)[0].clone();
        one.memory.remove(table, &key);
        let found = one.replica.snapshot().unwrap().verify_folds(None, usize::MAX).unwrap();
        assert!(found.wrong.iter().any(|(what, _)| *what == name), "{name}: {found:?}");
        one.writer.rebuild().unwrap();
        assert_eq!(one.replica.snapshot().unwrap().verify_folds(None, usize::MAX).unwrap().wrong, []);
        assert_eq!(one.fingerprint(), two.fingerprint());
    }
}

#[test]
fn a_list_that_leads_nowhere_is_found() {
    for other in [[0; 16], [1; 16]] {
        let (mut one, two) = two();
        let key = one.memory.keys(Table::Recent)[0].clone();
        one.memory.put(Table::Recent, &[&[0xfe; 8][..], &other].concat(), &[]);
        assert_eq!(one.replica.snapshot().unwrap().verify_views().unwrap(), [("recent conversations", other)]);
        one.writer.rebuild().unwrap();
        assert_eq!(one.replica.snapshot().unwrap().verify_views().unwrap(), []);
        assert_eq!((one.memory.keys(Table::Recent), one.fingerprint()), (vec![key], two.fingerprint()));
    }
}

#[test]
fn an_index_that_leads_elsewhere_is_found() {
    for table in [Table::Id, Table::Sequence, Table::Time] {
        let (mut one, two) = two();
        let key = one.memory.keys(table)[2].clone();
        one.memory.tamper(table, &key, |value| value[7] ^= 1);
        let found = damaged(&one);
        assert!(found.iter().any(|damaged| matches!(damaged.what, What::Index)), "{table:?}: {found:?}");
        one.writer.rebuild().unwrap();
        assert_eq!((damaged(&one), one.fingerprint()), (vec![], two.fingerprint()));
    }
}

#[test]
fn another_event_of_the_same_number_repairs_nothing() {
    let (mut one, _) = two();
    let whole = one.fingerprint();
    let event = one.replica.snapshot().unwrap().after(2, 1).unwrap().remove(0);
    let other = ipc::event::EventHeader { kind: 999, ..event.header };
    let parcel = forged(&one.key, &other, replica::Carried::Erased);
    assert_eq!(repair(&mut one, &[parcel]), [Err(Unfit::NotHere)]);
    assert_eq!(one.fingerprint(), whole);
    let mut empty = Device::with(3, [9; 32], Memory::new());
    assert_eq!(repair(&mut empty, &one.everything(Form::Open))[0], Err(Unfit::NotHere));
}
