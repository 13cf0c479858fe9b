//! S3, and what speaks like it.

use backends::{Answer, Cursor, Entry, MAX_PAGE, Page, Path, Pieces, Refused, Storage, StorageError, Value};
use bytes::Bytes;
use futures_util::StreamExt as _;
use opendal::{Buffer, services};

use super::{Operators, Speaks, changed, errors::why, gather, stat};
use crate::{BadTarget, Credential, Http, Kind, Target, read};

/// Bytes of a part. What fits one is sent in one request; the rest in parts, of which nobody sees any before the last.
const PART: u64 = 8 << 20;

/// A bucket's folder.
pub(crate) struct S3 {
    operators: Operators,
    http: Http,
}

/// Opens a bucket.
pub(crate) fn open(target: &Target, credential: &Credential, http: &Http) -> Result<S3, StorageError> {
    let Kind::S3 { bucket, region } = &target.kind else { return Err(BadTarget::Form.into()) };
    let origin = target.place(credential)?;
    // With the bucket in the path there is one origin.
    let builder = services::S3::default()
        .endpoint(origin.as_str().trim_end_matches('/'))
        .bucket(bucket)
        .region(region)
        .disable_config_load()
        .disable_ec2_metadata();
    let builder = match credential {
        Credential::None => builder.skip_signature(),
        Credential::Key { id, secret, session } => {
            let builder = builder.access_key_id(id).secret_access_key(secret.words());
            match session {
                Some(session) => builder.session_token(session.words()),
                None => builder,
            }
        }
        _ => return Err(BadTarget::Credential.into()),
    };
    Ok(S3 { operators: Operators::new(builder, Speaks::S3, origin, target.root()?.as_str(), http)?, http: http.clone() })
}

impl S3 {
    /// Where a path lies there.
    fn place(&self, path: &Path) -> String {
        format!("{}{path}", self.operators.root)
    }

    async fn take(&self, path: &Path, length: u64, pieces: &mut dyn Pieces) -> Result<(), StorageError> {
        let place = self.place(path);
        if length <= PART {
            let value: Buffer = gather(length, pieces).await?.into_iter().collect();
            return self.operators.again.write(&place, value).await.map(drop).map_err(|error| why(&error));
        }
        let mut writer = self.operators.again.writer_with(&place).chunk(PART as usize).await.map_err(|error| why(&error))?;
        let sent = async {
            let mut written = 0;
            while let Some(piece) = pieces.next().await? {
                written += piece.len() as u64;
                if written > length {
                    return Err(Refused::Length.into());
                }
                writer.write(piece).await.map_err(|error| why(&error))?;
            }
            if written == length { Ok(()) } else { Err(Refused::Length.into()) }
        }
        .await;
        match sent {
            Ok(()) => writer.close().await.map(drop).map_err(|error| why(&error)),
            Err(error) => {
                // Parts that nobody ends cost their owner room. If this fails too, the bucket's own rules remove them.
                if let Err(left) = writer.abort().await {
                    tracing::debug!(error = %why(&left), "failed to take back what was sent of a value");
                }
                Err(error)
            }
        }
    }

    async fn page(&self, folder: Option<&Path>, from: Option<&Cursor>, limit: usize) -> Result<Page, StorageError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let root = &self.operators.root;
        let place = folder.map_or_else(|| root.clone(), |folder| format!("{root}{folder}/"));
        let lister = self.operators.again.lister_with(&place).recursive(true).limit(limit + 1);
        let lister = match from {
            Some(cursor) => lister.start_after(&cursor.0),
            None => lister,
        };
        let mut lister = lister.await.map_err(|error| why(&error))?;
        let shows_ours = folder.is_some_and(Path::is_reserved);
        let (mut entries, mut last, mut seen) = (Vec::new(), None, 0);
        while let Some(found) = lister.next().await {
            let found = found.map_err(|error| why(&error))?;
            if seen == limit {
                return Ok(Page { entries, next: last.map(Cursor), partial: false });
            }
            seen += 1;
            last = Some(found.path().to_owned());
            // What others put there under names that are no paths is not ours to show.
            let Some(path) = found.path().strip_prefix(&self.operators.root).and_then(known) else { continue };
            if found.metadata().is_file() && (shows_ours || !path.is_reserved()) {
                let found = found.metadata();
                entries.push(Entry { path, length: found.content_length(), changed: changed(found) });
            }
        }
        Ok(Page { entries, next: None, partial: false })
    }
}

/// A name there as a path here.
pub(crate) fn known(name: &str) -> Option<Path> {
    match name.strip_prefix(Path::reserved_folder().as_str()).and_then(|rest| rest.strip_prefix('/')) {
        Some(below) => Path::reserved(below).ok(),
        None => Path::parse(name).ok(),
    }
}

impl Storage for S3 {
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>> {
        Box::pin(self.http.again(async || self.operators.read(&self.place(path)).await))
    }

    fn read<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Bytes>> {
        Box::pin(read::whole(&self.http, async || self.operators.read(&self.place(path)).await))
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(self.take(path, length, pieces))
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            let found = stat(&self.operators.again, &self.place(path)).await?.filter(opendal::Metadata::is_file);
            Ok(found.map(|found| Entry { path: path.clone(), length: found.content_length(), changed: changed(&found) }))
        })
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        Box::pin(async move { self.operators.again.delete(&self.place(path)).await.map_err(|error| why(&error)) })
    }

    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        Box::pin(self.page(folder, from, limit))
    }
}
