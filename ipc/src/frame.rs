//! A frame is `u32 length ‖ header ‖ body`, where the length counts header and body. This file cuts them out of a byte
//! stream; nothing is allocated for a length that is not allowed.

use bytes::{Buf, Bytes, BytesMut};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    header::{Flags, HEADER_LEN, Header, Kind, Malformed},
    limits::{MAX_BODY, MAX_DATA},
};

/// Bytes in front of a header.
pub const LENGTH_LEN: usize = 4;

/// Length and header.
pub const HEADER_PREFIX_LEN: usize = LENGTH_LEN + HEADER_LEN;

/// The part of a frame the hub passes on without looking at it.
pub enum Body {
    /// May be shared and may stay in freed memory.
    Plain(Bytes),
    /// Holds a password or a key and is overwritten when it is dropped.
    Sensitive(Zeroizing<Vec<u8>>),
}

impl Body {
    /// No bytes.
    pub const EMPTY: Body = Body::Plain(Bytes::new());

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Body::Plain(bytes) => bytes,
            Body::Sensitive(bytes) => bytes,
        }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::Plain(bytes.into())
    }
}

/// A header and its body.
pub struct Frame {
    /// The fixed part.
    pub header: Header,
    /// The rest.
    pub body: Body,
}

impl Frame {
    /// A frame without a body.
    pub const fn bare(header: Header) -> Frame {
        Frame { header, body: Body::EMPTY }
    }

    /// Length and header as they go over the wire, to be followed by the body.
    ///
    /// The caller has made sure that the body is within [`max_body`]; a longer one is cut off by the receiver's check.
    pub fn prefix(&self) -> [u8; HEADER_PREFIX_LEN] {
        let mut prefix = [0; HEADER_PREFIX_LEN];
        let length = u32::try_from(HEADER_LEN + self.body.len()).unwrap_or(u32::MAX);
        prefix[..LENGTH_LEN].copy_from_slice(&length.to_le_bytes());
        prefix[LENGTH_LEN..].copy_from_slice(&self.header.encode());
        prefix
    }

    /// Bytes on the wire.
    pub fn wire_len(&self) -> usize {
        HEADER_PREFIX_LEN + self.body.len()
    }
}

/// The largest body a frame of this kind may have.
pub const fn max_body(kind: Kind) -> usize {
    match kind {
        Kind::Call | Kind::Open | Kind::Answer | Kind::Refuse | Kind::Hello | Kind::Ready => MAX_BODY,
        Kind::Data => MAX_DATA,
        Kind::Credit | Kind::End | Kind::Cancel | Kind::Ping | Kind::Drain => 0,
    }
}

/// Why a byte stream does not continue with a frame. The stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The length is less than a header or more than any frame may have.
    #[error("accept a frame of {0} bytes")]
    Length(u32),
    /// The header says something that has no meaning.
    #[error("{0}")]
    Header(#[from] Malformed),
    /// The body is longer than a frame of this kind may have.
    #[error("accept {length} bytes in a frame of kind {kind:?}")]
    Body {
        /// The frame's kind.
        kind: Kind,
        /// The body's length.
        length: usize,
    },
}

/// Takes the next whole frame from the front of `buffer`, or `None` until more bytes have come.
///
/// The header is checked as soon as it is there, before the body is waited for. A sensitive body is copied out and its
/// place in `buffer` overwritten.
pub fn take(buffer: &mut BytesMut) -> Result<Option<Frame>, BadFrame> {
    let Some(prefix) = buffer.first_chunk::<LENGTH_LEN>() else { return Ok(None) };
    let length = u32::from_le_bytes(*prefix);
    let whole = usize::try_from(length).unwrap_or(usize::MAX);
    if !(HEADER_LEN..=HEADER_LEN + MAX_BODY).contains(&whole) {
        return Err(BadFrame::Length(length));
    }
    let Some(header) = buffer[LENGTH_LEN..].first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let header = Header::decode(header)?;
    let body_len = whole - HEADER_LEN;
    if body_len > max_body(header.kind) {
        return Err(BadFrame::Body { kind: header.kind, length: body_len });
    }
    if buffer.len() < LENGTH_LEN + whole {
        return Ok(None);
    }
    buffer.advance(HEADER_PREFIX_LEN);
    let mut bytes = buffer.split_to(body_len);
    let body = if header.flags.has(Flags::SENSITIVE) {
        let copy = Zeroizing::new(bytes.to_vec());
        bytes.as_mut().zeroize();
        Body::Sensitive(copy)
    } else {
        Body::Plain(bytes.freeze())
    };
    Ok(Some(Frame { header, body }))
}

/// How many more bytes `buffer` should have room for so that the frame at its front fits in one piece.
pub fn wanted(buffer: &BytesMut) -> usize {
    let announced = buffer.first_chunk::<LENGTH_LEN>().map_or(0, |prefix| u32::from_le_bytes(*prefix) as usize);
    (LENGTH_LEN + announced.min(HEADER_LEN + MAX_BODY)).saturating_sub(buffer.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{id::CallId, role::Role};

    fn call(body: &[u8], flags: Flags) -> Vec<u8> {
        let header =
            Header { flags, destination: Some((Role::Storage, Default::default())), call: CallId(1), ..Header::new(Kind::Call) };
        let frame = Frame { header, body: body.to_vec().into() };
        [&frame.prefix()[..], body].concat()
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_before_anything_else_is_read() {
        for length in [0, 1, 63, u32::MAX, 1 << 31, (HEADER_LEN + MAX_BODY + 1) as u32] {
            let mut buffer = BytesMut::from(&length.to_le_bytes()[..]);
            assert_eq!(take(&mut buffer).err(), Some(BadFrame::Length(length)));
        }
    }

    #[test]
    fn a_kind_without_a_body_has_none() {
        let header = Header { call: CallId(1), ..Header::new(Kind::Cancel) };
        let mut bytes = Frame { header, body: vec![1].into() }.prefix().to_vec();
        bytes.push(1);
        let result = take(&mut BytesMut::from(&bytes[..]));
        assert_eq!(result.err(), Some(BadFrame::Body { kind: Kind::Cancel, length: 1 }));
    }

    #[test]
    fn a_sensitive_body_leaves_nothing_in_the_read_buffer() {
        let bytes = call(b"correct horse", Flags::SENSITIVE);
        let mut buffer = BytesMut::with_capacity(4096);
        buffer.extend_from_slice(&bytes);
        buffer.extend_from_slice(b"next");
        let start = buffer.as_ptr();
        let frame = take(&mut buffer).expect("a frame").expect("whole");
        assert_eq!(frame.body.as_slice(), b"correct horse");
        assert_eq!(buffer, &b"next"[..]);
        let offset = HEADER_PREFIX_LEN;
        assert_eq!(buffer.as_ptr() as usize - start as usize, offset + 13, "the same allocation");
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_the_bytes_are_cut(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
            cuts in prop::collection::vec(1usize..50, 1..200),
        ) {
            let stream: Vec<u8> = bodies.iter().flat_map(|body| call(body, Flags::NONE)).collect();
            let mut buffer = BytesMut::new();
            let mut got = Vec::new();
            let mut rest = &stream[..];
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                buffer.extend_from_slice(now);
                rest = later;
                while let Some(frame) = take(&mut buffer).expect("well-formed") {
                    got.push(frame.body.as_slice().to_vec());
                }
            }
            prop_assert_eq!(got, bodies);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = take(&mut buffer) {}
        }
    }
}
