//! Signed events with any bytes in them: the fuzz target `ingest`, on the stable compiler.

use std::{path::PathBuf, sync::Arc};

use proptest::prelude::*;
use replica::{
    body::{Body, Erase},
    state::{Act, Change, Value},
};

use crate::{
    memory::Memory,
    world::{Device, begin, on, rename, say},
};

#[path = "../../../../fuzz/src/ingest.rs"]
mod ingest;

use ingest::{KINDS, Written};

fn play(bytes: &[u8]) {
    ingest::ingest(bytes, || Arc::new(Memory::new()));
}

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/ingest"))
}

/// What is kept for the fuzzer, with what one broken byte makes of it.
#[test]
fn what_is_kept_does_no_harm() {
    let kept: Vec<_> = std::fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(kept.len() >= 4);
    for path in kept {
        let bytes = std::fs::read(&path).unwrap();
        play(&bytes);
        for at in 0..bytes.len().min(150) {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << (at % 8);
            play(&broken);
        }
    }
}

fn written(author: bool, entity: u8, body: &Body) -> Written {
    let kind = KINDS.iter().position(|kind| *kind == body.kind()).unwrap() as u8;
    Written { author, saw: false, later: false, entity, kind, body: body.to_bytes() }
}

#[test]
#[ignore = "writes fuzz/corpus/ingest; run it by hand when bodies have changed"]
fn write_the_corpus() {
    let put = |name: &str, events: &[Written]| {
        let mut bytes = Vec::new();
        events.iter().for_each(|event| event.put(&mut bytes));
        play(&bytes);
        std::fs::create_dir_all(corpus()).unwrap();
        std::fs::write(corpus().join(name), bytes).unwrap();
    };
    let talk: Vec<Written> = [begin(1, "one"), say(1, 1, "hello"), rename(1, "two"), say(1, 2, "again")]
        .iter()
        .enumerate()
        .map(|(at, draft)| written(at % 2 == 1, 1, &draft.body))
        .collect();
    put("talk", &talk);
    let change = |acts: Vec<Act>| {
        let operations = acts.into_iter().enumerate().map(|(at, act)| on(&[["a", "b", "c"][at % 3]], act)).collect();
        Body::Change(Change { operations })
    };
    let value = |text: &str| Value::Text(text.into());
    let acts = [
        change(vec![Act::Set(value("x")), Act::Add(value("y"))]),
        change(vec![Act::Increment(3), Act::Set(Value::Number(7)), Act::Clear]),
        change(vec![Act::Insert(None, Some(value("z"))), Act::Remove(value("y")), Act::Add(Value::Reference([1; 16]))]),
    ];
    put("change", &acts.iter().enumerate().map(|(at, body)| written(at % 2 == 0, 2, body)).collect::<Vec<_>>());
    // Two devices write one text.
    let mut device = Device::new(1);
    let mut texts = Vec::new();
    for text in ["a text", "a longer text", "a text that is longer"] {
        device.writer.write(|batch| batch.write_text(&[3; 16], &["text".into()], text)).unwrap().unwrap();
        let newest = device.replica.snapshot().unwrap().newest(replica::body::CHANGE, 1).unwrap();
        texts.push(written(texts.len() % 2 == 1, 3, &newest[0].body));
    }
    put("text", &texts);
    let erase = Body::Erase(Erase { entity: [1; 16], event: None, until: None });
    put("erased", &[&talk[..2], &[written(false, 0, &erase)], &talk[2..]].concat());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        play(&bytes);
    }
}
