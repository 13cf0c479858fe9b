//! The key to which an SD-JWT is bound: the claim `cnf` (RFC 7800) with a JWK of Ed25519 (RFC 8037).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{
    error::{Kind, Refused, Result, refuse},
    key::PublicKey,
};

/// The claim.
pub(crate) const CONFIRMATION: &str = "cnf";

/// What the claim says for a key.
pub(crate) fn confirmation(key: &PublicKey) -> Value {
    json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(key.as_bytes()) } })
}

/// The key that the claim names, if the claim is there.
pub(crate) fn read(claims: &Map<String, Value>) -> Result<Option<PublicKey>> {
    let Some(confirmation) = claims.get(CONFIRMATION) else { return Ok(None) };
    let malformed = || Refused::new(Kind::Malformed, "its holder's key is not an Ed25519 key");
    if let Some(method) = confirmation.get("kid").and_then(Value::as_str) {
        return PublicKey::from_method(method).map(Some);
    }
    let jwk = confirmation.get("jwk").and_then(Value::as_object).ok_or_else(malformed)?;
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if jwk.contains_key("d") {
        return refuse(Kind::Malformed, "its holder's key is written with its secret half");
    }
    if text("kty") != Some("OKP") || text("crv") != Some("Ed25519") {
        return refuse(Kind::Unsupported, "its holder's key is not an Ed25519 key");
    }
    let bytes = URL_SAFE_NO_PAD.decode(text("x").unwrap_or_default()).map_err(|_| malformed())?;
    PublicKey::from_bytes(&bytes.try_into().map_err(|_| malformed())?).map(Some)
}
