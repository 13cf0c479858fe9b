//! What is sent, byte by byte where it matters.

use ipc::messages::{
    chat::{Part, ToolResult},
    llm::{Complete, ModelChoice, Said, Tool},
};
use serde_json::{Value, json};

use super::*;
use crate::wire::{body, complete_path, models_path};

fn asked() -> Complete {
    let words = |text: &str| Part::Text(text.into());
    let result = |call: &str, ok, text: &str| Part::Result(ToolResult { call: call.into(), ok, text: text.into() });
    let said = |by_model, parts| Said { by_model, parts };
    Complete {
        model: ModelChoice { lease: 1, wire: Wire::OpenAiChat, model: "ignored".into() },
        system: "Be kind.".into(),
        messages: vec![
            said(false, vec![words("What is 6*7?"), words("Use Python.")]),
            said(
                true,
                vec![
                    Part::Thinking { text: "Hm".into(), signature: "c2VhbA==".into() },
                    Part::Thinking { text: String::new(), signature: "redacted:ZGF0YQ==".into() },
                    Part::Thinking { text: "of another provider".into(), signature: String::new() },
                    words("Let "),
                    words("me see."),
                    Part::Call(call("call.1", "python", r#"{"z":1, "a":2}"#)),
                    Part::Call(call("b", "clock", "")),
                ],
            ),
            said(false, vec![words("Hurry."), result("b", false, "no clock"), result("call.1", true, "42")]),
        ],
        tools: vec![
            Tool {
                name: "python".into(),
                description: "Runs.".into(),
                schema: r#"{"type":"object","properties":{"z":{},"a":{}}}"#.into(),
            },
            Tool { name: "clock".into(), description: String::new(), schema: String::new() },
        ],
        max_tokens: 100,
    }
}

fn sent(url: &str, wire: Wire, request: &Complete) -> String {
    String::from_utf8(body(access(url, wire).profile(), "m", request).expect("a body")).expect("text")
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn openai_gets_messages_with_roles() {
    let sent = sent(ANY, Wire::OpenAiChat, &asked());
    let wanted = json!({
        "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 100,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "What is 6*7?\n\nUse Python."},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [
                {"id": "call.1", "type": "function", "function": {"name": "python", "arguments": "{\"z\":1, \"a\":2}"}},
                {"id": "b", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "call.1", "content": "42"},
            {"role": "tool", "tool_call_id": "b", "content": "no clock"},
            {"role": "user", "content": "Hurry."},
        ],
        "tools": [
            {"type": "function", "function": {"name": "python", "description": "Runs.", "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}},
            {"type": "function", "function": {"name": "clock", "description": "", "parameters": {"type": "object", "properties": {}}}},
        ],
    });
    assert_eq!(value(&sent), wanted);
    assert!(sent.contains(r#"{"z":{},"a":{}}"#), "the order of a schema's fields is the tool's own: {sent}");
    assert!(!sent.contains("Hm") && !sent.contains("another provider"), "thinking is not sent: {sent}");
}

#[test]
fn openai_itself_gets_its_own_names() {
    let sent = value(&sent(OPENAI, Wire::OpenAiChat, &asked()));
    assert_eq!(sent["max_completion_tokens"], 100);
    assert_eq!(sent.get("max_tokens"), None);
    assert_eq!(sent["stream_options"], json!({"include_usage": true, "include_obfuscation": false}));
}

#[test]
fn anthropic_gets_blocks() {
    let sent = sent(ANTHROPIC, Wire::Anthropic, &asked());
    let wanted = json!({
        "model": "m", "stream": true, "max_tokens": 100, "system": "Be kind.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is 6*7?"}, {"type": "text", "text": "Use Python."}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "c2VhbA=="},
                {"type": "redacted_thinking", "data": "ZGF0YQ=="},
                {"type": "text", "text": "Let "},
                {"type": "text", "text": "me see."},
                {"type": "tool_use", "id": "call_1", "name": "python", "input": {"z": 1, "a": 2}},
                {"type": "tool_use", "id": "b", "name": "clock", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "42"},
                {"type": "tool_result", "tool_use_id": "b", "content": "no clock", "is_error": true},
                {"type": "text", "text": "Hurry."},
            ]},
        ],
        "tools": [
            {"name": "python", "description": "Runs.", "input_schema": {"type": "object", "properties": {"z": {}, "a": {}}}},
            {"name": "clock", "description": "", "input_schema": {"type": "object", "properties": {}}},
        ],
    });
    assert_eq!(value(&sent), wanted);
}

#[test]
fn a_turn_that_was_stopped_while_it_thought_does_not_end_in_thinking() {
    let thought = |signature: &str| Part::Thinking { text: "Hm".into(), signature: signature.into() };
    let mut request = asked();
    request.messages.truncate(1);
    let next = || Said { by_model: false, parts: vec![Part::Text("Go on.".into())] };
    let answered = |parts: Vec<Part>| {
        let mut request = request.clone();
        request.messages.extend([Said { by_model: true, parts }, next()]);
        value(&sent(ANTHROPIC, Wire::Anthropic, &request))["messages"].clone()
    };
    let only_thought = answered(vec![thought("c2VhbA=="), thought("redacted:ZGF0YQ==")]);
    assert_eq!(only_thought.as_array().map(Vec::len), Some(1), "nothing is left of it: {only_thought}");
    assert_eq!(only_thought[0]["content"][2]["text"], "Go on.");
    let spoke = answered(vec![thought("c2VhbA=="), Part::Text("Let me".into()), thought("c2VhbA=="), Part::Text(" ".into())]);
    let kinds: Vec<_> = spoke[1]["content"].as_array().expect("blocks").iter().map(|block| block["type"].clone()).collect();
    assert_eq!(kinds, ["thinking", "text"], "{spoke}");
}

#[test]
fn nothing_is_sent_that_was_not_asked_for() {
    let mut request = asked();
    (request.system, request.tools, request.max_tokens) = (String::new(), Vec::new(), 0);
    request.messages.truncate(1);
    for (url, wire) in [(OPENAI, Wire::OpenAiChat), (ANY, Wire::OpenAiChat), (ANTHROPIC, Wire::Anthropic)] {
        let sent = value(&sent(url, wire, &request));
        for field in ["temperature", "top_p", "top_k", "tools", "system", "thinking", "tool_choice"] {
            assert_eq!(sent.get(field), None, "{field} to {url}");
        }
        let most = sent.get("max_tokens").or(sent.get("max_completion_tokens"));
        assert_eq!(most, Some(&json!(1)), "no server takes 0");
    }
}

#[test]
fn what_is_no_object_is_not_sent() {
    let mut call_is_none = asked();
    if let Part::Call(call) = &mut call_is_none.messages[1].parts[5] {
        call.arguments = "[1]".into();
    }
    let mut schema_is_none = asked();
    schema_is_none.tools[0].schema = "{".into();
    for request in [call_is_none, schema_is_none] {
        for (url, wire) in [(ANY, Wire::OpenAiChat), (ANTHROPIC, Wire::Anthropic)] {
            assert!(body(access(url, wire).profile(), "m", &request).is_err());
        }
    }
}

#[test]
fn places_are_where_the_interfaces_put_them() {
    let rows = [
        ("https://api.openai.com/v1", Wire::OpenAiChat, "/v1/chat/completions", "/v1/models"),
        ("http://127.0.0.1:8099/v1/", Wire::OpenAiChat, "/v1/chat/completions", "/v1/models"),
        ("https://api.anthropic.com", Wire::Anthropic, "/v1/messages", "/v1/models"),
        ("https://api.anthropic.com/v1", Wire::Anthropic, "/v1/messages", "/v1/models"),
        ("https://api.anthropic.com/v1/", Wire::Anthropic, "/v1/messages", "/v1/models"),
        ("https://a.example/x", Wire::Anthropic, "/x/v1/messages", "/x/v1/models"),
    ];
    for (url, wire, complete, models) in rows {
        let access = access(url, wire);
        assert_eq!(access.origin().at(complete_path(wire, access.origin())).path(), complete, "{url}");
        assert_eq!(access.origin().at(models_path(wire, access.origin())).path(), models, "{url}");
    }
}
