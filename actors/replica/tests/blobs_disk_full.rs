//! The disk is full while large content comes in: it is said so, nothing half-kept stays, what was there before is whole,
//! and what fits is taken. On a small file system in memory, where one can be mounted.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{env, path::Path, process::Command};

use replica::{
    Draft, Replica, ReplicaError, StoreKeys, Writer,
    blobs::{Begin, Blob, Finished},
    body::{Body, Content, FileBody},
};

/// Names the full disk that [`on_the_disk`] works on.
const DISK: &str = "LAMOS_BLOBS_DISK";
const MIB: usize = 1 << 20;

fn put(replica: &Replica, writer: &mut Writer, number: u8, mib: usize) -> Result<Blob, ReplicaError> {
    let begin = Begin { id: [number; 16], entity: [number; 16], length: (mib * MIB) as u64, resumable: false, now: 0 };
    let mut upload = replica.upload(begin)?.unwrap();
    let mut output = blake3::Hasher::new().update(&[number]).finalize_xof();
    let mut piece = vec![0; MIB];
    for index in 0..mib {
        output.fill(&mut piece);
        upload.push(&piece)?;
        if index % 8 == 7 {
            let checkpoint = upload.checkpoint(0)?;
            writer.write(|batch| batch.keep_upload(&checkpoint))?;
            upload.kept();
        }
    }
    let Finished { blob, checkpoint } = upload.finish()?;
    let body = Body::File(FileBody::new(format!("user/{number}"), Content::Blob(blob.clone())));
    let draft = Draft { entity: [number; 16], body, once: None };
    writer
        .write(|batch| {
            batch.keep_upload(&checkpoint)?;
            batch.append(&draft)
        })?
        .unwrap();
    Ok(blob)
}

#[test]
#[ignore = "a part of the other test, which mounts a disk for it"]
fn on_the_disk() {
    let Some(disk) = env::var_os(DISK) else { return };
    let replica = Replica::open(Path::new(&disk), StoreKeys::new(&[9; 32], [7; 16], [8; 32])).unwrap();
    let mut writer = replica.writer().unwrap();
    let before = put(&replica, &mut writer, 1, 10).unwrap();
    for attempt in 2..5 {
        let error = put(&replica, &mut writer, attempt, 200).unwrap_err();
        assert!(matches!(error, ReplicaError::DiskFull), "{error}");
        let collected = replica.collect(0).unwrap().run(&mut |sweep| sweep.apply(&mut writer)).unwrap();
        assert!(collected.uploads == 1 && collected.packs > 0, "{collected:?}");
        let usage = replica.blob_usage().unwrap();
        assert!(usage.bytes < 14 * MIB as u64, "half of it stays: {usage:?}");
    }
    replica.check_blob(&before).unwrap();
    let after = put(&replica, &mut writer, 9, 15).unwrap();
    replica.check_blob(&after).unwrap();
    println!("all was tried");
}

#[test]
fn a_full_disk_is_named_and_nothing_half_kept_stays() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=48m,mode=700 tmpfs "$LAMOS_BLOBS_DISK" || exit 99
        exec "$0" --exact on_the_disk --ignored --nocapture"#;
    // An ordinary user makes a namespace of users too, where the kernel lets him.
    let flags = if fs_owner_is_root() { "-m" } else { "-rm" };
    let output = Command::new("unshare")
        .args([flags, "sh", "-c", script])
        .arg(env::current_exe().unwrap())
        .env(DISK, directory.path())
        .output();
    let Ok(output) = output else { return eprintln!("not tried: there is no unshare") };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(99) || text.contains("unshare:") {
        return eprintln!("not tried: no mount namespace can be made here: {text}");
    }
    assert!(output.status.success() && text.contains("all was tried"), "{text}");
}

/// Whether this is run by root, as files of this process show.
fn fs_owner_is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
