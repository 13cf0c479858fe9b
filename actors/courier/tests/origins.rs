//! Whatever a server says, nothing is asked of another, and no credential goes to one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod places;

use backends::{Path, Remote, StorageError};
use bytes::Bytes;
use courier::Times;
use integration_tests::scripted_blob::{Fault, ScriptedBlob};
use places::{Open, QUICK, s3, vercel, web_dav};

#[tokio::test(flavor = "current_thread")]
async fn no_redirect_is_followed() {
    let places: [(&str, Open); 3] = [("s3", s3), ("webdav", web_dav), ("vercel", vercel)];
    for (name, open) in places {
        let (server, other) = (ScriptedBlob::start(), ScriptedBlob::start());
        let place = open(server.address(), Times { retries: 1, ..QUICK });
        let x = Path::parse("x").unwrap();
        let elsewhere = || server.fail(vec![Fault::Redirect(format!("http://{}/elsewhere", other.address())); 40]);
        elsewhere();
        let sent = place.read(&x).await;
        assert!(matches!(sent, Err(StorageError::Remote(Remote::Nonsense(_)))), "{name} {sent:?}");
        let sent = place.write(&x, Bytes::from_static(b"x")).await;
        assert!(matches!(sent, Err(StorageError::Remote(Remote::Nonsense(_)))), "{name} {sent:?}");
        assert!(place.head(&x).await.is_err() && place.delete(&x).await.is_err(), "{name}");
        assert!(place.list(None, None, 10).await.is_err(), "{name}");
        assert!(!server.asked().is_empty() && other.asked().is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn too_much_to_do_is_said_with_its_time() {
    let places: [Open; 3] = [s3, web_dav, vercel];
    for open in places {
        let server = ScriptedBlob::start();
        let place = open(server.address(), Times { retries: 0, ..QUICK });
        server.fail(vec![Fault::Status(429, "rate_limited", Some(7)); 3]);
        let after = Some(std::time::Duration::from_secs(7));
        assert_eq!(place.read(&Path::parse("x").unwrap()).await, Err(Remote::Busy { after }.into()));
        server.fail(vec![Fault::Status(401, "forbidden", None); 3]);
        let refused = place.head(&Path::parse("x").unwrap()).await;
        assert!(refused.is_err(), "{refused:?}");
    }
}
