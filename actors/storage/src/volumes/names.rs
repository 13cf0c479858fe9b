//! The names of all files in their order, which the database cannot give: it holds them sealed.
//!
//! They are opened once, when they are first asked for, and kept in memory; what changes after that is read from the log of
//! events, whoever wrote it. There is a most that may be kept so. Where the names come to more, nothing is kept and every
//! page opens all names anew, which needs little memory and much time.
//!
//! Names in memory are as secret as the key that opens them, and go with the process.

use std::{
    collections::{BTreeMap, BinaryHeap},
    ops::Bound,
};

use ipc::Refusal;
use replica::{
    File, Record, Recorded, Replica, ReplicaError,
    body::{self, Body},
};
use tokio::sync::Mutex;

use super::{branches::overlay, path};
use crate::errors::refusal;

/// Bytes of names that are kept in memory: about half a million names of a usual length.
const MOST: usize = 64 << 20;

/// What a name needs beside its letters: the nodes of the tree and what is known of the file.
const BESIDE: usize = 144;

/// Views opened, and events read, while one snapshot is held and nobody else is served.
const SLICE: usize = 512;

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    /// Its whole path.
    pub(crate) path: String,
    /// Its length.
    pub(crate) length: u64,
    /// The clock of its newest version; 0 for what ships.
    pub(crate) changed: u64,
}

/// A file that is there or was once, and who made its newest version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// Its whole path, or [`key`] of it if it is on a branch.
    pub(crate) key: String,
    /// The thing its events are about.
    pub(crate) entity: [u8; 16],
    /// Its length.
    pub(crate) length: u64,
    /// The clock of its newest version; 0 for what ships.
    pub(crate) changed: u64,
    /// Who made that.
    pub(crate) author: [u8; 32],
    /// Its number among those of its author.
    pub(crate) sequence: u64,
    /// Whether it is there.
    pub(crate) there: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    entity: [u8; 16],
    length: u64,
    changed: u64,
    sequence: u64,
    /// Which of the authors.
    author: u32,
    there: bool,
    on_branch: bool,
}

/// Under what a file is found: its path, and on a branch which of those that had the name it is of, so that a new branch
/// finds nothing of one that has ended. No name of a branch has a `#`.
fn key(file: &File) -> Option<String> {
    match &file.branch {
        // All that said its name is damaged.
        _ if file.path.is_empty() => None,
        None => Some(file.path.clone()),
        Some(on) => {
            let branch = path::branch_of(&file.path).ok()??;
            Some(format!("{}{}", branch_key(&branch.name, on.generation), &file.path[branch.root().len()..]))
        }
    }
}

/// What the keys of the files of a branch begin with.
pub(crate) fn branch_key(name: &str, generation: u64) -> String {
    format!("{name}#{generation}/")
}

/// How far the names in memory go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Nobody has asked yet.
    Nothing,
    /// All events up to this place are in them.
    Upto(u64),
    /// There are more than may be kept.
    TooMany,
}

struct Index {
    files: BTreeMap<String, Known>,
    /// Few, and each stands in many files.
    authors: Vec<[u8; 32]>,
    bytes: usize,
    reach: Reach,
}

/// The names of all files.
pub(crate) struct Names {
    pub(super) replica: Replica,
    most: usize,
    index: Mutex<Index>,
}

impl Names {
    /// Nothing is read before somebody asks.
    pub(crate) fn new(replica: Replica) -> Names {
        Names::with(replica, MOST)
    }

    fn with(replica: Replica, most: usize) -> Names {
        let index = Index { files: BTreeMap::new(), authors: Vec::new(), bytes: 0, reach: Reach::Nothing };
        Names { replica, most, index: Mutex::new(index) }
    }

    /// The first names, at most `limit`, that begin with `lead` and lie beyond `from`.
    pub(crate) async fn page(&self, lead: &str, from: Bound<&str>, limit: usize) -> Result<Vec<Named>, Refusal> {
        if let Some(branch) = path::branch_of(lead)? {
            return overlay::page(self, &branch, lead, from, limit).await;
        }
        let found = self.scan(lead, from, limit, false).await?;
        Ok(found.into_iter().map(Found::named).collect())
    }

