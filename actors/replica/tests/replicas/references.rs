//! Who refers to what: by events and by states, in both directions, page by page, and gone with what said so.

use std::collections::BTreeSet;

use replica::{
    By, Draft, Form, Name, Reference,
    body::{self, Attached, Body, Experience, Success, TraceId, memory_of},
    name_of_event,
    state::{Act, Value},
};

use crate::world::{Device, begin, give, meet, on, say};

const CHAT: [u8; 16] = [1; 16];
const ATTACHED: [u8; 16] = [0x50; 16];

fn with_attachment(message: u16) -> Draft {
    let mut draft = say(CHAT[0], message, "look");
    if let Body::Message(message) = &mut draft.body {
        message.attachments.push(Attached { id: ATTACHED, name: "a".into(), length: 5 });
    }
    draft
}

fn remembered(traces: &[[u8; 32]]) -> Draft {
    let id = body::experience_id(&CHAT, traces);
    let made = Experience {
        id,
        conversation: CHAT,
        goal: "goal".into(),
        result: Success::Success,
        components: Vec::new(),
        files: Vec::new(),
        summary: Vec::new(),
        millis: 0,
        learnings: Vec::new(),
        since_ms: 0,
        at_ms: 0,
        traces: traces.iter().copied().map(TraceId).collect(),
    };
    Draft { entity: memory_of(&CHAT), once: Some(id), body: Body::Experience(made) }
}

fn to(device: &Device, target: Name) -> Vec<Reference> {
    device.replica.snapshot().unwrap().references_to(&target, None, 1000).unwrap().items
}

fn from(device: &Device, source: [u8; 16], by: Option<By>) -> BTreeSet<Name> {
    let found = device.replica.snapshot().unwrap().references_from(&source, by, None, 1000).unwrap();
    found.items.into_iter().map(|found| found.target).collect()
}

#[test]
fn both_directions_are_known_and_go_with_what_said_so() {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    one.append(&begin(CHAT[0], "chat"));
    let message = one.append(&with_attachment(7));
    let entry = one.append(&remembered(&[message.id, [9; 32]]));
    one.change(0x30, vec![on(&["told"], Act::Set(Value::Event(message.id)))]);
    give(&mut one, &mut two, Form::Sealed);
    for device in [&one, &two] {
        let (said, named) = (By::Event(message.id), name_of_event(&message.id));
        assert_eq!(to(device, ATTACHED), [Reference { source: CHAT, by: said, target: ATTACHED }]);
        assert_eq!(from(device, CHAT, Some(said)), BTreeSet::from([ATTACHED]));
        assert_eq!(from(device, CHAT, None), BTreeSet::from([ATTACHED]));
        // An entry of the memory: its conversation, and the events it was made of.
        let by = By::Event(entry.id);
        assert_eq!(from(device, memory_of(&CHAT), Some(by)), BTreeSet::from([CHAT, named, [9; 16]]));
        assert_eq!(to(device, CHAT), [Reference { source: memory_of(&CHAT), by, target: CHAT }]);
        let sources: BTreeSet<_> = to(device, named).into_iter().map(|found| found.source).collect();
        assert_eq!(sources, BTreeSet::from([memory_of(&CHAT), [0x30; 16]]));
        assert_eq!(from(device, [0x30; 16], Some(By::State)), BTreeSet::from([named]));
    }

    // Made anew, it is the same.
    let before = one.fingerprint();
    one.writer.rebuild().unwrap();
    assert_eq!(one.fingerprint(), before);

    let erased = one.append(&Draft::erase_entity(CHAT, None));
    one.append(&Draft::erase_entity(memory_of(&CHAT), None));
    meet(&mut one, &mut two);
    for device in [&one, &two] {
        assert_eq!((to(device, ATTACHED), from(device, CHAT, None)), (vec![], BTreeSet::new()));
        // What is left is the erasure itself.
        assert_eq!(to(device, CHAT), [Reference { source: body::ERASURES, by: By::Event(erased.id), target: CHAT }]);
        assert_eq!(from(device, memory_of(&CHAT), None), BTreeSet::new());
    }
    assert_eq!(one.fingerprint(), two.fingerprint());
}

#[test]
fn pages_have_each_once_and_end() {
    let mut one = Device::new(1);
    one.append(&begin(CHAT[0], "chat"));
    let said: BTreeSet<_> = (1..=25).map(|message| By::Event(one.append(&with_attachment(message)).id)).collect();
    let snapshot = one.replica.snapshot().unwrap();
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = snapshot.references_to(&ATTACHED, after.as_ref(), 10).unwrap();
        assert!(page.items.len() <= 10);
        found.extend(page.items);
        pages += 1;
        if !page.more {
            break;
        }
        after = found.last().copied();
    }
    assert_eq!((pages, found.len()), (3, 25));
    assert_eq!(found.into_iter().map(|found| found.by).collect::<BTreeSet<_>>(), said);
    // A place in another list is no place in this one.
    let other = Reference { source: CHAT, by: By::State, target: [0x51; 16] };
    assert_eq!(snapshot.references_to(&ATTACHED, Some(&other), 10).unwrap().items, []);
}
