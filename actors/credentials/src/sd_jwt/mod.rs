//! Selective disclosure: SD-JWT (RFC 9901) with Ed25519.
//!
//! The issuer signs hashes of salted claims; the holder shows to each verifier those that it needs to know, and proves with a
//! key of its own that it is the one to whom they were issued. Of the claims that are kept back a verifier learns how many
//! there are, and with decoys not even that. Two verifiers that compare see the same hashes: it hides claims, not persons.

mod disclosure;
mod holder;
mod issue;
mod present;
mod process;
mod verify;

pub use disclosure::Disclosure;
pub use issue::{Issue, issue};
pub use present::Presentable;
pub use process::{MAX_DISCLOSURES, process};
pub use verify::{SdClaims, TYPES};
