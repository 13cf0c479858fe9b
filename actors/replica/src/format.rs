//! The layout of the tables and the steps from each to the next. A step is a file of its own, named after the format it
//! starts from; before it is taken a copy is made beside the database, which is removed when the store has been opened
//! in the new format once more.
//!
//! The version of the folds is another thing: views hold nothing that is not in the events, so when the way they are
//! folded changes they are not stepped but made anew.

use std::path::PathBuf;

use crate::{
    Damage, ReplicaError, StoreKeys,
    engine::{Engine, Reading, Writing},
    tables::Table,
};

mod from_1;

/// The layout this program writes.
const FORMAT: u32 = 2;

/// How this program folds. To be raised when a view gains a field, a kind is folded that was only carried, or an index
/// changes; everything derived is then made anew at the next start.
pub(crate) const FOLD_VERSION: u32 = 3;

/// The format of the tables, `u32`.
const META_FORMAT: &[u8] = b"format";
/// The space, `16` bytes.
const META_SPACE: &[u8] = b"space";
/// The version of the folds, `u32`; 0 while they are being made.
const META_FOLD: &[u8] = b"fold";

/// From one format to the next, in one transaction.
struct Step {
    from: u32,
    take: fn(&mut dyn Writing) -> Result<(), ReplicaError>,
}

/// All steps, in order.
const STEPS: &[Step] = &[from_1::STEP];

/// Marks an empty database as a store of this space, or takes the steps that an older one needs.
pub(crate) fn bring_up(engine: &dyn Engine, keys: &StoreKeys) -> Result<(), ReplicaError> {
    let (found, space) = {
        let txn = engine.read()?;
        let format = number(&*txn, META_FORMAT)?;
        (format, txn.get(Table::Meta, META_SPACE)?.map(<[u8]>::to_vec))
    };
    let Some(found) = found else {
        let mut txn = engine.write()?;
        txn.put(Table::Meta, META_FORMAT, &FORMAT.to_le_bytes())?;
        txn.put(Table::Meta, META_SPACE, &keys.space)?;
        txn.put(Table::Meta, META_FOLD, &FOLD_VERSION.to_le_bytes())?;
        return txn.commit();
    };
    if found > FORMAT {
        return Err(ReplicaError::Newer { found, known: FORMAT });
    }
    if space.as_deref() != Some(&keys.space[..]) {
        return Err(ReplicaError::OtherSpace);
    }
    for step in STEPS.iter().filter(|step| step.from >= found) {
        engine.copy(&copy_of(step))?;
        let mut txn = engine.write()?;
        (step.take)(&mut *txn)?;
        txn.put(Table::Meta, META_FORMAT, &(step.from + 1).to_le_bytes())?;
        txn.commit()?;
    }
    Ok(())
}

/// Whether the views are those this program folds.
pub(crate) fn is_folded(txn: &dyn Reading) -> Result<bool, ReplicaError> {
    Ok(number(txn, META_FOLD)? == Some(FOLD_VERSION))
}

/// Says that the views are being made, or that they are.
pub(crate) fn set_folded(txn: &mut dyn Writing, folded: bool) -> Result<(), ReplicaError> {
    let version = if folded { FOLD_VERSION } else { 0 };
    txn.put(Table::Meta, META_FOLD, &version.to_le_bytes())
}

/// Removes the copies that were made before steps: the store has been opened since, and they hold what may be erased.
pub(crate) fn drop_copies(engine: &dyn Engine) -> Result<(), ReplicaError> {
    STEPS.iter().try_for_each(|step| engine.drop_copy(&copy_of(step)))
}

fn copy_of(step: &Step) -> PathBuf {
    format!("format-{}.mdb", step.from).into()
}

fn number(txn: &dyn Reading, key: &[u8]) -> Result<Option<u32>, ReplicaError> {
    let Some(value) = txn.get(Table::Meta, key)? else { return Ok(None) };
    Ok(Some(value.try_into().map(u32::from_le_bytes).map_err(|_| Damage::Record("meta"))?))
}
