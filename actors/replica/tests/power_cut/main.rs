//! The power goes while the archive writes, or the cache of a window (`cache.rs`). What it writes and syncs is recorded, disks are made as they may look after a
//! cut at any moment, and each is opened: none is corrupt, nothing that was acknowledged is missing, and of what was not
//! acknowledged a transaction is there whole or not at all.
//!
//! 500 images, more when `LAMOS_ROUNDS` says so (`cargo verify --rounds N`). Each is opened in a process of its own, because a
//! corrupt one may end who maps it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{env, fs, path::Path, process::Command, thread};

use chance::Chance;
use image::{Image, Tearing, after_cut, complete, lay_out};
use record::Op;
use work::{Recorded, goes_on, open, read, work};

#[path = "../chum/line.rs"]
#[allow(dead_code, reason = "it has more than is needed here")]
mod line;
#[path = "../sparse/world.rs"]
#[allow(dead_code, reason = "it has more than is needed here")]
mod world;

mod cache;
mod chance;
mod image;
mod large;
mod record;
mod work;

/// Names the image that [`one_image`] looks at.
const IMAGE: &str = "LAMOS_POWER_CUT_IMAGE";
const FOUND: &str = "found: ";
const TEARINGS: [Tearing; 3] = [Tearing::Writes, Tearing::Pages, Tearing::Sectors];

/// A disk as it may look after a cut.
struct Fallen {
    image: Image,
    /// What may be read from it: what was acknowledged, and that with what was being written.
    allowed: Vec<String>,
    /// What to say when it is not.
    told: String,
}

impl Fallen {
    fn new(recorded: &Recorded, cut: usize, lie: Option<usize>, chance: &mut Chance) -> Fallen {
        let tearing = TEARINGS[chance.below(3) as usize];
        let acknowledged = recorded.ops[..cut].iter().filter(|op| matches!(op, Op::Acknowledged)).count();
        // The first acknowledgement is that of an empty store; before it there is nothing but that.
        let state = acknowledged.saturating_sub(1);
        let next = if acknowledged == 0 { state } else { (state + 1).min(recorded.states.len() - 1) };
        Fallen {
            image: after_cut(&recorded.ops, cut, lie, tearing, chance),
            allowed: recorded.states[state..=next].to_vec(),
            told: format!("cut after {cut} of {} operations, {state} acknowledged, {tearing:?}", recorded.ops.len()),
        }
    }

    /// Opens it and says what is wrong with it.
    fn judge(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{}: {what}; allowed: {:?}", self.told, self.allowed));
        match found(&self.image, "one_image") {
            Ok(found) if self.allowed.contains(&found) => Ok(()),
            Ok(found) => wrong(&found),
            Err(ended) => wrong(&ended),
        }
    }
}

/// What a test of this program finds in an image, in a process of its own; otherwise how that ended.
fn found(image: &Image, test: &str) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    lay_out(image, directory.path());
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(IMAGE, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.lines().find_map(|line| Some(line.split_once(FOUND)?.1.to_owned()));
    let ended = || format!("who opened it ended with {}, {}", output.status, String::from_utf8_lossy(&output.stderr));
    found.ok_or_else(ended)
}

/// Judges all, two at a time, and says what was wrong.
fn judge<F: Sync>(images: &[F], each: impl Fn(&F) -> Result<(), String> + Sync) -> Vec<String> {
    let (one, other) = images.split_at(images.len() / 2);
    let judge = |images: &[F]| images.iter().filter_map(|image| each(image).err()).collect::<Vec<_>>();
    thread::scope(|scope| {
        let one = scope.spawn(|| judge(one));
        [judge(other), one.join().unwrap()].concat()
    })
}

fn recorded(batches: usize, chance: &mut Chance) -> Recorded {
    let directory = tempfile::tempdir().unwrap();
    let recorded = work(directory.path(), batches, chance);
    assert_whole(&recorded.ops, directory.path(), "blobs/");
    recorded
}

