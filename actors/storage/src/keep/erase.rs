//! Erasing for good: the event that says so, and everything beside the tables that holds what it erases.
//!
//! The tables forget with the event, in one transaction, and the key with them, so that nothing opens any more whatever
//! becomes of the rest: the journals of unfinished turns, the chunks that nothing else has, and the pages that the database
//! has left behind. A mark in the directory says that the rest is not done, for a process that ends in the middle. The search
//! index follows by itself.

use std::{
    cell::Cell,
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

use actix::Addr;
use ipc::{
    Code, Refusal, Role,
    id::ConversationId,
    messages::storage::{Erase, EraseWhat, Erased},
};
use replica::{Draft, Replica, ReplicaError, Snapshot, body, engine::Overwritten};

use crate::{
    contents,
    errors::{ours, refusal},
    journal::{Finish, Journals, Recover, Speaking},
    memory::Memory,
    volumes::{self, moved, names::Names},
    writer::WriterHandle,
};

/// In the directory of the archive while something erased may still lie on the disk.
const MARK: &str = "erasing";

/// Erases something.
pub(crate) async fn erase(
    replica: &Replica,
    writer: &WriterHandle,
    journals: &Addr<Journals>,
    (memory, names): (&Memory, &Names),
    role: Role,
    request: Erase,
) -> Result<Erased, Refusal> {
    let draft = match &request.what {
        EraseWhat::Conversation(conversation) => {
            let draft = of_conversation(replica, *conversation)?;
            silence(journals, *conversation).await?;
            draft
        }
        EraseWhat::File(path) => of_file(replica, volumes::erasable(replica, role, path)?)?,
    };
    let Some((entity, draft)) = draft else { return Err(nothing(&request.what)) };
    let mut drafts = vec![draft];
    let mut entities = vec![entity];
    if matches!(request.what, EraseWhat::Conversation(_)) {
        // What the memory says of it goes with it, also what other devices made of it and have not told yet.
        let remembered = body::memory_of(&entity);
        drafts.push(Draft::erase_entity(remembered, None));
        entities.push(remembered);
    }
    let earlier_names = match request.what {
        EraseWhat::File(_) => moved::earlier_names(replica, names, entity).await?,
        EraseWhat::Conversation(_) => Vec::new(),
    };
    let (events, damaged) =
        replica.snapshot().and_then(|snapshot| count(&snapshot, &entities)).map_err(|error| refusal(&error))?;
    let clearing = memory.clearing();
    clearing.begin().map_err(|error| refusal(&error.into()))?;
    writer.append_all(drafts, Vec::new()).await?;
    // Ids are all that is there, and what follows takes them out where this could not.
    if let Err(refusal) = memory.let_go(entity).await {
        tracing::warn!(code = ?refusal.code, "the memory lists what was erased until it has followed");
    }
    // What cannot be read may name any chunk. What was erased opens none any more, but these are not removed then.
    let (chunks, chunks_stay) = match contents::collect_now(replica, writer).await {
        Ok(chunks) => (chunks, false),
        Err(refusal) if refusal.code == Code::ArchiveDamaged => (0, true),
        Err(refusal) => return Err(refusal),
    };
    clearing.overwrite(writer, if chunks_stay { Mark::Stays } else { Mark::Goes });
    tracing::info!(events, damaged, chunks, chunks_stay, "erased");
    Ok(Erased { events, damaged, chunks, chunks_stay, earlier_names })
}

/// How many events of these things say something, and how many of those cannot be read.
fn count(snapshot: &Snapshot<'_>, entities: &[[u8; 16]]) -> Result<(u64, u64), ReplicaError> {
    let (mut events, mut damaged) = (0, 0);
    for entity in entities {
        events += snapshot.bodies_of(entity)?;
        damaged += snapshot.unreadable_of(entity)?;
    }
    Ok((events, damaged))
}

type ErasureOf = Option<([u8; 16], Draft)>;

fn of_conversation(replica: &Replica, conversation: ConversationId) -> Result<ErasureOf, Refusal> {
    let entity = conversation.0;
    let there = replica.snapshot().and_then(|snapshot| snapshot.conversation(&entity)).map_err(|error| refusal(&error))?;
    Ok(there.map(|_| (entity, Draft::erase_entity(entity, None))))
}

/// Everything up to now, so that the path can be used again.
fn of_file(replica: &Replica, entity: [u8; 16]) -> Result<ErasureOf, Refusal> {
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    if snapshot.bodies_of(&entity).map_err(|error| refusal(&error))? == 0 {
        return Ok(None);
    }
    let until = snapshot.latest().map_err(|error| refusal(&error))?;
    Ok(Some((entity, Draft::erase_entity(entity, Some(until.0)))))
}

fn nothing(what: &EraseWhat) -> Refusal {
    let sentence = match what {
        EraseWhat::Conversation(id) => {
            format!("there is no conversation {id}, or it was erased before; `lamos history` lists them")
        }
        EraseWhat::File(path) => {
            format!("there is no file {path:?} and there never was one, or it was erased before; `lamos vol ls` lists them")
        }
    };
    Refusal::new(Code::NotFound, sentence)
}

/// What is being said in a conversation would be kept after it; what was said and not finished goes with it.
async fn silence(journals: &Addr<Journals>, conversation: ConversationId) -> Result<(), Refusal> {
    let failed = |error| ours("read the journal", &error);
    let speaking = journals.send(Speaking(conversation)).await.map_err(failed)?;
    if !speaking.is_empty() {
        return Err(Refusal::new(Code::TurnInProgress, "an answer is being written in this conversation; stop it first"));
    }
    for left in journals.send(Recover { conversation: Some(conversation) }).await.map_err(failed)? {
        journals.send(Finish(left.turn)).await.map_err(failed)?;
    }
    Ok(())
}

/// Overwrites free pages in slices: what is written meanwhile waits for one of them and not for all.
async fn overwrite(writer: &WriterHandle) -> Result<u64, Refusal> {
    let mut done = Overwritten::default();
    loop {
        let more;
        (more, done) = writer
            .run(move |writer| {
                let more = writer.overwrite_some(&mut done)?;
                Ok((more, done))
            })
            .await?;
        if !more {
            return Ok(done.bytes);
        }
    }
}

/// Whether the mark goes when free pages are overwritten.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// All is done.
    Goes,
    /// Content could not be collected; the next process tries again.
    Stays,
}

