//! Where passwords and the words of a kit are entered: hidden at a prompt, or line by line on a descriptor that was
//! inherited; never an argument, which everybody can read.

use std::{
    fs::File,
    io::{IsTerminal as _, Read as _},
    os::fd::{FromRawFd as _, OwnedFd},
};

use ipc::secret::{MAX_SECRET, Secret};
use zeroize::Zeroizing;

use super::words::{Failure, Outcome};
use crate::exit;

/// The option that names the descriptor of passwords.
pub const PASSWORD_FD: &str = "--password-fd";

/// Lines that are read of a descriptor: the words of a kit, one a line, and two passwords.
const LINES: usize = 32;

/// Bytes that are read of a descriptor.
const MOST: u64 = 4 * MAX_SECRET as u64;

/// Where they are entered.
pub enum Entries {
    /// At a prompt.
    Prompt,
    /// On a descriptor, line by line.
    Lines(std::vec::IntoIter<Zeroizing<String>>),
}

impl Entries {
    /// On this descriptor, or at a prompt.
    pub fn new(descriptor: Option<i32>) -> Result<Entries, Failure> {
        match descriptor {
            Some(number) => Ok(Entries::Lines(read_lines(number, PASSWORD_FD)?.into_iter())),
            None if std::io::stdin().is_terminal() => Ok(Entries::Prompt),
            None => Err(Failure::new(
                exit::USAGE,
                "a password is needed and there is no terminal to ask on; give it with --password-fd N, as in --password-fd 3 3<file",
            )),
        }
    }

    /// The next one.
    pub fn next(&mut self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        match self {
            Entries::Prompt => rpassword::prompt_password(prompt)
                .map(Zeroizing::new)
                .map_err(|error| Failure::new(exit::USAGE, format!("failed to read the password: {error}"))),
            Entries::Lines(lines) => {
                lines.next().ok_or_else(|| Failure::new(exit::USAGE, "the descriptor of --password-fd has no password on it"))
            }
        }
    }

    /// It is a person who enters them, and can do it again.
    pub fn are_typed(&self) -> bool {
        matches!(self, Entries::Prompt)
    }
}

/// A secret for the key process.
pub fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
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

/// The first lines on a descriptor. One that is longer than a secret may be is handed on as it is, to be refused.
fn read_lines(number: i32, option: &str) -> Result<Vec<Zeroizing<String>>, Failure> {
    let bad = |why: &str| unreadable(number, option, why);
    // SAFETY: it was inherited ([`check_descriptor`]), nothing here has opened or closed it since, and it is read once.
    #[expect(unsafe_code, reason = "a descriptor that comes by its number")]
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(number) });
    // Room for all of it from the beginning: a vector that grows leaves what was in it behind.
    let mut text = Zeroizing::new(Vec::with_capacity(2 * MOST as usize));
    (&mut file).take(MOST).read_to_end(&mut text).map_err(|error| bad(&error.to_string()))?;
    let text = std::str::from_utf8(&text).map_err(|_| bad("it is not text in UTF-8"))?;
    Ok(text.lines().take(LINES).map(|line| Zeroizing::new(line.to_owned())).collect())
}
