//! Files of volumes when there are many, when many write at once, and when the archive is killed while it writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::BTreeSet,
    fs, thread,
    time::{Duration, Instant},
};

use integration_tests::{
    files,
    home::{Home, finish},
    serve::Serve,
    volumes::there,
    wire::{Attached, on_wire},
};
use ipc::{
    Code, Refusal,
    endpoint::Options,
    messages::storage::{CommitFiles, CommitPiece, Committed, ListVersions},
};

/// Makes this many small files.
fn folder(home: &Home, name: &str, count: usize) -> String {
    let folder = home.path(name);
    for number in 0..count {
        let inside = folder.join(format!("{:02}", number % 50));
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join(format!("{number}.txt")), format!("the content of {number}")).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

#[test]
fn ten_thousand_files_are_one_step() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let source = folder(&home, "many", 12_000);
    let long = |words: &[&str]| home.command(words.iter().copied()).within(Duration::from_secs(600)).run();
    assert_eq!(long(&["--json", "vol", "write", &source, "user/many", "-m", "all"]).json()["written"], 12_000);
    let listed = long(&["--json", "vol", "glob", "user/many/**"]).json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(names.len() == 12_000 && names.is_sorted(), "{}", names.len());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 12_000);
    assert_eq!(home.run(["--json", "vol", "ls", "user/many"]).json().as_array().unwrap().len(), 50);
    assert_eq!(home.run(["--json", "vol", "ls", "user/many/07"]).json().as_array().unwrap().len(), 240);
    assert_eq!(long(&["--json", "vol", "glob", "**/1199?.txt"]).json().as_array().unwrap().len(), 10);
    assert_eq!(home.run(["vol", "cat", "user/many/49/11999.txt"]).good(), "the content of 11999");
    assert_eq!(home.run(["--json", "stats"]).json()["files"], 12_000);
    // A new supervisor reads the names anew.
    home.run(["stop"]).good();
    assert_eq!(long(&["--json", "vol", "glob", "user/many/**"]).json().as_array().unwrap().len(), 12_000);
    assert_eq!(long(&["--json", "vol", "rm", "-r", "user/many"]).json()["removed"], 12_000);
    assert_eq!(home.run(["--json", "vol", "glob", "user/**"]).json().as_array().unwrap().len(), 0);
    assert_eq!(home.run(["--json", "vol", "log", "user/many/49/11999.txt"]).json().as_array().unwrap().len(), 2);
}

const BATCH: usize = 1500;

/// Sends a batch; the archive is killed after so many pieces, or a moment after the last one.
async fn commit(attached: &Attached, id: [u8; 16], round: usize, kill: &dyn Fn(usize)) -> Result<Committed, Refusal> {
    let stream = attached.client.open(&CommitFiles { id, message: "a batch".into() }, Options::default())?;
    for number in 0..BATCH {
        let text = format!("round {round} file {number}").repeat(40);
        let piece = CommitPiece::Write { path: format!("user/batch/{round}/{number}"), length: text.len() as u64 };
        if !stream.send(&piece).await? || !stream.send(&CommitPiece::Bytes(text.into_bytes())).await? {
            break;
        }
        kill(number);
    }
    stream.end();
    kill(BATCH);
    stream.answer().await
}

