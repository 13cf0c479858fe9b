//! Takes down what this process writes and syncs in one directory and in those directly in it, by being its libc: a function that the test program
//! defines is the one that LMDB's C code and `std` are linked to. Each does the system call and writes down what it did.
//!
//! Whether a way of writing was forgotten is not a matter of trust: `main.rs` compares what was written down with the files.

#![expect(unsafe_code, reason = "functions of libc are defined here, and what they are given is read")]

use std::{
    collections::BTreeMap,
    ffi::{CStr, OsStr},
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use libc::{c_char, c_int, c_void, iovec, off_t, size_t, ssize_t};

/// One thing that was done to the directory. Files are numbered as they appear; a name may pass from one to another.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A file appeared under this name.
    Create { file: usize, name: String },
    /// Bytes were written. `through`: the call returned when they were on disk (`O_DSYNC`).
    Write { file: usize, offset: usize, bytes: Vec<u8>, through: bool },
    /// The file was given this length.
    Length { file: usize, length: usize },
    /// What was done to the file before the `before`-th operation is on disk.
    Sync { file: usize, before: usize },
    /// A file took another name, and the place of who had it.
    Rename { from: String, to: String },
    /// A name is gone.
    Remove { name: String },
    /// A directory appeared. Its name ends in `/`, and those of the files in it begin with it.
    Directory { name: String },
    /// What was done to the names in the directory `of` before the `before`-th operation is on disk. It is empty for the
    /// directory itself.
    SyncNames { before: usize, of: String },
    /// The test was told that the work so far is kept.
    Acknowledged,
}

impl Op {
    /// The file that appears by it.
    pub(crate) fn file(&self) -> Option<usize> {
        match self {
            Op::Create { file, .. } => Some(*file),
            _ => None,
        }
    }
}

struct Recording {
    directory: PathBuf,
    names: BTreeMap<String, usize>,
    files: usize,
    ops: Vec<Op>,
}

/// Recordings in progress; nothing is looked at while there is none.
static ON: AtomicUsize = AtomicUsize::new(0);
static RECORDINGS: Mutex<Vec<Recording>> = Mutex::new(Vec::new());

/// Begins to record what is done in an empty directory.
pub(crate) fn begin(directory: &Path) {
    let directory = directory.canonicalize().unwrap();
    recordings().push(Recording { directory, names: BTreeMap::new(), files: 0, ops: Vec::new() });
    ON.fetch_add(1, Ordering::SeqCst);
}

/// Notes that the work so far was acknowledged.
pub(crate) fn acknowledged(directory: &Path) {
    let directory = directory.canonicalize().unwrap();
    recordings().iter_mut().find(|one| one.directory == directory).unwrap().ops.push(Op::Acknowledged);
}

/// Ends a recording and gives it out.
pub(crate) fn end(directory: &Path) -> Vec<Op> {
    let directory = directory.canonicalize().unwrap();
    ON.fetch_sub(1, Ordering::SeqCst);
    let mut all = recordings();
    let index = all.iter().position(|one| one.directory == directory).unwrap();
    all.swap_remove(index).ops
}

fn recordings() -> MutexGuard<'static, Vec<Recording>> {
    RECORDINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks of LMDB live in a map of their own and are made anew at every start, so they are no part of the record.
fn watched(name: &str) -> bool {
    !name.ends_with("lock.mdb") && !name.ends_with("-lock")
}

fn path_of(fd: c_int) -> Option<PathBuf> {
    (ON.load(Ordering::SeqCst) > 0).then(|| fs::read_link(format!("/proc/self/fd/{fd}")).ok()).flatten()
}

/// Does something with the recording that watches this path, given the file's name in it.
fn note(path: &Path, act: impl FnOnce(&mut Recording, &str)) {
    let mut recordings = recordings();
    let named = recordings.iter_mut().find_map(|one| {
        let name = one.name_of(path)?;
        Some((one, name))
    });
    if let Some((recording, name)) = named.filter(|(_, name)| watched(name)) {
        act(recording, &name);
    }
}

impl Recording {
    /// What a file directly in the directory, or in one directly in it, is called.
    fn name_of(&self, path: &Path) -> Option<String> {
        let name = path.strip_prefix(&self.directory).ok()?.to_str()?;
        (!name.is_empty() && name.matches('/').count() <= 1).then(|| name.to_owned())
    }

    /// A file that was made and not written to yet is noticed when its directory is synced.
    fn notice(&mut self, directory: &Path) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if let Some(name) = self.name_of(&entry.path()).filter(|name| watched(name) && entry.path().is_file()) {
                self.file(&name);
            }
        }
    }

    fn file(&mut self, name: &str) -> usize {
        if let Some(file) = self.names.get(name) {
            return *file;
        }
        let file = self.files;
        self.files += 1;
        self.names.insert(name.to_owned(), file);
        self.ops.push(Op::Create { file, name: name.to_owned() });
        file
    }
}

/// Notes that the bytes before `end`, as the pieces have them, were written.
fn wrote(fd: c_int, end: off_t, written: ssize_t, pieces: &[&[u8]]) {
    let (Some(path), Ok(written), Ok(end)) = (path_of(fd), usize::try_from(written), usize::try_from(end)) else { return };
    note(&path, |recording, name| {
        let mut bytes = pieces.concat();
        bytes.truncate(written);
        // SAFETY: asks for the flags of an open descriptor.
        let through = unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_DSYNC != 0;
        let file = recording.file(name);
        recording.ops.push(Op::Write { file, offset: end - written, bytes, through });
    });
}

