//! What a path in a volume is: the one place where a path becomes one. Nothing else in the archive takes paths apart.
//!
//! `system/…`, `user/…`, `credentials/…`, `team/<id>/…` and `project/<id>/…`; with `@` and a name after the volume, as in `user@draft/…`, on
//! a branch of it. In the rest of a path `@` is a letter like others, and rights are those of the volume: whatever is spelled
//! with a branch has the kind of its volume. Names are kept in Unicode's composed form (NFC), so that a name
//! is the same however it was typed.
//!
//! Two questions are asked of a path and answered apart: whether it is one at all, which [`VolumePath::parse`] says and
//! nothing gets around; and whether a file may be made under it, which [`VolumePath::may_be_new`] says. What an older program
//! took as a name and this one does not stays within reach: it is read, written, moved away and removed like others.

use ipc::{Code, Refusal, messages::storage::View};
use replica::Replica;
use unicode_normalization::UnicodeNormalization as _;

/// Longest path, and longest part of one, in bytes.
pub(crate) const MAX_PATH: usize = 1024;
const MAX_PART: usize = 255;

/// Longest id of a team or a project, in bytes.
const MAX_ID: usize = 64;

/// A kind of volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What others can verify: what the person issued, and holds.
    Credentials,
    /// Of one project.
    Project,
    /// What ships with the program.
    System,
    /// Of one team.
    Team,
    /// The person's own.
    User,
}

impl Kind {
    /// In the order of their names.
    pub(crate) const ALL: &[Kind] = &[Kind::Credentials, Kind::Project, Kind::System, Kind::Team, Kind::User];

    /// The first part of its paths.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Credentials => "credentials",
            Kind::Project => "project",
            Kind::System => "system",
            Kind::Team => "team",
            Kind::User => "user",
        }
    }

    /// Whether the second part of its paths says which one.
    fn has_id(self) -> bool {
        matches!(self, Kind::Project | Kind::Team)
    }

    /// The kind that a path begins with.
    pub(crate) fn of(path: &str) -> Option<Kind> {
        let name = path.split('/').next().unwrap_or_default();
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// A file in a volume, by a path that stays where it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumePath {
    kind: Kind,
    whole: String,
    branch: Option<BranchName>,
}

/// A branch of a volume, by a name that is one. Whether there is such a branch is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BranchName {
    /// The kind of its volume.
    pub(crate) kind: Kind,
    /// The whole of it, as in `user@draft`.
    pub(crate) name: String,
    /// Its volume, as in `user`.
    pub(crate) volume: String,
}

impl BranchName {
    /// Reads a name.
    pub(crate) fn parse(text: &str) -> Result<BranchName, Refusal> {
        match branch_of(&format!("{text}/"))? {
            Some(branch) if branch.name == text => Ok(branch),
            _ => Err(Refusal::new(
                Code::NotKeepable,
                format!("{text:?} does not name a branch: that is a volume, @ and a name, as in user@draft or team/red@next"),
            )),
        }
    }

    /// What paths of its files begin with.
    pub(crate) fn root(&self) -> String {
        format!("{}/", self.name)
    }

    /// What paths in its volume begin with.
    pub(crate) fn base(&self) -> String {
        format!("{}/", self.volume)
    }
}

/// The part of a path that says which volume it is in, whether or not there is such a volume, and whether it ends there.
fn volume_part(path: &str) -> (&str, bool) {
    let first = path.split('/').next().unwrap_or_default();
    let with_id = Kind::ALL.iter().any(|kind| kind.has_id() && kind.name() == first);
    let slashes = path.char_indices().filter(|(_, letter)| *letter == '/').map(|(at, _)| at);
    match slashes.take(if with_id { 2 } else { 1 }).enumerate().last() {
        Some((index, at)) if index == usize::from(with_id) => (&path[..at], true),
        _ => (path, false),
    }
}

/// The branch that everything lies in that begins so; `None` if that is no branch.
pub(crate) fn branch_of(lead: &str) -> Result<Option<BranchName>, Refusal> {
    let (part, ended) = volume_part(lead);
    let Some((volume, name)) = part.split_once('@') else { return Ok(None) };
    let Some(kind) = Kind::of(volume) else { return Ok(None) };
    let no = |why: &str| Err(Refusal::new(Code::NotKeepable, format!("{lead:?} is not on a branch of a volume: {why}")));
    if kind.has_id() && !volume.split('/').nth(1).is_some_and(is_id) {
        return no(&format!("{}/ is followed by an id of {ID}", kind.name()));
    }
    if kind == Kind::System {
        return no("what ships has no branches, because it is never changed");
    }
    if !is_id(name) {
        return no(&format!("after the @ comes a name of {ID}"));
    }
    if !ended {
        return no("it names a branch and nothing in it");
    }
    Ok(Some(BranchName { kind, name: part.to_owned(), volume: volume.to_owned() }))
}

