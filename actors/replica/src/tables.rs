//! Every table of the database and what it maps to what, and how the database is opened.
//!
//! Keys are big-endian where their order matters. Positions rise with each event and are the one key in the order of
//! which is written, so that pages fill up.

#![expect(unsafe_code, reason = "a memory map is opened; see the one place")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use heed::{Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn, WithoutTls, types::Bytes};

use crate::{Damage, ReplicaError, StoreKeys, Writer, read::Snapshot};

/// Address space reserved for the map, and so the most the database may grow to. Reserved, not used.
pub(crate) const MAP_SIZE: usize = 64 << 30;

/// The file of the database.
const DATA: &str = "data.mdb";

/// Its name while it is being made.
const NEW: &str = "new.mdb";

/// The layout of the tables. A step to the next one is a file of its own, with a copy made before.
const FORMAT: u32 = 1;

/// A table from bytes to bytes.
pub(crate) type Table = Database<Bytes, Bytes>;

macro_rules! tables {
    ($($(#[$doc:meta])* $field:ident: $name:literal;)*) => {
        /// Every table there is.
        #[derive(Clone, Copy)]
        pub(crate) struct Tables { $($(#[$doc])* pub(crate) $field: Table,)* }

        const TABLES: u32 = [$($name),*].len() as u32;

        impl Tables {
            fn create(env: &Env<WithoutTls>, txn: &mut RwTxn<'_>) -> heed::Result<Tables> {
                Ok(Tables { $($field: env.create_database(txn, Some($name))?,)* })
            }
        }
    };
}

tables! {
    /// position `u64` → signed `u8` ‖ signature `64` ‖ header
    event: "event";
    /// position `u64` → sealed body; missing where it was erased
    body: "body";
    /// event id `32` → position `u64`
    id: "id";
    /// entity `16` ‖ clock `u64` ‖ position `u64` → nothing
    entity: "entity";
    /// kind `u16` ‖ position `u64` → nothing
    kind: "kind";
    /// author `32` → sequence `u64` ‖ clock `u64` ‖ event id `32`
    head: "head";
    /// entity `16` → its wrapped key
    key: "key";
    /// kind `u16` ‖ identity `16` → position `u64` ‖ keyed digest of the body `16`; what must be kept once
    once: "once";
    /// position `u64` → nothing; events without a signature
    unsigned: "unsigned";
    /// conversation `16` → sealed view
    conversation: "conversation";
    /// clock of the newest change `u64` ‖ conversation `16` → nothing
    recent: "recent";
    /// conversation `16` ‖ clock `u64` ‖ position `u64` → nothing; messages alone
    message: "message";
    /// file `16` → sealed view
    file: "file";
    /// name → value; see the constants
    meta: "meta";
}

/// The format of the tables, `u32`.
const META_FORMAT: &[u8] = b"format";
/// The space, `16` bytes.
const META_SPACE: &[u8] = b"space";

/// An open store. Cheap to clone; one of all clones makes the one [`Writer`].
#[derive(Clone)]
pub struct Replica {
    pub(crate) env: Env<WithoutTls>,
    pub(crate) tables: Tables,
    pub(crate) keys: Arc<StoreKeys>,
    directory: PathBuf,
}

impl Replica {
    /// Opens the store in this directory, or makes a new one in an empty directory.
    pub fn open(directory: &Path, keys: StoreKeys) -> Result<Replica, ReplicaError> {
        match fs::metadata(directory.join(DATA)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(directory, &keys)?,
            // It would be filled anew as if nothing had ever been kept.
            Ok(data) if data.len() == 0 => return Err(Damage::File("it is empty".to_owned()).into()),
            _ => {}
        }
        let options = options();
        // SAFETY: the file is in a directory that only this person can enter, one supervisor has its lock, and it starts
        // one archive for it; nobody else changes the file while it is mapped. It is not on a network file system unless
        // the person put it there against the words of the README.
        let env = unsafe { options.open(directory) }?;
        check_length(&env, directory)?;
        env.clear_stale_readers()?;
        let mut txn = env.write_txn()?;
        let tables = Tables::create(&env, &mut txn)?;
        check_meta(&tables, &mut txn, &keys)?;
        txn.commit()?;
        Ok(Replica { env, tables, keys: Arc::new(keys), directory: directory.to_owned() })
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
        Ok(fs::metadata(self.directory.join(DATA))?.len())
    }

    /// What a failed commit means. LMDB calls a write that was cut short, as on a full disk, an input/output error
    /// (`mdb_page_flush`); whether a small file of our own finds room tells which it was.
    pub(crate) fn why(&self, error: ReplicaError) -> ReplicaError {
        const EIO: i32 = 5;
        match &error {
            ReplicaError::Io(cause) if cause.raw_os_error() == Some(EIO) => {
                let probe = self.directory.join("room");
                let written = fs::write(&probe, [0; PROBE]);
                // It is in nobody's way if it stays.
                let _ = fs::remove_file(probe);
                written.map_or_else(ReplicaError::from, |()| error)
            }
            _ => error,
        }
    }

    pub(crate) fn read(&self) -> Result<RoTxn<'_, WithoutTls>, ReplicaError> {
        Ok(self.env.read_txn()?)
    }
}

/// Bytes that must find room for a disk not to be called full: a few pages and what they hang on.
const PROBE: usize = 64 << 10;

fn options() -> EnvOpenOptions<WithoutTls> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(MAP_SIZE).max_dbs(TABLES).max_readers(16);
    options
}

/// Makes an empty store. LMDB syncs its first pages with its first commit and not before, so a power cut until then leaves
/// a file that is none. Therefore it is made under another name and takes its own when it is on disk.
fn make(directory: &Path, keys: &StoreKeys) -> Result<(), ReplicaError> {
    let new = directory.join(NEW);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut options = options();
    // SAFETY: as in `Replica::open`; nobody else knows this file, so nobody needs to be locked out.
    let env = unsafe { options.flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK).open(&new) }?;
    let mut txn = env.write_txn()?;
    let tables = Tables::create(&env, &mut txn)?;
    check_meta(&tables, &mut txn, keys)?;
    txn.commit()?;
    env.prepare_for_closing().wait();
    fs::rename(&new, directory.join(DATA))?;
    // The name must be on disk before anything under it is promised to be.
    fs::File::open(directory).and_then(|directory| directory.sync_all())?;
    Ok(())
}

/// A file that was cut off would end the process the moment a missing page is touched, so it is measured first.
fn check_length(env: &Env<WithoutTls>, directory: &Path) -> Result<(), ReplicaError> {
    let page = env.stat().page_size as u64;
    let wanted = (env.info().last_page_number as u64 + 1) * page;
    let length = fs::metadata(directory.join(DATA))?.len();
    if length < wanted {
        return Err(Damage::File(format!("it has {length} bytes of at least {wanted}")).into());
    }
    Ok(())
}

fn check_meta(tables: &Tables, txn: &mut RwTxn<'_>, keys: &StoreKeys) -> Result<(), ReplicaError> {
    match tables.meta.get(txn, META_FORMAT)? {
        None => {
            tables.meta.put(txn, META_FORMAT, &FORMAT.to_le_bytes())?;
            tables.meta.put(txn, META_SPACE, &keys.space)?;
        }
        Some(format) => {
            let found = format.try_into().map(u32::from_le_bytes).map_err(|_| Damage::Record("meta"))?;
            if found > FORMAT {
                return Err(ReplicaError::Newer { found, known: FORMAT });
            }
            if tables.meta.get(txn, META_SPACE)? != Some(&keys.space[..]) {
                return Err(ReplicaError::OtherSpace);
            }
        }
    }
    Ok(())
}
