//! The power goes while a sparse store is written to, lets go, pins, and fetches what it had let go. At every cut it opens and
//! keeps to its limit, it shows the newest of each conversation without a gap or says that it has nothing, what was pinned is
//! pinned and there, and what the person did and was told to be kept is in the outbox.
//!
//! 60 images, more when `LAMOS_ROUNDS` says so.

mod read;

use std::{collections::BTreeSet, env, path::Path};

use read::Read;
use replica::{
    Parcel,
    chum::Side as _,
    engine,
    sparse::{Profile, Sparse},
};

use crate::{
    FOUND, IMAGE, TEARINGS, assert_whole,
    chance::Chance,
    found,
    image::{Image, after_cut},
    judge,
    record::{self, Op},
    world::{CACHE_KEY, DAY, NOON, Pen, SPACE, TINY, Watch, begin, entity, noise, say},
};

/// The database's file: so small that things leave in most transactions.
const MAP: u64 = 3 << 20;
const PROFILE: Profile = TINY;

/// Conversations.
const ALL: u64 = 14;
/// Those that may be pinned: they are small.
const PINNED: u64 = 3;
/// Steps of the work.
const STEPS: usize = 160;

fn open(directory: &Path, watch: &Watch) -> Result<Sparse, String> {
    let engine = engine::open_within(directory, MAP).map_err(|error| error.to_string())?;
    Sparse::on(engine, directory, &CACHE_KEY, SPACE, PROFILE, watch.wall()).map_err(|error| error.to_string())
}

/// What was acknowledged.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// Commands that wait.
    outbox: Vec<u64>,
    pinned: BTreeSet<u64>,
    /// The pinned ones that were there as a whole.
    whole: BTreeSet<u64>,
    /// Messages that were taken, by conversation.
    taken: Vec<usize>,
}

/// A store that is worked in, and the archive's side of it.
struct World {
    sparse: Sparse,
    watch: Watch,
    pen: Pen,
    /// Of each conversation what it began with, then its messages; and the last event.
    archive: Vec<(Vec<Parcel>, [u8; 32])>,
    kept: Kept,
    commands: u64,
}

/// A message tells what it is about: which conversation and which number.
fn words(conversation: u64, number: usize) -> (u64, String) {
    let name = conversation << 32 | number as u64;
    let most = if conversation < PINNED { 900 } else { [300, 8_000, 90_000][number % 3] };
    (name, noise(name, 100 + (name as usize).wrapping_mul(7919) % most))
}

impl World {
    fn new(directory: &Path) -> World {
        let watch = Watch::new(NOON);
        let mut sparse = open(directory, &watch).unwrap();
        // Whatever comes from here on is all there is.
        sparse.spans().unwrap();
        sparse.reached(&[]).unwrap();
        let mut pen = Pen::new(1);
        let began = |number: u64| {
            let (parcel, id) = pen.write(NOON, entity(number), Vec::new(), &begin("a title"));
            (vec![parcel], id)
        };
        let archive: Vec<_> = (0..ALL).map(began).collect();
        let roots: Vec<Parcel> = archive.iter().map(|(parcels, _)| parcels[0].clone()).collect();
        sparse.take(&roots).unwrap().into_iter().for_each(|taken| assert!(taken.is_ok()));
        let kept = Kept { taken: vec![0; ALL as usize], ..Kept::default() };
        World { sparse, watch, pen, archive, kept, commands: 0 }
    }

    fn take(&mut self, conversation: u64, count: u64) {
        let (parcels, last) = &mut self.archive[conversation as usize];
        let first = parcels.len();
        for _ in 0..count {
            let (name, text) = words(conversation, parcels.len() - 1);
            let (parcel, id) = self.pen.write(self.watch.now(), entity(conversation), vec![*last], &say(name, text));
            *last = id;
            parcels.push(parcel);
        }
        let taken = self.sparse.take(&parcels[first..]).unwrap();
        taken.into_iter().for_each(|taken| assert!(taken.is_ok()));
        self.kept.taken[conversation as usize] = parcels.len() - 1;
    }

