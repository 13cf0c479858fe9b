//! `audit`: what was done with the keys of the open space, and whether the log of it is whole.

use std::time::Duration;

use clap::Args;
use ipc::{
    Code, Role,
    endpoint::Options,
    messages::{
        crypto::{AuditRead, AuditRecord, ReadAudit},
        storage::{AnchorAudit, AuditAnchor, LogHead},
    },
    policy,
};
use serde_json::{Value, json};

use super::{
    args::Common,
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, instant, moment, table, tell},
};
use crate::exit;

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// List at most so many
    #[arg(long = "limit", short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,

    /// See whether every record is there as it was written, and whether the log ends no sooner than the archive knows
    #[arg(long)]
    pub verify: bool,
}

/// How long a look at a whole log may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// `lamos audit`.
pub async fn audit(session: &Session, common: &Common, args: AuditArgs) -> Outcome {
    sign_in(session, common).await?;
    // What the archive knows is asked for first, and then the log that must go at least as far.
    let anchor = if args.verify { Some(session.client.call(&AnchorAudit { keep: false }).await?) } else { None };
    let limit = args.limit as usize;
    let most = if args.verify { 0 } else { args.limit };
    let mut stream = session.client.open(&ReadAudit { most }, Options { deadline: Some(PATIENCE), ..Options::default() })?;
    let (mut records, mut at_anchor) = (Vec::new(), None);
    while let Some(page) = stream.next().await {
        for record in page?.records {
            if anchor.and_then(|anchor| anchor.newest).is_some_and(|head| head.number == record.number) {
                at_anchor = Some(record.hash);
            }
            if records.len() < limit {
                records.push(record);
            }
        }
    }
    let read = stream.answer().await?;
    let wrong = anchor.map(|anchor| wrong(&read, &anchor, at_anchor));
    show(common, &records, &read, anchor.as_ref().zip(wrong.as_deref()))?;
    match wrong {
        Some(wrong) if !wrong.is_empty() => Err(Failure::new(exit::DATA, "the audit log is not as it was written")),
        Some(_) => {
            // From here on this much of it cannot be cut off unnoticed.
            session.client.call(&AnchorAudit { keep: true }).await?;
            Ok(())
        }
        None => Ok(()),
    }
}

