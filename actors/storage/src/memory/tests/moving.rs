//! Everything moves by its number, once, and to the same places whoever does it and however often it is interrupted.

use ipc::messages::storage::MemoryTier;
use replica::body::{BUNDLE, EXPERIENCE, Step};

use super::*;

#[test]
fn ten_traces_become_an_entry_and_nine_do_not() {
    story(async |mut world| {
        world.begin(CHAT).await;
        world.turns(CHAT, 9).await;
        assert_eq!(world.run().await, MemoryMoved::default());
        assert_eq!(world.list(MemoryPart::Short).await.len(), 9);
        world.turns(CHAT, 1).await;
        assert_eq!(world.run().await, MemoryMoved { made: 1, consolidated: 10, ..MemoryMoved::default() });
        assert_eq!(world.list(MemoryPart::Short).await, []);
        let [entry] = &world.list(MemoryPart::Long).await[..] else { panic!("one entry") };
        assert_eq!((entry.traces, entry.tier, &entry.goal[..], &entry.title[..]), (10, MemoryTier::Live, "goal 0", "Journeys"));
        // Of another conversation there are not ten.
        world.begin([2; 16]).await;
        world.turns([2; 16], 9).await;
        assert_eq!(world.run().await, MemoryMoved::default());
    });
}

#[test]
fn the_short_term_is_a_day() {
    story(async |mut world| {
        world.begin(CHAT).await;
        world.turns(CHAT, 2).await;
        world.pass(SHORT_TERM / 2);
        world.turns(CHAT, 1).await;
        world.pass(SHORT_TERM / 2);
        assert_eq!(world.run().await, MemoryMoved::default());
        world.pass(1);
        assert_eq!(world.run().await, MemoryMoved { made: 1, consolidated: 3, ..MemoryMoved::default() });
        assert_eq!(world.counts().await, MemoryCounts { consolidated: 3, live: 1, ..MemoryCounts::default() });
    });
}

#[test]
fn traces_of_an_idle_conversation_are_archived_after_a_week() {
    story(async |mut world| {
        world.begin(CHAT).await;
        world.turns(CHAT, 10).await;
        world.run().await;
        world.pass(IDLE);
        assert_eq!(world.run().await, MemoryMoved::default());
        world.pass(1);
        assert_eq!(world.run().await, MemoryMoved { archived: 10, ..MemoryMoved::default() });
        assert_eq!(world.counts().await, MemoryCounts { archived: 10, live: 1, ..MemoryCounts::default() });
        // A word more, and a new week begins.
        world.turns(CHAT, 10).await;
        assert_eq!(world.run().await, MemoryMoved { made: 1, consolidated: 10, ..MemoryMoved::default() });
        world.pass(IDLE);
        world.keep(CHAT, Body::Title(Title { title: "Other".to_owned() })).await;
        world.pass(1);
        assert_eq!(world.run().await, MemoryMoved::default());
    });
}

#[test]
fn the_live_log_keeps_a_thousand_entries() {
    story(async |world| {
        world.begin(CHAT).await;
        let drafts = (0..LIVE_ENTRIES as u32).map(|number| world.entry(number, "a", 1000 - u64::from(number))).collect();
        world.writer.append_all(drafts, Vec::new()).await.expect("kept");
        assert_eq!(world.run().await, MemoryMoved::default());
        let oldest = world.entry(5000, "the oldest", 2000);
        world.writer.append(oldest).await.expect("kept");
        assert_eq!(world.run().await, MemoryMoved { archived_entries: 1, ..MemoryMoved::default() });
        let archived = world.list(MemoryPart::Archived).await;
        assert_eq!((archived.len(), &archived[0].goal[..], archived[0].tier), (1, "the oldest", MemoryTier::Archived));
        assert_eq!(world.counts().await.live, 1000);
    });
}

