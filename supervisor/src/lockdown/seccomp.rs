//! seccomp: the system calls a role may make at all, as lists that name each call once.
//!
//! Two filters are stacked. The lower one answers `clone3` with `ENOSYS`, because its flags lie behind a pointer where no
//! filter can see them; glibc then uses `clone`, whose flags the upper filter checks. The upper one is the role's list,
//! and refuses everything else with `EPERM`; for the role that holds the keys a third one, installed after the proofs,
//! ends the process instead.

use std::collections::BTreeMap;

use ipc::messages::start::Wall;
use libc::{
    AF_INET, AF_INET6, AF_UNIX, CLONE_THREAD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
    F_SETFD, F_SETFL, F_SETLK, F_SETLKW, IPPROTO_TCP, MSG_FASTOPEN, O_ASYNC, PR_SET_NAME, PROT_EXEC, SO_KEEPALIVE, SOCK_CLOEXEC,
    SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_NODELAY, TCP_USER_TIMEOUT, c_long,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use super::{
    Breach,
    rights::{Calls, Rights},
    wall,
};

/// When a call is allowed.
enum When {
    /// Always.
    Always(c_long),
    /// When all of these hold for its arguments.
    If(c_long, Vec<Condition>),
}

/// What must hold for the argument with this number.
enum Condition {
    /// `argument & mask == value`, for an argument as wide as a register.
    Masked { argument: u8, mask: u64, value: u64 },
    /// `argument & mask == value`, for an `int`: the kernel does not look at the upper half, so the filter must not.
    Int { argument: u8, mask: u32, value: i32 },
}

const fn masked(argument: u8, mask: u64, value: u64) -> Condition {
    Condition::Masked { argument, mask, value }
}

const fn int(argument: u8, value: i32) -> Condition {
    Condition::Int { argument, mask: u32::MAX, value }
}

/// Of these flags in an `int`, exactly those of `value` are set.
const fn flags(argument: u8, mask: i32, value: i32) -> Condition {
    Condition::Int { argument, mask: mask as u32, value }
}

macro_rules! always {
    ($($call:ident)*) => { vec![$(When::Always(libc::$call)),*] };
}

/// What every role needs to live: its sockets, memory, threads, time.
fn life() -> Vec<When> {
    let mut calls = always![
        SYS_read SYS_write SYS_readv SYS_writev SYS_recvfrom SYS_recvmsg SYS_close SYS_shutdown
        SYS_getsockopt SYS_getsockname SYS_getpeername
        SYS_fstat SYS_lseek
        SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_ppoll
        SYS_munmap SYS_mremap SYS_madvise SYS_brk
        SYS_futex SYS_set_robust_list SYS_rseq SYS_set_tid_address SYS_clone3 SYS_membarrier
        SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack SYS_restart_syscall
        SYS_exit SYS_exit_group SYS_getpid SYS_gettid SYS_sched_yield SYS_sched_getaffinity
        SYS_clock_gettime SYS_clock_nanosleep SYS_nanosleep SYS_clock_getres SYS_gettimeofday
        SYS_getrandom SYS_getrusage
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend(always![SYS_poll SYS_epoll_wait]);
    calls.extend([
        // Nothing that connects by sending: Landlock's rules for ports do not see it. `sendmmsg`, whose flags no filter
        // sees either, is not on any list.
        When::If(libc::SYS_sendto, vec![flags(3, MSG_FASTOPEN, 0)]),
        When::If(libc::SYS_sendmsg, vec![flags(2, MSG_FASTOPEN, 0)]),
        // A thread signals its own process when it aborts. Where Landlock has no scopes, nothing else keeps it from
        // signalling others. Its pid is what it was: no role has a namespace for pids.
        When::If(libc::SYS_tgkill, vec![int(0, std::process::id() as i32)]),
        // Threads, and no processes.
        When::If(libc::SYS_clone, vec![masked(0, CLONE_THREAD as u64, CLONE_THREAD as u64)]),
        // No memory that can be executed: nothing here compiles.
        When::If(libc::SYS_mmap, vec![masked(2, PROT_EXEC as u64, 0)]),
        When::If(libc::SYS_mprotect, vec![masked(2, PROT_EXEC as u64, 0)]),
        // A pair of sockets that are connected to each other and to nothing else, which a runtime wakes itself with.
        When::If(libc::SYS_socketpair, vec![int(0, AF_UNIX), flags(1, !(SOCK_CLOEXEC | SOCK_NONBLOCK), SOCK_STREAM)]),
        // Limits may be read, of oneself.
        When::If(libc::SYS_prlimit64, vec![int(0, 0), masked(2, u64::MAX, 0)]),
        // The allocator names its memory.
        When::If(libc::SYS_prctl, vec![int(0, libc::PR_SET_VMA)]),
        // Threads have names.
        When::If(libc::SYS_prctl, vec![int(0, PR_SET_NAME)]),
        // A descriptor may be put into non-blocking mode. It must not be made to signal anybody when something comes.
        When::If(libc::SYS_fcntl, vec![int(1, F_SETFL), flags(2, O_ASYNC, 0)]),
    ]);
    calls.extend([F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL].map(fcntl));
    calls
}

fn fcntl(command: i32) -> When {
    When::If(libc::SYS_fcntl, vec![int(1, command)])
}

fn group(calls: Calls) -> Vec<When> {
    match calls {
        Calls::HandedFile => always![SYS_pread64 SYS_pwrite64 SYS_fsync SYS_fdatasync SYS_ftruncate],
        // Of what it was born with: nothing here makes a socket that listens, or has one listen.
        Calls::Accept => always![SYS_accept4],
        Calls::LockMemory => always![SYS_mlock SYS_munlock],
        Calls::Directory => {
            let mut calls = always![
                SYS_openat SYS_newfstatat SYS_statx SYS_getdents64 SYS_unlinkat SYS_renameat SYS_renameat2 SYS_mkdirat SYS_flock
                SYS_fallocate SYS_msync SYS_pwritev SYS_preadv SYS_sync_file_range SYS_fadvise64 SYS_fstatfs SYS_dup SYS_uname SYS_readlinkat
            ];
            #[cfg(target_arch = "x86_64")]
            calls.extend(always![SYS_rename SYS_unlink SYS_mkdir SYS_rmdir SYS_stat SYS_lstat SYS_open SYS_access SYS_readlink]);
            calls.extend([F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW].map(fcntl));
            calls
        }
        Calls::TcpConnect => {
            // TCP and nothing that looks like it: Landlock's rules do not see MPTCP, SCTP, UDP or raw sockets.
            let socket = |family: i32, protocol: i32| {
                let stream = flags(1, !(SOCK_CLOEXEC | SOCK_NONBLOCK), SOCK_STREAM);
                When::If(libc::SYS_socket, vec![int(0, family), stream, int(2, protocol)])
            };
            let mut calls = always![SYS_connect];
            for family in [AF_INET, AF_INET6] {
                calls.extend([socket(family, 0), socket(family, IPPROTO_TCP)]);
            }
            // What an HTTP client sets, and not TCP_FASTOPEN_CONNECT, which puts a connect off until something is sent.
            let option = |level: i32, name: i32| When::If(libc::SYS_setsockopt, vec![int(1, level), int(2, name)]);
            let of_tcp = [TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT];
            calls.push(option(SOL_SOCKET, SO_KEEPALIVE));
            calls.extend(of_tcp.map(|name| option(IPPROTO_TCP, name)));
            calls
        }
    }
}

/// System calls have lower numbers than this. The highest of Linux 6.18 is below 480.
const NUMBERS: c_long = 512;

/// `uretprobe` and `uprobe`: the kernel lets them pass every filter (since 6.14), and looks itself where they come from.
#[cfg(target_arch = "x86_64")]
pub(super) const UNFILTERED: &[c_long] = &[335, 336];
/// None elsewhere.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const UNFILTERED: &[c_long] = &[];

/// The numbers of all system calls that are on no list of the role, those that no kernel has yet included.
pub(super) fn unlisted(rights: &Rights) -> Result<Vec<c_long>, Breach> {
    let list = list(rights, false)?;
    Ok((0..NUMBERS).filter(|number| !list.contains_key(number) && !UNFILTERED.contains(number)).collect())
}

/// Refuses every call that the role does not need.
pub(super) fn refuse(rights: &Rights) -> Result<Wall, Breach> {
    let without_clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    install(without_clone3, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))?;
    let list = list(rights, true)?;
    let count = list.len();
    install(list, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)?;
    Ok(wall("seccomp", true, format!("{count} system calls, every other fails")))
}

/// Ends the process at a call that the role does not need.
pub(super) fn kill(rights: &Rights) -> Result<Wall, Breach> {
    let list = list(rights, false)?;
    let count = list.len();
    install(list, SeccompAction::KillProcess, SeccompAction::Allow)?;
    Ok(wall("seccomp kills", true, format!("{count} system calls, every other ends the process")))
}

fn list(rights: &Rights, another_filter_follows: bool) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, Breach> {
    let mut calls = life();
    rights.calls.iter().for_each(|&calls_of| calls.extend(group(calls_of)));
    if another_filter_follows && rights.forbidden == super::rights::Forbidden::Kill {
        calls.extend(always![SYS_seccomp]);
        calls.push(When::If(libc::SYS_prctl, vec![int(0, libc::PR_SET_NO_NEW_PRIVS)]));
        calls.push(When::If(libc::SYS_prctl, vec![int(0, libc::PR_SET_SECCOMP)]));
    }
    let mut list: BTreeMap<c_long, Vec<SeccompRule>> = BTreeMap::new();
    for call in calls {
        match call {
            When::Always(number) => {
                list.insert(number, Vec::new());
            }
            When::If(number, conditions) => list.entry(number).or_default().push(rule(&conditions)?),
        }
    }
    Ok(list)
}

fn rule(conditions: &[Condition]) -> Result<SeccompRule, Breach> {
    let conditions: Result<Vec<_>, _> = conditions
        .iter()
        .map(|condition| match *condition {
            Condition::Masked { argument, mask, value } => SeccompCondition::new(argument, Len::Qword, Op::MaskedEq(mask), value),
            Condition::Int { argument, mask, value } => {
                SeccompCondition::new(argument, Len::Dword, Op::MaskedEq(u64::from(mask)), u64::from(value as u32))
            }
        })
        .collect();
    conditions.and_then(SeccompRule::new).map_err(|error| Breach(format!("write a seccomp rule: {error}")))
}

fn install(list: BTreeMap<c_long, Vec<SeccompRule>>, otherwise: SeccompAction, listed: SeccompAction) -> Result<(), Breach> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(|error| Breach(format!("use seccomp here: {error}")))?;
    let filter = SeccompFilter::new(list, otherwise, listed, arch)
        .map_err(|error| Breach(format!("write the seccomp filter: {error}")))?;
    let program: BpfProgram = filter.try_into().map_err(|error| Breach(format!("compile the seccomp filter: {error}")))?;
    apply_filter(&program).map_err(|error| Breach(format!("install the seccomp filter: {error}")))
}

