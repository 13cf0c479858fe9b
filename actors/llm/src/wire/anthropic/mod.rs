//! Anthropic Messages.

mod request;
mod stream;

pub(super) use request::request;
pub(super) use stream::Interpreter;

/// Begins the seal of a thinking block that is nothing but a seal: it must be sent back as another kind of block. No
/// provider's seal holds a colon.
const REDACTED: &str = "redacted:";