    /// Opens a conversation, and fetches what is missing as a session does: some at a time, and then it says that it came.
    fn fetch(&mut self, conversation: u64) {
        let Some(missing) = self.sparse.page(&entity(conversation), None, 50).unwrap().missing else { return };
        let clock = |parcel: &Parcel| ipc::event::EventHeader::decode(&parcel.header).unwrap().clock.0;
        let (parcels, _) = &self.archive[conversation as usize];
        let before = parcels.iter().take_while(|parcel| clock(parcel) < missing.before).count();
        let from = before.saturating_sub(missing.limit as usize);
        let came = &parcels[from..before];
        for some in came.chunks(5).rev() {
            self.sparse.take(some).unwrap().into_iter().for_each(|taken| assert!(taken.is_ok()));
        }
        self.sparse.fetched(&missing, came.len() as u64).unwrap();
    }

    fn step(&mut self, chance: &mut Chance) {
        self.watch.tick(1000);
        let conversation = chance.below(ALL);
        match chance.below(20) {
            0..=8 if conversation < PINNED && self.archive[conversation as usize].0.len() > 60 => {}
            0..=8 => self.take(conversation, 2 + chance.below(6)),
            9..=11 => self.fetch(conversation),
            12..=13 => {
                let pinned = conversation % PINNED;
                if self.kept.pinned.remove(&pinned) {
                    self.sparse.unpin(&entity(pinned)).unwrap();
                } else {
                    self.sparse.pin(&entity(pinned)).unwrap();
                    self.kept.pinned.insert(pinned);
                }
            }
            14..=16 => {
                self.commands += 1;
                self.sparse.outbox().put(&[self.commands as u8; 16], noise(self.commands, 900).as_bytes()).unwrap();
                self.kept.outbox.push(self.commands);
            }
            17 => {
                let done: Vec<u64> = self.kept.outbox.drain(..self.kept.outbox.len().min(2)).collect();
                let ids: Vec<[u8; 16]> = done.iter().map(|number| [*number as u8; 16]).collect();
                assert_eq!(self.sparse.outbox().acknowledge(&ids).unwrap(), ids.len() as u64);
            }
            _ => {
                self.watch.tick(DAY);
                self.sparse.maintain().unwrap();
            }
        }
        let whole = |pinned: &u64| {
            let shown = self.sparse.page_again(&entity(*pinned), None, usize::MAX, usize::MAX).unwrap();
            shown.missing.is_none() && shown.items.len() == self.kept.taken[*pinned as usize]
        };
        self.kept.whole = self.kept.pinned.iter().copied().filter(whole).collect();
    }
}

/// Work that was recorded, and what was acknowledged after each step.
struct Worked {
    ops: Vec<Op>,
    kept: Vec<Kept>,
}

fn worked(chance: &mut Chance) -> Worked {
    let directory = tempfile::tempdir().unwrap();
    record::begin(directory.path());
    let mut world = World::new(directory.path());
    record::acknowledged(directory.path());
    let mut kept = vec![world.kept.clone()];
    let mut left = false;
    for _ in 0..STEPS {
        world.step(chance);
        record::acknowledged(directory.path());
        kept.push(world.kept.clone());
        let taken: usize = world.kept.taken.iter().sum();
        left |= (world.sparse.counts().unwrap().0 as usize) < taken;
    }
    assert!(left, "it was never full");
    let ops = record::end(directory.path());
    assert_whole(&ops, directory.path(), "outbox/");
    Worked { ops, kept }
}

/// A disk as it may look after a cut.
struct Fallen<'w> {
    image: Image,
    /// What was acknowledged, and that with what was being done; nothing while the store was being made.
    between: Option<[&'w Kept; 2]>,
    told: String,
}

impl Fallen<'_> {
    fn new<'w>(worked: &'w Worked, cut: usize, lie: Option<usize>, chance: &mut Chance) -> Fallen<'w> {
        let tearing = TEARINGS[chance.below(3) as usize];
        let acknowledged = worked.ops[..cut].iter().filter(|op| matches!(op, Op::Acknowledged)).count();
        let next = acknowledged.min(worked.kept.len() - 1);
        Fallen {
            image: after_cut(&worked.ops, cut, lie, tearing, chance),
            between: (acknowledged > 0).then(|| [&worked.kept[acknowledged - 1], &worked.kept[next]]),
            told: format!("cut after {cut} of {} operations, {acknowledged} acknowledged, {tearing:?}", worked.ops.len()),
        }
    }

    fn judge(&self) -> Result<(), String> {
        let wrong = |what: String| Err(format!("{}: {what}", self.told));
        let found = match found(&self.image, "cache::one_image") {
            Ok(found) => found,
            Err(ended) => return wrong(ended),
        };
        let Some(read) = Read::parse(&found) else { return wrong(found) };
        match self.between.map_or(Ok(()), |between| read.agrees(between)) {
            Ok(()) => Ok(()),
            Err(why) => wrong(format!("{why}: {found}; allowed is what is between {:?}", self.between)),
        }
    }
}

