//! A server of ours that speaks the documented protocol of Vercel Blob: put, parts, list with cursors, about, delete, and a
//! private store that is read with the token. It is scripted: it fails as it is told to. It is not Vercel's, and shows
//! only that the adapter speaks as the documents say.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::http_request::{Request, answer, decoded};

/// The one token that it takes.
pub const TOKEN: &str = "vercel_blob_rw_Store1_0123456789abcdef";

/// Longest a connection may be silent, so that a test that fails ends.
const LIFE: Duration = Duration::from_secs(60);

/// Least bytes of a part that is not the last.
const MIN_PART: usize = 5 << 20;

/// What it does instead of serving a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Says this status with this code, and perhaps how long to wait.
    Status(u16, &'static str, Option<u64>),
    /// Sends elsewhere.
    Redirect(String),
    /// Does what was asked, and ends before it says so.
    SilentAfter,
    /// Ends in the middle of the answer.
    HalfAnswer,
    /// Says something that is no answer of the interface.
    Nonsense,
}

#[derive(Default)]
struct State {
    values: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    faults: VecDeque<Fault>,
    asked: Vec<String>,
    /// Most bytes that are kept altogether.
    quota: Option<usize>,
    next: u64,
}

/// See the module.
pub struct ScriptedBlob {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl ScriptedBlob {
    pub fn start() -> ScriptedBlob {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let state: Arc<Mutex<State>> = Arc::default();
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&served);
                thread::spawn(move || {
                    let _ = serve(stream, &state);
                });
            }
        });
        ScriptedBlob { address, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Goes wrong in these ways, one for each request, and then no more.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().expect("no thread has panicked").faults.extend(faults);
    }

    /// Goes wrong no more.
    pub fn forgive(&self) {
        self.state.lock().expect("no thread has panicked").faults.clear();
    }

    /// Takes no more than this many bytes altogether.
    pub fn limit(&self, quota: usize) {
        self.state.lock().expect("no thread has panicked").quota = Some(quota);
    }

    /// The first words of every request so far, and empties the list.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("no thread has panicked").asked)
    }

    /// Puts values without asking anybody.
    pub fn fill(&self, values: impl IntoIterator<Item = (String, Vec<u8>)>) {
        self.state.lock().expect("no thread has panicked").values.extend(values);
    }

    /// Everything as it lies there.
    pub fn values(&self) -> BTreeMap<String, Vec<u8>> {
        self.state.lock().expect("no thread has panicked").values.clone()
    }

    /// A value is there no more.
    pub fn lose(&self, name: &str) {
        self.state.lock().expect("no thread has panicked").values.remove(name);
    }

    /// A value as it lies there.
    pub fn value(&self, name: &str) -> Option<Vec<u8>> {
        self.state.lock().expect("no thread has panicked").values.get(name).cloned()
    }
}

/// A status, headers and a body.
type Said = (u16, Vec<(&'static str, String)>, Vec<u8>);

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(LIFE))?;
    let mut before = Vec::new();
    while let Some(request) = Request::read(&mut stream, &mut before)? {
        let fault = {
            let mut state = state.lock().expect("no thread has panicked");
            state.asked.push(format!("{} {}", request.method, request.path));
            state.faults.pop_front()
        };
        let (status, headers, body) = match &fault {
            Some(Fault::Status(status, code, after)) => {
                let headers = after.iter().map(|after| ("Retry-After", after.to_string())).collect();
                (*status, headers, error(code).2)
            }
            Some(Fault::Redirect(to)) => (307, vec![("Location", to.clone())], Vec::new()),
            Some(Fault::Nonsense) => (200, Vec::new(), b"<html>welcome</html>".to_vec()),
            Some(Fault::SilentAfter | Fault::HalfAnswer) | None => {
                done(&request, &mut state.lock().expect("no thread has panicked"))
            }
        };
        if matches!(fault, Some(Fault::SilentAfter)) {
            return Ok(());
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if matches!(fault, Some(Fault::HalfAnswer)) {
            let mut whole = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            whole.extend_from_slice(&body[..body.len() / 2]);
            return io::Write::write_all(&mut stream, &whole);
        }
        answer(&mut stream, status, &headers, &body)?;
        if request.header("connection") == Some("close") {
            break;
        }
    }
    Ok(())
}

fn said(value: &Value) -> Said {
    (200, vec![("Content-Type", "application/json".to_owned())], value.to_string().into_bytes())
}

fn error(code: &str) -> Said {
    let status = match code {
        "forbidden" => 403,
        "not_found" => 404,
        _ => 400,
    };
    (status, Vec::new(), json!({ "error": { "code": code, "message": "scripted" } }).to_string().into_bytes())
}

fn about(name: &str, size: usize) -> Value {
    let url = format!("https://store1.private.blob.vercel-storage.com/{name}");
    json!({
        "url": url, "downloadUrl": format!("{url}?download=1"), "pathname": name, "size": size,
        "uploadedAt": "2026-01-31T23:59:59.000Z", "contentType": "application/octet-stream",
        "contentDisposition": "attachment", "cacheControl": "private", "etag": "\"1\"",
    })
}

fn done(request: &Request, state: &mut State) -> Said {
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return error("forbidden");
    }
    // The store itself.
    if let Some(name) = request.path.strip_prefix("/content/") {
        return match state.values.get(name) {
            Some(value) if request.method == "GET" => (200, Vec::new(), value.clone()),
            _ => (404, Vec::new(), Vec::new()),
        };
    }
    if request.header("x-api-version") != Some("12") {
        return error("bad_request");
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("PUT", "/api/blob/") => put(request, state, request.body.clone()),
        ("POST", "/api/blob/mpu") => parts(request, state),
        ("POST", "/api/blob/delete") => {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            for url in body["urls"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                state.values.remove(&named(url));
            }
            said(&Value::Null)
        }
        ("GET", "/api/blob/") => match request.parameter("url") {
            Some(url) => {
                let name = named(url);
                state.values.get(&name).map_or_else(|| error("not_found"), |value| said(&about(&name, value.len())))
            }
            None => list(request, state),
        },
        _ => error("bad_request"),
    }
}