impl VolumePath {
    /// Reads a path.
    pub(crate) fn parse(text: &str) -> Result<VolumePath, Refusal> {
        // What names the branch does not count, so that every path of a volume is one on its branches.
        let beside = volume_part(text).0.split_once('@').map_or(0, |(_, name)| name.len() + 1);
        let whole = parts_of(text, MAX_PATH + beside.min(MAX_ID + 1))?;
        let branch = branch_of(&whole)?;
        if let Some(branch) = branch {
            return Ok(VolumePath { kind: branch.kind, whole, branch: Some(branch) });
        }
        let kind = Kind::of(&whole).ok_or_else(|| {
            bad(text, "it begins with the name of a volume: system, user, credentials, team/<id> or project/<id>")
        })?;
        let mut rest = whole.split('/').skip(1);
        if kind.has_id() && !rest.next().is_some_and(is_id) {
            return Err(bad(text, &format!("{}/ is followed by an id of {ID}", kind.name())));
        }
        if rest.next().is_none() {
            return Err(bad(text, "it names a volume and no file in it"));
        }
        Ok(VolumePath { kind, whole, branch: None })
    }

    /// Sees whether a file may be made here that is not there yet. Names that stay where they say and are a trap all the same
    /// are not made any more.
    pub(crate) fn may_be_new(&self) -> Result<(), Refusal> {
        let no = |why: &str| Err(Refusal::new(Code::NotKeepable, format!("no file is made at {:?}: {why}", self.whole)));
        for part in self.whole.split('/') {
            if is_device(part) {
                return no("a part of it is the name of a device on another system");
            }
            if part.contains(is_turning) {
                return no("it has a mark that shows letters in another order than they are in");
            }
            if ENCODED.iter().any(|code| part.to_ascii_lowercase().contains(code)) {
                return no("a part of it leads elsewhere where it is read as a part of an address");
            }
        }
        Ok(())
    }

    /// Its volume.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole of it.
    pub(crate) fn whole(&self) -> &str {
        &self.whole
    }

    /// The whole of it.
    pub(crate) fn into_whole(self) -> String {
        self.whole
    }

    /// The branch it is on.
    pub(crate) fn branch(&self) -> Option<&BranchName> {
        self.branch.as_ref()
    }

    /// The same path in the volume that it is on a branch of; itself if it is on none.
    pub(crate) fn in_volume(&self) -> VolumePath {
        match &self.branch {
            Some(branch) => {
                let whole = format!("{}{}", branch.volume, &self.whole[branch.name.len()..]);
                VolumePath { kind: self.kind, whole, branch: None }
            }
            None => self.clone(),
        }
    }

    /// The thing that the events of a file in a volume are about.
    pub(crate) fn entity(&self, replica: &Replica) -> [u8; 16] {
        replica.keys().blind("file", &[self.whole.as_bytes()])
    }

    /// The thing that the events of a file on a branch are about: another one for each of the branches that had its name.
    pub(crate) fn branch_entity(&self, replica: &Replica, generation: u64) -> [u8; 16] {
        replica.keys().blind("file on a branch", &[&generation.to_be_bytes(), self.whole.as_bytes()])
    }

    /// Its content, if it ships.
    pub(crate) fn shipped(&self) -> Option<&'static [u8]> {
        system_skills::files().get(self.whole.strip_prefix(SKILLS)?).copied()
    }
}

/// Where the skills that ship are found.
const SKILLS: &str = "system/skills/";

/// Every file that ships, by its whole path, with its content.
pub(crate) fn shipped() -> impl Iterator<Item = (String, &'static [u8])> {
    system_skills::files().iter().map(|(path, bytes)| (format!("{SKILLS}{path}"), *bytes))
}

/// How an id is written, in words.
const ID: &str = "1 to 64 small letters, digits and hyphens that begins with a letter or digit";

fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
}

