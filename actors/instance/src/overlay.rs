//! What a person did, shown as done before the archive has done it: acts laid over what is held. Pure.

use std::collections::HashSet;

use ipc::{
    Refusal,
    id::{ConversationId, MessageId},
    messages::{
        chat::Message,
        instance::{Before, Recent},
        storage::{Act, Conversation, Conversations},
    },
};

/// Bytes of messages in one page: well below what a frame carries.
const PAGE_BYTES: usize = 512 << 10;

/// Conversations that will be begun that are listed, at most.
const BEGUN: usize = 1024;

/// Acts that are not held yet, oldest first.
pub(crate) struct Overlay(pub(crate) Vec<Act>);

/// What waits, as far as it is on a page: the newest of the page.
pub(crate) struct Tail {
    messages: Vec<Message>,
    /// Nothing that waits comes before these.
    whole: bool,
    /// Messages and bytes for which there is room beside these.
    room: (usize, usize),
}

impl Tail {
    /// How many messages, and how many bytes of them, may come before these on the page.
    pub(crate) fn room(&self) -> (usize, usize) {
        self.room
    }
}

impl Overlay {
    /// The conversations with what will be. On the first page those that will be begun come first.
    pub(crate) fn conversations(&self, mut page: Conversations, first: bool) -> Conversations {
        if first {
            let held: HashSet<ConversationId> = page.items.iter().map(|item| item.id).collect();
            let begun = self.0.iter().rev().filter_map(|act| match act {
                Act::Begin(begun) if !held.contains(&begun.id) => Some(new(begun.id, &begun.title)),
                _ => None,
            });
            page.items.splice(0..0, begun.take(BEGUN));
        }
        page.items.iter_mut().for_each(|item| self.apply(item));
        page
    }

    /// Whether this message is one that will be.
    pub(crate) fn waits(&self, id: ConversationId, message: MessageId) -> bool {
        self.said(id).any(|said| said.id == message)
    }

    /// The newest messages of a conversation that will be, of those before this: as many as fit a page, and one at least.
    pub(crate) fn tail(&self, id: ConversationId, before: Option<Before>, limit: usize) -> Result<Tail, Refusal> {
        let said: Vec<&Message> = match before {
            None => self.said(id).collect(),
            Some(Before::Message(message)) => self.said(id).take_while(|said| said.id != message).collect(),
            Some(Before::Moment(_)) => Vec::new(),
        };
        let (mut first, mut bytes) = (said.len(), PAGE_BYTES);
        while first > 0 && said.len() - first < limit {
            let size = size(said[first - 1])?;
            // One larger than a page goes alone.
            if size > bytes && first < said.len() {
                break;
            }
            (first, bytes) = (first - 1, bytes.saturating_sub(size));
        }
        let messages: Vec<Message> = said[first..].iter().map(|message| (*message).clone()).collect();
        let room = (limit - messages.len(), bytes);
        Ok(Tail { messages, whole: first == 0, room })
    }

    /// A page of a conversation with what will be, behind what is held. That is nothing where nothing of it is held, and
    /// otherwise its newest messages, all of them before `above`; these are left for the next page if there is no room.
    pub(crate) fn recent(
        &self,
        id: ConversationId,
        tail: Tail,
        held: Option<Recent>,
        above: u64,
    ) -> Result<Option<Recent>, Refusal> {
        let begun = || {
            self.0.iter().find_map(|act| match act {
                Act::Begin(begun) if begun.id == id => Some(new(id, &begun.title)),
                _ => None,
            })
        };
        let nothing = |conversation| Recent { conversation, messages: Vec::new(), next: None, missing: false, pinned: false };
        let Some(mut recent) = held.or_else(|| begun().map(nothing)) else { return Ok(None) };
        self.apply(&mut recent.conversation);
        let Some(oldest) = tail.messages.first().map(|message| message.id) else { return Ok(Some(recent)) };
        let bytes = recent.messages.iter().try_fold(0, |sum, message| Ok::<_, Refusal>(sum + size(message)?))?;
        let (most, room) = tail.room;
        let next = if !tail.whole {
            Some(Before::Message(oldest))
        } else if recent.messages.len() > most || bytes > room {
            Some(Before::Moment(above))
        } else {
            None
        };
        if next.is_some() {
            recent.messages.clear();
            (recent.next, recent.missing) = (next, false);
        }
        recent.messages.extend(tail.messages);
        Ok(Some(recent))
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
        id::TurnId,
        messages::{
            chat::{Author, Part, Status},
            storage::{CreateConversation, SetTitle},
        },
    };

    use super::*;

    const ID: ConversationId = ConversationId([1; 16]);

    #[test]
    fn what_was_done_last_is_what_is_shown() {
        let (one, two) = (ID, ConversationId([2; 16]));
        let rename = |id, title: &str| Act::Rename(SetTitle { id, title: title.to_owned() });
        let begin = |id, title: &str| Act::Begin(CreateConversation { id, title: title.to_owned() });
        let overlay = Overlay(vec![rename(one, "b"), begin(two, "new"), rename(one, "c"), rename(two, "newer")]);
        let held = Conversations { items: vec![new(one, "a")], next: None };
        let titles = |page: Conversations| page.items.into_iter().map(|item| item.title).collect::<Vec<_>>();
        assert_eq!(titles(overlay.conversations(held.clone(), true)), ["newer", "c"]);
        assert_eq!(titles(overlay.conversations(held, false)), ["c"], "a later page has no new ones");
        let read = |id| overlay.recent(id, overlay.tail(id, None, 200).expect("it fits"), None, u64::MAX).expect("it fits");
        assert_eq!(read(two).expect("begun").conversation.title, "newer");
        assert_eq!(read(ConversationId([3; 16])), None);
    }

