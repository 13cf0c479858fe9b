//! The other sides: what the hub is compared with. Each is this program again, as a process of its own.

use std::{
    env,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
};

use integration_tests::wire::on_wire;
use ipc::{endpoint, link};

/// Starts this program as a peer with one end of a socket pair as its standard input.
pub fn start(peer: &str) -> (UnixStream, Child) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Command::new(env::current_exe().unwrap())
        .arg(format!("--peer={peer}"))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .unwrap();
    (ours, child)
}

/// What this program does as a peer.
pub fn peer(name: &str) {
    let socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).unwrap());
    match name.split_once(':') {
        Some(("echo", length)) => echo(socket, length.parse().unwrap()),
        Some(("channel", name)) => super::others::Channel::echo(name),
        None if name == "hello" => (&socket).write_all(&[1]).unwrap(),
        None if name == "endpoint" => serve(socket),
        _ => panic!("{name} is no peer"),
    }
}

/// Sends back what it is sent, so many bytes at a time, blocking.
fn echo(mut socket: UnixStream, length: usize) {
    let mut buffer = vec![0; length];
    while socket.read_exact(&mut buffer).is_ok() && socket.write_all(&buffer).is_ok() {}
}

/// Takes part in the wire with nobody in between: every endpoint answers `Echo` and `Source`.
fn serve(socket: UnixStream) {
    socket.set_nonblocking(true).unwrap();
    on_wire(async {
        let (inbox, outbox) = link::open(socket.into()).unwrap();
        let (_caller, _events, connection) = endpoint::connect_single(inbox, outbox);
        // It ends when the other side does.
        let _ = connection.run().await;
    });
}
