//! One connection: requests one after the other, each with its time and its length.

use std::{
    cell::Cell,
    convert::Infallible,
    future::poll_fn,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

use crate::{
    door::Door,
    face::Route,
    head,
    line::Line,
    problem::{Answer, Problem},
};

/// Most bytes of a head.
const MAX_HEAD: usize = 16 << 10;

/// Most headers.
const MAX_HEADERS: usize = 64;

/// Bytes that are read ahead, at most.
const READ_AHEAD: usize = 64 << 10;

/// How long a head may take to come, the next one on the same connection too.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long a request may take, from its head to its answer.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Requests on one connection, at most.
const MAX_REQUESTS: u32 = 1000;

/// What is still read of one that is done with, so that the answer is not lost to who is still sending.
const LINGER_BYTES: u64 = 1 << 20;

/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Answers everything that is asked on a connection. What is being asked when `stopped` is set is still answered.
pub(crate) async fn serve(stream: TcpStream, door: Rc<Door>, mut stopped: watch::Receiver<bool>) {
    let asked = Rc::new(Cell::new(0_u32));
    let service = service_fn(move |request| {
        asked.set(asked.get() + 1);
        let (door, is_last) = (Rc::clone(&door), asked.get() >= MAX_REQUESTS);
        // Boxed, for a connection is to be taken apart again when it is done.
        Box::pin(async move {
            let mut answer = tell(&door, request).await;
            if is_last {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        // Who has said all that he has to say may still want to hear the answer.
        .half_close(true)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(Line::new(stream)), service);
    let mut is_stopping = false;
    loop {
        let done = poll_fn(|context| connection.poll_without_shutdown(context));
        tokio::select! {
            // However it ended, whoever is there has been told what there was to tell.
            _ = done => break,
            // An error: who serves has gone, and this task goes with it.
            _ = stopped.wait_for(|stopped| *stopped), if !is_stopping => {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
    linger(connection.into_parts().io.into_inner()).await;
}

/// Ends a connection: what was answered is to arrive, though its other side may still be sending. A socket that is closed
/// with something unread in it takes back what it has sent.
async fn linger(mut line: Line) {
    let read_on = async {
        line.shutdown().await?;
        tokio::io::copy(&mut (&mut line).take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // Either way it is over.
    let _ = timeout(LINGER_TIME, read_on).await;
}

/// Refuses a connection for which there is no room.
pub(crate) async fn refuse(mut stream: TcpStream) {
    const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: 93\r\n\
        retry-after: 1\r\nconnection: close\r\n\r\n\
        {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"too many at once\"}";
    // It fits into any socket at once.
    if stream.write_all(FULL).await.is_ok() {
        linger(Line::new(stream)).await;
    }
}

/// Answers a request, and tells the person that it was.
async fn tell(door: &Door, request: Request<Incoming>) -> Answer {
    let begun = Instant::now();
    let (head, body) = request.into_parts();
    let (route, result) = match admit(door, &head) {
        Ok(route) => (Some(route), timeout(REQUEST_TIME, ask(door, route, &head, body)).await.unwrap_or_else(|_| Err(late()))),
        Err(problem) => (None, Err(problem)),
    };
    let answer = result.unwrap_or_else(Problem::answer);
    door.tell(route, answer.status(), begun.elapsed());
    answer
}

/// Whether somebody is let in, and for what.
fn admit(door: &Door, head: &Parts) -> Result<Route, Problem> {
    door.guard.admit(head)?;
    let route = if head.uri.query().is_none() { door.face.find(head.uri.path()) } else { None };
    route.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
}

async fn ask(door: &Door, route: Route, head: &Parts, body: Incoming) -> Result<Answer, Problem> {
    let length = head::length(head)?;
    let body = read(body, length).await?;
    let _turn = door.turn().await?;
    door.face.answer(route, body).await
}

/// Reads a body that is as long as was said.
async fn read(body: Incoming, length: usize) -> Result<Bytes, Problem> {
    let cut_off = |_| Problem::new(StatusCode::BAD_REQUEST, "the body ends before its end");
    Ok(Limited::new(body, length).collect().await.map_err(cut_off)?.to_bytes())
}

fn late() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, format!("a request takes at most {} seconds", REQUEST_TIME.as_secs()))
        .with(header::CONNECTION, "close")
}
