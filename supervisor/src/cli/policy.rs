//! `policy explain`: the table, as it is in the program. Nothing has to run for it.

use ipc::{
    Role,
    policy::{self, Marks, Row},
};
use serde_json::{Value, json};

use super::{
    args::{Common, PolicyAction},
    words::{self, Failure, Outcome, bytes, line, table, tell},
};
use crate::exit;

/// Methods that are named where there is none as it was typed.
const NEAREST: usize = 12;

/// `lamos policy`.
pub fn policy(common: &Common, action: &PolicyAction) -> Outcome {
    let PolicyAction::Explain { source, destination, method } = action;
    for role in [source, destination].into_iter().flatten() {
        role.parse::<Role>().map_err(|error| Failure::new(exit::USAGE, format!("failed to {error}")))?;
    }
    let wanted = Wanted { source: source.as_deref(), destination: destination.as_deref(), method: method.as_deref() };
    let rows: Vec<&Row> = policy::TABLE.iter().filter(|row| wanted.fits(row)).collect();
    if common.json {
        return Ok(words::json(&rows.iter().map(|row| value(row)).collect())?);
    }
    if rows.is_empty() {
        wanted.nearest().iter().for_each(|sentence| tell(sentence));
        return Err(Failure::new(3, wanted.forbidden()));
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
    words::answer(&table(&lines))?;
    if let [row] = rows[..] {
        words::say("")?;
        explain(row).iter().try_for_each(|sentence| words::say(sentence))?;
    }
    Ok(())
}

fn value(row: &Row) -> Value {
    json!({
        "source": row.source.name(), "destination": row.destination.name(), "method": row.name, "number": row.method,
        "stream": row.stream, "sensitive": row.sensitive, "max_body": row.max_body, "in_flight": row.in_flight,
        "per_second": row.per_second, "deadline_s": row.deadline_s, "marks": row.marks.to_string(), "fresh": row.fresh,
    })
}

/// What each limit and mark of a row means.
fn explain(row: &Row) -> Vec<String> {
    let Row { source, destination, name, .. } = row;
    let at_once = match row.in_flight {
        1 => "one unanswered call".to_owned(),
        many => format!("{many} unanswered calls"),
    };
    let mut sentences = vec![
        format!("Each {source} process may ask {destination} for {name}; without this row the answer would be Forbidden."),
        format!("A request has at most {}; a larger one is refused (TooLarge).", bytes(row.max_body as u64)),
        format!("It may have {at_once} and begin {} in a second; more are refused (Busy).", row.per_second),
        format!("Without an answer after {} s the call is over (DeadlineExceeded); one who asks may say less.", row.deadline_s),
    ];
    if row.stream {
        sentences.push("It is opened as a stream: pieces are sent only as far as the reader has given credit.".to_owned());
    }
    if row.sensitive {
        sentences.push(
            "Its bodies hold secrets: they are overwritten wherever they pass, and neither log nor flight recorder has even their length."
                .to_owned(),
        );
    }
    if row.fresh {
        sentences.push(format!("The {destination} process that answers serves this one call and then ends."));
    }
    if row.marks.has(Marks::READS_PRIVATE) {
        sentences.push(format!("reads-private: from then on the {source} process counts as one that has read private data."));
    }
    if row.marks.has(Marks::BRINGS_UNTRUSTED) {
        sentences.push("brings-untrusted: from then on it counts as one that has read what strangers wrote.".to_owned());
    }
    if row.marks.has(Marks::EGRESS) {
        sentences
            .push("egress: the request leaves the machine; after both other marks it is refused (NeedsApproval).".to_owned());
    }
    if row.marks == Marks::NONE {
        sentences.push(format!("It leaves no mark on the {source} process."));
    }
    sentences
}

/// What was asked about.
struct Wanted<'a> {
    source: Option<&'a str>,
    destination: Option<&'a str>,
    method: Option<&'a str>,
}

impl Wanted<'_> {
    fn fits(&self, row: &Row) -> bool {
        self.fits_places(row) && fits(self.method, row.name)
    }

    fn fits_places(&self, row: &Row) -> bool {
        fits(self.source, row.source.name()) && fits(self.destination, row.destination.name())
    }

    /// That it may not be.
    fn forbidden(&self) -> String {
        let (source, destination) = (self.source.unwrap_or("nobody"), self.destination.unwrap_or("anybody"));
        let what = self.method.map(|method| format!(" for {}", line(method))).unwrap_or_default();
        format!(
            "no row lets {source} ask {destination}{what}: the hub refuses it (Forbidden), and a process that insists is ended"
        )
    }

    /// What is permitted and comes near.
    fn nearest(&self) -> Vec<String> {
        let between: Vec<&str> = policy::TABLE.iter().filter(|row| self.fits_places(row)).map(|row| row.name).collect();
        let who: Vec<String> = policy::TABLE
            .iter()
            .filter(|row| self.method.is_some() && fits(self.method, row.name))
            .map(|row| format!("{} asks {}", row.source, row.destination))
            .collect();
        let mut sentences = Vec::new();
        if let (Some(source), Some(destination)) = (self.source, self.destination) {
            sentences.push(if between.is_empty() {
                format!("{source} may ask {destination} for nothing.")
            } else {
                format!("{source} may ask {destination} for: {}.", some(&between))
            });
        }
        match (self.method, who.is_empty()) {
            (Some(method), true) => sentences.push(format!("Nobody may ask for {}: there is no such method.", line(method))),
            (Some(method), false) => {
                let who: Vec<&str> = who.iter().map(String::as_str).collect();
                sentences.push(format!("{} may be asked for where: {}.", line(method), some(&who)));
            }
            (None, _) => {}
        }
        sentences
    }
}

fn fits(wanted: Option<&str>, name: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
}

/// The first of these, and how many more there are.
fn some(names: &[&str]) -> String {
    let shown = names.iter().take(NEAREST).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NEAREST { format!("{shown} and {} more", names.len() - NEAREST) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_explained_and_what_has_none_is_said_with_what_comes_near() {
        for row in policy::TABLE {
            let sentences = explain(row).join(" ");
            assert!(sentences.contains(row.name) && sentences.contains(&format!("after {} s", row.deadline_s)), "{sentences}");
            assert_eq!(sentences.contains("secrets"), row.sensitive);
        }
        let wanted = Wanted { source: Some("agent"), destination: Some("storage"), method: Some("WriteFile") };
        assert!(!policy::TABLE.iter().any(|row| wanted.fits(row)));
        let near = wanted.nearest().join(" ");
        assert!(near.contains("agent may ask storage for: ") && near.contains("ReadFile"), "{near}");
        assert!(near.contains("WriteFile may be asked for where: cli asks storage"), "{near}");
        let nothing =
            Wanted { source: Some("code"), destination: Some("crypto"), method: Some("Steal\u{1b}c") }.nearest().join(" ");
        assert!(nothing.contains("code may ask crypto for nothing") && nothing.contains("no such method"), "{nothing}");
        assert!(!nothing.contains('\u{1b}'));
    }
}
