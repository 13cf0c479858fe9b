//! Everything in an open form: a line of JSON for each event, and a file for each piece of large content.
//!
//! ```text
//! first line   { "lamos": "export", "version": 1, "space", "made_ms", "conversation" }
//! each event   { "id", "kind", "about", "author", "sequence", "at_ms", "header", "signature",
//!                "erased": true | "damaged": true | "says": { … }, "digest_key", "body" }
//! last line    { "events", "files", "blake3" }
//! ```
//!
//! Bytes are hexadecimal digits. `header` is what is hashed and signed: its BLAKE3 hash is `id`, and `signature` is the
//! author's Ed25519 signature over the tag `lamos/v1/event\0\0` and the id. `body` is what was said, in CBOR; its BLAKE3 hash
//! under the key `digest_key` stands in the header. `says` is the same, to be read. The last line has the BLAKE3 hash of all
//! lines before it. Content above 64 KiB lies in files that are named by the BLAKE3 hash of what is in them.
//!
//! So whoever has the file sees that it is what was signed, with no key and no Lamos: see `proof.rs`.

use std::collections::HashSet;

use ipc::{
    Code, Refusal,
    endpoint::Reply,
    event::EventHeader,
    messages::storage::{Export, ExportPiece, Exported},
};
use replica::{Recorded, Replica, ReplicaError, blobs::Blob, body, prove};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{hex, readable::readable};
use crate::{
    contents::now,
    errors::{ours, refusal},
    signer::Signer,
};

/// Events read in one snapshot.
const SLICE: usize = 64;

/// Bytes of one piece, so that it fits into a frame with what surrounds it.
const PIECE: usize = 60 << 10;

/// Pieces on their way to who asked.
const WAITING: usize = 8;

pub(crate) async fn export(
    replica: &Replica,
    signer: &Signer,
    request: Export,
    reply: &Reply<Export>,
) -> Result<Exported, Refusal> {
    signer.sign_all().await?;
    let only = request.conversation.map(|conversation| conversation.0);
    if let Some(entity) = &only
        && replica.snapshot().and_then(|snapshot| snapshot.conversation(entity)).map_err(|error| refusal(&error))?.is_none()
    {
        return Err(Refusal::new(Code::NotFound, "there is no such conversation; `lamos history` lists them"));
    }
    let (pieces, mut made) = mpsc::channel(WAITING);
    let replica = replica.clone();
    let making = tokio::task::spawn_blocking(move || {
        let exported = Exported { events: 0, files: 0, damaged: 0 };
        Making { replica, only, pieces, hasher: blake3::Hasher::new(), files: HashSet::new(), exported }.everything()
    });
    while let Some(piece) = made.recv().await {
        if !reply.send(&piece).await? {
            break;
        }
    }
    drop(made);
    match making.await.map_err(|error| ours("wait for the thread that exports", &error))? {
        Ok(exported) => Ok(exported),
        Err(Stopped::Taken) => Err(Refusal::new(Code::Cancelled, "the export was stopped")),
        Err(Stopped::Store(error)) => Err(refusal(&error)),
    }
}

/// Why an export is not made to its end.
enum Stopped {
    /// Nobody takes it any more.
    Taken,
    Store(ReplicaError),
}

impl From<ReplicaError> for Stopped {
    fn from(error: ReplicaError) -> Stopped {
        Stopped::Store(error)
    }
}

struct Making {
    replica: Replica,
    only: Option<[u8; 16]>,
    pieces: mpsc::Sender<ExportPiece>,
    hasher: blake3::Hasher,
    files: HashSet<[u8; 32]>,
    exported: Exported,
}

