//! `eddsa-rdfc-2022`: what a signature over the meaning does not cover is refused, and so is what would take long.

use credentials::{Kind, Suite, contexts, rdf};
use serde_json::{Map, Value, json};

use crate::support::{Key, document, kind, members, signed, text, verify, with};

fn lines(value: Value) -> credentials::Result<String> {
    rdf::canonicalize(&serde_json::to_vec(&value).unwrap()).map(|lines| String::from_utf8(lines).unwrap())
}

const V2: &str = "https://www.w3.org/ns/credentials/v2";

/// Each would leave the hash as it is, for a verifier that does not look.
#[test]
fn nothing_can_be_added_that_the_signature_does_not_cover() {
    let good = signed(&Key::new(1), Suite::Rdfc);
    assert!(verify(&good).is_ok());
    for (pointer, value) in [
        ("/isAdmin", json!(true)),
        ("/credentialSubject/isAdmin", json!(true)),
        ("/credentialSubject/isAdmin", json!({ "id": "urn:a" })),
        ("/credentialSubject/is admin", json!(true)),
        ("/credentialSubject/x:admin", json!("did:example:subject")),
        ("/credentialSubject/https:~1~1example.com~1admin of", json!("yes")),
        ("/credentialSubject/", json!("yes")),
        ("/credentialSubject/@index", json!("admin")),
        ("/credentialSubject/@admin", json!("yes")),
        ("/credentialSubject/@reverse", json!({ "issuer": "urn:a" })),
        ("/credentialSubject/@included", json!([{ "id": "urn:a" }])),
        ("/credentialSubject/@nest", json!({ "name": "x" })),
        ("/credentialSubject/@context", json!("https://www.w3.org/ns/credentials/examples/v2")),
        ("/credentialSubject/@context", json!({ "isAdmin": "urn:admin" })),
        ("/credentialSubject/type", json!("Admin")),
        ("/credentialSubject/type", json!(["is admin"])),
        ("/credentialSubject/type", json!("../admin")),
        ("/credentialSubject/description", json!(["kind", []])),
        ("/credentialSubject/description", json!(["kind", ["admin"]])),
        ("/credentialSubject/description", json!(["kind", null])),
        ("/evidence", json!([])),
        ("/validUntil2", Value::Null),
        ("/evidence", json!({ "type": "urn:type:a", "id": "admin" })),
        ("/evidence", json!({ "type": "urn:type:a", "id": "urn:a b" })),
        ("/evidence", json!({ "type": "urn:type:a", "id": "_:a b" })),
        ("/credentialSubject/name", json!([{ "@value": "Zoë", "@language": "nl", "@direction": "ltr" }])),
        ("/credentialSubject/name", json!([{ "@value": "Zoë", "@language": "nl", "@index": "admin" }])),
        ("/proof/isAdmin", json!(true)),
        ("/proof/nonce2", json!("x")),
    ] {
        let pointer = pointer.replace("~1", "/");
        let tampered = match pointer.strip_prefix("/credentialSubject/https:") {
            Some(_) => with_member(&good, "https://example.com/admin of", value.clone()),
            None => with(&good, &pointer, value.clone()),
        };
        let refused = kind(verify(&tampered));
        assert!(matches!(refused, Kind::UndefinedTerm | Kind::Malformed), "{pointer} {value}: {refused:?}");
    }
    // The issuer cannot issue such a thing either, so nobody has to find out later.
    assert_eq!(kind(lines(json!({ "@context": [V2], "id": "urn:a", "isAdmin": true }))), Kind::UndefinedTerm);
}

fn with_member(document: &Map<String, Value>, name: &str, value: Value) -> Map<String, Value> {
    let mut document = Value::Object(document.clone());
    document["credentialSubject"][name] = value;
    members(document)
}

#[test]
fn no_context_is_fetched() {
    let good = signed(&Key::new(1), Suite::Rdfc);
    for address in [
        "https://example.com/context",
        "http://www.w3.org/ns/credentials/v2",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "//example.com/context",
        "https://www.w3.org/ns/credentials/v2#",
        "",
    ] {
        let tampered = with(&good, "/@context", json!([V2, address]));
        let refused = kind(verify(&tampered));
        assert!(matches!(refused, Kind::UnknownContext | Kind::Malformed), "{address}: {refused:?}");
        assert_eq!(
            kind(lines(json!({ "@context": [V2, address], "id": "urn:a", "name": "x" }))),
            Kind::UnknownContext,
            "{address}"
        );
    }
    // Written out, one could give the words another meaning.
    let inline = json!([V2, { "description": "https://www.w3.org/2018/credentials#issuer" }]);
    assert_eq!(kind(verify(&with(&good, "/@context", inline))), Kind::UnknownContext);
    for nothing in
        [json!({ "@context": null, "id": "urn:a" }), json!({ "id": "urn:a" }), json!({ "@context": [V2, null], "id": "urn:a" })]
    {
        assert!(lines(nothing).is_err());
    }
}

