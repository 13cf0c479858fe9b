//! What a command is on disk: the kind of event it will become, what that is about, and its body in the form of events. So it
//! can be read by any program that can read the archive, whatever the wire has become meanwhile.
//!
//! ```text
//! byte 0  u8    1, the form
//!      1  u16   the kind of event, little-endian
//!      3  16    the conversation
//!     19  …     the body
//! ```

use ipc::{
    Code, Refusal,
    id::{CommandId, ConversationId},
    messages::{
        chat::{Author, MAX_ATTACHMENTS, MAX_TEXT, Message, Part},
        storage::{Act, CreateConversation, MAX_CARRIED_BYTES, SetTitle},
    },
};
use replica::{
    body::{Body, Title},
    wire::{message_of, message_to_disk},
};

/// The one form there is.
const FORM: u8 = 1;

/// Longest title, in bytes.
const MAX_TITLE: usize = 512;

/// The bytes of a command that the archive would take; otherwise why it would not. What is refused here is refused before the
/// person has gone on.
pub(crate) fn encode(id: CommandId, act: &Act) -> Result<Vec<u8>, Refusal> {
    let (own, entity, body) = match act {
        Act::Begin(CreateConversation { id, title }) => (Some(id.0), id.0, Body::Conversation(called(title)?)),
        Act::Rename(SetTitle { id, title }) => (None, id.0, Body::Title(called(title)?)),
        Act::Say(message) => {
            check(message)?;
            (Some(message.id.0), message.conversation.0, Body::Message(message_to_disk(message.clone())))
        }
    };
    if own.is_some_and(|own| own != id.0) {
        return Err(Refusal::new(Code::Malformed, "the command has another id than what it keeps"));
    }
    let bytes = [&[FORM][..], &body.kind().to_le_bytes(), &entity, &body.to_bytes()].concat();
    if bytes.len() > MAX_CARRIED_BYTES {
        return Err(Refusal::new(Code::NotKeepable, format!("a command has at most {MAX_CARRIED_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Reads a command; `None` if a newer program wrote it.
pub(crate) fn decode(bytes: &[u8]) -> Option<Act> {
    let (&form, rest) = bytes.split_first()?;
    let (kind, rest) = rest.split_first_chunk::<2>()?;
    let (entity, body) = rest.split_first_chunk::<16>()?;
    if form != FORM {
        return None;
    }
    let id = ConversationId(*entity);
    match Body::from_bytes(u16::from_le_bytes(*kind), body)? {
        Body::Conversation(Title { title }) => Some(Act::Begin(CreateConversation { id, title })),
        Body::Title(Title { title }) => Some(Act::Rename(SetTitle { id, title })),
        Body::Message(message) => Some(Act::Say(message_of(*entity, 0, message))),
        _ => None,
    }
}

fn called(title: &str) -> Result<Title, Refusal> {
    if title.len() > MAX_TITLE || title.chars().any(char::is_control) {
        return Err(Refusal::new(Code::NotKeepable, format!("a title is one line of at most {MAX_TITLE} bytes")));
    }
    Ok(Title { title: title.to_owned() })
}

fn check(message: &Message) -> Result<(), Refusal> {
    let words = |part: &Part| if let Part::Text(text) = part { Some(text.len()) } else { None };
    let Some(length) = message.parts.iter().map(words).sum::<Option<usize>>() else {
        return Err(Refusal::new(Code::Malformed, "what a person says is words"));
    };
    if message.author != Author::Person {
        return Err(Refusal::new(Code::Malformed, "a person speaks for himself and for nobody else"));
    }
    if length > MAX_TEXT || message.attachments.len() > MAX_ATTACHMENTS {
        let most = format!("a message has at most {MAX_TEXT} bytes and {MAX_ATTACHMENTS} attachments");
        return Err(Refusal::new(Code::NotKeepable, most));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ipc::{
        id::{MessageId, TurnId},
        messages::chat::Status,
    };

    use super::*;

    fn note(words: &str) -> Message {
        Message {
            id: MessageId([2; 16]),
            conversation: ConversationId([1; 16]),
            turn: TurnId([2; 16]),
            author: Author::Person,
            parts: vec![Part::Text(words.to_owned())],
            attachments: Vec::new(),
            status: Status::Complete,
            made_by: String::new(),
            at_ms: 0,
        }
    }

    #[test]
    fn a_command_is_read_as_it_was_written() {
        let id = ConversationId([1; 16]);
        let title = "A name".to_owned();
        let acts = [
            ([1; 16], Act::Begin(CreateConversation { id, title: title.clone() })),
            ([9; 16], Act::Rename(SetTitle { id, title })),
            ([2; 16], Act::Say(note("words"))),
        ];
        for (command, act) in acts {
            let bytes = encode(CommandId(command), &act).expect("it is taken");
            assert_eq!(decode(&bytes), Some(act));
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut]), None);
            }
        }
        assert_eq!(decode(&[2; 40]), None, "a form of tomorrow");
    }

    #[test]
    fn what_the_archive_would_refuse_is_refused_at_once() {
        let id = ConversationId([1; 16]);
        let rename = |title: &str| encode(CommandId([9; 16]), &Act::Rename(SetTitle { id, title: title.to_owned() }));
        assert_eq!(rename("two\nlines").expect_err("refused").code, Code::NotKeepable);
        assert_eq!(rename(&"x".repeat(MAX_TITLE + 1)).expect_err("refused").code, Code::NotKeepable);
        let say = |message| encode(CommandId([2; 16]), &Act::Say(message)).map_err(|refusal| refusal.code);
        assert_eq!(say(note(&"x".repeat(MAX_TEXT + 1))), Err(Code::NotKeepable));
        assert_eq!(say(Message { author: Author::Assistant, ..note("I said so") }), Err(Code::Malformed));
        assert_eq!(say(Message { id: MessageId([3; 16]), ..note("words") }), Err(Code::Malformed));
    }
}