/// The record is whole: played back, it gives the very files that are there, and in this folder.
fn assert_whole(ops: &[Op], directory: &Path, folder: &str) {
    let mut there: Image = Image::new();
    for (place, prefix) in [(directory.to_owned(), ""), (directory.join(folder), folder)] {
        for file in fs::read_dir(place).into_iter().flatten().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                there.insert(prefix.to_owned() + file.file_name().to_str().unwrap(), fs::read(file.path()).unwrap());
            }
        }
    }
    there.retain(|name, _| !name.contains("lock"));
    let written = complete(ops);
    assert_eq!(written.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
    for (name, bytes) in &there {
        assert!(written[name] == *bytes, "{name} was written in a way that was not recorded");
    }
}

/// Opens the image that the environment names, reads all of it, works in it, and says what was found.
#[test]
#[ignore = "a part of the other tests, which give it an image"]
fn one_image() {
    let Some(directory) = env::var_os(IMAGE) else { return };
    let directory = Path::new(&directory);
    let found = open(directory).map_err(|error| error.to_string()).and_then(|replica| read(&replica));
    let found = found.and_then(|state| goes_on(directory).map(|()| state));
    println!("\n{FOUND}{}", found.unwrap_or_else(|wrong| wrong).replace('\n', " "));
}

#[test]
fn after_a_power_cut_everything_that_was_acknowledged_is_there_and_nothing_is_corrupt() {
    let mut chance = Chance::new();
    let rounds = env::var("LAMOS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(0usize).max(500);
    let mut wrong = Vec::new();
    let mut bytes = 0;
    for part in (0..rounds).step_by(100) {
        let recorded = recorded(60, &mut chance);
        let images = (part..rounds.min(part + 100)).map(|_| {
            let cut = chance.below(recorded.ops.len() as u64 + 1) as usize;
            Fallen::new(&recorded, cut, None, &mut chance)
        });
        let images: Vec<Fallen> = images.collect();
        bytes += images.iter().flat_map(|fallen| fallen.image.values()).map(Vec::len).sum::<usize>();
        wrong.extend(judge(&images, Fallen::judge));
    }
    println!("{rounds} images of {} KiB each", bytes / rounds.max(1) / 1024);
    assert!(wrong.is_empty(), "{} of {rounds} images are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The power goes while a store is being made: the next start makes one.
#[test]
fn a_power_cut_while_the_store_is_made_leaves_one_that_can_be_made() {
    let mut chance = Chance::new();
    let recorded = recorded(2, &mut chance);
    let made = recorded.ops.iter().position(|op| matches!(op, Op::Acknowledged)).unwrap();
    let images: Vec<Fallen> =
        (0..=made).flat_map(|cut| [cut; 12]).map(|cut| Fallen::new(&recorded, cut, None, &mut chance)).collect();
    let wrong = judge(&images, Fallen::judge);
    assert!(wrong.is_empty(), "{} of {} images are wrong:\n{}", wrong.len(), images.len(), wrong.join("\n"));
}

/// A disk that answers its last sync and does not do it is found out: so these tests can fail.
#[test]
fn a_disk_that_lies_about_a_sync_is_found_out() {
    let mut chance = Chance::new();
    let recorded = recorded(60, &mut chance);
    let packs = |op: &Op| matches!(op, Op::Create { name, .. } if name.starts_with("blobs/"));
    let packs: Vec<usize> = recorded.ops.iter().filter(|op| packs(op)).filter_map(Op::file).collect();
    let data = |op: &Op| matches!(op, Op::Sync { file, .. } if !packs.contains(file));
    let chunks = |op: &Op| matches!(op, Op::Sync { file, .. } if packs.contains(file));
    let root = |op: &Op| matches!(op, Op::Write { through: true, .. });
    for (what, lies) in [("the pages", &data as &dyn Fn(&Op) -> bool), ("the root", &root), ("the chunks", &chunks)] {
        let images: Vec<Fallen> = (0..60)
            .map(|_| {
                let half = recorded.ops.len() / 2;
                let cut = half + chance.below(half as u64) as usize;
                let lie = recorded.ops[..cut].iter().rposition(lies);
                Fallen::new(&recorded, cut, lie, &mut chance)
            })
            .collect();
        let wrong = judge(&images, Fallen::judge);
        println!("{what} not synced: {} of {} images are wrong, such as {:?}", wrong.len(), images.len(), wrong.first());
        assert!(!wrong.is_empty(), "{what} were not synced, and nobody noticed");
    }
}
