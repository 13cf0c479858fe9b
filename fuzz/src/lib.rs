//! What is true of any bytes whatever that reach the wire from outside: nothing panics, nothing is allocated that was not
//! sent, and what was understood is written as the bytes that were read, or shorter.
//!
//! Each function takes the bytes of one attempt and fails by a panic. The targets in `fuzz_targets/` call them with what the
//! fuzzer makes up, and `ipc/tests/corpus.rs` with what lies in `corpus/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is what is looked for")]
#![allow(unreachable_pub, dead_code, reason = "a test includes this file as one of its own")]

mod messages;

use bytes::BytesMut;
use ipc::{
    Refusal,
    codec::CodecError,
    control::{Attach, BadLine, Lines, Request, Response},
    event::EventHeader,
    frame::{self, BadFrame, Frame},
    header::{HEADER_LEN, Header},
    messages::start::{Hello, Outcome, Start},
    service::Piece,
};
pub use messages::{DECODERS, LINES, messages};

/// A stream of frames, whole and cut into pieces whose length the first byte says.
pub fn frame(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let whole = frames(bytes, bytes.len().max(1));
    let cut = frames(bytes, usize::from(piece).max(1));
    assert_eq!(whole, cut, "it matters how the bytes are cut");
}

/// The frames of a stream as they are written again, and how it ended.
fn frames(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<BadFrame>) {
    let (mut buffer, mut taken, mut used) = (BytesMut::new(), Vec::new(), 0);
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match frame::take(&mut buffer) {
                Ok(Some(frame)) => {
                    let again = again(&frame);
                    assert_eq!(again, &bytes[used..used + again.len()], "it is written as other bytes");
                    used += again.len();
                    taken.push(again);
                }
                Ok(None) => break,
                Err(error) => return (taken, Some(error)),
            }
        }
        let wanted = frame::wanted(&buffer);
        assert!(wanted <= frame::LENGTH_LEN + HEADER_LEN + ipc::limits::MAX_BODY, "room for {wanted} bytes is made");
    }
    (taken, None)
}

fn again(frame: &Frame) -> Vec<u8> {
    let bytes = [&frame.prefix()[..], frame.body.as_slice()].concat();
    assert_eq!(bytes.len(), frame.wire_len());
    bytes
}

/// A header.
pub fn header(bytes: &[u8]) {
    let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else { return };
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), *bytes);
    }
}

/// What reads one type, and says why bytes are not of it.
pub type Read = fn(&[u8]) -> Result<(), CodecError>;

/// The messages that open a connection, and the refusal.
pub const OPENERS: [(&str, Read); 4] =
    [("start", round::<Start>), ("outcome", round::<Outcome>), ("hello", round::<Hello>), ("refusal", round::<Refusal>)];

/// The messages that open a connection, and the refusal: the first byte says which.
pub fn start(bytes: &[u8]) {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let (_, read) = OPENERS[usize::from(which) % OPENERS.len()];
    // Bytes that are none of these are refused, which is as it should be.
    let _ = read(bytes);
    // Whatever it is, somebody is told something.
    assert!(!Refusal::from_body(bytes).to_body().is_empty());
}

/// The header of an event.
pub fn event(bytes: &[u8]) {
    if let Ok(header) = EventHeader::decode(bytes) {
        assert_eq!(header.encode(), bytes, "there is one way to write it");
    }
}

/// What comes over the control socket, whole and cut into pieces whose length the first byte says.
pub fn control(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let whole = lines(bytes, bytes.len().max(1));
    assert_eq!(whole, lines(bytes, usize::from(piece).max(1)), "it matters how the bytes are cut");
    for line in whole.into_iter().flatten() {
        match Request::read(&line) {
            Ok(request) => {
                let again = Request::line(&request.method, request.params.clone());
                assert_eq!(Request::read(&again).map(|again| again.params).as_ref(), Ok(&request.params));
                let _ = Attach::read(request.params);
            }
            Err(error) => assert!(error.code < 0 && !error.message.is_empty()),
        }
        if let Some(error) = Response::read(&line).and_then(|response| response.error) {
            assert!(!error.into_refusal().to_body().is_empty());
        }
    }
}

fn lines(bytes: &[u8], piece: usize) -> Vec<Result<String, BadLine>> {
    let (mut lines, mut taken) = (Lines::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        lines.buffer().extend_from_slice(piece);
        while let Some(line) = lines.take().transpose() {
            let bad = line.is_err();
            taken.push(line);
            if bad {
                return taken;
            }
        }
    }
    taken
}

/// Reads a message and writes it again: the same, and not longer. Says why if it is none.
fn round<P: Piece>(bytes: &[u8]) -> Result<(), CodecError> {
    let value = P::from_bytes(bytes)?;
    let again = value.to_bytes().expect("what fitted fits");
    assert!(again.len() <= bytes.len(), "{} bytes became {}", bytes.len(), again.len());
    let value = P::from_bytes(&again).expect("what was written can be read");
    assert_eq!(value.to_bytes().expect("what fitted fits"), again);
    Ok(())
}
