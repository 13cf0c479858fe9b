//! An entry of the log from some traces. No model is asked: the same traces give the same words, on every device. What it
//! repeats of a trace is cut, for the trace itself stays where it is.

use std::collections::BTreeSet;

use replica::{
    Recorded,
    body::{Bundled, Experience, Outcome, Success, Trace, TraceId, experience_id},
};
use serde_json::Value;

use super::Id;

/// Longest goal and longest line, in bytes.
const GOAL: usize = 1000;
const LINE: usize = 300;

/// Most components, files and lines of what went wrong.
const MANY: usize = 50;

/// Room for how it ended, behind a line.
const ENDING: usize = 10;

/// Most traces of an entry that are named.
const TRACES: usize = 1000;

/// Puts traces of a conversation together; they come in the order of their clocks.
pub(super) fn make(conversation: &Id, traces: &[(Recorded, Trace)]) -> Experience {
    let ids: Vec<_> = traces.iter().map(|(event, _)| event.id).collect();
    let moments = || traces.iter().map(|(event, _)| event.clock().millis());
    let answered = traces.iter().filter(|(_, trace)| trace.outcome == Outcome::Answered).count();
    Experience {
        id: experience_id(conversation, &ids),
        conversation: *conversation,
        goal: traces.first().map(|(_, trace)| line(&trace.goal, GOAL)).unwrap_or_default(),
        result: match answered {
            0 => Success::Failure,
            _ if answered == traces.len() => Success::Success,
            _ => Success::Partial,
        },
        components: some(traces.iter().flat_map(|(_, trace)| components(trace))),
        files: some(traces.iter().flat_map(|(_, trace)| files(trace))),
        summary: traces.iter().map(|(_, trace)| summary(trace)).collect(),
        millis: traces.iter().fold(0, |sum, (_, trace)| sum.saturating_add(trace.millis)),
        learnings: traces.iter().flat_map(|(_, trace)| learnings(trace)).take(MANY).collect(),
        since_ms: moments().min().unwrap_or_default(),
        at_ms: moments().max().unwrap_or_default(),
        traces: ids.into_iter().map(TraceId).collect(),
    }
}

/// What is listed of an entry.
pub(super) fn in_short(made: &Experience) -> Bundled {
    Bundled {
        id: made.id,
        goal: made.goal.clone(),
        result: made.result,
        learnings: made.learnings.clone(),
        at_ms: made.at_ms,
        traces: u32::try_from(made.traces.len()).unwrap_or(u32::MAX),
    }
}

/// An entry that another program made may be longer than ours are.
pub(super) fn bounded(made: Experience) -> Experience {
    Experience {
        goal: line(&made.goal, GOAL),
        components: lines(&made.components),
        files: lines(&made.files),
        summary: lines(&made.summary),
        learnings: lines(&made.learnings),
        traces: made.traces.into_iter().take(TRACES).collect(),
        ..made
    }
}

/// The same of what a bundle keeps.
pub(super) fn bounded_in_short(item: Bundled) -> Bundled {
    Bundled { goal: line(&item.goal, GOAL), learnings: lines(&item.learnings), ..item }
}

fn lines(lines: &[String]) -> Vec<String> {
    lines.iter().take(MANY).map(|one| line(one, LINE + ENDING)).collect()
}

/// Each once, sorted, and not too many.
fn some(all: impl Iterator<Item = String>) -> Vec<String> {
    all.collect::<BTreeSet<_>>().into_iter().take(MANY).collect()
}

fn components(trace: &Trace) -> impl Iterator<Item = String> {
    let named = |what: &str, name: &str| (!name.is_empty()).then(|| line(&format!("{what} {name}"), LINE));
    // A skill runs as a step that is called like it.
    let tools = trace.steps.iter().filter(|step| step.tool != trace.skill).filter_map(move |step| named("tool", &step.tool));
    named("model", &trace.model).into_iter().chain(named("skill", &trace.skill)).chain(tools)
}

/// A step that worked and was given a path and a content wrote that file, whatever the tool is called.
fn files(trace: &Trace) -> impl Iterator<Item = String> {
    trace.steps.iter().filter(|step| step.ok).filter_map(|step| {
        let input: Value = serde_json::from_str(&step.input).ok()?;
        input.get("content")?;
        Some(line(input.get("path")?.as_str()?, LINE))
    })
}

fn summary(trace: &Trace) -> String {
    let goal = line(&trace.goal, LINE);
    match trace.outcome {
        Outcome::Answered => goal,
        Outcome::Stopped => format!("{goal} (stopped)"),
        Outcome::Failed => format!("{goal} (failed)"),
    }
}

/// Of a step that failed the last line of what it gave, which is where programs say why.
fn learnings(trace: &Trace) -> impl Iterator<Item = String> {
    let failed = trace.steps.iter().filter(|step| !step.ok).map(|step| {
        let last = step.output.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it failed and did not say why");
        line(&format!("{}: {last}", step.tool), LINE)
    });
    let ended = (trace.outcome != Outcome::Answered).then(|| line(&format!("not answered: {}", trace.goal), LINE));
    failed.chain(ended)
}

/// One line of at most so many bytes.
pub(super) fn line(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len().min(most));
    for word in text.split_whitespace() {
        let room = most.saturating_sub(line.len() + usize::from(!line.is_empty()));
        let end = (0..=word.len().min(room)).rev().find(|&at| word.is_char_boundary(at)).unwrap_or(0);
        if end == 0 {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word[..end]);
        if end < word.len() {
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_is_one_and_is_cut_at_a_character() {
        assert_eq!(line(" a\n b\t c ", 99), "a b c");
        assert_eq!(line("abc def", 5), "abc d");
        assert_eq!(line("東京都", 8), "東京");
        assert_eq!(line("ab 東", 4), "ab");
        assert_eq!(line("", 5), "");
    }
}
