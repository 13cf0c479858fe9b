//! Where things are: the data, the logs and the control socket of one installation.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// Longest path of a Unix socket, less the byte that ends it (`unix(7)`).
const MAX_SOCKET_PATH: usize = 107;

/// The directories of one installation.
#[derive(Clone, Debug)]
pub struct Places {
    /// What must not be lost.
    pub data: PathBuf,
    /// Logs.
    pub state: PathBuf,
    run: PathBuf,
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
    /// A socket in it would have a name that is too long for the system.
    #[error("{0} is too long a path for a socket; name a shorter directory with --data-dir, or set XDG_RUNTIME_DIR")]
    TooLong(PathBuf),
}

impl Places {
    /// The places below `data`, or the ones the desktop standard names where it is not given.
    pub fn find(data: Option<PathBuf>) -> Result<Places, NoPlace> {
        if let Some(data) = data {
            let data = std::path::absolute(&data).map_err(|error| NoPlace::Unusable { path: data, error })?;
            return Ok(Places { state: data.join("logs"), run: data.join("run"), data });
        }
        let home = || env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).ok_or(NoPlace::NoHome);
        let data = match absolute_variable("XDG_DATA_HOME") {
            Some(directory) => directory,
            None => home()?.join(".local/share"),
        }
        .join("lamos");
        let state = match absolute_variable("XDG_STATE_HOME") {
            Some(directory) => directory,
            None => home()?.join(".local/state"),
        }
        .join("lamos");
        let run = absolute_variable("XDG_RUNTIME_DIR").map_or_else(|| data.join("run"), |directory| directory.join("lamos"));
        Ok(Places { data, state, run })
    }

    /// Makes every directory, for this person alone.
    pub fn make(&self) -> Result<(), NoPlace> {
        for directory in [&self.data, &self.state, &self.run, &self.spaces()] {
            private_directory(directory)?;
        }
        let socket = self.control_socket();
        if socket.as_os_str().len() > MAX_SOCKET_PATH { Err(NoPlace::TooLong(socket)) } else { Ok(()) }
    }

    /// The named socket through which a command line finds a running supervisor.
    pub fn control_socket(&self) -> PathBuf {
        self.run.join("control.sock")
    }

    /// Locked for as long as a supervisor lives.
    pub fn lock(&self) -> PathBuf {
        self.data.join("lock")
    }

    /// The file of wrapped keys.
    pub fn slots(&self) -> PathBuf {
        self.data.join("slots")
    }

    /// One directory for each space.
    pub fn spaces(&self) -> PathBuf {
        self.data.join("spaces")
    }
}

fn absolute_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
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
