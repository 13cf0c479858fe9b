//! A whole command, from its start to its end: with a supervisor that is up, and with one that is started for it.

use std::time::Instant;

use integration_tests::{home::Home, serve::Serve};

use super::figures::{Samples, line, ratio, time};

const ROUNDS: usize = 15;

pub fn measure() {
    let (cold_home, warm_home) = (Home::new(), Home::new());
    let _serve = Serve::start(&warm_home);
    let ask = |home: &Home| {
        let begun = Instant::now();
        home.run(["ask", "--no-model", "What is 17 percent of 310?"]).good();
        begun.elapsed()
    };
    let (mut cold, mut warm) = (Samples::default(), Samples::default());
    for round in 0..=ROUNDS {
        let times = (ask(&cold_home), ask(&warm_home));
        // The first ones make the spaces.
        if round > 0 {
            cold.push(times.0);
            warm.push(times.1);
        }
    }
    line("cold: start, unlock, answer, end", &format!("median {}   worst {}", time(cold.median()), time(cold.percentile(100))));
    line("warm: a supervisor is up", &format!("median {}   worst {}", time(warm.median()), time(warm.percentile(100))));
    line("ratio", &format!("{:.2} ×", ratio(cold.median(), warm.median())));
}
