//! From the SIGKILL of a worker to the first answer of its replacement, against starting a bare program that says hello.

use std::{
    io::Read as _,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{Role, endpoint::Options, messages::common::Echo};

use super::{
    figures::{Samples, aim, line, ratio, time},
    peers,
};

/// Kills of one role; one more within half a minute would be a crash loop.
const KILLS: usize = 4;

pub fn measure() {
    let mut bare = Samples::default();
    let mut replaced = [("llm", Role::Llm, Samples::default()), ("storage", Role::Storage, Samples::default())];
    for _ in 0..3 {
        let home = Home::new();
        let serve = Serve::start(&home);
        on_wire(async {
            let attached = Attached::to(&home);
            attached.demo().await;
            for _ in 0..KILLS {
                for (name, role, samples) in &mut replaced {
                    let to = Options { role: Some(*role), ..Options::default() };
                    attached.client.call_with(&Echo { bytes: vec![] }, to).await.unwrap();
                    // A process that was up for a second is replaced at once.
                    tokio::time::sleep(Duration::from_millis(1100)).await;
                    let process = serve.process(name);
                    let begun = Instant::now();
                    process.signal(libc::SIGKILL);
                    // Before its death is noticed a call still goes to the old one, and hears that it died.
                    while attached.client.call_with(&Echo { bytes: vec![] }, to).await.is_err() {}
                    samples.push(begun.elapsed());
                    let begun = Instant::now();
                    let (mut socket, mut child) = peers::start("hello");
                    socket.read_exact(&mut [0]).unwrap();
                    bare.push(begun.elapsed());
                    child.wait().unwrap();
                }
            }
        });
    }
    line("bare program, started to hello", &format!("median {}", time(bare.median())));
    for (name, _, samples) in &mut replaced {
        line(
            &format!("{name}, killed to answering"),
            &format!("median {}   worst {}", time(samples.median()), time(samples.percentile(100))),
        );
        aim(&format!("{name}, ratio of medians"), ratio(samples.median(), bare.median()), " ×", 20.0);
    }
}
