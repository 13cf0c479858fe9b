//! What holds for everything: reading never panics, order says nothing, every change is found.

use credentials::{
    Kind, Suite, canonical, json,
    presentation::{About, Question},
    rdf, sd_jwt,
    status::StatusList,
};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::support::{Key, members, now, signed, text, verifier, verify};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1e15_f64..1e15).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

/// JSON with the members of every object in another order, and white space between.
fn shuffled(value: &Value, turn: usize, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut all: Vec<_> = members.iter().collect();
            if !all.is_empty() {
                let by = turn % all.len();
                all.rotate_left(by);
            }
            if turn % 2 == 1 {
                all.reverse();
            }
            out.push_str("{ ");
            for (place, (name, value)) in all.into_iter().enumerate() {
                if place > 0 {
                    out.push_str(" ,\n");
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push_str(" : ");
                shuffled(value, turn.wrapping_mul(31).wrapping_add(place), out);
            }
            out.push_str("\t}");
        }
        Value::Array(values) => {
            out.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                shuffled(value, turn.wrapping_add(place), out);
            }
            out.push(']');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

/// The places of all leaves of a document.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| leaves(value, &format!("{at}/{name}"), found)),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(place, value)| leaves(value, &format!("{at}/{place}"), found))
        }
        _ => found.push(at.to_owned()),
    }
}

fn changed(value: &Value, salt: u8) -> Value {
    match value {
        Value::String(text) if text.is_empty() => "x".into(),
        Value::String(text) => {
            let mut chars: Vec<char> = text.chars().collect();
            let place = usize::from(salt) % chars.len();
            chars[place] = if chars[place] == 'q' { 'r' } else { 'q' };
            chars.into_iter().collect::<String>().into()
        }
        Value::Bool(value) => (!value).into(),
        Value::Number(number) => (number.as_f64().unwrap() + 1.0).into(),
        _ => "something".into(),
    }
}

#[test]
fn every_changed_leaf_is_found() {
    for suite in [Suite::Jcs, Suite::Rdfc] {
        let good = Value::Object(signed(&Key::new(1), suite));
        let mut places = Vec::new();
        leaves(&good, "", &mut places);
        assert!(places.len() > 15);
        for place in &places {
            for salt in [0, 1, 7, 100, 255] {
                let mut tampered = good.clone();
                let leaf = tampered.pointer_mut(place).unwrap();
                *leaf = changed(leaf, salt);
                assert!(verify(&members(tampered)).is_err(), "{suite:?} {place}");
            }
            // Taken away.
            let (parent, name) = place.rsplit_once('/').unwrap();
            let mut tampered = good.clone();
            match tampered.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(name)),
                Value::Array(values) => drop(values.remove(name.parse().unwrap())),
                _ => unreachable!("a leaf has a parent"),
            }
            assert!(verify(&members(tampered)).is_err(), "{suite:?} without {place}");
        }
    }
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), words in ".{0,300}") {
        let question = Question { challenge: "c".to_owned(), domain: "d".to_owned() };
        for input in [bytes.as_slice(), words.as_bytes()] {
            let _ = json::read(input);
            let _ = rdf::canonicalize(input);
            let _ = verifier(now()).credential(input);
            let _ = verifier(now()).presentation(input, &question, About::Anybody);
        }
        let _ = verifier(now()).token(&words);
        let _ = verifier(now()).sd_jwt(&words, None);
        let _ = verifier(now()).sd_jwt(&words, Some(&question));
        let _ = sd_jwt::Presentable::read(&words);
        let _ = sd_jwt::Disclosure::read(&words);
        let _ = StatusList::decode(&words);
        let _ = credentials::PublicKey::from_method(&words);
        let _ = credentials::Moment::parse(&words);
    }

    #[test]
    fn any_json_in_a_place_of_a_credential_never_panics(inner in value(), place in any::<prop::sample::Index>(), rdfc in any::<bool>()) {
        let suite = if rdfc { Suite::Rdfc } else { Suite::Jcs };
        let good = Value::Object(signed(&Key::new(1), suite));
        let mut places = Vec::new();
        leaves(&good, "", &mut places);
        places.extend(["/credentialSubject", "/proof", "/issuer", "/type", "/@context"].map(str::to_owned));
        let mut tampered = good.clone();
        let leaf = tampered.pointer_mut(place.get(places.as_slice()).as_str()).unwrap();
        let same = *leaf == inner;
        *leaf = inner;
        prop_assert!(same || verify(&members(tampered)).is_err());
    }

    #[test]
    fn reading_any_order_gives_one_canonical_text(value in value(), turn in 0_usize..1000) {
        let mut text = String::new();
        shuffled(&value, turn, &mut text);
        let read = json::read(text.as_bytes()).unwrap();
        prop_assert_eq!(canonical(&read).unwrap(), canonical(&value).unwrap());
        // The canonical text is read as the same value, and is its own canonical text.
        let once = canonical(&value).unwrap();
        prop_assert_eq!(canonical(&json::read(&once).unwrap()).unwrap(), once);
    }

    #[test]
    fn a_credential_holds_in_any_order(turn in 0_usize..1000, rdfc in any::<bool>()) {
        let good = signed(&Key::new(1), if rdfc { Suite::Rdfc } else { Suite::Jcs });
        let mut text = String::new();
        shuffled(&Value::Object(good), turn, &mut text);
        prop_assert!(verifier(now()).credential(text.as_bytes()).is_ok());
    }

    #[test]
    fn every_flipped_bit_is_found(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let good = signed(&Key::new(1), Suite::Jcs);
        let before: Map<String, Value> = good.clone();
        let mut bytes = text(&good);
        *place.get_mut(&mut bytes) ^= 1 << bit;
        // Where a bit changes nothing but how the same is written, it is the same.
        let same = serde_json::from_slice::<Map<String, Value>>(&bytes).is_ok_and(|after| after == before);
        prop_assert!(same || verifier(now()).credential(&bytes).is_err());
    }

    #[test]
    fn lists_are_read_as_they_were_written(set in prop::collection::btree_set(0_u64..131_072, 0..50)) {
        let mut list = StatusList::new(0).unwrap();
        for index in &set {
            list.set(*index, true).unwrap();
        }
        let read = StatusList::decode(&list.encode().unwrap()).unwrap();
        for index in set {
            prop_assert!(read.get(index).unwrap());
        }
        prop_assert_eq!(read, list);
    }
}

#[test]
fn deep_and_wide_texts_are_refused_at_once() {
    for text in ["[".repeat(200_000), "{\"a\":".repeat(40_000), format!("[{}1]", "1,".repeat(120_000))] {
        let read = json::read(text.as_bytes());
        assert!(text.starts_with("[1") || matches!(read.unwrap_err().kind(), Kind::TooDeep | Kind::TooLarge));
    }
}
