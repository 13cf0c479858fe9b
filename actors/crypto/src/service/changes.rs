//! The verbs that change how a space opens, as far as they wait for a derivation.

use ipc::{
    Refusal,
    endpoint::Reply,
    messages::{
        common::Done,
        crypto::{ChangePassword, Kit, MakeKit, Recover, Remember, Remembered, UnlockRemembered, Unlocked},
    },
    secret::Secret,
    service::Method,
};

use super::{NOTHING, Service, gone};
use crate::{
    audit::Act,
    derive::Root,
    keeper::{ChangePair, FindKit, MayTry, NewKit, Pair, RememberPlace, TryRemembered, demo_refused},
    kit,
};

/// What is recorded of it when it is done.
fn act_of<M: Method>(reply: &Reply<M>) -> Act {
    Act { verb: M::NUMBER, by: reply.source(), refused: None, objects: NOTHING }
}

impl Service {
    pub(super) async fn change_password(&self, change: ChangePassword, reply: &Reply<ChangePassword>) -> Result<Done, Refusal> {
        let by = reply.source().1;
        for (user, password) in [(&change.user, &change.password), (&change.new_user, &change.new_password)] {
            if Pair::new(by, user.expose(), password.expose())?.is_demo() {
                return Err(demo_refused());
            }
        }
        let old = self.derive(change.user, change.password).await?;
        let new = self.derive(change.new_user, change.new_password).await?;
        let _turn = self.turn.lock().await;
        self.keeper.send(ChangePair { old, new, act: act_of(reply) }).await.map_err(gone)?
    }

    pub(super) async fn make_kit(&self, make: MakeKit, reply: &Reply<MakeKit>) -> Result<Kit, Refusal> {
        let root = self.own(make.user, make.password, reply.source().1).await?;
        let _turn = self.turn.lock().await;
        self.keeper.send(NewKit { root, act: act_of(reply) }).await.map_err(gone)?
    }

    pub(super) async fn remember(&self, remember: Remember, reply: &Reply<Remember>) -> Result<Remembered, Refusal> {
        let root = self.own(remember.user, remember.password, reply.source().1).await?;
        let _turn = self.turn.lock().await;
        self.keeper.send(RememberPlace { root, act: act_of(reply) }).await.map_err(gone)?
    }

    pub(super) async fn recover(&self, recover: Recover, reply: &Reply<Recover>) -> Result<Unlocked, Refusal> {
        let key = kit::key_of(recover.words.expose())?;
        let new = self.own(recover.user, recover.password, reply.source().1).await?;
        let _turn = self.turn.lock().await;
        let opening = self.keeper.send(FindKit { key, new }).await.map_err(gone)??;
        self.opened(opening, reply).await
    }

    pub(super) async fn unlock_remembered(
        &self,
        unlock: UnlockRemembered,
        reply: &Reply<UnlockRemembered>,
    ) -> Result<Unlocked, Refusal> {
        self.keeper.send(MayTry).await.map_err(gone)??;
        let _turn = self.turn.lock().await;
        let opening = self.keeper.send(TryRemembered { secret: unlock.secret }).await.map_err(gone)??;
        self.opened(opening, reply).await
    }

    /// What a pair derives to that is not the one everybody knows.
    async fn own(&self, user: Secret, password: Secret, by: ipc::Instance) -> Result<Root, Refusal> {
        if Pair::new(by, user.expose(), password.expose())?.is_demo() {
            return Err(demo_refused());
        }
        self.derive(user, password).await
    }
}
