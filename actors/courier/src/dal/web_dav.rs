//! WebDAV. Servers write what they are sent straight into the file, so a value is sent under a name of ours and takes its
//! own by `MOVE`: what breaks off in the middle is never seen under its name.
//!
//! A `MOVE` or `DELETE` of a folder would take everything in it along, so each is asked for only where no folder was a
//! moment before. Some servers remove the old value before they move the new one to its place: a reader in between finds
//! none.

use backends::{Answer, Child, Cursor, Entry, Folders, Page, Path, Pieces, Refused, Storage, StorageError, Value, Walk};
use bytes::Bytes;
use opendal::{Buffer, ErrorKind, Metadata, services};

use super::{Operators, changed, errors::why, gather};
use crate::{BadTarget, Credential, Http, Target, read};

/// Largest value. It is in memory while it is sent: the protocol knows no parts.
const MOST: u64 = 256 << 20;

/// A folder of a server.
pub(crate) struct WebDav {
    operators: Operators,
    walk: Walk,
    http: Http,
}

/// Opens a folder.
pub(crate) fn open(target: &Target, credential: &Credential, http: &Http) -> Result<WebDav, StorageError> {
    let origin = target.place(credential)?;
    let builder = services::Webdav::default().endpoint(origin.as_str().trim_end_matches('/'));
    let builder = match credential {
        Credential::None => builder,
        Credential::Password { user, password } => builder.username(user).password(password.words()),
        Credential::Token(token) => builder.token(token.words()),
        Credential::Key { .. } => return Err(BadTarget::Credential.into()),
    };
    let operators = Operators::new(builder, origin, &target.root()?, http)?;
    Ok(WebDav { operators, walk: Walk::new(), http: http.clone() })
}

impl WebDav {
    async fn take(&self, path: &Path, length: u64, pieces: &mut dyn Pieces) -> Result<(), StorageError> {
        if length > MOST {
            return Err(Refused::TooLarge { most: MOST }.into());
        }
        let value: Buffer = gather(length, pieces).await?.into_iter().collect();
        let chance = getrandom::u64().map_err(|error| StorageError::Ours(error.to_string()))?;
        let unfinished = path.unfinished(chance);
        let done = self.http.again(async || self.put(path, &unfinished, value.clone()).await).await;
        if done.is_err() {
            // It may have been left half written.
            if let Err(error) = self.operators.again.delete(&self.operators.place(&unfinished)).await {
                tracing::debug!(error = %why(&error), "failed to take back what was sent of a value");
            }
        }
        done
    }

    async fn put(&self, path: &Path, unfinished: &Path, value: Buffer) -> Result<(), StorageError> {
        let (from, to) = (self.operators.place(unfinished), self.operators.place(path));
        if let Err(error) = self.operators.again.write(&from, value).await {
            return Err(if self.is_blocked(path).await { Refused::InTheWay.into() } else { why(&error) });
        }
        if self.operators.stat(path).await?.is_some_and(|found| found.is_dir()) {
            return Err(Refused::InTheWay.into());
        }
        match self.operators.once.rename(&from, &to).await {
            Ok(()) => Ok(()),
            // An answer was lost after it was moved, and it is sent anew.
            Err(error) if error.kind() == ErrorKind::NotFound => Err(backends::Remote::BrokeOff.into()),
            Err(error) => Err(why(&error)),
        }
    }

    /// Whether a part of the path is a value.
    async fn is_blocked(&self, path: &Path) -> bool {
        let mut above = path.folder();
        while let Some(folder) = above {
            if matches!(self.operators.stat(&folder).await, Ok(Some(found)) if found.is_file()) {
                return true;
            }
            above = folder.folder();
        }
        false
    }

    async fn remove(&self, path: &Path) -> Result<(), StorageError> {
        match self.operators.stat(path).await? {
            Some(found) if found.is_file() => {
                self.operators.again.delete(&self.operators.place(path)).await.map_err(|error| why(&error))
            }
            _ => Ok(()),
        }
    }
}

impl Folders for WebDav {
    fn children<'a>(&'a self, folder: Option<&'a Path>) -> Answer<'a, Vec<Child>> {
        Box::pin(async move {
            let place = self.operators.folder(folder);
            let found = match self.operators.again.list(&place).await {
                Ok(found) => found,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(why(&error)),
            };
            let child = |found: opendal::Entry| {
                let name = found.path().strip_prefix(&place)?.trim_end_matches('/').to_owned();
                let about = found.metadata();
                let is_own = !name.is_empty() && !Path::is_unfinished(&name);
                let length = if about.is_file() { about.content_length() } else { 0 };
                is_own.then(|| Child { name, is_folder: about.is_dir(), length, changed: changed(about) })
            };
            Ok(found.into_iter().filter_map(child).collect())
        })
    }
}

impl Storage for WebDav {
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>> {
        Box::pin(async move {
            // Servers answer for a folder with a page about it.
            match self.operators.stat(path).await? {
                Some(found) if found.is_file() => self.operators.read(path).await,
                _ => Ok(None),
            }
        })
    }

    fn read<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Bytes>> {
        Box::pin(read::whole(self, &self.http, path))
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(self.take(path, length, pieces))
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            let found = self.operators.stat(path).await?.filter(Metadata::is_file);
            Ok(found.map(|found| Entry { path: path.clone(), length: found.content_length(), changed: changed(&found) }))
        })
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        Box::pin(self.remove(path))
    }

    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        Box::pin(self.walk.page(self, folder, from, limit))
    }
}
