//! A skill's inputs, found in what a person said and gave: first what was named, then what a pattern finds, then what the
//! place in the goal says, then the default.

use serde_json::{Map, Value};

use super::interface::{From, InputKind, InputSpec, Interface};

/// What a person said and gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// The goal, in words.
    pub(crate) goal: String,
    /// Inputs by name, as typed.
    pub(crate) named: Vec<(String, String)>,
    /// Names of the files, in their order.
    pub(crate) files: Vec<String>,
    /// Columns of the first table among them.
    pub(crate) columns: Vec<String>,
}

/// Why a skill cannot run with what was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It needs these: name and meaning.
    Inputs(Vec<(String, String)>),
    /// This is not what it must be.
    Invalid {
        /// The input.
        name: String,
        /// What is wrong with it.
        sentence: String,
    },
    /// It takes no such input.
    Unknown(String),
}

/// The inputs as a JSON object.
pub(crate) fn extract(interface: &Interface, given: &Given) -> Result<Map<String, Value>, Missing> {
    if let Some((name, _)) = given.named.iter().find(|(name, _)| !interface.inputs.iter().any(|input| input.name == *name)) {
        return Err(Missing::Unknown(name.clone()));
    }
    let mut inputs = Map::new();
    let mut missing = Vec::new();
    let mut files = given.files.clone();
    for input in &interface.inputs {
        let named = given.named.iter().find(|(name, _)| *name == input.name).map(|(_, value)| value.as_str());
        let value = match named {
            Some(typed) => Some(read(input, typed, given)?),
            None => found(input, given, &mut files).or_else(|| input.default.clone()),
        };
        match value {
            Some(value) => {
                inputs.insert(input.name.clone(), value);
            }
            None if input.required => missing.push((input.name.clone(), input.description.clone())),
            None => {}
        }
    }
    if missing.is_empty() { Ok(inputs) } else { Err(Missing::Inputs(missing)) }
}

/// A value as typed.
fn read(input: &InputSpec, typed: &str, given: &Given) -> Result<Value, Missing> {
    let invalid = |sentence: String| Missing::Invalid { name: input.name.clone(), sentence };
    match &input.kind {
        InputKind::File(_) if given.files.iter().any(|file| file == typed) => Ok(typed.into()),
        InputKind::File(_) => Err(invalid(format!("no file {typed:?} was given; add --file {typed}"))),
        InputKind::Column if given.columns.is_empty() || given.columns.iter().any(|column| column == typed) => Ok(typed.into()),
        InputKind::Column => {
            let same = given.columns.iter().find(|column| column.eq_ignore_ascii_case(typed));
            same.map(|column| column.clone().into())
                .ok_or_else(|| invalid(format!("the table has no column {typed:?}; it has {}", given.columns.join(", "))))
        }
        InputKind::Choice(choices) if choices.iter().any(|choice| choice == typed) => Ok(typed.into()),
        InputKind::Choice(choices) => Err(invalid(format!("it is one of {}", choices.join(", ")))),
        kind => convert(kind, typed).ok_or_else(|| invalid(format!("{typed:?} is not {}", article(kind)))),
    }
}

fn article(kind: &InputKind) -> &'static str {
    match kind {
        InputKind::Number => "a number",
        InputKind::Integer => "a whole number",
        InputKind::Boolean => "yes or no",
        _ => "what it must be",
    }
}

/// A value that stands in the goal or was given with it.
fn found(input: &InputSpec, given: &Given, files: &mut Vec<String>) -> Option<Value> {
    if let InputKind::File(kinds) = &input.kind {
        let at = files.iter().position(|file| kinds.is_empty() || kinds.contains(&extension(file)))?;
        return Some(files.remove(at).into());
    }
    let by_pattern =
        input.find.iter().find_map(|pattern| pattern.captures(&given.goal)?.get(1)).map(|group| group.as_str().trim());
    if let Some(value) = by_pattern.and_then(|text| accept(input, text, given)) {
        return Some(value);
    }
    match &input.kind {
        InputKind::Column => column_in(&given.goal, &given.columns).map(Value::from),
        InputKind::Choice(choices) => {
            choices.iter().find(|choice| has_phrase(&given.goal, choice)).map(|choice| choice.clone().into())
        }
        _ => place(input.from, &given.goal).and_then(|text| convert(&input.kind, text)),
    }
}

fn accept(input: &InputSpec, text: &str, given: &Given) -> Option<Value> {
    match &input.kind {
        InputKind::Column => {
            given.columns.iter().find(|column| column.eq_ignore_ascii_case(text)).map(|column| column.clone().into())
        }
        InputKind::Choice(choices) => {
            choices.iter().find(|choice| choice.eq_ignore_ascii_case(text)).map(|choice| choice.clone().into())
        }
        kind => convert(kind, text),
    }
}

