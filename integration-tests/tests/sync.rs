//! The window's instance beside the archive: what one has the other comes to have, by itself, and it answers while the other
//! is away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use integration_tests::{
    files,
    home::Home,
    serve::Serve,
    tended::noise,
    window::{agree, begin, give, lists, note, patiently, rename, same, until},
    wire::{Attached, on_wire},
};
use ipc::{
    Code,
    id::{CommandId, ConversationId, MessageId},
    messages::{
        instance::{Give, Link, ListRecent, Pin, ReadRecent, Standing},
        storage::{Act, Measure},
    },
};

/// How many events the archive has of a kind.
async fn events(attached: &Attached, kind: &str) -> u64 {
    let measured = attached.client.call(&Measure).await.unwrap();
    measured.kinds.iter().filter(|one| one.name == kind).map(|one| one.events).sum()
}

#[test]
fn what_is_said_is_in_the_window_and_what_is_done_there_in_the_archive() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.run(["ask", "5 miles in km"]).good();
    // Nobody introduces the two to each other.
    on_wire(async {
        let attached = Attached::to(&home);
        agree(&attached.client).await;
        let all = same(&attached.client).await;
        assert_eq!((all.len(), all[0].1.len()), (1, 2), "{all:?}");
    });
    home.run(["ask", "chance that 3d6 is at least 15"]).good();
    let list = home.run(["--json", "history"]).json();
    let (first, second) = (list[1]["id"].as_str().unwrap(), list[0]["id"].as_str().unwrap());
    assert_eq!(home.run(["instance", "rename", &first[..8], "Miles", "and", "more"]).good().trim(), first);
    home.run(["instance", "note", second, "look this up"]).good();
    let begun = home.run(["instance", "begin", "A plan"]).good().trim().to_owned();
    let titles = |words: &[&str]| -> Vec<String> {
        let list = home.run(words.iter().copied()).json();
        list.as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap().to_owned()).collect()
    };
    on_wire(async {
        let attached = Attached::to(&home);
        agree(&attached.client).await;
        assert_eq!(same(&attached.client).await.len(), 3);
    });
    assert_eq!(titles(&["--json", "history"]), ["A plan", "chance that 3d6 is at least 15", "Miles and more"]);
    assert_eq!(titles(&["--json", "instance", "recent"]), titles(&["--json", "history"]));
    let shown = home.run(["history", &begun]).good();
    assert!(shown.contains("A plan"), "{shown}");
    let shown = home.run(["instance", "recent", &second[..8]]).good();
    assert!(shown.contains("look this up") && shown.contains("9.26 %"), "{shown}");
    let status = home.run(["--json", "instance", "status"]).json();
    assert_eq!(
        (&status["link"], &status["outbox"]["commands"], &status["counted"]["done"]),
        (&"live".into(), &0.into(), &3.into())
    );
    assert!(home.run(["doctor"]).good().contains("ui"));
    // It is not kept from the archive, it is not the archive's: nothing plain lies in either.
    drop(serve);
    for folder in ["ui", "spaces"] {
        nothing_plain(&home.data().join(folder), &["look this up", "Miles and more", "A plan", "9.26 %"]);
    }
    home.assert_empty();
}

/// No file below this folder has one of these words in it.
fn nothing_plain(folder: &Path, words: &[&str]) {
    let files = files::read_below(folder);
    for (path, bytes) in &files {
        for word in words {
            assert!(bytes.windows(word.len()).all(|window| window != word.as_bytes()), "{word:?} lies in {}", path.display());
        }
    }
    assert!(!files.is_empty(), "there are files");
}

