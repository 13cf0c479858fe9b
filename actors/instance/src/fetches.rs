//! What a page waits for, on its way to the session that asks the archive for it.

use std::rc::Rc;

use ipc::messages::instance::Link;
use replica::sparse::Missing;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::standing::Standing;

/// What may wait for a session. Who comes beyond is told that it is missing.
const WAITING: usize = 32;

/// Something that somebody waits for.
pub(crate) struct Wanted {
    pub(crate) missing: Missing,
    pub(crate) came: oneshot::Sender<()>,
}

/// Hands to the session what is missing.
pub(crate) struct Fetches {
    wanted: mpsc::Sender<Wanted>,
    plan: Rc<Notify>,
    standing: Rc<Standing>,
}

/// The other end of [`Fetches`].
pub(crate) struct Asks {
    pub(crate) wanted: mpsc::Receiver<Wanted>,
    /// Something has changed what is worth to be asked for unasked.
    pub(crate) plan: Rc<Notify>,
}

impl Fetches {
    pub(crate) fn new(standing: Rc<Standing>) -> (Fetches, Asks) {
        let (sender, wanted) = mpsc::channel(WAITING);
        let plan = Rc::new(Notify::new());
        (Fetches { wanted: sender, plan: Rc::clone(&plan), standing }, Asks { wanted, plan })
    }

    /// Waits for what is missing, until then. False if it has not come: at once while the archive is away.
    pub(crate) async fn fetch(&self, missing: Missing, until: Instant) -> bool {
        if matches!(self.standing.link(), Link::Starting | Link::Away) {
            return false;
        }
        let (came, has_come) = oneshot::channel();
        if self.wanted.try_send(Wanted { missing, came }).is_err() {
            return false;
        }
        matches!(timeout_at(until, has_come).await, Ok(Ok(())))
    }

    /// What is worth to be asked for is to be thought about anew.
    pub(crate) fn plan_anew(&self) {
        self.plan.notify_one();
    }
}

impl Asks {
    /// Nobody will fetch what waits.
    pub(crate) fn give_up(&mut self) {
        while self.wanted.try_recv().is_ok() {}
    }
}
