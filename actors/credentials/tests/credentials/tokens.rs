//! `vc+jwt`: out and in again, and the ways in which tokens lie.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use credentials::{
    Kind, Signer as _,
    token::{self, Algorithm},
};
use ed25519_dalek::Signer as _;
use serde_json::{Map, Value, json};

use crate::support::{Key, document, kind, now, verifier, with};

/// A token with any header and any payload, signed as it should be.
fn token(key: &Key, header: &Value, payload: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.bare().sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn header(key: &Key) -> Value {
    json!({ "alg": "EdDSA", "typ": "vc+jwt", "cty": "vc", "kid": key.public_key().method() })
}

fn check(text: &str) -> credentials::Result<credentials::Credential> {
    verifier(now()).token(text)
}

fn payload(document: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(document).unwrap()
}

#[test]
fn a_credential_goes_out_and_comes_back() {
    let key = Key::new(1);
    let plain = document(&key, "did:example:subject");
    for algorithm in [Algorithm::EdDsa, Algorithm::Ed25519] {
        let text = token::issue(&plain, algorithm, &key).unwrap();
        let read = check(&text).unwrap();
        assert_eq!((read.document(), read.issuer()), (&plain, key.did().as_str()));
    }
    assert_eq!(kind(token::issue(&plain, Algorithm::EdDsa, &Key::new(2))), Kind::CannotMake);
    assert_eq!(kind(token::issue(&with(&plain, "/proof", json!({})), Algorithm::EdDsa, &key)), Kind::CannotMake);
}

#[test]
fn the_header_has_nothing_to_choose() {
    let key = Key::new(1);
    let body = payload(&document(&key, "did:example:subject"));
    assert!(check(&token(&key, &header(&key), &body)).is_ok());
    let other = Key::new(2).public_key().method();
    for (name, value, expected) in [
        ("alg", json!("none"), Kind::Unsupported),
        ("alg", json!("None"), Kind::Unsupported),
        ("alg", json!("HS256"), Kind::Unsupported),
        ("alg", json!("ES256"), Kind::Unsupported),
        ("alg", json!("eddsa"), Kind::Unsupported),
        ("alg", json!("Ed448"), Kind::Unsupported),
        ("alg", json!(["EdDSA"]), Kind::Malformed),
        ("alg", Value::Null, Kind::Malformed),
        ("typ", json!("JWT"), Kind::WrongPurpose),
        ("typ", json!("vp+jwt"), Kind::WrongPurpose),
        ("typ", json!("kb+jwt"), Kind::WrongPurpose),
        ("typ", json!("vc+sd-jwt"), Kind::WrongPurpose),
        ("cty", json!("vp"), Kind::Unsupported),
        ("kid", json!("../../keys/1"), Kind::BadKey),
        ("kid", json!("https://example.com/key#1"), Kind::Unsupported),
        ("kid", json!("#0"), Kind::Unsupported),
        ("kid", json!(key.did()), Kind::BadKey),
        ("kid", json!(other), Kind::BadSignature),
        ("crit", json!(["exp"]), Kind::Unsupported),
        ("b64", json!(false), Kind::Unsupported),
        ("jwk", json!({ "kty": "OKP" }), Kind::Unsupported),
        ("jku", json!("https://example.com/keys"), Kind::Unsupported),
        ("x5u", json!("https://example.com/cert"), Kind::Unsupported),
        ("zip", json!("DEF"), Kind::Unsupported),
    ] {
        let mut header = header(&key);
        header[name] = value.clone();
        assert_eq!(kind(check(&token(&key, &header, &body))), expected, "{name} {value}");
    }
    for name in ["alg", "typ", "kid"] {
        let mut header = header(&key);
        header.as_object_mut().unwrap().remove(name);
        assert!(check(&token(&key, &header, &body)).is_err(), "without {name}");
    }
    assert!(check(&token(&key, &json!([]), &body)).is_err());
}

#[test]
fn a_token_has_three_parts_in_one_way() {
    let key = Key::new(1);
    let good = token(&key, &header(&key), &payload(&document(&key, "did:example:subject")));
    let parts: Vec<&str> = good.split('.').collect();
    for text in [
        String::new(),
        "..".to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{good}."),
        format!("{good}=="),
        format!(" {good}"),
        format!("{}.{}", good, parts[2]),
        good.replace('_', "/").replace('-', "+") + "=",
    ] {
        assert!(check(&text).is_err(), "{text}");
    }
    assert_eq!(kind(check(&"a".repeat(300_000))), Kind::TooLarge);
    // The last digit of 64 bytes has four bits that mean nothing: only zeros are read.
    let (before, last) = good.split_at(good.len() - 1);
    assert!(check(&format!("{before}{}", next(last))).is_err());
    for place in 0..3 {
        let mut changed = parts.clone();
        let flipped = format!("{}{}", if parts[place].starts_with('A') { 'B' } else { 'A' }, &parts[place][1..]);
        changed[place] = &flipped;
        assert!(check(&changed.join(".")).is_err(), "part {place}");
    }
}

/// The next digit of base64url.
fn next(digit: &str) -> char {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    DIGITS.chars().nth(DIGITS.find(digit).unwrap() + 1).unwrap()
}

#[test]
fn what_the_token_says_beside_the_credential_is_no_other_thing() {
    let key = Key::new(1);
    let plain = document(&key, "did:example:subject");
    let says = |name: &str, value: Value| check(&token(&key, &header(&key), &payload(&with(&plain, &format!("/{name}"), value))));
    for (name, value) in [
        ("iss", json!(key.did())),
        ("sub", json!("did:example:subject")),
        ("jti", plain["id"].clone()),
        ("iat", json!(now().seconds())),
        ("exp", json!(now().seconds())),
        ("nbf", json!(now().seconds() + 60)),
    ] {
        assert!(says(name, value).is_ok(), "{name}");
    }
    for (name, value, expected) in [
        ("iss", json!("did:example:other"), Kind::Malformed),
        ("sub", json!("did:example:other"), Kind::Malformed),
        ("jti", json!("urn:uuid:other"), Kind::Malformed),
        ("iat", json!(now().seconds() + 61), Kind::NotYetValid),
        ("nbf", json!(now().seconds() + 61), Kind::NotYetValid),
        ("exp", json!(now().seconds() - 1), Kind::Expired),
        ("exp", json!("tomorrow"), Kind::Malformed),
        ("exp", json!(9_007_199_254_740_991_u64), Kind::Malformed),
        ("vc", json!({}), Kind::Unsupported),
        ("proof", json!({}), Kind::Malformed),
        ("issuer", json!("did:example:other"), Kind::Unsupported),
        ("issuer", json!(Key::new(2).did()), Kind::NotTheIssuersKey),
        ("validUntil", json!("2023-11-14T00:00:00Z"), Kind::Expired),
    ] {
        assert_eq!(kind(says(name, value.clone())), expected, "{name} {value}");
    }
    let twice = br#"{"issuer":"did:example:a","issuer":"did:example:b"}"#;
    assert_eq!(kind(check(&token(&key, &header(&key), twice))), Kind::DuplicateKey);
}
