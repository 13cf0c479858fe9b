//! What the archive's failures are called on the wire, with what a person can do about them.

use std::{fmt::Display, path::Path};

use ipc::{Code, Refusal};
use replica::{Damage, Refused, ReplicaError};

/// A failure of the store.
pub(crate) fn refusal(error: &ReplicaError) -> Refusal {
    let (code, advice) = match error {
        ReplicaError::DiskFull => (Code::DiskFull, "make room and try again; what was kept before is safe"),
        ReplicaError::MapFull(_) => (Code::DiskFull, "nothing more can be kept in this space"),
        ReplicaError::Damaged(Damage::File(_)) => (
            Code::ArchiveDamaged,
            "if `lamos verify` cannot read it either, `lamos restore` puts a backup into an empty place, or put back a copy of this space's directory",
        ),
        ReplicaError::Damaged(_) => (
            Code::ArchiveDamaged,
            "`lamos verify` names what is; with `--rebuild` it makes anew what is derived, with `--repair-from BACKUP` it puts back the rest",
        ),
        ReplicaError::Newer { .. } => (Code::ArchiveUnavailable, "use the newer program"),
        ReplicaError::InUse => (Code::ArchiveUnavailable, "end the other Lamos first, or wait until it has gone"),
        ReplicaError::OtherSpace => (Code::ArchiveUnavailable, "put the directory back where it came from"),
        ReplicaError::Directory { .. } | ReplicaError::Io(_) => {
            (Code::ArchiveUnavailable, "see that the directory can be written")
        }
        ReplicaError::Large(_) => (Code::NotKeepable, "read it in parts"),
        ReplicaError::Engine(_) => (Code::Internal, "`lamos doctor` shows more"),
    };
    Refusal::new(code, format!("{error}; {advice}"))
}

/// The store in this directory cannot be opened.
pub(crate) fn cannot_open(error: &ReplicaError, directory: &Path) -> Refusal {
    let Refusal { code, sentence, .. } = refusal(error);
    Refusal::new(code, format!("{sentence} ({})", directory.display()))
}

/// A draft that was not kept.
pub(crate) fn refused(refused: Refused) -> Refusal {
    let code = match refused {
        Refused::Conflict => Code::Conflict,
        Refused::NoConversation | Refused::NoFile | Refused::Erased => Code::NotFound,
        Refused::TooLarge => Code::NotKeepable,
    };
    Refusal::new(code, refused.to_string())
}

/// A failure of our own parts.
pub(crate) fn ours(what: &str, error: &dyn Display) -> Refusal {
    Refusal::internal(format!("{what}: {error}"))
}
