//! What the file of wrapped keys asks of the disk: reading and writing at a place, and to be told when it lies there. A
//! trait, so that a test can keep a record of it and cut the power after each byte.

use std::{fs::File, io, os::unix::fs::FileExt as _};

/// A file, as far as it is used here. Nothing shortens it, and it grows by being written.
pub(crate) trait Disk {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Fills the buffer from this byte on.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;
    /// Writes from this byte on. Until the next [`Disk::sync`] any part of it may be what was there before.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Everything written lies on the disk when this returns.
    fn sync(&self) -> io::Result<()>;
}

impl Disk for File {
    /// `File::metadata` would be one more system call to allow; the end of the file tells the same.
    fn length(&self) -> io::Result<u64> {
        io::Seek::seek(&mut &*self, io::SeekFrom::End(0))
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(buffer, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}
