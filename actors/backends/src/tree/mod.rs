//! Values as files of a folder: the person's own, which other programs see and change too.
//!
//! A value is written beside its place under a name of ours, synced, and takes its own by a rename; then the folder is
//! synced. So a crash leaves the old value or the new one, and a reader that has begun keeps the one it began with.
//!
//! **Architecture Invariant:** nothing outside the folder is read or written, whatever its symbolic links say and whoever
//! changes them meanwhile: the kernel resolves every path below the folder's own descriptor (`openat2` with
//! `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`). Files of names that are no [`Path`] are not shown.

mod files;

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path as OsPath,
    sync::Arc,
};

use bytes::Bytes;
use rustix::fd::OwnedFd;
use tokio::task::spawn_blocking;

use self::files::{Root, Unfinished};
use crate::{Answer, Child, Cursor, Entry, Folders, MAX_PIECE, Page, Path, Pieces, Refused, Storage, StorageError, Value, Walk};

/// Bytes that are read at once.
const READ_PIECE: usize = 256 << 10;

/// A folder and everything in it. Its methods need a tokio runtime: files are read and written on its blocking threads.
pub struct Tree {
    root: Arc<Root>,
    walk: Walk,
}

impl Tree {
    /// Opens a folder that is there, and clears away what a crash left half written in it.
    pub async fn open(folder: &OsPath) -> Result<Tree, StorageError> {
        let folder = folder.to_owned();
        let root = blocking(move || Root::open(&folder)).await?;
        Tree::at(root).await
    }

    /// Takes a folder that was opened by somebody else, as a process does that may open none itself.
    pub async fn from_descriptor(folder: OwnedFd) -> Result<Tree, StorageError> {
        Tree::at(Root::from(folder)).await
    }

    async fn at(root: Root) -> Result<Tree, StorageError> {
        let root = Arc::new(root);
        let swept = Arc::clone(&root);
        let count = blocking(move || swept.sweep()).await?;
        if count > 0 {
            tracing::info!(count, "cleared away half-written files");
        }
        Ok(Tree { root, walk: Walk::new() })
    }

    async fn with<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Root, &Path) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (root, path) = (Arc::clone(&self.root), path.clone());
        blocking(move || work(&root, &path)).await
    }

    async fn take(&self, path: &Path, length: u64, pieces: &mut dyn Pieces) -> Result<(), StorageError> {
        let chance = getrandom::u64().map_err(|error| StorageError::Ours(error.to_string()))?;
        let mut unfinished = self.with(path, move |root, path| root.begin(path, chance)).await?;
        let mut written = 0;
        while let Some(piece) = pieces.next().await? {
            written += piece.len() as u64;
            if written > length {
                return Err(Refused::Length.into());
            }
            unfinished = blocking(move || unfinished.add(&piece)).await?;
        }
        if written != length {
            return Err(Refused::Length.into());
        }
        blocking(move || unfinished.finish()).await
    }
}

impl Unfinished {
    fn add(mut self, piece: &[u8]) -> Result<Unfinished, StorageError> {
        self.file.write_all(piece).map_err(|error| files::why(&error))?;
        Ok(self)
    }
}

impl Storage for Tree {
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>> {
        Box::pin(async move {
            let found = self.with(path, Root::read).await?;
            Ok(found.map(|(file, length)| Value { length, pieces: Box::new(FilePieces { file: Some(file), left: length }) }))
        })
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(self.take(path, length, pieces))
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(self.with(path, Root::head))
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        Box::pin(self.with(path, Root::delete))
    }

    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        Box::pin(self.walk.page(self, folder, from, limit))
    }
}

impl Folders for Tree {
    fn children<'a>(&'a self, folder: Option<&'a Path>) -> Answer<'a, Vec<Child>> {
        let (root, folder) = (Arc::clone(&self.root), folder.cloned());
        Box::pin(blocking(move || root.children(folder.as_ref())))
    }
}

/// A file that is being read.
struct FilePieces {
    file: Option<File>,
    left: u64,
}

impl Pieces for FilePieces {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            let Some(mut file) = self.file.take().filter(|_| self.left > 0) else { return Ok(None) };
            let most = READ_PIECE.min(MAX_PIECE) as u64;
            let wanted = self.left.min(most) as usize;
            let (file, piece) = blocking(move || {
                let mut piece = vec![0; wanted];
                // Another program may have cut the file meanwhile.
                file.read_exact(&mut piece).map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => Refused::Length.into(),
                    _ => files::why(&error),
                })?;
                Ok((file, piece))
            })
            .await?;
            self.left -= wanted as u64;
            self.file = Some(file);
            Ok(Some(piece.into()))
        })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StorageError> + Send + 'static) -> Result<T, StorageError> {
    spawn_blocking(work).await.map_err(|error| StorageError::Ours(error.to_string()))?
}
