//! Lines of text over a socket, none longer than it may be.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

/// Longest line, in bytes.
pub const MAX_LINE: usize = 64 << 10;

/// A socket read by lines.
pub struct Lines {
    socket: UnixStream,
    buffer: Vec<u8>,
}

impl Lines {
    /// Reads this socket.
    pub fn new(socket: UnixStream) -> Lines {
        Lines { socket, buffer: Vec::new() }
    }

    /// The next line without its end; `None` when there are no more.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return String::from_utf8(line).map(Some).map_err(|_| io::ErrorKind::InvalidData.into());
            }
            if self.buffer.len() > MAX_LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.buffer.reserve(4096);
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Writes a line.
    pub async fn say(&mut self, line: &str) -> io::Result<()> {
        self.socket.write_all(format!("{line}\n").as_bytes()).await
    }

    /// The socket, if nothing was read from it that was not a line.
    pub fn into_socket(self) -> Option<UnixStream> {
        self.buffer.is_empty().then_some(self.socket)
    }
}
