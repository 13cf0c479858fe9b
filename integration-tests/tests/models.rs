//! Model servers: llama.cpp's own on both wires, a whole tool turn included, and servers that lie, stall and break off.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{net::TcpListener, time::Duration};

use integration_tests::{
    home::{Call, Home},
    llama::Llama,
    scripted_http::{Act, ScriptedHttp, answer, models, plain, python, stream_head, text},
};

/// A turn of a model that wants to work something out first.
const ANSWER: &[&str] = &[
    "I will ",
    "compute",
    ".",
    "<tool_call>",
    "\n{\"name\": \"",
    "python",
    "\", \"arguments\": {\"code\": \"",
    "print(6*7)",
    "\"}}\n",
    "</tool_call>",
];
const AFTER_TOOL: &[&str] = &["It ", "is ", "42!"];

#[test]
fn a_real_server_answers_and_calls_python_on_both_wires() {
    let home = Home::new();
    let llama = Llama::start(&home, ANSWER, AFTER_TOOL);
    for (variable, url, key) in
        [("OPENAI_BASE_URL", llama.openai(), "OPENAI_API_KEY"), ("ANTHROPIC_BASE_URL", llama.anthropic(), "ANTHROPIC_API_KEY")]
    {
        let asked = home.command(["ask", "What is six times seven?"]).env(variable, &url).env(key, "secret-of-a-test").run();
        let said = asked.err.clone();
        let answer = asked.good();
        assert!(answer.contains("I will compute") && answer.trim_end().ends_with("It is 42!"), "{variable}: {answer}");
        assert!(said.contains("python"), "{said}");
        home.assert_empty();
        let list = home.run(["--json", "history"]).json();
        let shown = home.run(["--json", "history", list[0]["id"].as_str().unwrap()]).json();
        let messages = shown["messages"].to_string();
        assert!(messages.contains("print(6*7)") && messages.contains("42"), "{messages}");
        assert!(!messages.contains("secret-of-a-test"));
    }
}

fn ask(home: &Home, server: &ScriptedHttp) -> Call {
    home.command(["ask", "--model", "scripted", "Say something"])
        .env("OPENAI_BASE_URL", &server.openai())
        .env("OPENAI_API_KEY", "sk-canary")
}

#[test]
fn the_key_goes_to_its_server_alone() {
    let home = Home::new();
    let (own, other) = (ScriptedHttp::start(vec![answer("Yes.")]), ScriptedHttp::start(vec![answer("No.")]));
    assert_eq!(ask(&home, &own).run().good().trim_end(), "Yes.");
    assert!(own.asked()[0].head.to_lowercase().contains("authorization: bearer sk-canary"));
    // An address that is typed is not the one the key was set for.
    let typed = home.command(["ask", "-m", "scripted", "--base-url", &other.openai(), "Hello"]);
    typed.env("OPENAI_API_KEY", "sk-canary").env("OPENAI_BASE_URL", &own.openai()).run().good();
    assert!(!other.asked()[0].head.to_lowercase().contains("canary"), "{}", other.asked()[0].head);
    // A redirect does not carry it either.
    let redirect =
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {}/chat/completions\r\nContent-Length: 0\r\n\r\n", other.openai());
    let liar = ScriptedHttp::start(vec![vec![Act::Say(redirect.into_bytes())]]);
    let before = other.asked().len();
    ask(&home, &liar).run().bad(5);
    assert_eq!(other.asked().len(), before, "it was not followed to another origin");
}

#[test]
fn where_no_model_is_named_the_server_is_asked() {
    let home = Home::new();
    let server = ScriptedHttp::start(vec![models(), answer("Hello.")]);
    let asked = home.command(["ask", "Hi"]).env("OPENAI_BASE_URL", &server.openai()).run();
    assert_eq!(asked.good().trim_end(), "Hello.");
    assert!(server.asked()[0].head.starts_with("GET /v1/models"), "{}", server.asked()[0].head);
    assert!(server.asked()[1].body.contains("\"scripted\""), "{}", server.asked()[1].body);
}

#[test]
fn ollama_is_found_where_it_says_it_is() {
    let home = Home::new();
    let server = ScriptedHttp::start(vec![models(), answer("Hello.")]);
    let host = server.openai().replace("http://", "").replace("/v1", "");
    assert_eq!(home.command(["ask", "Hi"]).env("OLLAMA_HOST", &host).run().good().trim_end(), "Hello.");
    assert!(server.asked()[1].head.starts_with("POST /v1/chat/completions"), "{}", server.asked()[1].head);
}

