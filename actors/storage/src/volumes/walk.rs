//! Going through names in their order, of one volume or of several that lie over one another: patterns and folders.
//!
//! Where volumes lie over one another, a name is found in the highest one that has it. A file that was removed is not there,
//! so the one below it is found again; nothing is ever hidden. An empty file is a file.

use std::{collections::VecDeque, ops::Bound};

use ipc::{
    Refusal, Role,
    event::Clock,
    messages::storage::{Entry, FilesFound, GlobFiles, ListFolder, MAX_PAGE, View},
};

use super::{
    glob::Pattern,
    names::{Named, Names},
    path::{self, Kind},
    rights::{Act, allow, may},
};

/// Names fetched at once.
const FETCH: usize = 256;

/// Names looked at before a page is given out although it is not full.
const LOOKED_AT: usize = 20_000;

/// A place names come from.
struct Source {
    /// What a name lacks to be a whole path.
    root: String,
    /// What the whole paths begin with.
    lead: String,
    fetched: VecDeque<Named>,
    drained: bool,
}

/// Names in their order, each once.
struct Walk<'n> {
    names: &'n Names,
    sources: Vec<Source>,
    from: Bound<String>,
}

impl<'n> Walk<'n> {
    /// Over the names that begin with `lead` and that this role may know.
    fn new(names: &'n Names, role: Role, view: Option<&View>, lead: &str, from: Bound<String>) -> Result<Walk<'n>, Refusal> {
        let source = |root: String, lead: String| Source { root, lead, fetched: VecDeque::new(), drained: false };
        let sources = match view {
            Some(view) => {
                let mut sources = Vec::new();
                for (kind, root) in path::layers(view)? {
                    allow(role, Act::List, kind, &root)?;
                    let lead = format!("{root}{lead}");
                    sources.push(source(root, lead));
                }
                sources
            }
            None if let Some(branch) = path::branch_of(lead)? => {
                allow(role, Act::List, branch.kind, lead)?;
                vec![source(String::new(), lead.to_owned())]
            }
            None => {
                if let Some(kind) = Kind::of(lead).filter(|kind| lead.starts_with(&format!("{}/", kind.name()))) {
                    allow(role, Act::List, kind, lead)?;
                }
                let roots = Kind::ALL.iter().filter(|kind| may(role, Act::List, **kind)).map(|kind| format!("{}/", kind.name()));
                roots
                    .filter(|root| root.starts_with(lead) || lead.starts_with(root.as_str()))
                    .map(|root| source(String::new(), if root.len() > lead.len() { root } else { lead.to_owned() }))
                    .collect()
            }
        };
        Ok(Walk { names, sources, from })
    }

    /// The next name, and the file it is in the highest layer.
    async fn next(&mut self) -> Result<Option<(String, Named)>, Refusal> {
        for source in &mut self.sources {
            if source.fetched.is_empty() && !source.drained {
                let whole = |name: &String| format!("{}{name}", source.root);
                let from = match &self.from {
                    Bound::Included(name) => Bound::Included(whole(name)),
                    Bound::Excluded(name) => Bound::Excluded(whole(name)),
                    Bound::Unbounded => Bound::Unbounded,
                };
                let page = self.names.page(&source.lead, from.as_ref().map(String::as_str), FETCH).await?;
                source.drained = page.len() < FETCH;
                source.fetched = page.into();
                tokio::task::yield_now().await;
            }
        }
        fn name(source: &Source) -> Option<&str> {
            source.fetched.front().map(|named| &named.path[source.root.len()..])
        }
        let Some(least) = self.sources.iter().filter_map(name).min().map(str::to_owned) else { return Ok(None) };
        let mut highest = None;
        for source in &mut self.sources {
            if name(source) == Some(&least) {
                let found = source.fetched.pop_front();
                highest = highest.or(found);
            }
        }
        self.from = Bound::Excluded(least.clone());
        Ok(highest.map(|named| (least, named)))
    }

    /// Goes on at this name.
    fn jump(&mut self, to: String) {
        for source in &mut self.sources {
            let whole = format!("{}{to}", source.root);
            while source.fetched.front().is_some_and(|named| named.path < whole) {
                source.fetched.pop_front();
            }
        }
        self.from = Bound::Included(to);
    }
}

fn limit(limit: u16) -> usize {
    usize::from(limit.clamp(1, MAX_PAGE))
}

fn file(name: String, named: Named) -> Entry {
    Entry::File { name, path: named.path, length: named.length, changed_ms: Clock(named.changed).millis() }
}

/// A page of the files that fit a pattern.
pub(crate) async fn glob(names: &Names, role: Role, request: &GlobFiles) -> Result<FilesFound, Refusal> {
    let pattern = Pattern::parse(&request.pattern)?;
    let from = if request.after.is_empty() { Bound::Unbounded } else { Bound::Excluded(request.after.clone()) };
    let mut walk = Walk::new(names, role, request.view.as_ref(), pattern.literal(), from)?;
    let (mut items, mut last, limit) = (Vec::new(), None, limit(request.limit));
    for _ in 0..LOOKED_AT {
        let Some((name, named)) = walk.next().await? else { return Ok(FilesFound { items, next: None }) };
        if pattern.fits(&name) {
            if items.len() == limit {
                return Ok(FilesFound { items, next: last });
            }
            items.push(file(name.clone(), named));
        }
        last = Some(name);
    }
    Ok(FilesFound { items, next: last })
}

/// A page of what lies directly in a folder.
pub(crate) async fn list(names: &Names, role: Role, request: &ListFolder) -> Result<FilesFound, Refusal> {
    let folder = path::folder(&request.folder)?;
    let lead = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    // A cursor that ends in a `/` is a folder that was given out whole.
    let from = match request.after.strip_suffix('/') {
        _ if request.after.is_empty() => Bound::Unbounded,
        Some(folder) => Bound::Included(beyond(folder)),
        None => Bound::Excluded(request.after.clone()),
    };
    let mut walk = Walk::new(names, role, request.view.as_ref(), &lead, from)?;
    let (mut items, mut last, limit) = (Vec::new(), None, limit(request.limit));
    while let Some((name, named)) = walk.next().await? {
        if items.len() == limit {
            return Ok(FilesFound { items, next: last });
        }
        let Some(inside) = name.strip_prefix(&lead) else { continue };
        match inside.split_once('/') {
            Some((part, _)) => {
                let name = format!("{lead}{part}");
                last = Some(format!("{name}/"));
                walk.jump(beyond(&name));
                items.push(Entry::Folder { name });
            }
            None => {
                last = Some(name.clone());
                items.push(file(name, named));
            }
        }
    }
    Ok(FilesFound { items, next: None })
}

/// The first text after everything that lies in a folder: `0` comes after `/`.
fn beyond(folder: &str) -> String {
    format!("{folder}0")
}

#[cfg(test)]
mod tests {
    use super::{
        super::names::tests::{Store, run},
        *,
    };