    /// The first files in volumes or in one branch, at most `limit`, whose keys begin with `lead` and lie beyond `from`;
    /// those that were removed too if `removed` is asked for.
    pub(crate) async fn scan(&self, lead: &str, from: Bound<&str>, limit: usize, removed: bool) -> Result<Vec<Found>, Refusal> {
        let from = match from {
            Bound::Included(from) | Bound::Excluded(from) if from < lead => Bound::Included(lead),
            Bound::Unbounded => Bound::Included(lead),
            within => within,
        };
        let mut index = self.index.lock().await;
        self.bring_up(&mut index).await?;
        if index.reach == Reach::TooMany {
            drop(index);
            return self.open_all(lead, from, limit, removed).await;
        }
        let range = index.files.range::<str, _>((from, Bound::Unbounded)).take_while(|(path, _)| path.starts_with(lead));
        let wanted = range.filter(|(_, known)| removed || known.there);
        Ok(wanted.take(limit).map(|(path, known)| known.found(path, &index.authors)).collect())
    }

    /// How many files are there, those that ship aside.
    pub(crate) async fn count(&self) -> Result<u64, Refusal> {
        let mut index = self.index.lock().await;
        self.bring_up(&mut index).await?;
        if index.reach != Reach::TooMany {
            return Ok(index.files.values().filter(|known| known.changed != 0 && known.there && !known.on_branch).count() as u64);
        }
        drop(index);
        let mut count = 0;
        self.each(|_, file| count += u64::from(file.position != 0 && file.branch.is_none())).await?;
        Ok(count)
    }

    /// Forgets what is in memory: the views it was read from were made anew.
    pub(crate) async fn renew(&self) {
        self.index.lock().await.reach = Reach::Nothing;
    }

