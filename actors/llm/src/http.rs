//! HTTP to one origin at a time, over the client of [`outbound`]: identity encoding, and every wait and every length
//! bounded.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ipc::{Code, Refusal};
use outbound::Prepared;
use reqwest::{
    Client, Request, Response, StatusCode, Url,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION},
};
use tokio::time::{sleep, timeout};

use crate::{
    access::Access,
    connection::{Failure, failure},
    errors::{ServerError, Trouble, refusal, said},
    retry::{self, Again, RETRIES},
};

/// Most bytes of an answer that is not a stream.
const MAX_BODY: usize = 4 << 20;

/// Connections that are kept for the next request, for each host.
const KEPT: usize = 4;

/// Most bytes that are read of a failure.
const MAX_FAILURE: usize = 64 << 10;

/// How long the end of a body may follow the end of its answer. Then its connection is given up.
const REST_TIME: Duration = Duration::from_millis(500);

/// How many pieces it may come in.
const REST_CHUNKS: usize = 16;

/// How long things may take.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// Until a connection stands, name and encryption included.
    pub(crate) connect: Duration,
    /// Without a single byte.
    pub(crate) idle: Duration,
    /// For all of the body of a failure, which is only quoted.
    pub(crate) failure: Duration,
    /// Before the first repetition, where the server says nothing.
    pub(crate) first_wait: Duration,
    /// Before a later one, where the server says nothing.
    pub(crate) most_backoff: Duration,
    /// Longest wait that a server may ask for. What is longer is the person's to decide.
    pub(crate) most_wait: Duration,
}

impl Times {
    /// Those of the providers' own clients, and twice the longest pause between two of their pings.
    pub(crate) const STANDARD: Times = Times {
        connect: Duration::from_secs(10),
        idle: Duration::from_secs(120),
        failure: Duration::from_secs(5),
        first_wait: Duration::from_millis(500),
        most_backoff: Duration::from_secs(8),
        most_wait: Duration::from_secs(30),
    };
}

/// The one HTTP client.
pub(crate) struct Http {
    client: Client,
    times: Times,
}

impl Http {
    /// A client that trusts and knows what was taken before the lockdown.
    pub(crate) fn new(prepared: Prepared, times: Times) -> Result<Http, Refusal> {
        Ok(Http { client: prepared.client(times.connect, KEPT)?, times })
    }

