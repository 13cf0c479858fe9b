//! Memberships: made here whole out of typed fields and signed with the person's key. No document comes in.
//!
//! Whose they are: this device's archive and its window, for which the window's instance asks by itself, and whoever else the
//! person lets in at the command line. Those of this device count a day and are renewed without anybody being asked, but no
//! more than [`MAX_RENEWALS`] times after the person has signed in: the count is kept here, where who asks cannot reset it.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use actix::{Context, Handler, Message};
use credentials::{
    InProcess, Moment, Options, PublicKey, Purpose, Refused, Suite, canonical, issue,
    membership::{Grant, LIFETIME, MAX_RENEWALS, Permission, Priority, RENEW_BEFORE, Role, StoragePolicy},
    status::{self, StatusPurpose},
};
use ipc::{
    Code, Refusal, Role as Process,
    messages::crypto::{
        IssueMembership, MAX_TYPES, MayDo, MemberPriority, MemberRole, MemberSubject, MemberTerms, MembershipIssued,
    },
};

use crate::{keeper::Keeper, space::Space};

/// Make a membership.
#[derive(Message)]
#[rtype(result = "Result<MembershipIssued, Refusal>")]
pub(crate) struct Issue {
    pub(crate) request: IssueMembership,
    /// Who asks.
    pub(crate) by: Process,
}

impl Handler<Issue> for Keeper {
    type Result = Result<MembershipIssued, Refusal>;

    fn handle(&mut self, Issue { request, by }: Issue, _: &mut Context<Self>) -> Self::Result {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let now = Moment::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
        self.space_mut()?.issue_membership(&request, by, now)
    }
}

/// What was issued last to this device's own, and how often since the person signed in.
#[derive(Default)]
pub(crate) struct Renewals {
    archive: Option<Period>,
    window: Option<Period>,
}

/// For how long one counts, and the how many-th it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period {
    from: Moment,
    until: Moment,
    renewal: u8,
}

impl Period {
    /// What counts from now on: what counts already until that is nearly over, and then the next, if there may be one.
    fn after(last: Option<Period>, now: Moment) -> Result<Period, Refusal> {
        let from_now = |renewal| Period { from: now, until: now.after(LIFETIME), renewal };
        match last {
            None => Ok(from_now(0)),
            // A process that is started again is given the same once more.
            Some(last) if last.from <= now && now.after(RENEW_BEFORE) < last.until => Ok(Period { from: now, ..last }),
            Some(last) if last.renewal < MAX_RENEWALS => Ok(from_now(last.renewal + 1)),
            Some(_) => Err(Refusal::new(
                Code::NotSignedIn,
                format!("the window was let in {MAX_RENEWALS} times over without anybody having signed in; sign in again"),
            )),
        }
    }
}

impl Space {
    fn issue_membership(&mut self, request: &IssueMembership, by: Process, now: Moment) -> Result<MembershipIssued, Refusal> {
        let IssueMembership { subject, terms, lifetime_s, renewal, status } = request;
        let own = !matches!(subject, MemberSubject::Other(_));
        if !own && by != Process::Cli {
            return Err(Refusal::new(Code::Forbidden, "only the person lets others in, at the command line"));
        }
        if !own && self.is_demo() {
            return Err(Refusal::new(Code::DemoRefused, "the public demo space lets nobody in: everybody has its keys"));
        }
        if own && terms.max_depth > 0 {
            return Err(Refusal::new(Code::Malformed, "the archive and the window let nobody in: the person does"));
        }
        let key = match subject {
            MemberSubject::Archive => PublicKey::from_bytes(&self.identity().device),
            MemberSubject::Window => PublicKey::from_bytes(&self.window()),
            MemberSubject::Other(key) => PublicKey::from_bytes(key),
        };
        let lifetime = i64::from(*lifetime_s);
        let period = match subject {
            MemberSubject::Archive => Period::after(self.renewals().archive, now)?,
            MemberSubject::Window => Period::after(self.renewals().window, now)?,
            MemberSubject::Other(_) => Period { from: now, until: now.after(lifetime), renewal: *renewal },
        };
        let until = period.until.min(now.after(lifetime));
        let grant = grant(terms, period.renewal)?;
        let id = id()?;
        let status = status.as_ref().map(|status| status::entry(&status.list, status.index, StatusPurpose::Revocation));
        let signer = self.person();
        let made = key.and_then(|key| {
            let document = grant.to_credential(Some(&id), &credentials::Signer::public_key(signer), &key, now, until, status)?;
            let options = Options::new(Suite::Jcs, Purpose::Assertion, now);
            canonical(&issue(&document, &options, signer, &InProcess)?)
        });
        let credential = made.map_err(|refused| cannot(&refused))?;
        match subject {
            MemberSubject::Archive => self.renewals().archive = Some(period),
            MemberSubject::Window => self.renewals().window = Some(period),
            MemberSubject::Other(_) => {}
        }
        Ok(MembershipIssued { id, credential, from_s: now.seconds(), until_s: until.seconds(), renewal: period.renewal })
    }
}

