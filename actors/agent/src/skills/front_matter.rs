//! The head of a `SKILL.md`: YAML between two lines of three hyphens.

use serde_json::{Map, Value};

/// Longest head, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Splits a file into its head and its body. A sentence says why it has none.
pub(crate) fn split(text: &str) -> Result<(&str, &str), String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = text.strip_prefix("---").and_then(|rest| rest.trim_start_matches([' ', '\t', '\r']).strip_prefix('\n'));
    let rest = rest.ok_or("it does not begin with a line of three hyphens")?;
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Ok((&rest[..at], &rest[at + line.len()..]));
        }
        at += line.len();
        if at > MAX_HEAD {
            break;
        }
    }
    Err(format!("its head has no end within {MAX_HEAD} bytes: a second line of three hyphens"))
}

/// Reads a head. Where YAML fails over an unquoted colon in a line of text, that line is quoted and it is tried again: it
/// is the one mistake everybody makes.
pub(crate) fn parse(head: &str) -> Result<Map<String, Value>, String> {
    yaml(head).or_else(|error| yaml(&quote_colons(head)).map_err(|_| error))
}

/// Reads YAML that is a map.
pub(crate) fn yaml(text: &str) -> Result<Map<String, Value>, String> {
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err("it is not a list of names and values".to_owned()),
        Err(error) => Err(format!("it cannot be read as YAML: {}", first_line(&error.to_string()))),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn quote_colons(head: &str) -> String {
    let quoted = head.lines().map(|line| match line.split_once(": ") {
        Some((key, value))
            if !key.starts_with([' ', '-', '#'])
                && value.contains(": ")
                && !value.starts_with(['"', '\'', '[', '{', '|', '>']) =>
        {
            format!("{key}: {}\n", Value::String(value.to_owned()))
        }
        _ => format!("{line}\n"),
    });
    quoted.collect()
}

/// A value as text, however it was written: `version: 1.0` is `1.0`.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A list of texts: a YAML list, or words between commas.
pub(crate) fn list_of(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(text_of).collect(),
        other => text_of(other).map(|text| text.split(',').map(|word| word.trim().to_owned()).collect()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_between_its_lines() {
        assert_eq!(split("---\nname: a\n---\nbody\n---\nmore"), Ok(("name: a\n", "body\n---\nmore")));
        assert_eq!(split("\u{feff}---\r\nname: a\r\n---\r\nbody"), Ok(("name: a\r\n", "body")));
        assert!(split("name: a").is_err() && split("---\nname: a").is_err() && split("").is_err());
    }

    #[test]
    fn the_mistake_everybody_makes_is_read() {
        let head = parse("name: a\ndescription: Use it so: first this\n").expect("a head");
        assert_eq!(head["description"], "Use it so: first this");
    }

    #[test]
    fn what_is_no_map_is_refused() {
        assert!(parse("- a\n- b").is_err());
        assert!(parse("just words").is_err());
        assert!(parse("a: [1, 2").is_err());
    }

    #[test]
    fn a_bomb_of_references_does_not_go_off() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (letter, before) in ('b'..='z').zip('a'..) {
            bomb.push_str(&format!("{letter}: &{letter} [{}]\n", vec![format!("*{before}"); 9].join(", ")));
        }
        assert!(parse(&bomb).is_err());
    }

    #[test]
    fn nested_inputs_are_read() {
        let head =
            parse("inputs:\n  - name: n\n    type: number\n    default: 1.5\n  - {name: t, type: string, required: true}\n")
                .expect("a head");
        assert_eq!(head["inputs"][0]["default"], 1.5);
        assert_eq!(head["inputs"][1]["required"], true);
    }
}