#[test]
fn entries_are_archived_after_half_a_year_and_compressed_a_year_after_their_month() {
    story(async |world| {
        world.begin(CHAT).await;
        // Words that have much in common, as those of a person have.
        for number in 0..40 {
            let goal = format!("plan a journey to the sea with the children, by train, number {number}");
            world.writer.append(world.entry(number, &goal, 0)).await.expect("kept");
        }
        world.pass(ARCHIVE_AFTER);
        assert_eq!(world.run().await, MemoryMoved::default());
        world.pass(1);
        assert_eq!(world.run().await, MemoryMoved { archived_entries: 40, ..MemoryMoved::default() });
        world.wall.store(MARCH + COMPRESS_AFTER, Ordering::Relaxed);
        assert_eq!(world.run().await, MemoryMoved::default());
        world.pass(1);
        assert_eq!(world.run().await, MemoryMoved { compressed_entries: 40, ..MemoryMoved::default() });
        assert_eq!(world.run().await, MemoryMoved::default());
        let counts = MemoryCounts { archived_entries: 40, compressed_entries: 40, ..MemoryCounts::default() };
        assert_eq!(world.counts().await, counts);

        let snapshot = world.replica.snapshot().expect("a snapshot");
        let sealed = |kind| -> (usize, u64) {
            let all = snapshot.of_kind(kind, 0, usize::MAX).expect("events");
            (all.len(), all.iter().map(|one| one.sealed.expect("a body")).sum())
        };
        let ((entries, of_entries), (bundles, of_bundles)) = (sealed(EXPERIENCE), sealed(BUNDLE));
        assert_eq!((entries, bundles), (40, 1), "one bundle, and what it was made of is still there");
        assert!(of_bundles * 4 < of_entries, "{of_bundles} of {of_entries} bytes");
        // What is listed comes from the bundle: nothing of the entries themselves is needed for it.
        for one in snapshot.of_kind(EXPERIENCE, 0, usize::MAX).expect("events").iter().skip(1) {
            world.writer.append(Draft::erase_event(memory_of(&CHAT), one.event.id)).await.expect("erased");
        }
        let listed = world.list(MemoryPart::Archived).await;
        assert_eq!((listed.len(), listed[0].tier), (1, MemoryTier::Compressed), "and one that is erased is not listed");
        let shown = world.memory.show(ShowMemory { digits: listed[0].id.iter().map(|byte| format!("{byte:02x}")).collect() });
        assert_eq!(shown.await.expect("shown").events.len(), 1, "the original, which says more");
    });
}

#[test]
fn twice_is_once() {
    story(async |mut world| {
        world.begin(CHAT).await;
        world.turns(CHAT, 25).await;
        world.pass(SHORT_TERM + 1);
        let moved = world.run().await;
        assert_eq!((moved.made, moved.consolidated), (3, 25));
        world.pass(IDLE);
        world.run().await;
        let (events, counts) = (world.events(), world.counts().await);
        assert_eq!(world.run().await, MemoryMoved::default());
        let world = world.restart();
        assert_eq!(world.run().await, MemoryMoved::default());
        assert_eq!((world.events(), world.counts().await), (events, counts));
    });
}

/// The process dies after each step; the next one goes on where that was.
#[test]
fn what_a_crash_left_is_done_by_the_next_run() {
    story(async |mut world| {
        for conversation in 1..=20 {
            world.begin([conversation; 16]).await;
            world.turns([conversation; 16], 11).await;
        }
        let mut steps = 0;
        loop {
            world = world.restart();
            let mut more = false;
            for (name, job) in JOBS {
                if super::super::run::once(&world.memory, name, *job).await.expect("a step").is_some() {
                    more = true;
                    break;
                }
            }
            if !more {
                break;
            }
            steps += 1;
        }
        assert!(steps > 2, "it was interrupted: {steps}");
        let counts = MemoryCounts { active: 20, consolidated: 200, live: 20, ..MemoryCounts::default() };
        assert_eq!(world.counts().await, counts);
    });
}

