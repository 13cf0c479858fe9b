//! The database that ships: LMDB, through heed, fully synced. No other file names it.
//!
//! Its pages are copied when they are written and freed when nobody reads them, so what is removed stays on free pages
//! until they are taken again. [`Engine::overwrite_free`] takes them all, fills them with nothing, and gives them back;
//! [`Engine::overwrite_some`] does a part of it, so that others write in between.

#![expect(unsafe_code, reason = "a memory map is opened; see the one place")]

use std::{
    fs, io,
    ops::Bound,
    path::{Path, PathBuf},
};

use heed::{
    CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, MdbError, PutFlags, RoTxn, RwTxn, WithoutTls, types::Bytes,
};

use super::{Engine, Overwritten, Reading, Rows, Writing};
use crate::{Damage, ReplicaError, tables::Table};

mod length;
mod lock;

/// Address space reserved for the map, and so the most the database may grow to. Reserved, not used.
const MAP_SIZE: usize = 64 << 30;

/// The file of the database.
const DATA: &str = "data.mdb";

/// Its name while it is being made.
const NEW: &str = "new.mdb";

/// What fills free pages before they are given back. Not one of the store's tables: there is nothing in it.
const FILLER: &str = "filler";

/// Bytes of a filling value: with its page's head it takes one page of its own.
const FILLING: usize = 4080;

/// Pages filled in one transaction.
const FILLED_AT_ONCE: u64 = 2048;

/// What one transaction frees of its own, at most.
const FEW: u64 = 64;

/// Pages filled beyond those that were free.
const MORE: u64 = 1024;

/// Bytes that must find room for a disk not to be called full: a few pages and what they hang on.
const PROBE: usize = 64 << 10;

/// An open database.
pub(crate) struct Lmdb {
    env: Env<WithoutTls>,
    tables: Tables,
    filler: Database<Bytes, Bytes>,
    directory: PathBuf,
    most: usize,
    /// Given back last.
    _lock: fs::File,
}

impl Lmdb {
    /// Opens the database in this directory, or makes a new one in an empty directory.
    pub(crate) fn open(directory: &Path) -> Result<Lmdb, ReplicaError> {
        Lmdb::open_within(directory, MAP_SIZE)
    }

    /// The same, and its file never grows beyond so many bytes, a multiple of the page. One that is longer already stays
    /// so long.
    pub(crate) fn open_within(directory: &Path, most: usize) -> Result<Lmdb, ReplicaError> {
        let lock = lock::take(directory)?;
        match fs::metadata(directory.join(DATA)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(directory)?,
            // It would be filled anew as if nothing had ever been kept.
            Ok(data) if data.len() == 0 => return Err(Damage::File("it is empty".to_owned()).into()),
            _ => {}
        }
        let options = options(most);
        // SAFETY: the file is in a directory that only this person can enter, one supervisor has its lock, and it starts
        // one archive for it; nobody else changes the file while it is mapped. It is not on a network file system unless
        // the person put it there against the words of the README.
        let env = unsafe { options.open(directory) }?;
        check_length(&env, directory)?;
        env.clear_stale_readers()?;
        let mut txn = env.write_txn()?;
        let (tables, filler) = create(&env, &mut txn)?;
        if filler.len(&txn)? > 0 {
            // It was killed while it filled.
            filler.clear(&mut txn)?;
        }
        txn.commit()?;
        Ok(Lmdb { env, tables, filler, directory: directory.to_owned(), most, _lock: lock })
    }

    /// What a failed write means: a full map is as large as this one was made. LMDB calls a write that was cut short, as on a full disk, an input/output error
    /// (`mdb_page_flush`); whether a small file of our own finds room tells which it was.
    fn why(&self, error: ReplicaError) -> ReplicaError {
        const EIO: i32 = 5;
        match &error {
            ReplicaError::MapFull(_) => ReplicaError::MapFull(self.most),
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

    fn free_pages(&self) -> Result<u64, ReplicaError> {
        let page = u64::from(self.env.stat().page_size);
        Ok((self.env.info().last_page_number as u64 + 1).saturating_sub(self.env.non_free_pages_size()? / page))
    }
}

impl Engine for Lmdb {
    fn read(&self) -> Result<Box<dyn Reading + Send + '_>, ReplicaError> {
        Ok(Box::new(Read { lmdb: self, txn: self.env.read_txn()? }))
    }

    fn write(&self) -> Result<Box<dyn Writing + '_>, ReplicaError> {
        Ok(Box::new(Write { lmdb: self, txn: self.env.write_txn()? }))
    }

