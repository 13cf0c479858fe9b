//! `credential`: what others can verify of a person, and what a person verifies of others.
//!
//! This process takes nothing apart that somebody else may have written: that is done by the disposable process, whose
//! verdict is typed; and it signs nothing: the key process reads again what it is asked to sign. What is issued and held is
//! kept as files of the volume `credentials`.

mod identity;
mod import;
mod issue;
mod kept;
mod list;
mod present;
mod revoke;
mod status_list;
mod verify;

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use ipc::messages::{
    crypto::{CredentialSignature, ShowIdentity, SignCredential},
    verifier::{Compose, Composed, Making},
};

use super::{
    args::{
        Common,
        credential::{CredentialAction, CredentialArgs},
    },
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome},
};
use crate::exit;

/// Largest text that is read: more is no credential that anybody reads.
const MAX_TEXT: u64 = 256 << 10;

/// `lamos credential`.
pub async fn credential(session: &Session, common: &Common, args: CredentialArgs) -> Outcome {
    if let CredentialAction::Verify(args) = args.action {
        return verify::verify(session, args, common.json).await;
    }
    sign_in(session, common).await?;
    match args.action {
        CredentialAction::Issue(args) => issue::issue(session, args, common.json).await,
        CredentialAction::Present(args) => present::present(session, args).await,
        CredentialAction::Revoke { id, valid } => revoke::revoke(session, &id, valid).await,
        CredentialAction::List => list::list(session, common.json).await,
        CredentialAction::Show { id } => list::show(session, &id, common.json).await,
        CredentialAction::Import(args) => import::import(session, args, common.json).await,
        CredentialAction::StatusList { number, valid } => status_list::status_list(session, number, valid).await,
        CredentialAction::Identity => identity::identity(session, common.json).await,
        CredentialAction::Verify(_) => Err(Failure::new(exit::OURS, "failed to find the command")),
    }
}

/// Reads a file that somebody may have sent, as far as it may go.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| Failure::new(exit::GIVEN, format!("failed to read {}: {error}", file.display()));
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        File::open(file).and_then(|file| file.take(MAX_TEXT + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    }
    if bytes.len() as u64 > MAX_TEXT {
        let most = words::bytes(MAX_TEXT);
        return Err(Failure::new(exit::GIVEN, format!("{} holds more than {most}, which is no credential", file.display())));
    }
    Ok(bytes)
}

/// Has something made: composed by who reads what strangers wrote, signed by who has the key.
async fn make(session: &Session, what: Making) -> Result<(String, Composed), Failure> {
    let signer = session.client.call(&ShowIdentity).await?.person;
    let composed = session.client.call(&Compose { signer, what }).await?;
    let CredentialSignature { text } = session.client.call(&SignCredential { what: composed.sign.clone() }).await?;
    Ok((format!("{}{text}{}", composed.before, composed.after), composed))
}
