//! Reading whole values over a line that breaks: one that broke off is asked for again from its beginning. It is never
//! resumed, because what is there then may be another value.

use backends::{MAX_VALUE, Path, Storage, StorageError, collect};
use bytes::Bytes;

use crate::http::Http;

/// Reads a value of [`MAX_VALUE`] bytes at most.
pub(crate) async fn whole(storage: &dyn Storage, http: &Http, path: &Path) -> Result<Option<Bytes>, StorageError> {
    http.again(async || match storage.read_stream(path).await? {
        Some(value) => collect(value, MAX_VALUE).await.map(Some),
        None => Ok(None),
    })
    .await
}
