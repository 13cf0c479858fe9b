//! The schema hash guards the wire: it must change whenever a message type does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]
#![allow(dead_code, reason = "the build script uses all of what is included here")]

include!("../src/schema_hash.rs");

use std::{fs, path::Path};

fn sources() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/messages");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.display().to_string(), fs::read_to_string(&file).unwrap())).collect()
}

#[test]
fn the_hash_in_the_program_is_that_of_its_messages() {
    let text: String = sources().iter().map(|(_, source)| shape(source).unwrap()).collect();
    assert_eq!(ipc::SCHEMA_HASH, fnv1a(&text));
}

/// Changes every field, variant and method of every message in turn.
#[test]
fn every_change_of_a_field_changes_the_hash() {
    let mut changes = 0;
    for (file, source) in sources() {
        let before = fnv1a(&shape(&source).unwrap());
        for (number, line) in source.lines().enumerate() {
            let code = line.trim();
            let field = code.strip_prefix("pub ").is_some_and(|rest| rest.contains(": ")) && code.ends_with(',');
            let method = code.contains(" -> ") && code.ends_with(';');
            let variant = code.starts_with(char::is_uppercase) && (code.ends_with(',') || code.ends_with('{'));
            if !(field || method || variant) {
                continue;
            }
            let word = code.trim_start_matches("pub ").split([':', '(', ',', ' ', '{']).next().unwrap();
            let changed = match method {
                true => line.replacen(" -> ", "Changed -> ", 1),
                false => line.replacen(word, &format!("{word}_changed"), 1),
            };
            let mut lines: Vec<&str> = source.lines().collect();
            lines[number] = &changed;
            let after = fnv1a(&shape(&lines.join("\n")).unwrap_or_else(|error| panic!("{file}:{number}: {error}: {changed}")));
            assert_ne!(before, after, "{file}:{}: {code}", number + 1);
            changes += 1;
        }
    }
    assert!(changes > 150, "only {changes} changes were tried");
}

#[test]
fn words_about_a_message_do_not_change_the_hash() {
    for (file, source) in sources() {
        let before = shape(&source).unwrap();
        let reworded: String = source
            .lines()
            .map(|line| if line.trim().starts_with("///") { "/// Other words.\n".to_owned() } else { format!("{line}\n") })
            .collect();
        assert_eq!(before, shape(&reworded).unwrap(), "{file}");
    }
}
