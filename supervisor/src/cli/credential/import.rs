//! `credential import`: holding what somebody else issued, after it was verified.

use ipc::messages::verifier::Shape;

use super::{
    super::args::credential::Import,
    identity::own_did,
    issue::now_ms,
    kept::{self, About, Sort, Written},
    read,
    verify::{failure, question_of},
};
use crate::{
    cli::{
        session::Session,
        words::{self, Failure, Outcome, tell},
    },
    exit,
};

pub(super) async fn import(session: &Session, args: Import, as_json: bool) -> Outcome {
    let Import { file, lists } = args;
    let text = read(&file)?;
    let verdict = session.client.call(&question_of(text.clone(), &lists)?).await?;
    if let Some(failure) = failure(&verdict) {
        return Err(failure);
    }
    let written = match verdict.shape {
        Some(Shape::Document) => Written::Document,
        Some(Shape::Token) => Written::Jwt,
        Some(Shape::SdJwt) => Written::SdJwt,
        Some(Shape::Presentation) | None => {
            return Err(Failure::new(
                exit::GIVEN,
                "a presentation is an answer to one question and is not held; ask for the credential",
            ));
        }
    };
    let [checked] = verdict.credentials.as_slice() else {
        return Err(Failure::new(exit::GIVEN, "it does not hold one credential"));
    };
    if checked.issuer == own_did(session).await? {
        tell("You issued it yourself: it is held beside what you issued.");
    }
    let text = String::from_utf8(text).map_err(|_| Failure::new(exit::OURS, "failed to read as text what was verified"))?;
    let about = About {
        written,
        credential: checked.id.clone(),
        issuer: checked.issuer.clone(),
        subjects: checked.subjects.clone(),
        types: checked.types.clone(),
        until_ms: checked.until_ms,
        kept_ms: now_ms(),
        status: None,
    };
    // The end of the last line is the file's and not the credential's.
    let kept = kept::put(session, Sort::Held, text.trim(), about, Vec::new()).await?;
    if as_json {
        return Ok(words::json(&serde_json::json!({ "id": kept.id }))?);
    }
    Ok(words::say(&kept.id)?)
}