    fn bytes(&self) -> Result<u64, ReplicaError> {
        Ok(fs::metadata(self.directory.join(DATA))?.len())
    }

    fn most(&self) -> u64 {
        self.most as u64
    }

    fn copy(&self, name: &Path) -> Result<(), ReplicaError> {
        let path = self.directory.join(name);
        // Where room is limited there is none for a copy; what is there is held elsewhere too.
        if path.exists() || self.most < MAP_SIZE {
            return Ok(());
        }
        let unfinished = self.directory.join("copy.new");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        self.env.copy_to_path(&unfinished, CompactionOption::Disabled)?.sync_all()?;
        fs::rename(&unfinished, path)?;
        fs::File::open(&self.directory)?.sync_all()?;
        Ok(())
    }

    fn drop_copy(&self, name: &Path) -> Result<(), ReplicaError> {
        match fs::remove_file(self.directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn overwrite_free(&self) -> Result<u64, ReplicaError> {
        let mut done = Overwritten::default();
        while self.overwrite_some(&mut done)? {}
        Ok(done.bytes)
    }

    fn overwrite_some(&self, done: &mut Overwritten) -> Result<bool, ReplicaError> {
        if done.rounds == 0 {
            // Who reads for long keeps pages from being taken again; then new ones are filled in vain, up to here.
            done.most = self.free_pages()? + MORE;
        }
        // A page is taken again two transactions after it was freed, and each transaction frees a few; so there are
        // rounds, and the last ones find only pages that were freed by the ones before.
        let mut txn = self.env.write_txn()?;
        let pages = self.free_pages()?.clamp(8, FILLED_AT_ONCE);
        let filled = done.bytes / FILLING as u64;
        for number in filled..filled + pages {
            let put = self.filler.put_with_flags(&mut txn, PutFlags::APPEND, &number.to_be_bytes(), &[0; FILLING]);
            put.map_err(|error| self.why(error.into()))?;
        }
        let is_last = (done.rounds >= 3 && pages < FEW) || filled + pages > done.most;
        txn.commit().map_err(|error| self.why(error.into()))?;
        done.bytes += pages * FILLING as u64;
        done.rounds += 1;
        if is_last {
            let mut txn = self.env.write_txn()?;
            self.filler.clear(&mut txn)?;
            txn.commit().map_err(|error| self.why(error.into()))?;
        }
        Ok(!is_last)
    }
}

struct Read<'e> {
    lmdb: &'e Lmdb,
    txn: RoTxn<'e, WithoutTls>,
}

struct Write<'e> {
    lmdb: &'e Lmdb,
    txn: RwTxn<'e>,
}

type Bounds<'b> = (Bound<&'b [u8]>, Bound<&'b [u8]>);

macro_rules! reading {
    ($type:ident) => {
        impl Reading for $type<'_> {
            fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, ReplicaError> {
                Ok(self.lmdb.tables[table as usize].get(&self.txn, key)?)
            }

            fn range(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError> {
                let rows = self.lmdb.tables[table as usize].range::<Bounds<'_>>(&self.txn, &(from, to))?;
                Ok(Box::new(rows.map(|row| Ok(row?))))
            }

            fn range_back(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError> {
                let rows = self.lmdb.tables[table as usize].rev_range::<Bounds<'_>>(&self.txn, &(from, to))?;
                Ok(Box::new(rows.map(|row| Ok(row?))))
            }

            fn count(&self, table: Table) -> Result<u64, ReplicaError> {
                Ok(self.lmdb.tables[table as usize].len(&self.txn)?)
            }

            fn size(&self, table: Table) -> Result<u64, ReplicaError> {
                let stat = self.lmdb.tables[table as usize].stat(&self.txn)?;
                let pages = stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
                Ok(pages as u64 * u64::from(stat.page_size))
            }
        }
    };
}

reading!(Read);
reading!(Write);

impl Writing for Write<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError> {
        self.lmdb.tables[table as usize].put(&mut self.txn, key, value).map_err(|error| self.lmdb.why(error.into()))
    }

    fn append(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError> {
        let put = self.lmdb.tables[table as usize].put_with_flags(&mut self.txn, PutFlags::APPEND, key, value);
        put.map_err(|error| self.lmdb.why(error.into()))
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), ReplicaError> {
        let deleted = self.lmdb.tables[table as usize].delete(&mut self.txn, key);
        deleted.map(drop).map_err(|error| self.lmdb.why(error.into()))
    }

    fn clear(&mut self, table: Table) -> Result<(), ReplicaError> {
        self.lmdb.tables[table as usize].clear(&mut self.txn).map_err(|error| self.lmdb.why(error.into()))
    }

    fn commit(self: Box<Self>) -> Result<(), ReplicaError> {
        let Write { lmdb, txn } = *self;
        txn.commit().map_err(|error| lmdb.why(error.into()))
    }

    fn reading(&self) -> &dyn Reading {
        self
    }
}

/// Makes the file of a database that nobody has open as short as what is in it. For this moment there are two of it.
pub(super) fn compact(directory: &Path) -> Result<(), ReplicaError> {
    let new = directory.join(NEW);
    let lmdb = Lmdb::open(directory)?;
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    lmdb.env.copy_to_path(&new, CompactionOption::Enabled)?.sync_all()?;
    lmdb.env.prepare_for_closing().wait();
    fs::rename(&new, directory.join(DATA))?;
    fs::File::open(directory).and_then(|directory| directory.sync_all())?;
    Ok(())
}

fn options(most: usize) -> EnvOpenOptions<WithoutTls> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(most).max_dbs(Table::ALL.len() as u32 + 1).max_readers(16);
    options
}

