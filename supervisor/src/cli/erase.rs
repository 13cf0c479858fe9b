//! `erase`: conversations and files, for good.

use std::io::{self, IsTerminal as _};

use ipc::messages::storage::{Erase, EraseWhat, Erased};
use serde_json::{Value, json};

use super::{
    args::{Common, EraseArgs},
    history,
    session::Session,
    sign_in::sign_in,
    vol,
    words::{self, Failure, Outcome, Waiting, line, tell},
};
use crate::exit;

/// What is typed to go on.
const WORD: &str = "erase";

/// `lamos erase`.
pub async fn erase(session: &Session, common: &Common, args: EraseArgs) -> Outcome {
    sign_in(session, common).await?;
    // All are looked for before the first is erased.
    let mut found = Vec::new();
    for what in args.what {
        found.push(match vol::names_volume(&what) && what.contains('/') {
            true => (what.clone(), EraseWhat::File(what)),
            false => (what.clone(), EraseWhat::Conversation(history::find(session, &what).await?)),
        });
    }
    if !args.yes {
        confirm(&found)?;
    }
    let mut report = Vec::new();
    let erased = erase_each(session, common, found, &mut report).await;
    // What is gone is said whatever became of the others.
    if common.json && (erased.is_ok() || !report.is_empty()) {
        words::json(&Value::Array(report))?;
    } else if !report.is_empty() {
        tell("Backups lose it when they are next brought up to date; copies elsewhere are out of reach.");
    }
    erased
}

async fn erase_each(session: &Session, common: &Common, found: Vec<(String, EraseWhat)>, report: &mut Vec<Value>) -> Outcome {
    for (name, what) in found {
        let mut waiting = Waiting::begin(&format!("erasing {}", line(&name)));
        let erased = session.client.call(&Erase { what }).await;
        waiting.end();
        let Erased { events, damaged, chunks, chunks_stay, earlier_names } = erased?;
        if !common.json {
            let event = if events == 1 { "entry says" } else { "entries say" };
            let large = if chunks == 0 { String::new() } else { format!(", and {chunks} chunks of large content are gone") };
            words::say(&format!("{}: erased; {events} {event} nothing any more{large}.", line(&name)))?;
            if damaged > 0 {
                tell(&format!(
                    "{damaged} of them could not be read any more, being damaged; the key they were sealed under is gone."
                ));
            }
            if chunks_stay {
                tell(
                    "Large content stays on the disk, sealed, because something damaged may name it too; \
                     `lamos verify` names that, and after it is put right what nothing names goes by itself.",
                );
            }
        }
        if !earlier_names.is_empty() && !common.json {
            let names: Vec<String> = earlier_names.iter().map(|name| line(name)).collect();
            tell(&format!(
                "It was moved here. What it was under its earlier name is still there, in the history of {}; erase that too if \
                 it is to be gone.",
                names.join(", ")
            ));
        }
        report.push(json!({
            "erased": name, "events": events, "damaged": damaged, "chunks": chunks, "chunks_stay": chunks_stay,
            "earlier_names": earlier_names,
        }));
    }
    Ok(())
}

fn confirm(found: &[(String, EraseWhat)]) -> Outcome {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(exit::USAGE, "erasing is for good; say --yes if that is wanted"));
    }
    for (name, what) in found {
        match what {
            EraseWhat::Conversation(_) => {
                tell(&format!("The conversation {}, with all that was said and given in it,", line(name)))
            }
            EraseWhat::File(_) => tell(&format!("the file {}, with all its versions,", line(name))),
        }
    }
    tell("will be erased for good. There is no way back.");
    words::answer(&format!("Type {WORD} to go on: "))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == WORD { Ok(()) } else { Err(Failure::new(exit::STOPPED, "nothing was erased")) }
}
