//! Every row of every table, as text to be looked at. The match over the tables and the types that are taken apart have no
//! rest, so a table or a field that is new does not compile until it is shown here.
//!
//! Keys of the store and digests are random, so events are called by their author and number and what is sealed is opened.

use std::{collections::BTreeMap, fmt::Write as _};

use insta::assert_snapshot;
use ipc::event::{Clock, EventHeader};
use replica::{
    Conversation, Draft, File, Snapshot, Table,
    body::{Body, Bundle, Content, FileBody, Granted, Grantee, OnBranch, RIGHTS, Right},
    branches::{Act as BranchAct, Branch, BranchBody, Seen},
    engine::Engine as _,
    state::{Act, Node, State, Value},
};

use crate::world::{Device, NOON, begin, file, meet, on, rename, say};

/// Bytes from the left.
struct Cut<'b>(&'b [u8]);

impl<'b> Cut<'b> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (first, rest) = self.0.split_first_chunk().expect("a row is as long as its layout says");
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    fn kind(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    /// An entity by its first byte, as the tests make them.
    fn entity(&mut self) -> String {
        let entity: [u8; 16] = self.take();
        if entity.iter().all(|byte| *byte == entity[0]) { format!("{:02x}", entity[0]) } else { "other".to_owned() }
    }

    fn clock(&mut self) -> String {
        clock(self.number())
    }

    fn end(&self) {
        assert!(self.0.is_empty(), "a row is no longer than its layout says");
    }
}

/// An event, or the state.
fn by(key: &mut Cut<'_>, names: &Names<'_>) -> String {
    match (key.take::<1>(), key.take::<32>()) {
        ([0], id) => names.id(&id),
        ([1], id) if id == [0; 32] => "state".to_owned(),
        other => panic!("by nothing that is known: {other:?}"),
    }
}

/// A moment after noon, and the place within it.
fn clock(clock: u64) -> String {
    let of = Clock(clock);
    format!("{}ms+{}", of.millis() - NOON, clock & 0xffff)
}

struct Names<'s> {
    snapshot: &'s Snapshot<'s>,
    authors: BTreeMap<[u8; 32], char>,
}

impl Names<'_> {
    fn author(&self, author: &[u8; 32]) -> char {
        self.authors.get(author).copied().unwrap_or('?')
    }

    fn author_beginning(&self, begin: [u8; 16]) -> char {
        let found = self.authors.iter().find(|(author, _)| author.starts_with(&begin));
        found.map_or('?', |(_, name)| *name)
    }

    fn id(&self, id: &[u8; 32]) -> String {
        let event = self.snapshot.event(id).unwrap();
        event.map_or("not here".to_owned(), |event| format!("{}{}", self.author(&event.header.author), event.header.sequence))
    }

    fn place(&self, place: u64) -> String {
        let event = self.snapshot.after(place - 1, 1).unwrap().remove(0);
        assert_eq!(event.position, place);
        self.id(&event.id)
    }
}

