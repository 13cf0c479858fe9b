//! What refers to what, as people would be told it: each end with its kind and what it is called.
//!
//! Which things refer to which is known from the replica's own tables. Here each end is looked up, one by one and no more
//! than a page of them, so an answer costs as much as it says.

use ipc::{
    Code, Refusal,
    messages::storage::{
        Direction, ListReferences, MAX_REFERENCES, Presence, Reference, ReferenceCursor, References, Referent, Thing,
    },
};
use replica::{
    By, Name, Record, Replica, ReplicaError, Snapshot, Which,
    body::{self, Body, Part},
    name_of_event,
    state::{State, Value},
};

use crate::errors::refusal;

/// Longest title, in characters.
const MAX_TITLE: usize = 120;

/// Events of an entity that are looked at to see what it is, when no view says so.
const LOOKED_AT: usize = 16;

/// A page of references.
pub(crate) fn list(replica: &Replica, request: ListReferences) -> Result<References, Refusal> {
    let found = replica.snapshot().and_then(|snapshot| page(&snapshot, request)).map_err(|error| refusal(&error))?;
    found.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such event"))
}

/// `None` if there is no such event.
fn page(snapshot: &Snapshot<'_>, request: ListReferences) -> Result<Option<References>, ReplicaError> {
    let limit = usize::from(request.limit.clamp(1, MAX_REFERENCES));
    let of = match request.of {
        Referent::Event(id) => event(snapshot, &id)?,
        Referent::Entity(id) => entity(snapshot, &id)?,
    };
    let Some(source) = of.entity else { return Ok(None) };
    let after = request.after.map(|ReferenceCursor { source, event, target }| replica::Reference {
        source,
        by: event.map_or(By::State, By::Event),
        target,
    });
    let (found, more) = match (request.direction, request.of) {
        (Direction::From, referent) => {
            let by = match referent {
                Referent::Event(id) => Some(By::Event(id)),
                Referent::Entity(_) => None,
            };
            let page = snapshot.references_from(&source, by, after.as_ref(), limit)?;
            (page.items, page.more)
        }
        (Direction::To, Referent::Entity(id)) => to(snapshot, &[id], after, limit)?,
        (Direction::To, Referent::Event(id)) => {
            let names = read(snapshot, &id)?.map_or_else(|| vec![name_of_event(&id)], |body| body.names(&id));
            to(snapshot, &names, after, limit)?
        }
    };
    let next = found.last().filter(|_| more).map(|last| ReferenceCursor {
        source: last.source,
        event: event_of(last.by),
        target: last.target,
    });
    let items = found.iter().map(|found| {
        let other = match request.direction {
            Direction::From => named(snapshot, &found.target)?,
            Direction::To => match found.by {
                By::Event(id) => event(snapshot, &id)?,
                By::State => entity(snapshot, &found.source)?,
            },
        };
        Ok(Reference { other, event: event_of(found.by) })
    });
    let items = items.collect::<Result<_, ReplicaError>>()?;
    Ok(Some(References { of, items, next }))
}

fn event_of(by: By) -> Option<[u8; 32]> {
    match by {
        By::Event(id) => Some(id),
        By::State => None,
    }
}

/// What refers to something by any of its names, one name after the other; whether there is more.
fn to(
    snapshot: &Snapshot<'_>,
    names: &[Name],
    mut after: Option<replica::Reference>,
    limit: usize,
) -> Result<(Vec<replica::Reference>, bool), ReplicaError> {
    let first = after.and_then(|after| names.iter().position(|name| *name == after.target)).unwrap_or(0);
    let mut found = Vec::new();
    for name in names.iter().skip(first) {
        let left = limit - found.len();
        let page = snapshot.references_to(name, after.take().as_ref(), left)?;
        found.extend(page.items);
        if page.more {
            return Ok((found, true));
        }
    }
    Ok((found, false))
}

/// What a name leads to.
fn named(snapshot: &Snapshot<'_>, name: &Name) -> Result<Thing, ReplicaError> {
    let is_entity = *name == body::ERASURES
        || snapshot.erased_until(name)?.is_some()
        || !snapshot.listed(Which::Entity(*name), 0, 1)?.items.is_empty();
    if is_entity {
        return entity(snapshot, name);
    }
    for kind in [body::ATTACHMENT, body::EXPERIENCE] {
        if let Some(record) = whole(snapshot.once(kind, name))? {
            return Ok(Thing { name: *name, ..event(snapshot, &record.event.id)? });
        }
    }
    let digits: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    match snapshot.ids_beginning(&digits, 1)?.first() {
        Some(id) => event(snapshot, id),
        None => Ok(absent(*name)),
    }
}

fn absent(name: Name) -> Thing {
    Thing { name, event: None, entity: None, kind: String::new(), title: String::new(), presence: Presence::Absent }
}

/// An event, by its id.
fn event(snapshot: &Snapshot<'_>, id: &[u8; 32]) -> Result<Thing, ReplicaError> {
    let name = name_of_event(id);
    let Some(listed) = snapshot.listed_one(id)? else { return Ok(Thing { event: Some(*id), ..absent(name) }) };
    let header = &listed.event.header;
    let kind = body::name(header.kind).map_or_else(|| format!("kind {}", header.kind), str::to_owned);
    let title = match read(snapshot, id)? {
        Some(body) => title(snapshot, &body)?,
        None => String::new(),
    };
    let presence = if listed.sealed.is_some() { Presence::Here } else { Presence::Erased };
    Ok(Thing { name, event: Some(*id), entity: Some(header.entity), kind, title: cut(&title), presence })
}

