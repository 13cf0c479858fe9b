//! What an archive does all day, in small, and all that can be read of an archive.

use std::{collections::BTreeSet, path::Path};

use replica::{
    Draft, Kept, Record, Replica, ReplicaError, Snapshot, StoreKeys,
    body::{self, Attachment, Author, Body, Content, FileBody, FileRemoved, Message, Outcome, Part, Status, Title, Trace},
    state::{Act, Change, Operation, Step, Value},
};

use crate::{
    chance::Chance,
    large,
    record::{self, Op},
};

const SPACE: [u8; 16] = [7; 16];
const DEVICE: [u8; 32] = [8; 32];
const KINDS: [u16; 10] = [
    body::CONVERSATION,
    body::MESSAGE,
    body::TITLE,
    body::TRACE,
    body::ATTACHMENT,
    body::FILE,
    body::FILE_REMOVED,
    body::ERASE,
    body::CHANGE,
    body::BRANCH,
];

/// Work that was recorded.
pub(crate) struct Recorded {
    /// What was done to the directory.
    pub(crate) ops: Vec<Op>,
    /// All that could be read after nothing, one, two … pieces of work.
    pub(crate) states: Vec<String>,
}

pub(crate) fn open(directory: &Path) -> Result<Replica, ReplicaError> {
    Replica::open(directory, StoreKeys::new(&[9; 32], SPACE, DEVICE))
}

/// Makes a store in an empty directory and works in it, `batches` transactions of which each is acknowledged.
pub(crate) fn work(directory: &Path, batches: usize, chance: &mut Chance) -> Recorded {
    record::begin(directory);
    let replica = open(directory).unwrap();
    let mut writer = replica.writer().unwrap();
    record::acknowledged(directory);
    let mut states = vec![read(&replica).unwrap()];
    let mut begun = 0;
    let mut kept: Vec<(Kept, Draft)> = Vec::new();
    for _ in 0..batches {
        let signs = chance.below(4) == 0;
        let size = if chance.below(5) == 0 { 40 } else { 4 };
        let mut drafts: Vec<Draft> = (0..1 + chance.below(size)).map(|_| draft(&mut begun, &replica, chance)).collect();
        let (mut uploads, drafts_of_large) = large::take(&replica, chance);
        drafts.extend(drafts_of_large);
        let unsigned = replica.snapshot().unwrap().unsigned(if signs { 1 + chance.below(60) as usize } else { 0 }).unwrap();
        let results = writer
            .write(|batch| {
                unsigned.iter().try_for_each(|(position, _)| batch.sign(*position, &[5; 64]))?;
                uploads.iter().try_for_each(|upload| batch.keep_upload(&upload.checkpoint))?;
                drafts.iter().map(|draft| batch.append(draft)).collect::<Result<Vec<_>, _>>()
            })
            .unwrap();
        record::acknowledged(directory);
        uploads.iter_mut().for_each(|upload| upload.upload.kept());
        drop(uploads);
        if chance.below(8) == 0 {
            // What it does is not seen from outside.
            replica.collect(0).unwrap().run(&mut |sweep| sweep.apply(&mut writer)).unwrap();
        }
        kept.extend(results.into_iter().zip(drafts).filter_map(|(result, draft)| Some((result.ok()?, draft))));
        states.push(read(&replica).unwrap());
    }
    let ops = record::end(directory);
    as_it_was_said(&replica, &kept);
    Recorded { ops, states }
}

/// Every event that was acknowledged is there with the words that were given.
fn as_it_was_said(replica: &Replica, kept: &[(Kept, Draft)]) {
    let snapshot = replica.snapshot().unwrap();
    let records: Vec<Record> = KINDS.into_iter().flat_map(|kind| snapshot.newest(kind, usize::MAX).unwrap()).collect();
    let erased = |kept: &Kept| {
        let event = snapshot.event(&kept.id).unwrap().unwrap();
        snapshot.is_erased(&event.header, &kept.id).unwrap()
    };
    let kept: Vec<_> = kept.iter().filter(|(kept, _)| !erased(kept)).collect();
    assert_eq!(records.len(), kept.iter().map(|(kept, _)| kept.position).collect::<BTreeSet<_>>().len());
    for (kept, draft) in kept {
        let record = records.iter().find(|record| record.event.position == kept.position).unwrap();
        assert_eq!((record.event.id, &record.event.header.entity, &record.body), (kept.id, &draft.entity, &draft.body));
    }
}