/// What is wrong with a log, in words.
fn wrong(read: &AuditRead, anchor: &AuditAnchor, at_anchor: Option<[u8; 32]>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (first, last) in &read.missing {
        wrong.push(match last - first {
            0 => format!("record {first} is missing or changed"),
            _ => format!("records {first} to {last} are missing or changed"),
        });
    }
    if read.and_more {
        wrong.push("and there are more gaps".to_owned());
    }
    if read.header_damaged {
        wrong.push("the header of the file is damaged".to_owned());
    }
    let Some(LogHead { number, hash }) = anchor.newest else { return wrong };
    let when = moment(anchor.at_ms);
    if read.newest < number {
        wrong.push(format!("the end is cut off: the archive saw record {number} at {when}, and {} is the last", read.newest));
    } else if at_anchor.is_some_and(|found| found != hash) {
        wrong
            .push(format!("record {number} is another one than the archive saw at {when}: the end was cut off and written over"));
    } else if at_anchor.is_none() && number >= read.oldest && read.missing.iter().all(|gap| !(gap.0..=gap.1).contains(&number)) {
        wrong.push(format!("record {number}, which the archive saw at {when}, is not there"));
    }
    wrong
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn verb(record: &AuditRecord) -> String {
    let name = policy::method_name(Role::Crypto, record.verb);
    name.map_or_else(|| format!("verb {}", record.verb), str::to_owned)
}

fn caller(record: &AuditRecord) -> String {
    record.caller.map_or_else(String::new, |(role, instance)| format!("{role}/{instance}"))
}

fn outcome(record: &AuditRecord) -> String {
    if record.outcome == 0 {
        return "done".to_owned();
    }
    let code = Code::ALL.iter().find(|code| **code as u16 == record.outcome);
    code.map_or_else(|| format!("refused {}", record.outcome), |code| format!("refused: {code:?}"))
}

fn remarks(record: &AuditRecord) -> String {
    let mut remarks = Vec::new();
    if record.times > 1 {
        remarks.push(format!("{} times since {}", record.times, instant(record.since_ms)));
    }
    match record.misses {
        0 => {}
        1 => remarks.push("1 pair had opened nothing".to_owned()),
        many => remarks.push(format!("{many} pairs had opened nothing")),
    }
    if record.unwritten > 0 {
        remarks.push(format!("{} before it could not be written", record.unwritten));
    }
    remarks.join(", ")
}

fn show(common: &Common, records: &[AuditRecord], read: &AuditRead, check: Option<(&AuditAnchor, &[String])>) -> Outcome {
    if common.json {
        let items: Vec<Value> = records.iter().map(record_json).collect();
        let check = check.map(|(anchor, wrong)| {
            json!({
                "whole": wrong.is_empty(),
                "wrong": wrong,
                "missing": read.missing,
                "newest": read.newest,
                "oldest": read.oldest,
                "anchor": anchor.newest.map(|head| json!({ "number": head.number, "at_ms": anchor.at_ms })),
            })
        });
        return Ok(words::json(&json!({ "records": items, "newest": read.newest, "check": check }))?);
    }
    let row = |record: &AuditRecord| {
        let number = record.number.to_string();
        vec![number, instant(record.at_ms), verb(record), caller(record), outcome(record), remarks(record)]
    };
    words::answer(&table(&records.iter().map(row).collect::<Vec<_>>()))?;
    let Some((anchor, wrong)) = check else { return Ok(()) };
    for sentence in wrong {
        tell(&format!("WRONG: {sentence}."));
    }
    if wrong.is_empty() {
        let known = match anchor.newest {
            Some(head) => format!("The archive saw record {} at {}.", head.number, moment(anchor.at_ms)),
            None => "The archive had seen none of it before; from now on it has.".to_owned(),
        };
        tell(&format!("Records {} to {} are whole. {known}", read.oldest, read.newest));
        if read.oldest > 1 {
            tell("Older records were written over by newer ones.");
        }
    }
    Ok(())
}

fn record_json(record: &AuditRecord) -> Value {
    json!({
        "number": record.number,
        "at_ms": record.at_ms,
        "since_ms": record.since_ms,
        "verb": verb(record),
        "caller": caller(record),
        "outcome": outcome(record),
        "code": record.outcome,
        "times": record.times,
        "objects": hex(&record.objects),
        "misses": record.misses,
        "unwritten": record.unwritten,
        "hash": hex(&record.hash),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(oldest: u64, newest: u64) -> AuditRead {
        AuditRead { newest, oldest, to_the_end: true, missing: Vec::new(), and_more: false, header_damaged: false }
    }

    fn anchor(number: u64) -> AuditAnchor {
        AuditAnchor { newest: Some(LogHead { number, hash: [1; 32] }), at_ms: 1 }
    }

    #[test]
    fn a_log_is_compared_with_what_the_archive_saw() {
        let none = AuditAnchor { newest: None, at_ms: 0 };
        assert!(wrong(&read(1, 5), &none, None).is_empty());
        assert!(wrong(&read(1, 5), &anchor(5), Some([1; 32])).is_empty());
        assert!(wrong(&read(4, 9), &anchor(2), None).is_empty(), "it was written over since");
        assert!(wrong(&read(1, 4), &anchor(5), None)[0].contains("cut off"));
        assert!(wrong(&read(1, 9), &anchor(5), Some([2; 32]))[0].contains("another one"));
        assert!(wrong(&read(1, 9), &anchor(5), None)[0].contains("not there"));
        let gap = AuditRead { missing: vec![(2, 2), (4, 6)], header_damaged: true, ..read(1, 9) };
        assert_eq!(wrong(&gap, &anchor(5), None).len(), 3, "what is missing is said once");
    }
}
