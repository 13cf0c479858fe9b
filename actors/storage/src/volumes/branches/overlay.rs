//! The names of a branch: its own over those that its base had at the fork point. Both come in their order, so a page is
//! merged from two and nothing is gathered; only a file of the base that was changed since costs a look at its versions.

use std::{collections::VecDeque, ops::Bound};

use ipc::Refusal;
use replica::branches::Branch;

use super::{
    super::{
        names::{Found, Named, Names, branch_key},
        path::{BranchName, VolumePath},
    },
    live,
    spot::Standing,
};
use crate::errors::refusal;

/// Names fetched at once.
const FETCH: usize = 256;

/// Names that begin alike, in their order, without what they begin with.
struct Side<'n> {
    names: &'n Names,
    root: String,
    lead: String,
    fetched: VecDeque<Found>,
    drained: bool,
}

impl Side<'_> {
    fn new<'n>(names: &'n Names, root: String, lead: &str) -> Side<'n> {
        Side { names, lead: format!("{root}{lead}"), root, fetched: VecDeque::new(), drained: false }
    }

    async fn fill(&mut self, from: &Bound<String>) -> Result<(), Refusal> {
        if self.fetched.is_empty() && !self.drained {
            let whole = |name: &String| format!("{}{name}", self.root);
            let from = match from {
                Bound::Included(name) => Bound::Included(whole(name)),
                Bound::Excluded(name) => Bound::Excluded(whole(name)),
                Bound::Unbounded => Bound::Unbounded,
            };
            let found = self.names.scan(&self.lead, from.as_ref().map(String::as_str), FETCH, true).await?;
            self.drained = found.len() < FETCH;
            self.fetched = found.into();
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn name(&self) -> Option<&str> {
        self.fetched.front().map(|found| &found.key[self.root.len()..])
    }

    fn take(&mut self, name: &str) -> Option<Found> {
        if self.name() == Some(name) { self.fetched.pop_front() } else { None }
    }
}

/// The first files of a branch, at most `limit`, that begin with `lead` and lie beyond `from`.
pub(crate) async fn page(
    names: &Names,
    name: &BranchName,
    lead: &str,
    from: Bound<&str>,
    limit: usize,
) -> Result<Vec<Named>, Refusal> {
    let branch = {
        let snapshot = names.replica.snapshot().map_err(|error| refusal(&error))?;
        live(&snapshot, &names.replica, name)?
    };
    let root = name.root();
    let inside = |whole: &str| whole.strip_prefix(&root).map(str::to_owned);
    let mut from = match from {
        Bound::Included(whole) => inside(whole).map_or(Bound::Unbounded, Bound::Included),
        Bound::Excluded(whole) => inside(whole).map_or(Bound::Unbounded, Bound::Excluded),
        Bound::Unbounded => Bound::Unbounded,
    };
    let lead = lead.strip_prefix(&root).unwrap_or_default();
    let mut own = Side::new(names, branch_key(&name.name, branch.generation), lead);
    let mut base = Side::new(names, name.base(), lead);
    let mut page = Vec::new();
    while page.len() < limit {
        own.fill(&from).await?;
        base.fill(&from).await?;
        let Some(least) = own.name().into_iter().chain(base.name()).min().map(str::to_owned) else { break };
        let mine = own.take(&least).filter(|found| is_own(found, &branch));
        let below = base.take(&least);
        let standing = match (mine, below) {
            (Some(found), _) => Some(standing(&found)),
            (None, Some(found)) if is_own(&found, &branch) => then(names, &branch, &name.base(), &least)?,
            (None, below) => below.as_ref().map(standing),
        };
        if let Some(Standing { length, changed, .. }) = standing.filter(|standing| standing.there) {
            page.push(Named { path: format!("{root}{least}"), length, changed });
        }
        from = Bound::Excluded(least);
    }
    Ok(page)
}

/// The files that were written or removed on a branch and are not in its base yet, after this one.
pub(crate) async fn own(
    names: &Names,
    name: &BranchName,
    branch: &Branch,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Found>, Refusal> {
    let lead = branch_key(&name.name, branch.generation);
    let mut from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(format!("{lead}{after}")));
    let mut all = Vec::new();
    loop {
        let found = names.scan(&lead, from.as_ref().map(String::as_str), FETCH, true).await?;
        let last = found.last().map(|found| found.key.clone()).filter(|_| found.len() == FETCH);
        all.extend(found.into_iter().filter(|found| is_own(found, branch)));
        match last {
            Some(last) if all.len() < limit => from = Bound::Excluded(last),
            _ => break,
        }
        tokio::task::yield_now().await;
    }
    all.truncate(limit);
    Ok(all)
}

/// Whether the base of a branch was changed since its fork point.
pub(crate) async fn base_moved(names: &Names, name: &BranchName, branch: &Branch) -> Result<bool, Refusal> {
    let lead = name.base();
    let mut from = Bound::Unbounded;
    loop {
        let found = names.scan(&lead, from.as_ref().map(String::as_str), FETCH, true).await?;
        if found.iter().any(|found| is_own(found, branch)) {
            return Ok(true);
        }
        match found.last() {
            Some(last) if found.len() == FETCH => from = Bound::Excluded(last.key.clone()),
            _ => return Ok(false),
        }
        tokio::task::yield_now().await;
    }
}

/// Whether the newest version of a file comes after the fork point.
fn is_own(found: &Found, branch: &Branch) -> bool {
    !branch.has_seen(&found.author, found.sequence)
}

fn standing(found: &Found) -> Standing {
    Standing { there: found.there, length: found.length, changed: found.changed }
}

/// What a file of the base was at the fork point.
fn then(names: &Names, branch: &Branch, base: &str, name: &str) -> Result<Option<Standing>, Refusal> {
    let path = VolumePath::parse(&format!("{base}{name}"))?;
    let snapshot = names.replica.snapshot().map_err(|error| refusal(&error))?;
    let version = snapshot.version_at(&path.entity(&names.replica), branch).map_err(|error| refusal(&error))?;
    Ok(version.as_ref().map(Standing::of))
}
