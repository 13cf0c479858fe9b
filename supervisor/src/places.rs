//! Where things are: the data, the logs and the control socket of one installation.

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

/// Longest path of a Unix socket, less the byte that ends it (`unix(7)`).
const MAX_SOCKET_PATH: usize = 107;

/// What is in a data directory before its file of wrapped keys is, and what a file system of its own has at its root.
const OURS: &[&str] = &["audit", "lock", "logs", "run", "spaces", "ui", "lost+found"];

/// The directories of one installation.
#[derive(Clone, Debug)]
pub struct Places {
    /// What must not be lost.
    pub data: PathBuf,
    /// Logs.
    pub state: PathBuf,
    socket: PathBuf,
}

/// No place can be found for the data.
#[derive(Debug, thiserror::Error)]
pub enum NoPlace {
    /// Neither given nor to be derived.
    #[error("there is no home directory to keep data in; name a directory with --data-dir")]
    NoHome,
    /// It cannot be made or used.
    #[error("cannot use {path}: {error}; name another directory with --data-dir")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It belongs to somebody else.
    #[error("{0} belongs to somebody else; name a directory of your own with --data-dir")]
    Foreign(PathBuf),
    /// It holds what is not Lamos's.
    #[error("{0} holds other things; name an empty directory with --data-dir, or one that Lamos has used before")]
    Occupied(PathBuf),
    /// A socket in it would have a name that is too long for the system.
    #[error("{0} is too long a path for a socket; name a shorter directory with --data-dir, or set XDG_RUNTIME_DIR")]
    TooLong(PathBuf),
}

impl Places {
    /// The places below `data`, or the ones the desktop standard names where it is not given.
    pub fn find(data: Option<PathBuf>) -> Result<Places, NoPlace> {
        Places::derive(data, |name| env::var_os(name))
    }

    fn derive(data: Option<PathBuf>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Places, NoPlace> {
        let socket_in = |data: &Path| data.join("run").join("control.sock");
        if let Some(data) = data {
            let data = std::path::absolute(&data).map_err(|error| NoPlace::Unusable { path: data, error })?;
            return Ok(Places { state: data.join("logs"), socket: socket_in(&data), data });
        }
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).ok_or(NoPlace::NoHome);
        let data = match absolute("XDG_DATA_HOME") {
            Some(directory) => directory,
            None => home()?.join(".local/share"),
        }
        .join("lamos");
        let state = match absolute("XDG_STATE_HOME") {
            Some(directory) => directory,
            None => home()?.join(".local/state"),
        }
        .join("lamos");
        // The runtime directory is one for all data directories, so the name says whose socket it is.
        let socket = absolute("XDG_RUNTIME_DIR").map_or_else(
            || socket_in(&data),
            |directory| directory.join("lamos").join(format!("control-{:016x}.sock", digest(&data))),
        );
        Ok(Places { data, state, socket })
    }

    /// Makes every directory, for this person alone.
    pub fn make(&self) -> Result<(), NoPlace> {
        self.check_is_ours()?;
        let run = self.socket.parent().unwrap_or(&self.data);
        for directory in [&self.data, &self.state, run, &self.spaces()] {
            private_directory(directory)?;
        }
        if self.socket.as_os_str().len() > MAX_SOCKET_PATH { Err(NoPlace::TooLong(self.socket.clone())) } else { Ok(()) }
    }

