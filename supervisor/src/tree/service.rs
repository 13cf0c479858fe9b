//! What the supervisor itself is asked for over the wire: the only bodies it ever reads.

use std::time::{Duration, Instant};

use ipc::{
    Code, Refusal, Role, codec,
    frame::Frame,
    header::{Header, Kind},
    id::{CallId, ConversationId, Instance},
    messages::{
        common::Done,
        crypto::NoteForbidden,
        storage::{BindAgent, ReleaseAgent},
        supervisor::{AllowPorts, Closed, Engage, Engaged, Opened, Request},
    },
    service::Method,
};

use super::{Everything, OF_A_SPACE, Tree, life::ONLY, not_signed_in, process::State};
use crate::{
    hub::{Availability, Blame, Place, SUPERVISOR},
    lockdown::rights::{self, Network},
};

/// Agents that may live at once.
const MAX_AGENTS: usize = 32;

/// For so long after somebody was told which agent to ask, it is not ended: the question is on its way.
const JUST_ENGAGED: Duration = Duration::from_secs(2);

/// Ports that may be allowed at once.
const MAX_PORTS: usize = 8;

/// A conversation in progress.
pub(super) struct Conversation {
    /// Its agent.
    agent: Instance,
    /// When somebody last asked for it.
    asked_for: Instant,
}

/// An agent on its way up.
#[derive(Default)]
pub(super) struct Engaging {
    /// Who waits for it.
    calls: Vec<CallId>,
    ready: bool,
    /// The archive knows which conversation it has.
    bound: bool,
}

impl Tree {
    /// A frame for the supervisor.
    pub(super) fn serve(&self, frame: Frame) {
        match frame.header.kind {
            Kind::Call => {
                let call = frame.header.call;
                match Request::decode(frame.header.method, frame.body.as_slice()) {
                    Ok(Request::Engage(engage)) => self.engage(call, engage),
                    Ok(Request::Opened(opened)) => self.opened(call, &opened),
                    Ok(Request::Closed(Closed)) => self.close_space(Some(call)),
                    Ok(Request::AllowPorts(allow)) => self.allow_ports(call, &allow),
                    Ok(Request::OpenGate(open)) => self.open_gate(call, frame.header.source, open),
                    Err(refusal) => self.answer::<Closed>(call, Err(&refusal)),
                }
            }
            Kind::Answer | Kind::Refuse => self.bound(frame.header.call, frame.header.kind == Kind::Answer),
            _ => {}
        }
    }

    pub(super) fn answer<M: Method>(&self, call: CallId, result: Result<&M::Answer, &Refusal>) {
        let (kind, body) = match result {
            Ok(answer) => (Kind::Answer, codec::encode(answer).unwrap_or_default()),
            Err(refusal) => (Kind::Refuse, refusal.to_body()),
        };
        let frame = Frame { header: Header { call, ..Header::new(kind) }, body: body.into() };
        self.lock().hub.frame(Instant::now(), SUPERVISOR, frame);
        self.settle();
    }

    /// The agent of a conversation: the one it has, or a new one.
    fn engage(&self, call: CallId, engage: Engage) {
        let mut state = self.lock();
        if state.space.is_none() {
            drop(state);
            return self.answer::<Engage>(call, Err(&not_signed_in()));
        }
        if let Some(conversation) = state.conversations.get_mut(&engage.conversation) {
            conversation.asked_for = Instant::now();
            let instance = conversation.agent;
            if let Some(engaging) = state.engaging.get_mut(&instance) {
                engaging.calls.push(call);
                return;
            }
            drop(state);
            return self.answer::<Engage>(call, Ok(&Engaged { instance: instance.0 }));
        }
        let full = state.conversations.len() >= MAX_AGENTS;
        drop(state);
        if full && !self.end_idlest_agent() {
            let sentence = format!("{MAX_AGENTS} conversations are in progress; wait for one to end");
            return self.answer::<Engage>(call, Err(&Refusal::new(Code::Busy, sentence)));
        }
        // Known before it is started: if it cannot be, who waits for it is told.
        let mut state = self.lock();
        let instance = state.new_instance(Role::Agent);
        state.conversations.insert(engage.conversation, Conversation { agent: instance, asked_for: Instant::now() });
        state.engaging.insert(instance, Engaging { calls: vec![call], ..Engaging::default() });
        drop(state);
        self.start_agent(instance, engage.conversation);
        if self.lock().engaging.contains_key(&instance) {
            self.bind(instance, engage.conversation);
        }
    }

