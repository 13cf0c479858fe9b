//! What is folded from events: pure functions, so that the same events give the same view in any order.

use ipc::event::Clock;
use minicbor::{Decode, Encode};

use crate::{
    Damage, ReplicaError, StoreKeys,
    body::{self, Body, OnBranch},
    log::Recorded,
    sealed,
};

/// A conversation as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Conversation {
    /// The title with the latest clock.
    #[n(0)]
    pub title: String,
    /// That clock, and of two equal ones the greater author decides.
    #[n(1)]
    pub title_clock: u64,
    /// See `title_clock`.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub title_author: [u8; 32],
    /// Messages in it.
    #[n(3)]
    pub messages: u32,
    /// The clock of its first event.
    #[n(4)]
    pub created: u64,
    /// The clock of its newest event.
    #[n(5)]
    pub changed: u64,
}

impl Conversation {
    /// Takes in an event of the conversation that was not taken in before.
    pub(crate) fn fold(&mut self, event: &Recorded, body: &Body) {
        let clock = self.touch(event);
        match body {
            Body::Message(_) => self.messages += 1,
            Body::Conversation(title) | Body::Title(title) => {
                let newer = (clock, event.header.author) > (self.title_clock, self.title_author);
                if newer || self.title_clock == 0 {
                    self.title.clone_from(&title.title);
                    (self.title_clock, self.title_author) = (clock, event.header.author);
                }
            }
            _ => {}
        }
    }

    /// Takes in an event that is damaged and does not say any more what it said.
    pub(crate) fn fold_unread(&mut self, event: &Recorded) {
        self.touch(event);
        self.messages += u32::from(event.header.kind == body::MESSAGE);
    }

    fn touch(&mut self, event: &Recorded) -> u64 {
        let clock = event.header.clock.0;
        self.created = if self.created == 0 { clock } else { self.created.min(clock) };
        self.changed = self.changed.max(clock);
        clock
    }

    /// The moment of its newest event.
    pub fn changed(&self) -> Clock {
        Clock(self.changed)
    }
}

/// A file of a volume as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct File {
    /// Its path.
    #[n(0)]
    pub path: String,
    /// Its length.
    #[n(1)]
    pub length: u64,
    /// Where its content is; 0 if it was removed.
    #[n(2)]
    pub position: u64,
    /// The clock of its newest version.
    #[n(3)]
    pub changed: u64,
    /// Of two versions with one clock the greater author decides.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub author: [u8; 32],
    /// The number of that version among those of its author.
    #[n(5)]
    pub sequence: u64,
    /// Where it stands on a branch.
    #[n(6)]
    pub branch: Option<OnBranch>,
}

impl File {
    /// Whether a version is newer than this; then it is what stands from now on.
    fn is_replaced_by(&mut self, event: &Recorded) -> bool {
        let version = (event.header.clock.0, event.header.author);
        let newer = version > (self.changed, self.author);
        if newer {
            (self.changed, self.author) = version;
            self.sequence = event.header.sequence;
        }
        newer
    }

    /// Takes in a version that is damaged: who reads it is told so, and is not given the one before it. It goes by the name
    /// that the one before it had.
    pub(crate) fn fold_unread(&mut self, event: &Recorded) {
        if self.is_replaced_by(event) {
            self.length = 0;
            self.position = if event.header.kind == body::FILE { event.position } else { 0 };
        }
    }

    /// Takes in a version of the file.
    pub(crate) fn fold(&mut self, event: &Recorded, body: &Body) {
        if !self.is_replaced_by(event) {
            return;
        }
        match body {
            Body::File(file) => {
                self.branch = file.branch;
                self.path.clone_from(&file.path);
                self.length = file.length();
                self.position = event.position;
            }
            Body::FileRemoved(file) => {
                self.branch = file.branch;
                self.path.clone_from(&file.path);
                self.length = 0;
                self.position = 0;
            }
            _ => {}
        }
    }
}

/// A view as it lies on disk.
pub(crate) fn seal<V: Encode<()>>(
    keys: &StoreKeys,
    table: &'static str,
    entity: &[u8; 16],
    view: &V,
) -> Result<Vec<u8>, ReplicaError> {
    // Writing to a vector cannot fail.
    let plain = minicbor::to_vec(view).unwrap_or_default();
    sealed::seal(&keys.views, &[table.as_bytes(), entity], &plain)
}

/// A view as it was.
pub(crate) fn open<V: for<'b> Decode<'b, ()>>(
    keys: &StoreKeys,
    table: &'static str,
    entity: &[u8; 16],
    bytes: &[u8],
) -> Result<V, ReplicaError> {
    let plain = sealed::open(&keys.views, &[table.as_bytes(), entity], bytes).ok_or(Damage::Record(table))?;
    Ok(minicbor::decode(&plain).map_err(|_| Damage::Record(table))?)
}

#[cfg(test)]
mod tests {
    use ipc::event::EventHeader;
    use proptest::prelude::*;

    use super::*;
    use crate::body::{Content, FileBody, FileRemoved, Title};

    fn event(clock: u64, author: u8, position: u64) -> Recorded {
        let header = EventHeader {
            space: [0; 16],
            author: [author; 32],
            sequence: 1,
            previous: [0; 32],
            clock: Clock(clock),
            kind: 0,
            entity: [0; 16],
            body_len: 0,
            body_digest: [0; 32],
            seen: Vec::new(),
        };
        Recorded { position, id: [0; 32], header, signature: None }
    }

    proptest! {
        #[test]
        fn titles_fold_to_the_same_in_any_order(
            mut titles in prop::collection::btree_map((1u64..20, 0u8..4), "[a-z]{1,3}", 1..10)
                .prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let fold = |titles: &[((u64, u8), String)]| {
                let mut view = Conversation::default();
                for ((clock, author), title) in titles {
                    view.fold(&event(*clock, *author, 1), &Body::Title(Title { title: title.clone() }));
                }
                view
            };
            let shuffled = fold(&titles);
            titles.sort();
            prop_assert_eq!(&shuffled, &fold(&titles));
            prop_assert_eq!(&shuffled.title, &titles.last().expect("one").1);
        }

        #[test]
        fn files_fold_to_the_same_in_any_order(
            mut versions in prop::collection::btree_map((1u64..20, 0u8..4), prop::option::of(0usize..9), 1..10)
                .prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let fold = |versions: &[((u64, u8), Option<usize>)]| {
                let mut view = File::default();
                for ((clock, author), length) in versions {
                    let path = "user/a".to_owned();
                    let body = match length {
                        Some(length) => Body::File(FileBody::new(path, Content::Bytes(vec![0; *length]))),
                        None => Body::FileRemoved(FileRemoved::new(path)),
                    };
                    view.fold(&event(*clock, *author, clock * 4 + u64::from(*author)), &body);
                }
                view
            };
            let shuffled = fold(&versions);
            versions.sort();
            prop_assert_eq!(shuffled, fold(&versions));
        }
    }
}
