//! A server that answers each request with the bytes of a script, good or bad, and remembers what it was asked. It is no
//! model: it lies, breaks off and stalls as real ones do only on bad days.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::json;

/// Longest a connection may live, so that a test that fails ends.
const LIFE: Duration = Duration::from_secs(60);

/// One thing the server does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Does nothing for this time.
    Pause(Duration),
    /// Sends nothing more and waits until the other side has gone.
    AwaitGone,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The first line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

/// See the module.
pub struct ScriptedHttp {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl ScriptedHttp {
    /// Answers the first request with the first script, and so on; the last one answers all that follow.
    pub fn start(scripts: Vec<Vec<Act>>) -> ScriptedHttp {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let scripts = Arc::new(scripts);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (scripts, seen) = (Arc::clone(&scripts), Arc::clone(&seen));
                thread::spawn(move || serve(stream, &scripts, &seen));
            }
        });
        ScriptedHttp { address, asked }
    }

    /// Its address for OpenAI's interface.
    pub fn openai(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no thread has panicked").clone()
    }
}

fn serve(mut stream: TcpStream, scripts: &[Vec<Act>], seen: &Mutex<Vec<Asked>>) {
    stream.set_read_timeout(Some(LIFE)).expect("a timeout can be set");
    let Some(asked) = read_request(&mut stream) else { return };
    let number = {
        let mut seen = seen.lock().expect("no thread has panicked");
        seen.push(asked);
        seen.len() - 1
    };
    let Some(script) = scripts.get(number).or(scripts.last()) else { return };
    for act in script {
        match act {
            Act::Say(bytes) => {
                if stream.write_all(bytes).is_err() {
                    return;
                }
            }
            Act::Pause(time) => thread::sleep(*time),
            Act::AwaitGone => while stream.read(&mut [0; 256]).is_ok_and(|length| length > 0) {},
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 64 << 10];
    loop {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let wanted = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, length)| length.parse().unwrap_or(0));
        if body.len() >= wanted {
            return Some(Asked { head: head.to_owned(), body: body.to_owned() });
        }
    }
}

/// The head of an answer that is a stream of events and ends with the connection.
pub fn stream_head() -> Act {
    Act::Say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".to_vec())
}

/// A piece of text as OpenAI's interface streams it.
pub fn text(piece: &str) -> Act {
    let event = json!({
        "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{ "index": 0, "delta": { "content": piece }, "finish_reason": null }],
    });
    Act::Say(format!("data: {event}\n\n").into_bytes())
}

/// The whole of a call of the tool `python`, and the end of the turn.
pub fn python(code: &str) -> Vec<Act> {
    let arguments = json!({ "code": code }).to_string();
    let call = json!({
        "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{ "index": 0, "finish_reason": null, "delta": { "tool_calls": [
            { "index": 0, "id": "call_1", "type": "function", "function": { "name": "python", "arguments": arguments } },
        ] } }],
    });
    vec![stream_head(), Act::Say(format!("data: {call}\n\n").into_bytes()), end("tool_calls")]
}

/// The end of a turn.
pub fn end(reason: &str) -> Act {
    let event = json!({
        "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }],
    });
    Act::Say(format!("data: {event}\n\ndata: [DONE]\n\n").into_bytes())
}

/// A whole answer that says this.
pub fn answer(words: &str) -> Vec<Act> {
    vec![stream_head(), text(words), end("stop")]
}

/// An answer that is no stream.
pub fn plain(status: &str, body: &str) -> Vec<Act> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    vec![Act::Say((head + body).into_bytes())]
}

/// The list of models, which is asked for where none is named.
pub fn models() -> Vec<Act> {
    plain("200 OK", r#"{"object":"list","data":[{"id":"scripted","object":"model"}]}"#)
}
