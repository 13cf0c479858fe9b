//! `search` and `reindex`: what was said, titles, files and goals, found by their words.

use std::io::Write as _;

use anstyle::Style;
use chrono::{Local, NaiveDate, NaiveTime};
use clap::{Args, ValueEnum};
use ipc::messages::{
    chat::Author,
    storage::{Found, Hit, HitKind, MAX_HITS, MAX_QUESTION, Reindex, Search},
};
use serde_json::{Value, json};

use super::{
    args::Common,
    history,
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, Waiting, line, moment, tell},
};
use crate::exit;

/// Digits of an id that are shown, as in the list of `history`.
const SHORT: usize = 8;

const HIT: Style = Style::new().bold();
const TITLE: Style = Style::new().underline();
const DIM: Style = Style::new().dimmed();

/// Arguments of `search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// What to look for: words that must all occur, begin*, and in single quotes for the shell '"an exact phrase"' and
    /// 'this -that'. A question and what was answered to it are one hit, shown where it fits best. Of a file its path is
    /// looked through and the first 4 MiB of its text
    #[arg(required = true)]
    pub words: Vec<String>,

    /// Only things of this kind
    #[arg(long, value_enum, value_name = "KIND")]
    pub kind: Option<KindArg>,

    /// Only what was said by
    #[arg(long, value_enum, value_name = "WHO")]
    pub author: Option<AuthorArg>,

    /// Only in this conversation (its id, or the beginning of it)
    #[arg(long = "in", value_name = "ID")]
    pub within: Option<String>,

    /// Only before this day (as in 2026-08-01, by this machine's clock)
    #[arg(long, value_name = "DATE")]
    pub before: Option<NaiveDate>,

    /// Only from this day on
    #[arg(long, value_name = "DATE")]
    pub after: Option<NaiveDate>,

    /// Print at most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// Kinds of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// What was said
    Message,
    /// Titles of conversations
    Title,
    /// Files
    File,
    /// What turns were to do
    Trace,
}

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthorArg {
    /// You
    Me,
    /// A model or a skill
    Assistant,
}

/// `lamos search`.
pub async fn search(session: &Session, common: &Common, args: SearchArgs) -> Outcome {
    sign_in(session, common).await?;
    let question = question(session, &args).await?;
    if question.len() > MAX_QUESTION {
        return Err(Failure::new(exit::USAGE, format!("a search has at most {MAX_QUESTION} bytes")));
    }
    let mut request = Search { question, skip: 0, limit: 0 };
    let mut all: Option<Found> = None;
    loop {
        let had = all.as_ref().map_or(0, |all| all.hits.len());
        let wanted = (args.limit as usize).saturating_sub(had);
        request.limit = u16::try_from(wanted).unwrap_or(MAX_HITS).clamp(1, MAX_HITS);
        let found = session.client.call(&request).await?;
        let next = found.next;
        let all = match &mut all {
            Some(all) => {
                all.hits.extend(found.hits);
                (all.next, all.complete) = (next, all.complete && found.complete);
                all
            }
            None => all.insert(found),
        };
        match next {
            Some(skip) if all.hits.len() < args.limit as usize => request.skip = skip,
            _ => break,
        }
    }
    let Some(found) = all else { return Ok(()) };
    if common.json { Ok(words::json(&found_json(&found))?) } else { show(&found) }
}

/// The question as the archive reads it: the words as they were typed, and a filter for each option.
async fn question(session: &Session, args: &SearchArgs) -> Result<String, Failure> {
    let mut question = args.words.join(" ");
    let mut filter = |name: &str, value: &str| question.push_str(&format!(" {name}:{value}"));
    let name = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned()).unwrap_or_default();
    if let Some(kind) = args.kind {
        filter("kind", &name(kind.to_possible_value()));
    }
    if let Some(author) = args.author {
        filter("author", &name(author.to_possible_value()));
    }
    for (what, date) in [("before", args.before), ("after", args.after)] {
        if let Some(date) = date {
            // Where the clocks were put forward at midnight, the day begins when they go on.
            let midnight = date.and_time(NaiveTime::MIN).and_local_timezone(Local).earliest();
            let moment = midnight.map_or_else(|| format!("{date}"), |midnight| midnight.to_rfc3339());
            filter(what, &moment);
        }
    }
    if let Some(within) = &args.within {
        filter("in", &history::find(session, within).await?.to_string());
    }
    Ok(question)
}

