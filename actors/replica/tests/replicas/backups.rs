//! Backups: what is put back is what was there, only what is new is packed, and what is erased comes back from none of them,
//! in whatever order packs and old peers come.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::Ordering,
};

use proptest::prelude::*;
use replica::{
    Draft, Form, Parcel, Table, Taken,
    backup::{BadPack, Inside, Name, Next, Plan, Point, Trouble, name_of},
};

use crate::{
    memory::Memory,
    world::{Device, NOON, begin, file, rename, say},
};

/// A folder of packs.
pub(crate) type Folder = HashMap<Name, Vec<u8>>;

/// Brings a backup up to date; how many packs were written.
fn back_up(device: &mut Device, folder: &mut Folder, last: Option<Point>) -> (Point, usize) {
    let (point, written, trouble) = back_up_with(device, folder, last);
    assert_eq!(trouble, Trouble::default());
    (point, written)
}

/// The same, and what is not as it should be.
pub(crate) fn back_up_with(device: &mut Device, folder: &mut Folder, last: Option<Point>) -> (Point, usize, Trouble) {
    device.sign();
    let there = folder.iter().map(|(name, file)| (*name, file.len() as u64)).collect();
    let mut plan = Plan::new(&device.replica, last, &there).unwrap();
    let mut keep = plan.kept();
    let mut written = 0;
    loop {
        match plan.next_step().unwrap() {
            Next::Write(pack) => {
                keep.insert(pack.name);
                folder.insert(pack.name, pack.file);
                written += 1;
            }
            Next::Keep(name) => drop(keep.insert(name)),
            // One that is damaged is none any more.
            Next::Show(name) => drop(plan.look(&name, &folder[&name]).unwrap()),
            Next::Nothing => break,
        }
    }
    let point = plan.finish(0, false).unwrap().expect("nothing was kept meanwhile");
    assert!(point.whole);
    folder.retain(|name, _| keep.contains(name));
    (point, written, plan.trouble().unwrap())
}

pub(crate) fn events(device: &Device, folder: &Folder, name: &Name) -> Vec<Parcel> {
    match device.replica.open_pack(name, &folder[name]).unwrap() {
        Inside::Events(parcels) => parcels,
        Inside::Chunks(_) => panic!("these devices have no large content"),
    }
}

/// A new device of the same space, from a backup.
fn restored(number: u8, folder: &Folder, point: &Point) -> Device {
    let mut device = Device::new(number);
    device.wall.store(NOON + 365 * 86_400_000, Ordering::Relaxed);
    for pack in &point.events {
        let parcels = events(&device, folder, &pack.name);
        assert!(device.take(&parcels).iter().all(|taken| matches!(taken, Ok(Taken::Kept(_) | Taken::Bare(_)))));
    }
    device
}

#[test]
fn only_what_is_new_is_packed_and_everything_is_put_back() {
    let mut one = Device::new(1);
    let mut folder = Folder::new();
    one.append(&begin(1, "a"));
    one.append(&say(1, 1, "words"));
    let (first, written) = back_up(&mut one, &mut folder, None);
    assert_eq!((written, first.newest), (1, 2));
    let (again, written) = back_up(&mut one, &mut folder, Some(first.clone()));
    assert_eq!((written, &again.events), (0, &first.events), "nothing is new");
    one.append(&say(1, 2, "more words"));
    let (second, written) = back_up(&mut one, &mut folder, Some(again));
    assert_eq!((written, second.events.len(), second.events[1].count), (1, 2, 1));
    let two = restored(2, &folder, &second);
    assert_eq!(Some(two.fingerprint()), second.fingerprint);
    assert_eq!(one.fingerprint(), two.fingerprint());
    // A pack that was lost is packed again, and it alone.
    folder.remove(&second.events[0].name);
    let (third, written) = back_up(&mut one, &mut folder, Some(second.clone()));
    assert_eq!((written, third.events[1].name), (1, second.events[1].name));
    assert_eq!(Some(restored(3, &folder, &third).fingerprint()), third.fingerprint);
    // Another device's places mean nothing here.
    let mut two = two;
    let (_, written) = back_up(&mut two, &mut folder, Some(third));
    assert_eq!(written, 1);
}

#[test]
fn many_small_packs_are_put_together() {
    let mut one = Device::new(1);
    let (mut folder, mut last) = (Folder::new(), None);
    one.append(&begin(1, "a"));
    for id in 0..100 {
        one.append(&say(1, id, "words"));
        last = Some(back_up(&mut one, &mut folder, last).0);
        assert!(folder.len() <= 33, "{} packs", folder.len());
    }
    assert_eq!(one.fingerprint(), restored(2, &folder, &last.unwrap()).fingerprint());
}

