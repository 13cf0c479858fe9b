//! The audit log and the kept keys, as the one owner of all keys is asked for them.

use std::time::Instant;

use actix::{Context, Handler, Message};
use ipc::{
    Refusal,
    messages::crypto::{KeepKey, LendKept, SealedKey},
};

use super::Keeper;
use crate::{
    audit::{Act, Previous, Record, Top},
    secrets,
};

/// A call was answered or is about to be: record it. An error means that it is not to be answered.
#[derive(Message)]
#[rtype(result = "Result<(), Refusal>")]
pub(crate) struct Note(pub(crate) Act);

/// The process is about to end: write what is summed.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Flush;

/// Where does the audit log of the open space end, and is the header of its file whole?
#[derive(Message)]
#[rtype(result = "Result<(Top, bool), Refusal>")]
pub(crate) struct AuditTop;

/// Some records of the open space below this number in the file, the newest first, and where to go on.
#[derive(Message)]
#[rtype(result = "Result<Records, Refusal>")]
pub(crate) struct AuditStep(pub(crate) u64);

/// Records and where they lie, and where to go on.
pub(crate) type Records = (Vec<(Previous, Record)>, Option<u64>);

/// Seal a key to be kept.
#[derive(Message)]
#[rtype(result = "Result<SealedKey, Refusal>")]
pub(crate) struct Keep(pub(crate) KeepKey);

/// Lend a key that was kept.
#[derive(Message)]
#[rtype(result = "Result<u64, Refusal>")]
pub(crate) struct LendSealed(pub(crate) LendKept);

impl Handler<Note> for Keeper {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, Note(act): Note, _: &mut Context<Self>) -> Self::Result {
        self.audit.act(act)
    }
}

impl Handler<Flush> for Keeper {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Context<Self>) {
        self.flush();
    }
}

impl Handler<AuditTop> for Keeper {
    type Result = Result<(Top, bool), Refusal>;

    fn handle(&mut self, _: AuditTop, _: &mut Context<Self>) -> Self::Result {
        self.space()?;
        let top = self.audit.top().ok_or_else(|| Refusal::internal("find the audit log of the open space"))?;
        Ok((top, self.audit.is_header_whole()))
    }
}

impl Handler<AuditStep> for Keeper {
    type Result = Result<Records, Refusal>;

    fn handle(&mut self, AuditStep(below): AuditStep, _: &mut Context<Self>) -> Self::Result {
        self.space()?;
        self.audit.step(below)
    }
}

impl Handler<Keep> for Keeper {
    type Result = Result<SealedKey, Refusal>;

    fn handle(&mut self, Keep(keep): Keep, _: &mut Context<Self>) -> Self::Result {
        secrets::keep(self.space()?, &keep)
    }
}

impl Handler<LendSealed> for Keeper {
    type Result = Result<u64, Refusal>;

    fn handle(&mut self, LendSealed(kept): LendSealed, _: &mut Context<Self>) -> Self::Result {
        let lend = secrets::open(self.space()?, kept)?;
        self.leases.lend(lend, Instant::now())
    }
}
