//! Looking at the archive itself: which events there are, what one says, and how much room everything takes.

use std::{collections::BTreeMap, fmt::Debug, fs, io, path::Path};

use ipc::{
    Code, Refusal,
    event::Clock,
    messages::storage::{
        FindObjects, Head, Heads, KindMeasured, ListObjects, MAX_FOUND, MAX_PAGE, Measured, Object, ObjectShown, Objects,
        ObjectsFound, ShowObject, TableMeasured, WhichObjects,
    },
};
use replica::{
    Listed, Replica, Which,
    body::{self, Body, Commit, Granted, Grantee, Link, Merge, OnBranch, Part, Right},
    branches::Seen,
};

use crate::{errors::refusal, volumes::names::Names};

/// Events added up while one snapshot is held and nobody else is served.
const SLICE: usize = 1024;

/// Longest value that is shown, in bytes, and most values.
const MAX_VALUE: usize = 4096;
const MAX_VALUES: usize = 100;

fn object(listed: &Listed) -> Object {
    let header = &listed.event.header;
    Object {
        event: listed.event.id,
        position: listed.event.position,
        kind: header.kind,
        kind_name: body::name(header.kind).unwrap_or_default().to_owned(),
        entity: header.entity,
        author: header.author,
        sequence: header.sequence,
        at_ms: header.clock.millis(),
        signed: listed.event.signature.is_some(),
        plain: u64::from(header.body_len),
        sealed: listed.sealed,
    }
}

/// Events, newest first.
pub(crate) fn list(replica: &Replica, request: ListObjects) -> Result<Objects, Refusal> {
    let limit = usize::from(request.limit.clamp(1, MAX_PAGE));
    let which = match request.which {
        WhichObjects::All => Which::All,
        WhichObjects::Entity(entity) => Which::Entity(entity),
        WhichObjects::Kind(name) => {
            let kind = body::kind_called(&name).or_else(|| name.parse().ok());
            Which::Kind(kind.ok_or_else(|| {
                Refusal::new(Code::NotFound, format!("there is no kind {name:?}; `lamos stats` lists those there are"))
            })?)
        }
    };
    let page =
        replica.snapshot().and_then(|snapshot| snapshot.listed(which, request.next, limit)).map_err(|error| refusal(&error))?;
    let next = match which {
        // Those of one thing come by their clocks, so their place says nothing about what comes next.
        Which::Entity(_) => Some(request.next + (page.items.len() + page.damaged) as u64),
        _ => page.last,
    };
    Ok(Objects { items: page.items.iter().map(object).collect(), next: next.filter(|_| page.more) })
}

/// What begins with some digits.
pub(crate) fn find(replica: &Replica, request: &FindObjects) -> Result<ObjectsFound, Refusal> {
    let digits = request.digits.to_lowercase();
    if digits.is_empty() || digits.len() > 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Refusal::new(
            Code::NotFound,
            format!("{digits:?} is no id: an id is hexadecimal digits, and its first few are enough"),
        ));
    }
    let found =
        replica.snapshot().and_then(|snapshot| snapshot.beginning(&digits, MAX_FOUND)).map_err(|error| refusal(&error))?;
    Ok(ObjectsFound { events: found.events, entities: found.entities })
}

