//! What the person asks at the command line: to keep a membership, to see them, to take one back, to grant and to group. Each
//! change is an event of this device before it is answered.

use credentials::{
    Kind, Moment, PublicKey, Refused,
    membership::{Grant, Permission, Priority, Role},
};
use ipc::{
    Code, Refusal,
    messages::{
        crypto::{MayDo, MemberPriority, MemberRole, MemberTerms},
        storage::{
            Accesses, Appended, ChangeAccess, ChangeGroup, Granted, Grantee, KeepMember, ListAccess, ListMembers, MAX_CHAIN,
            MAX_GROUP_NAME, Member, MemberShown, MemberState, Members, RevokeMember, ShowMember, Whose,
        },
    },
};
use replica::{
    Draft,
    body::{self, Body, Link, RIGHTS, Right},
    chum::kind_name,
};

use super::{
    Rights,
    admit::{Admitted, Roots, admit},
    unreadable,
};
use crate::{convert::appended, writer::WriterHandle};

/// Memberships in one answer.
const PAGE: usize = 16;
/// Grants, or members of groups, in one answer.
const LINES: usize = 512;

/// Keeps something that was said, and goes by it from now on.
async fn say(rights: &Rights, writer: &WriterHandle, right: Right) -> Result<Appended, Refusal> {
    let kept = writer.append(Draft { entity: RIGHTS, body: Body::Right(right), once: None }).await?;
    rights.refresh().map_err(|error| unreadable(&error))?;
    Ok(appended(kept))
}

/// Checks a membership and keeps it.
pub(crate) async fn keep(rights: &Rights, writer: &WriterHandle, request: KeepMember) -> Result<Member, Refusal> {
    let KeepMember { whose, chain } = request;
    let refused =
        |why: Refused| Refusal::new(Code::MembershipRefused, format!("this membership is not kept: {why}; {}", why.advice()));
    if chain.is_empty() || chain.len() > MAX_CHAIN {
        return Err(Refusal::new(Code::Malformed, format!("a chain has one to {MAX_CHAIN} memberships")));
    }
    let now = rights.now();
    let (own, beginning) = (rights.0.own, rights.beginning().map_err(|error| unreadable(&error))?);
    let member = match whose {
        Whose::Given => admit(&chain, Roots::These(&[own.person]), beginning, now),
        Whose::Held => admit(&chain, Roots::Whoever, Moment::from_seconds(0), now),
    };
    let member = member.map_err(refused)?;
    let is_ours = member.subject == own.device || member.subject == own.person;
    if is_ours != (whose == Whose::Held) {
        let what = if is_ours { "it is this device's own" } else { "it is about another than this device and its person" };
        return Err(refused(Refused::elsewhere(Kind::WrongHolder, what)));
    }
    member.holds(&rights.read().table, now).map_err(refused)?;
    let links = chain.into_iter().map(Link).collect();
    say(rights, writer, Right::Member(links, whose == Whose::Held)).await?;
    Ok(told(rights, &member, Some(whose)))
}

/// The memberships, this device's own of this session first and then the newest that were kept.
pub(crate) fn list(rights: &Rights, request: ListMembers) -> Result<Members, Refusal> {
    let skip = usize::try_from(request.skip).unwrap_or(usize::MAX);
    let mut items = if skip == 0 { own(rights) } else { Vec::new() };
    let kept = rights.read().table.members().to_vec();
    let mut left = kept.iter().rev().skip(skip);
    for one in left.by_ref().take(PAGE) {
        if let Some((member, _)) = rights.kept(*one).map_err(|error| unreadable(&error))? {
            items.push(told(rights, &member, Some(whose(one.held))));
        }
    }
    Ok(Members { items, more: left.next().is_some() })
}

