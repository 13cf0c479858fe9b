//! The acts that a role must not be able to do, tried for real once it is locked down. Each act knows the right that
//! would allow it; the ones a role has no right to must fail, or the process does not start.

use std::{ffi::CStr, io};

use ipc::messages::start::Proof;

use super::{
    Birthright, Breach,
    rights::{Files, Network, Rights},
};

/// Something to try.
struct Act {
    name: &'static str,
    /// Whether these rights allow it.
    allowed: fn(&Rights) -> bool,
    attempt: fn(&Birthright) -> io::Result<()>,
}

const fn never(_: &Rights) -> bool {
    false
}

const ACTS: &[Act] = &[
    Act { name: "read a file of the system", allowed: never, attempt: |_| open(c"/etc/passwd", libc::O_RDONLY) },
    Act { name: "list the root directory", allowed: never, attempt: |_| open(c"/", libc::O_RDONLY | libc::O_DIRECTORY) },
    Act { name: "write its own memory as a file", allowed: never, attempt: |_| open(c"/proc/self/mem", libc::O_RDWR) },
    Act { name: "make a file in /tmp", allowed: never, attempt: |_| open(c"/tmp/lamos-escape", libc::O_CREAT | libc::O_WRONLY) },
    Act {
        name: "list its own directory",
        allowed: |rights| rights.files == Files::OneDirectory,
        // Who was born without one cannot even name it.
        attempt: |birthright| birthright.directory.as_ref().map_or_else(|| Err(io::Error::from_raw_os_error(libc::ENOENT)), list),
    },
    Act {
        name: "make a TCP socket",
        allowed: |rights| rights.network == Network::TcpConnect,
        attempt: |_| socket(libc::AF_INET, libc::SOCK_STREAM, 0),
    },
    Act { name: "make a UDP socket", allowed: never, attempt: |_| socket(libc::AF_INET, libc::SOCK_DGRAM, 0) },
    Act { name: "make a Unix socket", allowed: never, attempt: |_| socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) },
    Act { name: "make a netlink socket", allowed: never, attempt: |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 0) },
    Act { name: "make an MPTCP socket", allowed: never, attempt: |_| socket(libc::AF_INET, libc::SOCK_STREAM, 262) },
    // Port 9 is nobody's choice; refused by Landlock before anything leaves, or by seccomp before that.
    Act { name: "connect to a port nobody chose", allowed: never, attempt: |_| connect(9) },
    Act { name: "listen on a port", allowed: never, attempt: |_| bind() },
    Act { name: "run a program", allowed: never, attempt: |_| exec() },
    Act { name: "make a process", allowed: never, attempt: |_| fork() },
    Act {
        name: "signal the supervisor",
        allowed: never,
        attempt: |birthright| call(libc::SYS_kill, [i64::from(birthright.parent), 0, 0, 0, 0]),
    },
    Act {
        name: "trace the supervisor",
        allowed: never,
        attempt: |birthright| call(libc::SYS_ptrace, [i64::from(libc::PTRACE_ATTACH), i64::from(birthright.parent), 0, 0, 0]),
    },
    Act {
        name: "read the supervisor's memory",
        allowed: never,
        attempt: |birthright| call(libc::SYS_process_vm_readv, [i64::from(birthright.parent), 0, 0, 0, 0]),
    },
    Act { name: "make memory executable", allowed: never, attempt: |_| executable_memory() },
    Act {
        name: "make a namespace",
        allowed: never,
        attempt: |_| call(libc::SYS_unshare, [i64::from(libc::CLONE_NEWUSER), 0, 0, 0, 0]),
    },
    Act { name: "mount a file system", allowed: never, attempt: |_| call(libc::SYS_mount, [0; 5]) },
    Act { name: "use io_uring", allowed: never, attempt: |_| call(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0]) },
    Act { name: "use bpf", allowed: never, attempt: |_| call(libc::SYS_bpf, [0; 5]) },
    Act { name: "use perf", allowed: never, attempt: |_| call(libc::SYS_perf_event_open, [0; 5]) },
    Act { name: "use userfaultfd", allowed: never, attempt: |_| call(libc::SYS_userfaultfd, [0; 5]) },
    Act { name: "use the kernel's key rings", allowed: never, attempt: |_| call(libc::SYS_keyctl, [0; 5]) },
    Act { name: "raise a limit", allowed: never, attempt: |_| raise_limit() },
];

/// Tries every act. The first forbidden one that succeeds is a breach.
pub(super) fn prove(rights: &Rights, birthright: &Birthright) -> Result<Vec<Proof>, Breach> {
    let mut proofs = Vec::with_capacity(ACTS.len());
    for act in ACTS {
        let result = (act.attempt)(birthright);
        let outcome = match (result, (act.allowed)(rights)) {
            (Ok(()), false) => return Err(Breach(format!("stop the {} process: it can still {}", rights.role, act.name))),
            (Ok(()), true) => "allowed".to_owned(),
            (Err(error), false) => error.raw_os_error().map_or_else(|| error.to_string(), errno_name),
            (Err(error), true) => return Err(Breach(format!("let the {} process {}: {error}", rights.role, act.name))),
        };
        proofs.push(Proof { act: act.name.to_owned(), outcome });
    }
    Ok(proofs)
}

