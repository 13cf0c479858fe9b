//! Blobs as a whole: what goes in comes out, is kept once, can be erased for one owner and not for another, and every
//! damage is named. What happens when a process is killed is in `tests/blobs_killed.rs`.

mod backed_up;
mod collecting;
mod erasing;
mod going_on;

use std::{fs, path::PathBuf};

use proptest::prelude::*;

use super::{keys::Made, manifest::Entry, *};
use crate::{
    Damage, Draft, Kept, StoreKeys, Writer,
    body::{Body, Content, FileBody},
};

/// Bytes without any shape, always the same for a seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A store with its writer.
struct Store {
    directory: tempfile::TempDir,
    replica: Replica,
    writer: Writer,
    uploads: u8,
}

impl Store {
    fn new() -> Store {
        let directory = tempfile::tempdir().expect("a directory");
        let replica = open(directory.path());
        let writer = replica.writer().expect("a writer");
        Store { directory, replica, writer, uploads: 0 }
    }

    /// The same, as a new process finds it.
    fn reopened(self) -> Store {
        let Store { directory, replica, writer, uploads } = self;
        drop((replica, writer));
        let replica = open(directory.path());
        let writer = replica.writer().expect("a writer");
        Store { directory, replica, writer, uploads }
    }

    fn begin(&mut self, owner: u8, length: usize) -> Begin {
        self.uploads += 1;
        Begin { id: [self.uploads; 16], entity: [owner; 16], length: length as u64, resumable: false, now: 1000 }
    }

    fn upload(&mut self, begin: Begin) -> Upload {
        self.replica.upload(begin).expect("an upload").expect("begun")
    }

    /// Keeps content that comes in pieces.
    fn put<'b>(&mut self, owner: u8, length: usize, pieces: impl Iterator<Item = &'b [u8]>) -> Blob {
        let begin = self.begin(owner, length);
        let mut upload = self.upload(begin);
        for piece in pieces {
            upload.push(piece).expect("taken");
            if upload.is_due() {
                self.checkpoint(&mut upload);
            }
        }
        self.finish(owner, upload)
    }

    fn checkpoint(&mut self, upload: &mut Upload) {
        let checkpoint = upload.checkpoint(1000).expect("on disk");
        self.writer.write(|batch| batch.keep_upload(&checkpoint)).expect("entered");
        upload.kept();
    }

    fn finish(&mut self, owner: u8, mut upload: Upload) -> Blob {
        let Finished { blob, checkpoint } = upload.finish().expect("finished");
        let kept = self.writer.write(|batch| {
            batch.keep_upload(&checkpoint)?;
            batch.append(&file(owner, &blob))
        });
        let _: Kept = kept.expect("written").expect("kept");
        blob
    }

    fn whole(&mut self, owner: u8, bytes: &[u8]) -> Blob {
        self.put(owner, bytes.len(), std::iter::once(bytes))
    }

    fn read(&self, blob: &Blob, range: std::ops::Range<u64>) -> Result<Vec<u8>, ReplicaError> {
        let mut bytes = Vec::new();
        let mut reader = self.replica.read_blob(blob, range)?;
        while let Some(chunk) = reader.next_chunk()? {
            assert!(!chunk.is_empty());
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn usage(&self) -> BlobUsage {
        self.replica.blob_usage().expect("usage")
    }

    fn packs(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.directory.path().join("blobs")) else { return Vec::new() };
        let mut packs: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        packs.sort();
        packs
    }

    fn collect(&mut self, now: u64) -> Collected {
        let collection = self.replica.collect(now).expect("no other is in progress");
        collection.run(&mut |sweep| sweep.apply(&mut self.writer)).expect("collected")
    }
}

fn open(directory: &std::path::Path) -> Replica {
    Replica::open(directory, StoreKeys::new(&[9; 32], [7; 16], [8; 32])).expect("a store")
}

fn file(owner: u8, blob: &Blob) -> Draft {
    let body = Body::File(FileBody::new(format!("user/{owner}"), Content::Blob(blob.clone())));
    Draft { entity: [owner; 16], body, once: None }
}

