//! Locking a process down to what its role needs, and proving it, before it has a second thread.
//!
//! The steps are in the order in which they take rights away: namespaces, limits, capabilities, Landlock, seccomp. Where
//! the kernel refuses namespaces, Landlock and seccomp alone must suffice; where it has no Landlock or no seccomp, the
//! role does not start. Then the acts of [`acts`] that take no time and that [`rights`] forbids are tried; one that succeeds
//! ends the process. All of them are tried when somebody asks, by a process that is there for nothing else
//! ([`crate::probe`]).
//!
//! **Architecture Invariant:** nothing here is ever loosened to get a role to start, and nothing of it is undone later.

pub mod acts;
#[cfg(target_os = "linux")]
mod landlocked;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(not(target_os = "linux"))]
mod other;
pub mod rights;
#[cfg(target_os = "linux")]
mod seccomp;

use std::{os::fd::OwnedFd, path::PathBuf};

use ipc::messages::start::{Proof, Wall};
#[cfg(target_os = "linux")]
pub use linux::Linux as Here;
#[cfg(not(target_os = "linux"))]
pub use other::Other as Here;
use rights::Rights;

/// What a role was born with, and what its walls are built around.
pub struct Birthright {
    /// The one directory it may use.
    pub directory: Option<OwnedFd>,
    /// Where that is, by the name it is opened by.
    pub path: PathBuf,
    /// The TCP ports it may connect to.
    pub ports: Vec<u16>,
    /// A listener that it accepts connections on.
    pub listener: Option<OwnedFd>,
    /// The process that must not survive us the other way round: our parent.
    pub parent: i32,
}

/// A wall that had to stand and does not, or an act that had to fail and did not.
#[derive(Debug, thiserror::Error)]
#[error("lock the process down: {0}")]
pub struct Breach(pub String);

/// One operating system's way of taking rights away.
pub trait Lockdown {
    /// Takes away everything that `rights` does not list. The process has one thread when this is called.
    fn lock(rights: &Rights, birthright: &Birthright) -> Result<Vec<Wall>, Breach>;

    /// The last turn of the key, after the proofs: what was refused with an error so far now ends the process, where
    /// the role wants it so.
    fn seal(rights: &Rights) -> Result<Vec<Wall>, Breach>;
}

/// Locks this process down and proves it.
pub fn enter(rights: &Rights, birthright: &Birthright) -> Result<(Vec<Wall>, Vec<Proof>), Breach> {
    let mut walls = Here::lock(rights, birthright)?;
    let proofs = acts::prove(rights, birthright)?;
    walls.extend(Here::seal(rights)?);
    Ok((walls, proofs))
}

/// The numbers of the system calls that a process with these rights must not make.
pub fn unlisted(rights: &Rights) -> Result<Vec<std::ffi::c_long>, Breach> {
    #[cfg(target_os = "linux")]
    return seccomp::unlisted(rights);
    #[cfg(not(target_os = "linux"))]
    return Ok(Vec::new());
}

/// The wall that takes every name of the machine's files away.
pub const EMPTY_ROOT: &str = "empty root";

fn wall(name: &str, enforced: bool, detail: impl Into<String>) -> Wall {
    Wall { name: name.to_owned(), enforced, detail: detail.into() }
}
