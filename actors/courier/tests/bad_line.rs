//! Remote places over a line that cuts, delays, truncates and doubles: what was acknowledged is there, nothing is mixed, and
//! what failed says why. Vercel Blob's scripted server always; S3 and WebDAV where servers of others may be started.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod places;

use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr, rc::Rc, sync::atomic::Ordering, time::Duration};

use backends::{BackOff, Hybrid, Memory, Path, Storage, StorageError};
use bytes::Bytes;
use courier::Times;
use integration_tests::{
    chance::Chance,
    fault_proxy::{Badness, FaultProxy},
    peers,
    python_peers::Peer,
    scripted_blob::ScriptedBlob,
};
use places::{Open, QUICK, s3, vercel, web_dav};

/// A value that tells itself from every other: its number, many times over.
fn value(number: u64) -> Bytes {
    Bytes::from(format!("{number:08} ").repeat(1 + (number as usize * 7919) % 20_000))
}

fn number_of(read: &Bytes) -> u64 {
    let number = std::str::from_utf8(&read[..8]).ok().and_then(|text| text.parse().ok()).expect("a value of the test");
    assert!(*read == value(number), "{} bytes are a mixture", read.len());
    number
}

/// Writes and reads over the bad line, directly: every failure is typed, every acknowledged write stands.
async fn directly(server: SocketAddr, open: Open, operations: u64) {
    let mut chance = Chance::new();
    let proxy = FaultProxy::start(server, Badness::MUCH, chance.branch());
    let place = open(proxy.address(), Times { retries: 3, ..QUICK });
    // For each path, what it may hold: what was acknowledged last, and what failed after that.
    let mut may: BTreeMap<u64, Vec<Option<u64>>> = (0..6).map(|name| (name, vec![None])).collect();
    let name = |number: u64| Path::parse(format!("line/n{number}")).unwrap();
    let (mut acknowledged, mut failed) = (0, 0);
    for number in 1..=operations {
        let (at, what) = (chance.below(6), chance.below(10));
        let allowed = may.get_mut(&at).unwrap();
        let remote = |error: StorageError| {
            assert!(matches!(error, StorageError::Remote(_)), "a bad line is the other side's: {error:?}");
        };
        match what {
            0..5 => match place.write(&name(at), value(number)).await {
                Ok(()) => {
                    acknowledged += 1;
                    *allowed = vec![Some(number)];
                }
                Err(error) => {
                    failed += 1;
                    remote(error);
                    allowed.push(Some(number));
                }
            },
            5 => match place.delete(&name(at)).await {
                Ok(()) => *allowed = vec![None],
                Err(error) => {
                    failed += 1;
                    remote(error);
                    allowed.push(None);
                }
            },
            _ => match place.read(&name(at)).await {
                Ok(read) => {
                    let read = read.as_ref().map(number_of);
                    assert!(allowed.contains(&read), "{at} is {read:?} and not of {allowed:?}");
                }
                Err(error) => remote(error),
            },
        }
    }
    let direct = open(server, QUICK);
    for (at, allowed) in &may {
        let read = direct.read(&name(*at)).await.unwrap().as_ref().map(number_of);
        assert!(allowed.contains(&read), "in the end {at} is {read:?} and not of {allowed:?}");
    }
    let met = &proxy.met;
    println!("{acknowledged} acknowledged, {failed} failed, {met:?}");
    for counter in [&met.cuts, &met.truncations, &met.doubles, &met.delays] {
        assert!(counter.load(Ordering::Relaxed) > 0, "the line was not bad enough: {met:?}");
    }
    assert!(acknowledged > operations / 5);
}

/// The same line behind a hybrid: the person notices nothing, and in the end everything is there.
async fn behind_a_hybrid(server: SocketAddr, open: Open, operations: u64) {
    let mut chance = Chance::new();
    let proxy = FaultProxy::start(server, Badness::MUCH, chance.branch());
    let far = open(proxy.address(), Times { retries: 1, ..QUICK });
    let quick = Duration::from_millis(20);
    // The line holds no request back for longer: forty milliseconds for each sixteen KiB.
    let stray = Duration::from_secs(2);
    let back_off = BackOff { first: Duration::from_millis(1), most: quick, most_asked: quick, stray };
    let near = Memory::new();
    let wanted: RefCell<BTreeMap<String, Bytes>> = RefCell::default();
    let path = |name: &str| Path::parse(name).unwrap();
    for life in 0..3 {
        let hybrid = Hybrid::open(Rc::new(near.clone()), far.clone(), back_off).await.unwrap();
        let work = async {
            for number in 0..operations / 3 {
                let name = format!("hybrid/n{}", chance.below(8));
                let number = life * operations + number + 1;
                if chance.below(5) == 0 {
                    hybrid.delete(&path(&name)).await.unwrap();
                    wanted.borrow_mut().remove(&name);
                } else {
                    hybrid.write(&path(&name), value(number)).await.unwrap();
                    wanted.borrow_mut().insert(name, value(number));
                }
                tokio::time::sleep(Duration::from_millis(chance.below(4))).await;
            }
        };
        // This life ends in the middle of whatever is being sent.
        tokio::select! { () = work => {}, () = hybrid.run(3) => {} }
    }
    // What a life that ended had sent may still be under way when the next one writes.
    let hybrid = Hybrid::open(Rc::new(near.clone()), far, back_off).await.unwrap();
    let emptied = async {
        while hybrid.status().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = async {
        tokio::select! { () = emptied => true, () = hybrid.run(3) => false }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(120), in_time).await, Ok(true), "{:?}", hybrid.status());
    let fresh = Hybrid::open(Rc::new(Memory::new()), open(server, QUICK), back_off).await.unwrap();
    for number in 0..8 {
        let name = format!("hybrid/n{number}");
        let read = fresh.read(&path(&name)).await.unwrap();
        // What is not near is asked for over the bad line, where a value that breaks off is for its reader to ask for again.
        let here = loop {
            match hybrid.read(&path(&name)).await {
                Err(StorageError::Remote(_)) => {}
                read => break read.unwrap(),
            }
        };
        assert_eq!(here.as_ref(), wanted.borrow().get(&name), "{name} here");
        assert!(read.as_ref() == wanted.borrow().get(&name), "{name} there");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn vercel_blob_over_a_bad_line() {
    directly(ScriptedBlob::start().address(), vercel, 400).await;
}

#[tokio::test(flavor = "current_thread")]
async fn vercel_blob_behind_a_hybrid_over_a_bad_line() {
    behind_a_hybrid(ScriptedBlob::start().address(), vercel, 150).await;
}

#[tokio::test(flavor = "current_thread")]
async fn s3_over_a_bad_line() {
    if !peers() {
        return println!("skipped: moto is installed from PyPI with LAMOS_PEERS=1 or cargo verify --full");
    }
    let moto = Peer::moto();
    moto.make_bucket("test-bucket");
    directly(moto.address(), s3, 200).await;
    behind_a_hybrid(moto.address(), s3, 90).await;
}

#[tokio::test(flavor = "current_thread")]
async fn web_dav_over_a_bad_line() {
    if !peers() {
        return println!("skipped: WsgiDAV is installed from PyPI with LAMOS_PEERS=1 or cargo verify --full");
    }
    let dav = Peer::wsgidav();
    directly(dav.address(), web_dav, 200).await;
    behind_a_hybrid(dav.address(), web_dav, 90).await;
}
