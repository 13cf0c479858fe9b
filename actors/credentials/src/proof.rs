//! One Data Integrity proof with `eddsa-jcs-2022` or `eddsa-rdfc-2022` (W3C Data Integrity EdDSA Cryptosuites 1.0): its
//! options, making it, checking it.
//!
//! What is signed is SHA-256 of the proof's options and SHA-256 of the document, one after the other, both in the suite's
//! canonical form. Whose key it is stands in the proof, so it is no secret who signed; whether that one *may* have is asked in
//! [`crate::Verifier`].

use serde_json::{Map, Value, json};

use crate::{
    canonical::canonical,
    error::{Kind, Refused, Result, refuse, short},
    key::{PublicKey, base58, to_base58},
    model::{id, strings},
    moment::Moment,
    rdf::Canonicalize,
    signer::{Signer, SigningInput},
    to_sign::ToSign,
};

/// Over what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// `eddsa-jcs-2022`: the text, as RFC 8785 writes it. Covers everything that stands there, so it is what we issue.
    Jcs,
    /// `eddsa-rdfc-2022`: the meaning, as RDF. Lists without an order may be reordered.
    Rdfc,
}

impl Suite {
    /// Its name in proofs.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Jcs => "eddsa-jcs-2022",
            Suite::Rdfc => "eddsa-rdfc-2022",
        }
    }

    fn named(name: &str) -> Result<Suite> {
        match name {
            "eddsa-jcs-2022" => Ok(Suite::Jcs),
            "eddsa-rdfc-2022" => Ok(Suite::Rdfc),
            _ => refuse(Kind::Unsupported, format!("the suite {} is not known", short(name))),
        }
    }
}

/// What is signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// "This is so": credentials.
    Assertion,
    /// "This is me": presentations.
    Authentication,
}

impl Purpose {
    /// Its name in proofs.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Assertion => "assertionMethod",
            Purpose::Authentication => "authentication",
        }
    }
}

/// What a proof says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Over what is signed.
    pub suite: Suite,
    /// What is signed for.
    pub purpose: Purpose,
    /// When it is made.
    pub created: Option<Moment>,
    /// Until when it counts.
    pub expires: Option<Moment>,
    /// Its id, so that later proofs can refer to it.
    pub id: Option<String>,
    /// The ids of the proofs it is made after, and covers.
    pub previous: Vec<String>,
    /// The verifier's question that it answers.
    pub challenge: Option<String>,
    /// Whom it is for.
    pub domain: Option<String>,
}

impl Options {
    /// A proof made now, without anything further.
    pub fn new(suite: Suite, purpose: Purpose, now: Moment) -> Options {
        let nothing = Options {
            created: None,
            expires: None,
            id: None,
            previous: Vec::new(),
            challenge: None,
            domain: None,
            suite,
            purpose,
        };
        Options { created: Some(now), ..nothing }
    }

    fn to_members(&self, key: &PublicKey) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        put("type", Some("DataIntegrityProof".into()));
        put("cryptosuite", Some(self.suite.name().into()));
        put("verificationMethod", Some(key.method().into()));
        put("proofPurpose", Some(self.purpose.name().into()));
        put("id", self.id.clone().map(Value::from));
        put("created", self.created.map(|moment| moment.to_string().into()));
        put("expires", self.expires.map(|moment| moment.to_string().into()));
        put("challenge", self.challenge.clone().map(Value::from));
        put("domain", self.domain.clone().map(Value::from));
        put(
            "previousProof",
            match self.previous.as_slice() {
                [] => None,
                [one] => Some(one.as_str().into()),
                many => Some(json!(many)),
            },
        );
        members
    }
}

/// A proof whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// Who signed.
    pub key: PublicKey,
    /// Over what.
    pub suite: Suite,
    /// What for.
    pub purpose: Purpose,
    /// When, if it says so.
    pub created: Option<Moment>,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// The verifier's question that it answers.
    pub challenge: Option<String>,
    /// Whom it is for.
    pub domains: Vec<String>,
    /// The contexts that were signed: the document's, or the first of them.
    pub(crate) context: Option<Value>,
}

/// Makes a proof over a document, which has either no proof or those that this one is made after.
pub(crate) fn create(
    document: &Map<String, Value>,
    options: &Options,
    signer: &dyn Signer,
    canonicalizer: &dyn Canonicalize,
) -> Result<Map<String, Value>> {
    let key = signer.public_key();
    let mut proof = options.to_members(&key);
    if let (Suite::Jcs, Some(context)) = (options.suite, document.get("@context")) {
        proof.insert("@context".to_owned(), context.clone());
    }
    let signature = sign(signer, to_sign(options.suite, document, &proof, canonicalizer)?)?;
    proof.insert("proofValue".to_owned(), to_base58(&signature).into());
    Ok(proof)
}

