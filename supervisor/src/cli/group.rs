//! `group`: keys that are granted things together.

use ipc::messages::storage::ChangeGroup;
use serde_json::{Value, json};

use super::{
    access,
    args::{Common, GroupAction, GroupArgs},
    member::{did_of, key_of},
    session::Session,
    sign_in::{refuse_demo, sign_in},
    words::{self, Outcome, line, table, tell},
};

/// `lamos group`.
pub async fn group(session: &Session, common: &Common, args: GroupArgs) -> Outcome {
    sign_in(session, common).await?;
    match args.action {
        GroupAction::Add { group, who } => {
            refuse_demo(session, "shown to others").await?;
            change(session, group, &who, true).await
        }
        GroupAction::Remove { group, who } => change(session, group, &who, false).await,
        GroupAction::List => list(session, common.json).await,
    }
}

async fn change(session: &Session, group: String, who: &str, inside: bool) -> Outcome {
    session.client.call(&ChangeGroup { group, key: key_of(who)?, inside }).await?;
    Ok(())
}

async fn list(session: &Session, as_json: bool) -> Outcome {
    let members = access::all(session).await?.members;
    if as_json {
        let item = |(group, key): &(String, [u8; 32])| json!({ "group": group, "member": did_of(key) });
        return Ok(words::json(&members.iter().map(item).collect::<Vec<Value>>().into())?);
    }
    if members.is_empty() {
        tell("There is no group.");
    }
    let row = |(group, key): &(String, [u8; 32])| vec![line(group), did_of(key)];
    Ok(words::answer(&table(&members.iter().map(row).collect::<Vec<_>>()))?)
}
