//! Views in their tables: brought up to date with each event, and made anew for an entity when something came late, was
//! erased or was mended. What a view is made of is in `views.rs` and `state/`; here it is read, sealed and put back.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Replica, ReplicaError,
    body::{self, Body},
    branches::Branch,
    engine::{Reading, keys, prefix},
    log::{Recorded, position},
    references::{By, Reference},
    state::{Change, Folding, State, Step},
    tables::Table,
    views::{self, Conversation, File},
    write::{Batch, Draft, Kept, Refused},
};

pub(crate) const CONVERSATIONS: &str = "conversations";
pub(crate) const FILES: &str = "files";
pub(crate) const BRANCHES: &str = "branches";
pub(crate) const STATES: &str = "states";

/// A conversation as it stands in a transaction.
pub(crate) struct Held {
    view: Conversation,
    /// Under which clock the list of the newest has it; 0 if it has not.
    listed: u64,
}

/// Conversations that are not put back yet.
pub(crate) type HeldViews = BTreeMap<[u8; 16], Held>;

/// As many as are held at once.
const MAX_HELD: usize = 256;

impl Batch<'_> {
    /// Brings the views up to date with an event that was not taken in before.
    pub(crate) fn fold(&mut self, event: &Recorded, body: &Body) -> Result<(), ReplicaError> {
        let entity = &event.header.entity;
        if self.dirty.contains(entity) && !matches!(body, Body::Erase(_)) {
            // It is folded with the others before the transaction ends.
            return Ok(());
        }
        self.refer_by_event(event, body)?;
        match body {
            Body::File(_) | Body::FileRemoved(_) => {
                let mut file = self.file(entity)?.unwrap_or_default();
                file.fold(event, body);
                self.put_view(Table::File, FILES, entity, &file)
            }
            Body::Branch(body) => {
                let mut branch: Branch =
                    self.replica.view(self.txn.reading(), Table::Branch, BRANCHES, entity)?.unwrap_or_default();
                branch.fold(event, body);
                self.put_view(Table::Branch, BRANCHES, entity, &branch)
            }
            Body::Change(change) => {
                let state: Option<State> = self.replica.view(self.txn.reading(), Table::State, STATES, entity)?;
                match Folding::go_on(state.unwrap_or_default(), event) {
                    Some(mut folding) => {
                        folding.take(event, Some(change));
                        self.put_state(entity, &folding.end()?)
                    }
                    // It came late, or saw what the view no longer remembers.
                    None => {
                        self.dirty.insert(*entity);
                        Ok(())
                    }
                }
            }
            Body::Erase(erase) if *entity == body::ERASURES => self.erase(erase),
            // No view is made of them: their kinds are indexed, and how they stand is in the state of their entity.
            Body::Experience(_) | Body::Bundle(_) => Ok(()),
            // Whoever made it: what holds is read from what this device said alone.
            Body::Right(_) => Ok(()),
            Body::Erase(_) | Body::Unknown(_) => self.txn.put(Table::Unknown, &event.position.to_be_bytes(), &[]),
            _ => {
                let mut held = match self.held.remove(entity) {
                    Some(held) => held,
                    None => {
                        let view = self.conversation(entity)?;
                        Held { listed: view.changed, view }
                    }
                };
                held.view.fold(event, body);
                if self.held.len() >= MAX_HELD {
                    self.put_held()?;
                }
                self.held.insert(*entity, held);
                self.list_message(event, body)
            }
        }
    }

    /// Makes a text of an entity's state be this one, as a change of this device. What others write at the same time is
    /// merged with it.
    pub fn write_text(&mut self, entity: &[u8; 16], path: &[Step], text: &str) -> Result<Result<Kept, Refused>, ReplicaError> {
        if self.dirty.remove(entity) {
            self.refold(entity)?;
        }
        let state: Option<State> = self.replica.view(self.txn.reading(), Table::State, STATES, entity)?;
        let mut chance = [0; 8];
        getrandom::fill(&mut chance).map_err(|error| ReplicaError::Io(error.into()))?;
        let edit = state.unwrap_or_default().edit(path, text, u64::from_le_bytes(chance))?;
        let body = Body::Change(Change { operations: vec![edit] });
        self.append(&Draft { entity: *entity, body, once: None })
    }

    /// Folds anew what must be, once for each entity.
    pub(crate) fn settle(&mut self) -> Result<(), ReplicaError> {
        while let Some(entity) = self.dirty.pop_first() {
            self.refold(&entity)?;
        }
        self.put_held()
    }

    /// Puts back the conversations that changed.
    fn put_held(&mut self) -> Result<(), ReplicaError> {
        while let Some((entity, Held { view, listed })) = self.held.pop_first() {
            if listed != 0 && listed != view.changed {
                self.take_out_of_recent(&entity, listed)?;
            }
            self.put_conversation(&entity, &view)?;
        }
        Ok(())
    }

    /// Whether a conversation was begun.
    pub(crate) fn has_conversation(&self, entity: &[u8; 16]) -> Result<bool, ReplicaError> {
        Ok(self.held.contains_key(entity) || self.txn.get(Table::Conversation, entity)?.is_some())
    }

    /// Makes all views of an entity anew from its events.
    pub(crate) fn refold(&mut self, entity: &[u8; 16]) -> Result<(), ReplicaError> {
        self.drop_views(entity)?;
        let folded = self.replica.folded(self.txn.reading(), entity)?;
        for position in folded.unknown {
            self.txn.put(Table::Unknown, &position.to_be_bytes(), &[])?;
        }
        for key in folded.messages {
            self.txn.put(Table::Message, &key, &[])?;
        }
        folded.references.iter().try_for_each(|reference| self.add_reference(reference))?;
        if let Some(view) = folded.conversation {
            self.put_conversation(entity, &view)?;
        }
        if let Some(view) = folded.file {
            self.put_view(Table::File, FILES, entity, &view)?;
        }
        if let Some(view) = folded.branch {
            self.put_view(Table::Branch, BRANCHES, entity, &view)?;
        }
        if let Some(state) = folded.state {
            self.put_state(entity, &state)?;
        }
        Ok(())
    }

    /// Removes everything that is derived for an entity, save its indexes.
    pub(crate) fn drop_views(&mut self, entity: &[u8; 16]) -> Result<(), ReplicaError> {
        // What lies in the tables is as it was before this one changed.
        self.held.remove(entity);
        // One that does not open is dropped as well; only where it stood in the list of the newest must be searched then.
        match self.conversation(entity) {
            Ok(view) if view.changed != 0 => self.take_out_of_recent(entity, view.changed)?,
            Ok(_) => {}
            Err(ReplicaError::Damaged(_)) => {
                for key in keys(self.txn.reading(), Table::Recent, &[])? {
                    if key.ends_with(entity) {
                        self.txn.delete(Table::Recent, &key)?;
                    }
                }
            }
            Err(error) => return Err(error),
        }
        for table in [Table::Conversation, Table::File, Table::Branch, Table::State] {
            self.wipe(table, entity)?;
        }
        for key in keys(self.txn.reading(), Table::Message, entity)? {
            self.txn.delete(Table::Message, &key)?;
        }
        self.drop_references(entity)
    }

    pub(crate) fn file(&self, entity: &[u8; 16]) -> Result<Option<File>, ReplicaError> {
        self.replica.view(self.txn.reading(), Table::File, FILES, entity)
    }

    pub(crate) fn conversation(&self, entity: &[u8; 16]) -> Result<Conversation, ReplicaError> {
        let view = self.replica.view(self.txn.reading(), Table::Conversation, CONVERSATIONS, entity)?;
        Ok(view.unwrap_or_default())
    }

    pub(crate) fn put_view<V: minicbor::Encode<()>>(
        &mut self,
        table: Table,
        name: &'static str,
        entity: &[u8; 16],
        view: &V,
    ) -> Result<(), ReplicaError> {
        self.txn.put(table, entity, &views::seal(&self.replica.keys, name, entity, view)?)
    }

    pub(crate) fn take_out_of_recent(&mut self, entity: &[u8; 16], listed: u64) -> Result<(), ReplicaError> {
        self.txn.delete(Table::Recent, &[&listed.to_be_bytes()[..], entity].concat())
    }

    pub(crate) fn put_conversation(&mut self, entity: &[u8; 16], view: &Conversation) -> Result<(), ReplicaError> {
        self.put_view(Table::Conversation, CONVERSATIONS, entity, view)?;
        self.txn.put(Table::Recent, &[&view.changed.to_be_bytes()[..], entity].concat(), &[])
    }

    fn list_message(&mut self, event: &Recorded, body: &Body) -> Result<(), ReplicaError> {
        let Body::Message(_) = body else { return Ok(()) };
        self.txn.put(Table::Message, &listed_under(event), &[])
    }

    pub(crate) fn put_state(&mut self, entity: &[u8; 16], state: &State) -> Result<(), ReplicaError> {
        self.put_view(Table::State, STATES, entity, state)?;
        self.refer_by_state(*entity, &state.references())
    }
}

