//! What the memory costs a process, by how much was ever done. To be looked at, not to pass or fail, by
//! `cargo measure memory`.

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

/// Where the process below finds the archive.
const DIRECTORY: &str = "LAMOS_FIGURES_OF";

#[test]
#[ignore = "it takes half a minute and says how much, not whether"]
fn what_a_start_costs() {
    story(async |_| {
        for traces in [1_000, 10_000, 100_000] {
            let mut world = World::of(3);
            fill(&mut world, traces).await;
            let begun = Instant::now();
            world.memory.follow().await.expect("followed");
            let made = begun.elapsed();
            world.run().await;
            let tables = world.replica.snapshot().expect("a snapshot").tables().expect("tables");
            let ledger = tables.iter().find(|table| table.name == "ledger").expect("a table").bytes;
            println!("{traces} traces: a ledger of {ledger} bytes, made anew in {made:.1?}");
            let World { directory, memory, writer, replica, .. } = world;
            drop((memory, writer, replica));
            // The writing thread lets go of it in a moment.
            while matches!(replica::engine::open(directory.path()), Err(ReplicaError::InUse)) {
                std::thread::yield_now();
            }
            let mut child = std::process::Command::new(std::env::current_exe().expect("this program"));
            let test = concat!(module_path!(), "::a_start").split_once("::").expect("a crate").1;
            child.args([test, "--exact", "--ignored", "--nocapture"]).env(DIRECTORY, directory.path());
            assert!(child.status().expect("a process").success());
        }
    });
}

#[test]
#[ignore = "a part of the other test, which gives it an archive"]
fn a_start() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    actix::System::new().block_on(async {
        let (key, wall) = (SigningKey::from_bytes(&[3; 32]), Arc::new(AtomicU64::new(BEGIN)));
        let (_replica, _writer, memory) = opened(path.as_ref(), &key, &wall);
        let (before, begun) = (own_bytes(), Instant::now());
        memory.follow().await.expect("followed");
        let followed = begun.elapsed();
        assert_eq!(memory.run().await.expect("run"), MemoryMoved::default());
        let run = begun.elapsed() - followed;
        println!("  a start: followed in {followed:.1?}, run in {run:.1?}, {} KiB", (own_bytes() - before) / 1024);
        println!("  {} events taken in", memory.taken.get());
    });
}
