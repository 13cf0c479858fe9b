//! Revocation and suspension.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use credentials::{
    Credential, Kind, Signer as _, Suite, Validity, issue,
    status::{self, MAX_BYTES, PublishedList, StatusList, StatusPurpose},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::support::{IN_PROCESS, Key, document, kind, now, options, text, verifier, verify, with};

const LIST: &str = "https://example.com/status/3";
const OTHER: &str = "https://example.com/status/4";

fn published(key: &Key, id: &str, purpose: StatusPurpose, set: &[u64]) -> PublishedList {
    let mut list = StatusList::new(1).unwrap();
    for index in set {
        list.set(*index, true).unwrap();
    }
    let validity = Validity { from: Some(now()), until: Some(now().after(3_600)) };
    let document = list.to_credential(id, &key.public_key(), purpose, validity).unwrap();
    let signed = issue(&document, &options(Suite::Rdfc), key, IN_PROCESS).unwrap();
    PublishedList::read(&verify(&signed).unwrap()).unwrap()
}

fn credential(key: &Key, entries: Value) -> Credential {
    let plain = with(&document(key, "did:example:subject"), "/credentialStatus", entries);
    verify(&issue(&plain, &options(Suite::Rdfc), key, IN_PROCESS).unwrap()).unwrap()
}

#[test]
fn what_is_taken_back_is_refused() {
    let [issuer, other] = [1, 2].map(Key::new);
    let entries =
        json!([status::entry(LIST, 94_567, StatusPurpose::Revocation), status::entry(OTHER, 23, StatusPurpose::Suspension),]);
    let held = credential(&issuer, entries);
    let list = |set: &[u64]| published(&issuer, LIST, StatusPurpose::Revocation, set);
    let pause = |set: &[u64]| published(&issuer, OTHER, StatusPurpose::Suspension, set);
    let check = |lists: &[PublishedList]| verifier(now()).status(&held, lists);
    assert!(check(&[pause(&[22, 24]), list(&[94_566, 94_568])]).is_ok());
    assert_eq!(kind(check(&[list(&[94_567]), pause(&[])])), Kind::Revoked);
    assert_eq!(kind(check(&[list(&[]), pause(&[23])])), Kind::Suspended);
    // No list, one list of two, another's list under that address, a list for something else, yesterday's list.
    assert_eq!(kind(check(&[])), Kind::StatusUnknown);
    assert_eq!(kind(check(&[list(&[])])), Kind::StatusUnknown);
    assert_eq!(kind(check(&[published(&other, LIST, StatusPurpose::Revocation, &[]), pause(&[])])), Kind::StatusUnknown);
    assert_eq!(kind(check(&[published(&issuer, LIST, StatusPurpose::Suspension, &[]), pause(&[])])), Kind::StatusUnknown);
    assert_eq!(kind(verifier(now().after(3_601)).status(&held, &[list(&[]), pause(&[])])), Kind::Expired);
    // One that cannot be taken back.
    assert!(verifier(now()).status(&verify(&crate::support::signed(&issuer, Suite::Jcs)).unwrap(), &[]).is_ok());
    let outside = credential(&issuer, status::entry(LIST, 131_072, StatusPurpose::Revocation));
    assert_eq!(kind(verifier(now()).status(&outside, &[list(&[])])), Kind::Malformed);
}

#[test]
fn entries_are_read_strictly() {
    let issuer = Key::new(1);
    let plain = document(&issuer, "did:example:subject");
    for index in
        [json!(7), json!("-1"), json!("+7"), json!("07"), json!("7.0"), json!(""), json!("99999999999999999999"), Value::Null]
    {
        let mut entry = status::entry(LIST, 7, StatusPurpose::Revocation);
        entry["statusListIndex"] = index.clone();
        let refused = issue(&with(&plain, "/credentialStatus", entry), &options(Suite::Jcs), &issuer, IN_PROCESS);
        assert_eq!(kind(refused), Kind::Malformed, "{index}");
    }
    let mut entry = status::entry(LIST, 7, StatusPurpose::Revocation);
    entry["statusSize"] = json!(2);
    assert_eq!(
        kind(issue(&with(&plain, "/credentialStatus", entry), &options(Suite::Jcs), &issuer, IN_PROCESS)),
        Kind::Unsupported
    );
}

