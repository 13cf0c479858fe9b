//! What is held, and the one place that says how: which store it is, what it wants of the archive, and how it takes it in.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ipc::{
    Refusal,
    id::ConversationId,
    messages::{
        instance::{Held as Counts, ListRecent, ReadRecent},
        storage::{Conversations, Cursor, MAX_PAGE, Transcript},
    },
};
use replica::{
    Form, Replica, ReplicaError, StoreKeys, Writer,
    body::{Body, MESSAGE},
    chum::{Archive, Peer, Settings, Side},
    wire::{conversation_to_wire, message_to_wire},
};

use crate::unusable;

/// Bodies of messages in one page: well below what a frame carries.
const PAGE_BYTES: usize = 512 << 10;

/// There if the cache holds what the archive does not know any more: it is made anew at the next start.
const STALE: &str = "stale";

/// The cache, for who reads it.
pub(crate) struct Held {
    replica: Replica,
}

/// The cache, for the one who has its writer.
pub(crate) struct Station {
    replica: Replica,
    writer: Writer,
    stale: PathBuf,
}

impl Held {
    /// Opens the cache in this directory. One that cannot be read is thrown away: the archive has all of it.
    pub(crate) fn open(directory: &Path, keys: impl Fn() -> StoreKeys) -> Result<(Held, Station), Refusal> {
        let stale = directory.join(STALE);
        if stale.exists() {
            anew(directory)?;
        }
        let replica = match Replica::open(directory, keys()) {
            Err(ReplicaError::Damaged(_) | ReplicaError::Newer { .. } | ReplicaError::OtherSpace) => {
                tracing::warn!("the cache cannot be read; it is made anew from the archive");
                anew(directory)?;
                Replica::open(directory, keys())
            }
            opened => opened,
        };
        let replica = replica.map_err(|error| failed(&error))?;
        let writer = replica.writer().map_err(|error| failed(&error))?;
        Ok((Held { replica: replica.clone() }, Station { replica, writer, stale }))
    }

    /// Conversations, newest change first.
    pub(crate) fn list(&self, request: ListRecent) -> Result<Conversations, Refusal> {
        let snapshot = self.replica.snapshot().map_err(|error| failed(&error))?;
        let after = request.after.map(|Cursor { clock, id }| (clock, id.0));
        let page = snapshot.conversations(after, page(request.limit)).map_err(|error| failed(&error))?;
        let next =
            page.items.last().filter(|_| page.more).map(|(id, view)| Cursor { clock: view.changed, id: ConversationId(*id) });
        Ok(Conversations { items: page.items.iter().map(|(id, view)| conversation_to_wire(*id, view)).collect(), next })
    }

    /// Messages of a conversation, oldest first; `None` if nothing of it is held.
    pub(crate) fn read(&self, request: ReadRecent) -> Result<Option<Transcript>, Refusal> {
        let snapshot = self.replica.snapshot().map_err(|error| failed(&error))?;
        let Some(view) = snapshot.conversation(&request.id.0).map_err(|error| failed(&error))? else { return Ok(None) };
        let found = snapshot.messages(&request.id.0, request.skip as usize, page(request.limit), PAGE_BYTES);
        let found = found.map_err(|error| failed(&error))?;
        let shown = u32::try_from(found.items.len()).unwrap_or(u32::MAX);
        let messages = found.items.into_iter().filter_map(|record| match record.body {
            Body::Message(message) => Some(message_to_wire(&record.event, message)),
            _ => None,
        });
        Ok(Some(Transcript {
            conversation: conversation_to_wire(request.id.0, &view),
            messages: messages.collect(),
            unfinished: Vec::new(),
            next: found.more.then_some(request.skip.saturating_add(shown)),
        }))
    }

    /// Whether a message with this id is held.
    pub(crate) fn has_message(&self, id: &[u8; 16]) -> bool {
        let found = self.replica.snapshot().and_then(|snapshot| snapshot.once(MESSAGE, id));
        found.is_ok_and(|event| event.is_some())
    }

    /// Whether this event is held.
    pub(crate) fn has(&self, event: &[u8; 32]) -> bool {
        let found = self.replica.snapshot().and_then(|snapshot| snapshot.event(event));
        found.is_ok_and(|event| event.is_some())
    }

    /// How much is held.
    pub(crate) fn counts(&self) -> Result<Counts, Refusal> {
        let counts = self.replica.snapshot().and_then(|snapshot| snapshot.counts());
        let (events, _, conversations) = counts.map_err(|error| failed(&error))?;
        let bytes = self.replica.bytes_on_disk().map_err(|error| unusable(&error.to_string()))?;
        Ok(Counts { events, conversations, bytes })
    }
}

impl Station {
    /// What is wanted of the archive. With `audit` everything is compared once, which finds what a cache has lost.
    pub(crate) fn settings(&self, audit: bool) -> Settings {
        Settings { audit, ..Settings::archive(archive()) }
    }

    /// The archive is another than the one this cache was filled from, perhaps an older copy of it.
    pub(crate) fn forsake(&self) -> io::Result<()> {
        fs::write(&self.stale, [])
    }

    /// The cache as a session sees it.
    pub(crate) fn side(&mut self) -> impl Side {
        Archive::new(&self.replica, &mut self.writer, Form::Open)
    }
}

/// The archive, as grants know it: the hub has said that it is the one process of its role.
fn archive() -> Peer {
    Peer(*blake3::hash(b"lamos: the archive under this supervisor").as_bytes())
}

/// Throws the cache away.
fn anew(directory: &Path) -> Result<(), Refusal> {
    let anew = fs::remove_dir_all(directory).and_then(|()| fs::create_dir(directory));
    anew.map_err(|error| unusable(&format!("{error} ({})", directory.display())))
}

fn page(limit: u16) -> usize {
    usize::from(limit.clamp(1, MAX_PAGE))
}

fn failed(error: &ReplicaError) -> Refusal {
    unusable(&error.to_string())
}
