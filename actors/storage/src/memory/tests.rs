//! A memory over a real archive, and a clock that is put forward by hand.

use std::sync::atomic::{AtomicU64, Ordering};

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::{
    event::SIGNING_TAG,
    messages::storage::{MemoryCounts, MemoryPart, Remembered},
};
use replica::{
    Form, Kept, StoreKeys, Wall,
    body::{self, Body, Experience, Outcome, Title, Trace, memory_of},
};

use super::{numbers::*, *};

mod figures;
mod finding;
mod forgetting;
mod keeping;
mod model;
mod moving;

/// 2024-02-29T09:46:40Z, the last day of its month.
const BEGIN: u64 = 1_709_200_000_000;
/// The first moment of the month after.
const MARCH: u64 = 1_709_251_200_000;

const CHAT: Id = [1; 16];

struct World {
    directory: tempfile::TempDir,
    key: SigningKey,
    wall: Arc<AtomicU64>,
    replica: Replica,
    writer: WriterHandle,
    memory: Memory,
    turns: u32,
}

fn story(story: impl AsyncFnOnce(World)) {
    actix::System::new().block_on(async { story(World::of(3)).await });
}

fn opened(directory: &std::path::Path, key: &SigningKey, wall: &Arc<AtomicU64>) -> (Replica, WriterHandle, Memory) {
    let clock = Arc::clone(wall);
    let keys = StoreKeys::new(&[1; 32], [2; 16], key.verifying_key().to_bytes());
    let by = Wall::new(move || clock.load(Ordering::Relaxed));
    let replica = Replica::open_by(directory, keys, by).expect("a store");
    let writer = WriterHandle::start(replica.writer().expect("a writer")).expect("a thread");
    let clock = Arc::clone(wall);
    let now: Now = Arc::new(move || clock.load(Ordering::Relaxed));
    let memory = Memory::new(replica.clone(), writer.clone(), Clearing::new(directory), now);
    (replica, writer, memory)
}

impl World {
    /// A device of this person.
    fn of(device: u8) -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let (key, wall) = (SigningKey::from_bytes(&[device; 32]), Arc::new(AtomicU64::new(BEGIN)));
        let (replica, writer, memory) = opened(directory.path(), &key, &wall);
        World { directory, key, wall, replica, writer, memory, turns: 0 }
    }

    /// The same archive with a memory that knows nothing, as after the process has died.
    fn restart(self) -> World {
        let World { directory, key, wall, replica, writer, memory, turns } = self;
        let now: Now = Arc::clone(&memory.now);
        drop(memory);
        let memory = Memory::new(replica.clone(), writer.clone(), Clearing::new(directory.path()), now);
        World { directory, key, wall, replica, writer, memory, turns }
    }

    fn pass(&self, millis: u64) {
        self.wall.fetch_add(millis, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.wall.load(Ordering::Relaxed)
    }

    async fn keep(&self, entity: Id, body: Body) -> Kept {
        self.writer.append(Draft { entity, body, once: None }).await.expect("kept")
    }

    async fn begin(&self, conversation: Id) {
        self.keep(conversation, Body::Conversation(Title { title: "Journeys".to_owned() })).await;
    }

    /// A turn of a conversation, which is asked for this.
    async fn turn(&mut self, conversation: Id, goal: &str) -> Kept {
        self.turns += 1;
        self.keep(conversation, Body::Trace(trace(self.turns, goal))).await
    }

    async fn turns(&mut self, conversation: Id, count: u32) {
        for number in 0..count {
            self.turn(conversation, &format!("goal {number}")).await;
        }
    }

    /// An entry of this age in milliseconds, of one trace that this archive need not have.
    fn entry(&self, number: u32, goal: &str, age: u64) -> Draft {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_le_bytes());
        let made = Experience {
            id: body::experience_id(&CHAT, &[id]),
            conversation: CHAT,
            goal: goal.to_owned(),
            result: body::Success::Success,
            components: Vec::new(),
            files: Vec::new(),
            summary: Vec::new(),
            millis: 1,
            learnings: Vec::new(),
            since_ms: self.now() - age,
            at_ms: self.now() - age,
            traces: vec![body::TraceId(id)],
        };
        Draft { entity: memory_of(&CHAT), once: Some(made.id), body: Body::Experience(made) }
    }

    async fn run(&self) -> MemoryMoved {
        self.memory.run().await.expect("run")
    }

    async fn list(&self, part: MemoryPart) -> Vec<Remembered> {
        self.memory.list(ListMemory { part, skip: 0, limit: 200 }).await.expect("a list").items
    }

    async fn counts(&self) -> MemoryCounts {
        self.memory.list(ListMemory { part: MemoryPart::Short, skip: 0, limit: 1 }).await.expect("a list").counts
    }

    /// Events there are.
    fn events(&self) -> u64 {
        self.replica.snapshot().expect("a snapshot").counts().expect("counts").0
    }

    /// Events that say this word anywhere.
    fn saying(&self, word: &str) -> usize {
        let snapshot = self.replica.snapshot().expect("a snapshot");
        let events = snapshot.after(0, usize::MAX).expect("events");
        let says = |event: &replica::Recorded| {
            let version = snapshot.version(&event.id).expect("a version").expect("an event");
            format!("{:?}", version.body).contains(word)
        };
        events.iter().filter(|event| says(event)).count()
    }

    /// Gives another device all that it has not.
    async fn give(&self, to: &World) {
        let snapshot = self.replica.snapshot().expect("a snapshot");
        let sign = |(position, header): (u64, Vec<u8>)| {
            let signed = [&SIGNING_TAG[..], blake3::hash(&header).as_bytes()].concat();
            (position, self.key.sign(&signed).to_bytes())
        };
        let signatures = snapshot.unsigned(usize::MAX).expect("headers").into_iter().map(sign).collect();
        drop(snapshot);
        self.writer.sign(signatures).await.expect("signed");
        let snapshot = self.replica.snapshot().expect("a snapshot");
        let heads = snapshot.heads().expect("heads");
        let all = |head: &replica::AuthorHead| snapshot.range(&head.author, 1, head.sequence, usize::MAX, Form::Open);
        let parcels: Vec<_> = heads.iter().flat_map(|head| all(head).expect("parcels")).collect();
        let taken = to.writer.run(move |writer| writer.take(&parcels)).await.expect("taken");
        assert!(taken.iter().all(Result::is_ok), "{taken:?}");
    }
}

fn trace(turn: u32, goal: &str) -> Trace {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&turn.to_le_bytes());
    Trace {
        turn: id,
        goal: goal.to_owned(),
        skill: String::new(),
        model: "scripted".to_owned(),
        steps: Vec::new(),
        outcome: Outcome::Answered,
        millis: 5,
        tokens_in: 1,
        tokens_out: 2,
    }
}
