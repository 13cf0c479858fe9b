//! Reading over a line that breaks: a value that broke off is asked for again from its beginning. It is never resumed,
//! because what is there then may be another value.

use backends::{MAX_VALUE, StorageError, Value, collect};
use bytes::Bytes;

use crate::http::Http;

/// Reads a value of [`MAX_VALUE`] bytes at most. `begin` asks once.
pub(crate) async fn whole(
    http: &Http,
    mut begin: impl AsyncFnMut() -> Result<Option<Value>, StorageError>,
) -> Result<Option<Bytes>, StorageError> {
    http.again(async || match begin().await? {
        Some(value) => collect(value, MAX_VALUE).await.map(Some),
        None => Ok(None),
    })
    .await
}
