//! The files of the index, sealed: what the engine believes to be its directory.
//!
//! A file on disk is `format u32 ‖ salt 16 ‖ block ‖ block ‖ …`. A block is up to [`BLOCK`](super::sealed_file::BLOCK) bytes of the engine's file,
//! sealed with XChaCha20-Poly1305 (random nonce) under the key of the index and bound to the name of the file, its salt,
//! its number and whether it is the last. So no block can be changed, moved, left out or taken from an earlier file of the
//! same name without being noticed. The name on disk is a keyed digest of the engine's.
//!
//! Nothing here is synced: the index can be made again from the archive at any time, and syncing it would delay the
//! archive's own writes. What a power cut leaves half written does not open, and then the index is made again.
//!
//! What does not open is never given to the engine: the error goes up, and [`SealedDirectory::damaged`] says so from then
//! on, whatever the engine makes of the error.

use std::{
    collections::{HashMap, HashSet},
    fmt, fs,
    io::{self, BufWriter},
    num::NonZeroUsize,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use lru::LruCache;
use replica::IndexSeal;
use tantivy::{
    Directory,
    directory::{
        DirectoryLock, FileHandle, Lock, WatchCallback, WatchHandle, WritePtr,
        error::{DeleteError, LockError, OpenReadError, OpenWriteError},
    },
};
use zeroize::Zeroizing;

use super::sealed_file::{Reading, Writing};

/// Opened blocks that are remembered, of files that are not held opened as a whole: 4 MiB.
const REMEMBERED: usize = 256;

/// A directory whose files are sealed. Clones are the same directory.
#[derive(Clone)]
pub(crate) struct SealedDirectory {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    seal: IndexSeal,
    damaged: AtomicBool,
    /// A write found no room on the disk.
    full: AtomicBool,
    locks: Mutex<HashSet<PathBuf>>,
    unlocked: Condvar,
    /// Files that are open, so that whoever opens one again has the same.
    open: Mutex<HashMap<PathBuf, Weak<Reading>>>,
    /// Files of which every block was opened once.
    checked: Mutex<HashSet<Salt>>,
    blocks: Mutex<Blocks>,
}

/// What tells one file from another that has its name later.
pub(crate) type Salt = [u8; 16];

/// Blocks that were opened lately, by their file and their place in it.
type Blocks = LruCache<(Salt, u64), Arc<[u8]>>;

/// How the directories beside it end: the one that is to take its place, and the one it took the place of.
const NEXT: &str = "next";
const FORMER: &str = "former";

/// Removes a directory, which need not be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A poisoned lock guards nothing here that could be half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SealedDirectory {
    /// The directory at this path, which is made if it is not there.
    pub(crate) fn open(path: PathBuf, seal: IndexSeal) -> io::Result<SealedDirectory> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let inner = Inner {
            path,
            seal,
            damaged: AtomicBool::new(false),
            full: AtomicBool::new(false),
            locks: Mutex::default(),
            unlocked: Condvar::new(),
            open: Mutex::default(),
            checked: Mutex::default(),
            blocks: Mutex::new(LruCache::new(NonZeroUsize::new(REMEMBERED).unwrap_or(NonZeroUsize::MIN))),
        };
        Ok(SealedDirectory { inner: Arc::new(inner) })
    }

    /// Whether anything in it was found not to be what was written.
    pub(crate) fn damaged(&self) -> bool {
        self.inner.damaged.load(Ordering::Relaxed)
    }

    /// Whether a write found no room on the disk since this was last asked.
    pub(crate) fn was_full(&self) -> bool {
        self.inner.full.swap(false, Ordering::Relaxed)
    }

    /// The result of a write, of which it is remembered whether the disk had no room: the engine does not always say why
    /// it fails.
    pub(crate) fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            self.inner.full.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Removes every file. What is open stays readable to who has it.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.noted(fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.inner.path))?;
        for entry in fs::read_dir(&self.inner.path)? {
            fs::remove_file(entry?.path())?;
        }
        self.begin_anew();
        Ok(())
    }

    /// Nothing that was known of its files holds any more.
    fn begin_anew(&self) {
        lock(&self.inner.open).clear();
        lock(&self.inner.checked).clear();
        self.forget();
        self.inner.damaged.store(false, Ordering::Relaxed);
    }

    /// Another directory beside it, empty, in which its next files can be made.
    pub(crate) fn beside(&self) -> io::Result<SealedDirectory> {
        let path = self.inner.path.with_extension(NEXT);
        remove(&path)?;
        self.noted(SealedDirectory::open(path, self.inner.seal.clone()))
    }

    /// Removes what a killed process left beside it when it was made anew, which may hold what was erased since.
    pub(crate) fn clear_beside(&self) -> io::Result<()> {
        [NEXT, FORMER].iter().try_for_each(|other| remove(&self.inner.path.with_extension(other)))
    }

    /// Removes it and everything in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove(&self.inner.path)
    }

    /// Takes the files of that directory in the place of its own. What is open stays readable to who has it. Cut off in
    /// between it has none, and they are made again.
    pub(crate) fn replace_by(&self, next: &SealedDirectory) -> io::Result<()> {
        let former = self.inner.path.with_extension(FORMER);
        remove(&former)?;
        fs::rename(&self.inner.path, &former)?;
        if let Err(error) = fs::rename(&next.inner.path, &self.inner.path) {
            fs::rename(&former, &self.inner.path)?;
            return Err(error);
        }
        self.begin_anew();
        remove(&former)
    }

    /// Bytes of its files on disk.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        let entries = fs::read_dir(&self.inner.path).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
    }

    /// Gives back the memory of the blocks that are remembered.
    pub(crate) fn forget(&self) {
        lock(&self.inner.blocks).clear();
    }

    /// The name of a file on disk.
    pub(crate) fn blind(&self, name: &Path) -> String {
        self.inner.seal.name(&name.to_string_lossy()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// An error about a file that is not what was written.
    pub(crate) fn damage(&self, what: &str) -> io::Error {
        self.inner.damaged.store(true, Ordering::Relaxed);
        io::Error::new(io::ErrorKind::InvalidData, format!("a file of the index is damaged: {what}"))
    }

    /// Seals a block.
    pub(crate) fn seal(&self, place: &[&[u8]], plain: &[u8]) -> io::Result<Vec<u8>> {
        self.inner.seal.seal(place, plain).map_err(io::Error::other)
    }

    /// Opens a block.
    pub(crate) fn unseal(&self, place: &[&[u8]], sealed: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        self.inner.seal.open(place, sealed).ok_or_else(|| self.damage("a block does not open"))
    }

    /// A block that is remembered.
    pub(crate) fn remembered(&self, salt: &Salt, number: u64) -> Option<Arc<[u8]>> {
        lock(&self.inner.blocks).get(&(*salt, number)).cloned()
    }

    /// Remembers a block.
    pub(crate) fn remember(&self, salt: &Salt, number: u64, block: &Arc<[u8]>) {
        lock(&self.inner.blocks).put((*salt, number), Arc::clone(block));
    }

    fn place(&self, name: &Path) -> PathBuf {
        self.inner.path.join(self.blind(name))
    }

    fn read(&self, name: &Path) -> Result<Reading, OpenReadError> {
        let opened = fs::File::open(self.place(name)).and_then(|file| {
            let reading = Reading::new(self.clone(), name, file)?;
            // Known before anything is read, so that the engine, which trusts its files, is not given half of one.
            if !lock(&self.inner.checked).contains(reading.salt()) {
                reading.check()?;
                lock(&self.inner.checked).insert(*reading.salt());
            }
            Ok(reading)
        });
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(name.to_owned()),
            _ => OpenReadError::wrap_io_error(error, name.to_owned()),
        })
    }
}

