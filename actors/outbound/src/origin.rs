//! Where a call goes: the base URL as the person gave it, checked before anything is sent.
//!
//! **Architecture Invariant:** a key leaves this machine only encrypted. What a base URL is refused for is never repeated
//! in the sentence: it may hold a password.

use std::net::IpAddr;

use ipc::{Code, Refusal};
use reqwest::Url;

/// Longest base URL.
const MAX_URL: usize = 2048;

/// Scheme, host, port and the path in front of the interface.
#[derive(Clone)]
pub struct Origin {
    base: Url,
}

/// Why a base URL is not taken. What was written is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// Not a base URL.
    #[error("the base URL is none; it looks like https://api.openai.com/v1")]
    None,
    /// Neither `http` nor `https`.
    #[error("the base URL must begin with https:// or http://")]
    Scheme,
    /// It holds a name or a password.
    #[error("the base URL holds a name or a password; give it without, and the key as a key")]
    SecretInside,
    /// It has a query or a fragment.
    #[error("the base URL goes on after its path; give it without ? and #")]
    GoesOn,
    /// An address in a form that hides it.
    #[error("the base URL writes its address in a form that hides it; write it as 192.0.2.1 or [2001:db8::1]")]
    Disguised,
    /// A key would travel unencrypted.
    #[error("a key is sent over https only, except to this machine; give a base URL that begins with https://")]
    InTheClear,
}

impl From<BadOrigin> for Refusal {
    fn from(bad: BadOrigin) -> Refusal {
        Refusal::new(Code::OriginRefused, bad.to_string())
    }
}

impl Origin {
    /// Checks a base URL. With `keyed` a key will be sent there.
    pub fn parse(base_url: &str, keyed: bool) -> Result<Origin, BadOrigin> {
        let base = match Url::parse(base_url) {
            Ok(base) if base_url.len() <= MAX_URL && base.has_host() => base,
            _ => return Err(BadOrigin::None),
        };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(BadOrigin::Scheme);
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(BadOrigin::SecretInside);
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(BadOrigin::GoesOn);
        }
        let origin = Origin { base };
        if origin.is_disguised(base_url) {
            return Err(BadOrigin::Disguised);
        }
        if keyed && origin.base.scheme() == "http" && !origin.is_this_machine() {
            return Err(BadOrigin::InTheClear);
        }
        Ok(origin)
    }

    /// The base URL.
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// Scheme, host and port, for sentences.
    pub fn name(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Host name or address.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// The port, written or not.
    pub fn port(&self) -> u16 {
        self.base.port_or_known_default().unwrap_or_default()
    }

    /// The path of the base, without a slash at its end.
    pub fn path(&self) -> &str {
        self.base.path().trim_end_matches('/')
    }

    /// A place below the base.
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{}{path}", self.path()));
        url.set_query(query);
        url
    }

    fn address(&self) -> Option<IpAddr> {
        self.host().trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    fn is_this_machine(&self) -> bool {
        self.address().map_or_else(|| is_localhost(self.host()), |address| address.is_loopback())
    }

    /// The host is an address, and not written as one: `0x7f.1`, `2130706433`, `[::ffff:127.0.0.1]`. Such forms exist to
    /// get past those who look at them.
    fn is_disguised(&self, written: &str) -> bool {
        match self.address() {
            Some(IpAddr::V4(_)) => {
                let plain = format!("{}://{}", self.base.scheme(), self.host());
                let begins = written.get(..plain.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(&plain));
                !begins || written[plain.len()..].starts_with(|next: char| next.is_ascii_digit() || next == '.')
            }
            Some(IpAddr::V6(address)) => address.to_ipv4_mapped().is_some(),
            None => false,
        }
    }
}

/// Whether a name is that of this machine, which no name server is asked about (RFC 6761).
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let begin = name.len().saturating_sub("localhost".len());
    let Some((before, last)) = name.split_at_checked(begin) else { return false };
    last.eq_ignore_ascii_case("localhost") && (before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_with_and_without_a_key() {
        //          base URL                              without, with a key
        let rows = [
            ("https://api.openai.com/v1", true, true),
            ("https://api.anthropic.com", true, true),
            ("HTTPS://API.example.com:8443/a/b/", true, true),
            ("http://127.0.0.1:8099/v1", true, true),
            ("http://127.1.2.3/v1", true, true),
            ("http://[::1]:8099/v1", true, true),
            ("http://localhost:11434/v1", true, true),
            ("http://LocalHost./v1", true, true),
            ("http://ollama.localhost/v1", true, true),
            ("http://notlocalhost/v1", true, false),
            ("http://localhost.example.com/v1", true, false),
            ("http://192.168.1.7:11434/v1", true, false),
            ("https://192.168.1.7/v1", true, true),
            ("http://169.254.169.254/", true, false),
            ("http://0.0.0.0:11434", true, false),
            ("http://example.com/v1", true, false),
            ("http://2130706433/v1", false, false),
            ("http://0x7f.1/v1", false, false),
            ("http://0177.0.0.1/v1", false, false),
            ("http://127.1/v1", false, false),
            ("http://127.0.0.01/v1", false, false),
            ("http://%31%32%37.0.0.1/v1", false, false),
            ("http://１２７.0.0.1/v1", false, false),
            ("http:\\\\127.0.0.1", false, false),
            ("http://[::ffff:127.0.0.1]/v1", false, false),
            ("http://[::]/v1", true, false),
            ("https://user@example.com/v1", false, false),
            ("https://user:word@example.com/v1", false, false),
            ("https://example.com/v1?key=1", false, false),
            ("https://example.com/v1#a", false, false),
            ("file:///etc/passwd", false, false),
            ("ftp://example.com", false, false),
            ("example.com/v1", false, false),
            ("unix:/run/ollama", false, false),
            ("", false, false),
        ];
        for (url, without, with) in rows {
            assert_eq!((Origin::parse(url, false).is_ok(), Origin::parse(url, true).is_ok()), (without, with), "{url}");
        }
        assert!(Origin::parse(&format!("https://a/{}", "x".repeat(MAX_URL)), false).is_err());
    }

    #[test]
    fn a_refused_url_is_not_repeated() {
        for url in ["https://user:canary@a.example/canary?canary", "canary://canary@x", "canary", "http://canary.example/canary"]
        {
            let Err(bad) = Origin::parse(url, true) else { panic!("{url} is refused") };
            let refusal = Refusal::from(bad);
            assert_eq!(refusal.code, Code::OriginRefused);
            assert!(!refusal.sentence.contains("canary"), "{}", refusal.sentence);
        }
    }

    #[test]
    fn places_lie_below_the_base() {
        let at = |base: &str, path: &str| Origin::parse(base, false).expect(base).at(path).to_string();
        assert_eq!(at("https://a.example/v1", "/models"), "https://a.example/v1/models");
        assert_eq!(at("https://a.example/v1/", "/models"), "https://a.example/v1/models");
        assert_eq!(at("https://a.example", "/v1/models?limit=9"), "https://a.example/v1/models?limit=9");
        assert_eq!(at("http://[::1]:8099/x/v1", "/chat/completions"), "http://[::1]:8099/x/v1/chat/completions");
        assert_eq!(Origin::parse("https://a.example:443/v1", false).expect("a URL").name(), "https://a.example");
    }
}