#[test]
fn servers_that_fail_say_whose_fault_it_is() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = Home::new();
    let said = home.command(["ask", "-m", "x", "--base-url", &format!("http://{nobody}/v1"), "Hi"]).run().bad(5);
    assert!(said.contains("127.0.0.1") && said.contains("start the server"), "{said}");
    for (script, words) in [
        (plain("401 Unauthorized", r#"{"error":{"message":"bad key","type":"invalid_request_error"}}"#), "key"),
        (plain("404 Not Found", r#"{"error":{"message":"no such model"}}"#), "no such model"),
        (plain("400 Bad Request", "<html>nginx</html>"), "400"),
        (plain("200 OK", "<html>a hotel's login page</html>"), "answer"),
        (vec![Act::Say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())], "HTTP"),
        (vec![stream_head(), Act::Say(b"data: {\"not\": \"a chunk\"}\n\ndata: [DONE]\n\n".to_vec())], ""),
        (vec![stream_head(), text("Half an ans")], "broke off"),
        (
            vec![
                stream_head(),
                text("Half"),
                Act::Say(b"data: {\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\"}}\n\n".to_vec()),
            ],
            "out of memory",
        ),
    ] {
        let server = ScriptedHttp::start(vec![script.clone()]);
        let said = ask(&home, &server).run().bad(5);
        assert!(said.contains(words), "{words:?} is not in: {said}");
        assert!(!said.contains("sk-canary"), "{said}");
    }
    home.assert_empty();
}

#[test]
fn half_an_answer_is_shown_kept_and_marked() {
    let home = Home::new();
    let server = ScriptedHttp::start(vec![vec![stream_head(), text("Half an ans")]]);
    let outcome = ask(&home, &server).run();
    assert_eq!(outcome.out.trim_end(), "Half an ans");
    outcome.bad(5);
    let list = home.run(["--json", "history"]).json();
    let shown = home.run(["--json", "history", list[0]["id"].as_str().unwrap()]).json();
    assert_eq!(shown["messages"][1]["text"], "Half an ans");
    assert_eq!(shown["messages"][1]["status"], "interrupted");
}

#[test]
fn a_tool_call_that_was_not_finished_is_not_run() {
    let home = Home::new();
    // The whole call is there, but the turn never ends.
    let mut script = python("print('it ran')");
    script.pop();
    let server = ScriptedHttp::start(vec![script]);
    let outcome = ask(&home, &server).run();
    assert!(!outcome.err.contains("Running python"), "{}", outcome.err);
    outcome.bad(5);
}

/// Abuse D10.
#[test]
fn a_model_that_calls_tools_for_ever_is_ended() {
    let home = Home::new();
    let server = ScriptedHttp::start(vec![python("print(1)")]);
    let said = ask(&home, &server).within(Duration::from_secs(240)).run().bad(7);
    assert!(said.contains("steps"), "{said}");
    home.assert_empty();
}

/// Abuse E08, as far as it reaches outside: files, sockets, programs, memory of others. Greed is in `bad_input.rs`.
#[test]
fn what_a_model_writes_cannot_reach_out() {
    let home = Home::new();
    let canary = home.file("canary.txt", "the canary sings");
    let code = format!(
        "import os\nfor act in (lambda: open({0:?}).read(), lambda: os.listdir('/etc'), lambda: __import__('socket').socket(), lambda: __import__('subprocess').run(['id']), lambda: __import__('ctypes')):\n    try:\n        print('GOT', act())\n    except BaseException as error:\n        print('refused', type(error).__name__)\nopen({0:?}, 'w').write('another song')",
        canary.to_str().unwrap()
    );
    let server = ScriptedHttp::start(vec![python(&code), answer("Done.")]);
    ask(&home, &server).run().good();
    let body: serde_json::Value = serde_json::from_str(&server.asked()[1].body).unwrap();
    let told = body["messages"].as_array().unwrap().iter().find(|message| message["role"] == "tool").unwrap().to_string();
    assert!(told.contains("refused") && !told.contains("GOT") && !told.contains("sings"), "{told}");
    // A script may write files: they are its own, and go with it.
    assert_eq!(std::fs::read_to_string(canary).unwrap(), "the canary sings");
}

#[test]
fn an_answer_that_would_drive_the_terminal_is_shown_as_text() {
    let home = Home::new();
    let server = ScriptedHttp::start(vec![answer("\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2Jhello\u{202e}")]);
    let out = ask(&home, &server).run().good();
    assert!(!out.contains('\u{1b}') && !out.contains('\u{7}') && !out.contains('\u{202e}'), "{out:?}");
    assert!(out.contains("hello"), "{out:?}");
}

#[test]
fn a_slow_server_can_be_stopped() {
    let home = Home::new();
    let server = ScriptedHttp::start(vec![vec![stream_head(), text("One moment"), Act::AwaitGone]]);
    let child = ask(&home, &server).start();
    while server.asked().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(300));
    // SAFETY: no memory is involved.
    #[expect(unsafe_code, reason = "Ctrl-C is a signal")]
    unsafe {
        libc::kill(child.id().try_into().unwrap(), libc::SIGINT);
    }
    let outcome = integration_tests::home::finish(child, Duration::from_secs(20), "ask, stopped");
    assert_eq!(outcome.out.trim_end(), "One moment");
    outcome.bad(130);
    home.assert_empty();
    let list = home.run(["--json", "history"]).json();
    let shown = home.run(["--json", "history", list[0]["id"].as_str().unwrap()]).json();
    assert_eq!((&shown["messages"][1]["text"], &shown["messages"][1]["status"]), (&"One moment".into(), &"stopped".into()));
}
