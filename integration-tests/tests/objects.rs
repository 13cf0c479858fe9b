//! The inspector: what it says of the archive is what is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use integration_tests::{
    files,
    home::Home,
    scripted_http::{ScriptedHttp, answer},
    serve::Serve,
    tended::up,
};
use serde_json::{Value, json};

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// Once everything is signed, nothing is written any more.
fn settled(home: &Home) -> Value {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let stats = home.run(["--json", "stats"]).json();
        if stats["unsigned"] == 0 {
            return stats;
        }
        assert!(Instant::now() < until, "it is never signed: {stats:#}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn numbers_are_those_of_the_archive() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    let conversation = home.run(["--json", "history"]).json()[0]["id"].as_str().unwrap().to_owned();
    for (path, text) in [("user/a", "1"), ("user/b", "22"), ("user/a", "333"), ("team/t/c", &"x".repeat(5000))] {
        home.command(["vol", "write", "-", path, "-m", "noted"]).input(text).run().good();
    }
    home.run(["vol", "rm", "user/b"]).good();

    let stats = settled(&home);
    let objects = home.run(["--json", "objects", "-n", "1000"]).json();
    let objects = array(&objects);
    assert_eq!(stats["events"], objects.len());
    assert_eq!((&stats["files"], &stats["conversations"]), (&2.into(), &1.into()));
    // Kind by kind, and table by table, the sums are those of the single events.
    for kind in array(&stats["kinds"]) {
        let name = kind["name"].as_str().unwrap();
        let listed = home.run(["--json", "objects", "-n", "1000", "--kind", &name.to_lowercase()]).json();
        let sum = |field: &str| array(&listed).iter().map(|object| object[field].as_u64().unwrap()).sum::<u64>();
        assert_eq!(kind["events"], array(&listed).len(), "{name}");
        assert_eq!((kind["plain"].as_u64(), kind["sealed"].as_u64()), (Some(sum("plain")), Some(sum("sealed"))), "{name}");
        assert!(array(&listed).iter().all(|object| object["kind_name"] == name && object["signed"] == true));
    }
    let file = array(&stats["kinds"]).iter().find(|kind| kind["name"] == "File").unwrap();
    assert_eq!(file["events"], 4);
    assert!(file["sealed"].as_u64() < file["plain"].as_u64(), "five thousand x are compressed: {file}");
    let rows = |table: &str| array(&stats["tables"]).iter().find(|size| size["name"] == table).unwrap()["rows"].clone();
    assert_eq!((rows("event"), rows("body"), rows("unsigned")), (stats["events"].clone(), stats["events"].clone(), 0.into()));
    let used: u64 = array(&stats["tables"]).iter().map(|size| size["bytes"].as_u64().unwrap()).sum();
    assert_eq!(stats["used"], used);

    // The files themselves.
    let space = home.space();
    assert_eq!(stats["database"], fs::metadata(space.join("data.mdb")).unwrap().len());
    assert_eq!(stats["directory"], files::below(&space).iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>());
    assert!(used <= stats["database"].as_u64().unwrap() && stats["database"].as_u64() < stats["reserved"].as_u64());
    assert!(stats["disk_free"].as_u64().unwrap() <= stats["disk"].as_u64().unwrap() && stats["disk_free"].as_u64() > Some(0));

    // Heads: one device, whose events are all there are.
    let heads = home.run(["--json", "objects", "--heads"]).json();
    assert_eq!(array(&heads).len(), 1);
    assert_eq!(heads[0]["sequence"], objects.len());
    assert_eq!(heads[0]["id"], objects[0]["id"], "the newest comes first");
    assert_eq!(heads[0]["author"], objects[0]["author"]);

    // One by one: the chain of the author goes back to the first.
    let mut id = objects[0]["id"].as_str().unwrap().to_owned();
    for object in objects {
        let shown = home.run(["--json", "objects", &id[..12]]).json();
        assert_eq!((&shown["id"], &shown["sequence"]), (&object["id"], &object["sequence"]));
        assert_eq!(shown["signature"].as_str().unwrap().len(), 128);
        id = shown["previous"].as_str().unwrap().to_owned();
    }
    assert_eq!(id, "0".repeat(64));

    // What is about a conversation, found by its id.
    let about = home.run(["--json", "objects", &conversation[..12]]).json();
    assert!(array(&about).len() >= 3 && array(&about).iter().all(|object| object["entity"] == conversation.as_str()));
    let message = array(&about).iter().find(|object| object["kind_name"] == "Message").unwrap();
    let shown = home.run(["objects", message["id"].as_str().unwrap()]).good();
    assert!(shown.contains("signature") && shown.contains("text: "), "{shown}");
    assert!(home.run(["stats"]).good().contains("FileRemoved"));
}

#[test]
fn what_is_not_there_is_said() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    home.command(["vol", "write", "-", "user/a"]).input("1").run().good();
    assert!(home.run(["objects", "zz"]).bad(3).contains("hexadecimal"));
    assert!(home.run(["objects", &"0".repeat(70)]).bad(3).contains("hexadecimal"));
    assert!(home.run(["objects", &"0".repeat(64)]).bad(3).contains("no event"));
    assert!(home.run(["objects", "--kind", "nonsense"]).bad(3).contains("nonsense"));
    assert_eq!(home.run(["--json", "objects", "--kind", "999"]).json(), Value::Array(Vec::new()));
    home.run(["objects", "--heads", "--kind", "file"]).bad(2);
}

