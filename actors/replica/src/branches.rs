//! Branches of volumes, as the store has them: a name, and a fork point.
//!
//! A fork point says how far each author's events were there. That is a moment which is the same on every device and never
//! changes, whatever comes late, and it costs as much as there are devices: nothing is copied. A branch is read through its
//! fork point: of the files of its base the versions up to there, and over them its own versions that come after it. So
//! one step, moving the fork point, says both that the base is seen as it is now and that what was written on the branch
//! until now is in it.
//!
//! Whatever devices do at the same time, the fold gives one branch: of two fork points it takes what either has seen, and
//! the last of those who had the name one after the other (its generation) holds. Nothing here knows what a path means, and
//! nothing here compares what files say.

use std::ops::Bound;

use minicbor::{Decode, Encode};

use crate::{
    Damage, Record, Recorded, Replica, ReplicaError, Snapshot, Version,
    body::{self, Body, Commit},
    engine::{Reading, all},
    fold::BRANCHES,
    log,
    tables::Table,
    views,
    write::{Batch, Head},
};

/// How far an author's events were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Seen {
    /// Whose.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub author: [u8; 32],
    /// The number of the last one.
    #[n(1)]
    pub sequence: u64,
}

/// What becomes of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Act {
    /// It begins.
    #[n(0)]
    Begin,
    /// It was merged, or what its base became was taken into it: its fork point moves.
    #[n(1)]
    Move,
    /// It ends. What was written on it stays in the histories of its files.
    #[n(2)]
    End,
}

/// The body of [`BRANCH`](body::BRANCH).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BranchBody {
    /// Its name with that of its volume, as in `user@draft`.
    #[n(0)]
    pub name: String,
    /// Which of the branches that had this name one after the other; the first is 1.
    #[n(1)]
    pub generation: u64,
    /// What becomes of it.
    #[n(2)]
    pub act: Act,
    /// How far its base is seen; nothing where it ends.
    #[n(3)]
    pub fork: Vec<Seen>,
    /// The commit that merged it.
    #[n(4)]
    pub commit: Option<Commit>,
    /// Files that the merge wrote, and files that it removed.
    #[n(5)]
    pub counts: Option<Counts>,
}

/// What a merge made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counts {
    /// Files that have a new version.
    #[n(0)]
    pub written: u32,
    /// Files that were removed.
    #[n(1)]
    pub removed: u32,
}

/// What a version of a file is made of that a merge wrote.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Merge {
    /// What was merged, as in `user@draft`.
    #[n(0)]
    pub from: String,
    /// What it was merged into, as in `user`.
    #[n(1)]
    pub into: String,
    /// The version of the file there before; `None` if it never was there.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub ours: Option<[u8; 32]>,
    /// The version that was merged.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub theirs: Option<[u8; 32]>,
}

/// Where a version of a file stands that was written on a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OnBranch {
    /// Which of the branches that had this name one after the other.
    #[n(0)]
    pub generation: u64,
    /// The version of its base that it lies over, and is compared with when it is merged; `None` if there is none. What its
    /// writer saw stands here, so that a fork point that another device moved at the same time makes no difference.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub over: Option<[u8; 32]>,
}

/// A branch as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Branch {
    /// Its name with that of its volume.
    #[n(0)]
    pub name: String,
    /// The newest of those that had this name.
    #[n(1)]
    pub generation: u64,
    /// The newest of those that have ended.
    #[n(2)]
    pub ended: u64,
    /// How far its base is seen, by author.
    #[n(3)]
    pub fork: Vec<Seen>,
    /// The clock of its beginning.
    #[n(4)]
    pub begun: u64,
    /// The clock of its fork point.
    #[n(5)]
    pub forked: u64,
    /// The clock of the newest end.
    #[n(6)]
    pub ended_at: u64,
}

