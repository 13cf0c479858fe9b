//! The texts that are JSON.

use serde_json::{Map, Value};

use super::{is_membership, no_membership};
use crate::{
    canonical::canonical,
    error::{Kind, Refused, Result, refuse, short},
    json,
    key::PublicKey,
    model::{self, Model, strings},
    moment::Moment,
};

type Members = Map<String, Value>;

/// What a proof's options may have. Anything else would be signed without anybody knowing what it means.
const OPTIONS: &[&str] = &[
    "@context",
    "challenge",
    "created",
    "cryptosuite",
    "domain",
    "expires",
    "id",
    "previousProof",
    "proofPurpose",
    "type",
    "verificationMethod",
];

/// Reads a text that must be the canonical one of an object.
fn read(text: &str, what: &str) -> Result<Members> {
    let at = |refused: Refused| refused.at(what);
    let members = json::read_object(text.as_bytes()).map_err(at)?;
    if canonical(&members).map_err(at)? == text.as_bytes() {
        Ok(members)
    } else {
        refuse(Kind::Malformed, "it is not in canonical form").map_err(at)
    }
}

/// A member that must be this text.
fn is(members: &Members, name: &str, value: &str) -> Result<()> {
    if members.get(name).and_then(Value::as_str) == Some(value) {
        Ok(())
    } else {
        refuse(Kind::Malformed, format!("its {name} is not {}", short(value)))
    }
}

fn only(members: &Members, known: &[&str]) -> Result<()> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(other) => refuse(Kind::Malformed, format!("it has {}, which is not known here", short(other))),
        None => Ok(()),
    }
}

pub(super) fn proof(options: &str, document: &str, key: &PublicKey) -> Result<()> {
    let options = read(options, "the options")?;
    let document = read(document, "the document")?;
    only(&options, OPTIONS)?;
    is(&options, "type", "DataIntegrityProof")?;
    is(&options, "cryptosuite", "eddsa-jcs-2022")?;
    is(&options, "verificationMethod", &key.method())?;
    if options.get("@context") != document.get("@context") {
        return refuse(Kind::Malformed, "the contexts of the options are not those of the document");
    }
    for name in ["created", "expires"] {
        match options.get(name) {
            None => {}
            Some(Value::String(moment)) => drop(Moment::parse(moment).map_err(|refused| refused.at(name))?),
            Some(_) => return refuse(Kind::Malformed, format!("its {name} is not a text")),
        }
    }
    match options.get("proofPurpose").and_then(Value::as_str) {
        Some("assertionMethod") => credential(&document, key),
        Some("authentication") => {
            for name in ["challenge", "domain"] {
                if !options.get(name).is_some_and(Value::is_string) {
                    return refuse(Kind::Malformed, format!("a presentation that names no {name} is good for anybody"));
                }
            }
            presentation(&document, key)
        }
        _ => refuse(Kind::WrongPurpose, "its proofPurpose is not one that is known"),
    }
}

/// A credential of the one who has this key, which is no membership.
fn credential(document: &Members, key: &PublicKey) -> Result<()> {
    let model = Model::read(document)?;
    if model.issuer != key.did() {
        return refuse(Kind::NotTheIssuersKey, "its issuer is not the one who signs");
    }
    kinds(&model.types)
}

fn kinds(types: &[String]) -> Result<()> {
    if types.iter().any(|name| is_membership(name)) {
        return no_membership();
    }
    if types.iter().any(|name| name == "VerifiablePresentation") {
        return refuse(Kind::WrongPurpose, "it is a presentation");
    }
    Ok(())
}

fn presentation(document: &Members, key: &PublicKey) -> Result<()> {
    model::presentation(document)?;
    is(document, "holder", &key.did())?;
    let types = strings(document, "type")?;
    if types.iter().any(|name| name == "VerifiableCredential") || document.contains_key("issuer") {
        return refuse(Kind::WrongPurpose, "it is a credential");
    }
    Ok(())
}

/// The header of a token that names this key, and nothing more than it must.
fn header(text: &str, typ: &str, key: Option<&PublicKey>) -> Result<()> {
    let header = read(text, "the header")?;
    only(&header, &["alg", "cty", "kid", "typ"])?;
    if !matches!(header.get("alg").and_then(Value::as_str), Some("EdDSA" | "Ed25519")) {
        return refuse(Kind::Unsupported, "its algorithm is neither EdDSA nor Ed25519");
    }
    is(&header, "typ", typ)?;
    if header.contains_key("cty") {
        is(&header, "cty", "vc")?;
    }
    match key {
        Some(key) => is(&header, "kid", &key.method()),
        None if header.contains_key("kid") => refuse(Kind::Malformed, "it names a key where the reader has it"),
        None => Ok(()),
    }
}

pub(super) fn token(header: &str, payload: &str, key: &PublicKey) -> Result<()> {
    self::header(header, "vc+jwt", Some(key))?;
    let document = read(payload, "the payload")?;
    other_claims(&document, key)?;
    credential(&document, key)
}

pub(super) fn sd_jwt(header: &str, payload: &str, key: &PublicKey) -> Result<()> {
    self::header(header, "vc+sd-jwt", Some(key))?;
    let document = read(payload, "the payload")?;
    other_claims(&document, key)?;
    // What stands behind hashes nobody sees here. So what is asked of a credential must stand in the open.
    let types = strings(&document, "type")?;
    if !types.iter().any(|name| name == "VerifiableCredential") {
        return refuse(Kind::Malformed, "its type is not VerifiableCredential, or is kept back");
    }
    let issuer = document.get("issuer").map(|issuer| issuer.get("id").unwrap_or(issuer));
    if issuer.and_then(Value::as_str) != Some(key.did().as_str()) {
        return refuse(Kind::NotTheIssuersKey, "its issuer is not the one who signs, or is kept back");
    }
    kinds(&types)
}

/// What a token may say beside its credential.
fn other_claims(document: &Members, key: &PublicKey) -> Result<()> {
    if ["proof", "vc", "vp"].iter().any(|name| document.contains_key(*name)) {
        return refuse(Kind::Malformed, "a token carries no proof beside its own signature, and its credential as it is");
    }
    if document.contains_key("iss") { is(document, "iss", &key.did()) } else { Ok(()) }
}

pub(super) fn binding(header: &str, payload: &str) -> Result<()> {
    self::header(header, "kb+jwt", None)?;
    let claims = read(payload, "the payload")?;
    only(&claims, &["aud", "iat", "nonce", "sd_hash"])?;
    if !claims.get("iat").is_some_and(Value::is_i64) {
        return refuse(Kind::Malformed, "it does not say when it was made");
    }
    for name in ["aud", "nonce"] {
        if claims.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
            return refuse(Kind::Malformed, format!("an answer that names no {name} is good for anybody"));
        }
    }
    // SHA-256 in base64url.
    match claims.get("sd_hash").and_then(Value::as_str) {
        Some(hash) if hash.len() == 43 => Ok(()),
        _ => refuse(Kind::Malformed, "it does not say what is shown"),
    }
}
