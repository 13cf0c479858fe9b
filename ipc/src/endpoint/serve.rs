//! The loop of a process that answers: each call becomes a task of its own, and a drain waits for them. What a task logs
//! carries the trace of its call.

use std::{future::Future, rc::Rc, time::Duration};

use tokio::{task::JoinSet, time::timeout};
use tracing::Instrument as _;

use super::incoming::{Event, Events, Incoming};

/// Answers calls with `handle`, several at once, until the supervisor wants the process to drain or has gone.
///
/// A drain takes no new calls and waits for those in progress as long as it was given. What is not done by then is
/// dropped, and so refuses itself.
pub async fn serve<F, H>(events: Events, handle: F)
where
    F: Fn(Incoming) -> H + 'static,
    H: Future<Output = ()> + 'static,
{
    run(events, None, handle).await;
}

/// Like [`serve`], and also until nothing has been asked and nothing has been in progress for `idle`.
pub async fn serve_until_idle<F, H>(events: Events, idle: Duration, handle: F)
where
    F: Fn(Incoming) -> H + 'static,
    H: Future<Output = ()> + 'static,
{
    run(events, Some(idle), handle).await;
}

async fn run<F, H>(mut events: Events, idle: Option<Duration>, handle: F)
where
    F: Fn(Incoming) -> H + 'static,
    H: Future<Output = ()> + 'static,
{
    let handle = Rc::new(handle);
    let mut tasks = JoinSet::new();
    loop {
        let idle = idle.filter(|_| tasks.is_empty());
        let at_rest = async {
            match idle {
                Some(idle) => tokio::time::sleep(idle).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Call(incoming)) => {
                    let handle = Rc::clone(&handle);
                    let span = incoming.span();
                    tasks.spawn_local(async move { handle(incoming).await }.instrument(span));
                }
                Some(Event::Drain(time)) => {
                    let _ = timeout(time, async { while tasks.join_next().await.is_some() {} }).await;
                    return;
                }
                None => return,
            },
            () = at_rest => return,
            Some(_) = tasks.join_next() => {}
        }
    }
}