/// One row.
fn row(names: &Names<'_>, table: Table, key: &[u8], value: &[u8]) -> String {
    let (mut k, mut v) = (Cut(key), Cut(value));
    let line = match table {
        Table::Event => {
            let (place, signed) = (k.number(), v.take::<1>() == [1]);
            let _signature: [u8; 64] = v.take();
            let EventHeader { space, author, sequence, previous, clock, kind, entity, body_len, body_digest: _, seen } =
                EventHeader::decode(v.0).unwrap();
            v = Cut(&[]);
            let mut seen: Vec<String> = seen.iter().map(|id| names.id(id)).collect();
            seen.sort();
            let before = if sequence == 1 { "nothing".to_owned() } else { names.id(&previous) };
            format!(
                "{place}: {}{sequence} after {before} at {} in space {:02x}, kind {kind} of {:02x}, {body_len} bytes, saw [{}]{}",
                names.author(&author),
                self::clock(clock.0),
                space[0],
                entity[0],
                seen.join(" "),
                if signed { "" } else { ", unsigned" }
            )
        }
        Table::Body => {
            let place = k.number();
            v = Cut(&[]);
            format!("{}: sealed", names.place(place))
        }
        Table::Id => format!("{} at {}", names.id(&k.take()), v.number()),
        Table::Entity => {
            let (entity, clock, author) = (k.entity(), k.clock(), names.author_beginning(k.take()));
            format!("{entity} {clock} {author} {}", names.place(k.number()))
        }
        Table::Kind => format!("{} {}", k.kind(), names.place(k.number())),
        Table::Sequence => format!("{} {} at {}", names.author(&k.take()), k.number(), v.number()),
        Table::Time => format!("{} {} at {}", k.clock(), names.id(&k.take()), v.number()),
        Table::Tip => {
            let how = if value == [1] { "head" } else { "awaited" };
            v = Cut(&[]);
            format!("{} {} {how}", k.entity(), names.id(&k.take()))
        }
        Table::Head => {
            let [sequence, at] = [v.take(), v.take()].map(u64::from_le_bytes);
            format!("{} {sequence} {} {}", names.author(&k.take()), clock(at), names.id(&v.take()))
        }
        Table::Key => {
            v = Cut(&[]);
            format!("{}: {} bytes", k.entity(), value.len())
        }
        Table::Once => {
            let (kind, identity, place, digest) = (k.kind(), k.take::<16>(), v.number(), v.take::<16>());
            let gone = if digest == [0; 16] { " erased" } else { "" };
            format!("{kind} {:02x}{:02x} {}{gone}", identity[0], identity[1], names.place(place))
        }
        Table::Unsigned | Table::Unknown => names.place(k.number()),
        Table::Tomb => match k.take() {
            [0] => {
                let (entity, until) = (k.entity(), v.number());
                format!("{entity} until {}", if until == u64::MAX { "for ever".to_owned() } else { clock(until) })
            }
            _ => names.id(&k.take()),
        },
        Table::Fork => {
            v = Cut(&[]);
            let (author, sequence, _other): (_, _, [u8; 32]) = (names.author(&k.take()), k.number(), k.take());
            format!("{author} {sequence} twice")
        }
        Table::Conversation => {
            v = Cut(&[]);
            let entity = k.take();
            let Conversation { title, title_clock, title_author, messages, created, changed } =
                names.snapshot.conversation(&entity).unwrap().unwrap();
            let [named, created, changed] = [title_clock, created, changed].map(clock);
            let author = names.author(&title_author);
            format!("{:02x} {title:?} by {author} at {named}, {messages} messages, from {created} to {changed}", entity[0])
        }
        Table::Recent => format!("{} {}", k.clock(), k.entity()),
        Table::Message => {
            let (entity, clock, author) = (k.entity(), k.clock(), names.author_beginning(k.take()));
            format!("{entity} {clock} {author} {}", names.place(k.number()))
        }
        Table::File => {
            v = Cut(&[]);
            let entity = k.take();
            let File { path, length, position, changed, author, sequence, branch } =
                names.snapshot.file_view(&entity).unwrap().unwrap();
            let at = if position == 0 { "nowhere".to_owned() } else { names.place(position) };
            let by = names.author(&author);
            let on = branch.map_or(String::new(), |OnBranch { generation, over }| {
                let over = over.map_or("nothing".to_owned(), |over| names.id(&over));
                format!(", on branch {generation} over {over}")
            });
            format!("{:02x} {path} {length} bytes at {at} since {} by {by}{sequence}{on}", entity[0], clock(changed))
        }
        Table::Branch => {
            v = Cut(&[]);
            let entity = k.take();
            let Branch { name, generation, ended, fork, begun, forked, ended_at } =
                names.snapshot.branch(&entity).unwrap().unwrap();
            let mut fork: Vec<String> =
                fork.iter().map(|Seen { author, sequence }| format!("{}{sequence}", names.author(author))).collect();
            fork.sort();
            let [begun, forked] = [begun, forked].map(clock);
            let ended_at = if ended == 0 { "never".to_owned() } else { clock(ended_at) };
            let fork = fork.join(" ");
            format!("{:02x} {name} {generation} since {begun}, forked {forked} at [{fork}], {ended} ended {ended_at}", entity[0])
        }
        Table::State => {
            v = Cut(&[]);
            let entity = k.take();
            let State { root, last, heads, waits } = names.snapshot.state(&entity).unwrap().unwrap();
            let Node { value, set, list, counter, text, fields } = root;
            let mut heads: Vec<String> = heads.keys().map(|id| names.id(&id.0)).collect();
            heads.sort();
            let root = (value.value().is_some(), set.members().count(), list.places().len(), counter.is_empty(), text.is_some());
            let fields: Vec<&String> = fields.keys().collect();
            format!("{:02x} {root:?} {fields:?}, ended {}, heads {heads:?}, waits {waits}", entity[0], last.is_some())
        }
        Table::Reference => {
            let (target, source) = (k.entity(), k.entity());
            format!("{target} from {source} by {}", by(&mut k, names))
        }
        Table::Refers => {
            let (source, by) = (k.entity(), by(&mut k, names));
            format!("{source} by {by} to {}", k.entity())
        }
        // Those of a sparse store are empty in an archive.
        Table::Use | Table::Least | Table::Gone | Table::GoneTime | Table::Reached => unreachable!("{} has a row", table.name()),
        // Nobody follows here.
        Table::Ledger => unreachable!("{} has a row", table.name()),
        Table::Chunk | Table::Upload | Table::Outbox => {
            (k, v) = (Cut(&[]), Cut(&[]));
            format!("{} bytes of {}", value.len(), key.len())
        }
        Table::Meta => {
            (k, v) = (Cut(&[]), Cut(&[]));
            format!("{} {value:02x?}", String::from_utf8_lossy(key))
        }
    };
    k.end();
    v.end();
    line
}

