//! Keys for tests, and a credential to begin with.

use credentials::{
    Canonicalize, Credential, Form, InProcess, Kind, Moment, Options, PublicKey, Purpose, Refused, Result, Signer, SigningInput,
    Suite, Verifier, issue,
};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Map, Value, json};

/// The moment at which the tests take place.
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) fn now() -> Moment {
    Moment::from_seconds(NOW)
}

/// A key that signs everything it is handed.
pub(crate) struct Key(SigningKey);

impl Key {
    pub(crate) fn new(seed: u8) -> Key {
        Key(SigningKey::from_bytes(&[seed; 32]))
    }

    /// Reads a `privateKeyMultibase` of Ed25519: 0x8026, then the seed.
    pub(crate) fn from_multibase(text: &str) -> Key {
        let bytes = bs58::decode(text.strip_prefix('z').unwrap()).into_vec().unwrap();
        assert_eq!(bytes[..2], [0x80, 0x26]);
        Key(SigningKey::from_bytes(bytes[2..].try_into().unwrap()))
    }

    pub(crate) fn did(&self) -> String {
        self.public_key().did()
    }

    pub(crate) fn bare(&self) -> &SigningKey {
        &self.0
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().as_bytes()).unwrap()
    }

    fn sign(&self, input: &SigningInput) -> Result<[u8; 64]> {
        // What the type says is what is there.
        match input.form() {
            Form::DataIntegrity => assert_eq!(input.bytes().len(), 64),
            Form::Jws => assert!(input.bytes().contains(&b'.') && input.bytes().starts_with(b"eyJ")),
        }
        Ok(self.0.sign(input.bytes()).to_bytes())
    }
}

/// A signer whose signatures are of another key.
pub(crate) struct Liar(pub(crate) Key, pub(crate) Key);

impl Signer for Liar {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&self, input: &SigningInput) -> Result<[u8; 64]> {
        self.1.sign(input)
    }
}

/// A canonicaliser that must not be asked.
pub(crate) struct Never;

impl Canonicalize for Never {
    fn canonicalize(&self, _document: &[u8]) -> Result<Vec<u8>> {
        panic!("nothing is canonicalised as RDF here")
    }
}

pub(crate) const IN_PROCESS: &InProcess = &InProcess;

pub(crate) fn verifier(now: Moment) -> Verifier<'static> {
    Verifier { now, canonicalizer: IN_PROCESS }
}

pub(crate) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

/// A credential of `key` about `subject`, not signed.
pub(crate) fn document(key: &Key, subject: &str) -> Map<String, Value> {
    members(json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": "urn:uuid:6d2b9d2c-0f0d-4f39-9f3e-2f8f3d1c7a11",
        "type": ["VerifiableCredential"],
        "issuer": key.did(),
        "validFrom": "2023-11-14T00:00:00Z",
        "validUntil": "2023-11-16T00:00:00Z",
        "name": "A word about somebody 🙂\u{2028}",
        "credentialSubject": { "id": subject, "description": "kind", "name": [{ "@value": "Zoë", "@language": "nl" }] },
    }))
}

pub(crate) fn options(suite: Suite) -> Options {
    Options::new(suite, Purpose::Assertion, now())
}

pub(crate) fn signed(key: &Key, suite: Suite) -> Map<String, Value> {
    issue(&document(key, "did:example:subject"), &options(suite), key, IN_PROCESS).unwrap()
}

pub(crate) fn text(document: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(document).unwrap()
}

pub(crate) fn verify(document: &Map<String, Value>) -> Result<Credential> {
    verifier(now()).credential(&text(document))
}

/// Why it was refused.
#[track_caller]
pub(crate) fn kind<T>(result: std::result::Result<T, Refused>) -> Kind {
    match result {
        Ok(_) => panic!("it was accepted"),
        Err(refused) => refused.kind(),
    }
}

/// Replaces the value at a JSON Pointer.
pub(crate) fn with(document: &Map<String, Value>, pointer: &str, value: Value) -> Map<String, Value> {
    let mut document = Value::Object(document.clone());
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(values) => values[name.parse::<usize>().unwrap()] = value,
        other => panic!("{other} holds nothing"),
    }
    members(document)
}

/// Takes away the value at a JSON Pointer to a member.
pub(crate) fn without(document: &Map<String, Value>, pointer: &str) -> Map<String, Value> {
    let mut document = Value::Object(document.clone());
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    members(document)
}

/// Where the programs of others lie.
pub(crate) const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers");

/// The contexts they are given: those that are built in.
pub(crate) fn contexts() -> Map<String, Value> {
    use credentials::contexts::{addresses, find};
    addresses().map(|address| (address.to_owned(), serde_json::from_str(find(address).unwrap()).unwrap())).collect()
}
