//! What goes well.

use ipc::messages::chat::ToolCall;

use super::{
    scripted_server::{Act, END, STREAM, ScriptedServer, begun, chunk, streamed, whole},
    *,
};

#[test]
fn an_answer_on_both_wires() {
    for wire in BOTH {
        let (stream, completed) = short(wire);
        let server = ScriptedServer::start(vec![streamed(&stream)]);
        story(async {
            let stage = Setting::at(server.address).stage();
            assert_eq!(stage.ask(wire).await, (hi(), Ok(completed.clone())));
            assert_eq!(stage.ask(wire).await, (hi(), Ok(completed)));
            assert_eq!(stage.released.get(), 2, "one key for each call");
        });
        let asked = server.asked();
        let (path, key) = match wire {
            Wire::OpenAiChat => ("/v1/chat/completions", ("authorization", format!("Bearer {KEY}"))),
            Wire::Anthropic => ("/v1/messages", ("x-api-key", KEY.to_owned())),
        };
        for asked in &asked {
            assert!(asked.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", asked.head);
            assert_eq!(asked.header(key.0), Some(&*key.1));
            assert_eq!(asked.head.matches("canary").count(), 1, "the key is in one header: {}", asked.head);
            assert!(!asked.body.contains("canary"));
            assert_eq!(asked.header("accept-encoding"), Some("identity"));
            assert_eq!(asked.header("host"), Some(&*server.address.to_string()));
            for absent in ["origin", "cookie", "referer", "proxy-authorization"] {
                assert_eq!(asked.header(absent), None, "{absent}");
            }
            assert!(asked.body.contains("\"some-model\"") && asked.body.contains("Hello?"), "{}", asked.body);
        }
        assert_eq!(asked.len(), 2);
    }
}

#[test]
fn the_next_question_uses_the_same_connection() {
    let (stream, completed) = short(Wire::OpenAiChat);
    // The end of the body comes after the end of the answer, and nobody waited for it.
    let late = vec![begun(&stream), Act::Pause(Duration::from_millis(30)), Act::Say(END.to_vec())];
    let server = ScriptedServer::start(vec![late]);
    story(async {
        let stage = Setting::at(server.address).stage();
        assert_eq!(stage.ask(Wire::OpenAiChat).await, (hi(), Ok(completed.clone())));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(stage.ask(Wire::OpenAiChat).await, (hi(), Ok(completed)));
    });
    assert_eq!((server.asked().len(), server.connections()), (2, 1));
}

#[test]
fn no_key_is_sent_where_there_is_none() {
    let server = ScriptedServer::start(vec![streamed(&short(Wire::OpenAiChat).0)]);
    story(async {
        let stage = Setting { key: "", ..Setting::at(server.address) }.stage();
        assert!(stage.ask(Wire::OpenAiChat).await.1.is_ok());
    });
    assert_eq!(server.asked()[0].header("authorization"), None);
}

#[test]
fn a_tool_call_in_pieces_of_every_size() {
    let stream = include_str!("../wire/recordings/overlapping.sse");
    for size in [1, 7, 64, 1000] {
        let body = [STREAM.as_bytes(), &chunk(stream.as_bytes()), END].concat();
        let server = ScriptedServer::start(vec![vec![Act::SayInPieces(body, size)]]);
        story(async {
            let (events, completed) = Setting::at(server.address).stage().ask(Wire::Anthropic).await;
            let completed = completed.expect("an answer");
            let call = |id: &str, name: &str, arguments: &str| ToolCall {
                id: id.into(),
                name: name.into(),
                arguments: arguments.into(),
            };
            assert_eq!(completed.calls, [call("toolu_1", "python", r#"{"code":"東"}"#), call("toolu_2", "clock", "{}")]);
            assert_eq!((completed.stop, completed.usage), (Stop::ToolUse, Usage { input: 1110, output: 42 }));
            let said = |kind: fn(&ModelEvent) -> Option<&str>| events.iter().filter_map(kind).collect::<String>();
            assert_eq!(said(|event| if let ModelEvent::Text(text) = event { Some(text) } else { None }), "Ja, nun.");
            assert_eq!(said(|event| if let ModelEvent::Thinking(text) = event { Some(text) } else { None }), "Hm …京");
            assert_eq!(said(|event| if let ModelEvent::ThinkingSealed(text) = event { Some(text) } else { None }), "c2VhbA==");
        });
    }
}

#[test]
fn the_models_are_listed_and_the_first_is_meant_by_no_name() {
    for wire in BOTH {
        let list = whole("200 OK", "application/json", "", r#"{"object":"list","data":[{"id":"first"},{"id":"second"}]}"#);
        let server = ScriptedServer::start(vec![list.clone(), list, streamed(&short(wire).0)]);
        story(async {
            let stage = Setting::at(server.address).stage();
            assert_eq!(stage.models(wire).await.map(|models| models.ids), Ok(vec!["first".to_owned(), "second".to_owned()]));
            for _ in 0..2 {
                let call = stage.agent.open(&question(wire, ""), Options::default()).expect("a call");
                assert!(read(call).await.1.is_ok());
            }
        });
        let asked = server.asked();
        let lines: Vec<&str> = asked.iter().map(|asked| asked.head.split(" HTTP").next().unwrap_or_default()).collect();
        let (list, complete) = match wire {
            Wire::OpenAiChat => ("GET /v1/models", "POST /v1/chat/completions"),
            Wire::Anthropic => ("GET /v1/models?limit=1000", "POST /v1/messages"),
        };
        assert_eq!(lines, [list, list, complete, complete], "the first model is remembered");
        assert!(asked[3].body.contains("\"first\""));
    }
}

#[test]
fn a_server_without_models_says_so() {
    let server = ScriptedServer::start(vec![whole("200 OK", "application/json", "", r#"{"data":[]}"#)]);
    story(async {
        let stage = Setting::at(server.address).stage();
        let call = stage.agent.open(&question(Wire::OpenAiChat, ""), Options::default()).expect("a call");
        assert_eq!(read(call).await.1.expect_err("a refusal").code, Code::ModelRefused);
    });
}

#[test]
fn a_lease_that_is_over_is_the_key_process_to_refuse() {
    story(async {
        let stage = Setting::at(scripted_server::nobody()).stage();
        let mut request = question(Wire::OpenAiChat, "m");
        request.model.lease = LEASE + 1;
        let call = stage.agent.open(&request, Options::default()).expect("a call");
        assert_eq!(read(call).await.1.expect_err("a refusal").code, Code::NoSuchKey);
    });
}

/// Many small deltas: `count` words of eight bytes.
fn flood(count: usize) -> String {
    let mut stream = String::new();
    for at in 0..count {
        stream.push_str(&format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{at:07} \"}}}}]}}\n\n"));
    }
    stream.push_str("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    stream
}

#[test]
fn a_fast_model_costs_the_caller_fewer_pieces_than_words() {
    let server = ScriptedServer::start(vec![streamed(&flood(20_000))]);
    story(async {
        let mut call = Setting::at(server.address).stage().open(Wire::OpenAiChat);
        let (mut pieces, mut words) = (0, String::new());
        while let Some(event) = call.next().await {
            let Ok(ModelEvent::Text(text)) = event else { panic!("text was sent") };
            assert!(text.len() <= crate::pieces::MAX_PIECE);
            (pieces, words) = (pieces + 1, words + &text);
        }
        assert!(call.answer().await.is_ok());
        assert_eq!((words.len(), words.ends_with("0019999 ")), (160_000, true));
        assert!(pieces < 2000, "{pieces} pieces");
    });
}

#[test]
fn a_slow_reader_loses_nothing_and_holds_the_server_back() {
    let server = ScriptedServer::start(vec![streamed(&flood(200_000))]);
    story(async {
        let mut call = Setting::at(server.address).stage().open(Wire::OpenAiChat);
        let mut bytes = 0;
        while let Some(event) = call.next().await {
            let Ok(ModelEvent::Text(text)) = event else { panic!("text was sent") };
            bytes += text.len();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(call.answer().await.is_ok());
        assert_eq!(bytes, 1_600_000);
    });
}
