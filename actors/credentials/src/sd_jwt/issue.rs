//! Issuing an SD-JWT: taking claims out, and leaving their hashes.

use serde_json::{Map, Value, json};

use super::{
    disclosure::{ALGORITHM, Disclosure, ELEMENT, HASHES, hash, is_reserved},
    holder,
    process::MAX_DISCLOSURES,
    verify::TYPES,
};
use crate::{
    canonical::canonical,
    error::{Kind, Refused, Result, refuse, short},
    json,
    jws::{self, Algorithm, Header},
    key::PublicKey,
    random::Salt,
    signer::Signer,
    to_sign::ToSign,
};

/// What a verifier must see before it can believe anything.
const NEVER_HIDDEN: &[&str] = &[
    "@context",
    "type",
    "issuer",
    "validFrom",
    "validUntil",
    "credentialStatus",
    "iss",
    "iat",
    "nbf",
    "exp",
    "cnf",
    "vct",
    "status",
    ALGORITHM,
];

/// What is to be issued.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// The claims: a credential of the data model 2.0, or others.
    pub claims: &'a Map<String, Value>,
    /// Which of them may be kept back: JSON Pointers (RFC 6901) to members of objects and elements of lists. One within
    /// another is possible.
    pub disclosable: &'a [&'a str],
    /// How many hashes of nothing are put in, so that nobody can count.
    pub decoys: usize,
    /// `vc+sd-jwt`, `dc+sd-jwt` or `sd-jwt`: see [`TYPES`].
    pub typ: &'a str,
    /// The key of the one to whom it is issued, who alone can then present it.
    pub holder: Option<&'a PublicKey>,
    /// How the algorithm is named.
    pub algorithm: Algorithm,
}

/// Issues an SD-JWT with all disclosures, for the holder. `salts` gives a new one each time: [`crate::random::salt`].
pub fn issue(what: &Issue<'_>, salts: &mut dyn FnMut() -> Result<Salt>, signer: &dyn Signer) -> Result<String> {
    if !TYPES.contains(&what.typ) {
        return refuse(Kind::CannotMake, format!("there is no type {}", short(what.typ)));
    }
    if what.disclosable.len() + what.decoys > MAX_DISCLOSURES {
        return refuse(Kind::CannotMake, format!("it may have at most {MAX_DISCLOSURES} disclosures and decoys"));
    }
    if !is_by(what.claims, &signer.public_key()) {
        return refuse(Kind::CannotMake, "its issuer is not the one who signs");
    }
    let mut claims = Value::Object(what.claims.clone());
    json::check(&claims)?;
    refuse_reserved(&claims)?;
    let mut paths: Vec<Vec<String>> = what.disclosable.iter().map(|pointer| steps(pointer)).collect::<Result<_>>()?;
    // What is within goes first, so that its hash is within what contains it.
    paths.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    let mut disclosures = Vec::new();
    for path in &paths {
        disclosures.push(take(&mut claims, path, salts()?)?);
    }
    for _ in 0..what.decoys {
        put_hash(&mut claims, hash(&salts()?))?;
    }
    if let Value::Object(members) = &mut claims {
        members.insert(ALGORITHM.to_owned(), json!("sha-256"));
        members.extend(what.holder.map(|key| (holder::CONFIRMATION.to_owned(), holder::confirmation(key))));
    }
    let mut text = jws::sign(
        Header { algorithm: what.algorithm, typ: what.typ, content: None, names_key: true },
        &canonical(&claims)?,
        signer,
        |header, payload| ToSign::SdJwt { header, payload },
    )?;
    text.push('~');
    for disclosure in disclosures {
        text.push_str(disclosure.text());
        text.push('~');
    }
    if text.len() > json::MAX_BYTES { refuse(Kind::TooLarge, "it would be too large to be read") } else { Ok(text) }
}

/// Whether the issuer that the claims name, if they name one, is who has the key.
pub(crate) fn is_by(claims: &Map<String, Value>, key: &PublicKey) -> bool {
    let did = key.did();
    ["issuer", "iss"].iter().filter_map(|name| claims.get(*name)).all(|issuer| {
        let id = issuer.get("id").unwrap_or(issuer);
        id.as_str() == Some(did.as_str())
    })
}

/// The steps of a JSON Pointer.
fn steps(pointer: &str) -> Result<Vec<String>> {
    let steps: Vec<String> = match pointer.strip_prefix('/') {
        Some(rest) => rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
        None => return refuse(Kind::CannotMake, format!("{} is not a JSON Pointer", short(pointer))),
    };
    match steps.as_slice() {
        [only] if NEVER_HIDDEN.contains(&only.as_str()) => refuse(Kind::CannotMake, format!("{only} cannot be kept back")),
        _ => Ok(steps),
    }
}

fn take(claims: &mut Value, path: &[String], salt: Salt) -> Result<Disclosure> {
    let missing = || Refused::new(Kind::CannotMake, format!("there is no claim /{}", short(&path.join("/"))));
    let (last, before) = path.split_last().ok_or_else(missing)?;
    let mut place = claims;
    for step in before {
        place = match place {
            Value::Object(members) => members.get_mut(step),
            Value::Array(values) => step.parse().ok().and_then(|index: usize| values.get_mut(index)),
            _ => None,
        }
        .ok_or_else(missing)?;
    }
    match place {
        Value::Object(members) => {
            let value = members.remove(last).ok_or_else(missing)?;
            let disclosure = Disclosure::new(salt, Some(last), &value);
            put_hash(place, disclosure.hash())?;
            Ok(disclosure)
        }
        Value::Array(values) => {
            let element = last.parse().ok().and_then(|index: usize| values.get_mut(index)).ok_or_else(missing)?;
            let disclosure = Disclosure::new(salt, None, element);
            *element = json!({ ELEMENT: disclosure.hash() });
            Ok(disclosure)
        }
        _ => Err(missing()),
    }
}

/// Hashes stand in an order that says nothing of that of the claims.
fn put_hash(object: &mut Value, hash: String) -> Result<()> {
    let hashes = object.as_object_mut().map(|members| members.entry(HASHES).or_insert_with(|| json!([])));
    match hashes.and_then(Value::as_array_mut) {
        Some(hashes) => {
            let place = hashes.partition_point(|known| known.as_str().unwrap_or_default() < hash.as_str());
            hashes.insert(place, hash.into());
            Ok(())
        }
        None => refuse(Kind::CannotMake, "the claims are not an object"),
    }
}

fn refuse_reserved(value: &Value) -> Result<()> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            if is_reserved(name) || name == ALGORITHM {
                return refuse(Kind::CannotMake, format!("no claim can be named {name}"));
            }
            refuse_reserved(value)
        }),
        Value::Array(values) => values.iter().try_for_each(refuse_reserved),
        _ => Ok(()),
    }
}
