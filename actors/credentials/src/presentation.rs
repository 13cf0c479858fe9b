//! Presentations: a holder shows credentials to one verifier, who asked with a challenge.
//!
//! The challenge makes a presentation good once, the domain makes it good for one verifier. That a challenge is new, and is
//! accepted once only, is the verifier's to keep: this crate remembers nothing.

use serde_json::{Map, Value, json};

use crate::{
    contexts::CREDENTIALS_V2,
    credential::{Credential, Verifier, fits},
    error::{Kind, Result, refuse},
    json,
    key::PublicKey,
    model,
    moment::Moment,
    proof::{Options, Purpose, Suite},
    proofs,
    rdf::Canonicalize,
    signer::Signer,
};

/// How many credentials a presentation may have.
pub const MAX_CREDENTIALS: usize = 16;

/// The type of an object that holds a credential as a token, in its id.
const ENVELOPE: &str = "EnvelopedVerifiableCredential";
const ENVELOPED: &str = "data:application/vc+jwt,";

/// A token as it stands among the credentials of a presentation.
pub fn envelope(token: &str) -> Map<String, Value> {
    let mut envelope = Map::new();
    envelope.insert("@context".to_owned(), json!([CREDENTIALS_V2]));
    envelope.insert("id".to_owned(), json!(format!("{ENVELOPED}{token}")));
    envelope.insert("type".to_owned(), json!(ENVELOPE));
    envelope
}

/// What the verifier has asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Something new each time, that nobody can guess.
    pub challenge: String,
    /// Who asks.
    pub domain: String,
}

/// Whose credentials may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The holder's own.
    Holder,
    /// Anybody's: what they say is then not about the holder.
    Anybody,
}

/// A presentation whose proof holds, with credentials that hold.
#[derive(Debug, Clone)]
pub struct Presentation {
    holder: PublicKey,
    credentials: Vec<Credential>,
}

impl Presentation {
    /// Who showed them.
    pub fn holder(&self) -> &PublicKey {
        &self.holder
    }

    /// What was shown.
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }
}

/// Shows credentials to who asked.
pub fn present(
    credentials: &[Map<String, Value>],
    question: &Question,
    suite: Suite,
    now: Moment,
    signer: &dyn Signer,
    canonicalizer: &dyn Canonicalize,
) -> Result<Map<String, Value>> {
    if credentials.is_empty() || credentials.len() > MAX_CREDENTIALS {
        return refuse(Kind::CannotMake, format!("a presentation shows one credential to {MAX_CREDENTIALS}"));
    }
    let mut document = Map::new();
    document.insert("@context".to_owned(), json!([CREDENTIALS_V2]));
    document.insert("type".to_owned(), json!(["VerifiablePresentation"]));
    document.insert("holder".to_owned(), json!(signer.public_key().did()));
    document.insert("verifiableCredential".to_owned(), json!(credentials));
    let options = Options {
        challenge: Some(question.challenge.clone()),
        domain: Some(question.domain.clone()),
        ..Options::new(suite, Purpose::Authentication, now)
    };
    let presented = proofs::add(&document, &options, signer, canonicalizer)?;
    fits(&presented)?;
    Ok(presented)
}

impl Verifier<'_> {
    /// Checks a presentation: that it answers this question, that the holder signed it, and every credential in it.
    pub fn presentation(&self, text: &[u8], question: &Question, about: About) -> Result<Presentation> {
        self.presentation_to(text, Some(&question.challenge), Some(&question.domain), about)
    }

    /// The same where who asked may have left out one or both: then it is no proof that the holder is there now, or meant
    /// this verifier.
    pub fn presentation_to(
        &self,
        text: &[u8],
        challenge: Option<&str>,
        domain: Option<&str>,
        about: About,
    ) -> Result<Presentation> {
        let document = json::read_object(text)?;
        model::presentation(&document)?;
        // Without any it says who its holder is, and nothing else.
        let shown = match document.get("verifiableCredential") {
            None => &[],
            Some(Value::Array(shown)) if !shown.is_empty() => shown.as_slice(),
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            Some(_) => return refuse(Kind::Malformed, "its verifiableCredential is not one or several credentials"),
        };
        if shown.len() > MAX_CREDENTIALS {
            return refuse(Kind::TooLarge, format!("it shows more than {MAX_CREDENTIALS} credentials"));
        }
        let (bare, proved) = proofs::verify(&document, self.now, self.canonicalizer)?;
        let [proved] = proved.as_slice() else {
            return refuse(Kind::Malformed, "it has more than one proof");
        };
        if proved.purpose != Purpose::Authentication {
            return refuse(Kind::WrongPurpose, "its proof is not for authentication");
        }
        if challenge.is_some_and(|challenge| proved.challenge.as_deref() != Some(challenge)) {
            return refuse(Kind::WrongChallenge, "it answers another question");
        }
        if domain.is_some_and(|domain| proved.domains != [domain]) {
            return refuse(Kind::WrongAudience, "it is for somebody else");
        }
        let holder = match bare.get("holder") {
            Some(Value::Object(holder)) => model::id(holder)?,
            Some(Value::String(holder)) => Some(holder.clone()),
            Some(_) => return refuse(Kind::Malformed, "its holder is not an id"),
            None => None,
        };
        if holder.is_some_and(|holder| holder != proved.key.did()) {
            return refuse(Kind::WrongHolder, "it is not signed by its holder");
        }
        let mut credentials = Vec::new();
        for (place, credential) in shown.iter().enumerate() {
            let at = |refused: crate::Refused| refused.at(format!("credential {}", place + 1));
            let Value::Object(credential) = credential else {
                return refuse(Kind::Malformed, "a credential is not an object").map_err(at);
            };
            let credential = self.shown(credential).map_err(at)?;
            if about == About::Holder && credential.subject().map_err(at)? != proved.key.did() {
                return refuse(Kind::WrongHolder, "it is not about the holder").map_err(at);
            }
            credentials.push(credential);
        }
        Ok(Presentation { holder: proved.key, credentials })
    }

    /// A credential of a presentation: a document, or a token in an envelope.
    fn shown(&self, credential: &Map<String, Value>) -> Result<Credential> {
        if !model::strings(credential, "type")?.iter().any(|name| name == ENVELOPE) {
            return self.credential_of(credential, &[]);
        }
        match credential.get("id").and_then(Value::as_str).and_then(|id| id.strip_prefix(ENVELOPED)) {
            Some(token) => self.token(token),
            None => refuse(Kind::Unsupported, "its envelope does not hold a vc+jwt"),
        }
    }
}
