//! Selective disclosure: RFC 9901's own values, and what may be wrong.

use std::cell::Cell;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use credentials::{
    Kind, Result, Signer as _,
    presentation::Question,
    random::{self, Salt},
    sd_jwt::{Disclosure, Issue, Presentable, SdClaims, issue, process},
    token::Algorithm,
};
use ed25519_dalek::Signer as _;
use serde_json::{Map, Value, json};

use crate::support::{Key, document, kind, members, now, verifier, with};

/// Salts that count, so that a failure is the same again.
fn counting() -> impl FnMut() -> Result<Salt> {
    let count = Cell::new(0);
    move || {
        count.set(count.get() + 1);
        Ok([count.get(); 16])
    }
}

fn person(issuer: &Key) -> Map<String, Value> {
    members(json!({
        "iss": issuer.did(), "iat": now().seconds(), "exp": now().seconds() + 3_600,
        "sub": "user_42", "given_name": "John", "nationalities": ["US", "DE", "FR"],
        "address": { "street_address": "123 Main St", "locality": "Anytown", "country": "US" },
    }))
}

fn issued(issuer: &Key, holder: Option<&Key>, disclosable: &[&str]) -> String {
    let key = holder.map(|holder| holder.public_key());
    let claims = person(issuer);
    let what =
        Issue { claims: &claims, disclosable, decoys: 2, typ: "sd-jwt", holder: key.as_ref(), algorithm: Algorithm::EdDsa };
    issue(&what, &mut counting(), issuer).unwrap()
}

fn question() -> Question {
    Question { challenge: "nonce-1".to_owned(), domain: "https://verifier.example".to_owned() }
}

fn check(text: &str, question: Option<&Question>) -> Result<SdClaims> {
    verifier(now()).sd_jwt(text, question)
}

/// RFC 9901, 4.2.1 to 4.2.3: the texts of disclosures, and their hashes.
#[test]
fn disclosures_are_hashed_as_in_rfc_9901() {
    for (text, name, value, hash) in [
        (
            "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0",
            Some("family_name"),
            "Möbius",
            "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0",
        ),
        ("WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIkZSIl0", None, "FR", "w0I8EKcdCtUPkGCNUrfwVp2xEgNjtoIDlOxc9-PlOhs"),
    ] {
        let disclosure = Disclosure::read(text).unwrap();
        assert_eq!((disclosure.name(), disclosure.value(), disclosure.text()), (name, &json!(value), text));
        assert_eq!(disclosure.hash(), hash);
    }
    // The same claim, written in another way: another hash, the same meaning.
    let escaped = Disclosure::read("WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsImZhbWlseV9uYW1lIiwiTVx1MDBmNmJpdXMiXQ").unwrap();
    assert_eq!((escaped.name(), escaped.value()), (Some("family_name"), &json!("Möbius")));
    assert_ne!(escaped.hash(), "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0");
}

#[test]
fn the_holder_chooses_what_is_seen() {
    let [issuer, holder] = [1, 5].map(Key::new);
    let disclosable = [
        "/sub",
        "/given_name",
        "/nationalities/0",
        "/nationalities/2",
        "/address",
        "/address/street_address",
        "/address/locality",
    ];
    let text = issued(&issuer, Some(&holder), &disclosable);
    let held = Presentable::read(&text).unwrap();
    assert_eq!(held.disclosures().len(), 7);

    let none = check(&held.present(|_| false, None).unwrap(), None).unwrap();
    let names: Vec<&str> = none.claims().keys().map(String::as_str).collect();
    assert_eq!(names, ["cnf", "exp", "iat", "iss", "nationalities"]);
    assert_eq!(none.claims()["nationalities"], json!(["DE"]));
    assert_eq!((none.issuer().did(), none.holder()), (issuer.did(), None));

    // What it is within comes with it; what stands beside it does not.
    let show = |disclosure: &Disclosure| matches!(disclosure.name(), Some("locality")) || *disclosure.value() == json!("FR");
    let answer = held.present(show, Some((&question(), now(), Algorithm::EdDsa, &holder))).unwrap();
    let seen = check(&answer, Some(&question())).unwrap();
    assert_eq!(seen.claims()["address"], json!({ "locality": "Anytown", "country": "US" }));
    assert_eq!(seen.claims()["nationalities"], json!(["DE", "FR"]));
    assert!(!seen.claims().contains_key("sub") && !answer.contains(&URL_SAFE_NO_PAD.encode("user_42")));
    assert_eq!(seen.holder(), Some(&holder.public_key()));

    let all = check(&text, None).unwrap();
    let mut expected = person(&issuer);
    expected.insert("cnf".to_owned(), all.claims()["cnf"].clone());
    assert_eq!(all.claims(), &expected);
}

