//! The one text of a JSON value: the JSON Canonicalization Scheme, RFC 8785.

use serde::Serialize;

use crate::error::{Kind, Refused, Result};

/// The canonical text of a value: members sorted by UTF-16, numbers as ECMAScript writes them, no white space.
pub fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json_canonicalizer::to_vec(value)
        .map_err(|_| Refused::new(Kind::CannotMake, "the value has no canonical form (RFC 8785)"))
}
