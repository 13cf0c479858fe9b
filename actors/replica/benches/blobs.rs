//! Large content in and out, beside a plain copy of the same file with a sync, in one run. `cargo bench -p replica --bench
//! blobs`. Samples of all sides alternate; what counts is the ratio.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench that cannot go on should say so")]

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use replica::{
    Draft, Replica, StoreKeys, Writer,
    blobs::{Begin, Blob, Finished},
    body::{Body, Content, FileBody},
};

const LENGTH: usize = 128 << 20;
const ROUNDS: u8 = 3;

fn noise(seed: u8, bytes: &mut [u8]) {
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(bytes);
}

/// Words in lines, as logs have them.
fn words(seed: u8, bytes: &mut [u8]) {
    let mut random = vec![0; bytes.len() / 8];
    noise(seed, &mut random);
    const WORDS: &[&str] = &["the", "request", "was", "answered", "after", "error", "17", "of", "storage", "and\n"];
    let mut text = random.iter().flat_map(|number| WORDS[usize::from(*number) % WORDS.len()].bytes().chain([b' ']));
    bytes.fill_with(|| text.next().unwrap_or(b'.'));
}

/// As the archive does it: read in pieces, put into chunks, synced, with an event.
fn put(replica: &Replica, writer: &mut Writer, number: u8, path: &Path) -> Blob {
    let mut file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let begin = Begin { id: [number; 16], entity: [number; 16], length, resumable: false, now: 0 };
    let mut upload = replica.upload(begin).unwrap().unwrap();
    let mut piece = vec![0; 64 << 10];
    loop {
        let size = file.read(&mut piece).unwrap();
        if size == 0 {
            break;
        }
        upload.push(&piece[..size]).unwrap();
        if upload.is_due() {
            let checkpoint = upload.checkpoint(0).unwrap();
            writer.write(|batch| batch.keep_upload(&checkpoint)).unwrap();
            upload.kept();
        }
    }
    let Finished { blob, checkpoint } = upload.finish().unwrap();
    let body = Body::File(FileBody::new(format!("user/{number}"), Content::Blob(blob.clone())));
    let draft = Draft { entity: [number; 16], body, once: None };
    let kept = writer.write(|batch| {
        batch.keep_upload(&checkpoint)?;
        batch.append(&draft)
    });
    kept.unwrap().unwrap();
    blob
}

fn get(replica: &Replica, blob: &Blob) -> usize {
    let mut reader = replica.read_blob(blob, 0..u64::MAX).unwrap();
    std::iter::from_fn(|| reader.next_chunk().unwrap()).map(|chunk| chunk.len()).sum()
}

/// A plain copy: read in pieces of the same size, written, synced.
fn copy(from: &Path, to: &Path) {
    let (mut from, mut to) = (File::open(from).unwrap(), File::create(to).unwrap());
    let mut piece = vec![0; 64 << 10];
    loop {
        let size = from.read(&mut piece).unwrap();
        if size == 0 {
            break;
        }
        to.write_all(&piece[..size]).unwrap();
    }
    to.sync_all().unwrap();
}

fn read(path: &Path) -> usize {
    let mut file = File::open(path).unwrap();
    let mut piece = vec![0; 64 << 10];
    std::iter::from_fn(|| Some(file.read(&mut piece).unwrap()).filter(|size| *size > 0)).sum()
}

/// What this thread has had of a processor, in nanoseconds: what a busy machine does not falsify.
fn processor() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// By the wall, and of a processor.
type Time = (Duration, Duration);

fn timed<T>(work: impl FnOnce() -> T) -> (Time, T) {
    let (begun, used) = (Instant::now(), processor());
    let result = work();
    ((begun.elapsed(), processor().saturating_sub(used)), result)
}

fn median(times: &mut [Time]) -> (f64, f64) {
    let mut middle = |of: fn(&Time) -> Duration| {
        times.sort_by_key(of);
        of(&times[times.len() / 2]).as_secs_f64()
    };
    (middle(|time| time.0), middle(|time| time.1))
}

