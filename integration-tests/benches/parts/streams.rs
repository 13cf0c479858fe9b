//! A stream through the hub against the same stream with nobody in between, and what a reader that has stopped reading
//! costs everybody else.

use std::{
    rc::Rc,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{
    Client, Role,
    endpoint::{self, Options},
    link,
    messages::common::{Echo, Source},
    role::source,
};

use super::{
    figures::{Samples, aim, aim_at_least, line, ratio, time},
    peers,
};

const SOURCE: Source = Source { pieces: 2000, size: 60_000 };

fn to(role: Role) -> Options {
    Options { role: Some(role), ..Options::default() }
}

async fn stream(client: &Client<source::Cli>) -> Duration {
    let begun = Instant::now();
    let mut stream = client.open(&SOURCE, to(Role::Llm)).unwrap();
    let mut bytes = 0;
    while let Some(piece) = stream.next().await {
        bytes += piece.unwrap().0.len();
    }
    stream.answer().await.unwrap();
    assert_eq!(bytes, SOURCE.pieces as usize * SOURCE.size as usize);
    begun.elapsed()
}

pub fn measure() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let (socket, mut child) = peers::start("endpoint");
    socket.set_nonblocking(true).unwrap();
    let (mut hub, mut direct) = (Samples::default(), Samples::default());
    on_wire(async {
        let attached = Attached::to(&home);
        let (inbox, outbox) = link::open(socket.into()).unwrap();
        let (caller, _events, connection) = endpoint::connect_single(inbox, outbox);
        let running = tokio::task::spawn_local(connection.run());
        let alone: Client<source::Cli> = Client::new(Rc::clone(&caller));
        for round in 0..=9 {
            let times = (stream(&alone).await, stream(&attached.client).await);
            if round > 0 {
                direct.push(times.0);
                hub.push(times.1);
            }
        }
        running.abort();
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let rate = |time: Duration| f64::from(SOURCE.pieces) * f64::from(SOURCE.size) / time.as_secs_f64() / 1e6;
    line("direct", &format!("{:.0} MB/s", rate(direct.median())));
    line("through the hub", &format!("{:.0} MB/s", rate(hub.median())));
    aim_at_least("ratio", ratio(direct.median(), hub.median()), " ×", 0.5);
}

/// Calls of somebody who has nothing to do with the stalled reader.
const CALLS: usize = 4000;

pub fn bystander() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let supervisor = || serve.status()["memory"]["pss"].as_u64().unwrap_or(0);
    let (begin, begins) = mpsc::sync_channel(1);
    let (stalls, has_stalled) = mpsc::sync_channel(1);
    let (ends, has_ended) = mpsc::sync_channel::<()>(1);
    let home = &home;
    thread::scope(|scope| {
        scope.spawn(move || {
            begins.recv().unwrap();
            on_wire(stall(home, &stalls, &has_ended));
        });
        on_wire(async {
            let attached = Attached::to(home);
            attached.client.call_with(&Echo { bytes: vec![] }, to(Role::Llm)).await.unwrap();
            calls(&attached).await;
            let (mut unloaded, before) = (calls(&attached).await, supervisor());
            begin.send(()).unwrap();
            has_stalled.recv().unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            let (mut loaded, after) = (calls(&attached).await, supervisor());
            drop(ends);
            line("unloaded", &format!("p50 {}   p99 {}", time(unloaded.median()), time(unloaded.percentile(99))));
            line("beside a stalled reader", &format!("p50 {}   p99 {}", time(loaded.median()), time(loaded.percentile(99))));
            aim("ratio of p50", ratio(loaded.median(), unloaded.median()), " ×", 2.0);
            let grown = after.saturating_sub(before) as f64 / f64::from(1 << 20);
            aim("memory of the supervisor, grown by", grown, " MiB", 16.0);
        });
    });
}

/// Times of calls to a process that the stalled reader does not use.
async fn calls(attached: &Attached) -> Samples {
    let mut samples = Samples::default();
    for _ in 0..CALLS {
        let begun = Instant::now();
        attached.client.call_with(&Echo { bytes: vec![7; 64] }, to(Role::Crypto)).await.unwrap();
        samples.push(begun.elapsed());
    }
    samples
}

/// Opens endless streams, and from the first pieces on reads neither them nor the socket.
async fn stall(home: &Home, stalls: &mpsc::SyncSender<()>, has_ended: &mpsc::Receiver<()>) {
    let reader = Attached::to(home);
    let endless = Source { pieces: u32::MAX, size: 60_000 };
    let mut streams: Vec<_> = (0..2).map(|_| reader.client.open(&endless, to(Role::Llm)).unwrap()).collect();
    for stream in &mut streams {
        stream.next().await.unwrap().unwrap();
    }
    stalls.send(()).unwrap();
    // Blocks the thread, and with it everything that would read.
    let _ = has_ended.recv();
}
