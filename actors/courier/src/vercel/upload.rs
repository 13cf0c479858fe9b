//! Sending a value to a store: what fits one part in one request, the rest in parts of which nobody sees any before all are
//! there.

use backends::{Path, Pieces, Refused, Remote, StorageError};
use bytes::{Bytes, BytesMut};
use reqwest::{Method, Url};
use serde_json::json;

use super::{
    CONTENT_TYPE_NAME, VercelBlob,
    answers::{Begun, Part, Put},
};

/// Bytes of a part. The store wants five MiB at least.
const PART: u64 = 8 << 20;

/// Private, under its own name, in the place of what was there; the store is not told what it is.
const ABOUT: &[(&str, &str)] = &[
    ("x-vercel-blob-access", "private"),
    ("x-add-random-suffix", "0"),
    ("x-allow-overwrite", "1"),
    ("x-content-type", "application/octet-stream"),
];

impl VercelBlob {
    pub(super) async fn put(&self, path: &Path, length: u64, pieces: &mut dyn Pieces) -> Result<(), StorageError> {
        let name = self.pathname(path)?;
        if length > PART {
            return self.put_parts(&name, length, pieces).await;
        }
        let mut taken = Taken::new(pieces);
        let value = taken.part(length).await?;
        if value.len() as u64 != length || taken.has_more().await? {
            return Err(Refused::Length.into());
        }
        let said = self.say(Method::PUT, &self.at("", &[("pathname", &name)]), ABOUT, &value).await?;
        is_put(said, &name)
    }

    async fn put_parts(&self, name: &str, length: u64, pieces: &mut dyn Pieces) -> Result<(), StorageError> {
        let url = self.at("mpu", &[("pathname", name)]);
        let begun = self.step(&url, &[("x-mpu-action", "create")], &Bytes::new()).await?;
        let Begun { upload_id, key } = Begun::read(&begun)?;
        // A key may be any text; a header may not.
        let key = encoded(&key);
        let of = [("x-mpu-key", key.as_str()), ("x-mpu-upload-id", upload_id.as_str())];
        let (mut parts, mut sent) = (Vec::new(), 0);
        let mut taken = Taken::new(pieces);
        while sent < length {
            let value = taken.part(PART.min(length - sent)).await?;
            if value.is_empty() {
                return Err(Refused::Length.into());
            }
            sent += value.len() as u64;
            let number = parts.len() + 1;
            let written = number.to_string();
            let headers = [&of[..], &[("x-mpu-action", "upload"), ("x-mpu-part-number", &written)]].concat();
            let said = self.step(&url, &headers, &value).await?;
            parts.push(json!({ "etag": Part::read(&said)?.etag, "partNumber": number }));
        }
        if sent != length || taken.has_more().await? {
            // What was sent is nobody's: the store drops it.
            return Err(Refused::Length.into());
        }
        let headers = [&of[..], &[("x-mpu-action", "complete"), (CONTENT_TYPE_NAME, "application/json")]].concat();
        let said = self.step(&url, &headers, &serde_json::Value::from(parts).to_string().into()).await?;
        is_put(Some(said), name)
    }

    async fn step(&self, url: &Url, headers: &[(&'static str, &str)], body: &Bytes) -> Result<Vec<u8>, StorageError> {
        let headers = [ABOUT, headers].concat();
        let said = self.say(Method::POST, url, &headers, body).await?;
        said.ok_or_else(|| Remote::Nonsense("it does not know what was begun".to_owned()).into())
    }
}

/// The store says that it has the value under the name that was meant.
fn is_put(said: Option<Vec<u8>>, name: &str) -> Result<(), StorageError> {
    let said = said.ok_or_else(|| Refused::Place("there is no such store".to_owned()))?;
    if Put::read(&said)?.pathname == name {
        Ok(())
    } else {
        Err(Remote::Nonsense("it put the value elsewhere".to_owned()).into())
    }
}

/// Percent-encoding of everything that is not a letter, a digit or plain in an address.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'();/?:@&=+$,#".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Pieces cut anew into parts.
struct Taken<'p> {
    pieces: &'p mut dyn Pieces,
    rest: Bytes,
}

impl<'p> Taken<'p> {
    fn new(pieces: &'p mut dyn Pieces) -> Taken<'p> {
        Taken { pieces, rest: Bytes::new() }
    }

    /// The next `length` bytes, or what is left.
    async fn part(&mut self, length: u64) -> Result<Bytes, StorageError> {
        let mut part = BytesMut::new();
        loop {
            let wanted = length as usize - part.len();
            part.extend_from_slice(&self.rest.split_to(wanted.min(self.rest.len())));
            if part.len() as u64 == length {
                return Ok(part.freeze());
            }
            match self.pieces.next().await? {
                Some(piece) => self.rest = piece,
                None => return Ok(part.freeze()),
            }
        }
    }

    async fn has_more(&mut self) -> Result<bool, StorageError> {
        Ok(!self.rest.is_empty() || self.pieces.next().await?.is_some())
    }
}
