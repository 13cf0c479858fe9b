//! A conversation as both interfaces want it: contributions take turns, and every call is followed at once by its result.
//!
//! Neither interface takes a call without a result, and one such call, left by a turn that was interrupted, would refuse
//! every question after it. So a missing result is said to be missing, and a result without a call is told as words.

use std::borrow::Cow;

use ipc::messages::{
    chat::{Part, ToolCall, ToolResult},
    llm::Said,
};

/// What a model is told of a call that has no result.
const NOT_DONE: &str = "This was not done: the turn was interrupted.";

/// One contribution.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contribution<'a> {
    /// By the person.
    Person(Vec<Cow<'a, str>>),
    /// By the model: words, thinking and calls, in order.
    Model(Vec<&'a Part>),
    /// Of the tools, one for each call of the contribution before it, in the order of the calls.
    Results(Vec<Outcome<'a>>),
}

/// The result of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome<'a> {
    /// The id of the call.
    pub(crate) call: &'a str,
    /// Whether the tool did what it should.
    pub(crate) ok: bool,
    /// What the model reads.
    pub(crate) text: &'a str,
}

/// Puts a conversation in order.
pub(crate) fn contributions(messages: &[Said]) -> Vec<Contribution<'_>> {
    paired(split(messages))
}

/// Contributions as they come, those of a kind that follow each other joined.
fn split(messages: &[Said]) -> Vec<Contribution<'_>> {
    let mut all = Vec::new();
    for said in messages {
        if said.by_model {
            for part in &said.parts {
                match part {
                    Part::Text(text) if text.is_empty() => {}
                    Part::Result(result) => push(&mut all, Contribution::Results(vec![outcome(result)])),
                    part => push(&mut all, Contribution::Model(vec![part])),
                }
            }
            continue;
        }
        // Results belong directly behind their calls, wherever they stand among the words of a contribution.
        for part in &said.parts {
            if let Part::Result(result) = part {
                push(&mut all, Contribution::Results(vec![outcome(result)]));
            }
        }
        for part in &said.parts {
            match part {
                Part::Text(text) if !text.trim().is_empty() => push(&mut all, Contribution::Person(vec![Cow::Borrowed(text)])),
                _ => {}
            }
        }
    }
    all
}

fn outcome(result: &ToolResult) -> Outcome<'_> {
    Outcome { call: &result.call, ok: result.ok, text: &result.text }
}

fn push<'a>(all: &mut Vec<Contribution<'a>>, next: Contribution<'a>) {
    use Contribution::{Model, Person, Results};
    match (all.last_mut(), next) {
        (Some(Person(before)), Person(next)) => before.extend(next),
        (Some(Model(before)), Model(next)) => before.extend(next),
        (Some(Results(before)), Results(next)) => before.extend(next),
        (_, next) => all.push(next),
    }
}

/// Gives each call its result, and each result without a call a voice.
fn paired(split: Vec<Contribution<'_>>) -> Vec<Contribution<'_>> {
    let mut all = Vec::new();
    let mut split = split.into_iter().peekable();
    while let Some(contribution) = split.next() {
        match contribution {
            Contribution::Model(parts) => {
                let calls: Vec<&ToolCall> =
                    parts.iter().filter_map(|part| if let Part::Call(call) = part { Some(call) } else { None }).collect();
                let mut results = match split.next_if(|next| !calls.is_empty() && matches!(next, Contribution::Results(_))) {
                    Some(Contribution::Results(results)) => results,
                    _ => Vec::new(),
                };
                push(&mut all, Contribution::Model(parts));
                if calls.is_empty() {
                    continue;
                }
                let outcomes = calls.iter().map(|call| match results.iter().position(|result| result.call == call.id) {
                    Some(at) => results.remove(at),
                    None => Outcome { call: &call.id, ok: false, text: NOT_DONE },
                });
                let outcomes = outcomes.collect();
                push(&mut all, Contribution::Results(outcomes));
                told(&mut all, &results);
            }
            Contribution::Results(results) => told(&mut all, &results),
            person @ Contribution::Person(_) => push(&mut all, person),
        }
    }
    all
}

fn told<'a>(all: &mut Vec<Contribution<'a>>, results: &[Outcome<'a>]) {
    for result in results {
        push(all, Contribution::Person(vec![Cow::Owned(format!("Result of a tool: {}", result.text))]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A conversation as a line: `p` and `m` begin a contribution, then `t` text, `k` thinking, `1` a call, `=1` its result.
    fn said(line: &str) -> Vec<Said> {
        line.split(' ')
            .map(|word| {
                let mut parts = Vec::new();
                let mut chars = word[1..].chars();
                while let Some(char) = chars.next() {
                    parts.push(match char {
                        't' => Part::Text("t".into()),
                        'e' => Part::Text(String::new()),
                        'k' => Part::Thinking { text: "k".into(), signature: "s".into() },
                        '=' => Part::Result(ToolResult {
                            call: chars.next().map(String::from).unwrap_or_default(),
                            ok: true,
                            text: "r".into(),
                        }),
                        id => Part::Call(ToolCall { id: id.into(), name: "n".into(), arguments: "{}".into() }),
                    });
                }
                Said { by_model: word.starts_with('m'), parts }
            })
            .collect()
    }

    /// The same notation; `!1` is a result that is missing, `o` a result that is told.
    fn line(all: &[Contribution<'_>]) -> String {
        let words = all.iter().map(|contribution| match contribution {
            Contribution::Person(texts) => {
                texts.iter().fold("p".to_owned(), |word, text| word + if text == "t" { "t" } else { "o" })
            }
            Contribution::Model(parts) => parts.iter().fold("m".to_owned(), |word, part| match part {
                Part::Text(_) => word + "t",
                Part::Thinking { .. } => word + "k",
                Part::Call(call) => word + &call.id,
                Part::Result(_) => word + "?",
            }),
            Contribution::Results(results) => {
                results.iter().fold("r".to_owned(), |word, result| word + if result.ok { "=" } else { "!" } + result.call)
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn contributions_take_turns_and_calls_have_results() {
        let rows = [
            ("pt mt pt", "pt mt pt"),
            ("pt mkt1 p=1 mt", "pt mkt1 r=1 mt"),
            ("pt m12 p=1=2", "pt m12 r=1=2"),
            ("pt m12 p=2=1", "pt m12 r=1=2"),
            ("pt m12 p=2 p=1", "pt m12 r=1=2"),
            ("pt m1 pt=1t mt", "pt m1 r=1 ptt mt"),
            ("pt mt1=1t2=2t pt", "pt mt1 r=1 mt2 r=2 mt pt"),
            ("pt m1 m=1t", "pt m1 r=1 mt"),
            ("pt m1 p=1 m1 p=1", "pt m1 r=1 m1 r=1"),
            ("pt m1 pt", "pt m1 r!1 pt"),
            ("pt m1", "pt m1 r!1"),
            ("pt m12 p=2", "pt m12 r!1=2"),
            ("pt m1 p=9 mt", "pt m1 r!1 po mt"),
            ("p=1 mt", "po mt"),
            ("pt mt p=1 pt", "pt mt pot"),
            ("pt pt mt mt", "ptt mtt"),
            ("pe me pt", "pt"),
            ("pk1t", "pt"),
        ];
        for (given, wanted) in rows {
            assert_eq!(line(&contributions(&said(given))), wanted, "{given}");
        }
    }
}
