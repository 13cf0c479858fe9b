//! How long a small question takes while everything else works: two scripts that compute without end, streams from the
//! model process, and an archive that is written to, signed and sealed. What a window asks must be answered meanwhile.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{
    Role,
    endpoint::Options,
    messages::{
        code::{Entry, Run, RunLimits},
        common::{Chunk, Source},
        storage::{ListConversations, WriteFile},
    },
};

use super::figures::{Samples, aim, line, ratio, time};

/// How long each side is measured.
const PERIOD: Duration = Duration::from_secs(5);

/// As often as a person's window may ask.
const PAUSE: Duration = Duration::from_millis(5);

fn to(role: Role) -> Options {
    Options { role: Some(role), ..Options::default() }
}

/// A question that a window asks: the newest conversations, from the archive.
async fn questions(attached: &Attached) -> Samples {
    let mut samples = Samples::default();
    let until = Instant::now() + PERIOD;
    while Instant::now() < until {
        let begun = Instant::now();
        attached.client.call(&ListConversations { after: None, limit: 20 }).await.unwrap();
        samples.push(begun.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    samples
}

async fn compute(home: &Home, over: &AtomicBool) {
    let attached = Attached::to(home);
    let request = Run {
        source: "while True: pass".to_owned(),
        entry: Entry::Script,
        inputs: "{}".to_owned(),
        files: Vec::new(),
        limits: RunLimits::STANDARD,
        seed: 1,
    };
    let runs: Vec<_> = (0..2).map(|_| attached.client.open(&request, to(Role::Code)).unwrap()).collect();
    runs.iter().for_each(|run| run.end());
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Dropping them takes them back.
    drop(runs);
}

async fn stream(home: &Home, over: &AtomicBool) {
    let attached = Attached::to(home);
    while !over.load(Ordering::Relaxed) {
        // As fast as ten models speak at once.
        let mut stream = attached.client.open(&Source { pieces: 1000, size: 200 }, to(Role::Llm)).unwrap();
        while let Some(piece) = stream.next().await {
            piece.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

async fn write(home: &Home, over: &AtomicBool) {
    let attached = Attached::to(home);
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let content = vec![number as u8; 100_000];
        let file = WriteFile::new(format!("user/busy/{number}"), content.len() as u64);
        let stream = attached.client.open(&file, Options::default()).unwrap();
        for piece in content.chunks(Chunk::SIZE) {
            stream.send(&Chunk(piece.to_vec())).await.unwrap();
        }
        stream.end();
        stream.answer().await.unwrap();
        // The policy allows two hundred a second.
        tokio::time::sleep(PAUSE).await;
    }
}

pub fn measure() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let over = AtomicBool::new(false);
    let (home, over) = (&home, &over);
    on_wire(async {
        let attached = Attached::to(home);
        attached.demo().await;
        let mut quiet = questions(&attached).await;
        thread::scope(|scope| {
            scope.spawn(|| on_wire(compute(home, over)));
            scope.spawn(|| on_wire(stream(home, over)));
            scope.spawn(|| on_wire(write(home, over)));
            let loaded = scope.spawn(|| {
                on_wire(async {
                    // Until all of it is under way.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let samples = questions(&Attached::to(home)).await;
                    over.store(true, Ordering::Relaxed);
                    samples
                })
            });
            let mut loaded = loaded.join().unwrap();
            line("with nothing to do", &format!("p50 {}   p99 {}", time(quiet.median()), time(quiet.percentile(99))));
            line("while all of them work", &format!("p50 {}   p99 {}", time(loaded.median()), time(loaded.percentile(99))));
            line("ratio of p50", &format!("{:.2} ×", ratio(loaded.median(), quiet.median())));
            aim("p99 while all of them work", loaded.percentile(99).as_secs_f64() * 1e3, " ms", 100.0);
        });
    });
}