/// The roots of the layers of a view, the highest first, each with its kind.
pub(crate) fn layers(view: &View) -> Result<Vec<(Kind, String)>, Refusal> {
    use ipc::messages::storage::MAX_TEAMS;
    if view.teams.len() > MAX_TEAMS {
        return Err(Refusal::new(Code::NotKeepable, format!("at most {MAX_TEAMS} teams lie under one name")));
    }
    let root = |kind: Kind, id: &str| {
        let no_id = || Refusal::new(Code::NotKeepable, format!("{id:?} is not the id of a {}: that is {ID}", kind.name()));
        let (of, branch) = id.split_once('@').map_or((id, None), |(of, branch)| (of, Some(branch)));
        let is_one = is_id(of) && branch.is_none_or(is_id);
        is_one.then(|| (kind, format!("{}/{id}/", kind.name()))).ok_or_else(no_id)
    };
    let mut layers = Vec::new();
    if let Some(id) = &view.project {
        layers.push(root(Kind::Project, id)?);
    }
    layers.push((Kind::User, "user/".to_owned()));
    for id in &view.teams {
        layers.push(root(Kind::Team, id)?);
    }
    layers.push((Kind::System, "system/".to_owned()));
    Ok(layers)
}

/// A path of which every part stays where it says: none leads up, hides or is another part where it is read. It need not
/// begin with a volume.
pub(crate) fn parts(text: &str) -> Result<String, Refusal> {
    parts_of(text, MAX_PATH)
}

/// The same of at most so many bytes.
fn parts_of(text: &str, most: usize) -> Result<String, Refusal> {
    if text.len() > most {
        return Err(bad(text, "it is too long"));
    }
    let path: String = text.nfc().collect();
    if path.len() > most {
        return Err(bad(text, "it is too long"));
    }
    for part in path.split('/') {
        if matches!(part, "" | "." | "..") || part.len() > MAX_PART {
            return Err(bad(text, "a part of it is empty, too long, or leads elsewhere"));
        }
        if part.chars().any(|letter| letter.is_control() || matches!(letter, '\\' | ':')) || part.ends_with([' ', '.']) {
            return Err(bad(text, "a part of it means something else on another system"));
        }
    }
    Ok(path)
}

/// `/`, `\` and `..` as they are written in addresses.
const ENCODED: [&str; 3] = ["%2f", "%5c", "%2e%2e"];

