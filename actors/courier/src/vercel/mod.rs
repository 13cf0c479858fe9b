//! Vercel Blob, private stores alone, after the protocol of its own client library (version 12 of the interface).
//!
//! Values are put, listed, asked about and deleted at the interface; they are read at the store's own address, with the same
//! token, past the caches in between (`cache=0`). These two origins are all the token goes to: addresses that an answer
//! holds are not followed.
//!
//! Every operation here may be done twice: a put replaces, without a suffix of chance. So what broke off, was answered with
//! 5xx, or is asked to wait (429) is tried again by rule; who is told to wait longer than that hears it.

mod answers;
mod upload;

use std::time::SystemTime;

use backends::{Answer, Cursor, Entry, MAX_PIECE, Page, Path, Pieces, Remote, Storage, StorageError, Value};
use bytes::Bytes;
use outbound::Origin;
use reqwest::{
    Method, Request, Response, StatusCode, Url,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue},
};
use zeroize::Zeroizing;

use self::answers::{About, Listed};
use crate::{BadTarget, Credential, Http, Kind, Target, dal::s3::known, http::page, read};

/// The version of the interface.
const VERSION: &str = "12";

/// Longest path at the store, in bytes; the rest is the store's own.
const MAX_PATHNAME: usize = 950;

/// Most entries the interface lists at once.
const MAX_LISTED: usize = 1000;

/// Most bytes of an answer that is no value.
const MAX_ANSWER: usize = 4 << 20;

/// A private store.
pub(crate) struct VercelBlob {
    http: Http,
    /// The interface, and the store.
    origins: [Url; 2],
    /// Shown with every request.
    bearer: HeaderValue,
    store: String,
    root: Path,
}

impl VercelBlob {
    /// Opens a store.
    pub(crate) fn open(target: &Target, credential: &Credential, http: &Http) -> Result<VercelBlob, StorageError> {
        let Kind::VercelBlob { content } = &target.kind else { return Err(BadTarget::Form.into()) };
        let Credential::Token(token) = credential else { return Err(BadTarget::Credential.into()) };
        // vercel_blob_rw_STORE_RANDOM
        let store = token.words().strip_prefix("vercel_blob_rw_").and_then(|rest| rest.split_once('_'));
        let is_name =
            |store: &&str| !store.is_empty() && store.len() < 64 && store.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let store = store.map(|(store, _)| store).filter(is_name).ok_or(BadTarget::Token)?.to_owned();
        let own = || format!("https://{}.private.blob.vercel-storage.com", store.to_ascii_lowercase());
        let content = Origin::parse(&content.clone().unwrap_or_else(own), true).map_err(BadTarget::from)?.url().clone();
        let words = Zeroizing::new(format!("Bearer {}", token.words()));
        let mut bearer = HeaderValue::from_str(&words).map_err(|_| BadTarget::Token)?;
        bearer.set_sensitive(true);
        let origins = [target.place(credential)?, content];
        Ok(VercelBlob { http: http.clone(), origins, bearer, store, root: target.root()? })
    }

    fn pathname(&self, path: &Path) -> Result<String, StorageError> {
        let name = format!("{}/{path}", self.root);
        if name.len() > MAX_PATHNAME { Err(backends::BadPath::TooLong.into()) } else { Ok(name) }
    }

