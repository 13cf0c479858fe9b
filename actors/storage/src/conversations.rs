//! Conversations, messages and traces.

use actix::Addr;
use ipc::{
    Code, Refusal,
    id::{ConversationId, MessageId},
    messages::{
        chat::{Author, MAX_ATTACHMENTS, MAX_TEXT, Message, Part, Status},
        storage::{
            AppendMessage, AppendTrace, Appended, Conversation, Conversations, CreateConversation, Cursor, ListConversations,
            ListTraces, MAX_PAGE, ReadConversation, SetTitle, Traces, Transcript,
        },
    },
};
use replica::{
    Draft, Replica,
    body::{self, Body, Title},
};

use crate::{
    convert::{appended, conversation_to_wire, message_to_disk, message_to_wire, trace_to_disk, trace_to_wire},
    errors::{ours, refusal},
    journal::{Finish, Journals, Left, Speaking},
    writer::WriterHandle,
};

/// Longest title, in bytes.
const MAX_TITLE: usize = 512;

/// Bodies of messages in one page: well below what a frame carries.
const PAGE_BYTES: usize = 512 << 10;

fn not_found() -> Refusal {
    Refusal::new(Code::NotFound, "there is no such conversation; `lamos history` lists them")
}

fn page(limit: u16) -> usize {
    usize::from(limit.clamp(1, MAX_PAGE))
}

pub(crate) fn title(title: String) -> Result<Title, Refusal> {
    if title.len() > MAX_TITLE || title.chars().any(char::is_control) {
        return Err(Refusal::new(Code::NotKeepable, format!("a title is one line of at most {MAX_TITLE} bytes")));
    }
    Ok(Title { title })
}

pub(crate) async fn create(
    replica: &Replica,
    writer: &WriterHandle,
    request: CreateConversation,
) -> Result<Conversation, Refusal> {
    let entity = request.id.0;
    // An id that is there already is the same conversation, whatever it was called in between.
    if let Some(view) = replica.snapshot().and_then(|snapshot| snapshot.conversation(&entity)).map_err(|error| refusal(&error))? {
        return Ok(conversation_to_wire(entity, &view));
    }
    let body = Body::Conversation(title(request.title)?);
    writer.append(Draft { entity, body, once: Some(entity) }).await?;
    let view = replica.snapshot().and_then(|snapshot| snapshot.conversation(&entity)).map_err(|error| refusal(&error))?;
    Ok(conversation_to_wire(entity, &view.ok_or_else(not_found)?))
}

pub(crate) async fn append(
    writer: &WriterHandle,
    journals: &Addr<Journals>,
    request: AppendMessage,
) -> Result<Appended, Refusal> {
    let AppendMessage { message, ends_turn } = request;
    check_message(&message)?;
    if ends_turn && message.id.0 != message.turn.0 {
        return Err(Refusal::new(Code::Malformed, "the message that ends a turn has the turn's id"));
    }
    let turn = message.turn;
    let (entity, once) = (message.conversation.0, Some(message.id.0));
    let kept = writer.append(Draft { entity, body: Body::Message(message_to_disk(message)), once }).await?;
    if ends_turn {
        journals.send(Finish(turn)).await.map_err(|error| ours("close the journal", &error))?;
    }
    Ok(appended(kept))
}

/// Whether a message is one that is kept.
pub(crate) fn check_message(message: &Message) -> Result<(), Refusal> {
    let text: usize = message.parts.iter().map(part_len).sum();
    if text > MAX_TEXT || message.attachments.len() > MAX_ATTACHMENTS {
        return Err(Refusal::new(
            Code::NotKeepable,
            format!("a message has at most {MAX_TEXT} bytes and {MAX_ATTACHMENTS} attachments"),
        ));
    }
    Ok(())
}

fn part_len(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Thinking { text, signature } => text.len() + signature.len(),
        Part::Call(call) => call.id.len() + call.name.len() + call.arguments.len(),
        Part::Result(result) => result.call.len() + result.text.len(),
    }
}

