//! Keeps the cache in step with the archive: one session of CHUM after the other, begun anew whenever the archive has been
//! away. First what everything is called, if that was not asked for a while, and then a session that stays: what is recent,
//! newest first, and what is new as it comes. In it is asked for what a person misses, and behind that for what he will
//! probably open next.
//!
//! **Architecture Invariant:** nothing here waits for the person or makes him wait. The store is worked on by its own thread,
//! one step at a time; of what is to leave, at most one step's worth is held; and of what nobody has asked for, one request
//! at most is on its way.

mod importer;
mod plan;

use std::{rc::Rc, time::Duration};

use ipc::{
    Client, Code, Refusal,
    endpoint::{Options, Outgoing},
    messages::{instance::Link, storage::Sync},
    role::source,
};
use replica::{
    chum::{Blame, Fault},
    sparse::Ask,
};
use tokio::sync::Notify;

use crate::{
    fetches::Asks,
    held::{Held, damaged, is_damage},
    provision::Provisioning,
    standing::{Standing, Whose},
};
use importer::{Importer, Purpose};

/// How long is waited before the archive is asked again: first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// What keeps in step.
pub(crate) struct Keeper {
    pub(crate) client: Client<source::Ui>,
    pub(crate) held: Held,
    pub(crate) provisioning: Rc<Provisioning>,
    pub(crate) standing: Rc<Standing>,
    pub(crate) asks: Asks,
    /// Told when nothing more is to be asked for.
    pub(crate) idle: Rc<Notify>,
}

impl Keeper {
    /// Keeps in step for as long as the process lives.
    pub(crate) async fn keep_up(mut self) {
        let mut rest = REST.0;
        // What a cache lost, by whatever fault, is found once in the life of its process.
        let mut audit = true;
        loop {
            let (ended, caught_up) = self.meet(audit).await;
            self.standing.set_link(Link::Away);
            let ended = match ended {
                // A new process of the archive has not seen yet who the window is.
                Err(refusal) if refusal.code == Code::NotProvisioned => self.provisioning.show().await,
                ended => ended,
            };
            self.asks.give_up();
            if caught_up {
                (rest, audit) = (REST.0, false);
            }
            self.standing.set_trouble(Whose::Link, ended.err().and_then(trouble));
            // While the archive comes back the hub keeps the next call for it. This is for what is refused at once.
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(REST.1);
        }
    }

    /// What everything is called, if it is time for that, and then a session until it ends; and whether it had all that is
    /// recent.
    async fn meet(&mut self, audit: bool) -> (Result<(), Refusal>, bool) {
        if let Err(refusal) = self.titles().await {
            return (Err(refusal), false);
        }
        match self.importer(Purpose::Window { audit }).await {
            Ok(mut importer) => (self.session(&mut importer).await, importer.has_caught_up()),
            Err(refusal) => (Err(refusal), false),
        }
    }

    async fn titles(&mut self) -> Result<(), Refusal> {
        if !self.held.prefetch().await?.contains(&Ask::Titles) {
            return Ok(());
        }
        let mut importer = self.importer(Purpose::Titles).await?;
        self.session(&mut importer).await
    }

    async fn importer(&self, purpose: Purpose) -> Result<Importer, Refusal> {
        Importer::new(self.held.clone(), purpose, Rc::clone(&self.standing), Rc::clone(&self.idle)).await
    }

    /// One session, until it ends.
    async fn session(&mut self, importer: &mut Importer) -> Result<(), Refusal> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| Refusal::internal(format!("get random bytes: {error}")))?;
        let mut stream = self.client.open(&Sync { session: u64::from_le_bytes(number) }, Options::default())?;
        let mut out = Outgoing::default();
        loop {
            let (sending, mut receiving) = stream.halves();
            let input = tokio::select! {
                biased;
                // Sent before more is taken, as far as the other side has room; it is heard all the same while it has none.
                sent = out.send(&sending), if !out.is_empty() => {
                    if !sent? {
                        break;
                    }
                    None
                }
                () = std::future::ready(()), if out.is_empty() && importer.has_to_speak() => None,
                Some(wanted) = self.asks.wanted.recv(), if importer.can_fetch() => {
                    importer.fetch(wanted);
                    continue;
                }
                () = self.asks.plan.notified(), if importer.plans() => {
                    importer.plan_anew();
                    continue;
                }
                piece = receiving.next() => match piece {
                    Some(piece) => Some(piece?.0),
                    None => break,
                },
            };
            if input.is_none() && !out.is_empty() {
                continue;
            }
            let step = importer.step(input, out.is_empty()).await?;
            out.add(step.out);
            if let Some(fault) = step.fault {
                // It is told why as far as it listens; what it says of that is of no use.
                let (sending, _) = stream.halves();
                let _ = tokio::time::timeout(REST.1, out.send_all(&sending)).await;
                return Err(self.held.noticed(refusal(&fault)));
            }
        }
        stream.answer().await.map(|_| ())
    }
}

/// What is wrong, if anything is: an archive that is away comes back by itself.
fn trouble(refusal: Refusal) -> Option<String> {
    tracing::debug!(code = ?refusal.code, "a session with the archive ended");
    (!matches!(refusal.code, Code::PeerDied | Code::Draining | Code::Cancelled)).then_some(refusal.sentence)
}

/// A session that ended, as the person is told.
fn refusal(fault: &Fault) -> Refusal {
    match fault.blame() {
        Blame::Peer => Refusal::new(Code::Malformed, fault.to_string()),
        Blame::Here => match fault {
            Fault::Here(error) if error.downcast_ref().is_some_and(is_damage) => damaged(),
            _ => crate::unusable(&fault.to_string()),
        },
        Blame::Nobody => Refusal::new(Code::ArchiveUnavailable, fault.to_string()),
    }
}
