//! Chains of memberships at random: one in which everybody gives at most what they have holds, and one in which a single
//! link gives more is refused with that link named.

use credentials::{
    Delegation, Membership, Moment, PublicKey, Signer as _, Suite, issue,
    membership::{Grant, LIFETIME, Permission, Priority, Role, StoragePolicy},
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::support::{IN_PROCESS, Key, now, options, verify};

/// How a link differs from the one above it.
#[derive(Clone, Debug)]
struct Step {
    less_depth: u8,
    lower: u8,
    drops: [bool; 3],
    less_storage: u16,
    drops_type: bool,
    later: u16,
    sooner: u16,
    low: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let parts = (0..2u8, 0..2u8, any::<[bool; 3]>(), 0..500u16, any::<bool>(), 0..600u16, 0..600u16, any::<bool>());
    parts.prop_map(|(less_depth, lower, drops, less_storage, drops_type, later, sooner, low)| Step {
        less_depth,
        lower,
        drops,
        less_storage,
        drops_type,
        later,
        sooner,
        low,
    })
}

/// What a link says, and from when to when.
#[derive(Clone, Debug)]
struct Says {
    grant: Grant,
    from: i64,
    until: i64,
}

/// The first link and those below it, each with no more than the one above. The last one lets nobody in.
fn weaker(steps: &[Step]) -> Vec<Says> {
    let all = [Permission::Read, Permission::Write, Permission::Sync, Permission::Delegate];
    let types = ["message", "title", "file", "trace", "branch", "erase"].map(str::to_owned);
    let storage = StoragePolicy { max_storage: Some(1_000_000), allowed_types: Some(types.into()), priority: Priority::High };
    let depth = 8;
    let grant = Grant { role: Role::Admin, permissions: all.into(), storage, can_issue: depth > 0, max_depth: depth, renewal: 0 };
    let mut chain = vec![Says { grant, from: -30, until: LIFETIME }];
    for (place, step) in steps.iter().enumerate() {
        let above = chain.last().unwrap().clone();
        let mut grant = above.grant.clone();
        let last = place + 1 == steps.len();
        // As many links as follow, at least.
        let needed = u8::try_from(steps.len() - place - 1).unwrap();
        grant.max_depth = if last { 0 } else { (above.grant.max_depth - 1 - step.less_depth).max(needed) };
        grant.can_issue = grant.max_depth > 0;
        if step.lower > 0 && !(grant.role == Role::Member && grant.can_issue) {
            grant.role = if grant.role == Role::Admin { Role::Member } else { Role::Guest };
        }
        for (permission, dropped) in all.into_iter().zip(step.drops) {
            if dropped && grant.permissions.len() > 2 {
                grant.permissions.remove(&permission);
            }
        }
        if !grant.can_issue && grant.permissions.len() > 1 {
            grant.permissions.remove(&Permission::Delegate);
        }
        grant.storage.max_storage = grant.storage.max_storage.map(|most| most - u64::from(step.less_storage));
        if let Some(types) = &mut grant.storage.allowed_types
            && step.drops_type
            && types.len() > 1
        {
            types.pop_last();
        }
        if step.low {
            grant.storage.priority = Priority::Low;
        }
        let (from, until) = (above.from + i64::from(step.later) % 10, above.until - i64::from(step.sooner));
        chain.push(Says { grant, from: from.min(0), until });
    }
    chain
}

fn key(place: usize) -> Key {
    Key::new(u8::try_from(place).unwrap() + 1)
}

fn at(seconds: i64) -> Moment {
    now().after(seconds)
}

fn made(chain: &[Says]) -> Vec<Membership> {
    let link = |(place, says): (usize, &Says)| {
        let (issuer, subject) = (key(place), key(place + 1));
        let (from, until) = (at(says.from), at(says.until));
        let document = says.grant.to_credential(None, &issuer.public_key(), &subject.public_key(), from, until, None);
        Membership::read(&verify(&issue(&document.unwrap(), &options(Suite::Jcs), &issuer, IN_PROCESS).unwrap()).unwrap())
            .unwrap()
    };
    chain.iter().enumerate().map(link).collect()
}

fn root() -> [PublicKey; 1] {
    [key(0).public_key()]
}

/// Lets a link give more than the one above it has; false if there is nothing more to give.
fn strengthen(chain: &mut [Says], place: usize, how: u8) -> bool {
    let above = chain[place - 1].clone();
    let says = &mut chain[place];
    match how {
        0 => {
            says.grant.max_depth = above.grant.max_depth;
            says.grant.can_issue = true;
            says.grant.permissions.insert(Permission::Delegate);
            says.grant.role = says.grant.role.max(Role::Member);
            above.grant.max_depth > 0
        }
        1 => {
            says.grant.role = Role::Admin;
            above.grant.role < Role::Admin
        }
        2 => {
            let all = [Permission::Read, Permission::Write, Permission::Sync];
            let more = all.into_iter().find(|permission| !above.grant.permissions.contains(permission));
            more.is_some_and(|permission| says.grant.permissions.insert(permission))
        }
        3 => {
            says.until = above.until + 1;
            true
        }
        4 => {
            says.from = above.from - 1;
            true
        }
        5 => {
            says.grant.storage.max_storage = above.grant.storage.max_storage.map(|most| most + 1);
            true
        }
        6 => {
            says.grant.storage.max_storage = None;
            true
        }
        7 => says.grant.storage.allowed_types.as_mut().is_some_and(|types| types.insert("right".to_owned())),
        8 => {
            says.grant.storage.allowed_types = None;
            true
        }
        _ => {
            says.grant.storage.priority = Priority::High;
            above.grant.storage.priority < Priority::High
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn who_gives_at_most_what_they_have_is_believed(steps in vec(step(), 0..5)) {
        let says = weaker(&steps);
        let chain = made(&says);
        let delegation = Delegation::check(&chain, &root(), now()).unwrap();
        let member = delegation.member().grant();
        for above in &says {
            prop_assert!(member.permissions.is_subset(&above.grant.permissions) && member.role <= above.grant.role);
            prop_assert!(delegation.until() <= at(above.until) && delegation.member().from() >= at(above.from));
            prop_assert!(member.storage.max_storage <= above.grant.storage.max_storage);
        }
        prop_assert!(usize::from(says[0].grant.max_depth) >= chain.len() - 1);
        // From the middle on it leads back to nobody who may let anybody in.
        for from in 1..chain.len() {
            prop_assert!(Delegation::check(&chain[from..], &root(), now()).is_err());
        }
        // A link that is left out breaks it.
        for missing in 1..chain.len().saturating_sub(1) {
            let mut broken = chain.clone();
            broken.remove(missing);
            let refused = Delegation::check(&broken, &root(), now()).unwrap_err();
            let named = format!("link {}:", missing + 1);
            prop_assert!(refused.to_string().starts_with(&named), "{refused}");
        }
    }

    #[test]
    fn who_gives_more_than_they_have_is_named(steps in vec(step(), 1..5), place in any::<Index>(), how in 0..10u8) {
        let mut says = weaker(&steps);
        let place = 1 + place.index(says.len() - 1);
        prop_assume!(strengthen(&mut says, place, how) && says[place].grant.check().is_ok());
        prop_assume!(says[place].from < says[place].until);
        let refused = Delegation::check(&made(&says), &root(), now()).unwrap_err();
        let named = format!("link {}:", place + 1);
        prop_assert!(refused.to_string().starts_with(&named), "{refused} for {how} at {place}");
    }
}
