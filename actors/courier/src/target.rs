//! What describes a remote place, as data: a person writes it, the archive keeps it, and there is no secret in it.

use backends::Path;
use outbound::{BadOrigin, Origin};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::Credential;

/// Where values lie when nothing else is said.
const FOLDER: &str = "lamos";

/// Vercel's own interface.
const VERCEL: &str = "https://vercel.com/api/blob";

/// Longest name of a bucket or region.
const MAX_NAME: usize = 255;

/// A remote place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Target {
    /// What it speaks.
    pub kind: Kind,
    /// The base URL of its interface. Only Vercel Blob has one of its own.
    pub endpoint: Option<String>,
    /// The folder in it under which everything lies; `lamos` if none is named.
    pub folder: Option<String>,
    /// Under which name the key store keeps its credential; none for a place that wants none.
    pub token: Option<String>,
}

/// What a place speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// S3, and what speaks like it.
    S3 {
        /// The bucket.
        bucket: String,
        /// The region; `auto` for places that have none.
        region: String,
    },
    /// WebDAV.
    WebDav,
    /// Vercel Blob, a private store.
    VercelBlob {
        /// The base URL under which its values are read. It follows from the token if none is named.
        content: Option<String>,
    },
}

/// A target as it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl TryFrom<Written> for Target {
    type Error = BadTarget;

    fn try_from(written: Written) -> Result<Target, BadTarget> {
        let Written { kind, endpoint, folder, token, bucket, region, content } = written;
        let kind = match (kind.as_str(), bucket, region, content) {
            ("s3", Some(bucket), region, None) => Kind::S3 { bucket, region: region.unwrap_or_else(|| "auto".to_owned()) },
            ("webdav", None, None, None) => Kind::WebDav,
            ("vercel-blob", None, None, content) => Kind::VercelBlob { content },
            // A field that means nothing here was meant for something.
            _ => return Err(BadTarget::Form),
        };
        let target = Target { kind, endpoint, folder, token };
        target.check()?;
        Ok(target)
    }
}

impl From<Target> for Written {
    fn from(target: Target) -> Written {
        let Target { kind, endpoint, folder, token } = target;
        let written = Written { endpoint, folder, token, ..Written::default() };
        match kind {
            Kind::S3 { bucket, region } => {
                Written { kind: "s3".to_owned(), bucket: Some(bucket), region: Some(region), ..written }
            }
            Kind::WebDav => Written { kind: "webdav".to_owned(), ..written },
            Kind::VercelBlob { content } => Written { kind: "vercel-blob".to_owned(), content, ..written },
        }
    }
}

/// Why something describes no place. What was written is never repeated: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// Not JSON of this form.
    #[error(
        "read the description of the place: it is JSON with “kind” (s3, webdav or vercel-blob), “endpoint”, “folder”, “token”, and “bucket” for s3"
    )]
    Form,
    /// It has no base URL and its kind has none of its own.
    #[error("find the place: give its “endpoint”, as in https://s3.eu-central-1.amazonaws.com")]
    NoEndpoint,
    /// Not a base URL.
    #[error("take the endpoint as a base URL; it looks like https://dav.example.com/files")]
    Url,
    /// Neither `http` nor `https`.
    #[error("take the endpoint: it must begin with https:// or http://")]
    Scheme,
    /// It holds a name or a password.
    #[error("take an endpoint with a name or a password in it; give it without, and the password as a credential")]
    SecretInUrl,
    /// An address in a form that hides it.
    #[error("take the endpoint: it writes its address in a form that hides it; write it as 192.0.2.1 or [2001:db8::1]")]
    Disguised,
    /// A credential would travel unencrypted.
    #[error("send a credential over http, except to this machine; give an endpoint that begins with https://")]
    InTheClear,
    /// The bucket's or region's name is none.
    #[error("take the bucket or region: it is empty, too long, or has characters that no bucket has")]
    Bucket,
    /// The folder is no path.
    #[error("take the folder: it is a path such as backup/lamos")]
    Folder,
    /// The credential is of another kind than the place wants.
    #[error("open the place with this credential: s3 wants a key, webdav a name and password, vercel-blob a read-write token")]
    Credential,
    /// The token is not of a read-write kind, or names no store.
    #[error("use this token: a read-write token of Vercel Blob begins with vercel_blob_rw_ and names its store")]
    Token,
}

impl From<BadOrigin> for BadTarget {
    fn from(bad: BadOrigin) -> BadTarget {
        match bad {
            BadOrigin::None | BadOrigin::GoesOn => BadTarget::Url,
            BadOrigin::Scheme => BadTarget::Scheme,
            BadOrigin::SecretInside => BadTarget::SecretInUrl,
            BadOrigin::Disguised => BadTarget::Disguised,
            BadOrigin::InTheClear => BadTarget::InTheClear,
        }
    }
}

impl From<BadTarget> for backends::StorageError {
    fn from(bad: BadTarget) -> backends::StorageError {
        backends::Refused::Place(bad.to_string()).into()
    }
}

impl Target {
    /// Reads a description.
    pub fn parse(json: &str) -> Result<Target, BadTarget> {
        serde_json::from_str::<Written>(json).map_err(|_| BadTarget::Form)?.try_into()
    }