/// The name of a value by its address at the store.
fn named(url: &str) -> String {
    decoded(url.split_once("/content/").map_or("", |(_, name)| name))
}

fn put(request: &Request, state: &mut State, value: Vec<u8>) -> Said {
    let Some(name) = request.parameter("pathname").filter(|name| name.len() <= 950) else { return error("bad_request") };
    let wanted = [("x-vercel-blob-access", "private"), ("x-add-random-suffix", "0")];
    if wanted.iter().any(|(header, value)| request.header(header) != Some(value)) {
        return error("bad_request");
    }
    if request.header("x-allow-overwrite") != Some("1") && state.values.contains_key(name) {
        return error("bad_request");
    }
    let used: usize = state.values.values().map(Vec::len).sum();
    if state.quota.is_some_and(|quota| used + value.len() > quota) {
        let body = json!({ "error": { "code": "bad_request", "message": "Storage quota exceeded for this store" } });
        return (403, Vec::new(), body.to_string().into_bytes());
    }
    let about = about(name, value.len());
    state.values.insert(name.to_owned(), value);
    said(&about)
}

fn parts(request: &Request, state: &mut State) -> Said {
    let id = request.header("x-mpu-upload-id").unwrap_or_default().to_owned();
    match request.header("x-mpu-action") {
        Some("create") => {
            state.next += 1;
            let id = format!("upload-{}", state.next);
            state.uploads.insert(id.clone(), BTreeMap::new());
            said(&json!({ "uploadId": id, "key": request.parameter("pathname") }))
        }
        Some("upload") => {
            let number = request.header("x-mpu-part-number").and_then(|number| number.parse().ok());
            let (Some(parts), Some(number)) = (state.uploads.get_mut(&id), number) else { return error("not_found") };
            parts.insert(number, request.body.clone());
            said(&json!({ "etag": format!("etag-{number}-{}", request.body.len()) }))
        }
        Some("complete") => {
            let Some(parts) = state.uploads.get(&id) else { return error("not_found") };
            let listed: Vec<Value> = serde_json::from_slice(&request.body).unwrap_or_default();
            let mut whole = Vec::new();
            for (index, part) in listed.iter().enumerate() {
                let number = part["partNumber"].as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or_default();
                let Some(bytes) = parts.get(&number) else { return error("bad_request") };
                let is_last = index + 1 == listed.len();
                if part["etag"] != format!("etag-{number}-{}", bytes.len()) || (!is_last && bytes.len() < MIN_PART) {
                    return error("bad_request");
                }
                whole.extend_from_slice(bytes);
            }
            state.uploads.remove(&id);
            put(request, state, whole)
        }
        _ => error("bad_request"),
    }
}

fn list(request: &Request, state: &State) -> Said {
    let limit = request.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(1000usize).min(1000);
    let prefix = request.parameter("prefix").unwrap_or_default();
    // A cursor says nothing to who did not make it.
    let after = request.parameter("cursor").map(|cursor| {
        let bytes: Vec<u8> =
            (0..cursor.len() / 2).filter_map(|at| u8::from_str_radix(cursor.get(at * 2..at * 2 + 2)?, 16).ok()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let mut found = state
        .values
        .iter()
        .filter(|(name, _)| name.starts_with(prefix) && after.as_ref().is_none_or(|after| *name > after))
        .map(|(name, value)| about(name, value.len()));
    let blobs: Vec<Value> = found.by_ref().take(limit).collect();
    let has_more = found.next().is_some();
    let last = blobs.last().and_then(|blob| blob["pathname"].as_str()).unwrap_or_default();
    let cursor: Option<String> = has_more.then(|| last.bytes().map(|byte| format!("{byte:02x}")).collect());
    said(&json!({ "blobs": blobs, "hasMore": has_more, "cursor": cursor }))
}