#[test]
fn nobody_else_answers_and_no_answer_is_used_twice() {
    let [issuer, holder, thief] = [1, 5, 6].map(Key::new);
    let text = issued(&issuer, Some(&holder), &["/sub", "/given_name"]);
    let held = Presentable::read(&text).unwrap();
    let answer =
        |key: &Key, at: i64| held.present(|_| true, Some((&question(), now().after(at), Algorithm::EdDsa, key))).unwrap();
    let good = answer(&holder, 0);
    assert!(check(&good, Some(&question())).is_ok());
    assert_eq!(kind(check(&answer(&thief, 0), Some(&question()))), Kind::BadSignature);
    assert_eq!(kind(check(&answer(&holder, -301), Some(&question()))), Kind::Expired);
    assert_eq!(kind(check(&answer(&holder, 61), Some(&question()))), Kind::NotYetValid);
    let other = |challenge: &str, domain: &str| Question { challenge: challenge.to_owned(), domain: domain.to_owned() };
    assert_eq!(kind(check(&good, Some(&other("nonce-2", "https://verifier.example")))), Kind::WrongChallenge);
    assert_eq!(kind(check(&good, Some(&other("nonce-1", "https://evil.example")))), Kind::WrongAudience);
    assert_eq!(kind(check(&text, Some(&question()))), Kind::WrongHolder);
    assert_eq!(kind(check(&good, None)), Kind::WrongAudience);
    // A disclosure is taken away from under the answer, or put to it.
    let parts: Vec<&str> = good.split('~').collect();
    let fewer = [&parts[..1], &parts[2..]].concat().join("~");
    assert_eq!(kind(check(&fewer, Some(&question()))), Kind::BadSignature);
    assert_eq!(kind(Presentable::read(&good)), Kind::Malformed);
    // Issued to nobody, presented by somebody.
    let unbound = Presentable::read(&issued(&issuer, None, &["/sub"])).unwrap();
    let answered = unbound.present(|_| true, Some((&question(), now(), Algorithm::EdDsa, &thief))).unwrap();
    assert_eq!(kind(check(&answered, Some(&question()))), Kind::WrongHolder);
}

/// Signs any payload as an issuer.
fn signed(key: &Key, payload: &Value, disclosures: &[&str]) -> String {
    let header = json!({ "alg": "EdDSA", "typ": "sd-jwt", "kid": key.public_key().method() });
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(key.bare().sign(signed.as_bytes()).to_bytes());
    let mut text = format!("{signed}.{signature}~");
    for disclosure in disclosures {
        text.push_str(disclosure);
        text.push('~');
    }
    text
}

fn disclosure(parts: &Value) -> (String, String) {
    let text = URL_SAFE_NO_PAD.encode(parts.to_string());
    let hash = Disclosure::read(&text).unwrap().hash();
    (text, hash)
}

