//! Paths of values, and the one place where they are checked.

use std::{borrow::Borrow, fmt};

/// Longest path, in bytes of UTF-8.
pub const MAX_PATH: usize = 1024;

/// Longest part of a path, in bytes of UTF-8.
pub const MAX_PART: usize = 255;

/// What parts begin with that are not the person's: values being written, and what a back end remembers.
const OURS: &str = ".~";

/// The folder in which back ends keep what they remember.
const RESERVED: &str = ".~lamos";

/// What the names of values that are being written begin with.
const UNFINISHED: &str = ".~tmp-";

/// Where a value lies: parts with `/` between them, none of which leads elsewhere or means something else on another
/// system. Two paths are the same if their bytes are; nothing is normalised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

/// Why something is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// Longer than [`MAX_PATH`], or a part longer than [`MAX_PART`].
    #[error("it is too long")]
    TooLong,
    /// A part is empty, `.` or `..`: it is absolute, or leads up.
    #[error("a part of it is empty or leads elsewhere")]
    Elsewhere,
    /// A control character, `\` or `:`, or a space or dot at the end of a part.
    #[error("a part of it means something else on another system")]
    Ambiguous,
    /// A part begins with `.~`, as the back ends' own do.
    #[error("names that begin with “.~” are the storage's own")]
    Reserved,
}

impl Path {
    /// Checks a path.
    pub fn parse(text: impl Into<String>) -> Result<Path, BadPath> {
        let text = text.into();
        check(&text)?;
        if text.split('/').any(|part| part.starts_with(OURS)) { Err(BadPath::Reserved) } else { Ok(Path(text)) }
    }

    /// A path of the back ends' own, below [`Path::reserved_folder`]. No listing shows it but one of that folder.
    pub fn reserved(below: &str) -> Result<Path, BadPath> {
        let text = format!("{RESERVED}/{below}");
        check(&text)?;
        if below.split('/').any(|part| part.starts_with(OURS)) { Err(BadPath::Reserved) } else { Ok(Path(text)) }
    }

    /// The folder of the back ends' own values.
    pub fn reserved_folder() -> Path {
        Path(RESERVED.to_owned())
    }

    /// Whether it is of the back ends' own.
    pub fn is_reserved(&self) -> bool {
        self.is_in(&Path::reserved_folder()) || self.0 == RESERVED
    }

    /// A name beside this one under which its value can be written before it takes its own. No listing shows it.
    pub fn unfinished(&self, chance: u64) -> Path {
        let name = format!("{UNFINISHED}{chance:016x}");
        Path(self.folder().map_or_else(|| name.clone(), |folder| format!("{}/{name}", folder.0)))
    }

    /// Whether the name is one that [`Path::unfinished`] gives.
    pub fn is_unfinished(name: &str) -> bool {
        name.starts_with(UNFINISHED)
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts, from the top.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// All but the last part, if there is more than one.
    pub fn folder(&self) -> Option<Path> {
        self.0.rsplit_once('/').map(|(folder, _)| Path(folder.to_owned()))
    }

    /// Whether it lies in a folder, at any depth.
    pub fn is_in(&self, folder: &Path) -> bool {
        self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// A path one part below. For back ends that walk folders: the parts of [`Path::reserved_folder`] are allowed in it.
    pub fn child(folder: Option<&Path>, name: &str) -> Result<Path, BadPath> {
        let reserved = folder.is_some_and(Path::is_reserved) || (folder.is_none() && name == RESERVED);
        let text = folder.map_or_else(|| name.to_owned(), |folder| format!("{}/{name}", folder.0));
        if name.contains('/') {
            return Err(BadPath::Elsewhere);
        }
        check(&text)?;
        if name.starts_with(OURS) && (!reserved || Path::is_unfinished(name)) { Err(BadPath::Reserved) } else { Ok(Path(text)) }
    }
}

fn check(text: &str) -> Result<(), BadPath> {
    if text.len() > MAX_PATH {
        return Err(BadPath::TooLong);
    }
    for part in text.split('/') {
        if matches!(part, "" | "." | "..") {
            return Err(BadPath::Elsewhere);
        }
        if part.len() > MAX_PART {
            return Err(BadPath::TooLong);
        }
        if part.chars().any(|letter| letter.is_control() || matches!(letter, '\\' | ':')) || part.ends_with([' ', '.']) {
            return Err(BadPath::Ambiguous);
        }
    }
    Ok(())
}

impl Borrow<str> for Path {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_where_it_says() {
        for good in ["a", "skills/plan/SKILL.md", "Ärger/東京.txt", "a b/c", ".hidden", "a~", "%2e%2e/x", "-", "…"] {
            assert_eq!(Path::parse(good).map(|path| path.to_string()), Ok(good.to_owned()));
        }
        let rows = [
            ("", BadPath::Elsewhere),
            ("/", BadPath::Elsewhere),
            ("/etc/passwd", BadPath::Elsewhere),
            ("a/", BadPath::Elsewhere),
            ("a//b", BadPath::Elsewhere),
            (".", BadPath::Elsewhere),
            ("a/../b", BadPath::Elsewhere),
            ("a/..", BadPath::Elsewhere),
            ("..", BadPath::Elsewhere),
            ("C:\\a", BadPath::Ambiguous),
            ("a\\..\\b", BadPath::Ambiguous),
            ("a:b", BadPath::Ambiguous),
            ("a\0b", BadPath::Ambiguous),
            ("a\nb", BadPath::Ambiguous),
            ("a\u{85}", BadPath::Ambiguous),
            ("a.", BadPath::Ambiguous),
            ("a /b", BadPath::Ambiguous),
            ("...", BadPath::Ambiguous),
            (".~lamos/queue/x", BadPath::Reserved),
            ("a/.~tmp-1", BadPath::Reserved),
        ];
        for (bad, why) in rows {
            assert_eq!(Path::parse(bad), Err(why), "{bad:?}");
        }
        assert_eq!(Path::parse("a".repeat(256)), Err(BadPath::TooLong));
        assert_eq!(Path::parse(vec!["abc"; 300].join("/")), Err(BadPath::TooLong));
        assert!(Path::parse(format!("{}/{}", "é".repeat(127), "b".repeat(255))).is_ok());
    }

    #[test]
    fn what_is_ours_is_told_apart() {
        let ours = Path::reserved("queue/1").expect("a path");
        assert!(ours.is_reserved() && ours.is_in(&Path::reserved_folder()));
        assert!(!Path::parse("lamos/queue").expect("a path").is_reserved());
        let path = Path::parse("a/b").expect("a path");
        assert!(Path::is_unfinished(path.unfinished(7).name()) && path.unfinished(7).folder() == path.folder());
        assert!(!Path::parse("ab/c").expect("a path").is_in(&Path::parse("a").expect("a path")));
        assert_eq!(Path::child(Some(&path), "..").err(), Some(BadPath::Elsewhere));
        assert_eq!(Path::child(Some(&path), "c/d").err(), Some(BadPath::Elsewhere));
        assert_eq!(Path::child(Some(&path), ".~lamos").err(), Some(BadPath::Reserved));
        assert_eq!(Path::child(None, ".~lamos"), Ok(Path::reserved_folder()));
        assert_eq!(Path::child(Some(&Path::reserved_folder()), ".~tmp-1").err(), Some(BadPath::Reserved));
    }
}