    /// Makes room for one more agent: the one that has had nothing to do for longest finishes. It would have ended by
    /// itself a little later. False if all of them are busy.
    fn end_idlest_agent(&self) -> bool {
        let mut state = self.lock();
        let idle = state.conversations.iter().filter(|(_, conversation)| {
            let place = (Role::Agent, conversation.agent);
            let up = state.processes.get(&place).is_some_and(|process| process.state == State::Ready);
            up && state.hub.traffic(place).serving == 0 && conversation.asked_for.elapsed() > JUST_ENGAGED
        });
        let idlest =
            idle.min_by_key(|(_, conversation)| conversation.asked_for).map(|(id, conversation)| (*id, conversation.agent));
        let Some((id, agent)) = idlest else { return false };
        state.conversations.remove(&id);
        drop(state);
        self.ask_to_finish((Role::Agent, agent));
        true
    }

    /// Tells a new archive process which conversation each agent has: it knows nothing of those that lived on.
    pub(super) fn bind_all(&self) {
        let agents: Vec<_> = self.lock().conversations.iter().map(|(id, conversation)| (conversation.agent, *id)).collect();
        for (agent, id) in agents {
            self.bind(agent, id);
        }
    }

    /// Tells the archive which conversation an agent has.
    fn bind(&self, instance: Instance, conversation: ConversationId) {
        let mut state = self.lock();
        let call = state.ask_storage(&BindAgent { instance: instance.0, conversation });
        state.own_calls.insert(call, instance);
        drop(state);
        self.settle();
    }

    /// Somebody asked for keys without a right to them: the key process writes it down, if there is one and it has a log open.
    pub(super) fn note_forbidden(&self, who: Place, verb: u16) {
        let mut state = self.lock();
        let fields = serde_json::json!({ "role": who.0.name(), "instance": who.1.0, "verb": verb });
        state.log.note("asked for keys without a right", fields);
        let keys = (Role::Crypto, ONLY);
        let answers = state.processes.get(&keys).is_some_and(|process| matches!(process.state, State::Ready));
        if answers && !state.draining {
            // Nobody waits for the answer.
            state.ask(keys, &NoteForbidden { role: who.0, instance: who.1.0, verb });
        }
    }

    /// The archive has answered.
    fn bound(&self, call: CallId, well: bool) {
        let mut state = self.lock();
        let Some(instance) = state.own_calls.remove(&call) else { return };
        let Some(engaging) = state.engaging.get_mut(&instance) else { return };
        if well {
            engaging.bound = true;
            drop(state);
            return self.engaged(instance);
        }
        let calls = std::mem::take(&mut engaging.calls);
        state.engaging.remove(&instance);
        // Who asks for the conversation again gets another agent, not this one on its way out.
        state.conversations.retain(|_, conversation| conversation.agent != instance);
        drop(state);
        let refusal = Refusal::new(Code::ArchiveUnavailable, "the archive does not take the conversation; try again");
        for call in calls {
            self.answer::<Engage>(call, Err(&refusal));
        }
        self.end((Role::Agent, instance), "the archive does not know it", Blame::Supervisor);
    }

    /// An agent is up when it answers and the archive knows it.
    fn engaged(&self, instance: Instance) {
        let mut state = self.lock();
        if !state.engaging.get(&instance).is_some_and(|engaging| engaging.ready && engaging.bound) {
            return;
        }
        let calls = state.engaging.remove(&instance).map(|engaging| engaging.calls).unwrap_or_default();
        drop(state);
        for call in calls {
            self.answer::<Engage>(call, Ok(&Engaged { instance: instance.0 }));
        }
    }

    /// A process answers from now on.
    pub(super) fn came_up(&self, place: Place) {
        match place.0 {
            Role::Agent => {
                if let Some(engaging) = self.lock().engaging.get_mut(&place.1) {
                    engaging.ready = true;
                }
                self.engaged(place.1);
            }
            Role::Storage => self.answer_opening(Ok(())),
            role @ (Role::Llm | Role::Courier) => self.answer_allowing(role, Ok(())),
            Role::Gate => self.answer_gate(place.1, Ok(())),
            _ => {}
        }
    }

    /// A process is no more.
    pub(super) fn forget(&self, place: Place) {
        if place.0 == Role::Gate {
            return self.answer_gate(place.1, Err(&super::gate::cannot_be_started()));
        }
        if place.0 != Role::Agent {
            return;
        }
        let mut state = self.lock();
        state.conversations.retain(|_, conversation| conversation.agent != place.1);
        if state.space.is_some() {
            // Nobody waits for the answer: the archive does the same when the conversation gets its next agent.
            state.ask_storage(&ReleaseAgent { instance: place.1.0 });
        }
        let calls = state.engaging.remove(&place.1).map(|engaging| engaging.calls).unwrap_or_default();
        drop(state);
        self.settle();
        let refusal =
            Refusal::new(Code::CannotStart, "the agent of this conversation could not be started; `lamos tail` shows why");
        for call in calls {
            self.answer::<Engage>(call, Err(&refusal));
        }
    }