/// The filter alone, without Landlock, as it must hold on an older kernel. A filter binds the thread that installs it.
#[cfg(test)]
#[expect(unsafe_code, reason = "the acts of a process that got out of hand")]
mod tests {
    use std::{io, os::fd::AsRawFd as _, os::unix::net::UnixStream, thread};

    use super::*;
    use crate::lockdown::rights;

    /// What came of a call in a thread that has the rights of a role: 0 or an errno.
    fn under(role: ipc::Role, act: impl FnOnce() -> i64 + Send + 'static) -> i32 {
        let rights = rights::of(role).expect("spawned");
        let list = list(rights, false).expect("a list");
        let bound = thread::spawn(move || {
            install(list, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow).expect("a filter");
            if act() < 0 { io::Error::last_os_error().raw_os_error().unwrap_or(-1) } else { 0 }
        });
        bound.join().expect("the thread lives")
    }

    /// A call that is listed on conditions is as good as its conditions: there is an act that oversteps them.
    #[test]
    fn what_is_listed_on_conditions_is_tried_beyond_them() {
        for rights in rights::TABLE {
            for (number, _) in list(rights, false).expect("a list").into_iter().filter(|(_, rules)| !rules.is_empty()) {
                let beyond = crate::lockdown::acts::suite::BEYOND.iter().find(|(call, _)| *call == number);
                let (_, acts) = beyond.unwrap_or_else(|| panic!("no act oversteps the conditions of call {number}"));
                for name in *acts {
                    let known = crate::lockdown::acts::suite::list().iter().any(|listed| listed.act.name == *name);
                    assert!(known, "{name} is not tried");
                }
            }
        }
    }

