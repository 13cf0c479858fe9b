//! `password`: a space opens for another pair from now on. `whoami`: by which words a person knows his pair.

use ipc::{
    Code,
    messages::{
        common::Done,
        crypto::{ChangePassword, Identity, ShowIdentity, ShowPicture},
    },
};
use serde_json::json;

use super::{
    args::{Common, PasswordArgs},
    entries::{Entries, secret},
    member::did_of,
    session::Session,
    sign_in::{new_password, sign_in},
    words::{self, Failure, Outcome, tell},
};
use crate::exit;

/// `lamos password`.
pub async fn password(session: &Session, common: &Common, args: PasswordArgs) -> Outcome {
    let user = common.user.clone().ok_or_else(|| Failure::new(exit::USAGE, "--user NAME says whose password is to change"))?;
    let new_user = args.new_user.unwrap_or_else(|| user.clone());
    let mut entries = Entries::new(common.password_fd)?;
    let old = entries.next("Password so far: ")?;
    let new = new_password(session, &new_user, &mut entries).await?;
    let change =
        ChangePassword { user: secret(&user), password: secret(&old), new_user: secret(&new_user), new_password: secret(&new) };
    let Done = session.client.call(&change).await?;
    tell(
        "Changed. Backups and other copies that were made before still open with the old password; make a new backup, and \
         remove what you do not need. A recovery kit stays good; what was remembered on this device is forgotten.",
    );
    Ok(())
}

/// `lamos whoami`.
pub async fn whoami(session: &Session, common: &Common) -> Outcome {
    sign_in(session, common).await?;
    let words = match session.client.call(&ShowPicture).await {
        Ok(picture) => Some(String::from_utf8_lossy(picture.words.expose()).into_owned()),
        Err(refusal) if refusal.code == Code::NotFound => None,
        Err(refusal) => return Err(refusal.into()),
    };
    let Identity { person, device } = session.client.call(&ShowIdentity).await?;
    if common.json {
        return Ok(words::json(&json!({ "words": words, "person": did_of(&person), "device": did_of(&device) }))?);
    }
    let words = words.unwrap_or_else(|| "known when the password was entered".to_owned());
    let rows = [("words of your space", words), ("known to others as", did_of(&person)), ("this device", did_of(&device))];
    Ok(words::answer(&words::table(&rows.map(|(name, value)| vec![name.to_owned(), value])))?)
}
