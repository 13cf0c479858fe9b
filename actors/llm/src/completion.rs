//! One answer from the first byte to the last: bytes in, pieces out, and the request is gone the moment nobody listens.

use bytes::Bytes;
use ipc::{
    Code, Refusal,
    endpoint::Reply,
    messages::llm::{Complete, Completed},
};
use reqwest::Response;

use crate::{
    access::Access,
    errors::{Trouble, refusal},
    http::Http,
    pieces::MAX_PIECE,
    wire::Stream,
};

/// How often more bytes are looked for before what there is goes out: a fast server's events lie ready one by one.
const GATHER: usize = 64;

/// Reads an answer and sends it on. `asked` is the model's name where the server does not tell one.
pub(crate) async fn read(
    http: &Http,
    access: &Access,
    mut response: Response,
    asked: &str,
    reply: &Reply<Complete>,
) -> Result<Completed, Refusal> {
    let mut stream = Stream::new(access.profile());
    while !stream.turn().has_ended() {
        let more = http.more(&mut response).await;
        let mut outcome = take(&mut stream, more);
        for _ in 0..GATHER {
            if outcome.is_err() || stream.turn().has_ended() || stream.turn().pieces().bytes() >= MAX_PIECE {
                break;
            }
            match ready(&mut response).await {
                Some(more) => outcome = take(&mut stream, more),
                None => break,
            }
        }
        // What came before trouble is sent before the trouble is told.
        while let Some(piece) = stream.turn().pieces().pop() {
            tracing::trace!("a piece of the answer");
            if !reply.send(&piece).await? {
                return Err(Refusal::new(Code::Cancelled, "stopped, as asked"));
            }
        }
        outcome.map_err(|trouble| refusal(access, &trouble))?;
    }
    let completed = stream.into_turn().finish(asked).map_err(|trouble| refusal(access, &trouble))?;
    http.finish(response);
    let (stop, calls, usage) = (completed.stop, completed.calls.len(), completed.usage);
    tracing::info!(?stop, calls, input = usage.input, output = usage.output, "the answer has ended");
    Ok(completed)
}

/// Takes bytes, or the end of the body.
fn take(stream: &mut Stream, more: Result<Option<Bytes>, Trouble>) -> Result<(), Trouble> {
    match more? {
        Some(bytes) => stream.take(&bytes),
        None => stream.end(),
    }
}

/// Bytes that are there already. The connection is given one turn to hand them over.
async fn ready(response: &mut Response) -> Option<Result<Option<Bytes>, Trouble>> {
    tokio::task::yield_now().await;
    tokio::select! {
        biased;
        more = response.chunk() => Some(more.map_err(|_| Trouble::Broken("the connection was lost"))),
        () = std::future::ready(()) => None,
    }
}