fn grant(terms: &MemberTerms, renewal: u8) -> Result<Grant, Refusal> {
    let MemberTerms { role, may, max_storage, allowed_types, priority, max_depth } = terms;
    if allowed_types.as_ref().is_some_and(|types| types.len() > MAX_TYPES) {
        return Err(Refusal::new(Code::Malformed, format!("a membership is limited to {MAX_TYPES} kinds at most")));
    }
    let MayDo { read, write, sync, delegate } = *may;
    let named =
        [(read, Permission::Read), (write, Permission::Write), (sync, Permission::Sync), (delegate, Permission::Delegate)];
    Ok(Grant {
        role: match role {
            MemberRole::Guest => Role::Guest,
            MemberRole::Member => Role::Member,
            MemberRole::Admin => Role::Admin,
        },
        permissions: named.into_iter().filter(|(may, _)| *may).map(|(_, permission)| permission).collect(),
        storage: StoragePolicy {
            max_storage: *max_storage,
            allowed_types: allowed_types.as_ref().map(|types| types.iter().cloned().collect::<BTreeSet<String>>()),
            priority: match priority {
                MemberPriority::Low => Priority::Low,
                MemberPriority::Normal => Priority::Normal,
                MemberPriority::High => Priority::High,
            },
        },
        can_issue: *max_depth > 0,
        max_depth: *max_depth,
        renewal,
    })
}

