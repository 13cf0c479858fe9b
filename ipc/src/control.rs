//! The control socket's side of the wire: lines, and JSON-RPC 2.0, as much of it as a line needs.
//!
//! Bytes go in and lines come out; who reads the socket and who answers is not this room's business.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::refusal::{Code, Refusal};

/// Longest line that is waited for, in bytes.
pub const MAX_LINE: usize = 64 << 10;

/// Why no line comes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// It has not ended within [`MAX_LINE`].
    #[error("accept a line of more than {MAX_LINE} bytes")]
    TooLong,
    /// It is not UTF-8.
    #[error("accept a line that is not UTF-8")]
    NotText,
}

/// Cuts lines out of what arrives.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// Where what arrives is to be put. Take lines out before more is.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The next line without its end, or `None` until more bytes have come.
    pub fn take(&mut self) -> Result<Option<String>, BadLine> {
        let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') else {
            return if self.buffer.len() > MAX_LINE { Err(BadLine::TooLong) } else { Ok(None) };
        };
        let rest = self.buffer.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.buffer, rest);
        line.pop();
        if line.len() > MAX_LINE {
            return Err(BadLine::TooLong);
        }
        String::from_utf8(line).map(Some).map_err(|_| BadLine::NotText)
    }

    /// Whether nothing has come after the last line.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `"2.0"`.
    pub jsonrpc: String,
    /// Which answer belongs to it.
    #[serde(default)]
    pub id: Value,
    /// What is asked for.
    pub method: String,
    /// With what.
    #[serde(default)]
    pub params: Value,
}

/// An answer: one of `result` and `error`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// `"2.0"`.
    pub jsonrpc: String,
    /// The request's.
    pub id: Value,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Error {
    /// One of the standard's numbers, or the number of a refusal.
    pub code: i64,
    /// A sentence.
    pub message: String,
}

/// What a command line that wants to be attached says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION) of it.
    pub version: u8,
    /// [`SCHEMA_HASH`](crate::SCHEMA_HASH) of it.
    pub schema: u64,
    /// Its program's version.
    pub program: String,
    /// It keeps the tree up for others.
    pub serves: bool,
    /// Of one that serves: for how many seconds nobody has to ask for anything until the open space is locked; 0 for never. Ten
    /// minutes if it does not say.
    #[serde(default)]
    pub lock_after: Option<u64>,
}

impl Attach {
    /// Reads the `params` of the request `attach`.
    pub fn read(params: Value) -> Result<Attach, serde_json::Error> {
        serde_json::from_value(params)
    }
}

/// The line is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// The line is JSON and not a request.
pub const INVALID_REQUEST: i64 = -32600;
/// There is no such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The method is not asked for like this.
pub const INVALID_PARAMS: i64 = -32602;

impl Request {
    /// The line of a request.
    pub fn line(method: &str, params: Value) -> String {
        serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
    }

    /// Reads a line.
    pub fn read(line: &str) -> Result<Request, Error> {
        let wrong = |code, what: &str, error: serde_json::Error| Error { code, message: format!("{what}: {error}") };
        let value: Value = serde_json::from_str(line).map_err(|error| wrong(PARSE_ERROR, "not JSON", error))?;
        serde_json::from_value(value).map_err(|error| wrong(INVALID_REQUEST, "not a request", error))
    }
}

impl Response {
    /// Reads a line; `None` if it is no answer.
    pub fn read(line: &str) -> Option<Response> {
        serde_json::from_str(line).ok()
    }
}

/// The line of a good answer.
pub fn result(id: &Value, result: Value) -> String {
    serde_json::json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

/// The line of a bad one.
pub fn error(id: &Value, code: i64, message: &str) -> String {
    serde_json::json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }).to_string()
}

/// The line of something that nobody asked for just now.
pub fn notification(method: &str, params: Value) -> String {
    serde_json::json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

/// The line of a refusal.
pub fn refused(id: &Value, refusal: &Refusal) -> String {
    error(id, i64::from(refusal.code as u16), &refusal.sentence)
}

impl Error {
    /// The refusal it was made from, as far as a line can say it.
    pub fn into_refusal(self) -> Refusal {
        let code = Code::ALL.iter().copied().find(|&code| i64::from(code as u16) == self.code);
        Refusal::new(code.unwrap_or(Code::Internal), self.message)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(lines: &mut Lines) -> Vec<Result<String, BadLine>> {
        std::iter::from_fn(|| lines.take().transpose()).collect()
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_is_the_last() {
        let mut lines = Lines::default();
        lines.buffer().extend([b'x'; MAX_LINE]);
        assert_eq!(lines.take(), Ok(None));
        lines.buffer().push(b'x');
        assert_eq!(lines.take(), Err(BadLine::TooLong));
        lines.buffer().push(b'\n');
        assert_eq!(lines.take(), Err(BadLine::TooLong));
        lines.buffer().extend(b"\xff\n");
        assert_eq!(lines.take(), Err(BadLine::NotText));
    }

    #[test]
    fn a_refusal_is_read_as_it_was_said() {
        let refusal = Refusal::new(Code::Draining, "later");
        let response = Response::read(&refused(&Value::from(7), &refusal)).expect("an answer");
        assert_eq!((response.id, response.error.map(Error::into_refusal)), (Value::from(7), Some(refusal)));
    }

    proptest! {
        #[test]
        fn lines_come_out_whole_however_the_bytes_are_cut(
            said in prop::collection::vec("[^\n]{0,80}", 0..8),
            cuts in prop::collection::vec(1usize..40, 1..100),
        ) {
            let stream: Vec<u8> = said.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
            let (mut lines, mut got, mut rest) = (Lines::default(), Vec::new(), &stream[..]);
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap_or(&1)));
                lines.buffer().extend_from_slice(now);
                got.extend(taken(&mut lines));
                rest = later;
            }
            prop_assert_eq!(got, said.into_iter().map(Ok).collect::<Vec<_>>());
            prop_assert!(lines.is_empty());
        }

        #[test]
        fn a_request_is_read_as_it_was_written(method in ".{0,40}", number in any::<u64>()) {
            let line = Request::line(&method, serde_json::json!({ "schema": number }));
            let request = Request::read(&line).expect("a request");
            prop_assert_eq!(request.params["schema"].as_u64(), Some(number));
            prop_assert_eq!(request.method, method);
        }
    }
}
