//! How OpenDAL's requests travel: through our client, to the origin of the place and no other, with failures as ours.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body::{Body as _, Frame, SizeHint};
use opendal::{Buffer, HttpBody, HttpTransport};
use reqwest::Url;

use super::{
    answers::{Speaks, list},
    errors::met,
};
use crate::http::{Http, broken, failed};

/// See the module.
pub(super) struct Transport {
    http: Http,
    origins: [Url; 1],
    speaks: Speaks,
}

impl Transport {
    pub(super) fn new(http: Http, origin: Url, speaks: Speaks) -> Transport {
        Transport { http, origins: [origin], speaks }
    }
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: http::Request<Buffer>) -> opendal::Result<http::Response<HttpBody>> {
        let (parts, body) = request.into_parts();
        let nonsense = |_| met(backends::StorageError::Ours("a request has no address".to_owned()));
        let url = Url::parse(&parts.uri.to_string()).map_err(nonsense)?;
        let root = self.speaks.root(&parts.method, &url);
        let is_head = parts.method == http::Method::HEAD;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        if !body.is_empty() {
            *request.body_mut() = Some(reqwest::Body::wrap(Sent(body)));
        }
        let mut response = self.http.send(&self.origins, request).await.map_err(met)?;
        if let Some(error) = failed(response.status(), response.headers()) {
            return Err(met(error));
        }
        self.speaks.check(&response, root.is_some()).map_err(met)?;
        if let Some(root) = root
            && response.status().is_success()
        {
            let list = Buffer::from(list(&self.http, &mut response, root).await.map_err(met)?);
            let (parts, _) = http::Response::from(response).into_parts();
            let length = list.len() as u64;
            return Ok(http::Response::from_parts(parts, HttpBody::new(stream::iter([Ok(list)]), Some(length))));
        }
        let (parts, body) = http::Response::from(response).into_parts();
        let length = parts.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let length = if is_head { None } else { length };
        Ok(http::Response::from_parts(parts, HttpBody::new(Received(body), length)))
    }
}

/// A body on its way out, piece by piece as OpenDAL holds it.
struct Sent(Buffer);

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// A body on its way in.
struct Received(reqwest::Body);

impl Stream for Received {
    type Item = opendal::Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<opendal::Result<Buffer>>> {
        loop {
            return Poll::Ready(match std::task::ready!(Pin::new(&mut self.0).poll_frame(context)) {
                None => None,
                Some(Err(error)) => Some(Err(met(broken(&error)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => Some(Ok(Buffer::from(bytes))),
                    // Trailers, and pieces with nothing in them.
                    _ => continue,
                },
            });
        }
    }
}
