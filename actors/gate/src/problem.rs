//! Why a request is not done, as problem details (RFC 9457). A detail is words of ours: nothing that came in is quoted in it
//! but the names of members, which the process that reads them has judged.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use ipc::{Code, Refusal};
use serde_json::json;

/// What an answer is made of. It is whole before it is sent.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Why a request is not done.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// An address that names the kind of problem; `None` where the status says it all.
    kind: Option<&'static str>,
    detail: String,
    /// What the status is to be sent with.
    with: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// One that the status names.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, kind: None, detail: detail.into(), with: None }
    }

    /// One that has a name of its own.
    pub(crate) fn of_kind(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem { kind: Some(kind), ..Problem::new(status, detail) }
    }

    /// With a header that belongs to the status.
    pub(crate) fn with(self, name: HeaderName, value: &'static str) -> Problem {
        Problem { with: Some((name, HeaderValue::from_static(value))), ..self }
    }

    /// The answer that says it.
    pub(crate) fn answer(self) -> Answer {
        let title = self.status.canonical_reason().unwrap_or_default();
        let body = json!({
            "type": self.kind.unwrap_or("about:blank"), "title": title, "status": self.status.as_u16(), "detail": self.detail,
        });
        let mut answer = answer(self.status, "application/problem+json", body.to_string());
        if let Some((name, value)) = self.with {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}

/// What came of asking another process, when it did not do it.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        use Code::{
            Busy, Cancelled, DeadlineExceeded, Degraded, DemoRefused, Draining, NotSignedIn, PeerDied, Quarantined, TooLarge,
        };
        let status = match refusal.code {
            Busy | Draining | Degraded | PeerDied | NotSignedIn | Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            DemoRefused => StatusCode::FORBIDDEN,
            TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            // Reading it has ended the process that did, twice.
            Quarantined => StatusCode::BAD_REQUEST,
            code if code.blame() == ipc::Blame::Person => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Problem::new(status, refusal.sentence);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => problem.with(header::RETRY_AFTER, "1"),
            _ => problem,
        }
    }
}

/// An answer with a body that is nobody else's business.
pub(crate) fn answer(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
