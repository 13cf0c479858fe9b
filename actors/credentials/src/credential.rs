//! Credentials: issuing one with a proof, and checking one from a stranger down to what may be relied on.

use serde_json::{Map, Value};

use crate::{
    error::{Kind, Refused, Result, refuse},
    json,
    key::PublicKey,
    model::{Model, StatusEntry},
    moment::{Moment, Validity},
    proof::{Options, Proved, Purpose},
    proofs,
    rdf::Canonicalize,
    signer::Signer,
};

/// Issues a credential: checks what it says, and signs it with the issuer's key. One that is signed already gets a further
/// proof.
pub fn issue(
    document: &Map<String, Value>,
    options: &Options,
    signer: &dyn Signer,
    canonicalizer: &dyn Canonicalize,
) -> Result<Map<String, Value>> {
    let model = Model::read(document)?;
    if options.purpose != Purpose::Assertion {
        return refuse(Kind::CannotMake, "a credential is signed for assertionMethod");
    }
    let first = !document.contains_key("proof");
    if first && model.issuer != signer.public_key().did() {
        return refuse(Kind::CannotMake, "its issuer is not the one who signs");
    }
    let issued = proofs::add(document, options, signer, canonicalizer)?;
    fits(&issued)?;
    Ok(issued)
}

/// What nobody would read is not made.
pub(crate) fn fits(document: &Map<String, Value>) -> Result<()> {
    let length = serde_json::to_vec(document).map_or(usize::MAX, |text| text.len());
    if length > json::MAX_BYTES { refuse(Kind::TooLarge, "it would be too large to be read") } else { Ok(()) }
}

/// Who checks what strangers send: at which moment, and who canonicalises for it.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    /// What time it is.
    pub now: Moment,
    /// Who brings what is signed with `eddsa-rdfc-2022` into its canonical form.
    pub canonicalizer: &'a dyn Canonicalize,
}

/// A credential whose proofs hold, whose issuer signed it, and which is valid now. Its status is for the caller to check, who
/// has the lists: [`Credential::status`].
#[derive(Debug, Clone)]
pub struct Credential {
    document: Map<String, Value>,
    model: Model,
    key: PublicKey,
    signers: Vec<PublicKey>,
    suites: Vec<&'static str>,
}

impl Verifier<'_> {
    /// Checks a credential with Data Integrity proofs.
    pub fn credential(&self, text: &[u8]) -> Result<Credential> {
        self.credential_of(&json::read_object(text)?, &[])
    }

    /// The same, and these must all have signed it.
    pub fn credential_signed_by(&self, text: &[u8], signers: &[PublicKey]) -> Result<Credential> {
        self.credential_of(&json::read_object(text)?, signers)
    }

    /// The same for one that was read already, out of a presentation.
    pub(crate) fn credential_of(&self, document: &Map<String, Value>, required: &[PublicKey]) -> Result<Credential> {
        // What is wrong with the document itself is said before anything costs time.
        Model::read(document)?;
        let (bare, proved) = proofs::verify(document, self.now, self.canonicalizer)?;
        if proved.iter().any(|proved| proved.purpose != Purpose::Assertion) {
            return refuse(Kind::WrongPurpose, "a proof of the credential is not for assertionMethod");
        }
        proofs::require(&proved, required)?;
        let signers = proved.iter().map(|proved: &Proved| proved.key).collect();
        let suites = proved.iter().map(|proved| proved.suite.name()).collect();
        self.accept(bare, signers, suites)
    }

    /// A document without proof whose signature holds: whether its issuer is among the signers, and whether it is valid now.
    pub(crate) fn accept(
        &self,
        document: Map<String, Value>,
        signers: Vec<PublicKey>,
        suites: Vec<&'static str>,
    ) -> Result<Credential> {
        let model = Model::read(&document)?;
        let key = PublicKey::from_did(&model.issuer).map_err(|refused| refused.at("its issuer"))?;
        if !signers.contains(&key) {
            return refuse(Kind::NotTheIssuersKey, format!("it is signed, but not by its issuer {key}"));
        }
        model.validity.check(self.now)?;
        Ok(Credential { document, model, key, signers, suites })
    }
}

impl Credential {
    /// What was signed: without the proofs, and without contexts that were added later.
    pub fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// Its own id, if it has one.
    pub fn id(&self) -> Option<&str> {
        self.model.id.as_deref()
    }

    /// The id of who issued it.
    pub fn issuer(&self) -> &str {
        &self.model.issuer
    }

    /// The issuer's key.
    pub fn issuer_key(&self) -> &PublicKey {
        &self.key
    }

    /// Everybody who signed it, the issuer among them.
    pub fn signers(&self) -> &[PublicKey] {
        &self.signers
    }

    /// How each of them signed: names of suites, or of a token's algorithm.
    pub fn suites(&self) -> &[&'static str] {
        &self.suites
    }

    /// What it says that every credential says.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Whether it is of a type.
    pub fn is(&self, name: &str) -> bool {
        self.model.types.iter().any(|known| known == name)
    }

    /// From when to when it is valid.
    pub fn validity(&self) -> Validity {
        self.model.validity
    }

    /// The id of the one it is about.
    pub fn subject(&self) -> Result<&str> {
        self.model.subject()
    }

    /// What it says about the one it is about.
    pub fn claims(&self) -> Result<&Map<String, Value>> {
        let subject = match self.document.get("credentialSubject") {
            Some(Value::Array(subjects)) if subjects.len() == 1 => subjects.first(),
            other => other,
        };
        subject.and_then(Value::as_object).ok_or_else(|| Refused::new(Kind::Malformed, "it is about more than one thing"))
    }

    /// Where its status stands.
    pub fn status(&self) -> &[StatusEntry] {
        &self.model.status
    }
}
