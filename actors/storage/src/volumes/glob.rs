//! Patterns of paths: `?` is one character, `*` any number of them inside one part, `**` any number of whole parts. All
//! other characters are themselves.

use ipc::{Code, Refusal};
use regex::Regex;
use unicode_normalization::UnicodeNormalization as _;

use super::path::MAX_PATH;

/// A pattern that was read.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    expression: Regex,
    /// What every name that fits begins with.
    literal: String,
}

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Pattern, Refusal> {
        let bad = |why: &str| Refusal::new(Code::NotKeepable, format!("{text:?} is not a pattern of paths: {why}"));
        let text: String = if text.len() <= MAX_PATH { text.nfc().collect() } else { return Err(bad("it is too long")) };
        if text.is_empty() {
            return Err(bad("it is empty; ** is everything"));
        }
        let mut expression = String::from(r"(?s)\A");
        let parts: Vec<&str> = text.split('/').collect();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            match (*part, last) {
                ("**", true) => expression.push_str(".+"),
                ("**", false) => expression.push_str("(?:[^/]+/)*"),
                (part, last) => {
                    part.chars().for_each(|letter| match letter {
                        '*' => expression.push_str("[^/]*"),
                        '?' => expression.push_str("[^/]"),
                        other => expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
                    });
                    if !last {
                        expression.push('/');
                    }
                }
            }
        }
        expression.push_str(r"\z");
        let expression = Regex::new(&expression).map_err(|_| bad("it has too many stars"))?;
        let literal = text.split(['*', '?']).next().unwrap_or_default().to_owned();
        Ok(Pattern { expression, literal })
    }

    /// What every name that fits begins with.
    pub(crate) fn literal(&self) -> &str {
        &self.literal
    }

    /// Whether a name fits.
    pub(crate) fn fits(&self, name: &str) -> bool {
        name.starts_with(&self.literal) && self.expression.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).expect("a pattern").fits(name)
    }

    #[test]
    fn stars_stay_in_their_part() {
        for (pattern, good, bad) in [
            ("user/*.md", &["user/a.md", "user/.md", "user/ä b.md"][..], &["user/a/b.md", "user/a.mdx", "team/a.md"][..]),
            ("user/**", &["user/a", "user/a/b/c"], &["user", "user/", "users/a"]),
            ("user/**/x", &["user/x", "user/a/x", "user/a/b/x"], &["user/ax", "user/x/y", "x"]),
            ("**/SKILL.md", &["SKILL.md", "a/SKILL.md", "a/b/SKILL.md"], &["a/XSKILL.md", "a/SKILL.mdx"]),
            ("a?c", &["abc", "a東c", "a😀c"], &["ac", "a/c", "abbc"]),
            ("a**b", &["ab", "axxb"], &["a/b"]),
            ("*/*", &["a/b"], &["a", "a/b/c"]),
            ("a[1].{x,y}+(z)|^$", &["a[1].{x,y}+(z)|^$"], &["a1.x+z"]),
        ] {
            assert!(good.iter().all(|name| fits(pattern, name)), "{pattern}: {good:?}");
            assert!(!bad.iter().any(|name| fits(pattern, name)), "{pattern}: {bad:?}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        for bad in ["".to_owned(), "a".repeat(2000)] {
            assert_eq!(Pattern::parse(&bad).map_err(|refusal| refusal.code).err(), Some(Code::NotKeepable));
        }
    }

    /// The definition, written the slow way.
    fn slow(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                slow(rest, name) || name.first().is_some_and(|letter| *letter != '/' && slow(pattern, &name[1..]))
            }
            (['?', rest @ ..], [letter, others @ ..]) => *letter != '/' && slow(rest, others),
            ([one, rest @ ..], [letter, others @ ..]) => one == letter && slow(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_fits_as_it_is_defined(pattern in "[ab*?/é]{1,8}", name in "[ab/é]{0,8}") {
            // A part of two stars is the one thing that the slow way does not know.
            prop_assume!(!pattern.contains("**"));
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(fits(&pattern, &name), slow(&letters(&pattern), &letters(&name)));
        }
    }
}
