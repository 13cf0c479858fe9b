//! Putting disclosed claims back where they belong (RFC 9901, 7.1 steps 3 and 4). The signature is checked before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::disclosure::{ALGORITHM, Disclosure, ELEMENT, HASHES, is_reserved};
use crate::{
    error::{Kind, Result, refuse, short},
    json,
};

/// How many disclosures an SD-JWT may have.
pub const MAX_DISCLOSURES: usize = 512;

/// The signed claims with the disclosed ones in their places. A disclosure that belongs nowhere, or to two places, is
/// refused; so is a hash that stands there twice, whether it was disclosed or not.
pub fn process(payload: &Map<String, Value>, disclosures: &[Disclosure]) -> Result<Map<String, Value>> {
    match payload.get(ALGORITHM) {
        None => {}
        Some(Value::String(name)) if name == "sha-256" => {}
        Some(_) => return refuse(Kind::Unsupported, "its hash is not sha-256"),
    }
    if disclosures.len() > MAX_DISCLOSURES {
        return refuse(Kind::TooLarge, format!("it has more than {MAX_DISCLOSURES} disclosures"));
    }
    let mut by_hash = BTreeMap::new();
    for disclosure in disclosures {
        if by_hash.insert(disclosure.hash(), disclosure).is_some() {
            return refuse(Kind::Malformed, "a disclosure stands there twice");
        }
    }
    let mut places = Places { by_hash, seen: BTreeSet::new(), used: 0 };
    let mut claims = places.object(payload, 0)?;
    claims.remove(ALGORITHM);
    if places.used == disclosures.len() { Ok(claims) } else { refuse(Kind::Malformed, "a disclosure belongs nowhere") }
}

struct Places<'a> {
    by_hash: BTreeMap<String, &'a Disclosure>,
    seen: BTreeSet<String>,
    used: usize,
}

impl<'a> Places<'a> {
    /// What a hash stands for, if it was disclosed.
    fn find(&mut self, hash: &Value) -> Result<Option<&'a Disclosure>> {
        let Some(hash) = hash.as_str() else {
            return refuse(Kind::Malformed, "a hash of a disclosure is not a text");
        };
        if !self.seen.insert(hash.to_owned()) {
            return refuse(Kind::Malformed, "a hash of a disclosure stands there twice");
        }
        let found = self.by_hash.get(hash).copied();
        self.used += usize::from(found.is_some());
        Ok(found)
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<Value> {
        if depth > json::MAX_DEPTH {
            return refuse(Kind::TooDeep, "it is nested more than 32 deep");
        }
        match value {
            Value::Object(members) => self.object(members, depth).map(Value::Object),
            Value::Array(values) => self.list(values, depth).map(Value::Array),
            value => Ok(value.clone()),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, depth: usize) -> Result<Map<String, Value>> {
        let mut claims = Map::new();
        for (name, value) in members.iter().filter(|(name, _)| *name != HASHES) {
            if is_reserved(name) || (depth > 0 && name == ALGORITHM) {
                return refuse(Kind::Malformed, format!("a claim is named {}", short(name)));
            }
            claims.insert(name.clone(), self.value(value, depth + 1)?);
        }
        let hashes = match members.get(HASHES) {
            None => return Ok(claims),
            Some(Value::Array(hashes)) => hashes,
            Some(_) => return refuse(Kind::Malformed, "the hashes of disclosures are not a list"),
        };
        for hash in hashes {
            let Some(disclosure) = self.find(hash)? else { continue };
            let Some(name) = disclosure.name() else {
                return refuse(Kind::Malformed, "an element of a list is disclosed as a claim");
            };
            if claims.contains_key(name) || members.contains_key(name) {
                return refuse(Kind::Malformed, format!("the disclosed claim {} is there already", short(name)));
            }
            let value = self.value(disclosure.value(), depth + 1)?;
            claims.insert(name.to_owned(), value);
        }
        Ok(claims)
    }

    fn list(&mut self, values: &[Value], depth: usize) -> Result<Vec<Value>> {
        let mut list = Vec::new();
        for value in values {
            match value {
                Value::Object(members) if members.len() == 1 && members.contains_key(ELEMENT) => {
                    let Some(disclosure) = members.get(ELEMENT).map(|hash| self.find(hash)).transpose()?.flatten() else {
                        continue;
                    };
                    if disclosure.name().is_some() {
                        return refuse(Kind::Malformed, "a claim is disclosed as an element of a list");
                    }
                    list.push(self.value(disclosure.value(), depth + 1)?);
                }
                value => list.push(self.value(value, depth + 1)?),
            }
        }
        Ok(list)
    }
}

/// The hashes that something names, with those within it.
pub(crate) fn hashes_in(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    (HASHES, Value::Array(hashes)) => found.extend(hashes.iter().filter_map(Value::as_str).map(str::to_owned)),
                    (ELEMENT, Value::String(hash)) => {
                        found.insert(hash.clone());
                    }
                    _ => hashes_in(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| hashes_in(value, found)),
        _ => {}
    }
}
