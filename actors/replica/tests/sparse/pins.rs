//! More is pinned than there is room for: what is new comes all the same, what was pinned is kept as far as it may, and
//! nobody is ever told that he cannot unpin it.

use std::{ops::Bound, sync::atomic::Ordering};

use replica::{
    Table, Taken, engine,
    sparse::{Pins, Sparse},
};

use crate::{
    room::{bytes_of, measured},
    world::{DAY, Home, NOON, Pen, TINY, Watch, begin, entity, fetch, meet, noise, open, say, shown},
};

/// Bytes of one thing that is said.
const LONG: usize = 100_000;

/// Bytes that a thing said takes at most.
const EACH: u64 = LONG as u64 + 8192;

/// Events of one transaction.
const AT_ONCE: usize = 5;

/// Says things in conversations, each after the last.
struct Talk {
    pen: Pen,
    watch: Watch,
    said: u64,
}

impl Talk {
    fn new(watch: &Watch) -> Talk {
        Talk { pen: Pen::new(1), watch: watch.clone(), said: 0 }
    }

    /// Begins a conversation and says so much in it; all of it must be taken. Returns what was said.
    fn say(&mut self, sparse: &mut Sparse, number: u64, count: u64) -> Vec<[u8; 32]> {
        let (mut ids, mut parcels) = (Vec::new(), Vec::new());
        for word in 0..=count {
            self.watch.tick(1000);
            self.said += 1;
            let body = if word == 0 { begin("something") } else { say(self.said, noise(self.said, LONG)) };
            let (parcel, id) = self.pen.write(self.watch.now(), entity(number), ids.last().copied().into_iter().collect(), &body);
            ids.push(id);
            parcels.push(parcel);
        }
        for some in parcels.chunks(AT_ONCE) {
            let taken = sparse.take(some).unwrap();
            assert!(taken.iter().all(|taken| matches!(taken, Ok(Taken::Kept(_)))), "{number}: {taken:?}");
        }
        ids.split_off(1)
    }
}

/// A store in which one thing is pinned and has become longer than the limit, with commands that wait for the archive.
fn too_much(sparse: &mut Sparse, talk: &mut Talk) -> Vec<[u8; 32]> {
    for number in 0..50u8 {
        sparse.outbox().put(&[number; 16], &[number; 1000]).unwrap();
    }
    sparse.pin(&entity(1)).unwrap();
    talk.say(sparse, 1, 250)
}

fn waits(sparse: &Sparse) {
    let waiting = sparse.outbox().waiting(None, usize::MAX, usize::MAX).unwrap();
    let ids: Vec<_> = waiting.iter().map(|one| one.id).collect();
    assert_eq!(ids, (0..50u8).map(|number| [number; 16]).collect::<Vec<_>>());
}

fn held_of(sparse: &Sparse, ids: &[[u8; 32]]) -> usize {
    ids.iter().filter(|id| sparse.holds(id).unwrap()).count()
}

#[test]
fn what_is_pinned_and_too_much_leaves_room_for_what_is_new() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let mut talk = Talk::new(&watch);
    let said = {
        let (mut sparse, room) = measured(directory.path(), TINY, &watch);
        let said = too_much(&mut sparse, &mut talk);
        let pins = sparse.pins().unwrap();
        assert!(pins.count == 1 && pins.cut == 1 && pins.bytes > pins.share, "nobody else wants the room: {pins:?}");
        // Without a gap up to the newest, and it says that there is more.
        let (kept, whole) = shown(&sparse, &entity(1));
        assert_eq!((kept.as_slice(), whole), (&said[said.len() - kept.len()..], false));
        // Others come, and all of each.
        for number in 2..22 {
            let words = talk.say(&mut sparse, number, 10);
            assert_eq!(held_of(&sparse, &words), 10, "{number}");
            assert!(sparse.conversations(None, 1).unwrap().items[0].id == entity(number), "it is listed first");
        }
        let pins = sparse.pins().unwrap();
        assert!(pins.bytes <= pins.share + EACH && pins.bytes + EACH >= pins.share, "its share and no more: {pins:?}");
        let kept = shown(&sparse, &entity(1)).0;
        assert_eq!(kept, said[said.len() - kept.len()..], "the newest of it");
        // What is in its share stays, though it is used least of all and long ago.
        watch.tick(100 * DAY);
        sparse.maintain().unwrap();
        for number in 22..42 {
            talk.say(&mut sparse, number, 10);
        }
        assert_eq!(shown(&sparse, &entity(1)).0, kept);
        waits(&sparse);
        assert!(room.most.load(Ordering::Relaxed) <= TINY.limit);
        said
    };
    let mut sparse = open(directory.path(), TINY, &watch);
    assert!(bytes_of(directory.path()) <= TINY.limit);
    assert_eq!((sparse.pins().unwrap().count, sparse.pins().unwrap().cut), (1, 1), "it is still said");
    sparse.unpin(&entity(1)).unwrap();
    assert_eq!(sparse.pins().unwrap(), Pins { share: sparse.pins().unwrap().share, ..Pins::default() });
    watch.tick(DAY);
    for number in 42..60 {
        talk.say(&mut sparse, number, 10);
    }
    assert_eq!(held_of(&sparse, &said), 0, "it has its turn like anything else");
    waits(&sparse);
}

