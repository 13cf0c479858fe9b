//! Keeping things although the archive may die meanwhile: a call that is the same however often it is made is made until
//! it is answered.
//!
//! These calls are made in the agent's own name and not on behalf of the question: who asked may be gone, and what he was
//! shown must be kept all the same.

use std::time::Duration;

use ipc::{Client, Code, Refusal, endpoint::Options, id::TraceId, policy::Permits, role::source, service::Method};

/// How often a call is made again, and how long the first wait is; each is twice the one before.
const TRIES: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Calls until there is an answer that is not "the archive has died".
pub(crate) async fn keep<M>(client: &Client<source::Agent>, trace: TraceId, request: &M) -> Result<M::Answer, Refusal>
where
    M: Method,
    source::Agent: Permits<M>,
{
    let options = Options { trace: Some(trace), ..Options::default() };
    let mut wait = FIRST_WAIT;
    let mut tries = 1;
    loop {
        match client.call_with(request, options).await {
            Err(refusal) if tries < TRIES && matches!(refusal.code, Code::PeerDied | Code::Busy) => {
                tries += 1;
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            result => return result,
        }
    }
}
