//! Several devices do anything in any order; what passes between them is lost, comes twice and in disorder, and their
//! clocks are hours apart. In the end all of them say the same.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use proptest::prelude::*;
use replica::{
    Draft, Form, Kept, Parcel, Unfit,
    body::{Body, Content, FileBody, FileRemoved, OnBranch},
    branches::{self, BranchBody},
    state::{Act, Element, Operation, Step, Value},
};

use crate::{
    dump::dump,
    world::{Device, NOON, begin, file, on, rename, say},
};

/// Something that happens.
#[derive(Clone, Debug)]
enum Happens {
    Begin(u8),
    Say(u8, u16),
    Rename(u8, u8),
    Write(u8, u8),
    Remove(u8),
    /// A branch begins, moves on or ends, as this device sees the world.
    Branch(u8, u64, u8),
    /// A file is written on it.
    WriteOn(u8, u64),
    Unknown(u8),
    Change(u8, Vec<Edit>),
    EraseEvent(prop::sample::Index),
    EraseEntity(u8, bool),
    Tick(u64),
    /// To whom, whether sealed, and how the parcels fare: which are lost, which come twice, and their order.
    Send(usize, bool, Vec<Fate>, u64),
    Rebuild,
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Twice,
}

#[derive(Clone, Debug)]
enum Edit {
    Set(u8, i64),
    Refer(u8, u8),
    Clear(u8),
    ClearAll,
    Add(u8, u8),
    Remove(u8, u8),
    Insert(prop::sample::Index, i64),
    SetItem(prop::sample::Index, i64),
    Move(prop::sample::Index, prop::sample::Index),
    Delete(prop::sample::Index),
    Increment(i64),
    Text(String, u64),
    Reviewed,
}

const FIELDS: [&str; 3] = ["a", "b", "c"];
const STATES: [u8; 2] = [0x30, 0x31];

fn edit() -> impl Strategy<Value = Edit> {
    let index = || any::<prop::sample::Index>();
    prop_oneof![
        3 => (0u8..3, -5i64..5).prop_map(|(field, number)| Edit::Set(field, number)),
        1 => (0u8..3, 0u8..3).prop_map(|(field, target)| Edit::Refer(field, target)),
        1 => (0u8..3).prop_map(Edit::Clear),
        1 => Just(Edit::ClearAll),
        3 => (0u8..3, 0u8..4).prop_map(|(field, member)| Edit::Add(field, member)),
        2 => (0u8..3, 0u8..4).prop_map(|(field, member)| Edit::Remove(field, member)),
        3 => (index(), -5i64..5).prop_map(|(after, number)| Edit::Insert(after, number)),
        1 => (index(), -5i64..5).prop_map(|(item, number)| Edit::SetItem(item, number)),
        2 => (index(), index()).prop_map(|(item, after)| Edit::Move(item, after)),
        1 => index().prop_map(Edit::Delete),
        2 => (-5i64..9).prop_map(Edit::Increment),
        3 => ("[a-c 東]{0,9}", any::<u64>()).prop_map(|(text, chance)| Edit::Text(text, chance)),
        1 => Just(Edit::Reviewed),
    ]
}

fn happens(devices: usize) -> impl Strategy<Value = Happens> {
    let fate = prop_oneof![6 => Just(Fate::Arrives), 1 => Just(Fate::Lost), 1 => Just(Fate::Twice)];
    let send = (0..devices, any::<bool>(), prop::collection::vec(fate, 1..24), any::<u64>());
    prop_oneof![
        3 => (1u8..4).prop_map(Happens::Begin),
        6 => (1u8..4, any::<u16>()).prop_map(|(entity, id)| Happens::Say(entity, id)),
        2 => (1u8..4, any::<u8>()).prop_map(|(entity, title)| Happens::Rename(entity, title)),
        3 => (0x20u8..0x23, any::<u8>()).prop_map(|(entity, byte)| Happens::Write(entity, byte)),
        1 => (0x20u8..0x23).prop_map(Happens::Remove),
        3 => (0x40u8..0x42, 1u64..3, 0u8..3).prop_map(|(entity, generation, act)| Happens::Branch(entity, generation, act)),
        2 => (0x20u8..0x23, 1u64..3).prop_map(|(entity, generation)| Happens::WriteOn(entity, generation)),
        1 => (1u8..4).prop_map(Happens::Unknown),
        9 => (0u8..2, prop::collection::vec(edit(), 1..4)).prop_map(|(entity, edits)| Happens::Change(entity, edits)),
        1 => any::<prop::sample::Index>().prop_map(Happens::EraseEvent),
        1 => (prop_oneof![1u8..4, 0x20u8..0x23, 0x30u8..0x32, 0x50u8..0x53], any::<bool>())
            .prop_map(|(entity, all)| Happens::EraseEntity(entity, all)),
        2 => (0u64..4_000_000).prop_map(Happens::Tick),
        8 => send.prop_map(|(to, sealed, fates, order)| Happens::Send(to, sealed, fates, order)),
        1 => Just(Happens::Rebuild),
        1 => Just(Happens::Reopen),
    ]
}