type Tables = [Database<Bytes, Bytes>; Table::ALL.len()];

fn create(env: &Env<WithoutTls>, txn: &mut RwTxn<'_>) -> heed::Result<(Tables, Database<Bytes, Bytes>)> {
    let mut tables = Vec::with_capacity(Table::ALL.len());
    for table in Table::ALL {
        tables.push(env.create_database(txn, Some(table.name()))?);
    }
    // As many as there are.
    let tables = tables.try_into().map_err(|_| heed::Error::Io(io::ErrorKind::InvalidData.into()))?;
    Ok((tables, env.create_database(txn, Some(FILLER))?))
}

/// Makes an empty database. LMDB syncs its first pages with its first commit and not before, so a power cut until then
/// leaves a file that is none. Therefore it is made under another name and takes its own when it is on disk.
fn make(directory: &Path) -> Result<(), ReplicaError> {
    let new = directory.join(NEW);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut options = options(MAP_SIZE);
    // SAFETY: as in `Lmdb::open`; nobody else knows this file, so nobody needs to be locked out.
    let env = unsafe { options.flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK).open(&new) }?;
    let mut txn = env.write_txn()?;
    create(&env, &mut txn)?;
    txn.commit()?;
    env.prepare_for_closing().wait();
    fs::rename(&new, directory.join(DATA))?;
    // The name must be on disk before anything under it is promised to be.
    fs::File::open(directory).and_then(|directory| directory.sync_all())?;
    Ok(())
}

/// A file that was cut off would end the process the moment a missing page is touched, so it is measured first.
fn check_length(env: &Env<WithoutTls>, directory: &Path) -> Result<(), ReplicaError> {
    let page = env.stat().page_size as usize;
    let info = env.info();
    let (last, transaction) = (info.last_page_number as u64, info.last_txn_id as u64);
    let bytes = fs::metadata(directory.join(DATA))?.len();
    if bytes >= (last + 1) * page as u64 {
        return Ok(());
    }
    // LMDB's locks are on its other file, so that this one may be opened and closed.
    let file = fs::File::open(directory.join(DATA))?;
    if (length::Length { file: &file, bytes, page, last, transaction }).is_enough() {
        return Ok(());
    }
    Err(Damage::File(format!("it has {bytes} bytes of at least {}", (last + 1) * page as u64)).into())
}

impl From<heed::Error> for ReplicaError {
    fn from(error: heed::Error) -> ReplicaError {
        match error {
            heed::Error::Io(error) => error.into(),
            heed::Error::Mdb(MdbError::MapFull) => ReplicaError::MapFull(MAP_SIZE),
            heed::Error::Mdb(
                error @ (MdbError::Corrupted
                | MdbError::Invalid
                | MdbError::PageNotFound
                | MdbError::VersionMismatch
                | MdbError::Panic),
            ) => Damage::File(error.to_string()).into(),
            other => ReplicaError::Engine(other.to_string()),
        }
    }
}
