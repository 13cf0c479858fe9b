//! `history`: what was said, read back from the archive.

use std::collections::VecDeque;

use ipc::{
    id::ConversationId,
    messages::{
        chat::{Author, Message, Part, Status},
        storage::{Conversation, ListConversations, MAX_PAGE, ReadConversation, Transcript},
    },
};
use serde_json::{Value, json};

use super::{
    args::{Common, History},
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, line, moment, plain, table, tell},
};

/// Digits of an id that lists show: enough to tell a thousand conversations apart.
const SHORT: usize = 8;

/// Messages that are shown on either side of one.
const AROUND: usize = 3;

/// `lamos history`.
pub async fn history(session: &Session, common: &Common, args: History) -> Outcome {
    sign_in(session, common).await?;
    match args.id {
        Some(prefix) => {
            let id = find(session, &prefix).await?;
            match args.at {
                Some(message) => show_at(session, id, &message.to_lowercase(), common.json).await,
                None => show(session, id, common.json).await,
            }
        }
        None => list(session, args.limit, common.json).await,
    }
}

/// The conversations, newest change first, as long as `wanted` says so.
async fn conversations(session: &Session, mut wanted: impl FnMut(&Conversation) -> bool) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = session.client.call(&ListConversations { after, limit: MAX_PAGE }).await?;
        for conversation in &page.items {
            if !wanted(conversation) {
                return Ok(());
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// The one conversation whose id begins so.
pub async fn find(session: &Session, prefix: &str) -> Result<ConversationId, Failure> {
    if let Ok(id) = prefix.parse() {
        return Ok(id);
    }
    let mut found = Vec::new();
    let prefix = prefix.to_lowercase();
    conversations(session, |conversation| {
        if conversation.id.to_string().starts_with(&prefix) {
            found.push(conversation.id);
        }
        found.len() < 2
    })
    .await?;
    match found[..] {
        [id] if !prefix.is_empty() => Ok(id),
        [] => Err(Failure::new(3, format!("no conversation has an id that begins with {prefix:?}; `lamos history` lists them"))),
        _ => Err(Failure::new(3, format!("more than one conversation has an id that begins with {prefix:?}; give more of it"))),
    }
}

/// The conversation that was changed last.
pub async fn newest(session: &Session) -> Result<ConversationId, Failure> {
    let page = session.client.call(&ListConversations { after: None, limit: 1 }).await?;
    let newest = page.items.first().map(|conversation| conversation.id);
    newest.ok_or_else(|| Failure::new(3, "there is no conversation to go on with yet; ask without --continue"))
}

async fn list(session: &Session, limit: u32, as_json: bool) -> Outcome {
    let mut items = Vec::new();
    conversations(session, |conversation| {
        items.push(conversation.clone());
        items.len() < limit as usize
    })
    .await?;
    print(&items, "Nothing has been said yet.", as_json)
}

/// Prints conversations, or these words where there is none.
pub fn print(items: &[Conversation], none: &str, as_json: bool) -> Outcome {
    if as_json {
        let items: Vec<Value> = items.iter().map(conversation_json).collect();
        return Ok(words::json(&Value::Array(items))?);
    }
    if items.is_empty() {
        tell(none);
        return Ok(());
    }
    Ok(words::answer(&lines(items))?)
}

/// Conversations as a table.
pub fn lines(items: &[Conversation]) -> String {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|conversation| {
            let id = conversation.id.to_string();
            vec![
                id[..SHORT].to_owned(),
                when(conversation.changed_ms),
                format!("{}", conversation.messages),
                line(&conversation.title),
            ]
        })
        .collect();
    table(&rows)
}

/// A moment as lists show it. What waits for the archive has none yet.
fn when(millis: u64) -> String {
    if millis == 0 { "waits".to_owned() } else { moment(millis) }
}

pub fn conversation_json(conversation: &Conversation) -> Value {
    json!({
        "id": conversation.id.to_string(),
        "title": conversation.title,
        "messages": conversation.messages,
        "created_ms": conversation.created_ms,
        "changed_ms": conversation.changed_ms,
    })
}

async fn show(session: &Session, id: ConversationId, as_json: bool) -> Outcome {
    let mut request = ReadConversation { id, skip: 0, limit: MAX_PAGE };
    let mut messages = Vec::new();
    loop {
        let Transcript { conversation, messages: page, unfinished, next } = session.client.call(&request).await?;
        if as_json {
            messages.extend(page.iter().map(message_json));
        } else {
            if request.skip == 0 {
                words::say(&line(&conversation.title))?;
            }
            for message in &page {
                words::answer(&message_text(message))?;
            }
        }
        match next {
            Some(next) => request.skip = next,
            None => {
                let unfinished = unfinished.iter().map(|turn| json!({ "turn": turn.turn.to_string(), "text": turn.text }));
                if as_json {
                    let unfinished: Vec<Value> = unfinished.collect();
                    let all = json!({ "conversation": conversation_json(&conversation), "messages": messages, "unfinished": unfinished });
                    return Ok(words::json(&all)?);
                }
                for turn in unfinished {
                    let text = turn["text"].as_str().unwrap_or_default();
                    words::say(&format!("\n[still speaking]\n{}", plain(text)))?;
                }
                return Ok(());
            }
        }
    }
}

/// The message whose id begins so, and some around it.
async fn show_at(session: &Session, id: ConversationId, prefix: &str, as_json: bool) -> Outcome {
    let mut request = ReadConversation { id, skip: 0, limit: MAX_PAGE };
    let (mut shown, mut found, mut before, mut after) = (VecDeque::new(), None, 0, 0);
    let conversation = loop {
        let Transcript { conversation, messages, next, .. } = session.client.call(&request).await?;
        for message in messages {
            match found {
                Some(_) if after >= AROUND => {}
                Some(_) => {
                    after += 1;
                    shown.push_back(message);
                }
                None => {
                    if !prefix.is_empty() && message.id.to_string().starts_with(prefix) {
                        found = Some(message.id);
                    } else {
                        before += 1;
                        if shown.len() == AROUND {
                            shown.pop_front();
                        }
                    }
                    shown.push_back(message);
                }
            }
        }
        match next {
            Some(next) if found.is_none() || after < AROUND => request.skip = next,
            _ => break conversation,
        }
    };
    let Some(found) = found else {
        let none = format!("no message of this conversation has an id that begins with {prefix:?}; `lamos search` prints them");
        return Err(Failure::new(3, none));
    };
    if as_json {
        let messages: Vec<Value> = shown.iter().map(message_json).collect();
        let conversation = conversation_json(&conversation);
        let all = json!({ "conversation": conversation, "at": found.to_string(), "before": before, "messages": messages });
        return Ok(words::json(&all)?);
    }
    words::say(&line(&conversation.title))?;
    let which = format!("message {} of {}", before + 1, conversation.messages);
    words::say(&format!("{which}; `lamos history {}` shows them all", &id.to_string()[..SHORT]))?;
    for message in &shown {
        let text = message_text(message);
        // The one that was asked for is marked.
        words::answer(&if message.id == found { text.replacen("\n[", "\n>>> [", 1) } else { text })?;
    }
    Ok(())
}

pub fn message_text(message: &Message) -> String {
    let who = match message.author {
        Author::Person => "you".to_owned(),
        Author::Assistant if message.made_by.is_empty() => "answer".to_owned(),
        Author::Assistant => line(&message.made_by),
    };
    let how = match message.status {
        Status::Complete => "",
        Status::Stopped => ", stopped",
        Status::Interrupted => ", interrupted",
    };
    let mut text = format!("\n[{who}, {}{how}]\n", when(message.at_ms));
    for part in &message.parts {
        match part {
            Part::Text(words) => text.push_str(&plain(words)),
            Part::Thinking { .. } => continue,
            Part::Call(call) => text.push_str(&format!("[{} {}]", line(&call.name), line(&call.arguments))),
            Part::Result(result) => {
                text.push_str(&format!("[{}] {}", if result.ok { "gave" } else { "failed" }, plain(&result.text)))
            }
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    for file in &message.attachments {
        text.push_str(&format!("[file {}, {}]\n", line(&file.name), words::bytes(file.length)));
    }
    text
}

pub fn message_json(message: &Message) -> Value {
    let parts: Vec<Value> = message
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => json!({ "text": text }),
            Part::Thinking { text, .. } => json!({ "thinking": text }),
            Part::Call(call) => json!({ "call": call.name, "id": call.id, "arguments": call.arguments }),
            Part::Result(result) => json!({ "result": result.text, "id": result.call, "ok": result.ok }),
        })
        .collect();
    json!({
        "id": message.id.to_string(),
        "turn": message.turn.to_string(),
        "author": match message.author { Author::Person => "person", Author::Assistant => "assistant" },
        "status": match message.status { Status::Complete => "complete", Status::Stopped => "stopped", Status::Interrupted => "interrupted" },
        "made_by": message.made_by,
        "at_ms": message.at_ms,
        "text": message.text(),
        "parts": parts,
        "attachments": message.attachments.iter().map(|file| json!({ "name": file.name, "length": file.length })).collect::<Vec<_>>(),
    })
}