/// All rows, table by table; within one as they read, for many keys are random.
fn tables(device: &Device, authors: &[[u8; 32]]) -> String {
    let snapshot = device.replica.snapshot().unwrap();
    let names = Names { snapshot: &snapshot, authors: authors.iter().copied().zip('A'..).collect() };
    let reading = device.memory.read().unwrap();
    let mut out = String::new();
    for table in Table::ALL {
        let rows = reading.range(*table, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded).unwrap();
        let mut lines: Vec<String> = rows.map(Result::unwrap).map(|(key, value)| row(&names, *table, key, value)).collect();
        lines.sort_by_key(|line| (line.split(':').next().and_then(|place| place.parse::<u64>().ok()), line.clone()));
        writeln!(out, "{} ({})", table.name(), lines.len()).unwrap();
        lines.iter().for_each(|line| writeln!(out, "  {line}").unwrap());
    }
    out
}

#[test]
fn every_row_of_a_story() {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    // What the memory keeps has the identity it names, and no view.
    let bundle = Bundle { id: [0x41; 16], conversation: [1; 16], month: 24_300, items: Vec::new() };
    one.append(&begin(1, "Plans"));
    one.tick(5);
    one.append(&say(1, 1, "hello"));
    two.append(&file(0x20, b"bytes"));
    meet(&mut one, &mut two);
    one.tick(5);
    one.append(&rename(1, "Plans for May"));
    two.tick(7);
    two.append(&rename(1, "Plans for June"));
    two.append(&file(0x20, b"more bytes"));
    two.append(&Draft { entity: [1; 16], body: Body::Unknown(999), once: None });
    two.append(&Draft { entity: [0x50; 16], body: Body::Bundle(bundle), once: Some([0x51; 16]) });
    // What was said about rights has no view either.
    let right = Right::Access(Grantee::Peer([7; 32]), Granted::Entity([1; 16]), true);
    two.append(&Draft { entity: RIGHTS, body: Body::Right(right), once: None });
    two.change(0x30, vec![on(&["chat"], Act::Set(Value::Reference([1; 16]))), on(&["seen"], Act::Increment(2))]);
    let fork = two.replica.snapshot().unwrap().fork_point().unwrap();
    let branch = BranchBody { name: "user@b".into(), generation: 1, act: BranchAct::Begin, fork, commit: None, counts: None };
    two.append(&Draft { entity: [0x40; 16], body: Body::Branch(branch), once: None });
    let over = two.replica.snapshot().unwrap().versions(&[0x20; 16], None, 1, 100).unwrap().items.pop();
    let on = OnBranch { generation: 1, over: over.map(|over| over.event.id) };
    let written = FileBody { branch: Some(on), ..FileBody::new("user@b/32".into(), Content::Bytes(b"mine".to_vec())) };
    two.append(&Draft { entity: [0x41; 16], body: Body::File(written), once: None });
    let erased = one.append(&say(1, 2, "not for long"));
    one.append(&Draft::erase_event([1; 16], erased.id));
    one.append(&begin(2, "for a day"));
    one.append(&say(2, 3, "gone with it"));
    one.append(&Draft::erase_entity([2; 16], None));
    meet(&mut one, &mut two);
    one.append(&say(1, 4, "not signed yet"));
    assert_snapshot!(tables(&one, &[one.id(), two.id()]));
}
