//! Runs in the run process, for tools and for skills, and what their endings are called for a model and for a person.

use std::{rc::Rc, time::Instant};

use ipc::{
    Client, Code, Refusal,
    endpoint::Options,
    id::CallId,
    messages::{
        chat::ToolCall,
        code::{Ending, Entry, Output, Ran, Run, RunFile, RunLimits},
        common::Chunk,
    },
    role::source,
};
use serde_json::Value;

use crate::{
    prompt::PYTHON,
    turn::{MAX_TOOL_TEXT, Outcome, Plan, cut},
};

/// Files that came with a question: name and content.
pub(crate) type Files = Rc<Vec<(String, Vec<u8>)>>;

/// What a run gave.
struct Report {
    ran: Ran,
    stdout: String,
    stderr: String,
}

/// Runs a script.
async fn run(
    client: &Client<source::Agent>,
    parent: CallId,
    entry: Entry,
    source: String,
    inputs: String,
    files: &Files,
) -> Result<Report, Refusal> {
    let list = files.iter().map(|(name, bytes)| RunFile { name: name.clone(), length: bytes.len() as u64 }).collect();
    let request = Run { source, entry, inputs, files: list, limits: RunLimits::STANDARD, seed: 0 };
    let mut stream = client.open(&request, Options::default().for_call(parent))?;
    for (_, bytes) in files.iter() {
        for chunk in bytes.chunks(Chunk::SIZE) {
            if !stream.send(&Chunk(chunk.to_vec())).await? {
                break;
            }
        }
    }
    stream.end();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    while let Some(piece) = stream.next().await {
        match piece? {
            Output::Stdout(text) => stdout.push_str(&text),
            Output::Stderr(text) => stderr.push_str(&text),
        }
    }
    let ran = stream.answer().await.map_err(process_ended)?;
    Ok(Report { ran, stdout, stderr })
}

/// The process of a run ended without a word.
fn process_ended(refusal: Refusal) -> Refusal {
    match refusal.death {
        Some(death) => Refusal::new(
            Code::ScriptFailed,
            format!("the script's process {death}; it did something the process may not do, or needed too much memory"),
        ),
        None => refusal,
    }
}

/// Does a tool call of a model. Whatever goes wrong is the model's to read.
pub(crate) async fn tool(client: &Client<source::Agent>, parent: CallId, call: &ToolCall, files: &Files) -> Outcome {
    let begun = Instant::now();
    let (ok, text) = match code_of(call) {
        Ok(code) => match run(client, parent, Entry::Script, code, "{}".to_owned(), files).await {
            Ok(report) => describe(&report),
            Err(refusal) => (false, refusal.sentence),
        },
        Err(sentence) => (false, sentence),
    };
    Outcome { ok, text, value: String::new(), millis: millis(begun) }
}

fn code_of(call: &ToolCall) -> Result<String, String> {
    if call.name != PYTHON {
        return Err(format!("there is no tool {:?}; the only one is {PYTHON}", call.name));
    }
    let arguments: Value =
        serde_json::from_str(&call.arguments).map_err(|error| format!("the arguments are not JSON: {error}"))?;
    let code = arguments.get("code").and_then(Value::as_str);
    code.map(str::to_owned).ok_or_else(|| "the arguments have no text \"code\"".to_owned())
}

/// What a model reads of a run: what was printed, as much of it as there is room for, and always how it ended.
fn describe(report: &Report) -> (bool, String) {
    let (ok, ending) = match &report.ran.ending {
        Ending::Finished => (true, cut(&report.ran.value, MAX_TOOL_TEXT / 4)),
        Ending::Raised { traceback, summary } => (false, traced(traceback, summary)),
        limit => (false, limit_sentence(limit).to_owned()),
    };
    let parts = [cut(&report.stdout, MAX_TOOL_TEXT / 2), ending, cut(&report.stderr, MAX_TOOL_TEXT / 8)];
    let mut text = String::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(part);
    }
    if text.is_empty() {
        text.push_str("(nothing was printed and the last line has no value)");
    }
    (ok, text)
}

/// A traceback with its last line, which says what went wrong, and of the rest as much as there is room for. Lines that
/// are the same again and again, as in a recursion without an end, are there once.
fn traced(traceback: &str, summary: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut repeated = 0;
    let body = traceback.trim_end().strip_suffix(summary.trim_end()).unwrap_or(traceback);
    for line in body.lines() {
        if lines.last() == Some(&line) { repeated += 1 } else { lines.push(line) }
    }
    let repeated = if repeated > 0 { format!("\n  [lines repeated {repeated} more times]") } else { String::new() };
    format!("{}{repeated}\n{}", cut(&lines.join("\n"), MAX_TOOL_TEXT / 8), cut(summary, MAX_TOOL_TEXT / 8))
}

fn limit_sentence(ending: &Ending) -> &'static str {
    match ending {
        Ending::TimeLimit => "the script was stopped: it ran for more than 30 seconds",
        Ending::MemoryLimit => "the script was stopped: it wanted more than 512 MiB of memory",
        Ending::OutputLimit => "the script was stopped: it wrote more than 256 KiB",
        Ending::Finished | Ending::Raised { .. } => "",
    }
}

/// Runs the script of a skill and takes its answer.
pub(crate) async fn skill(
    client: &Client<source::Agent>,
    parent: CallId,
    plan: &Plan,
    files: &Files,
) -> Result<Outcome, Refusal> {
    let begun = Instant::now();
    let report = run(client, parent, Entry::Execute, plan.script.clone(), plan.inputs.clone(), files).await?;
    match report.ran.ending {
        Ending::Finished => {
            let value: Value = serde_json::from_str(&report.ran.value)
                .map_err(|error| Refusal::internal(format!("read a skill's result: {error}")))?;
            let answer = value.get("answer").and_then(Value::as_str).ok_or_else(|| {
                Refusal::new(
                    Code::ScriptFailed,
                    format!("the skill {} gave no \"answer\"; its script must return one", plan.skill),
                )
            })?;
            Ok(Outcome { ok: true, text: answer.to_owned(), value: report.ran.value, millis: millis(begun) })
        }
        Ending::Raised { summary, .. } => Err(match summary.strip_prefix("ValueError: ") {
            // The way in which a skill says that what it was given will not do.
            Some(sentence) => Refusal::new(Code::InputInvalid, sentence),
            None => Refusal::new(Code::ScriptFailed, format!("the script of the skill {} failed: {summary}", plan.skill)),
        }),
        ref limit @ (Ending::TimeLimit | Ending::MemoryLimit | Ending::OutputLimit) => {
            let code = match limit {
                Ending::TimeLimit => Code::TimeLimit,
                Ending::MemoryLimit => Code::MemoryLimit,
                _ => Code::OutputLimit,
            };
            Err(Refusal::new(code, format!("{}; give it less at once", limit_sentence(limit))))
        }
    }
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_told_however_long_the_way_there_was() {
        let traceback = format!("Traceback:\n{}RecursionError: too deep\n", "  line 1, in f\n".repeat(10_000));
        let told = traced(&traceback, "RecursionError: too deep");
        assert_eq!(told, "Traceback:\n  line 1, in f\n  [lines repeated 9999 more times]\nRecursionError: too deep");
        let short = traced("Traceback:\n  line 1\nValueError: no\n", "ValueError: no");
        assert_eq!(short, "Traceback:\n  line 1\nValueError: no");
        assert!(traced("x", &"y".repeat(1_000_000)).len() < MAX_TOOL_TEXT);
    }
}