    #[test]
    fn no_role_signals_another_process() {
        let ourselves = std::process::id() as i32;
        let parent = rustix::process::getppid().map_or(1, |pid| i32::from(pid.as_raw_nonzero()));
        for rights in rights::TABLE {
            let signal = move |pid: i32| {
                // SAFETY: no pointers; signal 0 changes nothing.
                move || unsafe { libc::syscall(libc::SYS_tgkill, pid, pid, 0) }
            };
            assert_eq!(under(rights.role, signal(parent)), libc::EPERM, "{}", rights.role);
            assert_eq!(under(rights.role, signal(ourselves)), 0, "{}", rights.role);
        }
    }

    #[test]
    fn no_role_has_the_kernel_signal_another_process() {
        for rights in rights::TABLE {
            let command = |command: i32, argument: i32| {
                let (end, other) = UnixStream::pair().expect("a pair");
                under(rights.role, move || {
                    let _other = other;
                    // SAFETY: no pointers, and a descriptor of this closure's own.
                    unsafe { libc::syscall(libc::SYS_fcntl, end.as_raw_fd(), command, argument) }
                })
            };
            for (forbidden, argument) in [(libc::F_SETOWN, 1), (F_SETFL, O_ASYNC), (10 /* F_SETSIG */, 9), (libc::F_SETLEASE, 0)]
            {
                assert_eq!(command(forbidden, argument), libc::EPERM, "{} {forbidden}", rights.role);
            }
            for (needed, argument) in [(F_SETFL, libc::O_NONBLOCK), (F_GETFL, 0), (F_SETFD, 1), (F_GETFD, 0)] {
                assert_eq!(command(needed, argument), 0, "{} {needed}", rights.role);
            }
        }
    }

