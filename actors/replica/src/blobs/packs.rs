//! The files that chunks lie in: packs, each with as many sealed chunks as fit, one after the other and nothing between
//! them. Where one begins stands in the database alone, sealed; so the lengths of chunks, by which known content could be
//! recognised, cannot be seen, and one sync is enough for many.
//!
//! A pack is only ever added to, by the process that made it, and removed as a whole. What lies in it without standing in
//! the database was being written when its process ended, or is no longer needed, and is waste until the pack is
//! rewritten.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Damage, ReplicaError};

/// The directory of packs in that of the store.
const DIRECTORY: &str = "blobs";

/// Bytes after which a pack is full.
const FULL: u32 = 32 << 20;

/// Files that are kept open for reading.
const OPEN: usize = 16;

/// Where a sealed chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pack: u64,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl Place {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.pack.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.offset.to_le_bytes());
        bytes[12..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Place> {
        let (pack, rest) = bytes.split_first_chunk()?;
        let (offset, length) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(length.try_into().ok()?);
        Some(Place { pack: u64::from_le_bytes(*pack), offset: u32::from_le_bytes(*offset), length })
    }
}

/// The packs of a store.
pub(crate) struct Packs {
    directory: PathBuf,
    writing: Mutex<Writing>,
    reading: Mutex<Vec<(u64, Arc<File>)>>,
}

#[derive(Default)]
struct Writing {
    /// The pack that is being filled.
    current: Option<Current>,
    /// The number of the next; `None` until the directory was looked at.
    next: Option<u64>,
    /// Chunks of a pack that may still be entered into the database.
    pending: BTreeMap<u64, usize>,
    /// Packs that the disk did not take: nothing that was put into them while this process lives is to be relied on.
    failed: BTreeSet<u64>,
}

struct Current {
    pack: u64,
    file: File,
    length: u32,
    synced: u32,
}

/// What a pack is called.
pub(crate) fn file_name(pack: u64) -> String {
    format!("{pack:016x}")
}

impl Packs {
    pub(crate) fn new(store: &Path) -> Packs {
        Packs { directory: store.join(DIRECTORY), writing: Mutex::default(), reading: Mutex::default() }
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a sealed chunk. It is not on disk before [`Packs::sync`], and must be given up with [`Packs::settle`].
    pub(crate) fn append(&self, sealed: &[u8]) -> Result<Place, ReplicaError> {
        let length = u32::try_from(sealed.len()).map_err(|_| ReplicaError::Engine("a chunk of more than 4 GiB".to_owned()))?;
        let writing = &mut *self.writing();
        if writing.current.as_ref().is_some_and(|current| current.length.saturating_add(length) > FULL) {
            writing.sync()?;
            writing.current = None;
        }
        let current = match &mut writing.current {
            Some(current) => current,
            none => {
                let pack = writing.next.map_or_else(|| self.first_free(), Ok)?;
                writing.next = Some(pack + 1);
                none.insert(Current { pack, file: self.make(pack)?, length: 0, synced: 0 })
            }
        };
        let place = Place { pack: current.pack, offset: current.length, length };
        if let Err(error) = current.file.write_all_at(sealed, place.offset.into()) {
            // Whatever of it is there is waste, and the next chunk begins in another pack.
            writing.current = None;
            return Err(error.into());
        }
        current.length += length;
        *writing.pending.entry(place.pack).or_default() += 1;
        Ok(place)
    }

    /// Whatever was appended is on disk when this returns well.
    pub(crate) fn sync(&self, needed: impl Iterator<Item = u64>) -> Result<(), ReplicaError> {
        let mut writing = self.writing();
        writing.sync()?;
        for pack in needed {
            if writing.failed.contains(&pack) {
                return Err(ReplicaError::Io(io::Error::other("the disk did not take what was written to it")));
            }
        }
        Ok(())
    }

    /// One more waits for an appended chunk to be entered into the database.
    pub(crate) fn wait_for(&self, pack: u64) {
        *self.writing().pending.entry(pack).or_default() += 1;
    }

    /// An appended chunk stands in the database now, or never will.
    pub(crate) fn settle(&self, pack: u64) {
        let mut writing = self.writing();
        if let Some(pending) = writing.pending.get_mut(&pack) {
            *pending -= 1;
            if *pending == 0 {
                writing.pending.remove(&pack);
            }
        }
    }

    /// Fills no more into the pack in progress, so that it can be rewritten.
    pub(crate) fn close(&self) -> Result<(), ReplicaError> {
        let mut writing = self.writing();
        writing.sync()?;
        writing.current = None;
        Ok(())
    }

    /// A sealed chunk. A pack that is not there is an error of the kind `NotFound`.
    pub(crate) fn read(&self, place: Place) -> io::Result<Vec<u8>> {
        let file = self.open(place.pack)?;
        let mut bytes = vec![0; place.length.min(FULL) as usize];
        file.read_exact_at(&mut bytes, place.offset.into())?;
        Ok(bytes)
    }

    fn open(&self, pack: u64) -> io::Result<Arc<File>> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = reading.iter().position(|(other, _)| *other == pack) {
            let found = reading.remove(index);
            let file = Arc::clone(&found.1);
            reading.push(found);
            return Ok(file);
        }
        let file = Arc::new(File::open(self.path(pack))?);
        if reading.len() == OPEN {
            reading.remove(0);
        }
        reading.push((pack, Arc::clone(&file)));
        Ok(file)
    }

