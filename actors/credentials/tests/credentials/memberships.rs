//! Memberships: who may do what, and who let them.

use credentials::{
    Credential, Delegation, Kind, Membership, Moment, Result, Signer as _, Suite, Verifier, issue,
    membership::{Grant, LIFETIME, MAX_DEPTH, MAX_LIFETIME, MAX_RENEWALS, Permission, Priority, Role, StoragePolicy},
    status::{self, StatusPurpose},
};
use serde_json::{Map, Value, json};

use crate::support::{IN_PROCESS, Key, Never, kind, now, options, signed, text, verify, with, without};

fn grant(role: Role, permissions: &[Permission], max_depth: u8) -> Grant {
    Grant {
        role,
        permissions: permissions.iter().copied().collect(),
        storage: StoragePolicy { max_storage: Some(500_000_000), allowed_types: None, priority: Priority::Normal },
        can_issue: max_depth > 0,
        max_depth,
        renewal: 0,
    }
}

const ALL: &[Permission] = &[Permission::Read, Permission::Write, Permission::Sync, Permission::Delegate];

fn document(grant: &Grant, issuer: &Key, subject: &Key) -> Map<String, Value> {
    grant.to_credential(None, &issuer.public_key(), &subject.public_key(), now(), now().after(LIFETIME), None).unwrap()
}

fn given(document: &Map<String, Value>, issuer: &Key) -> Result<Membership> {
    Membership::read(&verify(&issue(document, &options(Suite::Jcs), issuer, IN_PROCESS).unwrap())?)
}

fn member(grant: &Grant, issuer: &Key, subject: &Key) -> Membership {
    given(&document(grant, issuer, subject), issuer).unwrap()
}

#[test]
fn what_is_written_is_what_is_read() {
    let [person, archive] = [1, 2].map(Key::new);
    let mut grant = grant(Role::Admin, ALL, 3);
    grant.storage.allowed_types = Some(["Message", "Topic"].map(str::to_owned).into());
    grant.renewal = 7;
    let entry = status::entry("https://example.com/status/1", 5, StatusPurpose::Revocation);
    let (from, until) = (now(), now().after(MAX_LIFETIME));
    let document =
        grant.to_credential(Some("urn:uuid:1"), &person.public_key(), &archive.public_key(), from, until, Some(entry)).unwrap();
    // Both suites can sign it: its own terms are defined.
    for suite in [Suite::Jcs, Suite::Rdfc] {
        let credential: Credential = verify(&issue(&document, &options(suite), &person, IN_PROCESS).unwrap()).unwrap();
        let read = Membership::read(&credential).unwrap();
        assert_eq!(read.grant(), &grant);
        assert_eq!((read.issuer(), read.subject()), (&person.public_key(), &archive.public_key()));
        assert_eq!((read.from(), read.until()), (from, until));
        assert_eq!(credential.status().len(), 1);
    }
    // With `eddsa-jcs-2022` nobody is asked to canonicalise.
    let signed = issue(&document, &options(Suite::Jcs), &person, &Never).unwrap();
    assert!(Verifier { now: now(), canonicalizer: &Never }.credential(&text(&signed)).is_ok());
}

