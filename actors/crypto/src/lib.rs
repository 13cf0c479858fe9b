//! The key process: every key lives here, and nothing else does.
//!
//! It holds the master key of the open space, the signing keys of this device and of its person, and the provider keys that
//! were lent for a call. It answers the verbs of [`ipc::messages::crypto`] and has no other way to be asked. It opens no file
//! (the file of wrapped keys and that of the audit log are handed to it), makes no socket and starts no program. Of what others
//! wrote it reads the fixed bytes of event headers, and the texts of credentials the person has asked to have signed: canonical,
//! at most 512 KiB, checked by `credentials::to_sign` before anything is signed.
//!
//! **Architecture Invariant:** no verb signs bytes as they are, none gives out a master, wrapping or signing key, and
//! nothing about a user is written, logged or answered before his pair has opened a space. A crash means locked.

mod audit;
mod calibrate;
mod credential;
mod derive;
mod keeper;
mod kit;
mod leases;
mod locked;
mod membership;
mod pending;
mod person;
mod picture;
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
use derive::Cost;
use ipc::{Client, Code, Refusal, endpoint::Events, messages::start::KeyCost, role::source};
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
    cost: KeyCost,
    /// Of the machine, in bytes. Asked before the lockdown, after which it is not answered.
    memory: u64,
}

/// Takes the file of wrapped keys and the audit log, which must be the two descriptors that were handed over, in this order.
/// If the first is empty, derivations of this installation will cost as much as `cost` says.
pub fn prepare(handed: Vec<OwnedFd>, cost: KeyCost) -> Result<Prepared, Refusal> {
    let mut files = handed.into_iter().map(File::from);
    let (Some(slots), Some(audit)) = (files.next(), files.next()) else {
        return Err(Refusal::internal("hand the key process its files"));
    };
    let system = rustix::system::sysinfo();
    // Its fields are as wide as the machine's numbers.
    #[allow(clippy::useless_conversion, reason = "on machines of 64 bits it changes nothing")]
    let memory = u64::from(system.totalram).saturating_mul(u64::from(system.mem_unit.max(1)));
    Ok(Prepared { slots, audit, cost, memory })
}

/// Starts the key process: locked, with nothing open.
pub fn start(prepared: Prepared, client: Client<source::Crypto>, events: Events) -> Result<impl Future<Output = ()>, Refusal> {
    let cost = || match prepared.cost {
        KeyCost::Calibrated => calibrate::calibrate(prepared.memory),
        KeyCost::Floor => Ok(Cost::FLOOR),
    };
    let slots = Slots::open(prepared.slots, cost).map_err(|error| Refusal::new(Code::SlotsDamaged, error.to_string()))?;
    // One thread: one derivation at a time, whoever asks.
    let deriver = SyncArbiter::start(1, || derive::Deriver);
    let keeper = keeper::Keeper::new(slots, audit::Audit::open(prepared.audit)).start();
    Ok(service::run(service::Service::new(client, deriver, keeper), events))
}