    /// Brings the names in memory up to the newest event.
    async fn bring_up(&self, index: &mut Index) -> Result<(), Refusal> {
        if index.reach == Reach::Nothing {
            self.build(index).await?;
        }
        while let Reach::Upto(seen) = index.reach {
            let walked =
                self.replica.snapshot().and_then(|snapshot| snapshot.walk(seen, SLICE)).map_err(|error| refusal(&error))?;
            let Some(seen) = walked.last else { return Ok(()) };
            let mut told = walked.damaged.is_empty();
            for event in &walked.events {
                told &= self.take_in(index, event)?;
            }
            if !told {
                // What an event says no more stands in the views that were made of it when it was written.
                self.build(index).await?;
                continue;
            }
            index.reach = if index.bytes > self.most { index.give_up() } else { Reach::Upto(seen) };
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Opens every name once.
    async fn build(&self, index: &mut Index) -> Result<(), Refusal> {
        // What is written while this goes on comes after this place, and is taken in afterwards.
        let newest = self.replica.snapshot().and_then(|snapshot| snapshot.newest_event()).map_err(|error| refusal(&error))?;
        let last = newest.map_or(0, |(position, _)| position);
        index.files.clear();
        index.bytes = 0;
        for (path, bytes) in path::shipped() {
            index.put(Found::shipped(path, bytes), false);
        }
        let mut over = false;
        self.each(|entity, file| {
            let on_branch = file.branch.is_some();
            if let Some(found) = Found::of(entity, &file).filter(|_| !over) {
                index.put(found, on_branch);
                over = index.bytes > self.most;
            }
        })
        .await?;
        index.reach = if over { index.give_up() } else { Reach::Upto(last) };
        Ok(())
    }

    /// Takes in one event: how the file it is about, or that it erases, stands now. Whether it told what that is.
    fn take_in(&self, index: &mut Index, event: &Recorded) -> Result<bool, Refusal> {
        let entity = match event.header.kind {
            body::FILE | body::FILE_REMOVED => event.header.entity,
            body::ERASE => match self.erased_by(event)? {
                Some(entity) => entity,
                None => return Ok(false),
            },
            _ => return Ok(true),
        };
        match self.replica.snapshot().and_then(|snapshot| snapshot.file_view(&entity)).map_err(|error| refusal(&error))? {
            Some(file) => {
                if let Some(found) = Found::of(entity, &file) {
                    index.put(found, file.branch.is_some());
                }
            }
            // All of it was erased, or it never was a file.
            None => {
                let gone: Vec<String> =
                    index.files.iter().filter(|(_, known)| known.entity == entity).map(|(path, _)| path.clone()).collect();
                gone.iter().for_each(|path| index.remove(path));
            }
        }
        Ok(true)
    }

    /// What an erasure is about; `None` if it cannot be read.
    fn erased_by(&self, event: &Recorded) -> Result<Option<[u8; 16]>, Refusal> {
        let record = self.replica.snapshot().and_then(|snapshot| snapshot.record(event.position));
        match record {
            Ok(Some(Record { body: Body::Erase(erase), .. })) => Ok(Some(erase.entity)),
            Ok(_) | Err(ReplicaError::Damaged(_)) => Ok(None),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Gives every file to somebody, in slices between which others are served.
    async fn each(&self, mut take: impl FnMut([u8; 16], File)) -> Result<(), Refusal> {
        let mut after: Option<[u8; 16]> = None;
        loop {
            let files = self
                .replica
                .snapshot()
                .and_then(|snapshot| snapshot.file_views(after.as_ref(), SLICE))
                .map_err(|error| refusal(&error))?;
            let Some((last, _)) = files.last() else { return Ok(()) };
            after = Some(*last);
            for (entity, file) in files {
                take(entity, file);
            }
            tokio::task::yield_now().await;
        }
    }

    /// The same as [`Names::page`] without anything in memory but the page itself.
    async fn open_all(&self, lead: &str, from: Bound<&str>, limit: usize, removed: bool) -> Result<Vec<Found>, Refusal> {
        let beyond = |path: &str| match from {
            Bound::Included(from) => path >= from,
            Bound::Excluded(from) => path > from,
            Bound::Unbounded => true,
        };
        // The greatest of those that are kept lies on top, and goes when a smaller one comes.
        let mut least = BinaryHeap::with_capacity(limit + 1);
        let mut take = |found: Found| {
            if found.key.starts_with(lead) && beyond(&found.key) && (removed || found.there) {
                least.push(found);
                if least.len() > limit {
                    least.pop();
                }
            }
        };
        for (path, bytes) in path::shipped() {
            take(Found::shipped(path, bytes));
        }
        self.each(|entity, file| Found::of(entity, &file).into_iter().for_each(&mut take)).await?;
        Ok(least.into_sorted_vec())
    }
}

impl Index {
    fn put(&mut self, found: Found, on_branch: bool) {
        let Found { key, entity, length, changed, author, sequence, there } = found;
        let author = self.authors.iter().position(|one| *one == author).unwrap_or_else(|| {
            self.authors.push(author);
            self.authors.len() - 1
        });
        // A store has far fewer authors.
        let author = u32::try_from(author).unwrap_or(u32::MAX);
        let known = Known { entity, length, changed, sequence, author, there, on_branch };
        let bytes = key.len() + BESIDE;
        if self.files.insert(key, known).is_none() {
            self.bytes += bytes;
        }
    }

    fn remove(&mut self, path: &str) {
        if self.files.remove(path).is_some() {
            self.bytes -= path.len() + BESIDE;
        }
    }

    fn give_up(&mut self) -> Reach {
        self.files = BTreeMap::new();
        self.bytes = 0;
        Reach::TooMany
    }
}

impl Known {
    fn found(&self, key: &str, authors: &[[u8; 32]]) -> Found {
        let Known { entity, length, changed, sequence, author, there, on_branch: _ } = *self;
        let author = authors.get(author as usize).copied().unwrap_or_default();
        Found { key: key.to_owned(), entity, length, changed, author, sequence, there }
    }
}

impl Found {
    /// `None` for a path on a branch that is none, and for one that is lost.
    fn of(entity: [u8; 16], file: &File) -> Option<Found> {
        let File { length, position, changed, author, sequence, .. } = *file;
        Some(Found { key: key(file)?, entity, length, changed, author, sequence, there: position != 0 })
    }

    fn shipped(path: String, bytes: &[u8]) -> Found {
        let length = bytes.len() as u64;
        Found { key: path, entity: [0; 16], length, changed: 0, author: [0; 32], sequence: 0, there: true }
    }

    fn named(self) -> Named {
        Named { path: self.key, length: self.length, changed: self.changed }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use replica::{
        Draft, StoreKeys, Writer,
        body::{Content, FileBody, FileRemoved},
    };

    use super::*;

    pub(crate) struct Store {
        _directory: tempfile::TempDir,
        pub(crate) replica: Replica,
        writer: Writer,
    }

    impl Store {
        pub(crate) fn new() -> Store {
            let directory = tempfile::tempdir().expect("a directory");
            let replica = Replica::open(directory.path(), StoreKeys::new(&[7; 32], [1; 16], [2; 32])).expect("a store");
            let writer = replica.writer().expect("a writer");
            Store { _directory: directory, replica, writer }
        }

        fn draft(&self, path: &str, body: Body) -> Draft {
            Draft { entity: self.replica.keys().blind("file", &[path.as_bytes()]), body, once: None }
        }

        pub(crate) fn write(&mut self, paths: &[String]) {
            let draft = |path: &String| self.draft(path, Body::File(FileBody::new(path.clone(), Content::Bytes(vec![1]))));
            let drafts: Vec<Draft> = paths.iter().map(draft).collect();
            self.keep(&drafts);
        }

        pub(crate) fn remove(&mut self, path: &str) {
            let draft = self.draft(path, Body::FileRemoved(FileRemoved::new(path.to_owned())));
            self.keep(&[draft]);
        }

        fn erase(&mut self, path: &str) {
            let entity = self.replica.keys().blind("file", &[path.as_bytes()]);
            self.keep(&[Draft::erase_entity(entity, None)]);
        }

        fn keep(&mut self, drafts: &[Draft]) {
            self.writer
                .write(|batch| {
                    for draft in drafts {
                        batch.append(draft)?.expect("it is kept");
                    }
                    Ok(())
                })
                .expect("it is written");
        }
    }

    pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
    }

    async fn all(names: &Names, lead: &str, limit: usize) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        loop {
            let from = found.last().map_or(Bound::Unbounded, |last| Bound::Excluded(last.as_str()));
            let page = names.page(lead, from, limit).await.expect("a page");
            let last = page.len() < limit;
            found.extend(page.into_iter().map(|named| named.path));
            if last {
                return found;
            }
        }
    }

    /// However much may be kept in memory, and whatever is written between two questions, the names are the same.
    #[test]
    fn names_come_in_their_order_and_follow_what_is_written() {
        run(async {
            let mut store = Store::new();
            let mut paths: Vec<String> = (0..1500).map(|number| format!("user/{}/{number}", number % 7)).collect();
            store.write(&paths);
            let kept = Names::new(store.replica.clone());
            let opened = Names::with(store.replica.clone(), 50_000);
            paths.sort();
            for limit in [1, 64, 5000] {
                let wanted = if limit == 1 { "user/3/1" } else { "user/" };
                let expected: Vec<String> = paths.iter().filter(|path| path.starts_with(wanted)).cloned().collect();
                assert_eq!(all(&kept, wanted, limit).await, expected);
                assert_eq!(all(&opened, wanted, limit).await, expected);
            }
            assert_eq!(opened.index.lock().await.reach, Reach::TooMany);
            assert_eq!((kept.count().await, opened.count().await), (Ok(1500), Ok(1500)));
            assert!(!all(&kept, "system/", 10).await.is_empty());
            assert_eq!(all(&kept, "system/", 10).await, all(&opened, "system/", 10).await);

            store.remove("user/0/0");
            store.write(&["user/new".into(), "team/a/b".into(), "user/new".into(), "user/gone".into()]);
            assert_eq!(all(&kept, "user/gone", 10).await, ["user/gone"]);
            store.erase("user/gone");
            for names in [&kept, &opened] {
                assert_eq!(all(names, "user/0/0", 10).await, Vec::<String>::new());
                assert_eq!(all(names, "user/gone", 10).await, Vec::<String>::new());
                assert_eq!(all(names, "user/new", 10).await, ["user/new"]);
                assert_eq!(all(names, "team/", 10).await, ["team/a/b"]);
                assert_eq!(names.count().await, Ok(1501));
            }
        });
    }

    /// Names that are kept in memory and names that are opened for every page are the same.
    #[test]
    fn many_names_page_by_page() {
        run(async {
            let mut store = Store::new();
            let paths: Vec<String> =
                (0..20_000).map(|number| format!("user/notes/{:03}/a note with a name {number}.md", number % 500)).collect();
            paths.chunks(10_000).for_each(|paths| store.write(paths));
            let kept = Names::with(store.replica.clone(), MOST);
            let opened = Names::with(store.replica.clone(), 0);
            for from in [Bound::Unbounded, Bound::Excluded("user/notes/250/")] {
                let page = kept.page("user/", from, 200).await.expect("a page");
                let again = opened.page("user/", from, 200).await.expect("a page");
                assert_eq!(page.len(), 200);
                assert!(page.iter().map(|file| &file.path).eq(again.iter().map(|file| &file.path)));
            }
        });
    }
}
