//! Places that OpenDAL speaks to. It builds requests and reads answers; the requests themselves go through [`transport`], so
//! that its own client, redirects and environment have no part in it.
//!
//! Layers, from the inside: the time limit, then the repetitions, so that what fell silent is tried again. Reading has no
//! repetitions inside: a stream that is resumed could end with another value than it began with.
//!
//! **Architecture Invariant:** OpenDAL finds no credential by itself: not in the environment, not in a file, not at an
//! address that clouds keep them at.

mod answers;
mod errors;
pub(crate) mod s3;
mod transport;
pub(crate) mod web_dav;

use std::time::SystemTime;

use backends::{Answer, MAX_PIECE, Pieces, Refused, Remote, StorageError, Value};
use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use opendal::{
    BufferStream, Builder, ErrorKind, HttpTransporter, Metadata, OperationContext, Operator,
    layers::{RetryLayer, TimeoutLayer},
};
use reqwest::Url;

use self::{answers::Speaks, errors::why, transport::Transport};
use crate::Http;

/// Two views of one place.
struct Operators {
    /// For what may be repeated inside.
    again: Operator,
    /// For what may not.
    once: Operator,
    /// What our paths begin with there, with a slash.
    root: String,
}

impl Operators {
    fn new(builder: impl Builder, speaks: Speaks, origin: Url, root: &str, http: &Http) -> Result<Operators, StorageError> {
        let transport = HttpTransporter::new(Transport::new(http.clone(), origin, speaks));
        let context = OperationContext::new().with_http_transport(transport);
        let times = http.times();
        let limit = TimeoutLayer::new().with_timeout(times.operation).with_io_timeout(times.idle);
        let once = Operator::new(builder).map_err(|error| why(&error))?.with_context(context).layer(limit);
        let retries = RetryLayer::new()
            .with_max_times(times.retries as usize)
            .with_min_delay(times.first_wait)
            .with_max_delay(times.most_wait)
            .with_jitter();
        Ok(Operators { again: once.clone().layer(retries), once, root: format!("{root}/") })
    }

    /// Asks once for a value.
    async fn read(&self, place: &str) -> Result<Option<Value>, StorageError> {
        let reader = self.once.reader(place).await.map_err(|error| why(&error))?;
        let mut stream = reader.into_stream(..).await.map_err(|error| why(&error))?;
        let length = match stream.metadata().await {
            Ok(found) => found.content_length(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(why(&error)),
        };
        Ok(Some(Value { length, pieces: Box::new(Stream { stream, rest: Bytes::new(), left: length }) }))
    }
}

/// What is known of a place, if something is there.
async fn stat(operator: &Operator, place: &str) -> Result<Option<Metadata>, StorageError> {
    match operator.stat(place).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(why(&error)),
    }
}

/// When a value was written, by what the place says.
fn changed(found: &Metadata) -> Option<SystemTime> {
    found.last_modified().map(SystemTime::from)
}

/// A value as it arrives. Its length is checked: a stream that ends early has broken off.
struct Stream {
    stream: BufferStream,
    rest: Bytes,
    left: u64,
}

impl Pieces for Stream {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            while self.rest.is_empty() {
                match self.stream.next().await {
                    Some(Ok(mut buffer)) => self.rest = buffer.copy_to_bytes(buffer.remaining()),
                    Some(Err(error)) => return Err(why(&error)),
                    None if self.left == 0 => return Ok(None),
                    None => return Err(Remote::BrokeOff.into()),
                }
            }
            let piece = self.rest.split_to(self.rest.len().min(MAX_PIECE));
            self.left = self.left.checked_sub(piece.len() as u64).ok_or(Remote::Nonsense("more than it announced".to_owned()))?;
            Ok(Some(piece))
        })
    }
}

/// All pieces of a value of exactly `length` bytes.
async fn gather(length: u64, pieces: &mut dyn Pieces) -> Result<Vec<Bytes>, StorageError> {
    let (mut all, mut gathered) = (Vec::new(), 0);
    while let Some(piece) = pieces.next().await? {
        gathered += piece.len() as u64;
        if gathered > length {
            return Err(Refused::Length.into());
        }
        all.push(piece);
    }
    if gathered == length { Ok(all) } else { Err(Refused::Length.into()) }
}
