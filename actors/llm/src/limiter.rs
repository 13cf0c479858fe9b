//! How many questions may be with one lease of a key at once. One actor owns the state; who has a place gives it back by
//! dropping it, so that a cancelled call cannot keep one.

use std::{collections::HashMap, sync::Arc};

use actix::{Actor, Addr, Context, Handler, Message};
use ipc::{Code, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questions of one lease that are with its provider at once. The others wait their turn.
const AT_ONCE: usize = 4;

/// Questions of one lease that may wait.
const MOST_WAITING: usize = 64;

/// Leases that are remembered: twice as many as the key process lends at once.
const MOST_LEASES: usize = 64;

/// See the module.
#[derive(Default)]
pub(crate) struct Limiter {
    lanes: HashMap<u64, Arc<Semaphore>>,
}

impl Actor for Limiter {
    type Context = Context<Self>;
}

/// Where the questions of this lease queue.
#[derive(Message)]
#[rtype(result = "Result<Arc<Semaphore>, Refusal>")]
struct Lane {
    lease: u64,
}

impl Handler<Lane> for Limiter {
    type Result = Result<Arc<Semaphore>, Refusal>;

    fn handle(&mut self, Lane { lease }: Lane, _: &mut Context<Self>) -> Self::Result {
        if self.lanes.len() >= MOST_LEASES && !self.lanes.contains_key(&lease) {
            // A lane that nobody else holds is empty.
            self.lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
            if self.lanes.len() >= MOST_LEASES {
                return Err(Refusal::new(Code::ModelBusy, "too many providers are asked at once; wait until an answer is there"));
            }
        }
        let lane = self.lanes.entry(lease).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE)));
        // Each question holds its lane, whether it waits or has its place.
        if Arc::strong_count(lane) > AT_ONCE + MOST_WAITING {
            return Err(Refusal::new(Code::ModelBusy, "too many questions wait for this provider; wait until one is answered"));
        }
        Ok(Arc::clone(lane))
    }
}

/// Waits for a place among the questions of a lease.
pub(crate) async fn place(limiter: &Addr<Limiter>, lease: u64) -> Result<OwnedSemaphorePermit, Refusal> {
    let lane = limiter.send(Lane { lease }).await.map_err(|error| Refusal::internal(format!("queue a question: {error}")))??;
    lane.acquire_owned().await.map_err(|error| Refusal::internal(format!("queue a question: {error}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn the_fifth_waits_for_a_place_and_other_leases_do_not() {
        actix::System::new().block_on(async {
            let limiter = Limiter::default().start();
            let mut places = Vec::new();
            for _ in 0..AT_ONCE {
                places.push(place(&limiter, 1).await.expect("a place"));
            }
            assert!(timeout(SOON, place(&limiter, 1)).await.is_err(), "a fifth got a place");
            assert!(timeout(SOON, place(&limiter, 2)).await.is_ok(), "another lease had to wait");
            places.pop();
            assert!(timeout(SOON, place(&limiter, 1)).await.is_ok(), "a place that was given back is taken");
        });
    }

    #[test]
    fn the_queue_has_an_end_and_empty_lanes_are_forgotten() {
        actix::System::new().block_on(async {
            let limiter = Limiter::default().start();
            let mut held = Vec::new();
            for _ in 0..AT_ONCE + MOST_WAITING {
                held.push(limiter.send(Lane { lease: 1 }).await.expect("answers").expect("a lane"));
            }
            let full = limiter.send(Lane { lease: 1 }).await.expect("answers");
            assert_eq!(full.map(drop).map_err(|refusal| refusal.code), Err(Code::ModelBusy));
            for lease in 2..200 {
                assert!(place(&limiter, lease).await.is_ok(), "lease {lease}");
            }
        });
    }
}