#[test]
fn reading_is_strict() {
    let [person, archive] = [1, 2].map(Key::new);
    let good = document(&grant(Role::Member, &[Permission::Read, Permission::Write], 0), &person, &archive);
    assert!(given(&good, &person).is_ok());
    let base = "/credentialSubject/iomMembership";
    for (name, value) in [
        ("role", json!("owner")),
        ("role", json!("Admin")),
        ("role", json!(["admin"])),
        ("permissions", json!([])),
        ("permissions", json!(["read", "read"])),
        ("permissions", json!(["read", "erase"])),
        ("permissions", json!({})),
        ("canIssueCredentials", json!("false")),
        ("canIssueCredentials", json!(true)),
        ("maxDelegationDepth", json!(1)),
        ("maxDelegationDepth", json!(-1)),
        ("maxDelegationDepth", json!(0.5)),
        ("maxDelegationDepth", json!(256)),
        ("renewal", json!(31)),
        ("isOwner", json!(true)),
        ("storagePolicy", json!({})),
        ("storagePolicy", json!({ "syncPriority": "first" })),
        ("storagePolicy", json!({ "syncPriority": "low", "maxStorage": "10GB" })),
        ("storagePolicy", json!({ "syncPriority": "low", "maxStorage": -1 })),
        ("storagePolicy", json!({ "syncPriority": "low", "allowedTypes": [] })),
        ("storagePolicy", json!({ "syncPriority": "low", "allowedTypes": [1] })),
        ("storagePolicy", json!({ "syncPriority": "low", "quota": 1 })),
    ] {
        assert_eq!(
            kind(given(&with(&good, &format!("{base}/{name}"), value.clone()), &person)),
            Kind::Malformed,
            "{name} {value}"
        );
    }
    for name in ["role", "permissions", "storagePolicy", "canIssueCredentials", "maxDelegationDepth", "renewal"] {
        assert_eq!(kind(given(&without(&good, &format!("{base}/{name}")), &person)), Kind::Malformed, "{name}");
    }
    assert_eq!(kind(given(&with(&good, "/credentialSubject/admin", json!(true)), &person)), Kind::Malformed);
    assert_eq!(kind(given(&without(&good, "/validUntil"), &person)), Kind::Malformed);
    assert_eq!(kind(given(&without(&good, "/validFrom"), &person)), Kind::Malformed);
    let long = now().after(MAX_LIFETIME + 1).to_string();
    assert_eq!(kind(given(&with(&good, "/validUntil", json!(long)), &person)), Kind::Malformed);
    assert_eq!(kind(given(&with(&good, "/credentialSubject/id", json!("did:example:archive")), &person)), Kind::Unsupported);
    assert_eq!(kind(given(&with(&good, "/type", json!("VerifiableCredential")), &person)), Kind::Malformed);
    assert_eq!(kind(Membership::read(&verify(&signed(&person, Suite::Jcs)).unwrap())), Kind::Malformed);
}

#[test]
fn what_contradicts_itself_is_not_issued() {
    let [person, archive] = [1, 2].map(Key::new);
    let make = |grant: &Grant, until: Moment| {
        kind(grant.to_credential(None, &person.public_key(), &archive.public_key(), now(), until, None))
    };
    let day = now().after(LIFETIME);
    for wrong in [
        grant(Role::Guest, ALL, 1),
        grant(Role::Admin, &[Permission::Read], 1),
        grant(Role::Admin, &[], 0),
        grant(Role::Admin, ALL, MAX_DEPTH + 1),
        Grant { can_issue: true, ..grant(Role::Admin, ALL, 0) },
    ] {
        assert_eq!(make(&wrong, day), Kind::Malformed);
    }
    let good = grant(Role::Admin, ALL, 0);
    assert_eq!(make(&good, now()), Kind::Malformed);
    assert_eq!(make(&good, now().after(MAX_LIFETIME + 1)), Kind::Malformed);
}

#[test]
fn it_is_renewed_in_its_last_hour_and_thirty_times() {
    let [person, archive] = [1, 2].map(Key::new);
    let day = member(&grant(Role::Member, &[Permission::Sync], 0), &person, &archive);
    assert!(!day.is_due(now()) && !day.is_due(now().after(23 * 3_600 - 1)));
    assert!(day.is_due(now().after(23 * 3_600)));
    assert_eq!(day.renewed(now().after(LIFETIME)).unwrap().renewal, 1);
    assert_eq!(kind(day.renewed(now().after(LIFETIME + 1))), Kind::Expired);
    let last = member(&Grant { renewal: MAX_RENEWALS, ..grant(Role::Member, &[Permission::Sync], 0) }, &person, &archive);
    assert_eq!(kind(last.renewed(now())), Kind::NotPermitted);
}