/// Opens the image that the environment names, reads all of it, works in it, and says what was found.
#[test]
#[ignore = "a part of the other tests, which give it an image"]
fn one_image() {
    let Some(directory) = env::var_os(IMAGE) else { return };
    let directory = Path::new(&directory);
    let watch = Watch::new(NOON + 400 * DAY);
    let found = open(directory, &watch).and_then(|sparse| Read::of(&sparse));
    let found = found.and_then(|read| goes_on(directory, &watch, &read).map(|()| read.text()));
    println!("\n{FOUND}{}", found.unwrap_or_else(|wrong| wrong).replace('\n', " "));
}

/// Goes on working until things leave, closes the store and finds there what is to be there.
fn goes_on(directory: &Path, watch: &Watch, read: &Read) -> Result<(), String> {
    fn fails(error: impl std::fmt::Display) -> String {
        error.to_string()
    }
    const LATER: u64 = 255;
    {
        let mut sparse = open(directory, watch)?;
        let mut pen = Pen::new(2);
        let mut last = Vec::new();
        for number in 0..80 {
            let (seen, body) = match number % 10 {
                0 => (Vec::new(), begin("later")),
                _ => (last, say(number, noise(number, 30_000))),
            };
            let (parcel, id) = pen.write(watch.now() + number, entity(1000 + number / 10), seen, &body);
            sparse.take(&[parcel]).map_err(fails)?.remove(0).map_err(fails)?;
            last = vec![id];
        }
        sparse.outbox().put(&[LATER as u8; 16], noise(LATER, 900).as_bytes()).map_err(fails)?;
    }
    let after = Read::of(&open(directory, watch)?)?;
    let outbox = [&read.outbox[..], &[LATER]].concat();
    if (&after.outbox, &after.pinned) != (&outbox, &read.pinned) {
        return Err(format!("it went on to {after:?} from {read:?}"));
    }
    for pinned in &read.pinned {
        let (was, is) = (read.shown[*pinned as usize], after.shown[*pinned as usize]);
        if was != is {
            return Err(format!("of {pinned}, which is pinned, {is:?} is left of {was:?}"));
        }
    }
    Ok(())
}

#[test]
fn after_a_power_cut_a_cache_opens_and_what_is_pinned_or_waits_is_there() {
    let mut chance = Chance::new();
    let rounds = env::var("LAMOS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(0usize).max(60);
    let mut wrong = Vec::new();
    for part in (0..rounds).step_by(60) {
        let worked = worked(&mut chance);
        let images: Vec<Fallen<'_>> = (part..rounds.min(part + 60))
            .map(|_| {
                let cut = chance.below(worked.ops.len() as u64 + 1) as usize;
                Fallen::new(&worked, cut, None, &mut chance)
            })
            .collect();
        wrong.extend(judge(&images, Fallen::judge));
    }
    assert!(wrong.is_empty(), "{} of {rounds} images are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A disk that answers the syncs of the outbox and does not do the last of them is found out: so this test can fail.
#[test]
fn a_disk_that_lies_about_the_outbox_is_found_out() {
    let mut chance = Chance::new();
    let worked = worked(&mut chance);
    let outbox = |op: &Op| match op {
        Op::Create { file, name } if name.starts_with("outbox/") => Some(*file),
        _ => None,
    };
    let outbox: BTreeSet<usize> = worked.ops.iter().filter_map(outbox).collect();
    let lies = |op: &Op| matches!(op, Op::Write { file, through: true, .. } if outbox.contains(file));
    let images: Vec<Fallen<'_>> = (0..30)
        .map(|_| {
            let half = worked.ops.len() / 2;
            let cut = half + chance.below(half as u64) as usize;
            let lie = worked.ops[..cut].iter().rposition(lies);
            Fallen::new(&worked, cut, lie, &mut chance)
        })
        .collect();
    let wrong = judge(&images, Fallen::judge);
    assert!(!wrong.is_empty(), "the outbox was not synced, and nobody noticed");
}
