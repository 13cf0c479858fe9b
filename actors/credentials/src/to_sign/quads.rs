//! The texts that are N-Quads.
//!
//! That they are the canonical ones of some document is for whoever checks the signature to see; here they are read one by
//! one, and each must be written in the one way.

use std::{collections::BTreeMap, str::FromStr as _};

use oxrdf::{GraphName, NamedOrBlankNode, Quad, Term};

use super::{is_membership, no_membership};
use crate::{
    error::{Kind, Refused, Result, refuse, short},
    key::PublicKey,
    rdf::{MAX_QUADS, line},
};

const TYPE: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type";
const CREDENTIALS: &str = "https://www.w3.org/2018/credentials#";
const SECURITY: &str = "https://w3id.org/security#";

/// What a proof's options may say: the predicate, and whether more than once.
const OPTIONS: &[(&str, bool)] = &[
    (TYPE, false),
    ("https://w3id.org/security#cryptosuite", false),
    ("https://w3id.org/security#verificationMethod", false),
    ("https://w3id.org/security#proofPurpose", false),
    ("http://purl.org/dc/terms/created", false),
    ("https://w3id.org/security#expiration", false),
    ("https://w3id.org/security#challenge", false),
    ("https://w3id.org/security#domain", false),
    ("https://w3id.org/security#previousProof", true),
];

/// Reads a text that must be sorted statements, each once, each as it is written.
fn read(text: &str, what: &str) -> Result<Vec<Quad>> {
    let refused = |kind, why: &str| Refused::new(kind, format!("{what}: {why}"));
    let mut quads = Vec::new();
    let mut before = "";
    for statement in text.split_inclusive('\n') {
        if quads.len() == MAX_QUADS {
            return Err(refused(Kind::TooComplex, "it makes too many statements"));
        }
        let quad = statement.strip_suffix('\n').and_then(|statement| Quad::from_str(statement).ok());
        let Some(quad) = quad.filter(|quad| line(quad.as_ref()) == statement) else {
            return Err(refused(Kind::Malformed, "a statement is not in canonical form"));
        };
        if statement <= before {
            return Err(refused(Kind::Malformed, "its statements are not in order"));
        }
        before = statement;
        quads.push(quad);
    }
    if quads.is_empty() { Err(refused(Kind::Malformed, "it says nothing")) } else { Ok(quads) }
}

fn is_iri(term: &Term, address: &str) -> bool {
    matches!(term, Term::NamedNode(node) if node.as_str() == address)
}

pub(super) fn proof(options: &str, document: &str, key: &PublicKey) -> Result<()> {
    let purpose = self::options(&read(options, "the options")?, key)?;
    let document = read(document, "the document")?;
    let is_assertion = purpose == format!("{SECURITY}assertionMethod");
    let (whose, kind, not) = if is_assertion {
        ("issuer", "VerifiableCredential", "VerifiablePresentation")
    } else {
        ("holder", "VerifiablePresentation", "VerifiableCredential")
    };
    let open = || document.iter().filter(|quad| quad.graph_name == GraphName::DefaultGraph);
    let subject = theirs(open(), whose, key)?;
    // In a presentation the credentials stand in graphs of their own, with issuers of their own.
    if is_assertion && document.iter().filter(|quad| quad.predicate.as_str() == format!("{CREDENTIALS}issuer")).count() != 1 {
        return refuse(Kind::NotTheIssuersKey, "it names an issuer more than once");
    }
    if !is_assertion && open().any(|quad| quad.predicate.as_str() == format!("{CREDENTIALS}issuer")) {
        return refuse(Kind::WrongPurpose, "it is a credential");
    }
    let types = || open().filter(|quad| quad.predicate.as_str() == TYPE);
    if !types().any(|quad| quad.subject == *subject && is_iri(&quad.object, &format!("{CREDENTIALS}{kind}"))) {
        return refuse(Kind::Malformed, format!("it is no {kind}"));
    }
    if types().any(|quad| is_iri(&quad.object, &format!("{CREDENTIALS}{not}"))) {
        return refuse(Kind::WrongPurpose, format!("it is a {not}"));
    }
    let membership = |quad: &Quad| match &quad.object {
        Term::NamedNode(node) => is_membership(node.as_str()),
        _ => false,
    };
    if is_assertion && document.iter().any(membership) { no_membership() } else { Ok(()) }
}

/// The thing that names an issuer or a holder, which must be one thing, and the one with this key.
fn theirs<'a>(quads: impl Iterator<Item = &'a Quad>, whose: &str, key: &PublicKey) -> Result<&'a NamedOrBlankNode> {
    let predicate = format!("{CREDENTIALS}{whose}");
    let mut named = quads.filter(|quad| quad.predicate.as_str() == predicate);
    match (named.next(), named.next()) {
        (Some(quad), None) if is_iri(&quad.object, &key.did()) => Ok(&quad.subject),
        (Some(_), None) => refuse(Kind::NotTheIssuersKey, format!("its {whose} is not the one who signs")),
        (None, _) => refuse(Kind::Malformed, format!("it has no {whose}")),
        (Some(_), Some(_)) => refuse(Kind::NotTheIssuersKey, format!("it names more than one {whose}")),
    }
}

/// Checks what a proof says of itself, and gives its purpose.
fn options(quads: &[Quad], key: &PublicKey) -> Result<String> {
    let mut said: BTreeMap<&str, &Term> = BTreeMap::new();
    for quad in quads {
        let predicate = quad.predicate.as_str();
        let Some((_, repeats)) = OPTIONS.iter().find(|(known, _)| *known == predicate) else {
            return refuse(Kind::Malformed, format!("the options say {}, which is not known here", short(predicate)));
        };
        let one_thing = quads.first().is_some_and(|first| first.subject == quad.subject);
        if !one_thing || quad.graph_name != GraphName::DefaultGraph {
            return refuse(Kind::Malformed, "the options are about more than one thing");
        }
        if said.insert(predicate, &quad.object).is_some() && !repeats {
            return refuse(Kind::Malformed, format!("the options say {} more than once", short(predicate)));
        }
    }
    let address = |name: &str| match said.get(name) {
        Some(Term::NamedNode(node)) => Some(node.as_str()),
        _ => None,
    };
    if address(TYPE) != Some(format!("{SECURITY}DataIntegrityProof").as_str()) {
        return refuse(Kind::Malformed, "its type is not DataIntegrityProof");
    }
    let suite = said.get(format!("{SECURITY}cryptosuite").as_str());
    if suite.is_none_or(|suite| suite.to_string() != format!("\"eddsa-rdfc-2022\"^^<{SECURITY}cryptosuiteString>")) {
        return refuse(Kind::Malformed, "its cryptosuite is not eddsa-rdfc-2022");
    }
    if address(&format!("{SECURITY}verificationMethod")) != Some(key.method().as_str()) {
        return refuse(Kind::Malformed, "its verificationMethod is not that of the one who signs");
    }
    match address(&format!("{SECURITY}proofPurpose")) {
        Some(purpose) if purpose == format!("{SECURITY}assertionMethod") => Ok(purpose.to_owned()),
        Some(purpose) if purpose == format!("{SECURITY}authenticationMethod") => {
            for name in ["challenge", "domain"] {
                if !said.contains_key(format!("{SECURITY}{name}").as_str()) {
                    return refuse(Kind::Malformed, format!("a presentation that names no {name} is good for anybody"));
                }
            }
            Ok(purpose.to_owned())
        }
        _ => refuse(Kind::WrongPurpose, "its proofPurpose is not one that is known"),
    }
}
