//! Signing in: a name and a password open their space, or make it after the password was entered again.

use ipc::{
    Code, Refusal,
    messages::crypto::{Deploy, KeyState, KeyStatus, ShowCost, Unlock},
};
use zeroize::Zeroizing;

use super::{
    args::Common,
    entries::{Entries, secret},
    session::Session,
    strength,
    words::{Failure, tell},
};
use crate::exit;

/// The pair everybody knows.
const DEMO: &str = "demo";

/// Makes sure that a space is open: the one that is named, the one that is open already, or the demo space.
pub async fn sign_in(session: &Session, common: &Common) -> Result<(), Failure> {
    let state = session.client.call(&KeyStatus).await?;
    match (&common.user, state) {
        (None, KeyState::Open { demo }) => {
            if demo {
                say_demo();
            }
            Ok(())
        }
        // Who was in a space of his own, and finds it locked, must not go on in the public one without knowing.
        (None, KeyState::Locked { own: true }) => Err(Refusal::new(
            Code::NotSignedIn,
            "the space that was open is locked; --user NAME opens it again, --user demo the public one",
        )
        .into()),
        (None, KeyState::Locked { own: false }) => open_demo(session).await,
        (Some(user), _) => open(session, user, common.password_fd).await,
    }
}

fn say_demo() {
    tell("Using the public demo space, which everybody who has its files can open. --user NAME opens your own.");
}

async fn open_demo(session: &Session) -> Result<(), Failure> {
    say_demo();
    let pair = || (secret(DEMO), secret(DEMO));
    let (user, password) = pair();
    match session.client.call(&Unlock { user, password }).await {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.code == Code::NewSpace => {
            let (user, password) = pair();
            session.client.call(&Deploy { user, password }).await?;
            Ok(())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

async fn open(session: &Session, user: &str, descriptor: Option<i32>) -> Result<(), Failure> {
    let mut entries = Entries::new(descriptor)?;
    let password = entries.next("Password: ")?;
    let refusal = match session.client.call(&Unlock { user: secret(user), password: secret(&password) }).await {
        Ok(_) => return Ok(()),
        Err(refusal) if refusal.code == Code::NewSpace => refusal,
        Err(refusal) => return Err(refusal.into()),
    };
    tell(&format!("{}.", capital(&refusal.sentence)));
    say_strength(session, user, &password).await?;
    let again = entries.next("Password again: ").map_err(|_| Failure::from(refusal))?;
    session.client.call(&Deploy { user: secret(user), password: secret(&again) }).await?;
    Ok(())
}

/// Says what guessing a new password would cost.
pub async fn say_strength(session: &Session, user: &str, password: &str) -> Result<(), Failure> {
    let cost = session.client.call(&ShowCost).await?;
    tell(&strength::sentence(user, password, cost));
    Ok(())
}

/// A new password, entered twice.
pub async fn new_password(session: &Session, user: &str, entries: &mut Entries) -> Result<Zeroizing<String>, Failure> {
    let password = entries.next("New password: ")?;
    say_strength(session, user, &password).await?;
    let again = entries.next("New password again: ")?;
    if *password == *again {
        return Ok(password);
    }
    Err(Refusal::new(Code::SecondEntryDiffers, "the second entry differs from the first; nothing was changed, begin again")
        .into())
}

/// The name and the password of a space that is there already.
pub fn entered(common: &Common) -> Result<(String, Zeroizing<String>), Failure> {
    let user = common.user.clone().ok_or_else(|| Failure::new(exit::USAGE, "--user NAME says whose space it is"))?;
    let password = Entries::new(common.password_fd)?.next("Password: ")?;
    Ok((user, password))
}

/// Refuses for the public demo space, in these words.
pub async fn refuse_demo(session: &Session, what: &str) -> Result<(), Failure> {
    match session.client.call(&KeyStatus).await? {
        KeyState::Open { demo: true } => Err(Refusal::new(
            Code::DemoRefused,
            format!("the public demo space, whose keys everybody has, is not {what}; --user NAME opens your own"),
        )
        .into()),
        _ => Ok(()),
    }
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
