//! Which agent has which conversation. An agent that names another is refused here, whatever it was talked into.

use std::{cell::RefCell, collections::HashMap};

use ipc::{Code, Instance, Refusal, Role, id::ConversationId};

/// What the supervisor has told about the agents.
#[derive(Default)]
pub(crate) struct Bindings {
    agents: RefCell<HashMap<Instance, ConversationId>>,
}

impl Bindings {
    /// An agent has this conversation. True if another had it before, which by now is dead: a conversation has one agent.
    pub(crate) fn bind(&self, agent: Instance, conversation: ConversationId) -> bool {
        let mut agents = self.agents.borrow_mut();
        let before = agents.len();
        agents.retain(|other, of| *of != conversation || *other == agent);
        let replaced = agents.len() != before;
        agents.insert(agent, conversation);
        replaced
    }

    /// An agent has ended; the conversation it had.
    pub(crate) fn release(&self, agent: Instance) -> Option<ConversationId> {
        self.agents.borrow_mut().remove(&agent)
    }

    /// Whether who asks may touch this conversation.
    pub(crate) fn check(&self, who: (Role, Instance), conversation: ConversationId) -> Result<(), Refusal> {
        if who.0 != Role::Agent || self.agents.borrow().get(&who.1) == Some(&conversation) {
            return Ok(());
        }
        Err(Refusal::new(Code::Forbidden, "an agent may touch its own conversation and no other"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_has_its_own_conversation_and_no_other() {
        let bindings = Bindings::default();
        let (one, two) = (ConversationId([1; 16]), ConversationId([2; 16]));
        let agent = (Role::Agent, Instance(5));
        assert!(bindings.check(agent, one).is_err(), "nobody bound it yet");
        assert!(!bindings.bind(Instance(5), one));
        assert!(bindings.check(agent, one).is_ok() && bindings.check(agent, two).is_err());
        assert!(bindings.check((Role::Cli, Instance(5)), two).is_ok(), "the person may touch all");
        assert!(bindings.bind(Instance(6), one), "a new agent takes it over");
        assert!(bindings.check(agent, one).is_err());
        assert!(!bindings.bind(Instance(6), one), "and keeps it");
        assert_eq!((bindings.release(Instance(6)), bindings.release(Instance(6))), (Some(one), None));
        assert!(bindings.check((Role::Agent, Instance(6)), one).is_err(), "until it ends");
    }
}