/// What events are about, by its id.
fn entity(snapshot: &Snapshot<'_>, id: &[u8; 16]) -> Result<Thing, ReplicaError> {
    let thing = |kind: &str, title: String| Thing {
        name: *id,
        event: None,
        entity: Some(*id),
        kind: kind.to_owned(),
        title: cut(&title),
        presence: Presence::Here,
    };
    if *id == body::ERASURES {
        return Ok(thing("Erasures", String::new()));
    }
    if let Some(view) = whole(snapshot.conversation(id))? {
        return Ok(thing("Conversation", view.title));
    }
    if let Some(view) = whole(snapshot.file_view(id))? {
        return Ok(thing("File", view.path));
    }
    if let Some(view) = whole(snapshot.branch(id))? {
        return Ok(thing("Branch", view.name));
    }
    let newest = snapshot.listed(Which::Entity(*id), 0, LOOKED_AT)?.items;
    for listed in &newest {
        if matches!(listed.event.header.kind, body::EXPERIENCE | body::BUNDLE)
            && let Some(Body::Experience(body::Experience { conversation, .. }) | Body::Bundle(body::Bundle { conversation, .. })) =
                read(snapshot, &listed.event.id)?
        {
            let view = whole(snapshot.conversation(&conversation))?;
            return Ok(thing("Memory", view.map(|view| view.title).unwrap_or_default()));
        }
    }
    if let Some(state) = whole(snapshot.state(id))? {
        return Ok(thing("State", title_of_state(&state)));
    }
    let presence = if newest.iter().any(|listed| listed.sealed.is_some()) {
        Presence::Here
    } else if !newest.is_empty() || snapshot.erased_until(id)?.is_some() {
        Presence::Erased
    } else {
        Presence::Absent
    };
    Ok(Thing { presence, ..thing("", String::new()) })
}

/// What a state is called, if it has a field that says so.
fn title_of_state(state: &State) -> String {
    let fields = ["title", "name"].into_iter().filter_map(|name| state.field(name));
    let words = fields.filter_map(|field| match (field.text(), field.value()) {
        (Some(text), _) => Some(text.to_owned()),
        (None, Some(Value::Text(text))) => Some(text.clone()),
        _ => None,
    });
    words.into_iter().next().unwrap_or_default()
}

/// What an event is called, by what it says.
fn title(snapshot: &Snapshot<'_>, body: &Body) -> Result<String, ReplicaError> {
    Ok(match body {
        Body::Conversation(title) | Body::Title(title) => title.title.clone(),
        Body::Message(message) => {
            let words = message.parts.iter().find_map(|part| match part {
                Part::Text(text) => Some(text.clone()),
                Part::Thinking(..) | Part::Call(..) | Part::Result(..) => None,
            });
            words.unwrap_or_default()
        }
        Body::Trace(trace) => trace.goal.clone(),
        Body::Attachment(attachment) => attachment.id.map_or(Ok(None), |id| attached_as(snapshot, &id))?.unwrap_or_default(),
        Body::File(file) => file.path.clone(),
        Body::FileRemoved(removed) => removed.path.clone(),
        Body::Experience(made) => made.goal.clone(),
        Body::Bundle(bundle) => format!("{}-{:02}", bundle.month / 12, bundle.month % 12 + 1),
        Body::Branch(branch) => branch.name.clone(),
        Body::Erase(_) | Body::Change(_) | Body::Right(_) | Body::Unknown(_) => String::new(),
    })
}

/// The name that a message gave to what it has attached: the attachment itself has none.
fn attached_as(snapshot: &Snapshot<'_>, id: &Name) -> Result<Option<String>, ReplicaError> {
    let by = snapshot.references_to(id, None, 1)?.items.first().map(|found| found.by);
    let Some(By::Event(message)) = by else { return Ok(None) };
    let Some(Body::Message(message)) = read(snapshot, &message)? else { return Ok(None) };
    Ok(message.attachments.into_iter().find(|attached| attached.id == *id).map(|attached| attached.name))
}

/// What an event says; nothing if it is erased or damaged: the list goes on without.
fn read(snapshot: &Snapshot<'_>, id: &[u8; 32]) -> Result<Option<Body>, ReplicaError> {
    let Some(event) = snapshot.event(id)? else { return Ok(None) };
    Ok(whole(snapshot.record(event.position))?.map(|Record { body, .. }| body))
}

/// What is damaged is told by `lamos verify`, and is nothing here.
fn whole<T>(found: Result<Option<T>, ReplicaError>) -> Result<Option<T>, ReplicaError> {
    match found {
        Err(ReplicaError::Damaged(_)) => Ok(None),
        found => found,
    }
}

/// The first words, in one line.
fn cut(title: &str) -> String {
    let mut words = title.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut line: String = words.by_ref().take(MAX_TITLE).collect();
    if words.next().is_some() {
        line.push('…');
    }
    line.trim().to_owned()
}