/// The chunks of content of a blob, in order.
fn leaves(replica: &Replica, levels: u8, entries: &[Entry]) -> Vec<Entry> {
    match levels.checked_sub(1) {
        None => entries.to_vec(),
        Some(levels) => entries.iter().flat_map(|entry| leaves(replica, levels, &replica.list(entry).expect("a list"))).collect(),
    }
}

fn chunks_of(replica: &Replica, blob: &Blob) -> Vec<Entry> {
    leaves(replica, blob.levels, &manifest::decode(&blob.entries, manifest::TOP).expect("entries"))
}

#[test]
fn what_goes_in_comes_out_after_reopening() {
    let mut store = Store::new();
    for (owner, length) in [(1, 0), (2, 1), (3, 70_000), (4, 256 << 10), (5, 20 << 20)] {
        let bytes = noise(owner.into(), length);
        let blob = store.whole(owner, &bytes);
        assert_eq!((blob.length, blob.hash), (length as u64, *blake3::hash(&bytes).as_bytes()));
        store = store.reopened();
        assert!(store.read(&blob, 0..u64::MAX).expect("read") == bytes, "{length}");
        store.replica.check_blob(&blob).expect("as it was");
        let content = store.replica.snapshot().expect("a snapshot").content(&[owner; 16]).expect("read");
        assert_eq!(content, Some(Content::Blob(blob)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn however_it_comes_it_becomes_the_same(
        seed in any::<u64>(),
        length in 0usize..3 << 20,
        period in prop::option::of(1usize..100_000),
        pieces in prop::collection::vec(1usize..400_000, 1..12),
        ranges in prop::collection::vec((0u64..4 << 20, 0u64..2 << 20), 6),
    ) {
        let bytes = match period {
            None => noise(seed, length),
            Some(period) => noise(seed, period).into_iter().cycle().take(length).collect(),
        };
        let mut store = Store::new();
        let blob = store.whole(1, &bytes);
        let mut rest = &bytes[..];
        let cut = pieces.iter().cycle().map_while(|piece| {
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            rest = later;
            (!now.is_empty()).then_some(now)
        });
        let cut: Vec<&[u8]> = cut.collect();
        let again = store.put(2, length, cut.into_iter());
        prop_assert_eq!(&again, &blob);
        prop_assert_eq!(blob.hash, *blake3::hash(&bytes).as_bytes());
        for (from, long) in ranges {
            let clip = |place: u64| (place as usize).min(length);
            let expected = &bytes[clip(from)..clip(from + long)];
            prop_assert!(store.read(&blob, from..from + long).expect("read") == expected, "{}..{}", from, from + long);
        }
    }
}

#[test]
fn equal_parts_are_kept_once_and_what_is_edited_in_the_middle_stays_mostly() {
    let mut store = Store::new();
    let bytes = noise(1, 32 << 20);
    let blob = store.whole(1, &bytes);
    let before = store.usage();
    assert_eq!(store.whole(2, &bytes), blob);
    assert_eq!(store.usage().chunks, before.chunks, "the second is the first");
    let mut edited = bytes.clone();
    edited.splice(16 << 20..16 << 20, *b"some words in the middle");
    let other = store.whole(3, &edited);
    assert!(store.read(&other, 0..u64::MAX).expect("read") == edited);
    let new = store.usage().chunks - before.chunks;
    assert!(new <= 8, "{new} new chunks of {}", before.chunks);
}

#[test]
fn what_repeats_itself_is_kept_once_within_one_upload() {
    let mut store = Store::new();
    let blob = store.whole(1, &vec![0; 40 << 20]);
    assert!(store.usage().chunks <= 4, "{:?}", store.usage());
    assert!(store.usage().bytes < 10_000, "and compressed: {:?}", store.usage());
    assert!(store.read(&blob, 0..u64::MAX).expect("read") == vec![0; 40 << 20]);
}

#[test]
fn a_flipped_bit_in_any_chunk_is_named() {
    let mut store = Store::new();
    // Enough for a list beside the event, so that one of a manifest is flipped too.
    let bytes = noise(5, 18 << 20);
    let blob = store.whole(1, &bytes);
    assert_eq!(blob.levels, 1);
    let mut named = 0;
    let mut at = 0;
    let lists = manifest::decode(&blob.entries, manifest::TOP).expect("entries").into_iter().map(|list| (Made::Node, list));
    for (made, entry) in lists.chain(chunks_of(&store.replica, &blob).into_iter().map(|leaf| (Made::Leaf, leaf))) {
        let name = store.replica.keys.blobs.name(&entry.digest);
        let txn = store.replica.read().expect("a transaction");
        let place = store.replica.place(&*txn, &name).expect("read").expect("a place");
        drop(txn);
        let pack = packs::file_name(place.pack);
        let path = store.directory.path().join("blobs").join(&pack);
        let whole = fs::read(&path).expect("a pack");
        let flip = place.offset as usize + named * 7919 % place.length as usize;
        let mut flipped = whole.clone();
        flipped[flip] ^= 1 << (named % 8);
        fs::write(&path, &flipped).expect("written");
        let error = store.read(&blob, at..at + 1).expect_err("found");
        let expected = Damage::Chunk { chunk: crate::log::hex(&name), what: "is damaged", pack: Some(pack) };
        assert!(matches!(&error, ReplicaError::Damaged(damage) if *damage == expected), "{error}");
        assert!(store.replica.check_blob(&blob).is_err());
        if made == Made::Leaf {
            // What lies before it is given out, of it not a byte.
            let until = at + entry.length;
            let mut reader = store.replica.read_blob(&blob, at.saturating_sub(1)..until).expect("a reader");
            let given: usize = std::iter::from_fn(|| reader.next_chunk().ok().flatten()).map(|chunk| chunk.len()).sum();
            assert_eq!(given, usize::from(at > 0));
            at += entry.length;
        }
        fs::write(&path, &whole).expect("written");
        named += 1;
    }
    assert!(named > 100);
    store.replica.check_blob(&blob).expect("as it was");
}

#[test]
fn a_pack_that_is_cut_off_or_missing_is_named() {
    let mut store = Store::new();
    let blob = store.whole(1, &noise(6, 1 << 20));
    let [pack] = &store.packs()[..] else { panic!("one pack") };
    let length = fs::metadata(pack).expect("a pack").len();
    fs::OpenOptions::new().write(true).open(pack).and_then(|file| file.set_len(length - 1)).expect("cut");
    let error = store.read(&blob, 0..u64::MAX).expect_err("found").to_string();
    assert!(error.contains("is cut off with its file (blobs/0000000000000001)"), "{error}");
    fs::remove_file(pack).expect("removed");
    let store = store.reopened();
    let error = store.read(&blob, 0..u64::MAX).expect_err("found").to_string();
    assert!(error.contains("is missing with its file (blobs/0000000000000001)"), "{error}");
}

#[test]
fn a_manifest_that_lies_is_refused_and_ends() {
    let mut store = Store::new();
    let blob = store.whole(1, &noise(7, 1 << 20));
    let lies = [
        Blob { length: blob.length + 1, ..blob.clone() },
        Blob { levels: 1, ..blob.clone() },
        Blob { levels: 255, ..blob.clone() },
        Blob { entries: blob.entries[..40].to_vec(), ..blob.clone() },
        Blob { entries: blob.entries[..41].to_vec(), ..blob.clone() },
        Blob { entries: vec![0; 40 * 129], length: 0, ..blob.clone() },
        Blob { entries: vec![0; 40], length: 0, ..blob.clone() },
    ];
    for lie in lies {
        let result = store.read(&lie, 0..u64::MAX);
        assert!(matches!(result, Err(ReplicaError::Damaged(_))), "{:?}", lie);
    }
}

#[test]
fn no_content_and_no_name_of_it_is_on_disk() {
    let mut store = Store::new();
    let canary = b"canary-in-a-large-file";
    let mut bytes = canary.repeat(10_000);
    bytes.extend_from_slice(&noise(8, 1 << 20));
    let blob = store.whole(1, &bytes);
    let entries = manifest::decode(&blob.entries, manifest::TOP).expect("entries");
    let mut files = store.packs();
    files.push(store.directory.path().join("data.mdb"));
    for path in files {
        let bytes = fs::read(&path).expect("a file");
        let has = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        assert!(!has(canary), "{path:?}");
        assert!(!has(&blob.hash), "{path:?} tells what it holds");
        assert!(entries.iter().all(|entry| !has(&entry.digest)), "{path:?} has a key");
    }
}
