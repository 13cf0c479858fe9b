//! Backups of an archive that an older copy was put in the place of, and of one that a disk has damaged: nothing that was
//! backed up leaves the backup, and everything that is whole gets into it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use replica::{Draft, Table, Taken, backup::Point, body::Body};

use crate::{
    backups::{Folder, back_up_with, events},
    memory::Memory,
    world::{Device, begin, say},
};

/// A new device of the same space, from a backup: what is in the list, and what it has beside. With `others_first` what it
/// has beside wins.
fn restored(number: u8, folder: &Folder, point: &Point, others_first: bool) -> Device {
    let mut device = Device::new(number);
    let (main, others) = (point.events.iter(), point.others.iter());
    let packs: Vec<_> = if others_first { others.chain(main).collect() } else { main.chain(others).collect() };
    for pack in packs {
        let parcels = events(&device, folder, &pack.name);
        drop(device.writer.take_over_gaps(&parcels).unwrap());
    }
    device
}

/// The messages that can be read.
fn said(device: &Device) -> BTreeSet<Vec<u8>> {
    let snapshot = device.replica.snapshot().unwrap();
    let events = snapshot.after(0, 9999).unwrap();
    let messages = events.iter().filter_map(|event| snapshot.record(event.position).ok().flatten());
    let number = |body| match body {
        Body::Message(message) => Some(message.id[..2].to_vec()),
        _ => None,
    };
    messages.filter_map(|record| number(record.body)).collect()
}

fn ids(of: impl IntoIterator<Item = u16>) -> BTreeSet<Vec<u8>> {
    of.into_iter().map(|id| id.to_le_bytes().to_vec()).collect()
}

/// Whether a message with this number can be read.
fn has(device: &Device, id: u16) -> bool {
    ids([id]).is_subset(&said(device))
}

fn put_back(device: &mut Device, copy: &Memory) {
    device.memory = copy.copy();
    device.reopen();
}

#[test]
fn an_older_copy_of_the_archive_hides_nothing_from_its_backup() {
    let mut one = Device::new(1);
    let mut folder = Folder::new();
    one.append(&begin(1, "a"));
    one.sign();
    let copy = one.memory.copy();
    for id in 101..104 {
        one.append(&say(1, id, "lost"));
    }
    let (first, _, _) = back_up_with(&mut one, &mut folder, None);
    put_back(&mut one, &copy);
    one.tick(1000);
    for id in 201..204 {
        one.append(&say(1, id, "precious"));
    }
    let (second, written, trouble) = back_up_with(&mut one, &mut folder, Some(first));
    assert!(written >= 1, "what was written since is not in the backup yet");
    assert_eq!((trouble.elsewhere, trouble.events), (3, 0));
    // The list tells of what its packs give, and what it gives is what is here.
    let mut two = Device::new(2);
    for pack in &second.events {
        let parcels = events(&two, &folder, &pack.name);
        assert!(two.take(&parcels).iter().all(|taken| matches!(taken, Ok(Taken::Kept(_)))));
    }
    assert_eq!((Some(two.fingerprint()), two.fingerprint()), (second.fingerprint, one.fingerprint()));
    // And both histories are there.
    let (now, before) = (restored(3, &folder, &second, false), restored(4, &folder, &second, true));
    assert!((201..204).all(|id| has(&now, id)) && !has(&now, 101));
    assert!((101..104).all(|id| has(&before, id)) && !has(&before, 201));
    // It stays so, and nothing is written again.
    let (third, written, trouble) = back_up_with(&mut one, &mut folder, Some(second.clone()));
    assert_eq!((written, trouble.elsewhere, &third.others), (0, 3, &second.others));
    // What is erased leaves the other history too.
    one.append(&Draft::erase_entity([1; 16], None));
    let (fourth, _, _) = back_up_with(&mut one, &mut folder, Some(third));
    let before = restored(5, &folder, &fourth, true);
    assert_eq!(said(&before), BTreeSet::new());
    assert!(!fourth.others.is_empty(), "that there was something is known");
}

#[test]
fn what_an_older_copy_has_not_is_put_back_where_it_fits() {
    let mut one = Device::new(1);
    let mut folder = Folder::new();
    one.append(&begin(1, "a"));
    one.sign();
    let copy = one.memory.copy();
    one.append(&say(1, 101, "lost"));
    let (first, _, _) = back_up_with(&mut one, &mut folder, None);
    let before = one.fingerprint();
    put_back(&mut one, &copy);
    let (second, _, trouble) = back_up_with(&mut one, &mut folder, Some(first));
    assert_eq!((trouble.elsewhere, second.fingerprint), (1, Some(one.fingerprint())));
    assert_eq!(restored(2, &folder, &second, false).fingerprint(), before);
}

