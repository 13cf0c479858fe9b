//! What was kept is found by its words: after restarts, kills and damage to the index, and nothing of it lies open.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    files,
    home::Home,
    scripted_http::{ScriptedHttp, answer},
    serve::Serve,
    small_disk::on_small_disk,
    wire::{Attached, on_wire},
};
use ipc::{
    endpoint::Options,
    messages::{
        common::Chunk,
        storage::{Reindex, WriteFile},
    },
};
use serde_json::Value;

/// How long anything is waited for before the test gives up.
const GIVE_UP: Duration = Duration::from_secs(120);

/// What is found when everything was looked through.
fn find(home: &Home, words: &[&str]) -> Vec<Value> {
    let until = Instant::now() + GIVE_UP;
    loop {
        let found = home.run([&["--json", "search"], words].concat()).json();
        if found["complete"] == true {
            return found["hits"].as_array().unwrap().clone();
        }
        assert!(Instant::now() < until, "it never was complete: {found:#}");
    }
}

/// The text of the hits, with what was found in brackets.
fn shown(hits: &[Value]) -> Vec<String> {
    let one = |hit: &Value| {
        let (line, mut text, mut at) = (hit["snippet"].as_str().unwrap(), String::new(), 0);
        for mark in hit["marks"].as_array().unwrap() {
            let [from, to] = [0, 1].map(|end| mark[end].as_u64().unwrap() as usize);
            text.push_str(&format!("{}[{}]", &line[at..from], &line[from..to]));
            at = to;
        }
        text + &line[at..]
    };
    hits.iter().map(one).collect()
}

fn ask(home: &Home, question: &str, said: &str) {
    let server = ScriptedHttp::start(vec![answer(said)]);
    home.command(["ask", "-m", "scripted", question]).env("OPENAI_BASE_URL", &server.openai()).run().good();
}

/// The files of the index.
fn index(home: &Home) -> Vec<PathBuf> {
    let mut files = files::below(&home.data());
    files.retain(|path| path.parent().is_some_and(|parent| parent.ends_with("search")));
    files
}

async fn write(attached: &Attached, path: &str, text: &str) {
    let request = WriteFile::new(path.to_owned(), text.len() as u64);
    let stream = attached.client.open(&request, Options::default()).unwrap();
    for chunk in text.as_bytes().chunks(Chunk::SIZE) {
        assert!(stream.send(&Chunk(chunk.to_vec())).await.unwrap());
    }
    stream.end();
    stream.answer().await.unwrap();
}

