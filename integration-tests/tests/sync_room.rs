//! The window's instance with little room: more goes through the archive than it may hold, and it never takes more of the
//! disk than it may; the newest is there, what is old is fetched when it is opened, and what is pinned stays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    window::{begin, both, give, note, patiently, rename, until},
    wire::{Attached, on_wire},
};
use ipc::{
    Code,
    id::ConversationId,
    messages::{
        instance::{Link, Pin, ReadRecent, Recent, Standing},
        storage::{Act, Statistics},
    },
};

/// What the small profile may take of the disk.
const LIMIT: u64 = 50_000_000;

/// Conversations, messages in each, and bytes of each message: together twice the room there is.
const CONVERSATIONS: u8 = 12;
const MESSAGES: u8 = 20;
const BYTES: usize = 420_000;

/// Bytes of all files below a folder. Some come and go meanwhile.
fn bytes_of(folder: &Path) -> u64 {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return 0,
        entries => entries.unwrap(),
    };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        found if found.as_ref().unwrap().is_dir() => bytes_of(&entry.path()),
        found => found.unwrap().len(),
    };
    entries.map(|entry| of(entry.unwrap())).sum()
}

/// Text that hardly gets shorter.
fn noise(seed: [u8; 16], length: usize) -> String {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed).finalize_xof().fill(&mut bytes);
    bytes.iter_mut().for_each(|byte| *byte = b'0' + (*byte & 63));
    String::from_utf8(bytes).unwrap()
}

fn conversation(number: u8) -> [u8; 16] {
    [number + 1; 16]
}

fn message(conversation: u8, number: u8) -> [u8; 16] {
    std::array::from_fn(|at| [conversation + 1, number, 77][at.min(2)])
}

