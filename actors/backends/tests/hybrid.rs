//! Near first, far after: the suite, offline days, restarts, conflicts and refusals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod faulty;

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use backends::{
    BackOff, Hybrid, MAX_VALUE, Memory, Path, Pushed, Refused, Remote, Storage, StorageError, Tree,
    conformance::{self, Scale},
};
use bytes::Bytes;
use faulty::Faulty;

const QUICK: BackOff = BackOff {
    first: Duration::from_millis(1),
    most: Duration::from_millis(8),
    most_asked: Duration::from_millis(8),
    stray: Duration::ZERO,
};

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

async fn open(near: &Memory, far: &Rc<Faulty<Memory>>) -> Hybrid {
    Hybrid::open(Rc::new(near.clone()), far.clone(), QUICK).await.unwrap()
}

fn far(per_mille: u64) -> Rc<Faulty<Memory>> {
    Rc::new(Faulty::new(Memory::new(), per_mille, 7))
}

/// Pushes until there is nothing left.
async fn drain(hybrid: &Hybrid) {
    for _ in 0..1_000_000 {
        match hybrid.push().await {
            Pushed::Idle if hybrid.status().waiting == 0 => return,
            Pushed::Idle => tokio::time::sleep(Duration::from_millis(1)).await,
            _ => {}
        }
    }
    panic!("the queue does not empty: {:?}", hybrid.status());
}