/// Clearing away what was erased, as far as it lies on this disk.
#[derive(Clone)]
pub(crate) struct Clearing {
    mark: PathBuf,
    /// Rises with each erasure: the mark stays as long as there is one after the last clearing.
    erasures: Rc<Cell<u64>>,
}

impl Clearing {
    pub(crate) fn new(directory: &Path) -> Clearing {
        Clearing { mark: directory.join(MARK), erasures: Rc::default() }
    }

    /// Something is about to be erased.
    pub(crate) fn begin(&self) -> io::Result<()> {
        self.erasures.set(self.erasures.get() + 1);
        fs::File::create(&self.mark)?.sync_all()?;
        self.mark.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
    }

    /// Does what the process before this one did not come to do.
    pub(crate) fn go_on(&self, replica: &Replica, writer: &WriterHandle) {
        if self.mark.exists() {
            let (clearing, replica, writer) = (self.clone(), replica.clone(), writer.clone());
            actix::spawn(async move {
                match contents::collect_now(&replica, &writer).await {
                    Ok(_) => clearing.overwrite(&writer, Mark::Goes),
                    Err(refusal) => tracing::warn!(code = ?refusal.code, "what was erased is not cleared away yet"),
                }
            });
        }
    }

    /// Overwrites what lies on free pages, when the writing thread has done what waits for it.
    pub(crate) fn overwrite(&self, writer: &WriterHandle, mark: Mark) {
        let (clearing, writer, erasures) = (self.clone(), writer.clone(), self.erasures.get());
        actix::spawn(async move {
            match overwrite(&writer).await {
                Ok(bytes) => {
                    tracing::info!(bytes, "free pages were overwritten");
                    if mark == Mark::Goes && clearing.erasures.get() == erasures {
                        // Where it stays, it is done once more.
                        let _ = fs::remove_file(&clearing.mark);
                    }
                }
                Err(refusal) => tracing::warn!(code = ?refusal.code, "what was erased is not cleared away yet"),
            }
        });
    }
}
