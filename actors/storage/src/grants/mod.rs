//! Who may have what of this archive, and whose events it takes: the one place that decides it for every session of CHUM.
//!
//! A peer is let in by a membership: a credential that leads back to the person's key, link by link, and that was not taken
//! back ([`admit`]). What the membership permits, narrowed for guests to what the person granted them, is decided for each
//! event anew ([`decide`]), at the moment it would leave or be kept, so that what ran out or was taken back stops within one
//! round. What the person said about that (grants, groups, who was taken back) are events of this device, folded here
//! ([`said`]).
//!
//! **Architecture Invariant:** rights on this side come from two things alone: signatures that lead to the person's key, and
//! events whose author is this device, which only the person's command line has made. What other peers say about rights is
//! kept and carried, and read by nobody here. What cannot be read lets nobody in but the window.

mod admit;
mod decide;
mod peer;
mod provision;
mod requests;
mod said;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{SystemTime, UNIX_EPOCH},
};

use credentials::{Moment, PublicKey, membership::Permission};
use ipc::{Code, Refusal};
use replica::{Replica, ReplicaError};

pub use peer::PeerGrants;
pub(crate) use provision::provision;
pub(crate) use requests::{change_access, change_group, keep, list, list_access, revoke, show};

use crate::errors::refusal;
use admit::Admitted;
use said::Table;

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// Memberships that were given before this device wrote its first event are not taken: this store may be a copy that was put
/// back under a new key, and what was taken back before was said by another device. Clocks may differ by so many seconds.
const BEGINNING: i64 = 300;

/// The public keys of the open space.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// Who may let anybody in.
    pub person: PublicKey,
    /// Under which this archive is a member.
    pub device: PublicKey,
    /// Under which the window is.
    pub window: PublicKey,
}

/// Who may have what of an archive: what its sessions ask, all of the same one.
#[derive(Clone)]
pub struct Rights(Arc<Shared>);

struct Shared {
    replica: Replica,
    own: Own,
    clock: Clock,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    table: Table,
    /// Up to which place it was read.
    read: u64,
    /// It could not be read: nobody is let in by it.
    blind: bool,
    /// The memberships of this device, once the window's instance has shown them.
    provisioned: Option<Provisioned>,
    /// Who may write, of those that are kept: made when it is first needed.
    authors: Option<Arc<HashMap<[u8; 32], Vec<Admitted>>>>,
}

struct Provisioned {
    archive: Admitted,
    window: Admitted,
}

impl Rights {
    /// Reads what the person of this device has said.
    pub fn open(replica: Replica, own: Own, clock: Clock) -> Rights {
        let rights = Rights(Arc::new(Shared { replica, own, clock, state: RwLock::default() }));
        if let Err(error) = rights.refresh() {
            tracing::error!(%error, "what was said about rights cannot be read: nobody but the window is let in");
        }
        rights
    }

    /// Takes in what was said since it was read last.
    pub(crate) fn refresh(&self) -> Result<(), ReplicaError> {
        let mut state = self.write();
        match self.0.replica.snapshot().and_then(|snapshot| snapshot.own_rights(state.read)) {
            Ok(said) => {
                state.read = said.last().map_or(state.read, |last| last.position);
                state.authors = None;
                said.into_iter().for_each(|said| state.table.take(said));
                Ok(())
            }
            Err(error) => {
                state.blind = true;
                Err(error)
            }
        }
    }

    /// What time it is.
    fn now(&self) -> Moment {
        (self.0.clock)()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Nothing is changed by halves under it.
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// From when on a first link may have been given.
    fn beginning(&self) -> Result<Moment, ReplicaError> {
        let first = self.0.replica.snapshot()?.own_beginning()?;
        let moment = first.map(|millis| Moment::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)));
        Ok(moment.map_or(Moment::from_seconds(0), |moment| moment.after(-BEGINNING)))
    }

    /// Whether the window may do something now. It may nothing until the memberships of this device were shown.
    pub(crate) fn window_may(&self, permission: Permission) -> Result<(), Refusal> {
        let state = self.read();
        let refused = |why: String| Err(Refusal::new(Code::NotProvisioned, why));
        match &state.provisioned {
            None => refused("the window has not shown yet that it may see this space; it does so by itself".to_owned()),
            Some(own) => match own.window.holds(&state.table, self.now()) {
                Err(why) => refused(format!("the window's membership does not count any more: {why}")),
                Ok(()) if !own.window.grant.permissions.contains(&permission) => {
                    refused(format!("the window's membership does not permit to {}", permission.name()))
                }
                Ok(()) => Ok(()),
            },
        }
    }
}

/// This computer's clock.
pub(crate) fn system_clock() -> Clock {
    Arc::new(|| {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Moment::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    })
}

/// The keys of the open space, as the key process gave them.
pub(crate) fn own(person: &[u8; 32], device: &[u8; 32], window: &[u8; 32]) -> Result<Own, Refusal> {
    let key = |bytes| PublicKey::from_bytes(bytes).map_err(|refused| Refusal::internal(format!("use a key: {refused}")));
    Ok(Own { person: key(person)?, device: key(device)?, window: key(window)? })
}

fn unreadable(error: &ReplicaError) -> Refusal {
    refusal(error)
}