/// Everything in a place.
async fn everything(storage: &dyn Storage) -> BTreeMap<String, Bytes> {
    let (mut all, mut cursor) = (BTreeMap::new(), None);
    loop {
        let page = storage.list(None, cursor.as_ref(), 1000).await.unwrap();
        for entry in page.entries {
            let value = storage.read(&entry.path).await.unwrap().expect("what is listed is there");
            all.insert(entry.path.to_string(), value);
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_hybrid_conforms_while_it_is_pushed() {
    // The pushing goes on beside everything that the suite does.
    let local = tokio::task::LocalSet::new();
    let run = async {
        let (near, far) = (Memory::new(), far(0));
        let hybrid = Rc::new(open(&near, &far).await);
        let pushing = tokio::task::spawn_local({
            let hybrid = hybrid.clone();
            async move { hybrid.run(4).await }
        });
        conformance::run(&*hybrid, &*hybrid, &Scale { entries: 5_000, ..Scale::default() }).await.unwrap();
        drain(&hybrid).await;
        assert!(!pushing.is_finished());
        pushing.abort();
        assert!(everything(&far.inner).await.is_empty(), "deletions travelled");
    };
    local.run_until(run).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_hybrid_over_a_tree_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let near = Rc::new(Tree::open(folder.path()).await.unwrap());
    let hybrid = Hybrid::open(near, far(0), QUICK).await.unwrap();
    conformance::run(&hybrid, &hybrid, &Scale { entries: 200, page: 50, rounds: 3, at_once: 8, ..Scale::default() })
        .await
        .unwrap();
    drain(&hybrid).await;
}

/// A day offline with restarts, then a day of a bad line with restarts: nothing is lost, nothing deleted comes back.
#[tokio::test(flavor = "current_thread")]
async fn nothing_is_lost_by_offline_days_and_restarts() {
    let (near, far) = (Memory::new(), far(0));
    let mut wanted: BTreeMap<String, Bytes> = BTreeMap::new();
    for number in 0..40 {
        let name = format!("old/{number}");
        far.inner.write(&path(&name), Bytes::from(format!("old {number}"))).await.unwrap();
        wanted.insert(name, Bytes::from(format!("old {number}")));
    }
    for day in 0..6 {
        far.offline.set(day % 2 == 0);
        far.per_mille.set(400);
        let hybrid = open(&near, &far).await;
        for step in 0..200 {
            let name = match far.below(3) {
                0 => format!("old/{}", far.below(40)),
                _ => format!("new/{}", far.below(30)),
            };
            if far.below(4) == 0 {
                hybrid.delete(&path(&name)).await.unwrap();
                wanted.remove(&name);
            } else {
                let value = Bytes::from(format!("{day} {step}"));
                hybrid.write(&path(&name), value.clone()).await.unwrap();
                wanted.insert(name.clone(), value);
            }
            // What is known here is answered at once and truly, with no far place at all.
            match hybrid.read(&path(&name)).await {
                Ok(read) => assert_eq!(read.as_ref(), wanted.get(&name), "{name}"),
                Err(error) => panic!("{name} {error}"),
            }
            for _ in 0..far.below(3) {
                hybrid.push().await;
            }
        }
        // It goes without a farewell, in the middle of a push or not.
    }
    far.offline.set(false);
    far.per_mille.set(300);
    let hybrid = open(&near, &far).await;
    drain(&hybrid).await;
    far.per_mille.set(0);
    assert_eq!(everything(&far.inner).await, wanted);
    assert_eq!(everything(&hybrid).await, wanted);
    let fresh = open(&Memory::new(), &far).await;
    assert_eq!(everything(&fresh).await, wanted, "another device sees the same");
}

#[tokio::test(flavor = "current_thread")]
async fn many_writes_of_a_path_are_one_and_the_oldest_goes_first() {
    let (near, far) = (Memory::new(), far(0));
    let hybrid = open(&near, &far).await;
    for round in 0..100 {
        for name in ["b", "a", "c"] {
            hybrid.write(&path(name), Bytes::from(round.to_string())).await.unwrap();
        }
    }
    hybrid.delete(&path("c")).await.unwrap();
    assert_eq!(hybrid.status().waiting, 3);
    drop(hybrid);
    drain(&open(&near, &far).await).await;
    assert_eq!(*far.asked.borrow(), ["write b", "write a", "delete c"]);
    assert_eq!(far.inner.read(&path("a")).await.unwrap().as_deref(), Some(&b"99"[..]));
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_far_place_has_is_read_once_and_kept() {
    let (near, far) = (Memory::new(), far(0));
    let large = Bytes::from(vec![7; MAX_VALUE as usize + 5]);
    far.inner.write(&path("small"), Bytes::new()).await.unwrap();
    far.inner.write(&path("large"), large.clone()).await.unwrap();
    let hybrid = open(&near, &far).await;
    assert_eq!(hybrid.read(&path("small")).await.unwrap(), Some(Bytes::new()));
    let value = hybrid.read_stream(&path("large")).await.unwrap().unwrap();
    assert_eq!(backends::collect(value, u64::MAX).await.unwrap(), large);
    assert_eq!(hybrid.read(&path("absent")).await, Ok(None));
    assert_eq!(hybrid.status().waiting, 0, "what was fetched is not sent back");
    far.offline.set(true);
    assert_eq!(hybrid.read(&path("small")).await, Ok(Some(Bytes::new())));
    assert!(hybrid.read_stream(&path("large")).await.unwrap().is_some());
    // Not here, and nobody to ask: that is no absence.
    assert_eq!(hybrid.read(&path("absent")).await, Err(StorageError::Remote(Remote::Unreachable)));
    let page = hybrid.list(None, None, 10).await.unwrap();
    let names: Vec<_> = page.entries.iter().map(|entry| entry.path.as_str().to_owned()).collect();
    assert_eq!(names, ["large", "small"]);
    let last = hybrid.list(None, page.next.as_ref(), 10).await.unwrap();
    assert!(last.partial && last.entries.is_empty() && last.next.is_none());
    far.offline.set(false);
    far.inner.write(&path("small"), Bytes::from_static(b"by another")).await.unwrap();
    assert_eq!(hybrid.read(&path("small")).await, Ok(Some(Bytes::new())), "near first");
    assert!(hybrid.forget(&path("small")).await.unwrap());
    assert_eq!(hybrid.read(&path("small")).await.unwrap().as_deref(), Some(&b"by another"[..]));
    assert!(near.list(Some(&Path::reserved_folder()), None, 10).await.unwrap().entries.is_empty(), "nothing is left over");
}

#[tokio::test(flavor = "current_thread")]
async fn an_unsent_deletion_hides_what_the_far_place_still_has() {
    let (near, far) = (Memory::new(), far(0));
    far.inner.write(&path("a/x"), Bytes::from_static(b"old")).await.unwrap();
    let hybrid = open(&near, &far).await;
    hybrid.delete(&path("a/x")).await.unwrap();
    for hybrid in [hybrid, open(&near, &far).await] {
        assert_eq!(hybrid.read(&path("a/x")).await, Ok(None));
        assert_eq!(hybrid.head(&path("a/x")).await, Ok(None));
        assert!(everything(&hybrid).await.is_empty());
        assert!(!hybrid.forget(&path("a/x")).await.unwrap(), "what is unsent is not forgotten");
    }
    let hybrid = open(&near, &far).await;
    drain(&hybrid).await;
    assert_eq!(far.inner.read(&path("a/x")).await, Ok(None));
}

/// Somebody writes while the far place is asked for the same path: what was fetched is old by then and is not kept.
#[tokio::test(flavor = "current_thread")]
async fn a_fetch_never_covers_a_write() {
    for seed in 0..300 {
        let (near, far) = (Memory::new(), Rc::new(Faulty::new(Memory::new(), 0, seed * 977 + 1)));
        far.inner.write(&path("x"), Bytes::from_static(b"old")).await.unwrap();
        let hybrid = open(&near, &far).await;
        let is_delete = seed % 2 == 0;
        let change = async {
            for _ in 0..seed % 5 {
                tokio::task::yield_now().await;
            }
            match is_delete {
                true => hybrid.delete(&path("x")).await.unwrap(),
                false => hybrid.write(&path("x"), Bytes::from_static(b"new")).await.unwrap(),
            }
            // Sometimes the change has even arrived before the fetch is over.
            if seed % 3 == 0 {
                hybrid.push().await;
            }
        };
        let x = path("x");
        let (read, ()) = futures_util::future::join(hybrid.read(&x), change).await;
        let new = (!is_delete).then(|| Bytes::from_static(b"new"));
        assert!([Some(Bytes::from_static(b"old")), new.clone()].contains(&read.unwrap()));
        assert_eq!(hybrid.read(&path("x")).await.unwrap(), new, "seed {seed}");
        drain(&hybrid).await;
        assert_eq!(far.inner.read(&path("x")).await.unwrap(), new, "seed {seed}");
        assert_eq!(hybrid.read(&path("x")).await.unwrap(), new, "seed {seed}");
    }
}

/// The far place takes folders and values under one path otherwise than the near one: one path's trouble.
#[tokio::test(flavor = "current_thread")]
async fn one_refused_path_holds_up_no_other() {
    let (near, far) = (Memory::new(), far(0));
    far.inner.write(&path("a/b"), Bytes::new()).await.unwrap();
    let hybrid = open(&near, &far).await;
    hybrid.write(&path("a"), Bytes::from_static(b"1")).await.unwrap();
    hybrid.write(&path("z"), Bytes::from_static(b"2")).await.unwrap();
    assert_eq!(hybrid.push().await, Pushed::Refused(path("a")));
    assert_eq!(hybrid.push().await, Pushed::Done(path("z")));
    let status = hybrid.status();
    assert_eq!((status.waiting, status.refusals), (1, 1));
    assert_eq!(status.refused, [(path("a"), Refused::InTheWay.into())]);
    far.inner.delete(&path("a/b")).await.unwrap();
    drain(&hybrid).await;
    assert_eq!(far.inner.read(&path("a")).await.unwrap().as_deref(), Some(&b"1"[..]));
}

/// However many are refused, each is counted; only some are named.
#[tokio::test(flavor = "current_thread")]
async fn refused_paths_are_counted() {
    let (near, far) = (Memory::new(), far(0));
    let hybrid = open(&near, &far).await;
    for number in 0..150 {
        far.inner.write(&path(&format!("{number}/below")), Bytes::new()).await.unwrap();
        hybrid.write(&path(&number.to_string()), Bytes::new()).await.unwrap();
    }
    for _ in 0..150 {
        assert!(matches!(hybrid.push().await, Pushed::Refused(_)));
    }
    let status = hybrid.status();
    assert_eq!((status.waiting, status.refusals, status.refused.len()), (150, 150, 100));
}

#[tokio::test(flavor = "current_thread")]
async fn a_write_that_fails_here_leaves_the_queue_as_it_was() {
    let (near, far) = (Memory::new(), far(0));
    let hybrid = open(&near, &far).await;
    hybrid.write(&path("a/b"), Bytes::from_static(b"1")).await.unwrap();
    assert_eq!(hybrid.write(&path("a"), Bytes::new()).await, Err(StorageError::Refused(Refused::InTheWay)));
    assert_eq!(hybrid.status().waiting, 1);
    far.offline.set(true);
    assert_eq!(hybrid.push().await, Pushed::Failed);
    let status = hybrid.status();
    assert!(status.trouble == Some(StorageError::Remote(Remote::Unreachable)) && status.waiting == 1);
}

/// A request that broke off arrives after a later one, of this life or of the next: it has no last word.
#[tokio::test(flavor = "current_thread")]
async fn a_stray_request_does_not_win() {
    let stray = Duration::from_millis(100);
    for restarts in [false, true] {
        let (near, far) = (Memory::new(), far(0));
        let open = || Hybrid::open(Rc::new(near.clone()), far.clone(), BackOff { stray, ..QUICK });
        let mut hybrid = open().await.unwrap();
        hybrid.write(&path("x"), Bytes::from_static(b"old")).await.unwrap();
        far.late.set(true);
        assert_eq!(hybrid.push().await, Pushed::Failed);
        far.late.set(false);
        if restarts {
            hybrid = open().await.unwrap();
        }
        hybrid.write(&path("x"), Bytes::from_static(b"new")).await.unwrap();
        assert_eq!(hybrid.push().await, Pushed::Done(path("x")));
        assert_eq!(hybrid.status().waiting, 1, "its mark is kept while something may still arrive");
        far.arrive().await.unwrap();
        assert_eq!(far.inner.read(&path("x")).await.unwrap().as_deref(), Some(&b"old"[..]));
        drain(&hybrid).await;
        assert_eq!(far.inner.read(&path("x")).await.unwrap().as_deref(), Some(&b"new"[..]));
    }
}
