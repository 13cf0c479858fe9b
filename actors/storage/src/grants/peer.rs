//! What a session of CHUM asks: the rights of one peer, looked at anew each time.

use std::{collections::HashMap, sync::Arc};

use credentials::{Moment, Refused};
use ipc::event::EventHeader;
use replica::{
    ReplicaError,
    body::{Body, Right},
    chum::{Grants, Peer, Reach},
};

use super::{Rights, State, admit::Admitted, admit::Roots, admit::admit, decide, said::KeptMember};

/// A membership and the credentials it comes of, first link first.
pub(super) type WithChain = (Admitted, Vec<Vec<u8>>);

/// The rights of one peer.
pub struct PeerGrants {
    rights: Rights,
    who: Who,
}

enum Who {
    /// The window, by what the window's instance has shown last.
    Window,
    /// Somebody who showed a membership.
    Member(Box<Admitted>),
    /// Nobody who is known.
    Nobody,
}

impl Rights {
    /// The window's.
    pub(crate) fn window(&self) -> PeerGrants {
        PeerGrants { rights: self.clone(), who: Who::Window }
    }

    /// Who the window is to a session.
    pub(crate) fn window_peer(&self) -> Peer {
        Peer(*self.0.own.window.as_bytes())
    }

    /// Those of who has proved to have this key, and shows these credentials, first link first. With none that hold it has no
    /// rights; the refusal says why, for the log and for the peer.
    pub fn of_peer(&self, key: &[u8; 32], chain: &[Vec<u8>]) -> (PeerGrants, Result<(), Refused>) {
        let admitted = self.admit_peer(key, chain);
        let (who, why) = match admitted {
            Ok(member) => (Who::Member(Box::new(member)), Ok(())),
            Err(refused) => (Who::Nobody, Err(refused)),
        };
        (PeerGrants { rights: self.clone(), who }, why)
    }

    fn admit_peer(&self, key: &[u8; 32], chain: &[Vec<u8>]) -> Result<Admitted, Refused> {
        use credentials::Kind;
        let unread = |_| Refused::elsewhere(Kind::StatusUnknown, "who was taken back cannot be read");
        let now = self.now();
        let beginning = self.beginning().map_err(unread)?;
        let member = admit(chain, Roots::These(&[self.0.own.person]), beginning, now)?;
        if member.subject.as_bytes() != key {
            return Err(Refused::elsewhere(Kind::WrongHolder, "it is shown by another than its subject"));
        }
        let state = self.read();
        if state.blind {
            return Err(Refused::elsewhere(Kind::StatusUnknown, "who was taken back cannot be read"));
        }
        member.holds(&state.table, now)?;
        Ok(member)
    }

    /// A kept membership, checked as of when it was kept.
    pub(super) fn kept(&self, kept: KeptMember) -> Result<Option<WithChain>, ReplicaError> {
        let snapshot = self.0.replica.snapshot()?;
        let Some(Body::Right(Right::Member(chain, _))) = snapshot.record(kept.position)?.map(|record| record.body) else {
            return Ok(None);
        };
        let chain: Vec<Vec<u8>> = chain.into_iter().map(|link| link.0).collect();
        let person = [self.0.own.person];
        let roots = if kept.held { Roots::Whoever } else { Roots::These(&person) };
        let at = Moment::from_millis(i64::try_from(kept.at_ms).unwrap_or(i64::MAX));
        let admitted = admit(&chain, roots, Moment::from_seconds(0), at);
        Ok(admitted.ok().map(|admitted| (admitted, chain)))
    }

    /// Whether this author is this device, or was let in to write and this was written before that was taken back.
    fn is_author(&self, header: &EventHeader) -> bool {
        if header.author == *self.0.own.device.as_bytes() {
            return true;
        }
        let Some(authors) = self.authors() else { return false };
        let state = self.read();
        let before = |until: u64| header.clock.millis() <= until;
        authors.get(&header.author).is_some_and(|members| {
            let revoked = state.table.key_revoked_until(&header.author);
            revoked.is_none_or(before) && members.iter().any(|member| revoked.is_some() || !member.is_revoked(&state.table))
        })
    }

    /// Who was let in to write.
    fn authors(&self) -> Option<Arc<HashMap<[u8; 32], Vec<Admitted>>>> {
        if let Some(authors) = &self.read().authors {
            return Some(Arc::clone(authors));
        }
        let members = self.read().table.members().to_vec();
        let mut authors: HashMap<[u8; 32], Vec<Admitted>> = HashMap::new();
        for kept in members.iter().filter(|kept| !kept.held) {
            if let Some((member, _)) = self.kept(*kept).ok()?
                && member.grant.permissions.contains(&credentials::membership::Permission::Write)
            {
                authors.entry(*member.subject.as_bytes()).or_default().push(member);
            }
        }
        let authors = Arc::new(authors);
        let mut state = self.write();
        // What was said meanwhile is in it the next time.
        if state.table.members().len() == members.len() {
            state.authors = Some(Arc::clone(&authors));
        }
        Some(authors)
    }
}

impl PeerGrants {
    /// Who it is, if that holds now.
    fn member<'s>(&'s self, state: &'s State, peer: &Peer) -> Option<&'s Admitted> {
        let member = match &self.who {
            Who::Window => &state.provisioned.as_ref()?.window,
            Who::Member(_) if state.blind => return None,
            Who::Member(member) => member,
            Who::Nobody => return None,
        };
        let holds = member.subject.as_bytes() == &peer.0 && member.holds(&state.table, self.rights.now()).is_ok();
        holds.then_some(member)
    }
}

impl Grants for PeerGrants {
    fn reach(&self, peer: &Peer) -> Reach {
        let state = self.rights.read();
        self.member(&state, peer).map_or(Reach::Nothing, decide::reach)
    }

    fn may_export(&self, peer: &Peer, header: &EventHeader) -> bool {
        let state = self.rights.read();
        self.member(&state, peer).is_some_and(|member| decide::may_have(member, &state.table, header))
    }

    fn may_import(&self, peer: &Peer, header: &EventHeader) -> bool {
        // Looked at first: it takes the lock for itself.
        let known = header.author == peer.0 || self.rights.is_author(header);
        let state = self.rights.read();
        self.member(&state, peer).is_some_and(|member| decide::may_bring(member, &state.table, header, || known))
    }
}
