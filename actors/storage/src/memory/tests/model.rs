//! Whatever is done: what is kept is what the log makes of it, and what is counted is what there is.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::Config};
use replica::body::{EXPERIENCE, TRACE};

use super::*;

/// Where a trace and an entry are, counted with no ledger at all: every event is looked at.
fn counted(replica: &Replica) -> MemoryCounts {
    let snapshot = replica.snapshot().expect("a snapshot");
    let mut counts = MemoryCounts::default();
    let states = |memory: &Id| snapshot.state(memory).expect("a state");
    let final_tomb = |entity: &Id| snapshot.erased_until(entity).expect("a look").is_some();
    for trace in snapshot.of_kind(TRACE, 0, usize::MAX).expect("events") {
        let (conversation, memory) = (trace.event.header.entity, memory_of(&trace.event.header.entity));
        if trace.sealed.is_some() && !final_tomb(&conversation) && !final_tomb(&memory) {
            *match lifecycle::life(states(&memory).as_ref(), &trace.event.id) {
                lifecycle::Life::Active => &mut counts.active,
                lifecycle::Life::Consolidated => &mut counts.consolidated,
                lifecycle::Life::Archived => &mut counts.archived,
            } += 1;
        }
    }
    let mut entries = BTreeMap::new();
    for made in snapshot.of_kind(EXPERIENCE, 0, usize::MAX).expect("events") {
        if let Some(Body::Experience(made)) = snapshot.version(&made.event.id).expect("a version").expect("an event").body {
            entries.insert(made.id, made.conversation);
        }
    }
    for (id, conversation) in entries.iter().filter(|(_, conversation)| !final_tomb(conversation)) {
        match lifecycle::tier(states(&memory_of(conversation)).as_ref(), id) {
            lifecycle::Tier::Live => counts.live += 1,
            lifecycle::Tier::Archived => counts.archived_entries += 1,
            lifecycle::Tier::Compressed => {
                counts.archived_entries += 1;
                counts.compressed_entries += 1;
            }
        }
    }
    counts
}

/// What is done to two devices.
#[derive(Clone, Debug)]
enum Act {
    Turns(u8, u32),
    Rename(u8),
    Pass(u64),
    Run,
    Follow,
    Restart,
    /// The trace so far from the newest.
    EraseTrace(usize),
    EraseEntry(usize),
    Erase(u8, bool),
    Swap,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1u8..4, 1u32..12).prop_map(|(conversation, turns)| Act::Turns(conversation, turns)),
        1 => (1u8..4).prop_map(Act::Rename),
        3 => prop::sample::select(vec![1, SHORT_TERM + 1, IDLE + 1, ARCHIVE_AFTER + 1, COMPRESS_AFTER]).prop_map(Act::Pass),
        4 => Just(Act::Run),
        2 => Just(Act::Follow),
        1 => Just(Act::Restart),
        1 => (0usize..9).prop_map(Act::EraseTrace),
        1 => (0usize..3).prop_map(Act::EraseEntry),
        1 => (1u8..4, any::<bool>()).prop_map(|(conversation, both)| Act::Erase(conversation, both)),
        2 => Just(Act::Swap),
    ]
}

async fn done(mut world: World, mut other: World, acts: Vec<Act>) {
    for conversation in 1..4 {
        world.begin([conversation; 16]).await;
    }
    for act in acts {
        match act {
            // A conversation may be erased.
            Act::Turns(conversation, count) => {
                for number in 0..count {
                    world.turns += 1;
                    let body = Body::Trace(trace(world.turns, &format!("goal {number}")));
                    let _ = world.writer.append(Draft { entity: [conversation; 16], body, once: None }).await;
                }
            }
            Act::Rename(conversation) => {
                let body = Body::Title(Title { title: "Other".to_owned() });
                let _ = world.writer.append(Draft { entity: [conversation; 16], body, once: None }).await;
            }
            Act::Pass(millis) => [&world, &other].iter().for_each(|one| one.pass(millis)),
            Act::Run => drop(world.run().await),
            Act::Follow => drop(world.followed().await),
            Act::Restart => world = world.restart(),
            Act::EraseTrace(back) | Act::EraseEntry(back) => {
                let kind = if matches!(act, Act::EraseTrace(_)) { TRACE } else { EXPERIENCE };
                let newest = world.replica.snapshot().expect("a snapshot").newest(kind, back + 1).expect("events").pop();
                if let Some(record) = newest {
                    let draft = Draft::erase_event(record.event.header.entity, record.event.id);
                    world.writer.append(draft).await.expect("erased");
                }
            }
            Act::Erase(conversation, both) => {
                let entity = [conversation; 16];
                let mut drafts = vec![Draft::erase_entity(entity, None)];
                drafts.extend(both.then(|| Draft::erase_entity(memory_of(&entity), None)));
                world.writer.append_all(drafts, Vec::new()).await.expect("erased");
            }
            Act::Swap => {
                world.give(&other).await;
                other.give(&world).await;
                std::mem::swap(&mut world, &mut other);
                // Turns of two devices are not one.
                world.turns += 1_000;
            }
        }
    }
    for one in [&world, &other] {
        let kept = one.followed().await;
        assert_eq!(one.compared().expect("a look"), [[0; 16]; 0]);
        let counts = one.counts().await;
        assert_eq!(kept, one.anew().await);
        assert_eq!((counts, counted(&one.replica)), (one.counts().await, counts));
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    /// Whatever was done, in whatever order and however often the process ended: what is kept is what the log makes.
    #[test]
    fn what_is_kept_is_what_the_log_says(acts in prop::collection::vec(act(), 1..24)) {
        actix::System::new().block_on(async { done(World::of(3), World::of(4), acts).await });
    }
}
