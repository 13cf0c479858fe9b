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

use crate::{errors::refusal, memory::Now, signer::Signer, writer::WriterHandle};

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
    now: Now,
}

impl Anchors {
    pub(crate) fn new(
        replica: Replica,
        writer: WriterHandle,
        signer: Signer,
        client: Client<source::Storage>,
        device: [u8; 32],
        now: Now,
    ) -> Anchors {
        Anchors { replica, writer, signer, client, device, now }
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
            if (self.now)().saturating_sub(self.since()?) < EVERY {
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
        Ok(first.first().map_or_else(|| (self.now)(), |event| event.header.clock.millis()))
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
        let at_ms = (self.now)();
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

    use std::{
        cell::Cell,
        os::unix::net::UnixStream,
        path::Path,
        rc::Rc,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
    };

    use ipc::{
        Code,
        endpoint::{self, connect},
        messages::crypto::Request,
    };
    use replica::{StoreKeys, body::Title};
    use tokio::task::{LocalSet, spawn_local};

    use super::*;
    use crate::{contents, signer};

    /// An archive, and a key process whose log ends where the test says.
    struct World {
        anchors: Anchors,
        writer: WriterHandle,
        /// Records, and how many of them are notable.
        log: Rc<Cell<(u64, u64)>>,
        later: Arc<AtomicU64>,
    }

    impl World {
        fn new(directory: &Path) -> World {
            let socket = || {
                let (one, other) = UnixStream::pair().unwrap();
                one.set_nonblocking(true).unwrap();
                other.set_nonblocking(true).unwrap();
                (one, other)
            };
            let ((data, data_there), (control, control_there)) = (socket(), socket());
            let (caller, _, connection) = connect(data.into(), control.into()).unwrap();
            spawn_local(connection.run());
            let (_, events, connection) = connect(data_there.into(), control_there.into()).unwrap();
            spawn_local(connection.run());
            let log = Rc::new(Cell::new((0, 0)));
            let ends = Rc::clone(&log);
            spawn_local(endpoint::serve(events, move |incoming| {
                let (number, notable) = ends.get();
                async move {
                    match Request::decode(incoming.method(), incoming.body()) {
                        Ok(Request::AuditHead(_)) => {
                            let head = LogHead { number, hash: [number as u8; 32] };
                            incoming.reply::<AuditHead>().answer(&AuditEnd { head, notable });
                        }
                        _ => incoming.refuse(&Refusal::new(Code::NotSignedIn, "locked")),
                    }
                }
            }));
            let client: Client<source::Storage> = Client::new(caller);
            let replica = Replica::open(directory, StoreKeys::new(&[1; 32], [2; 16], [3; 32])).unwrap();
            let writer = WriterHandle::start(replica.writer().unwrap()).unwrap();
            let signer = signer::start(replica.clone(), writer.clone(), client.clone());
            let later = Arc::new(AtomicU64::new(0));
            let ahead = Arc::clone(&later);
            let now: Now = Arc::new(move || contents::now() + ahead.load(Ordering::Relaxed));
            let anchors = Anchors::new(replica, writer.clone(), signer, client, [3; 32], now);
            World { anchors, writer, log, later }
        }

        async fn newest(&self) -> Option<u64> {
            self.anchors.if_due().await;
            self.anchors.anchor(AnchorAudit { keep: false }).await.unwrap().newest.map(|head| head.number)
        }

        fn pass(&self, millis: u64) {
            self.later.fetch_add(millis, Ordering::Relaxed);
        }
    }

    #[actix::test]
    async fn a_head_is_kept_once_an_hour_and_only_of_what_was_done() {
        let story = async {
            let directory = tempfile::tempdir().unwrap();
            let world = World::new(directory.path());
            world.log.set((5, 5));
            assert_eq!(world.newest().await, None, "an archive without an event has no first hour behind it");
            let body = Body::Conversation(Title { title: "t".into() });
            world.writer.append(Draft { entity: [9; 16], body, once: None }).await.unwrap();
            assert_eq!(world.newest().await, None, "it is too young");
            world.pass(EVERY);
            assert_eq!(world.newest().await, Some(5));
            world.log.set((6, 6));
            assert_eq!(world.newest().await, Some(5), "not twice in an hour");
            world.pass(EVERY);
            assert_eq!(world.newest().await, Some(6));
            world.log.set((7, 6));
            world.pass(EVERY);
            assert_eq!(world.newest().await, Some(6), "signing alone brings no other");
            world.log.set((8, 7));
            assert_eq!(world.newest().await, Some(8));
            world.log.set((9, 8));
            world.anchors.anchor(AnchorAudit { keep: true }).await.unwrap();
            assert_eq!(world.newest().await, Some(9), "a check keeps one when it wants to");
        };
        LocalSet::new().run_until(story).await;
    }
}
