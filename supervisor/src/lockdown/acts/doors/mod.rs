//! The unsafe doors to the kernel, as few as the acts need, past every safe wrapper. What they open is closed again at
//! once, and what they make is removed: the attempt is all that counts.

#![expect(unsafe_code, reason = "an attack goes past every safe wrapper")]

pub(super) mod sockets;

use std::{
    ffi::{CStr, c_long},
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

/// A call that takes numbers, and null where it takes a pointer.
pub(in crate::lockdown::acts) fn call(number: c_long, arguments: [i64; 6]) -> io::Result<()> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: every pointer argument passed by the acts is null, and no act changes memory of this process.
    check(unsafe { libc::syscall(number, a, b, c, d, e, f) }).map(drop)
}

/// A call of which nothing is known but its number. Should it have made a copy of this process, the copy ends here.
pub(in crate::lockdown::acts) fn any_call(number: c_long) -> io::Result<()> {
    let ourselves = std::process::id();
    let result = call(number, [0; 6]);
    if std::process::id() != ourselves {
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(0) };
    }
    result
}

/// A call that takes a path, or some other text, in the place of this argument.
pub(in crate::lockdown::acts) fn call_on(number: c_long, path: &CStr, place: usize, mut arguments: [i64; 6]) -> io::Result<()> {
    arguments[place] = path.as_ptr() as i64;
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the text outlives the call and is only read by it; every other pointer argument is null.
    check(unsafe { libc::syscall(number, a, b, c, d, e, f) }).map(drop)
}

fn open_at(directory: i32, path: &CStr, flags: i32) -> io::Result<i64> {
    // SAFETY: the path is a C string that outlives the call.
    check(unsafe { libc::syscall(libc::SYS_openat, directory, path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) })
}

pub(in crate::lockdown::acts) fn open(path: &CStr, flags: i32) -> io::Result<()> {
    open_at(libc::AT_FDCWD, path, flags).map(close)
}

/// Opens what has this name in a directory; in the working directory for who has none.
pub(in crate::lockdown::acts) fn open_in(directory: Option<&OwnedFd>, path: &CStr, flags: i32) -> io::Result<()> {
    open_at(descriptor(directory), path, flags).map(close)
}

fn descriptor(directory: Option<&OwnedFd>) -> i32 {
    directory.map_or(libc::AT_FDCWD, |directory| directory.as_raw_fd())
}

/// Makes a file that was not there, and removes it.
pub(in crate::lockdown::acts) fn make(directory: Option<&OwnedFd>, path: &CStr) -> io::Result<()> {
    let directory = descriptor(directory);
    open_at(directory, path, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY).map(close)?;
    remove(directory, path)
}

fn remove(directory: i32, path: &CStr) -> io::Result<()> {
    // SAFETY: the path is a C string that outlives the call.
    check(unsafe { libc::syscall(libc::SYS_unlinkat, directory, path.as_ptr(), 0) }).map(drop)
}

/// Makes a file in a directory, moves it to another place and removes it where it is then.
pub(in crate::lockdown::acts) fn move_out(directory: Option<&OwnedFd>, name: &CStr, to: &CStr) -> io::Result<()> {
    let directory = descriptor(directory);
    open_at(directory, name, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY).map(close)?;
    // SAFETY: both paths are C strings that outlive the call.
    let moved = check(unsafe {
        libc::syscall(libc::SYS_renameat2, directory, name.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::RENAME_NOREPLACE)
    });
    let place = if moved.is_ok() { remove(libc::AT_FDCWD, to) } else { remove(directory, name) };
    moved.and(place.map(|()| 0)).map(drop)
}

/// Makes a symbolic link to nowhere, and removes it.
pub(in crate::lockdown::acts) fn link_to_nowhere(directory: Option<&OwnedFd>, name: &CStr) -> io::Result<()> {
    let directory = descriptor(directory);
    // SAFETY: both texts are C strings that outlive the call.
    check(unsafe { libc::syscall(libc::SYS_symlinkat, c"nowhere".as_ptr(), directory, name.as_ptr()) })?;
    remove(directory, name)
}

/// What the kernel says of a file without opening it.
pub(in crate::lockdown::acts) fn look_at(path: &CStr) -> io::Result<()> {
    let mut found = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path outlives the call, and there is room for what it writes.
    check(unsafe { libc::syscall(libc::SYS_newfstatat, libc::AT_FDCWD, path.as_ptr(), found.as_mut_ptr(), 0) }).map(drop)
}

/// Reads a byte at a place of standard input, which is empty.
pub(in crate::lockdown::acts) fn read_at_a_place() -> io::Result<()> {
    let mut byte = [0_u8; 1];
    // SAFETY: there is room for the one byte.
    check(unsafe { libc::syscall(libc::SYS_pread64, 0, byte.as_mut_ptr(), 1, 0) }).map(drop)
}

