//! What it costs two replicas to find out what they do not share: `cargo bench -p replica --bench chum`.
//!
//! Beside it what the original does every five seconds: one side sends the ids of everything, the other compares. Both lists
//! lie in memory, and what is found is carried but neither verified nor stored, so that the comparison alone is measured.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that cannot go on should say so")]

use std::collections::{HashMap, HashSet};

use ipc::event::{Clock, EventHeader};
use replica::chum::{
    Author, Carried, Everything, Head, Id, Link, Parcel, Peer, Progress, Session, Settings, Side, SideError, Taken, frame,
};

const OBJECTS: u64 = 1_000_000;
const RUNS: usize = 5;
const PARCELS: u8 = 5;
const AUTHOR: Author = [1; 32];

/// A replica that is a list.
struct List {
    items: Vec<(u64, Id)>,
    held: HashSet<Id>,
    parcels: HashMap<Id, Parcel>,
    /// What it says its head is.
    sequence: u64,
    taken: usize,
}

/// The event of this number.
fn event(number: u64) -> Parcel {
    let header = EventHeader {
        space: [0; 16],
        author: AUTHOR,
        sequence: number + 1,
        previous: [0; 32],
        clock: Clock(clock(number)),
        kind: 2,
        entity: [2; 16],
        body_len: 200,
        body_digest: [3; 32],
        seen: Vec::new(),
    };
    Parcel { header: header.encode(), signature: [4; 64], body: Carried::Here(vec![5; 300]) }
}

/// One a minute.
fn clock(number: u64) -> u64 {
    Clock::from_millis(1_700_000_000_000 + number * 60_000).0
}

/// All ids, which are made once.
fn all(count: u64) -> Vec<(u64, Id)> {
    (0..count).map(|number| (clock(number), event(number).id())).collect()
}

impl List {
    fn new(all: &[(u64, Id)], without: &HashSet<u64>, sequence: u64) -> List {
        let has = |number: &usize| !without.contains(&(*number as u64));
        let items: Vec<(u64, Id)> = (0..all.len()).filter(has).map(|number| all[number]).collect();
        let held = items.iter().map(|(_, id)| *id).collect();
        List { items, held, parcels: HashMap::new(), sequence, taken: 0 }
    }
}

impl Side for List {
    fn space(&self) -> [u8; 16] {
        [0; 16]
    }

    fn heads(&self) -> Result<Vec<Head>, SideError> {
        Ok(vec![Head { author: AUTHOR, sequence: self.sequence, id: event(self.sequence - 1).id() }])
    }

    fn chain(&self, _: &Author, after: u64, upto: u64, limit: usize) -> Result<Vec<Link>, SideError> {
        let link = |sequence| Link { sequence, clock: clock(sequence - 1), id: event(sequence - 1).id() };
        Ok((after + 1..=upto).take(limit).map(link).collect())
    }

    fn window(&self, _: u64, _: u64) -> Result<Vec<(u64, Id)>, SideError> {
        Ok(self.items.clone())
    }

    fn entity(&self, _: &[u8; 16], _: u64, _: usize) -> Result<Vec<Id>, SideError> {
        Ok(Vec::new())
    }

    fn headers(&self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, SideError> {
        Ok(ids.iter().map(|id| self.parcels.get(id).map(|parcel| parcel.header.clone())).collect())
    }

    fn parcels(&self, ids: &[Id], budget: usize) -> Result<Vec<Option<Parcel>>, SideError> {
        let (mut found, mut total) = (Vec::new(), 0);
        for id in ids {
            let parcel = self.parcels.get(id).cloned();
            total += parcel.as_ref().map_or(0, Parcel::weight);
            if total > budget && !found.is_empty() {
                break;
            }
            found.push(parcel);
        }
        Ok(found)
    }

    fn take(&mut self, parcels: Vec<Parcel>) -> Result<Vec<Taken>, SideError> {
        self.taken += parcels.len();
        Ok(vec![Taken::New; parcels.len()])
    }

    fn reached(&mut self, _: &[Head]) -> Result<(), SideError> {
        Ok(())
    }
}

#[derive(Clone, Copy, Default)]
struct Cost {
    /// Rounds of reconciliation.
    rounds: u64,
    /// All bytes both ways, and those of them that are not the events themselves.
    bytes: u64,
    finding: u64,
    /// CPU of both sides, in nanoseconds.
    cpu: u64,
}

/// Nanoseconds this thread was on a processor.
#[expect(unsafe_code, reason = "the one call that counts them exactly")]
fn cpu() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes the time into the one place it is given, which lives until it returns.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "Linux counts what a thread takes");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn settings(audit: bool) -> Settings {
    Settings { audit, live: false, ..Settings::archive(Peer([9; 32])) }
}

