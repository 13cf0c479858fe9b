//! Erasing for good: the event that says so, and everything beside the tables that holds what it erases.
//!
//! The tables forget with the event, in one transaction. After it go the journals of unfinished turns, the chunks that
//! nothing else has, and the pages that the database has left behind; the search index follows by itself.

use actix::Addr;
use ipc::{
    Code, Refusal, Role,
    id::ConversationId,
    messages::storage::{Erase, EraseWhat, Erased},
};
use replica::{Draft, Replica};

use crate::{
    contents,
    errors::{ours, refusal},
    journal::{Finish, Journals, Recover, Speaking},
    volumes,
    writer::WriterHandle,
};

pub(crate) async fn erase(
    replica: &Replica,
    writer: &WriterHandle,
    journals: &Addr<Journals>,
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
    let events = replica.snapshot().and_then(|snapshot| snapshot.bodies_of(&entity)).map_err(|error| refusal(&error))?;
    writer.append(draft).await?;
    let chunks = contents::collect_now(replica, writer).await?;
    overwrite(writer);
    tracing::info!(events, chunks, "erased");
    Ok(Erased { events, chunks })
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

/// Overwrites what lies on free pages, once the writing thread has nothing else to do.
fn overwrite(writer: &WriterHandle) {
    let writer = writer.clone();
    actix::spawn(async move {
        match writer.run(|writer| writer.overwrite_free()).await {
            Ok(bytes) => tracing::info!(bytes, "free pages were overwritten"),
            Err(refusal) => tracing::warn!(code = ?refusal.code, "free pages stay as they are until the next erasure"),
        }
    });
}