fn show(found: &Found) -> Outcome {
    let mut out = anstream::stdout().lock();
    for hit in &found.hits {
        write!(out, "{}", hit_text(hit))?;
    }
    out.flush()?;
    if found.hits.is_empty() {
        tell("Nothing was found.");
    } else if found.next.is_some() {
        tell("There is more; --limit shows it.");
    }
    if !found.complete {
        let of = format!("{} of {}", found.searched, found.newest);
        tell(&format!("Not everything was looked through yet ({of} entries); search again in a moment."));
    }
    Ok(())
}

fn hit_text(hit: &Hit) -> String {
    let what = match (hit.kind, hit.author) {
        (HitKind::Message, Some(Author::Person)) => "you",
        (HitKind::Message, _) => "answer",
        (HitKind::Title, _) => "title",
        (HitKind::File, _) => "file",
        (HitKind::Trace, _) => "goal",
    };
    let title = line(&hit.title);
    let mut text = format!("{TITLE}{title}{TITLE:#}  {DIM}{what}, {}{DIM:#}\n  ", moment(hit.at_ms));
    let mut at = 0;
    for (from, to) in &hit.marks {
        let (from, to) = (*from as usize, *to as usize);
        let (Some(between), Some(marked)) = (hit.snippet.get(at..from), hit.snippet.get(from..to)) else { break };
        text.push_str(&format!("{}{HIT}{}{HIT:#}", line(between), line(marked)));
        at = to;
    }
    text.push_str(&line(hit.snippet.get(at..).unwrap_or_default()));
    if let Some(conversation) = hit.conversation {
        let id = conversation.to_string();
        text.push_str(&format!("\n  {DIM}lamos history {}", &id[..SHORT]));
        if let Some(message) = hit.message {
            text.push_str(&format!(" --at {}", &message.to_string()[..SHORT]));
        }
        text.push_str(&format!("{DIM:#}"));
    }
    text.push_str("\n\n");
    text
}

fn found_json(found: &Found) -> Value {
    let hits: Vec<Value> = found.hits.iter().map(hit_json).collect();
    json!({
        "hits": hits,
        "next": found.next,
        "complete": found.complete,
        "searched": found.searched,
        "newest": found.newest,
    })
}

fn hit_json(hit: &Hit) -> Value {
    json!({
        "kind": match hit.kind {
            HitKind::Message => "message",
            HitKind::Title => "title",
            HitKind::File => "file",
            HitKind::Trace => "trace",
        },
        "conversation": hit.conversation.map(|id| id.to_string()),
        "message": hit.message.map(|id| id.to_string()),
        "author": hit.author.map(|author| match author { Author::Person => "person", Author::Assistant => "assistant" }),
        "event": hit.event.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "title": hit.title,
        "snippet": hit.snippet,
        "marks": hit.marks,
        "at_ms": hit.at_ms,
        "score": f64::from(hit.score) / 1000.0,
    })
}

/// `lamos reindex`.
pub async fn reindex(session: &Session, common: &Common) -> Outcome {
    sign_in(session, common).await?;
    let mut waiting = Waiting::begin("making the search index");
    let done = session.client.call(&Reindex).await;
    waiting.end();
    let done = done?;
    if common.json {
        return Ok(words::json(&json!({ "searched": done.searched, "bytes": done.bytes }))?);
    }
    Ok(words::say(&format!("The search index is new: {} entries, {}.", done.searched, words::bytes(done.bytes)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_shows_what_was_found_and_nothing_a_terminal_would_obey() {
        let hit = Hit {
            kind: HitKind::Message,
            conversation: Some(ipc::id::ConversationId([0xab; 16])),
            message: Some(ipc::id::MessageId([0xcd; 16])),
            author: Some(Author::Person),
            event: [0; 32],
            title: "Ti\u{1b}[31mtle".to_owned(),
            snippet: "über \u{1b}x hits".to_owned(),
            marks: vec![(0, 5), (9, 13), (90, 99)],
            at_ms: 0,
            score: 1,
        };
        let text = hit_text(&hit);
        assert!(text.contains(&format!("{HIT}über{HIT:#}")), "{text:?}");
        assert!(text.contains("Ti<U+001B>[31mtle") && text.contains("<U+001B>x"), "{text:?}");
        assert!(text.contains("lamos history abababab --at cdcdcdcd"));
    }
}
