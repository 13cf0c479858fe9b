//! Files that go with messages. Equal content in one conversation is kept once; each conversation has its own, so that it
//! can be erased with its own key.

use ipc::{
    Code, Refusal,
    endpoint::Reply,
    id::AttachmentId,
    messages::{
        chat::{Attached, MAX_ATTACHMENT},
        storage::{AttachmentFound, GetAttachment, PutAttachment},
    },
};
use replica::{
    Draft, Replica,
    body::{self, Attachment, Body},
};

use crate::{errors::refusal, pieces, writer::WriterHandle};

/// Longest name, in bytes.
const MAX_NAME: usize = 255;

pub(crate) async fn put(
    replica: &Replica,
    writer: &WriterHandle,
    request: PutAttachment,
    reply: &mut Reply<PutAttachment>,
) -> Result<Attached, Refusal> {
    let name = request.name;
    if name.is_empty() || name.len() > MAX_NAME || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        return Err(Refusal::new(Code::NotKeepable, format!("{name:?} is not the name of a file")));
    }
    let bytes = pieces::take(reply, request.length, MAX_ATTACHMENT).await?;
    let id = replica.keys().blind("attachment", &[&request.conversation.0, &bytes]);
    let body = Body::Attachment(Attachment { bytes, id: Some(id) });
    let draft = Draft { entity: request.conversation.0, body, once: Some(id) };
    writer.append(draft).await?;
    Ok(Attached { id: AttachmentId(id), name, length: request.length })
}

pub(crate) async fn get(
    replica: &Replica,
    request: GetAttachment,
    reply: &Reply<GetAttachment>,
) -> Result<AttachmentFound, Refusal> {
    let found = replica
        .snapshot()
        .and_then(|snapshot| snapshot.once(body::ATTACHMENT, &request.id.0))
        .map_err(|error| refusal(&error))?;
    let bytes = match found {
        Some(record) if record.event.header.entity == request.conversation.0 => match record.body {
            Body::Attachment(attachment) => attachment.bytes,
            _ => Vec::new(),
        },
        _ => return Err(Refusal::new(Code::NotFound, "this conversation has no such attachment")),
    };
    pieces::give(reply, &bytes).await?;
    Ok(AttachmentFound { length: bytes.len() as u64 })
}
