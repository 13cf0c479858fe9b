//! Rights, with real stores, real credentials and real sessions of CHUM; only the clock is the tests' own.

mod hostile;
mod matrix;
mod provisioning;
mod requests;
mod sessions;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use credentials::{
    InProcess, Moment, Options, PublicKey, Purpose, Refused, Signer, SigningInput, Suite, canonical, issue,
    membership::{Grant, LIFETIME, Permission, Priority, Role, StoragePolicy},
};
use ed25519_dalek::{Signer as _, SigningKey};
use ipc::event::{EventHeader, SIGNING_TAG};
use replica::{
    Draft, Form, Replica, StoreKeys,
    body::{self, Body, Granted, Grantee, RIGHTS, Right, Title},
    chum::{
        Archive, Everything, Fault, Grants as _, Head, Id, Link, Parcel, Peer, Session, Settings, Side, Taken, side::SideError,
    },
};
use tempfile::TempDir;

use super::{Own, Rights};
use crate::{sync::exporter::Exporter, writer::WriterHandle};

/// Words that must not be seen where they are not granted.
const CANARY: &str = "the words of the canary";

pub(super) const SPACE: [u8; 16] = [9; 16];

/// A key that signs credentials.
pub(super) struct Key(pub(super) SigningKey);

impl Key {
    pub(super) fn new(seed: u8) -> Key {
        Key(SigningKey::from_bytes(&[seed; 32]))
    }

    pub(super) fn bytes(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        PublicKey::of_signer(&self.0)
    }

    fn sign(&self, input: &SigningInput) -> Result<[u8; 64], Refused> {
        Ok(self.0.sign(input.bytes()).to_bytes())
    }
}

pub(super) const ALL: &[Permission] = &[Permission::Read, Permission::Write, Permission::Sync];

/// A membership with these permissions, to whose subject so many links may follow.
pub(super) fn grant(role: Role, permissions: &[Permission], max_depth: u8) -> Grant {
    let mut permissions: std::collections::BTreeSet<Permission> = permissions.iter().copied().collect();
    if max_depth > 0 {
        permissions.insert(Permission::Delegate);
    }
    let storage = StoragePolicy { max_storage: None, allowed_types: None, priority: Priority::Normal };
    Grant { role, permissions, storage, can_issue: max_depth > 0, max_depth, renewal: 0 }
}

/// An archive, its person, and a clock that is set by hand.
pub(super) struct World {
    _directory: TempDir,
    pub(super) replica: Replica,
    pub(super) writer: WriterHandle,
    pub(super) person: Key,
    pub(super) device: Key,
    pub(super) window: Key,
    pub(super) rights: Rights,
    /// Milliseconds since 1970.
    clock: Arc<AtomicI64>,
    ids: std::cell::Cell<u32>,
}

impl World {
    /// With three conversations, each with its title, all signed.
    pub(super) async fn new() -> World {
        let directory = TempDir::new().expect("a directory");
        let (person, device, window) = (Key::new(1), Key::new(2), Key::new(3));
        let replica = open(directory.path(), 1, &device);
        let writer = WriterHandle::start(replica.writer().expect("a writer")).expect("a thread");
        let clock = Arc::new(AtomicI64::new(super::system_clock()().seconds() * 1000));
        let rights = rights(&replica, &person, &device, &window, &clock);
        let ids = std::cell::Cell::new(0);
        let world = World { _directory: directory, replica, writer, person, device, window, rights, clock, ids };
        for number in 0..3 {
            world.begin(number).await;
        }
        world
    }

    pub(super) fn now(&self) -> Moment {
        Moment::from_millis(self.clock.load(Ordering::SeqCst))
    }

