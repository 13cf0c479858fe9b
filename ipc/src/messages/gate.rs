//! What is served over HTTP. A gate answers nobody before the command line that opened it has said what, and to whom.

use bincode::{Decode, Encode};

use super::verifier::Suite;

crate::service! {
    Gate {
        1 ServeCredentials -> Served, down Requested;
    }
}

/// Serve the VC-API, until this is taken back: credentials are issued in the person's name, and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ServeCredentials {
    /// Who may ask.
    pub admits: Admits,
    /// With what a credential is signed whose request does not say.
    pub suite: Suite,
}

/// Who may ask over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Admits {
    /// Who shows the token of this BLAKE3 digest. The token itself stays with the person.
    Token([u8; 32]),
    /// Every program of this machine.
    Anybody,
}

/// A request was answered. Nothing of what it said is in this.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Requested {
    /// Which of the things that are served; empty for none of them.
    pub route: String,
    /// The status it got.
    pub status: u16,
    /// Microseconds from the end of its head to its answer.
    pub micros: u64,
    /// Requests before it that are not told of: they came faster than they were read of.
    pub missed: u32,
}

/// What was served has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Served {
    /// Requests that were answered.
    pub requests: u64,
}
