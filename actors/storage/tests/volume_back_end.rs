//! The archive's volume as a back end like any other: the same suite runs over a real store on a real disk.
//!
//! The adapter is what the rules of [`Storage`] need of the store and no more; a value is one event, so its length is
//! what fits one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, SystemTime},
};

use backends::{
    Answer, BackOff, Cursor, Entry, Hybrid, Memory, Page, Path, Pieces, Pushed, Refused, Storage, StorageError, Value, Whole,
    conformance::{self, Scale},
};
use bytes::BytesMut;
use ipc::event::Clock;
use replica::{
    Draft, Replica, ReplicaError, StoreKeys, Writer,
    body::{Body, FileBody, FileRemoved},
};

/// Largest value of a volume here.
const MOST: u64 = 24 << 20;

#[derive(Clone)]
struct Volume {
    replica: Replica,
    writer: Rc<RefCell<Writer>>,
}

fn ours(error: ReplicaError) -> StorageError {
    StorageError::Ours(error.to_string())
}

impl Volume {
    fn open(directory: &std::path::Path) -> Volume {
        let replica = Replica::open(directory, StoreKeys::new(&[9; 32], [7; 16], [8; 32])).unwrap();
        let writer = Rc::new(RefCell::new(replica.writer().unwrap()));
        Volume { replica, writer }
    }

    fn entity(&self, path: &Path) -> [u8; 16] {
        self.replica.keys().blind("file", &[path.as_str().as_bytes()])
    }

    fn append(&self, path: &Path, body: Body) -> Result<(), StorageError> {
        let draft = Draft { entity: self.entity(path), body, once: None };
        match self.writer.borrow_mut().write(|batch| batch.append(&draft)).map_err(ours)? {
            Ok(_) | Err(replica::Refused::NoFile) => Ok(()),
            Err(refused) => Err(StorageError::Ours(refused.to_string())),
        }
    }

    fn entry(file: replica::File) -> Result<Entry, StorageError> {
        let path = match file.path.strip_prefix(".~lamos/") {
            Some(below) => Path::reserved(below)?,
            None => Path::parse(file.path)?,
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::from_millis(Clock(file.changed).millis());
        Ok(Entry { path, length: file.length, changed: Some(changed) })
    }
}

impl Storage for Volume {
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>> {
        Box::pin(async move {
            let found = self.replica.snapshot().and_then(|snapshot| snapshot.file(&self.entity(path))).map_err(ours)?;
            Ok(found.map(|bytes| Value { length: bytes.len() as u64, pieces: Box::new(Whole::new(bytes.into())) }))
        })
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(async move {
            if length > MOST {
                return Err(Refused::TooLarge { most: MOST }.into());
            }
            let mut bytes = BytesMut::new();
            while let Some(piece) = pieces.next().await? {
                bytes.extend_from_slice(&piece);
                if bytes.len() as u64 > length {
                    break;
                }
            }
            if bytes.len() as u64 != length {
                return Err(Refused::Length.into());
            }
            self.append(path, Body::File(FileBody { path: path.to_string(), bytes: bytes.to_vec() }))
        })
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            // Views are found by prefix; the first in order is the path itself if it is there.
            let page = self.replica.snapshot().and_then(|snapshot| snapshot.files(path.as_str(), "", 1)).map_err(ours)?;
            let found = page.items.into_iter().find(|file| file.path == path.as_str());
            found.map(Volume::entry).transpose()
        })
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        Box::pin(async move { self.append(path, Body::FileRemoved(FileRemoved { path: path.to_string() })) })
    }

    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        Box::pin(async move {
            let prefix = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
            let after = from.map_or("", |cursor| cursor.0.as_str());
            let page = self.replica.snapshot().and_then(|snapshot| snapshot.files(&prefix, after, limit)).map_err(ours)?;
            let next = if page.more { page.items.last().map(|file| Cursor(file.path.clone())) } else { None };
            let mut entries = page.items.into_iter().map(Volume::entry).collect::<Result<Vec<_>, _>>()?;
            entries.retain(|entry| folder.is_some_and(Path::is_reserved) || !entry.path.is_reserved());
            Ok(Page { entries, next, partial: false })
        })
    }
}

fn scale() -> Scale {
    Scale { entries: 300, page: 100, rounds: 3, at_once: 4, ..Scale::default() }
}

#[tokio::test(flavor = "current_thread")]
async fn the_archives_volume_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let volume = Volume::open(directory.path());
    conformance::run(&volume, &volume.clone(), &scale()).await.unwrap();
}

/// The marks of a hybrid lie in the volume, sealed like everything in it.
#[tokio::test(flavor = "current_thread")]
async fn a_hybrid_over_the_volume_conforms_and_leaves_no_path_in_the_clear() {
    let directory = tempfile::tempdir().unwrap();
    let far = Memory::new();
    let canary = Path::parse("canary-of-a-path/canary-of-a-name").unwrap();
    {
        let volume = Rc::new(Volume::open(directory.path()));
        let hybrid =
            Hybrid::open(volume, Rc::new(far.clone()), BackOff { stray: Duration::ZERO, ..BackOff::default() }).await.unwrap();
        conformance::run(&hybrid, &hybrid, &Scale { entries: 60, page: 25, ..scale() }).await.unwrap();
        hybrid.write(&canary, "canary-of-a-value".into()).await.unwrap();
    }
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"), "a mark is sealed");
    }
    let hybrid = Hybrid::open(
        Rc::new(Volume::open(directory.path())),
        Rc::new(far.clone()),
        BackOff { stray: Duration::ZERO, ..BackOff::default() },
    )
    .await
    .unwrap();
    assert!(hybrid.status().waiting > 0);
    while hybrid.push().await != Pushed::Idle {}
    assert_eq!(far.read(&canary).await.unwrap().as_deref(), Some(&b"canary-of-a-value"[..]));
    assert_eq!(hybrid.status().waiting, 0);
}
