//! What either side of a branch changed, file by file, against what both began with. Contents are compared by length and
//! digest; what two texts say is not looked at.

use ipc::{
    Refusal, Role,
    messages::storage::{ChangedBy, CompareBranch, Compared, Comparison, MAX_PAGE, SideVersion},
};
use replica::{
    Replica, Snapshot, Version,
    body::{Body, Content},
    branches::Branch,
};

use super::{
    super::{
        names::{Found, Names, branch_key},
        path::{BranchName, VolumePath},
        rights::{Act, allow},
    },
    live, overlay,
    spot::Spot,
};
use crate::errors::refusal;

/// Files compared while one snapshot is held and nobody else is served.
const SLICE: usize = 32;

/// Which way a merge goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the branch into its volume.
    Out,
    /// From the volume into the branch.
    In,
}

/// A branch and which way it is merged.
pub(super) struct Sides {
    pub(super) branch: BranchName,
    pub(super) way: Way,
}

impl Sides {
    /// Reads two names: one is a branch, and the other the volume it is of.
    pub(super) fn parse(from: &str, into: &str) -> Result<Sides, Refusal> {
        let of = |text: &str, other: &str| BranchName::parse(text).ok().filter(|branch| branch.volume == other);
        match (of(from, into), of(into, from)) {
            (Some(branch), _) => Ok(Sides { branch, way: Way::Out }),
            (None, Some(branch)) => Ok(Sides { branch, way: Way::In }),
            (None, None) => {
                let why = format!(
                    "{from:?} cannot be merged into {into:?}: a branch is merged into its volume, or its volume into it, as \
                     user@draft into user"
                );
                Err(Refusal::new(ipc::Code::NotKeepable, why))
            }
        }
    }

    /// Sees whether this role may read both, and write where something is written.
    pub(super) fn allow(&self, role: Role, act: Act) -> Result<(), Refusal> {
        allow(role, act, self.branch.kind, &self.branch.name)
    }
}

/// A version on one side, with what it holds if it is a file.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) event: [u8; 32],
    pub(super) content: Option<Content>,
}

impl Side {
    fn of(version: Version) -> Side {
        let content = match version.body {
            Some(Body::File(file)) => Some(file.content()),
            _ => None,
        };
        Side { event: version.event.id, content }
    }

    fn to_wire(&self) -> SideVersion {
        SideVersion { event: self.event, length: self.content.as_ref().map(Content::length) }
    }
}

/// A file that was written or removed on the branch, as it stands on both sides.
pub(super) struct Pair {
    /// Where it is on the branch.
    pub(super) spot: Spot,
    /// Its path without the volume.
    pub(super) inside: String,
    pub(super) base: Option<Side>,
    pub(super) volume: Option<Side>,
    pub(super) branch: Option<Side>,
}

impl Pair {
    fn find(
        replica: &Replica,
        snapshot: &Snapshot<'_>,
        name: &BranchName,
        branch: &Branch,
        inside: &str,
    ) -> Result<Pair, Refusal> {
        let path = VolumePath::parse(&format!("{}{inside}", name.root()))?;
        let below = path.in_volume().entity(replica);
        let spot = Spot::on(replica, path, branch.clone());
        let failed = |error| refusal(&error);
        let newest = |entity: &[u8; 16]| newest(snapshot, entity).map_err(|error| refusal(&error));
        let over = snapshot.file_view(&spot.entity()).map_err(failed)?.and_then(|own| own.branch).and_then(|own| own.over);
        let base = match over {
            // What was erased since is as if it never was: then the two sides differ from the beginning.
            Some(event) => {
                let version = snapshot.version(&event).map_err(failed)?;
                version.filter(|version| version.event.header.entity == below && version.body.is_some()).map(Side::of)
            }
            None => None,
        };
        let (volume, on_branch) = (newest(&below)?, newest(&spot.entity())?);
        Ok(Pair { inside: inside.to_owned(), base, volume, branch: on_branch, spot })
    }

    /// What is merged into, and what is merged.
    pub(super) fn sides(&self, way: Way) -> (Option<&Side>, Option<&Side>) {
        match way {
            Way::Out => (self.volume.as_ref(), self.branch.as_ref()),
            Way::In => (self.branch.as_ref(), self.volume.as_ref()),
        }
    }