/// A filter that lets everything pass, for sockets and for system calls.
pub(in crate::lockdown::acts) fn with_filter<T>(install: impl FnOnce(*const libc::sock_fprog) -> T) -> T {
    let mut pass = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    let program = libc::sock_fprog { len: 1, filter: &raw mut pass };
    install(&raw const program)
}

/// Installs a filter for system calls that lets everything pass, by this call.
pub(in crate::lockdown::acts) fn filter_calls(number: c_long, first: i64, second: i64) -> io::Result<()> {
    // SAFETY: the program outlives the call, and forbids nothing.
    with_filter(|program| check(unsafe { libc::syscall(number, first, second, program) })).map(drop)
}

/// Becomes this very program, without arguments.
pub(in crate::lockdown::acts) fn exec(by_descriptor: bool) -> io::Result<()> {
    let path = c"/proc/self/exe";
    let none: [*const libc::c_char; 1] = [std::ptr::null()];
    // SAFETY: the path and the empty, null-terminated lists outlive the call.
    check(unsafe {
        if by_descriptor {
            libc::syscall(libc::SYS_execveat, libc::AT_FDCWD, path.as_ptr(), none.as_ptr(), none.as_ptr(), 0)
        } else {
            libc::syscall(libc::SYS_execve, path.as_ptr(), none.as_ptr(), none.as_ptr())
        }
    })
    .map(drop)
}

pub(in crate::lockdown::acts) fn fork() -> io::Result<()> {
    // SAFETY: `fork` without shared memory; the child, if there were one, exits without running any code of ours.
    let child = check(unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) })?;
    if child == 0 {
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(0) };
    }
    Ok(())
}

/// Maps a page with this protection.
pub(in crate::lockdown::acts) fn map(bytes: u64, protection: i32) -> io::Result<()> {
    mapped(bytes, protection, |_| Ok(0))
}

/// Maps memory, does something with it and gives it back.
fn mapped(bytes: u64, protection: i32, then: impl FnOnce(i64) -> io::Result<i64>) -> io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing that exists.
    let place = check(unsafe { libc::syscall(libc::SYS_mmap, 0, bytes, protection, flags, -1, 0) })?;
    let result = then(place);
    // SAFETY: the mapping was made above and nothing refers to it.
    unsafe { libc::syscall(libc::SYS_munmap, place, bytes) };
    result.map(drop)
}

/// Makes a page of its own executable that was not.
pub(in crate::lockdown::acts) fn make_executable() -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_EXEC;
    // SAFETY: a page of ours that nothing refers to.
    mapped(PAGE, libc::PROT_READ | libc::PROT_WRITE, |place| {
        check(unsafe { libc::syscall(libc::SYS_mprotect, place, PAGE, protection) })
    })
}

/// Locks a page of its own in memory.
pub(in crate::lockdown::acts) fn lock_page() -> io::Result<()> {
    // SAFETY: a page of ours that nothing refers to; giving it back unlocks it.
    mapped(PAGE, libc::PROT_READ | libc::PROT_WRITE, |place| check(unsafe { libc::syscall(libc::SYS_mlock, place, PAGE) }))
}

/// As much as is mapped where any amount would do.
pub(in crate::lockdown::acts) const PAGE: u64 = 4096;

pub(in crate::lockdown::acts) fn raise_limit(resource: u32) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
    // SAFETY: the limit outlives the call.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limit, 0) }).map(drop)
}

/// Takes every capability.
pub(in crate::lockdown::acts) fn take_capabilities() -> io::Result<()> {
    /// Version 3 of the call, of this very process.
    const HEADER: [u32; 2] = [0x2008_0522, 0];
    const ALL: [u32; 6] = [u32::MAX; 6];
    // SAFETY: both outlive the call and are as long as this version of it reads.
    check(unsafe { libc::syscall(libc::SYS_capset, HEADER.as_ptr(), ALL.as_ptr()) }).map(drop)
}

/// Opens descriptors until there is one more than so many.
pub(in crate::lockdown::acts) fn open_many(most: u64) -> io::Result<()> {
    let mut open = Vec::new();
    let mut result = Ok(());
    // Standard input is one already.
    for _ in 0..most {
        // SAFETY: no pointers.
        match check(unsafe { libc::syscall(libc::SYS_fcntl, 0, libc::F_DUPFD_CLOEXEC, 0) }) {
            Ok(descriptor) => open.push(descriptor),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    open.into_iter().for_each(close);
    result
}

/// Makes a call by the way in for 32-bit programs, which has other numbers.
#[cfg(target_arch = "x86_64")]
pub(in crate::lockdown::acts) fn by_the_old_gate() -> io::Result<()> {
    /// `getpid` there.
    const GETPID: i64 = 20;
    let result: i64;
    // SAFETY: the call takes and changes nothing but the registers named.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") GETPID => result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    // Here an error is a small negative number and `errno` is not set.
    let result = result as i32;
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}

fn close(descriptor: i64) {
    // SAFETY: the descriptor was opened by the attempt that closes it.
    unsafe { libc::syscall(libc::SYS_close, descriptor) };
}

fn check(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
