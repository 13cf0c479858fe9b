//! The acts that a role must not be able to do, tried for real once it is locked down. Each act knows the right that
//! would allow it; the ones a role has no right to must fail, and must fail at a wall.
//!
//! A few take no time and are tried at every start of a process, which does not start if one succeeds. All of them, the
//! [`suite`], are tried when somebody asks, by a process of each role that is there for nothing else.
//!
//! An act is complete: with valid arguments, so that without its wall it would succeed, or fail with another error than
//! the wall's. An error that a wall does not give proves nothing. And it is harmless where its wall is missing: it signals
//! nothing, removes what it makes, and sends nothing to anybody.

mod doors;
mod files;
mod kernel;
mod processes;
mod sockets;
pub mod suite;

use std::io;

use ipc::messages::start::Proof;
use suite::{Ground, Listed};

use super::{Birthright, Breach, rights::Rights};

/// Something to try.
pub struct Act {
    /// What it is, after "can".
    pub name: &'static str,
    /// It is tried at every start, and not only when somebody asks.
    at_start: bool,
    /// How it fails at a wall: numbers of errors, and of signals with a minus. `SIGSYS` is always one.
    walls: &'static [i32],
    /// Landlock does not see it and the role has the calls for it: nothing but a root without names stands before it.
    by_name_alone: bool,
    attempt: Attempt,
}

