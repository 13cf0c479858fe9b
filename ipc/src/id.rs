//! Numbers and identifiers that must not be mistaken for one another.

use std::fmt;

use bincode::{Decode, Encode};

/// Which of the processes of one role: two agents have two instances. Never reused while a supervisor lives; 0 in a
/// destination means "any, or a new one".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Instance(pub u32);

/// How many times the process in this place has been started. The first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Generation(pub u32);

/// A call. Chosen by the caller on its side of the hub and by the hub on the callee's side; rising on both, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct CallId(pub u64);

/// Follows one request through all processes. Random, made by whoever begins the request.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct TraceId(pub [u8; 16]);

/// A random 16-byte identifier of something that is kept. The kinds below are told apart by type.
macro_rules! kept {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotHex;
            fn from_str(text: &str) -> Result<Self, NotHex> {
                read_hex(text).map(Self)
            }
        }
    )*};
}

kept! {
    /// A conversation.
    ConversationId;
    /// A message of a conversation. Chosen by its writer, so that writing it twice keeps it once.
    MessageId;
    /// One turn: a question, all that was done for it, and its answer.
    TurnId;
    /// An attachment: 16 bytes of a keyed digest of its content, so equal content of one conversation is kept once.
    AttachmentId;
    /// Content on its way in.
    UploadId;
    /// Something a person did, which is done once however often it is asked for.
    CommandId;
}

impl TraceId {
    /// That of a new request.
    pub fn random() -> TraceId {
        let mut bytes = [0; 16];
        // A trace that could not be made random is still a trace: it only helps to read logs.
        let _ = getrandom::fill(&mut bytes);
        TraceId(bytes)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

/// What was given is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read an identifier: it must be 32 hexadecimal digits")]
pub struct NotHex;

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn read_hex(text: &str) -> Result<[u8; 16], NotHex> {
    let digits = text.as_bytes();
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(NotHex);
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| NotHex)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| NotHex)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_what_is_not_hex() {
        let id = ConversationId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "ab", "zz".repeat(16).as_str(), "é".repeat(16).as_str(), "ab".repeat(17).as_str()] {
            assert_eq!(wrong.parse::<ConversationId>(), Err(NotHex), "{wrong}");
        }
    }
}
