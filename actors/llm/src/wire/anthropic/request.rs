//! A question as Messages wants it: contributions that take turns, each of blocks, sealed thinking sent back as it came.

use std::borrow::Cow;

use ipc::{
    Refusal,
    messages::{
        chat::{Part, ToolCall},
        llm::Complete,
    },
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::REDACTED;
use crate::{
    history::{Contribution, contributions},
    wire::{object, schema},
};

/// A question.
#[derive(Serialize)]
pub(in crate::wire) struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: &'a RawValue,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a RawValue,
}

/// The body of a question.
pub(in crate::wire) fn request<'a>(model: &'a str, request: &'a Complete) -> Result<Request<'a>, Refusal> {
    let mut messages: Vec<Message<'a>> = Vec::new();
    for contribution in contributions(&request.messages) {
        let (role, content) = match contribution {
            Contribution::Person(texts) => ("user", texts.into_iter().map(|text| Block::Text { text }).collect()),
            Contribution::Model(parts) => ("assistant", by_model(&parts)?),
            Contribution::Results(results) => {
                let results = results.into_iter().map(|result| Block::ToolResult {
                    tool_use_id: known_id(result.call),
                    content: result.text,
                    is_error: !result.ok,
                });
                ("user", results.collect())
            }
        };
        match messages.last_mut() {
            // Results and what the person says after them are one message.
            Some(before) if before.role == role => before.content.extend(content),
            _ if content.is_empty() => {}
            _ => messages.push(Message { role, content }),
        }
    }
    let tools: Result<_, Refusal> = request
        .tools
        .iter()
        .map(|tool| Ok(Tool { name: &tool.name, description: &tool.description, input_schema: schema(tool)? }))
        .collect();
    let system = (!request.system.is_empty()).then_some(request.system.as_str());
    Ok(Request { model, max_tokens: request.max_tokens.max(1), stream: true, system, messages, tools: tools? })
}

/// A model's contribution, sealed thinking as it came. Thinking without a seal is of another interface and not sent.
fn by_model<'a>(parts: &[&'a Part]) -> Result<Vec<Block<'a>>, Refusal> {
    let mut blocks = Vec::new();
    for part in parts {
        match part {
            // A block of white space alone is refused.
            Part::Text(text) if text.trim().is_empty() => {}
            Part::Text(text) => blocks.push(Block::Text { text: Cow::Borrowed(text) }),
            Part::Thinking { signature, .. } if signature.is_empty() => {}
            Part::Thinking { text, signature } => blocks.push(match signature.strip_prefix(REDACTED) {
                Some(data) => Block::RedactedThinking { data },
                None => Block::Thinking { thinking: text, signature },
            }),
            Part::Call(ToolCall { id, name, arguments }) => {
                let input = object(arguments, &format!("the call of {name}"))?;
                blocks.push(Block::ToolUse { id: known_id(id), name, input });
            }
            Part::Result(_) => {}
        }
    }
    // A message that ends in thinking is refused, and with it every question after it: a turn that was stopped while it
    // thought has led to nothing that could stand behind it.
    while matches!(blocks.last(), Some(Block::Thinking { .. } | Block::RedactedThinking { .. })) {
        blocks.pop();
    }
    Ok(blocks)
}

/// An id in the alphabet of this interface: a call may have been made over the other one.
fn known_id(id: &str) -> Cow<'_, str> {
    let known = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    match id {
        "" => Cow::Borrowed("_"),
        id if id.chars().all(known) => Cow::Borrowed(id),
        id => Cow::Owned(id.chars().map(|char| if known(char) { char } else { '_' }).collect()),
    }
}