impl Branch {
    /// Takes in what became of it. The order makes no difference.
    pub(crate) fn fold(&mut self, event: &Recorded, body: &BranchBody) {
        let clock = event.header.clock.0;
        if self.name.is_empty() || body.name < self.name {
            self.name.clone_from(&body.name);
        }
        if body.act == Act::End {
            self.ended = self.ended.max(body.generation);
            self.ended_at = self.ended_at.max(clock);
            return;
        }
        if body.generation < self.generation {
            return;
        }
        if body.generation > self.generation {
            (self.generation, self.begun, self.forked) = (body.generation, clock, clock);
            self.fork.clear();
        }
        self.begun = self.begun.min(clock);
        self.forked = self.forked.max(clock);
        for seen in &body.fork {
            match self.fork.binary_search_by_key(&seen.author, |seen| seen.author) {
                Ok(at) => self.fork[at].sequence = self.fork[at].sequence.max(seen.sequence),
                Err(at) => self.fork.insert(at, *seen),
            }
        }
    }

    /// Whether there is a branch of this name now.
    pub fn is_there(&self) -> bool {
        self.generation > self.ended
    }

    /// Whether an event lies before the fork point.
    pub fn has_seen(&self, author: &[u8; 32], sequence: u64) -> bool {
        let found = self.fork.binary_search_by_key(author, |seen| seen.author);
        found.is_ok_and(|at| sequence <= self.fork[at].sequence)
    }
}

impl Snapshot<'_> {
    /// How a branch stands; those that have ended too.
    pub fn branch(&self, entity: &[u8; 16]) -> Result<Option<Branch>, ReplicaError> {
        self.replica.view(&*self.txn, Table::Branch, BRANCHES, entity)
    }

    /// How the branch of this name stands.
    pub fn branch_called(&self, name: &str) -> Result<Option<Branch>, ReplicaError> {
        self.branch(&self.replica.branch_entity(name))
    }

    /// How all branches stand, in no order; those that have ended too.
    pub fn branches(&self) -> Result<Vec<Branch>, ReplicaError> {
        let mut found = Vec::new();
        for row in all(&*self.txn, Table::Branch)? {
            let (entity, bytes) = row?;
            let entity: [u8; 16] = entity.try_into().map_err(|_| Damage::Record(BRANCHES))?;
            found.push(views::open(&self.replica.keys, BRANCHES, &entity, bytes)?);
        }
        Ok(found)
    }

    /// The version of a file that held at the fork point of a branch: the newest that lies before it and is not erased. It
    /// costs as much as there are versions after it.
    pub fn version_at(&self, entity: &[u8; 16], branch: &Branch) -> Result<Option<Version>, ReplicaError> {
        let last = [&entity[..], &[u8::MAX; 32]].concat();
        for row in self.txn.range_back(Table::Entity, Bound::Included(entity), Bound::Included(&last))? {
            let position = log::position(row?.0, "entities")?;
            let event = self.replica.event(&*self.txn, position)?;
            let header = &event.header;
            if !matches!(header.kind, body::FILE | body::FILE_REMOVED) || !branch.has_seen(&header.author, header.sequence) {
                continue;
            }
            if let Some(Record { event, body }) = self.replica.record(&*self.txn, position)? {
                return Ok(Some(Version { event, body: Some(body) }));
            }
        }
        Ok(None)
    }

    /// How far each author's events are here, signed or not: what a fork point is made of.
    pub fn fork_point(&self) -> Result<Vec<Seen>, ReplicaError> {
        seen(&*self.txn)
    }
}

impl Batch<'_> {
    /// How far each author's events are here, those of this transaction included.
    pub fn fork_point(&self) -> Result<Vec<Seen>, ReplicaError> {
        seen(self.txn.reading())
    }
}

impl Replica {
    /// The thing that the events of a branch are about.
    pub fn branch_entity(&self, name: &str) -> [u8; 16] {
        self.keys().blind("branch", &[name.as_bytes()])
    }
}

fn seen(txn: &dyn Reading) -> Result<Vec<Seen>, ReplicaError> {
    let mut found = Vec::new();
    for row in all(txn, Table::Head)? {
        let (author, value) = row?;
        let author = author.try_into().map_err(|_| Damage::Record("heads"))?;
        found.push(Seen { author, sequence: Head::read(value)?.sequence });
    }
    Ok(found)
}

