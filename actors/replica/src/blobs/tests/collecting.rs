//! Collections beside uploads.

use std::sync::{Arc, Mutex};

use super::*;

const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;

#[test]
fn an_unfinished_upload_is_kept_for_a_week_and_one_that_nobody_resumes_not_at_all() {
    let mut store = Store::new();
    for resumable in [true, false] {
        let begin = Begin { resumable, ..store.begin(1, 9 << 20) };
        let mut upload = store.upload(begin);
        upload.push(&noise(1 + u64::from(resumable), 5 << 20)).expect("taken");
        store.checkpoint(&mut upload);
        assert_eq!(store.collect(1000).uploads, 0, "it is in progress");
        drop(upload);
    }
    let both = store.usage().chunks;
    assert_eq!(store.collect(1000 + WEEK - 1).uploads, 1, "the one nobody goes on with");
    let one = store.usage().chunks;
    assert!(one < both && one > 0);
    assert_eq!(store.collect(1000 + WEEK).uploads, 1);
    assert_eq!(store.usage(), BlobUsage::default());
}

#[test]
fn what_an_upload_finds_while_a_collection_goes_on_stays() {
    let mut store = Store::new();
    let bytes = noise(3, 6 << 20);
    // Kept by nobody: a checkpoint of an upload that was given up.
    let begin = store.begin(1, bytes.len());
    let mut upload = store.upload(begin);
    upload.push(&bytes).expect("taken");
    store.checkpoint(&mut upload);
    drop(upload);
    let begin = store.begin(2, bytes.len());
    let collection = store.replica.collect(0).expect("one");
    assert!(store.replica.collect(0).is_none(), "one at a time");
    // After everything is marked and before the first chunk is forgotten, another comes with the same content.
    let mut steps = 0;
    let mut kept = None;
    let Store { replica, writer, .. } = &mut store;
    let collected = collection.run(&mut |sweep| {
        steps += 1;
        // The first step gave up the upload above; the second is to forget its chunks.
        if steps == 2 {
            let mut upload = replica.upload(begin)?.expect("begun");
            upload.push(&bytes)?;
            let Finished { blob, checkpoint } = upload.finish()?;
            writer
                .write(|batch| {
                    batch.keep_upload(&checkpoint)?;
                    batch.append(&file(2, &blob))
                })?
                .expect("kept");
            kept = Some(blob);
        }
        sweep.apply(writer)
    });
    assert_eq!(collected.expect("collected").chunks, 0);
    let blob = kept.expect("it came");
    assert!(store.read(&blob, 0..u64::MAX).expect("read") == bytes);
}

#[test]
fn nothing_is_removed_where_something_is_not_known() {
    let mut store = Store::new();
    let begin = store.begin(1, 5 << 20);
    let mut upload = store.upload(begin);
    upload.push(&noise(4, 5 << 20)).expect("taken");
    store.checkpoint(&mut upload);
    drop(upload);
    let before = store.usage();
    let key = [&60_000u16.to_be_bytes()[..], &99u64.to_be_bytes()].concat();
    store.writer.write(|batch| batch.txn.put(Table::Kind, &key, &[])).expect("a kind of tomorrow");
    assert!(store.collect(0).unknown_kinds);
    assert_eq!(store.usage(), before);
    store.writer.write(|batch| batch.txn.delete(Table::Kind, &key)).expect("gone");
    assert!(!store.collect(0).unknown_kinds);
    assert_eq!(store.usage(), BlobUsage::default());
}

#[test]
fn a_damaged_manifest_stops_the_collection() {
    let mut store = Store::new();
    let blob = store.whole(1, &noise(5, 12 << 20));
    assert_eq!(blob.levels, 1);
    let begin = store.begin(2, 5 << 20);
    let mut upload = store.upload(begin);
    upload.push(&noise(6, 5 << 20)).expect("taken");
    store.checkpoint(&mut upload);
    drop(upload);
    let before = store.usage().chunks;
    for pack in store.packs() {
        let length = fs::metadata(&pack).expect("a pack").len() as usize;
        fs::write(&pack, vec![0; length]).expect("overwritten");
    }
    let collection = store.replica.collect(0).expect("one");
    assert!(collection.run(&mut |sweep| sweep.apply(&mut store.writer)).is_err());
    assert_eq!(store.usage().chunks, before);
}

/// Many threads upload, erase and collect at once, content of each other among them; what was kept is there in the end.
#[test]
fn uploads_and_collections_side_by_side_lose_nothing() {
    let store = Store::new();
    let Store { directory, replica, writer, .. } = store;
    let writer = Arc::new(Mutex::new(writer));
    let locked = || writer.lock().expect("a writer");
    let kept: Mutex<Vec<(u64, Blob)>> = Mutex::default();
    std::thread::scope(|scope| {
        let uploader = |number: u64| {
            let (replica, kept, locked) = (replica.clone(), &kept, &locked);
            move || {
                for round in 0..12 {
                    // Three contents that are uploaded again and again, by both, and given up half of the time.
                    let seed = (round + number) % 3;
                    let bytes = noise(seed, 3 << 20);
                    let id = std::array::from_fn(|at| [number, round][at % 2] as u8);
                    let entity = [number as u8 + 1; 16];
                    let begin = Begin { id, entity, length: bytes.len() as u64, resumable: false, now: 0 };
                    let mut upload = replica.upload(begin).expect("asked").expect("begun");
                    for (index, piece) in bytes.chunks(1 << 20).enumerate() {
                        upload.push(piece).expect("taken");
                        if index == 1 {
                            let checkpoint = upload.checkpoint(0).expect("on disk");
                            locked().write(|batch| batch.keep_upload(&checkpoint)).expect("entered");
                            upload.kept();
                        }
                    }
                    if round % 3 == 2 || number == 0 && round < 6 {
                        continue;
                    }
                    let Finished { blob, checkpoint } = upload.finish().expect("finished");
                    let done = locked().write(|batch| {
                        batch.keep_upload(&checkpoint)?;
                        batch.append(&file(number as u8 + 1, &blob))
                    });
                    done.expect("written").expect("kept");
                    kept.lock().expect("a list").push((seed, blob));
                }
            }
        };
        let uploads = [scope.spawn(uploader(0)), scope.spawn(uploader(1))];
        while uploads.iter().any(|upload| !upload.is_finished()) {
            let collection = replica.collect(u64::MAX).expect("one");
            collection.run(&mut |sweep| sweep.apply(&mut locked())).expect("collected");
        }
        uploads.into_iter().for_each(|upload| upload.join().expect("uploaded"));
    });
    drop((replica, writer));
    let replica = open(directory.path());
    let kept = kept.into_inner().expect("a list");
    assert!(kept.len() > 8);
    for (seed, blob) in kept {
        assert_eq!(blob.hash, *blake3::hash(&noise(seed, 3 << 20)).as_bytes());
        replica.check_blob(&blob).expect("whole");
    }
}
