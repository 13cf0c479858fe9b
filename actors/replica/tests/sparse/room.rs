//! An engine that measures the directory after every transaction.

use std::{
    fs,
    ops::Bound,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use replica::{
    ReplicaError, Table,
    engine::{self, Engine, Reading, Rows, Writing},
    sparse::{Profile, Sparse},
};

use crate::world::{CACHE_KEY, SPACE, Watch};

/// Apparent and allocated bytes of everything below a directory, whichever are more for each file.
pub(crate) fn bytes_of(directory: &Path) -> u64 {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let data = entry.metadata().unwrap();
            if data.is_dir() { bytes_of(&entry.path()) } else { data.len().max(data.blocks() * 512) }
        })
        .sum()
}

/// A database that is measured.
pub(crate) struct Measured {
    inner: Arc<dyn Engine>,
    directory: PathBuf,
    /// The most bytes there were after a transaction.
    pub(crate) most: AtomicU64,
    /// Transactions.
    pub(crate) commits: AtomicU64,
    /// How often there was no room in the database's file.
    pub(crate) full: AtomicU64,
    /// Where a copy goes of what is there after each so many transactions, as a kill would leave it.
    pub(crate) copies: Mutex<Option<(PathBuf, u64)>>,
}

impl Measured {
    /// A copy of what is there, if it is time for one.
    fn copy_now(&self, number: u64) {
        let Some((place, every)) = &*self.copies.lock().unwrap() else { return };
        if number.is_multiple_of(*every) {
            let copy = place.join(number.to_string());
            fs::create_dir(&copy).unwrap();
            fs::copy(self.directory.join("data.mdb"), copy.join("data.mdb")).unwrap();
        }
    }

    fn count(&self, done: Result<(), ReplicaError>) -> Result<(), ReplicaError> {
        self.full.fetch_add(u64::from(matches!(done, Err(ReplicaError::MapFull(_)))), Ordering::Relaxed);
        done
    }
}

pub(crate) fn measured(directory: &Path, profile: Profile, watch: &Watch) -> (Sparse, Arc<Measured>) {
    let map = Sparse::map(directory, &profile).unwrap();
    let inner = engine::open_within(directory, map).unwrap();
    let (most, commits, full) = Default::default();
    let measured = Arc::new(Measured { inner, directory: directory.to_owned(), most, commits, full, copies: Mutex::default() });
    let sparse = Sparse::on(measured.clone(), directory, &CACHE_KEY, SPACE, profile, watch.wall()).unwrap();
    (sparse, measured)
}

struct Transaction<'e> {
    inner: Box<dyn Writing + 'e>,
    engine: &'e Measured,
}

impl Engine for Measured {
    fn read(&self) -> Result<Box<dyn Reading + Send + '_>, ReplicaError> {
        self.inner.read()
    }

    fn write(&self) -> Result<Box<dyn Writing + '_>, ReplicaError> {
        Ok(Box::new(Transaction { inner: self.inner.write()?, engine: self }))
    }

    fn bytes(&self) -> Result<u64, ReplicaError> {
        self.inner.bytes()
    }

    fn most(&self) -> u64 {
        self.inner.most()
    }

    fn copy(&self, name: &Path) -> Result<(), ReplicaError> {
        self.inner.copy(name)
    }

    fn drop_copy(&self, name: &Path) -> Result<(), ReplicaError> {
        self.inner.drop_copy(name)
    }

    fn overwrite_free(&self) -> Result<u64, ReplicaError> {
        self.inner.overwrite_free()
    }
}

impl Reading for Transaction<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, ReplicaError> {
        self.inner.get(table, key)
    }

    fn range(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError> {
        self.inner.range(table, from, to)
    }

    fn range_back(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError> {
        self.inner.range_back(table, from, to)
    }

    fn count(&self, table: Table) -> Result<u64, ReplicaError> {
        self.inner.count(table)
    }

    fn size(&self, table: Table) -> Result<u64, ReplicaError> {
        self.inner.size(table)
    }
}

impl Writing for Transaction<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError> {
        self.engine.count(self.inner.put(table, key, value))
    }

    fn append(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError> {
        self.engine.count(self.inner.append(table, key, value))
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), ReplicaError> {
        self.engine.count(self.inner.delete(table, key))
    }

    fn clear(&mut self, table: Table) -> Result<(), ReplicaError> {
        self.inner.clear(table)
    }

    fn commit(self: Box<Self>) -> Result<(), ReplicaError> {
        let Transaction { inner, engine } = *self;
        let done = engine.count(inner.commit());
        let number = engine.commits.fetch_add(1, Ordering::Relaxed);
        engine.copy_now(number);
        engine.most.fetch_max(bytes_of(&engine.directory), Ordering::Relaxed);
        done
    }

    fn reading(&self) -> &dyn Reading {
        self.inner.reading()
    }
}