#[test]
fn it_answers_and_takes_while_the_archive_is_away() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.run(["ask", "5 miles in km"]).good();
    on_wire(async {
        let attached = Attached::to(&home);
        let client = &attached.client;
        agree(client).await;
        let before = same(client).await;
        let asked = before[0].0.id;
        let titles_before = events(&attached, "Title").await;
        // It is there, and it does not answer.
        let archive = serve.process("storage");
        archive.signal(libc::SIGSTOP);
        let held = client.call(&ListRecent { after: None, limit: 10 }).await.unwrap();
        assert_eq!(held.items[0].id, asked);
        let (one, said) = ([1; 16], [2; 16]);
        give(client, one, begin(one, "Begun alone")).await.unwrap();
        give(client, said, note(one, said, "words for later")).await.unwrap();
        give(client, [3; 16], rename(asked.0, "Renamed alone")).await.unwrap();
        let again = give(client, [3; 16], rename(asked.0, "Renamed alone")).await.unwrap();
        assert_eq!(again.waiting, 3, "what is given twice waits once");
        let other = give(client, [3; 16], rename(asked.0, "Something else")).await.unwrap_err();
        assert_eq!(other.code, Code::Conflict);
        let refused = give(client, [4; 16], rename(asked.0, "two\nlines")).await.unwrap_err();
        assert_eq!(refused.code, Code::NotKeepable, "what the archive would refuse is refused at once");
        // It is shown as done.
        let shown = client.call(&ListRecent { after: None, limit: 10 }).await.unwrap().items;
        let titles: Vec<_> = shown.iter().map(|item| (item.title.as_str(), item.messages)).collect();
        assert_eq!(titles, [("Begun alone", 1), ("Renamed alone", 2)]);
        let read = client.call(&ReadRecent { id: ConversationId(one), before: None, limit: 10 }).await.unwrap();
        assert_eq!(read.messages[0].text(), "words for later");
        // The instance dies, too, and comes back without the archive.
        serve.process("ui").signal(libc::SIGKILL);
        let stands = until(client, "it is back, and what waits is what waited", |stands| stands.outbox.commands == 3).await;
        assert_eq!((stands.link, stands.counted.done), (Link::Starting, 0), "the archive has not answered yet");
        assert_eq!(lists_of(&attached).await.len(), 2);
        archive.signal(libc::SIGKILL);
        agree(client).await;
        let after = same(client).await;
        assert_eq!(after.len(), 2);
        let begun = after.iter().find(|(conversation, _)| conversation.id.0 == one).unwrap();
        assert_eq!((begun.0.title.as_str(), begun.1.len()), ("Begun alone", 1));
        assert_eq!(events(&attached, "Title").await, titles_before + 1, "it was renamed once");
    });
    drop(serve);
    home.assert_empty();
}

/// What the instance alone lists.
async fn lists_of(attached: &Attached) -> Vec<ipc::messages::storage::Conversation> {
    attached.client.call(&ListRecent { after: None, limit: 100 }).await.unwrap().items
}

/// What a conversation holds by the window's instance, read to its end.
fn read_all(home: &Home, id: ConversationId) -> Vec<String> {
    let shown = home.run(["--json", "instance", "recent", &id.to_string(), "-n", "100000"]).json();
    assert_eq!((&shown["older"], &shown["missing"]), (&false.into(), &false.into()));
    shown["messages"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn however_much_waits_all_of_it_is_read_once_and_in_its_order() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let id = ConversationId([1; 16]);
    let message = |number: u16| -> [u8; 16] {
        let [high, low] = number.to_be_bytes();
        std::array::from_fn(|at| [2, high, low][at.min(2)])
    };
    let ids = |numbers: std::ops::Range<u16>| numbers.map(|number| MessageId(message(number)).to_string()).collect::<Vec<_>>();
    // Some are held before; one of those and one of those that wait are as long as one may be.
    let words =
        |number: u16| "word ".repeat(if matches!(number, 5 | 100) { 104_000 } else { 40 * (usize::from(number) % 50) + 1 });
    on_wire(async {
        let attached = Attached::to(&home);
        let client = &attached.client;
        attached.demo().await;
        agree(client).await;
        give(client, id.0, begin(id.0, "Much")).await.unwrap();
        for number in 0..10 {
            give(client, message(number), note(id.0, message(number), &words(number))).await.unwrap();
        }
        agree(client).await;
        serve.process("storage").signal(libc::SIGSTOP);
        for number in 10..600 {
            let said = note(id.0, message(number), &words(number));
            patiently(client, &Give { id: CommandId(message(number)), act: said }).await;
        }
    });
    assert_eq!(read_all(&home, id), ids(0..600), "what is held, and behind it what waits");
    serve.process("storage").signal(libc::SIGCONT);
    // While it is done, nothing is shown twice or out of its order.
    loop {
        let status = home.run(["--json", "instance", "status"]).json();
        let shown = read_all(&home, id);
        assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "{shown:?}");
        if status["outbox"]["commands"] == 0 {
            break;
        }
    }
    on_wire(async {
        let attached = Attached::to(&home);
        agree(&attached.client).await;
        assert_eq!(same(&attached.client).await[0].1.len(), 600);
    });
    assert_eq!(read_all(&home, id), ids(0..600));
    drop(serve);
    home.assert_empty();
}

