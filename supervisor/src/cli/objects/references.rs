//! What a thing refers to, and what refers to it.

use ipc::messages::storage::{
    Direction, ListReferences, MAX_REFERENCES, Presence, Reference, ReferenceCursor, References, Referent, Thing,
};
use serde_json::{Value, json};

use super::{SHORT, hex};
use crate::cli::{
    session::Session,
    words::{self, Failure, Outcome, line, table, tell},
};

/// Both directions, and what stands above each.
const DIRECTIONS: [(Direction, &str, &str); 2] =
    [(Direction::From, "refers_to", "refers to"), (Direction::To, "referred_to_by", "referred to by")];

async fn page(
    session: &Session,
    of: Referent,
    direction: Direction,
    after: Option<ReferenceCursor>,
) -> Result<References, Failure> {
    Ok(session.client.call(&ListReferences { of, direction, after, limit: MAX_REFERENCES }).await?)
}

fn hex_of(thing: &Thing) -> String {
    match (thing.event, thing.entity) {
        (Some(event), _) => hex(&event),
        (None, Some(entity)) => hex(&entity),
        (None, None) => hex(&thing.name),
    }
}

fn word(presence: Presence) -> &'static str {
    match presence {
        Presence::Here => "here",
        Presence::Erased => "erased",
        Presence::Absent => "not here",
    }
}

fn thing_json(thing: &Thing) -> Value {
    json!({
        "id": hex_of(thing),
        "is_event": thing.event.is_some(),
        "entity": thing.entity.map(|entity| hex(&entity)),
        "kind": thing.kind,
        "title": thing.title,
        "presence": word(thing.presence),
    })
}

/// One of a list; `by` says which event, or a state.
fn reference_json(reference: &Reference) -> Value {
    let mut all = thing_json(&reference.other);
    all["by"] = json!(reference.event.map_or("state".to_owned(), |event| hex(&event)));
    all
}

fn row(reference: &Reference) -> Vec<String> {
    let Thing { kind, title, presence, .. } = &reference.other;
    let by = reference.event.map_or("by its state".to_owned(), |event| format!("by {}", &hex(&event)[..SHORT]));
    let what = if kind.is_empty() { "?" } else { kind };
    let title = match (presence, title.is_empty()) {
        (Presence::Here, _) => line(title),
        (presence, true) => format!("({})", word(*presence)),
        (presence, false) => format!("{} ({})", line(title), word(*presence)),
    };
    vec![format!("  {}", &hex_of(&reference.other)[..SHORT]), what.to_owned(), by, title]
}

/// The first of both directions, below what was shown.
pub(super) async fn beneath(session: &Session, of: Referent) -> Outcome {
    for (direction, _, heading) in DIRECTIONS {
        let References { of: thing, items, next } = page(session, of, direction, None).await?;
        if items.is_empty() {
            continue;
        }
        words::say(&format!("\n{heading}:"))?;
        words::answer(&table(&items.iter().map(row).collect::<Vec<_>>()))?;
        if next.is_some() {
            words::say(&format!("  and more: `lamos objects {} --references` lists all", &hex_of(&thing)[..SHORT]))?;
        }
    }
    Ok(())
}

/// The first of both directions, into what is said of a thing.
pub(super) async fn add_json(session: &Session, of: Referent, all: &mut Value) -> Result<(), Failure> {
    for (direction, name, _) in DIRECTIONS {
        let References { of: _, items, next } = page(session, of, direction, None).await?;
        all[name] = items.iter().map(reference_json).collect::<Vec<_>>().into();
        all[format!("more_{name}")] = json!(next.is_some());
    }
    Ok(())
}

/// All of both directions, page by page.
pub(super) async fn all(session: &Session, of: Referent, as_json: bool) -> Outcome {
    let mut told = json!({});
    let mut is_empty = true;
    for (direction, name, heading) in DIRECTIONS {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let References { of: thing, items, next } = page(session, of, direction, after).await?;
            if as_json {
                found.extend(items.iter().map(reference_json));
                told["of"] = thing_json(&thing);
            } else if !items.is_empty() {
                if after.is_none() {
                    words::say(&if is_empty { format!("{heading}:") } else { format!("\n{heading}:") })?;
                }
                words::answer(&table(&items.iter().map(row).collect::<Vec<_>>()))?;
                is_empty = false;
            }
            match next {
                Some(_) => after = next,
                None => break,
            }
        }
        told[name] = found.into();
    }
    if as_json {
        return Ok(words::json(&told)?);
    }
    if is_empty {
        tell("It refers to nothing, and nothing refers to it.");
    }
    Ok(())
}