#[test]
fn a_chain_gives_no_more_than_it_has() {
    let [person, archive, phone, guest, thief] = [1, 2, 3, 4, 9].map(Key::new);
    let roots = [person.public_key()];
    let admin = member(&grant(Role::Admin, ALL, 2), &person, &archive);
    let below = member(&grant(Role::Member, &[Permission::Read, Permission::Delegate], 1), &archive, &phone);
    let last = member(&grant(Role::Guest, &[Permission::Read], 0), &phone, &guest);
    let check = |chain: &[&Membership]| {
        let chain: Vec<Membership> = chain.iter().map(|link| (*link).clone()).collect();
        Delegation::check(&chain, &roots, now())
    };
    let good = check(&[&admin, &below, &last]).unwrap();
    assert_eq!((good.root(), good.member()), (&person.public_key(), &last));
    assert!(good.may(Permission::Read, now()) && !good.may(Permission::Write, now()));
    assert!(!good.may(Permission::Read, now().after(LIFETIME + 1)));

    let refused = |chain: &[&Membership], link: usize| {
        let refused = check(chain).unwrap_err();
        assert_eq!(refused.kind(), Kind::NotPermitted);
        assert!(refused.to_string().starts_with(&format!("link {link}: ")), "{refused}");
    };
    assert_eq!(kind(check(&[])), Kind::NotPermitted);
    refused(&[&below, &last], 1);
    refused(&[&admin, &last], 2);
    // Somebody lets themselves in.
    refused(&[&member(&grant(Role::Admin, ALL, 2), &thief, &thief)], 1);
    refused(&[&member(&grant(Role::Admin, ALL, 2), &person, &person)], 1);
    refused(&[&admin, &member(&grant(Role::Member, &[Permission::Read], 0), &archive, &archive)], 2);
    let back = member(&grant(Role::Guest, &[Permission::Read], 0), &phone, &archive);
    refused(&[&admin, &below, &back], 3);
    // As deep as what it is below, and deeper.
    for wrong in [grant(Role::Member, &[Permission::Read, Permission::Delegate], 2), grant(Role::Admin, ALL, 3)] {
        refused(&[&admin, &member(&wrong, &archive, &phone)], 2);
    }
    // One permission more, a higher role.
    refused(&[&admin, &below, &member(&grant(Role::Guest, &[Permission::Write], 0), &phone, &guest)], 3);
    refused(&[&admin, &below, &member(&grant(Role::Admin, &[Permission::Read], 0), &phone, &guest)], 3);
    // A guest, and a member without the right, let somebody in.
    refused(&[&admin, &below, &last, &member(&grant(Role::Guest, &[Permission::Read], 0), &guest, &thief)], 4);
    // Storage: more bytes, no limit, other types, an earlier turn.
    for change in [
        |policy: &mut StoragePolicy| policy.max_storage = Some(500_000_001),
        |policy: &mut StoragePolicy| policy.max_storage = None,
        |policy: &mut StoragePolicy| policy.priority = Priority::High,
    ] {
        let mut more = grant(Role::Guest, &[Permission::Read], 0);
        change(&mut more.storage);
        refused(&[&admin, &member(&more, &archive, &phone)], 2);
    }
    let mut only = grant(Role::Admin, ALL, 2);
    only.storage.allowed_types = Some(["Message".to_owned()].into());
    let only = member(&only, &person, &archive);
    refused(&[&only, &below], 2);
}

#[test]
fn a_chain_ends_with_its_first_end() {
    let [person, archive, phone] = [1, 2, 3].map(Key::new);
    let admin = member(&grant(Role::Admin, ALL, 2), &person, &archive);
    let leaf = grant(Role::Guest, &[Permission::Read], 0);
    let until = |until: i64| {
        let document =
            leaf.to_credential(None, &archive.public_key(), &phone.public_key(), now(), now().after(until), None).unwrap();
        given(&document, &archive).unwrap()
    };
    let check = |link: Membership, at: i64| Delegation::check(&[admin.clone(), link], &[person.public_key()], now().after(at));
    assert!(check(until(LIFETIME), 0).is_ok());
    assert_eq!(check(until(60), 0).unwrap().until(), now().after(60));
    assert_eq!(kind(check(until(LIFETIME + 1), 0)), Kind::NotPermitted);
    let refused = check(until(60), 61).unwrap_err();
    assert_eq!((refused.kind(), refused.to_string().starts_with("link 2: ")), (Kind::Expired, true));
    let refused = check(until(LIFETIME), LIFETIME + 1).unwrap_err();
    assert_eq!((refused.kind(), refused.to_string().starts_with("link 1: ")), (Kind::Expired, true));
    // Nine links, and one more.
    let keys: Vec<Key> = (1..=11).map(Key::new).collect();
    let chain: Vec<Membership> = (0..10)
        .map(|n| {
            let depth = 8_u8.saturating_sub(u8::try_from(n).unwrap());
            member(&grant(Role::Admin, ALL, depth), &keys[n], &keys[n + 1])
        })
        .collect();
    let roots = [keys[0].public_key()];
    assert!(Delegation::check(&chain[..9], &roots, now()).is_ok());
    assert_eq!(kind(Delegation::check(&chain, &roots, now())), Kind::TooLarge);
}
