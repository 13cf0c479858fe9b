//! Disclosures: the salted claims that stand beside an SD-JWT, and the hashes of them that stand in it (RFC 9901, 4.2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Kind, Refused, Result, refuse, short},
    json,
    random::Salt,
};

/// The member that holds the hashes of an object's claims.
pub(crate) const HASHES: &str = "_sd";
/// The member that names the hash.
pub(crate) const ALGORITHM: &str = "_sd_alg";
/// The one member of an object that stands for a list's element.
pub(crate) const ELEMENT: &str = "...";

/// A claim that may be shown or kept back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    text: String,
    name: Option<String>,
    value: Value,
}

impl Disclosure {
    /// One of an object's member, or of a list's element.
    pub(crate) fn new(salt: Salt, name: Option<&str>, value: &Value) -> Disclosure {
        let salt = URL_SAFE_NO_PAD.encode(salt);
        let parts = match name {
            Some(name) => json!([salt, name, value]),
            None => json!([salt, value]),
        };
        let text = URL_SAFE_NO_PAD.encode(parts.to_string());
        Disclosure { text, name: name.map(str::to_owned), value: value.clone() }
    }

    /// Reads one as it stands in an SD-JWT.
    pub fn read(text: &str) -> Result<Disclosure> {
        let malformed = || Refused::new(Kind::Malformed, "a disclosure is not a list of salt, name and value");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::new(Kind::Malformed, "a disclosure is not base64url"))?;
        let Value::Array(mut parts) = json::read(&bytes).map_err(|refused| refused.at("a disclosure"))? else {
            return Err(malformed());
        };
        let value = parts.pop().ok_or_else(malformed)?;
        let name = match parts.as_slice() {
            [Value::String(_)] => None,
            [Value::String(_), Value::String(name)] => Some(name.clone()),
            _ => return Err(malformed()),
        };
        if let Some(name) = name.as_deref().filter(|name| is_reserved(name)) {
            return refuse(Kind::Malformed, format!("a disclosure is named {}", short(name)));
        }
        Ok(Disclosure { text: text.to_owned(), name, value })
    }

    /// As it stands in an SD-JWT.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of the member; an element of a list has none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it says.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Its hash, as it stands in the signed part: of the text, not of what it means.
    pub fn hash(&self) -> String {
        hash(self.text.as_bytes())
    }
}

/// Names that no claim may have.
pub(crate) fn is_reserved(name: &str) -> bool {
    name == HASHES || name == ELEMENT
}

/// SHA-256 in base64url: the one hash that is supported.
pub(crate) fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}
