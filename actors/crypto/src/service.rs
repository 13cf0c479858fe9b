//! The verbs as calls: who asked, what for, and what it takes to answer.

mod changes;

use std::{cell::RefCell, rc::Rc, time::Instant};

use actix::{Addr, MailboxError};
use ipc::{
    Client, Code, Instance, Refusal, Role,
    endpoint::{Events, Incoming, Options, Reply},
    id::CallId,
    messages::{
        common::Done,
        crypto::{
            AuditHead, ChangePassword, Deploy, ForgetRemembered, IssueMembership, KeepKey, KeyStatus, Lease, Lend, LendKept,
            Lock, MakeKit, NoteForbidden, ReadAudit, Recover, ReleaseApiKey, ReleaseCacheKey, ReleaseStoreKey, Remember, Request,
            ShowCost, ShowIdentity, ShowPicture, SignCredential, SignEvents, Signatures, Unlock, UnlockAnew, UnlockRemembered,
            Unlocked,
        },
        supervisor::{Closed, Opened},
    },
    role::source,
    secret::Secret,
    service::Method,
};
use tokio::sync::{Mutex, Semaphore};

use crate::{
    audit::Act,
    derive::{Derive, Deriver, Root},
    keeper::{
        self, Confirm, Flush, Forget, ForgetPlace, Keep, Keeper, LendKey, LendSealed, Look, MayTry, Note, Opening, Pair, Release,
        ReleaseCache, ReleaseKey, ShowWords, Sign, SignFor, Try, TryAnew, Who,
    },
    membership::Issue,
    quota::Quotas,
    reading,
};

/// Derivations that are on their way or wait. One is made at a time, so the last of them waits for the better part of a
/// minute; more are not people.
const QUEUE: usize = 32;

/// What an answer is made with.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) client: Client<source::Crypto>,
    pub(crate) deriver: Addr<Deriver>,
    pub(crate) keeper: Addr<Keeper>,
    /// Held while a space is opened or closed: many commands may sign in at the same moment, and if one could fail
    /// between another's keys and its archive, it would forget keys that are in use.
    turn: Rc<Mutex<()>>,
    quotas: Rc<RefCell<Quotas>>,
    /// Room for those who wait for a derivation.
    queue: Rc<Semaphore>,
    /// Held while one is made: whether the next may be tried is asked when it is its turn, so that a crowd of guesses waits
    /// like a row of them.
    deriving: Rc<Mutex<()>>,
}

/// Answers until the supervisor has gone or wants no more; then writes what is summed for the audit log.
pub(crate) async fn run(service: Service, events: Events) {
    let keeper = service.keeper.clone();
    let service = Rc::new(service);
    ipc::endpoint::serve(events, move |incoming| {
        let service = Rc::clone(&service);
        async move { service.answer(incoming).await }
    })
    .await;
    // Where it has gone, there is nothing to be written.
    let _ = keeper.send(Flush).await;
}

/// What it is done to, for the record: BLAKE3 over the hash of each.
fn objects<T: AsRef<[u8]>>(things: &[T]) -> [u8; 32] {
    let mut all = blake3::Hasher::new();
    for thing in things {
        all.update(blake3::hash(thing.as_ref()).as_bytes());
    }
    *all.finalize().as_bytes()
}

/// What has no name.
const NOTHING: [u8; 32] = [0; 32];

impl Service {
    pub(crate) fn new(client: Client<source::Crypto>, deriver: Addr<Deriver>, keeper: Addr<Keeper>) -> Service {
        let (turn, deriving, quotas) = (Rc::default(), Rc::default(), Rc::default());
        Service { client, deriver, keeper, turn, quotas, queue: Rc::new(Semaphore::new(QUEUE)), deriving }
    }

