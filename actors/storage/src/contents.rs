//! Larger things in and out, as streams of chunks.

use ipc::{Code, Refusal, endpoint::Reply, messages::common::Chunk, service::Method};

/// Takes exactly `length` bytes, at most `most`.
pub(crate) async fn take<M: Method<Up = Chunk>>(reply: &mut Reply<M>, length: u64, most: u64) -> Result<Vec<u8>, Refusal> {
    if length > most {
        return Err(Refusal::new(Code::NotKeepable, format!("it has {length} bytes, and {most} are the most that can be kept")));
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(length);
    while let Some(chunk) = reply.next().await {
        bytes.extend_from_slice(&chunk?.0);
        if bytes.len() > length {
            break;
        }
    }
    if bytes.len() == length { Ok(bytes) } else { Err(Refusal::new(Code::NotKeepable, "it has another length than was said")) }
}

/// Gives bytes out. False if nobody takes them any more.
pub(crate) async fn give<M: Method<Down = Chunk>>(reply: &Reply<M>, bytes: &[u8]) -> Result<bool, Refusal> {
    for chunk in bytes.chunks(Chunk::SIZE) {
        if !reply.send(&Chunk(chunk.to_vec())).await? {
            return Ok(false);
        }
    }
    Ok(true)
}
