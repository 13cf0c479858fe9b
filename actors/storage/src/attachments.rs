//! Files that go with messages. Equal content in one conversation is kept once; each conversation has its own, so that it
//! can be erased with its own key.

use ipc::{
    Code, Refusal,
    endpoint::Reply,
    id::AttachmentId,
    messages::{
        chat::Attached,
        storage::{AttachmentFound, GetAttachment, PutAttachment},
    },
};
use replica::{
    Draft, Record, Replica,
    body::{self, Attachment, Body, Content},
};

use crate::{contents, errors::refusal, writer::WriterHandle};

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
    let entity = request.conversation.0;
    let mut taken = contents::take(replica, writer, entity, request.length, request.resume, reply).await?;
    let content = taken.content();
    let id = match &content {
        Content::Bytes(bytes) => replica.keys().blind("attachment", &[&entity, bytes]),
        Content::Blob(blob) => replica.keys().blind("large attachment", &[&entity, &blob.hash]),
    };
    taken
        .keep(replica, writer, Draft { entity, body: Body::Attachment(Attachment::new(Some(id), content)), once: Some(id) })
        .await?;
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
    let content = match found {
        Some(Record { event, body: Body::Attachment(attachment) }) if event.header.entity == request.conversation.0 => {
            attachment.content()
        }
        _ => return Err(Refusal::new(Code::NotFound, "this conversation has no such attachment")),
    };
    let length = content.length();
    contents::give(replica, content, request.offset, request.length, reply).await?;
    Ok(AttachmentFound { length })
}
