//! Content of any length in and out, as streams of chunks. Small content goes into the body of its event; large content
//! passes through a thread of its own, which cuts, seals and writes or reads and checks it, with a few pieces on their way
//! between the two: whatever its length, it never is in memory as a whole, and nobody else waits for it.

use std::{
    cmp::Ordering,
    time::{SystemTime, UNIX_EPOCH},
};

use ipc::{
    Code, Refusal,
    endpoint::Reply,
    messages::{
        common::Chunk,
        storage::{Resume, UploadStatus, Uploaded},
    },
    service::Method,
};
use replica::{
    Draft, Kept, Replica, ReplicaError,
    blobs::{Begin, Checkpoint, Finished, INLINE, Upload, UploadRefused, random_id},
    body::Content,
};
use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{
    errors::{ours, refusal},
    writer::{UploadStep, WriterHandle},
};

/// Pieces on their way to the thread that keeps them, and chunks on their way from the one that reads them.
const PIECES: usize = 4;
const CHUNKS: usize = 1;

/// Content that was taken in; it is kept once an event refers to it.
pub(crate) struct Taken {
    content: Option<Content>,
    /// What is to be entered beside the event, and what holds the chunks until then.
    upload: Option<(Checkpoint, Upload)>,
}

impl Taken {
    /// The content, to be put into the body of the event.
    pub(crate) fn content(&mut self) -> Content {
        self.content.take().unwrap_or(Content::Bytes(Vec::new()))
    }

    /// The content, and what must be entered beside the event; what holds the chunks is to live until then.
    pub(crate) fn parts(self) -> (Content, Option<(Checkpoint, Upload)>) {
        (self.content.unwrap_or(Content::Bytes(Vec::new())), self.upload)
    }

    /// Nothing is to refer to it.
    pub(crate) fn leave(self, replica: &Replica, writer: &WriterHandle) {
        if self.upload.is_some() {
            drop(self.upload);
            collect(replica, writer);
        }
    }

    /// Keeps the event that refers to it.
    pub(crate) async fn keep(self, replica: &Replica, writer: &WriterHandle, draft: Draft) -> Result<Kept, Refusal> {
        let (checkpoint, upload) = self.upload.unzip();
        let is_large = upload.is_some();
        let kept = writer.append_upload(draft, checkpoint).await;
        drop(upload);
        if is_large && kept.is_err() {
            collect(replica, writer);
        }
        kept
    }
}

/// Takes content in that has exactly `length` bytes, for this entity.
pub(crate) async fn take<M: Method<Up = Chunk>>(
    replica: &Replica,
    writer: &WriterHandle,
    entity: [u8; 16],
    length: u64,
    resume: Option<Resume>,
    reply: &mut Reply<M>,
) -> Result<Taken, Refusal> {
    if length <= INLINE && resume.is_none_or(|resume| resume.offset == 0) {
        return small(reply, length).await;
    }
    let upload = match resume {
        Some(resume) => resume.upload.0,
        None => random_id().map_err(|error| refusal(&error))?,
    };
    let receive = Receive {
        replica: replica.clone(),
        writer: writer.clone(),
        begin: Begin { id: upload, entity, length, resumable: resume.is_some(), now: now() },
        offset: resume.map_or(0, |resume| resume.offset),
    };
    let (pieces, received) = mpsc::channel(PIECES);
    let receiving = spawn_blocking(move || receive.run(received));
    while let Some(piece) = reply.next().await {
        // Who receives may have failed, and says so at the end.
        if pieces.send(piece?.0).await.is_err() {
            break;
        }
    }
    drop(pieces);
    receiving.await.map_err(|error| ours("wait for the thread that keeps content", &error))?
}

/// Takes content in that is here already, for this entity. What fails or is not kept leaves chunks that nothing refers to;
/// [`collect`] removes them.
pub(crate) async fn put(replica: &Replica, entity: [u8; 16], bytes: Vec<u8>) -> Result<Taken, Refusal> {
    if bytes.len() as u64 <= INLINE {
        return Ok(Taken { content: Some(Content::Bytes(bytes)), upload: None });
    }
    let id = random_id().map_err(|error| refusal(&error))?;
    let begin = Begin { id, entity, length: bytes.len() as u64, resumable: false, now: now() };
    let replica = replica.clone();
    let put = move || -> Result<Taken, Refusal> {
        let mut upload = replica.upload(begin).map_err(|error| refusal(&error))?.map_err(upload_refused)?;
        upload.push(&bytes).map_err(|error| refusal(&error))?;
        let Finished { blob, checkpoint } = upload.finish().map_err(|error| refusal(&error))?;
        Ok(Taken { content: Some(Content::Blob(blob)), upload: Some((checkpoint, upload)) })
    };
    spawn_blocking(put).await.map_err(|error| ours("wait for the thread that keeps content", &error))?
}

async fn small<M: Method<Up = Chunk>>(reply: &mut Reply<M>, length: u64) -> Result<Taken, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = reply.next().await {
        bytes.extend_from_slice(&chunk?.0);
        if bytes.len() as u64 > length {
            break;
        }
    }
    if bytes.len() as u64 == length {
        Ok(Taken { content: Some(Content::Bytes(bytes)), upload: None })
    } else {
        Err(other_length())
    }
}

/// What the thread that keeps content needs.
struct Receive {
    replica: Replica,
    writer: WriterHandle,
    begin: Begin,
    /// Where the stream begins.
    offset: u64,
}

impl Receive {
    fn run(self, pieces: mpsc::Receiver<Vec<u8>>) -> Result<Taken, Refusal> {
        let taken = self.receive(pieces);
        if taken.is_err() && !self.begin.resumable {
            // Nothing of it stays.
            let _ = self.writer.upload(UploadStep::Discard(self.begin.id));
            collect_here(&self.replica, &self.writer);
        }
        taken
    }