/// A whole session.
fn session(one: &mut List, other: &mut List, audit: bool) -> Cost {
    let began = cpu();
    let mut ends = [audit, false].map(|audit| Session::new(settings(audit), Box::new(Everything)));
    let (mut cost, mut parcels) = (Cost::default(), 0);
    while !ends.iter().all(Session::is_finished) {
        for which in 0..2 {
            let sides = [&mut *one, &mut *other];
            let mut out = Vec::new();
            ends[which].send(sides[which], &mut out, 1 << 20).unwrap();
            parcels += parcels_in(&out);
            let sides = [&mut *one, &mut *other];
            ends[1 - which].receive(sides[1 - which], &out).unwrap();
        }
    }
    cost.cpu = cpu() - began;
    cost.bytes = ends.iter().map(|end| end.tally().bytes_out).sum();
    cost.finding = cost.bytes - parcels;
    for progress in ends[0].progress() {
        if let Progress::Reconciled { rounds, .. } = progress {
            cost.rounds += rounds;
        }
    }
    cost
}

/// Bytes of messages that carry events.
fn parcels_in(mut bytes: &[u8]) -> u64 {
    let mut total = 0;
    while let Some((prefix, _)) = bytes.split_first_chunk::<{ frame::PREFIX }>() {
        let length = frame::PREFIX + u32::from_le_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]) as usize;
        total += if prefix[4] == PARCELS { length as u64 } else { 0 };
        bytes = &bytes[length..];
    }
    total
}

/// What the original does: everything one side holds, as ids, to the other and back, each of which compares.
fn whole_list(one: &List, other: &List) -> (Cost, usize) {
    let began = cpu();
    let (mut bytes, mut missing) = (0, 0);
    for (from, to) in [(one, other), (other, one)] {
        let sent: Vec<u8> = from.items.iter().flat_map(|(_, id)| *id).collect();
        bytes += sent.len() as u64;
        missing += sent.as_chunks::<32>().0.iter().filter(|id| !to.held.contains(*id)).count();
    }
    (Cost { rounds: 1, bytes, finding: bytes, cpu: cpu() - began }, missing)
}

/// Every so many-th number, half of them missing on each side.
fn lists(all: &[(u64, Id)], differences: u64) -> (List, List) {
    let numbers: Vec<u64> = (0..differences).map(|number| (number * 7919 + 13) * (OBJECTS / 10_007) % OBJECTS).collect();
    let distinct: HashSet<u64> = numbers.iter().copied().collect();
    assert_eq!(distinct.len() as u64, differences, "no number twice");
    let (first, second) = numbers.split_at(numbers.len() / 2);
    let mut one = List::new(all, &first.iter().copied().collect(), OBJECTS);
    let mut other = List::new(all, &second.iter().copied().collect(), OBJECTS);
    one.parcels = second.iter().map(|number| (all[*number as usize].1, event(*number))).collect();
    other.parcels = first.iter().map(|number| (all[*number as usize].1, event(*number))).collect();
    (one, other)
}

fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by_key(|cost| cost.cpu);
    costs[costs.len() / 2]
}

fn row(what: &str, cost: Cost, list: Cost) {
    println!(
        "{what:<44} {:>6} {:>13} {:>13} {:>9.2} {:>12.6} {:>9.4}",
        cost.rounds,
        cost.finding,
        cost.bytes,
        cost.cpu as f64 / 1e6,
        cost.finding as f64 / list.finding as f64,
        cost.cpu as f64 / list.cpu as f64,
    );
}

fn main() {
    let all = all(OBJECTS + 10_000);
    let (all, tail) = all.split_at(OBJECTS as usize);
    println!("{OBJECTS} objects, medians of {RUNS} runs, CPU of both sides together");
    println!(
        "{:<44} {:>6} {:>13} {:>13} {:>9} {:>12} {:>9}",
        "", "rounds", "bytes to find", "bytes in all", "CPU ms", "bytes/list", "CPU/list"
    );
    let (one, other) = lists(all, 100);
    let list = median((0..RUNS).map(|_| whole_list(&one, &other).0).collect());
    assert_eq!(whole_list(&one, &other).1, 100);
    row("the list of ids, both ways", list, list);
    let idle = (0..RUNS).map(|_| {
        let (mut one, mut other) = lists(all, 0);
        session(&mut one, &mut other, false)
    });
    row("heads alone, equal sets", median(idle.collect()), list);
    for new in [1, 100, 10_000u64] {
        let costs = (0..RUNS).map(|_| {
            let (mut one, mut other) = lists(all, 0);
            other.sequence += new;
            other.parcels = (0..new).map(|number| (tail[number as usize].1, event(OBJECTS + number))).collect();
            let cost = session(&mut one, &mut other, false);
            assert_eq!(one.taken as u64, new);
            cost
        });
        row(&format!("heads and ranges, {new} new on one side"), median(costs.collect()), list);
    }
    for differences in [0, 1, 100, 10_000u64] {
        let costs = (0..RUNS).map(|_| {
            let (mut one, mut other) = lists(all, differences);
            let cost = session(&mut one, &mut other, true);
            assert_eq!((one.taken + other.taken) as u64, differences);
            cost
        });
        row(&format!("audit of everything, {differences} differences anywhere"), median(costs.collect()), list);
    }
}
