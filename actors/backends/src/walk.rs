//! Listing a place that knows folders one by one: a directory tree, a WebDAV server. Depth first, each folder by name, so
//! that a listing can go on after any path with nothing remembered.
//!
//! What was read of a folder is kept until the listing goes on, so that a folder of a hundred thousand entries is not read
//! again for each page.

use std::{cell::RefCell, collections::VecDeque, time::SystemTime, vec};

use crate::{Answer, Cursor, Entry, MAX_PAGE, Page, Path, StorageError};

/// Most names of one folder. More than that is not a folder of this program, or a server that lies.
const MAX_CHILDREN: usize = 1_000_000;

/// How many listings go on without reading again.
const KEPT: usize = 4;

/// A place whose folders can be read one by one.
pub trait Folders {
    /// What lies directly in a folder (`None`: the top), in any order; nothing where there is no such folder.
    fn children<'a>(&'a self, folder: Option<&'a Path>) -> Answer<'a, Vec<Child>>;
}

/// What lies in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Child {
    /// Its name. One that is no part of a path is passed over.
    pub name: String,
    /// It is a folder.
    pub is_folder: bool,
    /// The length of a value, in bytes.
    pub length: u64,
    /// When the value was written.
    pub changed: Option<SystemTime>,
}

/// The listings that may go on.
#[derive(Default)]
pub struct Walk {
    kept: RefCell<VecDeque<(Cursor, Stack)>>,
}

/// Folders that have begun to be shown, the outermost first, with what is left of each.
type Stack = Vec<(Option<Path>, vec::IntoIter<Child>)>;

impl Walk {
    /// No listing yet.
    pub fn new() -> Walk {
        Walk::default()
    }

    /// A page; see [`Storage::list`](crate::Storage::list).
    pub async fn page(
        &self,
        folders: &dyn Folders,
        folder: Option<&Path>,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let shows_ours = folder.is_some_and(Path::is_reserved);
        let mut stack = match from.and_then(|cursor| self.take(cursor)) {
            Some(stack) => stack,
            None => begin(folders, folder, from).await?,
        };
        let mut entries = Vec::new();
        let limit = limit.clamp(1, MAX_PAGE);
        while let Some((above, children)) = stack.last_mut() {
            let Some(child) = children.next() else {
                stack.pop();
                continue;
            };
            let Ok(path) = Path::child(above.as_ref(), &child.name) else { continue };
            if path.is_reserved() && !shows_ours {
                continue;
            }
            if child.is_folder {
                let inside = sorted(folders, Some(&path)).await?;
                stack.push((Some(path), inside.into_iter()));
                continue;
            }
            entries.push(Entry { path, length: child.length, changed: child.changed });
            if entries.len() == limit {
                let next = entries.last().map(|entry| Cursor(entry.path.to_string()));
                if let Some(cursor) = next.clone() {
                    self.keep(cursor, stack);
                }
                return Ok(Page { entries, next, partial: false });
            }
        }
        Ok(Page { entries, next: None, partial: false })
    }

    fn take(&self, cursor: &Cursor) -> Option<Stack> {
        let mut kept = self.kept.borrow_mut();
        let place = kept.iter().position(|(of, _)| of == cursor)?;
        kept.remove(place).map(|(_, stack)| stack)
    }

    fn keep(&self, cursor: Cursor, stack: Stack) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((cursor, stack));
    }
}

/// Reads the folders from `folder` down to where the path of the cursor lay.
async fn begin(folders: &dyn Folders, folder: Option<&Path>, from: Option<&Cursor>) -> Result<Stack, StorageError> {
    let below = from.map(|cursor| match folder {
        Some(folder) => cursor.0.strip_prefix(folder.as_str()).unwrap_or_default().trim_start_matches('/'),
        None => cursor.0.as_str(),
    });
    let mut stack = Vec::new();
    let mut here = folder.cloned();
    let mut parts = below.unwrap_or_default().split('/').filter(|part| !part.is_empty()).peekable();
    loop {
        let mut children = sorted(folders, here.as_ref()).await?;
        let Some(part) = parts.next() else {
            stack.push((here, children.into_iter()));
            return Ok(stack);
        };
        let goes_down = parts.peek().is_some() && children.iter().any(|child| child.is_folder && child.name == part);
        children.retain(|child| child.name.as_str() > part);
        let inside = if goes_down { Path::child(here.as_ref(), part).ok() } else { None };
        stack.push((here, children.into_iter()));
        match inside {
            Some(path) => here = Some(path),
            None => return Ok(stack),
        }
    }
}

async fn sorted(folders: &dyn Folders, folder: Option<&Path>) -> Result<Vec<Child>, StorageError> {
    let mut children = folders.children(folder).await?;
    if children.len() > MAX_CHILDREN {
        return Err(StorageError::Ours(format!("a folder has more than {MAX_CHILDREN} entries")));
    }
    children.sort_unstable();
    Ok(children)
}
