//! One end of a socket that carries frames, for both sides of it: a writer that never waits and a reader that never
//! guesses.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, IoSlice},
    os::fd::OwnedFd,
};

use bytes::BytesMut;
use interprocess::os::unix::uds_local_socket::tokio::Stream;
use tokio::{
    io::AsyncReadExt as _,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};

use crate::{
    frame::{self, BadFrame, Frame, HEADER_PREFIX_LEN},
    limits::MAX_DATA,
};

/// Frames handed to the kernel in one call.
const BATCH: usize = 16;

/// Room for the largest piece of a stream and a few small frames behind it.
const READ_BUFFER: usize = 2 * MAX_DATA;

/// The socket is not asked for less than this at a time.
const READ_AT_LEAST: usize = 16 << 10;

/// Why no frame comes any more.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The socket failed.
    #[error("read from the socket: {0}")]
    Socket(#[from] io::Error),
    /// What came is not a frame.
    #[error("{0}")]
    Frame(#[from] BadFrame),
}

/// Makes the two halves of a link from an inherited or connected socket.
pub fn open(socket: OwnedFd) -> io::Result<(Inbox, Outbox)> {
    Ok(split(Stream::try_from(socket)?.into()))
}

/// Makes the two halves of a link from a socket that tokio knows already.
pub fn split(socket: UnixStream) -> (Inbox, Outbox) {
    let (read, write) = socket.into_split();
    let inbox = Inbox { socket: read, buffer: BytesMut::with_capacity(READ_BUFFER) };
    let outbox =
        Outbox { socket: write, queue: RefCell::default(), queued: Cell::new(0), more: Notify::new(), broken: Cell::new(false) };
    (inbox, outbox)
}

/// Cuts frames out of what arrives.
pub struct Inbox {
    socket: OwnedReadHalf,
    buffer: BytesMut,
}

impl Inbox {
    /// The next frame; `None` when the other side has closed the socket between two frames.
    ///
    /// Cancel safe: what was read stays in the buffer.
    pub async fn next(&mut self) -> Result<Option<Frame>, LinkError> {
        loop {
            if let Some(frame) = frame::take(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            let wanted = frame::wanted(&self.buffer).max(READ_AT_LEAST);
            if self.buffer.capacity() - self.buffer.len() < wanted {
                // Up to the whole length again, so that a frame fits that has begun: the place of those before it is used
                // again if they have gone, and a new one made if they have not.
                self.buffer.reserve(wanted.max(READ_BUFFER.saturating_sub(self.buffer.len())));
            }
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                let torn = io::Error::from(io::ErrorKind::UnexpectedEof);
                return if self.buffer.is_empty() { Ok(None) } else { Err(torn.into()) };
            }
        }
    }

    /// A frame that is in the buffer already, without asking the socket.
    pub fn ready(&mut self) -> Result<Option<Frame>, LinkError> {
        Ok(frame::take(&mut self.buffer)?)
    }
}

/// Sends frames in order. [`send`](Self::send) hands a frame to the kernel at once if it takes it; what it does not
/// take waits for [`run`](Self::run). How much may wait is bounded by what may be in flight, not here.
pub struct Outbox {
    socket: OwnedWriteHalf,
    queue: RefCell<VecDeque<Outgoing>>,
    queued: Cell<usize>,
    more: Notify,
    broken: Cell<bool>,
}

struct Outgoing {
    prefix: [u8; HEADER_PREFIX_LEN],
    frame: Frame,
    written: usize,
}

impl Outgoing {
    fn rest(&self) -> (&[u8], &[u8]) {
        let body = self.frame.body.as_slice();
        match self.written.checked_sub(HEADER_PREFIX_LEN) {
            None => (&self.prefix[self.written..], body),
            Some(of_body) => (&[], &body[of_body..]),
        }
    }
}

impl Outbox {
    /// Sends a frame after all that were sent before. Never waits.
    pub fn send(&self, frame: Frame) {
        if self.broken.get() {
            return;
        }
        self.queued.set(self.queued.get() + frame.wire_len());
        let mut queue = self.queue.borrow_mut();
        queue.push_back(Outgoing { prefix: frame.prefix(), frame, written: 0 });
        if queue.len() == 1 {
            self.flush(&mut queue);
        }
        if !queue.is_empty() {
            self.more.notify_one();
        }
    }

    /// Says to the other side that nothing more comes, and sends nothing more. What it sends can still be read.
    pub fn finish(&self) {
        self.broken.set(true);
        self.queue.borrow_mut().clear();
        self.queued.set(0);
        self.more.notify_one();
        // The other side may have closed already.
        let _ = rustix::net::shutdown(AsRef::<UnixStream>::as_ref(&self.socket), rustix::net::Shutdown::Write);
    }

    /// Bytes that wait for the reader.
    pub fn queued(&self) -> usize {
        self.queued.get()
    }

    /// Sends what could not be sent at once, for as long as the socket lives. One task runs this.
    pub async fn run(&self) -> io::Result<()> {
        loop {
            self.more.notified().await;
            if self.broken.get() {
                return Ok(());
            }
            while !self.queue.borrow().is_empty() {
                self.socket.writable().await?;
                self.flush(&mut self.queue.borrow_mut());
                if self.broken.get() {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
    }

    /// Waits until everything is sent, or the socket breaks.
    pub async fn drained(&self) {
        while !self.broken.get() && !self.queue.borrow().is_empty() {
            if self.socket.writable().await.is_err() {
                return;
            }
            self.flush(&mut self.queue.borrow_mut());
        }
    }

    fn flush(&self, queue: &mut VecDeque<Outgoing>) {
        while !queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); 2 * BATCH];
            for (pair, outgoing) in slices.chunks_exact_mut(2).zip(queue.iter()) {
                let (prefix, body) = outgoing.rest();
                pair[0] = IoSlice::new(prefix);
                pair[1] = IoSlice::new(body);
            }
            let used = 2 * queue.len().min(BATCH);
            match self.socket.try_write_vectored(&slices[..used]) {
                Ok(written) => self.advance(queue, written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The reader of the same socket sees the end and says it; here nothing more can be sent.
                Err(_) => {
                    self.broken.set(true);
                    queue.clear();
                    self.queued.set(0);
                    return;
                }
            }
        }
    }

    fn advance(&self, queue: &mut VecDeque<Outgoing>, mut written: usize) {
        while let Some(first) = queue.front_mut() {
            let rest = first.frame.wire_len() - first.written;
            if written < rest {
                first.written += written;
                return;
            }
            written -= rest;
            self.queued.set(self.queued.get().saturating_sub(first.frame.wire_len()));
            queue.pop_front();
        }
    }
}
