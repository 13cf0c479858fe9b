//! Signing through the key process beside the bare crate: a whole Lamos with this bench in the place of its archive, because the
//! archive alone may have events signed. Each call goes through the hub and back, as it does in what ships.
//!
//! Rounds of both sides alternate; the median is printed, and the ratio within the same round. `cargo measure keys` runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that cannot go on should say so")]

// Not all of it is used here.
#[allow(dead_code, reason = "shared with the stories of hostile processes")]
#[path = "../tests/hostile/peer.rs"]
mod peer;

use std::{
    env, fs,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use integration_tests::{home::Home, serve::Serve};
use ipc::{
    Role, codec,
    event::{EventHeader, SIGNING_TAG},
    header::{Flags, Header, Kind},
    id::Instance,
    messages::{
        crypto::{ReleaseStoreKey, SignEvents, Signatures, StoreKey},
        start::{Hello, Outcome, Report},
    },
    service::Method,
};
use peer::{Peer, call, with};

/// As `main.rs` of the program has it.
#[global_allocator]
static ALLOCATOR: code::memory::Counting<mimalloc::MiMalloc> = code::memory::Counting(mimalloc::MiMalloc);

/// Events in a call; 64 is what the archive sends at most.
const BATCHES: [usize; 3] = [1, 8, 64];
const ROUNDS: usize = 300;

/// Between rounds: the policy lets the archive ask 500 times a second.
const BETWEEN: Duration = Duration::from_millis(8);

/// How long anything is waited for.
const GIVE_UP: Duration = Duration::from_secs(120);

/// Where the figures go, beside the program.
const FIGURES: &str = "figures";

fn main() -> ExitCode {
    let itself = env::current_exe().expect("this program has a path");
    if itself.file_name().is_some_and(|name| name == "lamos") {
        return lamos::run(|role| match role {
            Role::Storage => measure(&itself),
            role => lamos::live(role),
        });
    }
    let home = Home::of(&itself);
    let _serve = Serve::of(&home, home.command(["serve"]).signed_in("demo", "demo\ndemo\n"));
    let figures = home.lamos().with_file_name(FIGURES);
    let since = Instant::now();
    while !figures.exists() {
        assert!(since.elapsed() < GIVE_UP, "there are no figures");
        thread::sleep(Duration::from_millis(20));
    }
    print!("{}", fs::read_to_string(figures).expect("figures"));
    ExitCode::SUCCESS
}

/// Greets as the archive does, asks for signatures, and writes down how long it took.
fn measure(program: &Path) -> ExitCode {
    let socket = |from: std::os::fd::BorrowedFd<'_>| {
        UnixStream::from(
            rustix::io::fcntl_dupfd_cloexec::<&OwnedFd>(&from.try_clone_to_owned().expect("a socket"), 3).expect("kept"),
        )
    };
    let (mut data, control) = (Peer::new(socket(rustix::stdio::stdin())), socket(rustix::stdio::stdout()));
    data.next_until(Instant::now() + GIVE_UP).expect("a start message");
    data.send(&with(Header::new(Kind::Hello), &codec::encode(&Hello::ours()).expect("a greeting")));
    data.send(&with(Header::new(Kind::Ready), &codec::encode(&Outcome::Ready(Report::default())).expect("a report")));
    thread::spawn(move || answer_pings(Peer::new(control)));
    let mut asked = 0;
    let store: StoreKey = ask(&mut data, &mut asked, &ReleaseStoreKey);
    let bare = SigningKey::from_bytes(&[7; 32]);
    let public = VerifyingKey::from_bytes(&store.device).expect("a key");
    let mut report = String::new();
    let mut samples = [const { Vec::new() }; BATCHES.len()];
    let mut sequence = 0;
    for _ in 0..ROUNDS {
        for (batch, samples) in BATCHES.iter().zip(&mut samples) {
            let headers: Vec<Vec<u8>> = (0..*batch)
                .map(|_| {
                    sequence += 1;
                    header(&store, sequence)
                })
                .collect();
            let messages: Vec<Vec<u8>> =
                headers.iter().map(|header| [&SIGNING_TAG[..], blake3::hash(header).as_bytes()].concat()).collect();
            let begun = Instant::now();
            let signed: Signatures = ask(&mut data, &mut asked, &SignEvents { headers });
            let through = begun.elapsed();
            let begun = Instant::now();
            for message in &messages {
                std::hint::black_box(bare.sign(std::hint::black_box(message)));
            }
            let alone = begun.elapsed();
            let begun = Instant::now();
            for (message, signature) in messages.iter().zip(&signed.signatures) {
                public.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).expect("it holds");
            }
            samples.push((through, alone, begun.elapsed()));
        }
        thread::sleep(BETWEEN);
    }
    for (batch, samples) in BATCHES.iter().zip(samples) {
        let rate = |time: Duration| *batch as f64 / time.as_secs_f64();
        let through = median(samples.iter().map(|sample| rate(sample.0)));
        let alone = median(samples.iter().map(|sample| rate(sample.1)));
        let verified = median(samples.iter().map(|sample| rate(sample.2)));
        let ratio = median(samples.iter().map(|sample| sample.1.as_secs_f64() / sample.0.as_secs_f64()));
        let aim = if *batch == 64 { if ratio >= 0.7 { " (aim 0.70: reached)" } else { " (aim 0.70: NOT reached)" } } else { "" };
        report += &format!(
            "  {batch:>2} together: {through:>7.0} signatures/s through the process, bare {alone:>7.0}, ratio {ratio:.2}{aim}; \
             strictly verified {verified:>7.0}/s\n"
        );
    }
    // Whole or not there.
    let unfinished = program.with_file_name("figures.new");
    fs::write(&unfinished, report).expect("written");
    fs::rename(unfinished, program.with_file_name(FIGURES)).expect("renamed");
    while data.next_until(Instant::now() + GIVE_UP).is_some() {}
    ExitCode::SUCCESS
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// An event of this device, as the archive would write it.
fn header(store: &StoreKey, sequence: u64) -> Vec<u8> {
    let header = EventHeader {
        space: store.space,
        author: store.device,
        sequence,
        previous: [3; 32],
        clock: Default::default(),
        kind: 2,
        entity: [4; 16],
        body_len: 100,
        body_digest: [5; 32],
        seen: vec![[6; 32]],
    };
    header.encode()
}

/// Asks the key process and waits for its answer.
fn ask<M: Method>(data: &mut Peer, asked: &mut u64, request: &M) -> M::Answer {
    *asked += 1;
    let mut header = call(Kind::Call, (Role::Crypto, Instance(0)), M::NUMBER, *asked);
    if M::SENSITIVE {
        header.flags = Flags::SENSITIVE;
    }
    data.send(&with(header, &codec::encode(request).expect("a request")));
    loop {
        let frame = data.next_until(Instant::now() + GIVE_UP).expect("an answer");
        if frame.header.call.0 != *asked {
            continue;
        }
        match frame.header.kind {
            Kind::Answer => return codec::decode(frame.body.as_slice()).expect("an answer"),
            Kind::Refuse => panic!("it was refused: {:?}", ipc::Refusal::from_body(frame.body.as_slice())),
            _ => {}
        }
    }
}

fn answer_pings(mut control: Peer) {
    while let Some(frame) = control.next_until(Instant::now() + GIVE_UP) {
        if frame.header.kind == Kind::Ping {
            control.send(&with(Header { flags: Flags::REPLY, ..Header::new(Kind::Ping) }, &[]));
        }
    }
}
