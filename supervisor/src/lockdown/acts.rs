//! The acts that a role must not be able to do, tried for real once it is locked down. Each act knows the right that
//! would allow it; the ones a role has no right to must fail, and must fail at a wall, or the process does not start.
//!
//! An act is complete: with valid arguments, so that without its wall it would succeed, or fail with another error than
//! the wall's. An error that a wall does not give proves nothing.

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
    /// How it fails at a wall.
    walls: &'static [i32],
    attempt: fn(&Birthright) -> io::Result<()>,
}

/// seccomp alone stands before it.
const CALL: &[i32] = &[libc::EPERM];

/// The filter for the one call whose flags cannot be seen.
const UNSEEN: &[i32] = &[libc::ENOSYS];

/// Landlock where seccomp lets the call pass.
const RULE: &[i32] = &[libc::EPERM, libc::EACCES];

/// The same; or the file has no name in the empty root.
const FILE: &[i32] = &[libc::EPERM, libc::EACCES, libc::ENOENT];

const fn never(_: &Rights) -> bool {
    false
}

const fn forbidden(name: &'static str, walls: &'static [i32], attempt: fn(&Birthright) -> io::Result<()>) -> Act {
    Act { name, allowed: never, walls, attempt }
}

const ACTS: &[Act] = &[
    forbidden("read a file of the system", FILE, |_| open(c"/etc/passwd", libc::O_RDONLY)),
    forbidden("list the root directory", RULE, |_| open(c"/", libc::O_RDONLY | libc::O_DIRECTORY)),
    forbidden("write its own memory as a file", FILE, |_| open(c"/proc/self/mem", libc::O_RDWR)),
    forbidden("make a file in /tmp", FILE, |_| open(c"/tmp/lamos-escape", libc::O_CREAT | libc::O_WRONLY)),
    Act {
        name: "list its own directory",
        allowed: |rights| rights.files == Files::OneDirectory,
        walls: RULE,
        // Who was born without one has the working directory.
        attempt: |birthright| list(birthright.directory.as_ref()),
    },
    Act {
        name: "make a TCP socket",
        allowed: |rights| rights.network == Network::TcpConnect,
        walls: CALL,
        attempt: |_| socket(libc::AF_INET, libc::SOCK_STREAM, 0),
    },
    forbidden("make a UDP socket", CALL, |_| socket(libc::AF_INET, libc::SOCK_DGRAM, 0)),
    forbidden("make a Unix socket", CALL, |_| socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)),
    forbidden("make a netlink socket", CALL, |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 0)),
    forbidden("make an MPTCP socket", CALL, |_| socket(libc::AF_INET, libc::SOCK_STREAM, 262)),
    // Port 9 is nobody's choice; refused by Landlock before anything leaves, or by seccomp before that.
    forbidden("connect to a port nobody chose", RULE, |_| connect(9)),
    // Past Landlock, which does not see it: seccomp alone stands before these three.
    forbidden("connect by fast open", CALL, |_| fast_open(9)),
    forbidden("connect by a fast open message", CALL, |_| fast_open_message(9)),
    forbidden("put a connect off until something is sent", CALL, |_| fast_open_later()),
    forbidden("listen on a port", RULE, |_| bind()),
    forbidden("run a program", CALL, |_| exec()),
    forbidden("make a process", CALL, |_| fork()),
    forbidden("make a process with flags that cannot be seen", UNSEEN, |_| call(libc::SYS_clone3, [0; 6])),
    forbidden("signal the supervisor", CALL, |birthright| call(libc::SYS_kill, [i64::from(birthright.parent), 0, 0, 0, 0, 0])),
    forbidden("signal a thread of the supervisor", CALL, |birthright| {
        let parent = i64::from(birthright.parent);
        call(libc::SYS_tgkill, [parent, parent, 0, 0, 0, 0])
    }),
    forbidden("have the kernel signal the supervisor", CALL, |birthright| control_pair(libc::F_SETOWN, birthright.parent)),
    forbidden("have the kernel signal at all", CALL, |_| control_pair(libc::F_SETFL, libc::O_ASYNC)),
    forbidden("trace the supervisor", CALL, |birthright| {
        // Without stopping it, should it succeed.
        call(libc::SYS_ptrace, [i64::from(libc::PTRACE_SEIZE), i64::from(birthright.parent), 0, 0, 0, 0])
    }),
    // Of no bytes, for which the kernel does not ask whether it may be.
    forbidden("read the supervisor's memory", CALL, |birthright| {
        call(libc::SYS_process_vm_readv, [i64::from(birthright.parent), 0, 0, 0, 0, 0])
    }),
    forbidden("make memory executable", CALL, |_| executable_memory()),
    forbidden("make a namespace", CALL, |_| call(libc::SYS_unshare, [i64::from(libc::CLONE_NEWUSER), 0, 0, 0, 0, 0])),
    forbidden("mount a file system", CALL, |_| call(libc::SYS_mount, [0; 6])),
    forbidden("use io_uring", CALL, |_| call(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0])),
    forbidden("use bpf", CALL, |_| call(libc::SYS_bpf, [0; 6])),
    forbidden("use perf", CALL, |_| call(libc::SYS_perf_event_open, [0; 6])),
    forbidden("use userfaultfd", CALL, |_| call(libc::SYS_userfaultfd, [UFFD_USER_MODE_ONLY, 0, 0, 0, 0, 0])),
    forbidden("use the kernel's key rings", CALL, |_| call(libc::SYS_keyctl, [0, KEY_SPEC_SESSION_KEYRING, 0, 0, 0, 0])),
    forbidden("raise a limit", CALL, |_| raise_limit()),
];

