//! A verdict as the VC-API tells it: 200 and `verified`, or 400 and why not, as problem details.

use http::StatusCode;
use ipc::messages::verifier::{Checked, Fault, Status, Verdict};
use serde_json::{Map, Value, json};

use crate::problem::{Answer, answer};

/// The kinds of problems that the data model and Data Integrity have names for.
const PARSING: &str = "https://www.w3.org/TR/vc-data-model#PARSING_ERROR";
const CRYPTOGRAPHIC: &str = "https://www.w3.org/TR/vc-data-model#CRYPTOGRAPHIC_SECURITY_ERROR";
const MALFORMED: &str = "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR";
const RANGE: &str = "https://www.w3.org/TR/vc-data-model#RANGE_ERROR";
const PROOF: &str = "https://w3id.org/security#PROOF_VERIFICATION_ERROR";
const DOMAIN: &str = "https://w3id.org/security#INVALID_DOMAIN_ERROR";
const CHALLENGE: &str = "https://w3id.org/security#INVALID_CHALLENGE_ERROR";

/// The answer that says a verdict.
pub(super) fn answer_of(is_presentation: bool, verdict: &Verdict, returns_credential: bool) -> Answer {
    if !verdict.faults.is_empty() {
        return refused(&verdict.faults);
    }
    let warnings = verdict.credentials.iter().filter(|credential| credential.status == Status::Unchecked).map(|_| {
        json!({
            "type": MALFORMED, "title": "status-unknown",
            "detail": "whether it was taken back is not known: the list that says so did not come with it",
        })
    });
    let mut body = Map::new();
    body.insert("verified".to_owned(), true.into());
    body.insert("problemDetails".to_owned(), warnings.collect());
    let mut credentials = verdict.credentials.iter().map(|credential| one(credential, returns_credential || is_presentation));
    if is_presentation {
        body.insert("holder".to_owned(), verdict.holder.as_deref().into());
        body.insert("presentationResult".to_owned(), json!({ "verified": true }));
        body.insert("credentialResults".to_owned(), credentials.collect());
    } else if let Some(Value::Object(credential)) = credentials.next() {
        body.extend(credential);
    }
    answer(StatusCode::OK, "application/json", Value::Object(body).to_string())
}

/// One credential that holds.
fn one(credential: &Checked, is_returned: bool) -> Value {
    let mut told = Map::new();
    told.insert("verified".to_owned(), true.into());
    if is_returned && let Ok(document) = serde_json::from_str::<Value>(&credential.document) {
        told.insert("credential".to_owned(), document);
    }
    Value::Object(told)
}

fn refused(faults: &[Fault]) -> Answer {
    let problems: Vec<Value> = faults.iter().map(problem).collect();
    let detail = faults.iter().map(|fault| fault.sentence.as_str()).collect::<Vec<_>>().join("; ");
    let errors: Vec<&str> = faults.iter().map(|fault| fault.sentence.as_str()).collect();
    let body = json!({
        "type": problems.first().map(|problem| problem["type"].clone()), "title": "it does not hold", "status": 400,
        "detail": detail, "verified": false, "problemDetails": problems, "errors": errors,
    });
    answer(StatusCode::BAD_REQUEST, "application/problem+json", body.to_string())
}

fn problem(fault: &Fault) -> Value {
    let detail = format!("{}. {}", fault.sentence, fault.advice);
    json!({ "type": kind(&fault.code), "title": fault.code, "detail": detail })
}

/// The kind of problem that a fault is.
fn kind(code: &str) -> &'static str {
    match code {
        "not-json" | "duplicate-key" | "too-large" | "too-deep" => PARSING,
        "bad-signature" | "broken-chain" | "wrong-purpose" | "no-proof" => PROOF,
        "bad-key" | "not-the-issuers-key" | "wrong-holder" | "not-permitted" | "revoked" | "suspended" => CRYPTOGRAPHIC,
        "not-yet-valid" | "expired" | "number-out-of-range" => RANGE,
        "wrong-challenge" => CHALLENGE,
        "wrong-audience" => DOMAIN,
        _ => MALFORMED,
    }
}
