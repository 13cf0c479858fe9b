//! The suite over the back ends of this room, and what is true of one of them alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{fs, os::unix::fs::symlink};

use backends::{
    Memory, Path, Refused, Storage, StorageError, Tree,
    conformance::{self, Scale, many_path, many_value},
};
use bytes::Bytes;

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn memory_conforms() {
    let memory = Memory::new();
    let scale = Scale { entries: 100_000, page: 1_000, ..Scale::default() };
    conformance::run(&memory, &memory.clone(), &scale).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_directory_tree_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (Tree::open(folder.path()).await.unwrap(), Tree::open(folder.path()).await.unwrap());
    conformance::run(&one, &other, &Scale { entries: 600, page: 200, ..Scale::default() }).await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no folder and no half-written file is left");
}

/// A hundred thousand files are written without syncing each; listing and deleting is the back end's.
#[tokio::test(flavor = "current_thread")]
async fn a_directory_tree_with_very_many_files() {
    let folder = tempfile::tempdir().unwrap();
    let entries = 100_000;
    for number in 0..entries {
        let place = folder.path().join(many_path(number).unwrap().as_str());
        if number % 500 == 0 {
            fs::create_dir_all(place.parent().unwrap()).unwrap();
        }
        fs::write(place, many_value(number)).unwrap();
    }
    let tree = Tree::open(folder.path()).await.unwrap();
    let (mut seen, mut cursor) = (0, None);
    loop {
        let page = tree.list(None, cursor.as_ref(), 7_000).await.unwrap();
        for entry in page.entries {
            assert_eq!(entry.path, many_path(seen).unwrap());
            seen += 1;
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, entries);
}

#[tokio::test(flavor = "current_thread")]
async fn no_link_leads_out_of_a_tree() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), folder.path().join("folder")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
    symlink("..", folder.path().join("up")).unwrap();
    fs::create_dir(folder.path().join("real")).unwrap();
    symlink("real", folder.path().join("inside")).unwrap();
    let tree = Tree::open(folder.path()).await.unwrap();
    let escape = StorageError::Refused(Refused::Escape);
    for name in ["folder/secret", "file", "up/x", "inside/x"] {
        assert_eq!(tree.read(&path(name)).await, Err(escape.clone()), "{name}");
        assert_eq!(tree.head(&path(name)).await, Err(escape.clone()), "{name}");
    }
    for name in ["folder/new", "folder/a/b", "up/new", "inside/new"] {
        let written = tree.write(&path(name), Bytes::from_static(b"x")).await;
        assert!(matches!(written, Err(StorageError::Refused(Refused::Escape | Refused::InTheWay))), "{name} {written:?}");
        assert!(tree.delete(&path(name)).await.is_err() || !name.contains("secret"), "{name}");
    }
    let _ = tree.delete(&path("folder/secret")).await;
    // To write over a link replaces the link and not what it leads to.
    tree.write(&path("file"), Bytes::from_static(b"mine")).await.unwrap();
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    let shown = tree.list(None, None, 100).await.unwrap();
    let shown: Vec<_> = shown.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(shown, ["file"]);
}

/// Somebody swaps a folder for a link, over and over, while values are written into it: nothing arrives outside.
#[tokio::test(flavor = "current_thread")]
async fn no_race_leads_out_of_a_tree() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tree = Tree::open(folder.path()).await.unwrap();
    let (place, link) = (folder.path().join("place"), folder.path().join("link"));
    let target = outside.path().to_owned();
    fs::create_dir(&place).unwrap();
    symlink(&target, &link).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (stop, place, link) = (stop.clone(), place.clone(), link.clone());
        move || {
            let mut swaps = 0u32;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let here = rustix::fs::CWD;
                swaps += u32::from(rustix::fs::renameat_with(here, &place, here, &link, flags).is_ok());
            }
            swaps
        }
    });
    let (mut kept, mut refused) = (0, 0);
    for number in 0..400 {
        match tree.write(&path(&format!("place/n{number}")), Bytes::from_static(b"x")).await {
            Ok(()) => kept += 1,
            Err(StorageError::Refused(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let swaps = swapper.join().unwrap();
    println!("{kept} kept, {refused} refused, {swaps} swaps");
    assert!(swaps > 0 && kept + refused == 400);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "nothing is outside");
}

#[tokio::test(flavor = "current_thread")]
async fn what_a_crash_left_is_cleared_away_and_what_is_being_written_is_not() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let (left, young, held) = ("a/.~tmp-00000000000000aa", "a/.~tmp-00000000000000bb", "a/.~tmp-00000000000000cc");
    for name in [left, young, held] {
        let file = fs::File::create(folder.path().join(name)).unwrap();
        if name != young {
            file.set_modified(old).unwrap();
        }
    }
    let holder = fs::File::open(folder.path().join(held)).unwrap();
    holder.lock().unwrap();
    let tree = Tree::open(folder.path()).await.unwrap();
    let there = |name: &str| folder.path().join(name).exists();
    assert_eq!((there(left), there(young), there(held)), (false, true, true));
    assert!(tree.list(None, None, 10).await.unwrap().entries.is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn a_tree_says_what_the_person_can_do() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Tree::open(&folder.path().join("nowhere")).await.map(drop);
    assert!(matches!(nowhere, Err(StorageError::Refused(Refused::Place(_)))));
    let tree = Tree::open(folder.path()).await.unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    assert_eq!(tree.read(&path("pipe")).await, Err(StorageError::Refused(Refused::InTheWay)));
}
