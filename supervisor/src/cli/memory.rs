//! `memory`: what was done lately, what was learned from it, and what in that is like something.

use clap::{Args, Subcommand};
use ipc::messages::storage::{
    ListMemory, MAX_MEMORY_QUESTION, MAX_PAGE, MemoryCounts, MemoryFound, MemoryHit, MemoryMoved, MemoryPart, MemoryResult,
    MemoryShown, MemoryTier, QueryMemory, Remembered, RunMemory, ShowMemory,
};
use serde_json::{Value, json};

use super::{
    args::Common,
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, Waiting, line, moment, table, tell},
};
use crate::exit;

/// Digits of an id that lists show.
const SHORT: usize = 10;

/// Arguments of `memory`.
#[derive(Debug, Args)]
pub struct MemoryArgs {
    /// What to do
    #[command(subcommand)]
    pub action: MemoryAction,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
pub enum MemoryAction {
    /// List what is in it: the short term and the live log, or one part
    Ls {
        /// Only traces that nothing was made of yet
        #[arg(long, group = "part")]
        short: bool,
        /// Only live entries of the log
        #[arg(long, group = "part")]
        long: bool,
        /// Only archived entries
        #[arg(long, group = "part")]
        archived: bool,
        /// List at most so many of each part
        #[arg(long = "limit", short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        limit: u32,
    },
    /// Find the few entries of the last months that are most like some words
    Query {
        /// What it is about
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Show an entry or a trace
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Do now what is done every hour: make entries of traces, archive and put together what is old
    Run,
}

/// `lamos memory`.
pub async fn memory(session: &Session, common: &Common, args: MemoryArgs) -> Outcome {
    sign_in(session, common).await?;
    let as_json = common.json;
    match args.action {
        MemoryAction::Ls { short, long, archived, limit } => {
            let parts = match (short, long, archived) {
                (true, _, _) => vec![MemoryPart::Short],
                (_, true, _) => vec![MemoryPart::Long],
                (_, _, true) => vec![MemoryPart::Archived],
                _ => vec![MemoryPart::Short, MemoryPart::Long],
            };
            list(session, &parts, limit as usize, as_json).await
        }
        MemoryAction::Query { text } => query(session, text.join(" "), as_json).await,
        MemoryAction::Show { id } => show(session, id, as_json).await,
        MemoryAction::Run => run(session, as_json).await,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tier(tier: MemoryTier) -> &'static str {
    match tier {
        MemoryTier::Active => "active",
        MemoryTier::Consolidated => "consolidated",
        MemoryTier::ArchivedTrace | MemoryTier::Archived => "archived",
        MemoryTier::Live => "live",
        MemoryTier::Compressed => "compressed",
    }
}

fn result(result: MemoryResult) -> &'static str {
    match result {
        MemoryResult::Success => "success",
        MemoryResult::Partial => "partial",
        MemoryResult::Failure => "failure",
    }
}

fn is_trace(of: MemoryTier) -> bool {
    matches!(of, MemoryTier::Active | MemoryTier::Consolidated | MemoryTier::ArchivedTrace)
}

fn item_json(item: &Remembered) -> Value {
    json!({
        "id": hex(&item.id),
        "kind": if is_trace(item.tier) { "trace" } else { "entry" },
        "conversation": item.conversation.to_string(),
        "title": item.title,
        "goal": item.goal,
        "result": result(item.result),
        "tier": tier(item.tier),
        "traces": item.traces,
        "at_ms": item.at_ms,
    })
}

fn counts_json(counts: &MemoryCounts) -> Value {
    let MemoryCounts { active, consolidated, archived, live, archived_entries, compressed_entries } = counts;
    json!({
        "traces": { "active": active, "consolidated": consolidated, "archived": archived },
        "entries": { "live": live, "archived": archived_entries, "compressed": compressed_entries },
    })
}

fn row(item: &Remembered) -> Vec<String> {
    vec![
        hex(&item.id)[..SHORT].to_owned(),
        moment(item.at_ms),
        tier(item.tier).to_owned(),
        result(item.result).to_owned(),
        if item.traces == 1 { "1 trace".to_owned() } else { format!("{} traces", item.traces) },
        line(&item.goal),
    ]
}

async fn list(session: &Session, parts: &[MemoryPart], limit: usize, as_json: bool) -> Outcome {
    let (mut found, mut counts, mut more) = (Vec::new(), MemoryCounts::default(), false);
    for part in parts {
        let mut request = ListMemory { part: *part, skip: 0, limit: MAX_PAGE };
        let begun = found.len();
        loop {
            let left = limit - (found.len() - begun);
            request.limit = u16::try_from(left).unwrap_or(MAX_PAGE).min(MAX_PAGE);
            let page = session.client.call(&request).await?;
            counts = page.counts;
            found.extend(page.items);
            match page.next {
                Some(next) if found.len() - begun < limit => request.skip = next,
                next => {
                    more |= next.is_some();
                    break;
                }
            }
        }
    }
    if as_json {
        let items: Vec<Value> = found.iter().map(item_json).collect();
        return Ok(words::json(&json!({ "items": items, "more": more, "counts": counts_json(&counts) }))?);
    }
    words::answer(&table(&found.iter().map(row).collect::<Vec<_>>()))?;
    if found.is_empty() {
        tell("There is nothing there.");
    } else if more {
        tell("There is more; --limit shows it.");
    }
    Ok(())
}

async fn query(session: &Session, question: String, as_json: bool) -> Outcome {
    if question.len() > MAX_MEMORY_QUESTION {
        let most = format!("a question to the memory has at most {MAX_MEMORY_QUESTION} bytes");
        return Err(Failure::new(exit::USAGE, most));
    }
    let MemoryFound { items } = session.client.call(&QueryMemory { question }).await?;
    if as_json {
        let hit = |hit: &MemoryHit| {
            let mut item = item_json(&hit.entry);
            item["similarity"] = json!(f64::from(hit.similarity) / 1000.0);
            item["line"] = json!(hit.line);
            item["learnings"] = json!(hit.learnings);
            item
        };
        return Ok(words::json(&items.iter().map(hit).collect::<Vec<Value>>().into())?);
    }
    if items.is_empty() {
        tell("Nothing in the memory is like that. What was done becomes an entry when ten things were, or after a day.");
    }
    for MemoryHit { entry, similarity, line: alike, learnings } in &items {
        let similarity = f64::from(*similarity) / 1000.0;
        let id = &hex(&entry.id)[..SHORT];
        words::say(&format!("{similarity:.2}  {id}  {}  {}", moment(entry.at_ms), line(alike)))?;
        for learned in learnings {
            words::say(&format!("      {}", line(learned)))?;
        }
    }
    Ok(())
}

async fn show(session: &Session, digits: String, as_json: bool) -> Outcome {
    let MemoryShown { entry, components, files, summary, learnings, millis, since_ms, events } =
        session.client.call(&ShowMemory { digits }).await?;
    let events: Vec<String> = events.iter().map(|event| hex(event)).collect();
    if as_json {
        let mut all = item_json(&entry);
        all["components"] = json!(components);
        all["files"] = json!(files);
        all["summary"] = json!(summary);
        all["learnings"] = json!(learnings);
        all["millis"] = json!(millis);
        all["since_ms"] = json!(since_ms);
        all["events"] = json!(events);
        return Ok(words::json(&all)?);
    }
    let mut rows = vec![
        vec!["id".to_owned(), hex(&entry.id)],
        vec!["conversation".to_owned(), format!("{} {}", entry.conversation, line(&entry.title))],
        vec!["where".to_owned(), tier(entry.tier).to_owned()],
        vec!["when".to_owned(), format!("{} to {}", moment(since_ms), moment(entry.at_ms))],
        vec!["goal".to_owned(), line(&entry.goal)],
        vec!["result".to_owned(), format!("{}, {} of work", result(entry.result), words::span(millis))],
    ];
    for (name, lines) in [("used", components), ("file", files), ("done", summary), ("learned", learnings), ("trace", events)] {
        rows.extend(lines.iter().map(|text| vec![name.to_owned(), line(text)]));
    }
    Ok(words::answer(&table(&rows))?)
}

async fn run(session: &Session, as_json: bool) -> Outcome {
    let mut waiting = Waiting::begin("looking through the memory");
    let moved = session.client.call(&RunMemory).await;
    waiting.end();
    let moved = moved?;
    let MemoryMoved { forgotten, made, consolidated, archived, archived_entries, compressed_entries } = moved;
    if as_json {
        return Ok(words::json(&json!({
            "forgotten": forgotten,
            "made": made,
            "consolidated": consolidated,
            "archived": archived,
            "archived_entries": archived_entries,
            "compressed_entries": compressed_entries,
        }))?);
    }
    if moved == MemoryMoved::default() {
        return Ok(words::say("Everything is where it belongs.")?);
    }
    let said = [
        (forgotten, "things forgotten, because what they were made of was erased"),
        (made, "entries made"),
        (consolidated, "traces they were made of"),
        (archived, "traces archived"),
        (archived_entries, "entries archived"),
        (compressed_entries, "entries compressed"),
    ];
    let rows = said.iter().filter(|(count, _)| *count > 0).map(|(count, what)| vec![count.to_string(), (*what).to_owned()]);
    Ok(words::answer(&table(&rows.collect::<Vec<_>>()))?)
}

#[cfg(test)]
mod tests {
    use ipc::id::ConversationId;

    use super::*;

    #[test]
    fn a_row_shows_nothing_a_terminal_would_obey() {
        let item = Remembered {
            id: [0xab; 16],
            conversation: ConversationId([1; 16]),
            title: String::new(),
            goal: "plan \u{1b}[31m\nit".to_owned(),
            result: MemoryResult::Partial,
            tier: MemoryTier::Compressed,
            traces: 10,
            at_ms: 0,
        };
        let row = row(&item).join(" ");
        assert!(row.contains("ababababab") && row.contains("compressed partial 10 traces"), "{row}");
        assert!(!row.contains('\u{1b}') && !row.contains('\n'), "{row:?}");
        assert_eq!(item_json(&item)["kind"], "entry");
    }
}
