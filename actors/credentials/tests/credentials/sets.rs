//! Proof sets and proof chains, and what may be wrong with them.

use credentials::{Kind, Options, Purpose, Signer as _, Suite, issue, proofs};
use serde_json::{Value, json};

use crate::support::{IN_PROCESS, Key, Liar, document, kind, now, options, signed, text, verifier, verify, with, without};

const FIRST: &str = "urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544";
const SECOND: &str = "urn:uuid:8cc9022b-6b14-4cf3-8571-74972c5feb54";

/// The issuer signs, then a witness over the issuer's proof, then a notary over the witness's.
fn chain(suite: Suite) -> serde_json::Map<String, Value> {
    let [issuer, witness, notary] = [1, 2, 3].map(Key::new);
    let first = Options { id: Some(FIRST.to_owned()), ..options(suite) };
    let second = Options { id: Some(SECOND.to_owned()), previous: vec![FIRST.to_owned()], ..options(suite) };
    let third = Options { previous: vec![FIRST.to_owned(), SECOND.to_owned()], ..options(suite) };
    let one = issue(&document(&issuer, "did:example:subject"), &first, &issuer, IN_PROCESS).unwrap();
    let two = issue(&one, &second, &witness, IN_PROCESS).unwrap();
    issue(&two, &third, &notary, IN_PROCESS).unwrap()
}

#[test]
fn a_set_needs_every_proof_to_hold() {
    let [issuer, witness] = [1, 2].map(Key::new);
    for suites in [[Suite::Jcs, Suite::Rdfc], [Suite::Rdfc, Suite::Jcs]] {
        let set = issue(&signed(&issuer, suites[0]), &options(suites[1]), &witness, IN_PROCESS).unwrap();
        let verified = verify(&set).unwrap();
        assert_eq!(verified.signers(), [issuer.public_key(), witness.public_key()]);
        assert_eq!(verified.issuer_key(), &issuer.public_key());
        let broken = with(&set, "/proof/1/proofValue", set["proof"][0]["proofValue"].clone());
        assert_eq!(kind(verify(&broken)), Kind::BadSignature);
        // A proof was taken away: only who knows that it was there can see it.
        let removed = with(&set, "/proof", set["proof"][0].clone());
        assert!(verify(&removed).is_ok());
        let both = [issuer.public_key(), witness.public_key()];
        assert!(verifier(now()).credential_signed_by(&text(&set), &both).is_ok());
        assert_eq!(kind(verifier(now()).credential_signed_by(&text(&removed), &both)), Kind::BrokenChain);
        // The issuer's was taken away: then nobody vouches for it.
        let removed = with(&set, "/proof", set["proof"][1].clone());
        assert_eq!(kind(verify(&removed)), Kind::NotTheIssuersKey);
    }
}

#[test]
fn a_chain_holds_in_its_order_only() {
    for suite in [Suite::Jcs, Suite::Rdfc] {
        let chain = chain(suite);
        assert_eq!(verify(&chain).unwrap().signers().len(), 3);
        let proofs = chain["proof"].as_array().unwrap().clone();
        // The order in which they stand is not the order in which they were made.
        let turned = with(&chain, "/proof", json!([proofs[2], proofs[0], proofs[1]]));
        assert!(verify(&turned).is_ok());
        for (gone, left) in [(0, [1, 2]), (1, [0, 2])] {
            let removed = with(&chain, "/proof", json!([proofs[left[0]], proofs[left[1]]]));
            assert_eq!(kind(verify(&removed)), Kind::BrokenChain, "without proof {gone}");
        }
        // A covered proof was changed in a way that leaves its own signature alone.
        let changed = with(&chain, "/proof/0/id", json!(SECOND));
        assert_eq!(kind(verify(&changed)), Kind::BrokenChain);
        let cut = with(&without(&chain, "/proof/1/previousProof"), "/name", chain["name"].clone());
        assert_eq!(kind(verify(&cut)), Kind::BadSignature);
        let circle = with(&chain, "/proof/0/previousProof", json!(SECOND));
        assert_eq!(kind(verify(&circle)), Kind::BrokenChain);
        let itself = with(&chain, "/proof/0/previousProof", json!(FIRST));
        assert_eq!(kind(verify(&itself)), Kind::BrokenChain);
        for wrong in [json!(1), json!([1]), json!({}), Value::Null] {
            assert_eq!(kind(verify(&with(&chain, "/proof/2/previousProof", wrong))), Kind::Malformed);
        }
    }
}

#[test]
fn proofs_are_not_endless() {
    let [issuer, witness] = [1, 2].map(Key::new);
    let mut set = signed(&issuer, Suite::Jcs);
    for _ in 1..proofs::MAX_PROOFS {
        set = issue(&set, &options(Suite::Jcs), &witness, IN_PROCESS).unwrap();
    }
    assert!(verify(&set).is_ok());
    assert_eq!(kind(issue(&set, &options(Suite::Jcs), &witness, IN_PROCESS)), Kind::CannotMake);
    let mut many = set["proof"].as_array().unwrap().clone();
    many.push(many[0].clone());
    assert_eq!(kind(verify(&with(&set, "/proof", many.into()))), Kind::TooLarge);
    for (proof, expected) in [
        (json!([]), Kind::NoProof),
        (json!("proof"), Kind::Malformed),
        (json!([[]]), Kind::Malformed),
        (json!({}), Kind::Malformed),
        (Value::Null, Kind::Malformed),
    ] {
        assert_eq!(kind(verify(&with(&set, "/proof", proof))), expected);
    }
}

#[test]
fn nothing_is_made_that_would_not_verify() {
    let [issuer, other] = [1, 2].map(Key::new);
    let plain = document(&issuer, "did:example:subject");
    assert_eq!(kind(issue(&plain, &options(Suite::Jcs), &other, IN_PROCESS)), Kind::CannotMake);
    assert_eq!(kind(issue(&plain, &options(Suite::Jcs), &Liar(Key::new(1), Key::new(2)), IN_PROCESS)), Kind::CannotMake);
    let authentication = Options::new(Suite::Jcs, Purpose::Authentication, now());
    assert_eq!(kind(issue(&plain, &authentication, &issuer, IN_PROCESS)), Kind::CannotMake);
    let dangling = Options { previous: vec![FIRST.to_owned()], ..options(Suite::Jcs) };
    assert_eq!(kind(issue(&plain, &dangling, &issuer, IN_PROCESS)), Kind::BrokenChain);
    let named = Options { id: Some(FIRST.to_owned()), ..options(Suite::Jcs) };
    let once = issue(&plain, &named, &issuer, IN_PROCESS).unwrap();
    assert_eq!(kind(issue(&once, &named, &other, IN_PROCESS)), Kind::CannotMake);
    let long = with(&plain, "/name", "a".repeat(300_000).into());
    assert_eq!(kind(issue(&long, &options(Suite::Jcs), &issuer, IN_PROCESS)), Kind::TooLarge);
    let large = with(&plain, "/credentialSubject/number", (1_u64 << 53).into());
    assert_eq!(kind(issue(&large, &options(Suite::Jcs), &issuer, IN_PROCESS)), Kind::NumberOutOfRange);
    let undefined = with(&plain, "/credentialSubject/isAdmin", true.into());
    assert_eq!(kind(issue(&undefined, &options(Suite::Rdfc), &issuer, IN_PROCESS)), Kind::UndefinedTerm);
}
