//! A durable append: through the store's writer, by LMDB alone writing the rows and indexes that the writer wrote, and by
//! SQLite with its log synced at each commit.

use std::sync::Arc;

use ipc::event::EventHeader;
use replica::{Draft, Replica, Table, Wall, Writer, engine};

use super::{
    figures::{Samples, Time, at_least, line, time, timed},
    peers::{Event, Lmdb, Sqlite},
    recording::{Act, Recording},
    texts::{Chance, begin, keys, name, open, say},
};

/// Conversations that are spoken in by turns.
const CONVERSATIONS: usize = 32;

/// Messages that are there before.
const BEFORE: usize = 20_000;

/// Work before anything counts.
const WARM: usize = 3;

pub fn measure(what: &str, together: usize, rounds: usize) {
    let transactions = drafts(together, rounds + WARM);
    let rows = record(&transactions);
    let events: Vec<Vec<Event>> = rows.iter().map(|acts| events(acts)).collect();
    let [ours, raw, sqlite] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let replica = open(ours.path());
    let mut writer = replica.writer().unwrap();
    let raw = Lmdb::new(raw.path());
    let mut sqlite = Sqlite::new(sqlite.path());
    let [mut our_times, mut raw_times, mut sqlite_times] = [(); 3].map(|()| Samples::default());
    // What lies there before is written without being timed, by all three.
    let ahead = transactions.len() - rounds;
    for (number, ((drafts, acts), events)) in transactions.iter().zip(&rows).zip(&events).enumerate() {
        let [mut one, mut two, mut three] = [Time::default(); 3];
        // What is synced after another waits for it on some disks, so each comes after each.
        for turn in 0..3 {
            match (number + turn) % 3 {
                0 => one = timed(|| keep(&mut writer, drafts)).0,
                1 => two = timed(|| raw.write(acts)).0,
                _ => three = timed(|| sqlite.write(events)).0,
            }
        }
        if number >= ahead {
            our_times.push(one);
            raw_times.push(two);
            sqlite_times.push(three);
        }
    }
    let [ours, raw, sqlite] = [our_times, raw_times, sqlite_times].map(|samples| samples.median());
    let written: usize = rows[ahead..].iter().map(Vec::len).sum();
    println!(
        "\nappend {what}: {rounds} transactions, {:.1} rows written for an event",
        written as f64 / (rounds * together) as f64
    );
    let each = |all: std::time::Duration| time(all / together as u32);
    for (who, times) in [("the archive", ours), ("LMDB alone, the same rows", raw), ("SQLite, WAL and FULL", sqlite)] {
        let rate = together as f64 / times.wall.as_secs_f64();
        line(who, &format!("{:>9} an event, CPU {:>9}, {rate:>8.0} a second", each(times.wall), each(times.cpu)));
    }
    let least = if together == 1 { 0.9 } else { 0.5 };
    at_least("speed, to LMDB alone", raw.wall.as_secs_f64() / ours.wall.as_secs_f64(), least);
    line("speed, to SQLite", &format!("{:.2} ×", sqlite.wall.as_secs_f64() / ours.wall.as_secs_f64()));
    line(
        "CPU, to LMDB alone and to SQLite",
        &format!(
            "{:.2} × and {:.2} ×",
            ours.cpu.as_secs_f64() / raw.cpu.as_secs_f64(),
            ours.cpu.as_secs_f64() / sqlite.cpu.as_secs_f64(),
        ),
    );
}

/// What is kept, a transaction each: first the conversations and much that was said before.
fn drafts(together: usize, rounds: usize) -> Vec<Vec<Draft>> {
    let mut chance = Chance(42);
    let mut number = 0;
    let mut say = |chance: &mut Chance| {
        number += 1;
        let length = 40 + chance.below(900);
        let text = chance.text(length);
        say(name(number % CONVERSATIONS), number, text)
    };
    let mut all = vec![(0..CONVERSATIONS).map(|number| begin(name(number), chance.text(30))).collect()];
    all.extend((0..BEFORE / 2000).map(|_| (0..2000).map(|_| say(&mut chance)).collect::<Vec<_>>()));
    all.extend((0..rounds).map(|_| (0..together).map(|_| say(&mut chance)).collect::<Vec<_>>()));
    all
}

fn keep(writer: &mut Writer, drafts: &[Draft]) {
    writer.write(|batch| drafts.iter().try_for_each(|draft| batch.append(draft).map(|kept| assert!(kept.is_ok())))).unwrap();
}

/// What the store writes for each of these transactions.
fn record(transactions: &[Vec<Draft>]) -> Vec<Vec<Act>> {
    let directory = tempfile::tempdir().unwrap();
    let (engine, record) = Recording::new(engine::open(directory.path()).unwrap());
    let replica = Replica::on(Arc::new(engine), directory.path(), keys(), Wall::system()).unwrap();
    let mut writer = replica.writer().unwrap();
    record.lock().unwrap().clear();
    for drafts in transactions {
        keep(&mut writer, drafts);
    }
    std::mem::take(&mut *record.lock().unwrap())
}

/// The events of a transaction, from its rows.
fn events(acts: &[Act]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut views = std::collections::HashMap::new();
    for act in acts {
        match act {
            Act::Append(Table::Event, _, value) => {
                let bytes = value[65..].to_vec();
                let header = EventHeader::decode(&bytes).unwrap();
                let id = *blake3::hash(&bytes).as_bytes();
                let EventHeader { author, sequence, clock, kind, entity, .. } = header;
                let (body, view) = (Vec::new(), Vec::new());
                events.push(Event {
                    id,
                    entity,
                    kind,
                    author,
                    sequence,
                    clock: clock.0,
                    once: [0; 16],
                    header: bytes,
                    body,
                    view,
                });
            }
            Act::Append(Table::Body, _, value) => events.last_mut().unwrap().body.clone_from(value),
            Act::Put(Table::Once, key, _) => events.last_mut().unwrap().once.copy_from_slice(&key[2..]),
            Act::Put(Table::Conversation, key, value) => {
                views.insert(key.clone(), value.clone());
            }
            _ => {}
        }
    }
    for event in &mut events {
        event.view.clone_from(&views[&event.entity[..]]);
    }
    events
}
