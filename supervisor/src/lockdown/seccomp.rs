//! seccomp: the system calls a role may make at all, as lists that name each call once.
//!
//! Two filters are stacked. The lower one answers `clone3` with `ENOSYS`, because its flags lie behind a pointer where no
//! filter can see them; glibc then uses `clone`, whose flags the upper filter checks. The upper one is the role's list,
//! and refuses everything else with `EPERM`; for the role that holds the keys a third one, installed after the proofs,
//! ends the process instead.

use std::collections::BTreeMap;

use ipc::messages::start::Wall;
use libc::{
    AF_INET, AF_INET6, AF_UNIX, CLONE_THREAD, IPPROTO_TCP, PR_SET_NAME, PROT_EXEC, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM,
    c_long,
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

macro_rules! always {
    ($($call:ident)*) => { vec![$(When::Always(libc::$call)),*] };
}

/// What every role needs to live: its sockets, memory, threads, time.
fn life() -> Vec<When> {
    let mut calls = always![
        SYS_read SYS_write SYS_readv SYS_writev SYS_recvfrom SYS_recvmsg SYS_sendto SYS_sendmsg SYS_close SYS_shutdown
        SYS_getsockopt SYS_setsockopt SYS_getsockname SYS_getpeername
        SYS_fcntl SYS_fstat SYS_lseek
        SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_ppoll
        SYS_munmap SYS_mremap SYS_madvise SYS_brk
        SYS_futex SYS_set_robust_list SYS_rseq SYS_set_tid_address SYS_clone3 SYS_membarrier
        SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack SYS_tgkill SYS_restart_syscall
        SYS_exit SYS_exit_group SYS_getpid SYS_gettid SYS_sched_yield SYS_sched_getaffinity
        SYS_clock_gettime SYS_clock_nanosleep SYS_nanosleep SYS_clock_getres SYS_gettimeofday
        SYS_getrandom SYS_getrusage
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend(always![SYS_poll SYS_epoll_wait]);
    calls.extend([
        // Threads, and no processes.
        When::If(libc::SYS_clone, vec![masked(0, CLONE_THREAD as u64, CLONE_THREAD as u64)]),
        // No memory that can be executed: nothing here compiles.
        When::If(libc::SYS_mmap, vec![masked(2, PROT_EXEC as u64, 0)]),
        When::If(libc::SYS_mprotect, vec![masked(2, PROT_EXEC as u64, 0)]),
        // A pair of sockets that are connected to each other and to nothing else, which a runtime wakes itself with.
        When::If(
            libc::SYS_socketpair,
            vec![
                int(0, AF_UNIX),
                Condition::Int { argument: 1, mask: !(SOCK_CLOEXEC | SOCK_NONBLOCK) as u32, value: SOCK_STREAM },
            ],
        ),
        // Limits may be read, of oneself.
        When::If(libc::SYS_prlimit64, vec![int(0, 0), masked(2, u64::MAX, 0)]),
        // The allocator names its memory.
        When::If(libc::SYS_prctl, vec![int(0, libc::PR_SET_VMA)]),
        // Threads have names.
        When::If(libc::SYS_prctl, vec![int(0, PR_SET_NAME)]),
    ]);
    calls
}

fn group(calls: Calls) -> Vec<When> {
    match calls {
        Calls::HandedFile => always![SYS_pread64 SYS_pwrite64 SYS_fsync SYS_fdatasync SYS_ftruncate],
        Calls::LockMemory => always![SYS_mlock SYS_munlock],
        Calls::Directory => {
            let calls = always![
                SYS_openat SYS_newfstatat SYS_statx SYS_getdents64 SYS_unlinkat SYS_renameat2 SYS_mkdirat SYS_flock
                SYS_fallocate SYS_msync SYS_pwritev SYS_preadv SYS_sync_file_range SYS_fadvise64 SYS_fstatfs SYS_dup SYS_uname SYS_readlinkat
            ];
            #[cfg(target_arch = "x86_64")]
            let calls =
                [calls, always![SYS_rename SYS_unlink SYS_mkdir SYS_rmdir SYS_stat SYS_lstat SYS_open SYS_access SYS_readlink]]
                    .into_iter()
                    .flatten()
                    .collect();
            calls
        }
        Calls::TcpConnect => {
            // TCP and nothing that looks like it: Landlock's rules do not see MPTCP, SCTP, UDP or raw sockets.
            let kind = !(SOCK_CLOEXEC | SOCK_NONBLOCK) as u32;
            let socket = |family: i32, protocol: i32| {
                let stream = Condition::Int { argument: 1, mask: kind, value: SOCK_STREAM };
                When::If(libc::SYS_socket, vec![int(0, family), stream, int(2, protocol)])
            };
            let mut calls = always![SYS_connect];
            for family in [AF_INET, AF_INET6] {
                calls.extend([socket(family, 0), socket(family, IPPROTO_TCP)]);
            }
            calls
        }
    }
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
