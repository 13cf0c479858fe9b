//! The W3C's own folder of vectors, where `LAMOS_VECTORS` names a copy of it: everything in it for both suites, with proof sets
//! and proof chains. It is in no package; `tests/vectors/README.md` says where it is.

use std::{env, fs, path::PathBuf};

use credentials::{Kind, Moment, Options, Purpose, Suite, proofs};
use serde_json::{Map, Value};

use crate::support::{IN_PROCESS, Key, kind, members};

fn folder() -> PathBuf {
    env::var_os("LAMOS_VECTORS").map(PathBuf::from).expect("LAMOS_VECTORS names the folder TestVectors of vc-di-eddsa")
}

fn read(name: &str) -> Map<String, Value> {
    members(serde_json::from_slice(&fs::read(folder().join(name)).unwrap()).unwrap())
}

/// Makes the proof anew that is the last one of a signed document, and compares all of it.
fn made_anew(before: &Map<String, Value>, after: &Map<String, Value>, key: &Key) {
    let last = |document: &Map<String, Value>| match &document["proof"] {
        Value::Array(proofs) => proofs.last().unwrap().clone(),
        one => one.clone(),
    };
    let proof = last(after);
    let text = |name: &str| proof.get(name).and_then(Value::as_str).map(str::to_owned);
    let options = Options {
        suite: if proof["cryptosuite"] == "eddsa-jcs-2022" { Suite::Jcs } else { Suite::Rdfc },
        purpose: Purpose::Assertion,
        created: text("created").map(|created| Moment::parse(&created).unwrap()),
        expires: None,
        id: text("id"),
        previous: match proof.get("previousProof") {
            None => Vec::new(),
            Some(Value::String(one)) => vec![one.clone()],
            Some(many) => many.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect(),
        },
        challenge: None,
        domain: None,
    };
    let made = proofs::add(before, &options, key, IN_PROCESS).unwrap();
    assert_eq!(last(&made), proof);
}

fn verified(document: &Map<String, Value>) -> usize {
    let now = Moment::parse("2023-03-01T00:00:00Z").unwrap();
    let (_, proved) = proofs::verify(document, now, IN_PROCESS).unwrap();
    let tampered = crate::support::with(document, "/name", "Another".into());
    assert_eq!(kind(proofs::verify(&tampered, now, IN_PROCESS)), Kind::BadSignature);
    proved.len()
}

#[test]
#[ignore = "needs the W3C's folder: LAMOS_VECTORS=FOLDER cargo test -p credentials -- --ignored"]
fn single_proofs() {
    let key = Key::from_multibase(read("keyPair.json")["privateKeyMultibase"].as_str().unwrap());
    let unsigned = read("unsigned.json");
    for name in ["eddsa-jcs-2022/signedJCS.json", "eddsa-rdfc-2022/signedDataInt.json"] {
        let signed = read(name);
        made_anew(&unsigned, &signed, &key);
        assert_eq!(verified(&signed), 1, "{name}");
    }
    // Its context is not built in.
    let employed = read("eddsa-rdfc-2022/employ/signedDataInt.json");
    let now = Moment::parse("2030-03-01T00:00:00Z").unwrap();
    assert_eq!(kind(proofs::verify(&employed, now, IN_PROCESS)), Kind::UnknownContext);
}

#[test]
#[ignore = "needs the W3C's folder: LAMOS_VECTORS=FOLDER cargo test -p credentials -- --ignored"]
fn sets_and_chains() {
    let keys = read("proof-set-chain/multiKeyPairs.json");
    let key = |number: usize| Key::from_multibase(keys[&format!("keyPair{number}")]["privateKeyMultibase"].as_str().unwrap());
    let unsigned = read("proof-set-chain/unsigned.json");
    let files = ["signedProofSet1.json", "signedProofSet2.json", "signedProofChain1.json", "signedProofChain2.json"];
    let mut before = unsigned;
    for (number, name) in files.iter().enumerate() {
        let signed = read(&format!("proof-set-chain/{name}"));
        let proofs = match &signed["proof"] {
            Value::Array(proofs) => proofs.len(),
            _ => 1,
        };
        let signer = signed["proof"].as_array().map_or(&signed["proof"], |all| all.last().unwrap())["verificationMethod"].clone();
        let key = (1..=4).map(key).find(|key| signer.as_str().unwrap().starts_with(&key.did())).unwrap();
        made_anew(&before, &signed, &key);
        assert_eq!(verified(&signed), proofs, "{name}");
        assert_eq!(proofs, number + 1, "{name}");
        before = signed;
    }
}
