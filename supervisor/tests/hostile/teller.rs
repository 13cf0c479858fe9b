//! Tells the stories, as a test harness does: each on a thread of its own, a few at once.

use std::{
    io::Write as _,
    panic,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

/// A name and what it stands for.
pub(crate) type Story = (&'static str, fn());

/// Told at once: they mostly wait for one another's processes.
const AT_ONCE: usize = 4;

/// Words of the usual harness that are followed by a value.
const WITH_VALUE: &[&str] = &["--test-threads", "--skip", "--color", "--format", "--logfile", "-Z"];

/// Tells those whose names hold one of the words given, all of them without.
pub(crate) fn tell(arguments: &[String], stories: &[Story]) -> ExitCode {
    let mut wanted: Vec<&str> = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            wanted.push(word);
        }
    }
    let told: Vec<&Story> =
        stories.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|word| name.contains(word))).collect();
    if arguments.iter().any(|word| word == "--list") {
        told.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    // None of these is left out by default.
    if arguments.iter().any(|word| word == "--ignored") {
        return ExitCode::SUCCESS;
    }
    println!("running {} tests", told.len());
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, story)) = told.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let well = panic::catch_unwind(story).is_ok();
                    failed.fetch_add(usize::from(!well), Ordering::Relaxed);
                    say(&format!(
                        "test {name} ... {} ({:.1} s)",
                        if well { "ok" } else { "FAILED" },
                        begun.elapsed().as_secs_f32()
                    ));
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("\ntest result: {}. {} passed; {failed} failed", if failed == 0 { "ok" } else { "FAILED" }, told.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A line that is not mixed with another thread's.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