impl fmt::Debug for SealedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedDirectory")
    }
}

impl Directory for SealedDirectory {
    fn get_file_handle(&self, name: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        if let Some(open) = lock(&self.inner.open).get(name).and_then(Weak::upgrade) {
            return Ok(open);
        }
        let reading = Arc::new(self.read(name)?);
        let mut open = lock(&self.inner.open);
        open.retain(|_, file| file.strong_count() > 0);
        open.insert(name.to_owned(), Arc::downgrade(&reading));
        Ok(reading)
    }

    fn delete(&self, name: &Path) -> Result<(), DeleteError> {
        lock(&self.inner.open).remove(name);
        fs::remove_file(self.place(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DeleteError::FileDoesNotExist(name.to_owned()),
            _ => DeleteError::IoError { io_error: Arc::new(error), filepath: name.to_owned() },
        })
    }

    fn exists(&self, name: &Path) -> Result<bool, OpenReadError> {
        self.place(name).try_exists().map_err(|error| OpenReadError::wrap_io_error(error, name.to_owned()))
    }

    fn open_write(&self, name: &Path) -> Result<WritePtr, OpenWriteError> {
        let made = self.noted(fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.place(name)));
        let writing = made.and_then(|file| Writing::new(self.clone(), name, file));
        match writing {
            Ok(writing) => Ok(BufWriter::new(Box::new(writing))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(OpenWriteError::FileAlreadyExists(name.to_owned())),
            Err(error) => Err(OpenWriteError::wrap_io_error(error, name.to_owned())),
        }
    }

    fn atomic_read(&self, name: &Path) -> Result<Vec<u8>, OpenReadError> {
        let reading = self.read(name)?;
        reading.all().map_err(|error| OpenReadError::wrap_io_error(error, name.to_owned()))
    }

    fn atomic_write(&self, name: &Path, data: &[u8]) -> io::Result<()> {
        let place = self.place(name);
        let new = place.with_extension("new");
        let file = self.noted(fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new))?;
        Writing::new(self.clone(), name, file)?.write_all_and_end(data)?;
        lock(&self.inner.open).remove(name);
        fs::rename(new, place)
    }

    /// Nothing is synced; see the top of this file.
    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    /// One process has the archive, and it has one of these; so its locks are in memory, and none is left after a kill.
    fn acquire_lock(&self, wanted: &Lock) -> Result<DirectoryLock, LockError> {
        let mut locks = lock(&self.inner.locks);
        while !locks.insert(wanted.filepath.clone()) {
            if !wanted.is_blocking {
                return Err(LockError::LockBusy);
            }
            locks = self.inner.unlocked.wait(locks).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(DirectoryLock::from(Box::new(Locked { directory: self.clone(), name: wanted.filepath.clone() })))
    }

    /// Readers are told of a commit by who made it.
    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

struct Locked {
    directory: SealedDirectory,
    name: PathBuf,
}

impl Drop for Locked {
    fn drop(&mut self) {
        lock(&self.directory.inner.locks).remove(&self.name);
        self.directory.inner.unlocked.notify_all();
    }
}
