//! A Lamos that stays up, the file that names its liar, an honest command line that watches, and what the log says.

use std::{
    collections::HashMap,
    fs,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{control, request, say},
};
use ipc::{
    Code, Instance, Refusal, Role, codec,
    frame::Frame,
    header::{Flags, Header, Kind},
    id::ConversationId,
    messages::{
        common::{Echo, Source},
        crypto::{Deploy, Unlock},
        start::Hello,
        supervisor::{Engage, Engaged},
    },
    secret::Secret,
    service::Method,
};
use serde_json::{Value, json};

use crate::{
    double::WORD,
    peer::{Peer, call},
    teller,
};

/// How long anything may take that is not itself about time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the supervisor's memory may grow by, whatever one process does, in bytes: what may be queued for one that does not
/// read (`MAX_QUEUED`), three times for what surrounds small frames, and some for the allocator.
pub(crate) const MAY_GROW: u64 = 64 << 20;

/// A Lamos that stays up.
pub(crate) struct World<'h> {
    pub(crate) home: &'h Home,
    _serve: Serve<'h>,
    before: u64,
}

/// Tells a story in a new one, which must be unharmed at its end.
pub(crate) fn in_world(name: &str, story: impl FnOnce(&World<'_>)) {
    let home = Home::of(&std::env::current_exe().expect("this program has a path"));
    let serve = Serve::start(&home);
    let mut world = World { home: &home, _serve: serve, before: 0 };
    // Nobody is to find the file `hostile` who was started before it was written.
    Cli::attach(&home).all_answer(&[Role::Crypto, Role::Code]);
    world.before = world.peak();
    story(&world);
    let grown = world.peak().saturating_sub(world.before);
    teller::say(&format!("     {name}: the supervisor had {} KiB and took at most {} KiB more", world.before >> 10, grown >> 10));
    assert!(grown <= MAY_GROW, "{name}: the supervisor took {} MiB more", grown >> 20);
    home.run(["stop"]).good();
    drop(world);
    home.assert_empty();
}

impl World<'_> {
    /// From now on the next process of this role lives by this script, and no other after it.
    pub(crate) fn next_is(&self, role: Role, script: &str) {
        self.home.file("hostile", format!("once {role} {script}"));
    }

    /// From now on every process of this role does.
    pub(crate) fn all_are(&self, role: Role, script: &str) {
        self.home.file("hostile", format!("all {role} {script}"));
    }

    /// From now on all are honest again.
    pub(crate) fn none_is(&self) {
        // The liar may have taken it.
        let _ = fs::remove_file(self.home.path("hostile"));
    }

    /// The answer of the control socket to one request.
    pub(crate) fn ask(&self, method: &str, params: Value) -> Value {
        say(&control(self.home), &request(method, params)).expect("the supervisor answers a person")
    }

    /// The processes of a role.
    pub(crate) fn of_role(&self, role: Role) -> Vec<Value> {
        let status = self.ask("status", json!({}));
        let processes = status["result"]["processes"].as_array().expect("it lists processes");
        processes.iter().filter(|process| process["role"] == role.name()).cloned().collect()
    }

    /// Starts a role anew, and waits until its next process is ready or has gone again.
    pub(crate) fn restart(&self, role: Role) {
        let old: Vec<Value> = self.of_role(role).iter().map(|process| process["pid"].clone()).collect();
        let answer = self.ask("restart", json!({ "role": role.name() }));
        assert!(answer.get("error").is_none(), "{answer}");
        self.until("it is started again", || {
            let now = self.of_role(role);
            let taken = !self.home.path("hostile").exists();
            taken && !now.iter().any(|process| old.contains(&process["pid"]))
        });
    }

    /// Waits for something.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is() {
            assert!(
                Instant::now() < until,
                "never: {what}; the log ends {:#?}",
                self.log(0).iter().rev().take(5).collect::<Vec<_>>()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn log_file(&self) -> PathBuf {
        self.home.data().join("logs/lamos.log")
    }

    /// How long the log is.
    pub(crate) fn mark(&self) -> u64 {
        fs::metadata(self.log_file()).map_or(0, |file| file.len())
    }

    /// What was logged since.
    pub(crate) fn log(&self, mark: u64) -> Vec<Value> {
        let mut text = String::new();
        if let Ok(mut file) = fs::File::open(self.log_file()) {
            file.seek(SeekFrom::Start(mark)).and_then(|_| file.read_to_string(&mut text)).expect("the log is text");
        }
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Why processes of a role were ended since.
    pub(crate) fn ended(&self, role: Role, mark: u64) -> Vec<String> {
        let ended = self.log(mark).into_iter().filter(|line| line["text"] == "ended");
        ended
            .map(|line| line["fields"].clone())
            .filter(|fields| fields["role"] == role.name())
            .filter_map(|fields| Some(fields["why"].as_str()?.to_owned()))
            .collect()
    }

    /// The most memory the supervisor ever had, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        let pid = self.ask("status", json!({}))["result"]["pid"].as_u64().expect("it has a pid");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts");
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") << 10
    }
}

/// An honest command line, which counts the answers it gets.
pub(crate) struct Cli {
    pub(crate) peer: Peer,
    last: u64,
    answers: HashMap<u64, Vec<Result<Vec<u8>, Refusal>>>,
}

impl Cli {
    /// Attaches.
    pub(crate) fn attach(home: &Home) -> Cli {
        let socket = control(home);
        let ours = Hello::ours();
        let params = json!({ "version": ours.version, "schema": ours.schema, "program": ours.program, "serves": false });
        let answer = say(&socket, &request("attach", params)).expect("it answers");
        assert!(answer.get("error").is_none(), "{answer}");
        Cli { peer: Peer::new(socket), last: 0, answers: HashMap::new() }
    }

    /// Asks. Nothing is waited for.
    pub(crate) fn ask<M: Method>(&mut self, to: (Role, u32), request: &M, deadline_ms: u32) -> u64 {
        self.last += 1;
        let kind = if M::STREAM { Kind::Open } else { Kind::Call };
        let flags = if M::SENSITIVE { Flags::SENSITIVE } else { Flags::NONE };
        let header = Header { deadline_ms, flags, ..call(kind, (to.0, Instance(to.1)), M::NUMBER, self.last) };
        let body = codec::encode(request).expect("it fits");
        assert!(self.peer.send(&Frame { header, body: body.into() }), "the supervisor takes calls");
        self.last
    }

    /// The one answer of a call. Pieces of streams are not looked at and never given back.
    pub(crate) fn answer(&mut self, call: u64) -> Result<Vec<u8>, Refusal> {
        let until = Instant::now() + PATIENCE;
        while !self.answers.contains_key(&call) {
            self.take(until, &format!("the answer to call {call}"));
        }
        self.answers[&call][0].clone()
    }

    fn take(&mut self, until: Instant, what: &str) {
        let frame = self.peer.next_until(until).unwrap_or_else(|| panic!("{what} never came"));
        let body = frame.body.as_slice();
        let result = match frame.header.kind {
            Kind::Answer => Ok(body.to_vec()),
            Kind::Refuse => Err(Refusal::from_body(body)),
            _ => return,
        };
        self.answers.entry(frame.header.call.0).or_default().push(result);
    }

    /// Asks a role for an echo.
    pub(crate) fn echo(&mut self, to: (Role, u32), bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        let call = self.ask(to, &Echo { bytes: bytes.to_vec() }, 0);
        self.answer(call)
    }

    /// Gives a liar its word. Nothing is waited for. It is another request each time, so that what the quarantine
    /// remembers of one is not held against the next.
    pub(crate) fn give_word(&mut self, to: (Role, u32)) -> u64 {
        let bytes = [WORD, &self.last.to_le_bytes()].concat();
        self.ask(to, &Echo { bytes }, 0)
    }

    /// Opens a stream that a liar may fill; another request each time too.
    pub(crate) fn source(&mut self, to: (Role, u32)) -> u64 {
        let pieces = u32::try_from(self.last).expect("few calls");
        self.ask(to, &Source { pieces, size: 1 }, 0)
    }

    /// Fails unless each of these roles answers.
    #[track_caller]
    pub(crate) fn all_answer(&mut self, roles: &[Role]) {
        for &role in roles {
            let answer = self.echo((role, 0), b"\x07");
            assert_eq!(answer.as_deref(), Ok(&[1, 7][..]), "{role} does not answer");
        }
    }

    /// Opens the demo space.
    pub(crate) fn demo(&mut self) {
        let secret = || Secret::new(b"demo".to_vec());
        match self.allowed((Role::Crypto, 0), &Unlock { user: secret(), password: secret() }) {
            Ok(_) => {}
            Err(refusal) if refusal.code == Code::NewSpace => {
                let deploy = self.ask((Role::Crypto, 0), &Deploy { user: secret(), password: secret() }, 0);
                self.answer(deploy).expect("the demo space can be made");
            }
            Err(refusal) => panic!("the demo space does not open: {refusal}"),
        }
    }

    /// The agent of a conversation.
    pub(crate) fn engage(&mut self, conversation: u8) -> Result<u32, Refusal> {
        let body = self.allowed((Role::Supervisor, 0), &Engage { conversation: ConversationId([conversation; 16]) })?;
        Ok(codec::decode::<Engaged>(&body).expect("an instance").instance)
    }

    /// Asks until it is not too often: few are allowed in a second, and a story may tell more.
    fn allowed<M: Method>(&mut self, to: (Role, u32), request: &M) -> Result<Vec<u8>, Refusal> {
        loop {
            let call = self.ask(to, request, 0);
            match self.answer(call) {
                Err(refusal) if refusal.code == Code::Busy => thread::sleep(Duration::from_millis(50)),
                result => return result,
            }
        }
    }

    /// Fails unless every call had one terminal answer. What came before an echo has come.
    #[track_caller]
    pub(crate) fn one_answer_each(&mut self) {
        for call in 1..=self.last {
            let _ = self.answer(call);
        }
        self.all_answer(&[Role::Code]);
        for call in 1..=self.last {
            assert_eq!(self.answers[&call].len(), 1, "call {call}: {:?}", self.answers[&call]);
        }
    }
}
