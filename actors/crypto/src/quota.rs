//! How much of a verb one role may have, whatever the hub lets through: a second wall behind its rates, which count for each
//! process. A bucket for each role and verb fills at its rate and holds one burst; a call that finds too little is refused.
//!
//! What one caller asks for too often costs the others nothing but the look at its bucket.

use std::{collections::HashMap, time::Instant};

use ipc::{
    Code, Refusal, Role,
    messages::crypto::{self as verbs},
    policy,
    service::Method,
};

/// Bytes of a request that cost as much as one call: about a header to be signed.
const UNIT: usize = 256;

/// Units in a second, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    per_second: u32,
    burst: u32,
}

/// What a verb may cost. The archive signs in batches of 64 headers, each about a unit; opening is held back by its own
/// throttle, and many commands may meet at the same moment.
fn rate(verb: u16) -> Rate {
    let (per_second, burst) = match verb {
        verbs::SignEvents::NUMBER => (32_000, 64_000),
        verbs::KeyStatus::NUMBER => (2_000, 4_000),
        verbs::ReleaseApiKey::NUMBER => (300, 600),
        verbs::ShowIdentity::NUMBER => (500, 1_000),
        // The largest credential there is costs some 2,000 units: four of those at once, and small ones all the time.
        verbs::SignCredential::NUMBER => (2_000, 8_192),
        verbs::Unlock::NUMBER | verbs::Deploy::NUMBER | verbs::UnlockAnew::NUMBER => (20, 200),
        verbs::AuditHead::NUMBER | verbs::ReadAudit::NUMBER => (20, 40),
        _ => (50, 200),
    };
    Rate { per_second, burst }
}

struct Bucket {
    units: f64,
    at: Instant,
}

/// A bucket for each role and verb that was ever asked for; there are no more than the policy has rows.
#[derive(Default)]
pub(crate) struct Quotas(HashMap<(Role, u16), Bucket>);

impl Quotas {
    /// Whether this call is let in. It needs a row of the policy, whatever came through the hub, and room in its bucket.
    pub(crate) fn admit(&mut self, role: Role, verb: u16, bytes: usize, now: Instant) -> Result<(), Refusal> {
        if policy::find(policy::TABLE, role, Role::Crypto, verb).is_none() {
            return Err(Refusal::new(Code::Forbidden, format!("the key process answers {role} nothing of the kind")));
        }
        let Rate { per_second, burst } = rate(verb);
        let bucket = self.0.entry((role, verb)).or_insert(Bucket { units: f64::from(burst), at: now });
        let filled = now.saturating_duration_since(bucket.at).as_secs_f64() * f64::from(per_second);
        bucket.units = (bucket.units + filled).min(f64::from(burst));
        bucket.at = now;
        let cost = f64::from(u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX));
        if bucket.units < cost {
            return Err(Refusal::new(Code::Busy, "the key process is asked for this too often; try again in a moment"));
        }
        bucket.units -= cost;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_asks_too_often_waits_and_nobody_else_does() {
        let mut quotas = Quotas::default();
        let now = Instant::now();
        let mut ask = |role, verb, at| quotas.admit(role, verb, 10, at).map_err(|refusal| refusal.code);
        let lend = verbs::ReleaseApiKey::NUMBER;
        let let_in = (0..10_000).filter(|_| ask(Role::Llm, lend, now).is_ok()).count();
        assert_eq!(let_in, 600);
        assert_eq!(ask(Role::Llm, lend, now), Err(Code::Busy));
        assert_eq!(ask(Role::Courier, lend, now), Ok(()), "another caller");
        assert_eq!(ask(Role::Cli, verbs::KeyStatus::NUMBER, now), Ok(()), "another verb");
        let later = now + Duration::from_millis(500);
        assert_eq!((0..10_000).filter(|_| ask(Role::Llm, lend, later).is_ok()).count(), 150, "half a second of its rate");
    }

    #[test]
    fn signing_costs_by_what_is_signed() {
        let mut quotas = Quotas::default();
        let now = Instant::now();
        let sign = verbs::SignEvents::NUMBER;
        let calls = (0..10_000).filter(|_| quotas.admit(Role::Storage, sign, 64 << 10, now).is_ok()).count();
        assert_eq!(calls, 250);
    }

    /// The rows say how fast one process may ask; no row promises more than its verb's bucket gives, but for those that are
    /// bounded by what they cost.
    #[test]
    fn what_a_row_promises_the_bucket_holds() {
        for row in policy::TABLE.iter().filter(|row| row.destination == Role::Crypto && row.method < 0xff00) {
            let Rate { per_second, burst } = rate(row.method);
            assert!(u32::from(row.per_second) <= per_second.max(burst), "{row:?}");
        }
    }

    /// What is let through by its length is not refused for it.
    #[test]
    fn the_longest_request_of_each_row_fits_its_bucket() {
        for row in policy::TABLE.iter().filter(|row| row.destination == Role::Crypto && row.method < 0xff00) {
            assert!(Quotas::default().admit(row.source, row.method, row.max_body, Instant::now()).is_ok(), "{row:?}");
        }
    }

    #[test]
    fn a_verb_without_a_row_is_refused_here_too() {
        let mut quotas = Quotas::default();
        let code = |result: Result<(), Refusal>| result.err().map(|refusal| refusal.code);
        for (role, verb) in [
            (Role::Llm, verbs::Unlock::NUMBER),
            (Role::Llm, verbs::SignEvents::NUMBER),
            (Role::Agent, verbs::ReleaseApiKey::NUMBER),
            (Role::Storage, verbs::LendKept::NUMBER),
            (Role::Cli, verbs::ReleaseStoreKey::NUMBER),
        ] {
            assert_eq!(code(quotas.admit(role, verb, 1, Instant::now())), Some(Code::Forbidden), "{role} {verb}");
        }
    }
}
