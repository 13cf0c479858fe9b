//! What ends a session, and whose fault it is.

use super::{
    records::{Author, Id},
    side::{BadParcel, SideError},
};

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The other side sent what no honest one sends.
    Peer,
    /// The own replica.
    Here,
    /// Nobody: the programs are of different times, a grant was taken back, or the other side had to go.
    Nobody,
}

/// Why a session ended before it was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The other side broke the protocol.
    #[error("the other side broke the protocol: {0}")]
    Peer(#[from] PeerFault),
    /// The own replica cannot go on.
    #[error("this side cannot go on: {0}")]
    Here(SideError),
    /// There is no version both speak.
    #[error("the other side speaks versions {oldest} to {newest} of the protocol, this one {ours}: update the older program")]
    Version {
        /// Its oldest.
        oldest: u16,
        /// Its newest.
        newest: u16,
        /// The one spoken here.
        ours: u16,
    },
    /// What the other side had been granted was taken back.
    #[error("the other side may not have this any more")]
    Revoked,
    /// The other side ended it.
    #[error("the other side ended it: {0}")]
    Ended(Reason),
}

impl Fault {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Fault::Peer(_) => Blame::Peer,
            Fault::Here(_) => Blame::Here,
            Fault::Version { .. } | Fault::Revoked | Fault::Ended(_) => Blame::Nobody,
        }
    }

    /// What the other side is told.
    pub fn reason(&self) -> Reason {
        match self {
            Fault::Peer(PeerFault::NotGranted) | Fault::Revoked => Reason::NotGranted,
            Fault::Peer(PeerFault::ForeignSpace) => Reason::ForeignSpace,
            Fault::Peer(_) => Reason::Protocol,
            Fault::Here(_) => Reason::Trouble,
            Fault::Version { .. } => Reason::Version,
            Fault::Ended(_) => Reason::Leaving,
        }
    }
}

impl From<SideError> for Fault {
    fn from(error: SideError) -> Fault {
        Fault::Here(error)
    }
}

/// What no honest peer sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// A message longer than its kind may be.
    #[error("a message of kind {kind} of {length} bytes")]
    TooLong {
        /// Its kind.
        kind: u8,
        /// Its length.
        length: usize,
    },
    /// A message nobody knows and nobody may skip.
    #[error("a message of the unknown kind {0}")]
    UnknownMessage(u8),
    /// Bytes that are not the message they should be.
    #[error("a malformed message of kind {0}")]
    Malformed(u8),
    /// A message at a moment when it means nothing.
    #[error("a message of kind {0} out of turn")]
    OutOfTurn(u8),
    /// A greeting with less credit than one message needs.
    #[error("a credit of {0} bytes, which no message fits into")]
    Credit(u32),
    /// More parcels than it was let.
    #[error("more parcels than it had credit for")]
    OverCredit,
    /// More requests at once than it may have.
    #[error("more requests than are answered at once")]
    Flood,
    /// An event of another space.
    #[error("an event or a greeting of another space")]
    ForeignSpace,
    /// A parcel that nobody asked for, or whose bytes have another hash than the id that was asked for.
    #[error("a parcel that was not asked for")]
    Unasked,
    /// Parcels of a range in another order than parents before children.
    #[error("parcels out of order")]
    OutOfOrder,
    /// A parcel that cannot be what it says it is.
    #[error("a bad event {id}: {why}", id = hex(.0), why = .1)]
    Bad(Id, BadParcel),
    /// It said it holds this and did not give it.
    #[error("something it said it holds and did not give")]
    BrokenPromise,
    /// Sets that do not come together in as many rounds as honest sets may take.
    #[error("a reconciliation that never ends")]
    NeverConverges,
    /// It asks for what it was not granted.
    #[error("a request for what it was not granted")]
    NotGranted,
    /// Two ranges of one author, or one that runs backwards.
    #[error("a range of {author} that makes no sense", author = hex(.0))]
    BadRange(Author),
}

fn hex(bytes: &[u8; 32]) -> String {
    crate::log::hex(bytes)
}

/// Why a side ends a session, as it is told to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode, thiserror::Error)]
#[cbor(index_only)]
pub enum Reason {
    /// It has all it wants.
    #[n(0)]
    #[error("it is done")]
    Done,
    /// There is no version both speak.
    #[n(1)]
    #[error("it speaks other versions of the protocol")]
    Version,
    /// Another space.
    #[n(2)]
    #[error("it belongs to another space")]
    ForeignSpace,
    /// What it was sent was against the protocol.
    #[n(3)]
    #[error("it says this side broke the protocol")]
    Protocol,
    /// Not granted, or not any more.
    #[n(4)]
    #[error("it does not grant this")]
    NotGranted,
    /// Its own replica failed.
    #[n(5)]
    #[error("its own store has failed")]
    Trouble,
    /// It is locked or goes down.
    #[n(6)]
    #[error("it goes down")]
    Leaving,
}
