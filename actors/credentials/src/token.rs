//! Credentials as tokens: `vc+jwt` of "Securing Verifiable Credentials using JOSE and COSE" 1.0. The credential is the
//! payload as it is.

use serde_json::{Map, Value};

use crate::{
    canonical::canonical,
    credential::{Credential, Verifier},
    error::{Kind, Refused, Result, refuse},
    json,
    jws::{self, Header, Token},
    model::Model,
    moment::{Moment, Validity},
    signer::Signer,
    to_sign::ToSign,
};

pub use crate::jws::Algorithm;

const TYPE: &str = "vc+jwt";

/// Issues a credential as a token.
pub fn issue(document: &Map<String, Value>, algorithm: Algorithm, signer: &dyn Signer) -> Result<String> {
    let model = Model::read(document)?;
    json::check(&Value::Object(document.clone()))?;
    if document.contains_key("proof") {
        return refuse(Kind::CannotMake, "a token carries no proof beside its own signature");
    }
    if model.issuer != signer.public_key().did() {
        return refuse(Kind::CannotMake, "its issuer is not the one who signs");
    }
    let header = Header { algorithm, typ: TYPE, content: Some("vc"), names_key: true };
    jws::sign(header, &canonical(document)?, signer, |header, payload| ToSign::Token { header, payload })
}

impl Verifier<'_> {
    /// Checks a credential that came as a token.
    pub fn token(&self, text: &str) -> Result<Credential> {
        let token = Token::read(text, &[TYPE])?;
        let key = token.key()?;
        let document = token.payload(&key)?;
        if document.contains_key("proof") {
            return refuse(Kind::Malformed, "a token carries no proof beside its own signature");
        }
        if document.get("vc").is_some() || document.get("vp").is_some() {
            return refuse(Kind::Unsupported, "it is a token of the data model 1.1");
        }
        claims(&document, self.now)?;
        let credential = self.accept(document, vec![key], vec![token.algorithm().name()])?;
        let says = |name: &str, known: Option<&str>| match credential.document().get(name) {
            Some(said) if said.as_str() != known => {
                refuse(Kind::Malformed, format!("its {name} is not what the credential says"))
            }
            _ => Ok(()),
        };
        says("iss", Some(credential.issuer()))?;
        says("jti", credential.id())?;
        says("sub", credential.subject().ok())?;
        Ok(credential)
    }
}

/// What a token says about when it counts, beside the credential.
pub(crate) fn claims(claims: &Map<String, Value>, now: Moment) -> Result<()> {
    let moment = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64().filter(|seconds| seconds.abs() < 1e12) {
            #[expect(clippy::cast_possible_truncation, reason = "below 10^12")]
            Some(seconds) => Ok(Some(Moment::from_seconds(seconds as i64))),
            None => Err(Refused::new(Kind::Malformed, format!("its {name} is not a number of seconds"))),
        },
    };
    if let Some(issued) = moment("iat")?.filter(|issued| now.is_well_before(*issued)) {
        return refuse(Kind::NotYetValid, format!("it was made at {issued}, and it is {now}"));
    }
    Validity { from: moment("nbf")?, until: moment("exp")? }.check(now)
}
