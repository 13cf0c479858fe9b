//! Bodies: bincode 2.0.1 behind one file.
//!
//! bincode is unmaintained (RUSTSEC-2025-0141) and version 3 is a compile error, so nothing outside this file may name
//! its functions; `wincode` has the same integer encoding and is the way out. Always with a byte limit, because
//! without one nine bytes can ask for 8 TiB and abort the process (measured); always checking that every byte was used,
//! because a longer message otherwise passes as a shorter one. Message types have no recursion and no zero-sized
//! elements in sequences, which would exhaust the stack or the processor within the byte limit.

#![expect(clippy::disallowed_methods, reason = "this is the one file that may")]

use bincode::{Decode, Encode, config};
use zeroize::Zeroizing;

use crate::limits::MAX_BODY;

/// Why a value could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The value is larger than a body may be.
    #[error("fit the message into {MAX_BODY} bytes: send larger things as a stream")]
    TooLarge,
    /// The bytes are not of this type.
    #[error("read the message: {0}")]
    Invalid(String),
    /// The bytes go on after the value.
    #[error("read the message: {0} bytes too many")]
    Trailing(usize),
}

const fn configuration() -> impl config::Config {
    config::standard().with_limit::<MAX_BODY>()
}

/// Writes a value.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::encode_to_vec(value, configuration()).map_err(|error| CodecError::Invalid(error.to_string()))?;
    if bytes.len() > MAX_BODY { Err(CodecError::TooLarge) } else { Ok(bytes) }
}

/// Writes a value that holds a secret. The buffer never grows, so no copy of it is left behind in freed memory.
pub fn encode_sensitive<T: Encode>(value: &T) -> Result<Zeroizing<Vec<u8>>, CodecError> {
    /// Largest message with a secret: a password of a thousand characters and some names.
    const ROOM: usize = 16 << 10;
    let mut bytes = Zeroizing::new(vec![0; ROOM]);
    let length = bincode::encode_into_slice(value, &mut bytes, configuration()).map_err(|_| CodecError::TooLarge)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Reads a value that must fill `bytes` exactly.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MAX_BODY {
        return Err(CodecError::TooLarge);
    }
    let (value, used) =
        bincode::decode_from_slice(bytes, configuration()).map_err(|error| CodecError::Invalid(error.to_string()))?;
    if used == bytes.len() { Ok(value) } else { Err(CodecError::Trailing(bytes.len() - used)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_was_never_sent_is_not_allocated() {
        // A vector of u64 that says it has 2^40 elements: without a limit this aborts the process.
        let bytes = [253, 0, 0, 0, 0, 0, 1, 0, 0];
        assert!(matches!(decode::<Vec<u64>>(&bytes), Err(CodecError::Invalid(_))));
    }

    #[test]
    fn bytes_after_the_value_are_an_error() {
        assert_eq!(decode::<u8>(&[1, 2]), Err(CodecError::Trailing(1)));
        assert_eq!(decode::<u8>(&[1]), Ok(1));
    }

    #[test]
    fn a_body_over_the_limit_is_neither_written_nor_read() {
        assert_eq!(encode(&vec![0u8; MAX_BODY]), Err(CodecError::TooLarge));
        assert_eq!(decode::<Vec<u8>>(&vec![0; MAX_BODY + 1]), Err(CodecError::TooLarge));
    }
}
