//! Round trips that do not pass the hub.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use integration_tests::home::workspace;
use ipc_channel::ipc::{IpcOneShotServer, IpcReceiver, IpcSender, channel};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::peers;

/// Bytes of a frame around its body: a length, a header, and the length of the bytes in the body.
const AROUND: usize = 4 + 64 + 5;

/// Two processes and a blocking socket pair between them.
pub struct RawPair {
    socket: UnixStream,
    child: Child,
    buffer: Vec<u8>,
    /// The cores this program may use when it is not held on one.
    free: Option<CpuSet>,
}

impl RawPair {
    /// Wherever the kernel puts them.
    pub fn start(length: usize) -> RawPair {
        let (socket, child) = peers::start(&format!("echo:{}", length + AROUND));
        RawPair { socket, child, buffer: vec![7; length + AROUND], free: None }
    }

    /// The two held on different cores, if there are two.
    pub fn start_on_two_cores(length: usize) -> RawPair {
        let mut pair = RawPair::start(length);
        let free = sched_getaffinity(None).unwrap();
        let other = (0..CpuSet::MAX_CPU).filter(|&core| free.is_set(core)).nth(1);
        if let Some(other) = other {
            sched_setaffinity(Some(rustix::process::Pid::from_child(&pair.child)), &only(other)).unwrap();
        }
        pair.free = Some(free);
        pair
    }

    /// There and back.
    pub fn round_trip(&mut self) -> Duration {
        let begun = Instant::now();
        self.socket.write_all(&self.buffer).unwrap();
        self.socket.read_exact(&mut self.buffer).unwrap();
        begun.elapsed()
    }

    /// Many of them, this program held on its first core meanwhile if the pair is to be on two.
    pub fn batch(&mut self, rounds: usize) -> Vec<Duration> {
        let free = self.free;
        if let Some(first) = free.and_then(|free| (0..CpuSet::MAX_CPU).find(|&core| free.is_set(core))) {
            sched_setaffinity(None, &only(first)).unwrap();
        }
        let times = (0..rounds).map(|_| self.round_trip()).collect();
        if let Some(free) = free {
            sched_setaffinity(None, &free).unwrap();
        }
        times
    }
}

fn only(core: usize) -> CpuSet {
    let mut cores = CpuSet::new();
    cores.set(core);
    cores
}

impl Drop for RawPair {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Servo's channel, with the library's own way to meet.
pub struct Channel {
    to: IpcSender<Vec<u8>>,
    from: IpcReceiver<Vec<u8>>,
    child: Child,
}

/// What a new peer sends: where to write to it, and where to read from it.
type Ends = (IpcSender<Vec<u8>>, IpcReceiver<Vec<u8>>);

impl Channel {
    /// Starts the other side.
    pub fn start() -> Channel {
        let (server, name) = IpcOneShotServer::<Ends>::new().unwrap();
        let (_socket, child) = peers::start(&format!("channel:{name}"));
        let (_, (to, from)) = server.accept().unwrap();
        Channel { to, from, child }
    }

    /// What the other side does.
    pub fn echo(name: &str) {
        let meet = IpcSender::connect(name.to_owned()).unwrap();
        let (to_us, ours) = channel::<Vec<u8>>().unwrap();
        let (theirs, from_us) = channel::<Vec<u8>>().unwrap();
        meet.send((to_us, from_us)).unwrap();
        while let Ok(bytes) = ours.recv() {
            theirs.send(bytes).unwrap();
        }
    }

    /// There and back.
    pub fn round_trip(&mut self, length: usize) -> Duration {
        let bytes = vec![7; length];
        let begun = Instant::now();
        self.to.send(bytes).unwrap();
        assert_eq!(self.from.recv().unwrap().len(), length);
        begun.elapsed()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Node with a child it forked.
pub struct Node {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Node {
    /// Starts both; `None` where there is no node.
    pub fn start() -> Option<Node> {
        let mut child = Command::new("node")
            .arg(workspace().join("integration-tests/peers/node-ipc.js"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let said = BufReader::new(child.stdout.take()?);
        Some(Node { child, said })
    }

    /// The times of so many round trips.
    pub fn batch(&mut self, rounds: usize, length: usize) -> Vec<Duration> {
        writeln!(self.child.stdin.as_mut().unwrap(), "{rounds} {length}").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        let nanos: Vec<u64> = serde_json::from_str(&line).unwrap();
        nanos.into_iter().map(Duration::from_nanos).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Node ends its child when it hears that nothing more comes.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn end(child: &mut Child) {
    // It may have ended with its socket.
    let _ = child.kill();
    let _ = child.wait();
}
