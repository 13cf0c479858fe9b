//! A server of WebDAV that answers with the length of the old value and the bytes of the new one, as WsgiDAV does when a value
//! is replaced while it is asked for. What is read is one value or none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod places;

use backends::{Path, Remote, StorageError};
use courier::Times;
use integration_tests::scripted_http::{Act, ScriptedHttp};
use places::{QUICK, web_dav};

fn answer(status: &str, kind: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    vec![Act::Say((head + body).into_bytes())]
}

/// What the server says of the value.
fn about(length: usize, second: u8, tag: Option<&str>) -> Vec<Act> {
    let tag = tag.map_or(String::new(), |tag| format!("<D:getetag>\"{tag}\"</D:getetag>"));
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/of/ours/x</D:href>\
         <D:propstat><D:prop><D:resourcetype/><D:getcontentlength>{length}</D:getcontentlength>{tag}\
         <D:getlastmodified>Sun, 22 Nov 2026 06:00:{second:02} GMT</D:getlastmodified></D:prop>\
         <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"
    );
    answer("207 Multi-Status", "application/xml", &body)
}

fn content(bytes: &str) -> Vec<Act> {
    answer("200 OK", "application/octet-stream", bytes)
}

#[tokio::test(flavor = "current_thread")]
async fn a_value_that_is_replaced_while_it_is_read_is_read_again() {
    let x = Path::parse("x").unwrap();
    let (old, new) = ("value", "newer value");
    // Told by a tag, by the time, and by the length alone.
    for (tags, second) in [(Some(("a", "b")), 0), (None, 1), (None, 0)] {
        let before = about(old.len(), 0, tags.map(|tags| tags.0));
        let after = about(new.len(), second, tags.map(|tags| tags.1));
        let half = content(&new[..old.len()]);
        let scripts = vec![before, half, after.clone(), after.clone(), content(new), after];
        let server = ScriptedHttp::start(scripts);
        let place = web_dav(server.address(), QUICK);
        assert_eq!(place.read(&x).await.unwrap().unwrap(), new, "{tags:?} {second}");
        assert_eq!(server.asked().len(), 6);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn one_that_does_not_stay_for_a_moment_is_not_read() {
    let x = Path::parse("x").unwrap();
    let tags: Vec<String> = (0..9).map(|number| number.to_string()).collect();
    let scripts = tags.iter().enumerate().map(|(at, tag)| if at % 3 == 1 { content("value") } else { about(5, 0, Some(tag)) });
    let server = ScriptedHttp::start(scripts.collect());
    let place = web_dav(server.address(), Times { retries: 2, ..QUICK });
    let read = place.read(&x).await;
    assert_eq!(read, Err(StorageError::Remote(Remote::Changed)));
    assert_eq!(server.asked().len(), 9);
    // Gone in the middle: nobody knows of what these bytes are the whole.
    let server = ScriptedHttp::start(vec![about(5, 0, None), content("value"), answer("404 Not Found", "text/plain", "")]);
    assert_eq!(web_dav(server.address(), QUICK).read(&x).await, Ok(None), "it is asked for again, and is not there");
}
