//! The adapter for Vercel Blob against a server of ours that speaks the documented protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod places;

use backends::{
    Path, Refused, Remote, StorageError,
    conformance::{self, Scale, many_path, many_value},
};
use bytes::Bytes;
use courier::{Credential, Secret, Target, Times};
use integration_tests::scripted_blob::{Fault, ScriptedBlob, TOKEN};
use places::{QUICK, http, vercel};

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn it_conforms() {
    let server = ScriptedBlob::start();
    let (one, other) = (vercel(server.address(), QUICK), vercel(server.address(), QUICK));
    conformance::run(&*one, &*other, &Scale { entries: 1_500, page: 400, ..Scale::default() }).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_hundred_thousand_values_are_listed_with_cursors() {
    let server = ScriptedBlob::start();
    let values = (0..100_000).map(|number| (format!("a folder/{}", many_path(number).unwrap()), many_value(number).to_vec()));
    server.fill(values.chain([("another/x".to_owned(), Vec::new()), ("a folder".to_owned(), Vec::new())]));
    let place = vercel(server.address(), QUICK);
    let (mut seen, mut cursor) = (0, None);
    loop {
        let page = place.list(None, cursor.as_ref(), 10_000).await.unwrap();
        seen += page.entries.len();
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, 100_000);
    assert_eq!(server.asked().len(), 100, "a thousand at once");
}

#[tokio::test(flavor = "current_thread")]
async fn failures_of_the_other_side_are_tried_again_by_rule() {
    let server = ScriptedBlob::start();
    let place = vercel(server.address(), QUICK);
    let faults = || {
        [
            Fault::Status(500, "unknown_error", None),
            Fault::Status(429, "rate_limited", Some(0)),
            Fault::SilentAfter,
            Fault::HalfAnswer,
            Fault::Status(503, "service_unavailable", None),
        ]
    };
    let x = path("x");
    server.fail(faults());
    place.write(&x, Bytes::from_static(b"value")).await.unwrap();
    assert_eq!(server.asked().len(), 6);
    server.fail(faults());
    assert_eq!(place.read(&x).await.unwrap().as_deref(), Some(&b"value"[..]));
    server.fail(faults());
    assert_eq!(place.head(&x).await.unwrap().unwrap().length, 5);
    server.fail(faults());
    assert_eq!(place.list(None, None, 10).await.unwrap().entries.len(), 1);
    server.fail(faults());
    place.delete(&x).await.unwrap();
    assert_eq!(server.value("a folder/x"), None);
    // Not for ever.
    server.asked();
    server.fail(vec![Fault::Status(502, "", None); 20]);
    assert_eq!(place.read(&x).await, Err(Remote::Failed(502).into()));
    assert_eq!(server.asked().len(), 1 + QUICK.retries as usize);
}

#[tokio::test(flavor = "current_thread")]
async fn a_long_wait_is_the_callers() {
    let server = ScriptedBlob::start();
    let place = vercel(server.address(), QUICK);
    server.fail([Fault::Status(429, "rate_limited", Some(3600))]);
    let after = Some(std::time::Duration::from_secs(3600));
    assert_eq!(place.write(&path("x"), Bytes::new()).await, Err(Remote::Busy { after }.into()));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn what_only_the_person_can_mend_is_not_tried_again() {
    let server = ScriptedBlob::start();
    let place = vercel(server.address(), QUICK);
    let rows = [
        (Fault::Status(403, "forbidden", None), "NoRight"),
        (Fault::Status(403, "store_suspended", None), "NoRight"),
        (Fault::Status(404, "store_not_found", None), "Place"),
        (Fault::Status(400, "file_too_large", None), "TooLarge"),
    ];
    for (fault, wanted) in rows {
        server.asked();
        server.fail([fault]);
        let Err(StorageError::Refused(refused)) = place.write(&path("x"), Bytes::new()).await else { panic!("{wanted}") };
        assert!(format!("{refused:?}").starts_with(wanted), "{refused:?}");
        assert_eq!(server.asked().len(), 1);
    }
    server.limit(1000);
    let full = place.write(&path("x"), Bytes::from(vec![0; 1001])).await;
    assert!(matches!(full, Err(StorageError::Refused(Refused::NoRoom(_)))), "{full:?}");
    let long = place.write(&path(&vec!["a".repeat(230); 4].join("/")), Bytes::new()).await;
    assert_eq!(server.value("a folder/x"), None);
    assert!(long.is_ok());
    let long = place.write(&path(&vec!["a".repeat(240); 4].join("/")), Bytes::new()).await;
    assert!(matches!(long, Err(StorageError::Refused(Refused::Path(_)))), "{long:?}");
}

/// Whatever a server says, the token goes to the two origins of the target.
#[tokio::test(flavor = "current_thread")]
async fn the_token_goes_nowhere_else() {
    let (server, other) = (ScriptedBlob::start(), ScriptedBlob::start());
    let place = vercel(server.address(), Times { retries: 1, ..QUICK });
    for _ in 0..3 {
        server.fail(vec![Fault::Redirect(format!("http://{}/api/blob/", other.address())); 2]);
        let sent = place.read(&path("x")).await;
        assert!(matches!(sent, Err(StorageError::Remote(Remote::Nonsense(_)))), "{sent:?}");
        server.fail(vec![Fault::Redirect(format!("http://{}/api/blob/", server.address())); 2]);
        assert!(place.write(&path("x"), Bytes::new()).await.is_err(), "not even to itself");
    }
    assert!(other.asked().is_empty());
    server.fail(vec![Fault::Nonsense; 2]);
    assert!(matches!(place.head(&path("x")).await, Err(StorageError::Remote(Remote::Nonsense(_)))));
}

#[test]
fn only_a_read_write_token_opens_a_store() {
    let target = Target::parse(r#"{"kind":"vercel-blob"}"#).unwrap();
    let open = |credential: Credential| courier::open(&target, &credential, &http(QUICK)).map(drop);
    assert!(open(Credential::Token(Secret::new(TOKEN.to_owned()))).is_ok());
    for bad in [
        "",
        "vercel_blob_client_Store1_x",
        "vercel_blob_rw_Store1",
        "vercel_blob_rw__x",
        "vercel_blob_rw_a.evil/_x",
        "vercel_blob_rw_S_a\nb",
    ] {
        let refused = open(Credential::Token(Secret::new(bad.to_owned())));
        assert!(
            matches!(&refused, Err(StorageError::Refused(Refused::Place(why))) if !why.contains("evil")),
            "{bad} {refused:?}"
        );
    }
    assert!(open(Credential::None).is_err());
    let clear = Target::parse(r#"{"kind":"vercel-blob","endpoint":"http://blob.example/api"}"#).unwrap();
    let token = Credential::Token(Secret::new(TOKEN.to_owned()));
    assert!(courier::open(&clear, &token, &http(QUICK)).is_err(), "not in the clear");
}

#[tokio::test(flavor = "current_thread")]
async fn nobody_there_is_unreachable() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = vercel(gone, Times { retries: 1, ..QUICK });
    assert_eq!(place.read(&path("x")).await, Err(Remote::Unreachable.into()));
}
