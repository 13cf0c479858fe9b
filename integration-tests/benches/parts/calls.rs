//! A call through the hub against a round trip over a raw, blocking socket pair.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Instant,
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

/// Samples on each side come in batches that take turns.
const BATCHES: usize = 40;
const BATCH: usize = 100;

/// Bytes of a frame around its body: a length, a header, and the length of the bytes in the body.
const AROUND: usize = 4 + 64 + 5;

pub fn measure() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for (length, most) in [(64, 3.0), (64 << 10, 2.5)] {
        let (mut socket, mut child) = peers::start(&format!("echo:{}", length + AROUND));
        let (mut raw, mut hub) = (Samples::default(), Samples::default());
        on_wire(async {
            let attached = Attached::to(&home);
            let to = Options { role: Some(Role::Llm), ..Options::default() };
            let bytes = vec![7; length];
            for batch in 0..=BATCHES {
                let (mut raw_batch, mut hub_batch) = (Vec::new(), Vec::new());
                for _ in 0..BATCH {
                    raw_batch.push(round_trip(&mut socket, length + AROUND));
                }
                for _ in 0..BATCH {
                    let request = Echo { bytes: bytes.clone() };
                    let begun = Instant::now();
                    let echoed = attached.client.call_with(&request, to).await.unwrap();
                    hub_batch.push(begun.elapsed());
                    assert_eq!(echoed.bytes.len(), length);
                }
                // The first batch starts the process and fills the caches.
                if batch > 0 {
                    raw_batch.into_iter().for_each(|time| raw.push(time));
                    hub_batch.into_iter().for_each(|time| hub.push(time));
                }
            }
        });
        drop(socket);
        child.wait().unwrap();
        let name = if length == 64 { "64 B" } else { "64 KiB" };
        line(&format!("{name}, raw socket pair"), &format!("p50 {}   p99 {}", time(raw.median()), time(raw.percentile(99))));
        line(&format!("{name}, through the hub"), &format!("p50 {}   p99 {}", time(hub.median()), time(hub.percentile(99))));
        aim(&format!("{name}, ratio of p50"), ratio(hub.median(), raw.median()), " ×", most);
        line(&format!("{name}, ratio of p99"), &format!("{:.2} ×", ratio(hub.percentile(99), raw.percentile(99))));
    }
}

fn round_trip(socket: &mut UnixStream, length: usize) -> std::time::Duration {
    let mut buffer = vec![7; length];
    let begun = Instant::now();
    socket.write_all(&buffer).unwrap();
    socket.read_exact(&mut buffer).unwrap();
    begun.elapsed()
}