    /// Time passes.
    pub(super) fn wait(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// The same archive, opened again.
    pub(super) fn again(&self) -> Rights {
        rights(&self.replica, &self.person, &self.device, &self.window, &self.clock)
    }

    /// A conversation with a name that holds the canary, and a title of it.
    pub(super) async fn begin(&self, number: u8) {
        for body in [Body::Conversation, Body::Title] {
            let draft = Draft { entity: [number; 16], body: body(Title { title: format!("{CANARY} {number}") }), once: None };
            self.writer.append(draft).await.expect("kept");
        }
        self.sign().await;
    }

    pub(super) async fn sign(&self) {
        let unsigned = self.replica.snapshot().and_then(|snapshot| snapshot.unsigned(1000)).expect("read");
        let signatures = unsigned.iter().map(|(position, header)| (*position, sign(&self.device, header))).collect();
        self.writer.sign(signatures).await.expect("signed");
    }

    /// The person says something about rights.
    pub(super) async fn say(&self, right: Right) {
        self.writer.append(Draft { entity: RIGHTS, body: Body::Right(right), once: None }).await.expect("kept");
        self.rights.refresh().expect("read");
        self.sign().await;
    }

    pub(super) async fn grant_to(&self, key: &Key, what: Granted, may: bool) {
        self.say(Right::Access(Grantee::Peer(key.bytes()), what, may)).await;
    }

    /// A membership that counts a day from now.
    pub(super) fn given(&self, grant: &Grant, issuer: &Key, subject: &Key) -> Vec<u8> {
        self.given_from(grant, issuer, subject, self.now())
    }

    pub(super) fn given_from(&self, grant: &Grant, issuer: &Key, subject: &Key, from: Moment) -> Vec<u8> {
        self.ids.set(self.ids.get() + 1);
        let id = format!("urn:uuid:{}", self.ids.get());
        let until = from.after(LIFETIME);
        let document = grant
            .to_credential(Some(&id), &issuer.public_key(), &subject.public_key(), from, until, None)
            .expect("a membership that can be");
        signed(&document, issuer, from.min(self.now()))
    }

    /// The id of the membership that was given last.
    pub(super) fn last_id(&self) -> String {
        format!("urn:uuid:{}", self.ids.get())
    }

    /// A line to who has this key and shows this.
    pub(super) fn line(&self, key: &Key, chain: &[Vec<u8>]) -> (Line, Result<(), Refused>) {
        let (grants, admitted) = self.rights.of_peer(&key.bytes(), chain);
        let exporter = Exporter::new(self.replica.clone(), Peer(key.bytes()), Box::new(grants));
        let session = Session::new(Settings::archive(Peer([1; 32])), Box::new(Everything));
        (Line { exporter, session, said: Vec::new(), fault: None, asked: false }, admitted)
    }
}

fn rights(replica: &Replica, person: &Key, device: &Key, window: &Key, clock: &Arc<AtomicI64>) -> Rights {
    let own = Own { person: person.public_key(), device: device.public_key(), window: window.public_key() };
    let clock = Arc::clone(clock);
    Rights::open(replica.clone(), own, Arc::new(move || Moment::from_millis(clock.load(Ordering::SeqCst))))
}

pub(super) fn open(directory: &std::path::Path, key: u8, device: &Key) -> Replica {
    Replica::open(directory, StoreKeys::new(&[key; 32], SPACE, device.bytes())).expect("a store")
}

pub(super) fn sign(device: &Key, header: &[u8]) -> [u8; 64] {
    device.0.sign(&[&SIGNING_TAG[..], blake3::hash(header).as_bytes()].concat()).to_bytes()
}

pub(super) fn signed(document: &serde_json::Map<String, serde_json::Value>, issuer: &Key, at: Moment) -> Vec<u8> {
    let options = Options::new(Suite::Jcs, Purpose::Assertion, at);
    canonical(&issue(document, &options, issuer, &InProcess).expect("signed")).expect("a text")
}

/// A header as it would leave or come.
pub(super) fn header(author: &Key, entity: u8, kind: u16) -> EventHeader {
    let entity = if kind == body::ERASE { body::ERASURES } else { [entity; 16] };
    EventHeader {
        space: SPACE,
        author: author.bytes(),
        sequence: 1,
        previous: [0; 32],
        clock: Default::default(),
        kind,
        entity,
        body_len: 0,
        body_digest: [0; 32],
        seen: Vec::new(),
    }
}

/// The other side's store, which has a key of its own.
pub(super) struct Store {
    _directory: TempDir,
    pub(super) replica: Replica,
    pub(super) writer: replica::Writer,
}

impl Store {
    pub(super) fn new(device: &Key) -> Store {
        let directory = TempDir::new().expect("a directory");
        let replica = open(directory.path(), 7, device);
        let writer = replica.writer().expect("a writer");
        Store { _directory: directory, replica, writer }
    }

