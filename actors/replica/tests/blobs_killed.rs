//! A process is killed while it takes large content in, at random moments, again and again: the next one goes on where it
//! was put down, what was acknowledged is whole, and what was not leaves no trace after a collection.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use replica::{
    Draft, Replica, StoreKeys, Writer,
    blobs::{Begin, Finished},
    body::{Body, Content, FileBody},
};

/// Names the store that [`one_process`] works in.
const STORE: &str = "LAMOS_BLOBS_STORE";

/// Contents that are taken in one after the other, and how long each is.
const COUNT: u8 = 4;
const LENGTH: usize = 70 << 20;

fn open(directory: &Path) -> Replica {
    Replica::open(directory, StoreKeys::new(&[9; 32], [7; 16], [8; 32])).unwrap()
}

/// The content with this number; every two have a part in common.
fn content(number: u8) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    let (own, common) = bytes.split_at_mut(LENGTH / 2);
    blake3::Hasher::new().update(&[number]).finalize_xof().fill(own);
    blake3::Hasher::new().update(&[number / 2, 1]).finalize_xof().fill(common);
    bytes
}

fn begin(number: u8) -> Begin {
    Begin { id: [number; 16], entity: [number; 16], length: LENGTH as u64, resumable: true, now: 0 }
}

fn is_there(replica: &Replica, number: u8) -> bool {
    replica.snapshot().unwrap().content(&[number; 16]).unwrap().is_some()
}

/// Takes in whatever is not there yet, and says where it went on and what is there.
#[test]
#[ignore = "a part of the other test, which kills it"]
fn one_process() {
    let Some(directory) = env::var_os(STORE) else { return };
    let replica = open(Path::new(&directory));
    let mut writer = replica.writer().unwrap();
    // Beside it, what was given up before is collected; sweeping needs the writer, so it happens between the pieces.
    for number in 0..COUNT {
        if is_there(&replica, number) {
            continue;
        }
        let bytes = content(number);
        let mut upload = replica.upload(begin(number)).unwrap().unwrap();
        println!("\nfrom {number} {}", upload.offset());
        for (index, piece) in bytes[upload.offset() as usize..].chunks(1 << 20).enumerate() {
            upload.push(piece).unwrap();
            // More often than it would be due, so that more of the ways to be killed are tried.
            if index % 5 == 4 {
                let checkpoint = upload.checkpoint(0).unwrap();
                writer.write(|batch| batch.keep_upload(&checkpoint)).unwrap();
                upload.kept();
                println!("\nat {number} {}", upload.offset());
            }
            if index == 7 {
                collect(&replica, &mut writer);
            }
        }
        let Finished { blob, checkpoint } = upload.finish().unwrap();
        let body = Body::File(FileBody::new(format!("user/{number}"), Content::Blob(blob)));
        let draft = Draft { entity: [number; 16], body, once: None };
        let kept = writer.write(|batch| {
            batch.keep_upload(&checkpoint)?;
            batch.append(&draft)
        });
        kept.unwrap().unwrap();
        drop(upload);
        println!("\nkept {number} 0");
    }
    println!("\ndone 0 0");
}

fn collect(replica: &Replica, writer: &mut Writer) {
    replica.collect(0).unwrap().run(&mut |sweep| sweep.apply(writer)).unwrap();
}

/// What a process said before it was killed, or ended.
#[derive(Default)]
struct Said {
    from: Option<(u8, u64)>,
    at: Option<(u8, u64)>,
    kept: Vec<u8>,
    done: bool,
}

/// Lets a process work for a while and kills it.
fn work(directory: &Path, patience: Duration) -> Said {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "one_process", "--ignored", "--nocapture"])
        .env(STORE, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let heard = AtomicU64::new(0);
    let said = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut said = Said::default();
            for line in output.lines() {
                let line = line.unwrap();
                let mut words = line.split(' ');
                let (what, number) = (words.next(), words.next().and_then(|word| word.parse().ok()));
                let offset = words.next().and_then(|word| word.parse::<u64>().ok());
                let (Some(what), Some(number), Some(offset)) = (what, number, offset) else { continue };
                heard.fetch_add(1, Ordering::SeqCst);
                match what {
                    "from" => said.from = said.from.or(Some((number, offset))),
                    "at" => said.at = Some((number, offset)),
                    "kept" => said.kept.push(number),
                    "done" => said.done = true,
                    _ => {}
                }
            }
            said
        });
        // It is killed a random while after it has begun to work.
        while heard.load(Ordering::SeqCst) == 0 && !reading.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(patience);
        child.kill().unwrap();
        reading.join().unwrap()
    });
    child.wait().unwrap();
    said
}

#[test]
fn content_survives_whoever_takes_it_in() {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
    let seed: u64 = env::var("LAMOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(clock);
    println!("LAMOS_SEED={seed} plays this again, as far as time can be");
    let mut chance = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let directory = tempfile::tempdir().unwrap();
    let mut kept: Vec<u8> = Vec::new();
    let mut kills = 0;
    // At first it is killed soon; it gets more time each round, so that it is done at last however slow the machine.
    for round in 1u64.. {
        assert!(round < 400, "it is never done");
        let mut random = [0; 2];
        chance.fill(&mut random);
        let most = 100 + 20 * round;
        let said = work(directory.path(), Duration::from_millis(u64::from(u16::from_le_bytes(random)) % most));
        let replica = open(directory.path());
        kept.extend(&said.kept);
        for number in &kept {
            let found = replica.snapshot().unwrap().content(&[*number; 16]).unwrap();
            let Some(Content::Blob(blob)) = found else { panic!("{number} was acknowledged: {found:?}") };
            replica.check_blob(&blob).unwrap();
            assert_eq!(blob.hash, *blake3::hash(&content(*number)).as_bytes());
        }
        if let Some((number, offset)) = said.at.filter(|(number, _)| !kept.contains(number)) {
            let there = replica.snapshot().unwrap().upload(&[number; 16]).unwrap();
            // It may have been finished, and killed before it could say so.
            let offset_there = there.map_or(LENGTH as u64, |state| state.offset);
            assert!(offset_there >= offset, "{number} was at {offset} and is at {offset_there}");
        }
        if said.done {
            break;
        }
        kills += 1;
    }
    println!("killed {kills} times");
    assert!(kills > 3, "killed {kills} times");
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    collect(&replica, &mut writer);
    for number in 0..COUNT {
        assert!(content_of(&replica, number) == content(number), "{number}");
    }
    assert!(!replica.has_uploads().unwrap());
    // Half of each is shared with another: three halves of two, and little waste.
    let held: u64 =
        fs::read_dir(directory.path().join("blobs")).unwrap().map(|pack| pack.unwrap().metadata().unwrap().len()).sum();
    let least = (LENGTH * usize::from(COUNT) * 3 / 4) as u64;
    assert!((least..least * 3 / 2).contains(&held), "{held} bytes for {least}");
}

fn content_of(replica: &Replica, number: u8) -> Vec<u8> {
    let Some(Content::Blob(blob)) = replica.snapshot().unwrap().content(&[number; 16]).unwrap() else { panic!("{number}") };
    let mut bytes = Vec::new();
    let mut reader = replica.read_blob(&blob, 0..u64::MAX).unwrap();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    bytes
}
