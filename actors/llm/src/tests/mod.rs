//! The whole way of a call: a caller and a key process on one side of two sockets, the model process on the other, and
//! behind it a server that follows a script.

mod answers;
mod doors;
mod failures;
mod scripted_server;
mod stopping;

use std::{cell::Cell, future::Future, net::SocketAddr, os::unix::net::UnixStream, rc::Rc, time::Duration};

use ipc::{
    Client, Code, Refusal,
    endpoint::{Event, Options, StreamCall, connect},
    messages::{
        chat::{Part, Usage},
        crypto::{ApiKey, ReleaseApiKey},
        llm::{Complete, Completed, ListModels, ModelChoice, ModelEvent, Models, Said, Stop, Wire},
    },
    role::source,
    secret::Secret,
    service::Method as _,
};
use rustls::RootCertStore;

use outbound::{Names, Prepared};

use crate::{http::Times, start_with};

/// The lease that every test uses.
const LEASE: u64 = 7;

/// The key that must be seen by the server alone.
const KEY: &str = "sk-canary-0123456789";

/// Times that let a test end. They are generous where a test waits for something good, on a busy machine too.
const TIMES: Times = Times {
    connect: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    failure: Duration::from_secs(5),
    first_wait: Duration::from_millis(4),
    most_backoff: Duration::from_millis(16),
    most_wait: Duration::from_secs(1),
};

/// Times of a test that waits for silence.
const IMPATIENT: Times = Times { idle: Duration::from_millis(400), ..TIMES };

/// Who asks, and what there is to ask.
struct Stage {
    agent: Client<source::Agent>,
    cli: Client<source::Cli>,
    /// How often the key was asked for.
    released: Rc<Cell<usize>>,
}

/// What a stage is made with.
struct Setting {
    base_url: String,
    key: &'static str,
    times: Times,
    hosts: &'static str,
    roots: RootCertStore,
}

impl Setting {
    /// A server at `address`, and a key.
    fn at(address: SocketAddr) -> Setting {
        Setting::url(format!("http://{address}/v1"))
    }

    fn url(base_url: String) -> Setting {
        Setting { base_url, key: KEY, times: TIMES, hosts: "", roots: RootCertStore::empty() }
    }

    /// Starts a model process, with its key process and its caller. Must be called in a story.
    fn stage(self) -> Stage {
        let socket = || {
            let (a, b) = UnixStream::pair().expect("sockets");
            a.set_nonblocking(true).expect("a socket");
            b.set_nonblocking(true).expect("a socket");
            (a, b)
        };
        let ((data_a, data_b), (control_a, control_b)) = (socket(), socket());
        let (caller, mut events, connection) = connect(data_a.into(), control_a.into()).expect("an end");
        tokio::task::spawn_local(connection.run());
        let (llm, llm_events, connection) = connect(data_b.into(), control_b.into()).expect("an end");
        tokio::task::spawn_local(connection.run());

        let prepared = Prepared::new(self.roots, Names::parse(b"", self.hosts.as_bytes())).expect("TLS");
        let llm = start_with(prepared, self.times, Client::new(llm), llm_events).expect("a model process");
        tokio::task::spawn_local(llm);

        let released = Rc::new(Cell::new(0));
        let count = Rc::clone(&released);
        tokio::task::spawn_local(async move {
            while let Some(Event::Call(incoming)) = events.next().await {
                assert_eq!(incoming.method(), ReleaseApiKey::NUMBER, "the model process asks for nothing but a key");
                let ReleaseApiKey { lease } = ipc::codec::decode(incoming.body()).expect("a request");
                count.set(count.get() + 1);
                let reply = incoming.reply::<ReleaseApiKey>();
                if lease == LEASE {
                    reply.answer(&ApiKey { base_url: self.base_url.clone(), key: Secret::new(self.key.as_bytes().to_vec()) });
                } else {
                    reply.refuse(&Refusal::new(Code::NoSuchKey, "not lent"));
                }
            }
        });
        Stage { agent: Client::new(Rc::clone(&caller)), cli: Client::new(caller), released }
    }
}

impl Stage {
    fn open(&self, wire: Wire) -> StreamCall<Complete> {
        self.agent.open(&question(wire, "some-model"), Options::default()).expect("a call")
    }

    /// Asks and reads everything.
    async fn ask(&self, wire: Wire) -> (Vec<ModelEvent>, Result<Completed, Refusal>) {
        read(self.open(wire)).await
    }

    /// Asks for something that must be refused, and says how.
    async fn refused(&self, wire: Wire) -> Refusal {
        let (_, result) = self.ask(wire).await;
        let refusal = result.expect_err("a refusal");
        assert!(!refusal.sentence.contains("canary"), "the key is in a sentence: {}", refusal.sentence);
        refusal
    }

    async fn models(&self, wire: Wire) -> Result<Models, Refusal> {
        self.cli.call(&ListModels { lease: LEASE, wire }).await
    }
}

fn question(wire: Wire, model: &str) -> Complete {
    Complete {
        model: ModelChoice { lease: LEASE, wire, model: model.into() },
        system: "Be kind.".into(),
        messages: vec![Said { by_model: false, parts: vec![Part::Text("Hello?".into())] }],
        tools: Vec::new(),
        max_tokens: 100,
    }
}

/// Every event, those of a kind that follow each other joined, and the answer.
async fn read(mut call: StreamCall<Complete>) -> (Vec<ModelEvent>, Result<Completed, Refusal>) {
    let mut events: Vec<ModelEvent> = Vec::new();
    while let Some(event) = call.next().await {
        match (events.last_mut(), event.expect("an event")) {
            (Some(ModelEvent::Text(before)), ModelEvent::Text(more)) => before.push_str(&more),
            (Some(ModelEvent::Thinking(before)), ModelEvent::Thinking(more)) => before.push_str(&more),
            (_, event) => events.push(event),
        }
    }
    (events, call.answer().await)
}

/// Runs a story as the model process runs: one actix System on one thread.
fn story<F: Future<Output = ()>>(story: F) {
    actix::System::new().block_on(async {
        tokio::time::timeout(Duration::from_secs(30), story).await.expect("the story ends");
    });
}

/// A short answer on a wire, and what it becomes.
fn short(wire: Wire) -> (String, Completed) {
    let stream = match wire {
        Wire::OpenAiChat => concat!(
            "data: {\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi 東\"}}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
            "data: [DONE]\n\n",
        ),
        Wire::Anthropic => concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m-1\",\"usage\":{\"input_tokens\":3}}}\n\n",
            "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi 東\"}}\n\n",
            "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
            "data: {\"type\":\"message_stop\"}\n\n",
        ),
    };
    let usage = Usage { input: 3, output: 2 };
    (stream.to_owned(), Completed { stop: Stop::Finished, calls: Vec::new(), usage, model: "m-1".into() })
}

const BOTH: [Wire; 2] = [Wire::OpenAiChat, Wire::Anthropic];

fn hi() -> Vec<ModelEvent> {
    vec![ModelEvent::Text("Hi 東".into())]
}
