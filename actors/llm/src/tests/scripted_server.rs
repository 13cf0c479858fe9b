//! A server that answers each request with the bytes of a script, good or bad, and remembers what it was asked. It is no
//! model: it knows nothing of either interface.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Longest a connection may live, so that a test that fails ends.
const LIFE: Duration = Duration::from_secs(20);

/// One thing the server does.
#[derive(Clone)]
pub(super) enum Act {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Sends these bytes so many at a time, each as a packet of its own.
    SayInPieces(Vec<u8>, usize),
    /// Does nothing for this time.
    Pause(Duration),
    /// Sends these bytes again and again until the other side has gone.
    SayForEver(Vec<u8>),
    /// Waits until the other side has gone, and tells when that was.
    AwaitGone,
    /// Ends the connection.
    Close,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The first line and the headers.
    pub(super) head: String,
    /// The body.
    pub(super) body: String,
}

impl Asked {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// See the module.
pub(super) struct ScriptedServer {
    /// Where it listens.
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<usize>>,
    gone: mpsc::Receiver<Instant>,
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    scripts: Arc<Vec<Vec<Act>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    gone: mpsc::SyncSender<Instant>,
}

impl ScriptedServer {
    /// Answers the first request with the first script, and so on; the last script answers all that follow.
    pub(super) fn start(scripts: Vec<Vec<Act>>) -> ScriptedServer {
        ScriptedServer::with(scripts, None)
    }

    /// The same behind TLS.
    pub(super) fn start_tls(scripts: Vec<Vec<Act>>, tls: ServerConfig) -> ScriptedServer {
        ScriptedServer::with(scripts, Some(Arc::new(tls)))
    }

    fn with(scripts: Vec<Vec<Act>>, tls: Option<Arc<ServerConfig>>) -> ScriptedServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (gone_in, gone) = mpsc::sync_channel(64);
        let shared = Shared { scripts: Arc::new(scripts), asked: Arc::default(), gone: gone_in };
        let asked = Arc::clone(&shared.asked);
        let connections = Arc::new(Mutex::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                *count.lock().expect("a count") += 1;
                let (shared, tls) = (shared.clone(), tls.clone());
                thread::spawn(move || {
                    stream.set_read_timeout(Some(LIFE)).expect("a timeout");
                    stream.set_nodelay(true).expect("no delay");
                    match tls {
                        None => serve(stream, &shared),
                        Some(tls) => serve(StreamOwned::new(ServerConnection::new(tls).expect("TLS"), stream), &shared),
                    }
                });
            }
        });
        ScriptedServer { address, asked, connections, gone }
    }

    /// What it was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("requests").clone()
    }

    /// How many connections were made to it.
    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().expect("a count")
    }

    /// When the other side went, once it has.
    pub(super) fn gone(&self) -> Option<Instant> {
        self.gone.try_recv().ok()
    }
}

fn serve(mut stream: impl Read + Write, shared: &Shared) {
    while let Some(asked) = request(&mut stream) {
        let number = {
            let mut all = shared.asked.lock().expect("requests");
            all.push(asked);
            all.len() - 1
        };
        let script = &shared.scripts[number.min(shared.scripts.len() - 1)];
        for act in script {
            let done = match act {
                Act::Say(bytes) => say(&mut stream, bytes),
                Act::SayInPieces(bytes, size) => bytes.chunks(*size).all(|piece| say(&mut stream, piece)),
                Act::Pause(time) => {
                    thread::sleep(*time);
                    true
                }
                Act::SayForEver(bytes) => {
                    let begin = Instant::now();
                    while begin.elapsed() < LIFE && say(&mut stream, bytes) {}
                    false
                }
                Act::AwaitGone => {
                    while matches!(stream.read(&mut [0; 1024]), Ok(length) if length > 0) {}
                    let _ = shared.gone.try_send(Instant::now());
                    false
                }
                Act::Close => false,
            };
            if !done {
                return;
            }
        }
    }
}

fn say(stream: &mut impl Write, bytes: &[u8]) -> bool {
    stream.write_all(bytes).and_then(|()| stream.flush()).is_ok()
}

fn request(stream: &mut impl Read) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        read_more(stream, &mut bytes)?;
    };
    let mut asked = Asked { head: String::from_utf8_lossy(&bytes[..head]).into_owned(), body: String::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    while bytes.len() < head + length {
        read_more(stream, &mut bytes)?;
    }
    asked.body = String::from_utf8_lossy(&bytes[head..head + length]).into_owned();
    Some(asked)
}

fn read_more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let length = stream.read(&mut piece).ok().filter(|&length| length > 0)?;
    bytes.extend_from_slice(&piece[..length]);
    Some(())
}

/// A whole answer with its length.
pub(super) fn whole(status: &str, media: &str, extra: &str, body: &str) -> Vec<Act> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {media}\r\n{extra}content-length: {}\r\n\r\n", body.len());
    vec![Act::Say([head.as_bytes(), body.as_bytes()].concat())]
}

/// The head of a stream.
pub(super) const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

/// A part of a stream.
pub(super) fn chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()
}

/// The end of a stream.
pub(super) const END: &[u8] = b"0\r\n\r\n";

/// A stream that arrives at once and ends well.
pub(super) fn streamed(body: &str) -> Vec<Act> {
    vec![Act::Say([STREAM.as_bytes(), &chunk(body.as_bytes()), END].concat())]
}

/// A stream that begins with `body` and goes on.
pub(super) fn begun(body: &str) -> Act {
    Act::Say([STREAM.as_bytes(), &chunk(body.as_bytes())].concat())
}

/// A listener that takes connections and never says a word.
pub(super) fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A port where nothing listens.
pub(super) fn nobody() -> SocketAddr {
    silent().1
}

/// Whether anyone tried to connect to a listener.
pub(super) fn was_tried(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).expect("a listener");
    listener.accept().map(|(stream, _): (TcpStream, _)| drop(stream)).is_ok()
}
