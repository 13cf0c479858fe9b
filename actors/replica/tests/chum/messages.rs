//! The bytes of every message, for ever; and that no bytes at all do harm.

use proptest::prelude::*;
use replica::chum::{
    Carried, Head, Keep, Parcel, Range, Reason, Rule, Span, When,
    frame::{self, Input},
    limits::MAX_FRAME,
    message::{
        self, Credit, Done, Fin, Heads, Hello, Live, Message, Offer, Parcels, Pull, Reconcile, Reconciled, State, Want,
        WantEntity, Wants,
    },
    records::Packed,
};

#[path = "../../../../fuzz/src/chum.rs"]
mod fuzz;

/// One of each, with its bytes as a peer of another make would write them.
pub(crate) fn examples() -> Vec<(Message, &'static str)> {
    let rule = Rule { kind: 300, keep: Keep::LastWrite, when: When::OnDemand, accept: true, offer: false };
    let (r, id) = (7, [0xcc; 32]);
    vec![
        (
            Message::Hello(Hello {
                oldest: 1,
                newest: 1,
                features: 0,
                space: [0xaa; 16],
                wants: Wants::Window,
                complete: false,
                credit: 4 << 20,
                rules: vec![rule],
                state: [0xbb; 32],
            }),
            "47000000 01 89 01 01 00 50{aa*16} 01 f4 1a00400000 81 85 19012c 02 01 f5 f4 5820{bb*32}",
        ),
        (
            Message::Heads(Heads { heads: Packed(vec![Head { author: [0xaa; 32], sequence: 5, id }]), answer: true }),
            "4c000000 02 82 5848{aa*32}0500000000000000{cc*32} f5",
        ),
        (Message::State(State { state: [0xbb; 32], answer: false }), "24000000 03 82 5820{bb*32} f4"),
        (
            Message::Pull(Pull {
                request: r,
                ranges: Packed(vec![Range { author: [0xaa; 32], after: 1, after_id: id, upto: 9 }]),
            }),
            "54000000 04 82 07 5850{aa*32}0100000000000000{cc*32}0900000000000000",
        ),
        (
            Message::Parcels(Parcels {
                request: r,
                parcels: vec![
                    Parcel { header: vec![0xdd; 3], signature: [0xee; 64], body: Carried::Here(vec![1, 2]) },
                    Parcel { header: vec![0xdd; 3], signature: [0xee; 64], body: Carried::Erased },
                    Parcel { header: vec![0xdd; 3], signature: [0xee; 64], body: Carried::Withheld },
                ],
            }),
            "e4000000 05 82 07 83 83 43dddddd 5840{ee*64} 82 02 81 420102 83 43dddddd 5840{ee*64} 82 00 80 \
             83 43dddddd 5840{ee*64} 82 01 80",
        ),
        (Message::Credit(Credit { bytes: 65536 }), "06000000 06 81 1a00010000"),
        (
            Message::Done(Done { request: r, absent: Packed(vec![id]), forked: Packed(vec![]), short: Packed(vec![[0xaa; 32]]) }),
            "47000000 07 84 07 5820{cc*32} 40 5820{aa*32}",
        ),
        (
            Message::Reconcile(Reconcile { request: r, span: Span { from: 1, to: 2 }, message: vec![0x61] }),
            "07000000 08 83 07 82 01 02 4161",
        ),
        (Message::Reconciled(Reconciled { request: r, message: vec![0x61] }), "04000000 09 82 07 4161"),
        (
            Message::Want(Want { request: r, offer: 0, newest_first: true, ids: Packed(vec![id]) }),
            "26000000 0a 84 07 00 f5 5820{cc*32}",
        ),
        (
            Message::WantEntity(WantEntity { request: r, entity: [0xaa; 16], before: u64::MAX, limit: 50 }),
            "1e000000 0b 84 07 50{aa*16} 1bffffffffffffffff 1832",
        ),
        (Message::Offer(Offer { offer: 3, ids: Packed(vec![id]) }), "24000000 0c 82 03 5820{cc*32}"),
        (Message::Live(Live {}), "01000000 0d 80"),
        (Message::Fin(Fin { reason: Reason::NotGranted }), "02000000 0e 81 04"),
    ]
}

