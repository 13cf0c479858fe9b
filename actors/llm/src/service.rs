//! The methods as calls: a place in the queue, the key for this one call, the question, the answer. A call that its
//! caller takes back, or whose answer is of no use any more, is dropped wherever it is, and its connection with it.

use std::{future::Future, rc::Rc, time::Duration};

use actix::Addr;
use ipc::{
    Client, Code, Refusal,
    endpoint::{Events, Incoming, Options, Reply},
    id::CallId,
    messages::{
        crypto::ReleaseApiKey,
        llm::{Complete, Completed, ListModels, Models, Request, Wire},
    },
    role::source,
    service::Method,
};

use crate::{
    access::Access,
    completion,
    http::Http,
    limiter::{Limiter, place},
    models::{self, FirstModels},
    wire,
};

/// What an answer is made with.
pub(crate) struct Service {
    client: Client<source::Llm>,
    http: Http,
    limiter: Addr<Limiter>,
    first: FirstModels,
}

/// Answers until the supervisor has gone or wants no more.
pub(crate) fn run(service: Service, events: Events) -> impl Future<Output = ()> {
    let service = Rc::new(service);
    ipc::endpoint::serve(events, move |incoming| {
        let service = Rc::clone(&service);
        async move { service.answer(incoming).await }
    })
}

impl Service {
    pub(crate) fn new(client: Client<source::Llm>, http: Http, limiter: Addr<Limiter>) -> Service {
        Service { client, http, limiter, first: FirstModels::default() }
    }

    async fn answer(&self, incoming: Incoming) {
        match Request::decode(incoming.method(), incoming.body()) {
            Ok(Request::Complete(request)) => {
                let reply: Reply<Complete> = incoming.reply();
                let result = unless_cancelled(&reply, self.complete(request, &reply)).await;
                reply.finish(result);
            }
            Ok(Request::ListModels(request)) => {
                let reply: Reply<ListModels> = incoming.reply();
                let result = unless_cancelled(&reply, self.list(request, reply.call())).await;
                reply.finish(result);
            }
            Err(refusal) => incoming.refuse(&refusal),
        }
    }

    async fn complete(&self, request: Complete, reply: &Reply<Complete>) -> Result<Completed, Refusal> {
        let lease = request.model.lease;
        let _place = place(&self.limiter, lease).await?;
        tracing::debug!("has its place in the queue");
        let access = self.access(lease, request.model.wire, reply.call()).await?;
        let model = match &*request.model.model {
            "" => self.first.get(&self.http, &access, lease).await?,
            model => model.to_owned(),
        };
        let body = wire::body(access.profile(), &model, &request)?;
        // It may be large, and has been written down.
        drop(request);
        let path = wire::complete_path(access.profile().wire, access.origin());
        let response = self.http.post(&access, path, body).await?;
        completion::read(&self.http, &access, response, &model, reply).await
    }

    async fn list(&self, request: ListModels, call: CallId) -> Result<Models, Refusal> {
        let _place = place(&self.limiter, request.lease).await?;
        let access = self.access(request.lease, request.wire, call).await?;
        Ok(Models { ids: models::list(&self.http, &access).await? })
    }

    /// Asks for the key, once for each call.
    async fn access(&self, lease: u64, wire: Wire, call: CallId) -> Result<Access, Refusal> {
        let released = self.client.call_with(&ReleaseApiKey { lease }, Options::default().for_call(call)).await?;
        Access::new(wire, released)
    }
}

/// Does the work unless the caller takes the question back first, or nobody waits for the answer any longer: a word of that
/// which was lost on its way must not cost a place in the queue for good.
async fn unless_cancelled<M: Method, T>(reply: &Reply<M>, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let cancelled = reply.cancelled();
    tokio::select! {
        biased;
        () = cancelled.wait() => Err(Refusal::new(Code::Cancelled, "stopped, as asked")),
        result = work => result,
        () = over(reply.deadline()) => Err(Refusal::new(Code::DeadlineExceeded, "no answer of the model came in time")),
    }
}

/// Waits for the end of a call's time. Without one there is no end.
async fn over(deadline: Duration) {
    if deadline.is_zero() { std::future::pending().await } else { tokio::time::sleep(deadline).await }
}
