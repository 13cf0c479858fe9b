//! What the index holds: one document for each message, each title that holds, each file that is there, and each goal of a
//! turn. A document has no text in it, only what its text is found by and the place of its event in the archive; whoever
//! finds it reads the archive, and so what was erased there is not shown whatever the index says.

use std::borrow::Cow;

use replica::{
    Record, Recorded, ReplicaError, Snapshot,
    body::{Author, Body, FileBody, Message, Part},
};
use tantivy::{
    Index, IndexSettings, TantivyDocument, Term,
    directory::error::OpenReadError,
    schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    store::Compressor,
};

use super::{
    sealed_directory::SealedDirectory,
    tokens::{self, Characters, Words},
};

/// What the index is made of. A change of the schema, of what becomes a document or of how text is read needs the next
/// number; an index with another is made again.
pub(crate) const FORMAT: u32 = 2;

/// Kinds of documents, by their number in the index and the word people write.
pub(crate) const MESSAGE: u64 = 1;
pub(crate) const TITLE: u64 = 2;
pub(crate) const FILE: u64 = 3;
pub(crate) const TRACE: u64 = 4;

/// Who speaks in a message, by the number in the index.
pub(crate) const PERSON: u64 = 1;
pub(crate) const ASSISTANT: u64 = 2;

const WORDS: &str = "words";
const CHARACTERS: &str = "characters";

/// The fields of a document.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    /// What there is one document of: kind `u8` ‖ place of the event or entity.
    pub(crate) slot: Field,
    /// The conversation or file.
    pub(crate) entity: Field,
    /// See [`MESSAGE`] and those beside it.
    pub(crate) kind: Field,
    /// See [`PERSON`]; messages alone.
    pub(crate) author: Field,
    /// The place of the event in the archive.
    pub(crate) position: Field,
    /// Milliseconds since 1970.
    pub(crate) at: Field,
    /// Words and pairs of characters, with their places.
    pub(crate) text: Field,
    /// Single characters of scripts without spaces.
    pub(crate) characters: Field,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let text = |tokenizer: &str, option: IndexRecordOption, norms: bool| {
        let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(option).set_fieldnorms(norms);
        TextOptions::default().set_indexing_options(indexing)
    };
    let fields = Fields {
        slot: schema.add_bytes_field("slot", INDEXED),
        entity: schema.add_bytes_field("entity", INDEXED),
        kind: schema.add_u64_field("kind", INDEXED | FAST),
        author: schema.add_u64_field("author", INDEXED),
        position: schema.add_u64_field("position", FAST),
        at: schema.add_u64_field("at", FAST),
        text: schema.add_text_field("text", text(WORDS, IndexRecordOption::WithFreqsAndPositions, true)),
        characters: schema.add_text_field("characters", text(CHARACTERS, IndexRecordOption::Basic, false)),
    };
    (schema.build(), fields)
}

/// The index in this directory.
pub(crate) fn open(directory: &SealedDirectory) -> tantivy::Result<(Index, Fields)> {
    ready(Index::open(directory.clone())?)
}

/// Whether there is one.
pub(crate) fn exists(directory: &SealedDirectory) -> Result<bool, OpenReadError> {
    Index::exists(directory)
}

/// A new index in an empty directory.
pub(crate) fn create(directory: &SealedDirectory) -> tantivy::Result<(Index, Fields)> {
    // Nothing is stored in it, so there is nothing to compress and no thread needed for it.
    let settings = IndexSettings {
        docstore_compression: Compressor::None,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    ready(Index::create(directory.clone(), schema().0, settings)?)
}

fn ready(index: Index) -> tantivy::Result<(Index, Fields)> {
    let (wanted, fields) = schema();
    if index.schema() != wanted {
        return Err(tantivy::TantivyError::SchemaError("another format".to_owned()));
    }
    index.tokenizers().register(WORDS, Words);
    index.tokenizers().register(CHARACTERS, Characters);
    Ok((index, fields))
}

/// How far an index has come in the archive. It is part of each commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The place of the last event that is in it; 0 before the first.
    pub(crate) position: u64,
    /// The id of that event, by which another archive is noticed.
    pub(crate) event: [u8; 32],
}

impl Reached {
    /// As it is written into a commit.
    pub(crate) fn payload(&self) -> String {
        let event: String = self.event.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{FORMAT} {} {event}", self.position)
    }

    /// What a commit says; `None` if another program wrote it.
    pub(crate) fn read(payload: &str) -> Option<Reached> {
        let mut words = payload.split(' ');
        if words.next()?.parse() != Ok(FORMAT) {
            return None;
        }
        let position = words.next()?.parse().ok()?;
        let hex = words.next().filter(|hex| hex.len() == 64 && hex.is_ascii() && words.next().is_none())?;
        let mut event = [0; 32];
        for (index, byte) in event.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Reached { position, event })
    }
}

/// Bytes of a file that are looked through, from its beginning.
const MAX_TEXT: u64 = 4 << 20;

/// What an event does to the index.
pub(crate) enum Change {
    /// This is found from now on; what was in the slot is not.
    Put { slot: Vec<u8>, again: bool, document: TantivyDocument, bytes: usize },
    /// Nothing is in the slot.
    Remove { slot: Vec<u8> },
    /// What this thing has in the index may be gone from the archive.
    Check { entity: [u8; 16] },
}

fn slot(kind: u64, of: &[u8]) -> Vec<u8> {
    [&[kind as u8], of].concat()
}

