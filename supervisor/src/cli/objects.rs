//! `objects`: the events of the archive as they lie there.

use ipc::messages::storage::{
    FindObjects, ListHeads, ListObjects, MAX_PAGE, Object, ObjectShown, ObjectsFound, Referent, ShowObject, WhichObjects,
};
use serde_json::{Value, json};

use super::{
    args::{Common, ObjectsArgs},
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, instant, line, plain, table, tell},
};

mod references;

/// Digits of an id that lists show.
const SHORT: usize = 10;

/// `lamos objects`.
pub async fn objects(session: &Session, common: &Common, args: ObjectsArgs) -> Outcome {
    sign_in(session, common).await?;
    let (limit, as_json) = (args.limit as usize, common.json);
    match (args.id, args.kind) {
        (Some(digits), _) if args.references => {
            let of = match found(session, digits).await? {
                Found::Event(event) => Referent::Event(event),
                Found::Entity(entity) => Referent::Entity(entity),
            };
            references::all(session, of, as_json).await
        }
        (Some(digits), _) => match found(session, digits).await? {
            Found::Event(event) => show(session, event, as_json).await,
            Found::Entity(entity) => {
                list(session, WhichObjects::Entity(entity), limit, as_json).await?;
                if as_json { Ok(()) } else { references::beneath(session, Referent::Entity(entity)).await }
            }
        },
        (None, Some(kind)) => list(session, WhichObjects::Kind(kind), limit, as_json).await,
        (None, None) if args.heads => heads(session, as_json).await,
        (None, None) => list(session, WhichObjects::All, limit, as_json).await,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn kind(object: &Object) -> String {
    if object.kind_name.is_empty() { format!("kind {}", object.kind) } else { object.kind_name.clone() }
}

fn object_json(object: &Object) -> Value {
    json!({
        "id": hex(&object.event),
        "position": object.position,
        "kind": object.kind,
        "kind_name": object.kind_name,
        "entity": hex(&object.entity),
        "author": hex(&object.author),
        "sequence": object.sequence,
        "at_ms": object.at_ms,
        "signed": object.signed,
        "erased": object.sealed.is_none(),
        "plain": object.plain,
        "sealed": object.sealed,
    })
}

fn row(object: &Object) -> Vec<String> {
    let sealed = object.sealed.map_or("erased".to_owned(), words::bytes);
    let signed = if object.signed { "signed" } else { "unsigned" };
    vec![
        hex(&object.event)[..SHORT].to_owned(),
        instant(object.at_ms),
        kind(object),
        format!("of {}", &hex(&object.entity)[..SHORT]),
        words::bytes(object.plain),
        sealed,
        signed.to_owned(),
    ]
}

async fn list(session: &Session, which: WhichObjects, limit: usize, as_json: bool) -> Outcome {
    let mut found = Vec::new();
    let mut request = ListObjects { which, next: 0, limit: MAX_PAGE };
    loop {
        let left = limit - found.len();
        request.limit = u16::try_from(left).unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let page = session.client.call(&request).await?;
        found.extend(page.items);
        match page.next {
            Some(next) if found.len() < limit => request.next = next,
            _ => break,
        }
    }
    if as_json {
        return Ok(words::json(&found.iter().map(object_json).collect::<Vec<Value>>().into())?);
    }
    if found.is_empty() {
        tell("There is none.");
    }
    Ok(words::answer(&table(&found.iter().map(row).collect::<Vec<_>>()))?)
}

/// What an id is of.
enum Found {
    Event([u8; 32]),
    Entity([u8; 16]),
}

async fn found(session: &Session, digits: String) -> Result<Found, Failure> {
    let ObjectsFound { events, entities } = session.client.call(&FindObjects { digits: digits.clone() }).await?;
    match (&events[..], &entities[..]) {
        ([event], []) => Ok(Found::Event(*event)),
        ([], [entity]) => Ok(Found::Entity(*entity)),
        ([], []) => {
            Err(Failure::new(3, format!("no event and nothing that events are about has an id that begins with {digits:?}")))
        }
        _ => Err(Failure::new(3, format!("more than one id begins with {digits:?}; give more of it"))),
    }
}

async fn show(session: &Session, event: [u8; 32], as_json: bool) -> Outcome {
    let ObjectShown { object, previous, seen, signature, fields } = session.client.call(&ShowObject { event }).await?;
    let seen: Vec<String> = seen.iter().map(|id| hex(id)).collect();
    let signature = signature.map(|signature| hex(&signature));
    if as_json {
        let mut all = object_json(&object);
        let fields: Vec<Value> = fields.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        all["previous"] = json!(hex(&previous));
        all["seen"] = json!(seen);
        all["signature"] = json!(signature);
        all["fields"] = json!(fields);
        references::add_json(session, Referent::Event(event), &mut all).await?;
        return Ok(words::json(&all)?);
    }
    let mut rows = vec![
        vec!["id".to_owned(), hex(&object.event)],
        vec!["kind".to_owned(), format!("{} ({})", kind(&object), object.kind)],
        vec!["about".to_owned(), hex(&object.entity)],
        vec!["when".to_owned(), instant(object.at_ms)],
        vec!["author".to_owned(), hex(&object.author)],
        vec!["sequence".to_owned(), object.sequence.to_string()],
        vec!["previous".to_owned(), hex(&previous)],
        vec!["signature".to_owned(), signature.unwrap_or_else(|| "not yet".to_owned())],
        vec!["body".to_owned(), words::bytes(object.plain)],
        vec!["sealed".to_owned(), object.sealed.map_or("erased".to_owned(), words::bytes)],
    ];
    rows.extend(seen.into_iter().map(|id| vec!["seen".to_owned(), id]));
    words::answer(&table(&rows))?;
    if !fields.is_empty() {
        words::say("")?;
    }
    for (name, value) in fields {
        words::say(&format!("{}: {}", line(&name), plain(&value)))?;
    }
    references::beneath(session, Referent::Event(event)).await
}

async fn heads(session: &Session, as_json: bool) -> Outcome {
    let heads = session.client.call(&ListHeads).await?.items;
    if as_json {
        let item = |head: &ipc::messages::storage::Head| json!({ "author": hex(&head.author), "sequence": head.sequence, "at_ms": head.at_ms, "id": hex(&head.event) });
        return Ok(words::json(&heads.iter().map(item).collect::<Vec<Value>>().into())?);
    }
    let row = |head: &ipc::messages::storage::Head| {
        let (author, id) = (hex(&head.author), hex(&head.event));
        vec![
            format!("device {}", &author[..SHORT]),
            format!("event {}", head.sequence),
            id[..SHORT].to_owned(),
            instant(head.at_ms),
        ]
    };
    Ok(words::answer(&table(&heads.iter().map(row).collect::<Vec<_>>()))?)
}
