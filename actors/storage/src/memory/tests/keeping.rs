//! What is known is kept: it is what the log would make of it from the beginning, a start takes nothing in, and whatever
//! is wrong with it is made anew.

use replica::{
    Table,
    body::{BUNDLE, EXPERIENCE},
    engine,
};

use super::{super::ledger, *};

impl World {
    /// The rows as they are, without how far they came.
    fn rows(&self) -> super::super::rows::Rows {
        ledger::all_rows(&self.replica.snapshot().expect("a snapshot"))
    }

    pub(super) async fn followed(&self) -> super::super::rows::Rows {
        self.memory.follow().await.expect("followed");
        self.rows()
    }

    /// Drops the ledger and follows from the beginning.
    pub(super) async fn anew(&self) -> super::super::rows::Rows {
        self.writer.run(|writer| writer.write(|batch| batch.clear_ledger())).await.expect("cleared");
        assert!(self.rows().is_empty());
        self.followed().await
    }

    /// What a look at everything says of the ledger.
    pub(super) fn compared(&self) -> Result<Vec<Id>, ReplicaError> {
        let (mut found, mut compared) = (Vec::new(), Compared::default());
        loop {
            compared = compare(&self.replica.snapshot()?, &compared, 2)?.expect("it has taken in all there is");
            found.extend(&compared.wrong);
            if compared.after.is_none() {
                return Ok(found);
            }
        }
    }