fn place(from: From, goal: &str) -> Option<&str> {
    let text = match from {
        From::Nowhere => return None,
        From::Goal => goal,
        From::Rest => goal.split_once(':').map_or(goal, |(_, rest)| rest),
        From::Quoted => {
            let pairs = [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('\'', '\'')];
            pairs.iter().find_map(|(open, close)| goal.split_once(*open)?.1.split_once(*close).map(|(inside, _)| inside))?
        }
    };
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn convert(kind: &InputKind, text: &str) -> Option<Value> {
    match kind {
        InputKind::Number => number(text).and_then(serde_json::Number::from_f64).map(Value::Number),
        InputKind::Integer => {
            number(text).filter(|number| number.fract() == 0.0 && number.abs() < 9e15).map(|number| Value::from(number as i64))
        }
        InputKind::Boolean => match text.to_lowercase().as_str() {
            "yes" | "true" | "on" | "1" => Some(true.into()),
            "no" | "false" | "off" | "0" => Some(false.into()),
            _ => None,
        },
        _ => Some(text.into()),
    }
}

/// Words after a number.
const FACTORS: &[(&str, f64)] = &[("million", 1e6), ("thousand", 1e3), ("k", 1e3), ("m", 1e6)];

/// A number as people write it: `1234.5`, `1,234.5`, `1.234,5`, `12k`, `1.2 million`. With one kind of mark, three digits
/// after each make it a mark of thousands.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text: String = text.chars().filter(|letter| !letter.is_whitespace() && !matches!(letter, '\'' | '_' | '’')).collect();
    let lower = text.to_lowercase();
    let (text, factor) =
        FACTORS.iter().find_map(|(word, factor)| Some((lower.strip_suffix(word)?.to_owned(), *factor))).unwrap_or((lower, 1.0));
    let commas = text.matches(',').count();
    let dots = text.matches('.').count();
    let thousands = |mark: char| {
        let mut parts = text.trim_start_matches(['-', '+']).split(mark);
        let first = parts.next().unwrap_or_default();
        (1..=3).contains(&first.len()) && parts.all(|part| part.len() == 3)
    };
    let plain = match (commas, dots) {
        // Nobody writes a fraction with three zeros.
        (0, 1) if text.ends_with(".000") && thousands('.') && !text.starts_with("0.") => text.replace('.', ""),
        (0, 0 | 1) => text.clone(),
        (0, _) => thousands('.').then(|| text.replace('.', ""))?,
        (_, 0) if thousands(',') && !(commas == 1 && text.starts_with("0,")) => text.replace(',', ""),
        (1, 0) => text.replace(',', "."),
        (_, 0) => return None,
        _ if text.rfind(',') > text.rfind('.') => text.replace('.', "").replace(',', "."),
        _ => text.replace(',', ""),
    };
    let well_formed = plain.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+'));
    plain.parse::<f64>().ok().filter(|number| well_formed && number.is_finite()).map(|number| number * factor)
}

/// The column whose name stands in the goal; of several the longest, of equal ones the first that is named.
fn column_in(goal: &str, columns: &[String]) -> Option<String> {
    let named = columns.iter().filter_map(|column| position(goal, column).map(|at| (column, at)));
    named.max_by_key(|(column, at)| (column.chars().count(), std::cmp::Reverse(*at))).map(|(column, _)| column.clone())
}

fn has_phrase(goal: &str, phrase: &str) -> bool {
    position(goal, phrase).is_some()
}

/// Where a phrase stands in a text as whole words; `_` and `-` are as good as a space.
fn position(text: &str, phrase: &str) -> Option<usize> {
    let plain = |text: &str| -> Vec<String> {
        let lower = text.to_lowercase();
        lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (text, phrase) = (plain(text), plain(phrase));
    if phrase.is_empty() {
        return None;
    }
    text.windows(phrase.len()).position(|window| window == phrase)
}

/// The kind of a file, by the end of its name.
pub(crate) fn extension(name: &str) -> String {
    name.rsplit_once('.').map(|(_, end)| end.to_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, value) in [
            ("12", Some(12.0)),
            ("-3.5", Some(-3.5)),
            ("1,234.5", Some(1234.5)),
            ("1.234,5", Some(1234.5)),
            ("1,234,567", Some(1_234_567.0)),
            ("1.234.567", Some(1_234_567.0)),
            ("200,000", Some(200_000.0)),
            ("0,125", Some(0.125)),
            ("3,5", Some(3.5)),
            ("12 000", Some(12_000.0)),
            ("15k", Some(15_000.0)),
            ("1.2 million", Some(1_200_000.0)),
            ("200.000", Some(200_000.0)),
            ("0.000", Some(0.0)),
            ("1.234", Some(1.234)),
            ("1'000", Some(1000.0)),
            ("", None),
            ("abc", None),
            ("1,2,3", None),
            ("1.2.3", None),
            ("inf", None),
            ("1e400", None),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }

    #[test]
    fn the_longest_column_that_is_named_is_meant() {
        let columns: Vec<String> = ["price", "unit_price", "Region", "a"].iter().map(|name| (*name).to_owned()).collect();
        for (goal, column) in [
            ("mean of the unit price", Some("unit_price")),
            ("PRICE, please", Some("price")),
            ("by region", Some("Region")),
            ("prices", None),
            ("", None),
        ] {
            assert_eq!(column_in(goal, &columns).as_deref(), column, "{goal}");
        }
    }

    #[test]
    fn places_in_a_goal() {
        assert_eq!(place(From::Rest, "count the words: a b: c"), Some("a b: c"));
        assert_eq!(place(From::Rest, "no colon"), Some("no colon"));
        assert_eq!(place(From::Quoted, "what is „so“ here"), Some("so"));
        assert_eq!(place(From::Quoted, "nothing"), None);
        assert_eq!(place(From::Rest, "empty: "), None);
    }
}
