//! What the hub and whoever drives it say to each other. No state and no decision is here.

use ipc::{Refusal, Role, frame::Frame, id::Instance};

/// A process as others address it.
pub type Place = (Role, Instance);

/// The supervisor as a process among the others: what is addressed to it is delivered like everything else.
pub const SUPERVISOR: Place = (Role::Supervisor, Instance(1));

/// Which of a process's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Calls, answers and streams.
    Data,
    /// What must overtake them.
    Control,
}

/// Something the hub wants done.
pub enum Effect {
    /// Send this frame.
    Deliver {
        /// To this process.
        to: Place,
        /// Over this socket.
        lane: Lane,
        /// The frame.
        frame: Frame,
    },
    /// A call waits for a process of this role, and none is there.
    Wanted(Role),
    /// This process serves its one call: another must take its place.
    Taken(Place),
    /// This process has answered its one call.
    Spent(Place),
    /// A process asked the key process for something that no row lets it ask for.
    Forbidden {
        /// Who.
        who: Place,
        /// The number it asked for.
        method: u16,
    },
    /// End this process.
    End {
        /// Which.
        who: Place,
        /// Why.
        why: Misconduct,
    },
}

/// What a process did that none of ours does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misconduct {
    /// It stamped its own frames.
    #[error("it said itself who it is")]
    Spoofed,
    /// It sent what only the supervisor sends, or at the wrong time.
    #[error("it sent a frame of a kind it may not send")]
    OutOfPlace,
    /// It used a call id again.
    #[error("it used a call id twice")]
    ReusedCall,
    /// It named a parent that it does not serve.
    #[error("it called on behalf of a call that is not its own")]
    ForeignParent,
    /// It called a stream method as a plain one or the reverse, or hid a secret.
    #[error("it called a method in the wrong way")]
    WrongKind,
    /// It answered what it was never asked.
    #[error("it answered a call it never got")]
    AnswerToNothing,
    /// It sent a piece of a stream that does not exist.
    #[error("it sent a piece of a stream it does not have")]
    NoStream,
    /// It sent more than the reader has room for.
    #[error("it sent data without credit")]
    NoCredit,
    /// It gave back more than it got.
    #[error("it gave back credit it never had")]
    FalseCredit,
    /// It asked again and again for what it may not have.
    #[error("it asked too often for what it may not have")]
    Insistent,
    /// It goes on asking and leaves the answers.
    #[error("it asks and does not read the answers")]
    Unhearing,
    /// It does not answer calls that were taken back.
    #[error("it does not stop when it is told to")]
    Deaf,
    /// Its one call is over, and it still works on it.
    #[error("it worked on its one call longer than it may")]
    Overdue,
}

/// Whether a role can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// A process of it is there, or comes when it is wanted.
    Comes,
    /// None, and this is what callers are told.
    Refused(Refusal),
}

/// What a process ended of, as far as what it worked on is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Of itself, so perhaps of one of the requests it worked on.
    Work,
    /// The supervisor wanted it to end, whatever it worked on.
    Supervisor,
}

/// What passed between a process and the hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls it made.
    pub asked: u64,
    /// Its own calls that are unanswered.
    pub asking: usize,
    /// Calls it was given.
    pub answered: u64,
    /// Calls it works on now.
    pub serving: usize,
    /// Bytes of bodies it sent.
    pub sent: u64,
    /// Bytes of bodies it was sent.
    pub received: u64,
}