impl Making {
    fn everything(mut self) -> Result<Exported, Stopped> {
        let space = hex(&self.replica.space());
        let conversation = self.only.map(|entity| hex(&entity));
        let head = json!({ "lamos": "export", "version": 1, "space": space, "made_ms": now(), "conversation": conversation });
        self.line(&head)?;
        let mut after = 0;
        loop {
            let (mut lines, mut blobs) = (Vec::new(), Vec::new());
            let replica = self.replica.clone();
            let snapshot = replica.snapshot()?;
            let walked = snapshot.walk(after, SLICE)?;
            let Some(last) = walked.last else { break };
            after = last;
            // Nothing can be said of an event without its header; that there is one is counted.
            for place in &walked.damaged {
                let is_wanted = self.only.map_or(Ok(true), |only| snapshot.is_about(*place, &only))?;
                self.exported.damaged += u64::from(is_wanted);
            }
            for event in walked.events.iter().filter(|event| self.only.is_none_or(|only| only == event.header.entity)) {
                let Some(signature) = event.signature else { continue };
                let (line, blob) = match snapshot.said(event) {
                    Ok(said) => described(event, &signature, said.as_ref()),
                    Err(ReplicaError::Damaged(_)) => {
                        self.exported.damaged += 1;
                        (described_as(event, &signature, "damaged"), None)
                    }
                    Err(error) => return Err(error.into()),
                };
                lines.push(line);
                blobs.extend(blob);
            }
            drop(snapshot);
            for line in lines {
                self.line(&line)?;
                self.exported.events += 1;
            }
            for blob in blobs {
                self.file(&blob)?;
            }
        }
        let hash = hex(self.hasher.finalize().as_bytes());
        self.line(&last_line(self.exported.events, self.exported.files, &hash))?;
        Ok(self.exported)
    }

    fn line(&mut self, line: &Value) -> Result<(), Stopped> {
        let line = format!("{line}\n");
        self.hasher.update(line.as_bytes());
        line.as_bytes().chunks(PIECE).try_for_each(|part| self.give(ExportPiece::Lines(part.to_vec())))
    }

    fn file(&mut self, blob: &Blob) -> Result<(), Stopped> {
        if !self.files.insert(blob.hash) {
            return Ok(());
        }
        let mut reader = match self.replica.read_blob(blob, 0..u64::MAX) {
            Ok(reader) => reader,
            Err(ReplicaError::Damaged(_)) => {
                self.exported.damaged += 1;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.give(ExportPiece::File(blob.hash))?;
        self.exported.files += 1;
        loop {
            match reader.next_chunk() {
                Ok(None) => return Ok(()),
                Ok(Some(bytes)) => {
                    bytes.chunks(PIECE).try_for_each(|part| self.give(ExportPiece::Bytes(part.to_vec())))?;
                }
                // The file is shorter than it is said to be, which whoever checks the export sees.
                Err(ReplicaError::Damaged(_)) => {
                    self.exported.damaged += 1;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn give(&self, piece: ExportPiece) -> Result<(), Stopped> {
        self.pieces.blocking_send(piece).map_err(|_| Stopped::Taken)
    }
}

fn described(event: &Recorded, signature: &[u8; 64], said: Option<&replica::Said>) -> (Value, Option<Blob>) {
    let Some(said) = said else { return (described_as(event, signature, "erased"), None) };
    let header = event.header.encode();
    // What does not hold here would not hold for whoever checks it; the line says so.
    let Ok(proved) = prove(&header, signature, Some(said)) else { return (described_as(event, signature, "damaged"), None) };
    let mut line = outside(&event.header, &event.id, signature);
    let says = proved.body.as_ref().map(readable);
    line["says"] = says.unwrap_or_default();
    line["digest_key"] = json!(hex(&said.digest_key));
    line["body"] = json!(hex(&said.plain));
    (line, proved.body.and_then(|body| body.blob().cloned()))
}

fn described_as(event: &Recorded, signature: &[u8; 64], what: &str) -> Value {
    let mut line = outside(&event.header, &event.id, signature);
    line[what] = json!(true);
    line
}

/// The last line: how much there was before it, and the hash of all of that.
pub(super) fn last_line(events: u64, files: u64, hash: &str) -> Value {
    json!({ "events": events, "files": files, "blake3": hash })
}

/// What a line says of an event whatever it says itself.
pub(super) fn outside(header: &EventHeader, id: &[u8; 32], signature: &[u8; 64]) -> Value {
    json!({
        "id": hex(id),
        "kind": body::name(header.kind).map_or_else(|| header.kind.to_string(), str::to_lowercase),
        "about": hex(&header.entity),
        "author": hex(&header.author),
        "sequence": header.sequence,
        "at_ms": header.clock.millis(),
        "header": hex(&header.encode()),
        "signature": hex(signature),
    })
}