fn errno_name(errno: i32) -> String {
    match errno {
        libc::EPERM => "EPERM".to_owned(),
        libc::EACCES => "EACCES".to_owned(),
        libc::ENOENT => "ENOENT".to_owned(),
        libc::ENOSYS => "ENOSYS".to_owned(),
        libc::EINVAL => "EINVAL".to_owned(),
        libc::EFAULT => "EFAULT".to_owned(),
        other => format!("errno {other}"),
    }
}

/// The unsafe doors to the kernel, as few as the acts above need. What they open is closed again at once: the attempt
/// is all that counts.
#[expect(unsafe_code, reason = "an attack goes past every safe wrapper")]
mod doors {
    use super::{CStr, io};

    pub(super) fn call(number: i64, arguments: [i64; 5]) -> io::Result<()> {
        let [a, b, c, d, e] = arguments;
        // SAFETY: every pointer argument passed by the acts is null, and no act changes memory of this process.
        check(unsafe { libc::syscall(number, a, b, c, d, e) }).map(drop)
    }

    pub(super) fn open(path: &CStr, flags: i32) -> io::Result<()> {
        // SAFETY: the path is a C string that outlives the call.
        let descriptor =
            check(unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) })?;
        close(descriptor);
        Ok(())
    }

    pub(super) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
        open_socket(family, kind, protocol).map(close)
    }

    fn open_socket(family: i32, kind: i32, protocol: i32) -> io::Result<i64> {
        // SAFETY: no pointers.
        check(unsafe { libc::syscall(libc::SYS_socket, family, kind | libc::SOCK_CLOEXEC, protocol) })
    }

    /// To the loopback address, so that nothing could leave the machine if it were allowed.
    fn loopback(port: u16) -> libc::sockaddr_in {
        libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
            sin_zero: [0; 8],
        }
    }

    pub(super) fn connect(port: u16) -> io::Result<()> {
        let descriptor = open_socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        let address = loopback(port);
        // SAFETY: the address outlives the call and its length is its own.
        let result = check(unsafe { libc::syscall(libc::SYS_connect, descriptor, &raw const address, size_of_val(&address)) });
        close(descriptor);
        match result {
            // Nobody listens there, but the kernel let us ask.
            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => Ok(()),
            other => other.map(drop),
        }
    }

    pub(super) fn bind() -> io::Result<()> {
        let descriptor = open_socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        let address = loopback(0);
        // SAFETY: the address outlives the call and its length is its own.
        let result = check(unsafe { libc::syscall(libc::SYS_bind, descriptor, &raw const address, size_of_val(&address)) });
        close(descriptor);
        result.map(drop)
    }

    pub(super) fn exec() -> io::Result<()> {
        let path = c"/proc/self/exe";
        let none: [*const libc::c_char; 1] = [std::ptr::null()];
        // SAFETY: the path and the empty, null-terminated lists outlive the call.
        check(unsafe { libc::syscall(libc::SYS_execve, path.as_ptr(), none.as_ptr(), none.as_ptr()) }).map(drop)
    }

    pub(super) fn fork() -> io::Result<()> {
        // SAFETY: `fork` without shared memory; the child, if there were one, exits without running any code of ours.
        let child = check(unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) })?;
        if child == 0 {
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(0) };
        }
        Ok(())
    }

    pub(super) fn executable_memory() -> io::Result<()> {
        let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing that exists.
        check(unsafe { libc::syscall(libc::SYS_mmap, 0, 4096, protection, flags, -1, 0) }).map(drop)
    }

    pub(super) fn raise_limit() -> io::Result<()> {
        let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
        // SAFETY: the limit outlives the call.
        check(unsafe { libc::syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_CORE, &raw const limit, 0) }).map(drop)
    }

    pub(super) fn list(directory: &std::os::fd::OwnedFd) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        let path = c".";
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: the path is a C string that outlives the call.
        let descriptor = check(unsafe { libc::syscall(libc::SYS_openat, directory.as_raw_fd(), path.as_ptr(), flags, 0) })?;
        close(descriptor);
        Ok(())
    }

    fn close(descriptor: i64) {
        // SAFETY: the descriptor was opened by the attempt that closes it.
        unsafe { libc::syscall(libc::SYS_close, descriptor) };
    }

    fn check(result: i64) -> io::Result<i64> {
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
    }
}
use doors::{bind, call, connect, exec, executable_memory, fork, list, open, raise_limit, socket};