    /// Checks all that can be checked without the credential.
    pub fn check(&self) -> Result<(), BadTarget> {
        self.place(&Credential::None)?;
        self.root()?;
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= MAX_NAME
                && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_'))
        };
        match &self.kind {
            Kind::S3 { bucket, region } if !is_name(bucket) || !is_name(region) => Err(BadTarget::Bucket),
            Kind::VercelBlob { content: Some(content) } => Ok(Origin::parse(content, true).map(drop)?),
            _ => Ok(()),
        }
    }

    /// The base URL of its interface, to which this credential may go.
    pub(crate) fn place(&self, credential: &Credential) -> Result<Url, BadTarget> {
        Ok(Origin::parse(self.written()?, !credential.is_none())?.url().clone())
    }

    /// The base URL of its interface, as it was written: for this the secret is lent.
    pub fn base_url(&self) -> Result<String, BadTarget> {
        self.check()?;
        self.written().map(str::to_owned)
    }

    /// The server it is at, as a person is told: its name, and its port if that is not the usual one.
    pub fn server(&self) -> Result<String, BadTarget> {
        let url = self.place(&Credential::None)?;
        let host = url.host_str().ok_or(BadTarget::Url)?;
        Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    fn written(&self) -> Result<&str, BadTarget> {
        match (&self.endpoint, &self.kind) {
            (Some(endpoint), _) => Ok(endpoint),
            (None, Kind::VercelBlob { .. }) => Ok(VERCEL),
            (None, _) => Err(BadTarget::NoEndpoint),
        }
    }

    /// The folder under which everything lies. It is never the top: what else lies there is not ours.
    pub(crate) fn root(&self) -> Result<Path, BadTarget> {
        Path::parse(self.folder.as_deref().unwrap_or(FOLDER)).map_err(|_| BadTarget::Folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_read_and_refused_with_a_reason() {
        let rows: &[(&str, Result<&str, BadTarget>)] = &[
            (r#"{"kind":"s3","bucket":"b","endpoint":"https://s3.example"}"#, Ok("lamos")),
            (
                r#"{"kind":"s3","bucket":"b","region":"eu-1","endpoint":"http://10.0.0.7:9000","folder":"a/b","token":"t"}"#,
                Ok("a/b"),
            ),
            (r#"{"kind":"webdav","endpoint":"https://dav.example/files/"}"#, Ok("lamos")),
            (r#"{"kind":"vercel-blob","token":"blob"}"#, Ok("lamos")),
            (r#"{"kind":"vercel-blob","endpoint":"http://127.0.0.1:1","content":"http://127.0.0.1:1/c"}"#, Ok("lamos")),
            ("", Err(BadTarget::Form)),
            ("[]", Err(BadTarget::Form)),
            (r#"{"kind":"ftp","endpoint":"https://x.example"}"#, Err(BadTarget::Form)),
            (r#"{"kind":"s3","endpoint":"https://s3.example"}"#, Err(BadTarget::Form)),
            (r#"{"kind":"webdav","endpoint":"https://x.example","bucket":"b"}"#, Err(BadTarget::Form)),
            (r#"{"kind":"webdav","endpoint":"https://x.example","password":"canary"}"#, Err(BadTarget::Form)),
            (r#"{"kind":"webdav"}"#, Err(BadTarget::NoEndpoint)),
            (r#"{"kind":"webdav","endpoint":"dav.example"}"#, Err(BadTarget::Url)),
            (r#"{"kind":"webdav","endpoint":"https://dav.example/?a=b"}"#, Err(BadTarget::Url)),
            (r#"{"kind":"webdav","endpoint":"file:///etc/passwd"}"#, Err(BadTarget::Url)),
            (r#"{"kind":"webdav","endpoint":"ftp://dav.example"}"#, Err(BadTarget::Scheme)),
            (r#"{"kind":"webdav","endpoint":"https://a:canary@dav.example"}"#, Err(BadTarget::SecretInUrl)),
            (r#"{"kind":"webdav","endpoint":"https://dav.example","folder":"../x"}"#, Err(BadTarget::Folder)),
            (r#"{"kind":"webdav","endpoint":"http://0x7f.1/"}"#, Err(BadTarget::Disguised)),
            (r#"{"kind":"s3","bucket":"a/b","endpoint":"https://s3.example"}"#, Err(BadTarget::Bucket)),
            (r#"{"kind":"vercel-blob","content":"http://far.example"}"#, Err(BadTarget::InTheClear)),
        ];
        for (json, wanted) in rows {
            let read = Target::parse(json);
            if let Ok(target) = &read {
                let written = serde_json::to_string(target).expect("it can be written");
                assert_eq!(Target::parse(&written).as_ref(), Ok(target));
            }
            if let Err(error) = &read {
                assert!(!error.to_string().contains("canary"));
            }
            let root = read.and_then(|target| target.root().map(|root| root.to_string()));
            assert_eq!(root, wanted.map(str::to_owned), "{json}");
        }
    }

    #[test]
    fn a_person_is_told_which_server() {
        for (json, server) in [
            (r#"{"kind":"webdav","endpoint":"https://dav.example/files/of/me"}"#, "dav.example"),
            (r#"{"kind":"webdav","endpoint":"http://[::1]:8080/"}"#, "[::1]:8080"),
            (r#"{"kind":"vercel-blob","token":"blob"}"#, "vercel.com"),
        ] {
            let target = Target::parse(json).expect("a target");
            assert_eq!(target.server().as_deref(), Ok(server));
        }
    }

    #[test]
    fn a_credential_goes_nowhere_in_the_clear() {
        let token = Credential::Token(crate::Secret::new("x".to_owned()));
        for (endpoint, well) in [
            ("https://dav.example", true),
            ("http://dav.example", false),
            ("http://192.168.1.7", false),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost:1", true),
            ("http://localhost.example", false),
        ] {
            let target = Target { kind: Kind::WebDav, endpoint: Some(endpoint.to_owned()), folder: None, token: None };
            assert_eq!(target.place(&token).is_ok(), well, "{endpoint}");
            assert!(target.place(&Credential::None).is_ok());
        }
    }
}