fn synced(fd: c_int, sync: impl FnOnce() -> c_int) -> c_int {
    let Some(path) = path_of(fd) else { return sync() };
    let is_directory = path.is_dir();
    let before = recordings().iter_mut().find(|one| path.starts_with(&one.directory)).map(|one| {
        if is_directory {
            one.notice(&path);
        }
        one.ops.len()
    });
    let result = sync();
    let Some(before) = before.filter(|_| result == 0) else { return result };
    if is_directory {
        let mut recordings = recordings();
        if let Some(recording) = recordings.iter_mut().find(|one| path.starts_with(&one.directory)) {
            let of = recording.name_of(&path).map_or_else(String::new, |name| name + "/");
            recording.ops.push(Op::SyncNames { before, of });
        }
    } else {
        note(&path, |recording, name| {
            let file = recording.file(name);
            recording.ops.push(Op::Sync { file, before });
        });
    }
    result
}

/// # Safety
/// As the function of libc.
unsafe fn piece<'a>(data: *const c_void, length: size_t) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: who writes promises that this many bytes are there.
    unsafe { std::slice::from_raw_parts(data.cast(), length) }
}

/// # Safety
/// As the function of libc.
unsafe fn pieces<'a>(list: *const iovec, count: c_int) -> Vec<&'a [u8]> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: who writes promises that this many pieces are there, each with its bytes.
    unsafe { (0..count).map(|index| piece((*list.add(index)).iov_base, (*list.add(index)).iov_len)).collect() }
}

fn position(fd: c_int) -> off_t {
    // SAFETY: asks where an open descriptor stands.
    unsafe { libc::syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) }
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: the caller's promises are the ones this needs.
    unsafe {
        let written = libc::syscall(libc::SYS_write, fd, data, length) as ssize_t;
        if written > 0 && ON.load(Ordering::SeqCst) > 0 {
            wrote(fd, position(fd), written, &[piece(data, length)]);
        }
        written
    }
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn writev(fd: c_int, list: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's promises are the ones this needs.
    unsafe {
        let written = libc::syscall(libc::SYS_writev, fd, list, count) as ssize_t;
        if written > 0 && ON.load(Ordering::SeqCst) > 0 {
            wrote(fd, position(fd), written, &pieces(list, count));
        }
        written
    }
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite(fd: c_int, data: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller's promises are the ones this needs.
    unsafe {
        let written = libc::syscall(libc::SYS_pwrite64, fd, data, length, offset) as ssize_t;
        if written > 0 && ON.load(Ordering::SeqCst) > 0 {
            wrote(fd, offset + written as off_t, written, &[piece(data, length)]);
        }
        written
    }
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite64(fd: c_int, data: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller's promises are the ones this needs.
    unsafe { pwrite(fd, data, length, offset) }
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwritev(fd: c_int, list: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // SAFETY: the caller's promises are the ones this needs. The last word is the upper half of the offset on machines of
    // 32 bits alone.
    unsafe {
        let written = libc::syscall(libc::SYS_pwritev, fd, list, count, offset, 0) as ssize_t;
        if written > 0 && ON.load(Ordering::SeqCst) > 0 {
            wrote(fd, offset + written as off_t, written, &pieces(list, count));
        }
        written
    }
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwritev64(fd: c_int, list: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // SAFETY: the caller's promises are the ones this needs.
    unsafe { pwritev(fd, list, count, offset) }
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    // SAFETY: a system call without pointers.
    synced(fd, || unsafe { libc::syscall(libc::SYS_fsync, fd) as c_int })
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: a system call without pointers.
    synced(fd, || unsafe { libc::syscall(libc::SYS_fdatasync, fd) as c_int })
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    // SAFETY: a system call without pointers.
    let result = unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) as c_int };
    if let (Some(path), Ok(length), 0) = (path_of(fd), usize::try_from(length), result) {
        note(&path, |recording, name| {
            let file = recording.file(name);
            recording.ops.push(Op::Length { file, length });
        });
    }
    result
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    // SAFETY: the caller's promises are the ones this needs.
    unsafe { ftruncate(fd, length) }
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the caller promises two strings that end in zero.
    let (result, from, to) = unsafe {
        let result = libc::syscall(libc::SYS_renameat, libc::AT_FDCWD, from, libc::AT_FDCWD, to) as c_int;
        (result, CStr::from_ptr(from).to_bytes(), CStr::from_ptr(to).to_bytes())
    };
    if result == 0 && ON.load(Ordering::SeqCst) > 0 {
        note(Path::new(OsStr::from_bytes(from)), |recording, from| {
            let to = recording.name_of(Path::new(OsStr::from_bytes(to))).unwrap();
            let file = recording.file(from);
            recording.names.remove(from);
            recording.names.insert(to.clone(), file);
            recording.ops.push(Op::Rename { from: from.to_owned(), to });
        });
    }
    result
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller promises a string that ends in zero.
    let (result, path) = unsafe {
        let result = libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0) as c_int;
        (result, CStr::from_ptr(path).to_bytes())
    };
    if result == 0 && ON.load(Ordering::SeqCst) > 0 {
        note(Path::new(OsStr::from_bytes(path)), |recording, name| {
            recording.names.remove(name);
            recording.ops.push(Op::Remove { name: name.to_owned() });
        });
    }
    result
}

/// # Safety
/// As the function of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mkdir(path: *const c_char, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller promises a string that ends in zero.
    let (result, path) = unsafe {
        let result = libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path, mode) as c_int;
        (result, CStr::from_ptr(path).to_bytes())
    };
    if result == 0 && ON.load(Ordering::SeqCst) > 0 {
        note(Path::new(OsStr::from_bytes(path)), |recording, name| {
            recording.ops.push(Op::Directory { name: format!("{name}/") });
        });
    }
    result
}
