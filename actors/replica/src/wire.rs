//! Between what is said on the wire of conversations and what lies on disk of them, for the rooms that answer from a
//! replica. The two are kept apart on purpose: the wire changes with the program, the disk never.
//!
//! What only one room speaks of is translated in that room.

use ipc::{
    id::{AttachmentId, ConversationId, MessageId, TurnId},
    messages::{
        chat::{self, ToolCall, ToolResult},
        storage,
    },
};

use crate::{Conversation, Recorded, body};

/// A message as it is kept.
pub fn message_to_disk(message: chat::Message) -> body::Message {
    body::Message {
        id: message.id.0,
        turn: message.turn.0,
        author: match message.author {
            chat::Author::Person => body::Author::Person,
            chat::Author::Assistant => body::Author::Assistant,
        },
        parts: message.parts.into_iter().map(part_to_disk).collect(),
        attachments: message
            .attachments
            .into_iter()
            .map(|chat::Attached { id, name, length }| body::Attached { id: id.0, name, length })
            .collect(),
        status: match message.status {
            chat::Status::Complete => body::Status::Complete,
            chat::Status::Stopped => body::Status::Stopped,
            chat::Status::Interrupted => body::Status::Interrupted,
        },
        made_by: message.made_by,
    }
}

/// A message as it is told.
pub fn message_to_wire(event: &Recorded, message: body::Message) -> chat::Message {
    message_of(event.header.entity, event.clock().millis(), message)
}

/// The same of a message that is no event yet.
pub fn message_of(conversation: [u8; 16], at_ms: u64, message: body::Message) -> chat::Message {
    chat::Message {
        id: MessageId(message.id),
        conversation: ConversationId(conversation),
        turn: TurnId(message.turn),
        author: match message.author {
            body::Author::Person => chat::Author::Person,
            body::Author::Assistant => chat::Author::Assistant,
        },
        parts: message.parts.into_iter().map(part_to_wire).collect(),
        attachments: message
            .attachments
            .into_iter()
            .map(|body::Attached { id, name, length }| chat::Attached { id: AttachmentId(id), name, length })
            .collect(),
        status: match message.status {
            body::Status::Complete => chat::Status::Complete,
            body::Status::Stopped => chat::Status::Stopped,
            body::Status::Interrupted => chat::Status::Interrupted,
        },
        made_by: message.made_by,
        at_ms,
    }
}

fn part_to_disk(part: chat::Part) -> body::Part {
    match part {
        chat::Part::Text(text) => body::Part::Text(text),
        chat::Part::Thinking { text, signature } => body::Part::Thinking(text, signature),
        chat::Part::Call(ToolCall { id, name, arguments }) => body::Part::Call(id, name, arguments),
        chat::Part::Result(ToolResult { call, ok, text }) => body::Part::Result(call, ok, text),
    }
}

fn part_to_wire(part: body::Part) -> chat::Part {
    match part {
        body::Part::Text(text) => chat::Part::Text(text),
        body::Part::Thinking(text, signature) => chat::Part::Thinking { text, signature },
        body::Part::Call(id, name, arguments) => chat::Part::Call(ToolCall { id, name, arguments }),
        body::Part::Result(call, ok, text) => chat::Part::Result(ToolResult { call, ok, text }),
    }
}

/// A conversation as lists show it.
pub fn conversation_to_wire(id: [u8; 16], view: &Conversation) -> storage::Conversation {
    let millis = |clock: u64| ipc::event::Clock(clock).millis();
    storage::Conversation {
        id: ConversationId(id),
        title: view.title.clone(),
        messages: view.messages,
        created_ms: millis(view.created),
        changed_ms: millis(view.changed),
    }
}
