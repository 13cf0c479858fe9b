//! Much more is written through a store than it may hold, and after no transaction do its files take more than the limit.
//! What is pinned and what waits for the archive is there afterwards.

use std::sync::atomic::Ordering;

use replica::{
    OutboxError, Parcel, Taken,
    chum::Side,
    sparse::{Profile, Sparse},
};

use crate::{
    room::{bytes_of, measured},
    world::{NOON, Pen, TINY, Watch, begin, entity, is_full, noise, open, say, shown},
};

/// Bytes taken in one transaction, about: what a session brings in one message is less.
const AT_ONCE: usize = 1 << 20;

/// How long the things are that are said.
#[derive(Clone, Copy, Debug)]
enum Lengths {
    /// From 16 bytes to a mebibyte, short ones as often as long ones.
    Mixed,
    /// A kibibyte: most of the room goes to the index.
    Short,
    /// All the most that travels.
    Long,
}

impl Lengths {
    fn of(self, seed: u64) -> usize {
        let chance = blake3::hash(&seed.to_le_bytes());
        let number = u64::from_le_bytes(*chance.as_bytes().first_chunk().unwrap());
        match self {
            Lengths::Mixed => {
                let base = 16usize << (number % 16);
                base + (number >> 16) as usize % base
            }
            Lengths::Short => 1024,
            Lengths::Long => 1 << 20,
        }
    }
}

/// Writes through a store: conversations that overlap, each used for a while and then no more.
struct Flood {
    pen: Pen,
    watch: Watch,
    heads: std::collections::HashMap<[u8; 16], [u8; 32]>,
    said: u64,
}

impl Flood {
    fn new(watch: &Watch) -> Flood {
        Flood { pen: Pen::new(1), watch: watch.clone(), heads: std::collections::HashMap::new(), said: 0 }
    }

    fn next(&mut self, conversation: u64, length: usize) -> (Parcel, usize) {
        let entity = entity(conversation);
        self.said += 1;
        self.watch.tick(1);
        let body = match self.heads.get(&entity) {
            None => begin(&format!("conversation {conversation}")),
            Some(_) => say(self.said, noise(self.said, length)),
        };
        let seen = self.heads.get(&entity).copied().into_iter().collect();
        let (parcel, id) = self.pen.write(self.watch.now(), entity, seen, &body);
        self.heads.insert(entity, id);
        let bytes = parcel.bytes();
        (parcel, bytes)
    }

    fn write(&mut self, sparse: &mut Sparse, total: u64, lengths: Lengths) {
        let (mut written, mut waiting, mut bytes) = (0, Vec::new(), 0);
        while written < total {
            // Some forty things are said in each conversation, in three at a time.
            let conversation = self.said / 120 * 3 + self.said % 3;
            let (parcel, length) = self.next(conversation, lengths.of(self.said));
            (bytes, written) = (bytes + length, written + length as u64);
            waiting.push(parcel);
            if bytes >= AT_ONCE || written >= total {
                for taken in sparse.take(&waiting).unwrap() {
                    assert!(matches!(taken, Ok(Taken::Kept(_))), "{taken:?}");
                }
                (waiting, bytes) = (Vec::new(), 0);
            }
        }
    }
}

fn flood(profile: Profile, total: u64, lengths: Lengths) {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let mut flood = Flood::new(&watch);
    let pinned = entity(u64::MAX);
    let said: Vec<[u8; 32]> = {
        let (mut sparse, room) = measured(directory.path(), profile, &watch);
        looked_at_all(&mut sparse);
        let mut said = Vec::new();
        let (root, root_id) = flood.pen.write(NOON, pinned, Vec::new(), &begin("kept"));
        let mut last = root_id;
        let mut parcels = vec![root];
        for number in 0..20 {
            let (parcel, id) = flood.pen.write(NOON, pinned, vec![last], &say(1 << 40 | number, noise(number, 30_000)));
            last = id;
            said.push(id);
            parcels.push(parcel);
        }
        sparse.pin(&pinned).unwrap();
        sparse.take(&parcels).unwrap();
        for number in 0..100u8 {
            sparse.outbox().put(&[number; 16], &[number; 1000]).unwrap();
        }
        flood.write(&mut sparse, total, lengths);
        let most = room.most.load(Ordering::Relaxed);
        let commits = room.commits.load(Ordering::Relaxed);
        let full = room.full.load(Ordering::Relaxed);
        let now = sparse.room().unwrap();
        println!(
            "{} MB of {lengths:?} through {} MB in {commits} transactions, {full} of them done again: at most {most} bytes in \
             files, {} in use of {}",
            total / 1_000_000,
            profile.limit / 1_000_000,
            now.used,
            now.capacity
        );
        assert!(commits > total / AT_ONCE as u64 / 2, "it was measured");
        assert!(most <= profile.limit, "{most} bytes are more than {}", profile.limit);
        assert!(now.used > now.capacity / 2, "it holds what it may: {now:?}");
        assert!(now.used <= now.capacity, "{now:?}");
        said
    };
    // Opened again, it is what it was.
    let mut sparse = open(directory.path(), profile, &watch);
    assert!(bytes_of(directory.path()) <= profile.limit);
    for id in &said {
        assert!(sparse.holds(id).unwrap(), "what is pinned is here");
    }
    assert_eq!(sparse.outbox().filled().unwrap().commands, 100);
    flood.write(&mut sparse, profile.limit / 8, lengths);
    assert!(bytes_of(directory.path()) <= profile.limit);
    // What was said last is here, and of what was said first nothing.
    let newest = flood.said / 120 * 3;
    assert!((newest.saturating_sub(6)..=newest + 2).any(|number| !shown(&sparse, &entity(number)).0.is_empty()));
    assert!(shown(&sparse, &entity(0)).0.is_empty() && !shown(&sparse, &entity(0)).1);
}

