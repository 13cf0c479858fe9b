//! Chains of memberships: somebody whom the person let in has let in somebody else.
//!
//! Nobody can give more than they have: fewer links may follow, no permission is added, the standing does not rise, less or as
//! much is kept, and it ends no later. The refusal names the link.

use crate::{
    error::{Kind, Result, refuse},
    key::PublicKey,
    membership::{Membership, Permission},
    moment::Moment,
};

/// How many memberships a chain may have: the first and [`crate::membership::MAX_DEPTH`] below it.
pub const MAX_LINKS: usize = crate::membership::MAX_DEPTH as usize + 1;

/// A chain of memberships that holds: from one who may let anybody in down to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    root: PublicKey,
    member: Membership,
    until: Moment,
}

impl Delegation {
    /// Checks a chain, first link first. `roots` are the keys of those who may let anybody in: the person's own. That no link
    /// was taken back is checked before, when its credential is: [`crate::Verifier::status`].
    pub fn check(chain: &[Membership], roots: &[PublicKey], now: Moment) -> Result<Delegation> {
        let Some(first) = chain.first() else {
            return refuse(Kind::NotPermitted, "there is no membership");
        };
        let Some(member) = chain.get(..MAX_LINKS + 1).map_or_else(|| chain.last(), |_| None) else {
            return refuse(Kind::TooLarge, format!("a chain has at most {MAX_LINKS} memberships"));
        };
        if !roots.contains(first.issuer()) {
            return refuse(Kind::NotPermitted, format!("link 1: {} may let nobody in", first.issuer()));
        }
        for (place, link) in chain.iter().enumerate() {
            let at = |refused: crate::Refused| refused.at(format!("link {}", place + 1));
            link.check(now).map_err(at)?;
            let earlier = chain.get(..place).unwrap_or_default();
            if link.issuer() == link.subject() || earlier.iter().any(|earlier| earlier.subject() == link.subject()) {
                return refuse(Kind::NotPermitted, "nobody lets themselves in").map_err(at);
            }
            if let Some(parent) = earlier.last() {
                below(parent, link).map_err(at)?;
            }
        }
        Ok(Delegation { root: *first.issuer(), member: member.clone(), until: member.until() })
    }

    /// Who is at the beginning.
    pub fn root(&self) -> &PublicKey {
        &self.root
    }

    /// The membership at the end.
    pub fn member(&self) -> &Membership {
        &self.member
    }

    /// Whether the member may do something at a moment.
    pub fn may(&self, permission: Permission, now: Moment) -> bool {
        self.member.check(now).is_ok() && self.member.grant().permissions.contains(&permission)
    }

    /// Until when the chain holds.
    pub fn until(&self) -> Moment {
        self.until
    }
}

/// Whether one membership could come of another.
fn below(parent: &Membership, link: &Membership) -> Result<()> {
    let (above, below) = (parent.grant(), link.grant());
    let refused = |what: &str| refuse(Kind::NotPermitted, what);
    if link.issuer() != parent.subject() {
        return refused("it was not given by the member above it");
    }
    if !above.can_issue || !above.permissions.contains(&Permission::Delegate) {
        return refused("the member above it may let nobody in");
    }
    if above.max_depth == 0 || below.max_depth >= above.max_depth {
        return refused("it is deeper than the member above it may let others in");
    }
    if !below.permissions.is_subset(&above.permissions) {
        return refused("it permits what the member above it may not do");
    }
    if below.role > above.role {
        return refused("its role is above that of the member above it");
    }
    if link.from() < parent.from() || link.until() > parent.until() {
        return refused("it counts when the membership above it does not");
    }
    let (kept, keeps) = (&above.storage, &below.storage);
    let more = match (kept.max_storage, keeps.max_storage) {
        (Some(most), Some(asked)) => asked > most,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let other = match (&kept.allowed_types, &keeps.allowed_types) {
        (Some(allowed), Some(asked)) => !asked.is_subset(allowed),
        (Some(_), None) => true,
        (None, _) => false,
    };
    if more || other || keeps.priority > kept.priority {
        return refused("its storage policy allows more than that of the member above it");
    }
    Ok(())
}