/// Kills the archive at each of these moments of a batch: after so many pieces, and so many milliseconds later. How many of
/// the batches were not there at all, and how many were there whole.
fn kill_at(moments: &[(usize, u64)]) -> [usize; 2] {
    let home = Home::new();
    let serve = Serve::start(&home);
    let mut outcomes = [0, 0];
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        for (round, &(at, wait)) in moments.iter().enumerate() {
            let id = [u8::try_from(round).unwrap() + 1; 16];
            there(&attached, &format!("user/batch/{round}/")).await;
            let victim = serve.process("storage");
            let kill = |piece: usize| {
                if piece == at && wait == 0 {
                    victim.signal(libc::SIGKILL);
                } else if piece == at {
                    let victim = victim.clone();
                    // The moment is a part of what is tried; nothing waits for it.
                    thread::spawn(move || {
                        thread::sleep(Duration::from_millis(wait));
                        victim.signal(libc::SIGKILL);
                    });
                }
            };
            let answer = commit(&attached, id, round, &kill).await;
            // However late it comes, the process that had it is gone before what it left is looked at.
            let until = Instant::now() + Duration::from_secs(30);
            while home.processes().iter().any(|process| process.pid == victim.pid) {
                assert!(Instant::now() < until, "it does not die");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let found = there(&attached, &format!("user/batch/{round}/")).await.len();
            assert!(found == 0 || found == BATCH, "{at}+{wait}: {found} of {BATCH}");
            match &answer {
                Ok(_) => assert_eq!(found, BATCH, "{at}+{wait}: it was answered"),
                Err(refusal) => assert_eq!(refusal.code, Code::PeerDied, "{at}+{wait}: {refusal}"),
            }
            outcomes[usize::from(found == BATCH)] += 1;
            // The same once more: it is made once.
            let again = commit(&attached, id, round, &|_| {}).await.expect("the archive is back");
            assert_eq!((again.written, again.unchanged), (u32::try_from(BATCH).unwrap(), 0), "{at}+{wait}");
            assert_eq!(there(&attached, &format!("user/batch/{round}/")).await.len(), BATCH);
            let path = format!("user/batch/{round}/{}", BATCH / 3);
            let versions = attached.client.call(&ListVersions { path, before: None, limit: 9 }).await.unwrap();
            assert_eq!(versions.items.len(), 1, "{at}+{wait}");
        }
        // The same id for something else is not the same.
        let request = CommitFiles { id: [1; 16], message: "a batch".into() };
        let stream = attached.client.open(&request, Options::default()).unwrap();
        stream.send(&CommitPiece::Write { path: "user/batch/0/0".into(), length: 0 }).await.unwrap();
        stream.end();
        assert_eq!(stream.answer().await.unwrap_err().code, Code::Conflict);
    });
    outcomes
}

#[test]
fn a_batch_that_is_killed_while_it_is_sent_is_not_there_and_repeating_it_makes_it_once() {
    assert_eq!(kill_at(&[(0, 0), (BATCH / 2, 0), (BATCH - 1, 0)]), [3, 0]);
}

/// While it is compared, written, synced and answered; more than five ends in half a minute are not restarted, so each few
/// have a supervisor of their own.
#[test]
fn a_batch_that_is_killed_while_it_is_kept_is_there_whole_or_not_at_all() {
    let waits = [1, 20, 40, 60, 80, 100, 130, 160, 200, 300, 500, 800];
    let mut outcomes = [0, 0];
    for waits in waits.chunks(3) {
        let moments: Vec<(usize, u64)> = waits.iter().map(|wait| (BATCH, *wait)).collect();
        let [none, whole] = kill_at(&moments);
        outcomes = [outcomes[0] + none, outcomes[1] + whole];
    }
    println!("not there, there whole: {outcomes:?}");
}

#[test]
fn a_command_does_not_notice_that_the_archive_died() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let source = folder(&home, "some", 3000);
    home.run(["vol", "ls"]).good();
    for round in 0..3 {
        let victim = serve.process("storage");
        let child = home.command(["--json", "vol", "write", &source, &format!("user/{round}")]).start();
        thread::sleep(Duration::from_millis(40 + 120 * round));
        victim.signal(libc::SIGKILL);
        let written = finish(child, Duration::from_secs(300), "vol write").json();
        assert_eq!(written["written"], 3000, "{written}");
        let listed = home.run(["--json", "vol", "glob", &format!("user/{round}/**")]).json();
        assert_eq!(listed.as_array().unwrap().len(), 3000);
        let log = home.run(["--json", "vol", "log", &format!("user/{round}/07/7.txt")]).json();
        assert_eq!(log.as_array().unwrap().len(), 1);
    }
}

