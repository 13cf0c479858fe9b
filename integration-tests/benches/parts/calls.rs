//! A call through the hub against what carries nothing but bytes (a raw, blocking socket pair) and against what other
//! programs of many processes use: Servo's `ipc-channel`, and the IPC of Node's `child_process`, which stands for
//! Electron's.
//!
//! The raw pair is measured twice. Left to itself the kernel sooner or later keeps both ends on one core, where the
//! other one is awake whenever it is its turn; three processes that also have work of their own are not kept so. On two
//! cores each hop wakes a core, for the pair as for us: that is the pair a hub can be compared with.

use std::time::Instant;

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{Role, endpoint::Options, messages::common::Echo};

use super::{
    figures::{Samples, aim, line, ratio, time},
    others::{Channel, Node, RawPair},
};

/// Samples on each side come in batches that take turns: ten thousand in all.
const BATCHES: usize = 100;
const BATCH: usize = 100;

pub fn measure() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for (name, length, most) in [("64 B", 64, 3.0), ("64 KiB", 64 << 10, 2.5)] {
        let (mut raw, mut apart) = (RawPair::start(length), RawPair::start_on_two_cores(length));
        let (mut channel, mut node) = (Channel::start(), Node::start());
        let mut of: [Samples; 5] = Default::default();
        let [of_hub, of_raw, of_apart, of_channel, of_node] = &mut of;
        on_wire(async {
            let attached = Attached::to(&home);
            let to = Options { role: Some(Role::Llm), ..Options::default() };
            for batch in 0..=BATCHES {
                // The first batch starts the process and fills the caches.
                let kept = batch > 0;
                of_raw.extend(kept, (0..BATCH).map(|_| raw.round_trip()));
                of_apart.extend(kept, apart.batch(BATCH));
                for _ in 0..BATCH {
                    let request = Echo { bytes: vec![7; length] };
                    let begun = Instant::now();
                    let echoed = attached.client.call_with(&request, to).await.unwrap();
                    of_hub.extend(kept, [begun.elapsed()]);
                    assert_eq!(echoed.bytes.len(), length);
                }
                of_channel.extend(kept, (0..BATCH).map(|_| channel.round_trip(length)));
                of_node.extend(kept, node.as_mut().map(|node| node.batch(BATCH, length)).unwrap_or_default());
            }
        });
        let print = |what: &str, samples: &mut Samples| {
            if samples.is_empty() {
                return line(&format!("{name}, {what}"), "not measured: it is not installed here");
            }
            let (median, late) = (samples.median(), samples.percentile(99));
            line(&format!("{name}, {what}"), &format!("p50 {}   p99 {}", time(median), time(late)));
        };
        print("raw socket pair", of_raw);
        print("raw pair on two cores", of_apart);
        print("through the hub", of_hub);
        print("ipc-channel", of_channel);
        print("node child_process", of_node);
        aim(&format!("{name}, to the raw pair"), ratio(of_hub.median(), of_raw.median()), " ×", most);
        aim(&format!("{name}, to the pair on two cores"), ratio(of_hub.median(), of_apart.median()), " ×", most);
        line(&format!("{name}, to ipc-channel"), &format!("{:.2} ×", ratio(of_hub.median(), of_channel.median())));
        if !of_node.is_empty() {
            line(&format!("{name}, to node"), &format!("{:.2} ×", ratio(of_hub.median(), of_node.median())));
        }
        line(&format!("{name}, p99 to the pair's p99"), &format!("{:.2} ×", ratio(of_hub.percentile(99), of_raw.percentile(99))));
    }
}