    /// What each event that came is about, in the order of their numbers; those without a body are marked.
    pub(super) fn held(&self) -> Vec<String> {
        let snapshot = self.replica.snapshot().expect("a snapshot");
        let mut held: Vec<String> = snapshot
            .after(0, 1000)
            .expect("read")
            .iter()
            .map(|event| {
                let bare = if snapshot.has_body(event.position).expect("read") { "" } else { " (bare)" };
                let kind = body::name(event.header.kind).unwrap_or("other");
                format!("{kind} {:02x}{bare}", event.header.entity[0])
            })
            .collect();
        held.sort();
        held
    }
}

/// Somebody who has what comes, whatever is missing before it, as a guest has some of a space.
#[derive(Default)]
pub(super) struct Basket(std::collections::BTreeMap<Id, (EventHeader, Parcel)>);

impl Basket {
    /// What each event that came is about.
    pub(super) fn held(&self) -> Vec<String> {
        let name = |header: &EventHeader| format!("{} {:02x}", body::name(header.kind).unwrap_or("other"), header.entity[0]);
        let mut held: Vec<String> = self.0.values().map(|(header, _)| name(header)).collect();
        held.sort();
        held
    }
}

impl Side for Basket {
    fn space(&self) -> [u8; 16] {
        SPACE
    }

    fn heads(&self) -> Result<Vec<Head>, SideError> {
        Ok(Vec::new())
    }

    fn chain(&self, _: &[u8; 32], _: u64, _: u64, _: usize) -> Result<Vec<Link>, SideError> {
        Ok(Vec::new())
    }

    fn window(&self, from: u64, to: u64) -> Result<Vec<(u64, Id)>, SideError> {
        let all = self.0.iter().map(|(id, (header, _))| (header.clock.0, *id));
        let mut window: Vec<(u64, Id)> = all.filter(|(clock, _)| (from..to).contains(clock)).collect();
        window.sort_unstable();
        Ok(window)
    }

    fn entity(&self, _: &[u8; 16], _: u64, _: usize) -> Result<Vec<Id>, SideError> {
        Ok(Vec::new())
    }

    fn headers(&self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, SideError> {
        Ok(ids.iter().map(|id| self.0.get(id).map(|(header, _)| header.encode())).collect())
    }

    fn parcels(&self, ids: &[Id], _: usize) -> Result<Vec<Option<Parcel>>, SideError> {
        Ok(ids.iter().map(|id| self.0.get(id).map(|(_, parcel)| parcel.clone())).collect())
    }

    fn take(&mut self, parcels: Vec<Parcel>) -> Result<Vec<Taken>, SideError> {
        let taken = parcels.into_iter().map(|parcel| {
            let (id, header) = (parcel.id(), parcel.header().expect("a header"));
            if self.0.insert(id, (header, parcel)).is_some() { Taken::Known } else { Taken::New }
        });
        Ok(taken.collect())
    }

    fn reached(&mut self, _: &[Head]) -> Result<(), SideError> {
        Ok(())
    }
}

/// The archive's end and the other end of one line, and every byte the archive said.
pub(super) struct Line {
    pub(super) exporter: Exporter,
    session: Session,
    pub(super) said: Vec<u8>,
    pub(super) fault: Option<Fault>,
    /// It asked for events by their ids, which it is told are not there.
    asked: bool,
}

impl Line {
    /// Until neither has anything to say, or one has ended it.
    pub(super) async fn run(&mut self, other: &mut Store) {
        self.run_with(&mut Archive::new(&other.replica, &mut other.writer, Form::Open)).await;
    }

    pub(super) async fn run_with(&mut self, side: &mut impl Side) {
        loop {
            let mut out = Vec::new();
            // A fault here is what the archive said of its own.
            let _ = self.session.send(side, &mut out, 1 << 20);
            let input = (!out.is_empty()).then_some(out);
            let nothing = input.is_none();
            let step = self.exporter.step(input, true).await.expect("a step");
            self.said.extend(&step.out);
            let _ = self.session.receive(side, &step.out);
            if let Some(fault) = step.fault {
                self.fault = Some(fault);
                return;
            }
            if nothing && step.out.is_empty() {
                return;
            }
        }
    }

    /// Asks for these by name as well.
    pub(super) fn ask(&mut self, ids: Vec<[u8; 32]>) {
        self.asked = true;
        self.session.fetch(ids);
    }

    /// Whether something that was said in a conversation has left, or that there is such an event.
    pub(super) fn showed_any(&self, world: &World) -> bool {
        let has = |words: &[u8]| self.said.windows(words.len()).any(|window| window == words);
        let events = world.replica.snapshot().and_then(|snapshot| snapshot.after(0, 1000)).expect("read");
        has(CANARY.as_bytes()) || has(&world.device.bytes()) || (!self.asked && events.iter().any(|event| has(&event.id)))
    }
}

pub(super) fn run(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(story);
}
