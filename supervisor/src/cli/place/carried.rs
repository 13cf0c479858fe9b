//! A remote place as [`Storage`]: each operation is a call of the carrying process. A secret goes from here to the key
//! process once, is lent for one origin and to that one process, and nobody in between sees it.

use std::{rc::Rc, time::Duration};

use backends::{Answer, Cursor, Entry, Page, Path, Pieces, Refused, Remote, Storage, StorageError, Value};
use bytes::Bytes;
use ipc::{
    Client, Code, Refusal,
    endpoint::{Options, StreamCall},
    messages::{
        common::Chunk,
        courier::{self, Delete, Get, Head, List, Put, Target},
    },
    role::source,
};

/// See the module.
pub(super) struct Carried {
    client: Client<source::Cli>,
    target: Target,
    /// Which server that is, for a person.
    server: Rc<str>,
}

impl Carried {
    /// The place that a target describes, at this server.
    pub(super) fn new(client: Client<source::Cli>, target: Target, server: &str) -> Carried {
        Carried { client, target, server: server.into() }
    }

    async fn found(&self, path: &Path) -> Result<Option<Entry>, StorageError> {
        let head = Head { target: self.target.clone(), path: path.to_string() };
        self.client.call(&head).await.map_err(|refusal| error(&refusal, &self.server))?.entry.map(entry).transpose()
    }
}

impl Storage for Carried {
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>> {
        Box::pin(async move {
            let get = Get { target: self.target.clone(), path: path.to_string() };
            let Some(Entry { length, .. }) = self.found(path).await? else { return Ok(None) };
            let stream = self.client.open(&get, Options::default()).map_err(|refusal| error(&refusal, &self.server))?;
            Ok(Some(Value {
                length,
                pieces: Box::new(Down { stream: Some(stream), left: length, server: Rc::clone(&self.server) }),
            }))
        })
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(async move {
            let put = Put { target: self.target.clone(), path: path.to_string(), length };
            let stream = self.client.open(&put, Options::default()).map_err(|refusal| error(&refusal, &self.server))?;
            'sent: while let Some(piece) = pieces.next().await? {
                for chunk in piece.chunks(Chunk::SIZE) {
                    if !stream.send(&Chunk(chunk.to_vec())).await.map_err(|refusal| error(&refusal, &self.server))? {
                        // It has ended early; its answer says why.
                        break 'sent;
                    }
                }
            }
            stream.end();
            stream.answer().await.map(drop).map_err(|refusal| error(&refusal, &self.server))
        })
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(self.found(path))
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        Box::pin(async move {
            let delete = Delete { target: self.target.clone(), path: path.to_string() };
            self.client.call(&delete).await.map(drop).map_err(|refusal| error(&refusal, &self.server))
        })
    }

    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        Box::pin(async move {
            let list = List {
                target: self.target.clone(),
                folder: folder.map(Path::to_string).unwrap_or_default(),
                from: from.map(|cursor| cursor.0.clone()),
                limit: u16::try_from(limit).unwrap_or(courier::MAX_PAGE).min(courier::MAX_PAGE),
            };
            let listed = self.client.call(&list).await.map_err(|refusal| error(&refusal, &self.server))?;
            let entries = listed.items.into_iter().map(entry).collect::<Result<_, _>>()?;
            Ok(Page { entries, next: listed.next.map(Cursor), partial: false })
        })
    }
}

/// A value on its way in. It is what its length was said to be, or it has broken off.
struct Down {
    stream: Option<StreamCall<Get>>,
    left: u64,
    server: Rc<str>,
}

impl Pieces for Down {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            let Some(stream) = &mut self.stream else { return Ok(None) };
            match stream.next().await {
                Some(Ok(Chunk(bytes))) => {
                    let length = bytes.len() as u64;
                    self.left = self.left.checked_sub(length).ok_or_else(changed)?;
                    Ok(Some(bytes.into()))
                }
                Some(Err(refusal)) => Err(error(&refusal, &self.server)),
                None => {
                    if let Some(stream) = self.stream.take() {
                        stream.answer().await.map_err(|refusal| error(&refusal, &self.server))?;
                    }
                    if self.left == 0 { Ok(None) } else { Err(changed()) }
                }
            }
        })
    }
}

/// The value is not the one whose length was asked for.
fn changed() -> StorageError {
    Remote::Changed.into()
}

fn entry(entry: courier::Entry) -> Result<Entry, StorageError> {
    let changed = entry.changed_ms.map(|millis| std::time::UNIX_EPOCH + Duration::from_millis(millis));
    Ok(Entry { path: Path::parse(entry.path)?, length: entry.length, changed })
}

/// What a refusal of the wire means to who only knows places. What it says is kept: it is the better sentence. It says what
/// it failed to do, as this error will; which server that was is known here.
fn error(refusal: &Refusal, server: &str) -> StorageError {
    let sentence = refusal.sentence.strip_prefix("failed to ").unwrap_or(&refusal.sentence);
    let there = || format!("{sentence} (at {server})");
    match refusal.code {
        Code::RemoteUnreachable | Code::RemoteBusy | Code::RemoteBroken => Remote::Told(there()).into(),
        Code::RemoteNonsense => {
            let said = there();
            Remote::Nonsense(said.strip_prefix("understand the other side: ").unwrap_or(&said).to_owned()).into()
        }
        Code::RemoteRefused | Code::RemoteFull | Code::OriginRefused => Refused::There(there()).into(),
        Code::NotKeepable | Code::InputInvalid | Code::NoSuchKey => Refused::Told(sentence.to_owned()).into(),
        _ => StorageError::Ours(sentence.to_owned()),
    }
}