    /// Asks for a value: the whole body of a success.
    pub(crate) async fn get(&self, access: &Access, path: &str) -> Result<Vec<u8>, Refusal> {
        let mut request = Request::new(reqwest::Method::GET, access.origin().at(path));
        *request.headers_mut() = access.headers("application/json");
        let mut response = self.send(access, request).await?;
        plain(&response).map_err(|trouble| refusal(access, &trouble))?;
        let mut body = Vec::new();
        while let Some(bytes) = self.more(&mut response).await.map_err(|trouble| refusal(access, &trouble))? {
            if body.len() + bytes.len() > MAX_BODY {
                return Err(refusal(access, &Trouble::nonsense(format!("its answer has more than {MAX_BODY} bytes"))));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    /// Asks for a stream of events.
    pub(crate) async fn post(&self, access: &Access, path: &str, body: Vec<u8>) -> Result<Response, Refusal> {
        let mut request = Request::new(reqwest::Method::POST, access.origin().at(path));
        *request.headers_mut() = access.headers("text/event-stream");
        *request.body_mut() = Some(body.into());
        let mut response = self.send(access, request).await?;
        plain(&response).map_err(|trouble| refusal(access, &trouble))?;
        if media_type(response.headers()) == "text/event-stream" {
            return Ok(response);
        }
        // Some gateways say with a success that they failed.
        let media = media_type(response.headers());
        let body = self.failed_body(&mut response).await;
        let value: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let trouble = match value.as_ref().and_then(|value| value.get("error")) {
            Some(error) => Trouble::Said(ServerError::read(error)),
            None => Trouble::nonsense(format!("it answers with “{media}” instead of a stream of events")),
        };
        Err(refusal(access, &trouble))
    }

    /// The next bytes of a body; `None` when it has ended as HTTP says it must.
    pub(crate) async fn more(&self, response: &mut Response) -> Result<Option<Bytes>, Trouble> {
        match timeout(self.times.idle, response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) => Err(Trouble::Broken("the connection was lost")),
            Err(_) => Err(Trouble::Broken("it was silent for too long")),
        }
    }

    /// Reads what little follows the end of an answer, so that its connection serves the next question too. Nobody waits.
    pub(crate) fn finish(&self, mut response: Response) {
        tokio::task::spawn_local(timeout(REST_TIME, async move {
            for _ in 0..REST_CHUNKS {
                match response.chunk().await {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        }));
    }

    /// Sends a request until it succeeds or cannot.
    async fn send(&self, access: &Access, request: Request) -> Result<Response, Refusal> {
        let mut attempt = 0;
        loop {
            let again = request.try_clone().ok_or_else(|| Refusal::internal("repeat a request"))?;
            // Scheme, host and port: a path may hold what is nobody's business, and the headers hold the key.
            tracing::info!(server = %access.origin().name(), attempt, "asks a server");
            let Failure { refusal, again } = match timeout(self.times.idle, self.client.execute(again)).await {
                Ok(Ok(response)) if response.status().is_success() => {
                    tracing::info!(status = response.status().as_u16(), "the server answers");
                    return Ok(response);
                }
                Ok(Ok(response)) => self.failed(access, response).await,
                Ok(Err(error)) => failure(access, &error),
                Err(_) => {
                    // It may be at work, and would do and charge it twice.
                    let sentence = format!("{} takes the question and does not answer; try again later", access.origin().name());
                    Failure { refusal: Refusal::new(Code::ModelUnreachable, sentence), again: Again::Never }
                }
            };
            let chance = getrandom::u32().unwrap_or_default();
            tracing::warn!(code = ?refusal.code, attempt, "the server does not do it");
            let wait = match again {
                _ if attempt == RETRIES => return Err(refusal),
                Again::Never => return Err(refusal),
                Again::Soon => retry::backoff(self.times.first_wait, self.times.most_backoff, attempt, chance),
                Again::After(wait) if wait > self.times.most_wait => {
                    let (server, seconds) = (access.origin().name(), wait.as_secs().min(999_999));
                    let sentence = format!("{server} asks to wait {seconds} seconds; ask again then, or choose another model");
                    return Err(Refusal::new(Code::ModelBusy, sentence));
                }
                Again::After(wait) => wait,
            };
            tracing::info!(millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "waits and asks again");
            sleep(wait).await;
            attempt += 1;
        }
    }

    async fn failed(&self, access: &Access, mut response: Response) -> Failure {
        let status = response.status();
        if status.is_redirection() {
            return Failure { refusal: redirected(access, &response), again: Again::Never };
        }
        let body = self.failed_body(&mut response).await;
        let error = ServerError::read_body(&body);
        let again = retry::after_answer(status.as_u16(), response.headers(), error.is_spend_limit(), SystemTime::now());
        Failure { refusal: said(access, Some(status.as_u16()), &error), again }
    }

    /// As much of the body of a failure as comes soon. That it failed is known, so nobody waits for a body without end.
    async fn failed_body(&self, response: &mut Response) -> Vec<u8> {
        let mut body = Vec::new();
        let all = async {
            while let Ok(Some(bytes)) = self.more(response).await {
                let room = MAX_FAILURE - body.len();
                body.extend_from_slice(&bytes[..bytes.len().min(room)]);
                if bytes.len() >= room {
                    break;
                }
            }
        };
        // What came in time is quoted either way.
        let _ = timeout(self.times.failure, all).await;
        body
    }
}

fn redirected(access: &Access, response: &Response) -> Refusal {
    let server = access.origin().name();
    let to = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    // Of the place only scheme, host and port are said: the rest may hold anything.
    let to = to
        .and_then(|place| response.url().join(place).ok())
        .map(|place: Url| access.quote(&place.origin().ascii_serialization()));
    let to = to.unwrap_or_else(|| "nowhere".to_owned());
    let sentence = format!(
        "{server} sends elsewhere, to {to}, and nothing was sent there; if it is right, give its address as the base URL"
    );
    Refusal::new(Code::OriginRefused, sentence)
}

/// A body must come as it is: it was asked for so, and a compressed one is a bomb until proven otherwise.
fn plain(response: &Response) -> Result<(), Trouble> {
    if response.status() == StatusCode::NO_CONTENT {
        return Err(Trouble::nonsense("its answer is empty"));
    }
    match response.headers().get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Trouble::nonsense("it compresses its answer although it was asked not to"))
        }
        _ => Ok(()),
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