    /// The archive is closed, something is done to its tables, and it is opened again.
    fn meddle(self, with: impl FnOnce(&mut dyn engine::Writing)) -> World {
        let World { directory, key, wall, replica, writer, memory, turns } = self;
        drop((memory, writer, replica));
        let begun = std::time::Instant::now();
        let engine = loop {
            // The writing thread lets go of the archive when it has seen that nobody is there.
            match engine::open(directory.path()) {
                Ok(engine) => break engine,
                Err(ReplicaError::InUse) if begun.elapsed().as_secs() < 60 => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        let mut txn = engine.write().expect("a transaction");
        with(&mut *txn);
        txn.commit().expect("committed");
        drop(engine);
        let (replica, writer, memory) = opened(directory.path(), &key, &wall);
        World { directory, key, wall, replica, writer, memory, turns }
    }

    async fn filled() -> World {
        let mut world = World::of(3);
        for conversation in [CHAT, [2; 16], [3; 16]] {
            world.begin(conversation).await;
            world.turns(conversation, 12).await;
        }
        world.run().await;
        world
    }
}

#[test]
fn a_start_with_nothing_new_takes_nothing_in() {
    story(async |_| {
        let world = World::filled().await;
        assert!(world.memory.taken.get() > 36);
        let mut world = world.meddle(|_| {});
        assert_eq!(world.run().await, MemoryMoved::default());
        assert_eq!((world.list(MemoryPart::Long).await.len(), world.counts().await.active), (3, 6));
        assert_eq!(world.memory.taken.get(), 0, "a start reads nothing of the log");
        world.turn(CHAT, "one more").await;
        world.counts().await;
        assert_eq!(world.memory.taken.get(), 1);
    });
}

#[test]
fn one_that_is_missing_of_another_version_or_damaged_is_made_anew() {
    type Meddling = Box<dyn FnOnce(&mut dyn engine::Writing)>;
    const HEAD: [u8; 2] = [0, 0];
    let rows = |txn: &dyn engine::Writing, kind: u8| -> Vec<(Vec<u8>, Vec<u8>)> {
        let all = txn.range(Table::Ledger, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded).expect("rows");
        all.map(|row| row.expect("a row")).filter(|(key, _)| key[1] == kind).map(|(k, v)| (k.to_vec(), v.to_vec())).collect()
    };
    let flip = move |kind: u8, byte: usize| -> Meddling {
        Box::new(move |txn| {
            let (key, mut value) = rows(txn, kind).remove(0);
            let byte = byte.min(value.len() - 1);
            value[byte] ^= 1;
            txn.put(Table::Ledger, &key, &value).expect("put");
        })
    };
    let lose = move |kind: u8| -> Meddling {
        Box::new(move |txn| txn.delete(Table::Ledger, &rows(txn, kind).remove(0).0).expect("deleted"))
    };
    let cases: Vec<(&str, Meddling)> = vec![
        ("all gone", Box::new(|txn| txn.clear(Table::Ledger).expect("cleared"))),
        ("no head", Box::new(|txn| txn.delete(Table::Ledger, &HEAD).expect("deleted"))),
        // The version comes first behind the digest.
        ("another head", flip(0, 19)),
        ("a row of a conversation", flip(1, 40)),
        ("a row that is gone", lose(6)),
        (
            "two rows that are gone",
            Box::new(move |txn| {
                for (key, _) in rows(txn, 2) {
                    txn.delete(Table::Ledger, &key).expect("deleted");
                }
            }),
        ),
        ("a row of a list", flip(7, 3)),
    ];
    story(async |_| {
        let mut world = World::filled().await;
        let (kept, counts) = (world.rows(), world.counts().await);
        for (name, meddling) in cases {
            world = world.meddle(meddling);
            assert_eq!(world.counts().await, counts, "{name}");
            assert_eq!(world.list(MemoryPart::Long).await.len(), 3, "{name}");
            for conversation in [CHAT, [2; 16], [3; 16]] {
                world.turn(conversation, "one more, so that what is kept of it is looked at").await;
            }
            world.run().await;
            assert_ne!(world.rows(), kept);
            assert_eq!(world.followed().await, world.anew().await, "{name}");
            world = World::filled().await;
        }
    });
}

/// Of another version with a digest that is right: as a later program leaves it.
#[test]
fn one_of_another_program_is_made_anew() {
    story(async |_| {
        let world = World::filled().await;
        let kept = world.rows();
        let head = world.replica.snapshot().expect("a snapshot").ledger_row(&[0]).expect("a look").expect("a head");
        let other = [&99_u32.to_be_bytes(), &head[4..]].concat();
        let put = |key: &'static [u8], value: Vec<u8>| {
            world.writer.run(move |writer| writer.write(|batch| batch.put_ledger_row(key, &value)))
        };
        put(&[0], other).await.expect("put");
        put(&[4, 1, 2, 3], b"of a kind that is not known".to_vec()).await.expect("put");
        assert_eq!(world.followed().await, kept);
    });
}

#[test]
fn a_look_at_everything_finds_one_that_is_wrong() {
    story(async |_| {
        let world = World::filled().await;
        assert_eq!(world.compared().expect("a look"), [[0; 16]; 0]);
        // Written as a program with an error would, with digests that are right.
        let trace = world.rows().into_iter().find(|(key, value)| key[0] == 2 && value == &[0]).expect("an active trace").0;
        let conversation: Id = trace[1..17].try_into().expect("an id");
        let put = move |writer: &mut replica::Writer| writer.write(|batch| batch.put_ledger_row(&trace, &[1]));
        world.writer.run(put).await.expect("put");
        assert_eq!(world.compared().expect("a look"), [conversation]);
        world.anew().await;
        assert_eq!(world.compared().expect("a look"), [[0; 16]; 0]);
        // A row that belongs to nothing.
        let put = |writer: &mut replica::Writer| writer.write(|batch| batch.put_ledger_row(&[10, 1], &[]));
        world.writer.run(put).await.expect("put");
        assert!(world.compared().is_err_and(|error| ledger::is_damaged(&error)));
        // It has not taken in all there is: nothing can be said.
        world.anew().await;
        world.begin([9; 16]).await;
        world.keep([9; 16], Body::Trace(trace_of_nine())).await;
        assert_eq!(compare(&world.replica.snapshot().expect("a snapshot"), &Compared::default(), 9).expect("a look"), None);
    });
}

fn trace_of_nine() -> Trace {
    trace(9_000, "not followed")
}

fn has(rows: &super::super::rows::Rows, id: &[u8]) -> bool {
    rows.iter().any(|(key, value)| [key, value].iter().any(|bytes| bytes.windows(id.len()).any(|window| window == id)))
}

#[test]
fn what_is_erased_is_not_left_in_it() {
    story(async |_| {
        let mut world = World::filled().await;
        world.pass(ARCHIVE_AFTER + 1);
        world.run().await;
        world.wall.store(MARCH + COMPRESS_AFTER + 1, Ordering::Relaxed);
        world.run().await;
        let erased = world.turn([2; 16], "something").await;
        let rows = world.followed().await;
        let ids = |kind| -> Vec<EventId> {
            let snapshot = world.replica.snapshot().expect("a snapshot");
            let all = snapshot.of_kind(kind, 0, usize::MAX).expect("events").into_iter();
            all.filter(|one| one.event.header.entity == memory_of(&CHAT)).map(|one| one.event.id).collect()
        };
        let made: Vec<EventId> = ids(EXPERIENCE).into_iter().chain(ids(BUNDLE)).collect();
        assert!(made.len() > 2 && made.iter().all(|id| has(&rows, id)));
        assert!(has(&rows, &CHAT) && has(&rows, &memory_of(&CHAT)) && has(&rows, &erased.id));

        world.writer.append(Draft::erase_event([2; 16], erased.id)).await.expect("erased");
        let both = [CHAT, memory_of(&CHAT)].map(|entity| Draft::erase_entity(entity, None));
        world.writer.append_all(both.into(), Vec::new()).await.expect("erased");
        // As the person's own erasure does: at once, however far the ledger is.
        world.memory.let_go(CHAT).await.expect("let go");
        assert!(!has(&world.rows(), &CHAT));
        let rows = world.followed().await;
        assert!(made.iter().all(|id| !has(&rows, id)));
        assert!(!has(&rows, &CHAT) && !has(&rows, &memory_of(&CHAT)) && !has(&rows, &erased.id));
        assert_eq!(rows, world.anew().await);
    });
}

/// What an event says may come, or come again, when the event has been followed.
#[test]
fn what_is_mended_is_looked_at_again() {
    story(async |_| {
        let world = World::filled().await;
        let other = World::of(4);
        world.give(&other).await;
        let kept = other.followed().await;
        let head = world.replica.snapshot().expect("a snapshot").heads().expect("heads").remove(0);
        let all = world.replica.snapshot().expect("a snapshot").range(&head.author, 1, head.sequence, usize::MAX, Form::Open);
        let parcels = all.expect("parcels");
        let snapshot = other.replica.snapshot().expect("a snapshot");
        let entry = snapshot.newest(EXPERIENCE, 1).expect("one").remove(0);
        drop(snapshot);
        let place = entry.event.position.to_be_bytes();
        let other = other.meddle(|txn| {
            let mut body = txn.get(Table::Body, &place).expect("a look").expect("a body").to_vec();
            body[40] ^= 1;
            txn.put(Table::Body, &place, &body).expect("put");
        });
        assert_ne!(other.anew().await, kept, "an entry that cannot be read is none");
        assert_eq!(other.writer.run(move |writer| writer.mend(&parcels)).await.expect("mended"), 1);
        assert_eq!(other.followed().await, kept);
        assert_eq!(other.compared().expect("a look"), [[0; 16]; 0]);
    });
}

/// The process dies after every second slice, and one that was planned before another was written is not written.
#[test]
fn what_is_followed_in_slices_is_followed_once() {
    story(async |_| {
        let mut world = World::of(3);
        for conversation in 1..40 {
            world.begin([conversation; 16]).await;
            let traces = (0..30).map(|number| {
                let body = Body::Trace(trace(u32::from(conversation) * 100 + number, "a goal"));
                Draft { entity: [conversation; 16], body, once: None }
            });
            world.writer.append_all(traces.collect(), Vec::new()).await.expect("kept");
        }
        // The first begins anew, wherever it is.
        let plan = |world: &World| ledger::plan(&world.replica.snapshot().expect("a snapshot")).expect("a plan");
        let head = |world: &World| world.replica.snapshot().expect("a snapshot").ledger_row(&[0]).expect("a look");
        world.memory.keep(plan(&world).expect("a beginning")).await.expect("kept");
        let mut slices = 0;
        while let (Some(first), Some(again)) = (plan(&world), plan(&world)) {
            world.memory.keep(first).await.expect("kept");
            if let Some(second) = plan(&world) {
                world.memory.keep(second).await.expect("kept");
            }
            let before = (head(&world), world.rows());
            world.memory.keep(again).await.expect("looked at");
            assert_eq!((head(&world), world.rows()), before);
            slices += 1;
            world = world.meddle(|_| {});
        }
        assert!(slices > 2, "{slices}");
        assert_eq!(world.compared().expect("a look"), [[0; 16]; 0]);
        assert_eq!(world.rows(), world.anew().await);
        assert_eq!(world.counts().await, MemoryCounts { active: 39 * 30, ..MemoryCounts::default() });
    });
}
