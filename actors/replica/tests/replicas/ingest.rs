//! What is taken in, what is not, and what is said about it.

use ed25519_dalek::SigningKey;
use ipc::event::{BadEvent, Clock, EventHeader};
use replica::{
    Carried, Draft, Fork, Form, Gap, MAX_AHEAD, MAX_BODY, Parcel, Refused, Taken, Unfit,
    body::{self, Attached, Attachment, Body, Content, Message},
};

use crate::{
    memory::Memory,
    world::{Device, NOON, SPACE, begin, forged, give, meet, rename, say},
};

fn two() -> (Device, Device) {
    (Device::new(1), Device::new(2))
}

fn texts(device: &Device, entity: u8) -> Vec<String> {
    let page = device.replica.snapshot().unwrap().messages(&[entity; 16], 0, 100, usize::MAX).unwrap();
    page.items
        .into_iter()
        .map(|record| match record.body {
            Body::Message(Message { parts, .. }) => format!("{parts:?}"),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// A header of a stranger whose first event it is.
fn header(key: &SigningKey) -> EventHeader {
    EventHeader {
        space: SPACE,
        author: key.verifying_key().to_bytes(),
        sequence: 1,
        previous: [0; 32],
        clock: Clock::from_millis(NOON),
        kind: 999,
        entity: [5; 16],
        body_len: 0,
        body_digest: *blake3::keyed_hash(&[0; 32], b"").as_bytes(),
        seen: Vec::new(),
    }
}

/// The body that goes with [`header`]: kept as it is, with its digest key, empty.
fn nothing() -> Carried {
    Carried::Open(vec![0; 33])
}

#[test]
fn what_one_says_the_other_hears_sealed_or_open() {
    for form in [Form::Open, Form::Sealed] {
        let (mut one, mut two) = two();
        one.append(&begin(1, "hello"));
        one.append(&say(1, 1, "words"));
        assert!(give(&mut one, &mut two, form).iter().all(|taken| matches!(taken, Ok(Taken::Kept(_)))));
        assert_eq!((texts(&two, 1), two.fingerprint()), (texts(&one, 1), one.fingerprint()));
        two.append(&say(1, 2, "answer"));
        give(&mut two, &mut one, form);
        assert_eq!(texts(&one, 1).len(), 2);
        assert_eq!(one.fingerprint(), two.fingerprint());
        let again = two.everything(form);
        assert!(one.take(&again).iter().all(|taken| *taken == Ok(Taken::Known)), "what comes twice is there once");
        assert_eq!(one.fingerprint(), two.fingerprint());
    }
}

#[test]
fn sealed_bodies_open_only_for_those_who_share_the_key_of_the_archive() {
    let mut one = Device::new(1);
    let mut other = Device::with(2, [1; 32], Memory::new());
    one.append(&begin(1, "hello"));
    assert_eq!(give(&mut one, &mut other, Form::Sealed), [Err(Unfit::Seal)]);
    assert!(matches!(give(&mut one, &mut other, Form::Open)[..], [Ok(Taken::Kept(_))]));
    assert_eq!(one.fingerprint(), other.fingerprint());
}

#[test]
fn an_unsigned_tail_is_not_given_out_nor_counted() {
    let (mut one, mut two) = two();
    one.append(&begin(1, "signed"));
    one.sign();
    one.append(&say(1, 1, "not yet"));
    let kept = one.append(&say(1, 2, "not yet"));
    let snapshot = one.replica.snapshot().unwrap();
    assert_eq!(snapshot.heads().unwrap()[0].sequence, 1);
    assert_eq!(snapshot.range(&one.id(), 1, 9, usize::MAX, Form::Open).unwrap().len(), 1);
    assert_eq!(snapshot.window(Clock(0), Clock(u64::MAX), 9).unwrap().len(), 1);
    assert_eq!(snapshot.parcels(&[kept.id], usize::MAX, Form::Open).unwrap(), []);
    drop(snapshot);
    give(&mut one, &mut two, Form::Open);
    assert_eq!(texts(&two, 1).len(), 2, "it is when it is signed");
}

#[test]
fn ranges_keep_to_their_bytes_and_windows_to_their_clocks() {
    let mut one = Device::new(1);
    one.append(&begin(1, "a"));
    for id in 0..9 {
        one.tick(1000);
        let noise: String = blake3::hash(&[id]).to_hex().repeat(9);
        one.append(&say(1, id.into(), &noise));
    }
    one.sign();
    let snapshot = one.replica.snapshot().unwrap();
    let all = snapshot.range(&one.id(), 1, u64::MAX, usize::MAX, Form::Open).unwrap();
    let some = snapshot.range(&one.id(), 3, 6, all[2].bytes() + all[3].bytes(), Form::Open).unwrap();
    assert_eq!(some, all[2..4]);
    assert_eq!(snapshot.range(&one.id(), 3, 6, 1, Form::Open).unwrap(), all[2..3], "one comes however large it is");
    assert_eq!(snapshot.range(&[9; 32], 1, 6, usize::MAX, Form::Open).unwrap(), []);
    let (from, to) = (Clock::from_millis(NOON + 1000), Clock::from_millis(NOON + 4000));
    let window = snapshot.window(from, to, 9).unwrap();
    assert_eq!(window.len(), 3, "the end is not in it");
    let ids: Vec<[u8; 32]> = window.iter().map(|(_, id)| *id).chain([[7; 32]]).collect();
    assert_eq!(snapshot.parcels(&ids, usize::MAX, Form::Open).unwrap(), all[1..4], "what is not here is left out");
    assert_eq!(snapshot.window(from, to, 2).unwrap(), window[..2]);
}

#[test]
fn a_gap_is_said_and_not_kept() {
    let (mut one, mut two) = two();
    one.append(&begin(1, "a"));
    for id in 1..5 {
        one.append(&say(1, id, "x"));
    }
    one.sign();
    let parcels = one.everything(Form::Sealed);
    let gap = |from, to| Ok(Taken::Gap(Gap { author: one.id(), from, to }));
    assert_eq!(two.take_one(&parcels[3]), gap(1, 3));
    assert!(matches!(two.take_one(&parcels[0]), Ok(Taken::Kept(_))));
    assert_eq!(two.take_one(&parcels[4]), gap(2, 4));
    assert_eq!(two.replica.snapshot().unwrap().statistics().unwrap().events, 1);
    two.take(&parcels);
    assert_eq!(one.fingerprint(), two.fingerprint());
}

#[test]
fn nothing_is_believed() {
    let (mut one, mut two) = two();
    one.append(&begin(1, "a"));
    one.append(&say(1, 1, "words that are said"));
    one.sign();
    let parcels = one.everything(Form::Open);
    let mut refused = |change: &dyn Fn(&mut Parcel)| {
        let mut parcel = parcels[0].clone();
        change(&mut parcel);
        two.take_one(&parcel).unwrap_err()
    };
    assert_eq!(refused(&|parcel| parcel.signature[5] ^= 1), Unfit::Signature);
    assert_eq!(refused(&|parcel| parcel.header[49] ^= 2), Unfit::Signature, "another number is another id");
    assert_eq!(refused(&|parcel| parcel.header[3] ^= 1), Unfit::Space);
    assert_eq!(refused(&|parcel| parcel.header[0] = 2), Unfit::Header(BadEvent::Version(2)));
    assert_eq!(refused(&|parcel| parcel.header.truncate(100)), Unfit::Header(BadEvent::Length(100)));
    assert_eq!(refused(&|parcel| parcel.header.resize(9000, 0)), Unfit::Header(BadEvent::Length(9000)));
    assert_eq!(refused(&|parcel| parcel.body = parcels[1].body.clone()), Unfit::Body);
    assert_eq!(refused(&|parcel| parcel.body = Carried::Open(Vec::new())), Unfit::Body);
    assert_eq!(refused(&|parcel| parcel.body = Carried::Open(vec![0; 100_000])), Unfit::Body);
    assert_eq!(refused(&|parcel| parcel.body = Carried::Sealed(vec![0; 71])), Unfit::Body);
    assert_eq!(refused(&|parcel| parcel.body = Carried::Sealed(vec![0; 80])), Unfit::Seal);
    for bit in 0..8 {
        let flip = |parcel: &mut Parcel| match &mut parcel.body {
            Carried::Open(bytes) => bytes[bit * 4] ^= 1,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&flip), Unfit::Body);
    }
    assert_eq!(
        two.replica.snapshot().unwrap().statistics().unwrap(),
        Device::new(3).replica.snapshot().unwrap().statistics().unwrap()
    );
}

#[test]
fn a_body_may_not_claim_to_be_larger_than_any() {
    let mut two = Device::new(2);
    let key = SigningKey::from_bytes(&[4; 32]);
    let large = EventHeader { body_len: MAX_BODY as u32 + 1, ..header(&key) };
    assert_eq!(two.take_one(&forged(&key, &large, nothing())), Err(Unfit::TooLarge(MAX_BODY + 1)));
    // What is compressed to a few bytes is not made larger than its header says.
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    let kept = [&[1][..], &[0; 32], &bomb].concat();
    let small = EventHeader { body_len: 1 << 20, ..header(&key) };
    assert_eq!(two.take_one(&forged(&key, &small, Carried::Open(kept))), Err(Unfit::Body));
}

#[test]
fn a_chain_begins_at_one_and_its_clock_rises() {
    let mut two = Device::new(2);
    let key = SigningKey::from_bytes(&[4; 32]);
    let mut taken = |header: &EventHeader| two.take_one(&forged(&key, header, nothing()));
    assert_eq!(taken(&EventHeader { sequence: 0, ..header(&key) }), Err(Unfit::Chain));
    assert_eq!(taken(&EventHeader { previous: [1; 32], ..header(&key) }), Err(Unfit::Chain));
    assert_eq!(taken(&EventHeader { clock: Clock(0), ..header(&key) }), Err(Unfit::Chain));
    let first = header(&key);
    assert!(matches!(taken(&first), Ok(Taken::Kept(_))));
    let previous = *blake3::hash(&first.encode()).as_bytes();
    let next = EventHeader { sequence: 2, previous, ..first };
    assert_eq!(taken(&next), Err(Unfit::Chain), "the same clock");
    assert!(matches!(taken(&EventHeader { clock: Clock(first.clock.0 + 1), ..next }), Ok(Taken::Kept(_))));
}

#[test]
fn a_clock_too_far_ahead_is_refused_until_it_is_not() {
    let (mut one, mut two) = two();
    one.tick(MAX_AHEAD + 1);
    one.append(&begin(1, "from tomorrow"));
    assert_eq!(give(&mut one, &mut two, Form::Open), [Err(Unfit::Future(MAX_AHEAD + 1))]);
    two.tick(1);
    assert!(matches!(give(&mut one, &mut two, Form::Open)[..], [Ok(Taken::Kept(_))]));
}

#[test]
fn the_clock_moves_past_everything_that_is_taken_in() {
    let (mut one, mut two) = two();
    one.tick(MAX_AHEAD);
    one.append(&begin(1, "first"));
    meet(&mut one, &mut two);
    two.append(&rename(1, "second"));
    two.reopen();
    two.append(&rename(1, "third"));
    meet(&mut one, &mut two);
    for device in [&one, &two] {
        let view = device.replica.snapshot().unwrap().conversation(&[1; 16]).unwrap().unwrap();
        assert_eq!(view.title, "third", "what is said after something was read comes after it");
    }
}

#[test]
fn a_fork_is_noticed_and_evidence_is_kept() {
    let mut one = Device::new(1);
    let mut two = Device::new(2);
    one.append(&begin(1, "a"));
    give(&mut one, &mut two, Form::Sealed);
    // The device is copied, and both go on.
    let mut copy = Device::with(1, [9; 32], one.memory.copy());
    one.append(&say(1, 1, "said here"));
    copy.append(&say(1, 2, "said there"));
    copy.append(&say(1, 3, "and more"));
    give(&mut one, &mut two, Form::Sealed);
    copy.sign();
    let theirs = copy.everything(Form::Sealed);
    let before = two.fingerprint();
    let id = |parcel: &Parcel| *blake3::hash(&parcel.header).as_bytes();
    let fork = |index: usize| Fork { author: one.id(), sequence: index as u64 + 1, other: id(&theirs[index]) };
    assert_eq!(two.take(&theirs), [Ok(Taken::Known), Ok(Taken::Fork(fork(1))), Ok(Taken::Fork(fork(2)))]);
    assert_eq!(two.fingerprint(), before, "the other branch is evidence and nothing else");
    let snapshot = two.replica.snapshot().unwrap();
    assert_eq!((snapshot.forks().unwrap(), snapshot.cloned().unwrap()), (vec![fork(1), fork(2)], None));
    drop(snapshot);
    // Evidence against one is enough at some point.
    for id in 10..60 {
        one.append(&say(1, id, "more"));
        copy.append(&say(1, id, "more"));
    }
    give(&mut one, &mut two, Form::Sealed);
    copy.sign();
    two.take(&copy.everything(Form::Sealed));
    assert_eq!(two.replica.snapshot().unwrap().forks().unwrap().len(), 16);
}

#[test]
fn a_restored_copy_learns_that_it_is_one_and_goes_on_under_a_new_key() {
    let (mut one, mut two) = two();
    one.append(&begin(1, "a"));
    let backup = one.memory.copy();
    one.append(&say(1, 1, "after the backup"));
    meet(&mut one, &mut two);
    let mut restored = Device::with(1, [9; 32], backup);
    assert_eq!(restored.replica.snapshot().unwrap().cloned().unwrap(), None);
    let taken = give(&mut two, &mut restored, Form::Sealed);
    let [Ok(Taken::Known), Ok(Taken::Cloned(fork))] = taken[..] else { panic!("{taken:?}") };
    assert_eq!((fork.author, fork.sequence), (one.id(), 2));
    restored.reopen();
    assert_eq!(restored.replica.snapshot().unwrap().cloned().unwrap(), Some(fork), "it is remembered");
    // Under a new key the old device is one like others.
    let mut renewed = Device::with(77, [9; 32], restored.memory.copy());
    // The one event that had no signature in the backup got it from the other device.
    assert_eq!(renewed.replica.snapshot().unwrap().statistics().unwrap().unsigned, 0);
    give(&mut two, &mut renewed, Form::Sealed);
    renewed.append(&say(1, 2, "after the restoring"));
    assert_eq!(renewed.replica.snapshot().unwrap().cloned().unwrap(), None);
    meet(&mut renewed, &mut two);
    assert_eq!(texts(&renewed, 1).len(), 2);
    assert_eq!(renewed.fingerprint(), two.fingerprint());
}

#[test]
fn unknown_kinds_are_carried_counted_and_given_on() {
    let mut devices = [Device::new(1), Device::new(2), Device::new(3)];
    let [one, two, three] = &mut devices;
    let key = SigningKey::from_bytes(&[4; 32]);
    one.take_one(&forged(&key, &header(&key), nothing())).unwrap();
    // A known kind that says what this program cannot read is of a newer one as well.
    let next = EventHeader {
        sequence: 2,
        previous: *blake3::hash(&header(&key).encode()).as_bytes(),
        clock: Clock(header(&key).clock.0 + 1),
        kind: body::MESSAGE,
        ..header(&key)
    };
    one.take_one(&forged(&key, &next, nothing())).unwrap();
    give(one, two, Form::Sealed);
    give(two, three, Form::Open);
    for device in [&one, &two, &three] {
        let snapshot = device.replica.snapshot().unwrap();
        let statistics = snapshot.statistics().unwrap();
        assert_eq!((statistics.unknown, statistics.messages, statistics.bodies), (2, 0, 2));
        assert_eq!(snapshot.newest(999, 9).unwrap()[0].body, Body::Unknown(999));
        assert_eq!(snapshot.verify(0, 9).unwrap().damaged, []);
    }
    assert_eq!(one.fingerprint(), three.fingerprint());
}

#[test]
fn what_is_kept_once_is_so_wherever_it_was_written() {
    let (mut one, mut two) = two();
    one.append(&begin(1, "a"));
    one.append(&say(1, 1, "once"));
    let body = Body::Attachment(Attachment::new(Some([3; 16]), Content::Bytes(b"bytes".to_vec())));
    let attachment = Draft { entity: [1; 16], body, once: Some([3; 16]) };
    one.append(&attachment);
    let mut message = say(1, 2, "see there");
    if let Body::Message(message) = &mut message.body {
        message.attachments.push(Attached { id: [3; 16], name: "a".into(), length: 5 });
    }
    let said = one.append(&message);
    give(&mut one, &mut two, Form::Open);
    assert!(two.append(&say(1, 1, "once")).again);
    assert!(two.append(&attachment).again);
    assert_eq!(two.try_append(&say(1, 1, "other words")), Err(Refused::Conflict));
    let snapshot = two.replica.snapshot().unwrap();
    assert!(snapshot.once(body::ATTACHMENT, &[3; 16]).unwrap().is_some());
    let by = replica::By::Event(said.id);
    let found = snapshot.references_to(&[3; 16], None, 9).unwrap();
    assert_eq!(found.items, [replica::Reference { source: [1; 16], by, target: [3; 16] }]);
}

#[test]
fn a_body_that_comes_later_fills_its_place() {
    let (mut one, mut two) = two();
    one.append(&begin(1, "a"));
    one.append(&say(1, 1, "words"));
    one.sign();
    let parcels = one.everything(Form::Open);
    let bare: Vec<Parcel> = parcels.iter().map(|parcel| Parcel { body: Carried::Erased, ..parcel.clone() }).collect();
    assert!(two.take(&bare).iter().all(|taken| matches!(taken, Ok(Taken::Bare(_)))));
    assert_eq!(two.replica.snapshot().unwrap().verify(0, 9).unwrap().bare, 2);
    assert!(two.take(&bare).iter().all(|taken| *taken == Ok(Taken::Known)));
    assert!(two.take(&parcels).iter().all(|taken| matches!(taken, Ok(Taken::Filled(_)))));
    assert_eq!(one.fingerprint(), two.fingerprint());
}
