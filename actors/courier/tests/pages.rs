//! A page in the place of an answer: of a network that wants a login first, or of a server that is another. No place is empty
//! because of it, nothing is taken for kept or removed, and no page is a value.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod places;

use std::fmt::Debug;

use backends::{Path, Remote, StorageError};
use bytes::Bytes;
use courier::Times;
use integration_tests::scripted_http::{Act, ScriptedHttp};
use places::{Open, QUICK, s3, vercel, web_dav};

const ONCE: Times = Times { retries: 0, ..QUICK };

const PAGE: &str = "<!DOCTYPE html><html><body>Please sign in</body></html>";

fn answer(status: &str, kind: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    vec![Act::Say((head + body).into_bytes())]
}

fn nonsense<T: Debug>(name: &str, result: Result<T, StorageError>) {
    match &result {
        Err(StorageError::Remote(Remote::Nonsense(why))) => assert!(!why.contains("Please"), "{why}"),
        _ => panic!("{name}: {result:?}"),
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_page_is_no_answer() {
    let places: [(&str, Open); 3] = [("s3", s3), ("webdav", web_dav), ("vercel", vercel)];
    let x = Path::parse("x").unwrap();
    for (name, open) in places {
        let server = ScriptedHttp::start(vec![answer("200 OK", "text/html; charset=utf-8", PAGE)]);
        let place = open(server.address(), ONCE);
        nonsense(name, place.list(None, None, 10).await);
        nonsense(name, place.list(Some(&x), None, 10).await);
        nonsense(name, place.head(&x).await);
        nonsense(name, place.read(&x).await);
        nonsense(name, place.delete(&x).await);
        nonsense(name, place.write(&x, Bytes::from_static(b"x")).await);
    }
}

/// Without a word about what it is, and with a wrong one.
#[tokio::test(flavor = "current_thread")]
async fn a_list_is_known_by_what_is_in_it() {
    for (name, open, status) in [("s3", s3 as Open, "200 OK"), ("webdav", web_dav, "207 Multi-Status")] {
        for (kind, body) in [("application/xml", PAGE), ("", PAGE), ("application/xml", ""), ("application/xml", "<List/>")] {
            let server = ScriptedHttp::start(vec![answer(status, kind, body)]);
            nonsense(name, open(server.address(), ONCE).list(None, None, 10).await);
        }
    }
    // Begun well and cut where nobody notices.
    let server = ScriptedHttp::start(vec![answer("207 Multi-Status", "text/xml", "<D:multistatus xmlns:D=\"DAV:\"><D:resp")]);
    nonsense("webdav", web_dav(server.address(), ONCE).list(None, None, 10).await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_does_not_know_the_method_is_another() {
    for status in ["200 OK", "204 No Content", "400 Bad Request", "405 Method Not Allowed", "501 Not Implemented"] {
        let server = ScriptedHttp::start(vec![answer(status, "text/plain", "")]);
        let place = web_dav(server.address(), ONCE);
        nonsense(status, place.list(None, None, 10).await);
        nonsense(status, place.head(&Path::parse("x").unwrap()).await);
    }
}

/// What is not there is not there, however prettily it is said.
#[tokio::test(flavor = "current_thread")]
async fn a_page_about_nothing_is_nothing() {
    let x = Path::parse("x").unwrap();
    for open in [s3 as Open, web_dav] {
        let server = ScriptedHttp::start(vec![answer("404 Not Found", "text/html", "<html>no such page</html>")]);
        let place = open(server.address(), ONCE);
        assert_eq!(place.head(&x).await, Ok(None));
        assert_eq!(place.read(&x).await, Ok(None));
        assert_eq!(place.delete(&x).await, Ok(()));
    }
    let server = ScriptedHttp::start(vec![answer("404 Not Found", "text/html", "<html>no such page</html>")]);
    assert_eq!(web_dav(server.address(), ONCE).list(None, None, 10).await.unwrap().entries, []);
}

/// A value that is a page, which a server says is one.
#[tokio::test(flavor = "current_thread")]
async fn a_page_that_is_a_value_is_read() {
    let page = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"1\"\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{PAGE}",
        PAGE.len()
    );
    for open in [s3 as Open, vercel] {
        let server = ScriptedHttp::start(vec![vec![Act::Say(page.clone().into_bytes())]]);
        let read = open(server.address(), ONCE).read(&Path::parse("x").unwrap()).await;
        assert_eq!(read.unwrap().unwrap(), PAGE);
    }
}
