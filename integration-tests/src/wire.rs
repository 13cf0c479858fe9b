//! The control socket and the wire behind it, as a command line uses them.

use std::{
    future::Future,
    io::{BufRead as _, BufReader, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    rc::Rc,
    time::Duration,
};

use ipc::{
    Client, Code,
    endpoint::{self, Caller},
    link,
    messages::{
        crypto::{Deploy, KeyState, KeyStatus, Unlock},
        start::Hello,
    },
    role::source,
    secret::Secret,
};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::home::Home;

/// Runs what needs the wire.
pub fn on_wire<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    LocalSet::new().block_on(&runtime, work)
}

/// A connection to the control socket.
pub fn control(home: &Home) -> UnixStream {
    let socket = UnixStream::connect(home.data().join("run/control.sock")).expect("a supervisor listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    socket
}

/// Sends a line as it is and reads the one that answers it; `None` if the other side hangs up.
pub fn say(socket: &UnixStream, line: &str) -> Option<Value> {
    let mut writer = socket;
    writer.write_all(line.as_bytes()).and_then(|()| writer.write_all(b"\n")).ok()?;
    let mut answer = String::new();
    BufReader::with_capacity(1, socket).read_line(&mut answer).ok().filter(|length| *length > 0)?;
    Some(serde_json::from_str(&answer).expect("answers are JSON"))
}

/// One request.
pub fn request(method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

/// A connection to the control socket that has become a part of the wire.
pub fn attach(home: &Home) -> OwnedFd {
    let socket = control(home);
    let ours = Hello::ours();
    let params = json!({ "version": ours.version, "schema": ours.schema, "program": ours.program, "serves": false });
    let answer = say(&socket, &request("attach", params)).expect("it answers");
    assert!(answer.get("error").is_none(), "attach was refused: {answer}");
    socket.set_read_timeout(None).expect("a timeout can be taken back");
    socket.set_nonblocking(true).expect("a socket can be non-blocking");
    OwnedFd::from(socket)
}

/// An attached command line.
pub struct Attached {
    pub client: Client<source::Cli>,
    pub caller: Rc<Caller>,
}

impl Attached {
    /// Attaches, inside [`on_wire`].
    pub fn to(home: &Home) -> Attached {
        let (inbox, outbox) = link::open(attach(home)).expect("a link can be made");
        let (caller, _events, connection) = endpoint::connect_single(inbox, outbox);
        tokio::task::spawn_local(async move {
            // It ends with the test or with the supervisor.
            let _ = connection.run().await;
        });
        Attached { client: Client::new(Rc::clone(&caller)), caller }
    }

    /// Opens the demo space, if nothing is open.
    pub async fn demo(&self) {
        if let Ok(KeyState::Open { .. }) = self.client.call(&KeyStatus).await {
            return;
        }
        let pair = || (Secret::new(b"demo".to_vec()), Secret::new(b"demo".to_vec()));
        let (user, password) = pair();
        match self.client.call(&Unlock { user, password }).await {
            Ok(_) => {}
            Err(refusal) if refusal.code == Code::NewSpace => {
                let (user, password) = pair();
                self.client.call(&Deploy { user, password }).await.expect("the demo space can be made");
            }
            Err(refusal) => panic!("the demo space does not open: {refusal}"),
        }
    }
}
