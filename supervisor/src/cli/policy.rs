//! `policy explain`: the table, as it is in the program. Nothing has to run for it.

use ipc::{Role, policy};
use serde_json::{Value, json};

use super::{
    args::{Common, PolicyAction},
    words::{self, Failure, Outcome, bytes, table},
};
use crate::exit;

/// `lamos policy`.
pub fn policy(common: &Common, action: &PolicyAction) -> Outcome {
    let PolicyAction::Explain { source, destination, method } = action;
    for role in [source, destination].into_iter().flatten() {
        role.parse::<Role>().map_err(|error| Failure::new(exit::USAGE, format!("failed to {error}")))?;
    }
    let fits = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
    let rows: Vec<_> = policy::TABLE
        .iter()
        .filter(|row| fits(source, row.source.name()) && fits(destination, row.destination.name()) && fits(method, row.name))
        .collect();
    if common.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                json!({
                    "source": row.source.name(), "destination": row.destination.name(), "method": row.name, "number": row.method,
                    "stream": row.stream, "sensitive": row.sensitive, "max_body": row.max_body, "in_flight": row.in_flight,
                    "per_second": row.per_second, "deadline_s": row.deadline_s, "marks": row.marks.to_string(), "fresh": row.fresh,
                })
            })
            .collect();
        return Ok(words::json(&Value::Array(rows))?);
    }
    if rows.is_empty() {
        return Err(Failure::new(3, "no row fits: it is not permitted"));
    }
    let mut lines = vec![["WHO", "ASKS", "FOR", "AT MOST", "AT ONCE", "A SECOND", "WITHIN", "MARKS"].map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let stream = if row.stream { " (stream)" } else { "" };
        vec![
            row.source.to_string(),
            row.destination.to_string(),
            format!("{}{stream}", row.name),
            bytes(row.max_body as u64),
            row.in_flight.to_string(),
            row.per_second.to_string(),
            format!("{} s", row.deadline_s),
            row.marks.to_string(),
        ]
    }));
    Ok(words::answer(&table(&lines))?)
}