/// All that is known of an event.
pub(crate) fn show(replica: &Replica, request: ShowObject) -> Result<ObjectShown, Refusal> {
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    let none = || Refusal::new(Code::NotFound, "there is no such event");
    let listed = snapshot.listed_one(&request.event).map_err(|error| refusal(&error))?.ok_or_else(none)?;
    let body = snapshot.version(&request.event).map_err(|error| refusal(&error))?.and_then(|version| version.body);
    let header = &listed.event.header;
    Ok(ObjectShown {
        object: object(&listed),
        previous: header.previous,
        seen: header.seen.clone(),
        signature: listed.event.signature.map(|signature| signature.to_vec()),
        fields: body.map(|body| fields(&body)).unwrap_or_default(),
    })
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_VALUE {
        let end = (0..=MAX_VALUE).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What an event says: names and values. Content of files is told by its length.
fn fields(body: &Body) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, value: &dyn ToString| {
        if fields.len() < MAX_VALUES {
            fields.push((name.to_owned(), cut(value.to_string())));
        }
    };
    let word = |value: &dyn Debug| format!("{value:?}").to_lowercase();
    let commit = |commit: &Option<Commit>, say: &mut dyn FnMut(&str, &dyn ToString)| {
        if let Some(Commit { id, message, merge }) = commit {
            say("commit", &hex(id));
            say("message", message);
            if let Some(Merge { from, into, ours, theirs }) = merge {
                say("merged from", from);
                say("merged into", into);
                for parent in [ours, theirs].into_iter().flatten() {
                    say("parent", &hex(parent));
                }
            }
        }
    };
    let on_branch = |branch: &Option<OnBranch>, say: &mut dyn FnMut(&str, &dyn ToString)| {
        if let Some(OnBranch { generation, over }) = branch {
            say("generation", generation);
            say("over", &over.map_or("nothing".to_owned(), |over| hex(&over)));
        }
    };
    match body {
        Body::Conversation(title) | Body::Title(title) => say("title", &title.title),
        Body::Message(message) => {
            say("message", &hex(&message.id));
            say("turn", &hex(&message.turn));
            say("author", &word(&message.author));
            say("status", &word(&message.status));
            say("made by", &message.made_by);
            for part in &message.parts {
                match part {
                    Part::Text(text) => say("text", text),
                    Part::Thinking(text, _) => say("thinking", text),
                    Part::Call(_, name, arguments) => say("call", &format!("{name} {arguments}")),
                    Part::Result(_, ok, text) => say(if *ok { "result" } else { "failure" }, text),
                }
            }
            for file in &message.attachments {
                say("attachment", &format!("{} {} {} bytes", hex(&file.id), file.name, file.length));
            }
        }
        Body::Trace(trace) => {
            say("turn", &hex(&trace.turn));
            say("goal", &trace.goal);
            say("skill", &trace.skill);
            say("model", &trace.model);
            say("outcome", &word(&trace.outcome));
            say("milliseconds", &trace.millis);
            for step in &trace.steps {
                say("step", &format!("{} {} -> {}", step.tool, step.input, step.output));
            }
        }
        Body::Attachment(attachment) => say("length", &attachment.length()),
        Body::File(file) => {
            say("path", &file.path);
            say("length", &file.length());
            on_branch(&file.branch, &mut say);
            commit(&file.commit, &mut say);
        }
        Body::FileRemoved(removed) => {
            say("path", &removed.path);
            on_branch(&removed.branch, &mut say);
            commit(&removed.commit, &mut say);
        }
        Body::Branch(branch) => {
            say("branch", &branch.name);
            say("generation", &branch.generation);
            say("act", &word(&branch.act));
            for Seen { author, sequence } in &branch.fork {
                say("has seen", &format!("{sequence} of {}", hex(author)));
            }
            if let Some(counts) = &branch.counts {
                say("written", &counts.written);
                say("removed", &counts.removed);
            }
            commit(&branch.commit, &mut say);
        }
        Body::Erase(erase) => {
            say("erased", &hex(&erase.entity));
            if let Some(event) = &erase.event {
                say("event", &hex(event));
            }
            if let Some(until) = erase.until {
                say("until", &Clock(until).millis());
            }
        }
        Body::Experience(made) => {
            say("entry", &hex(&made.id));
            say("conversation", &hex(&made.conversation));
            say("goal", &made.goal);
            say("result", &word(&made.result));
            say("milliseconds", &made.millis);
            let rows =
                [("component", &made.components), ("file", &made.files), ("done", &made.summary), ("learned", &made.learnings)];
            rows.iter().for_each(|(name, lines)| lines.iter().for_each(|line| say(name, line)));
            made.traces.iter().for_each(|trace| say("trace", &hex(&trace.0)));
        }
        Body::Bundle(bundle) => {
            say("bundle", &hex(&bundle.id));
            say("conversation", &hex(&bundle.conversation));
            say("month", &format!("{}-{:02}", bundle.month / 12, bundle.month % 12 + 1));
            bundle.items.iter().for_each(|item| say("entry", &format!("{} {}", hex(&item.id), item.goal)));
        }
        Body::Change(change) => {
            for operation in &change.operations {
                say("operation", &format!("{operation:?}"));
            }
        }
        Body::Right(right) => right_fields(right).into_iter().for_each(|(name, text)| say(name, &text)),
        Body::Unknown(_) => {}
    }
    fields
}

/// What was said about rights, in words.
pub(crate) fn right_fields(right: &Right) -> Vec<(&'static str, String)> {
    let who = |who: &Grantee| match who {
        Grantee::Peer(key) => hex(key),
        Grantee::Group(name) => format!("group {name}"),
    };
    let what = |what: &Granted| match what {
        Granted::Everything => "everything".to_owned(),
        Granted::Entity(entity) => hex(entity),
        Granted::Kind(kind) => body::name(*kind).map_or_else(|| format!("kind {kind}"), str::to_owned),
    };
    match right {
        Right::Access(grantee, granted, may) => {
            vec![("who", who(grantee)), ("may have", what(granted)), ("from now on", may.to_string())]
        }
        Right::Group(name, key, inside) => {
            vec![("group", name.clone()), ("member", hex(key)), ("from now on", inside.to_string())]
        }
        Right::Member(chain, held) => {
            let text = |link: &Link| String::from_utf8_lossy(&link.0).into_owned();
            let own = ("of this device", held.to_string());
            std::iter::once(own).chain(chain.iter().map(|link| ("credential", text(link)))).collect()
        }
        Right::RevokedCredential(id) => vec![("taken back", id.clone())],
        Right::RevokedKey(key) => vec![("taken back from", hex(key))],
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where each author stands.
pub(crate) fn heads(replica: &Replica) -> Result<Heads, Refusal> {
    let heads = replica.snapshot().and_then(|snapshot| snapshot.newest_of_authors()).map_err(|error| refusal(&error))?;
    let head = |head: replica::AuthorHead| Head {
        author: head.author,
        sequence: head.sequence,
        at_ms: Clock::millis(head.clock),
        event: head.id,
    };
    Ok(Heads { items: heads.into_iter().map(head).collect() })
}

/// Counts everything, in slices between which others are served.
pub(crate) async fn measure(replica: &Replica, names: &Names, directory: &Path) -> Result<Measured, Refusal> {
    let mut kinds = BTreeMap::new();
    let mut after = 0;
    while let Some(last) =
        replica.snapshot().and_then(|snapshot| snapshot.add_up(after, SLICE, &mut kinds)).map_err(|error| refusal(&error))?
    {
        after = last;
        tokio::task::yield_now().await;
    }
    let files = names.count().await?;
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    let tables = snapshot.tables().map_err(|error| refusal(&error))?;
    let (_, _, conversations) = snapshot.counts().map_err(|error| refusal(&error))?;
    let room = replica.room().map_err(|error| refusal(&error))?;
    let cannot = |error: io::Error| refusal(&error.into());
    let disk = fs::File::open(directory).and_then(|folder| Ok(rustix::fs::fstatvfs(folder)?)).map_err(cannot)?;
    Ok(Measured {
        kinds: kinds
            .into_iter()
            .map(|(kind, size)| KindMeasured {
                kind,
                name: body::name(kind).unwrap_or_default().to_owned(),
                events: size.events,
                unsigned: size.unsigned,
                erased: size.erased,
                plain: size.plain,
                sealed: size.sealed,
            })
            .collect(),
        used: tables.iter().map(|table| table.bytes).sum(),
        tables: tables
            .into_iter()
            .map(|table| TableMeasured { name: table.name.to_owned(), entries: table.entries, bytes: table.bytes })
            .collect(),
        conversations,
        files,
        database: room.file,
        reserved: room.reserved,
        directory: bytes_below(directory, DEEPEST).map_err(cannot)?,
        disk_free: disk.f_bavail.saturating_mul(disk.f_frsize),
        disk: disk.f_blocks.saturating_mul(disk.f_frsize),
    })
}

/// Folders of the archive do not lie deeper in one another.
const DEEPEST: u32 = 8;

/// Bytes of the files below a folder; links are not followed. A file that goes meanwhile counts nothing.
fn bytes_below(folder: &Path, depth: u32) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() && depth > 0 => bytes += bytes_below(&entry.path(), depth - 1)?,
            Ok(metadata) if metadata.is_file() => bytes += metadata.len(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use replica::body::Title;

    use super::*;

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        let fields = fields(&Body::Title(Title { title: "東".repeat(4000) }));
        assert!(fields[0].1.len() <= MAX_VALUE + '…'.len_utf8() && fields[0].1.ends_with('…'));
    }
}