    async fn answer(&self, incoming: Incoming) {
        // Which verb, and nothing else: whoever reads the log learns nothing about a user or a key.
        let verb = ipc::policy::method_name(ipc::Role::Crypto, incoming.method()).unwrap_or("no verb");
        tracing::info!(verb, "asked");
        let (by, number) = (incoming.source(), incoming.method());
        let admitted = self.quotas.borrow_mut().admit(by.0, number, incoming.body().len(), Instant::now());
        if let Err(refusal) = admitted {
            // It is refused whatever becomes of the record.
            let _ = self.keeper.send(Note(Act { verb: number, by, refused: Some(refusal.code), objects: NOTHING })).await;
            return incoming.refuse(&refusal);
        }
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
                let result = self.unlock_anew(unlock, &reply).await;
                reply.finish(result);
            }
            Ok(Request::ChangePassword(change)) => {
                let reply: Reply<ChangePassword> = incoming.reply();
                let result = self.change_password(change, &reply).await;
                self.finish_change(reply, result).await;
            }
            Ok(Request::MakeKit(make)) => {
                let reply: Reply<MakeKit> = incoming.reply();
                let result = self.make_kit(make, &reply).await;
                self.finish_change(reply, result).await;
            }
            Ok(Request::Recover(recover)) => {
                let reply: Reply<Recover> = incoming.reply();
                let result = self.recover(recover, &reply).await;
                reply.finish(result);
            }
            Ok(Request::Remember(remember)) => {
                let reply: Reply<Remember> = incoming.reply();
                let result = self.remember(remember, &reply).await;
                self.finish_change(reply, result).await;
            }
            Ok(Request::UnlockRemembered(unlock)) => {
                let reply: Reply<UnlockRemembered> = incoming.reply();
                let result = self.unlock_remembered(unlock, &reply).await;
                reply.finish(result);
            }
            Ok(Request::ForgetRemembered(_)) => {
                let reply: Reply<ForgetRemembered> = incoming.reply();
                let result = self.keeper.send(ForgetPlace).await.map_err(gone).flatten();
                self.finish(reply, NOTHING, result).await;
            }
            Ok(Request::ShowPicture(_)) => {
                let reply: Reply<ShowPicture> = incoming.reply();
                reply.finish(self.keeper.send(ShowWords).await.map_err(gone).flatten());
            }
            Ok(Request::ShowCost(_)) => {
                let reply: Reply<ShowCost> = incoming.reply();
                reply.finish(self.keeper.send(keeper::ShowCost).await.map_err(gone));
            }
            Ok(Request::Lock(_)) => {
                let reply: Reply<Lock> = incoming.reply();
                let result = self.lock(reply.source(), reply.call()).await;
                reply.finish(result);
            }
            Ok(Request::KeyStatus(_)) => {
                let reply: Reply<KeyStatus> = incoming.reply();
                reply.finish(self.keeper.send(Look).await.map_err(gone));
            }
            Ok(Request::ReleaseStoreKey(_)) => {
                let reply: Reply<ReleaseStoreKey> = incoming.reply();
                let result = self.keeper.send(Release).await.map_err(gone).flatten();
                self.finish(reply, NOTHING, result).await;
            }
            Ok(Request::ReleaseCacheKey(_)) => {
                let reply: Reply<ReleaseCacheKey> = incoming.reply();
                let result = self.keeper.send(ReleaseCache).await.map_err(gone).flatten();
                self.finish(reply, NOTHING, result).await;
            }
            Ok(Request::ShowIdentity(_)) => {
                let reply: Reply<ShowIdentity> = incoming.reply();
                let result = self.keeper.send(Who).await.map_err(gone).flatten();
                self.finish(reply, NOTHING, result).await;
            }
            Ok(Request::SignEvents(sign)) => {
                let reply: Reply<SignEvents> = incoming.reply();
                let ids = objects(&sign.headers);
                let signed = self.keeper.send(Sign { headers: sign.headers }).await.map_err(gone).flatten();
                self.finish(reply, ids, signed.map(|signatures| Signatures { signatures })).await;
            }
            Ok(Request::IssueMembership(request)) => {
                let reply: Reply<IssueMembership> = incoming.reply();
                let issue = Issue { request, by: reply.source().0 };
                let result = self.keeper.send(issue).await.map_err(gone).flatten();
                let issued = result.as_ref().map_or(NOTHING, |issued| objects(&[&issued.credential]));
                self.finish(reply, issued, result).await;
            }
            Ok(Request::Lend(lend)) => {
                let reply: Reply<Lend> = incoming.reply();
                let address = objects(&[&lend.base_url]);
                let lent = self.keeper.send(LendKey { lend }).await.map_err(gone).flatten();
                self.finish(reply, address, lent.map(|number| Lease { number })).await;
            }
            Ok(Request::ReleaseApiKey(release)) => {
                let reply: Reply<ReleaseApiKey> = incoming.reply();
                let release = ReleaseKey { lease: release.lease, asks: reply.source().0 };
                let result = self.keeper.send(release).await.map_err(gone).flatten();
                let address = result.as_ref().map_or(NOTHING, |key| objects(&[&key.base_url]));
                self.finish(reply, address, result).await;
            }
            Ok(Request::AuditHead(_)) => {
                let reply: Reply<AuditHead> = incoming.reply();
                reply.finish(reading::end(&self.keeper).await);
            }
            Ok(Request::ReadAudit(read)) => {
                let reply: Reply<ReadAudit> = incoming.reply();
                let result = reading::read(&self.keeper, read, &reply).await;
                self.finish(reply, NOTHING, result).await;
            }
            Ok(Request::KeepKey(keep)) => {
                let reply: Reply<KeepKey> = incoming.reply();
                let address = objects(&[&keep.provider, &keep.base_url]);
                let result = self.keeper.send(Keep(keep)).await.map_err(gone).flatten();
                self.finish(reply, address, result).await;
            }
            Ok(Request::NoteForbidden(NoteForbidden { role, instance, verb })) => {
                let reply: Reply<NoteForbidden> = incoming.reply();
                // Numbers that are no verb are counted as one.
                let verb = ipc::policy::method_name(Role::Crypto, verb).map_or(u16::MAX, |_| verb);
                let act = Act { verb, by: (role, Instance(instance)), refused: Some(Code::Forbidden), objects: NOTHING };
                reply.finish(self.keeper.send(Note(act)).await.map_err(gone).flatten().map(|()| Done));
            }
            Ok(Request::LendKept(kept)) => {
                let reply: Reply<LendKept> = incoming.reply();
                let address = objects(&[&kept.base_url]);
                let lent = self.keeper.send(LendSealed(kept)).await.map_err(gone).flatten();
                self.finish(reply, address, lent.map(|number| Lease { number })).await;
            }
            Ok(Request::SignCredential(sign)) => {
                let reply: Reply<SignCredential> = incoming.reply();
                let (first, second) = sign.what.texts();
                let texts = objects(&[first, second]);
                let result = self.keeper.send(SignFor { what: sign.what }).await.map_err(gone).flatten();
                self.finish(reply, texts, result).await;
            }
            Err(refusal) => incoming.refuse(&refusal),
        }
    }

    /// Ends a call that changes how a space opens. What was done is recorded already, in the log of that space.
    async fn finish_change<M: Method>(&self, reply: Reply<M>, result: Result<M::Answer, Refusal>) {
        match result {
            Ok(answer) => reply.finish(Ok(answer)),
            Err(refusal) => self.finish(reply, NOTHING, Err(refusal)).await,
        }
    }

    /// Records a call and ends it. What must be recorded and cannot be is refused, whatever the result was.
    async fn finish<M: Method>(&self, reply: Reply<M>, objects: [u8; 32], result: Result<M::Answer, Refusal>) {
        let refused = result.as_ref().err().map(|refusal| refusal.code);
        let act = Act { verb: M::NUMBER, by: reply.source(), refused, objects };
        let noted = self.keeper.send(Note(act)).await.map_err(gone).flatten();
        reply.finish(result.and_then(|answer| noted.map(|()| answer)));
    }

    async fn unlock(&self, unlock: Unlock, reply: &Reply<Unlock>) -> Result<Unlocked, Refusal> {
        let pair = Pair::new(reply.source().1, unlock.user.expose(), unlock.password.expose())?;
        let root = self.derive(unlock.user, unlock.password).await?;
        let _turn = self.turn.lock().await;
        let opening = self.keeper.send(Try { pair, root }).await.map_err(gone)??;
        self.opened(opening, reply).await
    }

    async fn unlock_anew(&self, unlock: UnlockAnew, reply: &Reply<UnlockAnew>) -> Result<Unlocked, Refusal> {
        let root = self.derive(unlock.user, unlock.password).await?;
        let _turn = self.turn.lock().await;
        let opening = self.keeper.send(TryAnew { root }).await.map_err(gone)??;
        self.opened(opening, reply).await
    }

    /// What a pair derives to, when it is its turn; nothing where too many wait, or too many were wrong.
    async fn derive(&self, user: Secret, password: Secret) -> Result<Root, Refusal> {
        let busy = |_| Refusal::new(Code::Busy, "too many sign in at once; try again in a moment");
        let _room = self.queue.try_acquire().map_err(busy)?;
        let _one = self.deriving.lock().await;
        let (salt, cost) = self.keeper.send(MayTry).await.map_err(gone)??;
        self.deriver.send(Derive { user, password, salt, cost }).await.map_err(gone)?
    }

    async fn deploy(&self, deploy: Deploy, reply: &Reply<Deploy>) -> Result<Unlocked, Refusal> {
        let pair = Pair::new(reply.source().1, deploy.user.expose(), deploy.password.expose())?;
        let _turn = self.turn.lock().await;
        let opening = self.keeper.send(Confirm { pair }).await.map_err(gone)??;
        self.opened(opening, reply).await
    }

    /// Has the archive started, in the caller's turn. A space without an archive is not open.
    async fn opened<M: Method>(&self, opening: Opening, reply: &Reply<M>) -> Result<Unlocked, Refusal> {
        let Opening { directory, demo } = opening;
        let act = |refused| Act { verb: M::NUMBER, by: reply.source(), refused, objects: NOTHING };
        self.keeper.send(Note(act(None))).await.map_err(gone)??;
        match self.client.call_with(&Opened { directory }, Options::default().for_call(reply.call())).await {
            Ok(Done) => Ok(Unlocked { demo }),
            Err(refusal) => {
                self.keeper.send(Forget(act(Some(refusal.code)))).await.map_err(gone)?;
                Err(refusal)
            }
        }
    }

    async fn lock(&self, by: (Role, Instance), parent: CallId) -> Result<Done, Refusal> {
        let act = Act { verb: Lock::NUMBER, by, refused: None, objects: NOTHING };
        // The keys go at once, whoever's turn it is.
        self.keeper.send(Forget(act)).await.map_err(gone)?;
        let _turn = self.turn.lock().await;
        // Whoever's turn it was may have opened the space again.
        self.keeper.send(Forget(act)).await.map_err(gone)?;
        self.client.call_with(&Closed, Options::default().for_call(parent)).await
    }
}

pub(crate) fn gone(error: MailboxError) -> Refusal {
    Refusal::internal(format!("reach the keeper of the keys: {error}"))
}
