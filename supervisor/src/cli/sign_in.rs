//! Signing in: a name and a password open their space, or make it after the password was entered again.

use std::{
    fs::File,
    io::{IsTerminal as _, Read as _},
    os::fd::{FromRawFd as _, OwnedFd},
};

use ipc::{
    Code, Refusal,
    messages::crypto::{Deploy, KeyState, KeyStatus, Unlock},
    secret::{MAX_SECRET, Secret},
};
use zeroize::Zeroizing;

use super::{
    args::Common,
    session::Session,
    words::{Failure, Outcome, tell},
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
    let pair = || (Secret::new(DEMO.as_bytes().to_vec()), Secret::new(DEMO.as_bytes().to_vec()));
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
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    let refusal = match session.client.call(&Unlock { user: secret(user), password: secret(&password) }).await {
        Ok(_) => return Ok(()),
        Err(refusal) if refusal.code == Code::NewSpace => refusal,
        Err(refusal) => return Err(refusal.into()),
    };
    tell(&format!("{}.", capital(&refusal.sentence)));
    let again = entries.next("Password again: ").map_err(|_| Failure::from(refusal))?;
    session.client.call(&Deploy { user: secret(user), password: secret(&again) }).await?;
    Ok(())
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

/// Where passwords are entered.
enum Entries {
    /// At a prompt.
    Prompt,
    /// On a descriptor, line by line.
    Lines(std::vec::IntoIter<Zeroizing<String>>),
}

impl Entries {
    fn new(descriptor: Option<i32>) -> Result<Entries, Failure> {
        match descriptor {
            Some(number) => Ok(Entries::Lines(read_lines(number, "--password-fd")?.into_iter())),
            None if std::io::stdin().is_terminal() => Ok(Entries::Prompt),
            None => Err(Failure::new(
                exit::USAGE,
                "a password is needed and there is no terminal to ask on; give it with --password-fd N, as in --password-fd 3 3<file",
            )),
        }
    }

    fn next(&mut self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        match self {
            Entries::Prompt => rpassword::prompt_password(prompt)
                .map(Zeroizing::new)
                .map_err(|error| Failure::new(exit::USAGE, format!("failed to read the password: {error}"))),
            Entries::Lines(lines) => {
                lines.next().ok_or_else(|| Failure::new(exit::USAGE, "the descriptor of --password-fd has no password on it"))
            }
        }
    }
}

fn unreadable(number: i32, option: &str, why: &str) -> Failure {
    Failure::new(exit::USAGE, format!("failed to read from descriptor {number} of {option}: {why}"))
}

/// One line of something secret that is no password: from the descriptor that this option names, or at a prompt.
pub fn secret_line(descriptor: Option<i32>, option: &str, prompt: &str) -> Result<Zeroizing<String>, Failure> {
    match descriptor {
        Some(number) => read_lines(number, option)?
            .into_iter()
            .next()
            .ok_or_else(|| Failure::new(exit::USAGE, format!("the descriptor of {option} has nothing on it"))),
        None if std::io::stdin().is_terminal() => Entries::Prompt.next(prompt),
        None => Err(Failure::new(
            exit::USAGE,
            format!("there is no terminal to ask on; give it with {option} N, as in {option} 4 4<file"),
        )),
    }
}

/// Whether the descriptor of the password is there. To be asked before this program opens anything itself: then what has
/// this number later is what was inherited, and not a descriptor of the runtime's, which must not be read or closed.
pub fn check_descriptor(number: Option<i32>, option: &str) -> Outcome {
    let Some(number) = number else { return Ok(()) };
    if number < 0 || (1..=2).contains(&number) {
        return Err(unreadable(number, option, "it is not one to read from"));
    }
    // SAFETY: it asks whether the number is a descriptor and does nothing to it.
    #[expect(unsafe_code, reason = "a descriptor that comes by its number")]
    let is_open = unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    if is_open {
        Ok(())
    } else {
        Err(unreadable(number, option, &format!("it is not open; the shell opens it, as in {option} 3 3<file")))
    }
}

/// The lines on a descriptor, at most two.
fn read_lines(number: i32, option: &str) -> Result<Vec<Zeroizing<String>>, Failure> {
    let bad = |why: &str| unreadable(number, option, why);
    // SAFETY: it was inherited ([`check_descriptor`]), nothing here has opened or closed it since, and it is read once.
    #[expect(unsafe_code, reason = "a descriptor that comes by its number")]
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(number) });
    let mut text = Zeroizing::new(Vec::with_capacity(4 * MAX_SECRET));
    (&mut file).take(2 * MAX_SECRET as u64 + 4).read_to_end(&mut text).map_err(|error| bad(&error.to_string()))?;
    let text = std::str::from_utf8(&text).map_err(|_| bad("it is not text in UTF-8"))?;
    Ok(text.lines().take(2).map(|line| Zeroizing::new(line.to_owned())).collect())
}