fn noise(chance: &mut Chance, most: u64) -> String {
    let length = chance.below(most) as usize;
    let mut bytes = vec![0; length / 2];
    blake3::Hasher::new().update(&chance.below(u64::MAX).to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn id(chance: &mut Chance) -> [u8; 16] {
    std::array::from_fn(|_| chance.below(256) as u8)
}

fn draft(begun: &mut u64, replica: &Replica, chance: &mut Chance) -> Draft {
    let what = if *begun == 0 { 0 } else { chance.below(20) };
    let some = chance.below(*begun);
    let conversation = |number: u64| replica.keys().blind("conversation", &[&number.to_le_bytes()]);
    let path = format!("user/notes/{}.md", chance.below(12));
    let file = replica.keys().blind("file", &[path.as_bytes()]);
    let (entity, body, once) = match what {
        0 => {
            *begun += 1;
            let entity = conversation(*begun - 1);
            (entity, Body::Conversation(Title { title: noise(chance, 500) }), Some(entity))
        }
        1..=7 => {
            let id = id(chance);
            let most = if chance.below(6) == 0 { 60_000 } else { 600 };
            let message = Message {
                id,
                turn: [1; 16],
                author: if chance.below(2) == 0 { Author::Person } else { Author::Assistant },
                parts: vec![Part::Text(noise(chance, most))],
                attachments: Vec::new(),
                status: Status::Complete,
                made_by: "a model".into(),
            };
            (conversation(some), Body::Message(message), Some(id))
        }
        8 => (conversation(some), Body::Title(Title { title: noise(chance, 500) }), None),
        9..=10 => {
            let step = body::Step { tool: "t".into(), input: noise(chance, 900), output: String::new(), ok: true, millis: 3 };
            let trace = Trace {
                turn: id(chance),
                goal: noise(chance, 90),
                skill: String::new(),
                model: "a model".into(),
                steps: vec![step],
                outcome: Outcome::Answered,
                millis: 5,
                tokens_in: 7,
                tokens_out: 9,
            };
            (conversation(some), Body::Trace(trace), None)
        }
        11 => {
            let bytes = noise(chance, 200_000).into_bytes();
            let id = id(chance);
            (conversation(some), Body::Attachment(Attachment::new(Some(id), Content::Bytes(bytes))), Some(id))
        }
        16..=17 => {
            let path = vec![Step::Field(noise(chance, 9))];
            let operations = vec![Operation { path, act: Act::Set(Value::Text(noise(chance, 300))) }];
            ([chance.below(4) as u8; 16], Body::Change(Change { operations }), None)
        }
        18 => {
            let snapshot = replica.snapshot().unwrap();
            let latest = snapshot.latest().unwrap();
            let Draft { entity, body, once } = Draft::erase_entity(file, Some(latest.0));
            (entity, body, once)
        }
        19 => {
            let snapshot = replica.snapshot().unwrap();
            let messages = snapshot.messages(&conversation(some), 0, 9, usize::MAX).unwrap().items;
            let event = messages.last().map_or([0; 32], |record| record.event.id);
            let Draft { entity, body, once } = Draft::erase_event(conversation(some), event);
            (entity, body, once)
        }
        12 => (file, Body::FileRemoved(FileRemoved::new(path)), None),
        _ => {
            let most = if chance.below(4) == 0 { 40_000 } else { 400 };
            (file, Body::File(FileBody::new(path, Content::Bytes(noise(chance, most).into_bytes()))), None)
        }
    };
    Draft { entity, body, once }
}

/// All that can be read, as text: two stores are in the same state when this is the same. The chain of events and what
/// belongs together are checked on the way.
pub(crate) fn read(replica: &Replica) -> Result<String, String> {
    let snapshot = replica.snapshot().map_err(|error| error.to_string())?;
    let fails = |error: ReplicaError| error.to_string();
    let mut digest = blake3::Hasher::new();
    let mut said = |what: &dyn std::fmt::Debug, bytes: &[u8]| {
        digest.update(format!("{what:?} {}", bytes.len()).as_bytes());
        digest.update(bytes);
    };
    let events = snapshot.after(0, usize::MAX).map_err(fails)?;
    let mut previous = [0; 32];
    for (event, number) in events.iter().zip(1..) {
        let header = &event.header;
        let hash = *blake3::hash(&header.encode()).as_bytes();
        if (event.position, header.sequence, header.previous, event.id) != (number, number, previous, hash) {
            return Err(format!("the chain is broken at place {number}: {event:?}"));
        }
        previous = event.id;
        said(&event.position, &header.encode());
        said(&"signed", event.signature.as_ref().map_or(&[], |signature| &signature[..]));
    }
    let mut bodies = 0;
    for kind in KINDS {
        for record in snapshot.newest(kind, usize::MAX).map_err(fails)? {
            bodies += 1;
            if events.get(record.event.position as usize - 1) != Some(&record.event) {
                return Err(format!("the index of kinds names another event: {record:?}"));
            }
            kept_once(&snapshot, &record)?;
            said(&record.event.position, &record.body.to_bytes());
            if let Some(blob) = record.body.blob() {
                replica.check_blob(blob).map_err(fails)?;
            }
        }
    }
    let erased = |event: &&replica::Recorded| snapshot.is_erased(&event.header, &event.id).unwrap_or(false);
    if bodies != events.iter().filter(|event| !erased(event)).count() {
        return Err(format!("{} events have {bodies} bodies", events.len()));
    }
    said(&"fingerprint", &snapshot.fingerprint().map_err(fails)?);
    let conversations = snapshot.conversations(None, usize::MAX).map_err(fails)?;
    for (id, view) in &conversations.items {
        let messages = snapshot.messages(id, 0, usize::MAX, usize::MAX).map_err(fails)?;
        let of_it = || events.iter().filter(|event| event.header.entity == *id);
        let changed = of_it().filter(|event| !erased(event)).map(|event| event.header.clock.0).max();
        let spoken = of_it().filter(|event| !erased(event)).filter(|event| event.header.kind == body::MESSAGE).count();
        if (messages.items.len(), Some(view.changed), view.messages as usize) != (spoken, changed, spoken) {
            return Err(format!("a conversation is not what its events say: {view:?}"));
        }
        said(&(id, view), &[]);
        for message in messages.items {
            said(&message.event.position, &message.body.to_bytes());
        }
    }
    let files = snapshot.files("", "", usize::MAX).map_err(fails)?;
    for file in &files.items {
        let entity = replica.keys().blind("file", &[file.path.as_bytes()]);
        let content = snapshot.file(&entity).map_err(fails)?.ok_or("a listed file is not there")?;
        if content.len() as u64 != file.length {
            return Err(format!("{} has another length", file.path));
        }
        said(&file, &content);
    }
    large::read(replica, &snapshot, &mut said)?;
    let unsigned = snapshot.unsigned(usize::MAX).map_err(fails)?;
    let without = events.iter().filter(|event| event.signature.is_none()).map(|event| event.position);
    if !unsigned.iter().map(|(position, _)| *position).eq(without) {
        return Err("the unsigned events are not those that are listed as unsigned".into());
    }
    let counts = snapshot.counts().map_err(fails)?;
    let begun = events.iter().filter(|event| event.header.kind == body::CONVERSATION).count();
    if counts != (events.len() as u64, unsigned.len() as u64, begun as u64) || conversations.items.len() != begun {
        return Err(format!("counted {counts:?} of {}, {}, {begun}", events.len(), unsigned.len()));
    }
    Ok(format!("{} events, {}", events.len(), digest.finalize().to_hex()))
}

/// What must be kept once is found under its identity.
fn kept_once(snapshot: &Snapshot<'_>, record: &Record) -> Result<(), String> {
    let identity = match &record.body {
        Body::Conversation(_) => record.event.header.entity,
        Body::Message(message) => message.id,
        _ => return Ok(()),
    };
    match snapshot.once(record.event.header.kind, &identity) {
        Ok(Some(found)) if found == *record => Ok(()),
        other => Err(format!("{record:?} is kept once, and under its identity is {other:?}")),
    }
}

/// Goes on working in a store, closes it, and finds there what was written.
pub(crate) fn goes_on(directory: &Path) -> Result<(), String> {
    let fails = |error: ReplicaError| error.to_string();
    let entity = [0xee; 16];
    let body = Body::Conversation(Title { title: "afterwards".into() });
    {
        let replica = open(directory).map_err(fails)?;
        let mut writer = replica.writer().map_err(fails)?;
        large::goes_on(&replica, &mut writer).map_err(fails)?;
        let draft = Draft { entity, body: body.clone(), once: Some(entity) };
        let kept = writer.write(|batch| batch.append(&draft)).map_err(fails)?;
        kept.map_err(|refused| refused.to_string())?;
    }
    let replica = open(directory).map_err(fails)?;
    read(&replica)?;
    let found = replica.snapshot().and_then(|snapshot| snapshot.once(body::CONVERSATION, &entity)).map_err(fails)?;
    if found.is_some_and(|record| record.body == body) { Ok(()) } else { Err("what was written afterwards is lost".into()) }
}
