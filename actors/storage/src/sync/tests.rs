//! What leaves the archive, byte for byte: all of it for who may have it, nothing for who may not, and nothing more from the
//! moment it is taken back; and what bytes that are none of the protocol's come to.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::event::{EventHeader, SIGNING_TAG};
use replica::{
    Draft, Form, Replica, StoreKeys, Writer,
    body::{Body, Title},
    chum::{Archive, Everything, Fault, Grants, Nothing, Peer, PeerFault, Reach, Session, Settings},
};
use tempfile::TempDir;

use super::exporter::Exporter;

/// Words that must not be seen where they are not granted.
const CANARY: &str = "the words of the canary";

/// A store with so many signed events, or with none.
fn store(key: u8, device: &SigningKey, events: u8) -> (TempDir, Replica, Writer) {
    let directory = TempDir::new().expect("a directory");
    let keys = StoreKeys::new(&[key; 32], [9; 16], device.verifying_key().to_bytes());
    let replica = Replica::open(directory.path(), keys).expect("a store");
    let mut writer = replica.writer().expect("a writer");
    write(&replica, &mut writer, device, 0..events);
    (directory, replica, writer)
}

fn write(replica: &Replica, writer: &mut Writer, device: &SigningKey, numbers: std::ops::Range<u8>) {
    for number in numbers {
        let title = Title { title: format!("{CANARY} {number}") };
        let draft = Draft { entity: [number; 16], body: Body::Conversation(title), once: None };
        writer.write(|batch| batch.append(&draft)).expect("written").expect("kept");
    }
    let unsigned = replica.snapshot().and_then(|snapshot| snapshot.unsigned(100)).expect("read");
    let sign = |header: &[u8]| device.sign(&[&SIGNING_TAG[..], blake3::hash(header).as_bytes()].concat()).to_bytes();
    let signed =
        |batch: &mut replica::Batch<'_>| unsigned.iter().try_for_each(|(position, header)| batch.sign(*position, &sign(header)));
    writer.write(signed).expect("signed");
}

fn held(replica: &Replica) -> u64 {
    replica.snapshot().and_then(|snapshot| snapshot.counts()).expect("counted").0
}

/// The archive's end and a cache's end of one line, and every byte the archive said.
struct Line {
    exporter: Exporter,
    session: Session,
    said: Vec<u8>,
    fault: Option<Fault>,
}

impl Line {
    fn new(archive: &Replica, grants: Box<dyn Grants + Send>) -> Line {
        let session = Session::new(Settings::archive(Peer([1; 32])), Box::new(Everything));
        Line { exporter: Exporter::new(archive.clone(), Peer([2; 32]), grants), session, said: Vec::new(), fault: None }
    }

    /// Until neither has anything to say, or one has ended it.
    async fn run(&mut self, cache: &Replica, writer: &mut Writer) {
        loop {
            let mut out = Vec::new();
            let mut side = Archive::new(cache, writer, Form::Open);
            // A fault here is what the archive said of its own.
            let _ = self.session.send(&mut side, &mut out, 1 << 20);
            let input = (!out.is_empty()).then_some(out);
            let nothing = input.is_none();
            let step = self.exporter.step(input, true).await.expect("a step");
            self.said.extend(&step.out);
            let _ = self.session.receive(&mut side, &step.out);
            if let Some(fault) = step.fault {
                self.fault = Some(fault);
                return;
            }
            if nothing && step.out.is_empty() {
                return;
            }
        }
    }

    fn showed(&self, words: &[u8]) -> bool {
        self.said.windows(words.len()).any(|window| window == words)
    }
}

fn run(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(story);
}

#[test]
fn who_may_have_all_gets_all_and_who_may_have_nothing_gets_nothing() {
    run(async {
        let device = SigningKey::from_bytes(&[7; 32]);
        let (_archive_at, archive, _writer) = store(1, &device, 20);
        let ids: Vec<[u8; 32]> =
            archive.snapshot().and_then(|snapshot| snapshot.after(0, 100)).expect("read").iter().map(|event| event.id).collect();
        let other = SigningKey::from_bytes(&[8; 32]);
        let (_all_at, all, mut all_writer) = store(2, &other, 0);
        let mut line = Line::new(&archive, Box::new(Everything));
        line.run(&all, &mut all_writer).await;
        assert_eq!((held(&all), line.fault.is_none()), (20, true));
        assert!(line.showed(CANARY.as_bytes()), "it came open, to be sealed under the cache's own key");
        let (_none_at, none, mut none_writer) = store(3, &other, 0);
        let mut line = Line::new(&archive, Box::new(Nothing));
        line.run(&none, &mut none_writer).await;
        assert_eq!(held(&none), 0);
        assert!(!line.showed(CANARY.as_bytes()) && !line.showed(device.verifying_key().as_bytes()));
        assert!(ids.iter().all(|id| !line.showed(id)), "not even that there is something");
        assert!(line.said.len() < 300, "a greeting and a farewell: {} bytes", line.said.len());
    });
}

