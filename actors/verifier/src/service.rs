//! The one question, answered by a thread of its own, so that this one can end what takes too long.

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use credentials::Moment;
use ipc::{
    Code, Refusal,
    endpoint::{Event, Events, Incoming, Reply},
    messages::verifier::{Check, Compose, Request},
    service::Method,
};
use tokio::{sync::oneshot, time::timeout};
use tracing::Instrument as _;

use crate::{check, compose};

/// How long one question may take by the clock on the wall. What is within the bounds of `credentials` takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stack of the thread that computes. What is read is at most 32 levels deep.
const STACK: usize = 4 << 20;

/// Waits for the one question, answers it, and returns: the process ends.
pub(crate) async fn run(mut events: Events) {
    match events.next().await {
        Some(Event::Call(incoming)) => {
            let span = incoming.span();
            answer(incoming).instrument(span).await;
        }
        Some(Event::Drain(_)) | None => {}
    }
}

async fn answer(incoming: Incoming) {
    match Request::decode(incoming.method(), incoming.body()) {
        Ok(Request::Check(check)) => within(incoming.reply::<Check>(), move || Ok(check::check(&check, now()))).await,
        Ok(Request::Compose(compose)) => within(incoming.reply::<Compose>(), move || compose::compose(compose, now())).await,
        Err(refusal) => incoming.refuse(&refusal),
    }
}

/// What time it is. Of a clock before 1970 the beginning of 1970, at which nothing is valid yet.
fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Computes on another thread, for so long and no longer. It is not stopped when the time is over: it ends with the process.
async fn within<M>(reply: Reply<M>, work: impl FnOnce() -> Result<M::Answer, Refusal> + Send + 'static)
where
    M: Method,
    M::Answer: Send,
{
    let (done, result) = oneshot::channel();
    let thread = thread::Builder::new().name("verifier".to_owned()).stack_size(STACK);
    let begun = thread.spawn(move || {
        // Nobody is there any more to whom it matters.
        let _ = done.send(work());
    });
    if let Err(error) = begun {
        return reply.refuse(&Refusal::internal(format!("start a thread: {error}")));
    }
    let cancelled = reply.cancelled();
    let result = tokio::select! {
        result = timeout(PATIENCE, result) => match result {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Refusal::internal("check a credential to its end")),
            Err(_) => Err(Refusal::new(Code::TimeLimit, format!("it takes more than {} s to check", PATIENCE.as_secs()))),
        },
        () = cancelled.wait() => Err(Refusal::new(Code::Cancelled, "stopped, as asked")),
    };
    reply.finish(result);
}