#[test]
fn what_waited_when_everything_ended_is_done_at_the_next_sign_in() {
    let home = Home::new();
    let serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        agree(&attached.client).await;
        serve.process("storage").signal(libc::SIGSTOP);
        for number in 0..20 {
            let id = [number + 1; 16];
            give(&attached.client, id, begin(id, "for later")).await.unwrap();
        }
    });
    for process in home.processes() {
        process.signal(libc::SIGKILL);
    }
    drop(serve);
    home.assert_empty_but_for_the_socket();
    // Nobody asks for the instance: it comes by itself where there was one.
    let serve = Serve::start(&home);
    let until = Instant::now() + Duration::from_secs(20);
    while home.run(["--json", "history"]).json().as_array().unwrap().len() < 20 {
        assert!(Instant::now() < until, "it is never done");
    }
    on_wire(async {
        let attached = Attached::to(&home);
        agree(&attached.client).await;
        assert_eq!(same(&attached.client).await.len(), 20);
    });
    drop(serve);
    home.assert_empty();
}

#[test]
fn a_locked_space_has_no_window_and_the_next_one_has_its_own() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let refused = on_wire(async { Attached::to(&home).client.call(&Standing).await.unwrap_err() });
    assert_eq!(refused.code, Code::NotSignedIn);
    home.command(["instance", "begin", "of the one"]).signed_in("one", "secret\nsecret\n").run().good();
    home.run(["lock"]).good();
    assert!(serve.of_role("ui").is_empty(), "{:#}", serve.status());
    let refused = on_wire(async { Attached::to(&home).client.call(&Standing).await.unwrap_err() });
    assert_eq!(refused.code, Code::NotSignedIn);
    let other = home.command(["--json", "instance", "recent"]).signed_in("other", "secret\nsecret\n").run().json();
    assert_eq!(other.as_array().unwrap().len(), 0, "{other}");
    home.run(["lock"]).good();
    home.command(["instance", "status"]).signed_in("one", "secret\n").run().good();
    on_wire(async {
        let attached = Attached::to(&home);
        agree(&attached.client).await;
        assert_eq!(same(&attached.client).await[0].0.title, "of the one");
    });
    assert_eq!(fs::read_dir(home.data().join("ui")).unwrap().count(), 2);
    drop(serve);
    home.run(["reset", "--yes"]).good();
    assert!(!home.data().join("ui").exists());
}

#[test]
fn a_cache_that_cannot_be_read_is_made_anew_and_what_waits_is_not() {
    let home = Home::new();
    home.run(["ask", "5 miles in km"]).good();
    let serve = Serve::start(&home);
    let asked = on_wire(async {
        let attached = Attached::to(&home);
        let client = &attached.client;
        attached.demo().await;
        agree(client).await;
        let asked = same(client).await[0].0.id;
        client.call(&Pin { id: asked, pinned: true }).await.unwrap();
        serve.process("storage").signal(libc::SIGSTOP);
        give(client, [2; 16], note(asked.0, [2; 16], "words for later")).await.unwrap();
        asked
    });
    for process in home.processes() {
        process.signal(libc::SIGKILL);
    }
    drop(serve);
    home.assert_empty_but_for_the_socket();
    let space = fs::read_dir(home.data().join("ui")).unwrap().next().unwrap().unwrap().path();
    let cache = space.join("data.mdb");
    let bytes = fs::read(&cache).unwrap();
    fs::write(&cache, &bytes[..bytes.len() / 2]).unwrap();
    let serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        agree(&attached.client).await;
        let all = same(&attached.client).await;
        assert_eq!((all.len(), all[0].1.len()), (1, 3), "what waited is done, once");
        assert_eq!(all[0].1[2].text(), "words for later");
        let read = patiently(&attached.client, &ReadRecent { id: asked, before: None, limit: 1 }).await;
        assert!(read.pinned, "what was pinned is pinned");
    });
    drop(serve);
    let outbox = space.join("outbox/data.mdb");
    let bytes = fs::read(&outbox).unwrap();
    fs::write(&outbox, &bytes[..bytes.len() / 2]).unwrap();
    let cached = fs::read(&cache).unwrap();
    let serve = Serve::start(&home);
    let said = home.run(["instance", "status"]).bad(9);
    assert!(said.contains("cache cannot be used"), "{said}");
    home.run(["history"]).good();
    assert!(fs::metadata(&outbox).unwrap().len() > 0, "nothing of it was thrown away");
    assert!(fs::read(&cache).unwrap() == cached, "and nothing of what is cached");
    drop(serve);
}

