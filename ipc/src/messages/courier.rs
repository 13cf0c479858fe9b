//! What is carried to and from places outside: whole values under paths, sealed before they come here. Where a place is
//! and what opens it are the lease's (see [`Lend`](super::crypto::Lend)); the courier asks the key process for them, once
//! for each call.

use bincode::{Decode, Encode};

use super::common::{Chunk, Done};

crate::service! {
    Courier {
        1 Put -> Done, up Chunk;
        2 Get -> Carried, down Chunk;
        3 Head -> Found;
        4 List -> Listed;
        5 Delete -> Done;
    }
}

/// Most entries of one page.
pub const MAX_PAGE: u16 = 1000;

/// A place where things are kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Target {
    /// What it speaks.
    pub kind: Kind,
    /// Its base URL and its secret are lent under this number.
    pub lease: u64,
    /// Everything is below this folder of it; empty for `lamos`. What else lies there is never looked at.
    pub folder: String,
}

/// What a place speaks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Kind {
    /// Amazon's S3, as many others speak it. The secret is `access key id:secret access key`, and `:session token` after it for a key
    /// that ends soon.
    S3 {
        /// The bucket.
        bucket: String,
        /// The region; `auto` where the place has none.
        region: String,
    },
    /// WebDAV. The secret is `user:password`, or empty.
    WebDav,
    /// Vercel Blob. The secret is the read-write token of the store.
    VercelBlob {
        /// The base URL under which values are read, at the origin the secret was lent for; empty for the store's own,
        /// which follows from the token.
        content: String,
    },
}

/// Keep a value, whole or not at all. What lay there before is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Put {
    /// Where.
    pub target: Target,
    /// Under which path: parts with `/` between them.
    pub path: String,
    /// Its length in bytes, all of which follow.
    pub length: u64,
}

/// Give a value out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Get {
    /// From where.
    pub target: Target,
    /// Its path.
    pub path: String,
}

/// A value was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Carried {
    /// Its length in bytes, all of which have been sent.
    pub length: u64,
}

/// Is there a value?
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// Where.
    pub target: Target,
    /// Its path.
    pub path: String,
}

/// Whether there is one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Found {
    /// It, if there is one.
    pub entry: Option<Entry>,
}

/// A value without its content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// When it was written, in milliseconds since 1970, if the place says so.
    pub changed_ms: Option<u64>,
}

/// What is there, in no promised order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct List {
    /// Where.
    pub target: Target,
    /// In this folder, at any depth; empty for all of it.
    pub folder: String,
    /// Go on where a page ended.
    pub from: Option<String>,
    /// At most so many, and at most [`MAX_PAGE`].
    pub limit: u16,
}

/// A page of what is there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Listed {
    /// These. There may be none though more follow.
    pub items: Vec<Entry>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// Make a value absent. It need not be there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Delete {
    /// Where.
    pub target: Target,
    /// Its path.
    pub path: String,
}
