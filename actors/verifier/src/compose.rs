//! What is to be signed for something that a person wants to make. A template comes from a file, which may be anybody's.

use credentials::{
    InProcess, Kind, Later, Model, Moment, Options, PublicKey, Purpose, Refused, Suite, ToSign, Validity, issue, json,
    presentation::{Question, envelope, present},
    random,
    sd_jwt::{self, Issue, Presentable},
    status::{self, StatusList, StatusPurpose},
    token::{self, Algorithm},
};
use ipc::{
    Code, Refusal,
    messages::{
        crypto,
        verifier::{self as wire, Compose, Composed, Form, MAX_POINTERS, MAX_SHOWN, Making, StatusPlace},
    },
};
use serde_json::{Map, Value, json};

use crate::check::millis;

/// How many entries a status list has: as many as the standard asks for at least, which is one list for one person.
const ENTRIES: u64 = 131_072;

type Members = Map<String, Value>;

/// Answers the one question.
pub(crate) fn compose(compose: Compose, now: Moment) -> Result<Composed, Refusal> {
    let signer = PublicKey::from_bytes(&compose.signer).map_err(refusal)?;
    let later = Later::new(signer).map_err(refusal)?;
    let (text, model) = match compose.what {
        Making::Credential { template, form, valid_s, status } => {
            credential(&template, &form, valid_s, status, &later, signer, now)
        }
        Making::StatusList { id, revoked, suite, valid_s } => list(&id, &revoked, suite, valid_s, &later, signer, now),
        Making::Presentation { shown, challenge, domain, suite } => {
            presentation(&shown, &Question { challenge, domain }, suite, &later, now)
        }
        Making::Disclosure { sd_jwt, shown, challenge, domain } => {
            disclosure(&sd_jwt, &shown, &Question { challenge, domain }, &later, now)
        }
    }
    .map_err(refusal)?;
    let (sign, before, after) = later.take(&text).map_err(refusal)?;
    let (id, subjects, types, until_ms) = match model {
        Some(model) => (model.id, model.subjects, model.types, model.validity.until.map(millis)),
        None => (None, Vec::new(), Vec::new(), None),
    };
    Ok(Composed { sign: to_wire(sign), before, after, id, subjects, types, until_ms })
}

/// What is composed is a text, and what it says if it is a credential.
type Text = Result<(String, Option<Model>), Refused>;

fn credential(
    template: &[u8],
    form: &Form,
    valid_s: Option<u64>,
    place: Option<StatusPlace>,
    later: &Later,
    signer: PublicKey,
    now: Moment,
) -> Text {
    let mut document = json::read_object(template.trim_ascii())?;
    if document.contains_key("proof") {
        if valid_s.is_some() || place.is_some() {
            return cannot("it is signed already, so only a further proof can be added to it");
        }
    } else {
        fill(&mut document, signer, valid_s, place, now)?;
    }
    let model = Model::read(&document)?;
    let text = match form {
        Form::Document { suite, id, previous, created_ms } => {
            let created = created_ms.map_or(now, |millis| Moment::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)));
            let new = Options::new(self::suite(*suite), Purpose::Assertion, created);
            let options = Options { id: id.clone(), previous: previous.clone(), ..new };
            Value::Object(issue(&document, &options, later, &InProcess)?).to_string()
        }
        Form::Token => token::issue(&document, Algorithm::EdDsa, later)?,
        Form::SdJwt { disclosable, decoys } => {
            if disclosable.len() > MAX_POINTERS {
                return cannot(&format!("at most {MAX_POINTERS} claims may be kept back"));
            }
            let disclosable: Vec<&str> = disclosable.iter().map(String::as_str).collect();
            // Whoever it is about can prove it, if its id is a key.
            let holder = model.subject().ok().and_then(|id| PublicKey::from_did(id).ok());
            let what = Issue {
                claims: &document,
                disclosable: &disclosable,
                decoys: usize::from(*decoys),
                typ: "vc+sd-jwt",
                holder: holder.as_ref(),
                algorithm: Algorithm::EdDsa,
            };
            sd_jwt::issue(&what, &mut random::salt, later)?
        }
    };
    Ok((text, Some(model)))
}

/// What a template leaves open.
fn fill(
    document: &mut Members,
    signer: PublicKey,
    valid_s: Option<u64>,
    place: Option<StatusPlace>,
    now: Moment,
) -> Result<(), Refused> {
    match document.get_mut("issuer") {
        None => drop(document.insert("issuer".to_owned(), json!(signer.did()))),
        Some(Value::Object(issuer)) => drop(issuer.entry("id").or_insert_with(|| json!(signer.did()))),
        Some(_) => {}
    }
    if !document.contains_key("validFrom") {
        document.insert("validFrom".to_owned(), json!(now.to_string()));
    }
    if let Some(seconds) = valid_s {
        let until = now.after(i64::try_from(seconds).unwrap_or(i64::MAX));
        if document.insert("validUntil".to_owned(), json!(until.to_string())).is_some() {
            return cannot("it says itself until when it is valid");
        }
    }
    if let Some(StatusPlace { list, index }) = place {
        let entry = status::entry(&list, u64::from(index), StatusPurpose::Revocation);
        if document.insert("credentialStatus".to_owned(), entry).is_some() {
            return cannot("it says itself where its status stands");
        }
    }
    Ok(())
}

