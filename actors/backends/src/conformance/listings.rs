//! Checks of listings and patterns.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{Checked, Deviation, Scale, all, clear, ensure, expect, many_path, many_value, path};
use crate::{Glob, MAX_PAGE, Path, Storage, glob};

pub(super) async fn globs(storage: &dyn Storage) -> Checked {
    let names = [
        "g/a.md",
        "g/b.md",
        "g/b.txt",
        "g/é.md",
        "g/.md",
        "g/x/a.md",
        "g/x/y/a.md",
        "g/x/y/b",
        "g/xx/a.md",
        "g/[a].md",
        "ga/a.md",
    ];
    for name in names {
        storage.write(&path(name)?, Bytes::from_static(b"x")).await?;
    }
    let rows: &[(&str, &[&str])] = &[
        ("g/*.md", &["g/.md", "g/[a].md", "g/a.md", "g/b.md", "g/é.md"]),
        ("g/?.md", &["g/a.md", "g/b.md", "g/é.md"]),
        ("g/**/a.md", &["g/a.md", "g/x/a.md", "g/x/y/a.md", "g/xx/a.md"]),
        ("g/x/**", &["g/x/a.md", "g/x/y/a.md", "g/x/y/b"]),
        ("g/*/a.md", &["g/x/a.md", "g/xx/a.md"]),
        ("g*/a.md", &["g/a.md", "ga/a.md"]),
        ("**/b", &["g/x/y/b"]),
        ("g/[a].md", &["g/[a].md"]),
        ("g/absent/*", &[]),
        ("g/a.md", &["g/a.md"]),
    ];
    for (text, wanted) in rows {
        let pattern = Glob::parse(text).map_err(|error| Deviation(error.to_string()))?;
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = glob(storage, &pattern, cursor.as_ref(), 2).await?;
            found.extend(page.entries.into_iter().map(|entry| entry.path.to_string()));
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        found.sort();
        ensure(found == *wanted, || format!("{text} finds {found:?} and not {wanted:?}"))?;
    }
    clear(storage, "ga").await?;
    clear(storage, "g").await
}

/// A folder is its own: not what begins with the same letters, and whatever its name.
pub(super) async fn folders(storage: &dyn Storage) -> Checked {
    let names = ["f/a/1", "f/a/2/3", "f/ab/1", "f/a-b", "f/a b/1", "f/A/1", "f/é/1", "f/e\u{301}/1"];
    for name in names {
        storage.write(&path(name)?, Bytes::from_static(b"xy")).await?;
    }
    for (folder, wanted) in [
        ("f/a", &["f/a/1", "f/a/2/3"][..]),
        ("f/ab", &["f/ab/1"]),
        ("f/é", &["f/é/1"]),
        ("f/e\u{301}", &["f/e\u{301}/1"]),
        ("f/a/1", &[]),
        ("f/a-b", &[]),
    ] {
        for limit in [1, 100] {
            let listed = all(storage, Some(&path(folder)?), limit).await?;
            let wanted: Vec<_> = wanted.iter().map(|name| ((*name).to_owned(), 2)).collect();
            ensure(listed == wanted, || format!("{folder} has {listed:?}"))?;
        }
    }
    clear(storage, "f").await
}

pub(super) async fn ours_are_not_shown(storage: &dyn Storage) -> Checked {
    let ours = Path::reserved("suite/own")?;
    storage.write(&ours, Bytes::from_static(b"own")).await?;
    expect(storage, &ours, Some(b"own")).await?;
    let shown = all(storage, None, MAX_PAGE).await?;
    ensure(shown.iter().all(|(name, _)| !name.starts_with('.')), || {
        "a listing of all shows what is the storage's own".to_owned()
    })?;
    let own = all(storage, Some(&Path::reserved_folder()), 100).await?;
    ensure(own.iter().any(|(name, _)| name == ours.as_str()), || format!("the storage's own values are {own:?}"))?;
    storage.delete(&ours).await?;
    expect(storage, &ours, None).await
}

/// A long listing shows each entry once, with others coming and going beside it.
pub(super) async fn many(storage: &dyn Storage, second: &dyn Storage, scale: &Scale) -> Checked {
    if !scale.filled {
        let writes = (0..scale.entries).map(|number| async move {
            storage.write(&many_path(number)?, many_value(number)).await?;
            Ok::<(), Deviation>(())
        });
        stream::iter(writes).buffer_unordered(scale.at_once.max(1)).try_collect::<Vec<()>>().await?;
    }
    let folder = path("many")?;
    let (mut seen, mut cursor, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = second.list(Some(&folder), cursor.as_ref(), scale.page).await?;
        for entry in page.entries {
            let name = entry.path.to_string();
            ensure(seen.insert(name.clone()), || format!("{name} is shown twice"))?;
        }
        // Others beside them: one before, one after, one between, one that goes.
        if pages < 4 {
            for name in ["many/000/a", "many/zzz/a", "many/000/n0000005"] {
                let other = path(&format!("{name}-{pages}"))?;
                storage.write(&other, Bytes::new()).await?;
            }
            storage.delete(&path(&format!("many/zzz/a-{pages}"))?).await?;
        }
        pages += 1;
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    for number in 0..scale.entries {
        let name = many_path(number)?;
        ensure(seen.contains(name.as_str()), || format!("{name} is not shown, on none of {pages} pages"))?;
    }
    for number in [0, scale.entries / 2, scale.entries - 1] {
        expect(second, &many_path(number)?, Some(&many_value(number))).await?;
    }
    if scale.kept {
        return Ok(());
    }
    let listed = all(storage, Some(&folder), MAX_PAGE).await?;
    let deletes = listed.into_iter().map(|(name, _)| async move {
        storage.delete(&path(&name)?).await?;
        Ok::<(), Deviation>(())
    });
    stream::iter(deletes).buffer_unordered(scale.at_once.max(1)).try_collect::<Vec<()>>().await?;
    let left = all(storage, None, MAX_PAGE).await?;
    ensure(left.is_empty(), || format!("after everything was deleted there is {:?}", left.iter().take(5).collect::<Vec<_>>()))
}