/// Ids and kinds at the other ends, sorted.
fn ends(listed: &Value) -> Vec<(String, String)> {
    let end = |of: &Value| (of["kind"].as_str().unwrap().to_owned(), of["id"].as_str().unwrap().to_owned());
    let mut ends: Vec<_> = array(listed).iter().map(end).collect();
    ends.sort();
    ends
}

fn references(home: &Home, id: &str) -> Value {
    home.run(["--json", "objects", id, "--references"]).json()
}

fn ids_of(home: &Home, kind: &str) -> Vec<String> {
    let listed = home.run(["--json", "objects", "-n", "1000", "--kind", kind]).json();
    array(&listed).iter().filter(|object| object["erased"] == false).map(|of| of["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_refers_to_what_is_shown_in_both_directions_and_goes_with_an_erasure() {
    let home = Home::new();
    let _serve = up(&home);
    let server = ScriptedHttp::start((0..10).map(|_| answer("Seen.")).collect());
    let ask = |words: &[&str]| {
        let words = [&["ask", "-m", "scripted"], words].concat();
        home.command(words).env("OPENAI_BASE_URL", &server.openai()).run().good();
    };
    let herons = home.path("herons.csv");
    fs::write(&herons, "lake,herons\neast,3\n").unwrap();
    ask(&["Count the herons", "-f", herons.to_str().unwrap()]);
    for number in 2..=10 {
        ask(&["--continue", &format!("Draw the map of region {number}")]);
    }
    assert_eq!(home.run(["--json", "memory", "run"]).json()["made"], 1);
    let conversation = home.run(["--json", "history"]).json()[0]["id"].as_str().unwrap().to_owned();

    // An attachment, from the message that has it and back.
    let [attachment] = &ids_of(&home, "attachment")[..] else { panic!("one attachment") };
    let of = references(&home, attachment);
    assert_eq!((&of["of"]["kind"], &of["of"]["title"]), (&json!("Attachment"), &json!("herons.csv")), "{of:#}");
    let back = &of["referred_to_by"];
    assert_eq!((array(back).len(), &back[0]["kind"], &back[0]["entity"]), (1, &json!("Message"), &json!(conversation)), "{of:#}");
    assert!(back[0]["title"].as_str().unwrap().starts_with("Count the herons"), "{of:#}");
    assert_eq!(back[0]["by"], back[0]["id"], "the message itself says so");
    let message = back[0]["id"].as_str().unwrap();
    let of = references(&home, message);
    assert_eq!(ends(&of["refers_to"]), [("Attachment".to_owned(), attachment.clone())]);
    assert_eq!(of["refers_to"][0]["title"], "herons.csv");

    // An entry of the memory: its conversation and its ten traces, and from each of them back.
    let [entry] = &ids_of(&home, "experience")[..] else { panic!("one entry") };
    let of = references(&home, entry);
    let mut expected: Vec<_> = ids_of(&home, "trace").into_iter().map(|id| ("Trace".to_owned(), id)).collect();
    assert_eq!(expected.len(), 10);
    let trace = expected[0].1.clone();
    expected.push(("Conversation".to_owned(), conversation.clone()));
    expected.sort();
    assert_eq!(ends(&of["refers_to"]), expected);
    assert_eq!(of["of"]["title"], "Count the herons");
    assert!(ends(&references(&home, &trace)["referred_to_by"]).contains(&("Experience".to_owned(), entry.clone())));
    let of = references(&home, &conversation);
    assert_eq!(of["of"]["kind"], "Conversation");
    assert_eq!(ends(&of["referred_to_by"]), [("Experience".to_owned(), entry.clone())]);
    assert_eq!(ends(&of["refers_to"]), [("Attachment".to_owned(), attachment.clone())]);

    // The same beneath what is shown, for people.
    let shown = home.run(["objects", message]).good();
    assert!(shown.contains("refers to:") && shown.contains("herons.csv") && !shown.contains("referred to by:"), "{shown}");
    let shown = home.run(["objects", &conversation]).good();
    assert!(shown.contains("refers to:") && shown.contains("referred to by:") && shown.contains("Experience"), "{shown}");
    let shown = home.run(["--json", "objects", entry]).json();
    assert_eq!((array(&shown["refers_to"]).len(), &shown["more_refers_to"]), (11, &json!(false)));

    // Erased, it refers to nothing and nothing of it is referred to; what is left is the erasure, which says what it erased.
    home.run(["erase", "--yes", &conversation]).good();
    let of = references(&home, &conversation);
    assert_eq!((&of["of"]["presence"], ends(&of["refers_to"])), (&json!("erased"), vec![]), "{of:#}");
    assert_eq!(ends(&of["referred_to_by"]).iter().map(|(kind, _)| &kind[..]).collect::<Vec<_>>(), ["Erase"], "{of:#}");
    for id in [message, attachment, entry, &trace] {
        let of = references(&home, id);
        assert_eq!(
            (&of["of"]["presence"], &of["of"]["title"], ends(&of["refers_to"])),
            (&json!("erased"), &json!(""), vec![]),
            "{of:#}"
        );
        assert!(ends(&of["referred_to_by"]).iter().all(|(kind, _)| kind == "Erase"), "{of:#}");
    }
    // From the erasure too, what is gone is said to be gone.
    let erasure = &ids_of(&home, "erase")[0];
    let of = references(&home, erasure);
    assert!(
        !array(&of["refers_to"]).is_empty() && array(&of["refers_to"]).iter().all(|end| end["presence"] == "erased"),
        "{of:#}"
    );
    let text = home.run(["objects", erasure, "--references"]).good();
    assert!(text.contains("refers to:") && text.contains("(erased)"), "{text}");
    assert_eq!(home.run(["--json", "verify"]).json()["damaged"], json!([]));
}

#[test]
fn versions_refer_to_those_they_came_from() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let vol = |words: &[&str], text: &str| home.command([&["vol"], words].concat()).input(text).run().good();
    vol(&["write", "-", "user/a"], "1");
    vol(&["branch", "user@draft"], "");
    vol(&["write", "-", "user@draft/a"], "2");
    let versions = ids_of(&home, "file");
    let [draft, base] = &versions[..] else { panic!("two versions: {versions:?}") };
    let of = references(&home, draft);
    assert_eq!(ends(&of["refers_to"]), [("File".to_owned(), base.clone())], "{of:#}");
    assert_eq!(ends(&references(&home, base)["referred_to_by"]), [("File".to_owned(), draft.clone())]);
    assert!(home.run(["objects", base, "--references"]).good().contains("referred to by:"));
    // Of more than a hundred the first are shown, and all are listed.
    for number in 0..100 {
        vol(&["write", "-", "user@draft/a"], &format!("again {number}"));
    }
    assert_eq!(array(&references(&home, base)["referred_to_by"]).len(), 101);
    let shown = home.run(["--json", "objects", base]).json();
    assert_eq!((array(&shown["referred_to_by"]).len(), &shown["more_referred_to_by"]), (100, &json!(true)));
    assert!(home.run(["objects", base]).good().contains("and more: `lamos objects"));
    let listed = home.run(["objects", base, "--references"]).good();
    assert_eq!(listed.lines().filter(|line| line.contains(" File ")).count(), 101, "{listed}");
    home.run(["objects", "--references"]).bad(2);
    assert!(home.run(["objects", "ffff", "--references"]).bad(3).contains("no event"));
}
