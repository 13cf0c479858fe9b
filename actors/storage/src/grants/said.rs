//! What the person of this device said about rights, folded: who may have what, who is in which group, whom was taken back
//! what they had. The last word about a thing holds; what was taken back stays so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use replica::body::{Granted, Grantee, Right, Said};

/// A membership that was checked and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptMember {
    /// Where its event lies.
    pub(super) position: u64,
    /// When it was checked, in milliseconds since 1970: then it held.
    pub(super) at_ms: u64,
    /// It is this device's, in another person's space.
    pub(super) held: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    grants: BTreeSet<(Grantee, Granted)>,
    groups: BTreeMap<String, BTreeSet<[u8; 32]>>,
    credentials: HashSet<String>,
    /// With the moment until when what they were given is taken back, in milliseconds since 1970.
    keys: HashMap<[u8; 32], u64>,
    members: Vec<KeptMember>,
}

impl Table {
    /// Takes the next thing in that was said.
    pub(super) fn take(&mut self, Said { position, at_ms, right }: Said) {
        match right {
            Right::Access(who, what, true) => drop(self.grants.insert((who, what))),
            Right::Access(who, what, false) => drop(self.grants.remove(&(who, what))),
            Right::Group(name, key, true) => drop(self.groups.entry(name).or_default().insert(key)),
            Right::Group(name, key, false) => {
                if let Some(members) = self.groups.get_mut(&name) {
                    members.remove(&key);
                    if members.is_empty() {
                        self.groups.remove(&name);
                    }
                }
            }
            Right::Member(_, held) => self.members.push(KeptMember { position, at_ms, held }),
            Right::RevokedCredential(id) => drop(self.credentials.insert(id)),
            Right::RevokedKey(key) => {
                let until = self.keys.entry(key).or_default();
                *until = at_ms.max(*until);
            }
        }
    }

    /// Whether the person granted this to whoever has this key, by name or in a group.
    pub(super) fn grants(&self, key: &[u8; 32], entity: [u8; 16], kind: u16) -> bool {
        let wanted = [Granted::Everything, Granted::Entity(entity), Granted::Kind(kind)];
        let has = |who: Grantee| wanted.iter().any(|what| self.grants.contains(&(who.clone(), *what)));
        has(Grantee::Peer(*key))
            || self.groups.iter().any(|(name, members)| members.contains(key) && has(Grantee::Group(name.clone())))
    }

    /// Whether the credential of this id was taken back.
    pub(super) fn is_credential_revoked(&self, id: &str) -> bool {
        self.credentials.contains(id)
    }

    /// Until when what this key was given is taken back, in milliseconds since 1970.
    pub(super) fn key_revoked_until(&self, key: &[u8; 32]) -> Option<u64> {
        self.keys.get(key).copied()
    }

    /// Who may have what.
    pub(super) fn all_grants(&self) -> impl Iterator<Item = &(Grantee, Granted)> {
        self.grants.iter()
    }

    /// Who is in which group.
    pub(super) fn all_groups(&self) -> impl Iterator<Item = (&String, &[u8; 32])> {
        self.groups.iter().flat_map(|(name, members)| members.iter().map(move |key| (name, key)))
    }

    /// The memberships that are kept, oldest first.
    pub(super) fn members(&self) -> &[KeptMember] {
        &self.members
    }
}
