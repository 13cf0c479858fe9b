//! Many calls at once, and a great many after one another: nothing is lost, and nothing grows.

use std::time::{Duration, Instant};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{
    Role,
    endpoint::Options,
    messages::{
        common::{Echo, Source},
        supervisor::Engage,
    },
};

use super::figures::{Samples, aim, line, ratio, time};

/// What the policy lets one command line have unanswered with one process.
const IN_FLIGHT: usize = 8;

/// Processes that are called: storage, crypto, llm, code and an agent.
const CALLED: usize = 5;

/// Command lines that call them: a thousand calls at once.
const CALLERS: usize = 25;

pub fn concurrent() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    on_wire(async {
        let first = Attached::to(&home);
        first.demo().await;
        let agent = first.client.call(&Engage { conversation: ipc::id::ConversationId([7; 16]) }).await.unwrap().instance;
        let places = [(Role::Storage, 0), (Role::Crypto, 0), (Role::Llm, 0), (Role::Code, 0), (Role::Agent, agent)];
        assert_eq!(places.len(), CALLED);
        let to = |(role, instance)| Options { role: Some(role), instance: ipc::id::Instance(instance), ..Options::default() };
        let mut attached = vec![first];
        attached.extend((1..CALLERS).map(|_| Attached::to(&home)));
        for &place in &places {
            attached[0].client.call_with(&Echo { bytes: vec![7; 64] }, to(place)).await.unwrap();
        }
        let begun = Instant::now();
        let mut calls = Vec::new();
        for one in &attached {
            for &place in &places {
                for _ in 0..IN_FLIGHT {
                    let client = one.client.clone();
                    calls.push(tokio::task::spawn_local(async move {
                        let begun = Instant::now();
                        client.call_with(&Echo { bytes: vec![7; 64] }, to(place)).await.unwrap();
                        begun.elapsed()
                    }));
                }
            }
        }
        let count = calls.len();
        let mut waited = Samples::default();
        for call in calls {
            waited.push(call.await.unwrap());
        }
        let at_once = begun.elapsed();
        let begun = Instant::now();
        for number in 0..count {
            attached[0].client.call_with(&Echo { bytes: vec![7; 64] }, to(places[number % CALLED])).await.unwrap();
        }
        let in_turn = begun.elapsed();
        line(
            &format!("{count} calls at once, all answered"),
            &format!("{} in all, the slowest {}", time(at_once), time(waited.percentile(100))),
        );
        line(&format!("{count} calls in turn"), &time(in_turn));
        line("at once, to in turn", &format!("{:.2} ×", ratio(at_once, in_turn)));
    });
}

/// Rounds of a tenth of the messages each.
const ROUNDS: usize = 10;

/// Pieces of a stream in one round; each is a message of its own.
const PIECES: u32 = 80_000;

/// Calls in one round: a question and an answer each.
const CALLS: usize = 10_000;

pub fn a_million() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let to = Options { role: Some(Role::Llm), ..Options::default() };
    let mebibytes = |value: &serde_json::Value| value["rss"].as_f64().unwrap_or(0.0) / f64::from(1 << 20);
    let resident = || {
        let status = serve.status();
        let llm = status["processes"].as_array().unwrap().iter().find(|process| process["role"] == "llm").cloned();
        (mebibytes(&status["memory"]), llm.map_or(0.0, |llm| mebibytes(&llm["memory"])))
    };
    let mut after: Vec<(f64, f64)> = Vec::new();
    let mut took = Duration::ZERO;
    on_wire(async {
        let attached = Attached::to(&home);
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let mut stream = attached.client.open(&Source { pieces: PIECES, size: 64 }, to).unwrap();
            while let Some(piece) = stream.next().await {
                piece.unwrap();
            }
            stream.answer().await.unwrap();
            for _ in 0..CALLS {
                attached.client.call_with(&Echo { bytes: vec![7; 64] }, to).await.unwrap();
            }
            took += begun.elapsed();
            after.push(resident());
        }
    });
    let messages = ROUNDS * (PIECES as usize + 2 * CALLS);
    line("messages through the hub", &format!("{messages} in {}", time(took)));
    let (first, last) = (after[0], after[ROUNDS - 1]);
    line("supervisor, after the first tenth", &format!("{:.1} MiB resident, at the end {:.1}", first.0, last.0));
    line("llm, after the first tenth", &format!("{:.1} MiB resident, at the end {:.1}", first.1, last.1));
    aim("grown by, both", (last.0 - first.0).max(0.0) + (last.1 - first.1).max(0.0), " MiB", 1.0);
}
