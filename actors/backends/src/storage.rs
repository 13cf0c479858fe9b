//! The interface of every back end, and the rules each keeps:
//!
//! - A value is written whole or not at all. Who reads gets one value that was written, never parts of two. Of writers at
//!   the same time the one that ends last wins.
//! - What was answered as written is there for the next reader, and after a crash.
//! - An empty value is a value. What was deleted is absent; deleting what is absent succeeds.
//! - A folder is there while something lies in it, and no longer.
//! - A listing shows each value once that is there from its first page to its last, in no promised order.
//! - Paths are compared by their bytes.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::future::LocalBoxFuture;

use crate::{Path, Refused, StorageError};

/// Largest value that is given or taken in one piece, in bytes. Larger ones are streamed.
pub const MAX_VALUE: u64 = 16 << 20;

/// Largest piece of a stream, in bytes.
pub const MAX_PIECE: usize = 1 << 20;

/// Most entries of one page.
pub const MAX_PAGE: usize = 10_000;

/// What an asynchronous method answers.
pub type Answer<'a, T> = LocalBoxFuture<'a, Result<T, StorageError>>;

/// A value in pieces. Whoever makes one gives pieces of [`MAX_PIECE`] bytes at most, none of them empty.
pub trait Pieces {
    /// The next piece; `None` after the last.
    fn next(&mut self) -> Answer<'_, Option<Bytes>>;
}

/// A value that is being read. It stays what it was when reading began, whatever is written meanwhile.
pub struct Value {
    /// Its length, in bytes. A stream that ends before it has failed and says so.
    pub length: u64,
    /// The value.
    pub pieces: Box<dyn Pieces>,
}

/// What is known of a value without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies.
    pub path: Path,
    /// Its length, in bytes.
    pub length: u64,
    /// When it was written, by the clock of the place, if the place knows.
    pub changed: Option<SystemTime>,
}

/// Where a listing goes on. Its content is the back end's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(pub String);

/// Some of many entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// These. There may be none though more follow.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
    /// A part of the storage could not be asked: what lies only there is missing.
    pub partial: bool,
}

/// A place where values lie under paths. See the module for the rules.
pub trait Storage {
    /// Begins to read a value; `None` where there is none.
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>>;

    /// Writes a value of exactly `length` bytes. One that ends early or goes on is refused, and nothing is written.
    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()>;

    /// What is known of a value; `None` where there is none.
    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>>;

    /// Makes a value absent.
    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()>;

    /// The values in a folder (`None`: all), at any depth, from where a page before ended. `limit` is 1 to [`MAX_PAGE`]; a
    /// page may have fewer. The back ends' own values are shown only in [`Path::reserved_folder`].
    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page>;

    /// Reads a value of [`MAX_VALUE`] bytes at most; `None` where there is none.
    fn read<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Bytes>> {
        Box::pin(async move {
            match self.read_stream(path).await? {
                Some(value) => collect(value, MAX_VALUE).await.map(Some),
                None => Ok(None),
            }
        })
    }

    /// Writes a value.
    fn write<'a>(&'a self, path: &'a Path, value: Bytes) -> Answer<'a, ()> {
        Box::pin(async move {
            let length = value.len() as u64;
            self.write_stream(path, length, &mut Whole::new(value)).await
        })
    }
}

/// A value that is there already, as pieces.
pub struct Whole {
    rest: Bytes,
}

impl Whole {
    /// Pieces of `value`.
    pub fn new(value: Bytes) -> Whole {
        Whole { rest: value }
    }
}

impl Pieces for Whole {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        let piece = self.rest.split_to(self.rest.len().min(MAX_PIECE));
        Box::pin(async move { Ok((!piece.is_empty()).then_some(piece)) })
    }
}

/// All of a value, if it has `most` bytes at most.
pub async fn collect(mut value: Value, most: u64) -> Result<Bytes, StorageError> {
    if value.length > most {
        return Err(Refused::TooLarge { most }.into());
    }
    let mut whole = BytesMut::new();
    while let Some(piece) = value.pieces.next().await? {
        if whole.is_empty() && piece.len() as u64 == value.length {
            return Ok(piece);
        }
        if (whole.len() + piece.len()) as u64 > value.length {
            return Err(Refused::Length.into());
        }
        whole.extend_from_slice(&piece);
    }
    if whole.len() as u64 == value.length { Ok(whole.freeze()) } else { Err(Refused::Length.into()) }
}
