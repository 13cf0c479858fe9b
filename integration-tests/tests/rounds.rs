//! Kills at random moments, again and again: `cargo verify` plays a few rounds, `cargo verify --full` two hundred.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use integration_tests::{
    asking::{Asking, kept, long_answer},
    full,
    home::Home,
    serve::Serve,
};

/// A sequence of numbers that can be played again (xorshift64*, Vigna 2016).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }
}

#[test]
fn whatever_dies_whenever_it_dies_nothing_that_was_shown_is_lost() {
    let seed = std::env::var("LAMOS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64 | 1));
    println!("LAMOS_SEED={seed} plays these rounds again");
    let mut chance = Chance(seed);
    let rounds = if full() { 200 } else { 6 };
    let home = Home::new();
    home.run(["ask", "5 miles in km"]).good();
    for round in 0..rounds {
        let server = long_answer();
        let serve = Serve::start(&home);
        let asking = Asking::begin(&home, &server, chance.below(40) as usize);
        thread::sleep(Duration::from_millis(chance.below(60)));
        let processes = home.processes();
        let victim = &processes[chance.below(processes.len() as u64) as usize];
        let name = victim.command.replace('\0', " ");
        victim.signal(libc::SIGKILL);
        let (shown, outcome) = asking.end();
        drop(serve);
        home.assert_empty_but_for_the_socket();
        // Whoever died, the next start answers, and has all that was shown.
        let last = kept(&home);
        let text = last["text"].as_str().unwrap();
        let is_there = shown.trim_end().is_empty() || text.starts_with(shown.trim_end());
        assert!(is_there, "round {round}, {name}: shown {shown:?}, kept {last:#}, {outcome:?}");
        home.assert_empty();
    }
    let list = home.run(["--json", "history", "-n", "1000"]).json();
    assert_eq!(list.as_array().unwrap().len(), rounds + 1, "every question is there");
}
