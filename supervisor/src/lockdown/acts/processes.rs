//! What must not be done to other processes, nor with new ones.

use std::io;

use super::{
    Act, CALL, UNSEEN,
    doors::{call, exec, fork},
    suite::Ground,
};

/// As many as are told from one.
const MANY: usize = 16;

/// Nobody may.
pub(super) const FORBIDDEN: &[Act] = &[
    Act::quick("run a program", CALL, |_| exec(false)),
    Act::once("run a program by a descriptor", CALL, |_| exec(true)),
    Act::quick("make a process", CALL, |_| fork()),
    Act::each("make one process after the other", CALL, |_| MANY, |_, _| fork()),
    Act::quick("make a process with flags that cannot be seen", UNSEEN, |_| call(libc::SYS_clone3, [0; 6])),
    Act::quick("signal the supervisor", CALL, |ground| kill(ground.birthright.parent)),
    Act::each("signal each other process", CALL, others, |ground, step| kill(ground.targets.others[step])),
    Act::once("signal its process group", CALL, |_| kill(0)),
    Act::once("signal whatever it can reach", CALL, |_| kill(-1)),
    Act::quick("signal a thread of the supervisor", CALL, |ground| thread_of(ground.birthright.parent)),
    Act::each("signal a thread of each other process", CALL, others, |ground, step| thread_of(ground.targets.others[step])),
    Act::quick("trace the supervisor", CALL, |ground| trace(ground.birthright.parent)),
    Act::each("trace each other process", CALL, others, |ground, step| trace(ground.targets.others[step])),
    Act::quick("read the supervisor's memory", CALL, |ground| memory(libc::SYS_process_vm_readv, ground.birthright.parent)),
    Act::each("read the memory of each other process", CALL, others, |ground, step| {
        memory(libc::SYS_process_vm_readv, ground.targets.others[step])
    }),
    Act::each("write the memory of each other process", CALL, others, |ground, step| {
        memory(libc::SYS_process_vm_writev, ground.targets.others[step])
    }),
    Act::each("take hold of each other process", CALL, others, |ground, step| {
        call(libc::SYS_pidfd_open, [i64::from(ground.targets.others[step]), 0, 0, 0, 0, 0])
    }),
    Act::once("read the limits of the supervisor", CALL, |ground| {
        call(libc::SYS_prlimit64, [i64::from(ground.birthright.parent), 0, 0, 0, 0, 0])
    }),
    Act::once("outlive the supervisor", CALL, |_| call(libc::SYS_prctl, [i64::from(libc::PR_SET_PDEATHSIG), 0, 0, 0, 0, 0])),
];

fn others(ground: &Ground<'_>) -> usize {
    ground.targets.others.len()
}

/// By no signal at all, which is refused like any other.
fn kill(pid: i32) -> io::Result<()> {
    call(libc::SYS_kill, [i64::from(pid), 0, 0, 0, 0, 0])
}

fn thread_of(pid: i32) -> io::Result<()> {
    call(libc::SYS_tgkill, [i64::from(pid), i64::from(pid), 0, 0, 0, 0])
}

/// Without stopping it, should it succeed.
fn trace(pid: i32) -> io::Result<()> {
    call(libc::SYS_ptrace, [i64::from(libc::PTRACE_SEIZE), i64::from(pid), 0, 0, 0, 0])
}

/// Of no bytes, for which the kernel does not ask whether it may be.
fn memory(number: std::ffi::c_long, pid: i32) -> io::Result<()> {
    call(number, [i64::from(pid), 0, 0, 0, 0, 0])
}
