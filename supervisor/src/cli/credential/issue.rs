//! `credential issue`: a credential in the person's name, printed as it is and kept.

use std::collections::BTreeSet;

use ipc::messages::verifier::{Form, Making, StatusPlace};

use super::{
    super::args::credential::{FormName, Issue},
    identity::own_did,
    kept::{self, About, Entry, Sort, Written},
    make, read,
    status_list::{ENTRIES, list_id},
};
use crate::{
    cli::{
        session::Session,
        words::{self, Failure, Outcome, tell},
    },
    exit,
};

pub(super) async fn issue(session: &Session, args: Issue, as_json: bool) -> Outcome {
    let wrong = |sentence: &str| Err(Failure::new(exit::USAGE, sentence));
    if args.form != FormName::SdJwt && (!args.disclose.is_empty() || args.decoys > 0) {
        return wrong("claims can be kept back of an SD-JWT alone: --as sd-jwt");
    }
    if args.form != FormName::Document && (args.proof_id.is_some() || !args.previous.is_empty()) {
        return wrong("a token has no proofs that could follow one another; leave --as out");
    }
    let template = read(&args.template)?;
    let (written, form) = match args.form {
        FormName::Document => {
            let form = Form::Document { suite: args.suite.into(), id: args.proof_id, previous: args.previous, created_ms: None };
            (Written::Document, form)
        }
        FormName::Jwt => (Written::Jwt, Form::Token),
        FormName::SdJwt => (Written::SdJwt, Form::SdJwt { disclosable: args.disclose, decoys: args.decoys }),
    };
    let issuer = own_did(session).await?;
    let entry = if args.status { Some(free_entry(session).await?) } else { None };
    let status = entry.map(|entry| StatusPlace { list: list_id(&issuer, entry.list), index: entry.index });
    let (text, composed) = make(session, Making::Credential { template, form, valid_s: args.valid, status }).await?;
    let about = About {
        written,
        credential: composed.id,
        issuer,
        subjects: composed.subjects,
        types: composed.types,
        until_ms: composed.until_ms,
        kept_ms: now_ms(),
        status: entry,
    };
    let taken = entry.map(|entry| (entry.taken(), kept::id_of(&text).into_bytes()));
    let kept = kept::put(session, Sort::Issued, &text, about, taken.into_iter().collect()).await?;
    tell(&format!("Kept as {}.", kept.id));
    if as_json {
        return Ok(words::json(&serde_json::json!({ "id": kept.id, "credential": text }))?);
    }
    Ok(words::say(&text)?)
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An entry that no credential has, found by chance: where it stands tells nothing of when it was issued. Lists are filled
/// to three quarters, so that chance finds one.
async fn free_entry(session: &Session) -> Result<Entry, Failure> {
    for list in 1..=u32::MAX {
        let taken: BTreeSet<u32> = kept::entries(session, &format!("credentials/status/{list}/")).await?.into_iter().collect();
        if taken.len() as u64 * 4 >= u64::from(ENTRIES) * 3 {
            continue;
        }
        loop {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes)
                .map_err(|error| Failure::new(exit::OURS, format!("failed to get random bytes: {error}")))?;
            // A power of two, so every entry is as likely.
            let index = u32::from_le_bytes(bytes) % ENTRIES;
            if !taken.contains(&index) {
                return Ok(Entry { list, index });
            }
        }
    }
    Err(Failure::new(exit::GIVEN, "all status lists are full"))
}
