//! What a remote place wants to see before it serves.
//!
//! **Architecture Invariant:** a secret is wiped when it is dropped, and cannot be printed.

use zeroize::Zeroizing;

/// Words that nobody may see.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the words.
    pub fn new(words: String) -> Secret {
        Secret(Zeroizing::new(words))
    }

    /// The words, for the one place that sends them.
    pub(crate) fn words(&self) -> &str {
        &self.0
    }
}

/// What a place is shown.
pub enum Credential {
    /// Nothing: the place is open.
    None,
    /// A read-write token, shown as `Bearer`.
    Token(Secret),
    /// A name and a password (Basic).
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A key of S3, which signs requests and is not sent itself.
    Key {
        /// Which key.
        id: String,
        /// The key.
        secret: Secret,
        /// The token of a key that ends soon.
        session: Option<Secret>,
    },
}

impl Credential {
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Credential::None)
    }
}