pub(crate) async fn set_title(writer: &WriterHandle, request: SetTitle) -> Result<Appended, Refusal> {
    let draft = Draft { entity: request.id.0, body: Body::Title(title(request.title)?), once: None };
    writer.append(draft).await.map(appended)
}

pub(crate) fn list(replica: &Replica, request: ListConversations) -> Result<Conversations, Refusal> {
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    let after = request.after.map(|Cursor { clock, id }| (clock, id.0));
    let page = snapshot.conversations(after, page(request.limit)).map_err(|error| refusal(&error))?;
    let next = page.items.last().filter(|_| page.more).map(|(id, view)| Cursor { clock: view.changed, id: ConversationId(*id) });
    Ok(Conversations { items: page.items.iter().map(|(id, view)| conversation_to_wire(*id, view)).collect(), next })
}

pub(crate) async fn read(replica: &Replica, journals: &Addr<Journals>, request: ReadConversation) -> Result<Transcript, Refusal> {
    let (view, messages) = {
        let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
        let view = snapshot.conversation(&request.id.0).map_err(|error| refusal(&error))?.ok_or_else(not_found)?;
        let messages = snapshot.messages(&request.id.0, request.skip as usize, page(request.limit), PAGE_BYTES);
        (view, messages.map_err(|error| refusal(&error))?)
    };
    let shown = u32::try_from(messages.items.len()).unwrap_or(u32::MAX);
    let unfinished = if messages.more {
        Vec::new()
    } else {
        journals.send(Speaking(request.id)).await.map_err(|error| ours("read the journal", &error))?
    };
    let items = messages.items.into_iter().filter_map(|record| match record.body {
        Body::Message(message) => Some(message_to_wire(&record.event, message)),
        _ => None,
    });
    Ok(Transcript {
        conversation: conversation_to_wire(request.id.0, &view),
        messages: items.collect(),
        unfinished,
        next: messages.more.then_some(request.skip.saturating_add(shown)),
    })
}

pub(crate) async fn append_trace(writer: &WriterHandle, request: AppendTrace) -> Result<Appended, Refusal> {
    let (entity, once) = (request.trace.conversation.0, Some(request.trace.turn.0));
    let draft = Draft { entity, body: Body::Trace(trace_to_disk(request.trace)), once };
    writer.append(draft).await.map(appended)
}

pub(crate) fn traces(replica: &Replica, request: ListTraces) -> Result<Traces, Refusal> {
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    let records = snapshot.newest(body::TRACE, page(request.limit)).map_err(|error| refusal(&error))?;
    let items = records.into_iter().filter_map(|record| match record.body {
        Body::Trace(trace) => Some(trace_to_wire(&record.event, trace)),
        _ => None,
    });
    Ok(Traces { items: items.collect() })
}

/// Turns that were cut short: what they had said becomes a message that says so. A turn whose answer is kept already only
/// loses its journal.
pub(crate) async fn close_left(writer: &WriterHandle, journals: &Addr<Journals>, left: Vec<Left>) -> Result<(), Refusal> {
    for Left { turn, conversation, text } in left {
        if !text.is_empty() {
            let message = Message {
                id: MessageId(turn.0),
                conversation,
                turn,
                author: Author::Assistant,
                parts: vec![Part::Text(text)],
                attachments: Vec::new(),
                status: Status::Interrupted,
                made_by: String::new(),
                at_ms: 0,
            };
            let draft = Draft { entity: conversation.0, body: Body::Message(message_to_disk(message)), once: Some(turn.0) };
            match writer.append(draft).await {
                Ok(_) => {}
                // Its answer is kept, in other words than the journal's: it had gone on. Or its conversation never was.
                Err(refusal) if matches!(refusal.code, Code::Conflict | Code::NotFound) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        journals.send(Finish(turn)).await.map_err(|error| ours("close the journal", &error))?;
    }
    Ok(())
}
