//! What is asked for, as JSON. A credential is left as it is written. An option that is not known here is refused: who asks
//! for more than is done must not take the answer for that.

use http::StatusCode;
use ipc::messages::verifier::{MAX_LISTS, StatusDemand, Suite};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::problem::Problem;

/// The kind of problem that a body is which is not what is asked for.
const MALFORMED: &str = "https://www.w3.org/TR/vc-data-model#PARSING_ERROR";

/// Issue this.
#[derive(Deserialize)]
pub(super) struct Issue<'a> {
    #[serde(borrow)]
    pub(super) credential: &'a RawValue,
    pub(super) options: Option<IssueOptions>,
}

/// How it is signed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct IssueOptions {
    /// The type of the proof, or the name of its suite as it was written before there was a type for all.
    r#type: Option<String>,
    cryptosuite: Option<String>,
    proof_purpose: Option<String>,
    /// What may not be kept back. Nothing can be kept back with these suites.
    #[serde(rename = "mandatoryPointers")]
    _mandatory_pointers: Option<IgnoredAny>,
    /// Under which name the service remembers it. Nothing is remembered here.
    #[serde(rename = "credentialId")]
    _credential_id: Option<IgnoredAny>,
}

impl IssueOptions {
    /// With which suite, if it says.
    pub(super) fn suite(&self) -> Result<Option<Suite>, Problem> {
        if self.proof_purpose.as_ref().is_some_and(|purpose| purpose != "assertionMethod") {
            return Err(bad("a credential is issued with the purpose assertionMethod alone"));
        }
        let name = match (self.r#type.as_deref(), self.cryptosuite.as_deref()) {
            (None | Some("DataIntegrityProof"), name) | (name, None) => name,
            (Some(_), Some(_)) => return Err(bad("a proof has the type DataIntegrityProof")),
        };
        match name {
            None => Ok(None),
            Some("eddsa-jcs-2022") => Ok(Some(Suite::Jcs)),
            Some("eddsa-rdfc-2022") => Ok(Some(Suite::Rdfc)),
            Some(_) => Err(bad("the suites are eddsa-jcs-2022 and eddsa-rdfc-2022")),
        }
    }
}

/// Check this credential.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VerifyCredential<'a> {
    #[serde(borrow)]
    pub(super) verifiable_credential: &'a RawValue,
    #[serde(borrow)]
    pub(super) options: Option<VerifyOptions<'a>>,
}

/// Check this presentation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VerifyPresentation<'a> {
    #[serde(borrow)]
    pub(super) verifiable_presentation: &'a RawValue,
    #[serde(borrow)]
    pub(super) options: Option<VerifyOptions<'a>>,
}

/// What is to be checked of it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct VerifyOptions<'a> {
    /// What the holder was asked.
    pub(super) challenge: Option<String>,
    /// Who asked.
    pub(super) domain: Option<String>,
    /// Which checks; all that there are, if it does not say. A proof is always checked.
    checks: Option<Vec<String>>,
    /// Send the credential back.
    #[serde(default)]
    pub(super) return_credential: bool,
    /// Problems are always told.
    #[serde(rename = "returnProblemDetails")]
    _return_problem_details: Option<bool>,
    /// Ours: status lists, for nothing is fetched here.
    #[serde(borrow)]
    status_lists: Option<Vec<&'a RawValue>>,
}

impl VerifyOptions<'_> {
    /// Whether a status must be known.
    pub(super) fn status(&self) -> Result<StatusDemand, Problem> {
        let Some(checks) = &self.checks else { return Ok(StatusDemand::Checked) };
        if !checks.iter().all(|check| ["proof", "status", "credentialStatus"].contains(&check.as_str())) {
            return Err(bad("the checks are proof and credentialStatus"));
        }
        Ok(if checks.iter().any(|check| check != "proof") { StatusDemand::Checked } else { StatusDemand::IfAtHand })
    }

    /// The status lists that came with it.
    pub(super) fn lists(&self) -> Result<Vec<Vec<u8>>, Problem> {
        let lists = self.status_lists.as_deref().unwrap_or_default();
        if lists.len() > MAX_LISTS {
            return Err(bad(&format!("at most {MAX_LISTS} status lists come with a question")));
        }
        lists.iter().map(|list| text(list)).collect()
    }
}

/// Reads a body. Why it cannot be read is told by its place: what is there is not quoted.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let why = match error.classify() {
            serde_json::error::Category::Data => "not what is asked for here",
            _ => "not JSON",
        };
        bad(&format!("the body is {why}, from line {}, column {}", error.line(), error.column()))
    })
}

/// A credential as the process that checks it takes it: an object as it is written, a token without its quotes or its
/// envelope.
pub(super) fn text(value: &RawValue) -> Result<Vec<u8>, Problem> {
    let text = value.get();
    if text.starts_with('"') {
        return read::<String>(text.as_bytes()).map(String::into_bytes);
    }
    // What is no envelope is for that process to judge.
    match serde_json::from_str::<Envelope>(text) {
        Ok(envelope) if envelope.r#type.is(ENVELOPE) => envelope.token(),
        _ => Ok(text.as_bytes().to_vec()),
    }
}

/// What an object calls itself that has a token in its id.
const ENVELOPE: &str = "EnvelopedVerifiableCredential";

/// The first context of anything in the data model.
const CONTEXT: &str = "https://www.w3.org/ns/credentials/v2";

