//! A run of `1+1`: from the request to its answer where a warm process waits, against starting an interpreter.

use std::{
    process::Command,
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
    messages::code::{Ending, Entry, Run, RunLimits},
};

use super::figures::{Samples, aim, line, ratio, time};

const ROUNDS: usize = 40;

pub fn measure() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let (mut warm, mut other) = (Samples::default(), Samples::default());
    on_wire(async {
        let attached = Attached::to(&home);
        let request = Run {
            source: "1+1".to_owned(),
            entry: Entry::Script,
            inputs: "{}".to_owned(),
            files: Vec::new(),
            limits: RunLimits::STANDARD,
            seed: 1,
        };
        for round in 0..=ROUNDS {
            while !serve.of_role("code").iter().any(|process| process["state"] == "ready" && process["answered"] == 0) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let begun = Instant::now();
            let mut stream = attached.client.open(&request, Options { role: Some(Role::Code), ..Options::default() }).unwrap();
            stream.end();
            while stream.next().await.is_some() {}
            let ran = stream.answer().await.unwrap();
            let took = begun.elapsed();
            assert_eq!((ran.ending, ran.value.as_str()), (Ending::Finished, "2"));
            let begun = Instant::now();
            let python = Command::new("python3").args(["-c", "1+1"]).status();
            if round > 0 {
                warm.push(took);
                if python.is_ok_and(|status| status.success()) {
                    other.push(begun.elapsed());
                }
            }
        }
    });
    line("1+1 in a warm process", &format!("p50 {}   p99 {}", time(warm.median()), time(warm.percentile(99))));
    aim("p50", warm.median().as_secs_f64() * 1e3, " ms", 5.0);
    if other.is_empty() {
        return line("python3 -c 1+1", "not measured: there is no python3 here");
    }
    line("python3 -c 1+1", &format!("p50 {}   p99 {}", time(other.median()), time(other.percentile(99))));
    line("ratio of p50", &format!("{:.2} ×", ratio(warm.median(), other.median())));
}
