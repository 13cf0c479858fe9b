//! Own namespaces, where the kernel gives them to an ordinary person: no network interface, no shared memory of others,
//! and a root with nothing in it, or nothing but the one directory. They are a second wall: Landlock and seccomp must hold
//! without them. The one thing that they alone stand before is a look at a file by its name, in a role that has the calls
//! for it: Landlock lets everybody look.

use std::{fs, io, os::fd::OwnedFd, path::Path};

use ipc::messages::start::Wall;
use rustix::{
    fs::{CWD, fstat},
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_change, mount_remount,
        move_mount, open_tree, unmount,
    },
    process::{chdir, getgid, getuid, pivot_root},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{
    Birthright, EMPTY_ROOT,
    rights::{Files, Network, Rights},
    wall,
};

/// Somewhere a directory surely is, to mount the empty root on. It is seen by this process alone.
const PLACES: &[&str] = &["/tmp", "/run", "/proc", "/dev"];

/// Enters what can be entered and says how far it came.
pub(super) fn enter(rights: &Rights, birthright: &Birthright) -> Vec<Wall> {
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    let mut flags = UnshareFlags::NEWUSER | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWNS;
    if has_own_network(rights) {
        flags |= UnshareFlags::NEWNET;
    }
    // All or none: a user namespace is what the others hang on, and a system that restricts it gives none of them.
    if let Err(error) = unshare(flags) {
        return vec![wall("namespaces", false, format!("the kernel refuses them: {error}"))];
    }
    let mut names = vec!["user", "ipc", "uts", "mount"];
    if has_own_network(rights) {
        names.push("net");
    }
    let mut walls = vec![wall("namespaces", true, names.join(", "))];
    let (root, detail) = match (rights.files, &birthright.directory) {
        (Files::OneDirectory, Some(directory)) => {
            let root = keep_ids(user, group).and_then(|()| empty_root(Some((directory, &birthright.path))));
            (root, "no file of the machine has a name here, but its own directory")
        }
        (Files::None, _) | (Files::OneDirectory, None) => (empty_root(None), "no file of the machine has a name here"),
    };
    walls.push(match root {
        Ok(()) => wall(EMPTY_ROOT, true, detail),
        Err(error) => wall(EMPTY_ROOT, false, format!("the kernel refuses it: {error}")),
    });
    walls
}

/// Whether it is to have a network with nothing in it. What was made elsewhere and handed over goes on working.
fn has_own_network(rights: &Rights) -> bool {
    match rights.network {
        Network::None | Network::AcceptInherited => true,
        Network::TcpConnect => false,
    }
}

#[expect(unsafe_code, reason = "unsafe only for UnshareFlags::FILES, which is not among them")]
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: the one flag that breaks assumptions about descriptors, FILES, is never passed.
    unsafe { unshare_unsafe(flags) }
}

/// Keeps the names of user and group, without which nobody could make a directory in the new root.
fn keep_ids(user: u32, group: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Swaps the root for a read-only file system that lives in memory, with nothing in it but this directory, under its name.
fn empty_root(own: Option<(&OwnedFd, &Path)>) -> io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let own = own.map(|(directory, path)| copy(directory, path).map(|tree| (tree, path))).transpose()?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let place = PLACES
        .iter()
        .find(|place| mount("none", **place, "tmpfs", flags, Some(c"size=4k,mode=0555")).is_ok())
        .ok_or(io::ErrorKind::PermissionDenied)?;
    let entered = furnish(Path::new(place), own, flags).and_then(|()| turn(place));
    if entered.is_err() {
        // What lies under it must be found again.
        let _ = unmount(*place, UnmountFlags::DETACH);
    }
    entered
}

/// What is mounted at a path, to be mounted elsewhere; it must be the directory that was opened there.
fn copy(directory: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, path, flags)?;
    let (found, meant) = (fstat(&tree)?, fstat(directory)?);
    if (found.st_dev, found.st_ino) == (meant.st_dev, meant.st_ino) { Ok(tree) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Mounts the directory in the new root, which nothing is made in after that.
fn furnish(place: &Path, own: Option<(OwnedFd, &Path)>, flags: MountFlags) -> io::Result<()> {
    let target = own.as_ref().map(|(_, path)| place.join(path.strip_prefix("/").unwrap_or(path)));
    if let Some(target) = &target {
        fs::create_dir_all(target)?;
    }
    mount_remount(place, flags | MountFlags::RDONLY, c"")?;
    if let (Some((tree, _)), Some(target)) = (own, target) {
        move_mount(tree, "", CWD, &target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    }
    Ok(())
}

/// Makes this place the root and forgets the old one.
fn turn(place: &str) -> io::Result<()> {
    chdir(place)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    debug_assert!(rustix::fs::statat(CWD, "etc/passwd", rustix::fs::AtFlags::empty()).is_err());
    Ok(())
}