    #[test]
    fn a_list_of_what_will_be_begun_fits_a_frame() {
        let begin = |number: u32| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_le_bytes());
            Act::Begin(CreateConversation { id: ConversationId(id), title: "x".repeat(512) })
        };
        let overlay = Overlay((0..4000).map(begin).collect());
        let held = Conversations { items: vec![new(ConversationId([9; 16]), &"x".repeat(512)); 200], next: None };
        let page = overlay.conversations(held, true);
        assert!(ipc::codec::encode(&page).is_ok());
        assert_eq!((page.items.len(), page.items[0].id.0[..2].to_vec()), (BEGUN + 200, 3999u16.to_le_bytes().to_vec()));
    }

    fn said(number: u32, length: usize) -> Message {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        Message {
            id: MessageId(id),
            conversation: ID,
            turn: TurnId(id),
            author: Author::Person,
            parts: vec![Part::Text("x".repeat(length))],
            attachments: Vec::new(),
            status: Status::Complete,
            made_by: String::new(),
            at_ms: 0,
        }
    }

    /// The store's page, as the store gives it: message `n` has the clock `n`, and the first is there however long it is.
    fn held(all: &[Message], before: Option<u64>, limit: usize, bytes: usize) -> (Recent, u64) {
        let end = before.map_or(all.len(), |before| all.len().min(usize::try_from(before).unwrap_or(usize::MAX)));
        let (mut first, mut total) = (end, 0);
        while first > 0 && end - first < limit {
            total += all[first - 1].text().len();
            if total > bytes && first < end {
                break;
            }
            first -= 1;
        }
        let messages = all[first..end].to_vec();
        let next = (first > 0).then_some(Before::Moment(first as u64));
        let conversation = Conversation { messages: u32::try_from(all.len()).expect("small"), ..new(ID, "a") };
        (Recent { conversation, messages, next, missing: false, pinned: false }, end as u64)
    }

    /// Reads it all, the newest page first; meanwhile the archive does what waits, `done` messages after each page.
    fn read(all: &[Message], mut kept: usize, limit: usize, done: usize) -> (Vec<MessageId>, usize) {
        let (mut found, mut before, mut pages) = (Vec::new(), None, 0);
        loop {
            let overlay = Overlay(all[kept..].iter().cloned().map(Act::Say).collect());
            let place = match before {
                Some(Before::Message(message)) if !overlay.waits(ID, message) => {
                    let at = all.iter().position(|said| said.id == message).expect("it is held");
                    Some(Before::Moment(at as u64))
                }
                before => before,
            };
            let tail = overlay.tail(ID, place, limit).expect("it fits");
            let (room, bytes) = tail.room();
            let moment = if let Some(Before::Moment(moment)) = place { Some(moment) } else { None };
            let (store, above) = held(&all[..kept], moment, room.max(1), bytes);
            let page = overlay.recent(ID, tail, Some(store), above).expect("it fits").expect("it is held");
            assert_eq!(page.conversation.messages as usize, all.len());
            assert!(!page.messages.is_empty() && page.messages.len() <= limit, "{} messages", page.messages.len());
            assert!(ipc::codec::encode(&page).is_ok(), "{kept} kept, before {before:?}");
            found.splice(0..0, page.messages.into_iter().map(|message| message.id));
            (before, pages) = (page.next, pages + 1);
            if before.is_none() {
                return (found, pages);
            }
            kept = (kept + done).min(all.len());
        }
    }

    /// However much waits, each page fits a frame, and the pages together have all of it once and in order.
    #[test]
    fn what_waits_is_read_page_by_page() {
        let all: Vec<Message> = (0..60).map(|number| said(number, if number == 30 { 600 << 10 } else { 70 << 10 })).collect();
        let ids: Vec<MessageId> = all.iter().map(|message| message.id).collect();
        for kept in [0, 1, 7, 29, 30, 31, 59, 60] {
            for limit in [1, 3, 200] {
                for done in [0, 1, 5, 60] {
                    assert_eq!(read(&all, kept, limit, done).0, ids, "{kept} kept, {limit} a page, {done} done after each");
                }
            }
        }
    }

    #[test]
    fn one_that_nearly_fills_a_frame_goes_alone() {
        let long = (1 << 20) - 1024;
        for place in 0..3 {
            let all: Vec<Message> = (0..3).map(|number| said(number, if number == place { long } else { 9 })).collect();
            let ids: Vec<MessageId> = all.iter().map(|message| message.id).collect();
            for kept in 0..=3 {
                assert_eq!(read(&all, kept, 200, 0).0, ids, "the long one is number {place}, {kept} are kept");
            }
        }
    }

    #[test]
    fn two_thousand_that_wait_are_ten_pages() {
        let all: Vec<Message> = (0..2000).map(|number| said(number, 20)).collect();
        let (found, pages) = read(&all, 0, 200, 0);
        assert_eq!((found.len(), pages), (2000, 10));
        assert_eq!(found, all.iter().map(|message| message.id).collect::<Vec<_>>());
        assert_eq!(read(&all, 1000, 200, 7).0, found);
    }
}
