//! One session and the store it speaks for, moved to a thread that may wait for each step.

use ipc::Refusal;
use replica::{
    Form, Parcel, Replica, ReplicaError,
    chum::{Archive, Fault, Grants, Intake, Peer, Progress, Session, Settings, Wants},
};
use tokio::task::spawn_blocking;

use crate::errors::ours;

/// Bytes that one step writes at most, and a message more.
const ROOM: usize = 256 << 10;

/// What a step came to.
pub(crate) struct Step {
    /// To be sent.
    pub(crate) out: Vec<u8>,
    /// Why the session has ended, if it was not done.
    pub(crate) fault: Option<Fault>,
    /// Both sides have said that they are done.
    pub(crate) finished: bool,
}

/// One session of the archive with another side that only takes, as the window's instance does.
pub(crate) struct Exporter {
    /// Away while a step is made.
    session: Option<Box<Session>>,
    replica: Replica,
    begun: bool,
}

impl Exporter {
    pub(crate) fn new(replica: Replica, peer: Peer, grants: Box<dyn Grants + Send>) -> Exporter {
        // It asks for nothing: this archive is the one author of this device.
        let settings = Settings { wants: Wants::OnDemand, ..Settings::archive(peer) };
        Exporter { session: Some(Box::new(Session::new(settings, grants))), replica, begun: false }
    }

    /// Whether a step was made.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// There is something new, which the next step speaks of.
    pub(crate) fn changed(&mut self) {
        if let Some(session) = &mut self.session {
            session.changed();
        }
    }

    /// Takes what has come, and says what there is to say if there is room for it. Given up before it is ready, it has
    /// ended the session.
    pub(crate) async fn step(&mut self, input: Option<Vec<u8>>, speak: bool) -> Result<Step, Refusal> {
        let mut session = self.session.take().ok_or_else(|| Refusal::internal("go on with a session that has ended"))?;
        let replica = self.replica.clone();
        self.begun = true;
        let stepped = spawn_blocking(move || {
            let step = step(&mut session, &replica, input.as_deref(), speak);
            (session, step)
        });
        let (session, step) = stepped.await.map_err(|error| ours("wait for the thread of a session", &error))?;
        self.session = Some(session);
        Ok(step)
    }
}

fn step(session: &mut Session, replica: &Replica, input: Option<&[u8]>, speak: bool) -> Step {
    let mut intake = CommandsOnly;
    let mut side = Archive::new(replica, &mut intake, Form::Open);
    let mut out = Vec::new();
    let received = input.map_or(Ok(()), |bytes| session.receive(&mut side, bytes));
    // What happened else is for a dashboard of the other side, which counts the same.
    if session.progress().contains(&Progress::PeerDone) {
        session.finish();
    }
    let said = match (&received, speak) {
        (Ok(()), false) => Ok(()),
        // After a fault there is one more message.
        _ => session.send(&mut side, &mut out, ROOM),
    };
    Step { out, fault: received.and(said).err(), finished: session.is_finished() }
}

/// What the window wants to be kept comes as a command. The session refuses events before they come this far.
struct CommandsOnly;

impl Intake for CommandsOnly {
    fn take(&mut self, _: &[Parcel]) -> Result<Vec<Result<replica::Taken, replica::Unfit>>, ReplicaError> {
        Err(ReplicaError::Engine("the archive takes commands of the window and no events".to_owned()))
    }
}
