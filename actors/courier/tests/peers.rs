//! The suite against servers of others: moto (S3) and WsgiDAV (WebDAV), started by the test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod places;

use std::fs;

use backends::{
    Path, Refused, StorageError,
    conformance::{self, Scale, many_path, many_value},
};
use courier::{Credential, Secret, Target};
use integration_tests::{peers, python_peers::Peer};
use places::{QUICK, http, s3, web_dav};

#[tokio::test(flavor = "current_thread")]
async fn s3_conforms_at_moto() {
    if !peers() {
        return println!("skipped: moto is installed from PyPI with LAMOS_PEERS=1 or cargo verify --full");
    }
    let moto = Peer::moto();
    moto.make_bucket("test-bucket");
    let (one, other) = (s3(moto.address(), QUICK), s3(moto.address(), QUICK));
    let scale = Scale { entries: 100_000, kept: true, page: 1_000, rounds: 3, at_once: 8, ..Scale::default() };
    conformance::run(&*one, &*other, &scale).await.unwrap();
    let json = format!(r#"{{"kind":"s3","endpoint":"http://{}","bucket":"no-such-bucket"}}"#, moto.address());
    let key = Credential::Key { id: "an-id".to_owned(), secret: Secret::new("a-key".to_owned()), session: None };
    let nowhere = courier::open(&Target::parse(&json).unwrap(), &key, &http(QUICK)).unwrap();
    let written = nowhere.write(&Path::parse("x").unwrap(), bytes::Bytes::new()).await;
    assert!(matches!(written, Err(StorageError::Refused(Refused::Place(_)))), "{written:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn web_dav_conforms_at_wsgidav() {
    if !peers() {
        return println!("skipped: WsgiDAV is installed from PyPI with LAMOS_PEERS=1 or cargo verify --full");
    }
    let dav = Peer::wsgidav();
    let (one, other) = (web_dav(dav.address(), QUICK), web_dav(dav.address(), QUICK));
    for number in 0..100_000 {
        let file = dav.files().join("of/ours").join(many_path(number).unwrap().as_str());
        if number % 500 == 0 {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        fs::write(file, many_value(number)).unwrap();
    }
    let many = Scale { entries: 100_000, filled: true, kept: true, page: 1_000, rounds: 3, at_once: 4, ..Scale::default() };
    // It removes the old file before it moves the new one to its place.
    conformance::run(&*one, &*other, &Scale { blinks: true, ..many }).await.unwrap();
    fs::remove_dir_all(dav.files().join("of")).unwrap();
    let scale = Scale { entries: 300, page: 100, rounds: 3, at_once: 4, blinks: true, ..Scale::default() };
    conformance::run(&*one, &*other, &scale).await.unwrap();
    let json = format!(r#"{{"kind":"webdav","endpoint":"http://{}/"}}"#, dav.address());
    let wrong = Credential::Password { user: "lamos".to_owned(), password: Secret::new("wrong".to_owned()) };
    let refused = courier::open(&Target::parse(&json).unwrap(), &wrong, &http(QUICK)).unwrap();
    let read = refused.read(&Path::parse("x").unwrap()).await;
    assert!(matches!(read, Err(StorageError::Refused(Refused::NoRight(_)))), "{read:?}");
}
