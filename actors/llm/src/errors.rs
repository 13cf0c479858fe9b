//! What goes wrong, by who can mend it, in sentences that say what to do. Whatever a server says passes
//! [`Access::quote`] on its way into one.

use ipc::{Code, Refusal};
use serde_json::Value;

use crate::{access::Access, words::clean};

/// What goes wrong while an answer is read.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server says that it failed.
    Said(ServerError),
    /// It does not speak the protocol.
    Nonsense(String),
    /// The stream ended before the answer.
    Broken(&'static str),
    /// The model has no room left to write.
    ContextFull,
}

impl Trouble {
    /// It does not speak the protocol, and this is how.
    pub(crate) fn nonsense(how: impl Into<String>) -> Trouble {
        Trouble::Nonsense(how.into())
    }
}

/// A server's own account of a failure, in any of the forms that servers use.
#[derive(Debug, Default)]
pub(crate) struct ServerError {
    /// Every name it gives to the failure.
    kinds: String,
    /// Its words.
    message: String,
    /// The status, where it stands in the body.
    status: Option<u16>,
}

impl ServerError {
    /// Reads the value of `error`: an object, or words alone.
    pub(crate) fn read(error: &Value) -> ServerError {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut kinds = String::new();
        let named = [error.get("type"), error.get("code"), error.get("status"), error.pointer("/details/error_code")];
        for kind in named.into_iter().flatten().filter_map(Value::as_str) {
            kinds.push_str(&kind.to_ascii_lowercase());
            kinds.push(' ');
        }
        ServerError {
            kinds,
            message: text(error)
                .or_else(|| error.get("message").and_then(text))
                .or_else(|| error.get("detail").and_then(text))
                .unwrap_or_default(),
            status: error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()),
        }
    }

    /// Reads the body of an answer that is not a success. A web page says nothing.
    pub(crate) fn read_body(body: &[u8]) -> ServerError {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => ServerError::read(value.get("error").unwrap_or(&value)),
            Err(_) => {
                let words = clean(&String::from_utf8_lossy(body));
                let message = if words.starts_with('<') { "a web page".to_owned() } else { words };
                ServerError { message, ..ServerError::default() }
            }
        }
    }

    /// It names a limit on money, which waiting does not lift.
    pub(crate) fn is_spend_limit(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        ["spend_limit", "insufficient_quota", "billing"].iter().any(|kind| self.kinds.contains(kind))
            || ["spend limit", "spending limit", "spending cap", "credit balance"].iter().any(|words| message.contains(words))
    }

    fn names(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.kinds.contains(kind))
    }

    fn is_too_long(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.names(&["context_length_exceeded", "exceed_context_size", "context_window_exceeded", "request_too_large"])
            || ["prompt is too long", "maximum context length", "exceeds the available context size"]
                .iter()
                .any(|words| message.contains(words))
    }

    fn code(&self, status: Option<u16>) -> Code {
        match status.or(self.status) {
            Some(401 | 403) => Code::KeyRejected,
            Some(413) => Code::ContextTooLong,
            _ if self.is_too_long() => Code::ContextTooLong,
            _ if self.names(&["authentication_error", "permission_error", "invalid_api_key"]) => Code::KeyRejected,
            _ if self.names(&["overloaded", "rate_limit", "insufficient_quota", "unavailable_error"]) => Code::ModelBusy,
            Some(408 | 409 | 429 | 500..) => Code::ModelBusy,
            Some(_) => Code::ModelRefused,
            None if self.names(&["invalid_request", "not_found", "billing"]) => Code::ModelRefused,
            None => Code::StreamBroken,
        }
    }
}

/// Trouble, said to a person.
pub(crate) fn refusal(access: &Access, trouble: &Trouble) -> Refusal {
    let server = access.origin().name();
    match trouble {
        Trouble::Said(error) => said(access, None, error),
        Trouble::Nonsense(how) => {
            let (name, how) = (access.profile().name, access.quote(how));
            let sentence =
                format!("{server} does not speak as {name} servers do: {how}; check the base URL and which interface it is");
            Refusal::new(Code::ModelNonsense, sentence)
        }
        Trouble::Broken(how) => Refusal::new(
            Code::StreamBroken,
            format!("{server} broke off ({how}); what had arrived is kept, ask again for the rest"),
        ),
        Trouble::ContextFull => too_long(&server, ""),
    }
}

