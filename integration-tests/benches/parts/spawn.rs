//! From the decision to start a process to its being ready: spawned, told what it is, locked down, every quick act tried.

use std::{
    io::Read as _,
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{Role, endpoint::Options, id::ConversationId, messages::common::Echo, messages::supervisor::Engage};
use serde_json::Value;

use super::{
    figures::{Samples, line, ratio, time},
    peers,
};

/// Starts of each role.
const ROUNDS: u8 = 12;

const ROLES: &[&str] = &["storage", "crypto", "llm", "agent", "code"];

fn micros(process: &Value, field: &str) -> Option<Duration> {
    process[field].as_u64().map(Duration::from_micros)
}

pub fn measure() {
    let mut bare = Samples::default();
    let mut of: Vec<(Samples, Samples)> = ROLES.iter().map(|_| Default::default()).collect();
    for _ in 0..ROUNDS {
        let home = Home::new();
        let serve = Serve::start(&home);
        on_wire(async {
            let attached = Attached::to(&home);
            attached.demo().await;
            attached.client.call(&Engage { conversation: ConversationId([1; 16]) }).await.unwrap();
            for role in [Role::Llm, Role::Code] {
                let to = Options { role: Some(role), ..Options::default() };
                attached.client.call_with(&Echo { bytes: vec![] }, to).await.unwrap();
            }
        });
        for (role, (ready, locked)) in ROLES.iter().zip(&mut of) {
            for process in serve.of_role(role).iter().take(1) {
                ready.push(micros(process, "ready_in_micros").expect("it is ready"));
                locked.push(micros(process, "locked_in_micros").expect("it is locked down"));
            }
        }
        // What a process costs that only says hello.
        let begun = Instant::now();
        let (mut socket, mut child) = peers::start("hello");
        socket.read_exact(&mut [0]).unwrap();
        bare.push(begun.elapsed());
        child.wait().unwrap();
        drop(serve);
        thread::sleep(Duration::from_millis(100));
    }
    line("bare program, started to hello", &format!("median {}", time(bare.median())));
    for (role, (ready, locked)) in ROLES.iter().zip(&mut of) {
        line(
            &format!("{role}, spawned to ready"),
            &format!(
                "median {}   worst {}   ({:.1} × the bare program; of it, its own way to locked down {})",
                time(ready.median()),
                time(ready.percentile(100)),
                ratio(ready.median(), bare.median()),
                time(locked.median()),
            ),
        );
    }
}
