//! What the Agent Skills specification wants of a `SKILL.md`, as sentences about what is not so. None of it keeps a skill
//! from being used.

use serde_json::{Map, Value};

use super::{Problem, front_matter::text_of};

/// Fields a head may have.
const FIELDS: &[&str] = &["name", "description", "license", "compatibility", "metadata", "allowed-tools"];

const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 1024;
const MAX_COMPATIBILITY: usize = 500;

/// The problems of a head in a folder of this name.
pub(crate) fn head(path: &str, folder: &str, head: &Map<String, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |sentence: String| problems.push(Problem { path: path.to_owned(), sentence });
    let get = |key: &str| head.get(key).and_then(text_of).unwrap_or_default();
    let name = get("name");
    if name.chars().count() > MAX_NAME || !is_name(&name) {
        say(format!("its name {name:?} should have at most {MAX_NAME} lower-case letters, digits and single hyphens"));
    }
    if name != folder {
        say(format!("its name {name:?} should be that of its folder, {folder:?}"));
    }
    if get("description").chars().count() > MAX_DESCRIPTION {
        say(format!("its description should have at most {MAX_DESCRIPTION} characters"));
    }
    if get("compatibility").chars().count() > MAX_COMPATIBILITY {
        say(format!("its compatibility should have at most {MAX_COMPATIBILITY} characters"));
    }
    for key in head.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
        say(format!("the specification knows no field {key:?}"));
    }
    problems
}

fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() && !c.is_uppercase();
    !name.is_empty()
        && !name.contains("--")
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.chars().all(|c| c == '-' || letter(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_specification() {
        for good in ["a", "pdf-tools", "技能", "a1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "A", "a--b", "-a", "a-", "a_b", "a b", "НАВЫК"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
