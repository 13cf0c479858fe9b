//! Listing: folders and patterns, page by page, so that a hundred thousand names need no more memory than a few.

use ipc::messages::storage::{Entry, File, FilesFound, GlobFiles, ListFiles, ListFolder, ListRemoved, MAX_PAGE};
use serde_json::{Value, json};

use super::{
    super::{
        args::Layers,
        session::Session,
        words::{self, Failure, Outcome, line, table, tell},
    },
    NOT_FOUND, changed, names_volume, view,
};

/// The volume that is there though nothing was ever written into it.
const USER: &str = "user";

fn entry_json(entry: &Entry) -> Value {
    match entry {
        Entry::Folder { name } => json!({ "folder": name }),
        Entry::File { name, path, length, changed_ms } => {
            json!({ "name": name, "path": path, "length": length, "changed_ms": changed_ms })
        }
    }
}

/// A line of a list; of a name, what comes after the folder it is in.
fn row(entry: &Entry, folder: usize) -> Vec<String> {
    match entry {
        Entry::Folder { name } => vec!["folder".to_owned(), String::new(), format!("{}/", line(&name[folder..]))],
        Entry::File { name, path, length, changed_ms } => {
            let from = if path == name { String::new() } else { format!("  <- {}", line(path)) };
            vec![words::bytes(*length), changed(*changed_ms), format!("{}{from}", line(&name[folder..]))]
        }
    }
}

/// Prints pages as they come. How many things were on them.
struct Printer {
    as_json: bool,
    folder: usize,
    count: usize,
}

impl Printer {
    fn page(&mut self, found: &FilesFound) -> Outcome {
        if self.as_json {
            // One value in the end, made of pieces: an array of any length.
            for entry in &found.items {
                let before = if self.count == 0 { "[\n  " } else { ",\n  " };
                words::answer(&format!("{before}{}", entry_json(entry)))?;
                self.count += 1;
            }
            return Ok(());
        }
        self.count += found.items.len();
        let rows: Vec<Vec<String>> = found.items.iter().map(|entry| row(entry, self.folder)).collect();
        Ok(words::answer(&table(&rows))?)
    }

    fn end(self) -> Outcome {
        match (self.as_json, self.count) {
            (true, 0) => Ok(words::say("[]")?),
            (true, _) => Ok(words::say("\n]")?),
            (false, _) => Ok(()),
        }
    }
}

/// `lamos vol ls`.
pub(super) async fn ls(session: &Session, path: &str, layers: Layers, as_json: bool) -> Outcome {
    let folder = path.strip_suffix('/').unwrap_or(path).to_owned();
    let layered = !names_volume(path) && (!folder.is_empty() || layers.project.is_some() || !layers.teams.is_empty());
    let inside = if folder.is_empty() { 0 } else { folder.len() + 1 };
    let mut printer = Printer { as_json, folder: inside, count: 0 };
    let view = layered.then(|| view(layers));
    let mut request = ListFolder { folder: folder.clone(), view, after: String::new(), limit: MAX_PAGE };
    loop {
        let found = session.client.call(&request).await?;
        // A name that was spelled otherwise when it was typed has another length.
        if let Some(Entry::File { name, .. } | Entry::Folder { name }) = found.items.first()
            && !folder.is_empty()
        {
            printer.folder = name.rfind('/').map_or(0, |at| at + 1);
        }
        printer.page(&found)?;
        match found.next {
            Some(next) => request.after = next,
            None => break,
        }
    }
    if printer.count == 0 && folder == USER {
        tell("Nothing lies in user/ yet; `lamos vol write FILE user/` keeps a file there.");
    } else if printer.count == 0 && names_volume(&folder) && folder.rsplit('/').next().is_some_and(|last| last.contains('@')) {
        // The archive has listed it, so the branch is there.
        tell(&format!("Nothing lies on {}.", line(&folder)));
    } else if printer.count == 0 && !folder.is_empty() {
        return one(session, &folder, as_json).await;
    }
    printer.end()
}

/// `lamos vol ls --removed`.
pub(super) async fn removed(session: &Session, path: &str, as_json: bool) -> Outcome {
    let prefix = format!("{}/", path.trim_end_matches('/'));
    let mut request = ListRemoved { prefix, after: String::new(), limit: MAX_PAGE };
    let mut printer = Printer { as_json, folder: 0, count: 0 };
    loop {
        let page = session.client.call(&request).await?;
        if let Some(last) = page.items.last() {
            request.after.clone_from(&last.path);
        }
        let entry = |file: File| Entry::File {
            name: file.path.clone(),
            path: file.path,
            length: file.length,
            changed_ms: file.changed_ms,
        };
        printer.page(&FilesFound { items: page.items.into_iter().map(entry).collect(), next: None })?;
        if !page.more {
            break;
        }
    }
    if printer.count == 0 {
        tell("Nothing was removed there.");
    }
    printer.end()
}

/// What was taken for a folder may be a file.
async fn one(session: &Session, path: &str, as_json: bool) -> Outcome {
    let page = session.client.call(&ListFiles { prefix: path.to_owned(), after: String::new(), limit: 1 }).await?;
    let file = page.items.into_iter().find(|file| file.path == path);
    let file =
        file.ok_or_else(|| Failure::new(NOT_FOUND, format!("nothing lies in {path:?}; `lamos vol ls` lists the volumes")))?;
    let (name, path) = (file.path.clone(), file.path);
    let found =
        FilesFound { items: vec![Entry::File { name, path, length: file.length, changed_ms: file.changed_ms }], next: None };
    let mut printer = Printer { as_json, folder: 0, count: 0 };
    printer.page(&found)?;
    printer.end()
}

/// `lamos vol glob`.
pub(super) async fn glob(session: &Session, pattern: String, layers: Layers, as_json: bool) -> Outcome {
    let first = pattern.split('/').next().unwrap_or_default();
    let asked = layers.project.is_some() || !layers.teams.is_empty();
    let layered = !names_volume(&pattern) && (asked || !first.contains(['*', '?']));
    let view = layered.then(|| view(layers));
    let mut request = GlobFiles { pattern, view, after: String::new(), limit: MAX_PAGE };
    let mut printer = Printer { as_json, folder: 0, count: 0 };
    loop {
        let found = session.client.call(&request).await?;
        printer.page(&found)?;
        match found.next {
            Some(next) => request.after = next,
            None => return printer.end(),
        }
    }
}
