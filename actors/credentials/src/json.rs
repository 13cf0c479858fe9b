//! JSON from strangers, read so that everybody reads the same: before anything else is done with it.
//!
//! Two programs that disagree about what a text says must not agree that its signature holds. So a text is refused that is
//! large, deep, names a member twice (serde_json takes the last, others the first), or holds a number beyond ±(2⁵³ − 1)
//! (RFC 7493, 2.2), which JavaScript rounds. Lone surrogates, a byte order mark and anything after the value are refused by
//! serde_json itself.

use std::{cell::Cell, fmt};

use serde::{
    Deserializer as _,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::error::{Kind, Refused, Result, refuse};

/// The longest text that is read, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// How many objects and arrays may be within one another.
pub const MAX_DEPTH: usize = 32;
/// The largest whole number that every reader reads as the same one: 2⁵³ − 1.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Reads a text from a stranger.
pub fn read(text: &[u8]) -> Result<Value> {
    if text.len() > MAX_BYTES {
        return refuse(Kind::TooLarge, format!("it has {} bytes, at most {MAX_BYTES} are read", text.len()));
    }
    let found = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = deserializer.deserialize_any(Strict { depth: 0, found: &found }).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    read.map_err(|error| {
        let kind = found.get().unwrap_or(Kind::NotJson);
        // Of what serde_json says only the place: its words may quote the text.
        let place = format!("line {}, column {}", error.line(), error.column());
        Refused::new(kind, format!("{} at {place}", said(kind)))
    })
}

/// Reads a text from a stranger that must be an object.
pub fn read_object(text: &[u8]) -> Result<Map<String, Value>> {
    match read(text)? {
        Value::Object(members) => Ok(members),
        _ => refuse(Kind::Malformed, "it is not an object"),
    }
}

/// The same rules for a value that was made here.
pub fn check(value: &Value) -> Result<()> {
    fn walk(value: &Value, depth: usize) -> std::result::Result<(), Kind> {
        if depth > MAX_DEPTH {
            return Err(Kind::TooDeep);
        }
        match value {
            Value::Number(number) if !is_safe(number) => Err(Kind::NumberOutOfRange),
            Value::Array(values) => values.iter().try_for_each(|value| walk(value, depth + 1)),
            Value::Object(members) => members.values().try_for_each(|value| walk(value, depth + 1)),
            _ => Ok(()),
        }
    }
    walk(value, 0).map_err(|kind| Refused::new(kind, said(kind)))
}

fn said(kind: Kind) -> &'static str {
    match kind {
        Kind::TooDeep => "it is nested more than 32 deep",
        Kind::DuplicateKey => "an object names a member twice",
        Kind::NumberOutOfRange => "a number is beyond ±(2^53 - 1)",
        _ => "it is not JSON",
    }
}

fn is_safe(number: &Number) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact")]
    let most = MAX_INTEGER as f64;
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(whole), _, _) => whole <= MAX_INTEGER,
        (_, Some(whole), _) => whole.unsigned_abs() <= MAX_INTEGER,
        (_, _, Some(real)) => real.abs() <= most,
        _ => false,
    }
}

/// Builds a value, and notes why not.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    found: &'a Cell<Option<Kind>>,
}

impl<'a> Strict<'a> {
    fn refuse<T, E: serde::de::Error>(self, kind: Kind) -> std::result::Result<T, E> {
        self.found.set(Some(kind));
        Err(E::custom(""))
    }

    fn inner<E: serde::de::Error>(self) -> std::result::Result<Strict<'a>, E> {
        if self.depth == MAX_DEPTH { self.refuse(Kind::TooDeep) } else { Ok(Strict { depth: self.depth + 1, ..self }) }
    }

    fn number<E: serde::de::Error>(self, number: Option<Number>) -> std::result::Result<Value, E> {
        match number {
            Some(number) if is_safe(&number) => Ok(Value::Number(number)),
            _ => self.refuse(Kind::NumberOutOfRange),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<Value, E> {
        self.number(Some(value.into()))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> std::result::Result<Value, E> {
        self.number(Some(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Value, E> {
        self.number(Number::from_f64(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> std::result::Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut members = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if members.contains_key(&name) {
                return self.refuse(Kind::DuplicateKey);
            }
            let value = entries.next_value_seed(inner)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<Kind> {
        read(text.as_bytes()).err().map(|refused| refused.kind())
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let rows = [
            (r#"{"a":1,"a":2}"#.to_owned(), Some(Kind::DuplicateKey)),
            // The same name, written in two ways.
            (r#"{"b":{"a":1,"\u0061":2}}"#.to_owned(), Some(Kind::DuplicateKey)),
            ("9007199254740991".to_owned(), None),
            ("-9007199254740991".to_owned(), None),
            ("9007199254740992".to_owned(), Some(Kind::NumberOutOfRange)),
            ("9007199254740993".to_owned(), Some(Kind::NumberOutOfRange)),
            ("-9007199254740993".to_owned(), Some(Kind::NumberOutOfRange)),
            ("123456789012345678901234567890".to_owned(), Some(Kind::NumberOutOfRange)),
            ("1e30".to_owned(), Some(Kind::NumberOutOfRange)),
            ("1e400".to_owned(), Some(Kind::NotJson)),
            ("0.1".to_owned(), None),
            (nested(32), None),
            (nested(33), Some(Kind::TooDeep)),
            (nested(100_000), Some(Kind::TooDeep)),
            (r#""\ud800""#.to_owned(), Some(Kind::NotJson)),
            ("\u{feff}{}".to_owned(), Some(Kind::NotJson)),
            ("{} {}".to_owned(), Some(Kind::NotJson)),
            ("".to_owned(), Some(Kind::NotJson)),
            ("NaN".to_owned(), Some(Kind::NotJson)),
            (format!("\"{}\"", "a".repeat(MAX_BYTES)), Some(Kind::TooLarge)),
        ];
        for (text, kind) in rows {
            assert_eq!(refused(&text), kind, "{}", &text[..text.len().min(60)]);
        }
        assert!(read(b"\"\xff\"").is_err(), "not UTF-8");
    }
}