/// Has something signed. A signer that signed something else is found here and not by whom it is sent to.
pub(crate) fn sign(signer: &dyn Signer, what: ToSign) -> Result<[u8; 64]> {
    let input = SigningInput::of(what);
    let signature = signer.sign(&input)?;
    if !signer.signs_later() {
        let holds = signer.public_key().verify(input.bytes(), &signature);
        holds.map_err(|_| Refused::new(Kind::CannotMake, "the signer's signature does not hold"))?;
    }
    Ok(signature)
}

/// What is signed: the texts of the options and of the document, in the suite's canonical form.
fn to_sign(
    suite: Suite,
    document: &Map<String, Value>,
    proof: &Map<String, Value>,
    canonicalizer: &dyn Canonicalize,
) -> Result<ToSign> {
    let text = |bytes| String::from_utf8(bytes).map_err(|_| Refused::new(Kind::CannotMake, "write it in UTF-8"));
    match suite {
        Suite::Jcs => Ok(ToSign::JcsProof { options: text(canonical(proof)?)?, document: text(canonical(document)?)? }),
        Suite::Rdfc => {
            let mut options = proof.clone();
            if let Some(context) = document.get("@context") {
                options.insert("@context".to_owned(), context.clone());
            }
            let rdf = |members: &Map<String, Value>| text(canonicalizer.canonicalize(&canonical(members)?)?);
            Ok(ToSign::RdfcProof { options: rdf(&options)?, document: rdf(document)? })
        }
    }
}

/// Checks one proof over a document, which has either no proof or those that this one is made after.
pub(crate) fn verify(
    document: &Map<String, Value>,
    proof: &Map<String, Value>,
    now: Moment,
    canonicalizer: &dyn Canonicalize,
) -> Result<Proved> {
    let text = |name: &str| match proof.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => refuse(Kind::Malformed, format!("the {name} of a proof is not a text")),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| Refused::new(Kind::Malformed, format!("a proof has no {name}")));
    if needed("type")? != "DataIntegrityProof" {
        return refuse(Kind::Unsupported, "a proof is not a DataIntegrityProof");
    }
    let suite = Suite::named(needed("cryptosuite")?)?;
    let purpose = match needed("proofPurpose")? {
        "assertionMethod" => Purpose::Assertion,
        "authentication" => Purpose::Authentication,
        other => return refuse(Kind::WrongPurpose, format!("a proof is for {}", short(other))),
    };
    let key = PublicKey::from_method(needed("verificationMethod")?)?;
    let moment = |name: &str| text(name)?.map(|text| Moment::parse(text).map_err(|refused| refused.at(name))).transpose();
    let created = moment("created")?;
    if let Some(created) = created.filter(|created| now.is_well_before(*created)) {
        return refuse(Kind::NotYetValid, format!("a proof was made at {created}, and it is {now}"));
    }
    if let Some(expires) = moment("expires")?.filter(|expires| now > *expires) {
        return refuse(Kind::Expired, format!("a proof counted until {expires}, and it is {now}"));
    }
    let signature = base58(needed("proofValue")?).map_err(|refused| refused.at("proofValue"))?;

    let mut document = document.clone();
    let mut options = proof.clone();
    options.remove("proofValue");
    let mut context = document.get("@context").cloned();
    if let (Suite::Jcs, Some(signed)) = (suite, proof.get("@context")) {
        if !begins_with(context.as_ref(), signed) {
            return refuse(Kind::BadSignature, "the contexts do not begin with those that were signed");
        }
        context = Some(signed.clone());
        document.insert("@context".to_owned(), signed.clone());
    }
    key.verify(&to_sign(suite, &document, &options, canonicalizer)?.bytes(), &signature)?;
    let id = id(proof)?;
    let challenge = text("challenge")?.map(str::to_owned);
    let domains = strings(proof, "domain")?;
    Ok(Proved { key, suite, purpose, created, id, challenge, domains, context })
}

fn begins_with(contexts: Option<&Value>, signed: &Value) -> bool {
    fn list(value: &Value) -> &[Value] {
        match value {
            Value::Array(values) => values,
            one => std::slice::from_ref(one),
        }
    }
    contexts.is_some_and(|contexts| list(contexts).starts_with(list(signed)))
}
