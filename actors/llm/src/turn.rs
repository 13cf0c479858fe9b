//! One answer while it is spoken: whatever the wire, it becomes the same pieces on their way to the caller and the same
//! [`Completed`] at the end.
//!
//! **Architecture Invariant:** a tool call is given out only if its block has ended, the whole answer has ended, the model
//! stopped in order to call, and the arguments are a JSON object. Arguments are never repaired.

use std::collections::BTreeMap;

use ipc::messages::{
    chat::{ToolCall, Usage},
    llm::{Completed, Stop},
};

use crate::{
    errors::Trouble,
    pieces::{Kind, Pieces},
    words::clean,
};

/// Most calls of one answer.
const MAX_CALLS: usize = 128;

/// Most bytes of all calls of one answer: they travel in one message.
const MAX_CALL_BYTES: usize = 512 << 10;

/// Longest name of a model.
const MAX_MODEL: usize = 200;

/// Whether this can be the name of a model: it is shown to people, so it holds nothing that a terminal would obey or that
/// hides a part of it.
pub(crate) fn is_model(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_MODEL && clean(name) == name
}

/// What happened in an answer, on whichever wire.
#[derive(Debug)]
pub(crate) enum Delta {
    /// The model that answers.
    Model(String),
    /// Words.
    Text(String),
    /// Thinking.
    Thinking(String),
    /// The seal on the thinking so far, whole.
    Sealed(String),
    /// A call begins in this block.
    CallOpened { block: u64, id: String, name: String },
    /// More of the arguments of the call in this block.
    Arguments { block: u64, json: String },
    /// This block has ended.
    Closed { block: u64 },
    /// Tokens as counted so far; what is not told stays.
    Usage { input: Option<u64>, output: Option<u64> },
    /// Why the model stopped.
    Stopped(Stop),
    /// The protocol's own end.
    Ended,
}

