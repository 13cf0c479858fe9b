//! Files far larger than a message: they pass through the archive in little memory, can be read in parts, and a transfer
//! goes on after the archive was killed in the middle of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    time::{Duration, Instant},
};

use integration_tests::{
    files,
    home::Home,
    processes::Process,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{
    Code, Refusal,
    endpoint::Options,
    id::UploadId,
    messages::{
        common::Chunk,
        storage::{ReadFile, Resume, Statistics, UploadStatus, Uploaded, WriteFile},
    },
};

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(60);
const CANARY: &[u8] = b"the canary in the large file sings ";

/// Bytes without shape (splitmix64, Steele 2014), and among them words that must not be seen on disk.
fn content(length: usize) -> Vec<u8> {
    let mut state = 7u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        if bytes.len().is_multiple_of(MIB) {
            bytes.extend_from_slice(CANARY);
        }
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Gives what is there from an offset on, and no more once the archive takes no more.
async fn give(attached: &Attached, path: &str, bytes: &[u8], resume: Option<Resume>) -> Result<(), Refusal> {
    let request = WriteFile { resume, ..WriteFile::new(path.to_owned(), bytes.len() as u64) };
    let stream = attached.client.open(&request, Options::default())?;
    let from = resume.map_or(0, |resume| resume.offset) as usize;
    for chunk in bytes[from..].chunks(Chunk::SIZE) {
        if !stream.send(&Chunk(chunk.to_vec())).await? {
            break;
        }
    }
    stream.end();
    stream.answer().await.map(|_| ())
}

async fn take(attached: &Attached, request: ReadFile) -> Result<(Vec<u8>, u64), Refusal> {
    let mut stream = attached.client.open(&request, Options::default())?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend(chunk?.0);
    }
    let found = stream.answer().await?;
    Ok((bytes, found.length))
}

async fn status(attached: &Attached, upload: UploadId) -> Result<Uploaded, Refusal> {
    let until = Instant::now() + PATIENCE;
    loop {
        match attached.client.call(&UploadStatus { upload }).await {
            // Who was killed is back in a moment.
            Err(refusal) if refusal.code != Code::NotFound && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            result => return result,
        }
    }
}

/// The most memory a process has had that is not mapped from files, in MiB.
fn most_memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let kib = |name: &str| line(name).trim_end_matches(" kB").parse::<u64>().unwrap();
    kib("VmHWM:").saturating_sub(kib("RssFile:")) / 1024
}

#[test]
fn a_large_file_passes_in_little_memory_and_is_read_in_parts() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let bytes = content(200 * MIB + 321);
    let path = "user/films/the canary in the path.mkv";
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        give(&attached, "user/small", b"hello", None).await.unwrap();
        let archive = serve.process("storage");
        let before = most_memory(&archive);
        give(&attached, path, &bytes, None).await.unwrap();
        give(&attached, "user/films/a copy", &bytes, None).await.unwrap();
        let (found, length) = take(&attached, ReadFile::whole(path.into())).await.unwrap();
        assert!(found == bytes && length == bytes.len() as u64);
        for (offset, some) in [(0, 1), (100 * MIB + 17, 3 * MIB), (200 * MIB, 9999), (300 * MIB, 5)] {
            let request = ReadFile { path: path.into(), offset: offset as u64, length: some as u64 };
            let (found, length) = take(&attached, request).await.unwrap();
            let clip = |place: usize| place.min(bytes.len());
            assert!(found == bytes[clip(offset)..clip(offset + some)], "{some} bytes at {offset}");
            assert_eq!(length, bytes.len() as u64);
        }
        let (found, _) = take(&attached, ReadFile { path: "user/small".into(), offset: 1, length: 3 }).await.unwrap();
        assert_eq!(found, b"ell");
        let counts = attached.client.call(&Statistics).await.unwrap();
        assert!(counts.chunks > 1000);
        assert!((200..230).contains(&(counts.chunk_bytes / MIB as u64)), "equal content is kept once: {counts:?}");
        let held = most_memory(&archive) - before;
        assert!(held < 48, "{held} MiB of memory for a file of 200");
    });
    drop(serve);
    home.assert_empty();
    for file in files::below(&home.data()) {
        let there = fs::read(&file).unwrap();
        for canary in [CANARY, b"canary in the path"] {
            assert!(!there.windows(canary.len()).any(|window| window == canary), "words lie open in {file:?}");
        }
    }
}

#[test]
fn a_transfer_goes_on_after_the_archive_was_killed() {
    let home = Home::new();
    let serve = Serve::start(&home);
    let bytes = content(160 * MIB);
    let path = "user/backup.tar";
    let upload = UploadId([3; 16]);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        assert_eq!(status(&attached, upload).await.unwrap_err().code, Code::NotFound);
        give(&attached, path, b"an earlier version", None).await.unwrap();
        let mut resume = Resume { upload, offset: 0 };
        for kills in 1.. {
            assert!(kills < 50, "it never comes to an end");
            let attached = Attached::to(&home);
            let giving = give(&attached, path, &bytes, Some(resume));
            let killing = async {
                // It is killed when it has kept some more than before; as long as it keeps nothing there is nothing to lose.
                let asking = Attached::to(&home);
                loop {
                    let there = status(&asking, upload).await.map_or(0, |uploaded| uploaded.offset);
                    if there > resume.offset {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                serve.process("storage").signal(libc::SIGKILL);
            };
            let result = tokio::select! {
                result = giving => result,
                () = killing => Err(Refusal::new(Code::PeerDied, "killed")),
            };
            if result.is_ok() {
                break;
            }
            let uploaded = status(&attached, upload).await.unwrap();
            assert!(uploaded.offset > resume.offset && uploaded.length == bytes.len() as u64, "{uploaded:?}");
            let (before, _) = take(&attached, ReadFile::whole(path.into())).await.unwrap();
            assert_eq!(before, b"an earlier version", "as long as it is not done it is not there");
            if kills == 1 {
                let elsewhere = Resume { upload, offset: uploaded.offset + 1 };
                let refusal = give(&attached, path, &bytes, Some(elsewhere)).await.unwrap_err();
                assert_eq!(refusal.code, Code::Conflict, "{refusal}");
                let refusal = give(&attached, "user/other", &bytes, Some(resume)).await.unwrap_err();
                assert_eq!(refusal.code, Code::Conflict, "{refusal}");
            }
            resume.offset = uploaded.offset;
        }
        assert!(resume.offset > 0, "it was never killed");
        let (found, _) = take(&attached, ReadFile::whole(path.into())).await.unwrap();
        assert!(found == bytes);
        assert_eq!(status(&attached, upload).await.unwrap_err().code, Code::NotFound, "it has ended");
    });
    drop(serve);
    home.assert_empty();
}

#[test]
fn a_transfer_that_breaks_off_and_is_not_to_be_resumed_leaves_nothing() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let bytes = content(50 * MIB);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        let request = WriteFile::new("user/broken".into(), bytes.len() as u64 + 1);
        let stream = attached.client.open(&request, Options::default()).unwrap();
        for chunk in bytes.chunks(Chunk::SIZE) {
            assert!(stream.send(&Chunk(chunk.to_vec())).await.unwrap());
        }
        stream.end();
        assert_eq!(stream.answer().await.unwrap_err().code, Code::NotKeepable);
        let refusal = take(&attached, ReadFile::whole("user/broken".into())).await.unwrap_err();
        assert_eq!(refusal.code, Code::NotFound);
        let until = Instant::now() + PATIENCE;
        while attached.client.call(&Statistics).await.unwrap().chunk_bytes > 0 {
            assert!(Instant::now() < until, "half of it stays");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}
