//! The schema hash guards the wire: it must change whenever a message type does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{fs, path::Path};

#[path = "../src/schema_hash.rs"]
mod schema_hash;

use schema_hash::{fnv1a, shape};

fn sources() -> Vec<(String, String)> {
    let files = schema_hash::sources(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    files.into_iter().map(|file| (file.display().to_string(), fs::read_to_string(&file).unwrap())).collect()
}

#[test]
fn the_hash_in_the_program_is_that_of_its_messages() {
    let text: String = sources().iter().map(|(_, source)| shape(source).unwrap()).collect();
    assert_eq!(ipc::SCHEMA_HASH, fnv1a(&text));
}

/// Two codes that change places change what every refusal says.
#[test]
fn the_order_of_the_codes_is_part_of_the_hash() {
    let (_, source) = sources().into_iter().find(|(file, _)| file.ends_with("refusal.rs")).unwrap();
    let changed = source.replacen("Forbidden = 1,", "TooSmall = 99, Ours;\n    Forbidden = 1,", 1);
    assert_ne!(source, changed);
    assert_ne!(shape(&source).unwrap(), shape(&changed).unwrap());
}

/// Changes every field, variant and method of every message in turn.
#[test]
fn every_change_of_a_field_changes_the_hash() {
    let mut changes = 0;
    for (file, source) in sources().into_iter().filter(|(file, _)| file.contains("messages")) {
        let before = fnv1a(&shape(&source).unwrap());
        for (number, line) in source.lines().enumerate() {
            let code = line.trim();
            let field = code.strip_prefix("pub ").is_some_and(|rest| rest.contains(": ")) && code.ends_with(',');
            let method = code.contains(" -> ") && code.ends_with(';');
            // An arm of a match says what is done with a variant.
            let arm = code.contains(" => ");
            let variant = code.starts_with(char::is_uppercase) && (code.ends_with(',') || code.ends_with('{')) && !arm;
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
