//! The right to make one call: where it goes, the key as the header that shows it, and what is known of the server.
//!
//! **Architecture Invariant:** a key is in the header of the requests of its one call and nowhere else. The bytes of that
//! header are overwritten when the call is over; the header says it is sensitive, an [`Access`] has no `Debug`, and what
//! a server says is quoted only after the key was taken out of it.

use std::borrow::Cow;

use bytes::Bytes;
use ipc::{
    Code, Refusal,
    messages::{crypto::ApiKey, llm::Wire},
    secret::Secret,
};
use outbound::Origin;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::{
    profiles::{self, KeyHeader, Profile},
    words::{clean, cut},
};

/// Longest quotation of a server, in characters.
const MAX_QUOTE: usize = 300;

const BEARER: &str = "Bearer ";

/// See the module.
pub(crate) struct Access {
    origin: Origin,
    profile: &'static Profile,
    key: Option<HeaderValue>,
}

impl Access {
    /// Takes what the key process released. The key itself is overwritten when this returns.
    pub(crate) fn new(wire: Wire, released: ApiKey) -> Result<Access, Refusal> {
        let ApiKey { base_url, key } = released;
        let origin = Origin::parse(&base_url, !key.expose().is_empty())?;
        let profile = profiles::of(wire, &origin).ok_or_else(|| Refusal::internal("know what this server speaks"))?;
        let key = if key.expose().is_empty() { None } else { Some(header(profile.key, &key)?) };
        Ok(Access { origin, profile, key })
    }

    /// Where the call goes.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is known of the server.
    pub(crate) fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Whether a key is sent.
    pub(crate) fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// The headers of a request. There is no `Origin`, no cookie and nothing about the person.
    pub(crate) fn headers(&self, accept: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        // A compressed stream holds events back until its block is full.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(version) = self.profile.version {
            headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(version));
        }
        if let Some(key) = &self.key {
            let name = match self.profile.key {
                KeyHeader::Bearer => AUTHORIZATION,
                KeyHeader::XApiKey => HeaderName::from_static("x-api-key"),
            };
            headers.insert(name, key.clone());
        }
        headers
    }

    /// What a server says, as it may stand in a sentence: without control characters, without the key, and short.
    pub(crate) fn quote(&self, words: &str) -> String {
        let words = clean(words);
        // In this order: cleaning may put a key together, and cutting must not leave the half of one.
        let words = match self.key_text() {
            Some(key) => Cow::Owned(words.replace(key, "[key]")),
            None => Cow::Borrowed(words.as_str()),
        };
        cut(&words, MAX_QUOTE)
    }

    fn key_text(&self) -> Option<&str> {
        let text = self.key.as_ref()?.to_str().ok()?;
        Some(text.strip_prefix(BEARER).filter(|_| self.profile.key == KeyHeader::Bearer).unwrap_or(text))
    }
}

/// The header that shows the key. All copies of it share one buffer, which is overwritten when the last of them goes.
fn header(kind: KeyHeader, key: &Secret) -> Result<HeaderValue, Refusal> {
    let prefix = match kind {
        KeyHeader::Bearer => BEARER,
        KeyHeader::XApiKey => "",
    };
    // Never grows, so no copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(prefix.len() + key.expose().len()));
    bytes.extend_from_slice(prefix.as_bytes());
    bytes.extend_from_slice(key.expose());
    let refuse =
        || Refusal::new(Code::KeyRejected, "the key holds a line break or another character that no key has; enter it again");
    if !key.expose().iter().all(u8::is_ascii_graphic) {
        return Err(refuse());
    }
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes)).map_err(|_| refuse())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(base_url: &str, wire: Wire, key: &str) -> Result<Access, Refusal> {
        Access::new(wire, ApiKey { base_url: base_url.into(), key: Secret::new(key.as_bytes().to_vec()) })
    }

    #[test]
    fn a_key_is_shown_as_its_provider_wants_it_and_to_nobody_else() {
        let anthropic = access("https://api.anthropic.com", Wire::Anthropic, "sk-canary").expect("access").headers("a/b");
        assert_eq!(anthropic.get("x-api-key").map(HeaderValue::as_bytes), Some(&b"sk-canary"[..]));
        assert_eq!(anthropic.get("anthropic-version").map(HeaderValue::as_bytes), Some(&b"2026-10-21"[..]));
        let openai = access("https://api.openai.com/v1", Wire::OpenAiChat, "sk-canary").expect("access").headers("a/b");
        assert_eq!(openai.get("authorization").map(HeaderValue::as_bytes), Some(&b"Bearer sk-canary"[..]));
        for headers in [&anthropic, &openai] {
            assert_eq!(headers.get("accept-encoding").map(HeaderValue::as_bytes), Some(&b"identity"[..]));
            assert!(!format!("{headers:?}").contains("canary"), "{headers:?}");
            assert!(headers.get("origin").is_none() && headers.get("cookie").is_none());
        }
        let none = access("http://127.0.0.1:1/v1", Wire::OpenAiChat, "").expect("access").headers("a/b");
        assert!(none.get("authorization").is_none());
    }

    #[test]
    fn a_quotation_is_short_clean_and_without_the_key() {
        let access = access("https://a.example/v1", Wire::OpenAiChat, "sk-canary").expect("access");
        assert_eq!(access.quote("Incorrect key: sk-canary!"), "Incorrect key: [key]!");
        assert_eq!(access.quote("sk-\u{1b}canary sk-\ncanary sk-\u{200b}canary"), "[key] sk- canary [key]");
        let long = access.quote(&format!("{}sk-canary", "x".repeat(MAX_QUOTE - 4)));
        assert!(!long.contains("sk-"), "half a key is left: {long}");
        assert!(long.chars().count() <= MAX_QUOTE);
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_showing_it() {
        for key in ["canary\n", "ca nary", "canary\u{e9}", "canary\r\nhost: evil"] {
            let Err(refusal) = access("https://a.example/v1", Wire::OpenAiChat, key) else { panic!("{key:?} is refused") };
            assert_eq!(refusal.code, Code::KeyRejected);
            assert!(!refusal.sentence.contains("canary"));
        }
    }
}
