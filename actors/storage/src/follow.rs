//! The feed of what is kept: first what was missed, then what comes.

use ipc::{
    Code, Refusal,
    endpoint::Reply,
    messages::{
        common::Done,
        storage::{Change, Follow},
    },
};
use replica::Replica;
use tokio::sync::broadcast::error::RecvError;

use crate::{convert::change, errors::refusal, writer::WriterHandle};

/// Events read at once.
const PAGE: usize = 256;

/// Follows until who asked has enough or the archive goes down, which waits for nobody who listens.
pub(crate) async fn follow(
    replica: &Replica,
    writer: &WriterHandle,
    request: Follow,
    reply: &Reply<Follow>,
) -> Result<Done, Refusal> {
    let draining = reply.draining();
    tokio::select! {
        result = changes(replica, writer, request, reply) => result,
        () = draining.wait() => Err(Refusal::new(Code::Draining, "the archive goes down; follow again when it is back")),
    }
}

/// Speaks of changes until who asked has enough. A follower that is too slow for the live feed reads on from the database.
async fn changes(replica: &Replica, writer: &WriterHandle, request: Follow, reply: &Reply<Follow>) -> Result<Done, Refusal> {
    let cancelled = reply.cancelled();
    let mut seen = request.after;
    loop {
        // Subscribed before reading, so that nothing falls between the two.
        let mut live = writer.follow();
        loop {
            let walked = replica.snapshot().and_then(|snapshot| snapshot.walk(seen, PAGE)).map_err(|error| refusal(&error))?;
            let Some(last) = walked.last else { break };
            seen = last;
            for event in &walked.events {
                let change =
                    Change { position: event.position, kind: event.header.kind, entity: event.header.entity, event: event.id };
                if !reply.send(&change).await? {
                    return Ok(Done);
                }
            }
        }
        loop {
            let kept = tokio::select! {
                kept = live.recv() => kept,
                () = cancelled.wait() => return Ok(Done),
            };
            match kept {
                Ok(kept) if kept.position <= seen => {}
                Ok(kept) => {
                    seen = kept.position;
                    if !reply.send(&change(kept)).await? {
                        return Ok(Done);
                    }
                }
                Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return Ok(Done),
            }
        }
    }
}
