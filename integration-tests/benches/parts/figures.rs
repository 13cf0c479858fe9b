//! Samples, and how they are printed.

use std::time::Duration;

/// Times of one thing.
#[derive(Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// One more.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// More, if they are to count.
    pub fn extend(&mut self, counts: bool, times: impl IntoIterator<Item = Duration>) {
        // They are taken either way.
        let times = times.into_iter();
        if counts { self.0.extend(times) } else { times.for_each(drop) }
    }

    /// None was taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that so many of a hundred samples do not exceed.
    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.0.sort_unstable();
        let last = self.0.len() - 1;
        self.0[(last * percent).div_ceil(100)]
    }

    /// The middle one.
    pub fn median(&mut self) -> Duration {
        self.percentile(50)
    }
}

/// A time, as people read it.
pub fn time(time: Duration) -> String {
    match time.as_nanos() {
        0..1_000_000 => format!("{:.1} µs", time.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// How one time stands to another.
pub fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

/// A line of the report.
pub fn line(what: &str, figures: &str) {
    println!("  {what:<34} {figures}");
}

/// A ratio or figure that has an aim, and whether it was reached.
pub fn aim(what: &str, figure: f64, unit: &str, most: f64) {
    let verdict = if figure <= most { "reached" } else { "MISSED" };
    line(what, &format!("{figure:.2}{unit}   aim ≤ {most}{unit}: {verdict}"));
}

/// The same where more is better.
pub fn aim_at_least(what: &str, figure: f64, unit: &str, least: f64) {
    let verdict = if figure >= least { "reached" } else { "MISSED" };
    line(what, &format!("{figure:.2}{unit}   aim ≥ {least}{unit}: {verdict}"));
}