#[test]
fn what_rfc_9901_says_to_refuse_is_refused() {
    let key = Key::new(1);
    let (name, name_hash) = disclosure(&json!(["salt", "name", "Ann"]));
    let (element, element_hash) = disclosure(&json!(["salt", "FR"]));
    let (again, again_hash) = disclosure(&json!(["other salt", "name", "Bob"]));
    let (nested, nested_hash) = disclosure(&json!(["salt", "inner", { "_sd": [name_hash] }]));
    let rows = [
        (json!({ "_sd": [name_hash] }), vec![&name], None),
        (json!({ "_sd": [name_hash] }), vec![], None),
        (json!({ "_sd": [nested_hash] }), vec![&nested, &name], None),
        (json!({ "list": [{ "...": element_hash }] }), vec![&element], None),
        (json!({ "_sd": [] }), vec![&name], Some(Kind::Malformed)),
        (json!({ "_sd": [nested_hash] }), vec![&name], Some(Kind::Malformed)),
        (json!({ "_sd": [name_hash] }), vec![&name, &name], Some(Kind::Malformed)),
        (json!({ "_sd": [name_hash, name_hash] }), vec![&name], Some(Kind::Malformed)),
        (json!({ "_sd": [name_hash], "a": { "_sd": [name_hash] } }), vec![], Some(Kind::Malformed)),
        (json!({ "_sd": [name_hash], "name": "Eve" }), vec![&name], Some(Kind::Malformed)),
        (json!({ "_sd": [name_hash, again_hash] }), vec![&name, &again], Some(Kind::Malformed)),
        (json!({ "_sd": [element_hash] }), vec![&element], Some(Kind::Malformed)),
        (json!({ "list": [{ "...": name_hash }] }), vec![&name], Some(Kind::Malformed)),
        (json!({ "_sd": name_hash }), vec![&name], Some(Kind::Malformed)),
        (json!({ "_sd": [1] }), vec![], Some(Kind::Malformed)),
        (json!({ "a": { "...": name_hash } }), vec![], Some(Kind::Malformed)),
        (json!({ "_sd_alg": "sha-512", "_sd": [] }), vec![], Some(Kind::Unsupported)),
        (json!({ "_sd_alg": 1 }), vec![], Some(Kind::Unsupported)),
        (json!({ "a": { "_sd_alg": "sha-256" } }), vec![], Some(Kind::Malformed)),
    ];
    for (payload, disclosures, expected) in rows {
        let disclosures: Vec<&str> = disclosures.into_iter().map(String::as_str).collect();
        let refused = check(&signed(&key, &payload, &disclosures), None).err().map(|refused| refused.kind());
        assert_eq!(refused, expected, "{payload}");
    }
    for parts in [
        json!(["salt", "_sd", []]),
        json!(["salt", "...", "x"]),
        json!(["salt"]),
        json!([]),
        json!({}),
        json!([1, "a", "b"]),
        json!(["s", "a", "b", "c"]),
        json!(["s", 1, "b"]),
    ] {
        let text = URL_SAFE_NO_PAD.encode(parts.to_string());
        assert_eq!(kind(Disclosure::read(&text)), Kind::Malformed, "{parts}");
    }
    let twice = URL_SAFE_NO_PAD.encode(r#"["salt","a",{"x":1,"x":2}]"#);
    assert_eq!(kind(Disclosure::read(&twice)), Kind::DuplicateKey);
    // Each disclosure is shallow, and together they are deep.
    let (mut texts, mut hash) = (vec![name], name_hash);
    for _ in 0..40 {
        let (text, outer) = disclosure(&json!(["salt", "inner", { "_sd": [hash] }]));
        texts.push(text);
        hash = outer;
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(kind(check(&signed(&key, &json!({ "_sd": [hash] }), &texts), None)), Kind::TooDeep);
    let many: Vec<Disclosure> = (0..513).map(|n| Disclosure::read(&disclosure(&json!(["salt", "a", n])).0).unwrap()).collect();
    assert_eq!(kind(process(&Map::new(), &many)), Kind::TooLarge);
    for text in ["", "a", "a~", "~", "~~", "a.b.c~~"] {
        assert!(check(text, None).is_err(), "{text}");
    }
}

#[test]
fn what_a_verifier_must_see_cannot_be_kept_back() {
    let issuer = Key::new(1);
    let claims = person(&issuer);
    let try_issue = |claims: &Map<String, Value>, disclosable: &[&str], typ: &str| {
        let what = Issue { claims, disclosable, decoys: 0, typ, holder: None, algorithm: Algorithm::EdDsa };
        kind(issue(&what, &mut random::salt, &issuer))
    };
    for pointer in ["/iss", "/exp", "/none", "/nationalities/3", "/given_name/0", "sub", "", "/", "/address/none"] {
        assert_eq!(try_issue(&claims, &[pointer], "sd-jwt"), Kind::CannotMake, "{pointer}");
    }
    assert_eq!(try_issue(&claims, &["/sub", "/sub"], "sd-jwt"), Kind::CannotMake);
    assert_eq!(try_issue(&claims, &[], "vc+jwt"), Kind::CannotMake);
    assert_eq!(try_issue(&with(&claims, "/_sd", json!([])), &[], "sd-jwt"), Kind::CannotMake);
    assert_eq!(try_issue(&with(&claims, "/address/...", json!("x")), &[], "sd-jwt"), Kind::CannotMake);
    assert_eq!(try_issue(&with(&claims, "/iss", json!("did:example:other")), &[], "sd-jwt"), Kind::CannotMake);
}

#[test]
fn a_credential_is_shown_in_part() {
    let [issuer, holder] = [1, 5].map(Key::new);
    let plain = document(&issuer, &holder.did());
    let key = holder.public_key();
    let what = Issue {
        claims: &plain,
        disclosable: &["/name", "/credentialSubject/description", "/credentialSubject/name"],
        decoys: 3,
        typ: "vc+sd-jwt",
        holder: Some(&key),
        algorithm: Algorithm::Ed25519,
    };
    let text = issue(&what, &mut random::salt, &issuer).unwrap();
    let held = Presentable::read(&text).unwrap();
    let answer = |signer: &Key| {
        let answer = Some((&question(), now(), Algorithm::Ed25519, signer as &dyn credentials::Signer));
        held.present(|shown| shown.name() == Some("description"), answer).unwrap()
    };
    let seen = verifier(now()).sd_jwt_credential(&answer(&holder), Some(&question())).unwrap();
    assert_eq!(seen.claims().unwrap(), &members(json!({ "id": holder.did(), "description": "kind" })));
    assert_eq!(seen.issuer(), issuer.did());
    let late = verifier(now().after(3 * 24 * 3_600)).sd_jwt_credential(&text, None);
    assert_eq!(kind(late), Kind::Expired);
    // Bound to one, about another.
    let what = Issue { claims: &document(&issuer, "did:example:other"), ..what };
    let held = Presentable::read(&issue(&what, &mut random::salt, &issuer).unwrap()).unwrap();
    let text = held.present(|_| true, Some((&question(), now(), Algorithm::EdDsa, &holder))).unwrap();
    assert_eq!(kind(verifier(now()).sd_jwt_credential(&text, Some(&question()))), Kind::WrongHolder);
}
