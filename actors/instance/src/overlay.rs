//! What a person did, shown as done before the archive has done it: acts laid over what is held. Pure.

use ipc::{
    id::ConversationId,
    messages::{
        chat::Message,
        storage::{Act, Conversation, Conversations, Transcript},
    },
};

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

    /// A conversation with what will be. `held` is nothing where nothing of it is held.
    pub(crate) fn transcript(&self, id: ConversationId, held: Option<Transcript>) -> Option<Transcript> {
        let begun = || {
            self.0.iter().find_map(|act| match act {
                Act::Begin(begun) if begun.id == id => Some(new(id, &begun.title)),
                _ => None,
            })
        };
        let mut transcript = match held {
            Some(held) => held,
            None => Transcript { conversation: begun()?, messages: Vec::new(), unfinished: Vec::new(), next: None },
        };
        self.apply(&mut transcript.conversation);
        if transcript.next.is_none() {
            transcript.messages.extend(self.said(id).cloned());
        }
        Some(transcript)
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

/// A conversation that is not held: no moment is known of it yet.
fn new(id: ConversationId, title: &str) -> Conversation {
    Conversation { id, title: title.to_owned(), messages: 0, created_ms: 0, changed_ms: 0 }
}

#[cfg(test)]
mod tests {
    use ipc::messages::storage::{CreateConversation, SetTitle};

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
        assert_eq!(overlay.transcript(two, None).expect("begun").conversation.title, "newer");
        assert_eq!(overlay.transcript(ConversationId([3; 16]), None), None);
    }
}