/// One, by the beginning of its id.
pub(crate) fn show(rights: &Rights, request: &ShowMember) -> Result<MemberShown, Refusal> {
    let begins = |id: &str| {
        !request.id.is_empty()
            && (id.starts_with(&request.id) || id.strip_prefix("urn:uuid:").is_some_and(|id| id.starts_with(&request.id)))
    };
    if let Some(member) = own(rights).into_iter().find(|member| begins(&member.id)) {
        return Ok(MemberShown { member, chain: Vec::new() });
    }
    let kept = rights.read().table.members().to_vec();
    let mut found: Option<MemberShown> = None;
    for one in kept.iter().rev() {
        let Some((member, chain)) = rights.kept(*one).map_err(|error| unreadable(&error))? else { continue };
        if !begins(member.id()) || found.as_ref().is_some_and(|found| found.member.id == member.id()) {
            continue;
        }
        if found.is_some() {
            return Err(Refusal::new(Code::NotFound, "more than one membership has an id that begins so; give more of it"));
        }
        found = Some(MemberShown { member: told(rights, &member, Some(whose(one.held))), chain });
    }
    found.ok_or_else(|| Refusal::new(Code::NotFound, "no membership has an id that begins so; `lamos member list` shows them"))
}

/// Takes back.
pub(crate) async fn revoke(rights: &Rights, writer: &WriterHandle, request: RevokeMember) -> Result<Appended, Refusal> {
    let ours = [rights.0.own.device, rights.0.own.window];
    let is_own = match &request {
        RevokeMember::Credential(id) => own(rights).iter().any(|member| member.id == *id),
        RevokeMember::Subject(key) => ours.iter().any(|ours| ours.as_bytes() == key),
    };
    if is_own {
        let why = "this device is let in for as long as you are signed in on it; `lamos lock` ends that";
        return Err(Refusal::new(Code::InputInvalid, why));
    }
    let right = match request {
        RevokeMember::Credential(id) if id.is_empty() || id.len() > 512 => {
            return Err(Refusal::new(Code::InputInvalid, "the id of a credential has 1 to 512 bytes"));
        }
        RevokeMember::Credential(id) => Right::RevokedCredential(id),
        RevokeMember::Subject(key) if key == *rights.0.own.person.as_bytes() => {
            return Err(Refusal::new(Code::InputInvalid, "the person of this space lets others in and cannot be taken out"));
        }
        RevokeMember::Subject(key) => Right::RevokedKey(key),
    };
    say(rights, writer, right).await
}

/// Grants, or takes back what was granted.
pub(crate) async fn change_access(rights: &Rights, writer: &WriterHandle, request: ChangeAccess) -> Result<Appended, Refusal> {
    let who = match request.who {
        Grantee::Peer(key) => body::Grantee::Peer(checked(key)?),
        Grantee::Group(name) => body::Grantee::Group(group(name)?),
    };
    let what = match request.what {
        Granted::Everything => body::Granted::Everything,
        Granted::Entity(entity) => body::Granted::Entity(entity),
        Granted::Kind(name) => body::Granted::Kind(kind(&name)?),
    };
    say(rights, writer, Right::Access(who, what, request.may)).await
}

/// Puts somebody into a group, or takes them out.
pub(crate) async fn change_group(rights: &Rights, writer: &WriterHandle, request: ChangeGroup) -> Result<Appended, Refusal> {
    let right = Right::Group(group(request.group)?, checked(request.key)?, request.inside);
    say(rights, writer, right).await
}

/// What was granted and who is in which group, the grants first.
pub(crate) fn list_access(rights: &Rights, request: ListAccess) -> Accesses {
    let state = rights.read();
    let skip = usize::try_from(request.skip).unwrap_or(usize::MAX);
    let grants: Vec<(Grantee, Granted)> = state.table.all_grants().skip(skip).take(LINES).map(grant_told).collect();
    let (granted, room) = (state.table.all_grants().count(), LINES - grants.len());
    let members: Vec<(String, [u8; 32])> =
        state.table.all_groups().skip(skip.saturating_sub(granted)).take(room).map(|(name, key)| (name.clone(), *key)).collect();
    let more = skip.saturating_add(grants.len() + members.len()) < granted + state.table.all_groups().count();
    Accesses { grants, members, more }
}

