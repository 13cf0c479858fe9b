//! OpenAI Chat Completions, and what the servers that imitate it really send.

mod request;
mod stream;

pub(super) use request::request;
pub(super) use stream::Interpreter;