/// How an id begins that is a token, by the media types of tokens that are read here.
const TOKENS: [&str; 3] = ["data:application/vc+jwt,", "data:application/vc+sd-jwt,", "data:application/jwt,"];

/// A token in an object.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "@context")]
    context: Option<Names>,
    r#type: Names,
    id: Option<String>,
}

/// One name or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl Names {
    fn is(&self, name: &str) -> bool {
        match self {
            Names::One(one) => one == name,
            Names::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

impl Envelope {
    fn token(self) -> Result<Vec<u8>, Problem> {
        let id = self.id.unwrap_or_default();
        let token = TOKENS.iter().find_map(|begin| id.strip_prefix(begin));
        match token.filter(|_| self.context.is_some_and(|context| context.is(CONTEXT))) {
            Some(token) => Ok(token.as_bytes().to_vec()),
            None => Err(bad("an envelope has the context of the data model, and an id that is a data: URL of a token")),
        }
    }
}

fn bad(detail: &str) -> Problem {
    Problem::of_kind(StatusCode::BAD_REQUEST, MALFORMED, detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails loudly")]

    use super::*;

    fn suite(options: &str) -> Result<Option<Suite>, u16> {
        let issue = format!("{{\"credential\": {{}}, \"options\": {options}}}");
        let options = read::<Issue<'_>>(issue.as_bytes()).map(|issue| issue.options.unwrap_or_default());
        options.and_then(|options| options.suite()).map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn a_request_names_its_suite_or_does_not() {
        assert_eq!(suite("null"), Ok(None));
        assert_eq!(suite("{}"), Ok(None));
        assert_eq!(suite(r#"{"type": "DataIntegrityProof"}"#), Ok(None));
        assert_eq!(suite(r#"{"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022"}"#), Ok(Some(Suite::Jcs)));
        assert_eq!(suite(r#"{"cryptosuite": "eddsa-rdfc-2022"}"#), Ok(Some(Suite::Rdfc)));
        assert_eq!(suite(r#"{"type": "eddsa-rdfc-2022", "mandatoryPointers": ["/issuer"]}"#), Ok(Some(Suite::Rdfc)));
        assert_eq!(suite(r#"{"credentialId": "urn:x", "proofPurpose": "assertionMethod"}"#), Ok(None));
        for bad in [
            r#"{"cryptosuite": "ecdsa-rdfc-2019"}"#,
            r#"{"type": "Ed25519Signature2020"}"#,
            r#"{"type": "eddsa-jcs-2022", "cryptosuite": "eddsa-jcs-2022"}"#,
            r#"{"proofPurpose": "authentication"}"#,
            r#"{"created": "2024-01-01T00:00:00Z"}"#,
            r#"{"cryptosuite": "eddsa-jcs-2022", "cryptosuite": "eddsa-rdfc-2022"}"#,
            r#""eddsa-jcs-2022""#,
        ] {
            assert_eq!(suite(bad), Err(400), "{bad}");
        }
    }

    #[test]
    fn a_credential_goes_on_as_it_is_written() {
        let body = br#" {"verifiableCredential" : {"a": 1.0, "a" :1e2,"b":"\u00e9"} , "@context": []} "#;
        let request: VerifyCredential<'_> = read(body).unwrap();
        assert_eq!(text(request.verifiable_credential).unwrap(), br#"{"a": 1.0, "a" :1e2,"b":"\u00e9"}"#);
        let request: VerifyCredential<'_> = read(br#"{"verifiableCredential": "a.b.c"}"#).unwrap();
        assert_eq!(text(request.verifiable_credential).unwrap(), b"a.b.c");
        for bad in [
            &b"{}"[..],
            b"",
            b"[]",
            b"{\"verifiableCredential\": 1} x",
            b"\xff",
            br#"{"verifiableCredential": 1, "verifiableCredential": 2}"#,
        ] {
            assert!(read::<VerifyCredential<'_>>(bad).is_err(), "{bad:?}");
        }
        let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
        let deep = [b"{\"verifiableCredential\": ", &deep[..], b"}"].concat();
        // However it ends, it ends.
        let _ = read::<VerifyCredential<'_>>(&deep);
    }

    #[test]
    fn a_check_that_is_not_known_is_not_passed_over() {
        let status = |options: &str| {
            let options: Result<VerifyOptions<'_>, _> = read(options.as_bytes());
            options.and_then(|options| options.status()).map_err(|problem| problem.status.as_u16())
        };
        assert_eq!(status("{}"), Ok(StatusDemand::Checked));
        assert_eq!(status(r#"{"checks": ["proof"]}"#), Ok(StatusDemand::IfAtHand));
        assert_eq!(status(r#"{"checks": ["proof", "credentialStatus"]}"#), Ok(StatusDemand::Checked));
        assert_eq!(status(r#"{"checks": ["issuer"]}"#), Err(400));
        assert_eq!(status(r#"{"expectedSigner": "did:key:z6Mk"}"#), Err(400));
    }

    #[test]
    fn what_is_wrong_is_not_quoted() {
        let secret = format!("{{\"credential\": {{}}, \"options\": {{\"{}\": 1}}}}", "my-secret");
        let problem = read::<Issue<'_>>(secret.as_bytes()).err().unwrap();
        assert!(!format!("{problem:?}").contains("my-secret"), "{problem:?}");
    }
}
