//! Provider keys that were lent for a call: in memory alone, each for one origin, under a number that means nothing
//! elsewhere. The agent carries the number and never sees the key.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ipc::{
    Code, Refusal, Role,
    messages::crypto::{ApiKey, Lend},
    secret::Secret,
};

/// Keys that can be lent at once; the oldest makes room.
const MOST: usize = 32;

/// How long a key stays lent when nobody uses it.
const IDLE: Duration = Duration::from_secs(3600);

struct Lent {
    number: u64,
    base_url: String,
    key: Secret,
    holder: Role,
    used: Instant,
}

/// The keys that are lent.
#[derive(Default)]
pub(crate) struct Leases {
    lent: VecDeque<Lent>,
}

impl Leases {
    /// Lends a key and says under which number.
    pub(crate) fn lend(&mut self, lend: Lend, now: Instant) -> Result<u64, Refusal> {
        self.forget_idle(now);
        if self.lent.len() == MOST {
            self.lent.pop_front();
        }
        let number = getrandom::u64().map_err(|error| Refusal::internal(format!("get random bytes: {error}")))?;
        self.lent.push_back(Lent { number, base_url: lend.base_url, key: lend.key, holder: lend.holder, used: now });
        Ok(number)
    }

    /// The key under a number, and where it may go, for the process it was lent to.
    pub(crate) fn release(&mut self, number: u64, asks: Role, now: Instant) -> Result<ApiKey, Refusal> {
        self.forget_idle(now);
        let lent = self.lent.iter_mut().find(|lent| lent.number == number && lent.holder == asks);
        let lent = lent.ok_or_else(|| Refusal::new(Code::NoSuchKey, "the key for this server is no longer lent; ask again"))?;
        lent.used = now;
        Ok(ApiKey { base_url: lent.base_url.clone(), key: Secret::new(lent.key.expose().to_vec()) })
    }

    fn forget_idle(&mut self, now: Instant) {
        self.lent.retain(|lent| now.saturating_duration_since(lent.used) < IDLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lend(leases: &mut Leases, now: Instant) -> u64 {
        leases.lend(Lend { base_url: "https://a".into(), key: Secret::new(b"k".to_vec()), holder: Role::Llm }, now).expect("lent")
    }

    #[test]
    fn a_lease_is_for_one_origin_and_ends() {
        let mut leases = Leases::default();
        let now = Instant::now();
        let number = lend(&mut leases, now);
        let key = leases.release(number, Role::Llm, now).expect("released");
        assert_eq!((key.base_url.as_str(), key.key.expose()), ("https://a", &b"k"[..]));
        assert!(leases.release(number, Role::Courier, now).is_err(), "it was lent to another");
        assert!(leases.release(number.wrapping_add(1), Role::Llm, now).is_err());
        assert!(leases.release(number, Role::Llm, now + IDLE * 2).is_err());
    }

    #[test]
    fn no_more_are_kept_than_may_be() {
        let mut leases = Leases::default();
        let now = Instant::now();
        let first = lend(&mut leases, now);
        for _ in 0..MOST {
            lend(&mut leases, now);
        }
        assert!(leases.release(first, Role::Llm, now).is_err());
        assert_eq!(leases.lent.len(), MOST);
    }
}
