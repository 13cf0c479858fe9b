//! Recorded and written-out streams against what they must become. The recordings are of llama-server 0.7.0.

mod rechunk;
mod requests;
mod streams;

use ipc::{
    messages::{
        chat::{ToolCall, Usage},
        crypto::ApiKey,
        llm::{Completed, ModelEvent, Stop, Wire},
    },
    secret::Secret,
};

use super::Stream;
use crate::{access::Access, errors::Trouble};

const OPENAI: &str = "https://api.openai.com/v1";
const OPENROUTER: &str = "https://openrouter.ai/api/v1";
const OLLAMA: &str = "http://127.0.0.1:11434/v1";
const ANY: &str = "http://127.0.0.1:8099/v1";
const ANTHROPIC: &str = "https://api.anthropic.com";

/// An access to one of the servers above.
fn access(url: &str, wire: Wire) -> Access {
    Access::new(wire, ApiKey { base_url: url.into(), key: Secret::new(Vec::new()) }).expect("access")
}

/// What a stream becomes when it arrives in these pieces and then ends.
fn read<'a>(url: &str, wire: Wire, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ModelEvent>, Result<Completed, Trouble>) {
    let mut stream = Stream::new(access(url, wire).profile());
    let result = pieces.into_iter().try_for_each(|piece| stream.take(piece)).and_then(|()| stream.end());
    let mut events = Vec::new();
    while let Some(piece) = stream.turn().pieces().pop() {
        events.push(piece);
    }
    (events, result.and_then(|()| stream.into_turn().finish("asked")))
}

fn text(text: &str) -> ModelEvent {
    ModelEvent::Text(text.into())
}

fn thinking(text: &str) -> ModelEvent {
    ModelEvent::Thinking(text.into())
}

fn sealed(seal: &str) -> ModelEvent {
    ModelEvent::ThinkingSealed(seal.into())
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

fn completed(stop: Stop, calls: Vec<ToolCall>, usage: (u64, u64), model: &str) -> Completed {
    Completed { stop, calls, usage: Usage { input: usage.0, output: usage.1 }, model: model.into() }
}

/// A recording, and what it is.
struct Recording {
    wire: Wire,
    stream: &'static str,
    events: Vec<ModelEvent>,
    completed: Completed,
}

/// The same three answers on both wires.
fn recordings() -> Vec<Recording> {
    use Wire::{Anthropic, OpenAiChat};
    let code = r#"{"code": "print(\"東京\", 6*7)"}"#;
    let rows = [
        (OpenAiChat, include_str!("../recordings/openai-text.sse"), ""),
        (Anthropic, include_str!("../recordings/anthropic-text.sse"), ""),
        (OpenAiChat, include_str!("../recordings/openai-tool.sse"), "1UE0DL1GxAksULq2JhjICNbFgU8znJqp"),
        (Anthropic, include_str!("../recordings/anthropic-tool.sse"), "TiR0piMXw8RHGULP14Pgz4tIOQ6JfgJ4"),
        (OpenAiChat, include_str!("../recordings/openai-think.sse"), ""),
        (Anthropic, include_str!("../recordings/anthropic-think.sse"), ""),
    ];
    let row = |(at, (wire, stream, id)): (usize, (Wire, &'static str, &str))| {
        let (events, completed) = match at / 2 {
            0 => (vec![text("Hello 東京 🗼, wörld!")], completed(Stop::Finished, vec![], (21, 8), "text.gguf")),
            1 => (vec![text("Let me see.")], completed(Stop::ToolUse, vec![call(id, "python", code)], (375, 10), "tool.gguf")),
            _ => {
                (vec![thinking("Hmm, six sevens\n"), text("It is 42.")], completed(Stop::Finished, vec![], (21, 9), "think.gguf"))
            }
        };
        Recording { wire, stream, events, completed }
    };
    rows.into_iter().enumerate().map(row).collect()
}
