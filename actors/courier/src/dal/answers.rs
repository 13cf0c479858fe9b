//! What an answer must be before OpenDAL reads it. OpenDAL takes every text with tags for a list, and one of another kind for a
//! list with nothing in it: with a page to sign in at in between, a full place would be an empty one.

use backends::{Remote, StorageError};
use quick_xml::{Reader, events::Event};
use reqwest::{Method, Response, StatusCode, Url};

use crate::http::{Http, page};

/// Longest list that is read, in bytes: a folder of WebDAV comes whole, and is in memory as the largest value is.
const MAX_LIST: usize = 256 << 20;

/// The protocol of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    S3,
    WebDav,
}

impl Speaks {
    /// The outermost element of the answer, if this request asks for a list.
    pub(super) fn root(self, method: &Method, url: &Url) -> Option<&'static str> {
        match self {
            // What is known of one value is a list too.
            Speaks::WebDav => (method.as_str() == "PROPFIND").then_some("multistatus"),
            Speaks::S3 => {
                let lists = *method == Method::GET && url.query_pairs().any(|(name, _)| name == "list-type");
                lists.then_some("ListBucketResult")
            }
        }
    }

    /// Whether the head of an answer may be one of this protocol. `lists`: to a request for a list.
    pub(super) fn check(self, response: &Response, lists: bool) -> Result<(), StorageError> {
        match (self, response.status()) {
            // Servers of WebDAV tell in pages what they have done, so only what they list is looked at.
            (Speaks::WebDav, StatusCode::MULTI_STATUS | StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) => Ok(()),
            (Speaks::WebDav, status) if lists => Err(other(&format!("PROPFIND with status {}", status.as_u16()), "WebDAV")),
            (Speaks::WebDav, _) => Ok(()),
            (Speaks::S3, _) => page(response).map_or(Ok(()), Err),
        }
    }
}

/// All of a list, if it is one.
pub(super) async fn list(http: &Http, response: &mut Response, root: &'static str) -> Result<Vec<u8>, StorageError> {
    let body = http.body(response, MAX_LIST).await?;
    if is_rooted(&String::from_utf8_lossy(&body), root) { Ok(body) } else { Err(other("with no list", "this protocol")) }
}

fn other(how: &str, protocol: &str) -> StorageError {
    Remote::Nonsense(format!("it answers {how}; no server of {protocol} is there, or a page to sign in at is in between")).into()
}

/// Whether this is XML with such an outermost element, in whatever namespace.
fn is_rooted(text: &str, root: &str) -> bool {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => return element.local_name().as_ref() == root,
            Ok(Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_told_from_a_page() {
        for list in [
            "<multistatus/>",
            "<?xml version=\"1.0\"?>\n<!-- <html> --><D:multistatus xmlns:D=\"DAV:\"><D:response/></D:multistatus>",
            "\u{feff}<d:multistatus xmlns:d=\"DAV:\"></d:multistatus>",
        ] {
            assert!(is_rooted(list, "multistatus"), "{list}");
        }
        for other in ["", "welcome", "<html>multistatus</html>", "<!DOCTYPE html><html><multistatus/></html>", "<"] {
            assert!(!is_rooted(other, "multistatus"), "{other}");
        }
    }

    #[test]
    fn what_asks_for_a_list_is_known() {
        let url = |text: &str| Url::parse(text).expect("an address");
        let propfind = Method::from_bytes(b"PROPFIND").expect("a method");
        assert_eq!(Speaks::WebDav.root(&propfind, &url("http://a/b")), Some("multistatus"));
        assert_eq!(Speaks::WebDav.root(&Method::GET, &url("http://a/b?list-type=2")), None);
        assert_eq!(Speaks::S3.root(&Method::GET, &url("http://a/b?list-type=2&prefix=x")), Some("ListBucketResult"));
        assert_eq!(Speaks::S3.root(&Method::GET, &url("http://a/b/list-type")), None);
    }
}