#[test]
fn what_is_erased_leaves_the_backup_when_it_is_next_brought_up_to_date() {
    let mut one = Device::new(1);
    let mut folder = Folder::new();
    one.append(&begin(1, "a"));
    one.append(&say(1, 1, "words"));
    let (first, _) = back_up(&mut one, &mut folder, None);
    one.append(&begin(2, "b"));
    let (second, _) = back_up(&mut one, &mut folder, Some(first));
    let old: Vec<_> = second.events.iter().map(|pack| pack.name).collect();
    one.append(&Draft::erase_entity([1; 16], None));
    let (third, written) = back_up(&mut one, &mut folder, Some(second));
    assert_eq!(written, 2, "the pack that held it, and the erasure");
    assert!(!folder.contains_key(&old[0]) && folder.contains_key(&old[1]));
    let two = restored(2, &folder, &third);
    assert_eq!(one.fingerprint(), two.fingerprint());
    assert!(!two.memory.keys(Table::Key).contains(&vec![1; 16]));
}

#[test]
fn a_lost_pack_takes_only_itself_and_finds_its_place_later() {
    let mut one = Device::new(1);
    let (mut folder, mut last) = (Folder::new(), None);
    for id in 1..5 {
        one.append(&begin(id, "a"));
        one.append(&say(id, id.into(), "words"));
        last = Some(back_up(&mut one, &mut folder, last).0);
    }
    let point = last.unwrap();
    let mut two = Device::new(2);
    for index in [0, 2, 3] {
        let parcels = events(&two, &folder, &point.events[index].name);
        if index == 2 {
            assert!(two.take(&parcels).iter().all(|taken| matches!(taken, Ok(Taken::Gap(_)))), "not by itself");
        }
        assert!(two.writer.take_over_gaps(&parcels).unwrap().iter().all(|taken| matches!(taken, Ok(Taken::Kept(_)))));
    }
    assert_eq!(two.replica.snapshot().unwrap().conversations(None, 9).unwrap().items.len(), 3);
    let damaged = two.replica.snapshot().unwrap().verify(0, 99).unwrap().damaged;
    assert_eq!(damaged.len(), 1, "what is missing is noticed: {damaged:?}");
    assert_ne!(one.fingerprint(), two.fingerprint());
    let parcels = events(&two, &folder, &point.events[1].name);
    assert!(two.take(&parcels).iter().all(|taken| matches!(taken, Ok(Taken::Kept(_)))), "the gap was left for it");
    assert_eq!(one.fingerprint(), two.fingerprint());
    assert_eq!(two.replica.snapshot().unwrap().verify(0, 99).unwrap().damaged, vec![]);
    assert_eq!(two.replica.snapshot().unwrap().forks().unwrap(), vec![]);
}

#[test]
fn what_was_changed_is_no_pack_and_what_is_anothers_does_not_open() {
    let mut one = Device::new(1);
    one.append(&begin(1, "a"));
    let mut folder = Folder::new();
    let (point, _) = back_up(&mut one, &mut folder, None);
    let (name, pack) = folder.iter().next().unwrap();
    for at in [0, 30, pack.len() - 1] {
        let mut bad = pack.clone();
        bad[at] ^= 1;
        assert_eq!(one.replica.open_pack(name, &bad).err(), Some(BadPack::Changed));
        assert_eq!(one.replica.open_pack(&name_of(&bad), &bad).err(), Some(BadPack::Seal));
    }
    let stranger = Device::with(1, [1; 32], Memory::new());
    assert_eq!(stranger.replica.open_pack(name, pack).err(), Some(BadPack::Seal));
    let (_, file) = one.replica.seal_point(&point).unwrap();
    assert_eq!(one.replica.open_point(&file), Ok(point));
    assert_eq!(stranger.replica.open_point(&file), Err(BadPack::Seal));
    assert_eq!(one.replica.open_point(pack), Err(BadPack::Seal), "a pack is no point");
}

#[test]
fn what_is_damaged_is_put_back_and_nothing_else_is_touched() {
    let mut one = Device::new(1);
    let mut folder = Folder::new();
    let ids: Vec<_> =
        [begin(1, "a"), say(1, 1, "words"), say(1, 2, "more")].iter().map(|draft| one.append(draft).position).collect();
    let (point, _) = back_up(&mut one, &mut folder, None);
    let before = one.fingerprint();
    let parcels = events(&one, &folder, &point.events[0].name);
    assert_eq!(one.writer.mend(&parcels).unwrap(), 0);
    // A bit of the body, of the header and of the signature: the value is `signed ‖ signature 64 ‖ header`.
    for (table, at) in [(Table::Body, 30), (Table::Event, 100), (Table::Event, 10)] {
        one.memory.tamper(table, &ids[1].to_be_bytes(), |value| value[at] ^= 1);
        let damaged = one.replica.snapshot().unwrap().verify(0, 99).unwrap().damaged;
        assert!(damaged.iter().any(|damaged| damaged.position == ids[1]), "{damaged:?}");
        assert_eq!(one.writer.mend(&parcels).unwrap(), 1);
        assert_eq!(one.replica.snapshot().unwrap().verify(0, 99).unwrap().damaged, vec![]);
        one.writer.rebuild().unwrap();
        assert_eq!(one.fingerprint(), before);
    }
}

