//! What is kept of credentials, as files of the volume `credentials`:
//!
//! | path | what |
//! |---|---|
//! | `issued/ID/credential.json` (`.jwt`, `.sd-jwt`) | a credential as it was issued |
//! | `held/ID/credential.json` (`.jwt`, `.sd-jwt`) | a credential as somebody else issued it |
//! | `…/ID/about.json` | what lists show of it: [`About`] |
//! | `status/N/INDEX` | an entry of status list N that is taken; holds the ID |
//! | `revoked/N/INDEX` | an entry that is revoked, for ever |
//! | `status/N.json` | the list as it was signed last |
//!
//! An entry is a file of its own, so that what two devices take and revoke at the same time comes together. Names are those
//! of files: sealed, backed up, exported and erased like all of them.

use ipc::{
    Code,
    endpoint::Options,
    messages::common::Chunk,
    messages::storage::{CommitFiles, CommitPiece, Committed, ListFiles, MAX_PAGE, ReadFile},
};
use serde::{Deserialize, Serialize};

use super::{Failure, MAX_TEXT, Session};
use crate::exit;

/// Most credentials that are listed.
const MAX_KEPT: usize = 10_000;

/// How often something is kept again when the archive dies on it.
const TRIES: u32 = 4;

/// Of what sort something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// The person issued it.
    Issued,
    /// Somebody else did.
    Held,
}

impl Sort {
    pub(super) fn name(self) -> &'static str {
        match self {
            Sort::Issued => "issued",
            Sort::Held => "held",
        }
    }
}

/// How a credential is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Written {
    /// JSON with proofs.
    Document,
    /// `vc+jwt`.
    Jwt,
    /// SD-JWT.
    SdJwt,
}

impl Written {
    pub(super) fn name(self) -> &'static str {
        match self {
            Written::Document => "document",
            Written::Jwt => "jwt",
            Written::SdJwt => "sd-jwt",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Written::Document => "json",
            other => other.name(),
        }
    }
}

/// An entry of a status list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Which list.
    pub(super) list: u32,
    /// Which of its entries.
    pub(super) index: u32,
}

impl Entry {
    pub(super) fn taken(self) -> String {
        format!("credentials/status/{}/{}", self.list, self.index)
    }

    pub(super) fn revoked(self) -> String {
        format!("credentials/revoked/{}/{}", self.list, self.index)
    }
}

/// What lists show of a credential. A field that is added may be missing in what was kept before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    /// How it is written.
    pub(super) written: Written,
    /// Its own id, if it has one.
    pub(super) credential: Option<String>,
    /// Who issued it.
    pub(super) issuer: String,
    /// Those it is about.
    pub(super) subjects: Vec<Option<String>>,
    /// Its types.
    pub(super) types: Vec<String>,
    /// Not after, in milliseconds since 1970.
    pub(super) until_ms: Option<u64>,
    /// When it was kept, in milliseconds since 1970.
    pub(super) kept_ms: u64,
    /// Where its status stands, if the person issued it with one.
    pub(super) status: Option<Entry>,
}

/// A credential that is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) sort: Sort,
    pub(super) id: String,
    pub(super) about: About,
}

impl Kept {
    fn folder(&self) -> String {
        format!("credentials/{}/{}", self.sort.name(), self.id)
    }

    /// The credential as it is.
    pub(super) async fn text(&self, session: &Session) -> Result<Vec<u8>, Failure> {
        read(session, &format!("{}/credential.{}", self.folder(), self.about.written.ending())).await
    }
}

/// What a credential is called here: made of its text, so that it is kept once.
pub(super) fn id_of(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().chars().take(12).collect()
}

/// Keeps a credential, with more files if need be, all of it or nothing.
pub(super) async fn put(
    session: &Session,
    sort: Sort,
    text: &str,
    about: About,
    more: Vec<(String, Vec<u8>)>,
) -> Result<Kept, Failure> {
    let kept = Kept { sort, id: id_of(text), about };
    let says = serde_json::to_vec_pretty(&kept.about)
        .map_err(|error| Failure::new(exit::OURS, format!("failed to write JSON: {error}")))?;
    let folder = kept.folder();
    let mut files = vec![
        (format!("{folder}/credential.{}", kept.about.written.ending()), text.as_bytes().to_vec()),
        (format!("{folder}/about.json"), says),
    ];
    files.extend(more);
    write(session, files).await?;
    Ok(kept)
}

