//! What must not be asked of the kernel: executable memory, namespaces, its large interfaces, and that a wall be loosened.

use super::{
    Act, CALL,
    doors::{
        PAGE, any_call, call, call_on, filter_calls, lock_page, make_executable, map, open_many, raise_limit, take_capabilities,
    },
    suite::Ground,
};
use crate::lockdown::seccomp;

/// What everybody may ask of userfaultfd, where the kernel has it.
const UFFD_USER_MODE_ONLY: i64 = 1;

/// The key ring that everybody has.
const KEY_SPEC_SESSION_KEYRING: i64 = -3;

/// Memory that can be read can be executed (`personality(2)`).
const READ_IMPLIES_EXEC: i64 = 0x0040_0000;

/// Answers which Landlock there is (`landlock_create_ruleset(2)`).
const LANDLOCK_VERSION: i64 = 1;

/// More than the limit of who has one: 4 GiB and a page.
const MUCH: u64 = (4 << 30) + PAGE;

/// Older kernels filter them like any other; newer ones refuse who does not come from a probe of the kernel's own.
const UNFILTERED: &[i32] = &[libc::EPERM, libc::ENXIO, -libc::SIGILL];

/// Nobody may.
pub(super) const FORBIDDEN: &[Act] = &[
    Act::quick("make memory executable", CALL, |_| map(PAGE, libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)),
    Act::once("make memory executable that was written", CALL, |_| make_executable()),
    Act::once("make all memory executable that can be read", CALL, |_| {
        call(libc::SYS_personality, [READ_IMPLIES_EXEC, 0, 0, 0, 0, 0])
    }),
    Act::quick("make a namespace", CALL, |_| unshare(libc::CLONE_NEWUSER)),
    Act::once("make a namespace for files", CALL, |_| unshare(libc::CLONE_NEWNS)),
    Act::once("enter a namespace", CALL, |_| call(libc::SYS_setns, [0; 6])),
    Act::once("change its root", CALL, |_| call_on(libc::SYS_chroot, c"/", 0, [0; 6])),
    Act::quick("mount a file system", CALL, |_| call(libc::SYS_mount, [0; 6])),
    Act::quick("use io_uring", CALL, |_| call(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0])),
    Act::quick("use bpf", CALL, |_| call(libc::SYS_bpf, [0; 6])),
    Act::quick("use perf", CALL, |_| call(libc::SYS_perf_event_open, [0; 6])),
    Act::quick("use userfaultfd", CALL, |_| call(libc::SYS_userfaultfd, [UFFD_USER_MODE_ONLY, 0, 0, 0, 0, 0])),
    Act::quick("use the kernel's key rings", CALL, |_| call(libc::SYS_keyctl, [0, KEY_SPEC_SESSION_KEYRING, 0, 0, 0, 0])),
    Act::once("type into a terminal", CALL, |_| call_on(libc::SYS_ioctl, c"x", 2, [0, libc::TIOCSTI as i64, 0, 0, 0, 0])),
    Act::quick("raise a limit", CALL, |_| raise_limit(libc::RLIMIT_CORE)),
    Act::once("raise the limit of its descriptors", CALL, |_| raise_limit(libc::RLIMIT_NOFILE)),
    Act::once("open more descriptors than its limit", &[libc::EMFILE], |ground| open_many(ground.rights.open_files)),
    Act::once("install another filter", CALL, |_| {
        filter_calls(libc::SYS_prctl, i64::from(libc::PR_SET_SECCOMP), i64::from(libc::SECCOMP_MODE_FILTER))
    }),
    Act::once("install another filter by its own call", CALL, |_| {
        filter_calls(libc::SYS_seccomp, i64::from(libc::SECCOMP_SET_MODE_FILTER), 0)
    }),
    Act::once("ask for Landlock", CALL, |_| call(libc::SYS_landlock_create_ruleset, [0, 0, LANDLOCK_VERSION, 0, 0, 0])),
    Act::once("let its memory be read", CALL, |_| prctl(libc::PR_SET_DUMPABLE, 1)),
    Act::once("let anybody trace it", CALL, |_| prctl(libc::PR_SET_PTRACER, -1)),
    Act::once("take back no_new_privs", CALL, |_| prctl(libc::PR_SET_NO_NEW_PRIVS, 0)),
    Act::once("take capabilities", CALL, |_| take_capabilities()),
    Act::once("become root", CALL, |_| call(libc::SYS_setresuid, [0; 6])),
    #[cfg(target_arch = "x86_64")]
    Act::once("call by the numbers of x32", CALL, |_| call(X32 | libc::SYS_getpid, [0; 6])),
    #[cfg(target_arch = "x86_64")]
    Act::once("call by the gate of 32-bit programs", super::GATE, |_| super::doors::by_the_old_gate()),
    Act::each(
        "make a call that passes every filter",
        UNFILTERED,
        |_| seccomp::UNFILTERED.len(),
        |_, step| any_call(seccomp::UNFILTERED[step]),
    ),
    Act::each(
        "make any other system call that is not on its list",
        CALL,
        |ground| ground.targets.unlisted.len(),
        |ground, step| any_call(ground.targets.unlisted[step]),
    ),
    Act::each("use a descriptor that nobody gave it", &[libc::EBADF], |ground| ground.targets.unknown.len(), look_at_descriptor),
];

/// The bit that tells the other numbers of the same processor.
#[cfg(target_arch = "x86_64")]
const X32: std::ffi::c_long = 0x4000_0000;

/// Who has no limit of address space may.
pub(super) const MUCH_MEMORY: &[Act] =
    &[Act::once("map more memory than 4 GiB", &[libc::ENOMEM], |_| map(MUCH, libc::PROT_NONE))];

/// Who has the calls for it may.
pub(super) const LOCKING: &[Act] = &[Act::once("lock memory against swapping", CALL, |_| lock_page())];

fn unshare(flag: i32) -> std::io::Result<()> {
    call(libc::SYS_unshare, [i64::from(flag), 0, 0, 0, 0, 0])
}

fn prctl(option: i32, value: i64) -> std::io::Result<()> {
    call(libc::SYS_prctl, [i64::from(option), value, 0, 0, 0, 0])
}

fn look_at_descriptor(ground: &Ground<'_>, step: usize) -> std::io::Result<()> {
    call(libc::SYS_fcntl, [i64::from(ground.targets.unknown[step]), i64::from(libc::F_GETFD), 0, 0, 0, 0])
}
