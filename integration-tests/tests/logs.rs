//! A whole use with words that stand for secrets in it, at the level at which everything is logged; then every file and all
//! that can be printed is searched for them, in every form in which they might have been written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::BTreeSet,
    fs, thread,
    time::{Duration, Instant},
};

use integration_tests::{
    asking::long_answer,
    files,
    home::{Call, Home, finish},
    processes::Process,
    scripted_http::{ScriptedHttp, answer, plain, python},
    serve::Serve,
};

const USER: &str = "Kanari-User-7f3aQ";
const PASSWORD: &str = "Kanari-Pass-91c2 wQ";
const WRONG: &str = "Kanari-Wrong-44e0Z";
const KEY: &str = "sk-Kanari-Key-5521aaX";
const QUESTION: &str = "Kanari-Question-b7K";
const CONTENT: &str = "Kanari-Content-c03V";
const ANSWER: &str = "Kanari-Answer-d91M";
const CODE: &str = "Kanari-Code-e55L";
const SKILL: &str = "kanari-skill-f20p";

const ALL: [&str; 9] = [USER, PASSWORD, WRONG, KEY, QUESTION, CONTENT, ANSWER, CODE, SKILL];

const SOON: Duration = Duration::from_secs(60);

/// The forms in which a word might have been written: as it is, in another case, as numbers.
fn forms(word: &str) -> Vec<Vec<u8>> {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let list = |bytes: &[u8]| -> String { bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ") };
    let mut forms = vec![
        word.as_bytes().to_vec(),
        word.to_lowercase().into_bytes(),
        word.to_uppercase().into_bytes(),
        hex(word.as_bytes()).into_bytes(),
        hex(word.as_bytes()).to_uppercase().into_bytes(),
        // As `Debug` prints bytes.
        list(word.as_bytes()).into_bytes(),
        list(word.as_bytes()).replace(' ', "").into_bytes(),
        word.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        word.replace(' ', "%20").into_bytes(),
    ];
    for alphabet in [&BASE64, &BASE64_URL] {
        // Whatever came before it moves the bits by 0, 2 or 4; what its neighbours decide with is left out.
        forms.extend((0..3).map(|before| base64(alphabet, word.as_bytes(), before)));
    }
    forms
}

const BASE64: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters that stand for these bytes alone when `before` others come before them.
fn base64(alphabet: &[u8; 64], bytes: &[u8], before: usize) -> Vec<u8> {
    let all = [&vec![0; before][..], bytes].concat();
    let bit = |number: usize| all.get(number / 8).map_or(0, |byte| usize::from(byte >> (7 - number % 8) & 1));
    let first = (before * 8).div_ceil(6);
    let last = all.len() * 8 / 6;
    (first..last).map(|place| alphabet[(0..6).fold(0, |sum, offset| sum * 2 + bit(place * 6 + offset))]).collect()
}

/// Which of these words are in it, in whatever form.
fn found<'w>(bytes: &[u8], words: &[&'w str]) -> Vec<(&'w str, usize)> {
    let mut found = Vec::new();
    for word in words {
        for (number, form) in forms(word).into_iter().enumerate() {
            if bytes.windows(form.len()).any(|window| window == form) {
                found.push((*word, number));
            }
        }
    }
    found
}

#[test]
fn the_search_finds_what_is_there() {
    for word in ALL {
        for (number, form) in forms(word).into_iter().enumerate() {
            let planted = [&b"{\"ms\":1,\"text\":\""[..], &form, b"\"}\n"].concat();
            assert!(found(&planted, &ALL).contains(&(word, number)), "{word}, form {number}");
        }
    }
    assert!(found(b"nothing of the kind, in many words, is here", &ALL).is_empty());
    // The forms of base64 are those of others' base64.
    assert!(found(b"S2FuYXJpLVVzZXItN2YzYVE=", &[USER]).len() == 2, "both alphabets write it alike");
    assert!(
        !found(b"eEthbmFyaS1Vc2VyLTdmM2FR", &[USER]).is_empty() && !found(b"eHhLYW5hcmktVXNlci03ZjNhUQ==", &[USER]).is_empty()
    );
}

fn signed_in(home: &Home, words: &[&str], server: &ScriptedHttp) -> Call {
    let call = home.command(words.iter().copied()).signed_in(USER, &format!("{PASSWORD}\n{PASSWORD}\n"));
    call.env("OPENAI_BASE_URL", &server.openai()).env("OPENAI_API_KEY", KEY)
}

