//! `place`: values at places outside the archive, and how such a place is opened by whatever needs one.

mod carried;
mod opened;

use std::{
    fs,
    io::{Read as _, Write as _},
};

use backends::{Answer, Cursor, Entry, Glob, MAX_PAGE, MAX_PIECE, Page, Path, Pieces, Refused, StorageError, glob};
use bytes::Bytes;
use serde_json::json;

pub(crate) use self::opened::{Named, Place};
use super::{
    args::{PlaceAction, PlaceArgs},
    session::Session,
    vol::content,
    words::{self, Failure, Outcome, line, moment, table, tell},
};
use crate::exit;

/// `lamos place`.
pub async fn place(session: &Session, args: PlaceArgs, as_json: bool) -> Outcome {
    match args.action {
        PlaceAction::Ls { place, folder } => {
            let place = Place::open(session, &place).await?;
            let folder = folder.map(parse).transpose()?;
            let mut entries = pages(&place, async |from| place.storage.list(folder.as_ref(), from, MAX_PAGE).await).await?;
            // A folder is there while something lies in it. What was taken for one may be a value.
            if let (true, Some(path)) = (entries.is_empty(), &folder) {
                let value = place.storage.head(path).await.map_err(|error| place.failure(&error))?;
                entries.push(value.ok_or_else(|| Failure::new(exit::GIVEN, format!("nothing lies in {path}")))?);
            }
            show(&entries, as_json)
        }
        PlaceAction::Glob { place, pattern } => {
            let place = Place::open(session, &place).await?;
            let pattern = Glob::parse(&pattern).map_err(|bad| Failure::new(exit::USAGE, format!("failed to {bad}")))?;
            let entries = pages(&place, async |from| glob(&*place.storage, &pattern, from, MAX_PAGE).await).await?;
            show(&entries, as_json)
        }
        PlaceAction::Cat { place, path } => {
            let (place, path) = (Place::open(session, &place).await?, parse(path)?);
            let value = place.storage.read_stream(&path).await.map_err(|error| place.failure(&error))?;
            let Some(mut value) = value else { return Err(Failure::new(exit::GIVEN, format!("nothing lies at {path}"))) };
            if as_json {
                let mut whole = Vec::new();
                while let Some(piece) = value.pieces.next().await.map_err(|error| place.failure(&error))? {
                    whole.extend_from_slice(&piece);
                }
                return Ok(words::json(&content(path.as_str(), whole))?);
            }
            let mut out = std::io::stdout().lock();
            while let Some(piece) = value.pieces.next().await.map_err(|error| place.failure(&error))? {
                out.write_all(&piece)?;
            }
            Ok(out.flush()?)
        }
        PlaceAction::Put { place, source, path } => {
            let (place, path) = (Place::open(session, &place).await?, parse(path)?);
            let unreadable =
                |error: std::io::Error| Failure::new(exit::GIVEN, format!("failed to read {}: {error}", source.display()));
            let file = fs::File::open(&source).map_err(unreadable)?;
            let metadata = file.metadata().map_err(unreadable)?;
            if !metadata.is_file() {
                return Err(Failure::new(exit::GIVEN, format!("{} is no file", source.display())));
            }
            place
                .storage
                .write_stream(&path, metadata.len(), &mut FromFile(file))
                .await
                .map_err(|error| place.failure(&error))?;
            place.carry().await;
            Ok(())
        }
        PlaceAction::Rm { place, paths } => {
            let place = Place::open(session, &place).await?;
            for path in paths {
                let path = parse(path)?;
                if !place.had(&path).await.map_err(|error| place.failure(&error))? {
                    tell(&format!("Nothing lay at {}.", line(path.as_str())));
                }
                place.storage.delete(&path).await.map_err(|error| place.failure(&error))?;
            }
            place.carry().await;
            Ok(())
        }
        PlaceAction::Push { place } => Place::open(session, &place).await?.carry_all().await,
    }
}

/// What is told of a list without a part of it.
pub(crate) const PARTIAL: &str = "The far place cannot be asked now; what lies only there is not in the list.";

/// All pages, in the order of their paths.
async fn pages(place: &Place, page: impl AsyncFn(Option<&Cursor>) -> Result<Page, StorageError>) -> Result<Vec<Entry>, Failure> {
    let (mut entries, mut from) = (Vec::new(), None);
    loop {
        let page = page(from.as_ref()).await.map_err(|error| place.failure(&error))?;
        if page.partial {
            tell(PARTIAL);
        }
        entries.extend(page.entries);
        from = page.next;
        if from.is_none() {
            entries.sort_by(|one, other| one.path.as_str().cmp(other.path.as_str()));
            return Ok(entries);
        }
    }
}

fn parse(path: String) -> Result<Path, Failure> {
    Path::parse(path).map_err(|bad| Failure::new(exit::GIVEN, format!("failed to {}", StorageError::from(bad))))
}

/// How a command ends that failed with this, by whom it is up to.
pub(crate) fn code(error: &StorageError) -> u8 {
    match error {
        StorageError::Remote(_) | StorageError::Refused(Refused::There(_)) => exit::SERVER,
        // Of a folder of this machine: what a place outside refuses is there.
        StorageError::Refused(Refused::NoRight(_) | Refused::NoRoom(_) | Refused::Disk(_)) => exit::DATA,
        StorageError::Refused(_) => exit::GIVEN,
        StorageError::Ours(_) => exit::OURS,
    }
}

fn show(entries: &[Entry], as_json: bool) -> Outcome {
    let millis = |entry: &Entry| {
        let since = entry.changed.and_then(|changed| changed.duration_since(std::time::UNIX_EPOCH).ok());
        since.and_then(|since| u64::try_from(since.as_millis()).ok())
    };
    if as_json {
        let item = |entry: &Entry| json!({ "path": entry.path.as_str(), "length": entry.length, "changed_ms": millis(entry) });
        return Ok(words::json(&entries.iter().map(item).collect::<Vec<_>>().into())?);
    }
    let row = |entry: &Entry| {
        vec![words::bytes(entry.length), millis(entry).map(moment).unwrap_or_default(), line(entry.path.as_str())]
    };
    Ok(words::answer(&table(&entries.iter().map(row).collect::<Vec<_>>()))?)
}

/// A file of this machine, piece by piece.
struct FromFile(fs::File);

impl Pieces for FromFile {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            let mut piece = vec![0; MAX_PIECE];
            let read = self.0.read(&mut piece).map_err(|error| StorageError::Ours(format!("read the file: {error}")))?;
            piece.truncate(read);
            Ok((read > 0).then(|| piece.into()))
        })
    }
}
