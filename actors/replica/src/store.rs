//! An open store: which database, whose keys, and what clock. What it finds when it opens is brought to this program's
//! format first (`format.rs`), and views that an older program folded are folded anew (`rebuild.rs`).

use std::{io, path::Path, sync::Arc};

use crate::{
    ReplicaError, StoreKeys, Wall, Writer,
    blobs::Blobs,
    engine::{self, Engine, Reading},
    format,
    read::Snapshot,
    rebuild,
};

/// An open store. Cheap to clone; one of all clones makes the one [`Writer`].
#[derive(Clone)]
pub struct Replica {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) keys: Arc<StoreKeys>,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) wall: Wall,
}

impl Replica {
    /// Opens the store in this directory, or makes a new one in an empty directory.
    pub fn open(directory: &Path, keys: StoreKeys) -> Result<Replica, ReplicaError> {
        Replica::open_by(directory, keys, Wall::system())
    }

    /// The same by another clock.
    pub fn open_by(directory: &Path, keys: StoreKeys, wall: Wall) -> Result<Replica, ReplicaError> {
        Replica::on(engine::open(directory)?, directory, keys, wall)
    }

    /// Opens the store that is in this database, or makes one in an empty database. Large content lies in files of the
    /// directory.
    pub fn on(engine: Arc<dyn Engine>, directory: &Path, keys: StoreKeys, wall: Wall) -> Result<Replica, ReplicaError> {
        let blobs = Arc::new(Blobs::new(directory, &keys));
        let replica = Replica { engine, keys: Arc::new(keys), blobs, wall };
        format::bring_up(&*replica.engine, &replica.keys)?;
        if format::is_folded(&*replica.read()?)? {
            format::drop_copies(&*replica.engine)?;
        } else {
            rebuild::rebuild(&mut replica.writer()?)?;
        }
        Ok(replica)
    }

    /// The writer. There must be one at a time; the engine makes a second one wait.
    pub fn writer(&self) -> Result<Writer, ReplicaError> {
        Writer::new(self.clone())
    }

    /// What is there at this moment. Hold it for milliseconds: what it sees cannot be reused meanwhile.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, ReplicaError> {
        Ok(Snapshot { replica: self, txn: self.read()? })
    }

    /// The keys.
    pub fn keys(&self) -> &StoreKeys {
        &self.keys
    }

    /// Bytes of the database file.
    pub fn bytes_on_disk(&self) -> io::Result<u64> {
        self.engine.bytes().map_err(io::Error::other)
    }

    pub(crate) fn read(&self) -> Result<Box<dyn Reading + Send + '_>, ReplicaError> {
        self.engine.read()
    }
}
