//! The archive's end of what it shares with the window's instance: a session of CHUM for each stream that is opened, and the
//! commands of a person that come beside it.
//!
//! A session gives and takes nothing: this archive is the one author of this device, so what the window wants comes as a
//! command, and who pushes events at it breaks the protocol. What leaves has passed the grants, which are asked by the
//! session for each event at the moment it is read.
//!
//! **Architecture Invariant:** a session does its work on the store on threads that may wait, one step at a time, and never
//! speaks faster than the other side reads: of what is to leave, at most one step's worth is held.

mod commands;
pub(crate) mod exporter;
#[cfg(test)]
mod tests;

use ipc::{
    Code, Refusal,
    endpoint::{Outgoing, Reply},
    messages::{common::Done, storage::Sync},
};
use replica::{
    Replica,
    chum::{Blame, Fault},
};
use tokio::time::{Duration, timeout};

pub(crate) use commands::carry;

use crate::{grants::Rights, signer::Signer, writer::WriterHandle};
use exporter::Exporter;

/// How long the last words of a session may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Speaks CHUM with the window over a stream until it has enough, breaks the protocol, may see no more, or the archive goes
/// down. `rights` says what it may have.
pub(crate) async fn speak(
    replica: &Replica,
    writer: &WriterHandle,
    signer: &Signer,
    rights: &Rights,
    reply: &mut Reply<Sync>,
) -> Result<Done, Refusal> {
    let (draining, cancelled) = (reply.draining(), reply.cancelled());
    let mut signed = writer.signed();
    let _watching = signer.watch();
    let (sending, mut receiving) = reply.halves();
    let mut exporter = Exporter::new(replica.clone(), rights.window_peer(), Box::new(rights.window()));
    let mut out = Outgoing::default();
    tracing::debug!("a replica is attached");
    loop {
        let input = tokio::select! {
            biased;
            () = draining.wait() => {
                return Err(Refusal::new(Code::Draining, "the archive goes down; attach again when it is back"));
            }
            () = cancelled.wait() => return Ok(Done),
            // Sent before more is taken, as far as the other side has room; it is heard all the same while it has none.
            sent = out.send(&sending), if !out.is_empty() => {
                if !sent? {
                    return Ok(Done);
                }
                None
            }
            piece = receiving.next() => match piece {
                Some(piece) => Some(piece?.0),
                None => return Ok(Done),
            },
            // Fails when the writer has gone, and then the process goes too.
            Ok(()) = signed.changed(), if exporter.has_begun() => {
                exporter.changed();
                None
            }
            () = std::future::ready(()), if !exporter.has_begun() => None,
        };
        if input.is_none() && !out.is_empty() {
            continue;
        }
        let step = exporter.step(input, out.is_empty()).await?;
        out.add(step.out);
        if let Some(fault) = step.fault {
            // It is told why, if it listens.
            let _ = timeout(LAST_WORDS, out.send_all(&sending)).await;
            return Err(refusal(&fault));
        }
        if step.finished {
            let _ = timeout(LAST_WORDS, out.send_all(&sending)).await;
            return Ok(Done);
        }
    }
}

/// A session that ended, as its caller is told.
fn refusal(fault: &Fault) -> Refusal {
    // What is wrong here is for this side's log alone; the other side has been told its reason in the stream.
    tracing::warn!(blame = ?fault.blame(), "a session ended");
    match fault.blame() {
        Blame::Peer => Refusal::new(Code::Malformed, fault.to_string()),
        Blame::Here => Refusal::new(Code::ArchiveUnavailable, "the archive cannot be read; `lamos doctor` shows more"),
        Blame::Nobody => Refusal::new(Code::Forbidden, fault.to_string()),
    }
}
