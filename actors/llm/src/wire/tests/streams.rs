//! What each kind of server sends, row by row.

use ipc::Code;

use super::*;
use crate::errors::refusal;

/// The data lines of a stream, each an event of its own.
fn stream(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("data: {line}\n\n")).collect()
}

fn openai(url: &str, lines: &[&str]) -> (Vec<ModelEvent>, Result<Completed, Code>) {
    of(url, Wire::OpenAiChat, &stream(lines))
}

fn anthropic(lines: &[&str]) -> (Vec<ModelEvent>, Result<Completed, Code>) {
    of(ANTHROPIC, Wire::Anthropic, &stream(lines))
}

fn of(url: &str, wire: Wire, stream: &str) -> (Vec<ModelEvent>, Result<Completed, Code>) {
    let (events, result) = read(url, wire, [stream.as_bytes()]);
    (events, result.map_err(|trouble| refusal(&access(url, wire), &trouble).code))
}

/// How a Messages stream that must fail is refused.
fn of_sentence(stream: &str) -> String {
    let trouble = read(ANTHROPIC, Wire::Anthropic, [stream.as_bytes()]).1.expect_err("a failure");
    refusal(&access(ANTHROPIC, Wire::Anthropic), &trouble).sentence
}

fn finished(usage: (u64, u64), model: &str) -> Result<Completed, Code> {
    Ok(completed(Stop::Finished, vec![], usage, model))
}

fn calls(calls: Vec<ToolCall>) -> Result<Completed, Code> {
    Ok(completed(Stop::ToolUse, calls, (0, 0), "asked"))
}

const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const CALLS: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
const DONE: &str = "[DONE]";

#[test]
fn openai_itself() {
    let answer = openai(
        OPENAI,
        &[
            r#"{"id":"c","object":"chat.completion.chunk","model":"gpt-x","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null,"obfuscation":"abc"}"#,
            r#"{"model":"gpt-x","choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
            r#"{"model":"gpt-x","choices":[{"index":1,"delta":{"content":"of another answer"},"finish_reason":"length"}]}"#,
            r#"{"model":"gpt-x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
            r#"{"model":"gpt-x","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}"#,
            DONE,
            r#"{"choices":[{"index":0,"delta":{"content":"after the end"}}]}"#,
        ],
    );
    assert_eq!(answer, (vec![text("Hi")], finished((9, 2), "gpt-x")));
}