fn story() -> impl Strategy<Value = (Vec<u64>, Vec<(usize, Happens)>)> {
    (2usize..=5).prop_flat_map(|devices| {
        // Clocks up to eight hours apart.
        let skews = prop::collection::vec(0u64..8 * 3_600_000, devices);
        (skews, prop::collection::vec((0..devices, happens(devices)), 1..70))
    })
}

fn operation(device: &Device, entity: u8, edit: &Edit) -> Option<Operation> {
    let field = |field: u8| [FIELDS[field as usize]];
    let state = device.replica.snapshot().unwrap().state(&[entity; 16]).unwrap().unwrap_or_default();
    let items: Vec<Element> =
        state.field("list").map(|node| node.list.places().iter().map(|item| item.id).collect()).unwrap_or_default();
    let some = |index: &prop::sample::Index| (!items.is_empty()).then(|| items[index.index(items.len())]);
    Some(match edit {
        Edit::Set(name, number) => on(&field(*name), Act::Set(Value::Number(*number))),
        Edit::Refer(name, target) => on(&["deep", "er", FIELDS[*name as usize]], Act::Set(Value::Reference([*target; 16]))),
        Edit::Clear(name) => on(&field(*name), Act::Clear),
        Edit::ClearAll => on(&["deep"], Act::Clear),
        Edit::Add(name, member) => on(&field(*name), Act::Add(Value::Number((*member).into()))),
        Edit::Remove(name, member) => on(&field(*name), Act::Remove(Value::Number((*member).into()))),
        Edit::Insert(after, number) => on(&["list"], Act::Insert(some(after), Some(Value::Number(*number)))),
        Edit::SetItem(item, number) => {
            let path = vec![Step::from("list"), Step::Element(some(item)?)];
            Operation { path, act: Act::Set(Value::Number(*number)) }
        }
        Edit::Move(item, after) => on(&["list"], Act::Move(some(item)?, some(after))),
        Edit::Delete(item) => on(&["list"], Act::Delete(some(item)?)),
        Edit::Increment(by) => on(&["count"], Act::Increment(*by)),
        Edit::Text(text, chance) => state.edit(&[Step::from("text")], text, *chance).unwrap(),
        Edit::Reviewed => on(&["text"], Act::Reviewed),
    })
}

/// An order that depends on one number.
fn shuffle(parcels: &mut [Parcel], mut order: u64) {
    for last in (1..parcels.len()).rev() {
        order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        parcels.swap(last, (order >> 33) as usize % (last + 1));
    }
}

struct World {
    devices: Vec<Device>,
    kept: Vec<Kept>,
    erased: BTreeSet<[u8; 32]>,
}

impl World {
    fn happens(&mut self, who: usize, what: &Happens) {
        let draft = match what {
            Happens::Begin(entity) => begin(*entity, &format!("by {who}")),
            Happens::Say(entity, id) => say(*entity, *id, &format!("words {id} by {who}")),
            Happens::Rename(entity, title) => rename(*entity, &format!("title {title}")),
            Happens::Write(entity, byte) => file(*entity, &[*byte; 40]),
            Happens::Remove(entity) => {
                let body = Body::FileRemoved(FileRemoved::new(format!("user/{entity}")));
                Draft { entity: [*entity; 16], body, once: None }
            }
            Happens::Branch(entity, generation, act) => {
                let act = [branches::Act::Begin, branches::Act::Move, branches::Act::End][usize::from(*act)];
                let fork = self.devices[who].replica.snapshot().unwrap().fork_point().unwrap();
                let fork = if act == branches::Act::End { Vec::new() } else { fork };
                let (name, generation) = (format!("user@{entity}"), *generation);
                let body = BranchBody { name, generation, act, fork, commit: None, counts: None };
                Draft { entity: [*entity; 16], body: Body::Branch(body), once: None }
            }
            Happens::WriteOn(entity, generation) => {
                let snapshot = self.devices[who].replica.snapshot().unwrap();
                let over = snapshot.versions(&[*entity; 16], None, 1, 0).unwrap().items.pop().map(|version| version.event.id);
                let branch = Some(OnBranch { generation: *generation, over });
                let file = FileBody::new(format!("user@64/{entity}"), Content::Bytes(vec![*entity; 9]));
                Draft { entity: [*entity + 0x30; 16], body: Body::File(FileBody { branch, ..file }), once: None }
            }
            Happens::Unknown(entity) => Draft { entity: [*entity; 16], body: Body::Unknown(999), once: None },
            Happens::Change(index, edits) => {
                let entity = STATES[*index as usize];
                let operations: Vec<Operation> =
                    edits.iter().filter_map(|edit| operation(&self.devices[who], entity, edit)).collect();
                let body = Body::Change(replica::state::Change { operations });
                Draft { entity: [entity; 16], body, once: None }
            }
            Happens::EraseEvent(index) => {
                let Some(kept) = (!self.kept.is_empty()).then(|| self.kept[index.index(self.kept.len())]) else { return };
                if kept.kind != replica::body::ERASE {
                    self.erased.insert(kept.id);
                }
                Draft::erase_event(kept.entity, kept.id)
            }
            Happens::EraseEntity(entity, all) => {
                let latest = self.devices[who].replica.snapshot().unwrap().latest().unwrap();
                Draft::erase_entity([*entity; 16], (!all).then_some(latest.0))
            }
            Happens::Tick(millis) => return self.devices[who].tick(*millis),
            Happens::Send(to, sealed, fates, order) => return self.send(who, *to, *sealed, fates, *order),
            Happens::Rebuild => {
                let before = self.devices[who].fingerprint();
                self.devices[who].writer.rebuild().unwrap();
                assert_eq!(before, self.devices[who].fingerprint(), "what is folded anew is what was folded");
                return;
            }
            Happens::Reopen => return self.devices[who].reopen(),
        };
        if let Ok(kept) = self.devices[who].try_append(&draft)
            && !kept.again
        {
            self.kept.push(kept);
        }
    }

