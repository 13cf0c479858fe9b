//! One sealed file of the index: writing it from its beginning to its end, and reading any part of it. The layout is
//! described in [`sealed_directory`](super::sealed_directory).

use std::{
    fmt, fs,
    io::{self, Write},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
};

use tantivy::{
    HasLen,
    directory::{AntiCallToken, FileHandle, OwnedBytes, TerminatingWrite},
};
use zeroize::Zeroizing;

use super::sealed_directory::{Salt, SealedDirectory};

/// The layout of a file.
const FORMAT: u32 = 1;

/// Bytes of the engine's file in one block.
pub(crate) const BLOCK: usize = 16 << 10;

/// A block on disk: nonce, bytes, tag.
const SEALED: usize = 24 + BLOCK + 16;
const SEAL: usize = SEALED - BLOCK;

/// Bytes before the first block.
const HEAD: usize = 4 + 16;

/// Kinds of files that every question reads, and a size below which it is not worth asking: they are held opened as long as
/// they are in use.
const HELD_KINDS: &[&str] = &["fast", "fieldnorm", "term"];
const HELD: usize = 4 * BLOCK;

/// Blocks in one reading from which on they are not remembered: they would drive out all others.
const MANY: u64 = 16;

/// A file that is read.
pub(crate) struct Reading {
    directory: SealedDirectory,
    name: String,
    salt: Salt,
    blocks: u64,
    length: usize,
    bytes: Bytes,
}

enum Bytes {
    Sealed(fs::File),
    Held(OwnedBytes),
}

impl Reading {
    pub(super) fn new(directory: SealedDirectory, name: &Path, file: fs::File) -> io::Result<Reading> {
        let on_disk = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut head = [0; HEAD];
        let sealed = on_disk.checked_sub(HEAD).ok_or_else(|| directory.damage("it has no head"))?;
        file.read_exact_at(&mut head, 0)?;
        let (format, salt) = head.split_at(4);
        if format != FORMAT.to_le_bytes() {
            return Err(directory.damage("it has another format"));
        }
        let salt = salt.try_into().map_err(io::Error::other)?;
        let before_last = sealed.saturating_sub(1) / SEALED;
        let last = sealed.checked_sub(before_last * SEALED + SEAL).ok_or_else(|| directory.damage("its end is missing"))?;
        let blind = directory.blind(name);
        let length = before_last * BLOCK + last;
        let blocks = before_last as u64 + 1;
        let mut reading = Reading { directory, name: blind, salt, blocks, length, bytes: Bytes::Sealed(file) };
        let kind = name.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        if length <= HELD || HELD_KINDS.contains(&kind) {
            reading.bytes = Bytes::Held(OwnedBytes::new(reading.all()?));
        }
        Ok(reading)
    }

    pub(super) fn salt(&self) -> &Salt {
        &self.salt
    }

    /// Opens every block.
    pub(super) fn check(&self) -> io::Result<()> {
        match &self.bytes {
            Bytes::Held(_) => Ok(()),
            Bytes::Sealed(file) => (0..self.blocks).try_for_each(|number| self.unseal(file, number).map(drop)),
        }
    }

    /// The whole file.
    pub(super) fn all(&self) -> io::Result<Vec<u8>> {
        match &self.bytes {
            Bytes::Held(bytes) => Ok(bytes.to_vec()),
            Bytes::Sealed(file) => {
                let mut all = Vec::with_capacity(self.length);
                for number in 0..self.blocks {
                    all.extend_from_slice(&self.unseal(file, number)?);
                }
                Ok(all)
            }
        }
    }

    fn unseal(&self, file: &fs::File, number: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        let last = number + 1 == self.blocks;
        // Shorter than memory, as `length` is.
        let begin = number as usize * BLOCK;
        let length = if last { self.length - begin } else { BLOCK };
        let mut sealed = vec![0; length + SEAL];
        file.read_exact_at(&mut sealed, (HEAD + number as usize * SEALED) as u64).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.directory.damage("it was cut off"),
            _ => error,
        })?;
        self.directory.unseal(&place(&self.name, &self.salt, &number.to_le_bytes(), last), &sealed)
    }

    fn block(&self, file: &fs::File, number: u64, remember: bool) -> io::Result<Arc<[u8]>> {
        if let Some(block) = self.directory.remembered(&self.salt, number) {
            return Ok(block);
        }
        let block = Arc::from(self.unseal(file, number)?.as_slice());
        if remember {
            self.directory.remember(&self.salt, number, &block);
        }
        Ok(block)
    }
}

/// What a block is bound to.
fn place<'p>(name: &'p str, salt: &'p Salt, number: &'p [u8; 8], last: bool) -> [&'p [u8]; 5] {
    [b"index", name.as_bytes(), salt, number, if last { b"last" } else { b"more" }]
}

impl FileHandle for Reading {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        if range.start > range.end || range.end > self.length {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a part of a file beyond its end"));
        }
        if range.is_empty() {
            return Ok(OwnedBytes::empty());
        }
        let file = match &self.bytes {
            Bytes::Held(bytes) => return Ok(bytes.slice(range)),
            Bytes::Sealed(file) => file,
        };
        let (first, last) = ((range.start / BLOCK) as u64, ((range.end - 1) / BLOCK) as u64);
        let begin = range.start % BLOCK;
        if first == last {
            return Ok(OwnedBytes::new(self.block(file, first, true)?).slice(begin..begin + range.len()));
        }
        let mut bytes = Vec::with_capacity((last - first + 1) as usize * BLOCK);
        for number in first..=last {
            bytes.extend_from_slice(&self.block(file, number, last - first < MANY)?);
        }
        Ok(OwnedBytes::new(bytes).slice(begin..begin + range.len()))
    }
}

impl HasLen for Reading {
    fn len(&self) -> usize {
        self.length
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sealed file of {} bytes", self.length)
    }
}

/// A file that is written.
pub(crate) struct Writing {
    directory: SealedDirectory,
    name: String,
    salt: Salt,
    number: u64,
    file: fs::File,
    /// Less than a block, or a whole one of which it is not yet known whether it is the last.
    waiting: Zeroizing<Vec<u8>>,
}

impl Writing {
    pub(super) fn new(directory: SealedDirectory, name: &Path, mut file: fs::File) -> io::Result<Writing> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        directory.noted(file.write_all(&[&FORMAT.to_le_bytes()[..], &salt].concat()))?;
        let name = directory.blind(name);
        Ok(Writing { directory, name, salt, number: 0, file, waiting: Zeroizing::new(Vec::with_capacity(BLOCK)) })
    }

    /// Writes everything and ends the file.
    pub(super) fn write_all_and_end(mut self, data: &[u8]) -> io::Result<()> {
        self.write_all(data)?;
        self.put(true)
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        let number = self.number.to_le_bytes();
        let sealed = self.directory.seal(&place(&self.name, &self.salt, &number, last), &self.waiting)?;
        self.directory.noted(self.file.write_all(&sealed))?;
        self.number += 1;
        self.waiting.clear();
        Ok(())
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.waiting.len() == BLOCK {
            self.put(false)?;
        }
        let taken = bytes.len().min(BLOCK - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// What waits is written when the file ends: a block is written once.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for Writing {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.put(true)
    }
}
