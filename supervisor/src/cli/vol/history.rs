//! What files were, and the way back.

use ipc::{
    Code,
    messages::storage::{FileChange, ListVersions, MAX_PAGE, RollBack, Version},
};
use serde_json::{Value, json};

use super::{
    super::{
        session::Session,
        words::{self, Failure, Outcome, line, moment, table},
    },
    NOT_FOUND, hex, new_id, resolve_past,
};

/// Digits of an id that lists show.
const SHORT: usize = 10;

/// Versions of a file, newest first, as long as `wanted` says so.
pub(super) async fn versions(session: &Session, path: &str, mut wanted: impl FnMut(&Version) -> bool) -> Result<(), Failure> {
    let mut request = ListVersions { path: path.to_owned(), before: None, limit: MAX_PAGE };
    loop {
        let page = session.client.call(&request).await?;
        if !page.items.iter().all(&mut wanted) {
            return Ok(());
        }
        match page.next {
            Some(next) => request.before = Some(next),
            None => return Ok(()),
        }
    }
}

/// The version that is meant by `~1` or by the beginning of an id.
pub(super) async fn version(session: &Session, path: &str, text: &str) -> Result<Version, Failure> {
    if let Some(back) = text.strip_prefix('~').and_then(|back| back.parse::<usize>().ok()) {
        let mut left = back;
        let mut found = None;
        versions(session, path, |version| {
            if left == 0 {
                found = Some(version.clone());
            }
            left = left.saturating_sub(1);
            found.is_none()
        })
        .await?;
        return found.ok_or_else(|| Failure::new(NOT_FOUND, format!("{path:?} has no {back} versions before its newest")));
    }
    let digits = text.to_lowercase();
    let mut found = Vec::new();
    versions(session, path, |version| {
        if hex(&version.event).starts_with(&digits) {
            found.push(version.clone());
        }
        found.len() < 2
    })
    .await?;
    match found.pop() {
        Some(version) if found.is_empty() && !digits.is_empty() => Ok(version),
        None => {
            let why = format!("{path:?} has no version whose id begins with {text:?}; `lamos vol log` lists them");
            Err(Failure::new(NOT_FOUND, why))
        }
        _ => Err(Failure::new(NOT_FOUND, format!("more than one version has an id that begins with {text:?}; give more of it"))),
    }
}

fn change(version: &Version) -> String {
    match version.change {
        FileChange::Written(length) => words::bytes(length),
        FileChange::Removed => "removed".to_owned(),
        FileChange::Erased => "erased".to_owned(),
    }
}

fn version_json(version: &Version) -> Value {
    let (change, length) = match version.change {
        FileChange::Written(length) => ("written", Some(length)),
        FileChange::Removed => ("removed", None),
        FileChange::Erased => ("erased", None),
    };
    json!({
        "version": hex(&version.event),
        "at_ms": version.at_ms,
        "author": hex(&version.author),
        "change": change,
        "length": length,
        "commit": version.commit.map(|commit| hex(&commit)),
        "message": version.message,
        "merge": version.merge.as_ref().map(|merge| json!({
            "from": merge.from,
            "into": merge.into,
            "ours": merge.ours.map(|event| hex(&event)),
            "theirs": merge.theirs.map(|event| hex(&event)),
        })),
    })
}

/// `lamos vol log`.
pub(super) async fn log(session: &Session, path: String, limit: u32, as_json: bool) -> Outcome {
    let path = resolve_past(session, path).await?;
    let mut found = Vec::new();
    versions(session, &path, |version| {
        found.push(version.clone());
        found.len() < limit as usize
    })
    .await?;
    if as_json {
        return Ok(words::json(&found.iter().map(version_json).collect::<Vec<Value>>().into())?);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|version| {
            let (id, author) = (hex(&version.event), hex(&version.author));
            let message = version.message.lines().next().unwrap_or_default();
            vec![id[..SHORT].to_owned(), moment(version.at_ms), format!("by {}", &author[..8]), change(version), line(message)]
        })
        .collect();
    Ok(words::answer(&table(&rows))?)
}

/// `lamos vol rollback`.
pub(super) async fn roll_back(session: &Session, path: String, text: String, message: String, as_json: bool) -> Outcome {
    let path = resolve_past(session, path).await?;
    let version = version(session, &path, &text).await?;
    let message = if message.is_empty() { format!("back to {}", &hex(&version.event)[..SHORT]) } else { message };
    let request = RollBack { path: path.clone(), event: version.event, once: new_id()?, message };
    let kept = match session.client.call(&request).await {
        // Whether it was done is not known, and doing it again does it once.
        Err(refusal) if refusal.code == Code::PeerDied => session.client.call(&request).await?,
        result => result?,
    };
    if as_json {
        return Ok(words::json(&json!({ "path": path, "version": hex(&kept.event), "of": hex(&version.event) }))?);
    }
    let what = match version.change {
        FileChange::Removed => "is removed again, as it was on",
        _ => "is what it was on",
    };
    Ok(words::say(&format!("{} {what} {}.", line(&path), moment(version.at_ms)))?)
}
