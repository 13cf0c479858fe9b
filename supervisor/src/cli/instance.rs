//! `instance`: what the window keeps of its own, until there is a window to show it. It answers while the archive is away, and
//! takes what the person does for the archive's return.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use ipc::{
    id::{CommandId, ConversationId, MessageId, TurnId},
    messages::{
        chat::{Author, Message, Part, Status},
        instance::{Counted, Give, Held, KindHeld, Kinds, Link, ListKinds, ListRecent, Pin, ReadRecent, Standing, Stands},
        storage::{Act, Conversation, CreateConversation, MAX_PAGE, SetTitle},
    },
};
use serde_json::{Value, json};

use super::{
    args::Common,
    history::{self, conversation_json, message_json, message_text},
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, line, table, tell},
};
use crate::exit;

/// How long a command waits for the archive before it is left to be done later.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether it is done.
const LOOK: Duration = Duration::from_millis(20);

/// Arguments of `instance`.
#[derive(Debug, Args)]
pub struct InstanceArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: InstanceAction,
}

/// What to do with the window's instance.
#[derive(Debug, Subcommand)]
pub enum InstanceAction {
    /// See how it stands with the archive, what is held and what waits
    Status,
    /// List the conversations it holds, or show the newest of one; what it does not hold is fetched from the archive
    Recent {
        /// Show this conversation (its id, or the beginning of it)
        id: Option<String>,
        /// At most so many conversations or messages
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Hold a conversation whatever else needs room; what is pinned is sure of half of it
    Pin {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Hold it only as long as it is used
    Unpin {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Begin a conversation
    Begin {
        /// What it is called
        #[arg(required = true)]
        title: Vec<String>,
    },
    /// Call a conversation otherwise
    Rename {
        /// Its id, or the beginning of it
        id: String,
        /// What it is called from now on
        #[arg(required = true)]
        title: Vec<String>,
    },
    /// Note something in a conversation, without asking anybody
    Note {
        /// Its id, or the beginning of it
        id: String,
        /// What to note
        #[arg(required = true)]
        text: Vec<String>,
    },
}

/// `lamos instance`.
pub async fn instance(session: &Session, common: &Common, args: InstanceArgs) -> Outcome {
    sign_in(session, common).await?;
    match args.action {
        InstanceAction::Status => status(session, common.json).await,
        InstanceAction::Recent { id: Some(prefix), limit } => {
            let id = find(session, &prefix).await?;
            show(session, id, limit as usize, common.json).await
        }
        InstanceAction::Recent { id: None, limit } => list(session, limit, common.json).await,
        InstanceAction::Pin { id } => pin(session, &id, true, common.json).await,
        InstanceAction::Unpin { id } => pin(session, &id, false, common.json).await,
        InstanceAction::Begin { title } => {
            let id = random()?;
            let begun = CreateConversation { id: ConversationId(id), title: title.join(" ") };
            give(session, common.json, ConversationId(id), CommandId(id), Act::Begin(begun)).await
        }
        InstanceAction::Rename { id, title } => {
            let id = find(session, &id).await?;
            let renamed = SetTitle { id, title: title.join(" ") };
            give(session, common.json, id, CommandId(random()?), Act::Rename(renamed)).await
        }
        InstanceAction::Note { id, text } => {
            let (id, message) = (find(session, &id).await?, random()?);
            let said = Message {
                id: MessageId(message),
                conversation: id,
                turn: TurnId(message),
                author: Author::Person,
                parts: vec![Part::Text(text.join(" "))],
                attachments: Vec::new(),
                status: Status::Complete,
                made_by: String::new(),
                at_ms: 0,
            };
            give(session, common.json, id, CommandId(message), Act::Say(said)).await
        }
    }
}

async fn pin(session: &Session, prefix: &str, pinned: bool, as_json: bool) -> Outcome {
    let id = find(session, prefix).await?;
    session.client.call(&Pin { id, pinned }).await?;
    if as_json {
        return Ok(words::json(&json!({ "conversation": id.to_string(), "pinned": pinned }))?);
    }
    Ok(words::say(&id.to_string())?)
}

fn random() -> Result<[u8; 16], Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Failure::new(exit::OURS, format!("failed to get random bytes: {error}")))?;
    Ok(id)
}

/// Gives a command, and waits a moment for the archive to do it.
async fn give(session: &Session, as_json: bool, conversation: ConversationId, id: CommandId, act: Act) -> Outcome {
    let before = session.client.call(&Standing).await?.counted;
    session.client.call(&Give { id, act }).await?;
    let until = Instant::now() + PATIENCE;
    let waits = loop {
        let Stands { outbox, counted, .. } = session.client.call(&Standing).await?;
        if counted.refused > before.refused {
            return Err(Failure::new(3, "the archive refused what waited for it; `lamos tail --role ui` shows how"));
        }
        if outbox.commands == 0 || Instant::now() > until {
            break outbox.commands;
        }
        tokio::time::sleep(LOOK).await;
    };
    if as_json {
        let given = json!({ "conversation": conversation.to_string(), "command": id.to_string(), "waiting": waits });
        return Ok(words::json(&given)?);
    }
    if waits > 0 {
        tell("It is kept, and will be done when the archive is back.");
    }
    Ok(words::say(&conversation.to_string())?)
}

/// Conversations, newest change first, as long as `wanted` says so.
async fn conversations(session: &Session, mut wanted: impl FnMut(&Conversation) -> bool) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = session.client.call(&ListRecent { after, limit: MAX_PAGE }).await?;
        if !page.items.iter().all(&mut wanted) {
            return Ok(());
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// The one conversation whose id begins so.
async fn find(session: &Session, prefix: &str) -> Result<ConversationId, Failure> {
    if let Ok(id) = prefix.parse() {
        return Ok(id);
    }
    let (mut found, prefix) = (Vec::new(), prefix.to_lowercase());
    conversations(session, |conversation| {
        if conversation.id.to_string().starts_with(&prefix) {
            found.push(conversation.id);
        }
        found.len() < 2
    })
    .await?;
    match found[..] {
        [id] if !prefix.is_empty() => Ok(id),
        [] => {
            let sentence = format!("nothing is held whose id begins with {prefix:?}; `lamos instance recent` lists what is");
            Err(Failure::new(3, sentence))
        }
        _ => Err(Failure::new(3, format!("more than one conversation has an id that begins with {prefix:?}; give more of it"))),
    }
}

async fn list(session: &Session, limit: u32, as_json: bool) -> Outcome {
    let mut items = Vec::new();
    conversations(session, |conversation| {
        items.push(conversation.clone());
        items.len() < limit as usize
    })
    .await?;
    history::print(&items, "Nothing is held yet.", as_json)
}

/// Shows the newest messages, oldest first: pages come the other way round.
async fn show(session: &Session, id: ConversationId, limit: usize, as_json: bool) -> Outcome {
    let mut before = None;
    let mut messages = VecDeque::new();
    let page = loop {
        let rest = u16::try_from(limit - messages.len()).unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let mut page = session.client.call(&ReadRecent { id, before, limit: rest }).await?;
        // Two may have been said at one moment, and those that wait are beside those that are held.
        for message in page.messages.drain(..).rev() {
            messages.push_front(message);
        }
        if page.missing || page.next.is_none() || messages.len() >= limit {
            break page;
        }
        before = page.next;
    };
    if as_json {
        let messages: Vec<Value> = messages.iter().map(message_json).collect();
        let conversation = conversation_json(&page.conversation);
        return Ok(words::json(&json!({
            "conversation": conversation,
            "messages": messages,
            "older": page.next.is_some(),
            "missing": page.missing,
            "pinned": page.pinned,
        }))?);
    }
    words::say(&line(&page.conversation.title))?;
    if page.missing {
        tell("There may be more that is not held here; the archive did not give it.");
    } else if page.next.is_some() {
        tell("There are older messages; -n shows more.");
    }
    messages.iter().try_for_each(|message| words::answer(&message_text(message)))?;
    Ok(())
}

/// How it is called that the archive has not answered yet, and that it does not answer.
const STARTING: &str = "starting";
const AWAY: &str = "away";

/// What is pinned, and whether there is room for it.
pub fn pinned(held: &Held) -> String {
    let Held { pinned, pinned_bytes, pinned_share, pinned_cut, .. } = *held;
    let (bytes, share) = (words::bytes(pinned_bytes), words::bytes(pinned_share));
    match pinned_cut {
        0 if pinned == 0 => format!("nothing; {share} would be sure to stay"),
        0 => format!("{pinned}, {bytes} of them held, and {share} are sure to stay"),
        cut => format!(
            "{pinned}, and {cut} of them do not fit: {bytes} are held, {share} are sure to stay, and the rest is fetched when it is read"
        ),
    }
}

fn kind_text(kind: &KindHeld) -> String {
    if kind.name.is_empty() { format!("of kind {}", kind.kind) } else { line(&kind.name) }
}

fn kind_json(kind: &KindHeld) -> Value {
    json!({ "kind": kind.kind, "name": kind.name, "events": kind.events })
}

async fn status(session: &Session, as_json: bool) -> Outcome {
    let Stands { link, trouble, held, outbox, reads, counted } = session.client.call(&Standing).await?;
    let link = match link {
        Link::Starting => STARTING,
        Link::Away => AWAY,
        Link::CatchingUp => "catching up",
        Link::Live => "live",
    };
    let Kinds { rules, kinds } = session.client.call(&ListKinds).await?;
    let Counted { sessions, rounds, bytes_in, bytes_out, taken, done, refused } = counted;
    if as_json {
        return Ok(words::json(&json!({
            "link": link,
            "trouble": trouble,
            "held": {
                "events": held.events, "conversations": held.conversations, "pinned": held.pinned,
                "pinned_bytes": held.pinned_bytes, "pinned_share": held.pinned_share, "pinned_cut": held.pinned_cut,
                "bytes": held.bytes,
                "limit": held.limit, "used": held.used, "capacity": held.capacity,
            },
            "rules": rules.lines().collect::<Vec<_>>(),
            "kinds": kinds.iter().map(kind_json).collect::<Vec<_>>(),
            "reads": { "pages": reads.pages, "whole": reads.whole },
            "outbox": { "commands": outbox.commands, "bytes": outbox.bytes, "capacity": outbox.capacity },
            "counted": {
                "sessions": sessions, "rounds": rounds, "bytes_in": bytes_in, "bytes_out": bytes_out, "taken": taken,
                "done": done, "refused": refused,
            },
        }))?);
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rows = vec![
        row(
            "archive",
            match trouble {
                Some(trouble) => format!("{link}: {}", line(&trouble)),
                None if link == STARTING => format!("{link}; it is being reached"),
                None if link == AWAY => format!("{link}; it is asked again and again"),
                None => link.to_owned(),
            },
        ),
        row("held", format!("{} events, {} conversations", held.events, held.conversations)),
        row("pinned", pinned(&held)),
        row(
            "room",
            format!(
                "{} of {} on disk, {} of {} in use",
                words::bytes(held.bytes),
                words::bytes(held.limit),
                words::bytes(held.used),
                words::bytes(held.capacity)
            ),
        ),
        row(
            "kinds",
            match &kinds[..] {
                [] => "none".to_owned(),
                kinds => kinds.iter().map(|kind| format!("{} {}", kind.events, kind_text(kind))).collect::<Vec<_>>().join(", "),
            },
        ),
        row(
            "rules",
            match &rules[..] {
                "" => "none; every kind comes by itself".to_owned(),
                rules => rules.lines().map(line).collect::<Vec<_>>().join(", "),
            },
        ),
        row("read", format!("{} pages, {} of them held", reads.pages, reads.whole)),
        row(
            "waiting",
            format!("{} commands, {} of {}", outbox.commands, words::bytes(outbox.bytes), words::bytes(outbox.capacity)),
        ),
        row("carried", format!("{done} done, {refused} refused")),
        row("sessions", format!("{sessions}, {rounds} rounds, {taken} events taken")),
        row("spoken", format!("{} received, {} sent", words::bytes(bytes_in), words::bytes(bytes_out))),
    ];
    Ok(words::answer(&table(&rows))?)
}