#[test]
fn i_find_what_was_said_and_open_it() {
    let home = Home::new();
    ask(&home, "Where does the Glockenspiel stand?", "It stands beside the marimba in 東京都, as the Überseebrücke does not.");
    ask(&home, "And the harp?", "In the attic. 한국어 책은 책상 위에.");
    home.run(["ask", "5 miles in km"]).good();
    let hits = find(&home, &["marimba"]);
    assert_eq!(shown(&hits), ["It stands beside the [marimba] in 東京都, as the Überseebrücke does not."]);
    assert_eq!((&hits[0]["kind"], &hits[0]["author"]), (&"message".into(), &"assistant".into()));
    for (words, count) in [
        (&["京"] as &[&str], 1),
        (&["東京"], 1),
        (&["京都"], 1),
        (&["都東"], 0),
        (&["책"], 1),
        (&["국어"], 1),
        (&["uberseebrucke"], 1),
        (&["\"beside the marimba\""], 1),
        (&["\"marimba the beside\""], 0),
        (&["marim*"], 1),
        (&["\"beside the mar*\""], 1),
        (&["\"beside the mar\"*"], 1),
        (&["stand*", "--author", "assistant"], 1),
        (&["glockenspiel", "--author", "me"], 1),
        (&["glockenspiel", "--kind", "title"], 1),
        (&["marimba", "--after", "2020-01-01"], 1),
        (&["marimba", "--before", "2020-01-01"], 0),
        (&["the -marimba", "--author", "assistant"], 1),
    ] {
        assert_eq!(find(&home, words).len(), count, "{words:?}");
    }
    let conversation = hits[0]["conversation"].as_str().unwrap();
    assert_eq!(find(&home, &["the", "--in", &conversation[..8], "--author", "assistant"]).len(), 1);
    let text = home.run(["search", "marimba"]).good();
    let id = text.split_whitespace().skip_while(|word| *word != "history").nth(1).unwrap();
    assert!(text.contains("beside the marimba") && !text.contains('\u{1b}'), "{text:?}");
    assert!(home.run(["history", id]).good().contains("Überseebrücke"));
    // The line that is printed opens the conversation there.
    let at = text.split_whitespace().skip_while(|word| *word != "--at").nth(1).unwrap();
    let around = home.run(["history", id, "--at", at]).good();
    assert!(around.contains("\n>>> [") && around.contains("message 2 of 2"), "{around}");
    assert!(around.split(">>> [").nth(1).unwrap().contains("beside the marimba"), "{around}");
    let around = home.run(["--json", "history", id, "--at", at]).json();
    assert_eq!((&around["at"], &around["before"]), (&hits[0]["message"], &1.into()));
    assert!(home.run(["history", id, "--at", "nothing"]).bad(3).contains("no message"));
    home.run(["history", "--at", at]).bad(2);
    let nothing = home.run(["search", "nowhere"]);
    assert!(nothing.err.contains("Nothing was found"), "{nothing:?}");
    for bad in [
        &["search"] as &[&str],
        &["search", "x", "--kind", "cat"],
        &["search", "x", "--before", "yesterday"],
        &["search", "x", "--limit", "0"],
        &["memory", "query", ""],
        &["memory", "query", &"x".repeat(20_000)],
    ] {
        home.run(bad.iter().copied()).bad(2);
    }
    for bad in ["", "\"", "\"never ends", "!!!", "-loan", "kind:xyz", "x kind:cat", &"x".repeat(2000), &"x".repeat(5000)] {
        let outcome = home.run(["search", "--", bad]);
        assert!(outcome.out.is_empty(), "{outcome:?}");
        assert!(outcome.bad(2).contains("a "), "{bad}");
    }
    // What belongs to one turn is one hit, and what is not there is not promised.
    let first = home.run(["search", "-n", "1", "marimba"]);
    assert!(!first.err.contains("There is more") && first.out.contains("beside the marimba"), "{first:?}");
    home.assert_empty();
}

#[test]
fn a_long_file_is_found_by_what_stands_in_its_first_part() {
    let home = Home::new();
    let serve = Serve::start(&home);
    // A character lies across the end of what is looked through.
    let part = 4 << 20;
    let mut text = "saxophone at the beginning\n".to_owned();
    text.push_str(&"xyzzy plugh ".repeat((part - 40 - text.len()) / 12));
    text.push_str(&" ".repeat(part - 20 - text.len()));
    text.push_str(" bassoon 東京東京東京");
    assert!(text.len() > part && !text.is_char_boundary(part));
    text.push_str(" contrabassoon");
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        write(&attached, "user/long.txt", &text).await;
        write(&attached, "user/long.bin", &text.replace("xyzzy", "x\0zzy")).await;
    });
    for (word, count) in [("saxophone", 1), ("bassoon", 1), ("contrabassoon", 0), ("long.bin", 1)] {
        assert_eq!(find(&home, &[word]).len(), count, "{word}");
    }
    drop(serve);
}

#[test]
fn a_full_disk_leaves_the_index_that_is_there() {
    let home = Home::new();
    let script = r#"
        $lamos ask '5 miles in km' || exit 1
        for round in $(seq 1 100); do
            $lamos --json search miles | grep -q '"complete": *true' && break
            sleep 0.1
        done
        dd if=/dev/zero of=$LAMOS_DATA_DIR/filler bs=1k >/dev/null 2>&1
        $lamos reindex; echo "ended with $?"
        $lamos --json search miles || exit 2
        rm $LAMOS_DATA_DIR/filler
        $lamos reindex || exit 3
        $lamos --json search miles || exit 4
    "#;
    let Some((code, text)) = on_small_disk(&home, 6 << 10, script) else { return };
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("ended with 9") && text.contains("the disk has no room"), "{text}");
    assert!(text.matches("5 miles in km").count() >= 3, "it was found before it could be made again, and after: {text}");
    home.assert_empty();
}

