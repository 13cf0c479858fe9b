//! What is erased is nowhere in the memory, whatever was made of it and wherever.

use super::*;

const CANARY: &str = "qzvanary";

#[test]
fn what_a_conversation_left_goes_with_it() {
    story(async |mut world| {
        world.begin(CHAT).await;
        world.begin([2; 16]).await;
        world.turn(CHAT, CANARY).await;
        world.turns(CHAT, 9).await;
        world.turns([2; 16], 10).await;
        world.run().await;
        assert!(world.saying(CANARY) > 1);
        // By a program that knows of no memory: what it left is found.
        world.writer.append(Draft::erase_entity(CHAT, None)).await.expect("erased");
        let moved = world.run().await;
        assert_eq!(moved, MemoryMoved { forgotten: 2, ..MemoryMoved::default() }, "an entry, and where things were");
        assert_eq!(world.saying(CANARY), 0);
        assert_eq!(world.counts().await, MemoryCounts { consolidated: 10, live: 1, ..MemoryCounts::default() });
        assert_eq!(world.run().await, MemoryMoved::default());
        let world = world.restart();
        assert_eq!(world.run().await, MemoryMoved::default());
        assert_eq!(world.list(MemoryPart::Long).await.len(), 1);
    });
}

/// Another device made an entry of a conversation before it heard that it was erased.
#[test]
fn what_comes_after_the_erasure_says_nothing() {
    story(async |mut world| {
        world.begin(CHAT).await;
        world.turn(CHAT, CANARY).await;
        world.turns(CHAT, 9).await;
        let other = World::of(4);
        world.give(&other).await;
        other.run().await;
        let both = [CHAT, memory_of(&CHAT)].map(|entity| Draft::erase_entity(entity, None));
        world.writer.append_all(both.into(), Vec::new()).await.expect("erased");
        other.give(&world).await;
        world.give(&other).await;
        for one in [world, other] {
            assert_eq!(one.run().await, MemoryMoved::default());
            assert_eq!((one.saying(CANARY), one.counts().await), (0, MemoryCounts::default()));
            assert_eq!(one.memory.query(QueryMemory { question: CANARY.to_owned() }).await.expect("an answer").items, []);
        }
    });
}

#[test]
fn with_one_trace_goes_what_was_made_of_it_and_the_rest_is_made_anew() {
    story(async |mut world| {
        world.begin(CHAT).await;
        let erased = world.turn(CHAT, CANARY).await;
        world.turns(CHAT, 19).await;
        world.run().await;
        world.pass(ARCHIVE_AFTER + 1);
        world.run().await;
        world.wall.store(MARCH + COMPRESS_AFTER + 1, Ordering::Relaxed);
        world.run().await;
        assert_eq!(world.counts().await.compressed_entries, 2);
        assert_eq!(world.saying(CANARY), 3, "the trace, an entry, a bundle");

        world.writer.append(Draft::erase_event(CHAT, erased.id)).await.expect("erased");
        let world = world.restart();
        let moved = world.run().await;
        assert_eq!((moved.forgotten, moved.made, moved.consolidated), (2, 1, 9), "an entry and a bundle");
        assert_eq!(world.saying(CANARY), 0);
        let counts = MemoryCounts { archived: 19, archived_entries: 2, compressed_entries: 2, ..MemoryCounts::default() };
        assert_eq!(world.counts().await, counts);
        assert_eq!(world.run().await, MemoryMoved::default());
    });
}

/// Erased pieces are cleared off the disk: the mark of what is left to clear is there and goes.
#[test]
fn what_is_forgotten_is_cleared_off_the_disk() {
    story(async |mut world| {
        world.begin(CHAT).await;
        world.turns(CHAT, 10).await;
        world.run().await;
        world.writer.append(Draft::erase_entity(CHAT, None)).await.expect("erased");
        world.run().await;
        let mark = world.directory.path().join("erasing");
        let begun = std::time::Instant::now();
        while mark.exists() {
            assert!(begun.elapsed().as_secs() < 60, "the mark stays");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
}