/// What is granted until it is not.
struct Until(Arc<AtomicBool>);

impl Grants for Until {
    fn reach(&self, _: &Peer) -> Reach {
        if self.0.load(Ordering::SeqCst) { Reach::Whole } else { Reach::Nothing }
    }

    fn may_export(&self, _: &Peer, _: &EventHeader) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn may_import(&self, _: &Peer, _: &EventHeader) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn what_is_taken_back_stops_before_another_event_leaves() {
    run(async {
        let device = SigningKey::from_bytes(&[7; 32]);
        let (_archive_at, archive, mut archive_writer) = store(1, &device, 5);
        let (_cache_at, cache, mut writer) = store(2, &SigningKey::from_bytes(&[8; 32]), 0);
        let granted = Arc::new(AtomicBool::new(true));
        let mut line = Line::new(&archive, Box::new(Until(Arc::clone(&granted))));
        line.run(&cache, &mut writer).await;
        write(&archive, &mut archive_writer, &device, 5..6);
        line.exporter.changed();
        line.run(&cache, &mut writer).await;
        assert_eq!((held(&cache), line.fault.is_none()), (6, true), "what is new is pushed");
        granted.store(false, Ordering::SeqCst);
        line.said.clear();
        write(&archive, &mut archive_writer, &device, 6..7);
        line.exporter.changed();
        line.run(&cache, &mut writer).await;
        assert!(matches!(line.fault, Some(Fault::Revoked)), "{:?}", line.fault);
        assert!(held(&cache) == 6 && !line.showed(CANARY.as_bytes()));
    });
}

#[test]
fn bytes_of_no_protocol_and_events_of_the_window_end_the_session_and_change_nothing() {
    run(async {
        let device = SigningKey::from_bytes(&[7; 32]);
        let (_archive_at, archive, _writer) = store(1, &device, 3);
        let endless = [&u32::MAX.to_le_bytes()[..], &[1]].concat();
        let junk: Vec<u8> = (0..100_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for bytes in [endless, junk, vec![0; 5], vec![255; 70_000]] {
            let mut exporter = Exporter::new(archive.clone(), Peer([2; 32]), Box::new(Everything));
            let step = exporter.step(Some(bytes), true).await.expect("a step");
            assert!(matches!(step.fault, Some(Fault::Peer(_))), "{:?}", step.fault);
            assert!(step.out.len() < 1000, "a greeting and a reason");
        }
        // A window that pushes an event at the archive, however well made.
        let other = SigningKey::from_bytes(&[8; 32]);
        let (_pushing_at, pushing, mut pushing_writer) = store(2, &other, 1);
        let mut exporter = Exporter::new(archive.clone(), Peer([2; 32]), Box::new(Everything));
        let mut session = Session::new(Settings::archive(Peer([1; 32])), Box::new(Everything));
        let mut side = Archive::new(&pushing, &mut pushing_writer, Form::Open);
        let mut hello = Vec::new();
        session.send(&mut side, &mut hello, 1 << 20).expect("a greeting");
        assert!(exporter.step(Some(hello), true).await.expect("a step").fault.is_none());
        let parcels =
            replica::chum::message::Message::Parcels(replica::chum::message::Parcels { request: 0, parcels: Vec::new() });
        let mut pushed = Vec::new();
        parcels.put(&mut pushed);
        let parcel = {
            use replica::chum::Side as _;
            let ids: Vec<_> = pushing
                .snapshot()
                .and_then(|snapshot| snapshot.after(0, 9))
                .expect("read")
                .iter()
                .map(|event| event.id)
                .collect();
            side.parcels(&ids, 1 << 20).expect("parcels").into_iter().flatten().collect()
        };
        replica::chum::message::Message::Parcels(replica::chum::message::Parcels { request: 0, parcels: parcel })
            .put(&mut pushed);
        let fault = exporter.step(Some(pushed), true).await.expect("a step").fault;
        assert!(matches!(fault, Some(Fault::Peer(PeerFault::Unasked))), "{fault:?}");
        assert_eq!(held(&archive), 3);
    });
}