#[test]
fn whatever_happens_to_the_index_is_mended() {
    let home = Home::new();
    ask(&home, "Where does the Glockenspiel stand?", "Beside the marimba in 東京都.");
    assert_eq!(find(&home, &["marimba"]).len(), 1);
    home.assert_empty();
    let files = index(&home);
    assert!(files.len() > 3, "{files:?}");
    for number in 0..files.len() {
        // Another name for each file in each index, so it is the file in this place of the list.
        let files = index(&home);
        let Some(path) = files.get(number) else { break };
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
        assert_eq!(find(&home, &["marimba"]).len(), 1, "bit flipped in file {number}");
        assert_eq!(find(&home, &["京都"]).len(), 1, "bit flipped in file {number}");
        home.assert_empty();
    }
    for path in index(&home) {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(find(&home, &["marimba"]).len(), 1, "all files removed");
    let made = home.run(["--json", "reindex"]).json();
    assert!(made["searched"].as_u64().unwrap() > 0 && made["bytes"].as_u64().unwrap() > 0, "{made}");
    assert_eq!(find(&home, &["marimba"]).len(), 1, "made again by hand");
    home.assert_empty();
}

/// The archive dies in the middle of making its index, while others write.
#[test]
fn a_kill_in_the_middle_costs_nothing_and_no_write_is_refused() {
    const FILES: usize = 150;
    // So the kill comes early, later, and perhaps when it is done.
    const WRITES: [usize; 3] = [3, 12, 30];
    let home = Home::new();
    let serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        let words: String = (0..3000).map(|number| format!("word{} 東京都{number} ", number % 900)).collect();
        for number in 0..FILES {
            write(&attached, &format!("user/file{number}.md"), &format!("marimba number{number}\n{words}")).await;
        }
    });
    for round in 0..WRITES.len() {
        on_wire(async {
            let attached = Attached::to(&home);
            attached.demo().await;
            let client = &attached.client;
            let making = async { client.call(&Reindex).await };
            let writing = async {
                // Each of them is acknowledged, however busy the index is.
                for number in 0..WRITES[round] {
                    write(&attached, &format!("user/meanwhile{round}-{number}.md"), "xylophone").await;
                }
                serve.process("storage").signal(libc::SIGKILL);
            };
            let (made, ()) = tokio::join!(making, writing);
            // It may have been done before the kill.
            println!("round {round}: {made:?}");
        });
        let until = Instant::now() + GIVE_UP;
        while home.run(["history"]).code != 0 {
            assert!(Instant::now() < until, "the archive does not come back");
            thread::sleep(Duration::from_millis(50));
        }
        let limit = (FILES + 1).to_string();
        assert_eq!(find(&home, &["marimba", "--kind", "file", "--limit", &limit]).len(), FILES);
        assert_eq!(find(&home, &["xylophone", "--limit", &limit]).len(), WRITES[..=round].iter().sum::<usize>());
        assert_eq!(find(&home, &["number77"]).len(), 1);
    }
    let status = serve.status();
    let memory = status["processes"].as_array().unwrap().iter().find(|process| process["role"] == "storage").unwrap();
    println!("storage after it: {memory}");
}

#[test]
fn neither_what_was_said_nor_what_was_looked_for_lies_open() {
    let home = Home::new();
    let serve = Serve::of(&home, home.command(["--log", "trace", "serve"]));
    ask(&home, "Where is the canarybird?", "The nightingale sings in 東京都.");
    for (words, count) in
        [(&["nightingale"] as &[&str], 1), (&["東京"], 1), (&["sparrowhawk"], 0), (&["\"canarybird sings\""], 0)]
    {
        assert_eq!(find(&home, words).len(), count);
    }
    home.run(["search", "\"kingfisher"]);
    home.run(["reindex"]).good();
    drop(serve);
    home.assert_empty_but_for_the_socket();
    let files = files::read_below(&home.data());
    for (path, bytes) in &files {
        let bytes = bytes.to_ascii_lowercase();
        for canary in ["canarybird", "nightingale", "sparrowhawk", "kingfisher", "東京", "meta.json"] {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} lies open in {path:?}");
        }
    }
    assert!(files.len() > 8, "{} files", files.len());
}
