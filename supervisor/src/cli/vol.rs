//! `vol`: files of volumes, and what they were.

mod branch;
mod diff;
mod history;
mod list;
mod merge;
mod put;

use std::io::Write as _;

use ipc::{
    endpoint::Options,
    messages::{
        common::Chunk,
        storage::{FileFound, FindFile, Layer, ReadFile, ReadVersion, View},
    },
    policy::Permits,
    role::source,
    service::Method,
};
use serde_json::{Value, json};

use super::{
    args::{Common, Layers, Vol, VolAction},
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, line, moment, table},
};
use crate::exit;

/// What volumes are called. Which of their paths are good is the archive's to say.
const VOLUMES: &[&str] = &["credentials", "project", "system", "team", "user"];

/// Exit code of what was asked for and is not there.
const NOT_FOUND: u8 = 3;

/// `lamos vol`.
pub async fn vol(session: &Session, common: &Common, args: Vol) -> Outcome {
    sign_in(session, common).await?;
    let as_json = common.json;
    match args.action {
        VolAction::Ls { path, removed: true, .. } => list::removed(session, path.as_deref().unwrap_or("user"), as_json).await,
        VolAction::Ls { path, layers, .. } => list::ls(session, path.as_deref().unwrap_or_default(), layers, as_json).await,
        VolAction::Glob { pattern, layers } => list::glob(session, pattern, layers, as_json).await,
        VolAction::Cat { path, layered: true, layers, .. } => show_layers(session, path, layers, as_json).await,
        VolAction::Cat { path, version, layers, .. } => cat(session, path, version, layers, as_json).await,
        VolAction::Write { source, path, message } => put::write(session, &source, path, message, as_json).await,
        VolAction::Rm { paths, recursive, message } => put::remove(session, paths, recursive, message, as_json).await,
        VolAction::Mv { from, to, force, message } => put::rename(session, from, to, force, message, as_json).await,
        VolAction::Log { path, limit } => history::log(session, path, limit, as_json).await,
        VolAction::Diff { path, from, to } => diff::diff(session, path, from, to, as_json).await,
        VolAction::Branch { name, from, delete, force } => branch::branch(session, name, from, delete, force, as_json).await,
        VolAction::Merge { from, into, message, dry_run, ours, theirs } => {
            let prefer = match (ours, theirs) {
                (true, _) => Some(merge::Prefer::Ours),
                (_, true) => Some(merge::Prefer::Theirs),
                _ => None,
            };
            merge::merge(session, merge::Wanted { from, into, message, dry_run, prefer }, as_json).await
        }
        VolAction::Rollback { path, version, message } => history::roll_back(session, path, version, message, as_json).await,
    }
}

/// Whether a path names its volume.
pub fn names_volume(path: &str) -> bool {
    // Of user@draft what comes before the @; the others have theirs after their ids.
    let first = path.split('/').next().unwrap_or_default();
    let volume = first.split_once('@').map_or(first, |(volume, _)| volume);
    VOLUMES.contains(&volume)
}

fn view(layers: Layers) -> View {
    View { project: layers.project, teams: layers.teams }
}

/// The layers that have or had a name.
async fn layers_of(session: &Session, path: &str, layers: Layers) -> Result<Vec<Layer>, Failure> {
    Ok(session.client.call(&FindFile { path: path.to_owned(), view: view(layers) }).await?.items)
}

/// The whole path of a name: itself, or that of the highest layer that has it.
async fn resolve(session: &Session, path: String, layers: Layers) -> Result<String, Failure> {
    if names_volume(&path) {
        return Ok(path);
    }
    let found = layers_of(session, &path, layers).await?;
    found.into_iter().find(|layer| layer.there).map(|layer| layer.path).ok_or_else(|| {
        Failure::new(
            NOT_FOUND,
            format!("no layer has a file {path:?}; `lamos vol ls` lists the volumes, and --project and --team add layers"),
        )
    })
}

