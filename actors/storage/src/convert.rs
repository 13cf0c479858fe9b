//! Between what is on the wire and what is on disk. The two are kept apart on purpose: the wire changes with the program,
//! the disk never.

use ipc::{
    id::{AttachmentId, ConversationId, MessageId, TurnId},
    messages::{
        chat::{self, ToolCall, ToolResult, Usage},
        storage,
    },
};
use replica::{Kept, Recorded, body};

pub(crate) fn message_to_disk(message: chat::Message) -> body::Message {
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

pub(crate) fn message_to_wire(event: &Recorded, message: body::Message) -> chat::Message {
    chat::Message {
        id: MessageId(message.id),
        conversation: ConversationId(event.header.entity),
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
        at_ms: event.clock().millis(),
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

pub(crate) fn trace_to_disk(trace: storage::Trace) -> body::Trace {
    body::Trace {
        turn: trace.turn.0,
        goal: trace.goal,
        skill: trace.skill,
        model: trace.model,
        steps: trace
            .steps
            .into_iter()
            .map(|storage::Step { tool, input, output, ok, millis }| body::Step { tool, input, output, ok, millis })
            .collect(),
        outcome: match trace.outcome {
            storage::TraceOutcome::Answered => body::Outcome::Answered,
            storage::TraceOutcome::Stopped => body::Outcome::Stopped,
            storage::TraceOutcome::Failed => body::Outcome::Failed,
        },
        millis: trace.millis,
        tokens_in: trace.usage.input,
        tokens_out: trace.usage.output,
    }
}

pub(crate) fn trace_to_wire(event: &Recorded, trace: body::Trace) -> storage::Trace {
    storage::Trace {
        turn: TurnId(trace.turn),
        conversation: ConversationId(event.header.entity),
        goal: trace.goal,
        skill: trace.skill,
        model: trace.model,
        steps: trace
            .steps
            .into_iter()
            .map(|body::Step { tool, input, output, ok, millis }| storage::Step { tool, input, output, ok, millis })
            .collect(),
        outcome: match trace.outcome {
            body::Outcome::Answered => storage::TraceOutcome::Answered,
            body::Outcome::Stopped => storage::TraceOutcome::Stopped,
            body::Outcome::Failed => storage::TraceOutcome::Failed,
        },
        millis: trace.millis,
        usage: Usage { input: trace.tokens_in, output: trace.tokens_out },
        at_ms: event.clock().millis(),
    }
}

pub(crate) fn conversation_to_wire(id: [u8; 16], view: &replica::Conversation) -> storage::Conversation {
    let millis = |clock: u64| ipc::event::Clock(clock).millis();
    storage::Conversation {
        id: ConversationId(id),
        title: view.title.clone(),
        messages: view.messages,
        created_ms: millis(view.created),
        changed_ms: millis(view.changed),
    }
}

pub(crate) fn appended(kept: Kept) -> storage::Appended {
    storage::Appended { event: kept.id, position: kept.position }
}

pub(crate) fn change(kept: Kept) -> storage::Change {
    storage::Change { position: kept.position, kind: kept.kind, entity: kept.entity, event: kept.id }
}