fn measure(what: &str, make: fn(u8, &mut [u8])) {
    let directory = tempfile::tempdir().unwrap();
    let (store, plain, copied) =
        (directory.path().join("store"), directory.path().join("plain"), directory.path().join("copied"));
    fs::create_dir(&store).unwrap();
    let replica = Replica::open(&store, StoreKeys::new(&[9; 32], [7; 16], [8; 32])).unwrap();
    let mut writer = replica.writer().unwrap();
    let mut bytes = vec![0; LENGTH];
    let mut times: [Vec<Time>; 5] = Default::default();
    for round in 0..ROUNDS {
        make(round, &mut bytes);
        fs::write(&plain, &bytes).unwrap();
        File::open(&plain).unwrap().sync_all().unwrap();
        let (copying, ()) = timed(|| copy(&plain, &copied));
        let (putting, blob) = timed(|| put(&replica, &mut writer, round, &plain));
        let (again, _) = timed(|| put(&replica, &mut writer, round + ROUNDS, &plain));
        let (reading, length) = timed(|| read(&copied));
        let (getting, same) = timed(|| get(&replica, &blob));
        assert_eq!((length, same), (LENGTH, LENGTH));
        for (times, time) in times.iter_mut().zip([copying, putting, again, reading, getting]) {
            times.push(time);
        }
    }
    let [copying, putting, again, reading, getting] = times.each_mut().map(|times| median(times));
    println!("{what}, {} MiB, medians of {ROUNDS}: by the wall, its ratio, and for each second of a processor", LENGTH >> 20);
    let line = |what: &str, (wall, used): (f64, f64), (beside, _): (f64, f64)| {
        let rate = |seconds: f64| LENGTH as f64 / 1e6 / seconds;
        let per_kib = used * 1e6 / (LENGTH >> 10) as f64;
        println!("  {what:22} {:6.0} MB/s {:5.2} x {:6.0} MB/s {per_kib:6.2} µs a KiB", rate(wall), beside / wall, rate(used));
    };
    line("plain copy with sync", copying, copying);
    line("in", putting, copying);
    line("in, known already", again, copying);
    line("plain read, cached", reading, reading);
    line("out, checked", getting, reading);
    let usage = replica.blob_usage().unwrap();
    let given = f64::from(ROUNDS) * LENGTH as f64;
    println!(
        "  on disk               {:.3} of what was given once; {} chunks, {} packs",
        usage.bytes as f64 / given,
        usage.chunks,
        usage.packs
    );
}

/// What an edit in the middle of a file costs on disk.
fn edited() {
    let directory = tempfile::tempdir().unwrap();
    let (store, plain) = (directory.path().join("store"), directory.path().join("plain"));
    fs::create_dir(&store).unwrap();
    let replica = Replica::open(&store, StoreKeys::new(&[9; 32], [7; 16], [8; 32])).unwrap();
    let mut writer = replica.writer().unwrap();
    let mut bytes = vec![0; 64 << 20];
    noise(1, &mut bytes);
    fs::write(&plain, &bytes).unwrap();
    put(&replica, &mut writer, 1, &plain);
    let before = replica.blob_usage().unwrap();
    for edit in 0..10usize {
        let at = bytes.len() / 11 * (edit + 1);
        bytes.splice(at..at + 3, *b"some words that were not there");
    }
    fs::write(&plain, &bytes).unwrap();
    put(&replica, &mut writer, 2, &plain);
    let after = replica.blob_usage().unwrap();
    let new = after.bytes - before.bytes;
    println!("an edited file: 10 insertions in 64 MiB");
    println!(
        "  new on disk           {new} bytes, {:.4} of the file; {} chunks of {}",
        new as f64 / bytes.len() as f64,
        after.chunks - before.chunks,
        before.chunks
    );
}

fn main() {
    measure("without shape", noise);
    measure("text", words);
    edited();
}
