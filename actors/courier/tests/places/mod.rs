//! The places of the tests: how each is described and opened.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::{net::SocketAddr, rc::Rc, time::Duration};

use backends::Storage;
use courier::{Credential, Http, Prepared, Secret, Target, Times};
use integration_tests::{
    python_peers::{PASSWORD, USER},
    scripted_blob::TOKEN,
};

/// Opens a place at an address.
pub(crate) type Open = fn(SocketAddr, Times) -> Rc<dyn Storage>;

/// Quick, so that a hundred failures take seconds; and a connection for each request, so that each draws its own fate.
pub(crate) const QUICK: Times = Times {
    connect: Duration::from_secs(5),
    idle: Duration::from_secs(10),
    operation: Duration::from_secs(20),
    retries: 6,
    idle_connections: 0,
    first_wait: Duration::from_millis(5),
    most_wait: Duration::from_millis(200),
};

pub(crate) fn http(times: Times) -> Http {
    Http::new(Prepared::read().unwrap(), times).unwrap()
}

pub(crate) fn vercel(address: SocketAddr, times: Times) -> Rc<dyn Storage> {
    let json = format!(
        r#"{{"kind":"vercel-blob","endpoint":"http://{address}/api/blob","content":"http://{address}/content","folder":"a folder"}}"#
    );
    let token = Credential::Token(Secret::new(TOKEN.to_owned()));
    courier::open(&Target::parse(&json).unwrap(), &token, &http(times)).unwrap()
}

pub(crate) fn s3(address: SocketAddr, times: Times) -> Rc<dyn Storage> {
    let json = format!(r#"{{"kind":"s3","endpoint":"http://{address}","bucket":"test-bucket","region":"us-east-1"}}"#);
    let key = Credential::Key { id: "an-id".to_owned(), secret: Secret::new("a-key".to_owned()), session: None };
    courier::open(&Target::parse(&json).unwrap(), &key, &http(times)).unwrap()
}

pub(crate) fn web_dav(address: SocketAddr, times: Times) -> Rc<dyn Storage> {
    let json = format!(r#"{{"kind":"webdav","endpoint":"http://{address}/","folder":"of/ours"}}"#);
    let password = Credential::Password { user: USER.to_owned(), password: Secret::new(PASSWORD.to_owned()) };
    courier::open(&Target::parse(&json).unwrap(), &password, &http(times)).unwrap()
}
