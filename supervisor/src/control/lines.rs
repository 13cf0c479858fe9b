//! Lines of text over a socket, none longer than it may be.

use std::io;

use ipc::control;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

/// A socket read by lines.
pub struct Lines {
    socket: UnixStream,
    lines: control::Lines,
}

impl Lines {
    /// Reads this socket.
    pub fn new(socket: UnixStream) -> Lines {
        Lines { socket, lines: control::Lines::default() }
    }

    /// The next line without its end; `None` when there are no more.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(line) = self.lines.take().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
                return Ok(Some(line));
            }
            self.lines.buffer().reserve(4096);
            if self.socket.read_buf(self.lines.buffer()).await? == 0 {
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
        self.lines.is_empty().then_some(self.socket)
    }
}
