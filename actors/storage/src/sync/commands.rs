//! What a person did while the archive was away, and while it was there. Each command is done once, by an identity that is
//! kept with what it made: that of the conversation, that of the message, or its own.

use ipc::{
    Code, Refusal,
    messages::{
        chat::Author,
        storage::{Act, Carried, Carry, Command, CommandOutcome, CreateConversation, MAX_CARRIED, SetTitle},
    },
};
use replica::{Draft, body::Body, wire::message_to_disk};

use crate::{
    conversations::{check_message, title},
    convert::appended,
    errors::refused,
    writer::WriterHandle,
};

/// Does commands in their order, in one transaction. What is said of each is so for good; a failure of the archive refuses
/// the whole, and nothing of it was done.
pub(crate) async fn carry(writer: &WriterHandle, request: Carry) -> Result<Carried, Refusal> {
    if request.commands.len() > MAX_CARRIED {
        return Err(Refusal::new(Code::Malformed, format!("at most {MAX_CARRIED} commands come at once")));
    }
    let judged: Vec<Result<Draft, Refusal>> = request.commands.into_iter().map(draft).collect();
    let drafts: Vec<Draft> = judged.iter().filter_map(|one| one.as_ref().ok()).cloned().collect();
    let mut kept = if drafts.is_empty() { Vec::new() } else { writer.append_each(drafts).await? }.into_iter();
    let outcomes = judged
        .into_iter()
        .map(|one| match one {
            Err(refusal) => Ok(CommandOutcome::Refused(refusal)),
            Ok(_) => match kept.next() {
                Some(Ok(kept)) => Ok(CommandOutcome::Done(appended(kept))),
                Some(Err(why)) => Ok(CommandOutcome::Refused(refused(why))),
                None => Err(Refusal::internal("say what became of each command")),
            },
        })
        .collect::<Result<_, Refusal>>()?;
    Ok(Carried { outcomes })
}

/// What a command keeps, and under which identity it is kept once.
fn draft(Command { id, act }: Command) -> Result<Draft, Refusal> {
    let foreign = || Refusal::new(Code::Malformed, "the command has another id than what it keeps");
    match act {
        Act::Begin(CreateConversation { id: conversation, title: called }) => {
            let body = Body::Conversation(title(called)?);
            if conversation.0 != id.0 {
                return Err(foreign());
            }
            Ok(Draft { entity: conversation.0, body, once: Some(id.0) })
        }
        Act::Rename(SetTitle { id: conversation, title: called }) => {
            Ok(Draft { entity: conversation.0, body: Body::Title(title(called)?), once: Some(id.0) })
        }
        Act::Say(message) => {
            check_message(&message)?;
            if message.id.0 != id.0 {
                return Err(foreign());
            }
            if message.author != Author::Person {
                return Err(Refusal::new(Code::Malformed, "a person speaks for himself and for nobody else"));
            }
            let entity = message.conversation.0;
            Ok(Draft { entity, body: Body::Message(message_to_disk(message)), once: Some(id.0) })
        }
    }
}
