//! One number for everything that can be read: two stores that have taken in the same events have the same one, whatever
//! order these came in and wherever they lie. It is made by taking every type apart field by field, so that a field that
//! is new cannot be forgotten.

use crate::{
    Damage, ReplicaError, Snapshot,
    body::OnBranch,
    branches::{Branch, Seen},
    engine::all,
    fold::{BRANCHES, CONVERSATIONS, FILES, STATES},
    log,
    state::State,
    tables::Table,
    views::{self, Conversation, File},
    write::{HEAD, Head},
};

struct Digest(blake3::Hasher);

impl Digest {
    /// Adds a row: each part with its length, so that no two rows can be taken for each other.
    fn row(&mut self, what: &str, parts: &[&[u8]]) {
        self.0.update(&[what.len() as u8, parts.len() as u8]);
        self.0.update(what.as_bytes());
        for part in parts {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }
}

impl Snapshot<'_> {
    /// BLAKE3 over the heads of all authors and entities, all views, references and erasures.
    pub fn fingerprint(&self) -> Result<[u8; 32], ReplicaError> {
        let mut digest = Digest(blake3::Hasher::new());
        let txn = &*self.txn;
        for row in all(txn, Table::Head)? {
            let (author, value) = row?;
            let Head { sequence, clock, id } = Head::read(value)?;
            digest.row("head", &[author, &sequence.to_le_bytes(), &clock.0.to_le_bytes(), &id]);
        }
        for row in all(txn, Table::Tip)? {
            let (key, value) = row?;
            if value == [HEAD] {
                digest.row("tip", &[key]);
            }
        }
        for row in all(txn, Table::Conversation)? {
            let (entity, bytes) = row?;
            let Conversation { title, title_clock, title_author, messages, created, changed } =
                self.open(CONVERSATIONS, entity, bytes)?;
            let numbers = [title_clock, u64::from(messages), created, changed].map(u64::to_le_bytes);
            digest.row("conversation", &[entity, title.as_bytes(), &title_author, numbers.as_flattened()]);
        }
        for row in all(txn, Table::Message)? {
            let key = row?.0;
            let conversation = key.get(..16).ok_or(Damage::Record("messages"))?;
            digest.row("message", &[conversation, &self.id_of_whole(log::position(key, "messages")?)?]);
        }
        for row in all(txn, Table::File)? {
            let (entity, bytes) = row?;
            let File { path, length, position, changed, author, sequence: _, branch } = self.open(FILES, entity, bytes)?;
            let content = if position == 0 { [0; 32] } else { self.id_of_whole(position)? };
            let numbers = [length, changed].map(u64::to_le_bytes);
            digest.row("file", &[entity, path.as_bytes(), &content, numbers.as_flattened(), &author]);
            if let Some(OnBranch { generation, over }) = branch {
                digest.row("on branch", &[entity, &generation.to_le_bytes(), &over.unwrap_or_default()]);
            }
        }
        for row in all(txn, Table::Branch)? {
            let (entity, bytes) = row?;
            let Branch { name, generation, ended, fork, begun, forked, ended_at } = self.open(BRANCHES, entity, bytes)?;
            let numbers = [generation, ended, begun, forked, ended_at].map(u64::to_le_bytes);
            digest.row("branch", &[entity, name.as_bytes(), numbers.as_flattened()]);
            for Seen { author, sequence } in fork {
                digest.row("fork point", &[entity, &author, &sequence.to_le_bytes()]);
            }
        }
        for row in all(txn, Table::State)? {
            let (entity, bytes) = row?;
            // What a state remembers in order to go on depends on how it got there.
            let State { root, last: _, heads: _, waits: _ } = self.open(STATES, entity, bytes)?;
            digest.row("state", &[entity, &root.canonical()]);
        }
        for (what, table) in [("reference", Table::Reference), ("refers", Table::Refers), ("tomb", Table::Tomb)] {
            for row in all(txn, table)? {
                let (key, value) = row?;
                digest.row(what, &[key, value]);
            }
        }
        let mut unknown: Vec<[u8; 32]> = Vec::new();
        for row in all(txn, Table::Unknown)? {
            unknown.push(self.id_of_whole(log::position(row?.0, "unknown events")?)?);
        }
        unknown.sort_unstable();
        unknown.iter().for_each(|id| digest.row("unknown", &[id]));
        Ok(*digest.0.finalize().as_bytes())
    }

    fn open<V: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        name: &'static str,
        entity: &[u8],
        bytes: &[u8],
    ) -> Result<V, ReplicaError> {
        views::open(&self.replica.keys, name, entity.try_into().map_err(|_| Damage::Record(name))?, bytes)
    }

    fn id_of_whole(&self, position: u64) -> Result<[u8; 32], ReplicaError> {
        Ok(self.replica.event(&*self.txn, position)?.id)
    }
}
