//! Two have the same content; one is erased.

use super::*;

/// Takes away the key of an owner, as erasing does.
fn forget_key(store: &mut Store, owner: u8) {
    store.writer.write(|batch| batch.txn.delete(Table::Key, &[owner; 16])).expect("erased");
}

/// Takes away what the newest event of an owner says.
fn forget_body(store: &mut Store, owner: u8) {
    let snapshot = store.replica.snapshot().expect("a snapshot");
    let events = snapshot.after(0, 100).expect("events");
    let event = events.iter().rfind(|event| event.header.entity == [owner; 16]).expect("an event").position;
    drop(snapshot);
    store.writer.write(|batch| batch.txn.delete(Table::Body, &event.to_be_bytes())).expect("erased");
}

#[test]
fn the_one_that_is_erased_cannot_be_read_and_the_other_can() {
    let mut store = Store::new();
    let bytes = noise(1, 3 << 20);
    let blob = store.whole(1, &bytes);
    store.whole(2, &bytes);
    let files: Vec<_> = store.packs().into_iter().map(|path| fs::read(path).expect("a pack")).collect();
    forget_key(&mut store, 1);
    // The sealed body and every chunk are still there, and so are the keys of the store: it is not enough.
    let snapshot = store.replica.snapshot().expect("a snapshot");
    assert!(matches!(snapshot.content(&[1; 16]), Err(ReplicaError::Damaged(Damage::Event(_)))));
    assert_eq!(snapshot.content(&[2; 16]).expect("read"), Some(Content::Blob(blob.clone())));
    drop(snapshot);
    let after: Vec<_> = store.packs().into_iter().map(|path| fs::read(path).expect("a pack")).collect();
    assert!(files == after, "the files are as they were");
    forget_body(&mut store, 1);
    let collected = store.collect(0);
    assert_eq!((collected.chunks, collected.blobs, collected.bytes), (0, 1, bytes.len() as u64));
    assert!(store.read(&blob, 0..u64::MAX).expect("read") == bytes, "the other keeps all of it");
}

#[test]
fn what_nobody_has_any_more_leaves_the_disk() {
    let mut store = Store::new();
    let kept = noise(2, 1 << 20);
    let blob = store.whole(1, &kept);
    let gone = store.whole(2, &noise(3, 50 << 20));
    let full = store.usage();
    forget_key(&mut store, 2);
    forget_body(&mut store, 2);
    let collected = store.collect(0);
    assert!(collected.chunks > 500 && collected.packs > 0, "{collected:?}");
    assert!(store.usage().bytes < full.bytes / 10, "{:?} of {full:?}", store.usage());
    assert!(store.read(&blob, 0..u64::MAX).expect("read") == kept);
    assert!(store.read(&gone, 0..1).is_err());
    let store = store.reopened();
    assert!(store.read(&blob, 0..u64::MAX).expect("read") == kept);
}

#[test]
fn an_upload_of_one_that_was_erased_is_given_up() {
    let mut store = Store::new();
    let begin = Begin { resumable: true, ..store.begin(1, 9 << 20) };
    let mut upload = store.upload(begin);
    upload.push(&noise(4, 8 << 20)).expect("taken");
    store.checkpoint(&mut upload);
    drop(upload);
    assert!(store.replica.snapshot().expect("a snapshot").upload(&begin.id).expect("read").is_some());
    forget_key(&mut store, 1);
    assert_eq!(store.replica.snapshot().expect("a snapshot").upload(&begin.id).expect("read"), None);
    let collected = store.collect(0);
    assert_eq!(collected.uploads, 1);
    assert_eq!(store.usage(), BlobUsage::default());
}
