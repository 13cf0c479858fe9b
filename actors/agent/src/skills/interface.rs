//! What a skill's script takes and gives, and how its inputs are found in a person's words.

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::front_matter::{list_of, text_of};

/// Inputs a skill may have.
const MAX_INPUTS: usize = 32;

/// Size of a compiled pattern, in bytes: patterns come from strangers' files.
const MAX_PATTERN: usize = 256 << 10;

/// How a skill runs without a model.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    /// The script.
    pub(crate) script: String,
    /// What it takes.
    pub(crate) inputs: Vec<InputSpec>,
}

/// One input.
#[derive(Clone, Debug)]
pub(crate) struct InputSpec {
    /// The key under which the script finds it.
    pub(crate) name: String,
    /// What it may be.
    pub(crate) kind: InputKind,
    /// What it means.
    pub(crate) description: String,
    /// The script cannot do without it.
    pub(crate) required: bool,
    /// What it is otherwise.
    pub(crate) default: Option<Value>,
    /// Where in a goal it stands.
    pub(crate) find: Vec<Regex>,
    /// Where in a goal it stands, for those that are not found by a pattern.
    pub(crate) from: From,
}

/// What an input may be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InputKind {
    /// A file that was given, of one of these kinds; of any, if there is none.
    File(Vec<String>),
    /// Words.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// A day.
    Date,
    /// One of these.
    Choice(Vec<String>),
    /// The name of a column of the first file.
    Column,
}

impl InputKind {
    /// The word people see.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            InputKind::File(_) => "file",
            InputKind::Text => "text",
            InputKind::Number => "number",
            InputKind::Integer => "integer",
            InputKind::Boolean => "boolean",
            InputKind::Date => "date",
            InputKind::Choice(_) => "choice",
            InputKind::Column => "column",
        }
    }
}

/// A place in a goal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum From {
    /// Nowhere.
    #[default]
    Nowhere,
    /// What stands after the first colon, or the whole goal if it has none.
    Rest,
    /// What stands in quotes.
    Quoted,
    /// The whole goal.
    Goal,
}

impl Interface {
    /// Reads the inputs from a list, as both `interface.yaml` and the heads of older files have it.
    pub(crate) fn new(script: String, inputs: Option<&Value>) -> Result<Interface, String> {
        let list = match inputs {
            None | Some(Value::Null) => &Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => return Err("its inputs are not a list".to_owned()),
        };
        if list.len() > MAX_INPUTS {
            return Err(format!("it has more than {MAX_INPUTS} inputs"));
        }
        let inputs = list
            .iter()
            .map(|input| input.as_object().ok_or_else(|| "an input is not a list of names and values".to_owned()).and_then(spec));
        Ok(Interface { script, inputs: inputs.collect::<Result<_, _>>()? })
    }
}

fn spec(map: &Map<String, Value>) -> Result<InputSpec, String> {
    let text = |key: &str| map.get(key).and_then(text_of);
    let name = text("name").filter(|name| !name.is_empty()).ok_or("an input has no name")?;
    let list = |key: &str| map.get(key).map(list_of).unwrap_or_default();
    let kind = match text("type").as_deref().unwrap_or("text") {
        "file" => InputKind::File(list("extensions").iter().map(|one| one.trim_start_matches('.').to_lowercase()).collect()),
        "text" | "string" | "str" | "object" | "array" | "list" | "dict" | "any" => InputKind::Text,
        "number" | "float" => InputKind::Number,
        "integer" | "int" => InputKind::Integer,
        "boolean" | "bool" => InputKind::Boolean,
        "date" => InputKind::Date,
        "choice" | "enum" => InputKind::Choice(list("choices")),
        "column" => InputKind::Column,
        other => return Err(format!("input {name} has a type that is not known: {other}")),
    };
    let from = match text("from").as_deref() {
        None => From::Nowhere,
        Some("rest") => From::Rest,
        Some("quoted") => From::Quoted,
        Some("goal") => From::Goal,
        Some(other) => return Err(format!("input {name} comes from somewhere that is not known: {other}")),
    };
    let find = list("find").iter().map(|pattern| compile(&name, pattern)).collect::<Result<_, _>>()?;
    let default = map.get("default").filter(|value| !value.is_null()).cloned();
    let required = map.get("required").and_then(Value::as_bool).unwrap_or(false) && default.is_none();
    Ok(InputSpec { kind, description: text("description").unwrap_or_default(), required, default, find, from, name })
}

fn compile(name: &str, pattern: &str) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(pattern).case_insensitive(true).size_limit(MAX_PATTERN).build();
    let regex = compiled.map_err(|_| format!("input {name} is looked for with a pattern that cannot be read: {pattern}"))?;
    if regex.captures_len() < 2 {
        return Err(format!("input {name} is looked for with a pattern without a group: {pattern}"));
    }
    Ok(regex)
}
