//! Servers of others, from PyPI: moto (S3) and WsgiDAV (WebDAV). They are installed once, under the target directory, into
//! a virtual environment of their own.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::home::workspace;

/// What is installed. Another list is another environment.
const PACKAGES: &[&str] = &["moto[server]==5.2.5", "wsgidav==4.4.0", "cheroot==11.1.2"];

/// Who may enter the WebDAV server.
pub const USER: &str = "lamos";
pub const PASSWORD: &str = "a word for a test";

/// How long a server may take to answer its door.
const START: Duration = Duration::from_secs(120);

/// A server that ends with this.
pub struct Peer {
    child: Child,
    address: SocketAddr,
    folder: Option<TempDir>,
}

impl Peer {
    /// An S3 server.
    pub fn moto() -> Peer {
        let address = free();
        let mut command = Command::new(environment().join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        Peer::start(command, address, None)
    }

    /// A WebDAV server over an empty folder.
    pub fn wsgidav() -> Peer {
        let address = free();
        let folder = tempfile::tempdir().expect("a folder can be made");
        let files = folder.path().join("files");
        fs::create_dir(&files).expect("a folder can be made");
        let config = serde_json::json!({
            "host": "127.0.0.1", "port": address.port(), "server": "cheroot",
            "provider_mapping": { "/": files },
            "simple_dc": { "user_mapping": { "*": { USER: { "password": PASSWORD } } } },
            "http_authenticator": { "accept_basic": true, "accept_digest": false, "default_to_digest": false },
        });
        let place = folder.path().join("wsgidav.json");
        fs::write(&place, config.to_string()).expect("a file can be written");
        let mut command = Command::new(environment().join("bin/wsgidav"));
        command.arg("--config").arg(place);
        Peer::start(command, address, Some(folder))
    }

    fn start(mut command: Command, address: SocketAddr, folder: Option<TempDir>) -> Peer {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a peer starts");
        let mut peer = Peer { child, address, folder };
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(since.elapsed() < START, "the peer does not answer its door");
            assert!(peer.child.try_wait().expect("a child can be waited for").is_none(), "the peer has ended");
            thread::sleep(Duration::from_millis(50));
        }
        peer
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a WebDAV server keeps its files.
    pub fn files(&self) -> PathBuf {
        self.folder.as_ref().expect("a WebDAV server has one").path().join("files")
    }

    /// Makes a bucket, as its owner would.
    pub fn make_bucket(&self, name: &str) {
        let address = self.address;
        let mut stream = TcpStream::connect(address).expect("the peer takes connections");
        let request = format!("PUT /{name} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the peer reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the peer answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has at the moment.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free")
}

/// The virtual environment, made if it is not there.
fn environment() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    fs::create_dir_all(&target).expect("the target directory can be made");
    // One test process makes it, others wait.
    let lock = fs::File::create(target.join("python-peers.lock")).expect("a lock can be made");
    lock.lock().expect("a lock can be taken");
    let place = target.join("python-peers");
    let done = place.join("installed");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return place;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place));
    run(Command::new(place.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES));
    write(&done, &wanted);
    place
}

fn write(place: &Path, text: &str) {
    fs::write(place, text).expect("a file can be written");
}

fn run(command: &mut Command) {
    let output = command.output().expect("python is there");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
