//! Whether something holds: what it is, whether its signatures hold, whether it is valid now, and whether it was taken back.

use credentials::{
    Credential, InProcess, Kind, Moment, PublicKey, Refused, Validity, Verifier, json,
    presentation::{About, Question},
    status::PublishedList,
};
use ipc::messages::verifier::{
    self as wire, Check, Checked, Expected, Fault, MAX_LISTS, MAX_SIGNERS, Shape, Status, StatusDemand, Verdict,
};

/// What is known when everything that was asked about holds, but for what its issuers say about whether it still counts.
#[derive(Default)]
struct Found {
    holder: Option<String>,
    credentials: Vec<Credential>,
    /// An SD-JWT of something else than a credential of the data model.
    other: Option<Checked>,
}

/// Answers the one question.
pub(crate) fn check(check: &Check, now: Moment) -> Verdict {
    let mut verdict =
        Verdict { at_ms: millis(now), shape: shape(&check.text), faults: Vec::new(), holder: None, credentials: Vec::new() };
    let verifier = Verifier { now, canonicalizer: &InProcess };
    let found = match look(check, &verifier, verdict.shape) {
        Ok(found) => found,
        Err(refused) => {
            verdict.faults.push(fault(&refused));
            return verdict;
        }
    };
    verdict.holder = found.holder;
    verdict.credentials.extend(found.other);
    let lists = match lists(&check.lists, &verifier) {
        Ok(lists) => lists,
        Err(refused) => {
            verdict.faults.push(fault(&refused));
            return verdict;
        }
    };
    let many = found.credentials.len() > 1;
    for (place, credential) in found.credentials.iter().enumerate() {
        let (status, refused) = status(credential, &verifier, &lists, check.status);
        let mut checked = checked(credential);
        checked.status = status;
        verdict.credentials.push(checked);
        verdict.faults.extend(refused.map(|refused| {
            let mut fault = fault(&refused);
            if many {
                fault.sentence = format!("credential {}: {}", place + 1, fault.sentence);
            }
            fault
        }));
    }
    verdict
}

/// What a text is, by how it begins. A text that is none of these is read as the one it is most like, and refused there.
fn shape(text: &[u8]) -> Option<Shape> {
    let text = text.trim_ascii();
    match text.first() {
        None => None,
        // A mark of the order of bytes, too, is for the reader of JSON to refuse.
        Some(b'{' | 0xef) => {
            let members = json::read_object(text).ok();
            let types = members.as_ref().and_then(|members| members.get("type"));
            let is_one = |name: &str| match types {
                Some(serde_json::Value::String(one)) => one == name,
                Some(serde_json::Value::Array(many)) => many.iter().any(|one| one == name),
                _ => false,
            };
            Some(if is_one("VerifiablePresentation") { Shape::Presentation } else { Shape::Document })
        }
        Some(_) if text.contains(&b'~') => Some(Shape::SdJwt),
        Some(_) => Some(Shape::Token),
    }
}

fn look(check: &Check, verifier: &Verifier<'_>, shape: Option<Shape>) -> Result<Found, Refused> {
    let refused = |kind, what: &str| Refused::elsewhere(kind, what);
    if check.lists.len() > MAX_LISTS {
        return Err(refused(Kind::TooLarge, "more status lists came with it than are read"));
    }
    if check.signers.len() > MAX_SIGNERS {
        return Err(refused(Kind::TooLarge, "more keys were named than a document has proofs"));
    }
    let signers: Vec<PublicKey> = check.signers.iter().map(PublicKey::from_bytes).collect::<Result<_, _>>()?;
    let Expected { challenge, domain } = &check.expected;
    let asked = challenge.is_some() || domain.is_some();
    let one = |credential| Found { credentials: vec![credential], ..Found::default() };
    let signed_by_all =
        |found: Found| match signers.iter().find(|key| !found.credentials.iter().all(|one| one.signers().contains(key))) {
            Some(missing) => Err(refused(Kind::BrokenChain, &format!("a signature of {missing} is missing"))),
            None => Ok(found),
        };
    match shape {
        None => Err(refused(Kind::NotJson, "it is empty")),
        Some(Shape::Document | Shape::Token) if asked => {
            Err(refused(Kind::WrongHolder, "it is a credential and no presentation: nobody answers the question"))
        }
        Some(Shape::Document) => verifier.credential_signed_by(&check.text, &signers).map(one),
        Some(Shape::Token) => verifier.token(text(&check.text)?).map(one).and_then(signed_by_all),
        Some(Shape::Presentation) => {
            let about = match check.about {
                wire::About::Anybody => About::Anybody,
                wire::About::Holder => About::Holder,
            };
            let shown = verifier.presentation_to(&check.text, challenge.as_deref(), domain.as_deref(), about)?;
            let holder = Some(shown.holder().did());
            signed_by_all(Found { holder, credentials: shown.credentials().to_vec(), other: None })
        }
        Some(Shape::SdJwt) => {
            let question = match (challenge, domain) {
                (Some(challenge), Some(domain)) => Some(Question { challenge: challenge.clone(), domain: domain.clone() }),
                (None, None) => None,
                _ => return Err(refused(Kind::Malformed, "what is asked of who presents an SD-JWT is a challenge and a domain")),
            };
            sd_jwt(text(&check.text)?, question.as_ref(), verifier).and_then(signed_by_all)
        }
    }
}

