//! A value on its way out: the chunks of a call as the pieces of a back end.

use backends::{Answer, Pieces, StorageError};
use bytes::Bytes;
use ipc::{Refusal, endpoint::Reply, messages::common::Chunk, service::Method};

use crate::refusals::refusal;

/// The chunks that a caller sends.
pub(crate) struct Up<'r, M: Method<Up = Chunk>> {
    reply: &'r mut Reply<M>,
    /// Why the caller sent no more, which says more than that the value was too short.
    broke: Option<Refusal>,
}

impl<'r, M: Method<Up = Chunk>> Up<'r, M> {
    pub(crate) fn new(reply: &'r mut Reply<M>) -> Up<'r, M> {
        Up { reply, broke: None }
    }

    /// What a failed write means.
    pub(crate) fn refusal(&self, error: &StorageError) -> Refusal {
        self.broke.clone().unwrap_or_else(|| refusal(error))
    }
}

impl<M: Method<Up = Chunk>> Pieces for Up<'_, M> {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            loop {
                match self.reply.next().await {
                    // An empty piece would be the end to some.
                    Some(Ok(Chunk(bytes))) if bytes.is_empty() => {}
                    Some(Ok(Chunk(bytes))) => return Ok(Some(bytes.into())),
                    Some(Err(refusal)) => {
                        self.broke = Some(refusal);
                        return Err(StorageError::Ours("hear the caller out".to_owned()));
                    }
                    None => return Ok(None),
                }
            }
        })
    }
}
