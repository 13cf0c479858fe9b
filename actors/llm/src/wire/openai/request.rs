//! A question as Chat Completions wants it: one message for each contribution and each result, thinking left out.

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

use crate::{
    history::{Contribution, contributions},
    profiles::{Limit, Profile},
    wire::{object, schema},
};

/// A question.
#[derive(Serialize)]
pub(in crate::wire) struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_obfuscation: Option<bool>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    /// `null` beside calls without words.
    content: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a RawValue,
}

/// The body of a question.
pub(in crate::wire) fn request<'a>(profile: &Profile, model: &'a str, request: &'a Complete) -> Result<Request<'a>, Refusal> {
    let mut messages = Vec::new();
    if !request.system.is_empty() {
        messages.push(Message::words("system", Cow::Borrowed(&request.system)));
    }
    for contribution in contributions(&request.messages) {
        match contribution {
            Contribution::Person(texts) => messages.push(Message::words("user", joined(texts))),
            Contribution::Model(parts) => messages.extend(by_model(&parts)?),
            Contribution::Results(results) => {
                messages.extend(results.into_iter().map(|result| Message {
                    tool_call_id: Some(result.call),
                    ..Message::words("tool", Cow::Borrowed(result.text))
                }))
            }
        }
    }
    let tools: Result<Vec<Tool<'_>>, Refusal> = request
        .tools
        .iter()
        .map(|tool| {
            let function = Function { name: &tool.name, description: &tool.description, parameters: schema(tool)? };
            Ok(Tool { r#type: "function", function })
        })
        .collect();
    let most = request.max_tokens.max(1);
    Ok(Request {
        model,
        messages,
        stream: true,
        stream_options: StreamOptions { include_usage: true, include_obfuscation: profile.pads.then_some(false) },
        max_tokens: (profile.limit == Limit::MaxTokens).then_some(most),
        max_completion_tokens: (profile.limit == Limit::MaxCompletionTokens).then_some(most),
        tools: tools?,
    })
}

impl<'a> Message<'a> {
    fn words(role: &'static str, content: Cow<'a, str>) -> Message<'a> {
        Message { role, content: Some(content), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// Things said separately stay apart.
fn joined<'a>(mut texts: Vec<Cow<'a, str>>) -> Cow<'a, str> {
    if texts.len() == 1 { texts.swap_remove(0) } else { Cow::Owned(texts.join("\n\n")) }
}

/// A model's words and calls. Its thinking is not sent: the interface has no place for it.
fn by_model<'a>(parts: &[&'a Part]) -> Result<Option<Message<'a>>, Refusal> {
    let mut content: Option<Cow<'a, str>> = None;
    let mut tool_calls = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => match &mut content {
                Some(before) => before.to_mut().push_str(text),
                None => content = Some(Cow::Borrowed(text)),
            },
            Part::Call(ToolCall { id, name, arguments }) => {
                let arguments = object(arguments, &format!("the call of {name}"))?.get();
                tool_calls.push(Called { id, r#type: "function", function: CalledFunction { name, arguments } });
            }
            Part::Thinking { .. } | Part::Result(_) => {}
        }
    }
    let silent = content.is_none() && tool_calls.is_empty();
    Ok((!silent).then_some(Message { role: "assistant", content, tool_calls, tool_call_id: None }))
}