#[test]
fn a_full_store_lets_pins_be_changed() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let mut sparse = open(directory.path(), TINY, &watch);
    let said = too_much(&mut sparse, &mut Talk::new(&watch));
    sparse.unpin(&entity(1)).unwrap();
    for number in 100..140 {
        sparse.pin(&entity(number)).unwrap();
    }
    sparse.pin(&entity(1)).unwrap();
    assert_eq!(sparse.pins().unwrap().count, 41);
    assert!(held_of(&sparse, &said) > 20);
    for number in 100..140 {
        sparse.unpin(&entity(number)).unwrap();
    }
    assert_eq!(sparse.outbox().pinned().unwrap().len(), 1);
    assert!(bytes_of(directory.path()) <= TINY.limit);
}

/// A program before this one never let go of what is pinned and did not list it; its store is full of that.
#[test]
fn a_store_that_was_filled_with_what_is_pinned_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let mut talk = Talk::new(&watch);
    too_much(&mut open(directory.path(), TINY, &watch), &mut talk);
    {
        let engine = engine::open_within(directory.path(), Sparse::map(directory.path(), &TINY).unwrap()).unwrap();
        let mut txn = engine.write().unwrap();
        let pinned: Vec<Vec<u8>> = txn
            .range(Table::Least, Bound::Unbounded, Bound::Unbounded)
            .unwrap()
            .map(|row| row.unwrap().0.to_vec())
            .filter(|key| key.ends_with(&entity(1)))
            .collect();
        assert_eq!(pinned.len(), 1);
        txn.delete(Table::Least, &pinned[0]).unwrap();
        txn.commit().unwrap();
    }
    let mut sparse = open(directory.path(), TINY, &watch);
    for number in 2..22 {
        talk.say(&mut sparse, number, 10);
    }
    let pins = sparse.pins().unwrap();
    assert!(pins.count == 1 && pins.bytes <= pins.share + EACH, "{pins:?}");
    waits(&sparse);
}

#[test]
fn what_of_it_has_left_is_fetched_when_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let mut home = Home::new(1, &watch);
    let mut sparse = open(directory.path(), TINY, &watch);
    sparse.pin(&entity(1)).unwrap();
    home.begin(entity(1), "long");
    for _ in 0..9 {
        watch.tick(1000);
        home.say(entity(1), 10, LONG);
    }
    meet(&mut sparse, &mut home);
    // Others are used after it, and much.
    for number in 2..14 {
        watch.tick(1000);
        home.begin(entity(number), "other");
        home.say(entity(number), 10, LONG);
    }
    let mut line = meet(&mut sparse, &mut home);
    let pins = sparse.pins().unwrap();
    assert!(pins.cut == 1 && !shown(&sparse, &entity(1)).1, "{pins:?}");
    let all = home.messages(&entity(1));
    let (mut before, mut read) = (None, Vec::new());
    watch.tick(1000);
    for _ in 0..100 {
        let page = sparse.page(&entity(1), before, 10).unwrap();
        if let Some(missing) = page.missing.filter(|_| page.items.is_empty()) {
            if fetch(&mut line, &mut sparse, &mut home, &missing) == 0 {
                break;
            }
            continue;
        }
        let Some(oldest) = page.items.first() else { break };
        before = Some(oldest.event.header.clock.0);
        read.splice(0..0, page.items.iter().map(|record| record.event.id));
    }
    assert!(read == all, "{} of {} were read, page by page", read.len(), all.len());
    assert_eq!(sparse.pins().unwrap().cut, 0, "all of it is here, for now");
    assert!(sparse.room().unwrap().used <= sparse.room().unwrap().capacity);
}
