//! Ending a process because a person wants it: what works on others is started again, an agent by the next question of its
//! conversation. Nothing is lost but the work of the moment, and who waits for that is told.

use ipc::{Code, Refusal, Role, id::Instance, messages::start::LogLevel};

use super::{OF_A_SPACE, PERMANENT, Tree, levels, not_signed_in};
use crate::hub::{Availability, Blame, Place};

/// Why such a process ended, as `lamos ps` says it.
const WHY: &str = "a person wanted it";

impl Tree {
    /// Ends the processes of a role, or one of them, whatever happened before, and has them started again.
    pub fn restart(&self, role: Role, instance: Option<Instance>) -> Result<(), Refusal> {
        match role {
            Role::Agent => self.end_agent(instance),
            Role::Gate => self.end_gates(instance),
            Role::Supervisor | Role::Cli => {
                Err(Refusal::new(Code::NotFound, format!("{role} is not a process that can be restarted")))
            }
            _ => self.restart_role(role, instance),
        }
    }

    fn end_agent(&self, instance: Option<Instance>) -> Result<(), Refusal> {
        let Some(instance) = instance else {
            return Err(Refusal::new(Code::NotFound, "say which agent, as in agent/3; `lamos ps` lists them"));
        };
        self.end_by_hand((Role::Agent, instance))
    }

    /// The command line that opened it has another one started for the same listener.
    fn end_gates(&self, instance: Option<Instance>) -> Result<(), Refusal> {
        if let Some(instance) = instance {
            return self.end_by_hand((Role::Gate, instance));
        }
        let gates: Vec<Place> = self.lock().processes.keys().copied().filter(|place| place.0 == Role::Gate).collect();
        if gates.is_empty() {
            return Err(super::gate::none_open());
        }
        for place in gates {
            // One that has gone meanwhile needs no end.
            let _ = self.end_by_hand(place);
        }
        Ok(())
    }

    fn restart_role(&self, role: Role, instance: Option<Instance>) -> Result<(), Refusal> {
        if let Some(instance) = instance {
            return self.end_by_hand((role, instance));
        }
        let mut state = self.lock();
        if OF_A_SPACE.contains(&role) && state.space.is_none() {
            return Err(not_signed_in());
        }
        state.role(role).restarts.forgive();
        let was_degraded = state.role(role).degraded.take().is_some();
        state.hub.set_availability(role, Availability::Comes);
        let running: Vec<Place> = state.processes.keys().copied().filter(|place| place.0 == role).collect();
        drop(state);
        for place in &running {
            // One that has gone meanwhile needs no end.
            let _ = self.end_by_hand(*place);
        }
        if running.is_empty() || was_degraded {
            if PERMANENT.contains(&role) { self.start_permanent(role) } else { self.start_waiting(role) }
        }
        Ok(())
    }

    fn end_by_hand(&self, place: Place) -> Result<(), Refusal> {
        let mut state = self.lock();
        let Some(process) = state.processes.get_mut(&place) else {
            let sentence = format!("there is no process {}; `lamos ps` lists them", levels::name(place));
            return Err(Refusal::new(Code::NotFound, sentence));
        };
        process.why = Some(WHY.to_owned());
        process.kill(Blame::Supervisor);
        state.log.tell(LogLevel::Info, "ended by hand", serde_json::json!({ "process": levels::name(place) }));
        Ok(())
    }
}