    fn name(entry: &Entry) -> String {
        match entry {
            Entry::Folder { name } => format!("{name}/"),
            Entry::File { name, path, .. } if name == path => name.clone(),
            Entry::File { name, path, .. } => format!("{name} <- {path}"),
        }
    }

    async fn listed(names: &Names, role: Role, folder: &str, view: Option<View>, limit: u16) -> Result<Vec<String>, Refusal> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let request = ListFolder { folder: folder.to_owned(), view: view.clone(), after, limit };
            let page = list(names, role, &request).await?;
            assert!(page.items.len() <= usize::from(limit));
            all.extend(page.items.iter().map(name));
            match page.next {
                Some(next) => after = next,
                None => return Ok(all),
            }
        }
    }

    async fn fitting(names: &Names, role: Role, pattern: &str, view: Option<View>, limit: u16) -> Result<Vec<String>, Refusal> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let request = GlobFiles { pattern: pattern.to_owned(), view: view.clone(), after, limit };
            let page = glob(names, role, &request).await?;
            all.extend(page.items.iter().map(name));
            match page.next {
                Some(next) => after = next,
                None => return Ok(all),
            }
        }
    }

    fn store() -> Store {
        let mut store = Store::new();
        let mut paths: Vec<String> = [
            "user/a",
            "user/a-b",
            "user/a/1",
            "user/a/2/x",
            "user/a0",
            "user/b/東京",
            "team/t/a",
            "team/t/c",
            "team/u/c",
            "project/p/a",
        ]
        .map(str::to_owned)
        .to_vec();
        paths.extend((0..1000).map(|number| format!("user/many/{number}/f")));
        store.write(&paths);
        store
    }

    #[test]
    fn a_folder_shows_what_lies_directly_in_it() {
        run(async {
            let store = store();
            let names = Names::new(store.replica.clone());
            for limit in [1, 2, 200] {
                let root = listed(&names, Role::Cli, "", None, limit).await.expect("a list");
                assert_eq!(root, ["project/", "system/", "team/", "user/"]);
                let user = listed(&names, Role::Cli, "user/", None, limit).await.expect("a list");
                assert_eq!(user, ["user/a", "user/a-b", "user/a/", "user/a0", "user/b/", "user/many/"]);
                assert_eq!(listed(&names, Role::Cli, "user/a", None, limit).await.expect("a list"), ["user/a/1", "user/a/2/"]);
                assert_eq!(listed(&names, Role::Cli, "team", None, limit).await.expect("a list"), ["team/t/", "team/u/"]);
            }
            assert_eq!(listed(&names, Role::Cli, "user/many", None, 7).await.expect("a list").len(), 1000);
            assert_eq!(listed(&names, Role::Agent, "", None, 10).await.expect("a list"), ["system/", "team/", "user/"]);
            assert!(listed(&names, Role::Agent, "project/p", None, 10).await.is_err());
            assert!(listed(&names, Role::Llm, "user", None, 10).await.is_err());
            assert_eq!(listed(&names, Role::Llm, "", None, 10).await.expect("a list"), Vec::<String>::new());
        });
    }

    #[test]
    fn the_highest_layer_has_a_name_and_what_is_removed_hides_nothing() {
        run(async {
            let mut store = store();
            let names = Names::new(store.replica.clone());
            let view = View { project: Some("p".into()), teams: vec!["t".into(), "u".into()] };
            let all = |view: View| fitting(&names, Role::Cli, "?", Some(view), 2);
            assert_eq!(all(view.clone()).await.expect("files"), ["a <- project/p/a", "c <- team/t/c"]);
            let other = View { project: None, teams: vec!["u".into(), "t".into()] };
            assert_eq!(all(other).await.expect("files"), ["a <- user/a", "c <- team/u/c"]);
            store.remove("project/p/a");
            assert_eq!(all(view.clone()).await.expect("files"), ["a <- user/a", "c <- team/t/c"]);
            store.remove("user/a");
            store.remove("team/t/c");
            assert_eq!(all(view.clone()).await.expect("files"), ["a <- team/t/a", "c <- team/u/c"]);
            let folders = listed(&names, Role::Cli, "", Some(view.clone()), 3).await.expect("a list");
            assert_eq!(
                folders,
                ["a <- team/t/a", "a-b <- user/a-b", "a/", "a0 <- user/a0", "b/", "c <- team/u/c", "many/", "skills/"]
            );
            assert!(fitting(&names, Role::Agent, "?", Some(view), 2).await.is_err(), "an agent has no project");
        });
    }

    #[test]
    fn patterns_find_across_volumes_what_may_be_known() {
        run(async {
            let store = store();
            let names = Names::new(store.replica.clone());
            for limit in [1, 3, 200] {
                let found = |role, pattern: &'static str| fitting(&names, role, pattern, None, limit);
                assert_eq!(found(Role::Cli, "**/?").await.expect("files").len(), 1000 + 7, "f is one letter too");
                assert_eq!(found(Role::Cli, "*/?/a").await.expect("files"), ["project/p/a", "team/t/a"]);
                assert_eq!(found(Role::Agent, "*/?/a").await.expect("files"), ["team/t/a"]);
                assert_eq!(found(Role::Cli, "user/b/??").await.expect("files"), ["user/b/東京"]);
                assert_eq!(found(Role::Cli, "user/many/99*/f").await.expect("files").len(), 11);
                assert_eq!(found(Role::Cli, "user/a").await.expect("files"), ["user/a"]);
                assert_eq!(found(Role::Cli, "no/such").await.expect("files"), Vec::<String>::new());
                assert!(found(Role::Agent, "project/**").await.is_err());
            }
        });
    }

    #[test]
    fn a_pattern_over_many_names_finds_all_that_fit() {
        run(async {
            let mut store = Store::new();
            let paths: Vec<String> =
                (0..20_000).map(|number| format!("user/notes/{:03}/a note with a name {number}.md", number % 500)).collect();
            paths.chunks(10_000).for_each(|paths| store.write(paths));
            let names = Names::new(store.replica.clone());
            for (pattern, found) in [("user/**/none*.txt", 0), ("user/**", 20_000), ("user/*/*/*9.md", 2_000)] {
                assert_eq!(fitting(&names, Role::Cli, pattern, None, 200).await.expect("files").len(), found, "{pattern}");
            }
        });
    }
}
