//! The file as somebody finds it who may write to it and has no key.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs::File, os::unix::fs::FileExt as _};

use super::{record::RECORD_LEN, *};

const HEADER: usize = 256;
const ANN: [u8; 32] = [7; 32];
const BOB: [u8; 32] = [8; 32];

fn clock() -> u64 {
    1_000
}

fn audit(file: &File, places: u64) -> Audit {
    Audit::with(file.try_clone().unwrap(), places, clock)
}

fn enter(audit: &mut Audit, who: [u8; 32]) {
    audit.follow(&Zeroizing::new(who), who).unwrap();
}

fn act(verb: u16) -> Act {
    Act { verb, by: (Role::Cli, Instance(3)), refused: None, objects: [9; 32] }
}

/// What the log of the open space says, and what is missing in it.
fn look(audit: &Audit) -> (Vec<Record>, Vec<(u64, u64)>) {
    let top = audit.top().unwrap();
    let mut chain = Chain::ending(&top);
    let (mut records, mut below) = (Vec::new(), Some(top.count));
    while let Some(from) = below {
        let (found, next) = audit.step(from).unwrap();
        for (at, record) in found {
            chain.take(&record, at);
            records.push(record);
        }
        below = next;
    }
    chain.end();
    (records, chain.missing)
}

fn bytes(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn put(file: &File, bytes: &[u8]) {
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// Two spaces in turn: each record of Ann's is followed by one of Bob's, but for the first two and the last two.
fn written() -> (File, Audit) {
    let file = tempfile::tempfile().unwrap();
    let mut audit = audit(&file, 1000);
    for who in [ANN, ANN, BOB, ANN, BOB, ANN, BOB, ANN, ANN] {
        audit.leave();
        enter(&mut audit, who);
        audit.act(act(verbs::Lend::NUMBER)).unwrap();
    }
    (file, audit)
}

/// The numbers in the file of Ann's records.
const ANNS: [usize; 6] = [0, 1, 3, 5, 7, 8];

#[test]
fn what_was_done_is_read_back_and_goes_on_after_a_restart() {
    let file = tempfile::tempfile().unwrap();
    let mut first = audit(&file, 1000);
    first.missed();
    first.missed();
    enter(&mut first, ANN);
    first.act(act(verbs::Unlock::NUMBER)).unwrap();
    first.act(Act { refused: Some(Code::NoSuchKey), by: (Role::Llm, Instance(1)), ..act(verbs::ReleaseApiKey::NUMBER) }).unwrap();
    drop(first);
    let mut second = audit(&file, 1000);
    assert_eq!(second.top(), None);
    enter(&mut second, ANN);
    second.act(act(verbs::Lock::NUMBER)).unwrap();
    let (records, missing) = look(&second);
    assert_eq!(missing, []);
    let told: Vec<_> = records.iter().map(|one| (one.link.number, one.verb, one.outcome, one.misses)).collect();
    let refused = Code::NoSuchKey as u16;
    assert_eq!(
        told,
        [(3, verbs::Lock::NUMBER, 0, 0), (2, verbs::ReleaseApiKey::NUMBER, refused, 0), (1, verbs::Unlock::NUMBER, 0, 2)]
    );
    assert_eq!((records[0].caller, records[0].objects, records[0].at_ms), (Some((Role::Cli as u8, 3)), [9; 32], 1_000));
}

#[test]
fn nothing_is_written_before_a_pair_has_opened_its_space() {
    let file = tempfile::tempfile().unwrap();
    let mut audit = audit(&file, 1000);
    audit.missed();
    audit.act(act(verbs::Unlock::NUMBER)).unwrap();
    audit.flush().unwrap();
    assert_eq!(bytes(&file), Vec::<u8>::new());
}

#[test]
fn a_space_reads_its_own_records_and_no_others() {
    let (file, mut audit) = written();
    assert_eq!((look(&audit).0.len(), look(&audit).1), (6, vec![]));
    audit.leave();
    enter(&mut audit, BOB);
    assert_eq!((look(&audit).0.len(), look(&audit).1), (3, vec![]));
    audit.leave();
    enter(&mut audit, [1; 32]);
    assert_eq!(look(&audit), (vec![], vec![]));
    let all = bytes(&file);
    assert_eq!(all.len(), HEADER + 9 * RECORD_LEN, "one length for all");
}

/// While a space is open every single change of a byte is found, unless it concerns a record of another space that none of its
/// own follows.
#[test]
fn a_flipped_bit_anywhere_is_found() {
    let (file, audit) = written();
    let whole = bytes(&file);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        put(&file, &changed);
        let (_, missing) = look(&audit);
        let found = !missing.is_empty() || !audit.is_header_whole();
        let record = at.checked_sub(HEADER).map(|at| at / RECORD_LEN);
        let ours = record.is_none_or(|number| ANNS.contains(&number) || ANNS.contains(&(number + 1)));
        assert_eq!(found, ours, "byte {at}, record {record:?}");
        if let Some(number) = record.filter(|number| ANNS.contains(number)) {
            let place = ANNS.iter().position(|own| *own == number).unwrap() as u64 + 1;
            assert!(missing.iter().any(|(first, last)| (*first..=*last).contains(&place)), "{place} is named: {missing:?}");
        }
    }
    put(&file, &whole);
    assert!(look(&audit).1.is_empty() && audit.is_header_whole());
}

/// Removed, repeated, swapped, inserted: the bytes after a change lie elsewhere or behind others than they were sealed for.
#[test]
fn a_record_that_is_moved_about_is_found() {
    let (file, audit) = written();
    let whole = bytes(&file);
    let (header, records) = whole.split_at(HEADER);
    let records: Vec<&[u8]> = records.chunks(RECORD_LEN).collect();
    let mut tried = 0;
    let mut tampered = |what: String, changed: Vec<&[u8]>| {
        if changed == records {
            return;
        }
        put(&file, &[header, &changed.concat()].concat());
        assert!(!look(&audit).1.is_empty(), "{what}");
        tried += 1;
    };
    for at in 0..records.len() {
        let mut removed = records.clone();
        removed.remove(at);
        tampered(format!("removed {at}"), removed);
        // What is put behind the last one is not counted by the header: it is no part of the log, and is written over.
        if at + 1 < records.len() {
            let mut repeated = records.clone();
            repeated.insert(at, records[at]);
            tampered(format!("repeated {at}"), repeated);
        }
        let mut inserted = records.clone();
        let foreign = [5; RECORD_LEN];
        inserted.insert(at, &foreign);
        tampered(format!("inserted before {at}"), inserted);
        for other in 0..at {
            let mut swapped = records.clone();
            swapped.swap(at, other);
            tampered(format!("swapped {at} and {other}"), swapped);
            let mut copied = records.clone();
            copied[other] = records[at];
            tampered(format!("{at} over {other}"), copied);
        }
        tampered(format!("cut at {at}"), records[..at].to_vec());
    }
    assert!(tried > 90, "{tried}");
}

/// What is cut off while nothing is open leaves a shorter log that is whole: the head that the archive keeps tells.
#[test]
fn an_end_that_was_cut_off_while_locked_differs_from_the_head_that_was_kept() {
    let (file, before) = written();
    let kept = before.top().unwrap();
    let whole = bytes(&file);
    for left in 0..9 {
        put(&file, &whole[..HEADER + left * RECORD_LEN]);
        let mut after = audit(&file, 1000);
        enter(&mut after, ANN);
        for _ in 0..20 {
            after.act(act(verbs::Lend::NUMBER)).unwrap();
        }
        let (records, missing) = look(&after);
        assert_eq!(missing, [], "it goes on where it ended");
        let same = records.iter().find(|record| record.link.number == kept.number).unwrap();
        let top = after.top().unwrap();
        let hash_of = |number: u64| {
            let mut below = Some(top.count);
            while let Some(from) = below {
                let (found, next) = after.step(from).unwrap();
                if let Some((at, _)) = found.iter().find(|(_, record)| record.link.number == number) {
                    return Some(at.hash);
                }
                below = next;
            }
            None
        };
        assert_ne!(hash_of(same.link.number), kept.newest.map(|newest| newest.hash), "{left} left");
    }
}

#[test]
fn a_damaged_header_keeps_nobody_out_and_is_said() {
    let (file, _) = written();
    file.write_all_at(&[0xff; 8], 16).unwrap();
    let mut again = audit(&file, 1000);
    enter(&mut again, ANN);
    assert!(!again.is_header_whole());
    again.act(act(verbs::Lock::NUMBER)).unwrap();
    assert_eq!((look(&again).0.len(), look(&again).1), (7, vec![]));
    assert!(!again.is_header_whole(), "it is written anew, and still said as long as this process lives");
}

#[test]
fn a_full_ring_forgets_the_oldest_and_nothing_else() {
    let file = tempfile::tempfile().unwrap();
    let mut audit = audit(&file, 8);
    enter(&mut audit, ANN);
    for round in 0..30_u64 {
        audit.act(act(verbs::Lend::NUMBER)).unwrap();
        let (records, missing) = look(&audit);
        assert_eq!(missing, [], "{round}");
        // Of a full ring the oldest cannot be opened: what it was bound to is gone.
        let expected = if round < 8 { round + 1 } else { 7 };
        assert_eq!(records.len() as u64, expected, "{round}");
    }
    assert_eq!(bytes(&file).len(), HEADER + 8 * RECORD_LEN);
    let mut again = super::tests::audit(&file, 8);
    enter(&mut again, ANN);
    assert_eq!((again.top().unwrap().number, look(&again).1), (30, vec![]));
    // A change in a full ring is found like any other, but for the record whose place comes next.
    let whole = bytes(&file);
    for place in 0..8 {
        let mut changed = whole.clone();
        changed[HEADER + place * RECORD_LEN + 40] ^= 1;
        put(&file, &changed);
        assert!(!look(&again).1.is_empty(), "place {place}");
    }
}

#[test]
fn what_comes_often_is_summed_and_what_is_refused_too() {
    let file = tempfile::tempfile().unwrap();
    let mut audit = audit(&file, 1000);
    enter(&mut audit, ANN);
    let refused = Act { refused: Some(Code::Busy), by: (Role::Llm, Instance(1)), ..act(verbs::Unlock::NUMBER) };
    for _ in 0..500 {
        audit.act(Act { by: (Role::Storage, Instance(1)), ..act(verbs::SignEvents::NUMBER) }).unwrap();
        audit.act(refused).unwrap();
        audit.act(act(verbs::Lend::NUMBER)).unwrap();
        audit.act(act(verbs::KeyStatus::NUMBER)).unwrap();
    }
    assert_eq!(look(&audit).0.len(), 2 + SINGLES as usize);
    audit.flush().unwrap();
    audit.flush().unwrap();
    let (records, missing) = look(&audit);
    assert_eq!((records.len(), missing), (5 + SINGLES as usize, vec![]));
    let mut sums: Vec<_> = records.iter().map(|one| one.times).filter(|times| *times > 1).collect();
    sums.sort_unstable();
    assert_eq!(sums, [500 - SINGLES, 499, 499]);
    let top = audit.top().unwrap();
    assert_eq!(top.number - top.notable, 2, "the archive's signing is told apart");
}

/// A descriptor that cannot be written to stands for a full disk: both fail where a record is written.
#[test]
fn what_cannot_be_recorded_is_refused_unless_it_must_be_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let good = File::options().create(true).truncate(true).read(true).write(true).open(&path).unwrap();
    let mut audit = Audit::with(File::open(&path).unwrap(), 1000, clock);
    enter(&mut audit, ANN);
    assert!(audit.act(act(verbs::Unlock::NUMBER)).is_ok());
    assert!(audit.act(act(verbs::Lend::NUMBER)).is_err());
    assert!(audit.act(act(verbs::Lock::NUMBER)).is_ok());
    for _ in 0..100 {
        let _ = audit.act(Act { by: (Role::Ui, Instance(1)), ..act(verbs::Unlock::NUMBER) });
    }
    assert!(audit.flush().is_err());
    // There is room again.
    audit.ring = Ring::open(good, 1000).map_err(|error| error.kind());
    audit.flush().unwrap();
    let (records, missing) = look(&audit);
    assert_eq!(missing, []);
    let in_order: Vec<_> = records.iter().rev().map(|one| (one.verb, one.outcome != 0)).take(3).collect();
    assert_eq!(in_order, [(verbs::Unlock::NUMBER, false), (verbs::Lend::NUMBER, true), (verbs::Lock::NUMBER, false)]);
    assert_eq!(records.iter().map(|one| one.times + one.unwritten).sum::<u32>(), 103, "each is written, summed or counted");
}
