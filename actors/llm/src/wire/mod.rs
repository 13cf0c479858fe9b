//! The languages of models: each turns a question into the body of a request, and the events of its stream into
//! [`Delta`](crate::turn::Delta)s. What comes out is the same whatever went in.

mod anthropic;
mod openai;
#[cfg(test)]
mod tests;

use ipc::{
    Refusal,
    messages::llm::{Complete, Tool, Wire},
};
use outbound::Origin;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    errors::Trouble,
    profiles::Profile,
    sse::{self, Event},
    turn::{Turn, is_model},
};

/// Most models of one server.
const MAX_MODELS: usize = 1000;

/// Where a question is sent, below the base URL.
pub(crate) fn complete_path(wire: Wire, origin: &Origin) -> &'static str {
    match wire {
        Wire::OpenAiChat => "/chat/completions",
        Wire::Anthropic if origin.path().ends_with("/v1") => "/messages",
        Wire::Anthropic => "/v1/messages",
    }
}

/// Where the models are listed, below the base URL.
pub(crate) fn models_path(wire: Wire, origin: &Origin) -> &'static str {
    match wire {
        Wire::OpenAiChat => "/models",
        Wire::Anthropic if origin.path().ends_with("/v1") => "/models?limit=1000",
        Wire::Anthropic => "/v1/models?limit=1000",
    }
}

/// The body of a question.
pub(crate) fn body(profile: &Profile, model: &str, request: &Complete) -> Result<Vec<u8>, Refusal> {
    let body = match profile.wire {
        Wire::OpenAiChat => serde_json::to_vec(&openai::request(profile, model, request)?),
        Wire::Anthropic => serde_json::to_vec(&anthropic::request(model, request)?),
    };
    body.map_err(|error| Refusal::internal(format!("write a question: {error}")))
}

/// The ids in a list of models, which both interfaces write in the same way.
pub(crate) fn models(body: &[u8]) -> Result<Vec<String>, Trouble> {
    #[derive(Deserialize)]
    struct List {
        data: Option<Vec<Listed>>,
    }
    #[derive(Deserialize)]
    struct Listed {
        id: String,
    }
    let list: List =
        serde_json::from_slice(body).map_err(|error| Trouble::nonsense(format!("its list of models is none: {error}")))?;
    let ids = list.data.unwrap_or_default().into_iter().map(|listed| listed.id);
    Ok(ids.filter(|id| is_model(id)).take(MAX_MODELS).collect())
}

/// One stream on its way from bytes to a turn: no input or output happens here.
pub(crate) struct Stream {
    reader: sse::Reader,
    interpreter: Interpreter,
    turn: Turn,
}

enum Interpreter {
    OpenAi(openai::Interpreter),
    Anthropic(anthropic::Interpreter),
}

impl Stream {
    /// A stream of a server of this kind.
    pub(crate) fn new(profile: &'static Profile) -> Stream {
        let interpreter = match profile.wire {
            Wire::OpenAiChat => Interpreter::OpenAi(openai::Interpreter::new(profile)),
            Wire::Anthropic => Interpreter::Anthropic(anthropic::Interpreter::default()),
        };
        Stream { reader: sse::Reader::default(), interpreter, turn: Turn::default() }
    }

    /// Takes what arrived. What comes after the end of the answer is not looked at.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Trouble> {
        let too_long = |_| Trouble::nonsense(format!("one of its events has more than {} bytes", sse::MAX_EVENT));
        while !self.turn.has_ended() {
            let Some(event) = self.reader.next(&mut bytes).map_err(too_long)? else { break };
            match &mut self.interpreter {
                Interpreter::OpenAi(interpreter) => interpreter.take(&event, &mut self.turn)?,
                Interpreter::Anthropic(interpreter) => interpreter.take(&event, &mut self.turn)?,
            }
        }
        Ok(())
    }

    /// The body has ended as HTTP says it must.
    pub(crate) fn end(&mut self) -> Result<(), Trouble> {
        match &mut self.interpreter {
            _ if self.turn.has_ended() => Ok(()),
            Interpreter::OpenAi(interpreter) => interpreter.end(&mut self.turn),
            Interpreter::Anthropic(_) => Err(Trouble::Broken("the stream ended before the answer")),
        }
    }

    /// The turn so far.
    pub(crate) fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    /// The turn.
    pub(crate) fn into_turn(self) -> Turn {
        self.turn
    }
}

/// The value in an event.
fn value<'a, T: Deserialize<'a>>(event: &'a Event<'_>) -> Result<T, Trouble> {
    serde_json::from_str(&event.data).map_err(|error| Trouble::nonsense(format!("one of its events cannot be read: {error}")))
}

/// Text that must be a JSON object, to be sent as it is: the order in which a schema names its fields is meant.
fn object<'a>(json: &'a str, what: &str) -> Result<&'a RawValue, Refusal> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    match serde_json::from_str::<&RawValue>(json) {
        Ok(value) if value.get().starts_with('{') => Ok(value),
        _ => Err(Refusal::internal(format!("send {what}: it is not a JSON object"))),
    }
}

/// The parameters of a tool.
fn schema(tool: &Tool) -> Result<&RawValue, Refusal> {
    let none = r#"{"type":"object","properties":{}}"#;
    let schema = if tool.schema.trim().is_empty() { none } else { &tool.schema };
    object(schema, &format!("the schema of the tool {}", tool.name))
}
