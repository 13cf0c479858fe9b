//! The door: who waits is let in one by one, so many are in at once, and the person is told what was asked.

use std::{cell::Cell, future::poll_fn, io, rc::Rc, task::Poll, time::Duration};

use http::StatusCode;
use ipc::messages::gate::Requested;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, SemaphorePermit, mpsc, watch},
    task::JoinSet,
};

use crate::{
    connection,
    face::{Face, Route},
    head::Guard,
    problem::Problem,
};

/// Connections at once, at most.
const MAX_CONNECTIONS: usize = 64;

/// Connections for which there was no room and which are being told so, at most. The rest are closed without a word.
const MAX_REFUSED: usize = 16;

/// Requests that other processes work on at once, at most. The others wait, within their time.
const MAX_WORKING: usize = 4;

/// Requests that the person was not told of yet, at most. Beyond that they are counted.
const MAX_UNTOLD: usize = 64;

/// How long nobody is let in when letting somebody in has failed: there may be no descriptor left.
const REST: Duration = Duration::from_millis(50);

/// What everybody who is let in meets.
pub(crate) struct Door {
    pub(crate) guard: Guard,
    pub(crate) face: Face,
    working: Semaphore,
    untold: mpsc::Sender<Requested>,
    missed: Cell<u32>,
    answered: Cell<u64>,
}

impl Door {
    /// A door, and what the person is to be told.
    pub(crate) fn new(guard: Guard, face: Face) -> (Rc<Door>, mpsc::Receiver<Requested>) {
        let (untold, told) = mpsc::channel(MAX_UNTOLD);
        let working = Semaphore::new(MAX_WORKING);
        (Rc::new(Door { guard, face, working, untold, missed: Cell::new(0), answered: Cell::new(0) }), told)
    }

    /// Waits until other processes may be given one more request.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        // It is never closed.
        self.working.acquire().await.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the door is closed"))
    }

    /// A request was answered.
    pub(crate) fn tell(&self, route: Option<Route>, status: StatusCode, took: Duration) {
        self.answered.set(self.answered.get().saturating_add(1));
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let route = route.map_or_else(String::new, |route| route.path.to_owned());
        let missed = self.missed.replace(0);
        if self.untold.try_send(Requested { route, status: status.as_u16(), micros, missed }).is_err() {
            self.missed.set(missed.saturating_add(1));
        }
    }

    /// Requests that were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.get()
    }
}

/// Lets in who waits at these listeners, until `stopped` is set; then waits for those who are in.
pub(crate) async fn serve(listeners: &[TcpListener], door: &Rc<Door>, mut stopped: watch::Receiver<bool>) {
    let (mut inside, mut refused) = (JoinSet::new(), JoinSet::new());
    let mut first = 0;
    let told = stopped.clone();
    loop {
        tokio::select! {
            accepted = accept(listeners, first) => match accepted {
                Ok(stream) if inside.len() < MAX_CONNECTIONS => {
                    inside.spawn_local(connection::serve(stream, Rc::clone(door), told.clone()));
                }
                Ok(stream) if refused.len() < MAX_REFUSED => {
                    refused.spawn_local(connection::refuse(stream));
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(REST).await,
            },
            _ = stopped.wait_for(|stopped| *stopped) => break,
            Some(_) = inside.join_next() => {}
            Some(_) = refused.join_next() => {}
        }
        // Nobody at one listener keeps those at the other waiting.
        first = (first + 1) % listeners.len().max(1);
    }
    while inside.join_next().await.is_some() {}
}

/// Who waits at any of these, this one first.
async fn accept(listeners: &[TcpListener], first: usize) -> io::Result<TcpStream> {
    poll_fn(|context| {
        let (before, after) = listeners.split_at(first.min(listeners.len()));
        for listener in after.iter().chain(before) {
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                return Poll::Ready(accepted.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    })
    .await
}
