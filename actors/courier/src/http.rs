//! HTTP to the origins of one place, over the client of [`outbound`]: every wait bounded, and failures by whom they are up
//! to.

use std::time::Duration;

use backends::{Refused, Remote, StorageError};
use outbound::Prepared;
use reqwest::{
    Client, Request, Response, StatusCode, Url,
    header::{CONTENT_TYPE, ETAG, HeaderMap, RETRY_AFTER},
};
use tokio::time::{sleep, timeout};

/// Largest value that a server that says it takes no larger one is assumed to take.
const TOO_LARGE: u64 = 1 << 20;

/// How long things may take, and how often they are tried.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Until a connection stands.
    pub connect: Duration,
    /// Without a single byte, in either direction.
    pub idle: Duration,
    /// For an operation that carries no value.
    pub operation: Duration,
    /// How often something is tried again after a failure of the other side.
    pub retries: u32,
    /// Before the first repetition; doubled before each further one.
    pub first_wait: Duration,
    /// Connections that are kept for the next request.
    pub idle_connections: usize,
    /// Longest wait before a repetition. Who is told to wait longer says so instead.
    pub most_wait: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            operation: Duration::from_secs(60),
            retries: 4,
            idle_connections: 4,
            first_wait: Duration::from_millis(500),
            most_wait: Duration::from_secs(30),
        }
    }
}

/// The one HTTP client.
#[derive(Clone)]
pub struct Http {
    client: Client,
    times: Times,
}

impl Http {
    /// A client that trusts and knows what was taken before the lockdown.
    pub fn new(prepared: Prepared, times: Times) -> Result<Http, StorageError> {
        let client =
            prepared.client(times.connect, times.idle_connections).map_err(|refusal| StorageError::Ours(refusal.to_string()))?;
        Ok(Http { client, times })
    }

    pub(crate) fn times(&self) -> Times {
        self.times
    }

    /// Sends one request to an origin of the place and to no other.
    pub(crate) async fn send(&self, origins: &[Url], request: Request) -> Result<Response, StorageError> {
        if !origins.iter().any(|origin| origin.origin() == request.url().origin()) {
            return Err(StorageError::Ours("a request would go to another place".to_owned()));
        }
        match timeout(self.times.idle, self.client.execute(request)).await {
            Ok(answered) => answered.map_err(|error| broken(&error)),
            Err(_) => Err(Remote::BrokeOff.into()),
        }
    }

    /// Does something that may be done twice until it goes through, as often as is usual.
    pub(crate) async fn again<T>(&self, mut work: impl AsyncFnMut() -> Result<T, StorageError>) -> Result<T, StorageError> {
        let mut tried = 0;
        loop {
            let error = match work().await {
                Err(StorageError::Remote(error)) if tried < self.times.retries => error,
                result => return result,
            };
            let pause = match &error {
                Remote::Busy { after: Some(after) } if *after > self.times.most_wait => return Err(error.into()),
                Remote::Busy { after: Some(after) } => *after,
                _ => self.pause(tried),
            };
            tracing::debug!(%error, "failed to be served, and tries again");
            sleep(pause).await;
            tried += 1;
        }
    }

    /// Half of the pause for certain, half of it by chance.
    fn pause(&self, tried: u32) -> Duration {
        let whole = self.times.first_wait.saturating_mul(1 << tried.min(16)).min(self.times.most_wait);
        let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + chance / 2.0)
    }

    /// At most `most` bytes of a body.
    pub(crate) async fn body(&self, response: &mut Response, most: usize) -> Result<Vec<u8>, StorageError> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk(response).await? {
            if body.len() + bytes.len() > most {
                return Err(Remote::Nonsense("its answer is too long".to_owned()).into());
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    pub(crate) async fn chunk(&self, response: &mut Response) -> Result<Option<bytes::Bytes>, StorageError> {
        match timeout(self.times.idle, response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) | Err(_) => Err(Remote::BrokeOff.into()),
        }
    }
}

/// Why there was no answer.
pub(crate) fn broken(error: &reqwest::Error) -> StorageError {
    if error.is_connect() { Remote::Unreachable.into() } else { Remote::BrokeOff.into() }
}

/// What a status says, if it says that something failed. What is the protocol's own (404, 409, 412 …) is its reader's.
pub(crate) fn failed(status: StatusCode, headers: &HeaderMap) -> Option<StorageError> {
    let after = retry_after(headers);
    Some(match status.as_u16() {
        429 | 503 => Remote::Busy { after }.into(),
        status @ (402 | 507) => Refused::NoRoom(format!("the quota of the place is used up, status {status}")).into(),
        status @ (401 | 407) => Refused::NoRight(format!("the place does not take the credential, status {status}")).into(),
        413 => Refused::TooLarge { most: TOO_LARGE }.into(),
        status @ (500 | 502 | 504..=599) => Remote::Failed(status).into(),
        // Credentials go where the person said and not where a server says.
        300..=399 if status != StatusCode::NOT_MODIFIED => Remote::Nonsense("it sends elsewhere".to_owned()).into(),
        _ => return None,
    })
}

/// A page for people where a page is no answer: of a login, or of a network that wants something first. A value that is a
/// page has a tag; these have none.
pub(crate) fn page(response: &Response) -> Option<StorageError> {
    let headers = response.headers();
    let is_html = |kind: &str| kind.trim_start().to_ascii_lowercase().starts_with("text/html");
    let html = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(is_html);
    (response.status() == StatusCode::OK && html && !headers.contains_key(ETAG))
        .then(|| Remote::Nonsense("it answers with a page for people, as to sign in at".to_owned()).into())
}

/// `Retry-After` in seconds. A date says nothing: it is by another clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