/// What a session leaves that has compared everything there is: from here on everything is known.
fn looked_at_all(sparse: &mut Sparse) {
    sparse.spans().unwrap();
    Side::reached(sparse, &[]).unwrap();
}

#[test]
fn far_more_than_a_small_one_may_hold() {
    let total = if is_full() { 5_000_000_000 } else { 300_000_000 };
    flood(Profile::SMALL, total, Lengths::Mixed);
}

#[test]
fn more_than_the_standard_one_may_hold() {
    let total = if is_full() { 5_000_000_000 } else { 700_000_000 };
    flood(Profile::STANDARD, total, Lengths::Mixed);
}

#[test]
fn where_the_index_takes_most_of_it() {
    flood(TINY, 40_000_000, Lengths::Short);
}

#[test]
fn where_each_thing_is_as_long_as_can_be() {
    flood(Profile::SMALL, 200_000_000, Lengths::Long);
}

#[test]
fn one_conversation_that_is_longer_than_everything_loses_its_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let (mut sparse, room) = measured(directory.path(), TINY, &watch);
    looked_at_all(&mut sparse);
    let mut flood = Flood::new(&watch);
    let mut ids = Vec::new();
    for number in 0..6000 {
        let (parcel, _) = flood.next(7, 8000);
        ids.push(*blake3::hash(&parcel.header).as_bytes());
        assert!(matches!(sparse.take(&[parcel]).unwrap()[0], Ok(Taken::Kept(_))), "{number}");
    }
    assert!(room.most.load(Ordering::Relaxed) <= TINY.limit);
    let (shown, whole) = shown(&sparse, &entity(7));
    assert!(!whole && shown.len() > 500, "{}", shown.len());
    assert_eq!(shown, ids[ids.len() - shown.len()..]);
}

#[test]
fn the_outbox_refuses_aloud_before_its_file_is_too_long() {
    for length in [10, 2100, 5000, 60_000] {
        let directory = tempfile::tempdir().unwrap();
        let sparse = open(directory.path(), TINY, &Watch::new(NOON));
        let mut placed = 0u64;
        let refused = loop {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&placed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            match sparse.outbox().put(&id, noise(placed, length).as_bytes()) {
                Ok(_) => placed += 1,
                Err(error) => break error,
            }
            // Synced one by one, so not too many.
            if placed == 1500 {
                break OutboxError::Full { commands: placed };
            }
        };
        assert!(matches!(refused, OutboxError::Full { commands } if commands == placed), "{refused}");
        let bytes = bytes_of(&directory.path().join("outbox"));
        assert!(bytes <= TINY.outbox + 16_384, "{bytes} for commands of {length}");
        assert_eq!(sparse.outbox().waiting(None, usize::MAX, usize::MAX).unwrap().len() as u64, placed);
        let id = sparse.outbox().waiting(None, 1, 1).unwrap()[0].id;
        assert_eq!(sparse.outbox().acknowledge(&[id]).unwrap(), 1, "who is full can still let go");
    }
}

#[test]
fn a_store_that_was_larger_is_brought_below_the_smaller_limit() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let mut flood = Flood::new(&watch);
    {
        let mut sparse = open(directory.path(), Profile::SMALL, &watch);
        flood.write(&mut sparse, 40_000_000, Lengths::Mixed);
        sparse.pin(&entity(3)).unwrap();
    }
    assert!(bytes_of(directory.path()) > TINY.limit);
    let sparse = open(directory.path(), TINY, &watch);
    assert!(bytes_of(directory.path()) <= TINY.limit, "{}", bytes_of(directory.path()));
    let pinned = sparse.conversations(None, 10_000).unwrap().items.into_iter().find(|entry| entry.id == entity(3)).unwrap();
    assert!(pinned.pinned && !pinned.bare && pinned.view.messages > 10, "{pinned:?}");
}