    fn receive(&self, mut pieces: mpsc::Receiver<Vec<u8>>) -> Result<Taken, Refusal> {
        let upload = self.replica.upload(self.begin).map_err(|error| refusal(&error))?;
        let mut upload = upload.map_err(upload_refused)?;
        if upload.offset() != self.offset {
            let there = upload.offset();
            return Err(Refusal::new(Code::Conflict, format!("this upload goes on at byte {there}, not at {}", self.offset)));
        }
        let mut left = self.begin.length.saturating_sub(self.offset);
        while let Some(piece) = pieces.blocking_recv() {
            left = left.checked_sub(piece.len() as u64).ok_or_else(other_length)?;
            upload.push(&piece).map_err(|error| refusal(&error))?;
            if upload.is_due() {
                self.checkpoint(&mut upload)?;
            }
        }
        match left.cmp(&0) {
            Ordering::Equal => {
                let Finished { blob, checkpoint } = upload.finish().map_err(|error| refusal(&error))?;
                Ok(Taken { content: Some(Content::Blob(blob)), upload: Some((checkpoint, upload)) })
            }
            _ => {
                if self.begin.resumable {
                    self.checkpoint(&mut upload)?;
                }
                Err(other_length())
            }
        }
    }

    fn checkpoint(&self, upload: &mut Upload) -> Result<(), Refusal> {
        let checkpoint = upload.checkpoint(now()).map_err(|error| refusal(&error))?;
        self.writer.upload(UploadStep::Keep(Box::new(checkpoint)))?;
        upload.kept();
        Ok(())
    }
}

/// Gives content out, `length` bytes after `offset` of them or what there is.
pub(crate) async fn give<M: Method<Down = Chunk>>(
    replica: &Replica,
    content: Content,
    offset: u64,
    length: u64,
    reply: &Reply<M>,
) -> Result<(), Refusal> {
    let end = offset.saturating_add(length);
    let blob = match content {
        Content::Blob(blob) => blob,
        Content::Bytes(bytes) => {
            let clip = |place: u64| usize::try_from(place).map_or(bytes.len(), |place| place.min(bytes.len()));
            give_bytes(&bytes[clip(offset)..clip(end)], reply).await?;
            return Ok(());
        }
    };
    let mut reader = replica.read_blob(&blob, offset..end).map_err(|error| refusal(&error))?;
    let (chunks, mut read) = mpsc::channel(CHUNKS);
    let reading = spawn_blocking(move || -> Result<(), ReplicaError> {
        while let Some(chunk) = reader.next_chunk()? {
            // Nobody takes it any more.
            if chunks.blocking_send(chunk).is_err() {
                break;
            }
        }
        Ok(())
    });
    while let Some(chunk) = read.recv().await {
        if !give_bytes(&chunk, reply).await? {
            break;
        }
    }
    drop(read);
    let result = reading.await.map_err(|error| ours("wait for the thread that reads content", &error))?;
    result.map_err(|error| refusal(&error))
}

/// Gives bytes out. False if nobody takes them any more.
pub(crate) async fn give_bytes<M: Method<Down = Chunk>>(bytes: &[u8], reply: &Reply<M>) -> Result<bool, Refusal> {
    for chunk in bytes.chunks(Chunk::SIZE) {
        if !reply.send(&Chunk(chunk.to_vec())).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How far an upload is.
pub(crate) fn status(replica: &Replica, request: UploadStatus) -> Result<Uploaded, Refusal> {
    let state = replica.snapshot().and_then(|snapshot| snapshot.upload(&request.upload.0)).map_err(|error| refusal(&error))?;
    let state = state.filter(|state| state.resumable);
    let state = state.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such upload, or it has ended"))?;
    Ok(Uploaded { offset: state.offset, length: state.length })
}

/// Frees the room of content that nothing refers to, beside everything else.
pub(crate) fn collect(replica: &Replica, writer: &WriterHandle) {
    let (replica, writer) = (replica.clone(), writer.clone());
    drop(spawn_blocking(move || collect_here(&replica, &writer)));
}

/// The same, waited for. How many chunks were removed; none where another one is in progress, which may find them.
pub(crate) async fn collect_now(replica: &Replica, writer: &WriterHandle) -> Result<u64, Refusal> {
    let (replica, writer) = (replica.clone(), writer.clone());
    let collecting = spawn_blocking(move || match replica.collect(now()) {
        Some(collection) => collection.run(&mut |sweep| writer.sweep(sweep)).map(|collected| collected.chunks),
        None => Ok(0),
    });
    let chunks = collecting.await.map_err(|error| ours("wait for the thread that removes content", &error))?;
    chunks.map_err(|error| refusal(&error))
}

fn collect_here(replica: &Replica, writer: &WriterHandle) {
    // Where one is in progress, the next one finds what this one would have.
    let Some(collection) = replica.collect(now()) else { return };
    match collection.run(&mut |sweep| writer.sweep(sweep)) {
        Ok(collected) => {
            tracing::info!(uploads = collected.uploads, chunks = collected.chunks, packs = collected.packs, "collected")
        }
        Err(error) => tracing::warn!(code = ?refusal(&error).code, "content that nothing refers to stays for now"),
    }
}

fn upload_refused(refused: UploadRefused) -> Refusal {
    let code = match refused {
        UploadRefused::Busy => Code::Busy,
        UploadRefused::Other => Code::Conflict,
    };
    Refusal::new(code, refused.to_string())
}

fn other_length() -> Refusal {
    Refusal::new(Code::NotKeepable, "it has another length than was said")
}

/// Milliseconds since 1970, by the wall.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    u64::try_from(since).unwrap_or(u64::MAX)
}
