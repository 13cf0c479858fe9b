//! Credentials that strangers could send.

use credentials::{Blame, Kind, Moment, Options, Purpose, Suite, Verifier, proofs};
use serde_json::{Value, json};

use crate::support::{
    IN_PROCESS, Key, Never, document, kind, members, now, options, signed, text, verifier, verify, with, without,
};

#[test]
fn only_the_issuer_can_sign() {
    let [issuer, other] = [1, 2].map(Key::new);
    for suite in [Suite::Jcs, Suite::Rdfc] {
        let forged = proofs::add(&document(&issuer, "did:example:subject"), &options(suite), &other, IN_PROCESS).unwrap();
        let refused = verify(&forged).unwrap_err();
        assert_eq!((refused.kind(), refused.blame()), (Kind::NotTheIssuersKey, Blame::Sender));
        // The issuer's name is put over another's signature, and the other way round.
        let good = signed(&issuer, suite);
        assert_eq!(kind(verify(&with(&good, "/issuer", other.did().into()))), Kind::BadSignature);
        let method = forged["proof"]["verificationMethod"].clone();
        assert_eq!(kind(verify(&with(&good, "/proof/verificationMethod", method))), Kind::BadSignature);
    }
}

#[test]
fn times_are_kept() {
    let issuer = Key::new(1);
    let at = |text: &str| Moment::parse(text).unwrap();
    let good = signed(&issuer, Suite::Jcs);
    let check = |now: Moment| verifier(now).credential(&text(&good));
    assert!(check(now()).is_ok());
    assert!(check(at("2023-11-16T00:00:00Z")).is_ok());
    assert_eq!(kind(check(at("2023-11-16T00:00:01Z"))), Kind::Expired);
    // The clock was set back: to before it was signed, and to before it is valid.
    assert_eq!(kind(check(now().after(-61))), Kind::NotYetValid);
    assert_eq!(kind(check(at("2013-11-14T00:00:00Z"))), Kind::NotYetValid);
    let expires = Options { expires: Some(now().after(60)), ..options(Suite::Jcs) };
    let short = credentials::issue(&document(&issuer, "did:example:subject"), &expires, &issuer, IN_PROCESS).unwrap();
    assert!(verifier(now().after(60)).credential(&text(&short)).is_ok());
    assert_eq!(kind(verifier(now().after(61)).credential(&text(&short))), Kind::Expired);
    for (pointer, value) in [
        ("/validFrom", json!("2023-11-14T00:00:00")),
        ("/validUntil", json!("2023-02-30T00:00:00Z")),
        ("/validUntil", json!(1_700_000_000)),
        ("/validUntil", json!("2023-11-13T00:00:00Z")),
        ("/proof/created", json!("2023-11-14")),
    ] {
        assert_eq!(kind(verify(&with(&good, pointer, value))), Kind::Malformed, "{pointer}");
    }
}

#[test]
fn what_the_data_model_asks_for_is_there() {
    let good = signed(&Key::new(1), Suite::Jcs);
    for name in ["@context", "type", "issuer", "credentialSubject"] {
        assert_eq!(kind(verify(&without(&good, &format!("/{name}")))), Kind::Malformed, "{name}");
    }
    for (pointer, value) in [
        ("/@context", json!("https://www.w3.org/2018/credentials/v1")),
        ("/@context", json!([])),
        ("/@context", json!(["https://example.com/first", "https://www.w3.org/ns/credentials/v2"])),
        ("/@context", json!(["https://www.w3.org/ns/credentials/v2", 1])),
        ("/@context", json!(["https://www.w3.org/ns/credentials/v2", null])),
        ("/@context", json!({})),
        ("/type", json!("Credential")),
        ("/type", json!([])),
        ("/type", json!(["VerifiableCredential", 1])),
        ("/id", json!("not an address")),
        ("/id", json!(["urn:a", "urn:b"])),
        ("/issuer", json!({ "name": "nobody" })),
        ("/issuer", json!([])),
        ("/credentialSubject", json!([])),
        ("/credentialSubject", json!({})),
        ("/credentialSubject", json!("did:example:subject")),
        ("/credentialSubject/id", json!(1)),
        ("/credentialStatus", json!({ "id": "urn:a" })),
        ("/credentialStatus", json!("revoked")),
        ("/credentialSchema", json!({ "type": "JsonSchema" })),
        ("/evidence", json!({ "id": "urn:a" })),
        ("/issuer", json!({ "id": "did:example:issuer", "name": { "@value": "a", "url": "b" } })),
        ("/relatedResource", json!({ "id": "https://example.com/a" })),
        ("/relatedResource", json!({ "id": "https://example.com/a", "digestMultibase": 1 })),
        (
            "/relatedResource",
            json!([
                { "id": "https://example.com/a", "digestMultibase": "uEi" },
                { "id": "https://example.com/a", "digestSRI": "sha256-x" },
            ]),
        ),
        ("/name", json!(1)),
        ("/name", json!({ "@value": "a", "@type": "b" })),
    ] {
        assert_eq!(kind(verify(&with(&good, pointer, value.clone()))), Kind::Malformed, "{pointer} {value}");
    }
    let others = json!({ "type": "SomeOtherStatus", "id": "urn:a" });
    assert_eq!(kind(verify(&with(&good, "/credentialStatus", others))), Kind::Unsupported);
}

