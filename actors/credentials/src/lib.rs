//! Credentials that others can verify: W3C Verifiable Credentials 2.0 with EdDSA, as documents, tokens and with selective
//! disclosure.
//!
//! A library that computes, and nothing else. It reads no file and no address, has no clock (moments are given), no keys
//! ([`Signer`] signs), and asks the operating system for nothing but salts, in one function. Everything from outside goes
//! through [`json`] first; every bound is a constant beside a sentence. What verifies is a value of a type that nothing else
//! can make: [`Credential`], [`Presentation`], [`Membership`].
//!
//! | file | what |
//! |---|---|
//! | [`json`], [`canonical()`] | reading strictly, the one text of a value (RFC 8785) |
//! | [`PublicKey`], [`Signer`], [`Moment`] | did:key, who signs, when |
//! | [`Model`] | the data model |
//! | [`proof`], [`proofs`] | one Data Integrity proof; sets and chains |
//! | [`rdf`], `defined`, `cost`, [`contexts`] | `eddsa-rdfc-2022`: canonical form, safe mode, bounds, built-in contexts |
//! | [`credential`], [`presentation`] | issuing and verifying |
//! | [`to_sign`] | what is signed as texts, and what the one with the key checks of them |
//! | [`status`] | revocation and suspension |
//! | [`token`], [`sd_jwt`] | `vc+jwt`; selective disclosure (RFC 9901) |
//! | [`membership`], [`delegation`] | who may do what in an Internet of Me, and who let them |

mod canonical;
pub mod contexts;
mod cost;
pub mod credential;
mod defined;
pub mod delegation;
mod error;
pub mod json;
mod jws;
mod key;
pub mod membership;
mod model;
mod moment;
pub mod presentation;
pub mod proof;
pub mod proofs;
pub mod random;
pub mod rdf;
pub mod sd_jwt;
mod signer;
pub mod status;
pub mod to_sign;
pub mod token;

pub use canonical::canonical;
pub use credential::{Credential, Verifier, issue};
pub use delegation::Delegation;
pub use error::{Blame, Kind, Refused, Result};
pub use key::PublicKey;
pub use membership::Membership;
pub use model::{Model, StatusEntry};
pub use moment::{Moment, SKEW, Validity};
pub use presentation::Presentation;
pub use proof::{Options, Proved, Purpose, Suite};
pub use rdf::{Canonicalize, InProcess};
pub use signer::{Form, Later, Signer, SigningInput};
pub use to_sign::ToSign;
