//! The few things the supervisor itself is asked for over the wire. What only looks at it goes over the control socket.

use bincode::{Decode, Encode};

use super::common::Done;
use crate::{id::ConversationId, role::Role};

crate::service! {
    Supervisor {
        1 Engage -> Engaged;
        2 Opened -> Done;
        3 Closed -> Done;
        4 AllowPorts -> Done;
        5 OpenGate -> GateOpened;
    }
}

/// Give me the agent of this conversation; one is started if it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Engage {
    /// Which conversation.
    pub conversation: ConversationId,
}

/// Which agent to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Engaged {
    /// Its instance.
    pub instance: u32,
}

/// A space has been opened: start the archive in its directory. Answered when the archive answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Opened {
    /// Name of the directory below `spaces`: 32 hexadecimal digits that tell nothing about whose it is.
    pub directory: String,
}

/// The keys are gone: end every process that works on the open space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Closed;

/// Let a process that has the network connect to these ports too. It is restarted when that is more than it may today.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AllowPorts {
    /// Which: `llm` or `courier`.
    pub role: Role,
    /// TCP ports of servers the person named.
    pub ports: Vec<u16>,
}

/// Listen on this port of this machine, and start a process that answers there over HTTP. Both last as long as the command
/// line that asks is attached; it has one at most. One whose process has ended is given another for the same listener, on
/// which whoever came meanwhile has waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OpenGate {
    /// A TCP port of 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// The same port of `::1` too.
    pub ipv6: bool,
}

/// Who answers there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GateOpened {
    /// Its instance, which is to be told what it serves.
    pub instance: u32,
    /// The port.
    pub port: u16,
}