/// The views of an entity as its events make them.
#[derive(Default)]
pub(crate) struct Folded {
    pub(crate) conversation: Option<Conversation>,
    pub(crate) file: Option<File>,
    pub(crate) branch: Option<Branch>,
    pub(crate) state: Option<State>,
    /// Its messages, by what they are listed under.
    pub(crate) messages: BTreeSet<Vec<u8>>,
    /// What its events refer to.
    pub(crate) references: BTreeSet<Reference>,
    /// Places of events of kinds that are not known.
    unknown: Vec<u64>,
    /// An event is damaged and left out. The scrub names it.
    pub(crate) damaged: bool,
}

impl Folded {
    /// Takes in an event that does not say any more what it said. Where its header is damaged too, that tells nothing.
    fn take_unread(&mut self, txn: &dyn Reading, replica: &Replica, event: &Recorded) -> Result<(), ReplicaError> {
        if replica.position_of(txn, &event.id)? != Some(event.position) {
            return Ok(());
        }
        match event.header.kind {
            body::FILE | body::FILE_REMOVED => self.file.get_or_insert_default().fold_unread(event),
            body::CONVERSATION | body::TITLE | body::MESSAGE | body::TRACE | body::ATTACHMENT => {
                self.conversation.get_or_insert_default().fold_unread(event);
                if event.header.kind == body::MESSAGE {
                    self.messages.insert(listed_under(event));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Under what a message is listed in its conversation.
fn listed_under(event: &Recorded) -> Vec<u8> {
    let header = &event.header;
    let place = event.position.to_be_bytes();
    [&header.entity[..], &header.clock.0.to_be_bytes(), &header.author[..16], &place].concat()
}

impl Replica {
    /// Folds all events of an entity.
    pub(crate) fn folded(&self, txn: &dyn Reading, entity: &[u8; 16]) -> Result<Folded, ReplicaError> {
        let mut folded = Folded::default();
        let mut events = Vec::new();
        for position in self.places_of(txn, entity)? {
            match self.event(txn, position) {
                Ok(event) => events.push(event),
                Err(ReplicaError::Damaged(_)) => folded.damaged = true,
                Err(error) => return Err(error),
            }
        }
        events.sort_by_key(|event| (event.header.clock, event.header.author));
        let mut states = Folding::default();
        for event in &events {
            let record = match self.record(txn, event.position) {
                Ok(record) => record,
                Err(ReplicaError::Damaged(_)) => {
                    folded.damaged = true;
                    None
                }
                Err(error) => return Err(error),
            };
            let change = match record.as_ref().map(|record| &record.body) {
                Some(Body::Change(change)) => Some(change),
                _ => None,
            };
            states.take(event, change);
            let Some(record) = record else {
                // Erased ones say nothing and have no body.
                if txn.get(Table::Body, &event.position.to_be_bytes())?.is_some() {
                    folded.take_unread(txn, self, event)?;
                }
                continue;
            };
            let named = record.body.references().into_iter();
            folded.references.extend(named.map(|target| Reference { source: *entity, by: By::Event(event.id), target }));
            match &record.body {
                Body::File(_) | Body::FileRemoved(_) => folded.file.get_or_insert_default().fold(event, &record.body),
                Body::Branch(body) => folded.branch.get_or_insert_default().fold(event, body),
                Body::Change(_) | Body::Experience(_) | Body::Bundle(_) | Body::Right(_) => {}
                Body::Erase(_) if *entity == body::ERASURES => {}
                Body::Erase(_) | Body::Unknown(_) => folded.unknown.push(event.position),
                body => {
                    folded.conversation.get_or_insert_default().fold(event, body);
                    if let Body::Message(_) = body {
                        folded.messages.insert(listed_under(event));
                    }
                }
            }
        }
        if states.changes > 0 {
            folded.state = Some(states.end()?);
        }
        Ok(folded)
    }

    /// A view as it stands.
    pub(crate) fn view<V: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        txn: &dyn Reading,
        table: Table,
        name: &'static str,
        entity: &[u8; 16],
    ) -> Result<Option<V>, ReplicaError> {
        txn.get(table, entity)?.map(|bytes| views::open(&self.keys, name, entity, bytes)).transpose()
    }
}

impl crate::Snapshot<'_> {
    /// The state of an entity.
    pub fn state(&self, entity: &[u8; 16]) -> Result<Option<State>, ReplicaError> {
        self.replica.view(&*self.txn, Table::State, STATES, entity)
    }

    /// The heads of an entity: the events that no other of it has seen. More than one were made at the same time.
    pub fn entity_heads(&self, entity: &[u8; 16]) -> Result<Vec<[u8; 32]>, ReplicaError> {
        self.replica.heads_of(&*self.txn, entity)
    }

    /// The events of an entity, oldest first, erased ones too: `limit` of them after the first `skip`.
    pub fn history(&self, entity: &[u8; 16], skip: usize, limit: usize) -> Result<Vec<Recorded>, ReplicaError> {
        let rows = prefix(&*self.txn, Table::Entity, entity)?.skip(skip).take(limit);
        rows.map(|row| self.replica.event(&*self.txn, position(row?.0, "entities")?)).collect()
    }
}
