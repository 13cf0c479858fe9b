//! Lets this device's archive and window be members of the person's space, without anybody being asked: memberships for both
//! are had from the key process, shown to the archive, and renewed an hour before they end. A new process of the archive is
//! shown them again as soon as it says that it has not seen them.
//!
//! The key process decides how often that goes on without the person having signed in; then it is said here, and what the
//! window holds stays readable.
//!
//! **Architecture Invariant:** what is shown comes from the key process alone, and nothing of it is written anywhere.

use std::{
    cell::RefCell,
    future::Future,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ipc::{
    Client, Code, Refusal,
    endpoint::Options,
    messages::{
        crypto::{IssueMembership, MayDo, MemberPriority, MemberRole, MemberSubject, MemberTerms},
        storage::Provision,
    },
    role::source,
};
use tokio::{sync::Mutex, time::sleep};

use crate::standing::{Standing, Whose};

/// How long a membership of this device counts, in seconds: a day.
const LIFETIME: u32 = 24 * 60 * 60;

/// How long before its end it is renewed, in seconds: an hour.
const RENEW_BEFORE: i64 = 60 * 60;

/// How often the clock is looked at: it may be set, or the machine may have slept.
const LOOK: Duration = Duration::from_secs(60);

/// How long is waited after they were shown.
const MOMENT: Duration = Duration::from_secs(1);

/// How long is waited after something went wrong: first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));

/// See the module.
pub(crate) struct Provisioning {
    client: Client<source::Ui>,
    standing: Rc<Standing>,
    /// One thing after the other: who keeps in step and who carries may both find that the archive is new.
    turn: Mutex<()>,
    last: RefCell<Option<Shown>>,
}

/// What was shown last.
#[derive(Clone)]
struct Shown {
    memberships: Rc<Provision>,
    /// Seconds since 1970 from and until which both count.
    from: i64,
    until: i64,
}

impl Provisioning {
    pub(crate) fn new(client: Client<source::Ui>, standing: Rc<Standing>) -> Rc<Provisioning> {
        Rc::new(Provisioning { client, standing, turn: Mutex::default(), last: RefCell::default() })
    }

    /// Renews for as long as the process lives.
    pub(crate) async fn keep_up(self: Rc<Provisioning>) {
        let mut rest = REST.0;
        loop {
            let until = self.last.borrow().as_ref().map(|shown| (shown.from, shown.until));
            if !is_due(until, now()) {
                sleep(LOOK).await;
                continue;
            }
            match self.show().await {
                Ok(()) => {
                    rest = REST.0;
                    // The key process counts milliseconds, and may have thought it too early.
                    sleep(MOMENT).await;
                }
                Err(refusal) => {
                    tracing::debug!(code = ?refusal.code, "the window could not be let in now");
                    sleep(rest).await;
                    rest = (rest * 2).min(REST.1);
                }
            }
        }
    }

    /// Shows the archive the memberships, and new ones if those before are nearly over or were refused.
    pub(crate) async fn show(&self) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        let shown = self.show_some().await;
        let trouble = shown.as_ref().err().filter(|refusal| !passes(refusal.code)).map(|refusal| refusal.sentence.clone());
        self.standing.set_trouble(Whose::Provisioning, trouble);
        shown
    }

    async fn show_some(&self) -> Result<(), Refusal> {
        let last = self.last.borrow().clone().filter(|last| !is_due(Some((last.from, last.until)), now()));
        if let Some(last) = last {
            match self.client.call(&*last.memberships).await {
                Err(refusal) if refusal.code == Code::MembershipRefused => {}
                other => return other.map(|_| ()),
            }
        }
        let (archive, from, archive_until) = self.issue(MemberSubject::Archive).await?;
        let (window, _, window_until) = self.issue(MemberSubject::Window).await?;
        let memberships = Rc::new(Provision { archive, window });
        self.client.call(&*memberships).await?;
        tracing::debug!("the window is let in");
        *self.last.borrow_mut() = Some(Shown { memberships, from, until: archive_until.min(window_until) });
        Ok(())
    }

    async fn issue(&self, subject: MemberSubject) -> Result<(Vec<u8>, i64, i64), Refusal> {
        let may = MayDo { read: true, write: true, sync: true, delegate: false };
        let terms = MemberTerms {
            role: MemberRole::Admin,
            may,
            max_storage: None,
            allowed_types: None,
            priority: MemberPriority::Normal,
            max_depth: 0,
        };
        let ask = IssueMembership { subject, terms, lifetime_s: LIFETIME, renewal: 0, status: None };
        let issued = self.client.call_with(&ask, Options::default()).await?;
        Ok((issued.credential, issued.from_s, issued.until_s))
    }

    /// Asks the archive for something, and once more after it was shown the memberships if it has not seen them.
    pub(crate) async fn then<T, A: Future<Output = Result<T, Refusal>>>(&self, ask: impl Fn() -> A) -> Result<T, Refusal> {
        match ask().await {
            Err(refusal) if refusal.code == Code::NotProvisioned => {
                self.show().await?;
                ask().await
            }
            other => other,
        }
    }
}

/// Whether it is gone by itself soon: a process that is away comes back.
fn passes(code: Code) -> bool {
    matches!(code, Code::PeerDied | Code::Draining | Code::Cancelled | Code::Busy)
}

/// Whether new memberships are to be had: there are none, they are nearly over, or the clock was set to before them.
fn is_due(counts: Option<(i64, i64)>, now: i64) -> bool {
    counts.is_none_or(|(from, until)| now < from || now.saturating_add(RENEW_BEFORE) >= until)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_renewed_an_hour_before_their_end_and_when_the_clock_was_set_back() {
        let (from, until) = (1_000_000, 1_000_000 + i64::from(LIFETIME));
        for (now, due) in [(from, false), (until - 3601, false), (until - 3600, true), (until + 5, true), (from - 1, true)] {
            assert_eq!(is_due(Some((from, until)), now), due, "{now}");
        }
        assert!(is_due(None, from));
    }
}