/// Names that are devices wherever they lie, with whatever ending (Windows, "Naming files, paths, and namespaces").
fn is_device(part: &str) -> bool {
    let name = part.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |name: &str| matches!(name.as_bytes(), [b'c', b'o', b'm', b'1'..=b'9'] | [b'l', b'p', b't', b'1'..=b'9']);
    matches!(name.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$") || numbered(&name)
}

/// Marks of direction that overrule what is between them (UAX 9): with one of these `exe.txt` is shown for `txt.exe`.
fn is_turning(letter: char) -> bool {
    matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A folder as it is typed: a path, or nothing; a `/` at its end is not needed.
pub(crate) fn folder(text: &str) -> Result<String, Refusal> {
    match text.strip_suffix('/').unwrap_or(text) {
        "" => Ok(String::new()),
        some => parts(some),
    }
}

/// Not a path, and why.
fn bad(path: &str, why: &str) -> Refusal {
    Refusal::new(Code::NotKeepable, format!("{path:?} is not a path in a volume: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_stays_in_its_volume() {
        for good in [
            "user/a",
            "user/skills/plan/SKILL.md",
            "user/Ärger/東京.txt",
            "user/a b",
            "user/.hidden",
            "user/…",
            "team/a/x",
            "team/red-1/x/y",
            "project/0/x",
            "system/skills/x",
            "user/a@b",
            "user/conto.txt",
            "user/com10/lpt",
            "user/100%",
            "user/\u{200F}שלום\u{200E}.txt",
            "user/@/c@d/e",
            "user@draft/a",
            "user@draft/a@b/c",
            "team/red@next/x",
            "project/p@0-try/x/y",
        ] {
            assert_eq!(VolumePath::parse(good).and_then(|path| path.may_be_new()), Ok(()), "{good}");
        }
        let long = format!("user/{}", "a".repeat(256));
        let deep = format!("user{}", "/a".repeat(600));
        let id = format!("team/{}/a", "a".repeat(65));
        for bad in [
            "",
            "user",
            "user/",
            "/user/a",
            "user//a",
            "user/../a",
            "user/./a",
            "user/..",
            "user/a/..",
            "users/a",
            "User/a",
            "C:\\a",
            "user/a\\b",
            "user/a:b",
            "user/a\0",
            "user/a\n",
            "user/a.",
            "user/a ",
            "user/a/",
            "team/a",
            "team/a/",
            "team//a",
            "team/A/a",
            "team/-a/a",
            "team/a_b/a",
            "team/ä/a",
            "team/../a",
            "project/a",
            "system",
            "~/a",
            "user@",
            "user@/a",
            "user@draft",
            "user@draft/",
            "user@Draft/a",
            "user@-a/b",
            "user@a@b/c",
            "user@../a",
            "user@draft/../a",
            "team@x/red/a",
            "team/red@x",
            "team/@x/a",
            "team/red@/a",
            "team/red@x@y/a",
            "system@x/skills/a",
            "users@draft/a",
            "@draft/a",
            &long,
            &deep,
            &id,
        ] {
            assert_eq!(VolumePath::parse(bad).map_err(|refusal| refusal.code), Err(Code::NotKeepable), "{bad}");
        }
    }

    /// They stay where they say, so what lies there can be reached.
    #[test]
    fn what_is_a_path_and_made_no_more() {
        for trap in [
            "user/CON",
            "user/con.txt",
            "user/Aux .md",
            "user/lpt1/x",
            "user/a%2Fb",
            "user/..%5cb",
            "user/%2e%2E/b",
            "user/gpj.\u{202E}exe",
        ] {
            let path = VolumePath::parse(trap).expect("a path");
            assert_eq!(path.may_be_new().map_err(|refusal| refusal.code), Err(Code::NotKeepable), "{trap}");
        }
    }

    #[test]
    fn a_name_is_the_same_however_it_was_typed() {
        let composed = VolumePath::parse("user/\u{e9}").expect("a path");
        assert_eq!(VolumePath::parse("user/e\u{301}"), Ok(composed));
    }

    #[test]
    fn a_branch_has_the_kind_of_its_volume_and_the_paths_of_its_base() {
        for (text, kind, name, base) in [
            ("user@draft/a/b@c", Kind::User, "user@draft", "user/a/b@c"),
            ("team/red@next/x", Kind::Team, "team/red@next", "team/red/x"),
            ("project/p@try/x", Kind::Project, "project/p@try", "project/p/x"),
        ] {
            let path = VolumePath::parse(text).expect("a path");
            assert_eq!((path.kind(), path.branch().map(|branch| branch.name.as_str())), (kind, Some(name)));
            assert_eq!(path.in_volume(), VolumePath::parse(base).expect("a path"));
            assert_eq!(BranchName::parse(name).ok().as_ref(), path.branch());
        }
        for bad in ["user", "user@", "user@a/b", "user@a/", "team@a", "team/red", "system@a", "a@b", "", "@", "user@A"] {
            assert!(BranchName::parse(bad).is_err(), "{bad}");
        }
        for lead in ["", "user/", "user/a@b", "us", "team/", "team/red/a@", "a@b/c"] {
            assert_eq!(branch_of(lead), Ok(None), "{lead}");
        }
        for lead in ["user@", "user@dr", "team/red@", "team/red@x", "system@x/a"] {
            assert!(branch_of(lead).is_err(), "{lead}");
        }
    }

    #[test]
    fn layers_lie_in_their_order() {
        let view = View { project: Some("p".into()), teams: vec!["a".into(), "b".into()] };
        let roots: Vec<String> = layers(&view).expect("layers").into_iter().map(|(_, root)| root).collect();
        assert_eq!(roots, ["project/p/", "user/", "team/a/", "team/b/", "system/"]);
        let of = |project: &str| layers(&View { project: Some(project.into()), teams: vec![] });
        assert_eq!(of("p@try").expect("layers")[0], (Kind::Project, "project/p@try/".to_owned()));
        assert!(of("p@").is_err() && of("@try").is_err() && of("p@a@b").is_err());
        assert!(layers(&View { project: Some("../user".into()), teams: vec![] }).is_err());
        assert!(layers(&View { project: None, teams: vec!["a".into(); 17] }).is_err());
    }

    proptest! {
        /// Whatever is taken as a path comes out as one, is taken again, and has no part that leads anywhere.
        #[test]
        fn no_text_leads_out(text in "(user|team/a|project/b|system)?(@[a-z])?[/.a-z\\\\: \u{0}\u{e9}\u{301}]{0,12}") {
            if let Ok(path) = VolumePath::parse(&text) {
                prop_assert_eq!(&VolumePath::parse(path.whole()), &Ok(path.clone()));
                let clean = |part: &str| !part.is_empty() && part != "." && part != "..";
                prop_assert!(path.whole().split('/').all(clean) && !path.whole().contains(['\\', ':', '\0']));
            }
        }
    }
}
