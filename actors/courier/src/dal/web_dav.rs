//! WebDAV. Servers write what they are sent straight into the file, so a value is sent under a name of ours and takes its
//! own by `MOVE`: what breaks off in the middle is never seen under its name.
//!
//! Names are written there with `%`, `?`, `#`, `;` and what some disks refuse as `%` and two digits. Servers take these for
//! a part of an address (WsgiDAV 4.4.0 cuts the name in a `Destination` at `?`, and moves the value elsewhere).
//!
//! A `MOVE` or `DELETE` of a folder would take everything in it along, so each is asked for only where no folder was a
//! moment before. Some servers remove the old value before they move the new one to its place: a reader in between finds
//! none. And some answer with the length of the old value and the bytes of the new one (WsgiDAV 4.4.0 asks for the length
//! of a file before it opens it), so what the server says of a value is compared before it is read and after.

use backends::{Answer, Child, Cursor, Entry, Folders, Page, Path, Pieces, Refused, Remote, Storage, StorageError, Value, Walk};
use bytes::Bytes;
use opendal::{Buffer, ErrorKind, Metadata, Operator, services};

use super::{Operators, Speaks, changed, errors::why, gather, stat};
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
    let operators = Operators::new(builder, Speaks::WebDav, origin, &there(target.root()?.as_str()), http)?;
    Ok(WebDav { operators, walk: Walk::new(), http: http.clone() })
}

/// What is written as a number in names there.
const WRITTEN: &[u8] = b"%?#;*<>|\"";

/// A path as it is written there.
fn there(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    for letter in path.chars() {
        match u8::try_from(letter) {
            Ok(byte) if WRITTEN.contains(&byte) => name += &format!("%{byte:02X}"),
            _ => name.push(letter),
        }
    }
    name
}

/// A name as we know it; `None` for one that we would write otherwise, and so is not ours.
fn here(name: &str) -> Option<String> {
    let mut parts = name.split('%');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_at_checked(2)?;
        path.push(char::from(u8::from_str_radix(number, 16).ok()?));
        path += rest;
    }
    (there(&path) == name).then_some(path)
}

impl WebDav {
    /// Where a path lies there.
    fn place(&self, path: &Path) -> String {
        format!("{}{}", self.operators.root, there(path.as_str()))
    }

    /// Asks once for a value.
    async fn begin(&self, path: &Path) -> Result<Option<Value>, StorageError> {
        let place = self.place(path);
        // Servers answer for a folder with a page about it.
        match stat(&self.operators.once, &place).await? {
            Some(before) if before.is_file() => {
                let Some(Value { length, pieces }) = self.operators.read(&place).await? else { return Ok(None) };
                let operator = self.operators.once.clone();
                let unchanged = Unchanged { pieces, left: length, operator, place, before };
                if length == 0 {
                    unchanged.check().await?;
                }
                Ok(Some(Value { length, pieces: Box::new(unchanged) }))
            }
            _ => Ok(None),
        }
    }

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
            if let Err(error) = self.operators.again.delete(&self.place(&unfinished)).await {
                tracing::debug!(error = %why(&error), "failed to take back what was sent of a value");
            }
        }
        done
    }

    async fn put(&self, path: &Path, unfinished: &Path, value: Buffer) -> Result<(), StorageError> {
        let (from, to) = (self.place(unfinished), self.place(path));
        if let Err(error) = self.operators.once.write(&from, value).await {
            return Err(if self.is_blocked(path).await { Refused::InTheWay.into() } else { why(&error) });
        }
        if stat(&self.operators.once, &to).await?.is_some_and(|found| found.is_dir()) {
            return Err(Refused::InTheWay.into());
        }
        match self.operators.once.rename(&from, &to).await {
            Ok(()) => Ok(()),
            // An answer was lost after it was moved, and it is sent anew.
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Remote::BrokeOff.into()),
            Err(error) => Err(why(&error)),
        }
    }

    /// Whether a part of the path is a value.
    async fn is_blocked(&self, path: &Path) -> bool {
        let mut above = path.folder();
        while let Some(folder) = above {
            if matches!(stat(&self.operators.once, &self.place(&folder)).await, Ok(Some(found)) if found.is_file()) {
                return true;
            }
            above = folder.folder();
        }
        false
    }

    async fn remove(&self, path: &Path) -> Result<(), StorageError> {
        match stat(&self.operators.again, &self.place(path)).await? {
            Some(found) if found.is_file() => self.operators.again.delete(&self.place(path)).await.map_err(|error| why(&error)),
            _ => Ok(()),
        }
    }
}

/// A value whose last piece is given only if it is then what it was before it was read.
struct Unchanged {
    pieces: Box<dyn Pieces>,
    left: u64,
    operator: Operator,
    place: String,
    before: Metadata,
}

impl Unchanged {
    async fn check(&self) -> Result<(), StorageError> {
        // Not every server has tags.
        let said = |of: &Metadata| (of.etag().map(str::to_owned), of.content_length(), of.last_modified());
        match stat(&self.operator, &self.place).await? {
            Some(after) if after.is_file() && said(&self.before) == said(&after) => Ok(()),
            _ => Err(Remote::Changed.into()),
        }
    }
}

impl Pieces for Unchanged {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            let Some(piece) = self.pieces.next().await? else { return Ok(None) };
            self.left = self.left.saturating_sub(piece.len() as u64);
            if self.left == 0 {
                self.check().await?;
            }
            Ok(Some(piece))
        })
    }
}

impl Folders for WebDav {
    fn children<'a>(&'a self, folder: Option<&'a Path>) -> Answer<'a, Vec<Child>> {
        Box::pin(async move {
            let place = folder.map_or_else(|| self.operators.root.clone(), |folder| format!("{}/", self.place(folder)));
            let found = match self.operators.again.list(&place).await {
                Ok(found) => found,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(why(&error)),
            };
            let child = |found: opendal::Entry| {
                let name = here(found.path().strip_prefix(&place)?.trim_end_matches('/'))?;
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
        Box::pin(self.http.again(async || self.begin(path).await))
    }

    fn read<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Bytes>> {
        Box::pin(read::whole(&self.http, async || self.begin(path).await))
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(self.take(path, length, pieces))
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            let found = stat(&self.operators.again, &self.place(path)).await?.filter(Metadata::is_file);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_written_and_read() {
        assert_eq!(there("a/what? 100%; #1"), "a/what%3F 100%25%3B %231");
        assert_eq!(here("what%3F").as_deref(), Some("what?"));
        for other in ["100%", "%2", "%zz", "%41", "%3f", "what?", "%é"] {
            assert_eq!(here(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "[a%?#;*<>|\"é東 23F]{1,20}") {
            prop_assert_eq!(here(&there(&name)), Some(name));
        }
    }
}