    fn send(&mut self, from: usize, to: usize, sealed: bool, fates: &[Fate], order: u64) {
        if from == to {
            return;
        }
        self.devices[from].sign();
        let form = if sealed { Form::Sealed } else { Form::Open };
        let mut sent = Vec::new();
        for (parcel, fate) in self.devices[from].missing(&self.devices[to], form).into_iter().zip(fates.iter().cycle()) {
            match fate {
                Fate::Arrives => sent.push(parcel),
                Fate::Lost => {}
                Fate::Twice => sent.extend([parcel.clone(), parcel]),
            }
        }
        if order.is_multiple_of(3) {
            shuffle(&mut sent, order);
        }
        for taken in self.devices[to].take(&sent) {
            assert!(matches!(taken, Ok(_) | Err(Unfit::Future(_))), "{taken:?}");
        }
    }

    /// All wait until no clock is ahead, and give each other everything.
    fn agree(&mut self) {
        for device in &self.devices {
            device.wall.store(NOON + 365 * 86_400_000, Ordering::Relaxed);
        }
        for _ in 0..2 {
            for from in 0..self.devices.len() {
                for to in 0..self.devices.len() {
                    self.send(from, to, (from + to) % 2 == 0, &[Fate::Arrives], 1);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn all_say_the_same_in_the_end((skews, story) in story()) {
        let devices = (1..).zip(&skews).map(|(number, skew)| {
            let device = Device::new(number);
            device.tick(*skew);
            device
        });
        let mut world = World { devices: devices.collect(), kept: Vec::new(), erased: BTreeSet::new() };
        for (who, what) in &story {
            world.happens(*who, what);
        }
        world.agree();
        let authors: Vec<[u8; 32]> = world.devices.iter().map(Device::id).collect();
        let entities: Vec<[u8; 16]> =
            (1..4).chain(0x20..0x23).chain(STATES).map(|entity| [entity; 16]).chain([replica::body::ERASURES]).collect();
        let told = |device: &Device| dump(&device.replica.snapshot().unwrap(), &authors, &entities);
        let first = told(&world.devices[0]);
        for device in &world.devices[1..] {
            prop_assert_eq!(&first, &told(device));
            prop_assert_eq!(world.devices[0].fingerprint(), device.fingerprint());
        }
        for device in &mut world.devices {
            let snapshot = device.replica.snapshot().unwrap();
            for id in &world.erased {
                let event = snapshot.event(id).unwrap().unwrap();
                prop_assert!(snapshot.record(event.position).unwrap().is_none(), "what is erased does not come back");
            }
            prop_assert_eq!(snapshot.verify(0, usize::MAX).unwrap().damaged, vec![]);
            prop_assert_eq!(snapshot.verify_views().unwrap(), vec![]);
            prop_assert_eq!(snapshot.verify_folds(None, usize::MAX).unwrap().wrong, vec![]);
            drop(snapshot);
            let before = device.fingerprint();
            device.writer.rebuild().unwrap();
            prop_assert_eq!(before, device.fingerprint());
        }
        // One that comes late and gets everything at once has the same.
        let mut late = Device::with(99, [1; 32], crate::memory::Memory::new());
        late.wall.store(NOON + 365 * 86_400_000, Ordering::Relaxed);
        late.take(&world.devices[0].everything(Form::Open));
        prop_assert_eq!(&first, &told(&late));
    }
}
