//! The Verifiable Credentials Data Model 2.0: what a credential must have, and in which shape.
//!
//! Whether it is signed, and whether it counts now, is not asked here.

use std::collections::BTreeSet;

use oxrdf::NamedNodeRef;
use serde_json::{Map, Value};

use crate::{
    contexts::CREDENTIALS_V2,
    error::{Kind, Result, refuse},
    moment::{Moment, Validity},
};

/// How many things a list of a credential may have.
const MAX_LIST: usize = 256;

/// What every credential says, whatever it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its own id, if it has one.
    pub id: Option<String>,
    /// The id of who issued it.
    pub issuer: String,
    /// Its types, `VerifiableCredential` among them.
    pub types: Vec<String>,
    /// From when to when it is valid.
    pub validity: Validity,
    /// The ids of what it is about; `None` for one without.
    pub subjects: Vec<Option<String>>,
    /// Where its status stands.
    pub status: Vec<StatusEntry>,
}

/// Where the status of a credential stands (Bitstring Status List 1.0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEntry {
    /// `revocation` or `suspension`, or something else that is not checked here.
    pub purpose: String,
    /// Its place in the list.
    pub index: u64,
    /// The id of the list's credential.
    pub list: String,
}

/// The type of an entry in a status list.
pub(crate) const STATUS_ENTRY: &str = "BitstringStatusListEntry";

impl Model {
    /// Reads a credential.
    pub fn read(document: &Map<String, Value>) -> Result<Model> {
        contexts(document)?;
        let types = types(document, "VerifiableCredential")?;
        let id = id(document)?;
        let issuer = match document.get("issuer") {
            Some(Value::Object(issuer)) => {
                for name in ["name", "description"] {
                    worded(issuer, name).map_err(|refused| refused.at("its issuer"))?;
                }
                match self::id(issuer)? {
                    Some(id) => id,
                    None => return malformed("its issuer has no id"),
                }
            }
            Some(issuer) => address(issuer, "its issuer")?,
            None => return malformed("it has no issuer"),
        };
        let validity = Validity { from: moment(document, "validFrom")?, until: moment(document, "validUntil")? };
        if let (Some(from), Some(until)) = (validity.from, validity.until)
            && until < from
        {
            return malformed("it ends before it begins");
        }
        let mut subjects = Vec::new();
        for subject in objects(document, "credentialSubject", None)? {
            if subject.is_empty() {
                return malformed("a credentialSubject is empty");
            }
            subjects.push(self::id(subject)?);
        }
        if subjects.is_empty() {
            return malformed("it has no credentialSubject");
        }
        let mut status = Vec::new();
        for entry in objects(document, "credentialStatus", Some(&["type"]))? {
            if strings(entry, "type")?.iter().any(|name| name == STATUS_ENTRY) {
                status.push(StatusEntry::read(entry)?);
            } else {
                return refuse(Kind::Unsupported, format!("its credentialStatus is not a {STATUS_ENTRY}"));
            }
        }
        objects(document, "credentialSchema", Some(&["id", "type"]))?;
        objects(document, "refreshService", Some(&["type"]))?;
        objects(document, "termsOfUse", Some(&["type"]))?;
        objects(document, "evidence", Some(&["type"]))?;
        related(document)?;
        for name in ["name", "description"] {
            worded(document, name)?;
        }
        Ok(Model { id, issuer, types, validity, subjects, status })
    }

    /// The one thing it is about.
    pub fn subject(&self) -> Result<&str> {
        match self.subjects.as_slice() {
            [Some(id)] => Ok(id),
            [None] => malformed("its credentialSubject has no id"),
            _ => malformed("it is about more than one thing"),
        }
    }
}

impl StatusEntry {
    fn read(entry: &Map<String, Value>) -> Result<StatusEntry> {
        id(entry)?;
        let Some(purpose) = entry.get("statusPurpose").and_then(Value::as_str) else {
            return malformed("its credentialStatus has no statusPurpose");
        };
        let index = entry.get("statusListIndex").and_then(Value::as_str).unwrap_or_default();
        // Digits only, in the one way to write them.
        let digits =
            !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) && (index == "0" || !index.starts_with('0'));
        let Some(number) = index.parse().ok().filter(|_| digits) else {
            return malformed("its statusListIndex is not a whole number, as a text");
        };
        if entry.get("statusSize").is_some_and(|size| size.as_u64() != Some(1)) {
            return refuse(Kind::Unsupported, "its status has more than one bit");
        }
        let list = address(entry.get("statusListCredential").unwrap_or(&Value::Null), "its statusListCredential")?;
        Ok(StatusEntry { purpose: purpose.to_owned(), index: number, list })
    }
}

