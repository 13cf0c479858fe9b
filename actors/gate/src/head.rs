//! Who is let in, by the head of a request alone.
//!
//! A page in a browser of this machine can send requests here too. It cannot choose `Host`, which names the site it came
//! from even where that site's name was made to lead here (DNS rebinding), and it cannot leave `Origin` out: both must be
//! this very place. Whatever else runs here under another user, or under this one without having been told the token, has
//! not got the token.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts};
use ipc::messages::gate::Admits;

use crate::problem::Problem;

/// Most bytes of a body.
pub(crate) const MAX_BODY: usize = 256 << 10;

/// The names of this machine by which it may be called.
const NAMES: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// The port of an address that names none.
const HTTP: u16 = 80;

/// What a body may be called. The second is what some clients call the same (JSON-LD is JSON).
const JSON: [&str; 2] = ["application/json", "application/ld+json"];

/// Who is let in where.
pub(crate) struct Guard {
    /// This place, by each of its names.
    places: Vec<String>,
    admits: Admits,
}

impl Guard {
    /// For a port of this machine.
    pub(crate) fn new(port: u16, admits: Admits) -> Guard {
        let mut places: Vec<String> = NAMES.iter().map(|name| format!("{name}:{port}")).collect();
        if port == HTTP {
            places.extend(NAMES.map(str::to_owned));
        }
        Guard { places, admits }
    }

    /// Whether somebody is let in, whatever it is that he asks for.
    pub(crate) fn admit(&self, head: &Parts) -> Result<(), Problem> {
        if ![Version::HTTP_11, Version::HTTP_10].contains(&head.version) {
            return Err(Problem::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here"));
        }
        self.is_called_so(head)?;
        self.comes_from_here(&head.headers)?;
        self.has_the_token(&head.headers)
    }

    fn is_called_so(&self, head: &Parts) -> Result<(), Problem> {
        let bad = || Problem::new(StatusCode::BAD_REQUEST, "a request has one Host");
        let host = only(&head.headers, header::HOST).map_err(|TwoOfIt| bad())?.ok_or_else(bad)?;
        // A whole address in the first line counts before the header: neither may be another place.
        let by_line = head.uri.authority().map_or(Ok(true), |authority| {
            let is_http = head.uri.scheme_str().is_some_and(|scheme| scheme == "http");
            if is_http { Ok(self.is_here(authority.as_str())) } else { Err(bad()) }
        })?;
        if by_line && host.to_str().is_ok_and(|host| self.is_here(host)) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "this is not the place that Host names"))
    }

    fn comes_from_here(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let is_ours = |origin: &HeaderValue| {
            let place = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            place.is_some_and(|place| self.is_here(place))
        };
        if headers.get_all(header::ORIGIN).iter().all(is_ours) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "pages of other places may not ask here"))
    }

    fn has_the_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Admits::Token(digest) = self.admits else { return Ok(()) };
        let shown = only(headers, header::AUTHORIZATION).ok().flatten().and_then(bearer);
        // Both are digests, and they are compared in constant time.
        if shown.is_some_and(|token| blake3::hash(token) == blake3::Hash::from_bytes(digest)) {
            return Ok(());
        }
        let problem =
            Problem::new(StatusCode::UNAUTHORIZED, "show the token that `lamos` printed, as in Authorization: Bearer TOKEN");
        Err(problem.with(header::WWW_AUTHENTICATE, "Bearer"))
    }

    fn is_here(&self, place: &str) -> bool {
        self.places.iter().any(|known| known.eq_ignore_ascii_case(place))
    }
}

/// Whether a request for something that is there has a form that is read: how long its body is. Nothing of it was read yet.
pub(crate) fn length(head: &Parts) -> Result<usize, Problem> {
    if head.method != Method::POST {
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "it is asked for by POST").with(header::ALLOW, "POST"));
    }
    let headers = &head.headers;
    let kind = only(headers, header::CONTENT_TYPE).ok().flatten().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_plain = only(headers, header::CONTENT_ENCODING).is_ok_and(|coding| coding.is_none_or(|coding| coding == "identity"));
    if !JSON.iter().any(|json| json.eq_ignore_ascii_case(kind)) || !is_plain {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is to be application/json, and as it is"));
    }
    // A body whose length is not known before cannot be refused before.
    let told = if headers.contains_key(header::TRANSFER_ENCODING) { None } else { headers.get(header::CONTENT_LENGTH) };
    let told = told.and_then(|length| length.to_str().ok()).and_then(|length| length.parse::<u64>().ok());
    let told = told.ok_or_else(|| Problem::new(StatusCode::LENGTH_REQUIRED, "say the length of the body with Content-Length"))?;
    match usize::try_from(told) {
        Ok(length) if length <= MAX_BODY => Ok(length),
        _ => Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {MAX_BODY} bytes"))),
    }
}

/// There is more than one of what there may be one of.
struct TwoOfIt;

fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, TwoOfIt> {
    let mut all = headers.get_all(name).iter();
    let first = all.next();
    if all.next().is_some() { Err(TwoOfIt) } else { Ok(first) }
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails loudly")]

    use http::Request;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn head(line: (&str, &str), headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(line.0).uri(line.1);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn admitted(port: u16, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let guard = Guard::new(port, Admits::Token(*blake3::hash(TOKEN.as_bytes()).as_bytes()));
        guard.admit(&head(("POST", uri), headers)).map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    #[test]
    fn who_calls_it_by_another_name_is_not_let_in() {
        let by = |host: &str| admitted(8080, "/x", &[("host", host), ("authorization", "Bearer 0123456789abcdef")]);
        for host in ["127.0.0.1:8080", "localhost:8080", "LocalHost:8080", "[::1]:8080"] {
            assert_eq!(by(host), 200, "{host}");
        }
        for host in [
            "evil.example:8080",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:80",
            "127.0.0.1:08080",
            "localhost.:8080",
            "0.0.0.0:8080",
            "127.1:8080",
            "2130706433:8080",
            "localhost:8080.evil.example",
            "x@localhost:8080",
            "",
            " ",
            "::1:8080",
            "[::]:8080",
        ] {
            assert_eq!(by(host), 403, "{host}");
        }
        assert_eq!(admitted(80, "/x", &[("host", "localhost"), ("authorization", "bearer 0123456789abcdef")]), 200);
        assert_eq!(admitted(8080, "/x", &[("authorization", "Bearer 0123456789abcdef")]), 400, "no Host");
        let two = [("host", "localhost:8080"), ("host", "evil.example"), ("authorization", "Bearer 0123456789abcdef")];
        assert_eq!(admitted(8080, "/x", &two), 400, "two of them");
    }

    #[test]
    fn a_whole_address_counts_before_the_header() {
        let by = |uri: &str| admitted(8080, uri, &[("host", "localhost:8080"), ("authorization", "Bearer 0123456789abcdef")]);
        assert_eq!(by("http://127.0.0.1:8080/x"), 200);
        assert_eq!(by("http://evil.example/x"), 403);
        assert_eq!(by("http://x@127.0.0.1:8080/x"), 403);
        assert_eq!(by("https://127.0.0.1:8080/x"), 400);
        assert_eq!(by("127.0.0.1:8080"), 400, "as for a tunnel");
    }

    #[test]
    fn a_page_of_another_place_is_not_let_in() {
        let by = |origins: &[&str]| {
            let mut headers = vec![("host", "localhost:8080"), ("authorization", "Bearer 0123456789abcdef")];
            headers.extend(origins.iter().map(|origin| ("origin", *origin)));
            admitted(8080, "/x", &headers)
        };
        assert_eq!(by(&["http://localhost:8080"]), 200);
        assert_eq!(by(&["http://127.0.0.1:8080"]), 200);
        for origin in ["null", "http://localhost", "http://localhost:8081", "https://localhost:8080", "https://evil.example", ""]
        {
            assert_eq!(by(&[origin]), 403, "{origin}");
        }
        assert_eq!(by(&["http://localhost:8080", "https://evil.example"]), 403);
    }

    #[test]
    fn who_has_not_the_token_is_not_let_in() {
        let by = |tokens: &[&str]| {
            let mut headers = vec![("host", "localhost:8080")];
            headers.extend(tokens.iter().map(|token| ("authorization", *token)));
            admitted(8080, "/x", &headers)
        };
        assert_eq!(by(&["Bearer 0123456789abcdef"]), 200);
        assert_eq!(by(&["bEARER 0123456789abcdef"]), 200);
        for token in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "Bearer  0123456789abcdef",
            "Bearer 0123456789ABCDEF",
        ] {
            assert_eq!(by(&[token]), 401, "{token}");
        }
        assert_eq!(by(&[]), 401);
        assert_eq!(by(&["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"]), 401, "which of them?");
    }

    #[test]
    fn a_body_is_json_of_a_length_that_is_told() {
        let of = |method: &str, headers: &[(&str, &str)]| {
            length(&head((method, "/x"), headers)).unwrap_or_else(|problem| usize::from(problem.status.as_u16()))
        };
        let json = ("content-type", "application/json; charset=utf-8");
        assert_eq!(of("POST", &[json, ("content-length", "7")]), 7);
        assert_eq!(of("POST", &[("content-type", "Application/LD+JSON"), ("content-length", "7")]), 7);
        assert_eq!(of("POST", &[json, ("content-length", "262144")]), MAX_BODY);
        assert_eq!(of("POST", &[json, ("content-length", "262145")]), 413);
        assert_eq!(of("POST", &[json, ("content-length", "99999999999999999999999")]), 411);
        assert_eq!(of("POST", &[json]), 411);
        assert_eq!(of("POST", &[json, ("transfer-encoding", "chunked")]), 411);
        assert_eq!(of("POST", &[json, ("transfer-encoding", "chunked"), ("content-length", "7")]), 411);
        assert_eq!(of("POST", &[("content-type", "text/plain"), ("content-length", "7")]), 415);
        assert_eq!(of("POST", &[("content-length", "7")]), 415);
        assert_eq!(of("POST", &[json, ("content-encoding", "gzip"), ("content-length", "7")]), 415);
        assert_eq!(of("GET", &[json]), 405);
    }
}
