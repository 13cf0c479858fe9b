//! The inspector: what it says of the archive is what is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use integration_tests::{files, home::Home, serve::Serve};
use serde_json::Value;

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
