//! Opening archives of very different sizes, each in a process of its own: the time until the newest conversations and the
//! last words of one are there, and the memory that takes.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    figures::{at_most, line, middle, time},
    texts::{Chance, begin, name, open as open_store, say},
};

/// Conversations that are listed: as many as the smallest archive has.
const LISTED: usize = 10;

/// Events in one transaction when a store is filled.
const TOGETHER: usize = 10_000;

/// What a process says of itself.
#[derive(Clone, Copy)]
struct Opened {
    /// Until it is open and may be written to, and from then until the newest was read.
    micros: u64,
    reading: u64,
    /// KiB of its own and shared by proportion, and those of them that are no file's.
    proportional: u64,
    anonymous: u64,
}

pub fn measure(sizes: &[usize], rounds: usize) {
    println!("\nopening, with the ten newest conversations and the last words of one");
    let stores: Vec<_> = sizes.iter().map(|size| filled(*size)).collect();
    let mut found: Vec<Vec<Opened>> = vec![Vec::new(); sizes.len()];
    // The first round brings the files into memory.
    for round in 0..=rounds {
        for (store, found) in stores.iter().zip(&mut found) {
            let opened = in_a_process(store.path());
            if round > 0 {
                found.push(opened);
            }
        }
    }
    let medians: Vec<[u64; 4]> = found
        .iter()
        .map(|all| {
            [|one: &Opened| one.micros, |one: &Opened| one.reading, |one: &Opened| one.proportional, |one: &Opened| one.anonymous]
                .map(|of| middle(all.iter().map(of)))
        })
        .collect();
    for ((size, store), [micros, reading, proportional, anonymous]) in sizes.iter().zip(&stores).zip(&medians) {
        let bytes = fs::metadata(store.path().join("data.mdb")).unwrap().len();
        let figures = format!(
            "open {}, read {}; {proportional} KiB, {anonymous} of them no file's; {:.1} MB on disk",
            time(Duration::from_micros(*micros)),
            time(Duration::from_micros(*reading)),
            bytes as f64 / 1e6
        );
        line(&format!("{size} conversations"), &figures);
    }
    let (first, last) = (medians[0], medians[medians.len() - 1]);
    for (what, index) in [("to open", 0), ("to read", 1), ("proportional memory", 2), ("memory that is no file's", 3)] {
        let what = format!("{what}, {} to {}", sizes[sizes.len() - 1], sizes[0]);
        at_most(&what, last[index] as f64 / first[index] as f64, 1.2);
    }
}

/// A store with so many conversations of two messages each.
fn filled(conversations: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let replica = open_store(directory.path());
    let mut writer = replica.writer().unwrap();
    let mut chance = Chance(3);
    let drafts = (0..conversations).flat_map(|number| {
        let entity = name(number);
        let said = [0, 1].map(|which| {
            let length = 40 + chance.below(200);
            say(entity, number * 2 + which, chance.text(length))
        });
        let [one, two] = said;
        [begin(entity, chance.text(30)), one, two]
    });
    let mut drafts = drafts.peekable();
    while drafts.peek().is_some() {
        let some: Vec<_> = drafts.by_ref().take(TOGETHER).collect();
        writer.write(|batch| some.iter().try_for_each(|draft| batch.append(draft).map(|kept| assert!(kept.is_ok())))).unwrap();
    }
    directory
}

fn in_a_process(directory: &Path) -> Opened {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.arg(format!("--open={}", directory.display())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let words = String::from_utf8(output.stdout).unwrap();
    let mut numbers = words.split_whitespace().map(|word| word.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    Opened { micros: next(), reading: next(), proportional: next(), anonymous: next() }
}

/// Is such a process.
pub fn open(directory: &Path) {
    let begun = Instant::now();
    let replica = open_store(directory);
    let writer = replica.writer().unwrap();
    let micros = begun.elapsed().as_micros();
    {
        let snapshot = replica.snapshot().unwrap();
        let newest = snapshot.conversations(None, LISTED).unwrap();
        let (id, view) = &newest.items[0];
        let last = view.messages as usize - 1;
        assert_eq!(snapshot.messages(id, last, 1, usize::MAX).unwrap().items.len(), 1);
    }
    let reading = begun.elapsed().as_micros() - micros;
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let kib = |name: &str| {
        let line = rollup.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    println!("{micros} {reading} {} {}", kib("Pss:"), kib("Pss_Anon:"));
    drop(writer);
}
