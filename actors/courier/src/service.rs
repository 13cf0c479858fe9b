//! The methods as calls: the secret for this one call, the place it opens, the value on its way. A call that its caller
//! takes back is dropped wherever it is, and its connection with it.

use std::{future::Future, rc::Rc, time::UNIX_EPOCH};

use backends::{Cursor, Entry, Path, Storage};
use ipc::{
    Client, Code, Refusal,
    endpoint::{Events, Incoming, Options, Reply},
    messages::{
        common::{Chunk, Done},
        courier::{Carried, Delete, Found, Get, Head, List, Listed, MAX_PAGE, Put, Request, Target},
        crypto::ReleaseApiKey,
    },
    role::source,
    service::Method,
};

use crate::{
    pieces::Up,
    refusals::{not_a_path, refusal},
    targets::Targets,
};

/// What things are carried with.
pub(crate) struct Service {
    client: Client<source::Courier>,
    targets: Targets,
}

/// Carries until the supervisor has gone or wants no more.
pub(crate) fn run(service: Service, events: Events) -> impl Future<Output = ()> {
    let service = Rc::new(service);
    ipc::endpoint::serve(events, move |incoming| {
        let service = Rc::clone(&service);
        async move { service.answer(incoming).await }
    })
}

impl Service {
    pub(crate) fn new(client: Client<source::Courier>, targets: Targets) -> Service {
        Service { client, targets }
    }

    async fn answer(&self, incoming: Incoming) {
        match Request::decode(incoming.method(), incoming.body()) {
            Ok(Request::Put(request)) => {
                let mut reply: Reply<Put> = incoming.reply();
                let cancelled = reply.cancelled();
                let result = unless(cancelled.wait(), self.put(request, &mut reply)).await;
                reply.finish(result);
            }
            Ok(Request::Get(request)) => {
                let reply: Reply<Get> = incoming.reply();
                let cancelled = reply.cancelled();
                let result = unless(cancelled.wait(), self.get(request, &reply)).await;
                reply.finish(result);
            }
            Ok(Request::Head(request)) => {
                let reply: Reply<Head> = incoming.reply();
                let cancelled = reply.cancelled();
                let result = unless(cancelled.wait(), self.head(request, &reply)).await;
                reply.finish(result);
            }
            Ok(Request::List(request)) => {
                let reply: Reply<List> = incoming.reply();
                let cancelled = reply.cancelled();
                let result = unless(cancelled.wait(), self.list(request, &reply)).await;
                reply.finish(result);
            }
            Ok(Request::Delete(request)) => {
                let reply: Reply<Delete> = incoming.reply();
                let cancelled = reply.cancelled();
                let result = unless(cancelled.wait(), self.delete(request, &reply)).await;
                reply.finish(result);
            }
            Err(refusal) => incoming.refuse(&refusal),
        }
    }

    async fn put(&self, request: Put, reply: &mut Reply<Put>) -> Result<Done, Refusal> {
        let path = path(request.path)?;
        let place = self.place(request.target, reply).await?;
        let mut pieces = Up::new(reply);
        place.write_stream(&path, request.length, &mut pieces).await.map_err(|error| pieces.refusal(&error))?;
        Ok(Done)
    }

    async fn get(&self, request: Get, reply: &Reply<Get>) -> Result<Carried, Refusal> {
        let path = path(request.path)?;
        let place = self.place(request.target, reply).await?;
        let found = place.read_stream(&path).await.map_err(|error| refusal(&error))?;
        let mut value = found.ok_or_else(|| Refusal::new(Code::NotFound, format!("nothing lies at {path}")))?;
        while let Some(piece) = value.pieces.next().await.map_err(|error| refusal(&error))? {
            for chunk in piece.chunks(Chunk::SIZE) {
                if !reply.send(&Chunk(chunk.to_vec())).await? {
                    return Err(Refusal::new(Code::Cancelled, "nobody takes it any more"));
                }
            }
        }
        Ok(Carried { length: value.length })
    }

    async fn head(&self, request: Head, reply: &Reply<Head>) -> Result<Found, Refusal> {
        let path = path(request.path)?;
        let place = self.place(request.target, reply).await?;
        let entry = place.head(&path).await.map_err(|error| refusal(&error))?;
        Ok(Found { entry: entry.map(wire) })
    }

    async fn list(&self, request: List, reply: &Reply<List>) -> Result<Listed, Refusal> {
        let folder = if request.folder.is_empty() { None } else { Some(path(request.folder)?) };
        let place = self.place(request.target, reply).await?;
        let (from, limit) = (request.from.map(Cursor), usize::from(request.limit.clamp(1, MAX_PAGE)));
        let page = place.list(folder.as_ref(), from.as_ref(), limit).await.map_err(|error| refusal(&error))?;
        Ok(Listed { items: page.entries.into_iter().map(wire).collect(), next: page.next.map(|next| next.0) })
    }

    async fn delete(&self, request: Delete, reply: &Reply<Delete>) -> Result<Done, Refusal> {
        let path = path(request.path)?;
        let place = self.place(request.target, reply).await?;
        place.delete(&path).await.map_err(|error| refusal(&error))?;
        Ok(Done)
    }

    /// Asks for the secret, once for each call, and makes of it the place this call is about.
    async fn place<M: Method>(&self, target: Target, reply: &Reply<M>) -> Result<Rc<dyn Storage>, Refusal> {
        let release = ReleaseApiKey { lease: target.lease };
        let released = self.client.call_with(&release, Options::default().for_call(reply.call())).await?;
        self.targets.open(target, released)
    }
}

fn path(text: String) -> Result<Path, Refusal> {
    Path::parse(text).map_err(not_a_path)
}

fn wire(entry: Entry) -> ipc::messages::courier::Entry {
    let since = entry.changed.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
    ipc::messages::courier::Entry {
        path: entry.path.to_string(),
        length: entry.length,
        changed_ms: since.and_then(|since| u64::try_from(since.as_millis()).ok()),
    }
}

async fn unless<T>(cancelled: impl Future<Output = ()>, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::select! {
        biased;
        () = cancelled => Err(Refusal::new(Code::Cancelled, "stopped, as asked")),
        result = work => result,
    }
}