/// What everybody may ask of userfaultfd, where the kernel has it.
const UFFD_USER_MODE_ONLY: i64 = 1;

/// The key ring that everybody has.
const KEY_SPEC_SESSION_KEYRING: i64 = -3;

/// Tries every act. The first forbidden one that does not fail at a wall is a breach.
pub(super) fn prove(rights: &Rights, birthright: &Birthright) -> Result<Vec<Proof>, Breach> {
    let mut proofs = Vec::with_capacity(ACTS.len());
    for act in ACTS {
        let result = (act.attempt)(birthright);
        let outcome = judge(act, (act.allowed)(rights), result).map_err(|error| Breach(error.of(rights, act)))?;
        proofs.push(Proof { act: act.name.to_owned(), outcome });
    }
    Ok(proofs)
}

/// What an act should not have come to.
#[derive(Debug)]
enum Wrong {
    Succeeded,
    FailedElsewhere(io::Error),
    FailedThoughAllowed(io::Error),
}

impl Wrong {
    fn of(&self, rights: &Rights, act: &Act) -> String {
        match self {
            Wrong::Succeeded => format!("stop the {} process: it can still {}", rights.role, act.name),
            Wrong::FailedElsewhere(error) => {
                format!("prove that the {} process cannot {}: it failed at no wall, but with: {error}", rights.role, act.name)
            }
            Wrong::FailedThoughAllowed(error) => format!("let the {} process {}: {error}", rights.role, act.name),
        }
    }
}

fn judge(act: &Act, allowed: bool, result: io::Result<()>) -> Result<String, Wrong> {
    match (result, allowed) {
        (Ok(()), false) => Err(Wrong::Succeeded),
        (Ok(()), true) => Ok("allowed".to_owned()),
        (Err(error), true) => Err(Wrong::FailedThoughAllowed(error)),
        (Err(error), false) => match error.raw_os_error() {
            Some(errno) if act.walls.contains(&errno) => Ok(errno_name(errno)),
            _ => Err(Wrong::FailedElsewhere(error)),
        },
    }
}

fn errno_name(errno: i32) -> String {
    match errno {
        libc::EPERM => "EPERM".to_owned(),
        libc::EACCES => "EACCES".to_owned(),
        libc::ENOENT => "ENOENT".to_owned(),
        libc::ENOSYS => "ENOSYS".to_owned(),
        other => format!("errno {other}"),
    }
}

/// The unsafe doors to the kernel, as few as the acts above need. What they open is closed again at once: the attempt
/// is all that counts.
#[expect(unsafe_code, reason = "an attack goes past every safe wrapper")]
mod doors {
    use super::{CStr, io};