/// A presentation's own contexts, types and id are under the same rules.
pub(crate) fn presentation(document: &Map<String, Value>) -> Result<()> {
    contexts(document)?;
    types(document, "VerifiablePresentation")?;
    id(document)?;
    Ok(())
}

fn malformed<T>(what: impl Into<String>) -> Result<T> {
    refuse(Kind::Malformed, what)
}

fn contexts(document: &Map<String, Value>) -> Result<()> {
    let given = match document.get("@context") {
        Some(Value::Array(given)) => given.as_slice(),
        Some(one @ Value::String(_)) => std::slice::from_ref(one),
        _ => return malformed("it has no @context"),
    };
    if given.first().and_then(Value::as_str) != Some(CREDENTIALS_V2) {
        return malformed(format!("its first context is not {CREDENTIALS_V2}"));
    }
    for context in given.iter().take(MAX_LIST + 1) {
        match context {
            Value::String(_) => drop(address(context, "a context")?),
            Value::Object(_) => {}
            _ => return malformed("a context is neither an address nor an object"),
        }
    }
    if given.len() > MAX_LIST { malformed("it has too many contexts") } else { Ok(()) }
}

fn types(document: &Map<String, Value>, needed: &str) -> Result<Vec<String>> {
    let types = strings(document, "type")?;
    if types.iter().any(|name| name == needed) { Ok(types) } else { malformed(format!("its type is not {needed}")) }
}

/// A text or a list of texts.
pub(crate) fn strings(members: &Map<String, Value>, name: &str) -> Result<Vec<String>> {
    let values = match members.get(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) if values.len() <= MAX_LIST => values.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let texts: Option<Vec<String>> = values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    match texts {
        Some(texts) if texts.iter().all(|text| !text.is_empty()) => Ok(texts),
        _ => malformed(format!("its {name} is not a text or a list of texts")),
    }
}

/// An object or a list of objects, each with these members.
fn objects<'a>(members: &'a Map<String, Value>, name: &str, needed: Option<&[&str]>) -> Result<Vec<&'a Map<String, Value>>> {
    let values = match members.get(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) if !values.is_empty() && values.len() <= MAX_LIST => values.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let mut objects = Vec::new();
    for value in values {
        let Value::Object(object) = value else {
            return malformed(format!("its {name} is not an object"));
        };
        for needed in needed.unwrap_or_default() {
            let there = if *needed == "type" { !strings(object, "type")?.is_empty() } else { id(object)?.is_some() };
            if !there {
                return malformed(format!("its {name} has no {needed}"));
            }
        }
        objects.push(object);
    }
    Ok(objects)
}

/// What it speaks of beside itself: each thing once, and bound by a digest, which is for who fetches it to compare.
fn related(document: &Map<String, Value>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for resource in objects(document, "relatedResource", Some(&["id"]))? {
        if !seen.insert(id(resource)?) {
            return malformed("two of its relatedResource have one id");
        }
        let digests = ["digestSRI", "digestMultibase"].map(|name| resource.get(name));
        if digests.iter().all(Option::is_none) || digests.iter().flatten().any(|digest| !digest.is_string()) {
            return malformed("a relatedResource has no digest");
        }
    }
    Ok(())
}

/// The id of an object, if it has one.
pub(crate) fn id(members: &Map<String, Value>) -> Result<Option<String>> {
    members.get("id").map(|id| address(id, "an id")).transpose()
}

fn address(value: &Value, what: &str) -> Result<String> {
    match value.as_str() {
        Some(text) if NamedNodeRef::new(text).is_ok() => Ok(text.to_owned()),
        _ => malformed(format!("{what} is not an address")),
    }
}

fn moment(members: &Map<String, Value>, name: &str) -> Result<Option<Moment>> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Moment::parse(text).map(Some).map_err(|refused| refused.at(name)),
        Some(_) => malformed(format!("its {name} is not a text")),
    }
}

/// A text, or one in some languages.
fn worded(document: &Map<String, Value>, name: &str) -> Result<()> {
    let fits = |value: &Value| match value {
        Value::String(_) => true,
        Value::Object(members) => {
            members.get("@value").is_some_and(Value::is_string)
                && members
                    .iter()
                    .all(|(name, value)| matches!(name.as_str(), "@value" | "@language" | "@direction") && value.is_string())
        }
        _ => false,
    };
    let good = match document.get(name) {
        None => true,
        Some(Value::Array(values)) => !values.is_empty() && values.iter().all(fits),
        Some(value) => fits(value),
    };
    if good { Ok(()) } else { malformed(format!("its {name} is not a text, nor one in several languages")) }
}