    /// Who changed it.
    pub(super) fn changed(&self, way: Way) -> ChangedBy {
        let (ours, theirs) = self.sides(way);
        let base = self.base.as_ref();
        if equal(ours, theirs) {
            ChangedBy::Neither
        } else if equal(theirs, base) {
            ChangedBy::Ours
        } else if equal(ours, base) {
            ChangedBy::Theirs
        } else {
            ChangedBy::Both
        }
    }
}

/// The version of a file that holds: the newest that is not erased.
fn newest(snapshot: &Snapshot<'_>, entity: &[u8; 16]) -> Result<Option<Side>, replica::ReplicaError> {
    let mut before = None;
    loop {
        let page = snapshot.versions(entity, before, 1, 0)?;
        let Some(version) = page.items.into_iter().next() else { return Ok(None) };
        before = Some((version.event.clock().0, version.event.position));
        if version.body.is_some() {
            return Ok(Some(Side::of(version)));
        }
    }
}

/// Whether a file is the same on two sides; one that was removed is as one that never was.
fn equal(one: Option<&Side>, other: Option<&Side>) -> bool {
    match (one.and_then(|side| side.content.as_ref()), other.and_then(|side| side.content.as_ref())) {
        (None, None) => true,
        (Some(one), Some(other)) => same(one, other),
        _ => false,
    }
}

/// Whether two contents have the same bytes, without reading what lies in chunks.
pub(crate) fn same(one: &Content, other: &Content) -> bool {
    match (one, other) {
        (Content::Bytes(one), Content::Bytes(other)) => one == other,
        (Content::Blob(one), Content::Blob(other)) => one.length == other.length && one.hash == other.hash,
        (Content::Bytes(bytes), Content::Blob(blob)) | (Content::Blob(blob), Content::Bytes(bytes)) => {
            blob.length == bytes.len() as u64 && blob.hash == *blake3::hash(bytes).as_bytes()
        }
    }
}

/// The pairs of files that are the branch's own, in slices between which others are served.
pub(super) async fn pairs(
    names: &Names,
    name: &BranchName,
    branch: &Branch,
    own: &[Found],
    mut each: impl FnMut(Pair) -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    let lead = branch_key(&name.name, branch.generation);
    for slice in own.chunks(SLICE) {
        let mut pairs = Vec::new();
        {
            let snapshot = names.replica.snapshot().map_err(|error| refusal(&error))?;
            for found in slice {
                let inside = found.key.strip_prefix(&lead).unwrap_or_default();
                pairs.push(Pair::find(&names.replica, &snapshot, name, branch, inside)?);
            }
        }
        for pair in pairs {
            if !each(pair)? {
                return Ok(());
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The first file of a branch that says something its volume does not.
pub(super) async fn unmerged(names: &Names, name: &BranchName, branch: &Branch) -> Result<Option<String>, Refusal> {
    let own = overlay::own(names, name, branch, None, usize::MAX).await?;
    let mut first = None;
    pairs(names, name, branch, &own, |pair| {
        if matches!(pair.changed(Way::Out), ChangedBy::Theirs | ChangedBy::Both) {
            first = Some(pair.inside);
        }
        Ok(first.is_none())
    })
    .await?;
    Ok(first)
}

/// A page of what a merge would do.
pub(crate) async fn compare(names: &Names, role: Role, request: &CompareBranch) -> Result<Comparison, Refusal> {
    let sides = Sides::parse(&request.from, &request.into)?;
    sides.allow(role, Act::Read)?;
    let branch = {
        let snapshot = names.replica.snapshot().map_err(|error| refusal(&error))?;
        live(&snapshot, &names.replica, &sides.branch)?
    };
    let limit = usize::from(request.limit.clamp(1, MAX_PAGE));
    let after = Some(request.after.as_str()).filter(|after| !after.is_empty());
    let mut own = overlay::own(names, &sides.branch, &branch, after, limit + 1).await?;
    let more = own.len() > limit;
    own.truncate(limit);
    let mut items = Vec::new();
    pairs(names, &sides.branch, &branch, &own, |pair| {
        let (ours, theirs) = pair.sides(sides.way);
        items.push(Compared {
            changed: pair.changed(sides.way),
            base: pair.base.as_ref().map(Side::to_wire),
            ours: ours.map(Side::to_wire),
            theirs: theirs.map(Side::to_wire),
            path: pair.inside,
        });
        Ok(true)
    })
    .await?;
    let next = items.last().filter(|_| more).map(|item| item.path.clone());
    Ok(Comparison { items, next })
}
