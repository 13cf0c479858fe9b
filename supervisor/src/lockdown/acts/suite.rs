//! The whole list of acts, made from the rights table, and the ground they are tried on.
//!
//! To the acts that nobody may do come those of each right that the table gives to anybody. Which these are is matched
//! without a wildcard: a right that is added to the table does not compile before it has acts, and those are then tried in
//! every role that has not got it.

use std::{
    ffi::{CString, NulError, c_long},
    io,
};

use ipc::messages::start::{Probe, Probed};

use super::{
    super::rights::{Calls, Files, Network, Right, Rights, TABLE},
    Act, errno, files, kernel, processes, sockets,
};
use crate::lockdown::Birthright;

/// An act and the right that allows it.
pub struct Listed {
    /// The act.
    pub act: &'static Act,
    /// `None`: nobody may.
    pub right: Option<Right>,
}

impl Listed {
    /// Whether these rights allow it, in a root without names or in the machine's.
    pub fn is_allowed(&self, rights: &Rights, empty_root: bool) -> bool {
        let has = self.right.is_some_and(|right| rights.each().any(|one| one == right));
        has && !(self.act.by_name_alone && empty_root)
    }

    /// Whether it would be forbidden in a root without names and these rights have no other wall for it.
    pub fn is_exception(&self, rights: &Rights, empty_root: bool) -> bool {
        self.act.by_name_alone && self.is_allowed(rights, empty_root)
    }
}

/// Every act, in the order in which they are tried. A probe names an act by its place in this list.
pub fn list() -> Vec<Listed> {
    let forbidden = [files::FORBIDDEN, sockets::FORBIDDEN, processes::FORBIDDEN, kernel::FORBIDDEN];
    let mut list: Vec<Listed> = forbidden.into_iter().flatten().map(|act| Listed { act, right: None }).collect();
    let mut listed = Vec::new();
    for right in TABLE.iter().flat_map(Rights::each) {
        if !listed.contains(&right) {
            listed.push(right);
            list.extend(allowed_by(right).iter().map(|act| Listed { act, right: Some(right) }));
        }
    }
    list
}

/// What a right allows and its absence forbids.
fn allowed_by(right: Right) -> &'static [Act] {
    match right {
        Right::Files(Files::None) | Right::Network(Network::None) => &[],
        Right::Files(Files::OneDirectory) => files::IN_ONE_DIRECTORY,
        Right::Network(Network::TcpConnect) => sockets::OVER_TCP,
        Right::Network(Network::AcceptInherited) => sockets::ACCEPTED,
        Right::Calls(Calls::HandedFile) => files::AT_A_PLACE,
        Right::Calls(Calls::LockMemory) => kernel::LOCKING,
        Right::Calls(Calls::Directory) => files::WITH_NAMES,
        Right::Calls(Calls::TcpConnect) => sockets::OPTIONS,
        Right::Calls(Calls::Accept) => sockets::ACCEPTING,
        Right::AddressSpace => kernel::MUCH_MEMORY,
    }
}

/// For each system call that is listed on conditions, acts that overstep them.
#[cfg(test)]
pub const BEYOND: &[(c_long, &[&str])] = &[
    (libc::SYS_sendto, &["connect by fast open"]),
    (libc::SYS_sendmsg, &["connect by a fast open message"]),
    (libc::SYS_tgkill, &["signal a thread of the supervisor", "signal a thread of each other process"]),
    (libc::SYS_clone, &["make a process", "make one process after the other"]),
    (libc::SYS_mmap, &["make memory executable"]),
    (libc::SYS_mprotect, &["make memory executable that was written"]),
    (libc::SYS_socketpair, &["make a pair of datagram sockets"]),
    (libc::SYS_prlimit64, &["raise a limit", "read the limits of the supervisor"]),
    (libc::SYS_prctl, &["let its memory be read", "outlive the supervisor", "install another filter", "take back no_new_privs"]),
    (libc::SYS_fcntl, &["have the kernel signal the supervisor", "have the kernel signal at all"]),
    (libc::SYS_socket, &["make a socket of any other family or kind", "make an MPTCP socket"]),
    (libc::SYS_setsockopt, &["put a connect off until something is sent", "put a filter before a socket"]),
];

/// What an act is tried on.
pub struct Ground<'g> {
    /// Of the role.
    pub rights: &'g Rights,
    /// What the process was born with.
    pub birthright: &'g Birthright,
    /// What else is there.
    pub targets: &'g Targets,
}

/// What must be out of reach, as far as the quick acts do not know it by themselves. They have none of it.
#[derive(Default)]
pub struct Targets {
    pub(super) home: CString,
    pub(super) in_home: CString,
    pub(super) data: CString,
    pub(super) in_data: CString,
    pub(super) slots: CString,
    pub(super) audit: CString,
    pub(super) log: CString,
    /// A path, ended as the kernel wants it.
    pub(super) control: Vec<u8>,
    /// The name of an abstract socket, which begins with a zero byte.
    pub(super) unnamed: Vec<u8>,
    /// One that nobody has.
    pub(super) own_name: Vec<u8>,
    pub(super) others: Vec<i32>,
    pub(super) unlisted: Vec<c_long>,
    pub(super) unknown: Vec<i32>,
}

