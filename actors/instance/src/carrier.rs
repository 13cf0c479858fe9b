//! Carries what a person did to the archive, in order, until the archive has said what became of each.
//!
//! A command that the archive dies of twice is held back by the hub. It is not given up, because it may be innocent and is
//! all that is left of what the person did; it is tried again alone and ever more seldom, and what comes after it waits,
//! for it may follow from it.

use std::{rc::Rc, sync::Arc, time::Duration};

use ipc::{
    Client, Code, Refusal,
    id::CommandId,
    messages::{
        instance::Waiting,
        storage::{Act, Carry, Command, CommandOutcome, MAX_CARRIED, MAX_CARRIED_BYTES},
    },
    role::source,
};
use replica::{Outbox, OutboxError, ReplicaError};
use tokio::{sync::Notify, task::spawn_blocking};

use crate::{
    commands,
    provision::Provisioning,
    standing::{Standing, Whose},
    unusable,
};

/// How long the archive is left alone after it could not take what it was sent: first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// The same for what was held back.
const SELDOM: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Commands that are shown as done, at most. What is behind them is done all the same.
pub(crate) const SHOWN: usize = 4096;

/// Bytes of those: more than an outbox of the largest profile has room for.
pub(crate) const SHOWN_BYTES: usize = 8 << 20;

/// What waits for the archive.
pub(crate) struct Carrier {
    outbox: Arc<Outbox>,
    wake: Rc<Notify>,
}

impl Carrier {
    /// Starts to carry what waits and what will.
    pub(crate) fn start(
        outbox: Arc<Outbox>,
        client: Client<source::Ui>,
        provisioning: Rc<Provisioning>,
        standing: Rc<Standing>,
    ) -> Carrier {
        let wake = Rc::new(Notify::new());
        let round = Round { outbox: Arc::clone(&outbox), wake: Rc::clone(&wake), client, provisioning, standing };
        actix::spawn(round.carry());
        Carrier { outbox, wake }
    }

    /// Takes what a person did. When this returns well, it is on disk and synced.
    pub(crate) async fn give(&self, id: CommandId, act: &Act) -> Result<u64, Refusal> {
        let command = commands::encode(id, act)?;
        let outbox = Arc::clone(&self.outbox);
        let put = spawn_blocking(move || outbox.put(&id.0, &command));
        put.await.map_err(|error| Refusal::internal(format!("wait for the outbox: {error}")))?.map_err(|error| full(&error))?;
        self.wake.notify_one();
        Ok(self.waiting()?.commands)
    }

    /// How much waits.
    pub(crate) fn waiting(&self) -> Result<Waiting, Refusal> {
        let filled = self.outbox.filled().map_err(|error| failed(&error))?;
        Ok(Waiting { commands: filled.commands, bytes: filled.bytes, capacity: filled.capacity })
    }

    /// What waits, oldest first.
    pub(crate) fn acts(&self) -> Result<Vec<Act>, Refusal> {
        let waiting = self.outbox.waiting(None, SHOWN, SHOWN_BYTES).map_err(|error| failed(&error))?;
        Ok(waiting.iter().filter_map(|one| commands::decode(&one.command)).collect())
    }
}

/// What carries.
struct Round {
    outbox: Arc<Outbox>,
    wake: Rc<Notify>,
    client: Client<source::Ui>,
    provisioning: Rc<Provisioning>,
    standing: Rc<Standing>,
}

impl Round {
    async fn carry(self) {
        let (mut rest, mut attempt) = (REST.0, 0);
        loop {
            // One that was held back goes alone, so that it can be told from what it was sent with.
            let most = if attempt == 0 { MAX_CARRIED } else { 1 };
            let trouble = match self.once(attempt, most).await {
                Ok(true) => {
                    (rest, attempt) = (REST.0, 0);
                    None
                }
                Ok(false) => {
                    self.wake.notified().await;
                    continue;
                }
                Err(refusal) => Some(refusal),
            };
            self.standing.set_trouble(Whose::Carrier, trouble.as_ref().map(|refusal| refusal.sentence.clone()));
            match trouble {
                None => {}
                Some(refusal) if refusal.code == Code::Quarantined => {
                    attempt += 1;
                    let times = 1u32 << attempt.min(16);
                    tokio::time::sleep(SELDOM.0.saturating_mul(times / 2).min(SELDOM.1)).await;
                }
                Some(refusal) => {
                    tracing::debug!(code = ?refusal.code, "the archive does not take commands now");
                    tokio::time::sleep(rest).await;
                    rest = (rest * 2).min(REST.1);
                }
            }
        }
    }

    /// Carries the oldest commands; false if none waits.
    async fn once(&self, attempt: u32, most: usize) -> Result<bool, Refusal> {
        let outbox = Arc::clone(&self.outbox);
        let waiting = spawn_blocking(move || outbox.waiting(None, most, MAX_CARRIED_BYTES)).await;
        let waiting = waiting.map_err(|error| lost(&error))?.map_err(|error| failed(&error))?;
        if waiting.is_empty() {
            return Ok(false);
        }
        let read = waiting.iter().map_while(|one| Some(Command { id: CommandId(one.id), act: commands::decode(&one.command)? }));
        let commands: Vec<Command> = read.collect();
        if commands.is_empty() {
            // It stays, for the program that can.
            return Err(unusable(
                "a newer program has left something for the archive that this one cannot read; use the newer one",
            ));
        }
        let carry = Carry { attempt, commands };
        let outcomes = self.provisioning.then(|| self.client.call(&carry)).await?.outcomes;
        if outcomes.len() != carry.commands.len() {
            return Err(Refusal::internal("hear what became of each command"));
        }
        let ids: Vec<[u8; 16]> = carry.commands.iter().map(|command| command.id.0).collect();
        for (command, outcome) in carry.commands.into_iter().zip(outcomes) {
            self.became(command, outcome);
        }
        let outbox = Arc::clone(&self.outbox);
        let done = spawn_blocking(move || outbox.acknowledge(&ids)).await;
        done.map_err(|error| lost(&error))?.map_err(|error| failed(&error))?;
        Ok(true)
    }

    fn became(&self, command: Command, outcome: CommandOutcome) {
        match outcome {
            CommandOutcome::Done(appended) => {
                self.standing.count(|counted| counted.done += 1);
                self.standing.did(appended.event, command.act);
            }
            CommandOutcome::Refused(refusal) => {
                // The code alone: a sentence may quote.
                tracing::warn!(code = ?refusal.code, "the archive refused a command for good");
                self.standing.count(|counted| counted.refused += 1);
            }
        }
    }
}

pub(crate) fn full(error: &OutboxError) -> Refusal {
    match error {
        OutboxError::Full { .. } => Refusal::new(Code::Busy, error.to_string()),
        OutboxError::Conflict => Refusal::new(Code::Conflict, error.to_string()),
        OutboxError::TooLong(_) | OutboxError::Pinned => Refusal::new(Code::NotKeepable, error.to_string()),
        OutboxError::Store(error) => failed(error),
    }
}

fn failed(error: &ReplicaError) -> Refusal {
    match error {
        ReplicaError::DiskFull => Refusal::new(Code::DiskFull, "the disk is full: nothing was taken; make room and try again"),
        error => unusable(&error.to_string()),
    }
}

fn lost(error: &tokio::task::JoinError) -> Refusal {
    Refusal::internal(format!("wait for the outbox: {error}"))
}
