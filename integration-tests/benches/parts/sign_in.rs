//! How long signing in takes, and whether the time tells why it failed: a wrong password, a name that nobody has, and the
//! same on the first visit in an empty installation. Tries alternate, so that a busy moment falls on all of them, and each
//! takes a processor's time of its own, which is what the other work of the machine does not change.

use std::{
    fs,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{
    Code,
    messages::crypto::{Deploy, Lock, Unlock},
    secret::Secret,
};

use super::figures::{Samples, line, time};

/// Tries of each kind.
const TRIES: usize = 200;

/// Attached command lines that take turns: the table allows each two tries a second.
const CALLERS: usize = 8;

/// What is tried.
const KINDS: [&str; 4] = ["right", "wrong password", "unknown name", "first visit, empty installation"];

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// Processor time of a process so far.
fn used(pid: i32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// One try by one of the callers: how long it took, whether it opened a space, and what it cost the key process.
async fn attempt(callers: &[Attached], turn: &mut usize, pid: i32, user: &str, password: &str) -> (Duration, Duration, bool) {
    loop {
        *turn += 1;
        let client = &callers[*turn % callers.len()].client;
        let (since, before) = (Instant::now(), used(pid));
        match client.call(&Unlock { user: secret(user), password: secret(password) }).await {
            Ok(_) => return (since.elapsed(), used(pid).saturating_sub(before), true),
            Err(refusal) if refusal.code == Code::NewSpace => {
                return (since.elapsed(), used(pid).saturating_sub(before), false);
            }
            // The table's two a second, and what guessing costs, are not what is measured.
            Err(refusal) if matches!(refusal.code, Code::Busy | Code::Throttled) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

fn callers(home: &Home) -> Vec<Attached> {
    (0..CALLERS).map(|_| Attached::to(home)).collect()
}

pub fn measure() {
    let (home, empty) = (Home::new(), Home::new());
    let (serve, serve_empty) = (Serve::start(&home), Serve::start(&empty));
    let mut times: [Samples; 4] = Default::default();
    let mut work: [Samples; 4] = Default::default();
    on_wire(async {
        let (there, nowhere) = (callers(&home), callers(&empty));
        let (pid, mut pid_empty) = (serve.process("crypto").pid, serve_empty.process("crypto").pid);
        let pair = || (secret("ada"), secret("correct horse"));
        let (user, password) = pair();
        there[0].client.call(&Unlock { user, password }).await.expect_err("it is new");
        let (user, password) = pair();
        there[0].client.call(&Deploy { user, password }).await.expect("made");
        let (mut turn, mut turn_empty) = (0, 0);
        for round in 0..TRIES {
            // The right pair clears what the wrong ones added; the empty installation has none, and begins anew.
            if round % 3 == 2 {
                empty.run(["restart", "crypto"]).good();
                let before = pid_empty;
                while pid_empty == before {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    pid_empty =
                        empty.processes().iter().find(|process| process.is("crypto")).map_or(before, |process| process.pid);
                }
            }
            for step in 0..KINDS.len() {
                let kind = (round + step) % KINDS.len();
                let (password, user) = (format!("mistyped {:04}", round), if kind == 2 { "eve" } else { "ada" });
                let (took, cost, opened) = match kind {
                    0 => attempt(&there, &mut turn, pid, "ada", "correct horse").await,
                    3 => attempt(&nowhere, &mut turn_empty, pid_empty, "ada", &password).await,
                    _ => attempt(&there, &mut turn, pid, user, &password).await,
                };
                assert_eq!(opened, kind == 0, "{}", KINDS[kind]);
                times[kind].push(took);
                work[kind].push(cost);
            }
        }
        there[0].client.call(&Lock).await.expect("locked");
    });
    for (index, kind) in KINDS.iter().enumerate() {
        let (times, work) = (&mut times[index], &mut work[index]);
        line(
            kind,
            &format!(
                "p50 {}   p5 {}   p95 {}   of the processor p50 {}   p95 {}",
                time(times.median()),
                time(times.percentile(5)),
                time(times.percentile(95)),
                time(work.median()),
                time(work.percentile(95))
            ),
        );
    }
    // The smaller of the spreads is what a difference has to be seen against.
    for (what, of) in [("time", &mut times), ("processor time", &mut work)] {
        let medians = [of[1].median(), of[2].median(), of[3].median()];
        let spread = (1..4).map(|kind| of[kind].percentile(95) - of[kind].percentile(5)).min().unwrap_or_default();
        let apart = medians.iter().max().copied().unwrap_or_default() - medians.iter().min().copied().unwrap_or_default();
        line(&format!("medians of {what} apart"), &format!("{}   spread of a kind (p5 to p95) {}", time(apart), time(spread)));
    }
}
