//! What the memory costs a process, by how much was ever done. To be looked at, not to pass or fail:
//! `cargo test --release -p storage --lib -- --ignored --nocapture what_a_start_costs`

use std::{fs, time::Instant};

use super::*;

/// Traces of one conversation.
const EACH: u32 = 10;

/// Drafts in one transaction.
const TOGETHER: usize = 5000;

/// Bytes of this process that are its own and in no file.
fn own_bytes() -> i64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<i64>().expect("a number") * 1024
}

async fn fill(world: &mut World, traces: u32) {
    let mut drafts = Vec::new();
    for number in 0..traces / EACH {
        let mut conversation = [0; 16];
        conversation[..4].copy_from_slice(&number.to_be_bytes());
        let title = Body::Conversation(Title { title: "Journeys".to_owned() });
        drafts.push(Draft { entity: conversation, body: title, once: None });
        for _ in 0..EACH {
            world.turns += 1;
            drafts.push(Draft { entity: conversation, body: Body::Trace(trace(world.turns, "plan a journey")), once: None });
        }
    }
    for some in drafts.chunks(TOGETHER) {
        world.writer.append_all(some.to_vec(), Vec::new()).await.expect("kept");
    }
}

#[test]
#[ignore = "it takes minutes and says how much, not whether"]
fn what_a_start_costs() {
    story(async |_| {
        println!("{:>8} {:>12} {:>12} {:>12} {:>12} {:>12}", "traces", "made in", "follow", "run", "own bytes", "ledger");
        for traces in [1_000, 10_000, 100_000] {
            let mut world = World::of(3);
            fill(&mut world, traces).await;
            let begun = Instant::now();
            world.memory.follow().await.expect("followed");
            let made = begun.elapsed();
            world.run().await;
            let world = world.restart();
            let before = own_bytes();
            let begun = Instant::now();
            world.memory.follow().await.expect("followed");
            let followed = begun.elapsed();
            assert_eq!(world.run().await, MemoryMoved::default());
            let run = begun.elapsed() - followed;
            assert_eq!(world.memory.taken.get(), 0);
            let own = own_bytes() - before;
            let tables = world.replica.snapshot().expect("a snapshot").tables().expect("tables");
            let ledger = tables.iter().find(|table| table.name == "ledger").expect("a table").bytes;
            println!("{traces:>8} {made:>12.1?} {followed:>12.1?} {run:>12.1?} {own:>12} {ledger:>12}");
        }
    });
}
