//! Checks of single values.

use bytes::Bytes;

use super::{Checked, Deviation, Pattern, all, clear, ensure, expect, path};
use crate::{MAX_PIECE, MAX_VALUE, Path, Refused, Storage, StorageError, Whole};

pub(super) async fn nothing_is_there(storage: &dyn Storage) -> Checked {
    for name in ["absent", "absent/of/a/folder"] {
        expect(storage, &path(name)?, None).await?;
        storage.delete(&path(name)?).await?;
    }
    let listed = all(storage, Some(&path("absent")?), 10).await?;
    ensure(listed.is_empty(), || format!("a folder that is not there has {listed:?}"))
}

pub(super) async fn round_trips(storage: &dyn Storage, second: &dyn Storage) -> Checked {
    let (one, deep) = (path("v/one")?, path("v/a/b/c/d/e/f/g")?);
    let every: Vec<u8> = (0..=u8::MAX).collect();
    for value in [&b"first"[..], b"a second and longer value", b"3", &every, b"\r\n\0", "日本語".as_bytes()] {
        for path in [&one, &deep] {
            storage.write(path, Bytes::copy_from_slice(value)).await?;
            expect(storage, path, Some(value)).await?;
            expect(second, path, Some(value)).await?;
        }
    }
    clear(storage, "v").await
}

pub(super) async fn empty_is_present(storage: &dyn Storage, second: &dyn Storage) -> Checked {
    let (empty, other) = (path("e/empty")?, path("e/emptied")?);
    storage.write(&empty, Bytes::new()).await?;
    storage.write(&other, Bytes::from_static(b"full")).await?;
    storage.write(&other, Bytes::new()).await?;
    for storage in [storage, second] {
        expect(storage, &empty, Some(b"")).await?;
        expect(storage, &other, Some(b"")).await?;
    }
    let listed = all(storage, Some(&path("e")?), 10).await?;
    let wanted = [("e/emptied".to_owned(), 0), ("e/empty".to_owned(), 0)];
    ensure(listed == wanted, || format!("empty values are listed as {listed:?}"))?;
    storage.delete(&empty).await?;
    expect(second, &empty, None).await?;
    clear(storage, "e").await
}

pub(super) async fn deleted_is_absent(storage: &dyn Storage, second: &dyn Storage) -> Checked {
    let (gone, stays) = (path("d/x/gone")?, path("d/stays")?);
    storage.write(&gone, Bytes::from_static(b"1")).await?;
    storage.write(&stays, Bytes::from_static(b"2")).await?;
    storage.delete(&gone).await?;
    storage.delete(&gone).await?;
    for storage in [storage, second] {
        expect(storage, &gone, None).await?;
        expect(storage, &stays, Some(b"2")).await?;
    }
    // A folder is no value: to delete it removes nothing.
    storage.delete(&path("d")?).await?;
    expect(storage, &stays, Some(b"2")).await?;
    let listed = all(storage, Some(&path("d/x")?), 10).await?;
    ensure(listed.is_empty(), || format!("the folder of what was deleted has {listed:?}"))?;
    storage.write(&gone, Bytes::from_static(b"again")).await?;
    expect(second, &gone, Some(b"again")).await?;
    clear(storage, "d").await
}

/// Names that somebody, somewhere, writes otherwise.
const NAMES: &[&str] = &[
    "caf\u{e9}",
    "cafe\u{301}",
    "CAF\u{c9}",
    "\u{1100}\u{1161}",
    "\u{ac00}",
    "東京",
    "👩‍👩‍👧‍👦",
    "with space",
    "with  two",
    "+plus",
    "100%",
    "%2F",
    "%2e%2e",
    "a&b=c",
    "#hash",
    "question?",
    "semi;colon",
    "quote\"'`",
    "[brackets]{braces}",
    "star*",
    "~tilde",
    ".hidden",
    "…dots",
    "<tag>",
    "comma,at@",
    "$dollar",
    "\u{202e}right",
];

pub(super) async fn paths_are_bytes(storage: &dyn Storage, second: &dyn Storage) -> Checked {
    for name in NAMES {
        storage.write(&path(&format!("n/{name}"))?, Bytes::copy_from_slice(name.as_bytes())).await?;
        storage.write(&path(&format!("n/in {name}/x"))?, Bytes::copy_from_slice(name.as_bytes())).await?;
    }
    let mut wanted = Vec::new();
    for name in NAMES {
        for path in [path(&format!("n/{name}"))?, path(&format!("n/in {name}/x"))?] {
            expect(second, &path, Some(name.as_bytes())).await?;
            wanted.push((path.to_string(), name.len() as u64));
        }
    }
    wanted.sort();
    let listed = all(second, Some(&path("n")?), 7).await?;
    ensure(listed == wanted, || {
        let odd: Vec<_> = listed.iter().filter(|entry| !wanted.contains(entry)).collect();
        let missing: Vec<_> = wanted.iter().filter(|entry| !listed.contains(entry)).collect();
        format!("listed otherwise than written: {odd:?}, missing {missing:?}")
    })?;
    clear(storage, "n").await
}

