//! `access`: what guests may have of this space, each or as a group.

use ipc::messages::storage::{Accesses, ChangeAccess, FindObjects, Granted, Grantee, ListAccess, ObjectsFound};
use serde_json::{Value, json};

use super::{
    args::{Access, AccessAction, AccessArgs, Common},
    history,
    member::{did_of, key_of},
    session::Session,
    sign_in::{refuse_demo, sign_in},
    words::{self, Failure, Outcome, line, table, tell},
};
use crate::exit;

/// `lamos access`.
pub async fn access(session: &Session, common: &Common, args: AccessArgs) -> Outcome {
    sign_in(session, common).await?;
    match args.action {
        AccessAction::Grant(access) => {
            refuse_demo(session, "shown to others").await?;
            change(session, access, true).await
        }
        AccessAction::Revoke(access) => change(session, access, false).await,
        AccessAction::List => list(session, common.json).await,
    }
}

async fn change(session: &Session, access: Access, may: bool) -> Outcome {
    let who = match access.who.strip_prefix("group:") {
        Some(group) => Grantee::Group(group.to_owned()),
        None => Grantee::Peer(key_of(&access.who)?),
    };
    let what = match (access.what.as_str(), access.what.strip_prefix("kind:")) {
        ("everything", _) => Granted::Everything,
        (_, Some(kind)) => Granted::Kind(kind.to_owned()),
        (id, None) => Granted::Entity(entity(session, id).await?),
    };
    session.client.call(&ChangeAccess { who, what, may }).await?;
    Ok(())
}

/// What events are about: a conversation, or anything else by the digits of its id.
async fn entity(session: &Session, id: &str) -> Result<[u8; 16], Failure> {
    let ObjectsFound { entities, .. } = session.client.call(&FindObjects { digits: id.replace('-', "") }).await?;
    match entities[..] {
        [entity] => Ok(entity),
        [] => Ok(history::find(session, id).await?.0),
        _ => Err(Failure::new(exit::GIVEN, format!("more than one id begins with {}; give more of it", line(id)))),
    }
}

/// Everything that was granted, and everybody who is in a group.
pub async fn all(session: &Session) -> Result<Accesses, Failure> {
    let mut all = Accesses { grants: Vec::new(), members: Vec::new(), more: true };
    while all.more {
        let skip = u32::try_from(all.grants.len() + all.members.len()).unwrap_or(u32::MAX);
        let page = session.client.call(&ListAccess { skip }).await?;
        all.more = page.more && !(page.grants.is_empty() && page.members.is_empty());
        all.grants.extend(page.grants);
        all.members.extend(page.members);
    }
    Ok(all)
}

async fn list(session: &Session, as_json: bool) -> Outcome {
    let grants = all(session).await?.grants;
    let who = |who: &Grantee| match who {
        Grantee::Peer(key) => did_of(key),
        Grantee::Group(name) => format!("group:{name}"),
    };
    let what = |what: &Granted| match what {
        Granted::Everything => "everything".to_owned(),
        Granted::Entity(entity) => entity.iter().map(|byte| format!("{byte:02x}")).collect(),
        Granted::Kind(kind) => format!("kind:{kind}"),
    };
    if as_json {
        let item = |(grantee, granted): &(Grantee, Granted)| json!({ "who": who(grantee), "what": what(granted) });
        return Ok(words::json(&grants.iter().map(item).collect::<Vec<Value>>().into())?);
    }
    if grants.is_empty() {
        tell("Nothing is granted to guests.");
    }
    let row = |(grantee, granted): &(Grantee, Granted)| vec![line(&who(grantee)), line(&what(granted))];
    Ok(words::answer(&table(&grants.iter().map(row).collect::<Vec<_>>()))?)
}