#[test]
fn two_copies_in_use_share_a_backup() {
    let mut one = Device::new(1);
    one.append(&begin(1, "a"));
    one.sign();
    let mut copies = [one.memory.copy(), one.memory.copy()];
    let (mut folder, mut last) = (Folder::new(), None);
    for round in 0..10 {
        let which = usize::from(round) % 2;
        put_back(&mut one, &copies[which]);
        one.tick(1000);
        one.append(&say(1, 100 + round, "words"));
        last = Some(back_up_with(&mut one, &mut folder, last).0);
        copies[which] = one.memory.copy();
    }
    let point = last.unwrap();
    let evens = ids((0..10).step_by(2).map(|round| 100 + round));
    let odds = ids((0..10).step_by(2).map(|round| 101 + round));
    assert_eq!(said(&restored(2, &folder, &point, false)), odds, "the one that was backed up last");
    assert_eq!(said(&restored(3, &folder, &point, true)), evens);
}

#[test]
fn packs_of_older_programs_are_read_and_made_again() {
    let mut one = Device::new(1);
    let mut folder = Folder::new();
    one.append(&begin(1, "a"));
    one.sign();
    let copy = one.memory.copy();
    one.append(&say(1, 1, "words"));
    let (mut point, _, _) = back_up_with(&mut one, &mut folder, None);
    // They told of no ids.
    point.events.iter_mut().for_each(|pack| pack.ids = None);
    assert_eq!(Some(restored(2, &folder, &point, false).fingerprint()), point.fingerprint);
    let mut other_folder = folder.clone();
    let (second, written, _) = back_up_with(&mut one, &mut folder, Some(point.clone()));
    assert_eq!((written, second.others.len(), folder.len()), (1, 0, 1));
    assert_eq!(back_up_with(&mut one, &mut folder, Some(second)).1, 0);
    // And what they alone have stays.
    put_back(&mut one, &copy);
    let (second, _, trouble) = back_up_with(&mut one, &mut other_folder, Some(point));
    assert_eq!(trouble.elsewhere, 1);
    assert!(has(&restored(3, &other_folder, &second, false), 1));
}

#[test]
fn what_no_list_names_is_looked_at_before_it_goes() {
    let mut one = Device::new(1);
    let mut folder = Folder::new();
    one.append(&begin(1, "a"));
    one.sign();
    let copy = one.memory.copy();
    one.append(&say(1, 101, "lost"));
    back_up_with(&mut one, &mut folder, None);
    put_back(&mut one, &copy);
    one.append(&say(1, 201, "precious"));
    // The list is gone, or cannot be read.
    let (second, _, trouble) = back_up_with(&mut one, &mut folder, None);
    assert_eq!(trouble.elsewhere, 1);
    assert!(has(&restored(2, &folder, &second, true), 101));
}

#[test]
fn a_damaged_event_is_left_out_and_all_others_are_packed() {
    for (table, at) in [(Table::Body, 30), (Table::Event, 100), (Table::Event, 10), (Table::Event, 0)] {
        let mut one = Device::new(1);
        one.append(&begin(1, "a"));
        let places: Vec<_> = (1..15).map(|id| one.append(&say(1, id, "words")).position).collect();
        one.sign();
        one.memory.tamper(table, &places[2].to_be_bytes(), |value| value[at] ^= 1);
        let mut folder = Folder::new();
        let (point, _, trouble) = back_up_with(&mut one, &mut folder, None);
        assert_eq!((trouble.events, trouble.lost, point.lost, point.fingerprint), (1, 1, 1, None), "{table:?} {at}");
        assert!(trouble.named[0].contains(&format!("place {}:", places[2])), "{trouble:?}");
        let two = restored(2, &folder, &point, false);
        assert_eq!(said(&two), ids((1..15).filter(|id| *id != 3)));
        let (gaps, missing) = two.replica.snapshot().unwrap().gaps(9).unwrap();
        assert_eq!((missing, gaps[0].from, gaps[0].to), (1, 4, 4));
        // The same again: it is damaged as before, and nothing is written.
        let (_, written, trouble) = back_up_with(&mut one, &mut folder, Some(point));
        assert_eq!((written, trouble.events), (0, 1));
    }
}

