//! The verifier's side: the issuer's signature, the disclosures, the holder's proof.

use serde_json::{Map, Value};

use super::{disclosure::hash, holder, issue::is_by, present, process::process};
use crate::{
    credential::{Credential, Verifier},
    error::{Kind, Refused, Result, refuse},
    jws::{Algorithm, Token},
    key::PublicKey,
    moment::{Moment, SKEW},
    presentation::Question,
    token,
};

/// The types of SD-JWT that are read: a credential of the data model 2.0, a "digital credential", and one of anything.
pub const TYPES: &[&str] = &["vc+sd-jwt", "dc+sd-jwt", "sd-jwt"];

/// For how long an answer counts, in seconds.
const ANSWER: i64 = 300;

/// The claims of an SD-JWT whose signatures hold.
#[derive(Debug, Clone)]
pub struct SdClaims {
    claims: Map<String, Value>,
    issuer: PublicKey,
    algorithm: Algorithm,
    holder: Option<PublicKey>,
}

impl SdClaims {
    /// What was signed and what was disclosed.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Who issued it.
    pub fn issuer(&self) -> &PublicKey {
        &self.issuer
    }

    /// How its issuer names the algorithm of the signature.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Who proved to be the one to whom it was issued.
    pub fn holder(&self) -> Option<&PublicKey> {
        self.holder.as_ref()
    }
}

impl Verifier<'_> {
    /// Checks an SD-JWT. With a question its holder must have answered that; without one nobody has proved to be the holder.
    pub fn sd_jwt(&self, text: &str, question: Option<&Question>) -> Result<SdClaims> {
        let (issued, disclosures, binding) = present::split(text)?;
        let token = Token::read(issued, TYPES)?;
        let issuer = token.key()?;
        let payload = token.payload(&issuer)?;
        let claims = process(&payload, &disclosures)?;
        token::claims(&claims, self.now)?;
        if !is_by(&claims, &issuer) {
            return refuse(Kind::NotTheIssuersKey, "it is signed, but not by its issuer");
        }
        let holder = match (question, binding) {
            (None, None) => None,
            (None, Some(_)) => return refuse(Kind::WrongAudience, "it answers a question that was not asked"),
            (Some(_), None) => return refuse(Kind::WrongHolder, "nobody proves to be its holder"),
            (Some(question), Some(binding)) => {
                let key = holder::read(&payload)?
                    .ok_or_else(|| Refused::new(Kind::WrongHolder, "it was not issued to a holder who can prove it"))?;
                let shown = text.get(..text.len() - binding.len()).unwrap_or_default();
                self.answer(binding, shown, &key, question)?;
                Some(key)
            }
        };
        Ok(SdClaims { claims, issuer, algorithm: token.algorithm(), holder })
    }

    /// Checks an SD-JWT that is a credential of the data model 2.0. With a question its holder must be the one it is about.
    pub fn sd_jwt_credential(&self, text: &str, question: Option<&Question>) -> Result<Credential> {
        self.sd_credential(self.sd_jwt(text, question)?)
    }

    /// What was disclosed, as a credential of the data model 2.0.
    pub fn sd_credential(&self, shown: SdClaims) -> Result<Credential> {
        let SdClaims { mut claims, issuer, algorithm, holder } = shown;
        claims.remove(holder::CONFIRMATION);
        let credential = self.accept(claims, vec![issuer], vec![algorithm.name()])?;
        match holder {
            Some(key) if credential.subject()? != key.did() => refuse(Kind::WrongHolder, "it is not about the holder"),
            _ => Ok(credential),
        }
    }

    /// Whether the holder has answered the question, over exactly what is shown.
    fn answer(&self, binding: &str, shown: &str, key: &PublicKey, question: &Question) -> Result<()> {
        let at = |refused: Refused| refused.at("the holder's proof");
        let claims = Token::read(binding, &[present::BINDING]).and_then(|token| token.payload(key)).map_err(at)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("nonce") != Some(&question.challenge) {
            return refuse(Kind::WrongChallenge, "it answers another question");
        }
        if text("aud") != Some(&question.domain) {
            return refuse(Kind::WrongAudience, "it is for somebody else");
        }
        if text("sd_hash") != Some(hash(shown.as_bytes()).as_str()) {
            return refuse(Kind::BadSignature, "the holder has shown something else");
        }
        let Some(made) = claims.get("iat").and_then(Value::as_i64).map(Moment::from_seconds) else {
            return refuse(Kind::Malformed, "the holder's proof does not say when it was made");
        };
        if self.now > made.after(ANSWER) {
            return refuse(Kind::Expired, format!("the holder's proof was made at {made}, and it is {}", self.now));
        }
        if self.now.after(SKEW) < made {
            return refuse(Kind::NotYetValid, format!("the holder's proof was made at {made}, and it is {}", self.now));
        }
        Ok(())
    }
}