#[derive(Clone, Debug)]
enum Happens {
    Say(u8, u16),
    Write(u8, u8),
    Rename(u8),
    /// One of the events there are.
    EraseEvent(prop::sample::Index),
    EraseConversation(u8),
    EraseFile(u8),
    BackUp,
    /// A pack of an old backup comes, to be taken or to mend.
    Pack(prop::sample::Index, bool),
    /// An old peer gives what it had, sealed or open, in some order.
    Peer(prop::sample::Index, bool),
    Rebuild,
}

fn happens() -> impl Strategy<Value = Happens> {
    let index = || any::<prop::sample::Index>();
    prop_oneof![
        6 => (1u8..4, 0u16..40).prop_map(|(entity, id)| Happens::Say(entity, id)),
        3 => (0x20u8..0x22, any::<u8>()).prop_map(|(entity, byte)| Happens::Write(entity, byte)),
        1 => (1u8..4).prop_map(Happens::Rename),
        3 => index().prop_map(Happens::EraseEvent),
        1 => (1u8..4).prop_map(Happens::EraseConversation),
        1 => (0x20u8..0x22).prop_map(Happens::EraseFile),
        3 => Just(Happens::BackUp),
        4 => (index(), any::<bool>()).prop_map(|(which, mends)| Happens::Pack(which, mends)),
        4 => (index(), any::<bool>()).prop_map(|(which, sealed)| Happens::Peer(which, sealed)),
        1 => Just(Happens::Rebuild),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_erased_never_returns(story in prop::collection::vec(happens(), 1..60)) {
        let mut one = Device::new(1);
        let (mut folder, mut attic, mut last) = (Folder::new(), Folder::new(), None);
        let mut peers: Vec<[Vec<Parcel>; 2]> = Vec::new();
        let mut kept: Vec<([u8; 16], [u8; 32])> = Vec::new();
        let mut erased: BTreeSet<[u8; 32]> = BTreeSet::new();
        for entity in 1..4 {
            let begun = one.append(&begin(entity, "a"));
            kept.push((begun.entity, begun.id));
        }
        for what in &story {
            one.tick(1);
            match what {
                Happens::Say(entity, id) => kept.extend(one.try_append(&say(*entity, *id, &format!("words {id}"))).ok().map(|kept| (kept.entity, kept.id))),
                Happens::Write(entity, byte) => kept.extend(one.try_append(&file(*entity, &[*byte; 40])).ok().map(|kept| (kept.entity, kept.id))),
                Happens::Rename(entity) => kept.extend(one.try_append(&rename(*entity, "b")).ok().map(|kept| (kept.entity, kept.id))),
                Happens::EraseEvent(index) => {
                    let (entity, id) = kept[index.index(kept.len())];
                    one.append(&Draft::erase_event(entity, id));
                    erased.insert(id);
                }
                Happens::EraseConversation(entity) => {
                    one.append(&Draft::erase_entity([*entity; 16], None));
                    erased.extend(kept.iter().filter(|(of, _)| *of == [*entity; 16]).map(|(_, id)| *id));
                }
                Happens::EraseFile(entity) => {
                    let until = one.replica.snapshot().unwrap().latest().unwrap();
                    one.append(&Draft::erase_entity([*entity; 16], Some(until.0)));
                    erased.extend(kept.iter().filter(|(of, _)| *of == [*entity; 16]).map(|(_, id)| *id));
                }
                Happens::BackUp => {
                    let (point, _) = back_up(&mut one, &mut folder, last.take());
                    // Somebody keeps every pack there ever was.
                    attic.extend(folder.clone());
                    last = Some(point);
                    peers.push([one.everything(Form::Sealed), one.everything(Form::Open)]);
                }
                Happens::Pack(which, mends) => {
                    let mut names: Vec<_> = attic.keys().copied().collect();
                    names.sort_unstable();
                    if names.is_empty() {
                        continue;
                    }
                    let parcels = events(&one, &attic, &names[which.index(names.len())]);
                    one.sign();
                    if *mends {
                        let _mended: u64 = one.writer.mend(&parcels).unwrap();
                    } else {
                        drop(one.writer.take_over_gaps(&parcels).unwrap());
                    }
                }
                Happens::Peer(which, sealed) => {
                    if peers.is_empty() {
                        continue;
                    }
                    let mut parcels = peers[which.index(peers.len())][usize::from(*sealed)].clone();
                    parcels.reverse();
                    one.sign();
                    one.take(&parcels);
                }
                Happens::Rebuild => one.writer.rebuild().unwrap(),
            }
        }
        let (point, _) = back_up(&mut one, &mut folder, last);
        let two = restored(2, &folder, &point);
        prop_assert_eq!(one.fingerprint(), two.fingerprint());
        for device in [&one, &two] {
            let snapshot = device.replica.snapshot().unwrap();
            prop_assert_eq!(snapshot.verify(0, usize::MAX).unwrap().damaged, vec![]);
            prop_assert_eq!(snapshot.forks().unwrap(), vec![]);
            for (_, id) in &kept {
                let event = snapshot.event(id).unwrap().unwrap();
                prop_assert_eq!(snapshot.record(event.position).unwrap().is_none(), erased.contains(id));
            }
        }
    }
}