    #[test]
    fn what_reaches_the_network_connects_in_one_way_only() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = server.local_addr().expect("an address").port();
        // SAFETY: the address and the options outlive the calls that are given them, with their own lengths.
        let act = |send: fn(i32, libc::sockaddr_in) -> i64| {
            under(ipc::Role::Llm, move || unsafe {
                let address = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: port.to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
                    sin_zero: [0; 8],
                };
                send(libc::socket(AF_INET, SOCK_STREAM, 0), address)
            })
        };
        // SAFETY: as above.
        let (sent, message, put_off, plain) = unsafe {
            let sent = act(|socket, address| {
                libc::syscall(libc::SYS_sendto, socket, c"x".as_ptr(), 1, MSG_FASTOPEN, &raw const address, size_of_val(&address))
            });
            let message = act(|socket, _| {
                let message: libc::msghdr = std::mem::zeroed();
                libc::syscall(libc::SYS_sendmsg, socket, &raw const message, MSG_FASTOPEN)
            });
            let put_off = act(|socket, _| {
                let on = 1;
                libc::syscall(libc::SYS_setsockopt, socket, IPPROTO_TCP, 30, &raw const on, size_of::<i32>())
            });
            let plain = act(|socket, address| {
                let on = 1;
                libc::syscall(libc::SYS_setsockopt, socket, IPPROTO_TCP, TCP_NODELAY, &raw const on, size_of::<i32>())
                    + libc::syscall(libc::SYS_connect, socket, &raw const address, size_of_val(&address))
            });
            (sent, message, put_off, plain)
        };
        assert_eq!([sent, message, put_off, plain], [libc::EPERM, libc::EPERM, libc::EPERM, 0]);
    }
}