#[test]
fn every_built_in_context_can_be_read() {
    for address in contexts::addresses() {
        let text: Value = serde_json::from_str(contexts::find(address).unwrap()).unwrap();
        assert!(text.get("@context").is_some(), "{address}");
        let said = lines(json!({ "@context": [address], "@id": "urn:a", "@type": "urn:b" })).unwrap();
        assert_eq!(said, "<urn:a> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:b> .\n", "{address}");
    }
}

#[test]
fn the_order_in_which_it_stands_says_nothing() {
    let one = lines(json!({ "@context": [V2], "id": "urn:a", "name": ["x", "y"], "description": "z" })).unwrap();
    let other = lines(json!({ "description": ["z"], "name": ["y", "x"], "id": "urn:a", "@context": [V2] })).unwrap();
    assert_eq!(one, other);
    assert_eq!(one.lines().count(), 3);
    // 1.0 and 1 are one number.
    let status = |number: Value| json!({ "@context": [V2], "id": "urn:a", "type": "BitstringStatusList", "ttl": number });
    assert_eq!(lines(status(json!(1.0))).unwrap(), lines(status(json!(1))).unwrap());
}

/// Nodes without an id that all name one another.
fn clique(nodes: usize) -> Value {
    let type_of = |n: usize| json!({ "type": "urn:type:x", "id": format!("_:b{n}") });
    let all: Vec<Value> = (0..nodes)
        .map(|n| {
            let mut node = type_of(n);
            node["evidence"] = (0..nodes).filter(|other| *other != n).map(type_of).collect();
            node
        })
        .collect();
    json!({ "@context": [V2], "id": "urn:a", "type": "VerifiableCredential", "evidence": all })
}

#[test]
fn what_would_take_long_is_refused_before_it_begins() {
    // By a name of their own nodes can name one another: such names are refused.
    assert_eq!(kind(lines(clique(9))), Kind::UndefinedTerm);
    // Without names only trees can be written; those are cheap unless many branches look alike at many places.
    let leaf = || json!({ "type": "urn:type:leaf" });
    let evidence = |all: Vec<Value>| json!({ "@context": [V2, "https://www.w3.org/ns/credentials/examples/v2"], "id": "urn:a", "type": "VerifiableCredential", "evidence": all });
    assert!(lines(evidence(vec![leaf(); 64])).is_ok(), "64 that look alike around one that does not");
    assert_eq!(kind(lines(evidence(vec![leaf(); 65]))), Kind::TooComplex);
    let bush = |width: usize| json!({ "type": "urn:type:bush", "leaf": vec![leaf(); width] });
    assert!(lines(evidence(vec![bush(3), bush(3)])).is_ok());
    assert_eq!(kind(lines(evidence(vec![bush(12), bush(12)]))), Kind::TooComplex);
    assert!(lines(evidence(vec![bush(3); 8])).is_ok(), "each is cheap, and they do not hang together");
    assert_eq!(kind(lines(evidence(vec![bush(6); 9]))), Kind::TooComplex, "each is cheap, and they are many");
    let tree = || json!({ "type": "urn:type:tree", "branch": vec![bush(3); 3] });
    assert_eq!(kind(lines(evidence(vec![tree(), tree()]))), Kind::TooComplex, "each is cheap, and they hang together");
    let many: Vec<Value> = (0..2_001).map(|n| json!(format!("text {n}"))).collect();
    assert_eq!(kind(lines(json!({ "@context": [V2], "id": "urn:a", "name": many }))), Kind::TooComplex);
}

#[test]
fn a_list_without_order_may_be_reordered_and_nothing_else() {
    let key = Key::new(1);
    let plain = with(&document(&key, "did:example:subject"), "/credentialSubject/description", json!(["kind", "tall"]));
    let good = credentials::issue(&plain, &crate::support::options(Suite::Rdfc), &key, crate::support::IN_PROCESS).unwrap();
    assert!(verify(&with(&good, "/credentialSubject/description", json!(["tall", "kind"]))).is_ok());
    assert_eq!(kind(verify(&with(&good, "/credentialSubject/description", json!(["tall"])))), Kind::BadSignature);
    let good = credentials::issue(&plain, &crate::support::options(Suite::Jcs), &key, crate::support::IN_PROCESS).unwrap();
    assert_eq!(kind(verify(&with(&good, "/credentialSubject/description", json!(["tall", "kind"])))), Kind::BadSignature);
    assert!(credentials::json::read(&text(&good)).is_ok());
}
