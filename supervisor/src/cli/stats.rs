//! `stats`: how much is kept, counted, and the room it takes.

use ipc::messages::{
    crypto::{DerivationCost, ShowCost},
    storage::{KindMeasured, Measure, Measured, Statistics},
};
use serde_json::{Value, json};

use super::{
    args::Common,
    restore::CUT_OFF,
    session::Session,
    sign_in::sign_in,
    words::{self, Outcome, table},
};

/// `lamos stats`.
pub async fn stats(session: &Session, common: &Common) -> Outcome {
    sign_in(session, common).await?;
    let measured = session.client.call(&Measure).await?;
    let restoring = session.client.call(&Statistics).await?.restoring;
    let DerivationCost { memory, passes, lanes } = session.client.call(&ShowCost).await?;
    if common.json {
        let mut all = measured_json(&measured);
        all["restoring"] = json!(restoring);
        all["key_cost"] = json!({ "memory_kib": memory, "passes": passes, "lanes": lanes });
        return Ok(words::json(&all)?);
    }
    if restoring {
        words::tell(CUT_OFF);
    }
    let total = |what: fn(&KindMeasured) -> u64| measured.kinds.iter().map(what).sum::<u64>();
    let (events, unsigned, erased) = (total(|kind| kind.events), total(|kind| kind.unsigned), total(|kind| kind.erased));
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let whole = vec![
        row("events", format!("{events}, of them {unsigned} without a signature yet and {erased} erased")),
        row("conversations", measured.conversations.to_string()),
        row("files of volumes", measured.files.to_string()),
        row("said", words::bytes(total(|kind| kind.plain))),
        row("sealed", words::bytes(total(|kind| kind.sealed))),
        row("database", format!("{}, of it {} in use", words::bytes(measured.database), words::bytes(measured.used))),
        row("may grow to", words::bytes(measured.reserved)),
        row("this space", words::bytes(measured.directory)),
        row("signing in", format!("Argon2id, {}, {passes} passes, {lanes} lanes", words::bytes(u64::from(memory) << 10))),
        row("disk", format!("{} free of {}", words::bytes(measured.disk_free), words::bytes(measured.disk))),
    ];
    words::answer(&table(&whole))?;
    words::answer("\nkinds\n")?;
    let mut rows = vec![["", "events", "said", "sealed"].map(str::to_owned).to_vec()];
    rows.extend(measured.kinds.iter().map(|kind| {
        let name = if kind.name.is_empty() { format!("kind {}", kind.kind) } else { kind.name.clone() };
        vec![name, kind.events.to_string(), words::bytes(kind.plain), words::bytes(kind.sealed)]
    }));
    words::answer(&table(&rows))?;
    words::answer("\ntables\n")?;
    let mut rows = vec![["", "rows", "pages"].map(str::to_owned).to_vec()];
    rows.extend(measured.tables.iter().map(|size| vec![size.name.clone(), size.entries.to_string(), words::bytes(size.bytes)]));
    Ok(words::answer(&table(&rows))?)
}

fn measured_json(measured: &Measured) -> Value {
    let kinds: Vec<Value> = measured
        .kinds
        .iter()
        .map(|kind| {
            json!({
                "kind": kind.kind,
                "name": kind.name,
                "events": kind.events,
                "unsigned": kind.unsigned,
                "erased": kind.erased,
                "plain": kind.plain,
                "sealed": kind.sealed,
            })
        })
        .collect();
    let tables: Vec<Value> =
        measured.tables.iter().map(|size| json!({ "name": size.name, "rows": size.entries, "bytes": size.bytes })).collect();
    json!({
        "events": measured.kinds.iter().map(|kind| kind.events).sum::<u64>(),
        "unsigned": measured.kinds.iter().map(|kind| kind.unsigned).sum::<u64>(),
        "conversations": measured.conversations,
        "files": measured.files,
        "database": measured.database,
        "used": measured.used,
        "reserved": measured.reserved,
        "directory": measured.directory,
        "disk_free": measured.disk_free,
        "disk": measured.disk,
        "kinds": kinds,
        "tables": tables,
    })
}