#[test]
fn proofs_say_what_they_must() {
    let good = signed(&Key::new(1), Suite::Jcs);
    for name in ["type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue"] {
        assert_eq!(kind(verify(&without(&good, &format!("/proof/{name}")))), Kind::Malformed, "{name}");
    }
    let value = good["proof"]["proofValue"].as_str().unwrap();
    for (name, value, expected) in [
        ("type", json!("Ed25519Signature2020"), Kind::Unsupported),
        ("cryptosuite", json!("eddsa-2022"), Kind::Unsupported),
        ("cryptosuite", json!("ecdsa-jcs-2019"), Kind::Unsupported),
        ("proofPurpose", json!("authentication"), Kind::BadSignature),
        ("proofPurpose", json!("capabilityInvocation"), Kind::WrongPurpose),
        ("verificationMethod", json!("https://vc.example/issuers/5678#key-0"), Kind::Unsupported),
        ("verificationMethod", json!({ "type": "Multikey" }), Kind::Malformed),
        ("proofValue", json!(value.replacen('z', "u", 1)), Kind::Malformed),
        ("proofValue", json!(&value[..value.len() - 1]), Kind::BadSignature),
        ("proofValue", json!("z0OIl"), Kind::Malformed),
        ("proofValue", json!("z"), Kind::BadSignature),
        ("challenge", json!("added"), Kind::BadSignature),
        ("expires", json!("2033-01-01T00:00:00Z"), Kind::BadSignature),
    ] {
        assert_eq!(kind(verify(&with(&good, &format!("/proof/{name}"), value))), expected, "{name}");
    }
}

/// S + L is the same number modulo L: who does not look signs twice with one signature.
#[test]
fn a_signature_written_in_another_way_is_none() {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let good = signed(&Key::new(1), Suite::Jcs);
    let value = good["proof"]["proofValue"].as_str().unwrap();
    let mut signature = bs58::decode(&value[1..]).into_vec().unwrap();
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    let written = format!("z{}", bs58::encode(signature).into_string());
    assert_eq!(kind(verify(&with(&good, "/proof/proofValue", written.into()))), Kind::BadSignature);
}

#[test]
fn a_proof_for_one_purpose_is_none_for_another() {
    let issuer = Key::new(1);
    let plain = document(&issuer, "did:example:subject");
    let authentication = Options::new(Suite::Jcs, Purpose::Authentication, now());
    let login = proofs::add(&plain, &authentication, &issuer, IN_PROCESS).unwrap();
    assert_eq!(kind(verify(&login)), Kind::WrongPurpose);
}

#[test]
fn contexts_behind_the_signed_ones_are_no_part_of_it() {
    let good = signed(&Key::new(1), Suite::Jcs);
    let more = with(&good, "/@context", json!(["https://www.w3.org/ns/credentials/v2", "https://example.com/evil"]));
    assert_eq!(verify(&more).unwrap().document()["@context"], json!(["https://www.w3.org/ns/credentials/v2"]));
    let before = with(&good, "/@context", json!(["https://www.w3.org/ns/credentials/v2"]));
    assert!(verify(&before).is_ok());
    let dropped = with(&good, "/proof/@context", json!(["https://www.w3.org/ns/credentials/v2", "https://example.com/evil"]));
    assert_eq!(kind(verify(&dropped)), Kind::BadSignature);
    assert_eq!(kind(verify(&without(&good, "/proof/@context"))), Kind::BadSignature);
}

#[test]
fn nothing_is_canonicalised_before_the_document_is_in_order() {
    let good = signed(&Key::new(1), Suite::Rdfc);
    let never = Verifier { now: now(), canonicalizer: &Never };
    assert_eq!(kind(never.credential(&text(&without(&good, "/type")))), Kind::Malformed);
    let padded = [text(&good), vec![b' '; 256 * 1024]].concat();
    assert_eq!(kind(never.credential(&padded)), Kind::TooLarge);
    let text = String::from_utf8(text(&good)).unwrap();
    let twice = text.replacen("{\"@context\"", "{\"issuer\":\"did:example:me\",\"@context\"", 1);
    assert_eq!(kind(never.credential(twice.as_bytes())), Kind::DuplicateKey);
    assert_eq!(kind(never.credential(b"[]")), Kind::Malformed);
}

/// What a person reads: what is wrong, in one line, and what to do; never what somebody wrote into the credential.
#[test]
fn refusals_say_what_to_do_and_quote_nothing() {
    let good = signed(&Key::new(1), Suite::Rdfc);
    let secret = "a-secret-word";
    for pointer in [
        "/name",
        "/id",
        "/validFrom",
        "/issuer",
        "/type/0",
        "/credentialSubject/id",
        "/credentialSubject/type",
        "/credentialSubject/description",
        "/credentialSubject/name/0/@value",
        "/proof/created",
        "/proof/proofValue",
        "/proof/id",
    ] {
        let refused = verify(&with(&good, pointer, Value::from(secret))).unwrap_err();
        assert!(!refused.to_string().contains(secret) && refused.advice().ends_with('.'), "{refused}");
    }
    let long = members(json!({ "@context": "https://www.w3.org/ns/credentials/v2", "type": "VerifiableCredential",
        "issuer": format!("did:key:{}\n{}", "z".repeat(500), secret), "credentialSubject": { "id": "urn:a" } }));
    let refused = verify(&long).unwrap_err();
    assert!(refused.to_string().len() < 200 && !refused.to_string().contains('\n'), "{refused}");
}