/// Writes files together. Done again with the same id it is done once.
pub(super) async fn write(session: &Session, files: Vec<(String, Vec<u8>)>) -> Result<Committed, Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Failure::new(exit::OURS, format!("failed to get random bytes: {error}")))?;
    let mut tries = 1;
    loop {
        match commit(session, id, &files).await {
            Err(refusal) if refusal.code == Code::PeerDied && tries < TRIES => tries += 1,
            other => return Ok(other?),
        }
    }
}

async fn commit(session: &Session, id: [u8; 16], files: &[(String, Vec<u8>)]) -> Result<Committed, ipc::Refusal> {
    let stream = session.client.open(&CommitFiles { id, message: String::new() }, Options::default())?;
    'all: for (path, bytes) in files {
        if !stream.send(&CommitPiece::Write { path: path.clone(), length: bytes.len() as u64 }).await? {
            break;
        }
        for piece in bytes.chunks(Chunk::SIZE) {
            if !stream.send(&CommitPiece::Bytes(piece.to_vec())).await? {
                break 'all;
            }
        }
    }
    stream.end();
    stream.answer().await
}

async fn read(session: &Session, path: &str) -> Result<Vec<u8>, Failure> {
    let mut stream = session.client.open(&ReadFile { path: path.to_owned(), offset: 0, length: MAX_TEXT }, Options::default())?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?.0);
    }
    stream.answer().await?;
    Ok(bytes)
}

/// The paths that begin so, without that.
pub(super) async fn names(session: &Session, prefix: &str, most: usize) -> Result<Vec<String>, Failure> {
    let mut request = ListFiles { prefix: prefix.to_owned(), after: String::new(), limit: MAX_PAGE };
    let mut names = Vec::new();
    loop {
        let page = session.client.call(&request).await?;
        names.extend(page.items.iter().filter_map(|file| file.path.strip_prefix(prefix)).map(str::to_owned));
        match page.items.last() {
            Some(last) if page.more && names.len() < most => request.after = last.path.clone(),
            _ => return Ok(names),
        }
    }
}

/// The entries of a status list below this path.
pub(super) async fn entries(session: &Session, prefix: &str) -> Result<Vec<u32>, Failure> {
    Ok(names(session, prefix, usize::MAX).await?.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Everything that is kept, the newest first.
pub(super) async fn all(session: &Session) -> Result<Vec<Kept>, Failure> {
    let mut all = Vec::new();
    for sort in [Sort::Issued, Sort::Held] {
        let prefix = format!("credentials/{}/", sort.name());
        for name in names(session, &prefix, 2 * MAX_KEPT).await? {
            let Some(id) = name.strip_suffix("/about.json") else { continue };
            let about = serde_json::from_slice(&read(session, &format!("{prefix}{name}")).await?);
            let about =
                about.map_err(|error| Failure::new(exit::DATA, format!("failed to read what is kept of {id}: {error}")))?;
            all.push(Kept { sort, id: id.to_owned(), about });
        }
    }
    all.sort_by_key(|kept| std::cmp::Reverse(kept.about.kept_ms));
    Ok(all)
}

/// The one whose id begins so.
pub(super) async fn find(session: &Session, id: &str) -> Result<Kept, Failure> {
    let mut found = Vec::new();
    for sort in [Sort::Issued, Sort::Held] {
        let prefix = format!("credentials/{}/{id}", sort.name());
        for rest in names(session, &prefix, 64).await? {
            if let Some(rest) = rest.strip_suffix("/about.json").filter(|rest| !rest.contains('/')) {
                found.push((sort, format!("{id}{rest}")));
            }
        }
    }
    match found.as_slice() {
        [(sort, id)] if !id.is_empty() => {
            let about = read(session, &format!("credentials/{}/{id}/about.json", sort.name())).await?;
            let about = serde_json::from_slice(&about);
            let about =
                about.map_err(|error| Failure::new(exit::DATA, format!("failed to read what is kept of {id}: {error}")))?;
            Ok(Kept { sort: *sort, id: id.clone(), about })
        }
        [] => Err(Failure::new(exit::GIVEN, format!("no credential {id:?} is kept; `lamos credential list` shows them"))),
        _ => Err(Failure::new(exit::GIVEN, format!("more than one credential begins with {id:?}; give more of its id"))),
    }
}