impl Targets {
    /// What the supervisor names, the calls that are `unlisted` for the role, and the descriptors that are `unknown`: that
    /// must not be open.
    pub fn new(probe: &Probe, unlisted: Vec<c_long>, unknown: Vec<i32>) -> Result<Targets, NulError> {
        let text = |bytes: &[u8]| CString::new(bytes);
        Ok(Targets {
            home: text(&probe.home)?,
            in_home: text(&files::below(&probe.home))?,
            data: text(&probe.data)?,
            in_data: text(&files::below(&probe.data))?,
            slots: text(&probe.slots)?,
            audit: text(&probe.audit)?,
            log: text(&probe.log)?,
            control: text(&probe.control)?.into_bytes_with_nul(),
            unnamed: [b"\0", &probe.unnamed[..]].concat(),
            own_name: [b"\0", &probe.unnamed[..], b"-own"].concat(),
            others: probe.others.clone(),
            unlisted,
            unknown,
        })
    }
}

/// Tries everything from this place on, and says before each step what it is and after it what came of it.
pub fn try_from(ground: &Ground<'_>, (act, step): (u32, u32), mut say: impl FnMut(&Probed) -> io::Result<()>) -> io::Result<()> {
    let mut first = step;
    for (listed, act) in list().iter().zip(0..).skip(act as usize) {
        let steps = u32::try_from(listed.act.steps(ground)).unwrap_or(u32::MAX);
        for step in first..steps {
            say(&Probed::Tries { act, step })?;
            say(&Probed::Came(errno(&listed.act.attempt(ground, step as usize))))?;
        }
        first = 0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};

    use super::{
        super::{super::rights, Came},
        *,
    };

    #[test]
    fn every_act_has_a_name_of_its_own() {
        let mut names: Vec<_> = list().iter().map(|listed| listed.act.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(all >= 90, "only {all} acts");
    }

    #[test]
    fn each_right_but_to_nothing_has_acts_and_somebody_who_lacks_it() {
        for right in TABLE.iter().flat_map(Rights::each) {
            let nothing = matches!(right, Right::Files(Files::None) | Right::Network(Network::None));
            assert_eq!(allowed_by(right).is_empty(), nothing, "{right:?}");
            let lacking = TABLE.iter().filter(|rights| rights.each().all(|one| one != right)).count();
            assert!(nothing || lacking > 0, "{right:?} is everybody's and no right");
        }
    }

    /// Without any wall: what is tried succeeds here, or fails in another way than at a wall.
    #[test]
    fn the_acts_would_not_fail_so_without_the_walls() {
        // What binds, ends or changes this very process, or what takes a right that a test may not have.
        const LEFT_OUT: &[&str] = &[
            "run a program",
            "run a program by a descriptor",
            "make a process",
            "make one process after the other",
            "outlive the supervisor",
            "make all memory executable that can be read",
            "make a namespace",
            "make a namespace for files",
            "change its root",
            "mount a file system",
            "use io_uring",
            "use bpf",
            "use perf",
            "use the kernel's key rings",
            "raise a limit",
            "raise the limit of its descriptors",
            "open more descriptors than its limit",
            "install another filter",
            "install another filter by its own call",
            "take capabilities",
            "become root",
            "call by the numbers of x32",
            "call by the gate of 32-bit programs",
            "make any other system call that is not on its list",
            "make a call that passes every filter",
            "make a socket of any other family or kind",
            "make a file in /etc",
            "make a file in /tmp",
            "make a symbolic link",
            "move a file out of its directory",
            "change the mode of a file",
            "lock a file",
            // The ends of a pair are connected, whoever has them.
            "connect half of a pair to the control socket",
            "connect half of a pair to an abstract socket",
            "send to the control socket by half of a pair",
            "signal each other process",
            "trace the supervisor",
            "trace each other process",
            "let its memory be read",
            "let anybody trace it",
            // Something would leave the machine, or be typed into a terminal.
            "connect out of the machine to port 80",
            "type into a terminal",
            // Where a test runs there may be no terminal, and a container may refuse these by a wall of its own.
            "open the terminal",
            "enter a namespace",
            "use userfaultfd",
        ];
        let directory = std::env::temp_dir().join(format!("lamos-acts-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let (slots, log, control) = (directory.join("slots"), directory.join("log"), directory.join("control"));
        std::fs::write(&slots, "").expect("a file");
        let audit = directory.join("audit");
        std::fs::write(&audit, "").expect("a file");
        std::fs::write(&log, "").expect("a file");
        let _listener = std::os::unix::net::UnixListener::bind(&control).expect("a socket");
        let bytes = |path: &std::path::Path| path.as_os_str().as_encoded_bytes().to_vec();
        let ourselves = std::process::id() as i32;
        let unnamed = format!("lamos-acts-{ourselves}").into_bytes();
        let name = SocketAddr::from_abstract_name(&unnamed).expect("a name");
        let _unnamed = std::os::unix::net::UnixListener::bind_addr(&name).expect("a socket");
        let probe = Probe {
            act: 0,
            step: 0,
            home: bytes(&directory),
            data: bytes(&directory),
            slots: bytes(&slots),
            audit: bytes(&audit),
            log: bytes(&log),
            control: bytes(&control),
            unnamed,
            others: vec![ourselves],
        };
        let targets = Targets::new(&probe, Vec::new(), vec![0]).expect("paths");
        let rights = rights::of(ipc::Role::Llm).expect("spawned");
        let birthright =
            Birthright { directory: None, path: Default::default(), ports: Vec::new(), listener: None, parent: ourselves };
        let ground = Ground { rights, birthright: &birthright, targets: &targets };
        let mut tried = 0;
        for listed in list().iter().filter(|listed| !LEFT_OUT.contains(&listed.act.name)) {
            let errno = errno(&listed.act.attempt(&ground, 0));
            assert_ne!(listed.act.judge(errno), Came::AtAWall, "{} proves nothing: {errno}", listed.act.name);
            tried += 1;
        }
        std::fs::remove_dir_all(&directory).expect("the directory goes");
        assert!(tried >= 50, "only {tried} acts were tried");
    }
}
