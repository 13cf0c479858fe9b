//! Chunks in backups: only what opens gets into a pack, and what was packed whole stays there.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::backup::{Inside, Next, Plan, Point, Trouble};

type Folder = HashMap<[u8; 16], Vec<u8>>;

fn back_up(store: &Store, folder: &mut Folder, last: Option<Point>) -> (Point, Trouble) {
    let there = folder.iter().map(|(name, file)| (*name, file.len() as u64)).collect();
    let mut plan = Plan::new(&store.replica, last, &there).expect("a plan");
    let mut keep = plan.kept();
    loop {
        match plan.next_step().expect("next") {
            Next::Write(pack) => {
                keep.insert(pack.name);
                folder.insert(pack.name, pack.file);
            }
            Next::Keep(name) => drop(keep.insert(name)),
            Next::Show(name) => plan.look(&name, &folder[&name]).expect("looked at").expect("a pack"),
            Next::Nothing => break,
        }
    }
    // Nobody signs here, so there are no packs of events.
    let point = plan.finish(0, true).expect("finished").expect("a point");
    folder.retain(|name, _| keep.contains(name));
    (point, plan.trouble().expect("trouble"))
}

/// The store as it would be put back from these packs: chunks that were put there already stay, so the list's order counts.
fn put_back(store: &mut Store, folder: &Folder, point: &Point) {
    for pack in &point.chunks {
        match store.replica.open_pack(&pack.name, &folder[&pack.name]).expect("a pack") {
            Inside::Chunks(chunks) => drop(store.writer.put_chunks(&chunks, &HashSet::new()).expect("put")),
            Inside::Events(_) => panic!("a pack of chunks"),
        }
    }
}

fn lose_chunks(store: &mut Store) {
    let names = store.replica.snapshot().expect("a snapshot").chunk_names(None, 9999).expect("names");
    store.writer.write(|batch| names.iter().try_for_each(|name| batch.txn.delete(Table::Chunk, name).map(drop))).expect("lost");
}

fn flip(path: &PathBuf, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_damaged_chunk_is_in_no_pack_and_all_others_are() {
    let mut store = Store::new();
    let (one, two) = (store.whole(1, &noise(1, 3 << 20)), store.whole(2, &noise(2, 1 << 20)));
    let all = store.usage().chunks;
    let path = store.packs().pop().expect("a pack");
    flip(&path, 100_000);
    let mut folder = Folder::new();
    let (point, trouble) = back_up(&store, &mut folder, None);
    assert_eq!((trouble.chunks, trouble.lost_chunks, point.lost_chunks, trouble.named.len()), (1, 1, 1, 1));
    let packed: u64 = point.chunks.iter().map(|pack| pack.names().len() as u64).sum();
    assert_eq!(packed, all - 1);
    // Put back, what is whole is there.
    lose_chunks(&mut store);
    put_back(&mut store, &folder, &point);
    let mut seen = HashSet::new();
    let damaged = [&one, &two].map(|blob| store.replica.damaged_chunks(blob, &mut seen).expect("looked at").len());
    assert_eq!(damaged.iter().sum::<usize>(), 1);
}

#[test]
fn a_chunk_that_was_packed_whole_stays_when_small_packs_are_put_together() {
    let mut store = Store::new();
    let bytes = noise(1, 100_000);
    let blob = store.whole(1, &bytes);
    let mut folder = Folder::new();
    let (mut point, _) = back_up(&store, &mut folder, None);
    flip(&store.packs().pop().expect("a pack"), 50_000);
    for owner in 2..80 {
        store.whole(owner, &noise(owner.into(), 70_000));
        (point, _) = back_up(&store, &mut folder, Some(point));
    }
    assert!(folder.len() < 40, "{} packs", folder.len());
    assert_eq!(point.lost_chunks, 0);
    lose_chunks(&mut store);
    put_back(&mut store, &folder, &point);
    assert!(store.read(&blob, 0..u64::MAX).expect("read") == bytes);
}

#[test]
fn chunks_leave_the_backup_with_what_is_erased_and_not_with_what_is_lost() {
    let mut store = Store::new();
    store.whole(1, &noise(1, 3 << 20));
    store.whole(2, &noise(2, 3 << 20));
    let mut folder = Folder::new();
    let (point, _) = back_up(&store, &mut folder, None);
    let all: usize = point.chunks.iter().map(|pack| pack.names().len()).sum();
    // A disk forgets where they lie.
    let snapshot = store.replica.snapshot().expect("a snapshot");
    let event = snapshot.after(0, 9).expect("events").into_iter().find(|event| event.header.entity == [1; 16]).expect("one");
    let lost = snapshot.chunk_names(None, 1).expect("names");
    drop(snapshot);
    store.writer.write(|batch| batch.txn.delete(Table::Chunk, &lost[0])).expect("lost");
    let (point, _) = back_up(&store, &mut folder, Some(point));
    assert!(point.chunks.iter().any(|pack| pack.names().contains(&lost[0])));
    put_back(&mut store, &folder, &point);
    // Who had half of them says nothing any more, and nobody has them.
    store
        .writer
        .write(|batch| {
            batch.txn.delete(Table::Key, &[1; 16])?;
            batch.txn.delete(Table::Body, &event.position.to_be_bytes())
        })
        .expect("erased");
    store.collect(0);
    let (point, trouble) = back_up(&store, &mut folder, Some(point));
    let left: HashSet<_> = point.chunks.iter().flat_map(|pack| pack.names()).collect();
    assert_eq!(trouble, Trouble::default());
    assert!(left.len() as u64 == store.usage().chunks && left.len() < all * 2 / 3, "{} of {all}", left.len());
}