/// What a server says about a failure, with the status of its answer if it failed at once.
pub(crate) fn said(access: &Access, status: Option<u16>, error: &ServerError) -> Refusal {
    let server = access.origin().name();
    let quote = access.quote(&error.message);
    let detail = match (status.or(error.status), quote.as_str()) {
        (Some(status), "") => format!(" ({status})"),
        (Some(status), quote) => format!(" ({status}: “{quote}”)"),
        (None, "") => String::new(),
        (None, quote) => format!(" (“{quote}”)"),
    };
    let code = error.code(status);
    let sentence = match code {
        Code::KeyRejected if !access.is_keyed() => format!("{server} wants a key{detail}; give it one"),
        Code::KeyRejected => format!("{server} refuses the key{detail}; check it and enter it again"),
        Code::ContextTooLong => return too_long(&server, &detail),
        Code::ModelBusy if error.is_spend_limit() => {
            format!("a limit on spending is reached at {server}{detail}; raise it there or choose another model")
        }
        Code::ModelBusy => format!("{server} is overloaded or at a limit{detail}; wait a little or choose another model"),
        Code::StreamBroken => format!("{server} broke off{detail}; what had arrived is kept, ask again for the rest"),
        _ if status == Some(404) => {
            format!("{server} does not know this model or this address{detail}; check the model's name and the base URL")
        }
        _ if status == Some(402) => format!("{server} wants to be paid{detail}; see to your account there"),
        _ => format!("{server} refuses the request{detail}; change the question or choose another model"),
    };
    Refusal::new(code, sentence)
}

fn too_long(server: &str, detail: &str) -> Refusal {
    let sentence = format!(
        "the conversation is longer than the model at {server} can read{detail}; begin a new one or choose another model"
    );
    Refusal::new(Code::ContextTooLong, sentence)
}

#[cfg(test)]
mod tests {
    use ipc::{
        messages::{crypto::ApiKey, llm::Wire},
        secret::Secret,
    };

    use super::*;

    fn access(key: &[u8]) -> Access {
        let released = ApiKey { base_url: "https://a.example/v1".into(), key: Secret::new(key.to_vec()) };
        Access::new(Wire::OpenAiChat, released).expect("access")
    }

    #[test]
    fn every_form_of_failure_has_its_code() {
        #[rustfmt::skip]
        let rows: &[(Option<u16>, &str, Code)] = &[
            (Some(400), r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#, Code::ModelRefused),
            (Some(400), r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#, Code::ContextTooLong),
            (Some(400), r#"{"error":{"code":400,"message":"m","type":"exceed_context_size_error","n_prompt_tokens":9}}"#, Code::ContextTooLong),
            (Some(400), r#"{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#, Code::ContextTooLong),
            (Some(400), r#"{"object":"error","message":"This model's maximum context length is 9","code":400}"#, Code::ContextTooLong),
            (Some(413), "", Code::ContextTooLong),
            (Some(401), r#"{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}"#, Code::KeyRejected),
            (Some(403), "<html>", Code::KeyRejected),
            (Some(402), r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#, Code::ModelRefused),
            (Some(404), r#"{"error":"model \"x\" not found"}"#, Code::ModelRefused),
            (Some(422), r#"{"detail":"m"}"#, Code::ModelRefused),
            (Some(429), r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"m"}}"#, Code::ModelBusy),
            (Some(500), "<!doctype html><h1>oops</h1>", Code::ModelBusy),
            (Some(529), r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Code::ModelBusy),
            (None, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Code::ModelBusy),
            (None, r#"{"error":{"type":"api_error","message":"m"}}"#, Code::StreamBroken),
            (None, r#"{"error":{"code":502,"message":"m"}}"#, Code::ModelBusy),
            (None, r#"{"error":{"code":"401","message":"m"}}"#, Code::StreamBroken),
            (None, r#"{"error":"words alone"}"#, Code::StreamBroken),
            (None, r#"{"error":{"type":"invalid_request_error","message":"m"}}"#, Code::ModelRefused),
        ];
        for (status, body, code) in rows {
            let refusal = said(&access(b"sk-canary"), *status, &ServerError::read_body(body.as_bytes()));
            assert_eq!(refusal.code, *code, "{status:?} {body}");
            assert!(refusal.sentence.contains("https://a.example") && refusal.sentence.contains("; "), "{}", refusal.sentence);
            assert!(!refusal.sentence.contains('<'), "{}", refusal.sentence);
        }
    }

    #[test]
    fn a_failure_that_repeats_the_key_does_not_show_it() {
        let body = br#"{"error":{"message":"Incorrect API key provided: sk-canary\u001b[2J","type":"invalid_request_error"}}"#;
        let sentence = said(&access(b"sk-canary"), Some(401), &ServerError::read_body(body)).sentence;
        assert!(sentence.contains("[key]") && !sentence.contains("canary") && !sentence.contains('\u{1b}'), "{sentence}");
        let trouble = Trouble::nonsense("it said sk-canary");
        assert!(!refusal(&access(b"sk-canary"), &trouble).sentence.contains("canary"));
    }

    #[test]
    fn who_sent_no_key_is_asked_for_one() {
        let sentence = said(&access(b""), Some(401), &ServerError::default()).sentence;
        assert!(sentence.contains("wants a key (401); give it one"), "{sentence}");
    }

    #[test]
    fn money_is_told_from_haste() {
        let spent = [
            r#"{"error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
            r#"{"error":{"type":"rate_limit_error","message":"You have reached your monthly spend limit."}}"#,
            r#"{"error":{"type":"insufficient_quota","message":"m"}}"#,
        ];
        for body in spent {
            assert!(ServerError::read_body(body.as_bytes()).is_spend_limit(), "{body}");
        }
        assert!(!ServerError::read_body(br#"{"error":{"type":"rate_limit_error","message":"slow down"}}"#).is_spend_limit());
    }
}
