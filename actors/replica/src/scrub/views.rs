//! Looking at what is derived: whether each view opens, and whether it is what its events make.

use std::{collections::BTreeSet, ops::Bound};

use crate::{
    Damage, ReplicaError, Snapshot,
    branches::Branch,
    engine::{all, keys},
    fold::{BRANCHES, CONVERSATIONS, FILES, STATES},
    state::State,
    tables::Table,
    views::{self, Conversation, File},
};

/// Entities that were folded anew, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    /// What is not as its events make it, and of which entity.
    pub wrong: Vec<(&'static str, [u8; 16])>,
    /// The last entity; none where there were no more.
    pub last: Option<[u8; 16]>,
}

impl Snapshot<'_> {
    /// Whether every view opens, and the list of the newest conversations leads to one each time; the name of each that does
    /// not, and of what.
    pub fn verify_views(&self) -> Result<Vec<(&'static str, [u8; 16])>, ReplicaError> {
        let mut wrong = self.unopened::<Conversation>(Table::Conversation, CONVERSATIONS)?;
        for row in all(&*self.txn, Table::Recent)? {
            let key = row?.0;
            let entity: [u8; 16] = *key.last_chunk().ok_or(Damage::Record("recent conversations"))?;
            // One that does not open is named already, and one that stands nowhere is found when it is folded anew.
            let leads = match self.conversation(&entity) {
                Ok(Some(view)) => {
                    let place = [&view.changed.to_be_bytes()[..], &entity].concat();
                    key == place || self.txn.get(Table::Recent, &place)?.is_none()
                }
                Ok(None) => false,
                Err(ReplicaError::Damaged(_)) => true,
                Err(error) => return Err(error),
            };
            if !leads {
                wrong.push(("recent conversations", entity));
            }
        }
        wrong.extend(self.unopened::<File>(Table::File, FILES)?);
        wrong.extend(self.unopened::<Branch>(Table::Branch, BRANCHES)?);
        wrong.extend(self.unopened::<State>(Table::State, STATES)?);
        Ok(wrong)
    }

    /// Folds the entities after this one anew, `limit` of them, and says whose views are not what their events make. An
    /// entity with an event that is damaged is left out: its views may still tell what the event said.
    pub fn verify_folds(&self, after: Option<[u8; 16]>, limit: usize) -> Result<Folds, ReplicaError> {
        let mut folds = Folds { wrong: Vec::new(), last: None };
        // No key of an entity is as long as this.
        let behind = |entity: [u8; 16]| [&entity[..], &[u8::MAX; 64]].concat();
        let mut from = after.map(behind);
        for _ in 0..limit {
            let bound = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let Some(row) = self.txn.range(Table::Entity, bound, Bound::Unbounded)?.next() else { break };
            let entity: [u8; 16] = *row?.0.first_chunk().ok_or(Damage::Record("entities"))?;
            folds.wrong.extend(self.folded_otherwise(&entity)?.map(|what| (what, entity)));
            folds.last = Some(entity);
            from = Some(behind(entity));
        }
        Ok(folds)
    }

    /// The first view of an entity that is not what its events make. One that does not open is not looked at here.
    fn folded_otherwise(&self, entity: &[u8; 16]) -> Result<Option<&'static str>, ReplicaError> {
        let folded = self.replica.folded(&*self.txn, entity)?;
        if folded.damaged {
            return Ok(None);
        }
        let listed = |table, begin: &[u8]| keys(&*self.txn, table, begin).map(|keys| keys.into_iter().collect::<BTreeSet<_>>());
        let references = match self.references_of_events(entity) {
            Ok(references) => Some(references),
            Err(ReplicaError::Damaged(_)) => None,
            Err(error) => return Err(error),
        };
        let recent = folded.conversation.as_ref().map(|view| [&view.changed.to_be_bytes()[..], entity].concat());
        let is_recent = recent.is_none_or(|key| self.txn.get(Table::Recent, &key).is_ok_and(|row| row.is_some()));
        let root = |state: &State| state.root.canonical();
        let differs = [
            (CONVERSATIONS, !is_recent || self.differs(Table::Conversation, CONVERSATIONS, entity, folded.conversation)?),
            ("messages", listed(Table::Message, entity)? != folded.messages),
            ("references", references.as_ref() != Some(&folded.references)),
            (FILES, self.differs(Table::File, FILES, entity, folded.file)?),
            (BRANCHES, self.differs(Table::Branch, BRANCHES, entity, folded.branch)?),
            // What a state remembers in order to go on depends on how it got there.
            (
                STATES,
                match self.replica.view::<State>(&*self.txn, Table::State, STATES, entity) {
                    Ok(kept) => kept.as_ref().map(root) != folded.state.as_ref().map(root),
                    Err(ReplicaError::Damaged(_)) => false,
                    Err(error) => return Err(error),
                },
            ),
        ];
        Ok(differs.into_iter().find_map(|(what, differs)| differs.then_some(what)))
    }

    fn differs<V: PartialEq + for<'b> minicbor::Decode<'b, ()>>(
        &self,
        table: Table,
        name: &'static str,
        entity: &[u8; 16],
        folded: Option<V>,
    ) -> Result<bool, ReplicaError> {
        match self.replica.view::<V>(&*self.txn, table, name, entity) {
            Ok(kept) => Ok(kept != folded),
            Err(ReplicaError::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn unopened<V: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        table: Table,
        name: &'static str,
    ) -> Result<Vec<(&'static str, [u8; 16])>, ReplicaError> {
        let mut wrong = Vec::new();
        for row in all(&*self.txn, table)? {
            let (key, value) = row?;
            let entity = std::array::from_fn(|index| key.get(index).copied().unwrap_or(0));
            if views::open::<V>(&self.replica.keys, name, &entity, value).is_err() {
                wrong.push((name, entity));
            }
        }
        Ok(wrong)
    }
}