#[test]
fn many_write_at_once_and_no_version_is_lost() {
    const WRITERS: usize = 6;
    const EACH: usize = 8;
    let home = Home::new();
    let _serve = Serve::start(&home);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let home = home.clone();
            thread::spawn(move || {
                for number in 0..EACH {
                    let text = format!("{writer}-{number}");
                    home.command(["vol", "write", "-", "user/shared"]).input(&text).run().good();
                    home.command(["vol", "write", "-", &format!("user/own/{writer}/{number}")]).input(&text).run().good();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let log = home.run(["--json", "vol", "log", "user/shared", "-n", "1000"]).json();
    let versions = log.as_array().unwrap();
    assert_eq!(versions.len(), WRITERS * EACH);
    let contents: BTreeSet<String> = versions
        .iter()
        .map(|version| home.run(["vol", "cat", "user/shared", "--version", version["version"].as_str().unwrap()]).good())
        .collect();
    let expected: BTreeSet<String> = (0..WRITERS).flat_map(|one| (0..EACH).map(move |two| format!("{one}-{two}"))).collect();
    assert_eq!(contents, expected);
    let newest = home.run(["vol", "cat", "user/shared", "--version", "~0"]).good();
    assert_eq!(home.run(["vol", "cat", "user/shared"]).good(), newest);
    assert_eq!(home.run(["--json", "vol", "glob", "user/own/**"]).json().as_array().unwrap().len(), WRITERS * EACH);
}

#[test]
fn no_name_content_message_or_pattern_lies_on_disk() {
    let home = Home::new();
    let serve = Serve::of(&home, home.command(["--log", "trace", "serve"]));
    let canaries = ["quagmirefile", "xylophonewords", "zephyrnote", "kumquatteam", "walruspattern", "obsidianbranch"];
    let [name, content, note, team, pattern, branch] = canaries;
    let text = format!("{content} ").repeat(200);
    for volume in ["user".to_owned(), format!("team/{team}"), format!("project/{team}")] {
        let path = format!("{volume}/{name}/{name}.md");
        home.command(["vol", "write", "-", &path, "-m", note]).input(&text).run().good();
        home.command(["vol", "write", "-", &path, "-m", note]).input(content).run().good();
        home.run(["vol", "diff", &path]).good();
        home.run(["vol", "rollback", &path, "~1", "-m", note]).good();
        home.run(["vol", "mv", &path, &format!("{path}.{name}"), "-m", note]).good();
    }
    for volume in ["user".to_owned(), format!("team/{team}")] {
        let (side, path) = (format!("{volume}@{branch}"), format!("{name}/{name}.md"));
        home.command(["vol", "write", "-", &format!("{volume}/{path}"), "-m", note]).input(&text).run().good();
        home.run(["vol", "branch", &side]).good();
        home.command(["vol", "write", "-", &format!("{side}/{path}"), "-m", note]).input(content).run().good();
        home.run(["vol", "branch"]).good();
        home.run(["vol", "merge", &side, "-m", note]).good();
        home.command(["vol", "write", "-", &format!("{side}/{path}")]).input(&text).run().good();
        home.run(["vol", "branch", "-d", &side]).bad(3);
        home.run(["vol", "branch", "-d", &side, "--force"]).good();
    }
    home.run(["vol", "glob", &format!("user/*{pattern}*")]).good();
    home.run(["vol", "cat", &format!("user/{pattern}")]).bad(3);
    home.run(["vol", "cat", &format!("{pattern}/{name}"), "--team", team]).bad(3);
    home.run(["vol", "write", "-", &format!("system/{name}")]).bad(3);
    home.run(["objects", "-n", "100"]).good();
    home.run(["stats"]).good();
    home.run(["stop"]).good();
    drop(serve);
    let files = files::read_below(&home.data());
    assert!(files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 16_384, "something was written");
    for canary in canaries {
        for (file, bytes) in &files {
            let found = bytes.windows(canary.len()).any(|window| window.eq_ignore_ascii_case(canary.as_bytes()));
            assert!(!found && !file.to_string_lossy().contains(canary), "{canary:?} lies open in {}", file.display());
        }
    }
}
