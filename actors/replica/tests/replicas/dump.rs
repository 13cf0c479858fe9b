//! Everything that can be read of a store, as text to be looked at. Each type is taken apart field by field, so that what
//! is new cannot be left out by mistake. Events are called by their author and number, which are the same in every run.

use std::{collections::BTreeMap, fmt::Write as _};

use replica::{
    AuthorHead, By, Conversation, File, Record, Reference, Snapshot, Statistics,
    body::{Body, Message},
    state::{Element, Item, Node, State, Text, Value},
};

struct Names(BTreeMap<[u8; 32], char>);

impl Names {
    fn author(&self, author: &[u8; 32]) -> char {
        self.0.get(author).copied().unwrap_or('?')
    }

    fn event(&self, snapshot: &Snapshot<'_>, id: &[u8; 32]) -> String {
        let event = snapshot.event(id).unwrap().expect("an event that is named is there");
        format!("{}{}", self.author(&event.header.author), event.header.sequence)
    }

    fn element(&self, id: &Element) -> String {
        let Element { device, sequence, operation } = id;
        format!("{}{sequence}.{operation}", self.author(&device.0))
    }
}

/// All of it. Authors are called by letters, in the order they are given in.
pub(crate) fn dump(snapshot: &Snapshot<'_>, authors: &[[u8; 32]], entities: &[[u8; 16]]) -> String {
    let names = Names(authors.iter().copied().zip('A'..).collect());
    let mut out = String::new();
    let Statistics { events, bodies, unsigned, unknown, authors: many, erasures, forks, conversations, messages, files, states } =
        snapshot.statistics().unwrap();
    writeln!(out, "{events} events by {many}: {bodies} bodies, {unsigned} unsigned, {unknown} unknown, {forks} forks").unwrap();
    writeln!(out, "{conversations} conversations, {messages} messages, {files} files, {states} states, {erasures} erasures")
        .unwrap();
    for name in authors {
        for AuthorHead { author, sequence, clock: _, id } in snapshot.heads().unwrap() {
            if author == *name {
                writeln!(out, "head {}{sequence} {}", names.author(&author), names.event(snapshot, &id)).unwrap();
            }
        }
    }
    for entity in entities {
        self::entity(&mut out, snapshot, &names, entity);
    }
    out
}

fn entity(out: &mut String, snapshot: &Snapshot<'_>, names: &Names, entity: &[u8; 16]) {
    let mut heads: Vec<String> = snapshot.entity_heads(entity).unwrap().iter().map(|id| names.event(snapshot, id)).collect();
    heads.sort();
    writeln!(out, "entity {:02x}: heads {}", entity[0], heads.join(" ")).unwrap();
    for event in snapshot.history(entity, 0, usize::MAX).unwrap() {
        let gone = if snapshot.record(event.position).unwrap().is_none() { " gone" } else { "" };
        writeln!(out, "  {} kind {}{gone}", names.event(snapshot, &event.id), event.header.kind).unwrap();
    }
    if let Some(view) = snapshot.conversation(entity).unwrap() {
        let Conversation { title, title_clock: _, title_author, messages, created: _, changed: _ } = view;
        writeln!(out, "  conversation {title:?} named by {}, {messages} messages", names.author(&title_author)).unwrap();
    }
    for Record { event, body } in snapshot.messages(entity, 0, usize::MAX, usize::MAX).unwrap().items {
        if let Body::Message(Message { id: _, turn: _, author, parts, attachments, status, made_by }) = body {
            let said = format!("{author:?} {parts:?} {attachments:?} {status:?} {made_by:?}");
            writeln!(out, "  {} {said}", names.event(snapshot, &event.id)).unwrap();
        }
    }
    for File { path, length, position, changed: _, author, sequence: _, branch: _ } in
        snapshot.files("", "", usize::MAX).unwrap().items
    {
        if path == format!("user/{}", entity[0]) {
            let is = if position == 0 { "removed" } else { "there" };
            writeln!(out, "  file {path} {length} bytes by {}, {is}", names.author(&author)).unwrap();
        }
    }
    if let Some(state) = snapshot.state(entity).unwrap() {
        let merged = if state.is_merged() { " merged" } else { "" };
        let State { root, last: _, heads: _, waits } = state;
        writeln!(out, "  state{merged}{}", if waits { " waits" } else { "" }).unwrap();
        node(out, names, "    ", &root);
    }
    for Reference { source, by, target: _ } in snapshot.references_to(entity, None, usize::MAX).unwrap().items {
        let by = match by {
            By::Event(id) => format!("event {}", names.event(snapshot, &id)),
            By::State => "state".to_owned(),
        };
        writeln!(out, "  referred to by {:02x} {by}", source[0]).unwrap();
    }
}

fn node(out: &mut String, names: &Names, indent: &str, node: &Node) {
    let Node { value, set, list, counter, text, fields } = node;
    if let Some(value) = value.value() {
        writeln!(out, "{indent}= {}", self::value(value)).unwrap();
    }
    let members: Vec<String> = set.members().map(self::value).collect();
    if !members.is_empty() {
        writeln!(out, "{indent}{{{}}}", members.join(", ")).unwrap();
    }
    for Item { id, node, removed } in list.places() {
        writeln!(out, "{indent}- {}{}", names.element(id), if *removed { " removed" } else { "" }).unwrap();
        self::node(out, names, &format!("{indent}  "), node);
    }
    if !counter.is_empty() {
        writeln!(out, "{indent}+ {}", counter.value()).unwrap();
    }
    if let Some(text) = text {
        // The rest of a text is how it came about.
        writeln!(out, "{indent}text {:?}{}", Text::as_str(text), if text.merged.is_empty() { "" } else { " merged" }).unwrap();
    }
    for (name, field) in fields {
        writeln!(out, "{indent}{name}:").unwrap();
        self::node(out, names, &format!("{indent}  "), field);
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Truth(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Fraction(bits) => f64::from_bits(*bits).to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{bytes:02x?}"),
        Value::Reference(entity) => format!("-> {:02x}", entity[0]),
        Value::Event(id) => format!("event {:02x}", id[0]),
    }
}
