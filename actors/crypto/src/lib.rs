//! The key process: every key lives here, and nothing else does.
//!
//! It holds the master key of the open space, the signing key of this device and the provider keys that were lent for a
//! call. It answers the verbs of [`ipc::messages::crypto`] and has no other way to be asked. It opens no file (the
//! file of wrapped keys and the audit log are handed to it), makes no socket, starts no program and parses nothing a stranger wrote, except the
//! fixed bytes of event headers.
//!
//! **Architecture Invariant:** no verb signs bytes as they are, none gives out a master, wrapping or signing key, and
//! nothing about a user is written, logged or answered before his pair has opened a space. A crash means locked.

mod audit;
mod credential;
mod derive;
mod keeper;
mod leases;
mod locked;
mod membership;
mod pending;
mod person;
mod quota;
mod reading;
mod scratch;
mod secrets;
mod service;
mod slots;
mod space;
mod throttle;

use std::{fs::File, future::Future, os::fd::OwnedFd};

use actix::{Actor as _, SyncArbiter};
use ipc::{Client, Code, Refusal, endpoint::Events, role::source};
use slots::Slots;

// What holds a key here can be neither printed nor copied, and whoever makes it so meets the compiler.
ipc::never_printed!(
    slots::Keys,
    derive::Root,
    derive::Derive,
    space::Space,
    person::Person,
    locked::Locked<32>,
    pending::Pending,
    pending::Waiting,
    leases::Leases,
    audit::Audit,
    keeper::Keeper,
    keeper::Pair,
    keeper::Try,
    keeper::TryAnew,
    keeper::Confirm,
    keeper::LendKey,
    keeper::Keep,
    keeper::LendSealed,
);

/// What the key process takes before it is locked down.
pub struct Prepared {
    slots: File,
    audit: File,
}

/// Takes the file of wrapped keys and the audit log, which must be the two descriptors that were handed over, in this order.
pub fn prepare(handed: Vec<OwnedFd>) -> Result<Prepared, Refusal> {
    let mut files = handed.into_iter().map(File::from);
    let (Some(slots), Some(audit)) = (files.next(), files.next()) else {
        return Err(Refusal::internal("hand the key process its files"));
    };
    Ok(Prepared { slots, audit })
}

/// Starts the key process: locked, with nothing open.
pub fn start(prepared: Prepared, client: Client<source::Crypto>, events: Events) -> Result<impl Future<Output = ()>, Refusal> {
    let slots = Slots::open(prepared.slots).map_err(|error| Refusal::new(Code::SlotsDamaged, error.to_string()))?;
    // One thread: one derivation at a time, whoever asks.
    let deriver = SyncArbiter::start(1, || derive::Deriver);
    let keeper = keeper::Keeper::new(slots, audit::Audit::open(prepared.audit)).start();
    Ok(service::run(service::Service::new(client, deriver, keeper), events))
}
