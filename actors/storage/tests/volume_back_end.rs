//! The archive's volume as a back end like any other: the same suite runs over a real store on a real disk.
//!
//! The adapter is what the rules of [`Storage`] need of the store and no more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    rc::Rc,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use backends::{
    Answer, BackOff, Cursor, Entry, Hybrid, Memory, Page, Path, Pieces, Pushed, Refused, Storage, StorageError, Value, Whole,
    conformance::{self, Scale},
};
use bytes::BytesMut;
use ipc::event::Clock;
use replica::{
    Draft, Kept, Replica, ReplicaError, StoreKeys, Writer,
    blobs::{Begin, BlobReader, Checkpoint, Finished, INLINE, random_id},
    body::{Body, Content, FileBody, FileRemoved},
};
use tokio::sync::oneshot;

#[derive(Clone)]
struct Volume {
    replica: Replica,
    group: Rc<Group>,
}

/// What is written at the same time is kept by one commit, as the archive does it.
struct Group {
    asked: Option<mpsc::SyncSender<Asked>>,
    thread: Option<JoinHandle<()>>,
}

/// A draft, the end of the upload it refers to, and who waits for them to be kept.
type Asked = (Draft, Option<Checkpoint>, oneshot::Sender<Result<(), StorageError>>);

impl Group {
    fn start(mut writer: Writer) -> Group {
        let (asked, waiting) = mpsc::sync_channel::<Asked>(10_000);
        let thread = thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let group: Vec<Asked> = [first].into_iter().chain(waiting.try_iter().take(4_999)).collect();
                let kept = writer.write(|batch| {
                    let keep = |(draft, upload, _): &Asked| {
                        upload.iter().try_for_each(|upload| batch.keep_upload(upload))?;
                        batch.append(draft)
                    };
                    group.iter().map(keep).collect::<Result<Vec<_>, _>>()
                });
                let kept = kept.map_or_else(
                    |error| group.iter().map(|_| Err(StorageError::Ours(error.to_string()))).collect(),
                    |kept| kept.into_iter().map(said).collect::<Vec<_>>(),
                );
                // Who has gone wants no answer.
                group.into_iter().zip(kept).for_each(|((.., waits), kept)| drop(waits.send(kept)));
            }
        });
        Group { asked: Some(asked), thread: Some(thread) }
    }
}

/// Large content as it is read.
struct Chunks(BlobReader);

impl Pieces for Chunks {
    fn next(&mut self) -> Answer<'_, Option<bytes::Bytes>> {
        let chunk = self.0.next_chunk().map_err(ours);
        Box::pin(async move { Ok(chunk?.map(|chunk| bytes::Bytes::copy_from_slice(&chunk))) })
    }
}

fn said(kept: Result<Kept, replica::Refused>) -> Result<(), StorageError> {
    match kept {
        Ok(_) | Err(replica::Refused::NoFile) => Ok(()),
        Err(refused) => Err(StorageError::Ours(refused.to_string())),
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.asked = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

fn ours(error: ReplicaError) -> StorageError {
    StorageError::Ours(error.to_string())
}

impl Volume {
    fn open(directory: &std::path::Path) -> Volume {
        let replica = Replica::open(directory, StoreKeys::new(&[9; 32], [7; 16], [8; 32])).unwrap();
        let group = Rc::new(Group::start(replica.writer().unwrap()));
        Volume { replica, group }
    }

    fn entity(&self, path: &Path) -> [u8; 16] {
        self.replica.keys().blind("file", &[path.as_str().as_bytes()])
    }

    async fn append(&self, path: &Path, body: Body, upload: Option<Checkpoint>) -> Result<(), StorageError> {
        let (asks, answer) = oneshot::channel();
        let draft = Draft { entity: self.entity(path), body, once: None };
        self.group.asked.as_ref().unwrap().send((draft, upload, asks)).unwrap();
        answer.await.unwrap()
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
            let found = self.replica.snapshot().and_then(|snapshot| snapshot.content(&self.entity(path))).map_err(ours)?;
            Ok(match found {
                None => None,
                Some(Content::Bytes(bytes)) => {
                    Some(Value { length: bytes.len() as u64, pieces: Box::new(Whole::new(bytes.into())) })
                }
                Some(Content::Blob(blob)) => {
                    let reader = self.replica.read_blob(&blob, 0..blob.length).map_err(ours)?;
                    Some(Value { length: blob.length, pieces: Box::new(Chunks(reader)) })
                }
            })
        })
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(async move {
            let begin = Begin { id: random_id().unwrap(), entity: self.entity(path), length, resumable: false, now: 0 };
            let mut upload = if length > INLINE { Some(self.replica.upload(begin).map_err(ours)?.unwrap()) } else { None };
            let mut bytes = BytesMut::new();
            let mut come = 0;
            while let Some(piece) = pieces.next().await? {
                come += piece.len() as u64;
                if come > length {
                    return Err(Refused::Length.into());
                }
                match &mut upload {
                    Some(upload) => upload.push(&piece).map_err(ours)?,
                    None => bytes.extend_from_slice(&piece),
                }
            }
            if come != length {
                return Err(Refused::Length.into());
            }
            // What holds the chunks lives until the event refers to them.
            let finished = upload.as_mut().map(|upload| upload.finish().map_err(ours)).transpose()?;
            let (content, checkpoint) = match finished {
                Some(Finished { blob, checkpoint }) => (Content::Blob(blob), Some(checkpoint)),
                None => (Content::Bytes(bytes.to_vec()), None),
            };
            self.append(path, Body::File(FileBody::new(path.to_string(), content)), checkpoint).await
        })
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            let found = self.replica.snapshot().and_then(|snapshot| snapshot.file_view(&self.entity(path))).map_err(ours)?;
            // What was removed is at no place.
            found.filter(|file| file.position > 0).map(Volume::entry).transpose()
        })
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        Box::pin(async move { self.append(path, Body::FileRemoved(FileRemoved::new(path.to_string())), None).await })
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
    // The full measure takes its time: it belongs to the long rounds.
    let entries = if std::env::var("LAMOS_FULL_TESTS").is_ok_and(|full| full == "1") { 100_000 } else { 10_000 };
    let scale = Scale { entries, page: 10_000, at_once: 5_000, ..Scale::default() };
    conformance::run(&volume, &volume.clone(), &scale).await.unwrap();
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
    let mut folders = vec![directory.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"canary"), "a mark is sealed");
        }
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
