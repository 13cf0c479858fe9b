//! The events of a Chat Completions stream.
//!
//! An answer has ended at `[DONE]` after a `finish_reason`. A server that closes the stream properly after a
//! `finish_reason` and leaves `[DONE]` out is believed as well: it said why the model stopped, and all that can be missing
//! is the count of tokens. An error after the `finish_reason` is still an error.
//!
//! Calls are given out after `tool_calls`. Some servers say `stop` after complete calls; they are believed only if
//! `[DONE]` follows, and the arguments are read as strictly as ever.

use ipc::messages::llm::Stop;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    errors::{ServerError, Trouble},
    profiles::{CallKey, Profile, ThinkingField},
    sse::Event,
    turn::{Delta, Turn},
    wire::value,
};

#[derive(Deserialize)]
struct Chunk {
    object: Option<String>,
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    delta: Option<Words>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Words {
    content: Option<String>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<CallPart>>,
}

#[derive(Deserialize)]
struct CallPart {
    index: Option<u64>,
    id: Option<String>,
    function: Option<FunctionPart>,
}

#[derive(Deserialize)]
struct FunctionPart {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// A call as far as it is known: its place in the stream, and its id.
struct Open {
    index: Option<u64>,
    id: String,
}

/// Reads the events of one stream.
pub(in crate::wire) struct Interpreter {
    profile: &'static Profile,
    /// The calls so far; their position is their block.
    calls: Vec<Open>,
    reason: Option<String>,
    declined: bool,
}

impl Interpreter {
    pub(in crate::wire) fn new(profile: &'static Profile) -> Interpreter {
        Interpreter { profile, calls: Vec::new(), reason: None, declined: false }
    }

    pub(in crate::wire) fn take(&mut self, event: &Event<'_>, turn: &mut Turn) -> Result<(), Trouble> {
        let data = event.data.trim();
        if data == "[DONE]" {
            return self.finish(turn, true);
        }
        // Some servers send their comments as data.
        if data.is_empty() || data.starts_with(':') {
            return Ok(());
        }
        // A failure has this name, or calls itself an object of this kind, or stands under this key.
        if event.name == "error" {
            return Err(Trouble::Said(ServerError::read_body(data.as_bytes())));
        }
        let chunk: Chunk = value(event)?;
        if chunk.object.as_deref() == Some("error") {
            return Err(Trouble::Said(ServerError::read_body(data.as_bytes())));
        }
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(Trouble::Said(ServerError::read(&error)));
        }
        if let Some(model) = chunk.model {
            turn.take(Delta::Model(model))?;
        }
        if let Some(Usage { prompt_tokens, completion_tokens }) = chunk.usage {
            turn.take(Delta::Usage { input: prompt_tokens, output: completion_tokens })?;
        }
        // One answer was asked for. More would be another's words.
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
            if let Some(words) = choice.delta {
                self.take_words(words, turn)?;
            }
            // Some servers send an empty reason with every chunk.
            if self.reason.is_none() {
                self.reason = choice.finish_reason.filter(|reason| !reason.is_empty());
            }
        }
        Ok(())
    }

    fn take_words(&mut self, words: Words, turn: &mut Turn) -> Result<(), Trouble> {
        let Words { content, refusal, mut reasoning_content, mut reasoning, tool_calls } = words;
        let thinking = self.profile.thinking.iter().find_map(|field| {
            let words = match field {
                ThinkingField::ReasoningContent => reasoning_content.take(),
                ThinkingField::Reasoning => reasoning.take(),
            };
            words.filter(|words| !words.is_empty())
        });
        if let Some(words) = thinking {
            turn.take(Delta::Thinking(words))?;
        }
        if let Some(words) = content {
            turn.take(Delta::Text(words))?;
        }
        if let Some(words) = refusal.filter(|words| !words.is_empty()) {
            self.declined = true;
            turn.take(Delta::Text(words))?;
        }
        for part in tool_calls.into_iter().flatten() {
            self.take_call(part, turn)?;
        }
        Ok(())
    }

    fn take_call(&mut self, part: CallPart, turn: &mut Turn) -> Result<(), Trouble> {
        let CallPart { index, id, function } = part;
        let id = id.unwrap_or_default();
        let FunctionPart { name, arguments } = function.unwrap_or(FunctionPart { name: None, arguments: None });
        let name = name.unwrap_or_default();
        if index.is_none() && self.profile.calls == CallKey::Index {
            return Err(Trouble::nonsense("a part of a tool call has no index"));
        }
        let is_same = |open: &Open| match (self.profile.calls, index) {
            (CallKey::Index, _) => open.index == index,
            // Where several calls share an index, a name with another id begins the next of them.
            (CallKey::IndexOrId, Some(_)) => {
                open.index == index && (name.is_empty() || id.is_empty() || open.id.is_empty() || open.id == id)
            }
            // Without an index, what has no name belongs to the last call.
            (CallKey::IndexOrId, None) => name.is_empty() || (!id.is_empty() && open.id == id),
        };
        let known = self.calls.iter().rposition(is_same);
        let at = match known {
            Some(at) => at,
            None => {
                let at = self.calls.len();
                self.calls.push(Open { index, id: id.clone() });
                let id = if id.is_empty() { format!("call_{at}") } else { id };
                turn.take(Delta::CallOpened { block: at as u64, id, name })?;
                at
            }
        };
        match arguments {
            Some(json) if !json.is_empty() => turn.take(Delta::Arguments { block: at as u64, json }),
            _ => Ok(()),
        }
    }

    /// The body has ended without `[DONE]`.
    pub(in crate::wire) fn end(&mut self, turn: &mut Turn) -> Result<(), Trouble> {
        self.finish(turn, false)
    }

    fn finish(&mut self, turn: &mut Turn, done: bool) -> Result<(), Trouble> {
        let Some(reason) = self.reason.as_deref() else {
            return Err(Trouble::Broken("the stream ended before the answer"));
        };
        let stop = match reason {
            _ if self.declined => Stop::Declined,
            "tool_calls" | "function_call" => Stop::ToolUse,
            "length" => Stop::TooLong,
            "content_filter" => Stop::Declined,
            "error" => return Err(Trouble::Broken("it says that it failed")),
            _ if self.calls.is_empty() => Stop::Finished,
            _ if done => Stop::ToolUse,
            _ => return Err(Trouble::Broken("the stream ended before a tool call")),
        };
        if stop == Stop::ToolUse {
            for block in 0..self.calls.len() as u64 {
                turn.take(Delta::Closed { block })?;
            }
        }
        turn.take(Delta::Stopped(stop))?;
        turn.take(Delta::Ended)
    }
}