/// What an event does to the index as the archive stands now: a title or a version of a file that something newer has
/// replaced does nothing. With `None` for a body that was erased.
pub(crate) fn change(
    fields: &Fields,
    snapshot: &Snapshot<'_>,
    event: &Recorded,
    record: Option<&Record>,
) -> Result<Option<Change>, ReplicaError> {
    let entity = event.header.entity;
    let position = event.position.to_be_bytes();
    Ok(match record.map(|record| &record.body) {
        Some(Body::Message(message)) => {
            let mut document = document(fields, MESSAGE, event);
            document.add_u64(fields.author, author(message.author));
            Some(put(fields, slot(MESSAGE, &position), false, document, &message_texts(message)))
        }
        Some(Body::Trace(trace)) => {
            Some(put(fields, slot(TRACE, &position), false, document(fields, TRACE, event), &[Cow::Borrowed(&trace.goal)]))
        }
        Some(Body::Conversation(title) | Body::Title(title)) => {
            let holds = snapshot.conversation(&entity)?.is_some_and(|view| view.title == title.title);
            let document = document(fields, TITLE, event);
            holds.then(|| put(fields, slot(TITLE, &entity), true, document, &[Cow::Borrowed(&title.title)]))
        }
        Some(Body::File(file)) => {
            let holds = snapshot.file_view(&entity)?.is_some_and(|view| view.position == event.position);
            let text = if holds { file_text(snapshot, file)? } else { String::new() };
            let texts = [Cow::Borrowed(file.path.as_str()), Cow::Owned(text)];
            holds.then(|| put(fields, slot(FILE, &entity), true, document(fields, FILE, event), &texts))
        }
        Some(Body::FileRemoved(_)) => {
            let gone = snapshot.file_view(&entity)?.is_none_or(|view| view.position == 0);
            gone.then(|| Change::Remove { slot: slot(FILE, &entity) })
        }
        Some(Body::Attachment(_) | Body::Experience(_) | Body::Bundle(_) | Body::Right(_)) => None,
        // Whatever a newer program, or an erasure, means by it: what is gone from the archive is to go from here.
        Some(_) | None => Some(Change::Check { entity }),
    })
}

/// Who speaks, as the index has it.
pub(crate) fn author(author: Author) -> u64 {
    match author {
        Author::Person => PERSON,
        Author::Assistant => ASSISTANT,
    }
}

/// What a message is found by: what is said, and the names of what was given with it. Not what a model thought.
pub(crate) fn message_texts(message: &Message) -> Vec<Cow<'_, str>> {
    let said = message.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(Cow::Borrowed(text.as_str())),
        _ => None,
    });
    said.chain(message.attachments.iter().map(|attached| Cow::Borrowed(attached.name.as_str()))).collect()
}

/// The text of a file, its first [`MAX_TEXT`] bytes; empty if it is none, or cannot be read, which is for the check of the
/// archive to say.
pub(crate) fn file_text(snapshot: &Snapshot<'_>, file: &FileBody) -> Result<String, ReplicaError> {
    let bytes = match snapshot.first_of(file.clone().content(), MAX_TEXT) {
        Ok(bytes) => bytes,
        Err(ReplicaError::Damaged(_)) => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let is_cut = file.length() > MAX_TEXT;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // A character that ends beyond it.
        Err(error) if is_cut && error.utf8_error().error_len().is_none() => {
            let end = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(end);
            String::from_utf8(bytes).unwrap_or_default()
        }
        Err(_) => String::new(),
    };
    Ok(if text.contains('\0') { String::new() } else { text })
}

fn document(fields: &Fields, kind: u64, event: &Recorded) -> TantivyDocument {
    let mut document = TantivyDocument::new();
    document.add_bytes(fields.entity, &event.header.entity);
    document.add_u64(fields.kind, kind);
    document.add_u64(fields.position, event.position);
    document.add_u64(fields.at, event.clock().millis());
    document
}

fn put(fields: &Fields, slot: Vec<u8>, again: bool, mut document: TantivyDocument, texts: &[Cow<'_, str>]) -> Change {
    document.add_bytes(fields.slot, &slot);
    let mut bytes = 0;
    for text in texts {
        bytes += text.len();
        document.add_text(fields.text, text);
        if tokens::has_unspaced(text) {
            document.add_text(fields.characters, text);
        }
    }
    Change::Put { slot, again, document, bytes }
}

/// The documents of a slot.
pub(crate) fn in_slot(fields: &Fields, slot: &[u8]) -> Term {
    Term::from_field_bytes(fields.slot, slot)
}

/// The documents of a thing.
pub(crate) fn of_entity(fields: &Fields, entity: &[u8]) -> Term {
    Term::from_field_bytes(fields.entity, entity)
}

/// The slot of a document of this kind, made from the event at this place, of this thing.
pub(crate) fn slot_of(kind: u64, position: u64, entity: &[u8]) -> Vec<u8> {
    match kind {
        MESSAGE | TRACE => slot(kind, &position.to_be_bytes()),
        _ => slot(kind, entity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_came_is_read_back_and_nothing_else_is() {
        let reached = Reached { position: 12, event: [0xab; 32] };
        assert_eq!(Reached::read(&reached.payload()), Some(reached));
        let payload = reached.payload();
        for wrong in
            ["", "1", "1 12", "0 12 ab", &payload.replacen('2', "1", 1), &format!("{payload} 3"), &payload.replace("ab", "zz")]
        {
            assert_eq!(Reached::read(wrong), None, "{wrong}");
        }
    }
}