/// An entry that is there while its traces are not moved yet, as when the rest has not come from another device.
#[test]
fn half_of_a_step_is_made_whole() {
    story(async |mut world| {
        world.begin(CHAT).await;
        world.turns(CHAT, 10).await;
        let other = World::of(4);
        world.give(&other).await;
        other.run().await;
        let snapshot = other.replica.snapshot().expect("a snapshot");
        let made = snapshot.newest(EXPERIENCE, 1).expect("one").remove(0);
        let Body::Experience(experience) = made.body else { panic!("an entry") };
        let once = Some(experience.id);
        let draft = Draft { entity: memory_of(&CHAT), body: Body::Experience(experience), once };
        world.writer.append(draft).await.expect("kept");
        assert_eq!(world.counts().await, MemoryCounts { active: 10, live: 1, ..MemoryCounts::default() });
        world.run().await;
        assert_eq!(world.counts().await, MemoryCounts { consolidated: 10, live: 1, ..MemoryCounts::default() });
        assert_eq!(world.run().await, MemoryMoved::default());
    });
}

#[test]
fn two_devices_that_do_the_same_end_with_the_same() {
    story(async |mut world| {
        world.begin(CHAT).await;
        world.turns(CHAT, 20).await;
        let other = World::of(4);
        world.give(&other).await;
        world.run().await;
        other.run().await;
        let made = world.list(MemoryPart::Long).await;
        assert_eq!(made, other.list(MemoryPart::Long).await);
        world.give(&other).await;
        other.give(&world).await;
        for one in [&world, &other] {
            assert_eq!(one.run().await, MemoryMoved::default());
            assert_eq!(one.list(MemoryPart::Long).await, made);
            assert_eq!(one.counts().await, MemoryCounts { consolidated: 20, live: 2, ..MemoryCounts::default() });
        }
        // What one of them moves has moved for the other.
        [&world, &other].iter().for_each(|one| one.pass(IDLE + 1));
        world.run().await;
        world.give(&other).await;
        assert_eq!(other.counts().await.archived, 20);
        let fingerprint = |world: &World| world.replica.snapshot().expect("a snapshot").fingerprint().expect("a fingerprint");
        other.give(&world).await;
        assert_eq!(fingerprint(&world), fingerprint(&other));
    });
}

#[test]
fn an_entry_says_what_its_traces_did() {
    story(async |world| {
        world.begin(CHAT).await;
        let mut first = trace(1, "write the\nreport");
        let step = |tool: &str, input: &str, output: &str, ok| Step {
            tool: tool.to_owned(),
            input: input.to_owned(),
            output: output.to_owned(),
            ok,
            millis: 1,
        };
        first.steps = vec![
            step("python", "{\"code\":\"1\"}", "Traceback\n  line 1\nValueError: no such month\n", false),
            step("save", "{\"path\":\"user/report.md\",\"content\":\"x\"}", "", true),
            step("save", "{\"path\":\"user/lost.md\",\"content\":\"x\"}", "", false),
        ];
        world.keep(CHAT, Body::Trace(first)).await;
        world.pass(1000);
        world.keep(CHAT, Body::Trace(Trace { outcome: Outcome::Failed, ..trace(2, "send it") })).await;
        world.pass(SHORT_TERM);
        world.run().await;
        let [entry] = &world.list(MemoryPart::Long).await[..] else { panic!("one entry") };
        let shown = world.memory.show(ShowMemory { digits: format!("{:02x}{:02X}", entry.id[0], entry.id[1]) }).await;
        let shown = shown.expect("shown");
        assert_eq!((&shown.entry, &entry.goal[..], shown.millis), (entry, "write the report", 10));
        assert_eq!((shown.since_ms, entry.at_ms, shown.events.len()), (BEGIN, BEGIN + 1000, 2));
        assert_eq!(entry.result, ipc::messages::storage::MemoryResult::Partial);
        assert_eq!(shown.components, ["model scripted", "tool python", "tool save"]);
        assert_eq!(shown.files, ["user/report.md"]);
        assert_eq!(shown.summary, ["write the report", "send it (failed)"]);
        let learned = ["python: ValueError: no such month", "save: it failed and did not say why", "not answered: send it"];
        assert_eq!(shown.learnings, learned);
        let unclear = world.memory.show(ShowMemory { digits: String::new() }).await.expect_err("nothing");
        assert_eq!(unclear.code, ipc::Code::NotFound);
    });
}
