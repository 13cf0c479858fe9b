//! What every process answers, so that the way to it can be checked and measured.

use bincode::{Decode, Encode};

use super::start::LogLevel;

crate::service! {
    any {
        0xff01 Echo -> Echoed;
        0xff02 Source -> Done, down Chunk;
        0xff03 SetLevel -> Done;
    }
}

/// Send the same bytes back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Echo {
    /// At most what the policy's row allows.
    pub bytes: Vec<u8>,
}

/// The bytes of an [`Echo`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Echoed {
    /// The same bytes.
    pub bytes: Vec<u8>,
}

/// Send a stream of zeros, to measure the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Source {
    /// How many pieces.
    pub pieces: u32,
    /// Bytes in each; at most [`MAX_DATA`](crate::limits::MAX_DATA) less a few for the length.
    pub size: u32,
}

/// From now on, log as much as this and no more. Only the supervisor asks for it, because a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetLevel {
    /// The least important line that is written.
    pub level: LogLevel,
}

/// It is done, and there is nothing more to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Done;

/// Bytes of something larger than a message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Chunk(pub Vec<u8>);

impl Chunk {
    /// Bytes to put into one chunk: a `Data` frame less the length in front of them.
    pub const SIZE: usize = crate::limits::MAX_DATA - 8;
}
