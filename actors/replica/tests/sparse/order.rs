//! Whoever was used last stays, whatever is done in whatever order; and what is pinned, unless that is too much.

use std::collections::BTreeMap;

use proptest::prelude::*;
use replica::sparse::Sparse;

use crate::world::{NOON, Pen, TINY, Watch, begin, entity, is_full, noise, open, say};

const CONVERSATIONS: u64 = 12;

/// Bytes of one thing that is said: some forty of them fill the store.
const LONG: usize = 300_000;

#[derive(Clone, Debug)]
enum Do {
    Write(u64, usize),
    Read(u64),
    Pin(u64),
    Unpin(u64),
    Reopen,
}

fn operation() -> impl Strategy<Value = Do> {
    prop_oneof![
        8 => (0..CONVERSATIONS, 1..4usize).prop_map(|(one, count)| Do::Write(one, count)),
        6 => (0..CONVERSATIONS).prop_map(Do::Read),
        1 => (0..3u64).prop_map(Do::Pin),
        1 => (0..3u64).prop_map(Do::Unpin),
        1 => Just(Do::Reopen),
    ]
}

/// What a test knows of a conversation.
#[derive(Clone, Debug, Default)]
struct Model {
    used: u64,
    pinned: bool,
    head: Option<[u8; 32]>,
    said: u64,
}

fn held(sparse: &Sparse) -> BTreeMap<[u8; 16], u32> {
    let page = sparse.conversations(None, 1000).unwrap();
    page.items.into_iter().map(|entry| (entry.id, if entry.bare { 0 } else { entry.view.messages })).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if is_full() { 100 } else { 8 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_least_recently_used_leave_first(operations in prop::collection::vec(operation(), 40..110)) {
        let directory = tempfile::tempdir().unwrap();
        let watch = Watch::new(NOON);
        let mut sparse = open(directory.path(), TINY, &watch);
        let mut pen = Pen::new(1);
        let mut models: BTreeMap<[u8; 16], Model> = BTreeMap::new();
        for (turn, operation) in operations.iter().enumerate() {
            watch.tick(1000);
            let before = held(&sparse);
            let pins = sparse.pins().unwrap();
            let mut written = BTreeMap::new();
            match operation {
                Do::Write(number, count) => {
                    let entity = entity(*number);
                    let model = models.entry(entity).or_default();
                    let mut parcels = Vec::new();
                    for _ in 0..*count {
                        let body = match model.head {
                            None => begin("one"),
                            Some(_) => {
                                model.said += 1;
                                *written.entry(entity).or_insert(0) += 1;
                                say(model.said << 8 | number, noise(model.said << 8 | number, LONG))
                            }
                        };
                        let (parcel, id) = pen.write(watch.now(), entity, model.head.into_iter().collect(), &body);
                        model.head = Some(id);
                        parcels.push(parcel);
                    }
                    model.used = watch.now();
                    sparse.take(&parcels).unwrap();
                }
                Do::Read(number) => {
                    sparse.page(&entity(*number), None, 10).unwrap();
                    if let Some(model) = models.get_mut(&entity(*number)) {
                        model.used = watch.now();
                    }
                }
                Do::Pin(number) => {
                    sparse.pin(&entity(*number)).unwrap();
                    let model = models.entry(entity(*number)).or_default();
                    (model.pinned, model.used) = (true, watch.now());
                }
                Do::Unpin(number) => {
                    sparse.unpin(&entity(*number)).unwrap();
                    models.entry(entity(*number)).or_default().pinned = false;
                }
                Do::Reopen => {
                    // What was read is written when there is time.
                    sparse.maintain().unwrap();
                    drop(sparse);
                    sparse = open(directory.path(), TINY, &watch);
                }
            }
            let after = held(&sparse);
            for (entity, before) in &before {
                let expected = before + written.get(entity).copied().unwrap_or(0);
                let now = after.get(entity).copied().unwrap_or(0);
                prop_assert!(now <= expected);
                if now == expected {
                    continue;
                }
                let left = &models[entity];
                prop_assert!(
                    !left.pinned || pins.bytes > pins.share,
                    "{turn}: {operation:?}: what is pinned has left, and it was not too much: {pins:?}"
                );
                for (other, now) in &after {
                    let stayed = &models[other];
                    prop_assert!(
                        *now == 0 || stayed.pinned || other == entity || stayed.used >= left.used,
                        "{turn}: {operation:?}: used at {} and gone, while one of {} stayed",
                        left.used,
                        stayed.used
                    );
                }
            }
        }
    }
}
