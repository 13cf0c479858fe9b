//! What a person did, shown as done before the archive has done it: acts laid over what is held. Pure.

use ipc::{
    Refusal,
    id::ConversationId,
    messages::{
        chat::Message,
        storage::{Act, Conversation, Conversations, Transcript},
    },
};

/// Bytes of messages in one page: with what the store's own page may have, well below what a frame carries.
const PAGE_BYTES: usize = 512 << 10;

/// Acts that are not held yet, oldest first.
pub(crate) struct Overlay(pub(crate) Vec<Act>);

impl Overlay {
    /// The conversations with what will be. On the first page those that will be begun come first.
    pub(crate) fn conversations(&self, mut page: Conversations, first: bool) -> Conversations {
        if first {
            for act in &self.0 {
                if let Act::Begin(begun) = act
                    && page.items.iter().all(|item| item.id != begun.id)
                {
                    page.items.insert(0, new(begun.id, &begun.title));
                }
            }
        }
        page.items.iter_mut().for_each(|item| self.apply(item));
        page
    }

    /// A page of a conversation with what will be, after `skip` messages: behind all that is held come those that wait, as
    /// many as fit. `held` is nothing where nothing of it is held.
    pub(crate) fn transcript(
        &self,
        id: ConversationId,
        held: Option<Transcript>,
        skip: u32,
        limit: usize,
    ) -> Result<Option<Transcript>, Refusal> {
        let begun = || {
            self.0.iter().find_map(|act| match act {
                Act::Begin(begun) if begun.id == id => Some(new(id, &begun.title)),
                _ => None,
            })
        };
        let nothing = |conversation| Transcript { conversation, messages: Vec::new(), unfinished: Vec::new(), next: None };
        let Some(mut transcript) = held.or_else(|| begun().map(nothing)) else { return Ok(None) };
        let kept = transcript.conversation.messages;
        self.apply(&mut transcript.conversation);
        if transcript.next.is_none() {
            let shown = transcript.messages.len();
            let mut room = PAGE_BYTES;
            for message in &transcript.messages {
                room = room.saturating_sub(size(message)?);
            }
            let before = skip.saturating_sub(kept) as usize;
            for message in self.said(id).skip(before) {
                let size = size(message)?;
                // One larger than a page goes alone.
                if transcript.messages.len() >= limit || (size > room && !transcript.messages.is_empty()) {
                    break;
                }
                room = room.saturating_sub(size);
                transcript.messages.push(message.clone());
            }
            let waiting = transcript.messages.len() - shown;
            if before + waiting < self.said(id).count() {
                let page = u32::try_from(transcript.messages.len()).unwrap_or(u32::MAX);
                transcript.next = Some(skip.saturating_add(page));
            }
        }
        Ok(Some(transcript))
    }

    fn said(&self, id: ConversationId) -> impl Iterator<Item = &Message> {
        self.0.iter().filter_map(move |act| match act {
            Act::Say(message) if message.conversation == id => Some(message),
            _ => None,
        })
    }

    fn apply(&self, conversation: &mut Conversation) {
        for act in &self.0 {
            if let Act::Rename(renamed) = act
                && renamed.id == conversation.id
            {
                conversation.title.clone_from(&renamed.title);
            }
        }
        let said = u32::try_from(self.said(conversation.id).count()).unwrap_or(u32::MAX);
        conversation.messages = conversation.messages.saturating_add(said);
    }
}

/// Bytes of a message on the wire.
fn size(message: &Message) -> Result<usize, Refusal> {
    let encoded = ipc::codec::encode(message).map_err(|error| Refusal::internal(format!("encode a message: {error}")))?;
    Ok(encoded.len())
}

/// A conversation that is not held: no moment is known of it yet.
fn new(id: ConversationId, title: &str) -> Conversation {
    Conversation { id, title: title.to_owned(), messages: 0, created_ms: 0, changed_ms: 0 }
}

#[cfg(test)]
mod tests {
    use ipc::{
        id::{MessageId, TurnId},
        messages::{
            chat::{Author, Part, Status},
            storage::{CreateConversation, SetTitle},
        },
    };

    use super::*;

    #[test]
    fn what_was_done_last_is_what_is_shown() {
        let (one, two) = (ConversationId([1; 16]), ConversationId([2; 16]));
        let rename = |id, title: &str| Act::Rename(SetTitle { id, title: title.to_owned() });
        let begin = |id, title: &str| Act::Begin(CreateConversation { id, title: title.to_owned() });
        let overlay = Overlay(vec![rename(one, "b"), begin(two, "new"), rename(one, "c"), rename(two, "newer")]);
        let held = Conversations { items: vec![new(one, "a")], next: None };
        let titles = |page: Conversations| page.items.into_iter().map(|item| item.title).collect::<Vec<_>>();
        assert_eq!(titles(overlay.conversations(held.clone(), true)), ["newer", "c"]);
        assert_eq!(titles(overlay.conversations(held, false)), ["c"], "a later page has no new ones");
        let read = |id| overlay.transcript(id, None, 0, 200).expect("it fits");
        assert_eq!(read(two).expect("begun").conversation.title, "newer");
        assert_eq!(read(ConversationId([3; 16])), None);
    }

    /// However much waits, each page fits a frame, and the pages together have all of it once and in order.
    #[test]
    fn what_waits_is_read_page_by_page() {
        let id = ConversationId([1; 16]);
        let said = |number: u8, length: usize| Message {
            id: MessageId([number; 16]),
            conversation: id,
            turn: TurnId([number; 16]),
            author: Author::Person,
            parts: vec![Part::Text("x".repeat(length))],
            attachments: Vec::new(),
            status: Status::Complete,
            made_by: String::new(),
            at_ms: 0,
        };
        let all: Vec<Message> = (0..60).map(|number| said(number, if number == 30 { 600 << 10 } else { 70 << 10 })).collect();
        for kept in [0, 1, 7, 60] {
            let overlay = Overlay(all[kept..].iter().cloned().map(Act::Say).collect());
            // As the store gives it: pages of seven.
            let held = |skip: usize| {
                let end = kept.min(skip + 7);
                let messages = all[skip.min(end)..end].to_vec();
                let next = (end < kept).then(|| u32::try_from(end).expect("small"));
                let count = u32::try_from(kept).expect("small");
                Transcript {
                    conversation: Conversation { messages: count, ..new(id, "a") },
                    messages,
                    unfinished: Vec::new(),
                    next,
                }
            };
            let (mut found, mut next) = (Vec::new(), Some(0));
            while let Some(skip) = next {
                let page = overlay.transcript(id, Some(held(skip as usize)), skip, 200).expect("it fits").expect("it is held");
                assert_eq!(page.conversation.messages, 60);
                assert!(!page.messages.is_empty() && ipc::codec::encode(&page).is_ok(), "{kept} kept, after {skip}");
                found.extend(page.messages.into_iter().map(|message| message.id));
                next = page.next;
            }
            assert_eq!(found, all.iter().map(|message| message.id).collect::<Vec<_>>(), "{kept} kept");
        }
    }
}
