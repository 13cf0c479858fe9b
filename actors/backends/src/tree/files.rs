//! A folder by its descriptor: the system calls of [`Tree`](super::Tree), all of them blocking.

use std::{
    fs::File,
    io,
    path::Path as OsPath,
    time::{Duration, SystemTime},
};

use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};

use crate::{Child, Entry, Path, Refused, StorageError};

/// How often something is tried again because somebody changed a folder at the same moment.
const TRIES: usize = 16;

/// A half-written file younger than this may be about to be locked by its writer.
const SWEEP_AGE: Duration = Duration::from_secs(60);

/// The folder.
pub(super) struct Root(OwnedFd);

/// A value that is being written. Dropped without [`Unfinished::finish`] it leaves nothing.
pub(super) struct Unfinished {
    pub(super) file: File,
    parent: OwnedFd,
    temporary: String,
    name: String,
    renamed: bool,
}

impl From<OwnedFd> for Root {
    fn from(folder: OwnedFd) -> Root {
        Root(folder)
    }
}

impl Root {
    pub(super) fn open(folder: &OsPath) -> Result<Root, StorageError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(folder, flags, Mode::empty()) {
            Ok(fd) => Ok(Root(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(Refused::Place("it is no folder".to_owned()).into()),
            Err(error) => Err(why(&error.into())),
        }
    }

    /// Opens what lies at a path below the folder, and nowhere else.
    fn beneath(&self, path: Option<&Path>, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let path = path.map_or(".", Path::as_str);
        let mut tries = 0;
        loop {
            match rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // Something was renamed while the kernel looked.
                Err(Errno::AGAIN) if tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }

    fn folder(&self, path: Option<&Path>) -> Result<OwnedFd, Errno> {
        self.beneath(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// A value to be read, with its length.
    pub(super) fn read(&self, path: &Path) -> Result<Option<(File, u64)>, StorageError> {
        // Without waiting, so that a pipe or a device that lies there does not stop everything.
        let Some(fd) = present(self.beneath(Some(path), OFlags::RDONLY | OFlags::NONBLOCK))? else { return Ok(None) };
        let stat = rustix::fs::fstat(&fd).map_err(|error| why(&error.into()))?;
        Ok(is_value(&stat)?.then(|| (File::from(fd), stat.st_size as u64)))
    }

    pub(super) fn head(&self, path: &Path) -> Result<Option<Entry>, StorageError> {
        let Some(fd) = present(self.beneath(Some(path), OFlags::PATH))? else { return Ok(None) };
        let stat = rustix::fs::fstat(&fd).map_err(|error| why(&error.into()))?;
        Ok(is_value(&stat)?.then(|| Entry { path: path.clone(), length: stat.st_size as u64, changed: changed(&stat) }))
    }

    /// Begins to write a value: makes its folders and a file beside its place.
    pub(super) fn begin(&self, path: &Path, chance: u64) -> Result<Unfinished, StorageError> {
        let temporary = path.unfinished(chance).name().to_owned();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut tries = 0;
        loop {
            let made = self.make_folders(path.folder().as_ref()).and_then(|parent| {
                let fd = rustix::fs::openat(&parent, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
                rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
                Ok((parent, File::from(fd)))
            });
            match made {
                Ok((parent, file)) => {
                    return Ok(Unfinished { file, parent, temporary, name: path.name().to_owned(), renamed: false });
                }
                // The folder was empty and was cleared away by who deleted its last value.
                Err(Errno::NOENT) if tries < TRIES => tries += 1,
                Err(Errno::NOTDIR | Errno::EXIST) => return Err(Refused::InTheWay.into()),
                Err(error) => return Err(why(&error.into())),
            }
        }
    }

    fn make_folders(&self, folder: Option<&Path>) -> Result<OwnedFd, Errno> {
        match self.folder(folder) {
            Err(Errno::NOENT) => {}
            result => return result,
        }
        let Some(folder) = folder else { return Err(Errno::NOENT) };
        let above = self.make_folders(folder.folder().as_ref())?;
        match rustix::fs::mkdirat(&above, folder.name(), Mode::RWXU) {
            Ok(()) => rustix::fs::fsync(&above)?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        self.folder(Some(folder))
    }

    /// Removes a value, and the folders that are empty then.
    pub(super) fn delete(&self, path: &Path) -> Result<(), StorageError> {
        let Some(parent) = present(self.folder(path.folder().as_ref()))? else { return Ok(()) };
        match rustix::fs::unlinkat(&parent, path.name(), AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT | Errno::ISDIR) => return Ok(()),
            // What other systems say of a folder.
            Err(Errno::PERM) if self.folder(Some(path)).is_ok() => return Ok(()),
            Err(error) => return Err(why(&error.into())),
        }
        rustix::fs::fsync(&parent).map_err(|error| why(&error.into()))?;
        let mut folder = path.folder();
        while let Some(empty) = folder {
            let above = empty.folder();
            let Ok(parent) = self.folder(above.as_ref()) else { break };
            if rustix::fs::unlinkat(&parent, empty.name(), AtFlags::REMOVEDIR).is_err() {
                break;
            }
            folder = above;
        }
        Ok(())
    }

    pub(super) fn children(&self, folder: Option<&Path>) -> Result<Vec<Child>, StorageError> {
        let Some(fd) = present(self.folder(folder))? else { return Ok(Vec::new()) };
        let mut children = Vec::new();
        for (name, stat) in entries(&fd)? {
            let kind = FileType::from_raw_mode(stat.st_mode);
            if matches!(kind, FileType::RegularFile | FileType::Directory) && !Path::is_unfinished(&name) {
                let is_folder = kind == FileType::Directory;
                children.push(Child { name, is_folder, length: stat.st_size as u64, changed: changed(&stat) });
            }
        }
        Ok(children)
    }

    /// Removes what writers left that are gone: nobody holds its lock, and it is not of this minute.
    pub(super) fn sweep(&self) -> Result<usize, StorageError> {
        let mut swept = 0;
        let mut waiting = vec![None];
        while let Some(folder) = waiting.pop() {
            let Some(fd) = present(self.folder(folder.as_ref()))? else { continue };
            for (name, stat) in entries(&fd)? {
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => waiting.extend(Path::child(folder.as_ref(), &name).ok().map(Some)),
                    FileType::RegularFile if Path::is_unfinished(&name) => swept += usize::from(is_left(&fd, &name, &stat)),
                    _ => {}
                }
            }
        }
        Ok(swept)
    }
}

/// Removes a half-written file if its writer is gone.
fn is_left(folder: &OwnedFd, name: &str, stat: &Stat) -> bool {
    let old =
        changed(stat).and_then(|changed| SystemTime::now().duration_since(changed).ok()).is_some_and(|age| age >= SWEEP_AGE);
    if !old {
        return false;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let Ok(file) = rustix::fs::openat(folder, name, flags, Mode::empty()) else { return false };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        && rustix::fs::unlinkat(folder, name, AtFlags::empty()).is_ok()
}

/// The names in a folder that are text, with what the folder says of each. Links are not followed.
fn entries(folder: &OwnedFd) -> Result<Vec<(String, Stat)>, StorageError> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder.as_fd()).map_err(|error| why(&error.into()))? {
        let entry = entry.map_err(|error| why(&error.into()))?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if matches!(name, "." | "..") {
            continue;
        }
        // It may be gone by now.
        if let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            found.push((name.to_owned(), stat));
        }
    }
    Ok(found)
}

impl Unfinished {
    /// Puts the value in its place, for good.
    pub(super) fn finish(mut self) -> Result<(), StorageError> {
        self.file.sync_all().map_err(|error| why(&error))?;
        match rustix::fs::renameat(&self.parent, &self.temporary, &self.parent, &self.name) {
            Ok(()) => self.renamed = true,
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => return Err(Refused::InTheWay.into()),
            Err(error) => return Err(why(&error.into())),
        }
        rustix::fs::fsync(&self.parent).map_err(|error| why(&error.into()))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = rustix::fs::unlinkat(&self.parent, &self.temporary, AtFlags::empty());
        }
    }
}

/// What was opened, if it is there.
fn present(opened: Result<OwnedFd, Errno>) -> Result<Option<OwnedFd>, StorageError> {
    match opened {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(why(&error.into())),
    }
}

/// A file is a value, a folder is none, and what is neither is in the way.
fn is_value(stat: &Stat) -> Result<bool, StorageError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(true),
        FileType::Directory => Ok(false),
        FileType::Symlink => Err(Refused::Escape.into()),
        _ => Err(Refused::InTheWay.into()),
    }
}

fn changed(stat: &Stat) -> Option<SystemTime> {
    let seconds = u64::try_from(stat.st_mtime).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, u32::try_from(stat.st_mtime_nsec).ok()?))
}

/// Who can do something about an error.
pub(super) fn why(error: &io::Error) -> StorageError {
    let Some(errno) = Errno::from_io_error(error) else { return StorageError::Ours(error.to_string()) };
    match errno {
        Errno::LOOP | Errno::XDEV => Refused::Escape.into(),
        Errno::ISDIR | Errno::NOTDIR => Refused::InTheWay.into(),
        Errno::ACCESS | Errno::PERM => Refused::NoRight(String::new()).into(),
        Errno::ROFS => Refused::NoRight("the folder is read-only".to_owned()).into(),
        Errno::NOSPC => Refused::NoRoom("the disk is full".to_owned()).into(),
        Errno::DQUOT => Refused::NoRoom("the quota is used up".to_owned()).into(),
        Errno::NAMETOOLONG => Refused::Path(crate::BadPath::TooLong).into(),
        other => Refused::Disk(other.to_string()).into(),
    }
}
