//! What a gate is told to serve. It serves one thing, for one command line, until that takes it back.

use std::{cell::Cell, future::Future, rc::Rc, time::Duration};

use ipc::{
    Client, Code, Refusal,
    endpoint::{Events, Incoming, Reply},
    messages::gate::{Admits, Request, Requested, ServeCredentials, Served},
    role::source,
    service::Method,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    cannot,
    credentials::Credentials,
    door::{self, Door},
    face::Face,
    head::Guard,
};

/// How long what is being asked has when it is to end. It is less than a call has that is taken back.
const GRACE: Duration = Duration::from_secs(1);

/// A gate.
pub(crate) struct Service {
    client: Client<source::Gate>,
    listeners: Vec<TcpListener>,
    port: u16,
    serves: Cell<bool>,
}

/// Serves until the supervisor has gone or wants no more.
pub(crate) fn run(service: Service, events: Events) -> impl Future<Output = ()> {
    let service = Rc::new(service);
    ipc::endpoint::serve(events, move |incoming| {
        let service = Rc::clone(&service);
        async move { service.answer(incoming).await }
    })
}

impl Service {
    pub(crate) fn new(client: Client<source::Gate>, listeners: Vec<std::net::TcpListener>) -> Result<Service, Refusal> {
        let used = |error: std::io::Error| cannot(&format!("use its listener: {error}"));
        let listeners: Result<Vec<_>, _> = listeners.into_iter().map(TcpListener::from_std).collect();
        let listeners = listeners.map_err(used)?;
        let first = listeners.first().ok_or_else(|| cannot(&"find a listener"))?;
        let port = first.local_addr().map_err(used)?.port();
        Ok(Service { client, listeners, port, serves: Cell::new(false) })
    }

    async fn answer(&self, incoming: Incoming) {
        match Request::decode(incoming.method(), incoming.body()) {
            Ok(Request::ServeCredentials(request)) => {
                let reply: Reply<ServeCredentials> = incoming.reply();
                let result = match Credentials::new(self.client.clone(), request.suite).await {
                    Ok(face) => self.serve(request.admits, Face::Credentials(face), &reply).await,
                    Err(refusal) => Err(refusal),
                };
                reply.finish(result);
            }
            Err(refusal) => incoming.refuse(&refusal),
        }
    }

    async fn serve<M>(&self, admits: Admits, face: Face, reply: &Reply<M>) -> Result<Served, Refusal>
    where
        M: Method<Answer = Served, Down = Requested>,
    {
        if self.serves.replace(true) {
            return Err(Refusal::new(Code::Busy, "this gate serves already"));
        }
        let (door, told) = Door::new(Guard::new(self.port, admits), face);
        let (stop, stopped) = watch::channel(false);
        let (cancelled, draining) = (reply.cancelled(), reply.draining());
        let mut serving = Box::pin(door::serve(&self.listeners, &door, stopped));
        tokio::select! {
            () = &mut serving => {}
            () = cancelled.wait() => {}
            () = draining.wait() => {}
            () = tell(reply, told) => {}
        }
        // They have not all gone while this is held.
        let _ = stop.send(true);
        // What is not done by then is cut off.
        let _ = timeout(GRACE, &mut serving).await;
        drop(serving);
        self.serves.set(false);
        Ok(Served { requests: door.answered() })
    }
}

/// Tells the person what was asked, until nobody listens any more.
async fn tell<M: Method<Down = Requested>>(reply: &Reply<M>, mut told: mpsc::Receiver<Requested>) {
    while let Some(requested) = told.recv().await {
        if !matches!(reply.send(&requested).await, Ok(true)) {
            return;
        }
    }
}