/// The same for what may have been there once.
async fn resolve_past(session: &Session, path: String) -> Result<String, Failure> {
    if names_volume(&path) {
        return Ok(path);
    }
    let mut found = layers_of(session, &path, Layers::default()).await?;
    let index = found.iter().position(|layer| layer.there).unwrap_or(0);
    if found.is_empty() {
        return Err(Failure::new(NOT_FOUND, format!("no layer has or had a file {path:?}")));
    }
    Ok(found.swap_remove(index).path)
}

async fn show_layers(session: &Session, path: String, layers: Layers, as_json: bool) -> Outcome {
    if names_volume(&path)
        && let Some((_, name)) = path.split_once('/')
    {
        let sentence =
            format!("{path:?} names one volume; --where shows the layers that have a name without one, such as {name:?}");
        return Err(Failure::new(exit::USAGE, sentence));
    }
    let found = layers_of(session, &path, layers).await?;
    if found.is_empty() {
        return Err(Failure::new(NOT_FOUND, format!("no layer has or had a file {path:?}")));
    }
    if as_json {
        let read = found.iter().position(|layer| layer.there);
        let item = |(index, layer): (usize, &Layer)| json!({ "path": layer.path, "there": layer.there, "read": Some(index) == read, "length": layer.length, "changed_ms": layer.changed_ms });
        return Ok(words::json(&found.iter().enumerate().map(item).collect::<Vec<Value>>().into())?);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|layer| {
            let length = if layer.there { words::bytes(layer.length) } else { "removed".to_owned() };
            vec![line(&layer.path), length, changed(layer.changed_ms)]
        })
        .collect();
    Ok(words::answer(&table(&rows))?)
}

/// When a file got what it has.
fn changed(millis: u64) -> String {
    if millis == 0 { "ships".to_owned() } else { moment(millis) }
}

async fn cat(session: &Session, path: String, version: Option<String>, layers: Layers, as_json: bool) -> Outcome {
    let path = resolve(session, path, layers).await?;
    let mut whole = Vec::new();
    let mut out = std::io::stdout().lock();
    let mut take = |bytes: &[u8]| {
        if as_json {
            whole.extend_from_slice(bytes);
            return Ok(());
        }
        out.write_all(bytes)
    };
    match &version {
        Some(version) => {
            let event = history::version(session, &path, version).await?.event;
            stream(session, &ReadVersion { path: path.clone(), event }, &mut take).await?
        }
        None => stream(session, &ReadFile::whole(path.clone()), &mut take).await?,
    }
    out.flush()?;
    drop(out);
    if as_json {
        words::json(&content(&path, whole))?;
    }
    Ok(())
}

/// A file as JSON.
pub(super) fn content(path: &str, whole: Vec<u8>) -> Value {
    let length = whole.len();
    match String::from_utf8(whole) {
        Ok(text) => json!({ "path": path, "length": length, "text": text }),
        Err(error) => json!({ "path": path, "length": length, "hex": hex(error.as_bytes()) }),
    }
}

/// Takes a stream of bytes as it comes.
async fn stream<M>(session: &Session, request: &M, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> Outcome
where
    M: Method<Down = Chunk, Answer = FileFound>,
    source::Cli: Permits<M>,
{
    let mut stream = session.client.open(request, Options::default())?;
    while let Some(chunk) = stream.next().await {
        take(&chunk?.0)?;
    }
    stream.answer().await?;
    Ok(())
}

/// A stream of bytes as a whole, if they are not more than this.
async fn collect<M>(session: &Session, request: &M, most: usize) -> Result<Vec<u8>, Failure>
where
    M: Method<Down = Chunk, Answer = FileFound>,
    source::Cli: Permits<M>,
{
    let mut bytes = Vec::new();
    let mut stream = session.client.open(request, Options::default())?;
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?.0);
        if bytes.len() > most {
            let most = words::bytes(most as u64);
            return Err(Failure::new(3, format!("it has more than {most}; `lamos vol cat` and `lamos vol write` take any size")));
        }
    }
    stream.answer().await?;
    Ok(bytes)
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new id.
fn new_id() -> Result<[u8; 16], Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Failure::new(crate::exit::OURS, format!("failed to get random bytes: {error}")))?;
    Ok(id)
}
