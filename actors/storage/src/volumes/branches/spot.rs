//! Where a file lies and what it is there: in its volume, or on a branch of it and through the fork point in its base.
//! Whoever reads or writes a file by its path goes through here, so that every method works on a branch as on a volume.

use ipc::{Code, Refusal};
use replica::{
    File, Recorded, Replica, ReplicaError, Snapshot, Version,
    body::{Body, Content, FileBody, FileRemoved, OnBranch},
    branches::Branch,
};

use super::{super::path::VolumePath, compare::same};
use crate::errors::refusal;

/// A file where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    path: VolumePath,
    entity: [u8; 16],
    on: Option<On>,
}

/// On a branch.
#[derive(Clone, Debug)]
pub(crate) struct On {
    /// How it stands.
    pub(crate) branch: Branch,
    /// The file of the same path in its base.
    pub(crate) base: [u8; 16],
}

/// What a file is, or that it was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether it is there.
    pub(crate) there: bool,
    /// Its length.
    pub(crate) length: u64,
    /// The clock of the version that holds.
    pub(crate) changed: u64,
}

/// Which version holds.
enum Holds {
    /// The newest of this file.
    Newest([u8; 16], File),
    /// One of its base that is not the newest any more.
    Then(Box<Version>),
}

impl Spot {
    /// A file; if it is named on a branch, that must be there.
    pub(crate) fn find(replica: &Replica, snapshot: &Snapshot<'_>, path: VolumePath) -> Result<Spot, Refusal> {
        let Some(name) = path.branch() else { return Ok(Spot { entity: path.entity(replica), path, on: None }) };
        let branch = super::live(snapshot, replica, name)?;
        Ok(Spot::on(replica, path, branch))
    }

    /// The same, also if the branch has ended: its history stays.
    pub(crate) fn find_past(replica: &Replica, snapshot: &Snapshot<'_>, path: VolumePath) -> Result<Spot, Refusal> {
        let Some(name) = path.branch() else { return Ok(Spot { entity: path.entity(replica), path, on: None }) };
        let branch = snapshot.branch(&replica.branch_entity(&name.name)).map_err(|error| refusal(&error))?;
        let none = || Refusal::new(Code::NotFound, format!("there never was a branch {:?}", name.name));
        let branch = branch.ok_or_else(none)?;
        Ok(Spot::on(replica, path, branch))
    }

