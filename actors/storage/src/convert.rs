//! Between what is on the wire and what is on disk. The two are kept apart on purpose: the wire changes with the program,
//! the disk never. What the window's instance says too is in [`replica::wire`].

use ipc::{
    id::{ConversationId, TurnId},
    messages::{chat::Usage, storage},
};
pub(crate) use replica::wire::{conversation_to_wire, message_to_disk, message_to_wire};
use replica::{Kept, Recorded, body};

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

pub(crate) fn appended(kept: Kept) -> storage::Appended {
    storage::Appended { event: kept.id, position: kept.position }
}

pub(crate) fn change(kept: Kept) -> storage::Change {
    storage::Change { position: kept.position, kind: kept.kind, entity: kept.entity, event: kept.id }
}