/// How something is tried.
enum Attempt {
    /// Once.
    Once(fn(&Ground<'_>) -> io::Result<()>),
    /// On so many things, one by one.
    Each(fn(&Ground<'_>) -> usize, fn(&Ground<'_>, usize) -> io::Result<()>),
}

impl Act {
    /// Tried at every start.
    const fn quick(name: &'static str, walls: &'static [i32], attempt: fn(&Ground<'_>) -> io::Result<()>) -> Act {
        Act { at_start: true, ..Act::once(name, walls, attempt) }
    }

    /// Tried when somebody asks.
    const fn once(name: &'static str, walls: &'static [i32], attempt: fn(&Ground<'_>) -> io::Result<()>) -> Act {
        Act { name, at_start: false, walls, by_name_alone: false, attempt: Attempt::Once(attempt) }
    }

    /// Tried when somebody asks; see [`by_name_alone`](Self::by_name_alone).
    const fn by_name(name: &'static str, walls: &'static [i32], attempt: fn(&Ground<'_>) -> io::Result<()>) -> Act {
        Act { by_name_alone: true, ..Act::once(name, walls, attempt) }
    }

    /// Tried on each of so many things when somebody asks.
    const fn each(
        name: &'static str,
        walls: &'static [i32],
        count: fn(&Ground<'_>) -> usize,
        attempt: fn(&Ground<'_>, usize) -> io::Result<()>,
    ) -> Act {
        Act { name, at_start: false, walls, by_name_alone: false, attempt: Attempt::Each(count, attempt) }
    }

    /// On how many things it is tried.
    fn steps(&self, ground: &Ground<'_>) -> usize {
        match self.attempt {
            Attempt::Once(_) => 1,
            Attempt::Each(count, _) => count(ground),
        }
    }

    fn attempt(&self, ground: &Ground<'_>, step: usize) -> io::Result<()> {
        match self.attempt {
            Attempt::Once(attempt) => attempt(ground),
            Attempt::Each(_, attempt) => attempt(ground, step),
        }
    }

    /// What it says that the act ended like this: 0, or an error's number.
    pub fn judge(&self, errno: i32) -> Came {
        match errno {
            0 => Came::Through,
            errno if self.walls.contains(&errno) => Came::AtAWall,
            _ => Came::Elsewhere,
        }
    }

    /// What it says that the act ended the process by this signal.
    pub fn judge_signal(&self, signal: i32) -> Came {
        if signal == libc::SIGSYS || self.walls.contains(&-signal) { Came::AtAWall } else { Came::Elsewhere }
    }
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It succeeded.
    Through,
    /// It failed as it fails at its wall.
    AtAWall,
    /// It failed in a way that says nothing of a wall.
    Elsewhere,
}

/// seccomp alone stands before it.
const CALL: &[i32] = &[libc::EPERM];

/// The filter for the one call whose flags cannot be seen.
const UNSEEN: &[i32] = &[libc::ENOSYS];

/// No error comes back from there: the process ends by the filter, or by a fault where the kernel has no such gate.
const GATE: &[i32] = &[-libc::SIGSEGV];

/// Landlock where seccomp lets the call pass.
const RULE: &[i32] = &[libc::EPERM, libc::EACCES];

/// The same; or the file has no name in the empty root, or none can be made there.
const FILE: &[i32] = &[libc::EPERM, libc::EACCES, libc::ENOENT, libc::EROFS];

/// Tries every act that takes no time. The first forbidden one that does not fail at a wall is a breach.
pub(super) fn prove(rights: &Rights, birthright: &Birthright) -> Result<Vec<Proof>, Breach> {
    let targets = suite::Targets::default();
    let ground = Ground { rights, birthright, targets: &targets };
    let quick = suite::list().into_iter().filter(|listed| listed.act.at_start);
    quick.map(|listed| proof(&listed, &ground).map_err(|wrong| Breach(wrong.of(rights, listed.act)))).collect()
}

fn proof(listed: &Listed, ground: &Ground<'_>) -> Result<Proof, Wrong> {
    let errno = errno(&listed.act.attempt(ground, 0));
    let error = || io::Error::from_raw_os_error(errno);
    let outcome = match (listed.act.judge(errno), listed.is_allowed(ground.rights, false)) {
        (Came::Through, true) => "allowed".to_owned(),
        (Came::AtAWall, false) => errno_name(errno),
        (Came::Through, false) => return Err(Wrong::Succeeded),
        (Came::Elsewhere, false) => return Err(Wrong::FailedElsewhere(error())),
        (Came::AtAWall | Came::Elsewhere, true) => return Err(Wrong::FailedThoughAllowed(error())),
    };
    Ok(Proof { act: listed.act.name.to_owned(), outcome })
}

/// 0, or the number of the error. One that the kernel did not give is none of a wall's.
fn errno(result: &io::Result<()>) -> i32 {
    result.as_ref().map_or_else(|error| error.raw_os_error().unwrap_or(libc::EIO), |()| 0)
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

/// What people call an error.
pub fn errno_name(errno: i32) -> String {
    let name = match errno {
        libc::EPERM => "EPERM",
        libc::EACCES => "EACCES",
        libc::ENOENT => "ENOENT",
        libc::ENOSYS => "ENOSYS",
        libc::EBADF => "EBADF",
        libc::EMFILE => "EMFILE",
        libc::ENOMEM => "ENOMEM",
        libc::EISCONN => "EISCONN",
        libc::EXDEV => "EXDEV",
        libc::ENXIO => "ENXIO",
        libc::EROFS => "EROFS",
        other => return format!("errno {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockdown::rights::{self, Right};

    #[test]
    fn only_the_error_of_a_wall_is_a_proof() {
        let act = Act::once("mount a file system", CALL, |_| Ok(()));
        assert_eq!(act.judge(libc::EPERM), Came::AtAWall);
        for errno in [libc::EFAULT, libc::EINVAL, libc::ESRCH, libc::ECONNREFUSED, libc::EMFILE] {
            assert_eq!(act.judge(errno), Came::Elsewhere);
        }
        assert_eq!(act.judge(0), Came::Through);
        let storage = rights::of(ipc::Role::Storage).expect("spawned");
        let birthright = Birthright { directory: None, path: Default::default(), ports: Vec::new(), listener: None, parent: 0 };
        let targets = suite::Targets::default();
        let ground = Ground { rights: storage, birthright: &birthright, targets: &targets };
        const REFUSED: Act = Act::quick("be refused", CALL, |_| Err(io::Error::from_raw_os_error(libc::EPERM)));
        const STRAYED: Act = Act::quick("stray", CALL, |_| Err(io::Error::from_raw_os_error(libc::EINVAL)));
        const PASSED: Act = Act::quick("pass", CALL, |_| Ok(()));
        let forbidden = |act| proof(&Listed { act, right: None }, &ground);
        assert_eq!(forbidden(&REFUSED).expect("a proof").outcome, "EPERM");
        assert!(matches!(forbidden(&STRAYED), Err(Wrong::FailedElsewhere(_))));
        assert!(matches!(forbidden(&PASSED), Err(Wrong::Succeeded)));
        let allowed = |act| proof(&Listed { act, right: Some(Right::AddressSpace) }, &ground);
        assert_eq!(allowed(&PASSED).expect("a proof").outcome, "allowed");
        assert!(matches!(allowed(&REFUSED), Err(Wrong::FailedThoughAllowed(_))));
    }
}
