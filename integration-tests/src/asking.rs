//! A question whose answer is under way, and what becomes of it when something dies.

use std::{
    io::Read as _,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    home::{Home, Outcome, finish},
    scripted_http::{Act, ScriptedHttp, end, stream_head, text},
};

/// Pieces of the long answer.
pub const PIECES: usize = 60;

/// As many of them as are usually waited for before something is killed.
pub const SEEN: usize = 12;

/// A piece of it.
pub fn piece(number: usize) -> String {
    format!("piece {number} ")
}

/// A server whose answer takes more than a second.
pub fn long_answer() -> ScriptedHttp {
    answer_of(Duration::from_millis(20))
}

/// A server whose answer takes so long for each piece.
pub fn answer_of(pause: Duration) -> ScriptedHttp {
    let mut script = vec![stream_head()];
    for number in 0..PIECES {
        script.extend([text(&piece(number)), Act::Pause(pause)]);
    }
    script.push(end("stop"));
    ScriptedHttp::start(vec![script])
}

/// A question whose answer is under way, and what of it was shown.
pub struct Asking {
    pub child: Child,
    pub shown: String,
}

impl Asking {
    /// Asks, and waits until so many pieces were shown.
    pub fn begin(home: &Home, server: &ScriptedHttp, seen: usize) -> Asking {
        let call = home.command(["ask", "-m", "scripted", "Tell me a long story"]).env("OPENAI_BASE_URL", &server.openai());
        let mut asking = Asking { child: call.start(), shown: String::new() };
        let out = asking.child.stdout.as_mut().unwrap();
        let mut buffer = [0; 64];
        while !asking.shown.contains(&piece(seen)) {
            let length = out.read(&mut buffer).unwrap();
            assert!(length > 0, "it ended too soon: {}", asking.shown);
            asking.shown.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        asking
    }

    /// Waits for its end; all that was shown, and how it ended.
    pub fn end(self) -> (String, Outcome) {
        let outcome = finish(self.child, Duration::from_secs(60), "ask, disturbed");
        (self.shown + &outcome.out, outcome)
    }
}

/// The last message of the newest conversation.
pub fn kept(home: &Home) -> Value {
    let list = home.run(["--json", "history"]).json();
    let shown = home.run(["--json", "history", list[0]["id"].as_str().unwrap()]).json();
    shown["messages"].as_array().unwrap().last().unwrap().clone()
}

/// Fails if what was shown is not kept, or not with this status.
#[track_caller]
pub fn assert_kept(home: &Home, shown: &str, status: &str) {
    // The archive hears of an end a moment after the person does.
    let until = Instant::now() + Duration::from_secs(10);
    while kept(home)["author"] != "assistant" {
        assert!(Instant::now() < until, "the turn does not end: {:#}", kept(home));
        thread::sleep(Duration::from_millis(50));
    }
    let message = kept(home);
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with(shown.trim_end()), "shown and not kept: {shown:?} of {text:?}");
    assert_eq!(message["status"], status, "{message:#}");
}