pub(super) async fn no_path_leads_out() -> Checked {
    for bad in ["../out", "a/../../out", "/etc/passwd", "a//b", "a/.", "C:\\x", "a\0", ".~lamos/queue"] {
        ensure(Path::parse(bad).is_err(), || format!("{bad:?} is taken as a path"))?;
    }
    Ok(())
}

/// A place may keep both, or refuse the second; the first must stay.
pub(super) async fn values_are_no_folders(storage: &dyn Storage) -> Checked {
    let rows = [("w/value", "w/value/below"), ("w/folder/below", "w/folder")];
    for (first, then) in rows {
        let (first, then) = (path(first)?, path(then)?);
        storage.write(&first, Bytes::from_static(b"first")).await?;
        match storage.write(&then, Bytes::from_static(b"then")).await {
            Ok(()) => expect(storage, &then, Some(b"then")).await?,
            Err(StorageError::Refused(Refused::InTheWay)) => expect(storage, &then, None).await?,
            Err(other) => return Err(other.into()),
        }
        expect(storage, &first, Some(b"first")).await?;
        storage.delete(&then).await?;
        expect(storage, &first, Some(b"first")).await?;
    }
    clear(storage, "w").await
}

pub(super) async fn lengths_are_true(storage: &dyn Storage) -> Checked {
    let (old, new) = (path("l/old")?, path("l/new")?);
    storage.write(&old, Bytes::from_static(b"old")).await?;
    for (given, said) in [(0, 1), (10, 11), (11, 10), (MAX_PIECE as u64 * 2, MAX_PIECE as u64 * 2 + 1), (1, 0)] {
        for path in [&old, &new] {
            let result = storage.write_stream(path, said, &mut Pattern::new(1, given)).await;
            let refused = matches!(result, Err(StorageError::Refused(Refused::Length)));
            ensure(refused, || format!("{given} bytes said to be {said} are answered with {result:?}"))?;
        }
    }
    let mut failing = Pattern { fails_at: Some(300_000), ..Pattern::new(1, 1_000_000) };
    let result = storage.write_stream(&new, 1_000_000, &mut failing).await;
    ensure(result.is_err(), || "a value whose source fails is kept".to_owned())?;
    expect(storage, &old, Some(b"old")).await?;
    expect(storage, &new, None).await?;
    clear(storage, "l").await
}

pub(super) async fn large_values(storage: &dyn Storage, second: &dyn Storage, length: u64) -> Checked {
    let large = path("big/large")?;
    for seed in [1, 2] {
        storage.write_stream(&large, length, &mut Pattern::new(seed, length)).await?;
        let head = second.head(&large).await?;
        ensure(head.as_ref().is_some_and(|entry| entry.length == length), || format!("its head is {head:?}"))?;
        let Some(mut value) = second.read_stream(&large).await? else {
            return Err(Deviation("a large value is absent".to_owned()));
        };
        ensure(value.length == length, || format!("{} bytes are announced of {length}", value.length))?;
        let mut read = 0;
        while let Some(piece) = value.pieces.next().await? {
            ensure(!piece.is_empty() && piece.len() <= MAX_PIECE, || format!("a piece has {} bytes", piece.len()))?;
            ensure(piece == Pattern::fill(seed, read, piece.len()), || format!("other bytes after {read}"))?;
            read += piece.len() as u64;
        }
        ensure(read == length, || format!("{read} bytes of {length} are read"))?;
    }
    if length > MAX_VALUE {
        let whole = storage.read(&large).await;
        let refused = matches!(whole, Err(StorageError::Refused(Refused::TooLarge { .. })));
        ensure(refused, || format!("{length} bytes are given in one piece"))?;
    }
    clear(storage, "big").await
}

pub(super) async fn reading_stays(storage: &dyn Storage, second: &dyn Storage) -> Checked {
    const LENGTH: usize = 3 << 20;
    let shared = path("s/shared")?;
    storage.write(&shared, Pattern::whole(1, LENGTH)).await?;
    let Some(mut value) = storage.read_stream(&shared).await? else { return Err(Deviation("it is absent".to_owned())) };
    let mut read = value.pieces.next().await?.unwrap_or_default().to_vec();
    second.write_stream(&shared, 5, &mut Whole::new(Bytes::from_static(b"short"))).await?;
    // It may break off and say so; it may not go on with another value or end as if it were whole.
    loop {
        match value.pieces.next().await {
            Ok(Some(piece)) => read.extend_from_slice(&piece),
            Ok(None) => {
                ensure(read == Pattern::whole(1, LENGTH), || format!("{} bytes that were never written", read.len()))?;
                break;
            }
            Err(StorageError::Remote(_) | StorageError::Refused(Refused::Length)) => break,
            Err(other) => return Err(other.into()),
        }
    }
    expect(storage, &shared, Some(b"short")).await?;
    clear(storage, "s").await
}
