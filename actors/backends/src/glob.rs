//! Patterns over paths: `?` is one character, `*` any number of them within a part, `**` as a whole part any number of
//! parts. Everything else stands for itself, brackets and braces included: names of people contain them.
//!
//! Written here because the kept crate (globset) counts bytes where it says character, and gives meaning to `[` and `{`.

use crate::{Cursor, MAX_PATH, Page, Path, Storage, StorageError};

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `**`
    Any,
    /// Without `*` and `?`.
    Literal(String),
    /// With them.
    Pattern(Vec<char>),
}

/// Why something is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGlob {
    /// Longer than any path.
    #[error("take a pattern longer than {MAX_PATH} bytes")]
    TooLong,
    /// A part is empty, `.` or `..`.
    #[error("take a pattern of which a part is empty or leads elsewhere")]
    Elsewhere,
}

impl Glob {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Glob, BadGlob> {
        if text.len() > MAX_PATH {
            return Err(BadGlob::TooLong);
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            parts.push(match part {
                "" | "." | ".." => return Err(BadGlob::Elsewhere),
                // Two of them side by side say no more than one.
                "**" if parts.last() == Some(&Part::Any) => continue,
                "**" => Part::Any,
                part if part.contains(['*', '?']) => Part::Pattern(part.chars().collect()),
                part => Part::Literal(part.to_owned()),
            });
        }
        if parts.last() == Some(&Part::Any) {
            // Values lie in a folder; the folder itself is none.
            parts.push(Part::Pattern(vec!['*']));
        }
        Ok(Glob { parts })
    }

    /// Whether a path is meant.
    pub fn matches(&self, path: &Path) -> bool {
        let names: Vec<&str> = path.parts().collect();
        wild(&self.parts, &names, |part| *part == Part::Any, |part, name| part.matches(name))
    }

    /// The folder in which everything lies that is meant, if the pattern begins with one.
    pub fn folder(&self) -> Option<Path> {
        let literal = self.parts.iter().take(self.parts.len() - 1).map_while(|part| match part {
            Part::Literal(name) => Some(name.as_str()),
            _ => None,
        });
        let names: Vec<&str> = literal.collect();
        Path::parse(names.join("/")).ok()
    }
}

impl Part {
    fn matches(&self, name: &str) -> bool {
        match self {
            Part::Any => true,
            Part::Literal(literal) => literal == name,
            Part::Pattern(pattern) => {
                let letters: Vec<char> = name.chars().collect();
                wild(pattern, &letters, |letter| *letter == '*', |pattern, letter| *pattern == '?' || pattern == letter)
            }
        }
    }
}

/// Matches a row of things against a pattern in which some stand for any number of them. Greedy with one place to go back
/// to, so the time is at most the product of the lengths.
fn wild<P, T>(pattern: &[P], row: &[T], any: impl Fn(&P) -> bool, matches: impl Fn(&P, &T) -> bool) -> bool {
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < row.len() {
        if p < pattern.len() && any(&pattern[p]) {
            back = Some((p, t));
            p += 1;
        } else if p < pattern.len() && matches(&pattern[p], &row[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((star, taken)) = back {
            back = Some((star, taken + 1));
            (p, t) = (star + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(any)
}

/// A page of the values that a pattern means. Pages may have few entries or none though more follow.
pub async fn glob(storage: &dyn Storage, glob: &Glob, from: Option<&Cursor>, limit: usize) -> Result<Page, StorageError> {
    let folder = glob.folder();
    let mut page = storage.list(folder.as_ref(), from, limit).await?;
    page.entries.retain(|entry| glob.matches(&entry.path));
    Ok(page)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    fn matches(glob: &str, path: &str) -> bool {
        Glob::parse(glob).expect(glob).matches(&Path::parse(path).expect(path))
    }

    #[test]
    fn what_is_meant() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("a", &["a"], &["b", "a/a", "aa"]),
            ("*", &["a", "東京", ".hidden"], &["a/b"]),
            ("?", &["a", "é", "東"], &["ab", "a/b"]),
            ("a?c/*.md", &["abc/x.md", "a東c/.md"], &["ac/x.md", "abc/d/x.md", "abc/x.md2"]),
            ("**", &["a", "a/b", "a/b/c"], &[]),
            ("**/c", &["c", "a/c", "a/b/c"], &["a/c/d", "ac"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
            ("a/**/c", &["a/c", "a/b/c", "a/b/b/c"], &["a/b", "ac", "a/c/d"]),
            ("**/a/**", &["a/b", "x/a/b", "a/a"], &["a", "x/a"]),
            ("a**", &["a", "ab"], &["a/b"]),
            ("[a]{b,c}!", &["[a]{b,c}!"], &["ab!", "a"]),
            ("*a*b*", &["ab", "xaxbx", "aab"], &["ba"]),
        ];
        for (glob, meant, others) in rows {
            for path in *meant {
                assert!(matches(glob, path), "{glob} means {path}");
            }
            for path in *others {
                assert!(!matches(glob, path), "{glob} does not mean {path}");
            }
        }
        for bad in ["", "/a", "a//b", "../a", "a/.", "a/"] {
            assert_eq!(Glob::parse(bad), Err(BadGlob::Elsewhere), "{bad}");
        }
    }

    #[test]
    fn the_folder_of_a_pattern() {
        let folder = |glob: &str| Glob::parse(glob).expect(glob).folder().map(|path| path.to_string());
        assert_eq!(folder("a/b/*.md").as_deref(), Some("a/b"));
        assert_eq!(folder("a/b").as_deref(), Some("a"));
        assert_eq!(folder("a*/b"), None);
        assert_eq!(folder("**"), None);
    }

    #[test]
    fn a_hostile_pattern_is_soon_answered() {
        let glob = Glob::parse(&format!("{}b", "*a".repeat(400))).expect("a pattern");
        assert!(!glob.matches(&Path::parse("a".repeat(255)).expect("a path")));
        let glob = Glob::parse(&format!("{}b", "**/a/".repeat(200))).expect("a pattern");
        assert!(!glob.matches(&Path::parse(vec!["a"; 500].join("/")).expect("a path")));
    }

    /// The same meaning, by other means.
    fn regex(glob: &str) -> Regex {
        let parts: Vec<&str> = glob.split('/').collect();
        let mut text = "^".to_owned();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            if *part == "**" {
                text += if last { "[^/]+(/[^/]+)*" } else { "([^/]+/)*" };
                continue;
            }
            for letter in part.chars() {
                match letter {
                    '*' => text += "[^/]*",
                    '?' => text += "[^/]",
                    other => text += &regex::escape(&other.to_string()),
                }
            }
            if !last {
                text += "/";
            }
        }
        Regex::new(&(text + "$")).expect("an expression")
    }

    proptest! {
        #[test]
        fn it_means_what_the_expression_means(
            glob in "(\\*\\*|[ab*?é]{1,3})(/(\\*\\*|[ab*?é]{1,3})){0,4}",
            path in "[abé]{1,3}(/[abé]{1,3}){0,4}",
        ) {
            prop_assert_eq!(matches(&glob, &path), regex(&glob).is_match(&path));
        }
    }
}
