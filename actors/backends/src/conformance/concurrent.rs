//! Checks of many operations at the same time.

use std::cell::Cell;

use bytes::Bytes;
use futures_util::{
    future::{join, try_join_all},
    stream::{self, StreamExt as _, TryStreamExt as _},
};

use super::{Checked, Deviation, Pattern, Scale, clear, ensure, expect, path};
use crate::Storage;

/// Length of a value that several write at once. Each writer's differs a little.
const LENGTH: usize = 200_000;

/// Several writers at one path: readers see whole values, and the one that ended last is there in the end.
pub(super) async fn last_complete_wins(storage: &dyn Storage, second: &dyn Storage, scale: &Scale) -> Checked {
    let shared = path("c/shared")?;
    let value = |seed: u64| Pattern::whole(seed, LENGTH + seed as usize);
    storage.write(&shared, value(0)).await?;
    let (last, running) = (Cell::new(0), Cell::new(true));
    let writer = async |number: u64| -> Checked {
        let storage = if number.is_multiple_of(2) { storage } else { second };
        for round in 0..scale.rounds as u64 {
            let seed = 1 + number + round * 4;
            storage.write(&shared, value(seed)).await?;
            last.set(seed);
        }
        Ok(())
    };
    let writers = async {
        let done = try_join_all((0..4).map(writer)).await;
        running.set(false);
        done.map(drop)
    };
    let reader = async {
        while running.get() {
            if let Some(read) = second.read(&shared).await? {
                let seed = (read.len() as u64).saturating_sub(LENGTH as u64);
                ensure(read == value(seed), || format!("a mixture of {} bytes is read", read.len()))?;
            } else {
                ensure(scale.blinks, || "a value is absent while it is overwritten".to_owned())?;
            }
            // A back end that never waits must let the writers go on too.
            tokio::task::yield_now().await;
        }
        Ok::<(), Deviation>(())
    };
    let (written, read) = join(writers, reader).await;
    written.and(read)?;
    // Of those that ended at the same moment the place decides; a value of the last round of one of them it must be.
    let read = storage.read(&shared).await?.unwrap_or_default();
    let seed = (read.len() as u64).saturating_sub(LENGTH as u64);
    let newest = (scale.rounds as u64 - 1) * 4 + 1;
    ensure(read == value(seed) && seed >= newest, || {
        format!("in the end value {seed} is there, before the last round {newest}")
    })?;
    // Nobody writes any more: one writer after all others is the last.
    storage.write(&shared, value(last.get() + 100)).await?;
    expect(second, &shared, Some(&value(last.get() + 100))).await?;
    clear(storage, "c").await
}

/// Many paths at once do not disturb each other, and folders that come and go lose nothing.
pub(super) async fn each_path_for_itself(storage: &dyn Storage, second: &dyn Storage, scale: &Scale) -> Checked {
    let jobs = (0..scale.at_once as u64 * 4).map(|number| async move {
        let storage = if number.is_multiple_of(2) { storage } else { second };
        let one = path(&format!("p/{}/x{number}", number % 3))?;
        for round in 0..3u64 {
            let value = Bytes::from(format!("{number} {round}"));
            storage.write(&one, value.clone()).await?;
            expect(storage, &one, Some(&value)).await?;
            storage.delete(&one).await?;
            expect(storage, &one, None).await?;
        }
        storage.write(&one, Bytes::from(number.to_string())).await?;
        Ok::<(), Deviation>(())
    });
    stream::iter(jobs).buffer_unordered(scale.at_once.max(1)).try_collect::<Vec<()>>().await?;
    for number in 0..scale.at_once as u64 * 4 {
        expect(second, &path(&format!("p/{}/x{number}", number % 3))?, Some(number.to_string().as_bytes())).await?;
    }
    clear(storage, "p").await
}
