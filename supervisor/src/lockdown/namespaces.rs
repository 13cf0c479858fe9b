//! Own namespaces, where the kernel gives them to an ordinary person: no network interface, no shared memory of others,
//! and for roles without files an empty root. They are a second wall: Landlock and seccomp must hold without them.

use std::io;

use ipc::messages::start::Wall;
use rustix::{
    fs::CWD,
    mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount},
    process::{chdir, pivot_root},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{
    rights::{Files, Network, Rights},
    wall,
};

/// Somewhere a directory surely is, to mount the empty root on. It is seen by this process alone.
const PLACES: &[&str] = &["/tmp", "/run", "/proc", "/dev"];

/// Enters what can be entered and says how far it came.
pub(super) fn enter(rights: &Rights) -> Vec<Wall> {
    let mut flags = UnshareFlags::NEWUSER | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWNS;
    if rights.network == Network::None {
        flags |= UnshareFlags::NEWNET;
    }
    // All or none: a user namespace is what the others hang on, and a system that restricts it gives none of them.
    if let Err(error) = unshare(flags) {
        return vec![wall("namespaces", false, format!("the kernel refuses them: {error}"))];
    }
    let mut names = vec!["user", "ipc", "uts", "mount"];
    if rights.network == Network::None {
        names.push("net");
    }
    let mut walls = vec![wall("namespaces", true, names.join(", "))];
    if rights.files == Files::None {
        walls.push(match empty_root() {
            Ok(()) => wall("empty root", true, "no file of the machine has a name here"),
            Err(error) => wall("empty root", false, format!("the kernel refuses it: {error}")),
        });
    }
    walls
}

#[expect(unsafe_code, reason = "unsafe only for UnshareFlags::FILES, which is not among them")]
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: the one flag that breaks assumptions about descriptors, FILES, is never passed.
    unsafe { unshare_unsafe(flags) }
}

/// Swaps the root for an empty, read-only file system that lives in memory.
fn empty_root() -> io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let place = PLACES
        .iter()
        .find(|place| mount("none", **place, "tmpfs", flags, Some(c"size=4k,mode=0555")).is_ok())
        .ok_or(io::ErrorKind::PermissionDenied)?;
    chdir(*place)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    debug_assert!(rustix::fs::statat(CWD, "etc", rustix::fs::AtFlags::empty()).is_err());
    Ok(())
}
