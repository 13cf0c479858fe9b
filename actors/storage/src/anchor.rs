//! The newest head of the audit log that this archive has: what the key process wrote cannot lose its end unnoticed once an
//! event says how far it went.
//!
//! A register in the state of one entity, under the public key of the device, because each device has a log of its own. It is
//! kept at most once an hour: when a process starts or goes on for that long, and when it drains, if something was recorded
//! since that is more than the signing of the archive's own events (an event that keeps a head is signed, and that is
//! recorded). A check that finds everything whole keeps one too. The first hour of an archive has none, and what is recorded
//! after the newest is not covered by it.

use std::time::Duration;

use ipc::{
    Client, Refusal,
    messages::{
        crypto::{AuditEnd, AuditHead},
        storage::{AnchorAudit, AuditAnchor, LogHead},
    },
    role::source,
};
use replica::{
    Draft, Replica,
    body::Body,
    state::{Act, Change, Operation, Step, Value},
};

use crate::{contents, errors::refusal, signer::Signer, writer::WriterHandle};

/// The entity whose state the heads are.
const AUDIT: [u8; 16] = *b"lamos/audit\0\0\0\0\0";

/// The shortest time between two that are kept by themselves.
const EVERY: u64 = 3_600_000;

/// A head as it is kept: number ‖ hash ‖ notable ‖ milliseconds.
const KEPT_LEN: usize = 8 + 32 + 8 + 8;

/// A head that was kept.
#[derive(Clone, Copy)]
struct Kept {
    head: LogHead,
    notable: u64,
    at_ms: u64,
}

/// Keeps heads of the audit log.
#[derive(Clone)]
pub(crate) struct Anchors {
    replica: Replica,
    writer: WriterHandle,
    signer: Signer,
    client: Client<source::Storage>,
    device: [u8; 32],
}

impl Anchors {
    pub(crate) fn new(
        replica: Replica,
        writer: WriterHandle,
        signer: Signer,
        client: Client<source::Storage>,
        device: [u8; 32],
    ) -> Anchors {
        Anchors { replica, writer, signer, client, device }
    }

    /// Looks now and every hour. Ends with the process.
    pub(crate) fn hourly(&self) {
        let anchors = self.clone();
        actix::spawn(async move {
            loop {
                anchors.if_due().await;
                tokio::time::sleep(Duration::from_millis(EVERY)).await;
            }
        });
    }

    /// Keeps a head if it is time and something was recorded. What fails now is tried again.
    pub(crate) async fn if_due(&self) {
        let kept = async {
            if contents::now().saturating_sub(self.since()?) < EVERY {
                return Ok(());
            }
            self.keep().await
        };
        if let Err(refusal) = kept.await {
            tracing::info!(code = ?refusal.code, "the head of the audit log is not kept for now");
        }
    }

    /// The newest that is kept; with `keep` the one of now is kept after that.
    pub(crate) async fn anchor(&self, request: AnchorAudit) -> Result<AuditAnchor, Refusal> {
        let kept = self.newest()?;
        if request.keep {
            self.keep().await?;
        }
        Ok(AuditAnchor { newest: kept.map(|kept| kept.head), at_ms: kept.map_or(0, |kept| kept.at_ms) })
    }

    /// When the newest was kept, or the archive began if none was.
    fn since(&self) -> Result<u64, Refusal> {
        if let Some(kept) = self.newest()? {
            return Ok(kept.at_ms);
        }
        let first = self.replica.snapshot().and_then(|snapshot| snapshot.after(0, 1)).map_err(|error| refusal(&error))?;
        Ok(first.first().map_or_else(contents::now, |event| event.header.clock.millis()))
    }

    fn step(&self) -> Step {
        Step::Field(self.device.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn newest(&self) -> Result<Option<Kept>, Refusal> {
        let state = self.replica.snapshot().and_then(|snapshot| snapshot.state(&AUDIT)).map_err(|error| refusal(&error))?;
        let value = state.as_ref().and_then(|state| state.at(&[self.step()])).and_then(|node| node.value());
        Ok(match value {
            Some(Value::Bytes(bytes)) => read(bytes),
            _ => None,
        })
    }

    async fn keep(&self) -> Result<(), Refusal> {
        let AuditEnd { head, notable } = self.client.call(&AuditHead).await?;
        if head.number == 0 || self.newest()?.is_some_and(|kept| kept.notable == notable && kept.head.number <= head.number) {
            return Ok(());
        }
        let at_ms = contents::now();
        let bytes = [&head.number.to_le_bytes()[..], &head.hash, &notable.to_le_bytes(), &at_ms.to_le_bytes()].concat();
        let operation = Operation { path: vec![self.step()], act: Act::Set(Value::Bytes(bytes)) };
        let body = Body::Change(Change { operations: vec![operation] });
        self.writer.append(Draft { entity: AUDIT, body, once: None }).await?;
        self.signer.kept();
        Ok(())
    }
}

fn read(bytes: &[u8]) -> Option<Kept> {
    let bytes: &[u8; KEPT_LEN] = bytes.try_into().ok()?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
    let hash = std::array::from_fn(|index| bytes[8 + index]);
    Some(Kept { head: LogHead { number: number(0), hash }, notable: number(40), at_ms: number(48) })
}
