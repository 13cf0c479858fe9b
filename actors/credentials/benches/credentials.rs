//! Issuing and verifying with both suites, as a token and with selective disclosure, beside the bare signature, in one run:
//! `cargo bench -p credentials`. With `LAMOS_PEERS=1` npm's `@digitalbazaar/vc` beside them.
//!
//! Rounds of all alternate; the median is printed, and the ratio to the bare signature of the same round.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that cannot go on should say so")]

// Not all of either is used here.
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/peers/programs.rs"]
mod programs;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/credentials/support.rs"]
mod support;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use credentials::{
    Signer as _, Suite, issue, random,
    sd_jwt::{self, Issue},
    token::{self, Algorithm},
};
use ed25519_dalek::Signer as _;
use serde_json::json;
use support::{IN_PROCESS, Key, PEERS, contexts, document, now, options, text, verifier};

/// As in what ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(100);

/// Its name, whether it verifies, and what it does.
type Row<'a> = (&'a str, bool, Box<dyn FnMut() + 'a>);

/// How often a second.
fn rate(act: &mut dyn FnMut()) -> f64 {
    let since = Instant::now();
    let mut count = 0_u32;
    while since.elapsed() < ROUND {
        act();
        count += 1;
    }
    f64::from(count) / since.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let key = Key::new(1);
    let plain = document(&key, "did:example:subject");
    let hash = [7; 64];
    let signature = key.bare().sign(&hash);
    let bare = key.bare().verifying_key();
    let [jcs, rdfc] = [Suite::Jcs, Suite::Rdfc].map(|suite| text(&issue(&plain, &options(suite), &key, IN_PROCESS).unwrap()));
    let jwt = token::issue(&plain, Algorithm::EdDsa, &key).unwrap();
    let holder = Key::new(5).public_key();
    let what = Issue {
        claims: &plain,
        disclosable: &["/name", "/credentialSubject/description", "/credentialSubject/name"],
        decoys: 2,
        typ: "vc+sd-jwt",
        holder: Some(&holder),
        algorithm: Algorithm::EdDsa,
    };
    let sd = sd_jwt::issue(&what, &mut random::salt, &key).unwrap();
    let issue_with = |suite| {
        let (key, plain) = (&key, &plain);
        move || drop(black_box(issue(plain, &options(suite), key, IN_PROCESS).unwrap()))
    };
    let mut rows: Vec<Row<'_>> = vec![
        (
            "sign, bare",
            false,
            Box::new(|| {
                black_box(key.bare().sign(black_box(&hash)));
            }),
        ),
        ("verify strictly, bare", true, Box::new(|| bare.verify_strict(black_box(&hash), &signature).unwrap())),
        ("issue eddsa-jcs-2022", false, Box::new(issue_with(Suite::Jcs))),
        ("verify eddsa-jcs-2022", true, Box::new(|| drop(black_box(verifier(now()).credential(&jcs).unwrap())))),
        ("issue eddsa-rdfc-2022", false, Box::new(issue_with(Suite::Rdfc))),
        ("verify eddsa-rdfc-2022", true, Box::new(|| drop(black_box(verifier(now()).credential(&rdfc).unwrap())))),
        ("issue vc+jwt", false, Box::new(|| drop(black_box(token::issue(&plain, Algorithm::EdDsa, &key).unwrap())))),
        ("verify vc+jwt", true, Box::new(|| drop(black_box(verifier(now()).token(&jwt).unwrap())))),
        ("issue vc+sd-jwt", false, Box::new(|| drop(black_box(sd_jwt::issue(&what, &mut random::salt, &key).unwrap())))),
        ("verify vc+sd-jwt", true, Box::new(|| drop(black_box(verifier(now()).sd_jwt_credential(&sd, None).unwrap())))),
    ];
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for ((_, _, act), rates) in rows.iter_mut().zip(&mut rates) {
            rates.push(rate(act));
        }
    }
    println!("a credential of {} bytes (eddsa-jcs-2022), {ROUNDS} rounds, median", jcs.len());
    println!("{:<24} {:>10} {:>10} {:>12}", "", "a second", "us each", "x bare");
    for ((name, verifies, _), own) in rows.iter().zip(&rates) {
        let beside = &rates[usize::from(*verifies)];
        let ratio = median(own.iter().zip(beside).map(|(own, bare)| own / bare).collect());
        println!("{name:<24} {:>10.0} {:>10.1} {ratio:>12.3}", median(own.clone()), 1e6 / median(own.clone()));
    }
    if programs::wanted() {
        let tasks = [json!({ "verb": "measure", "document": plain, "seed": 1, "date": now().to_string(), "count": 500 })];
        let answers = programs::node(&tasks);
        let theirs = answers[0]["value"].as_object().expect("it measures");
        println!("{:<24} {:>10} {:>10} {:>12}", "@digitalbazaar/vc", "a second", "us each", "ours / its");
        for (name, its) in theirs {
            let its = its.as_f64().unwrap();
            let place = rows.iter().position(|(row, _, _)| row == name).unwrap();
            println!("{name:<24} {its:>10.0} {:>10.1} {:>12.1}", 1e6 / its, median(rates[place].clone()) / its);
        }
    }
}
