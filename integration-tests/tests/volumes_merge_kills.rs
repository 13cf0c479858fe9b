//! A merge of many files while the archive is killed: it is there whole or not at all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    volumes::there,
    wire::{Attached, on_wire},
};
use ipc::{
    Code, Refusal,
    endpoint::Options,
    messages::storage::{ListVersions, MergeBranch, Merged},
};

const FILES: usize = 500;

async fn merge(attached: &Attached, id: [u8; 16], round: usize) -> Result<Merged, Refusal> {
    let from = format!("user@round-{round}");
    let stream =
        attached.client.open(&MergeBranch { from, into: "user".into(), id, message: String::new() }, Options::default())?;
    stream.end();
    stream.answer().await
}

/// Merges 500 files and kills the archive so many milliseconds later; more than five ends in half a minute are not restarted,
/// so each few have a supervisor of their own.
fn kill_after(waits: &[u64]) -> [usize; 2] {
    let home = Home::new();
    let serve = Serve::start(&home);
    for round in 0..waits.len() {
        let source = home.path(&format!("round-{round}"));
        fs::create_dir_all(&source).unwrap();
        (0..FILES).for_each(|number| fs::write(source.join(format!("{number}")), format!("{number}").repeat(40)).unwrap());
        home.run(["vol", "branch", &format!("round-{round}")]).good();
        home.run(["vol", "write", source.to_str().unwrap(), &format!("user@round-{round}/{round}")]).good();
    }
    let mut outcomes = [0, 0];
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        for (round, wait) in waits.iter().copied().enumerate() {
            let id = [u8::try_from(round).unwrap() + 1; 16];
            assert_eq!(there(&attached, &format!("user/{round}/")).await.len(), 0);
            let victim = serve.process("storage");
            let killed = victim.clone();
            // The moment is a part of what is tried; nothing waits for it.
            let killer = thread::spawn(move || {
                thread::sleep(Duration::from_millis(wait));
                killed.signal(libc::SIGKILL);
            });
            let answer = merge(&attached, id, round).await;
            killer.join().unwrap();
            let until = Instant::now() + Duration::from_secs(30);
            while home.processes().iter().any(|process| process.pid == victim.pid) {
                assert!(Instant::now() < until, "it does not die");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let found = there(&attached, &format!("user/{round}/")).await.len();
            assert!(found == 0 || found == FILES, "{wait}: {found} of {FILES}");
            match &answer {
                Ok(_) => assert_eq!(found, FILES, "{wait}: it was answered"),
                Err(refusal) => assert_eq!(refusal.code, Code::PeerDied, "{wait}: {refusal}"),
            }
            outcomes[usize::from(found == FILES)] += 1;
            // The same once more, and once more: it is made once, and the answer is the same.
            for _ in 0..2 {
                let again = merge(&attached, id, round).await.expect("the archive is back");
                assert_eq!((again.written, again.removed), (u32::try_from(FILES).unwrap(), 0), "{wait}");
            }
            assert_eq!(there(&attached, &format!("user/{round}/")).await.len(), FILES);
            let path = format!("user/{round}/{}", FILES / 3);
            let versions = attached.client.call(&ListVersions { path, before: None, limit: 9 }).await.unwrap();
            assert_eq!(versions.items.len(), 1, "{wait}");
        }
    });
    outcomes
}

#[test]
fn a_merge_that_is_killed_is_there_whole_or_not_at_all() {
    let waits = [1, 10, 20, 30, 45, 60, 80, 120, 200];
    let mut outcomes = [0, 0];
    for waits in waits.chunks(3) {
        let [none, whole] = kill_after(waits);
        outcomes = [outcomes[0] + none, outcomes[1] + whole];
    }
    println!("not there, there whole: {outcomes:?}");
}
