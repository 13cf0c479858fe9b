//! Known answers: RFC 8785, did:key, the W3C's examples for both suites.

use std::{fs, path::Path};

use credentials::{Kind, Moment, Options, PublicKey, Purpose, Signer as _, Suite, canonical, proofs};
use curve25519_dalek::Scalar;
use ed25519_dalek::{Signature, Verifier as _};
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use crate::support::{IN_PROCESS, Key, kind, members};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

fn alumni() -> Value {
    serde_json::from_slice(&fs::read(Path::new(VECTORS).join("alumni.json")).unwrap()).unwrap()
}

#[test]
fn canonical_texts_are_those_of_rfc_8785() {
    let mut seen = 0;
    for name in ["arrays", "french", "structures", "unicode", "values", "weird"] {
        let read = |end: &str| fs::read(Path::new(VECTORS).join("rfc8785").join(format!("{name}.{end}"))).unwrap();
        // Their numbers are larger than what is read from strangers.
        let value: Value = serde_json::from_slice(&read("json")).unwrap();
        let expected = read("out");
        assert_eq!(
            String::from_utf8(canonical(&value).unwrap()).unwrap().trim_end(),
            String::from_utf8(expected).unwrap().trim_end(),
            "{name}"
        );
        seen += 1;
    }
    assert_eq!(seen, 6);
}

/// RFC 8785, appendix B: the bits of a number, and its text.
#[test]
fn numbers_are_written_as_ecmascript_does() {
    for (bits, text) in [
        (0x0000_0000_0000_0000_u64, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        assert_eq!(String::from_utf8(canonical(&f64::from_bits(bits)).unwrap()).unwrap(), text);
    }
}

#[test]
fn did_key_is_read_and_written() {
    let alumni = alumni();
    let key = Key::from_multibase(alumni["privateKeyMultibase"].as_str().unwrap());
    let text = alumni["publicKeyMultibase"].as_str().unwrap();
    assert_eq!(key.public_key().to_multibase(), text);
    assert_eq!(PublicKey::from_did(&format!("did:key:{text}")).unwrap(), key.public_key());
    assert_eq!(PublicKey::from_method(&key.public_key().method()).unwrap(), key.public_key());
    // The first key of the did:key method's own examples.
    let known = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
    assert_eq!(PublicKey::from_did(known).unwrap().did(), known);
}

#[test]
fn what_is_no_key_to_rely_on_is_refused() {
    let multibase = |prefix: [u8; 2], key: &[u8]| format!("z{}", bs58::encode([&prefix, key].concat()).into_string());
    let good = Key::new(1).public_key();
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut not_canonical = [0xff; 32];
    not_canonical[0] = 0xf0;
    not_canonical[31] = 0x7f;
    for (text, expected) in [
        (format!("m{}", &good.to_multibase()[1..]), Kind::BadKey),
        (good.to_multibase()[1..].to_owned(), Kind::BadKey),
        (multibase([0xed, 1], &[0; 32]), Kind::BadKey),
        (multibase([0xed, 1], &identity), Kind::BadKey),
        (multibase([0xed, 1], &not_canonical), Kind::BadKey),
        (multibase([0xed, 1], &good.as_bytes()[..31]), Kind::BadKey),
        (multibase([0xed, 1], &[good.as_bytes().as_slice(), &[0]].concat()), Kind::BadKey),
        // secp256k1
        (multibase([0xe7, 1], good.as_bytes()), Kind::Unsupported),
        (format!("z{}", "1".repeat(100_000)), Kind::BadKey),
        ("z".to_owned(), Kind::Unsupported),
    ] {
        assert_eq!(kind(PublicKey::from_multibase(&text)), expected, "{}", &text[..text.len().min(80)]);
    }
    let other = Key::new(2).public_key();
    for (method, expected) in [
        (good.did(), Kind::BadKey),
        (format!("{}#{}", good.did(), other.to_multibase()), Kind::BadKey),
        (format!("{}#", good.did()), Kind::BadKey),
        ("did:web:example.com#key-1".to_owned(), Kind::Unsupported),
        (format!("DID:key:{0}#{0}", good.to_multibase()), Kind::Unsupported),
    ] {
        assert_eq!(kind(PublicKey::from_method(&method)), expected, "{method}");
    }
}

/// The whole signed document, byte for byte: Ed25519 gives one signature for one message.
#[test]
fn both_suites_make_and_check_the_w3c_examples() {
    let alumni = alumni();
    let key = Key::from_multibase(alumni["privateKeyMultibase"].as_str().unwrap());
    let document = members(alumni["document"].clone());
    let created = Moment::parse(alumni["created"].as_str().unwrap()).unwrap();
    for suite in [Suite::Jcs, Suite::Rdfc] {
        let signed = proofs::add(&document, &Options::new(suite, Purpose::Assertion, created), &key, IN_PROCESS).unwrap();
        assert_eq!(signed["proof"]["proofValue"], alumni["proofValue"][suite.name()], "{suite:?}");
        let (bare, proved) = proofs::verify(&signed, created, IN_PROCESS).unwrap();
        assert_eq!((bare, proved[0].key, proved[0].suite), (document.clone(), key.public_key(), suite));
        // Its issuer is an address whose key cannot be known without asking it: a credential it is not, here.
        let verified = crate::support::verifier(created).credential(&crate::support::text(&signed));
        assert_eq!(kind(verified), Kind::Unsupported);
        // The signature of one suite is none of the other.
        let other = if suite == Suite::Jcs { Suite::Rdfc } else { Suite::Jcs };
        let relabelled = crate::support::with(&signed, "/proof/cryptosuite", other.name().into());
        assert_eq!(kind(proofs::verify(&relabelled, created, IN_PROCESS)), Kind::BadSignature);
    }
}

/// All of Wycheproof's signatures of Ed25519: malleated, of another length, over another message, under odd keys.
#[test]
fn wycheproofs_verdicts_are_ours() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        let key: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        for test in group.tests {
            let holds = PublicKey::from_bytes(&key).and_then(|key| key.verify(&test.msg, &test.sig)).is_ok();
            assert_eq!(holds, test.result == wycheproof::TestResult::Valid, "{} {}", test.tc_id, test.comment);
            seen += 1;
        }
    }
    assert!(seen >= 150, "{seen}");
}

/// With the neutral element for R and S = k·a the equation holds for any message: whoever has the key could sign two messages
/// with signatures that are no two. A lenient verifier takes it, and so would a batch.
#[test]
fn a_signature_with_a_small_r_is_refused() {
    let key = Key::new(7);
    let public = key.public_key();
    let mut signature = [0; 64];
    signature[0] = 1;
    let hash = Sha512::new().chain_update(&signature[..32]).chain_update(public.as_bytes()).chain_update(b"message").finalize();
    let k = Scalar::from_bytes_mod_order_wide(&hash.into());
    signature[32..].copy_from_slice((k * key.bare().to_scalar()).as_bytes());
    let lenient = key.bare().verifying_key().verify(b"message", &Signature::from_bytes(&signature));
    assert!(lenient.is_ok(), "the equation holds");
    assert_eq!(kind(public.verify(b"message", &signature)), Kind::BadSignature);
}