    /// The key process has opened a space.
    fn opened(&self, call: CallId, opened: &Opened) {
        let name = &opened.directory;
        if name.len() != 32 || !name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return self
                .answer::<Opened>(call, Err(&Refusal::new(Code::Malformed, "a space has a name of 32 hexadecimal digits")));
        }
        let mut state = self.lock();
        if state.space.as_ref().is_some_and(|open| open != name) {
            drop(state);
            let refusal = Refusal::new(Code::OtherSpaceOpen, "another space is open; close it with `lamos lock` first");
            return self.answer::<Opened>(call, Err(&refusal));
        }
        let up = state.space.is_some()
            && state.processes.get(&(Role::Storage, Instance(1))).is_some_and(|process| process.state == State::Ready);
        if up {
            drop(state);
            return self.answer::<Opened>(call, Ok(&Done));
        }
        state.opening.push(call);
        drop(state);
        if let Err(refusal) = self.make_space(name) {
            return self.answer_opening(Err(&refusal));
        }
        let mut state = self.lock();
        state.space = Some(name.clone());
        for role in OF_A_SPACE {
            state.role(*role).degraded = None;
            state.role(*role).restarts.forgive();
            state.hub.set_availability(*role, Availability::Comes);
        }
        drop(state);
        self.start_permanent(Role::Storage);
        self.start_window_if_used();
    }

    pub(super) fn answer_opening(&self, result: Result<(), &Refusal>) {
        let mut state = self.lock();
        let calls = std::mem::take(&mut state.opening);
        let closed = result.is_err() && !calls.is_empty();
        if closed {
            state.space = None;
            state.hub.set_availability(Role::Ui, Availability::Refused(not_signed_in()));
        }
        drop(state);
        if closed {
            // The window may have come up before the archive could not.
            self.ask_to_finish((Role::Ui, Instance(1)));
        }
        for call in calls {
            self.answer::<Opened>(call, result.map(|()| &Done));
        }
    }

    /// A person named servers on other ports: the process that reaches them is born again with the right to.
    fn allow_ports(&self, call: CallId, allow: &AllowPorts) {
        let role = allow.role;
        if rights::of(role).is_none_or(|rights| rights.network != Network::TcpConnect) {
            let sentence = format!("the {role} process has no network");
            return self.answer::<AllowPorts>(call, Err(&Refusal::new(Code::Malformed, sentence)));
        }
        let mut state = self.lock();
        let ports = state.ports.entry(role).or_default();
        let new: Vec<u16> =
            allow.ports.iter().copied().filter(|port| ![53, 443].contains(port) && !ports.contains(port)).collect();
        if new.is_empty() {
            drop(state);
            return self.answer::<AllowPorts>(call, Ok(&Done));
        }
        if ports.len() + new.len() > MAX_PORTS {
            drop(state);
            let sentence = format!("{MAX_PORTS} ports are in use; `lamos stop` forgets them");
            return self.answer::<AllowPorts>(call, Err(&Refusal::new(Code::OriginRefused, sentence)));
        }
        ports.extend(new);
        let Some(process) = state.processes.get_mut(&(role, Instance(1))) else {
            drop(state);
            return self.answer::<AllowPorts>(call, Ok(&Done));
        };
        process.state = State::Draining;
        process.kill(Blame::Supervisor);
        state.allowing.push((role, call));
        drop(state);
        let lives = self.lives(&[role]);
        let tree = self.clone();
        tokio::task::spawn_local(async move {
            tree.finish(&lives).await;
            tree.start_permanent(role);
        });
    }

    /// A process of this role has the ports that were asked for, or never will.
    pub(super) fn answer_allowing(&self, role: Role, result: Result<(), &Refusal>) {
        let calls: Vec<_> = self.lock().allowing.extract_if(.., |(of, _)| *of == role).collect();
        for (_, call) in calls {
            self.answer::<AllowPorts>(call, result.map(|()| &Done));
        }
    }
}

impl Everything {
    /// The ports the person named for a role.
    pub(super) fn ports_of(&self, role: Role) -> Vec<u16> {
        self.ports.get(&role).into_iter().flatten().copied().collect()
    }

    /// Asks the archive in the supervisor's own name. The answer comes as an event, if anybody looks for it.
    fn ask_storage<M: Method>(&mut self, request: &M) -> CallId {
        self.ask((Role::Storage, Instance(0)), request)
    }
}