/// `5820{bb*32}` is two bytes and then thirty-two of `bb`.
fn bytes(text: &str) -> Vec<u8> {
    let mut hex = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (repeat, after) = after.split_once('}').unwrap();
        let (byte, count) = repeat.split_once('*').unwrap();
        hex.push_str(before);
        hex.push_str(&byte.repeat(count.parse().unwrap()));
        rest = after;
    }
    hex.push_str(rest);
    hex.retain(|letter| !letter.is_whitespace());
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_message_has_these_bytes() {
    let examples = examples();
    let kinds: Vec<u8> = examples.iter().map(|(message, _)| message.kind()).collect();
    assert_eq!(kinds, message::KINDS, "one of each");
    for (message, text) in examples {
        let mut written = Vec::new();
        message.put(&mut written);
        assert_eq!(written, bytes(text), "{message:?} is {}", hex(&written));
        let mut rest = &written[..];
        let raw = Input::default().next(&mut rest).unwrap().unwrap();
        assert_eq!(Message::read(raw.kind, &raw.payload), Ok(Some(message)));
        assert!(raw.payload.len() <= message::cap(raw.kind).unwrap() && rest.is_empty());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_field_of_tomorrow_is_skipped_and_bytes_left_over_are_not() {
    let id = &bytes("5820{bb*32}")[..];
    assert!(Message::read(3, &[&[0x83][..], id, &[0xf4, 0x61, b'x']].concat()).is_ok());
    assert!(Message::read(3, &[&[0x82][..], id, &[0xf4, 0x00]].concat()).is_err());
    assert!(Message::read(3, &[&[0x81][..], id].concat()).is_err(), "a field is missing");
}

#[test]
fn no_kind_is_longer_than_a_frame() {
    assert!(message::KINDS.iter().all(|kind| message::cap(*kind).unwrap() <= MAX_FRAME));
    assert!(message::KINDS.iter().all(|kind| kind & frame::SKIPPABLE == 0));
}

/// What is kept for the fuzzer, played on the stable compiler, with what one broken byte makes of it.
#[test]
fn what_is_kept_does_no_harm() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/chum");
    let kept: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(kept.len() >= message::KINDS.len());
    for path in kept {
        let bytes = std::fs::read(&path).unwrap();
        fuzz::chum(&bytes);
        for at in 0..bytes.len().min(400) {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << (at % 8);
            fuzz::chum(&broken);
            fuzz::chum(&bytes[..at]);
        }
    }
}

#[test]
#[ignore = "writes fuzz/corpus/chum; run it by hand when messages have changed"]
fn write_the_corpus() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/chum");
    std::fs::create_dir_all(&folder).unwrap();
    let mut all = vec![40];
    for (message, _) in examples() {
        let mut bytes = vec![255];
        message.put(&mut bytes);
        if !matches!(message, Message::Hello(_) | Message::Fin(_)) {
            all.extend_from_slice(&bytes[1..]);
        }
        std::fs::write(folder.join(format!("{:02}", message.kind())), bytes).unwrap();
    }
    std::fs::write(folder.join("all"), all).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz::chum(&bytes);
    }

    #[test]
    fn any_payload_of_any_kind_does_no_harm(
        kind in 1..=14u8,
        payload in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0x82), Just(0x58), Just(0x07)], 0..300),
    ) {
        let mut bytes = vec![9];
        frame::put(&mut bytes, kind, &payload);
        fuzz::chum(&bytes);
    }

    #[test]
    fn broken_messages_do_no_harm(
        order in proptest::collection::vec(0..14usize, 1..6),
        breaks in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        piece in any::<u8>(),
    ) {
        let mut bytes = vec![piece];
        order.iter().for_each(|which| examples()[*which].0.put(&mut bytes));
        for (at, byte) in breaks {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        fuzz::chum(&bytes);
    }
}
