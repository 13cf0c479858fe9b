//! What went wrong outside, in the words of the wire.

use backends::{BadPath, Refused, Remote, StorageError};
use ipc::{Code, Refusal};

/// An error of a place as a refusal.
pub(crate) fn refusal(error: &StorageError) -> Refusal {
    let code = match error {
        StorageError::Refused(refused) => match refused {
            Refused::Path(_) | Refused::Escape | Refused::InTheWay | Refused::TooLarge { .. } | Refused::Length => {
                Code::NotKeepable
            }
            Refused::NoRight(_) | Refused::Cursor | Refused::Place(_) | Refused::Told(_) | Refused::There(_) => {
                Code::RemoteRefused
            }
            Refused::Disk(_) => Code::Internal,
            Refused::NoRoom(_) => Code::RemoteFull,
        },
        StorageError::Remote(remote) => match remote {
            Remote::Unreachable => Code::RemoteUnreachable,
            Remote::Busy { .. } | Remote::Failed(_) => Code::RemoteBusy,
            Remote::BrokeOff | Remote::Changed | Remote::Told(_) => Code::RemoteBroken,
            Remote::Nonsense(_) => Code::RemoteNonsense,
        },
        StorageError::Ours(_) => Code::Internal,
    };
    Refusal::new(code, format!("failed to {error}"))
}

/// Something that should be a path and is none.
pub(crate) fn not_a_path(bad: BadPath) -> Refusal {
    refusal(&bad.into())
}