#[test]
fn what_is_damaged_here_stays_in_the_backup_and_mends() {
    // A bit of the body, of the header and of the signature, and a body that is gone.
    for (table, at) in [(Table::Body, Some(30)), (Table::Event, Some(100)), (Table::Event, Some(10)), (Table::Body, None)] {
        let mut one = Device::new(1);
        let (mut folder, mut last) = (Folder::new(), None);
        one.append(&begin(1, "a"));
        let place = one.append(&say(1, 1, "words")).position;
        last = Some(back_up_with(&mut one, &mut folder, last).0);
        match at {
            Some(at) => one.memory.tamper(table, &place.to_be_bytes(), |value| value[at] ^= 1),
            None => one.memory.remove(table, &place.to_be_bytes()),
        }
        // Often enough that small packs are put together.
        for id in 2..80 {
            one.append(&say(1, id, "words"));
            let (point, _, _) = back_up_with(&mut one, &mut folder, last);
            assert_eq!(point.lost, 0, "{table:?} {at:?}");
            last = Some(point);
        }
        assert!(folder.len() <= 35, "{} packs", folder.len());
        let mut point = last.unwrap();
        let two = restored(2, &folder, &point, false);
        assert_eq!(said(&two), ids(1..80));
        assert_eq!(two.replica.snapshot().unwrap().missing().unwrap(), 0);
        if at.is_none() {
            continue;
        }
        // Mended from there, it is whole again, and nothing is needed beside.
        for pack in point.others.iter().chain(&point.events) {
            let parcels = events(&one, &folder, &pack.name);
            let _mended: u64 = one.writer.mend(&parcels).unwrap();
        }
        one.writer.rebuild().unwrap();
        let trouble;
        (point, _, trouble) = back_up_with(&mut one, &mut folder, Some(point));
        assert_eq!((trouble.events, point.others.len(), point.fingerprint), (0, 0, Some(one.fingerprint())));
        assert_eq!(restored(3, &folder, &point, false).fingerprint(), one.fingerprint());
    }
}

#[derive(Clone, Debug)]
enum Happens {
    Say,
    BackUp,
    Copy,
    PutBack,
    Damage(prop::sample::Index, bool),
    Erase(prop::sample::Index),
    LoseTheList,
}

fn happens() -> impl Strategy<Value = Happens> {
    let index = || any::<prop::sample::Index>();
    prop_oneof![
        8 => Just(Happens::Say),
        4 => Just(Happens::BackUp),
        1 => Just(Happens::Copy),
        1 => Just(Happens::PutBack),
        1 => (index(), any::<bool>()).prop_map(|(which, body)| Happens::Damage(which, body)),
        1 => index().prop_map(Happens::Erase),
        1 => Just(Happens::LoseTheList),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Whatever becomes of the archive: each event that was in a backup once and was not erased is in every later one.
    #[test]
    fn nothing_that_was_backed_up_leaves_the_backup(story in prop::collection::vec(happens(), 1..60)) {
        let mut one = Device::new(1);
        let (mut folder, mut last) = (Folder::new(), None);
        let (mut kept, mut id) = (Vec::new(), 0);
        one.append(&begin(1, "a"));
        one.sign();
        let mut copy = one.memory.copy();
        let mut backed_up: BTreeSet<[u8; 32]> = BTreeSet::new();
        let mut erased: BTreeSet<[u8; 32]> = BTreeSet::new();
        let readable = |device: &Device, folder: &Folder| -> BTreeSet<[u8; 32]> {
            let parcels = folder.keys().flat_map(|name| events(device, folder, name));
            let whole = parcels.filter(|parcel| parcel.body != replica::Carried::Erased);
            whole.map(|parcel| *blake3::hash(&parcel.header).as_bytes()).collect()
        };
        for what in story.iter().chain([&Happens::BackUp]) {
            one.tick(1);
            match what {
                Happens::Say => {
                    id += 1;
                    // After what is damaged it may be impossible to write.
                    if let Ok(Ok(said)) = one.writer.write(|batch| batch.append(&say(1, id, "words"))) {
                        kept.push((said.position, said.id));
                    }
                }
                Happens::Copy => {
                    one.sign();
                    copy = one.memory.copy();
                }
                Happens::PutBack => put_back(&mut one, &copy),
                Happens::Damage(index, body) if !kept.is_empty() => {
                    let (position, _) = kept[index.index(kept.len())];
                    let table = if *body { Table::Body } else { Table::Event };
                    let key = position.to_be_bytes().to_vec();
                    if one.memory.keys(table).contains(&key) {
                        one.memory.tamper(table, &key, |value| value[70] ^= 1);
                    }
                }
                Happens::Erase(index) if !kept.is_empty() => {
                    let (_, id) = kept[index.index(kept.len())];
                    if let Ok(Ok(_)) = one.writer.write(|batch| batch.append(&Draft::erase_event([1; 16], id))) {
                        erased.insert(id);
                    }
                }
                Happens::LoseTheList => last = None,
                Happens::BackUp => {
                    let (point, _, trouble) = back_up_with(&mut one, &mut folder, last);
                    let here = readable(&one, &folder);
                    for id in &backed_up {
                        prop_assert!(here.contains(id) || erased.contains(id), "{trouble:?}");
                    }
                    backed_up.extend(here);
                    last = Some(point);
                }
                Happens::Damage(..) | Happens::Erase(_) => {}
            }
        }
    }
}
