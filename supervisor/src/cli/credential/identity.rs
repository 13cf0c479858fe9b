//! `credential identity`: who the person is to others.

use credentials::PublicKey;
use ipc::messages::crypto::ShowIdentity;
use serde_json::{Value, json};

use crate::{
    cli::{
        session::Session,
        words::{self, Failure, Outcome},
    },
    exit,
};

pub(super) async fn identity(session: &Session, as_json: bool) -> Outcome {
    let identity = session.client.call(&ShowIdentity).await?;
    let (person, device) = (key(&identity.person)?, key(&identity.device)?);
    if as_json {
        return Ok(words::json(&json!({
            "person": person.did(), "device": device.did(),
            "documents": [document(&person), document(&device)],
        }))?);
    }
    Ok(words::say(&format!("person  {}\ndevice  {}", person.did(), device.did()))?)
}

/// The id under which the person issues.
pub(super) async fn own_did(session: &Session) -> Result<String, Failure> {
    Ok(key(&session.client.call(&ShowIdentity).await?.person)?.did())
}

fn key(bytes: &[u8; 32]) -> Result<PublicKey, Failure> {
    PublicKey::from_bytes(bytes).map_err(|refused| Failure::new(exit::OURS, format!("failed to read the key: {refused}")))
}

/// The document that the id stands for (did:key, Multikey), for who has no resolver.
fn document(key: &PublicKey) -> Value {
    let (did, method) = (key.did(), key.method());
    json!({
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": [{
            "id": method, "type": "Multikey", "controller": did, "publicKeyMultibase": key.to_multibase(),
        }],
        "assertionMethod": [method],
        "authentication": [method],
    })
}
