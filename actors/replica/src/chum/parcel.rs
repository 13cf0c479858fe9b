//! What is carried: an event with its signature, and its body if there is one.

use ipc::event::EventHeader;
use minicbor::{Decode, Encode};

use super::{
    limits::{MAX_BODY, MAX_HEADER},
    records::Id,
};

/// An event on its way.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Parcel {
    /// The canonical bytes of its header; their BLAKE3 is its id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub header: Vec<u8>,
    /// By its author, of the id.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
    /// Its body.
    #[n(2)]
    pub body: Carried,
}

/// The body of an event on its way. What is in it is between the two replicas; here it is bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Carried {
    /// It was erased, for ever.
    #[n(0)]
    Erased,
    /// It is not sent unasked or not at all, by the policy for its kind. The header keeps the chain of its author whole.
    #[n(1)]
    Withheld,
    /// Here it is.
    #[n(2)]
    Here(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
}

impl Parcel {
    /// Its id.
    pub fn id(&self) -> Id {
        *blake3::hash(&self.header).as_bytes()
    }

    /// What its header says; `None` if it is no header.
    pub fn header(&self) -> Option<EventHeader> {
        EventHeader::decode(&self.header).ok()
    }

    /// Whether it is within the caps.
    pub fn fits(&self) -> bool {
        self.header.len() <= MAX_HEADER && self.body.len() <= MAX_BODY
    }

    /// Its length on the wire, or a little more.
    pub fn weight(&self) -> usize {
        self.header.len() + 64 + self.body.len() + 20
    }
}

impl Carried {
    fn len(&self) -> usize {
        match self {
            Carried::Here(bytes) => bytes.len(),
            Carried::Erased | Carried::Withheld => 0,
        }
    }
}