    /// A directory in which something of another lies is not taken, and nothing of it is changed: what is made is closed to
    /// everybody else, which would be wrong of a directory that others use.
    fn check_is_ours(&self) -> Result<(), NoPlace> {
        let unusable = |error| NoPlace::Unusable { path: self.data.clone(), error };
        if self.slots().exists() {
            return Ok(());
        }
        let entries = match fs::read_dir(&self.data) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unusable(error)),
        };
        for entry in entries {
            let name = entry.map_err(unusable)?.file_name();
            if !OURS.iter().any(|ours| name == *ours) {
                return Err(NoPlace::Occupied(self.data.clone()));
            }
        }
        Ok(())
    }

    /// The named socket through which a command line finds a running supervisor.
    pub fn control_socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// Locked for as long as a supervisor lives.
    pub fn lock(&self) -> PathBuf {
        self.data.join("lock")
    }

    /// Whether no supervisor has the data directory.
    pub fn is_free(&self) -> Result<bool, NoPlace> {
        match fs::File::open(self.lock()) {
            Ok(lock) => Ok(flock(&lock, FlockOperation::NonBlockingLockShared).is_ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(NoPlace::Unusable { path: self.lock(), error }),
        }
    }

    /// The log, and the one before it.
    pub fn logs(&self) -> [PathBuf; 2] {
        [self.state.join("lamos.log"), self.state.join("lamos.log.1")]
    }

    /// The flight recorder's file, and the one of the supervisor before.
    pub fn flights(&self) -> [PathBuf; 2] {
        [self.state.join("flight"), self.state.join("flight.1")]
    }

    /// The file of wrapped keys.
    pub fn slots(&self) -> PathBuf {
        self.data.join("slots")
    }

    /// The log of what was done with the keys.
    pub fn audit(&self) -> PathBuf {
        self.data.join("audit")
    }

    /// One directory for the window's cache of each space in which a window was ever used.
    pub fn caches(&self) -> PathBuf {
        self.data.join("ui")
    }

    /// One directory for each space.
    pub fn spaces(&self) -> PathBuf {
        self.data.join("spaces")
    }
}

/// A number for a path that is the same in every build (FNV-1a): the command line and a supervisor of another version
/// must find each other. It keeps nothing secret and nobody else's paths apart.
fn digest(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_bytes().iter();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Makes a directory that only this person can enter, or makes sure that an existing one is.
pub fn private_directory(path: &Path) -> Result<(), NoPlace> {
    let unusable = |error| NoPlace::Unusable { path: path.to_owned(), error };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
    let metadata = fs::metadata(path).map_err(unusable)?;
    if metadata.uid() != rustix::process::getuid().as_raw() {
        return Err(NoPlace::Foreign(path.to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(unusable)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derive(data: Option<&str>, variables: &[(&str, &str)]) -> Places {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        Places::derive(data.map(PathBuf::from), variable).expect("a place")
    }

    #[test]
    fn who_shares_a_socket_shares_the_data() {
        let run = ("XDG_RUNTIME_DIR", "/run/user/1");
        let one = derive(None, &[run, ("HOME", "/home/a")]);
        let same = derive(None, &[run, ("HOME", "/home/b"), ("XDG_DATA_HOME", "/home/a/.local/share"), ("XDG_STATE_HOME", "/s")]);
        assert_eq!((&one.data, one.control_socket()), (&same.data, same.control_socket()));
        for other in [[run, ("HOME", "/home/b")], [run, ("XDG_DATA_HOME", "/data")]] {
            let other = derive(None, &[&other[..], &[("XDG_STATE_HOME", "/s")]].concat());
            assert_ne!((one.data.as_path(), one.control_socket()), (other.data.as_path(), other.control_socket()));
            assert_ne!(one.control_socket(), other.control_socket());
        }
        assert_eq!(one.control_socket(), Path::new("/run/user/1/lamos/control-3f9fb8feae20e8dc.sock"), "in every build");
    }

    #[test]
    fn a_directory_of_others_is_left_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("photos");
        fs::create_dir(&data).expect("made");
        fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("opened");
        fs::write(data.join("one.jpg"), []).expect("written");
        let places = derive(data.to_str(), &[]);
        assert!(matches!(places.make(), Err(NoPlace::Occupied(_))));
        assert_eq!(fs::metadata(&data).expect("there").mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(&data).expect("read").count(), 1);
        fs::remove_file(data.join("one.jpg")).expect("removed");
        for _ in 0..2 {
            places.make().expect("an empty one is taken, and one that was begun");
        }
        assert_eq!(fs::metadata(&data).expect("there").mode() & 0o777, 0o700);
        fs::write(places.slots(), []).expect("written");
        fs::write(data.join("note.txt"), []).expect("written");
        places.make().expect("in ours a person may keep what he likes");
    }

    #[test]
    fn a_directory_that_was_named_holds_everything() {
        let places = derive(Some("/d"), &[("XDG_RUNTIME_DIR", "/run/user/1"), ("HOME", "/home/a")]);
        assert_eq!(places.control_socket(), Path::new("/d/run/control.sock"));
        assert_eq!((places.data, places.state), (PathBuf::from("/d"), PathBuf::from("/d/logs")));
    }
}
