//! Values in memory, for tests and for what need not last.

use std::{cell::RefCell, collections::BTreeMap, ops::Bound, rc::Rc, time::SystemTime};

use bytes::{Bytes, BytesMut};

use crate::{Answer, Cursor, Entry, MAX_PAGE, MAX_VALUE, Page, Path, Pieces, Refused, Storage, StorageError, Value, Whole};

/// Values in memory. Clones are the same place.
#[derive(Clone, Default)]
pub struct Memory {
    values: Rc<RefCell<BTreeMap<Path, Kept>>>,
}

struct Kept {
    bytes: Bytes,
    changed: SystemTime,
}

impl Kept {
    fn entry(&self, path: &Path) -> Entry {
        Entry { path: path.clone(), length: self.bytes.len() as u64, changed: Some(self.changed) }
    }
}

impl Memory {
    /// An empty place.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Whether a part of the path is a value, or the path is a folder.
    fn is_blocked(&self, path: &Path) -> bool {
        let values = self.values.borrow();
        let mut above = path.folder();
        while let Some(folder) = above {
            if values.contains_key(&folder) {
                return true;
            }
            above = folder.folder();
        }
        // `0` is the character after `/`.
        let below = (Bound::Excluded(format!("{path}/")), Bound::Excluded(format!("{path}0")));
        values
            .range::<str, (Bound<&str>, Bound<&str>)>((
                below.0.as_ref().map(String::as_str),
                below.1.as_ref().map(String::as_str),
            ))
            .next()
            .is_some()
    }

    async fn take(&self, path: &Path, length: u64, pieces: &mut dyn Pieces) -> Result<(), StorageError> {
        if length > MAX_MEMORY_VALUE {
            return Err(Refused::TooLarge { most: MAX_MEMORY_VALUE }.into());
        }
        let mut bytes = BytesMut::new();
        while let Some(piece) = pieces.next().await? {
            if (bytes.len() + piece.len()) as u64 > length {
                return Err(Refused::Length.into());
            }
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() as u64 != length {
            return Err(Refused::Length.into());
        }
        if self.is_blocked(path) {
            return Err(Refused::InTheWay.into());
        }
        let kept = Kept { bytes: bytes.freeze(), changed: SystemTime::now() };
        self.values.borrow_mut().insert(path.clone(), kept);
        Ok(())
    }

    fn page(&self, folder: Option<&Path>, from: Option<&Cursor>, limit: usize) -> Page {
        let values = self.values.borrow();
        let limit = limit.clamp(1, MAX_PAGE);
        let first = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
        let start = from.map_or(Bound::Included(first.as_str()), |cursor| Bound::Excluded(cursor.0.as_str()));
        let inside = values
            .range::<str, (Bound<&str>, Bound<&str>)>((start, Bound::Unbounded))
            .take_while(|(path, _)| path.as_str().starts_with(&first))
            .filter(|(path, _)| folder.is_some_and(Path::is_reserved) || !path.is_reserved());
        let mut entries: Vec<Entry> = inside.map(|(path, kept)| kept.entry(path)).take(limit + 1).collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = if more { entries.last().map(|entry| Cursor(entry.path.to_string())) } else { None };
        Page { entries, next, partial: false }
    }
}

/// Largest value in memory: what streams to a disk elsewhere would be all of the memory here.
const MAX_MEMORY_VALUE: u64 = 64 * MAX_VALUE;

impl Storage for Memory {
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>> {
        let bytes = self.values.borrow().get(path).map(|kept| kept.bytes.clone());
        Box::pin(async move { Ok(bytes.map(|bytes| Value { length: bytes.len() as u64, pieces: Box::new(Whole::new(bytes)) })) })
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(self.take(path, length, pieces))
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        let entry = self.values.borrow().get(path).map(|kept| kept.entry(path));
        Box::pin(async move { Ok(entry) })
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        self.values.borrow_mut().remove(path);
        Box::pin(async { Ok(()) })
    }

    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        let page = self.page(folder, from, limit);
        Box::pin(async move { Ok(page) })
    }
}
