//! `export`: everything in an open form. The lines are written beside their place and take its name when they are all there.
//! What it writes anybody can read, so nothing of it stays when it does not come to its end.

use std::{
    cell::RefCell,
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use ipc::{
    endpoint::Options,
    id::ConversationId,
    messages::storage::{Export, ExportPiece, Exported},
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    args::{Common, ExportArgs},
    backup_place::hex,
    history,
    session::Session,
    sign_in::{refuse_demo, sign_in},
    words::{self, Failure, Outcome, Waiting, tell},
};
use crate::exit;

/// The folder of large content beside an exported file.
pub fn files_of(file: &Path) -> PathBuf {
    with(file, ".files")
}

fn with(file: &Path, more: &str) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(more);
    name.into()
}

/// `lamos export`.
pub async fn export(session: &Session, common: &Common, args: ExportArgs) -> Outcome {
    sign_in(session, common).await?;
    refuse_demo(session, "exported").await?;
    let conversation = match &args.conversation {
        Some(prefix) => Some(history::find(session, prefix).await?),
        None => None,
    };
    if args.file.exists() {
        return Err(Failure::new(exit::USAGE, format!("{} is there already; name another file", args.file.display())));
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let unfinished = RefCell::new(Unfinished::default());
    let stopped = || Failure::new(exit::STOPPED, "stopped; nothing of the export is left");
    let (events, count, damaged, bytes) = tokio::select! {
        written = write(session, &args.file, conversation, &unfinished) => written?,
        _ = tokio::signal::ctrl_c() => return Err(stopped()),
        _ = terminate.recv() => return Err(stopped()),
    };
    unfinished.into_inner().keep();
    if common.json {
        words::json(&json!({ "events": events, "files": count, "damaged": damaged, "bytes": bytes }))?;
    } else {
        words::say(&format!("Exported {events} events and {count} files, {}.", words::bytes(bytes)))?;
        tell("It is not sealed: whoever has it can read it. `lamos verify --export` checks it.");
    }
    if damaged > 0 {
        return Err(Failure::new(
            exit::DATA,
            format!("{damaged} things are damaged and missing in it; `lamos verify` names them"),
        ));
    }
    Ok(())
}

/// What was made and is not whole yet. It goes with this, unless it is kept.
#[derive(Default)]
struct Unfinished {
    files: Vec<PathBuf>,
    folder: Option<PathBuf>,
}

impl Unfinished {
    fn keep(mut self) {
        (self.files, self.folder) = (Vec::new(), None);
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for path in &self.files {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tell(&format!("{} stays, and can be read by whoever has it: {error}", path.display()));
                }
                _ => {}
            }
        }
        if let Some(folder) = &self.folder {
            // One that has something else in it stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// How many events and files there were, how many things were damaged, and the bytes of all.
async fn write(
    session: &Session,
    file: &Path,
    conversation: Option<ConversationId>,
    unfinished: &RefCell<Unfinished>,
) -> Result<(u64, u64, u64, u64), Failure> {
    let cannot = |path: &Path, error: io::Error| Failure::new(exit::DATA, format!("cannot write {}: {error}", path.display()));
    let (beside, files) = (with(file, ".unfinished"), files_of(file));
    unfinished.borrow_mut().files.push(beside.clone());
    let mut lines = BufWriter::new(private(&beside).map_err(|error| cannot(&beside, error))?);
    let mut content: Option<(PathBuf, BufWriter<File>)> = None;
    let mut waiting = Waiting::begin("exporting");
    let mut stream = session.client.open(&Export { conversation }, Options::default())?;
    let mut bytes = 0;
    while let Some(piece) = stream.next().await {
        match piece? {
            ExportPiece::Lines(part) => {
                bytes += part.len() as u64;
                lines.write_all(&part).map_err(|error| cannot(&beside, error))?;
            }
            ExportPiece::File(hash) => {
                finish(content.take()).map_err(|(path, error)| cannot(&path, error))?;
                let path = files.join(hex(&hash));
                {
                    let mut unfinished = unfinished.borrow_mut();
                    unfinished.folder = Some(files.clone());
                    unfinished.files.push(path.clone());
                }
                let made = make(&files, &path).map_err(|error| cannot(&path, error))?;
                content = Some((path, BufWriter::new(made)));
            }
            ExportPiece::Bytes(part) => {
                bytes += part.len() as u64;
                if let Some((path, file)) = &mut content {
                    file.write_all(&part).map_err(|error| cannot(path, error))?;
                }
            }
        }
        waiting.now(&format!("exporting: {}", words::bytes(bytes)));
    }
    let Exported { events, files: count, damaged } = stream.answer().await?;
    finish(content).map_err(|(path, error)| cannot(&path, error))?;
    finish(Some((beside.clone(), lines))).map_err(|(path, error)| cannot(&path, error))?;
    fs::rename(&beside, file).map_err(|error| cannot(file, error))?;
    waiting.end();
    Ok((events, count, damaged, bytes))
}

fn make(folder: &Path, path: &Path) -> io::Result<File> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    private(path)
}

/// A file that only this person can read.
fn private(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn finish(file: Option<(PathBuf, BufWriter<File>)>) -> Result<(), (PathBuf, io::Error)> {
    let Some((path, mut file)) = file else { return Ok(()) };
    let done = file.flush().and_then(|()| file.get_ref().sync_all());
    done.map_err(|error| (path, error))
}