/// Whether what a body says is about files of this volume, its branches included: what a merge must not miss.
pub fn is_about(body: &Body, volume: &str) -> bool {
    let of = |path: &str| path.strip_prefix(volume).is_some_and(|rest| rest.starts_with(['/', '@']));
    match body {
        Body::File(file) => of(&file.path),
        Body::FileRemoved(file) => of(&file.path),
        Body::Branch(branch) => of(&branch.name),
        Body::Erase(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ipc::event::{Clock, EventHeader};
    use proptest::prelude::*;

    use super::*;

    fn event(clock: u64) -> Recorded {
        let header = EventHeader {
            space: [0; 16],
            author: [1; 32],
            sequence: 1,
            previous: [0; 32],
            clock: Clock(clock),
            kind: body::BRANCH,
            entity: [0; 16],
            body_len: 0,
            body_digest: [0; 32],
            seen: Vec::new(),
        };
        Recorded { position: 1, id: [0; 32], header, signature: None }
    }

    fn said(act: Act, generation: u64, fork: &[(u8, u64)]) -> BranchBody {
        let fork = fork.iter().map(|(author, sequence)| Seen { author: [*author; 32], sequence: *sequence }).collect();
        BranchBody { name: "user@a".into(), generation, act, fork, commit: None, counts: None }
    }

    /// A clock, what is done, a generation and a fork point.
    type Told = (u64, Act, u64, Vec<(u8, u64)>);

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![Just(Act::Begin), Just(Act::Move), Just(Act::End)]
    }

    #[test]
    fn fork_points_that_were_made_at_the_same_time_become_one_and_a_new_branch_has_its_own() {
        let mut branch = Branch::default();
        branch.fold(&event(5), &said(Act::Begin, 1, &[(1, 3)]));
        branch.fold(&event(4), &said(Act::Begin, 1, &[(1, 2), (2, 9)]));
        assert!(branch.is_there() && branch.has_seen(&[1; 32], 3) && !branch.has_seen(&[1; 32], 4));
        assert!(branch.has_seen(&[2; 32], 9) && !branch.has_seen(&[3; 32], 1));
        assert_eq!((branch.begun, branch.forked), (4, 5));
        branch.fold(&event(6), &said(Act::End, 1, &[]));
        assert!(!branch.is_there());
        branch.fold(&event(7), &said(Act::Begin, 2, &[(1, 1)]));
        assert!(branch.is_there() && !branch.has_seen(&[2; 32], 1));
        branch.fold(&event(8), &said(Act::Move, 1, &[(1, 100)]));
        assert!(!branch.has_seen(&[1; 32], 2), "what is said of one that ended says nothing of the next");
    }

    proptest! {
        #[test]
        fn branches_fold_to_the_same_in_any_order(
            events in prop::collection::vec(
                (1u64..20, act(), 1u64..4, prop::collection::vec((0u8..4, 1u64..9), 0..4)), 1..10)
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        ) {
            let fold = |events: &[Told]| {
                let mut branch = Branch::default();
                for (clock, act, generation, fork) in events {
                    branch.fold(&event(*clock), &said(*act, *generation, fork));
                }
                branch
            };
            prop_assert_eq!(fold(&events.0), fold(&events.1));
        }
    }

    #[test]
    fn a_branch_has_these_bytes() {
        let body = Body::Branch(said(Act::Move, 2, &[(7, 5)]));
        let expected = [&[0x84, 0x66][..], b"user@a", &[0x02, 0x01, 0x81, 0x82, 0x58, 32], &[7; 32], &[0x05]].concat();
        assert_eq!(body.to_bytes(), expected);
        assert_eq!(Body::from_bytes(body::BRANCH, &expected), Some(body));
    }

    #[test]
    fn a_volume_is_told_from_one_whose_name_begins_alike() {
        let is = |path: &str| is_about(&Body::FileRemoved(body::FileRemoved::new(path.into())), "team/a");
        assert!(is("team/a/x") && is("team/a@b/x"));
        assert!(!is("team/ab/x") && !is("user/team/a/x"));
    }
}
