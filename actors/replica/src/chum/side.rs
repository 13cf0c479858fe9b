//! What a session needs of the replica it speaks for.

use std::sync::Arc;

use super::{
    parcel::Parcel,
    records::{Author, Head, Id, Link},
};

/// The own replica fails. What is in it is for the log of this side; the other side hears [`super::Reason::Trouble`].
pub type SideError = Arc<dyn std::error::Error + Send + Sync>;

/// A replica, as a session sees it. All that must survive the session is kept behind this trait.
///
/// Reading methods give what is there at the moment of the call; a session asks again rather than keep anything, and it
/// bears with answers that have changed meanwhile.
pub trait Side {
    /// The space it belongs to.
    fn space(&self) -> [u8; 16];

    /// The newest event of each author, ordered by author. A sparse replica, which does not hold whole chains, gives what
    /// [`Side::reached`] told it.
    fn heads(&self) -> Result<Vec<Head>, SideError>;

    /// Places in an author's chain with `after < sequence ≤ upto`, in order, at most `limit`; it ends at the first that is
    /// not held or not signed yet.
    fn chain(&self, author: &Author, after: u64, upto: u64, limit: usize) -> Result<Vec<Link>, SideError>;

    /// What was made in `from ≤ clock < to`, as `(clock, id)` in that order. Events without a signature are not in it.
    fn window(&self, from: u64, to: u64) -> Result<Vec<(u64, Id)>, SideError>;

    /// The newest events of an entity with `clock < before`, newest first.
    fn entity(&self, entity: &[u8; 16], before: u64, limit: usize) -> Result<Vec<Id>, SideError>;

    /// The headers of these events, in this order; `None` for what is not held.
    fn headers(&self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, SideError>;

    /// The parcels of the first of these ids, in this order, as many as come to `budget` bytes by
    /// [`Parcel::weight`], but one at least; `None` for what is not held or not signed yet.
    fn parcels(&self, ids: &[Id], budget: usize) -> Result<Vec<Option<Parcel>>, SideError>;

    /// Keeps what it can of these, as one: after a crash all of the taken are there or none is. It says for each, in order,
    /// what became of it. The signature, the chain, the clock and what is in the body are judged here, since it is here that
    /// they are known.
    fn take(&mut self, parcels: Vec<Parcel>) -> Result<Vec<Taken>, SideError>;

    /// A sparse replica holds all it wants of what its peer had up to these heads, which may be older than what it was told
    /// before. Archives need not remember it.
    fn reached(&mut self, heads: &[Head]) -> Result<(), SideError>;

    /// The same after all that it wants was compared, by the rules of the session. No heads are given if they are the same on
    /// both sides.
    fn compared(&mut self, heads: &[Head]) -> Result<(), SideError> {
        self.reached(heads)
    }
}

/// What became of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is kept now, or its body is.
    New,
    /// It was there already.
    Known,
    /// An event before it is missing.
    Waits,
    /// Its clock is ahead of this side's by more than is borne; later it may be taken.
    Ahead {
        /// Milliseconds.
        millis: u64,
    },
    /// Its author has another event of this number: the device was cloned or restored.
    Forked,
    /// It is not what it says it is.
    Bad(BadParcel),
}

/// Why an event cannot be what it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParcel {
    /// Its header.
    #[error("its header cannot be read")]
    Header,
    /// Its signature.
    #[error("its author did not sign it")]
    Signature,
    /// Its place in its author's chain.
    #[error("it does not follow the event it says it follows")]
    Parent,
    /// Its clock is not after that of the event before it.
    #[error("its clock runs backwards")]
    Clock,
    /// Its body.
    #[error("its body is not the one its header names")]
    Body,
}
