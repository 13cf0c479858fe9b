//! Several proofs of one document: sets, in which each stands for itself, and chains, in which a later one covers earlier ones
//! (Verifiable Credential Data Integrity 1.0, 4.3 and 4.5).
//!
//! All of them must hold. That a proof of a set was taken away nobody can see who does not know that it was there: who relies
//! on several signers names them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    error::{Kind, Result, refuse},
    json,
    key::PublicKey,
    model::{id, strings},
    moment::Moment,
    proof::{self, Options, Proved},
    rdf::Canonicalize,
    signer::Signer,
};

/// The members of a document, or of a proof.
type Members = Map<String, Value>;

/// How many proofs a document may have.
pub const MAX_PROOFS: usize = 8;

/// Adds a proof to a document, beside those that it has.
pub fn add(document: &Members, options: &Options, signer: &dyn Signer, canonicalizer: &dyn Canonicalize) -> Result<Members> {
    let (mut bare, mut proofs) = split(document)?;
    if proofs.len() == MAX_PROOFS {
        return refuse(Kind::CannotMake, format!("it has {MAX_PROOFS} proofs already"));
    }
    if options.id.is_some() && proofs.iter().any(|proof| id(proof).ok().flatten() == options.id) {
        return refuse(Kind::CannotMake, "it has a proof of this id already");
    }
    json::check(&Value::Object(bare.clone()))?;
    let proof = proof::create(&covered(&bare, &proofs, &options.previous)?, options, signer, canonicalizer)?;
    let proof = if proofs.is_empty() {
        Value::Object(proof)
    } else {
        proofs.push(proof);
        proofs.into_iter().map(Value::Object).collect()
    };
    bare.insert("proof".to_owned(), proof);
    Ok(bare)
}

/// Checks all proofs of a document. Gives the document without them, with the contexts that were signed, and who signed.
pub fn verify(document: &Members, now: Moment, canonicalizer: &dyn Canonicalize) -> Result<(Members, Vec<Proved>)> {
    let (mut bare, proofs) = split(document)?;
    if proofs.is_empty() {
        return refuse(Kind::NoProof, "it has no proof");
    }
    order(&proofs)?;
    let mut proved = Vec::new();
    for proof in &proofs {
        let previous = strings(proof, "previousProof")?;
        proved.push(proof::verify(&covered(&bare, &proofs, &previous)?, proof, now, canonicalizer)?);
    }
    // Contexts that were put behind the signed ones are no part of what is verified; of several the shortest.
    let shortest =
        proved.iter().filter_map(|proved| proved.context.as_ref()).min_by_key(|context| context.as_array().map_or(1, Vec::len));
    if let Some(context) = shortest {
        bare.insert("@context".to_owned(), context.clone());
    }
    Ok((bare, proved))
}

/// Whether each of these has signed.
pub(crate) fn require(proved: &[Proved], keys: &[PublicKey]) -> Result<()> {
    match keys.iter().find(|key| !proved.iter().any(|proved| proved.key == **key)) {
        Some(missing) => refuse(Kind::BrokenChain, format!("a proof of {missing} is missing")),
        None => Ok(()),
    }
}

/// A document and its proofs, apart.
fn split(document: &Members) -> Result<(Members, Vec<Members>)> {
    let mut bare = document.clone();
    let proofs = match bare.remove("proof") {
        None => Vec::new(),
        Some(Value::Object(proof)) => vec![proof],
        Some(Value::Array(proofs)) if proofs.len() <= MAX_PROOFS => {
            let objects: Option<Vec<_>> = proofs
                .into_iter()
                .map(|proof| match proof {
                    Value::Object(proof) => Some(proof),
                    _ => None,
                })
                .collect();
            match objects {
                Some(proofs) => proofs,
                None => return refuse(Kind::Malformed, "a proof is not an object"),
            }
        }
        Some(Value::Array(_)) => return refuse(Kind::TooLarge, format!("it has more than {MAX_PROOFS} proofs")),
        Some(_) => return refuse(Kind::Malformed, "its proof is not an object"),
    };
    Ok((bare, proofs))
}

/// The document with the proofs that a proof is made after.
fn covered(bare: &Members, proofs: &[Members], previous: &[String]) -> Result<Members> {
    let mut document = bare.clone();
    if previous.is_empty() {
        return Ok(document);
    }
    let mut matching = Vec::new();
    for wanted in previous {
        let Some(found) = proofs.iter().find(|proof| proof.get("id").and_then(Value::as_str) == Some(wanted)) else {
            return refuse(Kind::BrokenChain, "a proof refers to one that is not there");
        };
        matching.push(Value::Object(found.clone()));
    }
    document.insert("proof".to_owned(), Value::Array(matching));
    Ok(document)
}

/// Whether every id is there once, and the references lead back to proofs without any.
fn order(proofs: &[Members]) -> Result<()> {
    let mut ids = BTreeSet::new();
    for proof in proofs {
        if let Some(id) = id(proof)?
            && !ids.insert(id)
        {
            return refuse(Kind::BrokenChain, "two proofs have one id");
        }
    }
    let mut waiting: Vec<&Members> = proofs.iter().collect();
    let mut settled: BTreeSet<String> = BTreeSet::new();
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut ready = Vec::new();
        for proof in std::mem::take(&mut waiting) {
            let previous = strings(proof, "previousProof")?;
            if let Some(missing) = previous.iter().find(|wanted| !ids.contains(*wanted)) {
                return refuse(
                    Kind::BrokenChain,
                    format!("a proof refers to one that is not there: {}", crate::error::short(missing)),
                );
            }
            if previous.iter().all(|wanted| settled.contains(wanted)) {
                ready.extend(id(proof)?);
            } else {
                waiting.push(proof);
            }
        }
        settled.extend(ready);
        if waiting.len() == before {
            return refuse(Kind::BrokenChain, "proofs refer to one another in a circle");
        }
    }
    Ok(())
}
