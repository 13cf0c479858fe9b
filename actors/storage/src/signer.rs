//! Signatures come after the write: events that have none are sent to the key process in batches, and what is still
//! unsigned when the process ends is signed at the next start. An unsigned tail is never exported.

use std::{cell::Cell, rc::Rc, time::Duration};

use ipc::{Client, Code, Refusal, messages::crypto::SignEvents, role::source};
use replica::Replica;
use tokio::sync::Notify;

use crate::{errors::refusal, writer::WriterHandle};

/// Events signed at once.
const BATCH: usize = 64;

/// How long events gather before they are signed.
const GATHER: Duration = Duration::from_millis(150);

/// The same while somebody waits for what is signed: about as long as a commit takes.
const GATHER_WATCHED: Duration = Duration::from_millis(5);

/// Signs what has no signature.
#[derive(Clone)]
pub(crate) struct Signer {
    replica: Replica,
    writer: WriterHandle,
    client: Client<source::Storage>,
    wanted: Rc<Notify>,
    watched: Rc<Cell<usize>>,
}

/// Starts the task that signs.
pub(crate) fn start(replica: Replica, writer: WriterHandle, client: Client<source::Storage>) -> Signer {
    let signer = Signer { replica, writer, client, wanted: Rc::new(Notify::new()), watched: Rc::default() };
    let task = signer.clone();
    signer.wanted.notify_one();
    actix::spawn(async move {
        loop {
            task.wanted.notified().await;
            let gather = if task.watched.get() > 0 { GATHER_WATCHED } else { GATHER };
            tokio::time::sleep(gather).await;
            if let Err(refusal) = task.sign_all().await {
                // Locked, most likely. What is unsigned waits for the next start.
                tracing::info!(code = ?refusal.code, "events stay unsigned for now");
                if refusal.code == Code::Busy {
                    tokio::time::sleep(GATHER).await;
                    task.wanted.notify_one();
                }
            }
        }
    });
    signer
}

/// Somebody waits for what is signed, until this is dropped.
pub(crate) struct Watching(Rc<Cell<usize>>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Signer {
    /// What is kept from now on is signed soon, for somebody waits for it. What was kept before is signed now.
    pub(crate) fn watch(&self) -> Watching {
        self.watched.set(self.watched.get() + 1);
        self.wanted.notify_one();
        Watching(Rc::clone(&self.watched))
    }

    /// Something was kept.
    pub(crate) fn kept(&self) {
        self.wanted.notify_one();
    }

    /// Signs everything that has no signature.
    pub(crate) async fn sign_all(&self) -> Result<(), Refusal> {
        loop {
            let unsigned =
                self.replica.snapshot().and_then(|snapshot| snapshot.unsigned(BATCH)).map_err(|error| refusal(&error))?;
            if unsigned.is_empty() {
                return Ok(());
            }
            let (positions, headers): (Vec<u64>, Vec<Vec<u8>>) = unsigned.into_iter().unzip();
            let signed = self.client.call(&SignEvents { headers }).await?;
            if signed.signatures.len() != positions.len() {
                return Err(Refusal::internal("get a signature for each event"));
            }
            tracing::debug!(events = positions.len(), "signed");
            self.writer.sign(positions.into_iter().zip(signed.signatures).collect()).await?;
        }
    }
}
