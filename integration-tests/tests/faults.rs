//! What the machine does to a process besides killing it: it stops, it finds no descriptor, no memory, no room on the
//! disk. Whoever asked is answered once, the others go on, and what was hurt comes back. Kills are in `kills.rs` and
//! `rounds.rs`, a supervisor that is stopped is in `bad_input.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    asking::{Asking, SEEN, long_answer},
    home::{Home, finish},
    serve::Serve,
    small_disk::on_small_disk,
    tap::{PATIENCE, Tapped, all_answer, each_answered_once, echo},
    wire::{control, on_wire},
};
use ipc::{
    Client, Code,
    endpoint::{Options, StreamCall},
    messages::{
        code::{Ending, Entry, Run, RunLimits},
        common::{Chunk, Source},
        crypto::Unlock,
        storage::{Follow, ReadFile, WriteFile},
    },
    role::{Role, source},
    secret::Secret,
};
use rustix::process::Resource;

/// Stops these roles, sees that those still answer, and waits for the watchdog.
fn stop_and_watch(stopped: &[Role], going: &[Role]) {
    let home = Home::new();
    let serve = Serve::start(&home);
    on_wire(async {
        let tapped = Tapped::to(&home);
        let (attached, all) = (&tapped.attached, [Role::Storage, Role::Crypto, Role::Llm, Role::Code]);
        attached.demo().await;
        all_answer(attached, &all).await;
        let before: Vec<_> = stopped.iter().map(|role| serve.process(role.name())).collect();
        before.iter().for_each(|process| process.signal(libc::SIGSTOP));
        // Who asks one that stands still hears that it ended, or that it took too long.
        let calls: Vec<_> = stopped
            .iter()
            .map(|role| {
                let (client, role) = (attached.client.clone(), *role);
                tokio::task::spawn_local(async move { echo(&client, role, 10).await })
            })
            .collect();
        let until = Instant::now() + PATIENCE;
        while before.iter().any(|old| home.processes().iter().any(|process| process.pid == old.pid)) {
            assert!(Instant::now() < until, "the watchdog does not end them: {:#}", serve.status());
            for role in going {
                echo(&attached.client, *role, 1000).await.unwrap_or_else(|refusal| panic!("{role:?} goes on: {refusal}"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for call in calls {
            let refusal = call.await.unwrap().unwrap_err();
            assert!(matches!(refusal.code, Code::PeerDied | Code::DeadlineExceeded), "{refusal}");
        }
        all_answer(attached, &all).await;
        each_answered_once(&tapped);
    });
    let status = serve.status();
    for role in stopped {
        let ends = serve.of_role(role.name());
        let said = |end: &serde_json::Value| end["last_end"].as_str().is_some_and(|why| why.contains("signal 9"));
        assert!(ends.iter().any(said), "{status:#}");
    }
    assert_eq!(status["degraded"].as_array().unwrap().len(), 0, "{status:#}");
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    drop(serve);
    home.assert_empty();
}

#[test]
fn a_role_that_stands_still_is_ended_and_comes_back_and_the_others_go_on() {
    let one = thread::spawn(|| stop_and_watch(&[Role::Storage, Role::Llm], &[Role::Crypto, Role::Code]));
    let other = thread::spawn(|| stop_and_watch(&[Role::Crypto, Role::Code], &[Role::Llm]));
    one.join().unwrap();
    other.join().unwrap();
}

#[test]
fn an_agent_that_stands_still_is_ended_and_its_person_told() {
    let (home, server) = (Home::new(), long_answer());
    let serve = Serve::start(&home);
    let asking = Asking::begin(&home, &server, SEEN);
    serve.process("agent").signal(libc::SIGSTOP);
    let (shown, outcome) = asking.end();
    assert!(outcome.code != 0 && outcome.err.contains("lamos history"), "{outcome:?}");
    integration_tests::asking::assert_kept(&home, &shown, "interrupted");
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    drop(serve);
    home.assert_empty();
}

#[test]
fn without_descriptors_the_supervisor_goes_on_says_so_and_recovers() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let supervisor = serve.process("supervisor");
    on_wire(async {
        let tapped = Tapped::to(&home);
        let attached = &tapped.attached;
        attached.demo().await;
        all_answer(attached, &[Role::Storage, Role::Crypto, Role::Llm, Role::Code]).await;
        // What is open stays open; there is no other to be had.
        let before = supervisor.limit(Resource::Nofile, Some(3));
        serve.process("llm").signal(libc::SIGKILL);
        let refusal = loop {
            // At first it may wait for one that will not come.
            match echo(&attached.client, Role::Llm, 10).await {
                Err(refusal) if refusal.code == Code::Degraded => break refusal,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        assert!(refusal.sentence.contains("could not be started"), "{refusal}");
        assert!(refusal.sentence.contains("lamos restart llm"), "it says what to do: {refusal}");
        for role in [Role::Storage, Role::Crypto, Role::Code] {
            echo(&attached.client, role, 100_000).await.unwrap_or_else(|refusal| panic!("{role:?} goes on: {refusal}"));
        }
        // Somebody knocks while nobody can open; he is let in when that has passed.
        let waiting = home.command(["ps"]).start();
        let _knocking = control(&home);
        tokio::time::sleep(Duration::from_millis(500)).await;
        supervisor.limit(Resource::Nofile, before);
        let said = finish(waiting, Duration::from_secs(60), "ps");
        assert!(said.err.contains("llm is degraded"), "{said:?}");
        said.good();
        home.run(["restart", "llm"]).good();
        all_answer(attached, &[Role::Storage, Role::Crypto, Role::Llm, Role::Code]).await;
        each_answered_once(&tapped);
    });
    let log = std::fs::read_to_string(home.data().join("logs/lamos.log")).unwrap();
    assert!(log.contains("cannot spawn") && log.contains("cannot accept"), "{log}");
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    drop(serve);
    home.assert_empty();
}

/// Address space that no process has: whatever it asks for from then on is refused to it.
const NO_MORE: Option<u64> = Some(1 << 20);

/// A file that is begun and all but its last byte given; the archive holds what it got.
async fn begin_file(client: &Client<source::Cli>, path: String) -> StreamCall<WriteFile> {
    let stream = client.open(&WriteFile::new(path, 1 << 20), Options::default()).unwrap();
    let bytes = vec![7; (1 << 20) - 1];
    for chunk in bytes.chunks(Chunk::SIZE) {
        // Whoever is gone takes no more; the answer says so.
        if !stream.send(&Chunk(chunk.to_vec())).await.unwrap() {
            break;
        }
    }
    stream
}

/// More is begun than the archive's allocator has in reserve: files that are given, and files that nobody takes.
#[test]
fn an_archive_without_memory_ends_alone_and_has_what_was_acknowledged() {
    let home = Home::new();
    let serve = Serve::start(&home);
    on_wire(async {
        let clients: Vec<Tapped> = (0..12).map(|_| Tapped::to(&home)).collect();
        let attached = &clients[0].attached;
        all_answer(attached, &[Role::Storage]).await;
        let kept = begin_file(&attached.client, "user/kept".into()).await;
        kept.send(&Chunk(vec![7])).await.unwrap();
        kept.end();
        kept.answer().await.unwrap();
        serve.process("storage").limit(Resource::As, NO_MORE);
        let calls: Vec<_> = (0..48)
            .map(|number| {
                let client = clients[number / 4].attached.client.clone();
                tokio::task::spawn_local(async move {
                    let taken = client.open(&ReadFile::whole("user/kept".into()), Options::default()).unwrap();
                    let given = begin_file(&client, format!("user/held/{number}")).await;
                    (given.answer().await.map(|_| ()), taken.answer().await.map(|_| ()))
                })
            })
            .collect();
        for call in calls {
            let (given, taken) = tokio::time::timeout(PATIENCE, call).await.expect("it hangs").unwrap();
            assert_eq!(given.unwrap_err().code, Code::PeerDied);
            assert_eq!(taken.unwrap_err().code, Code::PeerDied);
        }
        for role in [Role::Crypto, Role::Llm, Role::Code] {
            echo(&attached.client, role, 1000).await.unwrap_or_else(|refusal| panic!("{role:?} goes on: {refusal}"));
        }
        all_answer(attached, &[Role::Storage]).await;
        let mut stream = attached.client.open(&ReadFile::whole("user/kept".into()), Options::default()).unwrap();
        let mut length = 0;
        while let Some(chunk) = stream.next().await {
            length += chunk.unwrap().0.len();
        }
        stream.answer().await.unwrap();
        assert_eq!(length, 1 << 20);
        clients.iter().for_each(each_answered_once);
    });
    assert_eq!(serve.status()["degraded"].as_array().unwrap().len(), 0);
    drop(serve);
    home.assert_empty();
}

/// A password needs 64 MiB. Without them it is not said to be wrong, and with them it opens again.
#[test]
fn keys_without_memory_are_not_called_wrong() {
    let home = Home::new();
    let serve = Serve::start(&home);
    on_wire(async {
        let tapped = Tapped::to(&home);
        let attached = &tapped.attached;
        all_answer(attached, &[Role::Storage, Role::Crypto]).await;
        let (crypto, pair) = (serve.process("crypto"), || Secret::new(b"demo".to_vec()));
        let before = crypto.limit(Resource::As, NO_MORE);
        let refusal = attached.client.call(&Unlock { user: pair(), password: pair() }).await.map(|_| ()).unwrap_err();
        assert!(!matches!(refusal.code, Code::NewSpace | Code::Credentials | Code::Throttled), "{refusal}");
        if home.processes().iter().any(|process| process.pid == crypto.pid) {
            crypto.limit(Resource::As, before);
        }
        echo(&attached.client, Role::Llm, 1000).await.unwrap();
        all_answer(attached, &[Role::Storage, Role::Crypto]).await;
        let until = Instant::now() + PATIENCE;
        while let Err(refusal) = attached.client.call(&Unlock { user: pair(), password: pair() }).await {
            // Asked for twice in a second, say.
            assert!(Instant::now() < until && refusal.code == Code::Busy, "{refusal}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        each_answered_once(&tapped);
    });
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    drop(serve);
    home.assert_empty();
}

#[test]
fn a_run_without_memory_ends_alone() {
    let home = Home::new();
    let serve = Serve::start(&home);
    on_wire(async {
        let tapped = Tapped::to(&home);
        let attached = &tapped.attached;
        all_answer(attached, &[Role::Storage, Role::Crypto, Role::Code]).await;
        let run = |source: &str| Run {
            source: source.into(),
            entry: Entry::Script,
            inputs: "{}".into(),
            files: Vec::new(),
            limits: RunLimits::STANDARD,
            seed: 1,
        };
        let ran = async |source: &str| {
            let stream = attached.client.open(&run(source), Options::default()).unwrap();
            stream.end();
            tokio::time::timeout(PATIENCE, stream.answer()).await.expect("it hangs")
        };
        // Enough to begin, too little to go on.
        home.processes().iter().filter(|process| process.is("code")).for_each(|process| {
            process.limit(Resource::As, Some(process.address_space() + (64 << 20)));
        });
        match ran("x = [str(n) * 100 for n in range(3000000)]").await {
            Ok(ran) => assert!(!matches!(ran.ending, Ending::Finished | Ending::TimeLimit), "{ran:?}"),
            Err(refusal) => assert_eq!(refusal.code, Code::PeerDied, "{refusal}"),
        }
        for role in [Role::Storage, Role::Crypto, Role::Llm] {
            echo(&attached.client, role, 1000).await.unwrap_or_else(|refusal| panic!("{role:?} goes on: {refusal}"));
        }
        assert_eq!(ran("6 * 7").await.unwrap().value, "42");
        each_answered_once(&tapped);
    });
    drop(serve);
    home.assert_empty();
}

#[test]
fn a_request_that_ends_its_worker_twice_is_not_tried_again() {
    let home = Home::new();
    let serve = Serve::start(&home);
    on_wire(async {
        let tapped = Tapped::to(&home);
        let attached = &tapped.attached;
        attached.demo().await;
        let to = Options { role: Some(Role::Llm), ..Options::default() };
        let deadly = Source { pieces: 60_000, size: 60_001 };
        for _ in 0..2 {
            all_answer(attached, &[Role::Llm]).await;
            let mut stream = attached.client.open(&deadly, to).unwrap();
            assert!(stream.next().await.is_some(), "it is at work");
            serve.process("llm").signal(libc::SIGKILL);
            while stream.next().await.is_some() {}
            assert_eq!(stream.answer().await.unwrap_err().code, Code::PeerDied);
        }
        all_answer(attached, &[Role::Llm]).await;
        let refusal = attached.client.open(&deadly, to).unwrap().answer().await.unwrap_err();
        assert_eq!(refusal.code, Code::Quarantined, "{refusal}");
        // Another one is another one.
        let mut stream = attached.client.open(&Source { pieces: 3, size: 60_001 }, to).unwrap();
        while stream.next().await.is_some() {}
        stream.answer().await.unwrap();
        each_answered_once(&tapped);
    });
    drop(serve);
    home.assert_empty();
}

/// Who only listens does not hold up the end: the archive says that it goes, and goes by itself.
#[test]
fn who_follows_the_changes_hears_of_the_end() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.run(["ask", "5 miles in km"]).good();
    on_wire(async {
        let tapped = Tapped::to(&home);
        let mut stream = tapped.attached.client.open(&Follow { after: 0 }, Options::default()).unwrap();
        assert!(stream.next().await.is_some());
        let home_of_it = home.clone();
        let locking = thread::spawn(move || home_of_it.run(["lock"]).good());
        while stream.next().await.is_some() {}
        assert_eq!(stream.answer().await.unwrap_err().code, Code::Draining);
        while !locking.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        locking.join().unwrap();
    });
    assert_eq!(serve.status()["open"], false);
    drop(serve);
    home.assert_empty();
}

/// The disk is full for a while, in one and the same supervisor: what does not fit is refused with a word on what to do,
/// and when there is room again there is nothing to do.
#[test]
fn a_disk_that_was_full_is_written_again_without_a_restart() {
    let home = Home::new();
    let script = r#"
        $lamos serve 2>$LAMOS_DATA_DIR/../up & serve=$!
        until grep -q "Lamos is up" $LAMOS_DATA_DIR/../up; do sleep 0.05; done
        $lamos ask "5 miles in km" || exit 1
        before=$($lamos --json ps | grep -E '"pid"' | head -1)
        [ -n "$before" ] || exit 7
        dd if=/dev/zero of=$LAMOS_DATA_DIR/filler bs=1k >/dev/null 2>&1
        for n in 1 2 3 4 5 6 7 8 9 10; do
            $lamos ask "$n miles in km" >$LAMOS_DATA_DIR/../out 2>$LAMOS_DATA_DIR/../said; code=$?
            [ $code -ne 0 ] && break
            echo "kept: $n miles in km"
        done
        cat $LAMOS_DATA_DIR/../said
        echo "ended with $code"
        $lamos history || exit 2
        rm $LAMOS_DATA_DIR/filler
        $lamos ask "77 miles in km" || exit 3
        echo "after:"
        $lamos history || exit 4
        [ "$before" = "$($lamos --json ps | grep -E '"pid"' | head -1)" ] || exit 5
        $lamos ps
        $lamos stop || exit 6
        wait $serve
        exit 0
    "#;
    let Some((code, text)) = on_small_disk(&home, 2 << 10, script) else { return };
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("ended with 9"), "{text}");
    let said = text.split("ended with 9").next().unwrap();
    assert!(said.contains("make room and try again"), "it says what to do: {text}");
    let after = text.split("after:").nth(1).unwrap();
    for question in ["5 miles in km", "77 miles in km"] {
        assert!(after.contains(question), "{question} is there: {text}");
    }
    for kept in said.lines().filter_map(|line| line.strip_prefix("kept: ")) {
        assert!(after.contains(kept), "{kept} was answered well: {text}");
    }
    assert!(!after.contains("degraded"), "{text}");
    home.assert_empty();
}
