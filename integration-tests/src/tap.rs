//! An attached command line whose every frame is seen on its way: which calls it made, and how often each was answered.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    os::{fd::OwnedFd, unix::net::UnixStream},
    rc::Rc,
    time::{Duration, Instant},
};

use ipc::{
    Client, Refusal,
    endpoint::{self, Caller, Options},
    header::Kind,
    id::CallId,
    link::{self, Inbox, Outbox},
    messages::common::{Echo, Echoed},
    role::{Role, source},
};

use crate::{
    home::Home,
    wire::{Attached, attach},
};

/// Calls by their number: the method, and the terminal answers that came.
#[derive(Default)]
pub struct Ledger(RefCell<HashMap<CallId, (u16, u32)>>);

impl Ledger {
    fn asked(&self, call: CallId, method: u16) {
        assert!(self.0.borrow_mut().insert(call, (method, 0)).is_none(), "{call:?} is asked twice");
    }

    fn answered(&self, call: CallId) {
        let mut calls = self.0.borrow_mut();
        calls.get_mut(&call).unwrap_or_else(|| panic!("{call:?} was answered and never asked")).1 += 1;
    }

    /// How many calls had no answer, one answer, and more; and all of them as text.
    pub fn count(&self) -> (usize, usize, usize, String) {
        let calls = self.0.borrow();
        let of = |test: &dyn Fn(u32) -> bool| calls.values().filter(|(_, answers)| test(*answers)).count();
        (of(&|answers| answers == 0), of(&|answers| answers == 1), of(&|answers| answers > 1), format!("{calls:?}"))
    }
}

/// See the module.
pub struct Tapped {
    pub attached: Attached,
    pub ledger: Rc<Ledger>,
    /// The supervisor has gone, or the connection to it.
    pub ended: Rc<Cell<bool>>,
}

impl Tapped {
    /// Attaches, inside [`on_wire`](crate::wire::on_wire).
    pub fn to(home: &Home) -> Tapped {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets can be made");
        for socket in [&ours, &theirs] {
            socket.set_nonblocking(true).expect("a socket can be non-blocking");
        }
        let ledger: Rc<Ledger> = Rc::default();
        let ended: Rc<Cell<bool>> = Rc::default();
        let (from_hub, to_hub) = link::open(attach(home)).expect("a link can be made");
        let (from_client, to_client) = link::open(OwnedFd::from(theirs)).expect("a link can be made");
        let seen = Rc::clone(&ledger);
        tokio::task::spawn_local(pass(from_client, to_hub, move |kind, call, method| {
            if matches!(kind, Kind::Call | Kind::Open) {
                seen.asked(call, method);
            }
        }));
        let (seen, over) = (Rc::clone(&ledger), Rc::clone(&ended));
        tokio::task::spawn_local(async move {
            let answers = move |kind, call, _| {
                if matches!(kind, Kind::Answer | Kind::Refuse) {
                    seen.answered(call);
                }
            };
            pass(from_hub, to_client, answers).await;
            over.set(true);
        });
        let (inbox, outbox) = link::open(OwnedFd::from(ours)).expect("a link can be made");
        let (caller, _events, connection) = endpoint::connect_single(inbox, outbox);
        let caller: Rc<Caller> = caller;
        tokio::task::spawn_local(async move {
            // It ends with the test or with the supervisor.
            let _ = connection.run().await;
        });
        let client: Client<source::Cli> = Client::new(Rc::clone(&caller));
        Tapped { attached: Attached { client, caller }, ledger, ended }
    }
}

/// How long something that must come may take: the watchdog alone takes twenty seconds.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks a role for the same bytes back.
pub async fn echo(client: &Client<source::Cli>, role: Role, length: usize) -> Result<Echoed, Refusal> {
    let to = Options { role: Some(role), ..Options::default() };
    let answer = tokio::time::timeout(PATIENCE, client.call_with(&Echo { bytes: vec![7; length] }, to)).await;
    answer.unwrap_or_else(|_| panic!("a call of {role:?} is never answered"))
}

/// Waits until these roles answer; what locks is opened again.
pub async fn all_answer(attached: &Attached, roles: &[Role]) {
    let until = Instant::now() + PATIENCE;
    for role in roles {
        loop {
            attached.demo().await;
            match echo(&attached.client, *role, 10).await {
                Ok(_) => break,
                Err(refusal) => assert!(Instant::now() < until, "{role:?} does not come back: {refusal}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Fails unless each call that was seen was answered exactly once.
pub fn each_answered_once(tapped: &Tapped) {
    let (without, _, twice, calls) = tapped.ledger.count();
    assert_eq!((without, twice), (0, 0), "{calls}");
}

/// Passes frames on until one side has gone, and lets `see` see each.
async fn pass(mut from: Inbox, to: Outbox, see: impl Fn(Kind, CallId, u16)) {
    let frames = async {
        // An error is an end like any other: the supervisor may be killed in the middle of a frame.
        while let Ok(Some(frame)) = from.next().await {
            see(frame.header.kind, frame.header.call, frame.header.method);
            to.send(frame);
        }
    };
    tokio::select! {
        () = frames => {}
        _ = to.run() => {}
    }
    // What is on its way still arrives, if anybody reads it.
    let _ = tokio::time::timeout(Duration::from_secs(1), to.drained()).await;
    to.finish();
}
