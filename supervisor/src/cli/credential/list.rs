//! `credential list` and `credential show`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    issue::now_ms,
    kept::{self, Entry, Kept, Sort},
};
use crate::{
    cli::{
        session::Session,
        words::{self, Failure, Outcome, line, moment, table, tell},
    },
    exit,
};

/// How far the clock may have gone back before that is told, in milliseconds.
const BACK_MS: u64 = 60_000;

pub(super) async fn list(session: &Session, as_json: bool) -> Outcome {
    let all = kept::all(session).await?;
    let mut revoked: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for list in all.iter().filter_map(|kept| kept.about.status).map(|entry| entry.list).collect::<BTreeSet<_>>() {
        let entries = kept::entries(session, &format!("credentials/revoked/{list}/")).await?;
        revoked.insert(list, entries.into_iter().collect());
    }
    let is_revoked = |entry: Entry| revoked.get(&entry.list).is_some_and(|entries| entries.contains(&entry.index));
    let now = now_ms();
    tell_of_the_clock(&all, now);
    let standing = |kept: &Kept| match (kept.about.status, kept.about.until_ms) {
        (Some(entry), _) if is_revoked(entry) => "revoked",
        (_, Some(until)) if until < now => "expired",
        _ => "counts",
    };
    if as_json {
        let item = |kept: &Kept| {
            json!({
                "id": kept.id, "sort": kept.sort.name(), "written": kept.about.written.name(),
                "credential": kept.about.credential, "issuer": kept.about.issuer, "subjects": kept.about.subjects,
                "types": kept.about.types, "until_ms": kept.about.until_ms, "kept_ms": kept.about.kept_ms,
                "standing": standing(kept), "status": kept.about.status,
            })
        };
        return Ok(words::json(&all.iter().map(item).collect::<Vec<Value>>().into())?);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|kept| {
            let types: Vec<&str> =
                kept.about.types.iter().map(String::as_str).filter(|name| *name != "VerifiableCredential").collect();
            let other = match kept.sort {
                Sort::Issued => kept.about.subjects.iter().flatten().next().map_or("-", String::as_str),
                Sort::Held => &kept.about.issuer,
            };
            vec![
                kept.id.clone(),
                kept.sort.name().to_owned(),
                kept.about.written.name().to_owned(),
                standing(kept).to_owned(),
                kept.about.until_ms.map_or_else(|| "-".to_owned(), moment),
                if types.is_empty() { "-".to_owned() } else { line(&types.join(" ")) },
                line(other),
            ]
        })
        .collect();
    Ok(words::answer(&table(&rows))?)
}

/// Whoever sets a clock back makes what has expired count again; so it is told.
fn tell_of_the_clock(all: &[Kept], now: u64) {
    if let Some(last) = all.iter().map(|kept| kept.about.kept_ms).max().filter(|last| *last > now.saturating_add(BACK_MS)) {
        tell(&format!(
            "This computer's clock was set back: something was kept at {}, and it is {}. What expires is judged by it.",
            moment(last),
            moment(now)
        ));
    }
}

pub(super) async fn show(session: &Session, id: &str, as_json: bool) -> Outcome {
    let kept = kept::find(session, id).await?;
    let text = String::from_utf8(kept.text(session).await?);
    let text = text.map_err(|_| Failure::new(exit::DATA, format!("failed to read {} as text", kept.id)))?;
    if as_json {
        return Ok(words::json(&json!({ "id": kept.id, "sort": kept.sort.name(), "about": kept.about, "credential": text }))?);
    }
    Ok(words::say(&text)?)
}