/// A call that is being spoken.
struct Call {
    id: String,
    name: String,
    arguments: String,
    closed: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Turn {
    pieces: Pieces,
    /// By block, so that blocks may overlap.
    calls: BTreeMap<u64, Call>,
    call_bytes: usize,
    usage: Usage,
    model: String,
    stop: Option<Stop>,
    ended: bool,
}

impl Turn {
    /// Takes what happened next.
    pub(crate) fn take(&mut self, delta: Delta) -> Result<(), Trouble> {
        match delta {
            Delta::Model(model) => {
                if self.model.is_empty() && is_model(&model) {
                    self.model = model;
                }
            }
            Delta::Text(text) => self.pieces.push(Kind::Text, text),
            Delta::Thinking(text) => self.pieces.push(Kind::Thinking, text),
            Delta::Sealed(seal) => self.pieces.push(Kind::Seal, seal),
            Delta::CallOpened { block, id, name } => {
                self.count(id.len() + name.len())?;
                if self.calls.len() == MAX_CALLS {
                    return Err(Trouble::nonsense(format!("it calls more than {MAX_CALLS} tools at once")));
                }
                let call = Call { id, name, arguments: String::new(), closed: false };
                if self.calls.insert(block, call).is_some() {
                    return Err(Trouble::nonsense("it begins one block twice"));
                }
            }
            Delta::Arguments { block, json } => {
                self.count(json.len())?;
                match self.calls.get_mut(&block) {
                    Some(call) if !call.closed => call.arguments.push_str(&json),
                    _ => return Err(Trouble::nonsense("it sends arguments of a tool call that is not open")),
                }
            }
            Delta::Closed { block } => {
                if let Some(call) = self.calls.get_mut(&block) {
                    call.closed = true;
                }
            }
            Delta::Usage { input, output } => {
                self.usage.input = input.unwrap_or(self.usage.input);
                self.usage.output = output.unwrap_or(self.usage.output);
            }
            Delta::Stopped(stop) => self.stop = Some(stop),
            Delta::Ended => self.ended = true,
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.call_bytes += bytes;
        if self.call_bytes > MAX_CALL_BYTES {
            return Err(Trouble::nonsense(format!("its tool calls have more than {MAX_CALL_BYTES} bytes")));
        }
        Ok(())
    }

    /// What is on its way to the caller.
    pub(crate) fn pieces(&mut self) -> &mut Pieces {
        &mut self.pieces
    }

    /// The answer has ended as its protocol says it must.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The finished answer. `asked` is the model's name where the server did not tell one.
    pub(crate) fn finish(self, asked: &str) -> Result<Completed, Trouble> {
        let stop = self.stop.filter(|_| self.ended).ok_or(Trouble::Broken("the answer had not ended"))?;
        let (stop, calls) = match stop {
            // A server that stops for a call and gives none has nothing to be done.
            Stop::ToolUse if self.calls.is_empty() => (Stop::Finished, Vec::new()),
            Stop::ToolUse => (stop, self.calls.into_values().map(finished).collect::<Result<_, _>>()?),
            Stop::Finished if !self.calls.is_empty() => {
                return Err(Trouble::nonsense("the model began a tool call and ended without asking for it"));
            }
            // Cut short: whatever calls there are may be cut as well, and are never given out.
            Stop::Finished | Stop::TooLong | Stop::Declined => (stop, Vec::new()),
        };
        let model = if self.model.is_empty() { asked.to_owned() } else { self.model };
        Ok(Completed { stop, calls, usage: self.usage, model })
    }
}

/// A call as it may be given out.
fn finished(call: Call) -> Result<ToolCall, Trouble> {
    let Call { id, name, arguments, closed } = call;
    if !closed {
        return Err(Trouble::Broken("a tool call had not ended"));
    }
    if name.is_empty() {
        return Err(Trouble::nonsense("the model calls a tool without a name"));
    }
    // Tools without parameters are called with nothing at all.
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&arguments) {
        Ok(_) => Ok(ToolCall { id, name, arguments }),
        Err(error) => Err(Trouble::nonsense(format!("the arguments of its call of {name} are not a JSON object: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(deltas: Vec<Delta>) -> Result<Completed, Trouble> {
        let mut turn = Turn::default();
        for delta in deltas {
            turn.take(delta)?;
        }
        turn.finish("asked")
    }

    fn open() -> Delta {
        Delta::CallOpened { block: 3, id: "c".into(), name: "run".into() }
    }

    fn arguments(json: &str) -> Delta {
        Delta::Arguments { block: 3, json: json.into() }
    }

    const CLOSED: Delta = Delta::Closed { block: 3 };
    const CALLS: Delta = Delta::Stopped(Stop::ToolUse);

    #[test]
    fn a_call_is_given_out_only_when_all_of_it_has_ended() {
        let whole = turn(vec![open(), arguments("{\"a\""), arguments(":1}"), CLOSED, CALLS, Delta::Ended]).expect("a turn");
        assert_eq!(whole.calls, [ToolCall { id: "c".into(), name: "run".into(), arguments: "{\"a\":1}".into() }]);
        assert_eq!((whole.stop, whole.model.as_str()), (Stop::ToolUse, "asked"));
        let empty = turn(vec![open(), CLOSED, CALLS, Delta::Ended]).expect("a turn");
        assert_eq!(empty.calls[0].arguments, "{}");

        let cut = turn(vec![open(), arguments("{\"a\":"), CLOSED, Delta::Stopped(Stop::TooLong), Delta::Ended]).expect("a turn");
        assert_eq!((cut.stop, cut.calls.len()), (Stop::TooLong, 0));
        let declined = turn(vec![open(), CLOSED, Delta::Stopped(Stop::Declined), Delta::Ended]).expect("a turn");
        assert_eq!((declined.stop, declined.calls.len()), (Stop::Declined, 0));

        let never: Vec<(&str, Vec<Delta>)> = vec![
            ("its block did not end", vec![open(), arguments("{}"), CALLS, Delta::Ended]),
            (
                "the model did not stop to call",
                vec![open(), arguments("{}"), CLOSED, Delta::Stopped(Stop::Finished), Delta::Ended],
            ),
            ("the answer did not end", vec![open(), arguments("{}"), CLOSED, CALLS]),
            ("nobody said why it ended", vec![open(), arguments("{}"), CLOSED, Delta::Ended]),
            ("cut arguments", vec![open(), arguments("{\"a\":"), CLOSED, CALLS, Delta::Ended]),
            ("two objects", vec![open(), arguments("{}{}"), CLOSED, CALLS, Delta::Ended]),
            ("not an object", vec![open(), arguments("[1]"), CLOSED, CALLS, Delta::Ended]),
            ("after its end", vec![open(), CLOSED, arguments("{}"), CALLS, Delta::Ended]),
            ("of no block", vec![arguments("{}"), CALLS, Delta::Ended]),
            ("twice", vec![open(), open(), CLOSED, CALLS, Delta::Ended]),
            ("a bomb", vec![open(), arguments(&"{\"a\":".repeat(5000)), CLOSED, CALLS, Delta::Ended]),
        ];
        for (why, deltas) in never {
            assert!(turn(deltas).is_err(), "{why}");
        }
    }

    #[test]
    fn calls_are_bounded_in_number_and_size() {
        let mut turn = Turn::default();
        turn.take(open()).expect("the first");
        let large = Delta::Arguments { block: 3, json: "x".repeat(MAX_CALL_BYTES) };
        assert!(turn.take(large).is_err());
        let mut turn = Turn::default();
        let call = |block| Delta::CallOpened { block, id: String::new(), name: "a".into() };
        (0..MAX_CALLS as u64).for_each(|block| turn.take(call(block)).expect("one more"));
        assert!(turn.take(call(MAX_CALLS as u64)).is_err());
    }

    #[test]
    fn a_name_that_is_none_is_not_told() {
        let named = |name: &str| {
            turn(vec![Delta::Model(name.into()), Delta::Stopped(Stop::Finished), Delta::Ended]).expect("a turn").model
        };
        assert_eq!(named("東/m-1:latest"), "東/m-1:latest");
        for none in ["", "\u{1b}[31mm", "m\u{202e}1", "m\n1", &"m".repeat(MAX_MODEL + 1)] {
            assert_eq!(named(none), "asked", "{none:?}");
        }
    }

    #[test]
    fn counts_that_are_not_told_stay() {
        let counts = |input, output| Delta::Usage { input, output };
        let deltas = vec![counts(Some(7), Some(1)), counts(None, Some(9)), Delta::Stopped(Stop::Finished), Delta::Ended];
        assert_eq!(turn(deltas).expect("a turn").usage, Usage { input: 7, output: 9 });
    }
}
