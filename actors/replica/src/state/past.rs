//! What an event's author had seen: for each device, the number of its last event.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::log::Recorded;

/// A device, by its public key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Device(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// An event, by its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct EventId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// When something was written, by whom, and as which of that device's events. The order of stamps is that of all events:
/// by clock, and by device where clocks are equal; one device's clocks never are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Stamp {
    /// The clock.
    #[n(0)]
    pub clock: u64,
    /// The device.
    #[n(1)]
    pub device: Device,
    /// The number of the device's event.
    #[n(2)]
    pub sequence: u64,
}

impl Stamp {
    /// That of an event.
    pub(crate) fn of(event: &Recorded) -> Stamp {
        let header = &event.header;
        Stamp { clock: header.clock.0, device: Device(header.author), sequence: header.sequence }
    }
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Past(#[n(0)] pub BTreeMap<Device, u64>);

impl Past {
    /// Whether this was seen.
    pub fn has(&self, stamp: &Stamp) -> bool {
        self.has_event(&stamp.device, stamp.sequence)
    }

    /// Whether a device's event of this number was seen.
    pub fn has_event(&self, device: &Device, sequence: u64) -> bool {
        self.0.get(device).is_some_and(|last| *last >= sequence)
    }

    /// Whether everything was seen that another had seen.
    pub fn covers(&self, other: &Past) -> bool {
        other.0.iter().all(|(device, sequence)| self.has_event(device, *sequence))
    }

    /// Adds one event.
    pub fn add(&mut self, stamp: &Stamp) {
        self.add_event(stamp.device, stamp.sequence);
    }

    /// Adds a device's event of this number.
    pub fn add_event(&mut self, device: Device, sequence: u64) {
        let last = self.0.entry(device).or_default();
        *last = sequence.max(*last);
    }

    /// Adds all that another had seen.
    pub fn join(&mut self, other: &Past) {
        other.0.iter().for_each(|(device, sequence)| self.add_event(*device, *sequence));
    }

    /// Nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
