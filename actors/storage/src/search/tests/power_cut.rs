//! The power goes while the index is written. Nothing of it is ever synced, so any file may be there as it was at any time,
//! torn in any sector, or not at all, each for itself. Whatever is left: the archive is asked what there is, and every
//! question is answered as before.

use std::collections::BTreeMap;

use super::*;

/// Files by name.
type Files = BTreeMap<String, Vec<u8>>;

/// What a disk keeps whole.
const SECTOR: usize = 512;

/// Questions of several kinds: words, the beginning of one, characters, a phrase, a filter.
const QUESTIONS: [&str; 6] = ["heron", "lak*", "東京", "京", "\"grey heron\"", "kind:title lake"];

/// Numbers that are the same for a seed, which is printed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        (self.0, _) = self.0.overflowing_mul(6_364_136_223_846_793_005);
        (self.0, _) = self.0.overflowing_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }
}

fn files(world: &World) -> Files {
    let read = |path: PathBuf| Some((path.file_name()?.to_string_lossy().into_owned(), fs::read(&path).ok()?));
    world.files().into_iter().filter_map(read).collect()
}

/// What the disk got to of files that were in memory as these states, one after another.
fn fallen(states: &[Files], chance: &mut Chance) -> Files {
    let states = &states[..1 + chance.below(states.len())];
    // From one cut to the next it differs how much got there: a little is missing, or nearly everything.
    let whole = 1 + chance.below(40);
    let names: BTreeSet<&String> = states.iter().flat_map(BTreeMap::keys).collect();
    let mut left = Files::new();
    for name in names {
        let newest = states.iter().rev().find_map(|state| state.get(name)).expect("one has it");
        let gone = !states[states.len() - 1].contains_key(name);
        let ways = if chance.below(whole) == 0 { 5 } else { 1 };
        let bytes = match chance.below(ways) {
            // It was removed, and the disk knows.
            0 if gone && chance.below(2) == 0 => continue,
            0 => newest.clone(),
            1 => continue,
            2 => newest[..chance.below(newest.len() / SECTOR + 1) * SECTOR].to_vec(),
            3 => {
                let mut torn = newest.clone();
                let at = chance.below(torn.len().div_ceil(SECTOR)) * SECTOR;
                torn.iter_mut().skip(at).take(SECTOR).for_each(|byte| *byte = 0);
                torn
            }
            _ => states.iter().find_map(|state| state.get(name)).expect("one has it").clone(),
        };
        left.insert(name.clone(), bytes);
    }
    left
}

async fn answers(world: &World) -> Vec<BTreeSet<[u8; 32]>> {
    let mut all = Vec::new();
    for question in QUESTIONS {
        all.push(world.find(question).await.iter().map(|hit| hit.event).collect());
    }
    all
}

#[test]
fn whatever_the_disk_got_to_every_question_is_answered_as_before() {
    let rounds = std::env::var("LAMOS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(60_usize);
    let seed = std::env::var("LAMOS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("LAMOS_SEED={seed}");
    story(async |mut world| {
        let (mut chance, mut states) = (Chance(seed), Vec::new());
        for step in 0..24_u8 {
            world.begin(step, &format!("A lake, number {step}")).await;
            for number in 0..4_u8 {
                let word = ["grey heron", "heron that is grey", "東京都の天気", "nothing of it"][usize::from(number)];
                world.say(step, &format!("{word} at {step}, {number}")).await;
            }
            if step % 5 == 4 {
                let entity = entity(step - 2);
                world.writer.append(Draft::erase_entity(entity, None)).await.expect("erased");
            }
            // Commits, and from time to time what the engine makes of many small files.
            world.find("heron").await;
            states.push(files(&world));
        }
        let expected = answers(&world).await;
        assert!(expected.iter().all(|found| !found.is_empty()), "{expected:?}");
        let (mut mended, mut whole) = (0, 0);
        for round in 0..rounds {
            let left = fallen(&states, &mut chance);
            world = world
                .restart(|world| {
                    world.files().into_iter().for_each(|file| fs::remove_file(file).expect("removed"));
                    let index = world.directory.path().join(DIRECTORY);
                    left.iter().for_each(|(name, bytes)| fs::write(index.join(name), bytes).expect("written"));
                })
                .await;
            assert_eq!(answers(&world).await, expected, "round {round}");
            let rebuilds = world.search.progress.borrow().rebuilds;
            (mended, whole) = if rebuilds > 0 { (mended + 1, whole) } else { (mended, whole + 1) };
        }
        println!("{rounds} disks: {mended} times made again, {whole} times gone on with");
        assert!(mended > 0 && whole > 0, "both were to be tried");
    });
}
