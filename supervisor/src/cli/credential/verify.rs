//! `credential verify`: whether something holds, in a sentence and in an exit code.

use std::path::PathBuf;

use credentials::PublicKey;
use ipc::messages::verifier::{About, Check, Checked, Expected, MAX_LISTS, Shape, Status, StatusDemand, Verdict};
use serde_json::{Value, json};

use super::{
    super::args::credential::{Lists, Question, Verify},
    read,
};
use crate::{
    cli::{
        session::Session,
        words::{self, Failure, Outcome, instant, line},
    },
    exit,
};

pub(super) async fn verify(session: &Session, args: Verify, as_json: bool) -> Outcome {
    let Verify { file, question, lists, holder, signed_by } = args;
    let text = read(&file)?;
    let signer = |did: &String| {
        let wrong = |refused| Failure::new(exit::USAGE, format!("{did:?} names nobody who could have signed: {refused}"));
        PublicKey::from_did(did).map(|key| *key.as_bytes()).map_err(wrong)
    };
    let signers = signed_by.iter().map(signer).collect::<Result<Vec<_>, _>>()?;
    let mut check = question_of(text, &lists)?;
    let Question { challenge, domain } = question;
    check.expected = Expected { challenge, domain };
    check.about = if holder { About::Holder } else { About::Anybody };
    check.signers = signers;
    let verdict = session.client.call(&check).await?;
    if as_json {
        words::json(&to_json(&verdict))?;
    }
    if let Some(failure) = failure(&verdict) {
        return Err(failure);
    }
    if !as_json {
        words::answer(&sentences(&verdict))?;
    }
    Ok(())
}

/// What is asked about a credential, with these lists.
pub(super) fn question_of(text: Vec<u8>, lists: &Lists) -> Result<Check, Failure> {
    if lists.status_list.len() > MAX_LISTS {
        return Err(Failure::new(exit::USAGE, format!("at most {MAX_LISTS} status lists are read at once")));
    }
    let status = if lists.without_status { StatusDemand::IfAtHand } else { StatusDemand::Checked };
    let lists = lists.status_list.iter().map(|file: &PathBuf| read(file)).collect::<Result<Vec<_>, _>>()?;
    Ok(Check { text, lists, expected: Expected::default(), about: About::Anybody, status, signers: Vec::new() })
}

/// Why something does not hold, if it does not.
pub(super) fn failure(verdict: &Verdict) -> Option<Failure> {
    let first = verdict.faults.first()?;
    let mut sentence = format!("not verified: {}. {}", line(&first.sentence), first.advice);
    for fault in &verdict.faults[1..] {
        sentence.push_str(&format!(" And: {}.", line(&fault.sentence)));
    }
    Some(Failure::new(exit::GIVEN, sentence))
}

fn sentences(verdict: &Verdict) -> String {
    let what = match verdict.shape {
        Some(Shape::Presentation) => "presentation",
        Some(Shape::Token) => "token",
        Some(Shape::SdJwt) => "SD-JWT",
        Some(Shape::Document) | None => "credential",
    };
    let mut text = format!("verified: this {what} holds, at {}\n", instant(verdict.at_ms));
    let mut row = |name: &str, value: &str| text.push_str(&format!("  {name:<8} {}\n", line(value)));
    if let Some(holder) = &verdict.holder {
        row("holder", holder);
    }
    for checked in &verdict.credentials {
        row("issuer", &checked.issuer);
        for subject in checked.subjects.iter().flatten() {
            row("about", subject);
        }
        row("type", &checked.types.join(" "));
        let moment = |millis: Option<u64>| millis.map(instant).unwrap_or_else(|| "-".to_owned());
        row("valid", &format!("{} to {}", moment(checked.from_ms), moment(checked.until_ms)));
        for (suite, signer) in checked.suites.iter().zip(&checked.signers) {
            row("signed", &format!("{suite} by {signer}"));
        }
        row("status", status(checked));
    }
    text
}

fn status(checked: &Checked) -> &'static str {
    match checked.status {
        Status::None => "none: it cannot be taken back",
        Status::Unchecked => "unchecked: whether it was taken back is not known",
        Status::Counts => "checked: it was not taken back",
        Status::TakenBack => "checked: it was taken back",
    }
}

fn to_json(verdict: &Verdict) -> Value {
    let shape = verdict.shape.map(|shape| match shape {
        Shape::Document => "document",
        Shape::Presentation => "presentation",
        Shape::Token => "jwt",
        Shape::SdJwt => "sd-jwt",
    });
    let credential = |checked: &Checked| {
        let status = match checked.status {
            Status::None => "none",
            Status::Unchecked => "unchecked",
            Status::Counts => "counts",
            Status::TakenBack => "taken-back",
        };
        // It was written by a process that has read it.
        let document: Value = serde_json::from_str(&checked.document).unwrap_or_default();
        json!({
            "id": checked.id, "issuer": checked.issuer, "subjects": checked.subjects, "types": checked.types,
            "from_ms": checked.from_ms, "until_ms": checked.until_ms, "suites": checked.suites, "signers": checked.signers,
            "status": status, "document": document,
        })
    };
    let faults: Vec<Value> = verdict
        .faults
        .iter()
        .map(|fault| json!({ "code": fault.code, "sentence": fault.sentence, "advice": fault.advice }))
        .collect();
    json!({
        "verified": verdict.faults.is_empty(), "at_ms": verdict.at_ms, "what": shape, "errors": faults,
        "holder": verdict.holder, "credentials": verdict.credentials.iter().map(credential).collect::<Vec<_>>(),
    })
}
