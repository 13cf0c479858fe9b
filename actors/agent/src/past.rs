//! What a conversation holds already: what was said, as a model is to see it, and the files that were given, which a later
//! question may be about.

use std::collections::HashSet;

use ipc::{
    Client, Code, Refusal,
    endpoint::Options,
    id::{AttachmentId, ConversationId, TraceId},
    messages::{
        chat::{Author, MAX_ATTACHMENTS, Message, Part},
        code::MAX_FILES,
        llm::Said,
        storage::{GetAttachment, MAX_PAGE, ReadConversation},
    },
    role::source,
};

use crate::persist::keep;

/// Most bytes of what was said before that a model is given.
const MAX_HISTORY: usize = 192 << 10;

/// Reads what there is.
pub(crate) struct Past<'a> {
    /// Asks the archive.
    pub(crate) client: &'a Client<source::Agent>,
    /// Of which conversation.
    pub(crate) conversation: ConversationId,
    /// The request it belongs to.
    pub(crate) trace: TraceId,
}

impl Past<'_> {
    /// The newest messages, oldest first, of a conversation that has `count`.
    pub(crate) async fn messages(&self, count: u32) -> Result<Vec<Message>, Refusal> {
        let mut messages = Vec::new();
        if count == 0 {
            return Ok(messages);
        }
        let skip = count.saturating_sub(u32::from(MAX_PAGE));
        let mut request = ReadConversation { id: self.conversation, skip, limit: MAX_PAGE };
        loop {
            let page = keep(self.client, self.trace, &request).await?;
            messages.extend(page.messages);
            match page.next {
                Some(next) => request.skip = next,
                None => return Ok(messages),
            }
        }
    }

    /// The files of these messages, the newest of each name, as many as a run may have beside those that were `given` now.
    pub(crate) async fn files(
        &self,
        messages: &[Message],
        given: &[(String, Vec<u8>)],
    ) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
        let mut names: HashSet<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
        let mut room = MAX_FILES.saturating_sub(given.iter().map(|(_, bytes)| bytes.len() as u64).sum());
        let mut files = Vec::new();
        for file in messages.iter().rev().flat_map(|message| &message.attachments) {
            if names.len() >= MAX_ATTACHMENTS || file.length > room || !names.insert(&file.name) {
                continue;
            }
            room -= file.length;
            match self.file(file.id).await {
                Ok(bytes) => files.push((file.name.clone(), bytes)),
                // One that cannot be read any more is not what was asked about.
                Err(refusal) if refusal.code == Code::NotFound => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(files)
    }

    async fn file(&self, id: AttachmentId) -> Result<Vec<u8>, Refusal> {
        let request = GetAttachment::whole(self.conversation, id);
        let mut stream = self.client.open(&request, Options { trace: Some(self.trace), ..Options::default() })?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend(chunk?.0);
        }
        stream.answer().await?;
        Ok(bytes)
    }
}

/// What was said, as a model is to see it: the newest that fits.
pub(crate) fn said(messages: Vec<Message>) -> Vec<Said> {
    let mut said: Vec<Said> = messages.into_iter().flat_map(contributions).collect();
    let mut room = MAX_HISTORY;
    let fits = said.iter().rev().take_while(|said| {
        let length = said.parts.iter().map(length).sum::<usize>();
        room = room.saturating_sub(length);
        room > 0
    });
    let kept = fits.count();
    let mut said = said.split_off(said.len() - kept);
    // A result without its call means nothing to a model.
    let begin = said
        .iter()
        .position(|said| !said.by_model && said.parts.iter().all(|part| matches!(part, Part::Text(_))))
        .unwrap_or(said.len());
    said.split_off(begin)
}

/// A message as contributions: the results of tools are not the model's own words.
fn contributions(message: Message) -> Vec<Said> {
    let by_model = message.author == Author::Assistant;
    let mut said: Vec<Said> = Vec::new();
    for part in message.parts {
        let by_model = by_model && !matches!(part, Part::Result(_));
        match said.last_mut() {
            Some(last) if last.by_model == by_model => last.parts.push(part),
            _ => said.push(Said { by_model, parts: vec![part] }),
        }
    }
    said
}

fn length(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Thinking { text, signature } => text.len() + signature.len(),
        Part::Call(call) => call.arguments.len(),
        Part::Result(result) => result.text.len(),
    }
}
