//! From a target of the wire and the secret released for it to a place.

use std::{fmt::Display, rc::Rc};

use backends::Storage;
use ipc::{
    Code, Refusal,
    messages::{
        courier::{Kind as Wire, Target as Wanted},
        crypto::ApiKey,
    },
    secret,
};
use reqwest::Url;

use crate::{Credential, Http, Kind, Secret, Target};

/// Opens places.
pub(crate) struct Targets {
    http: Http,
}

impl Targets {
    pub(crate) fn new(http: Http) -> Targets {
        Targets { http }
    }

    /// The place, at the base URL that the person lent the secret for. Nothing is asked of it yet.
    pub(crate) fn open(&self, wanted: Wanted, released: ApiKey) -> Result<Rc<dyn Storage>, Refusal> {
        let ApiKey { base_url, key } = released;
        let kind = match wanted.kind {
            Wire::S3 { bucket, region } => Kind::S3 { bucket, region },
            Wire::WebDav => Kind::WebDav,
            Wire::VercelBlob { content } => Kind::VercelBlob { content: at_its_origin(content, &base_url)? },
        };
        let credential = credential(&kind, &key)?;
        let endpoint = Some(base_url).filter(|url| !url.is_empty());
        let target = Target { kind, endpoint, folder: Some(wanted.folder).filter(|folder| !folder.is_empty()), token: None };
        target.check().map_err(given)?;
        // Nothing is asked yet, so whatever is wrong is wrong with what was given.
        crate::open(&target, &credential, &self.http).map_err(given)
    }
}

/// A secret is lent for one origin, so nothing is read with it at another one that a caller names.
fn at_its_origin(content: String, base_url: &str) -> Result<Option<String>, Refusal> {
    if content.is_empty() {
        return Ok(None);
    }
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin()).filter(|origin| origin.is_tuple());
    match (origin(&content), origin(base_url)) {
        (Some(content_at), Some(lent_for)) if content_at == lent_for => Ok(Some(content)),
        _ => {
            Err(Refusal::new(Code::OriginRefused, "the secret is lent for one origin, and the values are said to lie at another"))
        }
    }
}

/// What a place of this kind is shown.
fn credential(kind: &Kind, key: &secret::Secret) -> Result<Credential, Refusal> {
    let bytes = key.expose();
    if bytes.is_empty() {
        return Ok(Credential::None);
    }
    let words = std::str::from_utf8(bytes).map_err(|_| not_of_this_kind("its credential is no text"))?;
    let own = |words: &str| Secret::new(words.to_owned());
    match kind {
        Kind::VercelBlob { .. } => Ok(Credential::Token(own(words))),
        Kind::WebDav => {
            let (user, password) =
                words.split_once(':').ok_or_else(|| not_of_this_kind("the credential of WebDAV is `user:password`"))?;
            Ok(Credential::Password { user: user.to_owned(), password: own(password) })
        }
        Kind::S3 { .. } => {
            let mut parts = words.splitn(3, ':');
            let (Some(id), Some(secret)) = (parts.next(), parts.next()) else {
                return Err(not_of_this_kind("the credential of S3 is `access key id:secret access key`"));
            };
            Ok(Credential::Key { id: id.to_owned(), secret: own(secret), session: parts.next().map(own) })
        }
    }
}

fn not_of_this_kind(sentence: &str) -> Refusal {
    Refusal::new(Code::InputInvalid, sentence)
}

/// A description or a credential with which nothing can be asked.
fn given(bad: impl Display) -> Refusal {
    Refusal::new(Code::InputInvalid, format!("failed to {bad}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stays_at_the_origin_it_was_lent_for() {
        let read_at = |content: &str, lent: &str| at_its_origin(content.to_owned(), lent).map_err(|refusal| refusal.code);
        assert_eq!(read_at("", "https://a.example"), Ok(None));
        assert_eq!(read_at("http://127.0.0.1:1/c", "http://127.0.0.1:1/api"), Ok(Some("http://127.0.0.1:1/c".to_owned())));
        for (content, lent) in [
            ("https://b.example/c", "https://a.example"),
            ("http://a.example/c", "https://a.example"),
            ("https://a.example:444/c", "https://a.example"),
            ("https://a.example/c", ""),
            ("data:x", "data:x"),
        ] {
            assert_eq!(read_at(content, lent), Err(Code::OriginRefused), "{content} {lent}");
        }
    }

    #[test]
    fn each_kind_has_its_credential() {
        let s3 = Kind::S3 { bucket: "b".to_owned(), region: "auto".to_owned() };
        let secret = |words: &str| secret::Secret::new(words.as_bytes().to_vec());
        assert!(matches!(credential(&s3, &secret("id:key")), Ok(Credential::Key { session: None, .. })));
        assert!(matches!(credential(&s3, &secret("id:key:s:t")), Ok(Credential::Key { session: Some(_), .. })));
        assert!(matches!(credential(&Kind::WebDav, &secret("")), Ok(Credential::None)));
        assert!(matches!(credential(&Kind::WebDav, &secret("u:p:q")), Ok(Credential::Password { .. })));
        for (kind, words) in [(&s3, "alone"), (&Kind::WebDav, "alone")] {
            let refused = credential(kind, &secret(words)).map(|_| ()).expect_err("it is no credential");
            assert_eq!(refused.code, Code::InputInvalid);
            assert!(!refused.to_string().contains("alone"));
        }
    }
}