#[test]
fn no_secret_and_no_word_of_a_person_is_in_any_log() {
    let home = Home::new();
    let serve = Serve::of(&home, home.command(["--log", "trace", "serve"]));
    let file = home.file("letter.txt", CONTENT);
    let file = file.to_str().unwrap();

    // A question with a file, a run that prints what it finds, an answer.
    let code = format!("print('{CODE}', open('letter.txt').read())");
    let server = ScriptedHttp::start(vec![python(&code), answer(ANSWER)]);
    let said = signed_in(&home, &["ask", "-m", "scripted", "-f", file, QUESTION], &server).run().good();
    assert!(said.contains(ANSWER));
    let asked = server.asked();
    assert!(asked[0].head.contains(KEY) && asked[0].body.contains(QUESTION), "the key and the question were used");
    assert!(asked[1].body.contains(&format!("{CODE} {CONTENT}")), "the run was made and read the file");
    signed_in(&home, &["run", "find-in-text", "-f", file, "-i", &format!("request={CONTENT}")], &server).run();

    // Whatever is refused, with the words of those who refuse it.
    let echo = format!(r#"{{"error":{{"message":"bad {QUESTION} with {KEY}","type":"invalid_request_error"}}}}"#);
    let refusals = ["400 Bad Request", "401 Unauthorized", "500 Internal Server Error"].map(|status| plain(status, &echo));
    let refusing = ScriptedHttp::start(refusals.to_vec());
    for _ in 0..3 {
        assert_ne!(signed_in(&home, &["ask", "-m", "scripted", QUESTION], &refusing).run().code, 0);
    }
    let nonsense = ScriptedHttp::start(vec![python(&format!("raise ValueError('{CODE}')")), plain("200 OK", ANSWER)]);
    assert_ne!(signed_in(&home, &["ask", "-m", "scripted", QUESTION], &nonsense).run().code, 0);
    signed_in(&home, &["run", SKILL, "-i", &format!("{CODE}={CONTENT}")], &server).run().bad(3);
    let wrong = |lines: &str| home.command(["ask", QUESTION]).signed_in(USER, lines).run();
    assert_ne!(wrong(&format!("{WRONG}\n{PASSWORD}\n")).code, 0);
    assert_ne!(home.command(["ask", QUESTION]).signed_in(WRONG, &format!("{PASSWORD}\n{WRONG}\n")).run().code, 0);

    // Each process dies while it has them in its hands, or right after. Not by SIGSEGV: the runtime of
    // Rust takes the first one for a full stack.
    let speaking = long_answer();
    for (role, signal) in
        [("llm", libc::SIGABRT), ("agent", libc::SIGABRT), ("storage", libc::SIGKILL), ("crypto", libc::SIGABRT)]
    {
        let child = signed_in(&home, &["ask", "-m", "scripted", QUESTION], &speaking).start();
        let busy = working(&serve, "llm", &home);
        match role {
            "llm" => busy,
            "agent" => working(&serve, role, &home),
            role => serve.process(role),
        }
        .signal(signal);
        finish(child, SOON, "ask, disturbed");
    }
    let sleeps = python(&format!("import time\nwords = '{CODE}'\ntime.sleep(20)"));
    let server = ScriptedHttp::start(vec![sleeps, answer(ANSWER)]);
    let child = signed_in(&home, &["ask", "-m", "scripted", QUESTION], &server).start();
    working(&serve, "code", &home).signal(libc::SIGABRT);
    finish(child, SOON, "ask, disturbed").good();
    let history = signed_in(&home, &["--json", "history"], &server).run().json();
    assert!(history.as_array().unwrap().len() >= 6, "it was all kept, sealed: {history:#}");

    let printed: Vec<(String, String)> = [
        &["tail", "--no-follow", "-n", "1000000"][..],
        &["--json", "tail", "--no-follow", "-n", "1000000"],
        &["flight", "--last", "100000"],
        &["--json", "flight", "--last", "100000"],
        &["ps"],
        &["ps", "--talks"],
        &["--json", "ps"],
        &["log"],
    ]
    .iter()
    .map(|words| {
        let outcome = home.run(words.iter().copied());
        (words.join(" "), outcome.err.clone() + &outcome.good())
    })
    .collect();
    let lines: Vec<serde_json::Value> = printed[1].1.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let traced: BTreeSet<&str> =
        lines.iter().filter(|line| line["level"] == "trace").map(|line| line["role"].as_str().unwrap()).collect();
    let everybody = BTreeSet::from(["supervisor", "storage", "crypto", "llm", "agent", "code"]);
    assert!(traced.is_superset(&everybody), "all of them said everything they say: {traced:?}");
    let signals = lines.iter().filter(|line| line["fields"]["how"].as_str().is_some_and(|how| how.contains("signal"))).count();
    assert!(signals >= 5, "each of them died: {signals}");

    for (words, text) in &printed {
        assert!(!text.is_empty());
        assert_eq!(found(text.as_bytes(), &ALL), [], "lamos {words} prints it");
    }
    drop(serve);
    home.assert_empty();
    let looked = files::read_below(&home.data());
    for (path, bytes) in &looked {
        assert_eq!(found(bytes, &ALL), [], "{} has it", path.display());
    }
    assert!(looked.len() >= 5, "slots, log, recorder and archive were looked at");
    // The same search over the same log finds a line that should not be there.
    let log = home.data().join("logs/lamos.log");
    let planted = fs::read_to_string(&log).unwrap() + &format!("{{\"text\":\"signed in as {USER}\"}}\n");
    fs::write(&log, planted).unwrap();
    assert!(found(&fs::read(&log).unwrap(), &ALL).contains(&(USER, 0)));
}

/// The process of this role that works on something.
fn working(serve: &Serve<'_>, role: &str, home: &Home) -> Process {
    let until = Instant::now() + SOON;
    loop {
        let busy = serve.of_role(role).into_iter().find(|process| process["serving"].as_u64() > Some(0));
        let pid = busy.and_then(|process| process["pid"].as_i64());
        let process = home.processes().into_iter().find(|process| Some(i64::from(process.pid)) == pid);
        if let Some(process) = process {
            return process;
        }
        assert!(Instant::now() < until, "no {role} process works: {:#}", serve.status());
        thread::sleep(Duration::from_millis(20));
    }
}
