//! What a tree costs that has nothing to do: the processor time and the wake-ups of a minute, against what one round of
//! its health check takes.

use std::{fs, thread, time::Duration};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{Role, endpoint::Options, messages::common::Echo};

use super::figures::{line, time};

/// How long it is watched.
const MINUTE: Duration = Duration::from_secs(60);

/// Rounds of the health check in that time: the supervisor asks every five seconds.
const TICKS: u32 = 12;

/// Processor time and voluntary waits of one process, as the kernel counts them for each thread.
fn used(pid: i32) -> (Duration, u64) {
    let mut sum = (Duration::ZERO, 0);
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let first = |text: String| text.split_whitespace().next().and_then(|number| number.parse().ok());
        let nanos: u64 = fs::read_to_string(task.path().join("schedstat")).ok().and_then(first).unwrap_or(0);
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let waits = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum.0 += Duration::from_nanos(nanos);
        sum.1 += waits.and_then(|waits| waits.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    sum
}

pub fn measure() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        let to = Options { role: Some(Role::Llm), ..Options::default() };
        attached.client.call_with(&Echo { bytes: vec![] }, to).await.unwrap();
    });
    // What that set in motion has come to rest.
    thread::sleep(Duration::from_secs(10));
    let processes = home.processes();
    let before: Vec<_> = processes.iter().map(|process| used(process.pid)).collect();
    thread::sleep(MINUTE);
    let (mut time_used, mut wakes) = (Duration::ZERO, 0);
    for (process, before) in processes.iter().zip(before) {
        let after = used(process.pid);
        let (cpu, woken) = (after.0.saturating_sub(before.0), after.1 - before.1);
        let name = process.command.split('\0').find_map(|word| word.strip_prefix("--role=")).unwrap_or("command line");
        line(name, &format!("{}, woken {woken} times", time(cpu)));
        time_used += cpu;
        wakes += woken;
    }
    line("the whole tree in a minute", &format!("{} of processor time, woken {wakes} times", time(time_used)));
    line("for each health tick", &format!("{} (there are {TICKS} in a minute)", time(time_used / TICKS)));
    line("share of one core", &format!("{:.4} %", 100.0 * time_used.as_secs_f64() / MINUTE.as_secs_f64()));
}
