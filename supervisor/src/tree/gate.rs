//! Listening for a command line: the sockets are made here, by who has the person's rights, and a process that can make
//! none accepts on them. They are there for as long as the command line is, and not longer.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    os::fd::{AsFd as _, BorrowedFd},
};

use ipc::{
    Code, Refusal, Role,
    id::{CallId, Generation, Instance},
    messages::{
        start::Work,
        supervisor::{GateOpened, OpenGate},
    },
};

use super::{Everything, Tree};
use crate::hub::Place;

/// Gates that may be open at once.
const MAX_GATES: usize = 4;

/// What listens for a command line.
pub(super) struct Gate {
    /// The command line.
    owner: Place,
    listeners: Vec<TcpListener>,
    opened: OpenGate,
    /// Waits for the process to be ready.
    call: Option<CallId>,
}

/// Why a gate cannot be asked for anything when there is none.
pub(super) fn none_open() -> Refusal {
    Refusal::new(Code::NotFound, "nothing is served over HTTP; `lamos vc-api` begins it")
}

/// Why a gate is not there though it was asked for.
pub(super) fn cannot_be_started() -> Refusal {
    Refusal::new(Code::CannotStart, "the process that answers over HTTP could not be started; `lamos tail` shows why")
}

/// A listener with somebody who waits to be let in.
pub(super) fn visited() -> std::io::Result<(TcpListener, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let visitor = TcpStream::connect(listener.local_addr()?)?;
    Ok((listener, visitor))
}

impl Tree {
    /// A command line wants to be asked over HTTP.
    pub(super) fn open_gate(&self, call: CallId, from: Option<Place>, open: OpenGate) {
        match self.make_gate(call, from, open) {
            Ok(instance) => self.start((Role::Gate, instance), Generation(1), Work::Gate),
            Err(refusal) => self.answer::<OpenGate>(call, Err(&refusal)),
        }
    }

    fn make_gate(&self, call: CallId, from: Option<Place>, open: OpenGate) -> Result<Instance, Refusal> {
        let mut state = self.lock();
        let owner = from.filter(|place| place.0 == Role::Cli);
        let owner = owner.ok_or_else(|| Refusal::new(Code::Forbidden, "only a command line can be asked over HTTP"))?;
        let before = state.gates.iter().find(|(_, gate)| gate.owner == owner).map(|(&instance, _)| instance);
        let kept = match before {
            Some(instance) if state.processes.contains_key(&(Role::Gate, instance)) => {
                return Err(Refusal::new(Code::Busy, "this command line is asked over HTTP already"));
            }
            Some(instance) => state.gates.remove(&instance),
            None => None,
        };
        let fits = |gate: &Gate| gate.opened.ipv6 == open.ipv6 && [0, gate.opened.port].contains(&open.port);
        let (listeners, port) = match kept.filter(fits) {
            Some(gate) => (gate.listeners, gate.opened.port),
            None if state.gates.len() >= MAX_GATES => {
                let sentence = format!("{MAX_GATES} command lines are asked over HTTP already; end one of them");
                return Err(Refusal::new(Code::Busy, sentence));
            }
            None => listen(open)?,
        };
        let instance = state.new_instance(Role::Gate);
        let gate = Gate { owner, listeners, opened: OpenGate { port, ..open }, call: Some(call) };
        state.gates.insert(instance, gate);
        Ok(instance)
    }

    /// The process of a gate is ready, or never will be. Its listener stays: another one may be asked for.
    pub(super) fn answer_gate(&self, instance: Instance, result: Result<(), &Refusal>) {
        let mut state = self.lock();
        let Some(gate) = state.gates.get_mut(&instance) else { return };
        let (call, port) = (gate.call.take(), gate.opened.port);
        drop(state);
        if let Some(call) = call {
            let opened = GateOpened { instance: instance.0, port };
            self.answer::<OpenGate>(call, result.map(|()| &opened));
        }
    }

    /// A command line has gone: nobody is to answer in its name.
    pub(super) fn close_gates_of(&self, owner: Place) {
        let closed: Vec<Instance> =
            self.lock().gates.extract_if(.., |_, gate| gate.owner == owner).map(|(instance, _)| instance).collect();
        for instance in closed {
            self.ask_to_finish((Role::Gate, instance));
        }
    }
}

impl Everything {
    /// What a gate is handed when it is born.
    pub(super) fn listeners(&self, instance: Instance) -> Vec<BorrowedFd<'_>> {
        self.gates.get(&instance).into_iter().flat_map(|gate| &gate.listeners).map(|listener| listener.as_fd()).collect()
    }
}

/// Listens on a port of this machine, and says on which.
fn listen(open: OpenGate) -> Result<(Vec<TcpListener>, u16), Refusal> {
    let refused = |address: IpAddr, error: std::io::Error| {
        let sentence = format!("cannot listen on port {} of {address}: {error}; name another with --port", open.port);
        Refusal::new(Code::CannotListen, sentence)
    };
    let at = |address: IpAddr, port: u16| TcpListener::bind((address, port)).map_err(|error| refused(address, error));
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let first = at(v4, open.port)?;
    let port = first.local_addr().map_err(|error| refused(v4, error))?.port();
    let mut listeners = vec![first];
    if open.ipv6 {
        listeners.push(at(IpAddr::V6(Ipv6Addr::LOCALHOST), port)?);
    }
    Ok((listeners, port))
}