    /// The packs that are there, and how long they are.
    pub(crate) fn list(&self) -> Result<BTreeMap<u64, u64>, ReplicaError> {
        let mut packs = BTreeMap::new();
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(packs),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().filter(|name| name.len() == 16).and_then(|name| u64::from_str_radix(name, 16).ok());
            if let Some(number) = number {
                packs.insert(number, entry.metadata()?.len());
            }
        }
        Ok(packs)
    }

    /// The packs that nothing is added to any more and of which no chunk waits to be entered into the database.
    pub(crate) fn at_rest(&self) -> Result<BTreeMap<u64, u64>, ReplicaError> {
        let writing = self.writing();
        let mut packs = self.list()?;
        packs.retain(|pack, _| {
            let current = writing.current.as_ref().is_some_and(|current| current.pack == *pack);
            !current && !writing.pending.contains_key(pack)
        });
        Ok(packs)
    }

    /// Removes a pack. Who reads it now still can.
    pub(crate) fn remove(&self, pack: u64) -> Result<(), ReplicaError> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| *other != pack);
        match fs::remove_file(self.path(pack)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => Ok(other?),
        }
    }

    fn path(&self, pack: u64) -> PathBuf {
        self.directory.join(file_name(pack))
    }

    fn first_free(&self) -> Result<u64, ReplicaError> {
        match fs::DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        if let Some(store) = self.directory.parent() {
            File::open(store)?.sync_all()?;
        }
        Ok(self.list()?.last_key_value().map_or(1, |(last, _)| last + 1))
    }

    /// A new pack, whose name is on disk.
    fn make(&self, pack: u64) -> Result<File, ReplicaError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path(pack))?;
        File::open(&self.directory)?.sync_all()?;
        Ok(file)
    }
}

impl Writing {
    fn sync(&mut self) -> Result<(), ReplicaError> {
        let Some(current) = self.current.as_mut().filter(|current| current.synced < current.length) else { return Ok(()) };
        if let Err(error) = current.file.sync_data() {
            // The kernel may have dropped what it could not write, and would say yes the next time.
            self.failed.insert(current.pack);
            self.current = None;
            return Err(error.into());
        }
        current.synced = current.length;
        Ok(())
    }
}

/// What reading a pack failed with, for this chunk.
pub(crate) fn damage(error: &io::Error, chunk: String, pack: u64) -> Option<Damage> {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "is missing with its file",
        io::ErrorKind::UnexpectedEof => "is cut off with its file",
        _ => return None,
    };
    Some(Damage::Chunk { chunk, what, pack: Some(file_name(pack)) })
}
