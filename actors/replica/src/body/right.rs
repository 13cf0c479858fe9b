//! Who is a member and who may have what, as the person of this device said it at the command line. On disk for ever, like
//! everything in [`super`].
//!
//! All of it is about one entity, [`RIGHTS`](super::RIGHTS), and nothing erases it: an erasure that came from another
//! device would otherwise bring back what was taken. It is kept and carried like other events, whoever made it; but who asks
//! what holds takes [`Snapshot::own_rights`] alone, in which there is nothing of any other author.

use std::ops::Bound;

use minicbor::{Decode, Encode};

use super::{Body, RIGHT};
use crate::{Damage, Record, ReplicaError, Snapshot, log, tables::Table};

/// The body of [`RIGHT`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Right {
    /// Somebody may have something, or may not any more: the last one about the two holds.
    #[n(0)]
    Access(#[n(0)] Grantee, #[n(1)] Granted, #[n(2)] bool),
    /// A key is in the group of this name, or is not any more: the last one about the two holds.
    #[n(1)]
    Group(#[n(0)] String, #[cbor(n(1), with = "minicbor::bytes")] [u8; 32], #[n(2)] bool),
    /// A membership that was checked: its credentials, first link first, and whether it is this device's in another's space.
    #[n(2)]
    Member(#[n(0)] Vec<Link>, #[n(1)] bool),
    /// The credential of this id counts no more, for good.
    #[n(3)]
    RevokedCredential(#[n(0)] String),
    /// What this key was given until then counts no more, for good.
    #[n(4)]
    RevokedKey(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]),
}

/// A credential of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Link(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

/// Who may have something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Grantee {
    /// Whoever has this key.
    #[n(0)]
    Peer(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]),
    /// All in the group of this name.
    #[n(1)]
    Group(#[n(0)] String),
}

/// What somebody may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Granted {
    /// Everything that is not a matter of the house.
    #[n(0)]
    Everything,
    /// All events about this.
    #[n(1)]
    Entity(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]),
    /// All events of this kind.
    #[n(2)]
    Kind(#[n(0)] u16),
}

/// Something that was said about rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its place in the archive.
    pub position: u64,
    /// Milliseconds since 1970 at which it was said.
    pub at_ms: u64,
    /// What.
    pub right: Right,
}

impl Snapshot<'_> {
    /// What the person of this device said about rights after a place, in order: events whose author is this device, and of
    /// no other, whatever was taken in from elsewhere. One that cannot be read is an error: it may have taken something back.
    pub fn own_rights(&self, after: u64) -> Result<Vec<Said>, ReplicaError> {
        let key = |position: u64| [&RIGHT.to_be_bytes()[..], &position.to_be_bytes()].concat();
        let mut said = Vec::new();
        for row in self.txn.range(Table::Kind, Bound::Excluded(&key(after)), Bound::Included(&key(u64::MAX)))? {
            let position = log::position(row?.0, "kinds")?;
            let event = self.replica.event(&*self.txn, position)?;
            if event.header.author != self.replica.keys.device {
                continue;
            }
            let Some(Record { body: Body::Right(right), .. }) = self.replica.record(&*self.txn, position)? else {
                return Err(Damage::Record("rights").into());
            };
            said.push(Said { position, at_ms: event.header.clock.millis(), right });
        }
        Ok(said)
    }

    /// When this device wrote its first event, in milliseconds since 1970; none if it has written nothing.
    pub fn own_beginning(&self) -> Result<Option<u64>, ReplicaError> {
        let first = log::readable(self.by_sequence(&self.replica.keys.device, 1))?.flatten();
        Ok(first.map(|event| event.header.clock.millis()))
    }
}
