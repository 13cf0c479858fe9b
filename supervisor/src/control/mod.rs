//! The control socket: newline-delimited JSON-RPC 2.0 for whoever looks at the tree, and the door through which a
//! command line attaches itself to the wire.
//!
//! Nothing of a person's passes here: what carries data or a password attaches first, and then speaks frames that the
//! supervisor passes on unread. The socket lies in a directory that only this person can enter, the peer must be this
//! person, and the tree's own processes are refused by their pid: a pathname socket is out of Landlock's sight, so
//! whatever a locked process might reach is stopped here.

mod lines;
pub mod methods;

use std::{fs, io, os::fd::AsFd, rc::Rc, time::Duration};

use interprocess::{
    local_socket::{GenericFilePath, ListenerOptions, ToFsName as _, tokio::prelude::*},
    os::unix::local_socket::ListenerOptionsExt as _,
};
pub use ipc::control as rpc;
use lines::Lines;
use tokio::net::UnixStream;

use crate::{places::Places, tree::Tree};

/// Connections that may be open at once, attached ones not counted.
const MAX_CONNECTIONS: usize = 64;

/// Between a connection that could not be accepted and the next attempt.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Listens for as long as the supervisor lives.
pub async fn listen(tree: Tree, places: &Places) -> io::Result<()> {
    let path = places.control_socket();
    // The lock is ours, so a socket that is left here belongs to nobody.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let name = path.clone().to_fs_name::<GenericFilePath>()?;
    let listener = ListenerOptions::new().name(name).mode(0o600).create_tokio()?;
    let open = Rc::new(());
    let mut failed = false;
    loop {
        let LocalSocketStream::UdSocket(stream) = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                // No descriptors are left, say. That passes; a supervisor that nobody can reach would not.
                if !std::mem::replace(&mut failed, true) {
                    tree.lock().log.note("cannot accept", serde_json::json!({ "error": error.to_string() }));
                }
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        failed = false;
        let stream = UnixStream::from(stream);
        if Rc::strong_count(&open) > MAX_CONNECTIONS {
            continue;
        }
        let Ok(pid) = peer(&stream, &tree) else { continue };
        let (tree, guard) = (tree.clone(), Rc::clone(&open));
        tokio::task::spawn_local(async move {
            converse(tree, stream, pid).await;
            drop(guard);
        });
    }
}

/// Who is at the other end: this person, and none of the tree's own.
fn peer(stream: &UnixStream, tree: &Tree) -> io::Result<i32> {
    let credentials = rustix::net::sockopt::socket_peercred(stream.as_fd())?;
    let pid = i32::from(rustix::process::Pid::as_raw_nonzero(credentials.pid));
    let refused = io::ErrorKind::PermissionDenied;
    if credentials.uid != rustix::process::getuid() || tree.is_ours(pid) { Err(refused.into()) } else { Ok(pid) }
}

/// Serves one connection until it ends or attaches.
pub async fn converse(tree: Tree, stream: UnixStream, pid: i32) {
    let mut lines = Lines::new(stream);
    while let Ok(Some(line)) = lines.next().await {
        match methods::answer(&tree, &line).await {
            methods::Next::Say(answer) => {
                if lines.say(&answer).await.is_err() {
                    return;
                }
            }
            methods::Next::Tail(id) => return methods::tail(&tree, lines, id).await,
            methods::Next::Attach(attach) => return methods::attach(&tree, lines, pid, attach).await,
        }
    }
}
