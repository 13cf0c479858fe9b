//! One end of a socket that carries frames, held in the hand: what is sent is bytes, right or wrong, and what comes is
//! looked at one frame at a time.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use ipc::{
    Instance, Role,
    frame::{self, Frame},
    header::{Direction, Flags, Header, Kind},
    id::CallId,
    policy::{Row, TABLE},
};

/// One socket.
pub(crate) struct Peer {
    pub(crate) socket: UnixStream,
    buffer: BytesMut,
}

impl Peer {
    pub(crate) fn new(socket: UnixStream) -> Peer {
        Peer { socket, buffer: BytesMut::new() }
    }

    /// Sends these bytes. What the other side does not take any more, because it has hung up, is of no use.
    pub(crate) fn raw(&self, bytes: &[u8]) -> bool {
        (&self.socket).write_all(bytes).is_ok()
    }

    /// Sends a frame.
    pub(crate) fn send(&self, frame: &Frame) -> bool {
        self.raw(&bytes_of(frame))
    }

    /// The next frame, waited for until then; `None` if the other side has hung up, or has said nothing.
    pub(crate) fn next_until(&mut self, until: Instant) -> Option<Frame> {
        loop {
            if let Some(frame) = frame::take(&mut self.buffer).expect("the hub sends frames") {
                return Some(frame);
            }
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(left)).expect("a timeout can be set");
            let mut bytes = [0; 16 << 10];
            match self.socket.read(&mut bytes) {
                Ok(0) => return None,
                Ok(length) => self.buffer.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// Whether the other side hangs up before then, whatever it says until it does.
    pub(crate) fn hangs_up(&mut self, until: Instant) -> bool {
        while Instant::now() < until {
            if self.next_until(until).is_none() {
                break;
            }
        }
        let mut byte = [0];
        self.socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout can be set");
        match self.socket.read(&mut byte) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

/// A frame on the wire.
pub(crate) fn bytes_of(frame: &Frame) -> Vec<u8> {
    [&frame.prefix()[..], frame.body.as_slice()].concat()
}

/// A frame.
pub(crate) fn with(header: Header, body: &[u8]) -> Frame {
    Frame { header, body: body.to_vec().into() }
}

/// A header of this kind that belongs to a call.
pub(crate) fn of_call(kind: Kind, call: u64) -> Header {
    Header { call: CallId(call), ..Header::new(kind) }
}

/// A header of a piece of a stream.
pub(crate) fn piece(kind: Kind, call: u64, direction: Direction, credit: u16) -> Header {
    Header { direction: Some(direction), credit, ..of_call(kind, call) }
}

/// A call of a method.
pub(crate) fn call(kind: Kind, to: (Role, Instance), method: u16, number: u64) -> Header {
    Header { destination: Some(to), method, ..of_call(kind, number) }
}

/// A call that a row of the policy lets this role make, as it is to be made.
pub(crate) fn permitted(role: Role, number: u64) -> Option<(Header, &'static Row)> {
    let row = TABLE.iter().find(|row| row.source == role && !row.stream)?;
    let flags = if row.sensitive { Flags::SENSITIVE } else { Flags::NONE };
    Some((Header { flags, ..call(Kind::Call, (row.destination, Instance(0)), row.method, number) }, row))
}