/// A random UUID: by it the credential is taken back.
fn id() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::internal(format!("get random bytes: {error}")))?;
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    Ok(format!("urn:uuid:{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}

fn cannot(refused: &Refused) -> Refusal {
    Refusal::new(Code::InputInvalid, format!("this membership cannot be made: {refused}"))
}

#[cfg(test)]
mod tests {
    use credentials::{Kind, Membership, Verifier};

    use super::*;
    use crate::slots::Keys;

    const DAY: i64 = LIFETIME;

    fn now() -> Moment {
        Moment::from_seconds(1_700_000_000)
    }

    fn space(demo: bool) -> Space {
        Space::open(Keys::random(demo).expect("keys"))
    }

    fn ask(subject: MemberSubject) -> IssueMembership {
        let may = MayDo { read: true, write: true, sync: true, delegate: false };
        let terms = MemberTerms {
            role: MemberRole::Admin,
            may,
            max_storage: None,
            allowed_types: None,
            priority: MemberPriority::Normal,
            max_depth: 0,
        };
        IssueMembership { subject, terms, lifetime_s: 86_400, renewal: 0, status: None }
    }

    fn read(issued: &MembershipIssued, at: Moment) -> Membership {
        let verifier = Verifier { now: at, canonicalizer: &InProcess };
        Membership::read(&verifier.credential(&issued.credential).expect("verified")).expect("a membership")
    }

    #[test]
    fn it_is_of_the_person_and_for_who_was_named() {
        let mut space = space(false);
        let identity = space.identity();
        let window = space.window();
        let stranger = Space::open(Keys::random(false).expect("keys")).identity().device;
        let subjects = [
            (MemberSubject::Archive, identity.device),
            (MemberSubject::Window, window),
            (MemberSubject::Other(stranger), stranger),
        ];
        let mut ids = BTreeSet::new();
        for (subject, key) in subjects {
            let issued = space.issue_membership(&ask(subject), Process::Cli, now()).expect("issued");
            let member = read(&issued, now());
            assert_eq!((member.issuer().as_bytes(), member.subject().as_bytes()), (&identity.person, &key));
            assert_eq!((member.until().seconds(), member.grant().renewal), (issued.until_s, 0));
            assert!(issued.id.len() == 45 && ids.insert(issued.id));
        }
        assert_ne!(window, identity.device);
    }

    #[test]
    fn the_window_asks_for_its_own_and_the_demo_lets_nobody_in() {
        let (mut own, mut demo) = (space(false), space(true));
        let other = MemberSubject::Other(space(false).identity().device);
        let code = |result: Result<MembershipIssued, Refusal>| result.map(|_| ()).map_err(|refusal| refusal.code);
        assert_eq!(code(own.issue_membership(&ask(other), Process::Ui, now())), Err(Code::Forbidden));
        assert_eq!(code(own.issue_membership(&ask(other), Process::Cli, now())), Ok(()));
        assert_eq!(code(demo.issue_membership(&ask(other), Process::Cli, now())), Err(Code::DemoRefused));
        for subject in [MemberSubject::Archive, MemberSubject::Window] {
            assert_eq!(code(demo.issue_membership(&ask(subject), Process::Ui, now())), Ok(()));
            let mut more = ask(subject);
            (more.terms.max_depth, more.terms.may.delegate) = (1, true);
            assert_eq!(code(own.issue_membership(&more, Process::Ui, now())), Err(Code::Malformed));
        }
    }

    #[test]
    fn what_cannot_be_is_not_made() {
        let mut space = space(false);
        let other = ask(MemberSubject::Other(space.identity().device));
        let weak = IssueMembership { subject: MemberSubject::Other([0; 32]), ..other.clone() };
        let mut nothing = other.clone();
        nothing.terms.may = MayDo::default();
        let mut guest = other.clone();
        (guest.terms.role, guest.terms.max_depth, guest.terms.may.delegate) = (MemberRole::Guest, 1, true);
        let long = IssueMembership { lifetime_s: 31 * 86_400, ..other.clone() };
        let no_time = IssueMembership { lifetime_s: 0, ..other.clone() };
        let often = IssueMembership { renewal: 31, ..other.clone() };
        for wrong in [weak, nothing, guest, long, no_time, often] {
            let refused = space.issue_membership(&wrong, Process::Cli, now()).expect_err("refused");
            assert_eq!(refused.code, Code::InputInvalid, "{wrong:?}");
        }
        assert!(space.issue_membership(&other, Process::Cli, now()).is_ok());
    }

    #[test]
    fn it_is_renewed_thirty_times_and_then_a_person_signs_in() {
        let keys = Keys::random(false).expect("keys");
        let mut space = Space::open(keys);
        let mut at = now();
        let mut last = space.issue_membership(&ask(MemberSubject::Window), Process::Ui, at).expect("issued");
        for renewal in 1..=MAX_RENEWALS {
            // Asked again too early, by a process that was started anew, it is the same and ends at the same moment.
            let early = Moment::from_seconds(last.until_s - RENEW_BEFORE - 1);
            let same = space.issue_membership(&ask(MemberSubject::Window), Process::Ui, early).expect("issued");
            assert_eq!((same.renewal, same.until_s), (last.renewal, last.until_s));
            at = Moment::from_seconds(last.until_s - RENEW_BEFORE);
            last = space.issue_membership(&ask(MemberSubject::Window), Process::Ui, at).expect("issued");
            assert_eq!((last.renewal, last.until_s), (renewal, at.seconds() + DAY));
            assert!(read(&last, at).check(at).is_ok());
        }
        let until = Moment::from_seconds(last.until_s);
        let due = until.after(-RENEW_BEFORE);
        let refused = space.issue_membership(&ask(MemberSubject::Window), Process::Ui, due).expect_err("refused");
        assert_eq!(refused.code, Code::NotSignedIn);
        // What there is counts until its end and no longer.
        let verifier = Verifier { now: until.after(1), canonicalizer: &InProcess };
        assert_eq!(verifier.credential(&last.credential).expect_err("over").kind(), Kind::Expired);
        // A clock that is set back gives no more of them, and the archive has a count of its own.
        let refused = space.issue_membership(&ask(MemberSubject::Window), Process::Ui, now()).expect_err("refused");
        assert_eq!(refused.code, Code::NotSignedIn);
        assert_eq!(space.issue_membership(&ask(MemberSubject::Archive), Process::Ui, due).expect("issued").renewal, 0);
    }
}
