//! What an event says, in JSON that other programs can read. It is made from the signed bytes alone, so whoever checks an
//! export makes it again and compares.

use replica::body::{Author, Body, Commit, OnBranch, Outcome, Part, Status, Success};
use serde_json::{Value, json};

use super::hex;

/// Every field of a body. Large content is named by its hash; a file of that name lies beside the export.
pub(crate) fn readable(body: &Body) -> Value {
    match body {
        Body::Conversation(title) | Body::Title(title) => json!({ "title": title.title }),
        Body::Message(message) => json!({
            "message": hex(&message.id),
            "turn": hex(&message.turn),
            "author": match message.author { Author::Person => "person", Author::Assistant => "assistant" },
            "parts": message.parts.iter().map(part).collect::<Vec<_>>(),
            "attachments": message
                .attachments
                .iter()
                .map(|file| json!({ "attachment": hex(&file.id), "name": file.name, "length": file.length }))
                .collect::<Vec<_>>(),
            "status": match message.status {
                Status::Complete => "complete",
                Status::Stopped => "stopped",
                Status::Interrupted => "interrupted",
            },
            "made_by": message.made_by,
        }),
        Body::Trace(trace) => json!({
            "turn": hex(&trace.turn),
            "goal": trace.goal,
            "skill": trace.skill,
            "model": trace.model,
            "steps": trace
                .steps
                .iter()
                .map(|step| json!({
                    "tool": step.tool,
                    "input": step.input,
                    "output": step.output,
                    "ok": step.ok,
                    "millis": step.millis,
                }))
                .collect::<Vec<_>>(),
            "outcome": match trace.outcome {
                Outcome::Answered => "answered",
                Outcome::Stopped => "stopped",
                Outcome::Failed => "failed",
            },
            "millis": trace.millis,
            "tokens_in": trace.tokens_in,
            "tokens_out": trace.tokens_out,
        }),
        Body::Attachment(attachment) => json!({
            "attachment": attachment.id.map(|id| hex(&id)),
            "content": content(body, &attachment.bytes),
        }),
        Body::File(file) => on_branch(
            json!({
                "path": file.path,
                "content": content(body, &file.bytes),
                "commit": file.commit.as_ref().map(commit),
            }),
            file.branch,
        ),
        Body::FileRemoved(removed) => on_branch(
            json!({
                "path": removed.path,
                "commit": removed.commit.as_ref().map(commit),
            }),
            removed.branch,
        ),
        Body::Branch(branch) => json!({
            "branch": branch.name,
            "generation": branch.generation,
            "act": format!("{:?}", branch.act).to_lowercase(),
            "fork": branch
                .fork
                .iter()
                .map(|seen| json!({ "author": hex(&seen.author), "sequence": seen.sequence }))
                .collect::<Vec<_>>(),
            "commit": branch.commit.as_ref().map(commit),
            "written": branch.counts.map(|counts| counts.written),
            "removed": branch.counts.map(|counts| counts.removed),
        }),
        Body::Erase(erase) => json!({
            "erased": hex(&erase.entity),
            "event": erase.event.map(|event| hex(&event)),
            "until": erase.until,
        }),
        Body::Experience(made) => json!({
            "entry": hex(&made.id),
            "conversation": hex(&made.conversation),
            "goal": made.goal,
            "result": success(made.result),
            "components": made.components,
            "files": made.files,
            "summary": made.summary,
            "millis": made.millis,
            "learnings": made.learnings,
            "since_ms": made.since_ms,
            "at_ms": made.at_ms,
            "traces": made.traces.iter().map(|trace| hex(&trace.0)).collect::<Vec<_>>(),
        }),
        Body::Bundle(bundle) => json!({
            "bundle": hex(&bundle.id),
            "conversation": hex(&bundle.conversation),
            "month": format!("{}-{:02}", bundle.month / 12, bundle.month % 12 + 1),
            "entries": bundle
                .items
                .iter()
                .map(|item| json!({
                    "entry": hex(&item.id),
                    "goal": item.goal,
                    "result": success(item.result),
                    "learnings": item.learnings,
                    "at_ms": item.at_ms,
                    "traces": item.traces,
                }))
                .collect::<Vec<_>>(),
        }),
        Body::Change(change) => {
            json!({ "operations": change.operations.iter().map(|operation| format!("{operation:?}")).collect::<Vec<_>>() })
        }
        Body::Right(right) => crate::inspect::right_fields(right).into_iter().map(|(name, text)| json!([name, text])).collect(),
        Body::Unknown(_) => Value::Null,
    }
}

fn success(result: Success) -> &'static str {
    match result {
        Success::Success => "success",
        Success::Partial => "partial",
        Success::Failure => "failure",
    }
}

/// What is not there is not named: exports that were made before there were branches are read as they were written.
fn commit(commit: &Commit) -> Value {
    let mut value = json!({ "id": hex(&commit.id), "message": commit.message });
    if let Some(merge) = &commit.merge {
        let event = |event: Option<[u8; 32]>| event.map(|event| hex(&event));
        value["merge"] = json!({
            "from": merge.from,
            "into": merge.into,
            "ours": event(merge.ours),
            "theirs": event(merge.theirs),
        });
    }
    value
}

fn on_branch(mut file: Value, branch: Option<OnBranch>) -> Value {
    if let Some(OnBranch { generation, over }) = branch {
        file["branch"] = json!({ "generation": generation, "over": over.map(|over| hex(&over)) });
    }
    file
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({ "text": text }),
        Part::Thinking(text, seal) => json!({ "thinking": text, "seal": seal }),
        Part::Call(id, name, arguments) => json!({ "call": id, "name": name, "arguments": arguments }),
        Part::Result(call, ok, text) => json!({ "result": call, "ok": ok, "text": text }),
    }
}

fn content(body: &Body, bytes: &[u8]) -> Value {
    match (body.blob(), std::str::from_utf8(bytes)) {
        (Some(blob), _) => json!({ "length": blob.length, "blake3": hex(&blob.hash) }),
        (None, Ok(text)) => json!({ "length": bytes.len(), "text": text }),
        (None, Err(_)) => json!({ "length": bytes.len(), "hex": hex(bytes) }),
    }
}
