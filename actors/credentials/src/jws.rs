//! JSON Web Signatures in compact form (RFC 7515), with Ed25519 and nothing else.
//!
//! What goes wrong with them elsewhere: the token chooses the algorithm (`none`, or HMAC with the public key), brings its own
//! key (`jwk`, `jku`, `x5u`), or means something that the reader does not know (`crit`, `b64`). Here the header may have
//! four members, each with one meaning.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{
    canonical::canonical,
    error::{Kind, Refused, Result, refuse, short},
    json,
    key::PublicKey,
    proof,
    signer::Signer,
    to_sign::ToSign,
};

/// How the one algorithm is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `EdDSA` (RFC 8037): what everybody knows.
    EdDsa,
    /// `Ed25519` (RFC 9864): what is to take its place.
    Ed25519,
}

impl Algorithm {
    /// Its name in headers.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Ed25519 => "Ed25519",
        }
    }
}

/// Signs. A token names its key with `kid`, except where the reader has the key. `what` says what kind of token it is.
pub(crate) fn sign(
    header: Header<'_>,
    payload: &[u8],
    signer: &dyn Signer,
    what: fn(header: String, payload: String) -> ToSign,
) -> Result<String> {
    let Header { algorithm, typ, content, names_key } = header;
    let mut header = Map::new();
    header.insert("alg".to_owned(), algorithm.name().into());
    header.insert("typ".to_owned(), typ.into());
    header.extend(content.map(|content| ("cty".to_owned(), content.into())));
    if names_key {
        header.insert("kid".to_owned(), signer.public_key().method().into());
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| Refused::new(Kind::CannotMake, "write it in UTF-8"));
    let header = text(canonical(&header)?)?;
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(payload));
    let signature = proof::sign(signer, what(header, text(payload.to_vec())?))?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    if token.len() > json::MAX_BYTES { refuse(Kind::TooLarge, "it would be too large to be read") } else { Ok(token) }
}

/// What the header of a token is made from.
pub(crate) struct Header<'a> {
    /// How the algorithm is named.
    pub(crate) algorithm: Algorithm,
    /// The type, `typ`.
    pub(crate) typ: &'a str,
    /// The type of the content, `cty`.
    pub(crate) content: Option<&'a str>,
    /// Whether it names its key.
    pub(crate) names_key: bool,
}

/// A token whose header may be read; its signature is not checked yet.
pub(crate) struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    payload: Vec<u8>,
    kid: Option<String>,
    algorithm: Algorithm,
}

impl<'a> Token<'a> {
    /// Takes a token of a type apart.
    pub(crate) fn read(text: &'a str, types: &[&str]) -> Result<Token<'a>> {
        if text.len() > json::MAX_BYTES {
            return refuse(Kind::TooLarge, format!("it has {} bytes, at most {} are read", text.len(), json::MAX_BYTES));
        }
        let shape = || Refused::new(Kind::Malformed, "it is not a token of three parts");
        let (signed, signature) = text.rsplit_once('.').ok_or_else(shape)?;
        let (header, payload) = signed.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or_else(shape)?;
        let bytes = |part: &str| {
            URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::new(Kind::Malformed, "a part of the token is not base64url"))
        };
        let header = json::read_object(&bytes(header)?).map_err(|refused| refused.at("its header"))?;
        let member = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => refuse(Kind::Malformed, format!("the {name} of its header is not a text")),
        };
        if let Some(other) = header.keys().find(|name| !["alg", "typ", "cty", "kid"].contains(&name.as_str())) {
            return refuse(Kind::Unsupported, format!("its header has {}, which is not supported", short(other)));
        }
        let algorithm = match member("alg")? {
            Some("EdDSA") => Algorithm::EdDsa,
            Some("Ed25519") => Algorithm::Ed25519,
            other => {
                let name = short(other.unwrap_or("missing"));
                return refuse(Kind::Unsupported, format!("its algorithm is {name}, and must be EdDSA or Ed25519"));
            }
        };
        if !member("typ")?.is_some_and(|typ| types.contains(&typ)) {
            return refuse(Kind::WrongPurpose, format!("its type is not {}", types.join(" or ")));
        }
        if member("cty")?.is_some_and(|content| content != "vc") {
            return refuse(Kind::Unsupported, "its content is not a credential");
        }
        let kid = member("kid")?.map(str::to_owned);
        Ok(Token { signed, signature: bytes(signature)?, payload: bytes(payload)?, kid, algorithm })
    }

    /// The key that the header names. It is a did:key, so it is not looked up anywhere.
    pub(crate) fn key(&self) -> Result<PublicKey> {
        match &self.kid {
            Some(kid) => PublicKey::from_method(kid).map_err(|refused| refused.at("its kid")),
            None => refuse(Kind::NoProof, "its header names no key (kid)"),
        }
    }

    /// How it is signed, as its header names it.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The payload, if this key signed it.
    pub(crate) fn payload(&self, key: &PublicKey) -> Result<Map<String, Value>> {
        if self.kid.as_ref().is_some_and(|kid| *kid != key.method()) {
            return refuse(Kind::NotTheIssuersKey, "its header names another key");
        }
        key.verify(self.signed.as_bytes(), &self.signature)?;
        json::read_object(&self.payload)
    }
}
