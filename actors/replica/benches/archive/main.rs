//! What it costs to keep: `cargo bench -p replica --bench archive`, or all of it with `cargo measure archive`.
//!
//! Durable appends beside LMDB alone writing the same rows and beside SQLite with the equivalent table; reading and listing;
//! opening stores of very different sizes; sealing. What is compared is done in turns in one run, and ratios are of medians.
//! `LAMOS_LARGE=1` does each of them more often; words after `--` choose among single, batched, reading, sealing, opening.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a measurement that cannot go on should say so, and has no outside"
)]

mod append;
mod figures;
mod opening;
mod peers;
mod reading;
mod recording;
mod sealing;
mod texts;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(directory) = words.iter().find_map(|word| word.strip_prefix("--open=")) {
        return opening::open(directory.as_ref());
    }
    // `cargo test --benches` only wants to know that it runs.
    let many = match words.iter().any(|word| word == "--test") {
        true => 0.02,
        false if std::env::var("LAMOS_LARGE").is_ok_and(|large| large == "1") => 5.0,
        false => 1.0,
    };
    let times = |usual: usize| ((usual as f64 * many) as usize).max(3);
    let parts: [(&str, &dyn Fn()); 5] = [
        ("single", &|| append::measure("durable, one by one", 1, times(600))),
        ("batched", &|| append::measure("durable, 256 in a transaction", 256, times(40))),
        ("reading", &|| reading::measure(times(200))),
        ("sealing", &|| sealing::measure(times(30))),
        ("opening", &|| opening::measure(if many < 1.0 { &[10, 100] } else { &[10, 1_000, 100_000] }, times(9))),
    ];
    let wanted: Vec<&String> = words.iter().filter(|word| !word.starts_with("--")).collect();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| *word == name) {
            measure();
        }
    }
}
