//! Samples, and how they are printed.

use std::time::{Duration, Instant};

/// Time on the wall and on a processor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Time {
    pub wall: Duration,
    pub cpu: Duration,
}

/// What some work takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Time, T) {
    let (begun, before) = (Instant::now(), cpu());
    let result = work();
    (Time { wall: begun.elapsed(), cpu: cpu() - before }, result)
}

/// How long this thread was on a processor.
#[expect(unsafe_code, reason = "the one call that counts it exactly")]
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes the time into the one place it is given, which lives until it returns.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "Linux counts what a thread takes");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Samples of one thing.
#[derive(Default)]
pub struct Samples(Vec<Time>);

impl Samples {
    pub fn push(&mut self, time: Time) {
        self.0.push(time);
    }

    /// The middle one of each.
    pub fn median(&self) -> Time {
        Time { wall: middle(self.0.iter().map(|time| time.wall)), cpu: middle(self.0.iter().map(|time| time.cpu)) }
    }
}

/// The middle one.
pub fn middle<T: Ord + Copy>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// A line of the report.
pub fn line(what: &str, figures: &str) {
    println!("  {what:<38} {figures}");
}

/// A ratio that is to be no less.
pub fn at_least(what: &str, ratio: f64, least: f64) {
    let verdict = if ratio >= least { "reached" } else { "MISSED" };
    line(what, &format!("{ratio:.2} ×   aim ≥ {least}: {verdict}"));
}

/// A ratio that is to be no more.
pub fn at_most(what: &str, ratio: f64, most: f64) {
    let verdict = if ratio <= most { "reached" } else { "MISSED" };
    line(what, &format!("{ratio:.2} ×   aim ≤ {most}: {verdict}"));
}

/// A time, as people read it.
pub fn time(time: Duration) -> String {
    match time.as_nanos() {
        0..1_000_000 => format!("{:.1} µs", time.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}
