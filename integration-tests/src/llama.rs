//! llama.cpp's own server: a model server that nobody here wrote, with a model whose answer is a script.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use crate::{
    home::{Home, workspace},
    scripted_gguf::scripted,
};

/// Long enough to fetch the packages once and unpack them.
const PATIENCE: Duration = Duration::from_secs(240);

/// One of them unpacks at a time.
static UNPACKING: Mutex<()> = Mutex::new(());

/// A running server; ended when dropped.
pub struct Llama {
    child: Child,
    port: u16,
}

impl Llama {
    /// Starts one whose model answers with these pieces, and with the others after a tool's result.
    pub fn start(home: &Home, answer: &[&str], after_tool: &[&str]) -> Llama {
        let model = home.file("scripted.gguf", scripted(answer, after_tool));
        let log = File::create(home.path("llama.log")).expect("a log can be made");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port is free").port();
        let _one = UNPACKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut command = Command::new(workspace().join("integration-tests/peers/llama-server"));
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--jinja", "--parallel", "1", "--ctx-size", "8192", "-m"])
            .arg(&model)
            .env("LLAMA_PEER_DIR", workspace().join("target/peers/llama"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be copied"))
            .stderr(log)
            .process_group(0);
        let child = command.spawn().expect("the script is there");
        let mut llama = Llama { child, port };
        let until = Instant::now() + PATIENCE;
        while !llama.is_ready() {
            let ended = llama.child.try_wait().expect("it can be waited for");
            let said = || std::fs::read_to_string(home.path("llama.log")).unwrap_or_default();
            assert!(ended.is_none(), "llama-server needs the Debian packages that its script fetches; it said: {}", said());
            assert!(Instant::now() < until, "llama-server does not come up; it said: {}", said());
            thread::sleep(Duration::from_millis(50));
        }
        llama
    }

    fn is_ready(&self) -> bool {
        let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut answer = String::new();
        let asked = socket.write_all(b"GET /health HTTP/1.0\r\n\r\n").and_then(|()| socket.read_to_string(&mut answer));
        asked.is_ok() && answer.starts_with("HTTP/1.1 200")
    }

    /// Its address for OpenAI's interface.
    pub fn openai(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Its address for Anthropic's interface.
    pub fn anthropic(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Llama {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