    /// A place of the interface.
    fn at(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.origins[0].clone();
        url.set_path(&format!("{}/{path}", self.origins[0].path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The address of a value at the store.
    fn value_at(&self, name: &str) -> Result<Url, StorageError> {
        let mut url = self.origins[1].clone();
        let mut segments = url.path_segments_mut().map_err(|()| StorageError::Ours("no path in an address".to_owned()))?;
        segments.pop_if_empty().extend(name.split('/'));
        drop(segments);
        url.set_query(Some("cache=0"));
        Ok(url)
    }

    /// Asks once. An answer that is no success is an error, but for 404, which the caller reads.
    async fn ask(
        &self,
        method: Method,
        url: Url,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Response, StorageError> {
        let mut request = Request::new(method, url);
        let ours = "a header cannot be sent";
        let all: &mut HeaderMap = request.headers_mut();
        all.insert(AUTHORIZATION, self.bearer.clone());
        all.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in [("x-api-version", VERSION), ("x-vercel-blob-store-id", &self.store)].iter().chain(headers) {
            let value = HeaderValue::from_str(value).map_err(|_| StorageError::Ours(ours.to_owned()))?;
            all.insert(HeaderName::from_static(name), value);
        }
        all.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        let mut response = self.http.send(&self.origins, request).await?;
        if response.status().is_success() {
            return page(&response).map_or(Ok(response), Err);
        }
        // What a failure says is read before it is judged: 403 and 400 have several meanings.
        let said = self.http.body(&mut response, MAX_ANSWER).await.unwrap_or_default();
        match answers::failure(response.status(), response.headers(), &said) {
            Some(error) => Err(error),
            None => Ok(response),
        }
    }

    /// Asks until it goes through, and reads what is said.
    async fn say(
        &self,
        method: Method,
        url: &Url,
        headers: &[(&'static str, &str)],
        body: &Bytes,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        self.http
            .again(async || {
                let mut response = self.ask(method.clone(), url.clone(), headers, body.clone()).await?;
                if response.status() == StatusCode::NOT_FOUND {
                    return Ok(None);
                }
                self.http.body(&mut response, MAX_ANSWER).await.map(Some)
            })
            .await
    }

    /// Asks once for a value.
    async fn begin(&self, path: &Path) -> Result<Option<Value>, StorageError> {
        let url = self.value_at(&self.pathname(path)?)?;
        let response = self.ask(Method::GET, url, &[], Bytes::new()).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let length = length.ok_or_else(|| Remote::Nonsense("a value without its length".to_owned()))?;
        let pieces = Stream { http: self.http.clone(), response, rest: Bytes::new(), left: length };
        Ok(Some(Value { length, pieces: Box::new(pieces) }))
    }

    async fn about(&self, path: &Path) -> Result<Option<Entry>, StorageError> {
        let name = self.pathname(path)?;
        let address = self.value_at(&name).map(|mut url| {
            url.set_query(None);
            url
        })?;
        let url = self.at("", &[("url", address.as_str())]);
        let Some(said) = self.say(Method::GET, &url, &[], &Bytes::new()).await? else { return Ok(None) };
        let about = About::read(&said)?;
        if about.pathname != name {
            return Err(Remote::Nonsense("it answers about another value".to_owned()).into());
        }
        Ok(Some(Entry { path: path.clone(), length: about.size, changed: about.changed() }))
    }

    async fn remove(&self, path: &Path) -> Result<(), StorageError> {
        let mut address = self.value_at(&self.pathname(path)?)?;
        address.set_query(None);
        let body = serde_json::json!({ "urls": [address.as_str()] }).to_string().into();
        let headers = [(CONTENT_TYPE_NAME, "application/json")];
        // Nothing is read of what it says, but that it says it.
        self.say(Method::POST, &self.at("delete", &[]), &headers, &body).await?.map_or(Ok(()), |said| answers::done(&said))
    }

    async fn page(&self, folder: Option<&Path>, from: Option<&Cursor>, limit: usize) -> Result<Page, StorageError> {
        let prefix = folder.map_or_else(|| format!("{}/", self.root), |folder| format!("{}/{folder}/", self.root));
        let limit = limit.clamp(1, MAX_LISTED).to_string();
        let mut query = vec![("limit", limit.as_str()), ("prefix", &prefix)];
        query.extend(from.map(|cursor| ("cursor", cursor.0.as_str())));
        let url = self.at("", &query);
        let said = self.say(Method::GET, &url, &[], &Bytes::new()).await?;
        let listed = Listed::read(&said.ok_or_else(|| Remote::Nonsense("it has no list".to_owned()))?)?;
        let shows_ours = folder.is_some_and(Path::is_reserved);
        let root = format!("{}/", self.root);
        let entry = |about: About| {
            if !about.pathname.starts_with(&prefix) {
                return None;
            }
            let path = known(about.pathname.strip_prefix(&root)?)?;
            let changed: Option<SystemTime> = about.changed();
            (shows_ours || !path.is_reserved()).then_some(Entry { path, length: about.size, changed })
        };
        let next = match (listed.has_more, listed.cursor) {
            (false, _) => None,
            // Who goes on without getting on would go on for ever.
            (true, Some(next)) if from.is_none_or(|cursor| cursor.0 != next) => Some(Cursor(next)),
            (true, _) => return Err(Remote::Nonsense("it has more and does not say where".to_owned()).into()),
        };
        Ok(Page { entries: listed.blobs.into_iter().filter_map(entry).collect(), next, partial: false })
    }
}

/// The name of the content type's header, as our lists of headers want it.
const CONTENT_TYPE_NAME: &str = "content-type";

/// A value as it arrives.
struct Stream {
    http: Http,
    response: Response,
    rest: Bytes,
    left: u64,
}

impl Pieces for Stream {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            while self.rest.is_empty() {
                match self.http.chunk(&mut self.response).await? {
                    Some(bytes) => self.rest = bytes,
                    None if self.left == 0 => return Ok(None),
                    None => return Err(Remote::BrokeOff.into()),
                }
            }
            let piece = self.rest.split_to(self.rest.len().min(MAX_PIECE));
            self.left = self.left.checked_sub(piece.len() as u64).ok_or(Remote::Nonsense("more than it announced".to_owned()))?;
            Ok(Some(piece))
        })
    }
}

impl Storage for VercelBlob {
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>> {
        Box::pin(self.http.again(async || self.begin(path).await))
    }

    fn read<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Bytes>> {
        Box::pin(read::whole(&self.http, async || self.begin(path).await))
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(self.put(path, length, pieces))
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(self.about(path))
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        Box::pin(self.remove(path))
    }

    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        Box::pin(self.page(folder, from, limit))
    }
}
