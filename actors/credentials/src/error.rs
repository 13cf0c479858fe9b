//! Why something was refused, whose fault it is, and what to do about it.
//!
//! A refusal never carries what a person wrote into a credential, only names of members, ids of keys and of issuers,
//! addresses of contexts, and places in lists.

use std::fmt;

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// More bytes than are read.
    TooLarge,
    /// Nested more deeply than is read.
    TooDeep,
    /// Not JSON, or not only one JSON value.
    NotJson,
    /// One object names a member twice.
    DuplicateKey,
    /// A number that not every reader reads as the same one.
    NumberOutOfRange,
    /// Not what the data model asks for.
    Malformed,
    /// A context that is not built in.
    UnknownContext,
    /// A term that no context defines, or something else that a signature over the meaning would not cover.
    UndefinedTerm,
    /// A suite, algorithm, key or id method that is not supported.
    Unsupported,
    /// Bringing it into its canonical form could take too long.
    TooComplex,
    /// There is no proof.
    NoProof,
    /// The signature does not hold.
    BadSignature,
    /// The key is weak, or not a key.
    BadKey,
    /// It is signed, but not by who must have.
    NotTheIssuersKey,
    /// Signed for something else.
    WrongPurpose,
    /// A proof refers to one that is not there, to itself in a circle, or a required one is missing.
    BrokenChain,
    /// Its time has not come.
    NotYetValid,
    /// Its time is over.
    Expired,
    /// The issuer has taken it back for good.
    Revoked,
    /// The issuer has taken it back for the time being.
    Suspended,
    /// Whether it was taken back is not known: the list that says so is not at hand.
    StatusUnknown,
    /// Presented for another question.
    WrongChallenge,
    /// Presented to somebody else.
    WrongAudience,
    /// Presented by somebody else than its subject.
    WrongHolder,
    /// Who gave the permission could not give it.
    NotPermitted,
    /// What this program was asked to make cannot be made.
    CannotMake,
}

/// Who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Who sent it: it is not what it says it is.
    Sender,
    /// Who issued it: it does not count, or no longer.
    Issuer,
    /// Who presents it: it may be good, but not for this.
    Holder,
    /// This program: it may be good, and is not understood here.
    Here,
    /// Who asked this program to make it.
    Asker,
}

impl Kind {
    /// Who can do something about it.
    pub fn blame(self) -> Blame {
        match self {
            Kind::TooLarge | Kind::TooDeep | Kind::NotJson | Kind::DuplicateKey | Kind::NumberOutOfRange => Blame::Sender,
            Kind::Malformed | Kind::UndefinedTerm | Kind::TooComplex | Kind::NoProof | Kind::BadSignature => Blame::Sender,
            Kind::BadKey | Kind::NotTheIssuersKey | Kind::WrongPurpose | Kind::BrokenChain => Blame::Sender,
            Kind::NotYetValid | Kind::Expired | Kind::Revoked | Kind::Suspended | Kind::NotPermitted => Blame::Issuer,
            Kind::WrongChallenge | Kind::WrongAudience | Kind::WrongHolder => Blame::Holder,
            Kind::UnknownContext | Kind::Unsupported | Kind::StatusUnknown => Blame::Here,
            Kind::CannotMake => Blame::Asker,
        }
    }

    /// What to do, as a sentence for the person.
    pub fn advice(self) -> &'static str {
        match self {
            Kind::TooLarge | Kind::TooDeep | Kind::TooComplex => "Ask the sender for a smaller credential.",
            Kind::NotJson | Kind::DuplicateKey | Kind::NumberOutOfRange | Kind::Malformed => {
                "Ask the sender to make it with a program that keeps to the standard."
            }
            Kind::UnknownContext => "Ask the issuer for one with the suite eddsa-jcs-2022, or as a token (vc+jwt).",
            Kind::UndefinedTerm => "Do not trust it: something may have been added to it. Ask the issuer for it again.",
            Kind::Unsupported => "Ask the issuer for one with an Ed25519 key (did:key) and a suite that is supported.",
            Kind::NoProof => "Ask the sender for the signed credential.",
            Kind::BadSignature | Kind::NotTheIssuersKey | Kind::WrongPurpose | Kind::BrokenChain | Kind::BadKey => {
                "Do not trust it: ask the issuer for it again."
            }
            Kind::NotYetValid => "Wait until it is valid, or check this computer's clock.",
            Kind::Expired => "Ask the issuer to renew it, or check this computer's clock.",
            Kind::Revoked => "Ask the issuer why it was revoked.",
            Kind::Suspended => "Ask the issuer when it will count again.",
            Kind::StatusUnknown => "Get the issuer's status list and try again.",
            Kind::WrongChallenge => "Ask the holder to present it anew for this question.",
            Kind::WrongAudience => "Ask the holder to present it to you.",
            Kind::WrongHolder => "Ask the one it is about to present it.",
            Kind::NotPermitted => "Ask somebody who may give this permission.",
            Kind::CannotMake => "Change what it says and try again.",
        }
    }
}

/// Something was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    kind: Kind,
    what: String,
}

impl Refused {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Refused {
        Refused { kind, what: what.into() }
    }

    /// Another implementation of [`crate::Signer`] or [`crate::Canonicalize`] could not do its work: `what` is a fragment
    /// that fits after "failed to".
    pub fn elsewhere(kind: Kind, what: impl Into<String>) -> Refused {
        Refused::new(kind, what)
    }

    /// Why.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Who can do something about it.
    pub fn blame(&self) -> Blame {
        self.kind.blame()
    }

    /// What was wrong, without what to do about it.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do, as a sentence for the person.
    pub fn advice(&self) -> &'static str {
        self.kind.advice()
    }

    /// The same, with the place where it was found in front.
    pub(crate) fn at(self, place: impl fmt::Display) -> Refused {
        Refused { kind: self.kind, what: format!("{place}: {}", self.what) }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

/// What this crate answers with.
pub type Result<T> = std::result::Result<T, Refused>;

/// A refusal of this kind.
pub(crate) fn refuse<T>(kind: Kind, what: impl Into<String>) -> Result<T> {
    Err(Refused::new(kind, what))
}

/// A name from outside, cut so that a refusal stays short and on one line.
pub(crate) fn short(name: &str) -> String {
    let mut text: String = name.chars().take(80).map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect();
    if text.len() < name.len() {
        text.push('…');
    }
    text
}
