//! JSON-RPC 2.0, as much of it as a line needs.

use ipc::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request.
#[derive(Debug, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
pub struct Error {
    /// One of the standard's numbers, or the number of a refusal.
    pub code: i64,
    /// A sentence.
    pub message: String,
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

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        let code = Code::ALL.iter().copied().find(|&code| i64::from(code as u16) == error.code);
        Refusal::new(code.unwrap_or(Code::Internal), error.message)
    }
}
