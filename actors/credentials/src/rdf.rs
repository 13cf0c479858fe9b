//! From JSON-LD to the canonical N-Quads of RDF Dataset Canonicalization (RDFC-1.0), within bounds.
//!
//! The work grows with the factorial of how many blank nodes look alike: eight that all name one another take five seconds,
//! nine three quarters of a minute. So the bounds are checked before it begins. For what they let through there is
//! [`Canonicalize`]: whoever verifies what strangers send lets a process of its own do it, that can be ended.

use std::collections::HashSet;

use oxjsonld::{JsonLdParser, JsonLdRemoteDocument};
use oxrdf::{
    BlankNodeRef, Dataset, GraphNameRef, QuadRef,
    dataset::{CanonicalizationAlgorithm, CanonicalizationHashAlgorithm},
};
use serde_json::Value;

use crate::{
    canonical::canonical,
    contexts, cost, defined,
    error::{Kind, Refused, Result, refuse},
    json,
};

/// How many statements a document may make.
pub const MAX_QUADS: usize = 2_000;
/// How many of its things may have no id.
pub const MAX_BLANK_NODES: usize = 64;

/// Who brings a JSON-LD document into its canonical form: [`InProcess`], or something that asks another process.
pub trait Canonicalize {
    /// Takes the JSON text of a document, gives its canonical N-Quads.
    fn canonicalize(&self, document: &[u8]) -> Result<Vec<u8>>;
}

/// Does it here and now. For documents that this program made, and within a process that may be ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcess;

impl Canonicalize for InProcess {
    fn canonicalize(&self, document: &[u8]) -> Result<Vec<u8>> {
        canonicalize(document)
    }
}

/// Takes the JSON text of a document, gives its canonical N-Quads. Needs nothing but its argument: neither files nor
/// addresses nor a clock.
pub fn canonicalize(document: &[u8]) -> Result<Vec<u8>> {
    let mut dataset = dataset(document)?;
    cost::check(&dataset)?;
    dataset.canonicalize(CanonicalizationAlgorithm::Rdfc10 { hash_algorithm: CanonicalizationHashAlgorithm::Sha256 });
    let mut lines: Vec<String> = dataset.iter().map(line).collect();
    lines.sort_unstable();
    Ok(lines.concat().into_bytes())
}

/// A statement as N-Quads write it.
pub(crate) fn line(quad: QuadRef<'_>) -> String {
    match quad.graph_name {
        GraphNameRef::DefaultGraph => format!("{} {} {} .\n", quad.subject, quad.predicate, quad.object),
        graph => format!("{} {} {} {} .\n", quad.subject, quad.predicate, quad.object, graph),
    }
}

/// What the document says, if it says nothing that would be lost.
fn dataset(document: &[u8]) -> Result<Dataset> {
    let mut members = json::read_object(document)?;
    let leaves = defined::prepare(&mut members)?;
    // Its canonical form, so that a number is written as everybody writes it.
    let text = canonical(&Value::Object(members))?;
    let unread = |_| Refused::new(Kind::Malformed, "it cannot be read as JSON-LD");
    let parser = JsonLdParser::new()
        .with_base_iri(defined::base())
        .map_err(|_| Refused::new(Kind::CannotMake, "set the base"))?
        .for_slice(&text)
        .with_load_document_callback(|address, _| {
            let document = contexts::find(address).ok_or("the context is not known")?;
            Ok(JsonLdRemoteDocument { document: document.as_bytes().to_vec(), document_url: address.to_owned() })
        });
    let mut dataset = Dataset::new();
    let mut blank = HashSet::new();
    for quad in parser {
        let quad = quad.map_err(unread)?;
        blank.extend(cost::blank_nodes(quad.as_ref()).map(BlankNodeRef::into_owned));
        dataset.insert(quad.as_ref());
        if dataset.len() > MAX_QUADS {
            return refuse(Kind::TooComplex, format!("it makes more than {MAX_QUADS} statements"));
        }
        if blank.len() > MAX_BLANK_NODES {
            return refuse(Kind::TooComplex, format!("more than {MAX_BLANK_NODES} of its things have no id"));
        }
    }
    defined::check(&dataset, &leaves)?;
    Ok(dataset)
}
