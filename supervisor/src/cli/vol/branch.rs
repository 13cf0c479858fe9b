//! Branches: beginning one, listing them, deleting one.

use ipc::{
    Code,
    messages::storage::{BranchState, EndBranch, ListBranches, MAX_PAGE, MakeBranch},
};
use serde_json::{Value, json};

use super::{
    super::{
        session::Session,
        words::{self, Failure, Outcome, line, moment, table},
    },
    new_id,
};

/// `lamos vol branch`.
pub(super) async fn branch(
    session: &Session,
    name: Option<String>,
    from: Option<String>,
    delete: bool,
    force: bool,
    as_json: bool,
) -> Outcome {
    let Some(name) = name else {
        if delete {
            return Err(Failure::new(crate::exit::USAGE, "give the name of the branch to delete, as in user@draft"));
        }
        return list(session, from, as_json).await;
    };
    let name = whole_name(name, from)?;
    if delete { end(session, name, force, as_json).await } else { begin(session, name, as_json).await }
}

/// A name with its volume. Which names are good is the archive's to say.
fn whole_name(name: String, from: Option<String>) -> Result<String, Failure> {
    match (name.split_once('@'), from) {
        (None, from) => Ok(format!("{}@{name}", from.as_deref().unwrap_or("user").trim_end_matches('/'))),
        (Some((volume, _)), Some(from)) if volume != from.trim_end_matches('/') => {
            Err(Failure::new(crate::exit::USAGE, format!("{name:?} is a branch of {volume:?}, and --from says {from:?}")))
        }
        (Some(_), _) => Ok(name),
    }
}

async fn begin(session: &Session, name: String, as_json: bool) -> Outcome {
    let request = MakeBranch { name, once: new_id()? };
    match session.client.call(&request).await {
        // Whether it was done is not known, and doing it again does it once.
        Err(refusal) if refusal.code == Code::PeerDied => drop(session.client.call(&request).await?),
        result => drop(result?),
    }
    if as_json {
        return Ok(words::json(&json!({ "branch": request.name }))?);
    }
    let name = line(&request.name);
    Ok(words::say(&format!("{name} begins; its files are {name}/…"))?)
}

async fn end(session: &Session, name: String, force: bool, as_json: bool) -> Outcome {
    let request = EndBranch { name, force, once: new_id()? };
    match session.client.call(&request).await {
        Err(refusal) if refusal.code == Code::PeerDied => drop(session.client.call(&request).await?),
        result => drop(result?),
    }
    if as_json {
        return Ok(words::json(&json!({ "deleted": request.name }))?);
    }
    Ok(words::say(&format!("{} is deleted; `lamos vol log` still shows what its files were.", line(&request.name)))?)
}

async fn list(session: &Session, volume: Option<String>, as_json: bool) -> Outcome {
    let volume = volume.map(|volume| volume.trim_end_matches('/').to_owned()).unwrap_or_default();
    let mut request = ListBranches { volume, after: String::new(), limit: MAX_PAGE };
    let mut found: Vec<BranchState> = Vec::new();
    loop {
        let page = session.client.call(&request).await?;
        found.extend(page.items);
        match found.last() {
            Some(last) if page.more => request.after.clone_from(&last.name),
            _ => break,
        }
    }
    if as_json {
        let item = |branch: &BranchState| {
            json!({
                "branch": branch.name,
                "base": branch.volume,
                "begun_ms": branch.begun_ms,
                "forked_ms": branch.forked_ms,
                "changed": branch.changed,
            })
        };
        return Ok(words::json(&found.iter().map(item).collect::<Vec<Value>>().into())?);
    }
    let row = |branch: &BranchState| {
        let changed = if branch.changed == 1 { "1 file changed".to_owned() } else { format!("{} files changed", branch.changed) };
        vec![line(&branch.name), format!("of {}", line(&branch.volume)), format!("as on {}", moment(branch.forked_ms)), changed]
    };
    Ok(words::answer(&table(&found.iter().map(row).collect::<Vec<_>>()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_completed_by_its_volume() {
        let whole = |name: &str, from: Option<&str>| whole_name(name.to_owned(), from.map(str::to_owned)).ok();
        assert_eq!(whole("draft", None).as_deref(), Some("user@draft"));
        assert_eq!(whole("next", Some("team/red/")).as_deref(), Some("team/red@next"));
        assert_eq!(whole("team/red@next", None).as_deref(), Some("team/red@next"));
        assert_eq!(whole("user@draft", Some("user")).as_deref(), Some("user@draft"));
        assert_eq!(whole("user@draft", Some("team/red")), None);
    }
}
