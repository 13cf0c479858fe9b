//! Older formats, older folds, and what fails in the middle.

use std::{fs, path::Path, sync::Arc};

use ed25519_dalek::SigningKey;
use replica::{
    Draft, Form, Replica, ReplicaError, StoreKeys, Table,
    engine::{self, Engine},
    state::Act,
};

use crate::{
    memory::Memory,
    world::{Device, NO_BLOBS, SPACE, begin, file, meet, on, say},
};

fn full() -> Device {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    for entity in 1..4 {
        one.append(&begin(entity, "title"));
        one.append(&say(entity, entity.into(), "words"));
    }
    two.append(&file(0x20, b"bytes"));
    two.change(0x30, vec![on(&["a"], Act::Increment(1))]);
    meet(&mut one, &mut two);
    one.change(0x30, vec![on(&["a"], Act::Increment(1))]);
    one.append(&Draft::erase_entity([3; 16], None));
    one
}

/// Makes of a store what a program of format 1 would have left: without the tables that came later, the views as they
/// were, and no word of how they were folded.
fn to_format_1(engine: &dyn Engine) {
    let mut txn = engine.write().unwrap();
    for table in [Table::Sequence, Table::Time, Table::Tip, Table::Message, Table::Entity, Table::Refers, Table::Reference] {
        txn.clear(table).unwrap();
    }
    txn.put(Table::Meta, b"format", &1_u32.to_le_bytes()).unwrap();
    txn.delete(Table::Meta, b"fold").unwrap();
    txn.commit().unwrap();
}

#[test]
fn a_store_of_format_1_is_brought_up() {
    let mut one = full();
    let before = one.fingerprint();
    to_format_1(&one.memory);
    one.reopen();
    assert_eq!(one.fingerprint(), before);
    assert_eq!(one.replica.snapshot().unwrap().verify(0, 99).unwrap().damaged, []);
}

#[test]
fn a_copy_is_made_before_a_step_and_removed_when_the_step_has_held() {
    let directory = tempfile::tempdir().unwrap();
    let key = SigningKey::from_bytes(&[1; 32]);
    let keys = || StoreKeys::new(&[9; 32], SPACE, key.verifying_key().to_bytes());
    let counts = {
        let replica = Replica::open(directory.path(), keys()).unwrap();
        let mut writer = replica.writer().unwrap();
        writer.write(|batch| batch.append(&begin(1, "a"))).unwrap().unwrap();
        replica.snapshot().unwrap().counts().unwrap()
    };
    to_format_1(&*engine::open(directory.path()).unwrap());
    let copy = directory.path().join("format-1.mdb");
    assert_eq!(Replica::open(directory.path(), keys()).unwrap().snapshot().unwrap().counts().unwrap(), counts);
    // The copy is a store of the old format.
    let old = tempfile::tempdir().unwrap();
    fs::copy(&copy, old.path().join("data.mdb")).unwrap();
    assert_eq!(Replica::open(old.path(), keys()).unwrap().snapshot().unwrap().counts().unwrap(), counts);
    assert!(old.path().join("format-1.mdb").exists(), "it took the step as well");
    drop(Replica::open(directory.path(), keys()).unwrap());
    assert!(!copy.exists());
}

#[test]
fn a_newer_format_is_refused() {
    let one = full();
    let mut txn = one.memory.write().unwrap();
    txn.put(Table::Meta, b"format", &99_u32.to_le_bytes()).unwrap();
    txn.commit().unwrap();
    let keys = StoreKeys::new(&[9; 32], SPACE, one.id());
    let opened = Replica::on(Arc::new(one.memory.clone()), Path::new(NO_BLOBS), keys, replica::Wall::system());
    assert!(matches!(opened, Err(ReplicaError::Newer { found: 99, .. })));
}

#[test]
fn views_of_another_fold_are_made_anew_however_often_it_is_cut_off() {
    let mut one = full();
    let before = one.fingerprint();
    let mut failures = 0;
    for writes in 0.. {
        let mut txn = one.memory.write().unwrap();
        txn.put(Table::Meta, b"fold", &77_u32.to_le_bytes()).unwrap();
        txn.commit().unwrap();
        one.memory.fail_after(writes);
        let keys = StoreKeys::new(&[9; 32], SPACE, one.id());
        let opened = Replica::on(Arc::new(one.memory.clone()), Path::new(NO_BLOBS), keys, replica::Wall::system());
        let failed = one.memory.mend();
        assert_eq!(opened.is_err(), failed);
        one.reopen();
        assert_eq!(one.fingerprint(), before, "cut off after {writes} writes");
        if !failed {
            break;
        }
        failures += 1;
    }
    assert!(failures > 50, "it was cut off {failures} times");
}

#[test]
fn whatever_write_fails_nothing_is_half_there() {
    let (mut one, mut two) = (full(), Device::new(2));
    one.sign();
    let parcels = one.everything(Form::Open);
    // What the other has of its own is not given back to it.
    let parcels: Vec<_> = parcels.into_iter().filter(|parcel| parcel.header[17..49] == one.id()).collect();
    let before = two.fingerprint();
    for writes in 0.. {
        two.memory.fail_after(writes);
        let result = two.writer.take(&parcels);
        let failed = two.memory.mend();
        assert_eq!(result.is_err(), failed);
        if !failed {
            break;
        }
        assert_eq!(two.fingerprint(), before, "after {writes} writes");
        two.reopen();
        assert_eq!(two.fingerprint(), before);
    }
    assert_ne!(two.fingerprint(), before);
    let mut three = Device::with(3, [9; 32], Memory::new());
    three.take(&parcels);
    assert_eq!(two.fingerprint(), three.fingerprint(), "and the next try does it all");
}
