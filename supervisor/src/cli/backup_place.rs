//! The place where backups lie: a folder or a place outside, with the layout of a backup in it.
//!
//! ```text
//! keys/<32 hex>-<32 hex>-1, -2    the file of keys of an installation, twice: which one, and its hash
//! <32 hex>/packs/<32 hex>         packs of one device of one space, under the first half of their hash
//! <32 hex>/points/<32 hex>        lists of packs, likewise
//! ```
//!
//! **Architecture Invariant:** nothing is read here of what is in a file, and no name says anything about it.

use std::{collections::BTreeMap, path::Path as OsPath};

use backends::{Cursor, MAX_PAGE, Path, Refused, StorageError, collect};
use bytes::Bytes;

use super::{
    place::{self, Named, Place},
    session::Session,
    words::{Failure, tell},
};
use crate::exit;

/// Largest file that is read.
const MAX_FILE: u64 = 256 << 20;

/// Where copies of the keys lie.
pub const KEYS: &str = "keys";

/// Names of files and how long they are.
pub type Names = BTreeMap<[u8; 16], u64>;

/// See the module.
pub struct BackupPlace {
    at: Place,
}

impl BackupPlace {
    /// What a person names.
    pub async fn find(session: &Session, named: &OsPath) -> Result<BackupPlace, Failure> {
        BackupPlace::open(session, &Named::read(named)?, false).await
    }

    /// A folder of this machine, or a place that the carrying process reaches. `make`: a folder is made if it is not there.
    pub async fn open(session: &Session, named: &Named, make: bool) -> Result<BackupPlace, Failure> {
        if let Named::Folder(folder) = named {
            return BackupPlace::folder(folder, make).await;
        }
        Ok(BackupPlace { at: Place::open_named(session, named).await? })
    }

    /// A folder of this machine.
    pub async fn folder(folder: &OsPath, make: bool) -> Result<BackupPlace, Failure> {
        let cannot =
            |error: &dyn std::fmt::Display| Failure::new(exit::DATA, format!("cannot use {}: {error}", folder.display()));
        if make {
            let mut builder = std::fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder).map_err(|error| cannot(&error))?;
        }
        Ok(BackupPlace { at: Place::folder(folder).await? })
    }

    /// Writes a file; when this returns well, it is there.
    pub async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let path = parse(path)?;
        self.at.storage.write(&path, Bytes::from(bytes)).await.map_err(|error| self.failed("write", &path, &error))
    }

    /// Reads a file; nothing if it is not there.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>, Failure> {
        let path = parse(path)?;
        let cannot = |error: StorageError| self.failed("read", &path, &error);
        match self.at.storage.read_stream(&path).await.map_err(cannot)? {
            Some(value) => collect(value, MAX_FILE).await.map(Some).map_err(cannot),
            None => Ok(None),
        }
    }

    /// What waits near is carried as far as it goes now.
    pub async fn carried(&self) {
        self.at.carry().await;
    }

    /// Makes a file absent.
    pub async fn delete(&self, path: &str) -> Result<(), Failure> {
        let path = parse(path)?;
        self.at.storage.delete(&path).await.map_err(|error| self.failed("remove", &path, &error))
    }

    /// All files and their lengths, by their paths.
    pub async fn list(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let mut found = BTreeMap::new();
        let mut from: Option<Cursor> = None;
        loop {
            let page = self.at.storage.list(None, from.as_ref(), MAX_PAGE).await;
            let cannot = |error: &StorageError| format!("failed to list the backup: failed to {}", self.at.words(error));
            let page = page.map_err(|error| Failure::new(code(&error), cannot(&error)))?;
            if page.partial {
                tell(place::PARTIAL);
            }
            found.extend(page.entries.into_iter().map(|entry| (entry.path.to_string(), entry.length)));
            from = page.next;
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    fn failed(&self, what: &str, path: &Path, error: &StorageError) -> Failure {
        Failure::new(code(error), format!("failed to {what} {path} in the backup: failed to {}", self.at.words(error)))
    }
}

fn parse(path: &str) -> Result<Path, Failure> {
    Path::parse(path).map_err(|error| Failure::new(exit::OURS, format!("failed to name a file {path:?}: {error}")))
}

/// How a command ends that failed with this.
fn code(error: &StorageError) -> u8 {
    match error {
        // What lies there is not what was written.
        StorageError::Refused(Refused::TooLarge { .. } | Refused::Length) => exit::DATA,
        error => place::code(error),
    }
}

/// A backup of one device, as it lies there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lying {
    /// Its packs.
    pub packs: Names,
    /// Its points.
    pub points: Names,
}

/// Sorts what lies in a place: backups by their folders. What is none of it is left alone.
pub fn sort(files: &BTreeMap<String, u64>) -> BTreeMap<[u8; 16], Lying> {
    let mut backups: BTreeMap<[u8; 16], Lying> = BTreeMap::new();
    for (path, length) in files {
        let mut parts = path.split('/');
        let (Some(folder), Some(kind), Some(name), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (Some(folder), Some(name)) = (unhex(folder), unhex(name)) else { continue };
        let lying = backups.entry(folder).or_default();
        match kind {
            "packs" => drop(lying.packs.insert(name, *length)),
            "points" => drop(lying.points.insert(name, *length)),
            _ => {}
        }
    }
    backups
}

/// Where a pack lies.
pub fn pack(folder: &[u8; 16], name: &[u8; 16]) -> String {
    format!("{}/packs/{}", hex(folder), hex(name))
}

/// Where a point lies.
pub fn point(folder: &[u8; 16], name: &[u8; 16]) -> String {
    format!("{}/points/{}", hex(folder), hex(name))
}

/// Whether a file is the one of this name.
pub fn is_whole(name: &[u8; 16], file: &[u8]) -> bool {
    blake3::hash(file).as_bytes()[..16] == *name
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sixteen bytes in lower-case hexadecimal digits.
pub fn unhex(text: &str) -> Option<[u8; 16]> {
    let good = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    good.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_of_a_backup_is_taken_for_one() {
        let (folder, name) = ([0xab; 16], [0x01; 16]);
        let files = [
            pack(&folder, &name),
            point(&folder, &name),
            "keys/x".into(),
            "photo.jpg".into(),
            format!("{}/packs/up", hex(&folder)),
        ];
        let files = files.into_iter().map(|path| (path, 7)).collect();
        let expected = Lying { packs: [(name, 7)].into(), points: [(name, 7)].into() };
        assert_eq!(sort(&files), [(folder, expected)].into());
        assert_eq!(unhex(&hex(&folder)), Some(folder));
        assert_eq!(unhex(&hex(&folder).to_uppercase()), None);
    }
}
