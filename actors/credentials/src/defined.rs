//! Safe mode: what a signature over the meaning of a document would not cover is refused.
//!
//! JSON-LD drops without a word what it cannot say as RDF: terms that no context defines, ids that are no addresses, nulls,
//! empty lists, some keywords. Whoever adds such a thing to a signed credential changes its text and not its hash: an added
//! `"isAdmin": true` would verify. Three nets, each for itself:
//!
//! 1. The shape: members whose names could be dropped or be a keyword, null, empty and nested lists, contexts that are
//!    not built in, or stand where they could change what others mean.
//! 2. A vocabulary and a base that are put under the document's contexts: what nothing else defines gets a name from them, and
//!    is found in the result.
//! 3. Every text of the document is found again in the result.

use std::collections::HashSet;

use oxrdf::{Dataset, GraphNameRef, NamedNodeRef, NamedOrBlankNodeRef, TermRef};
use serde_json::{Map, Value, json};

use crate::{
    contexts,
    error::{Kind, Result, refuse, short},
};

/// What undefined terms and relative addresses are made to begin with. `.invalid` is no place (RFC 2606).
const UNDEFINED: &str = "https://undefined.invalid/";
const JSON_LITERAL: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON";
/// Members whose content has contexts of its own: proofs, and the credentials in a presentation.
const OWN_CONTEXTS: &[&str] = &["proof", "verifiableCredential"];
/// Members whose texts are terms, and become addresses.
const TERMS: &[&str] = &["type", "@type", "proofPurpose"];

/// What addresses are relative to, so that relative ones are found.
pub(crate) fn base() -> &'static str {
    UNDEFINED
}

/// A text of the document that must be in the result, and the member that has it.
pub(crate) struct Leaf {
    member: String,
    text: String,
}

/// The first net, and laying out the second: gives the texts that must be in the result.
pub(crate) fn prepare(document: &mut Map<String, Value>) -> Result<Vec<Leaf>> {
    let mut leaves = Vec::new();
    if !document.contains_key("@context") {
        return refuse(Kind::Malformed, "it has no @context");
    }
    object(document, true, &mut leaves)?;
    Ok(leaves)
}

fn object(members: &mut Map<String, Value>, may_have_context: bool, leaves: &mut Vec<Leaf>) -> Result<()> {
    for (name, value) in members.iter_mut() {
        match name.as_str() {
            "@context" if may_have_context => context(value)?,
            "@context" => return refuse(Kind::UndefinedTerm, "a context stands within the document"),
            "@language" => language(value, leaves)?,
            "@id" | "@type" | "@value" => inside(name, value, leaves)?,
            _ if is_plain(name) => inside(name, value, leaves)?,
            _ => return refuse(Kind::UndefinedTerm, format!("the member {} is not covered by the signature", short(name))),
        }
    }
    Ok(())
}

/// Whether a name can only be a term: neither a keyword nor an address, and nothing that could not be part of an address.
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Contexts are addresses of built-in ones; under them lies a vocabulary that defines everything else.
fn context(value: &mut Value) -> Result<()> {
    let mut contexts = vec![json!({ "@vocab": UNDEFINED })];
    let given = match std::mem::take(value) {
        Value::Array(given) => given,
        one => vec![one],
    };
    for context in given {
        match context.as_str() {
            Some(address) if contexts::find(address).is_some() => contexts.push(context),
            Some(address) => return refuse(Kind::UnknownContext, format!("the context {} is not known", short(address))),
            None => return refuse(Kind::UnknownContext, "a context is written out and not named by its address"),
        }
    }
    *value = Value::Array(contexts);
    Ok(())
}

/// Tags are lower case: oxrdf writes them so, others as they are, and their hashes differ.
fn language(value: &Value, leaves: &mut Vec<Leaf>) -> Result<()> {
    match value.as_str() {
        Some(tag) if !tag.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            leaves.push(Leaf { member: "@language".to_owned(), text: tag.to_owned() });
            Ok(())
        }
        _ => refuse(Kind::Unsupported, "a language tag is not in lower case"),
    }
}

fn inside(name: &str, value: &mut Value, leaves: &mut Vec<Leaf>) -> Result<()> {
    match value {
        Value::Array(values) if values.is_empty() => dropped(name, "an empty list"),
        Value::Array(values) => values.iter_mut().try_for_each(|value| match value {
            Value::Array(_) => dropped(name, "a list in a list"),
            value => one(name, value, leaves),
        }),
        value => one(name, value, leaves),
    }
}

fn one(name: &str, value: &mut Value, leaves: &mut Vec<Leaf>) -> Result<()> {
    match value {
        Value::Null => dropped(name, "null"),
        Value::Array(_) => dropped(name, "a list"),
        // The contexts around a presented credential do not reach into it: without its own nothing in it is defined.
        Value::Object(members) if name == "verifiableCredential" && !members.contains_key("@context") => {
            refuse(Kind::UndefinedTerm, "a presented credential has no @context")
        }
        Value::Object(members) => object(members, OWN_CONTEXTS.contains(&name), leaves),
        Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) if text.starts_with("_:") => dropped(name, "the name of a blank node"),
        // A type that is a plain word is found by the second net; one that is not must be an address as it stands.
        Value::String(text) if TERMS.contains(&name) && is_plain(text) => Ok(()),
        Value::String(text) => {
            leaves.push(Leaf { member: name.to_owned(), text: text.clone() });
            Ok(())
        }
    }
}

fn dropped(name: &str, what: &str) -> Result<()> {
    refuse(Kind::UndefinedTerm, format!("{} of the member {} is not covered by the signature", what, short(name)))
}

/// The second and the third net.
pub(crate) fn check(dataset: &Dataset, leaves: &[Leaf]) -> Result<()> {
    let mut found: HashSet<&str> = HashSet::new();
    let mut json = Vec::new();
    for quad in dataset {
        if let Some(term) = quad.predicate.as_str().strip_prefix(UNDEFINED) {
            return refuse(Kind::UndefinedTerm, format!("no context defines the member {}", short(term)));
        }
        if let NamedOrBlankNodeRef::NamedNode(node) = quad.subject {
            address(node, &mut found)?;
        }
        if let GraphNameRef::NamedNode(node) = quad.graph_name {
            address(node, &mut found)?;
        }
        match quad.object {
            TermRef::NamedNode(node) => address(node, &mut found)?,
            TermRef::Literal(literal) => {
                address(literal.datatype(), &mut found)?;
                found.insert(literal.value());
                found.extend(literal.language());
                if literal.datatype().as_str() == JSON_LITERAL {
                    json.push(literal.value());
                }
            }
            TermRef::BlankNode(_) => {}
        }
    }
    for Leaf { member, text } in leaves {
        let within = || Value::from(text.as_str()).to_string();
        if !found.contains(text.as_str()) && !json.iter().any(|json| json.contains(&within())) {
            return dropped(member, "what is said");
        }
    }
    Ok(())
}

/// Of what is undefined only the names of members are told: the others may be what somebody wrote.
fn address<'a>(node: NamedNodeRef<'a>, found: &mut HashSet<&'a str>) -> Result<()> {
    if node.as_str().starts_with(UNDEFINED) {
        return refuse(Kind::UndefinedTerm, "one of its types is defined by no context, or one of its ids is no address");
    }
    found.insert(node.as_str());
    Ok(())
}
