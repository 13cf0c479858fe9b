//! OpenDAL's errors, by whom they are up to.

use std::{error::Error as _, fmt};

use backends::{Refused, Remote, StorageError};
use opendal::{Error, ErrorKind};

/// What the transport met, inside an error of OpenDAL's.
#[derive(Debug)]
pub(super) struct Met(pub(super) StorageError);

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Met {}

/// An error for OpenDAL, which tries again what may pass.
pub(super) fn met(error: StorageError) -> Error {
    let kind =
        if matches!(error, StorageError::Remote(Remote::Busy { .. })) { ErrorKind::RateLimited } else { ErrorKind::Unexpected };
    let passes = error.passes();
    Error::new(kind, "the place did not answer well").set_source(Met(error)).with_temporary(passes)
}

/// An error of OpenDAL's as one of ours. Its words are not repeated: they hold addresses and what a server wrote.
pub(super) fn why(error: &Error) -> StorageError {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(Met(met)) = inner.downcast_ref() {
            return met.clone();
        }
        source = inner.source();
    }
    match error.kind() {
        ErrorKind::PermissionDenied => Refused::NoRight("the place does not allow it, status 403".to_owned()).into(),
        ErrorKind::ConfigInvalid => Refused::Place("there is no such bucket or folder".to_owned()).into(),
        ErrorKind::IsADirectory | ErrorKind::NotADirectory => Refused::InTheWay.into(),
        ErrorKind::RateLimited => Remote::Busy { after: None }.into(),
        ErrorKind::Unexpected if error.is_temporary() => Remote::BrokeOff.into(),
        // A server that cannot be understood, or one that ran out of tries.
        kind => Remote::Nonsense(format!("it answers “{kind}”")).into(),
    }
}
