//! `credential status-list`: the list that says what the person took back, signed anew each time, for who verifies.

use ipc::messages::verifier::{Making, Suite};

use super::{identity::own_did, kept, make};
use crate::cli::{
    session::Session,
    words::{self, Failure, Outcome},
};

/// How many entries a list has (Bitstring Status List 1.0, the least there may be).
pub(super) const ENTRIES: u32 = 131_072;

/// The id of a list. It is made of the issuer's, so that every device of a person gives the same; who wants the list asks the
/// person, for nothing is published anywhere.
pub(super) fn list_id(issuer: &str, number: u32) -> String {
    format!("urn:lamos:status:{}:{number}", issuer.trim_start_matches("did:key:"))
}

pub(super) async fn status_list(session: &Session, number: u32, valid_s: u64) -> Outcome {
    Ok(words::say(&sign(session, number, valid_s).await?)?)
}

/// Signs a list as it stands, and keeps it.
pub(super) async fn sign(session: &Session, number: u32, valid_s: u64) -> Result<String, Failure> {
    let id = list_id(&own_did(session).await?, number);
    let revoked = kept::entries(session, &format!("credentials/revoked/{number}/")).await?;
    let (text, _) = make(session, Making::StatusList { id, revoked, suite: Suite::Jcs, valid_s }).await?;
    kept::write(session, vec![(format!("credentials/status/{number}.json"), text.clone().into_bytes())]).await?;
    Ok(text)
}