fn grant_told((who, what): &(body::Grantee, body::Granted)) -> (Grantee, Granted) {
    let who = match who {
        body::Grantee::Peer(key) => Grantee::Peer(*key),
        body::Grantee::Group(name) => Grantee::Group(name.clone()),
    };
    let what = match what {
        body::Granted::Everything => Granted::Everything,
        body::Granted::Entity(entity) => Granted::Entity(*entity),
        body::Granted::Kind(kind) => Granted::Kind(kind_name(*kind).map_or_else(|| kind.to_string(), str::to_owned)),
    };
    (who, what)
}

/// A kind by its name, as tables of rules or lists of events have it, or by its number.
fn kind(name: &str) -> Result<u16, Refusal> {
    let ruled = (0..=u16::from(u8::MAX)).find(|kind| kind_name(*kind) == Some(name));
    let found = ruled.or_else(|| body::kind_called(name)).or_else(|| name.parse().ok());
    found.ok_or_else(|| Refusal::new(Code::InputInvalid, "there is no such kind of events; `lamos stats` lists those there are"))
}

fn checked(key: [u8; 32]) -> Result<[u8; 32], Refusal> {
    PublicKey::from_bytes(&key).map_err(|refused| Refusal::new(Code::InputInvalid, format!("{refused}")))?;
    Ok(key)
}

fn group(name: String) -> Result<String, Refusal> {
    let plain = |letter: char| !letter.is_control();
    if name.is_empty() || name.len() > MAX_GROUP_NAME || name.trim() != name || !name.chars().all(plain) {
        return Err(Refusal::new(Code::InputInvalid, format!("the name of a group is one line of 1 to {MAX_GROUP_NAME} bytes")));
    }
    Ok(name)
}

fn whose(held: bool) -> Whose {
    if held { Whose::Held } else { Whose::Given }
}

/// This device's own of this session.
fn own(rights: &Rights) -> Vec<Member> {
    let both = rights.read().provisioned.as_ref().map(|own| [own.archive.clone(), own.window.clone()]);
    both.iter().flatten().map(|member| told(rights, member, None)).collect()
}

/// A membership, as the person is told of it.
fn told(rights: &Rights, member: &Admitted, whose: Option<Whose>) -> Member {
    let (state, why) = match member.holds(&rights.read().table, rights.now()) {
        Ok(()) => (MemberState::Valid, String::new()),
        Err(refused) => {
            let state = match refused.kind() {
                Kind::Revoked => MemberState::Revoked,
                Kind::Expired | Kind::NotYetValid => MemberState::OutOfTime,
                _ => MemberState::Refused,
            };
            (state, refused.to_string())
        }
    };
    let (from, until) = member.period();
    Member {
        id: member.id().to_owned(),
        whose,
        issuer: *member.issuer.as_bytes(),
        subject: *member.subject.as_bytes(),
        terms: terms(&member.grant),
        depth: member.depth(),
        renewal: member.grant.renewal,
        from_s: from.seconds(),
        until_s: until.seconds(),
        state,
        why,
    }
}

fn terms(grant: &Grant) -> MemberTerms {
    let may = |permission| grant.permissions.contains(&permission);
    MemberTerms {
        role: match grant.role {
            Role::Guest => MemberRole::Guest,
            Role::Member => MemberRole::Member,
            Role::Admin => MemberRole::Admin,
        },
        may: MayDo {
            read: may(Permission::Read),
            write: may(Permission::Write),
            sync: may(Permission::Sync),
            delegate: may(Permission::Delegate),
        },
        max_storage: grant.storage.max_storage,
        allowed_types: grant.storage.allowed_types.as_ref().map(|types| types.iter().cloned().collect()),
        priority: match grant.storage.priority {
            Priority::Low => MemberPriority::Low,
            Priority::Normal => MemberPriority::Normal,
            Priority::High => MemberPriority::High,
        },
        max_depth: grant.max_depth,
    }
}
