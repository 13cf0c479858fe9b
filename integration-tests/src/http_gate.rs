//! A command that is asked over HTTP while it runs, and a client that says whatever it is told to.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    process::Child,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::home::{Call, Home, Outcome, finish};

/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(60);

/// `lamos vc-api`, until it is dropped.
pub struct HttpGate {
    pub port: u16,
    pub token: Option<String>,
    /// What it says beside.
    said: Arc<Mutex<String>>,
    child: Option<Child>,
}

impl HttpGate {
    /// Starts it in the demo space.
    pub fn start(home: &Home, words: &[&str]) -> HttpGate {
        HttpGate::of(home.command([&["--json", "vc-api"][..], words].concat()))
    }

    /// Starts it by this command, which is to print JSON.
    pub fn of(call: Call) -> HttpGate {
        let mut child = call.start();
        let mut out = BufReader::new(child.stdout.take().expect("it has a standard output"));
        let mut err = child.stderr.take().expect("it has a standard error");
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = err.read(&mut piece) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        let mut text = String::new();
        let value = loop {
            let read = out.read_line(&mut text).expect("it prints text");
            assert!(read > 0, "it ended: {text}{}", said.lock().unwrap());
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                break value;
            }
        };
        let port = value["port"].as_u64().expect("a port") as u16;
        HttpGate { port, token: value["token"].as_str().map(str::to_owned), said, child: Some(child) }
    }

    /// What it has said beside so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this.
    pub fn says(&self, words: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            assert!(Instant::now() < until, "it does not say {words:?}: {}", self.said());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// A connection.
    pub fn connect(&self) -> Client {
        Client::to(self.address())
    }

    /// The head of a request that is let in, without an empty line at its end.
    pub fn head(&self, path: &str) -> String {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n", self.port);
        if let Some(token) = &self.token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        head
    }

    /// A request that is let in.
    pub fn request(&self, path: &str, body: &str) -> Vec<u8> {
        format!("{}Content-Length: {}\r\n\r\n{body}", self.head(path), body.len()).into_bytes()
    }

    /// Asks for something, on a connection of its own.
    pub fn ask(&self, path: &str, body: &str) -> Answer {
        let mut client = self.connect();
        client.say(&self.request(path, body));
        client.answer().expect("an answer")
    }

    /// What is answered to these bytes, and then perhaps nothing more; `None` if nothing is.
    pub fn told(&self, bytes: &[u8]) -> Option<Answer> {
        let mut client = self.connect();
        client.say(bytes);
        client.stream.shutdown(Shutdown::Write).ok();
        client.answer()
    }

    /// Ends it as a person does.
    pub fn end(mut self) -> i32 {
        let child = self.child.take().expect("it runs");
        signal(&child, libc::SIGINT);
        let mut child = child;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < until, "it does not end: {}", self.said());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for HttpGate {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal(&child, libc::SIGTERM);
            let _ = child.wait();
        }
    }
}

/// What comes of starting it when it cannot be started.
pub fn cannot_start(call: Call) -> Outcome {
    finish(call.start(), PATIENCE, "vc-api")
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: no memory is involved, and the child was not waited for.
    #[expect(unsafe_code, reason = "a system call")]
    unsafe {
        libc::kill(child.id() as i32, signal);
    }
}

/// A connection, and what came over it and was not taken yet.
pub struct Client {
    pub stream: TcpStream,
    before: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In small letters.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// Its body, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Whether the connection ends with it.
    pub fn is_last(&self) -> bool {
        self.head.contains("\r\nconnection: close")
    }
}

impl Client {
    pub fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        Client { stream, before: Vec::new() }
    }

    /// Sends these bytes. Who has closed has said why before.
    pub fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next answer; `None` if the connection ends before it.
    pub fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.before.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.more() {
                assert!(self.before.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.before));
                return None;
            }
        };
        let head = String::from_utf8_lossy(&self.before[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
        while self.before.len() < end + length {
            assert!(self.more(), "an answer that is cut off");
        }
        let rest = self.before.split_off(end + length);
        let body = std::mem::replace(&mut self.before, rest).split_off(end);
        Some(Answer { status, head, body })
    }

    /// Waits until the other side has closed.
    pub fn wait_for_the_end(&mut self) {
        while self.more() {}
    }

    fn more(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece) {
            Ok(length) => {
                self.before.extend_from_slice(&piece[..length]);
                length > 0
            }
            Err(error) if [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe].contains(&error.kind()) => false,
            Err(error) => panic!("nothing comes: {error}"),
        }
    }
}
