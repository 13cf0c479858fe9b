//! Many replicas whose lines are slow, cut and served in any order, whose clocks are hours apart, and who are killed. The
//! same seed plays the same story: `CHUM_SEED=… cargo test -p replica --test chum simulation`.

use std::collections::BTreeSet;

use replica::chum::Settings;

use crate::{
    line::{Line, archive, end, sync},
    memory::{Memory, NOON},
};

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

struct Open {
    pair: [usize; 2],
    line: Line,
    taken: [u64; 2],
}

const STEPS: usize = 3000;

fn story(seed: u64) -> (BTreeSet<[u8; 32]>, u64) {
    let mut chance = Chance(seed);
    let count = 5 + chance.below(16);
    let mut replicas: Vec<Memory> = (0..count).map(|number| Memory::new(number as u8 + 1)).collect();
    // Up to three hours before or behind.
    let skews: Vec<u64> = (0..count).map(|_| chance.next() % (6 * 3_600_000)).collect();
    let mut time = NOON;
    let mut written = BTreeSet::new();
    let mut lines: Vec<Open> = Vec::new();
    let mut bytes = 0;
    for step in 0..STEPS {
        time += chance.next() % 20_000;
        for (replica, skew) in replicas.iter_mut().zip(&skews) {
            replica.now = time + skew;
        }
        match chance.below(100) {
            0..6 => {
                let at = chance.below(count);
                let length = chance.below(600);
                let entity = chance.below(6) as u8;
                written.insert(replicas[at].write(2, entity, &vec![step as u8; length]));
                tell(&mut lines, at, None);
            }
            6..12 => {
                let (one, other) = (chance.below(count), chance.below(count));
                if one != other && lines.len() < 3 * count {
                    let live = chance.below(3) > 0;
                    let settings = Settings { live, audit: chance.below(8) == 0, ..archive() };
                    let mut line = Line::new(end(settings), end(Settings { audit: false, live, ..archive() }));
                    let mut pieces = Chance(chance.next());
                    line.piece = Box::new(move || 1 + pieces.below(3000));
                    lines.push(Open { pair: [one, other], line, taken: [0; 2] });
                }
            }
            // A line is cut; what was on its way is lost.
            12 if !lines.is_empty() => {
                lines.swap_remove(chance.below(lines.len()));
            }
            // A replica is killed: all its lines go with it.
            13 => {
                let dead = chance.below(count);
                lines.retain(|open| !open.pair.contains(&dead));
            }
            14 if !lines.is_empty() => {
                let at = chance.below(lines.len());
                let Open { pair, line, .. } = &mut lines[at];
                line.ends[0].session.check(&replicas[pair[0]]).unwrap();
            }
            _ if !lines.is_empty() => {
                // Any end of any line gets to run: the others are late.
                let at = chance.below(lines.len());
                let which = chance.below(2);
                let Open { pair, line, taken } = &mut lines[at];
                let here = pair[which];
                let before = line.delivered;
                if let Err((_, fault)) = line.step(which, &mut replicas[here]) {
                    panic!("seed {seed}, step {step}: {fault}");
                }
                bytes += line.delivered - before;
                let now = line.ends[which].session.tally().taken;
                if now > taken[which] {
                    taken[which] = now;
                    tell(&mut lines, here, Some(at));
                }
                if lines[at].line.is_finished() {
                    lines.swap_remove(at);
                }
            }
            _ => {}
        }
        if step % 50 == 0 {
            replicas.iter().for_each(Memory::check_no_hole);
        }
    }
    // The clocks are set right, and everybody meets the first one twice.
    for replica in &mut replicas {
        replica.now = time + 6 * 3_600_000;
    }
    let (first, rest) = replicas.split_first_mut().unwrap();
    for _ in 0..2 {
        rest.iter_mut().for_each(|replica| drop(sync(first, replica)));
    }
    for replica in &replicas {
        assert_eq!(replica.ids(), written, "seed {seed}");
        assert_eq!(replica.kept, written.len() as u64, "seed {seed}: something was kept twice");
        replica.check_no_hole();
    }
    (written, bytes)
}

/// A replica has something new, which all its lines but the one it came over hear of.
fn tell(lines: &mut [Open], at: usize, but: Option<usize>) {
    for (_, open) in lines.iter_mut().enumerate().filter(|(number, _)| Some(*number) != but) {
        for which in 0..2 {
            if open.pair[which] == at {
                open.line.ends[which].session.changed();
            }
        }
    }
}

#[test]
fn many_replicas_come_to_hold_the_same() {
    let seeds: Vec<u64> = match std::env::var("CHUM_SEED") {
        Ok(seed) => vec![seed.parse().expect("CHUM_SEED is a number")],
        Err(_) => (0..12).collect(),
    };
    for seed in seeds {
        println!("CHUM_SEED={seed}");
        let (written, bytes) = story(seed);
        assert!(written.len() > 50 && bytes > 10_000, "seed {seed}: nothing happened");
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    assert_eq!(story(77), story(77));
    assert_ne!(story(77).0, story(78).0);
}
