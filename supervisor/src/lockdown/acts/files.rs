//! What must not be done with files: opened, made, moved, looked at, by name or by another process's descriptor.

use std::ffi::CString;

use super::{
    Act, CALL, FILE, RULE,
    doors::{call, call_on, link_to_nowhere, look_at, make, move_out, open, open_in, read_at_a_place},
};

const READ: i32 = libc::O_RDONLY;
const LIST: i32 = libc::O_RDONLY | libc::O_DIRECTORY;

/// How a move out of a directory fails: as two file systems that know nothing of each other, or not to be named.
const MOVE: &[i32] = &[libc::EPERM, libc::EACCES, libc::ENOENT, libc::EROFS, libc::EXDEV];

/// The name of what is made in a directory of its own.
const OWN: &std::ffi::CStr = c".lamos-escape";

/// Nobody may.
pub(super) const FORBIDDEN: &[Act] = &[
    Act::quick("read a file of the system", FILE, |_| open(c"/etc/passwd", READ)),
    Act::quick("list the root directory", RULE, |_| open(c"/", LIST)),
    Act::quick("write its own memory as a file", FILE, |_| open(c"/proc/self/mem", libc::O_RDWR)),
    Act::quick("make a file in /tmp", FILE, |_| make(None, c"/tmp/.lamos-escape")),
    Act::once("make a file in /etc", FILE, |_| make(None, c"/etc/.lamos-escape")),
    Act::once("list the home directory", FILE, |ground| open(&ground.targets.home, LIST)),
    Act::once("make a file in the home directory", FILE, |ground| make(None, &ground.targets.in_home)),
    Act::once("list the data directory", FILE, |ground| open(&ground.targets.data, LIST)),
    Act::once("make a file in the data directory", FILE, |ground| make(None, &ground.targets.in_data)),
    Act::once("read the slots file by its name", FILE, |ground| open(&ground.targets.slots, READ)),
    Act::once("write the slots file by its name", FILE, |ground| open(&ground.targets.slots, libc::O_WRONLY)),
    Act::once("read the audit file by its name", FILE, |ground| open(&ground.targets.audit, READ)),
    Act::once("write the audit file by its name", FILE, |ground| open(&ground.targets.audit, libc::O_WRONLY)),
    Act::once("read the log", FILE, |ground| open(&ground.targets.log, READ)),
    Act::once("list the processes of the machine", FILE, |_| open(c"/proc", LIST)),
    Act::once("open the terminal", FILE, |_| open(c"/dev/tty", libc::O_RDWR | libc::O_NOCTTY)),
    Act::once("open the memory of the supervisor as a file", FILE, |ground| open(&of(ground.birthright.parent, "mem")?, READ)),
    Act::each(
        "open the memory of each other process as a file",
        FILE,
        |ground| ground.targets.others.len(),
        |ground, step| open(&of(ground.targets.others[step], "mem")?, READ),
    ),
    Act::each(
        "read the environment of each other process",
        FILE,
        |ground| ground.targets.others.len(),
        |ground, step| open(&of(ground.targets.others[step], "environ")?, READ),
    ),
    Act::once("climb out of its directory", FILE, |ground| open_in(ground.birthright.directory.as_ref(), c"..", LIST)),
    Act::once("move a file out of its directory", MOVE, |ground| {
        move_out(ground.birthright.directory.as_ref(), OWN, &ground.targets.in_data)
    }),
    Act::once("make a symbolic link", RULE, |ground| link_to_nowhere(ground.birthright.directory.as_ref(), OWN)),
    // Of one that has this mode already.
    Act::once("change the mode of a file", CALL, |ground| {
        call_on(libc::SYS_fchmodat, &ground.targets.data, 1, [i64::from(libc::AT_FDCWD), 0, 0o700, 0, 0, 0])
    }),
    Act::once("make a file that is only in memory", CALL, |_| call_on(libc::SYS_memfd_create, c"escape", 0, [0; 6])),
    Act::once("watch files", CALL, |_| call(libc::SYS_inotify_init1, [0; 6])),
];

/// Who has a directory may.
pub(super) const IN_ONE_DIRECTORY: &[Act] = &[
    // Who was born without one has the working directory.
    Act::quick("list its own directory", RULE, |ground| open_in(ground.birthright.directory.as_ref(), c".", LIST)),
    Act::once("make and remove a file in its own directory", RULE, |ground| make(ground.birthright.directory.as_ref(), OWN)),
];

/// Who has the calls that a directory needs may; the first of them only where files have names.
pub(super) const WITH_NAMES: &[Act] = &[
    Act::by_name("look whether a file of the system is there", FILE, |_| look_at(c"/etc/passwd")),
    Act::once("lock a file", CALL, |_| call(libc::SYS_flock, [0, i64::from(libc::LOCK_SH | libc::LOCK_NB), 0, 0, 0, 0])),
];

/// Who was handed a file may.
pub(super) const AT_A_PLACE: &[Act] = &[Act::once("read at a place of a file", CALL, |_| read_at_a_place())];

/// A file of the kernel about a process.
fn of(pid: i32, name: &str) -> std::io::Result<CString> {
    CString::new(format!("/proc/{pid}/{name}")).map_err(std::io::Error::other)
}

/// What the acts above need to be told, made of the paths in a probe.
pub(super) fn below(directory: &[u8]) -> Vec<u8> {
    [directory, b"/", OWN.to_bytes()].concat()
}