#[test]
fn bits_are_counted_from_the_left() {
    let mut list = StatusList::new(0).unwrap();
    assert_eq!(list.entries(), 131_072);
    assert_eq!(StatusList::new(131_073).unwrap().entries(), 131_080);
    list.set(0, true).unwrap();
    list.set(131_071, true).unwrap();
    let read = StatusList::decode(&list.encode().unwrap()).unwrap();
    assert_eq!(read, list);
    let set: Vec<u64> = (0..list.entries()).filter(|index| read.get(*index).unwrap()).collect();
    assert_eq!(set, [0, 131_071]);
    list.set(0, false).unwrap();
    assert!(!list.get(0).unwrap());
    assert_eq!(kind(list.get(131_072)), Kind::Malformed);
    assert_eq!(kind(list.get(u64::MAX)), Kind::Malformed);
    assert_eq!(kind(list.set(131_072, true)), Kind::CannotMake);
    assert_eq!(kind(StatusList::new(MAX_BYTES as u64 * 8 + 1)), Kind::CannotMake);
    assert_eq!(list.encode().unwrap(), list.encode().unwrap());
}

/// The example of the W3C Recommendation "Bitstring Status List": 131,072 entries, none set.
#[test]
fn the_recommendations_own_list_is_read() {
    let list = StatusList::decode("uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA").unwrap();
    assert_eq!(list, StatusList::new(0).unwrap());
}

#[test]
fn a_gzip_bomb_does_not_burst() {
    let packed = |bytes: usize| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let block = vec![0; 1024 * 1024];
        for _ in 0..bytes / block.len() {
            gzip.write_all(&block).unwrap();
        }
        gzip.write_all(&block[..bytes % block.len()]).unwrap();
        gzip.finish().unwrap()
    };
    let encode = |bytes: &[u8]| format!("u{}", URL_SAFE_NO_PAD.encode(bytes));
    let decode = |text: &str| StatusList::decode(text);
    assert!(decode(&encode(&packed(MAX_BYTES))).is_ok());
    assert_eq!(kind(decode(&encode(&packed(MAX_BYTES + 1)))), Kind::TooLarge);
    let bomb = encode(&packed(128 * 1024 * 1024));
    assert!(bomb.len() < credentials::json::MAX_BYTES);
    assert_eq!(kind(decode(&bomb)), Kind::TooLarge);
    assert_eq!(kind(decode(&encode(&packed(16 * 1024 - 1)))), Kind::Malformed);
    let good = packed(16 * 1024);
    assert!(decode(&encode(&good)).is_ok());
    assert_eq!(kind(decode(&encode(&good[..good.len() - 1]))), Kind::Malformed);
    assert_eq!(kind(decode(&encode(&[good.as_slice(), b"more"].concat()))), Kind::Malformed);
    assert_eq!(kind(decode(&encode(&[good.as_slice(), &good].concat()))), Kind::Malformed);
    let mut flipped = good.clone();
    let crc = flipped.len() - 6;
    flipped[crc] ^= 1;
    assert_eq!(kind(decode(&encode(&flipped))), Kind::Malformed);
    for text in ["", "u", &encode(&good)[1..], "z6Mk", &format!("{}=", encode(&good))] {
        assert_eq!(kind(decode(text)), Kind::Malformed);
    }
}

#[test]
fn only_a_list_is_a_list() {
    let issuer = Key::new(1);
    let plain = verify(&crate::support::signed(&issuer, Suite::Jcs)).unwrap();
    assert_eq!(kind(PublishedList::read(&plain)), Kind::Malformed);
    let validity = Validity { from: None, until: None };
    let list =
        StatusList::new(1).unwrap().to_credential(LIST, &issuer.public_key(), StatusPurpose::Revocation, validity).unwrap();
    let read = |pointer: &str, value: Value| {
        let signed = issue(&with(&list, pointer, value), &options(Suite::Jcs), &issuer, IN_PROCESS).unwrap();
        PublishedList::read(&verifier(now()).credential(&text(&signed)).unwrap())
    };
    assert!(read("/name", json!("a list")).is_ok());
    assert_eq!(kind(read("/credentialSubject/statusPurpose", json!("message"))), Kind::Unsupported);
    assert_eq!(kind(read("/credentialSubject/statusSize", json!(2))), Kind::Unsupported);
    assert_eq!(kind(read("/credentialSubject/encodedList", json!(1))), Kind::Malformed);
    assert_eq!(kind(read("/credentialSubject/type", json!("Something"))), Kind::Malformed);
}
