//! Text that several devices write at once, merged letter by letter by Loro. The one file that names it.
//!
//! A merge of letters can be flawless text and a wrong instruction, so a text whose changes were made at the same time is
//! marked as merged until someone who has seen them all says that it was looked at.
//!
//! An update builds on those before it. Where one of them is erased, what was built on it cannot be shown either: the way
//! to erase something out of a text is to erase the entity and write it anew.

use std::{borrow::Cow, collections::BTreeMap, fmt::Display};

use loro::{ExportMode, LoroDoc, UpdateOptions, VersionVector};
use minicbor::{Decode, Encode};

use super::{Device, Past, Stamp};
use crate::ReplicaError;

/// The one thing in a document.
const ROOT: &str = "text";

/// A text as it stands.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Text {
    /// What it says.
    #[n(0)]
    text: String,
    /// The document with its history. Two that say the same may have it in other bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    document: Vec<u8>,
    /// The last of each device's changes.
    #[n(2)]
    pub edits: BTreeMap<Device, u64>,
    /// Changes that were made at the same time and that nobody has looked at since.
    #[n(3)]
    pub merged: Past,
    /// Updates that are not in the document yet.
    #[cbor(skip)]
    updates: Vec<Vec<u8>>,
}

/// What it says and who has said it. The bytes of the document are left out: see there.
impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        let Text { text, document: _, edits, merged, updates } = self;
        (text, edits, merged, updates) == (&other.text, &other.edits, &other.merged, &other.updates)
    }
}

impl Text {
    /// What it says.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn take(&mut self, update: &[u8], stamp: &Stamp, past: &Past) {
        for (device, sequence) in &self.edits {
            if !past.has_event(device, *sequence) {
                self.merged.add_event(*device, *sequence);
                self.merged.add(stamp);
            }
        }
        self.edits.insert(stamp.device, stamp.sequence);
        self.updates.push(update.to_vec());
    }

    pub(super) fn reviewed(&mut self, past: &Past) {
        if past.covers(&self.merged) {
            self.merged = Past::default();
        }
    }

    pub(super) fn is_seen(&self, past: &Past) -> bool {
        self.edits.iter().all(|(device, sequence)| past.has_event(device, *sequence))
    }

    /// Merges the updates into the document; whether some wait for others. One that is none changes nothing.
    pub(super) fn settle(&mut self) -> Result<bool, ReplicaError> {
        if self.updates.is_empty() {
            return Ok(false);
        }
        let document = open(&self.document)?;
        for update in self.updates.drain(..) {
            // What a device signed and is no update is its own fault and nobody else's trouble.
            let _ = document.import(&update);
        }
        self.text = document.get_text(ROOT).to_string();
        self.document = document.export(ExportMode::Snapshot).map_err(failed)?;
        Ok(document.export_pending_updates().map_err(failed)?.is_some())
    }

    /// Leaves the document out, which two stores may have in other bytes.
    pub(super) fn strip(&mut self) {
        self.document = Vec::new();
    }
}

/// The update that makes a text be another.
pub(super) fn edit(before: Option<&Text>, new: &str, chance: u64) -> Result<Vec<u8>, ReplicaError> {
    let document = open(before.map_or(&[], |text| &text.document[..]))?;
    // One number is reserved.
    document.set_peer_id(chance.min(u64::MAX - 1)).map_err(failed)?;
    let seen: VersionVector = document.oplog_vv();
    document.get_text(ROOT).update(new, UpdateOptions::default()).map_err(failed)?;
    document.commit();
    document.export(ExportMode::Updates { from: Cow::Borrowed(&seen) }).map_err(failed)
}

fn open(bytes: &[u8]) -> Result<LoroDoc, ReplicaError> {
    if bytes.is_empty() { Ok(LoroDoc::new()) } else { LoroDoc::from_snapshot(bytes).map_err(failed) }
}

fn failed(error: impl Display) -> ReplicaError {
    ReplicaError::Engine(format!("merging a text failed: {error}"))
}
