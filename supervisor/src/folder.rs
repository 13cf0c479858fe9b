//! Whether a folder is a place for an archive: one whose files lie on a disk of this machine and which nobody else changes.
//!
//! The archive is a file mapped into memory whose locks and order of writes are the kernel's. A network file system keeps
//! neither, and what copies a folder to elsewhere copies it half written. What is known of a folder is its file system's number
//! and the names and marks that programs leave which keep folders the same on several machines.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// Why a folder is no good place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsuitable {
    /// It lies on another machine, or behind a program; which file system that is.
    Network(&'static str),
    /// A program copies it to elsewhere; which one, and from where on.
    Synced(&'static str, PathBuf),
}

/// File systems whose files lie elsewhere or behind a program, by their numbers (statfs(2), linux/magic.h).
const NETWORK: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x786f_4256, "a folder of the host"),
    (0x6573_5546, "FUSE"),
];

/// How folders are called that are copied, or how their names begin where more may follow.
const SYNCED: &[(&str, &str)] = &[
    ("dropbox", "Dropbox"),
    ("onedrive", "OneDrive"),
    ("nextcloud", "Nextcloud"),
    ("owncloud", "ownCloud"),
    ("google drive", "Google Drive"),
    ("googledrive", "Google Drive"),
    ("icloud drive", "iCloud"),
    ("iclouddrive", "iCloud"),
    ("syncthing", "Syncthing"),
    ("seafile", "Seafile"),
    ("pclouddrive", "pCloud"),
    ("megasync", "MEGA"),
];

/// What such programs leave in the folders they copy.
const MARKS: &[(&str, &str)] = &[
    (".dropbox", "Dropbox"),
    (".dropbox.cache", "Dropbox"),
    (".stfolder", "Syncthing"),
    (".nextcloudsync.log", "Nextcloud"),
    (".owncloudsync.log", "ownCloud"),
    (".seafile-data", "Seafile"),
];

/// What is wrong with a folder, which need not be there yet.
pub fn look(folder: &Path) -> Option<Unsuitable> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    // Where nothing can be learned of it, what opens it will say why.
    let system = rustix::fs::statfs(there).ok().and_then(|found| network(found.f_type as u32));
    // A name may lead elsewhere.
    let real = there.canonicalize().ok();
    system.map(Unsuitable::Network).or_else(|| {
        [Some(folder), real.as_deref()].into_iter().flatten().flat_map(Path::ancestors).find_map(|folder| {
            let by_mark = || MARKS.iter().find(|(mark, _)| folder.join(mark).exists()).map(|(_, program)| *program);
            let program = folder.file_name().and_then(synced).or_else(by_mark)?;
            Some(Unsuitable::Synced(program, folder.to_owned()))
        })
    })
}

fn network(number: u32) -> Option<&'static str> {
    NETWORK.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// The program that copies a folder of this name. More may follow, as in `OneDrive - Company`, but no letter or digit.
fn synced(name: &OsStr) -> Option<&'static str> {
    let name = name.to_str()?.to_lowercase();
    let fits = |rest: &str| rest.chars().next().is_none_or(|next| !next.is_alphanumeric());
    SYNCED.iter().find(|(begin, _)| name.strip_prefix(begin).is_some_and(fits)).map(|(_, program)| *program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_other_machines_are_known() {
        for (number, name) in [(0x6969, "NFS"), (0xff53_4d42, "SMB"), (0x6573_5546, "FUSE"), (0x0102_1997, "9P")] {
            assert_eq!(network(number), Some(name));
        }
        // ext4, tmpfs, btrfs, XFS, ZFS and what containers lie on.
        for number in [0xef53, 0x0102_1994, 0x9123_683e, 0x5846_5342, 0x2fc1_2fc1, 0x794c_7630] {
            assert_eq!(network(number), None, "{number:x}");
        }
    }

    #[test]
    fn names_that_only_begin_alike_are_no_cloud() {
        let synced = |name: &str| synced(OsStr::new(name));
        assert_eq!(synced("Dropbox (Home)"), Some("Dropbox"));
        assert_eq!(synced("OneDrive - Some Company"), Some("OneDrive"));
        assert_eq!(synced("nextcloud"), Some("Nextcloud"));
        for name in ["dropboxes", "my-dropbox-notes", "data", "nextclouds"] {
            assert_eq!(synced(name), None, "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_judged_by_where_it_would_be() {
        let directory = std::env::temp_dir().join(format!("lamos-folder-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("kept/.stfolder")).expect("a folder");
        let below = |name: &str| look(&directory.join(name));
        assert_eq!(below("kept/not/yet"), Some(Unsuitable::Synced("Syncthing", directory.join("kept"))));
        assert_eq!(below("Dropbox/lamos"), Some(Unsuitable::Synced("Dropbox", directory.join("Dropbox"))));
        assert_eq!(below("other/lamos"), None);
        std::fs::remove_dir_all(directory).expect("it can be removed");
    }
}