#[test]
fn what_the_imitators_do() {
    let openrouter = ": OPENROUTER PROCESSING\n\n".to_owned()
        + &stream(&[
            r#"{"model":"a/b","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"hm","reasoning_details":[{"type":"x"}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop","native_finish_reason":"end"}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            DONE,
        ]);
    let wanted = (vec![thinking("hm"), text("Hi")], finished((1, 2), "a/b"));
    assert_eq!(of(OPENROUTER, Wire::OpenAiChat, &openrouter), wanted);

    // vLLM in its newer and older form, and one that sends both: once is enough.
    for fields in [r#""reasoning":"hm""#, r#""reasoning_content":"hm""#, r#""reasoning":"hm","reasoning_content":"hm""#] {
        let delta = format!(r#"{{"choices":[{{"index":0,"delta":{{{fields}}}}}]}}"#);
        assert_eq!(openai(ANY, &[&delta, STOP, DONE]), (vec![thinking("hm")], finished((0, 0), "asked")), "{fields}");
    }

    // Gateways: no `[DONE]`, comments as data, an empty reason with every chunk, keys without values.
    let gateway = openai(
        ANY,
        &[
            ": keepalive",
            r#"{"choices":[{"delta":{"content":"Hi"},"finish_reason":""}],"error":null,"model":null}"#,
            r#"{"choices":null}"#,
            r#"{"choices":[{"finish_reason":"end_of_text"}]}"#,
        ],
    );
    assert_eq!(gateway, (vec![text("Hi")], finished((0, 0), "asked")));
}

#[test]
fn parts_of_calls_find_each_other() {
    let parts = |parts: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{parts}]}}}}]}}"#);
    let two = vec![call("a", "f", r#"{"x":1}"#), call("b", "g", r#"{"y":2}"#)];

    let mixed = [
        parts(r#"{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}"#),
        parts(r#"{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{\"y\""}}"#),
        parts(r#"{"index":0,"function":{"arguments":"{\"x\":"}},{"index":1,"function":{"arguments":":2}"}}"#),
        parts(r#"{"index":0,"function":{"arguments":"1}"}}"#),
    ];
    let mixed: Vec<&str> = mixed.iter().map(String::as_str).chain([CALLS, DONE]).collect();
    for url in [OPENAI, OPENROUTER, OLLAMA, ANY] {
        assert_eq!(openai(url, &mixed), (vec![], calls(two.clone())), "{url}");
    }

    // Ollama: no index before 0.4.7, later 0 for every call.
    let whole = |index: &str, id: &str, name: &str, arguments: &str| {
        parts(&format!(r#"{{{index}"id":"{id}","type":"function","function":{{"name":"{name}","arguments":"{arguments}"}}}}"#))
    };
    for index in ["", r#""index":0,"#] {
        let lines = [whole(index, "a", "f", r#"{\"x\":1}"#), whole(index, "b", "g", r#"{\"y\":2}"#)];
        for url in [OLLAMA, ANY] {
            assert_eq!(openai(url, &[&lines[0], &lines[1], CALLS, DONE]), (vec![], calls(two.clone())), "{index} {url}");
        }
        // Where the interface is kept to, this is a fault.
        assert_eq!(openai(OPENAI, &[&lines[0], &lines[1], CALLS, DONE]).1, Err(Code::ModelNonsense), "{index}");
    }

    // Servers that repeat the id and the name, and one that gives no ids.
    let repeated = [whole(r#""index":0,"#, "a", "f", r#"{\"x\""#), whole(r#""index":0,"#, "a", "f", ":1}")];
    assert_eq!(openai(ANY, &[&repeated[0], &repeated[1], CALLS, DONE]).1, calls(two[..1].to_vec()));
    let nameless = [whole("", "", "f", r#"{\"x\":1}"#), whole("", "", "g", r#"{\"y\":2}"#)];
    let named = vec![call("call_0", "f", r#"{"x":1}"#), call("call_1", "g", r#"{"y":2}"#)];
    assert_eq!(openai(ANY, &[&nameless[0], &nameless[1], CALLS, DONE]).1, calls(named));
}

#[test]
fn a_call_with_another_end_is_believed_only_when_it_is_whole() {
    let part = |arguments: &str| {
        let function = format!(r#""function":{{"name":"f","arguments":"{arguments}"}}"#);
        format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"id":"a",{function}}}]}}}}]}}"#)
    };
    let (whole, half) = (part(r#"{\"x\":1}"#), part(r#"{\"x\":"#));
    let reason = |reason: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#);
    let one = || calls(vec![call("a", "f", r#"{"x":1}"#)]);
    let without = |stop| Ok(completed(stop, vec![], (0, 0), "asked"));

    assert_eq!(openai(ANY, &[&whole, STOP, DONE]).1, one());
    assert_eq!(openai(ANY, &[&whole, CALLS]).1, one());
    assert_eq!(openai(ANY, &[&whole, &reason("function_call"), DONE]).1, one());
    // Whole or not, these are not asked for.
    assert_eq!(openai(ANY, &[&whole, STOP]).1, Err(Code::StreamBroken));
    assert_eq!(openai(ANY, &[&half, STOP, DONE]).1, Err(Code::ModelNonsense));
    assert_eq!(openai(ANY, &[&half, CALLS, DONE]).1, Err(Code::ModelNonsense));
    assert_eq!(openai(ANY, &[&whole, DONE]).1, Err(Code::StreamBroken));
    assert_eq!(openai(ANY, &[&whole]).1, Err(Code::StreamBroken));
    assert_eq!(openai(ANY, &[&whole, &reason("error"), DONE]).1, Err(Code::StreamBroken));
    assert_eq!(openai(ANY, &[&whole, &reason("length"), DONE]).1, without(Stop::TooLong));
    assert_eq!(openai(ANY, &[&half, &reason("length"), DONE]).1, without(Stop::TooLong));
    assert_eq!(openai(ANY, &[&whole, &reason("content_filter"), DONE]).1, without(Stop::Declined));
    // A reason to call, and no call.
    assert_eq!(openai(ANY, &[CALLS, DONE]).1, without(Stop::Finished));
}

#[test]
fn failures_after_a_good_beginning() {
    let hi = r#"{"choices":[{"index":0,"delta":{"content":"Hi"}}]}"#;
    #[rustfmt::skip]
    let rows = [
        (&[hi][..], Code::StreamBroken),
        (&[hi, DONE], Code::StreamBroken),
        (&[hi, r#"{"error":{"message":"overloaded","type":"overloaded_error"}}"#], Code::ModelBusy),
        (&[hi, r#"{"error":{"code":502,"message":"provider died"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#], Code::ModelBusy),
        (&[hi, STOP, r#"{"error":{"message":"late"}}"#, DONE], Code::StreamBroken),
        (&[hi, r#"{"error":"an error as words"}"#], Code::StreamBroken),
        (&[hi, "<html>"], Code::ModelNonsense),
        (&[hi, r#"{"choices":"#], Code::ModelNonsense),
        (&[hi, r#"{"choices":[{"index":0,"delta":{"content":{"a":1}}}]}"#], Code::ModelNonsense),
    ];
    for (lines, code) in rows {
        assert_eq!(openai(ANY, lines), (vec![text("Hi")], Err(code)), "{lines:?}");
    }
    // vLLM's older form, and a failure that only its event names; neither may pass for an end.
    let vllm = r#"{"object":"error","message":"out of memory","type":"InternalServerError","code":500}"#;
    assert_eq!(openai(ANY, &[hi, STOP, vllm, DONE]), (vec![text("Hi")], Err(Code::ModelBusy)));
    for data in [r#"{"message":"the model crashed"}"#, "the model crashed"] {
        let named = format!("{}event: error\ndata: {data}\n\n{}", stream(&[hi, STOP]), stream(&[DONE]));
        let (events, result) = read(ANY, Wire::OpenAiChat, [named.as_bytes()]);
        let said = refusal(&access(ANY, Wire::OpenAiChat), &result.expect_err(data));
        assert_eq!((events, said.code), (vec![text("Hi")], Code::StreamBroken), "{data}");
        assert!(said.sentence.contains("“the model crashed”"), "{}", said.sentence);
    }
    let declined = openai(OPENAI, &[r#"{"choices":[{"index":0,"delta":{"refusal":"I will not."}}]}"#, STOP, DONE]);
    assert_eq!(declined, (vec![text("I will not.")], Ok(completed(Stop::Declined, vec![], (0, 0), "asked"))));
}

const BEGIN: &str = r#"{"type":"message_start","message":{"model":"claude-x","usage":{"input_tokens":5,"output_tokens":1}}}"#;
const TEXT: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
const END: &str = r#"{"type":"message_stop"}"#;

fn ends(reason: &str) -> String {
    format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{{"output_tokens":7}}}}"#)
}

#[test]
fn anthropic_ends_in_many_ways() {
    let rows = [
        ("end_turn", Ok(Stop::Finished)),
        ("stop_sequence", Ok(Stop::Finished)),
        ("pause_turn", Ok(Stop::Finished)),
        ("something_new", Ok(Stop::Finished)),
        ("max_tokens", Ok(Stop::TooLong)),
        ("refusal", Ok(Stop::Declined)),
        ("tool_use", Ok(Stop::Finished)),
        ("model_context_window_exceeded", Err(Code::ContextTooLong)),
    ];
    for (reason, wanted) in rows {
        let wanted = wanted.map(|stop| completed(stop, vec![], (5, 7), "claude-x"));
        assert_eq!(anthropic(&[BEGIN, TEXT, &ends(reason), END]), (vec![text("Hi")], wanted), "{reason}");
        assert!(anthropic(&[BEGIN, TEXT, &ends(reason)]).1.is_err(), "{reason} without an end");
    }
    assert_eq!(anthropic(&[BEGIN, TEXT, END]).1, Err(Code::StreamBroken));
    assert_eq!(anthropic(&[BEGIN, TEXT, DONE]).1, Err(Code::ModelNonsense));
}

#[test]
fn anthropic_fails_in_many_ways() {
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(anthropic(&[BEGIN, TEXT, overloaded]), (vec![text("Hi")], Err(Code::ModelBusy)));
    // llama.cpp's are of the other interface's form.
    let shaped = r#"{"error":{"code":500,"message":"m","type":"server_error"}}"#;
    assert_eq!(anthropic(&[BEGIN, shaped]).1, Err(Code::ModelBusy));
    let worded = of_sentence("event: error\ndata: {\"message\":\"the model crashed\"}\n\n");
    assert!(worded.contains("“the model crashed”"), "{worded}");
    let named = "event: error\ndata: {}\n\n";
    assert_eq!(of(ANTHROPIC, Wire::Anthropic, named).1, Err(Code::StreamBroken));
    let ping = format!("event: ping\ndata: pong\n\n{}", stream(&[BEGIN, TEXT, &ends("end_turn"), END]));
    assert_eq!(of(ANTHROPIC, Wire::Anthropic, &ping).1, finished((5, 7), "claude-x"));
}

#[test]
fn a_call_of_anthropics_must_stop_twice() {
    let open = r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#;
    let json = r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x\":1}"}}"#;
    let stop = r#"{"type":"content_block_stop","index":1}"#;
    let tool_use = &ends("tool_use");
    let wanted = completed(Stop::ToolUse, vec![call("t", "f", r#"{"x":1}"#)], (0, 7), "asked");
    assert_eq!(anthropic(&[open, json, stop, tool_use, END]).1, Ok(wanted));
    assert_eq!(anthropic(&[open, json, tool_use, END]).1, Err(Code::StreamBroken), "the block did not stop");
    assert_eq!(anthropic(&[open, json, stop, &ends("end_turn"), END]).1, Err(Code::ModelNonsense), "it was not asked for");
    assert_eq!(anthropic(&[open, json, stop, &ends("max_tokens"), END]).1.map(|all| all.calls.len()), Ok(0));
    assert_eq!(anthropic(&[open, json, stop, tool_use]).1, Err(Code::StreamBroken), "the message did not stop");
    assert_eq!(anthropic(&[json, stop, tool_use, END]).1, Err(Code::ModelNonsense), "it never began");
}

#[test]
fn thinking_comes_with_its_seal() {
    let start = |index, block: &str| format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#);
    let stop = |index| format!(r#"{{"type":"content_block_stop","index":{index}}}"#);
    let delta = |index, delta: &str| format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#);
    let lines = [
        start(0, r#"{"type":"thinking","thinking":"","signature":""}"#),
        delta(0, r#"{"type":"thinking_delta","thinking":"Hm"}"#),
        delta(0, r#"{"type":"signature_delta","signature":"c2VhbA=="}"#),
        stop(0),
        start(1, r#"{"type":"redacted_thinking","data":"ZGF0YQ=="}"#),
        stop(1),
        start(2, r#"{"type":"text","text":"So "}"#),
        delta(2, r#"{"type":"text_delta","text":"42"}"#),
        stop(2),
        ends("end_turn"),
        END.to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let wanted = vec![thinking("Hm"), sealed("c2VhbA=="), thinking(""), sealed("redacted:ZGF0YQ=="), text("So 42")];
    assert_eq!(anthropic(&lines).0, wanted);
}

#[test]
fn what_is_too_much_is_an_error_and_not_memory() {
    let long = format!("data: {}", "x".repeat(crate::sse::MAX_EVENT));
    assert_eq!(of(ANY, Wire::OpenAiChat, &long).1, Err(Code::ModelNonsense));
    let seals: Vec<String> = (0..300)
        .map(|at| {
            format!(r#"{{"type":"content_block_start","index":{at},"content_block":{{"type":"redacted_thinking","data":"x"}}}}"#)
        })
        .collect();
    assert_eq!(anthropic(&seals.iter().map(String::as_str).collect::<Vec<_>>()).1, Err(Code::ModelNonsense));
    // Blocks that never end share one allowance: two halves fit into it, three do not.
    let half = "x".repeat(crate::sse::MAX_EVENT / 2 - 100);
    let seal = |at| {
        format!(r#"{{"type":"content_block_delta","index":{at},"delta":{{"type":"signature_delta","signature":"{half}"}}}}"#)
    };
    let seals: Vec<String> = (0..3).map(seal).collect();
    let lines: Vec<&str> = seals.iter().map(String::as_str).collect();
    assert_eq!(anthropic(&lines[..2]).1, Err(Code::StreamBroken));
    assert_eq!(anthropic(&lines).1, Err(Code::ModelNonsense));
    let others: Vec<String> = (0..300)
        .map(|at| format!(r#"{{"type":"content_block_start","index":{at},"content_block":{{"type":"novel"}}}}"#))
        .collect();
    assert_eq!(anthropic(&others.iter().map(String::as_str).collect::<Vec<_>>()).1, Err(Code::ModelNonsense));
}

#[test]
fn lists_of_models_are_bounded() {
    let many: Vec<String> = (0..1500).map(|at| format!(r#"{{"id":"m{at}"}}"#)).collect();
    let body = format!(r#"{{"object":"list","data":[{}]}}"#, many.join(","));
    assert_eq!(crate::wire::models(body.as_bytes()).expect("a list").len(), 1000);
    let long = format!(r#"{{"data":[{{"id":"{}"}},{{"id":""}},{{"id":"b","more":[1]}}]}}"#, "x".repeat(201));
    assert_eq!(crate::wire::models(long.as_bytes()).expect("a list"), ["b"]);
    assert_eq!(crate::wire::models(br#"{"object":"list","data":null}"#).expect("a list"), [""; 0]);
    let hidden = r#"{"data":[{"id":"a\u001b[2Jb"},{"id":"c\u202ed"},{"id":"東/m-1:latest"}]}"#;
    assert_eq!(crate::wire::models(hidden.as_bytes()).expect("a list"), ["東/m-1:latest"]);
    for nonsense in ["", "<html>", "[]", r#"{"data":[{"name":"a"}]}"#] {
        assert!(crate::wire::models(nonsense.as_bytes()).is_err(), "{nonsense}");
    }
}