    /// A file on a branch that stands so.
    pub(crate) fn on(replica: &Replica, path: VolumePath, branch: Branch) -> Spot {
        let entity = path.branch_entity(replica, branch.generation);
        let base = path.in_volume().entity(replica);
        Spot { path, entity, on: Some(On { branch, base }) }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &VolumePath {
        &self.path
    }

    /// The thing that what is written here is about.
    pub(crate) fn entity(&self) -> [u8; 16] {
        self.entity
    }

    /// The branch and the file below, if it is on one.
    pub(crate) fn branch(&self) -> Option<&On> {
        self.on.as_ref()
    }

    /// Whether the versions of this thing are read here.
    pub(crate) fn reads(&self, entity: &[u8; 16]) -> bool {
        self.entity == *entity || self.on.as_ref().is_some_and(|on| on.base == *entity)
    }

    /// Sees whether it may get a version: under a name that is made no more, one that is there.
    pub(crate) fn may_be_written(&self, snapshot: &Snapshot<'_>) -> Result<(), Refusal> {
        match self.path.may_be_new() {
            Err(refusal) if !self.standing(snapshot)?.is_some_and(|standing| standing.there) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// What it is; `None` if there never was such a file.
    pub(crate) fn standing(&self, snapshot: &Snapshot<'_>) -> Result<Option<Standing>, Refusal> {
        let standing = self.holds(snapshot).map_err(|error| refusal(&error))?.map(|holds| match holds {
            Holds::Newest(_, file) => Standing { there: file.position != 0, length: file.length, changed: file.changed },
            Holds::Then(version) => Standing::of(&version),
        });
        Ok(standing)
    }

    /// What it holds; `None` if it is not there.
    pub(crate) fn content(&self, snapshot: &Snapshot<'_>) -> Result<Option<Content>, Refusal> {
        let content = match self.holds(snapshot).map_err(|error| refusal(&error))? {
            Some(Holds::Newest(entity, _)) => snapshot.content(&entity).map_err(|error| refusal(&error))?,
            Some(Holds::Then(version)) => match version.body {
                Some(Body::File(file)) => Some(file.content()),
                _ => None,
            },
            None => None,
        };
        Ok(content)
    }

    /// The place of the version that holds and the id of its event, if the file is this content already.
    pub(crate) fn is_already(&self, snapshot: &Snapshot<'_>, content: &Content) -> Result<Option<(u64, [u8; 32])>, Refusal> {
        let Some(Holds::Newest(entity, file)) = self.holds(snapshot).map_err(|error| refusal(&error))? else { return Ok(None) };
        let found = match snapshot.content(&entity) {
            Ok(found) => found.filter(|found| file.position != 0 && same(found, content)),
            // It is written anew.
            Err(ReplicaError::Damaged(_)) => None,
            Err(error) => return Err(refusal(&error)),
        };
        if found.is_none() {
            return Ok(None);
        }
        let id = snapshot.id_at(file.position).map_err(|error| refusal(&error))?;
        Ok(id.map(|id| (file.position, id)))
    }

    /// What stands with a version that is written here now.
    pub(crate) fn stamp(&self, snapshot: &Snapshot<'_>) -> Result<Option<OnBranch>, Refusal> {
        let Some(On { branch, base }) = &self.on else { return Ok(None) };
        let generation = branch.generation;
        let own = snapshot.file_view(&self.entity).map_err(|error| refusal(&error))?;
        let over = match own.filter(|own| is_own(own, branch)).and_then(|own| own.branch) {
            Some(before) => before.over,
            None => {
                let version = snapshot.version_at(base, branch).map_err(|error| refusal(&error))?;
                version.map(|version| version.event.id)
            }
        };
        Ok(Some(OnBranch { generation, over }))
    }

    /// What says that the file is this now.
    pub(crate) fn written(&self, content: Content, branch: Option<OnBranch>) -> FileBody {
        FileBody { branch, ..FileBody::new(self.path.whole().to_owned(), content) }
    }

    /// What says that the file is removed.
    pub(crate) fn removed(&self, branch: Option<OnBranch>) -> FileRemoved {
        FileRemoved { branch, ..FileRemoved::new(self.path.whole().to_owned()) }
    }

    fn holds(&self, snapshot: &Snapshot<'_>) -> Result<Option<Holds>, ReplicaError> {
        let own = snapshot.file_view(&self.entity)?;
        let Some(On { branch, base }) = &self.on else { return Ok(own.map(|file| Holds::Newest(self.entity, file))) };
        if let Some(own) = own.filter(|own| is_own(own, branch)) {
            return Ok(Some(Holds::Newest(self.entity, own)));
        }
        match snapshot.file_view(base)? {
            Some(file) if branch.has_seen(&file.author, file.sequence) => Ok(Some(Holds::Newest(*base, file))),
            _ => Ok(snapshot.version_at(base, branch)?.map(|version| Holds::Then(Box::new(version)))),
        }
    }
}

impl Standing {
    /// What a version made of its file.
    pub(crate) fn of(version: &Version) -> Standing {
        let length = match &version.body {
            Some(Body::File(file)) => Some(file.length()),
            _ => None,
        };
        Standing { there: length.is_some(), length: length.unwrap_or_default(), changed: version.event.clock().0 }
    }
}

/// Whether what was written on a branch is not in its base yet, and so lies over it.
fn is_own(file: &File, branch: &Branch) -> bool {
    !branch.has_seen(&file.author, file.sequence)
}

/// The same of an event.
pub(crate) fn lies_over(event: &Recorded, branch: &Branch) -> bool {
    !branch.has_seen(&event.header.author, event.header.sequence)
}
