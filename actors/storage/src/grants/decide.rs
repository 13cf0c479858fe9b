//! The matrix of rights: standing, permission and kind, and what leaves or comes for it. Pure; whether the membership holds
//! is asked before.
//!
//! | | guest | member | admin |
//! |---|---|---|---|
//! | read | what was granted to it | everything but matters of the house | everything |
//! | write | its own, about what was granted to it | its own | its own |
//! | sync | others' about what was granted to it | others' | others' |
//!
//! Others are those whom the person let in to write, and this device. A storage policy with `allowedTypes` narrows all of it to
//! these kinds. Erasures reach everybody who may read anything, and say nothing but random numbers; a guest's are not taken.

use credentials::membership::{Permission, Role};
use ipc::event::EventHeader;
use replica::{body, chum::Reach};

use super::{admit::Admitted, said::Table};

/// How much of the space it may see.
pub(super) fn reach(member: &Admitted) -> Reach {
    if !member.grant.permissions.contains(&Permission::Read) {
        Reach::Nothing
    } else if member.is_full() {
        Reach::Whole
    } else {
        Reach::Some
    }
}

/// Whether this event may go to it.
pub(super) fn may_have(member: &Admitted, table: &Table, header: &EventHeader) -> bool {
    if !member.grant.permissions.contains(&Permission::Read) {
        return false;
    }
    match header.kind {
        body::ERASE => true,
        body::RIGHT => member.grant.role == Role::Admin && member.allows(body::RIGHT),
        _ => is_open(member, table, header),
    }
}

/// Whether this event is taken from it. `known` says whether another author is one who may write.
pub(super) fn may_bring(member: &Admitted, table: &Table, header: &EventHeader, known: impl FnOnce() -> bool) -> bool {
    let by_itself = header.author == *member.subject.as_bytes();
    let permission = if by_itself { Permission::Write } else { Permission::Sync };
    if !member.grant.permissions.contains(&permission) || !(by_itself || known()) {
        return false;
    }
    match header.kind {
        // They say what they are about where it cannot be judged here.
        body::ERASE | body::RIGHT => member.grant.role >= Role::Member && member.allows(header.kind),
        _ => is_open(member, table, header),
    }
}

/// Whether what an event is about is open to it.
fn is_open(member: &Admitted, table: &Table, header: &EventHeader) -> bool {
    let shown = member.grant.role >= Role::Member || table.grants(member.subject.as_bytes(), header.entity, header.kind);
    shown && member.allows(header.kind)
}