    pub(super) fn call(number: i64, arguments: [i64; 6]) -> io::Result<()> {
        let [a, b, c, d, e, f] = arguments;
        // SAFETY: every pointer argument passed by the acts is null, and no act changes memory of this process.
        check(unsafe { libc::syscall(number, a, b, c, d, e, f) }).map(drop)
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

    /// A TCP socket where one can be had, and one end of a pair elsewhere: what is forbidden is forbidden on any.
    fn any_socket() -> io::Result<i64> {
        open_socket(libc::AF_INET, libc::SOCK_STREAM, 0).or_else(|_| one_of_a_pair())
    }

    fn one_of_a_pair() -> io::Result<i64> {
        let mut pair = [0_i32; 2];
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: room for the two descriptors that the kernel writes.
        check(unsafe { libc::syscall(libc::SYS_socketpair, libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) })?;
        close(i64::from(pair[1]));
        Ok(i64::from(pair[0]))
    }

    pub(super) fn fast_open(port: u16) -> io::Result<()> {
        let descriptor = any_socket()?;
        let address = loopback(port);
        let (text, flags) = (c"x".as_ptr(), libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL);
        // SAFETY: the one byte and the address outlive the call, which is told their lengths.
        let result = check(unsafe {
            libc::syscall(libc::SYS_sendto, descriptor, text, 1, flags, &raw const address, size_of_val(&address))
        });
        close(descriptor);
        result.map(drop)
    }

    pub(super) fn fast_open_message(port: u16) -> io::Result<()> {
        let descriptor = any_socket()?;
        let mut address = loopback(port);
        // SAFETY: all zeros is a message without an address, parts and ancillary data.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = (&raw mut address).cast();
        message.msg_namelen = size_of_val(&address) as libc::socklen_t;
        let flags = libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL;
        // SAFETY: the message and the address it points to outlive the call.
        let result = check(unsafe { libc::syscall(libc::SYS_sendmsg, descriptor, &raw const message, flags) });
        close(descriptor);
        result.map(drop)
    }

    pub(super) fn fast_open_later() -> io::Result<()> {
        let descriptor = any_socket()?;
        let (level, name, on) = (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1_i32);
        // SAFETY: the option outlives the call, which is told its length.
        let result =
            check(unsafe { libc::syscall(libc::SYS_setsockopt, descriptor, level, name, &raw const on, size_of_val(&on)) });
        close(descriptor);
        result.map(drop)
    }

    /// Tells the kernel something about a descriptor that nobody else has.
    pub(super) fn control_pair(command: i32, argument: i32) -> io::Result<()> {
        let descriptor = one_of_a_pair()?;
        // SAFETY: no pointers.
        let result = check(unsafe { libc::syscall(libc::SYS_fcntl, descriptor, command, argument) });
        close(descriptor);
        result.map(drop)
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

    pub(super) fn list(directory: Option<&std::os::fd::OwnedFd>) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        let directory = directory.map_or(libc::AT_FDCWD, |directory| directory.as_raw_fd());
        let path = c".";
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: the path is a C string that outlives the call.
        let descriptor = check(unsafe { libc::syscall(libc::SYS_openat, directory, path.as_ptr(), flags, 0) })?;
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
use doors::{
    bind, call, connect, control_pair, exec, executable_memory, fast_open, fast_open_later, fast_open_message, fork, list, open,
    raise_limit, socket,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_error_of_a_wall_is_a_proof() {
        let act = forbidden("mount a file system", CALL, |_| Ok(()));
        let failed = |errno| Err(io::Error::from_raw_os_error(errno));
        assert_eq!(judge(&act, false, failed(libc::EPERM)).expect("a proof"), "EPERM");
        for errno in [libc::EFAULT, libc::EINVAL, libc::ESRCH, libc::ECONNREFUSED, libc::EMFILE] {
            assert!(matches!(judge(&act, false, failed(errno)), Err(Wrong::FailedElsewhere(_))));
        }
        assert!(matches!(judge(&act, false, Ok(())), Err(Wrong::Succeeded)));
        assert!(matches!(judge(&act, true, failed(libc::EPERM)), Err(Wrong::FailedThoughAllowed(_))));
    }

    /// Without any wall: what is tried succeeds here, or fails in another way than at a wall.
    #[test]
    fn the_acts_would_not_fail_so_without_the_walls() {
        // Those left out end or bind this very process, or need a right that a test may not have.
        for name in [
            "make a UDP socket",
            "make a Unix socket",
            "make a netlink socket",
            "connect by fast open",
            "connect by a fast open message",
            "put a connect off until something is sent",
            "connect to a port nobody chose",
            "listen on a port",
            "make a process with flags that cannot be seen",
            "signal the supervisor",
            "signal a thread of the supervisor",
            "have the kernel signal the supervisor",
            "have the kernel signal at all",
            "read the supervisor's memory",
            "make memory executable",
            "list the root directory",
            "list its own directory",
            "read a file of the system",
        ] {
            let act = ACTS.iter().find(|act| act.name == name).expect("an act");
            // A child of ours would do; the thread is our own, so that nobody is disturbed.
            let birthright = Birthright { directory: None, ports: Vec::new(), parent: std::process::id() as i32 };
            let result = (act.attempt)(&birthright);
            assert!(judge(act, false, result).is_err(), "{name} proves nothing");
        }
    }
}
