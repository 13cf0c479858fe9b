//! What changed, in the unified form that other programs read too.
//!
//! It is computed here, in the person's own process: the archive hands out versions and compares no strangers' words.

use std::time::Duration;

use ipc::messages::storage::{FileChange, ReadFile, ReadVersion};
use serde_json::json;
use similar::TextDiff;

use super::{
    super::{
        args::Layers,
        session::Session,
        words::{self, Failure, Outcome, plain},
    },
    collect, hex, history, resolve, resolve_past,
};

/// Largest version that is compared line by line.
const MAX_TEXT: usize = 16 << 20;

/// After so long a difference is as good as it is by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines around a change.
const AROUND: usize = 3;

/// One side of a comparison.
struct Side {
    label: String,
    bytes: Vec<u8>,
}

/// `lamos vol diff`.
pub(super) async fn diff(session: &Session, path: String, from: Option<String>, to: Option<String>, as_json: bool) -> Outcome {
    let path = resolve_past(session, path).await?;
    let shipped = path.starts_with("system/");
    let old = match from.as_deref() {
        Some(other) if other.contains('/') => {
            present(session, resolve(session, other.to_owned(), Layers::default()).await?).await?
        }
        Some(version) => side(session, &path, version).await?,
        None if shipped => return Err(Failure::new(3, "what ships has one version; give another file to compare it with")),
        None => match history::version(session, &path, "~1").await {
            Ok(_) => side(session, &path, "~1").await?,
            // The first version comes from nothing.
            Err(failure) if failure.code.is_none() => Side { label: "/dev/null".to_owned(), bytes: Vec::new() },
            Err(failure) => return Err(failure),
        },
    };
    let new = match to.as_deref() {
        Some(version) => side(session, &path, version).await?,
        None if shipped => present(session, path).await?,
        None => side(session, &path, "~0").await?,
    };
    show(&old, &new, as_json)
}

fn show(old: &Side, new: &Side, as_json: bool) -> Outcome {
    let same = old.bytes == new.bytes;
    let text = |side: &Side| (!side.bytes.contains(&0)).then(|| String::from_utf8(side.bytes.clone()).ok()).flatten();
    let unified = match (text(old), text(new)) {
        (Some(before), Some(after)) => {
            let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(&before, &after);
            Some(diff.unified_diff().context_radius(AROUND).header(&old.label, &new.label).to_string())
        }
        _ => None,
    };
    if as_json {
        let report = json!({ "from": old.label, "to": new.label, "same": same, "text": unified.is_some(), "diff": unified });
        return Ok(words::json(&report)?);
    }
    match unified {
        Some(unified) => Ok(words::answer(&plain(&unified))?),
        None if same => Ok(()),
        None => Ok(words::say(&format!("{} and {} differ, and are not both text", plain(&old.label), plain(&new.label)))?),
    }
}

/// The file as it is.
async fn present(session: &Session, path: String) -> Result<Side, Failure> {
    let bytes = collect(session, &ReadFile::whole(path.clone()), MAX_TEXT).await?;
    Ok(Side { label: path, bytes })
}

/// The file as it was. One that was removed is as if it had nothing in it.
async fn side(session: &Session, path: &str, version: &str) -> Result<Side, Failure> {
    let version = history::version(session, path, version).await?;
    if matches!(version.change, FileChange::Removed) {
        return Ok(Side { label: "/dev/null".to_owned(), bytes: Vec::new() });
    }
    let bytes = collect(session, &ReadVersion { path: path.to_owned(), event: version.event }, MAX_TEXT).await?;
    Ok(Side { label: format!("{path}@{}", &hex(&version.event)[..10]), bytes })
}
