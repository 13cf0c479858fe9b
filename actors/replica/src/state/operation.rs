//! What an event changes in the state of its entity. These types are on disk for ever: see `body.rs`.

use minicbor::{Decode, Encode};

use super::{Device, Stamp};

/// The deepest a field may lie. What goes deeper changes nothing.
pub const MAX_DEPTH: usize = 16;

/// The most operations of a change. What comes after them changes nothing.
pub const MAX_OPERATIONS: usize = 4096;

/// The body of a change: operations, done in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// What is done.
    #[n(0)]
    pub operations: Vec<Operation>,
}

impl Change {
    /// Whether all of it will be done.
    pub(crate) fn is_bounded(&self) -> bool {
        self.operations.len() <= MAX_OPERATIONS && self.operations.iter().all(|operation| operation.path.len() <= MAX_DEPTH)
    }
}

/// Something is done to a field.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Operation {
    /// Which field: from the root, step by step. The root itself is one too.
    #[n(0)]
    pub path: Vec<Step>,
    /// What is done.
    #[n(1)]
    pub act: Act,
}

/// A step from a field to one below it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Step {
    /// To the field of this name.
    #[n(0)]
    Field(#[n(0)] String),
    /// To this element of the list.
    #[n(1)]
    Element(#[n(0)] Element),
}

/// The name of an element of a list: the event and the operation that put it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Element {
    /// The device.
    #[n(0)]
    pub device: Device,
    /// The number of the device's event.
    #[n(1)]
    pub sequence: u64,
    /// Which of the event's operations.
    #[n(2)]
    pub operation: u32,
}

impl Element {
    pub(super) fn new(stamp: &Stamp, operation: u32) -> Element {
        Element { device: stamp.device, sequence: stamp.sequence, operation }
    }
}

/// What is done to a field.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Act {
    /// The register holds this.
    #[n(0)]
    Set(#[n(0)] Value),
    /// Nothing is left of the field that was seen.
    #[n(1)]
    Clear,
    /// This is a member of the set.
    #[n(2)]
    Add(#[n(0)] Value),
    /// This is no member, as far as it was seen to be one.
    #[n(3)]
    Remove(#[n(0)] Value),
    /// A new element behind another, or at the front, with a value or empty.
    #[n(4)]
    Insert(#[n(0)] Option<Element>, #[n(1)] Option<Value>),
    /// An element goes behind another, or to the front.
    #[n(5)]
    Move(#[n(0)] Element, #[n(1)] Option<Element>),
    /// An element is removed.
    #[n(6)]
    Delete(#[n(0)] Element),
    /// This is added to the counter.
    #[n(7)]
    Increment(#[n(0)] i64),
    /// An update of the text, made by [`super::State::edit`].
    #[n(8)]
    Text(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Someone has looked at the merged text.
    #[n(9)]
    Reviewed,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Value {
    /// Yes or no.
    #[n(0)]
    Truth(#[n(0)] bool),
    /// A whole number.
    #[n(1)]
    Number(#[n(0)] i64),
    /// The bits of a number with a fraction; see [`Value::fraction`].
    #[n(2)]
    Fraction(#[n(0)] u64),
    /// Words.
    #[n(3)]
    Text(#[n(0)] String),
    /// Bytes.
    #[n(4)]
    Bytes(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Another entity.
    #[n(5)]
    Reference(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]),
    /// An event.
    #[n(6)]
    Event(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]),
}

impl Value {
    /// A number with a fraction. It is kept by its bits, so that equal is equal.
    pub fn fraction(number: f64) -> Value {
        Value::Fraction(number.to_bits())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl From<&str> for Step {
    fn from(name: &str) -> Step {
        Step::Field(name.to_owned())
    }
}
