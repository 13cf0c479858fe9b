//! Doing the jobs: one after the other, each step planned beside everything else and kept in one short transaction.

use std::{rc::Rc, sync::Arc};

use ipc::{Refusal, messages::storage::MemoryMoved};
use replica::Replica;
use tokio::time::Instant;

use super::{
    JOBS, Job, Memory, PoisonError, Sight, Step,
    numbers::{EVERY, FIRST},
};
use crate::{errors::refusal, keep::erase::Mark};

/// Steps of a job in one run: many times what a year leaves to be done.
const STEPS: usize = 10_000;

/// Does all jobs as far as there is something to do; one run at a time.
pub(super) async fn all(memory: &Memory) -> Result<MemoryMoved, Refusal> {
    let _turn = memory.turn.lock().await;
    let mut moved = MemoryMoved::default();
    for (name, job) in JOBS {
        let mut steps = 0;
        while let Some(more) = once(memory, name, *job).await? {
            add(&mut moved, &more);
            steps += 1;
            if steps == STEPS {
                // It goes on at the next hour; and a job that would never end must not fill the disk.
                tracing::warn!(job = name, steps, "a job was not done to its end");
                break;
            }
        }
    }
    let MemoryMoved { forgotten, made, consolidated, archived, archived_entries, compressed_entries } = moved;
    if moved != MemoryMoved::default() {
        tracing::info!(forgotten, made, consolidated, archived, archived_entries, compressed_entries, "the memory has moved");
    }
    Ok(moved)
}

/// Does one step of a job; `None` if there was nothing to do.
pub(super) async fn once(memory: &Memory, name: &'static str, job: Job) -> Result<Option<MemoryMoved>, Refusal> {
    let given_up = Arc::clone(&memory.given_up);
    let plan = move |replica: &Replica, now| {
        let mut given_up = given_up.lock().unwrap_or_else(PoisonError::into_inner);
        job(&mut Sight { snapshot: &replica.snapshot()?, now, given_up: &mut given_up })
    };
    let Step { drafts, moved, erases } = memory.read(plan).await?;
    if drafts.is_empty() {
        return Ok(None);
    }
    if erases {
        memory.clearing.begin().map_err(|error| refusal(&error.into()))?;
    }
    let each = memory.writer.append_each(drafts).await?;
    if erases {
        // So that nothing of it is left in the ledger when the disk is cleared.
        memory.follow().await?;
        memory.clearing.overwrite(&memory.writer, Mark::Goes);
    }
    // What is refused was erased a moment ago, or is kept in other words that an older program found; either way a step of
    // which nothing is kept would be planned again as it was.
    if !each.iter().any(|one| one.as_ref().is_ok_and(|kept| !kept.again)) {
        tracing::warn!(job = name, "nothing of a step was kept");
        return Ok(None);
    }
    Ok(Some(moved))
}

fn add(to: &mut MemoryMoved, more: &MemoryMoved) {
    let MemoryMoved { forgotten, made, consolidated, archived, archived_entries, compressed_entries } = more;
    to.forgotten += forgotten;
    to.made += made;
    to.consolidated += consolidated;
    to.archived += archived;
    to.archived_entries += archived_entries;
    to.compressed_entries += compressed_entries;
}

/// Starts the task that does the jobs some time after the start and then every hour, but for when `busy` says so. It tells
/// when something was kept.
pub(crate) fn hourly(memory: &Memory, busy: impl Fn() -> bool + 'static, kept: Rc<dyn Fn()>) {
    let memory = memory.clone();
    actix::spawn(async move {
        let mut hour = tokio::time::interval_at(Instant::now() + FIRST, EVERY);
        hour.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            hour.tick().await;
            if busy() {
                continue;
            }
            match memory.run().await {
                Ok(moved) if moved != MemoryMoved::default() => kept(),
                Ok(_) => {}
                Err(refusal) => tracing::warn!(code = ?refusal.code, "the memory stays as it is for now"),
            }
        }
    });
}