/// An SD-JWT need not be a credential of the data model: then its claims are what is verified.
fn sd_jwt(text: &str, question: Option<&Question>, verifier: &Verifier<'_>) -> Result<Found, Refused> {
    let shown = verifier.sd_jwt(text, question)?;
    let holder = shown.holder().map(PublicKey::did);
    if shown.claims().contains_key("@context") {
        return Ok(Found { holder, credentials: vec![verifier.sd_credential(shown)?], other: None });
    }
    let issuer = shown.issuer().did();
    let types = shown.claims().get("vct").and_then(|name| name.as_str()).map(str::to_owned);
    let subject = shown.claims().get("sub").and_then(|id| id.as_str()).map(str::to_owned);
    let seconds = |name: &str| {
        let moment = shown.claims().get(name).and_then(serde_json::Value::as_i64).map(Moment::from_seconds);
        moment.map(millis)
    };
    let other = Checked {
        id: None,
        suites: vec![shown.algorithm().name().to_owned()],
        signers: vec![issuer.clone()],
        issuer,
        subjects: vec![subject],
        types: types.into_iter().collect(),
        from_ms: seconds("nbf"),
        until_ms: seconds("exp"),
        status: Status::None,
        document: serde_json::Value::Object(shown.claims().clone()).to_string(),
    };
    Ok(Found { holder, credentials: Vec::new(), other: Some(other) })
}

/// A token or an SD-JWT as it stands in a file, with a line's end after it.
fn text(bytes: &[u8]) -> Result<&str, Refused> {
    std::str::from_utf8(bytes.trim_ascii()).map_err(|_| Refused::elsewhere(Kind::Malformed, "it is neither JSON nor a token"))
}

fn lists(texts: &[Vec<u8>], verifier: &Verifier<'_>) -> Result<Vec<PublishedList>, Refused> {
    let mut lists = Vec::new();
    for (place, list) in texts.iter().enumerate() {
        let credential = match shape(list) {
            Some(Shape::Token) => text(list).and_then(|list| verifier.token(list)),
            _ => verifier.credential(list),
        };
        let published = credential.and_then(|credential| PublishedList::read(&credential));
        let at = |refused: Refused| Refused::elsewhere(refused.kind(), format!("status list {}: {}", place + 1, refused.what()));
        lists.push(published.map_err(at)?);
    }
    Ok(lists)
}

/// What the issuer says about whether a credential counts, and what is wrong with that.
fn status(
    credential: &Credential,
    verifier: &Verifier<'_>,
    lists: &[PublishedList],
    demand: StatusDemand,
) -> (Status, Option<Refused>) {
    let says = credential.status().iter().any(|entry| matches!(entry.purpose.as_str(), "revocation" | "suspension"));
    match verifier.status(credential, lists) {
        Ok(()) if says => (Status::Counts, None),
        Ok(()) => (Status::None, None),
        Err(refused) if matches!(refused.kind(), Kind::Revoked | Kind::Suspended) => (Status::TakenBack, Some(refused)),
        Err(refused) if refused.kind() == Kind::StatusUnknown && demand == StatusDemand::IfAtHand => (Status::Unchecked, None),
        Err(refused) => (Status::Unchecked, Some(refused)),
    }
}

fn checked(credential: &Credential) -> Checked {
    let model = credential.model();
    let Validity { from, until } = model.validity;
    Checked {
        id: model.id.clone(),
        issuer: model.issuer.clone(),
        subjects: model.subjects.clone(),
        types: model.types.clone(),
        from_ms: from.map(millis),
        until_ms: until.map(millis),
        suites: credential.suites().iter().map(|name| (*name).to_owned()).collect(),
        signers: credential.signers().iter().map(PublicKey::did).collect(),
        status: Status::None,
        document: serde_json::Value::Object(credential.document().clone()).to_string(),
    }
}

/// Moments before 1970 are told as its beginning.
pub(crate) fn millis(moment: Moment) -> u64 {
    u64::try_from(moment.seconds().saturating_mul(1000)).unwrap_or(0)
}

pub(crate) fn fault(refused: &Refused) -> Fault {
    Fault { code: code(refused.kind()).to_owned(), sentence: refused.what().to_owned(), advice: refused.advice().to_owned() }
}

/// One word for each reason, for programs. They are told to others, so none is ever given another meaning.
fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::TooLarge => "too-large",
        Kind::TooDeep => "too-deep",
        Kind::NotJson => "not-json",
        Kind::DuplicateKey => "duplicate-key",
        Kind::NumberOutOfRange => "number-out-of-range",
        Kind::Malformed => "malformed",
        Kind::UnknownContext => "unknown-context",
        Kind::UndefinedTerm => "undefined-term",
        Kind::Unsupported => "unsupported",
        Kind::TooComplex => "too-complex",
        Kind::NoProof => "no-proof",
        Kind::BadSignature => "bad-signature",
        Kind::BadKey => "bad-key",
        Kind::NotTheIssuersKey => "not-the-issuers-key",
        Kind::WrongPurpose => "wrong-purpose",
        Kind::BrokenChain => "broken-chain",
        Kind::NotYetValid => "not-yet-valid",
        Kind::Expired => "expired",
        Kind::Revoked => "revoked",
        Kind::Suspended => "suspended",
        Kind::StatusUnknown => "status-unknown",
        Kind::WrongChallenge => "wrong-challenge",
        Kind::WrongAudience => "wrong-audience",
        Kind::WrongHolder => "wrong-holder",
        Kind::NotPermitted => "not-permitted",
        Kind::CannotMake => "cannot-make",
    }
}
