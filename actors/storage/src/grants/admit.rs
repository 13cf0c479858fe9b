//! Letting somebody in: a chain of credentials is checked down to what may be relied on, and whether it holds is asked again
//! each time.
//!
//! Memberships are signed with `eddsa-jcs-2022` and no other suite: the other one would have strangers' documents
//! canonicalised in this process.

use std::collections::BTreeSet;

use credentials::{
    Canonicalize, Credential, Delegation, Kind, Membership, Moment, PublicKey, Refused, SKEW, Verifier,
    membership::{Grant, Role},
};
use ipc::messages::storage::{MAX_CHAIN, MAX_CREDENTIAL};
use replica::chum::kind_name;

use super::said::Table;

/// Canonicalises nothing.
struct Never;

impl Canonicalize for Never {
    fn canonicalize(&self, _: &[u8]) -> Result<Vec<u8>, Refused> {
        Err(Refused::elsewhere(Kind::Unsupported, "a membership is signed with eddsa-jcs-2022"))
    }
}

/// A link of a chain that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) subject: PublicKey,
    pub(super) from: Moment,
    pub(super) until: Moment,
}

/// Somebody whose membership leads back to who may let anybody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// First link first; never empty.
    links: Vec<Link>,
    pub(super) issuer: PublicKey,
    pub(super) subject: PublicKey,
    pub(super) grant: Grant,
    /// The kinds it is limited to, as numbers.
    kinds: Option<BTreeSet<u16>>,
}

/// Checks a chain, first link first. `roots` may let anybody in; `beginning` is from when on they may have.
pub(super) fn admit(chain: &[Vec<u8>], roots: Roots<'_>, beginning: Moment, now: Moment) -> Result<Admitted, Refused> {
    if chain.len() > MAX_CHAIN {
        return Err(refused(Kind::TooLarge, format!("a chain has at most {MAX_CHAIN} memberships")));
    }
    let mut links = Vec::with_capacity(chain.len());
    let mut memberships: Vec<Membership> = Vec::with_capacity(chain.len());
    for (place, text) in chain.iter().enumerate() {
        let at = |why: Refused| refused(why.kind(), format!("link {}: {why}", place + 1));
        let (id, membership) = link(text, now, place == 0).map_err(at)?;
        let (subject, from, until) = (*membership.subject(), membership.from(), membership.until());
        links.push(Link { id, subject, from, until });
        memberships.push(membership);
    }
    let own_root = memberships.first().map(|first| *first.issuer());
    let roots = match (roots, &own_root) {
        (Roots::These(roots), _) => roots,
        (Roots::Whoever, Some(root)) => std::slice::from_ref(root),
        (Roots::Whoever, None) => &[],
    };
    let delegation = Delegation::check(&memberships, roots, now)?;
    if links.first().is_some_and(|first| first.from < beginning) {
        return Err(refused(
            Kind::NotPermitted,
            "link 1: it was given before this device was made; it is to be renewed".to_owned(),
        ));
    }
    let member = delegation.member();
    let (issuer, subject, grant) = (*member.issuer(), *member.subject(), member.grant().clone());
    let kinds = grant.storage.allowed_types.as_ref().map(|types| {
        let named = |kind: &u16| kind_name(*kind).is_some_and(|name| types.contains(name));
        let numbered = types.iter().filter_map(|name| name.parse().ok());
        (0..=u16::from(u8::MAX)).filter(named).chain(numbered).collect()
    });
    Ok(Admitted { links, issuer, subject, grant, kinds })
}

/// Who may let anybody in.
#[derive(Clone, Copy)]
pub(super) enum Roots<'a> {
    /// These.
    These(&'a [PublicKey]),
    /// Who gave the first link: whether that counts is for somebody else to judge.
    Whoever,
}

fn link(text: &[u8], now: Moment, first: bool) -> Result<(String, Membership), Refused> {
    if text.len() > MAX_CREDENTIAL {
        return Err(refused(Kind::TooLarge, format!("it has {} bytes, at most {MAX_CREDENTIAL} are read", text.len())));
    }
    let credential: Credential = Verifier { now, canonicalizer: &Never }.credential(text)?;
    let membership = Membership::read(&credential)?;
    let Some(id) = credential.id().map(str::to_owned) else {
        return Err(refused(Kind::Malformed, "it has no id, by which it could be taken back".to_owned()));
    };
    // What the person has taken back is known here; where others say so is not.
    if !first && !credential.status().is_empty() {
        return Err(refused(Kind::StatusUnknown, "whether its issuer has taken it back is not known here".to_owned()));
    }
    Ok((id, membership))
}

impl Admitted {
    /// Whether it counts at a moment: no link has run out or was taken back.
    pub(super) fn holds(&self, table: &Table, now: Moment) -> Result<(), Refused> {
        for (place, link) in self.links.iter().enumerate() {
            let at = |kind, what: String| Err(refused(kind, format!("link {}: {what}", place + 1)));
            if now.after(SKEW) < link.from {
                return at(Kind::NotYetValid, format!("it is valid from {}, and it is {now}", link.from));
            }
            if now > link.until {
                return at(Kind::Expired, format!("it was valid until {}, and it is {now}", link.until));
            }
            if self.is_revoked_at(place, table) {
                return at(Kind::Revoked, "it was taken back".to_owned());
            }
        }
        Ok(())
    }

    fn is_revoked_at(&self, place: usize, table: &Table) -> bool {
        let Some(link) = self.links.get(place) else { return true };
        let until = table.key_revoked_until(link.subject.as_bytes());
        // Of the same second it counts as taken back: that is all a credential says of its beginning.
        let key = until.is_some_and(|until| link.from <= Moment::from_millis(i64::try_from(until).unwrap_or(i64::MAX)));
        key || table.is_credential_revoked(&link.id)
    }

    /// Whether any link of it was taken back.
    pub(super) fn is_revoked(&self, table: &Table) -> bool {
        (0..self.links.len()).any(|place| self.is_revoked_at(place, table))
    }

    /// The id of the last link's credential.
    pub(super) fn id(&self) -> &str {
        self.links.last().map_or("", |link| &link.id)
    }

    /// Links that led to it.
    pub(super) fn depth(&self) -> u8 {
        u8::try_from(self.links.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// From when to when the last link counts.
    pub(super) fn period(&self) -> (Moment, Moment) {
        let nothing = Moment::from_seconds(0);
        self.links.last().map_or((nothing, nothing), |link| (link.from, link.until))
    }

    /// Whether this kind is one it is limited to.
    pub(super) fn allows(&self, kind: u16) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// Whether it sees the whole space, headers and all: let in by the person herself, and not limited to some kinds.
    pub(super) fn is_full(&self) -> bool {
        self.links.len() == 1 && self.grant.role >= Role::Member && self.kinds.is_none()
    }
}

fn refused(kind: Kind, what: String) -> Refused {
    Refused::elsewhere(kind, what)
}