#[test]
fn a_bit_that_the_disk_forgot_of_what_is_cached_comes_from_the_archive_again() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let (id, text) = ([9; 16], noise(3, 30_000).iter().map(|byte| char::from(b'0' + (byte & 63))).collect::<String>());
    let read = ReadRecent { id: ConversationId(id), before: None, limit: 10 };
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        give(&attached.client, id, begin(id, "Long")).await.unwrap();
        give(&attached.client, [8; 16], note(id, [8; 16], &text)).await.unwrap();
        agree(&attached.client).await;
        assert!(patiently(&attached.client, &read).await.messages[0].text() == text);
    });
    drop(serve);
    home.assert_empty_but_for_the_socket();
    let space = fs::read_dir(home.data().join("ui")).unwrap().next().unwrap().unwrap().path();
    let cache = space.join("data.mdb");
    let mut bytes = fs::read(&cache).unwrap();
    // A large value has pages of its own: number u64, pad u16, flags u16 of which 4 says so, how many u32.
    let large: Vec<usize> =
        (0..bytes.len()).step_by(4096).filter(|at| bytes[at + 10..at + 12] == [4, 0] && bytes[at + 12] >= 5).collect();
    assert!(!large.is_empty());
    large.iter().for_each(|at| bytes[at + 9000] ^= 4);
    fs::write(&cache, bytes).unwrap();
    let serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        let refused = attached.client.call(&read).await.unwrap_err();
        assert_eq!(refused.code, Code::ArchiveDamaged, "{refused}");
        agree(&attached.client).await;
        assert!(patiently(&attached.client, &read).await.messages[0].text() == text);
        assert_eq!(same(&attached.client).await.len(), 1);
    });
    drop(serve);
}

#[test]
fn many_commands_are_done_in_their_order() {
    let home = Home::new();
    let serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        let conversation = [9; 16];
        let mut acts: Vec<([u8; 16], Act)> = vec![(conversation, begin(conversation, "In order"))];
        acts.extend((0..300u16).map(|number| {
            let id = std::array::from_fn(|at| if at < 2 { number.to_be_bytes()[at] } else { 7 });
            (id, note(conversation, id, &format!("note {number}")))
        }));
        for (id, act) in acts {
            give(&attached.client, id, act).await.unwrap();
        }
        let stands = agree(&attached.client).await;
        assert_eq!((stands.counted.done, stands.counted.refused), (301, 0));
        let all = same(&attached.client).await;
        let words: Vec<String> = all[0].1.iter().map(|message| message.text()).collect();
        assert_eq!(words, (0..300).map(|number| format!("note {number}")).collect::<Vec<_>>());
        let [archive, instance] = lists(&attached.client).await;
        assert_eq!((archive.len(), instance.len()), (1, 1));
    });
    drop(serve);
}

#[test]
fn when_an_older_archive_is_put_back_the_window_says_so_and_begins_anew() {
    let home = Home::new();
    let copy = home.path("copy");
    let cp = |from: &Path, to: &Path| {
        let status = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
        assert!(status.success());
    };
    let in_step = || {
        let serve = Serve::start(&home);
        on_wire(async {
            let attached = Attached::to(&home);
            attached.demo().await;
            agree(&attached.client).await;
        });
        drop(serve);
        home.assert_empty();
    };
    home.run(["ask", "5 miles in km"]).good();
    in_step();
    cp(&home.data().join("spaces"), &copy);
    home.run(["ask", "chance that 3d6 is at least 15"]).good();
    in_step();
    fs::remove_dir_all(home.data().join("spaces")).unwrap();
    cp(&copy, &home.data().join("spaces"));
    let serve = Serve::start(&home);
    home.run(["ask", "10 miles in km"]).good();
    on_wire(async {
        let attached = Attached::to(&home);
        let client = &attached.client;
        until(client, "it has noticed", |stands| stands.trouble.as_ref().is_some_and(|why| why.contains("restart ui"))).await;
        let told = home.run(["doctor"]);
        assert!(told.code == 9 && told.out.contains("restart ui"), "{}: {}", told.code, told.out);
        home.run(["restart", "ui"]).good();
        until(client, "it has begun anew", |stands| stands.trouble.is_none() && stands.link == Link::Live).await;
        agree(client).await;
        let titles: Vec<String> = same(client).await.into_iter().map(|(conversation, _)| conversation.title).collect();
        assert_eq!(titles, ["10 miles in km", "5 miles in km"]);
    });
    drop(serve);
    home.assert_empty();
}