/// Gives a command as soon as there is room for it, and looks at the room that is taken.
async fn give_when_there_is_room(attached: &Attached, folder: &Path, id: [u8; 16], act: Act) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let taken = bytes_of(folder);
        assert!(taken <= LIMIT, "{taken} bytes");
        match give(&attached.client, id, act.clone()).await {
            Ok(_) => return,
            Err(refusal) if refusal.code == Code::Busy && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

async fn newest(attached: &Attached, number: u8) -> Recent {
    patiently(&attached.client, &ReadRecent { id: ConversationId(conversation(number)), before: None, limit: 200 }).await
}

#[test]
fn a_small_window_keeps_to_its_limit_and_fetches_what_is_opened() {
    let home = Home::new();
    let serve = Serve::of(&home, home.command(["serve"]).env("LAMOS_INSTANCE_PROFILE", "small"));
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        let client = &attached.client;
        until(client, "it is up", |stands| stands.held.limit == LIMIT).await;
        let folder = home.data().join("ui");
        for number in 0..CONVERSATIONS {
            let id = conversation(number);
            give_when_there_is_room(&attached, &folder, id, begin(id, &format!("conversation {number}"))).await;
            // The first is small, and is pinned.
            let count = if number == 0 { 4 } else { MESSAGES };
            for said in 0..count {
                let id = message(number, said);
                give_when_there_is_room(&attached, &folder, id, note(conversation(number), id, &noise(id, BYTES))).await;
            }
            if number == 0 {
                client.call(&Pin { id: ConversationId(id), pinned: true }).await.unwrap();
            }
        }
        // All is done, and the last of it has come back.
        let last = [99; 16];
        give_when_there_is_room(&attached, &folder, last, rename(conversation(5), "the last word")).await;
        let stands = until(client, "it is done", |stands| stands.outbox.commands == 0 && stands.link == Link::Live).await;
        assert_eq!(stands.counted.refused, 0, "{stands:?}");
        let counts = client.call(&Statistics).await.unwrap();
        let many = u64::from(CONVERSATIONS - 1) * u64::from(MESSAGES);
        assert!(counts.events >= many, "{counts:?}");
        assert!(stands.held.events < counts.events && stands.held.pinned >= 1, "{stands:?}");
        assert!(stands.held.bytes <= LIMIT && stands.held.used <= stands.held.capacity, "{stands:?}");
        let newest_said = message(CONVERSATIONS - 1, MESSAGES - 1);
        let patience = Instant::now() + Duration::from_secs(60);
        while newest(&attached, CONVERSATIONS - 1).await.messages.last().is_none_or(|last| last.id.0 != newest_said) {
            assert!(Instant::now() < patience, "what was said last does not come");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The newest is there, every conversation is listed by its name, and nothing is asked of the archive for that.
        let archive = serve.process("storage");
        archive.signal(libc::SIGSTOP);
        let page = newest(&attached, CONVERSATIONS - 1).await;
        let id = page.messages.last().unwrap().id.0;
        assert_eq!(id, newest_said);
        assert_eq!(page.messages.last().unwrap().text(), noise(id, BYTES));
        assert_eq!(list(&attached).await.len(), usize::from(CONVERSATIONS));
        assert!(list(&attached).await.contains(&"the last word".to_owned()));
        // What is pinned is all there.
        let mut before = None;
        let mut pinned = Vec::new();
        loop {
            let request = ReadRecent { id: ConversationId(conversation(0)), before, limit: 200 };
            let page = client.call(&request).await.unwrap();
            assert!(page.pinned && !page.missing, "{:?}", page.next);
            pinned.splice(0..0, page.messages.into_iter().map(|message| message.id.0));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(pinned, (0..4).map(|said| message(0, said)).collect::<Vec<_>>());
        // An old one is not, and it says so, and counts it.
        let reads = client.call(&Standing).await.unwrap().reads;
        let page = newest(&attached, 1).await;
        assert!(page.missing && page.messages.is_empty(), "{} messages", page.messages.len());
        archive.signal(libc::SIGCONT);
        until(client, "the archive is back", |stands| stands.link == Link::Live).await;
        let [kept, fetched] = both(client, ConversationId(conversation(1))).await;
        assert_eq!(kept.len(), usize::from(MESSAGES));
        assert_eq!(kept, fetched, "what is opened is fetched");
        let after = client.call(&Standing).await.unwrap();
        assert!(after.reads.whole - reads.whole < after.reads.pages - reads.pages, "{reads:?}, then {:?}", after.reads);
        assert!(bytes_of(&folder) <= LIMIT);
    });
    let status = home.run(["--json", "instance", "status"]).json();
    assert_eq!(status["held"]["limit"], LIMIT);
    let id = ConversationId(conversation(1)).to_string();
    home.run(["instance", "pin", &id]).good();
    let shown = home.run(["--json", "instance", "recent", &id, "-n", "3"]).json();
    assert_eq!((&shown["pinned"], &shown["messages"].as_array().unwrap().len()), (&true.into(), &3));
    home.run(["instance", "unpin", &id]).good();
    assert_eq!(home.run(["--json", "instance", "recent", &id, "-n", "1"]).json()["pinned"], false);
    drop(serve);
    home.assert_empty();
}

/// Messages of a conversation that is longer than all there is room for.
const TOO_MANY: u8 = 160;

#[test]
fn what_is_pinned_and_too_long_does_not_stop_what_comes_after_it() {
    let home = Home::new();
    let serve = Serve::of(&home, home.command(["serve"]).env("LAMOS_INSTANCE_PROFILE", "small"));
    let long = conversation(0);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        let client = &attached.client;
        until(client, "it is up", |stands| stands.held.limit == LIMIT).await;
        let folder = home.data().join("ui");
        give_when_there_is_room(&attached, &folder, long, begin(long, "a long one")).await;
        client.call(&Pin { id: ConversationId(long), pinned: true }).await.unwrap();
        for said in 0..TOO_MANY {
            let id = message(0, said);
            give_when_there_is_room(&attached, &folder, id, note(long, id, &noise(id, BYTES))).await;
        }
        let stands = until(client, "all of it came", |stands| {
            stands.outbox.commands == 0 && stands.link == Link::Live && stands.held.pinned_cut == 1
        })
        .await;
        assert_eq!((stands.trouble.as_ref(), stands.counted.refused, stands.held.pinned), (None, 0, 1), "{stands:?}");
        assert!(bytes_of(&folder) <= LIMIT);
    });
    let told = home.run(["instance", "status"]).good();
    assert!(told.contains("live") && told.contains("do not fit"), "{told}");
    let told = home.run(["doctor"]).good();
    assert!(told.contains("do not fit"), "{told}");
    home.run(["instance", "begin", "after"]).good();
    let titles = || -> Vec<String> {
        let list = home.run(["--json", "instance", "recent"]).json();
        list.as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(titles(), ["after", "a long one"]);
    let id = ConversationId(long).to_string();
    let shown = home.run(["--json", "instance", "recent", &id, "-n", "1"]).json();
    assert_eq!((&shown["pinned"], shown["messages"].as_array().unwrap().len()), (&true.into(), 1));
    home.run(["instance", "unpin", &id]).good();
    assert_eq!(home.run(["--json", "instance", "status"]).json()["held"]["pinned"], 0);
    on_wire(async {
        let attached = Attached::to(&home);
        let stands =
            until(&attached.client, "it goes on", |stands| stands.link == Link::Live && stands.outbox.commands == 0).await;
        assert_eq!(stands.trouble, None);
        let kept = attached.client.call(&Statistics).await.unwrap();
        // It begins, it is said, and another begins.
        assert!(kept.events >= u64::from(TOO_MANY) + 2, "{kept:?}");
    });
    assert_eq!(titles(), ["after", "a long one"]);
    drop(serve);
    home.assert_empty();
}

/// What the instance calls what it holds.
async fn list(attached: &Attached) -> Vec<String> {
    let request = ipc::messages::instance::ListRecent { after: None, limit: 200 };
    let page = attached.client.call(&request).await.unwrap();
    page.items.into_iter().map(|item| item.title).collect()
}
