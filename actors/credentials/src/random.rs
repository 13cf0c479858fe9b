//! Salts of selective disclosure. The one place where this crate asks the operating system for anything.

use crate::error::{Kind, Refused, Result};

/// 128 bits that nobody can guess (RFC 9901, 9.3).
pub type Salt = [u8; 16];

/// A new salt.
pub fn salt() -> Result<Salt> {
    let mut salt = Salt::default();
    getrandom::fill(&mut salt).map_err(|_| Refused::new(Kind::CannotMake, "get randomness from the operating system"))?;
    Ok(salt)
}
