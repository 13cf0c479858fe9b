//! Signatures come after the write: events that have none are sent to the key process in batches, and what is still
//! unsigned when the process ends is signed at the next start. An unsigned tail is never exported.

use std::{rc::Rc, time::Duration};

use ipc::{Client, Refusal, messages::crypto::SignEvents, role::source};
use replica::Replica;
use tokio::sync::Notify;

use crate::{errors::refusal, writer::WriterHandle};

/// Events signed at once.
const BATCH: usize = 64;

/// How long events gather before they are signed.
const GATHER: Duration = Duration::from_millis(150);

/// Signs what has no signature.
#[derive(Clone)]
pub(crate) struct Signer {
    replica: Replica,
    writer: WriterHandle,
    client: Client<source::Storage>,
    wanted: Rc<Notify>,
}

/// Starts the task that signs.
pub(crate) fn start(replica: Replica, writer: WriterHandle, client: Client<source::Storage>) -> Signer {
    let signer = Signer { replica, writer, client, wanted: Rc::new(Notify::new()) };
    let task = signer.clone();
    signer.wanted.notify_one();
    actix::spawn(async move {
        loop {
            task.wanted.notified().await;
            tokio::time::sleep(GATHER).await;
            if let Err(refusal) = task.sign_all().await {
                // Locked, most likely. What is unsigned waits for the next start.
                tracing::info!(code = ?refusal.code, "events stay unsigned for now");
            }
        }
    });
    signer
}

impl Signer {
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