fn list(id: &str, revoked: &[u32], suite: wire::Suite, valid_s: u64, later: &Later, signer: PublicKey, now: Moment) -> Text {
    let mut list = StatusList::new(ENTRIES)?;
    for index in revoked {
        list.set(u64::from(*index), true)?;
    }
    let until = now.after(i64::try_from(valid_s).unwrap_or(i64::MAX));
    let validity = Validity { from: Some(now), until: Some(until) };
    let document = list.to_credential(id, &signer, StatusPurpose::Revocation, validity)?;
    let model = Model::read(&document)?;
    let options = Options::new(self::suite(suite), Purpose::Assertion, now);
    let issued = issue(&document, &options, later, &InProcess)?;
    Ok((Value::Object(issued).to_string(), Some(model)))
}

fn presentation(shown: &[Vec<u8>], question: &Question, suite: wire::Suite, later: &Later, now: Moment) -> Text {
    if shown.len() > MAX_SHOWN {
        return cannot(&format!("a presentation shows at most {MAX_SHOWN} credentials"));
    }
    answers(question)?;
    let mut credentials = Vec::new();
    for text in shown {
        let text = text.trim_ascii();
        credentials.push(if text.starts_with(b"{") {
            json::read_object(text)?
        } else if text.contains(&b'~') {
            return cannot("an SD-JWT is presented by itself, and not among others");
        } else {
            let token = std::str::from_utf8(text);
            envelope(token.map_err(|_| Refused::elsewhere(Kind::Malformed, "it is neither JSON nor a token"))?)
        });
    }
    let presented = present(&credentials, question, self::suite(suite), now, later, &InProcess)?;
    Ok((Value::Object(presented).to_string(), None))
}

fn disclosure(sd_jwt: &[u8], shown: &[String], question: &Question, later: &Later, now: Moment) -> Text {
    if shown.len() > MAX_POINTERS {
        return cannot(&format!("at most {MAX_POINTERS} claims can be named"));
    }
    answers(question)?;
    let text = std::str::from_utf8(sd_jwt.trim_ascii());
    let held = Presentable::read(text.map_err(|_| Refused::elsewhere(Kind::Malformed, "it is not an SD-JWT"))?)?;
    let has = |name: &String| held.disclosures().iter().any(|disclosure| disclosure.name() == Some(name));
    if let Some(missing) = shown.iter().find(|name| !has(name)) {
        let some: Vec<&str> = held.disclosures().iter().filter_map(|disclosure| disclosure.name()).take(16).collect();
        return cannot(&format!("it keeps back no claim {missing:?}; it keeps back {}", some.join(", ")));
    }
    let show = |disclosure: &sd_jwt::Disclosure| shown.iter().any(|name| disclosure.name() == Some(name));
    let text = held.present(show, Some((question, now, Algorithm::EdDsa, later)))?;
    Ok((text, None))
}

/// An answer to no question would be good for anybody who gets hold of it.
fn answers(question: &Question) -> Result<(), Refused> {
    if question.challenge.is_empty() || question.domain.is_empty() {
        return cannot("a presentation answers the challenge of one verifier, and names it");
    }
    Ok(())
}

fn suite(suite: wire::Suite) -> Suite {
    match suite {
        wire::Suite::Jcs => Suite::Jcs,
        wire::Suite::Rdfc => Suite::Rdfc,
    }
}

fn to_wire(what: ToSign) -> crypto::ToSign {
    match what {
        ToSign::JcsProof { options, document } => crypto::ToSign::JcsProof { options, document },
        ToSign::RdfcProof { options, document } => crypto::ToSign::RdfcProof { options, document },
        ToSign::Token { header, payload } => crypto::ToSign::Token { header, payload },
        ToSign::SdJwt { header, payload } => crypto::ToSign::SdJwt { header, payload },
        ToSign::KeyBinding { header, payload } => crypto::ToSign::KeyBinding { header, payload },
    }
}

fn cannot<T>(what: &str) -> Result<T, Refused> {
    Err(Refused::elsewhere(Kind::CannotMake, what))
}

/// What was asked for cannot be made as it was asked for.
fn refusal(refused: Refused) -> Refusal {
    Refusal::new(Code::InputInvalid, format!("it cannot be made: {}. {}", refused.what(), refused.advice()))
}
