//! Branches: named lines of work of one volume. `spot.rs` is where a file lies that is named with or without a branch, and
//! what it is there; `overlay.rs` the names of a branch over those of its base; `manage.rs` begins, lists and ends them;
//! `compare.rs` says what either side changed, and `merge.rs` brings one side into the other in one transaction.
//!
//! What a branch is made of on disk is in `replica::branches`. A file that was never written on a branch is read from its
//! base as that was at the fork point; one that was is an entity of its own, like any file.
//!
//! **Architecture Invariant:** nothing here compares what two texts say, and nothing merges lines: that is done in the process
//! of the person who asks. Here it is known only whether two contents are equal.

pub(crate) mod compare;
pub(crate) mod manage;
pub(crate) mod merge;
pub(crate) mod overlay;
pub(crate) mod spot;

use ipc::{Code, Refusal};
use replica::{Snapshot, branches::Branch};

use super::path::BranchName;
use crate::errors::refusal;

/// A branch that is there now.
fn live(snapshot: &Snapshot<'_>, replica: &replica::Replica, name: &BranchName) -> Result<Branch, Refusal> {
    let branch = snapshot.branch(&replica.branch_entity(&name.name)).map_err(|error| refusal(&error))?;
    branch.filter(Branch::is_there).ok_or_else(|| {
        let why = format!("there is no branch {:?}; `lamos vol branch` lists them", name.name);
        Refusal::new(Code::NotFound, why)
    })
}
