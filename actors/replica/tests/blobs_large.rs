//! Content larger than memory may be: what goes in comes out, and no more than a few chunks of it are held at once. 300 MiB
//! always; 5 GiB, which no 32-bit number counts, with `cargo verify --full`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{env, fs};

use replica::{
    Draft, Replica, StoreKeys,
    blobs::{Begin, Finished},
    body::{Body, Content, FileBody},
};

const MIB: u64 = 1 << 20;
const ENTITY: [u8; 16] = [1; 16];

/// The content at a place, made when it is needed.
fn content(at: u64, bytes: &mut [u8]) {
    let mut output = blake3::Hasher::new().update(b"a large file").finalize_xof();
    output.set_position(at);
    output.fill(bytes);
}

/// The most memory this process has had, in bytes, without what it maps of files.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kib = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    (kib("VmHWM:") - kib("RssFile:").min(kib("VmHWM:"))) * 1024
}

#[test]
fn content_larger_than_four_gibibytes_needs_little_memory() {
    let full = env::var("LAMOS_FULL_TESTS").is_ok_and(|value| value == "1");
    let length = if full { 5 * 1024 * MIB } else { 300 * MIB } + 12_345;
    let directory = tempfile::tempdir().unwrap();
    let replica = Replica::open(directory.path(), StoreKeys::new(&[9; 32], [7; 16], [8; 32])).unwrap();
    let mut writer = replica.writer().unwrap();
    let before = most_memory();
    let begin = Begin { id: [1; 16], entity: ENTITY, length, resumable: false, now: 0 };
    let mut upload = replica.upload(begin).unwrap().unwrap();
    let mut piece = vec![0; 64 << 10];
    let mut at = 0;
    while at < length {
        let size = (length - at).min(piece.len() as u64) as usize;
        content(at, &mut piece[..size]);
        upload.push(&piece[..size]).unwrap();
        at += size as u64;
        if upload.is_due() {
            let checkpoint = upload.checkpoint(0).unwrap();
            writer.write(|batch| batch.keep_upload(&checkpoint)).unwrap();
            upload.kept();
        }
    }
    let Finished { blob, checkpoint } = upload.finish().unwrap();
    let body = Body::File(FileBody::new("user/large".into(), Content::Blob(blob)));
    let draft = Draft { entity: ENTITY, body, once: None };
    let kept = writer.write(|batch| {
        batch.keep_upload(&checkpoint)?;
        batch.append(&draft)
    });
    kept.unwrap().unwrap();
    drop(upload);

    let content_found = replica.snapshot().unwrap().content(&ENTITY).unwrap();
    let Some(Content::Blob(blob)) = content_found else { panic!("{content_found:?}") };
    assert_eq!(blob.length, length);
    let mut reader = replica.read_blob(&blob, 0..u64::MAX).unwrap();
    let mut at = 0;
    let mut expected = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        expected.resize(chunk.len(), 0);
        content(at, &mut expected);
        assert!(chunk[..] == expected[..], "what is at {at} is something else");
        at += chunk.len() as u64;
    }
    assert_eq!(at, length);
    // A part, beyond what 32 bits count where there is so much.
    let from = length - 70_000;
    let mut reader = replica.read_blob(&blob, from..from + 10).unwrap();
    expected.resize(10, 0);
    content(from, &mut expected);
    assert_eq!(reader.next_chunk().unwrap().as_deref(), Some(&expected));
    assert!(reader.next_chunk().unwrap().is_none());
    // Packs wait for the disk in the kernel's cache, which is not this process.
    let held = most_memory().saturating_sub(before);
    println!("{} MiB through {} KiB", length / MIB, held / 1024);
    assert!(held < 24 * MIB, "{held} bytes of memory for {length}");
}
