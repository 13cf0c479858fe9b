//! The events of a Messages stream. An answer has ended at `message_stop` and nowhere else. Blocks may overlap (llama.cpp
//! begins the text before it ends the thinking), so each is known by its index and none is "the current one".

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use ipc::messages::llm::Stop;
use serde::Deserialize;
use serde_json::Value;

use super::REDACTED;
use crate::{
    errors::{ServerError, Trouble},
    sse::{Event, MAX_EVENT},
    turn::{Delta, Turn},
    wire::value,
};

/// Most blocks of one answer that are remembered for one reason.
const MAX_BLOCKS: usize = 256;

/// Most bytes of the seals that wait for the ends of their blocks, all together.
const MAX_SEALS: usize = MAX_EVENT;

/// What every event has. The rest is read only of the types that are known: others may hold anything.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct MessageStart {
    message: Begun,
}

#[derive(Deserialize)]
struct Begun {
    model: Option<String>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct BlockStart {
    index: u64,
    content_block: Started,
}

#[derive(Deserialize)]
struct Started {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    thinking: Option<String>,
    data: Option<String>,
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct BlockDelta {
    index: u64,
    delta: Words,
}

#[derive(Deserialize)]
struct Words {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
}

#[derive(Deserialize)]
struct BlockStop {
    index: u64,
}

#[derive(Deserialize)]
struct MessageDelta {
    delta: Stopped,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Stopped {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

/// Reads the events of one stream.
#[derive(Default)]
pub(in crate::wire) struct Interpreter {
    /// The seals of thinking blocks that have not ended.
    seals: BTreeMap<u64, String>,
    /// Blocks of kinds that were not asked for.
    others: BTreeSet<u64>,
    /// Tokens read: not cached, written to the cache, read from it. Each count replaces the one before.
    input: [u64; 3],
}

impl Interpreter {
    pub(in crate::wire) fn take(&mut self, event: &Event<'_>, turn: &mut Turn) -> Result<(), Trouble> {
        let Head { kind, error } = match value(event) {
            Ok(head) => head,
            // Nothing depends on how a ping is written.
            Err(_) if event.name == "ping" => return Ok(()),
            Err(trouble) => return Err(trouble),
        };
        if let Some(error) = error.filter(|error| !error.is_null()) {
            return Err(Trouble::Said(ServerError::read(&error)));
        }
        let kind = if kind.is_empty() { &*event.name } else { &*kind };
        match kind {
            "message_start" => {
                let MessageStart { message } = value(event)?;
                if let Some(model) = message.model {
                    turn.take(Delta::Model(model))?;
                }
                self.count(message.usage, turn)
            }
            "content_block_start" => self.start(value(event)?, turn),
            "content_block_delta" => self.words(value(event)?, turn),
            "content_block_stop" => {
                let BlockStop { index } = value(event)?;
                if let Some(seal) = self.seals.remove(&index) {
                    turn.take(Delta::Sealed(seal))?;
                }
                turn.take(Delta::Closed { block: index })
            }
            "message_delta" => {
                let MessageDelta { delta, usage } = value(event)?;
                self.count(usage, turn)?;
                match delta.stop_reason {
                    Some(reason) => stopped(&reason, turn),
                    None => Ok(()),
                }
            }
            // Without a reason before it this is no end, and the turn knows.
            "message_stop" => turn.take(Delta::Ended),
            "error" => Err(Trouble::Said(ServerError::read_body(event.data.as_bytes()))),
            // Pings, and what may come one day.
            _ => Ok(()),
        }
    }

    fn start(&mut self, start: BlockStart, turn: &mut Turn) -> Result<(), Trouble> {
        let BlockStart { index, content_block } = start;
        let Started { kind, text, thinking, data, id, name } = content_block;
        match &*kind {
            "text" => turn.take(Delta::Text(text.unwrap_or_default())),
            "thinking" => turn.take(Delta::Thinking(thinking.unwrap_or_default())),
            "redacted_thinking" => self.seal(index, &format!("{REDACTED}{}", data.unwrap_or_default())),
            "tool_use" => {
                let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
                turn.take(Delta::CallOpened { block: index, id, name })
            }
            _ if self.others.len() == MAX_BLOCKS => Err(Trouble::nonsense("its answer has too many blocks of unknown kinds")),
            _ => {
                self.others.insert(index);
                Ok(())
            }
        }
    }

    fn words(&mut self, delta: BlockDelta, turn: &mut Turn) -> Result<(), Trouble> {
        let BlockDelta { index, delta } = delta;
        match &*delta.kind {
            _ if self.others.contains(&index) => Ok(()),
            "text_delta" => turn.take(Delta::Text(delta.text.unwrap_or_default())),
            "thinking_delta" => turn.take(Delta::Thinking(delta.thinking.unwrap_or_default())),
            "signature_delta" => self.seal(index, &delta.signature.unwrap_or_default()),
            "input_json_delta" => match delta.partial_json {
                Some(json) if !json.is_empty() => turn.take(Delta::Arguments { block: index, json }),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn seal(&mut self, index: u64, more: &str) -> Result<(), Trouble> {
        let held: usize = self.seals.values().map(String::len).sum();
        self.seals.entry(index).or_default().push_str(more);
        if self.seals.len() > MAX_BLOCKS || held + more.len() > MAX_SEALS {
            return Err(Trouble::nonsense("the seals on its thinking are too many or too long"));
        }
        Ok(())
    }

    fn count(&mut self, usage: Option<Usage>, turn: &mut Turn) -> Result<(), Trouble> {
        let Some(usage) = usage else { return Ok(()) };
        let told = [usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens];
        for (count, told) in self.input.iter_mut().zip(told) {
            *count = told.unwrap_or(*count);
        }
        let input = self.input.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        turn.take(Delta::Usage { input: Some(input), output: usage.output_tokens })
    }
}

fn stopped(reason: &str, turn: &mut Turn) -> Result<(), Trouble> {
    let stop = match reason {
        "tool_use" => Stop::ToolUse,
        "max_tokens" => Stop::TooLong,
        "refusal" => Stop::Declined,
        "model_context_window_exceeded" => return Err(Trouble::ContextFull),
        // `end_turn`, `stop_sequence`, `pause_turn`, and what may come one day.
        _ => Stop::Finished,
    };
    turn.take(Delta::Stopped(stop))
}
