//! The verbs as calls: who asked, what for, and what it takes to answer.

use std::{future::Future, rc::Rc};

use actix::{Addr, MailboxError};
use ipc::{
    Client, Refusal,
    endpoint::{Events, Incoming, Options, Reply},
    id::CallId,
    messages::{
        common::Done,
        crypto::{
            Deploy, KeyStatus, Lease, Lend, Lock, ReleaseApiKey, ReleaseCacheKey, ReleaseStoreKey, Request, ShowIdentity,
            SignCredential, SignEvents, Signatures, Unlock, UnlockAnew, Unlocked,
        },
        supervisor::{Closed, Opened},
    },
    role::source,
};
use tokio::sync::Mutex;

use crate::{
    derive::{Derive, Deriver},
    keeper::{
        Confirm, Forget, Keeper, LendKey, Look, MayTry, Opening, Pair, Release, ReleaseCache, ReleaseKey, Sign, SignFor, Try,
        TryAnew, Who,
    },
};

/// What an answer is made with.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) client: Client<source::Crypto>,
    pub(crate) deriver: Addr<Deriver>,
    pub(crate) keeper: Addr<Keeper>,
    /// Held while a space is opened or closed: many commands may sign in at the same moment, and if one could fail
    /// between another's keys and its archive, it would forget keys that are in use.
    turn: Rc<Mutex<()>>,
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
    pub(crate) fn new(client: Client<source::Crypto>, deriver: Addr<Deriver>, keeper: Addr<Keeper>) -> Service {
        Service { client, deriver, keeper, turn: Rc::new(Mutex::new(())) }
    }

    async fn answer(&self, incoming: Incoming) {
        // Which verb, and nothing else: whoever reads the log learns nothing about a user or a key.
        let verb = ipc::policy::method_name(ipc::Role::Crypto, incoming.method()).unwrap_or("no verb");
        tracing::info!(verb, "asked");
        match Request::decode(incoming.method(), incoming.body()) {
            Ok(Request::Unlock(unlock)) => {
                let reply: Reply<Unlock> = incoming.reply();
                let result = self.unlock(unlock, &reply).await;
                reply.finish(result);
            }
            Ok(Request::Deploy(deploy)) => {
                let reply: Reply<Deploy> = incoming.reply();
                let result = self.deploy(deploy, &reply).await;
                reply.finish(result);
            }
            Ok(Request::UnlockAnew(unlock)) => {
                let reply: Reply<UnlockAnew> = incoming.reply();
                let result = self.unlock_anew(unlock, reply.call()).await;
                reply.finish(result);
            }
            Ok(Request::Lock(_)) => {
                let reply: Reply<Lock> = incoming.reply();
                let result = self.lock(reply.call()).await;
                reply.finish(result);
            }
            Ok(Request::KeyStatus(_)) => {
                let reply: Reply<KeyStatus> = incoming.reply();
                reply.finish(self.keeper.send(Look).await.map_err(gone));
            }
            Ok(Request::ReleaseStoreKey(_)) => {
                let reply: Reply<ReleaseStoreKey> = incoming.reply();
                reply.finish(self.keeper.send(Release).await.map_err(gone).flatten());
            }
            Ok(Request::ReleaseCacheKey(_)) => {
                let reply: Reply<ReleaseCacheKey> = incoming.reply();
                reply.finish(self.keeper.send(ReleaseCache).await.map_err(gone).flatten());
            }
            Ok(Request::ShowIdentity(_)) => {
                let reply: Reply<ShowIdentity> = incoming.reply();
                reply.finish(self.keeper.send(Who).await.map_err(gone).flatten());
            }
            Ok(Request::SignEvents(sign)) => {
                let reply: Reply<SignEvents> = incoming.reply();
                let signed = self.keeper.send(Sign { headers: sign.headers }).await.map_err(gone).flatten();
                reply.finish(signed.map(|signatures| Signatures { signatures }));
            }
            Ok(Request::Lend(lend)) => {
                let reply: Reply<Lend> = incoming.reply();
                let lent = self.keeper.send(LendKey { lend }).await.map_err(gone).flatten();
                reply.finish(lent.map(|number| Lease { number }));
            }
            Ok(Request::ReleaseApiKey(release)) => {
                let reply: Reply<ReleaseApiKey> = incoming.reply();
                let release = ReleaseKey { lease: release.lease, asks: reply.source().0 };
                reply.finish(self.keeper.send(release).await.map_err(gone).flatten());
            }
            Ok(Request::SignCredential(sign)) => {
                let reply: Reply<SignCredential> = incoming.reply();
                reply.finish(self.keeper.send(SignFor { what: sign.what }).await.map_err(gone).flatten());
            }
            Err(refusal) => incoming.refuse(&refusal),
        }
    }

    async fn unlock(&self, unlock: Unlock, reply: &Reply<Unlock>) -> Result<Unlocked, Refusal> {
        let pair = Pair::new(reply.source().1, unlock.user.expose(), unlock.password.expose())?;
        let (salt, cost) = self.keeper.send(MayTry).await.map_err(gone)??;
        let derive = Derive { user: unlock.user, password: unlock.password, salt, cost };
        let root = self.deriver.send(derive).await.map_err(gone)??;
        let _turn = self.turn.lock().await;
        let opening = self.keeper.send(Try { pair, root }).await.map_err(gone)??;
        self.opened(opening, reply.call()).await
    }

    async fn unlock_anew(&self, unlock: UnlockAnew, parent: CallId) -> Result<Unlocked, Refusal> {
        let (salt, cost) = self.keeper.send(MayTry).await.map_err(gone)??;
        let derive = Derive { user: unlock.user, password: unlock.password, salt, cost };
        let root = self.deriver.send(derive).await.map_err(gone)??;
        let _turn = self.turn.lock().await;
        let opening = self.keeper.send(TryAnew { root }).await.map_err(gone)??;
        self.opened(opening, parent).await
    }

    async fn deploy(&self, deploy: Deploy, reply: &Reply<Deploy>) -> Result<Unlocked, Refusal> {
        let pair = Pair::new(reply.source().1, deploy.user.expose(), deploy.password.expose())?;
        let _turn = self.turn.lock().await;
        let opening = self.keeper.send(Confirm { pair }).await.map_err(gone)??;
        self.opened(opening, reply.call()).await
    }

    /// Has the archive started, in the caller's turn. A space without an archive is not open.
    async fn opened(&self, opening: Opening, parent: CallId) -> Result<Unlocked, Refusal> {
        let Opening { directory, demo } = opening;
        match self.client.call_with(&Opened { directory }, Options::default().for_call(parent)).await {
            Ok(Done) => Ok(Unlocked { demo }),
            Err(refusal) => {
                self.keeper.send(Forget).await.map_err(gone)?;
                Err(refusal)
            }
        }
    }

    async fn lock(&self, parent: CallId) -> Result<Done, Refusal> {
        // The keys go at once, whoever's turn it is.
        self.keeper.send(Forget).await.map_err(gone)?;
        let _turn = self.turn.lock().await;
        // Whoever's turn it was may have opened the space again.
        self.keeper.send(Forget).await.map_err(gone)?;
        self.client.call_with(&Closed, Options::default().for_call(parent)).await
    }
}

fn gone(error: MailboxError) -> Refusal {
    Refusal::internal(format!("reach the keeper of the keys: {error}"))
}
