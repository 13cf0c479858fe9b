//! Keeps the cache in step with the archive: one session of CHUM after the other, begun anew whenever the archive has been
//! away.
//!
//! **Architecture Invariant:** nothing here waits for the person or makes him wait. The store is worked on by threads that
//! may wait, one step at a time; of what is to leave, at most one step's worth is held.

use std::{rc::Rc, time::Duration};

use ipc::{
    Client, Code, Refusal,
    endpoint::{Options, Outgoing},
    messages::{instance::Link, storage::Sync},
    role::source,
};
use replica::chum::{Blame, Everything, Fault, Progress, Session, Tally};
use tokio::task::spawn_blocking;

use crate::{
    held::Station,
    standing::{Standing, Whose},
};

/// How long is waited before the archive is asked again: first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Bytes that one step writes at most, and a message more.
const ROOM: usize = 256 << 10;

/// What a person is told who put an older copy of the archive in the place of the one that was.
const FORKED: &str =
    "the archive is another than it was, perhaps a copy that was put back; `lamos restart ui` fetches everything from it anew";

/// Keeps in step for as long as the process lives.
pub(crate) async fn keep_up(client: Client<source::Ui>, station: Station, standing: Rc<Standing>) {
    let mut station = Some(Box::new(station));
    let mut rest = REST.0;
    // What a cache lost, by whatever fault, is found once in the life of its process.
    let mut audit = true;
    while let Some(here) = station.take() {
        let mut importer = Importer::new(here, audit, Rc::clone(&standing));
        let ended = session(&client, &mut importer).await;
        standing.set_link(Link::Away);
        if importer.caught_up {
            (rest, audit) = (REST.0, false);
        }
        standing.set_trouble(Whose::Link, ended.err().and_then(trouble));
        station = importer.end();
        // While the archive comes back the hub keeps the next call for it. This is for what is refused at once.
        tokio::time::sleep(rest).await;
        rest = (rest * 2).min(REST.1);
    }
}

/// What is wrong, if anything is: an archive that is away comes back by itself.
fn trouble(refusal: Refusal) -> Option<String> {
    tracing::debug!(code = ?refusal.code, "a session with the archive ended");
    (!matches!(refusal.code, Code::PeerDied | Code::Draining | Code::Cancelled)).then_some(refusal.sentence)
}

/// One session, until it ends.
async fn session(client: &Client<source::Ui>, importer: &mut Importer) -> Result<(), Refusal> {
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(|error| Refusal::internal(format!("get random bytes: {error}")))?;
    let mut stream = client.open(&Sync { session: u64::from_le_bytes(number) }, Options::default())?;
    let mut out = Outgoing::default();
    out.add(importer.step(None, true).await?.out);
    loop {
        let (sending, mut receiving) = stream.halves();
        let input = tokio::select! {
            biased;
            // Sent before more is taken, as far as the other side has room; it is heard all the same while it has none.
            sent = out.send(&sending), if !out.is_empty() => {
                if !sent? {
                    break;
                }
                None
            }
            piece = receiving.next() => match piece {
                Some(piece) => Some(piece?.0),
                None => break,
            },
        };
        if input.is_none() && !out.is_empty() {
            continue;
        }
        let step = importer.step(input, out.is_empty()).await?;
        out.add(step.out);
        if let Some(fault) = step.fault {
            // It is told why as far as it listens; what it says of that is of no use.
            let (sending, _) = stream.halves();
            let _ = tokio::time::timeout(REST.1, out.send_all(&sending)).await;
            return Err(refusal(&fault));
        }
    }
    stream.answer().await.map(|_| ())
}

/// What a step came to.
struct Step {
    out: Vec<u8>,
    fault: Option<Fault>,
}

/// One session and the cache it speaks for, moved to a thread that may wait for each step.
struct Importer {
    /// Away while a step is made.
    working: Option<(Box<Session>, Box<Station>)>,
    standing: Rc<Standing>,
    counted: Tally,
    caught_up: bool,
    forked: bool,
}

impl Importer {
    fn new(station: Box<Station>, audit: bool, standing: Rc<Standing>) -> Importer {
        standing.count(|counted| counted.sessions += 1);
        // The archive is the same person's; what it asks for it may have.
        let session = Session::new(station.settings(audit), Box::new(Everything));
        Importer {
            working: Some((Box::new(session), station)),
            standing,
            counted: Tally::default(),
            caught_up: false,
            forked: false,
        }
    }

    /// Gives the cache back for the next session.
    fn end(self) -> Option<Box<Station>> {
        self.working.map(|(_, station)| station)
    }

    /// Takes what has come, and says what there is to say if there is room for it.
    async fn step(&mut self, input: Option<Vec<u8>>, speak: bool) -> Result<Step, Refusal> {
        let lost = || Refusal::internal("go on with a session that has ended");
        let (mut session, mut station) = self.working.take().ok_or_else(lost)?;
        let stepped = spawn_blocking(move || {
            let step = step(&mut session, &mut station, input.as_deref(), speak);
            (session, station, step)
        });
        let (mut session, station, step) =
            stepped.await.map_err(|error| Refusal::internal(format!("wait for the thread of a session: {error}")))?;
        self.note(&mut session, &station);
        self.working = Some((session, station));
        Ok(step)
    }

    /// Says how it stands.
    fn note(&mut self, session: &mut Session, station: &Station) {
        let tally = session.tally();
        self.standing.count_session(&self.counted, &tally);
        self.counted = tally;
        for progress in session.progress() {
            match progress {
                Progress::Agreed { .. } | Progress::Behind { .. } => self.standing.set_link(Link::CatchingUp),
                Progress::CaughtUp => {
                    self.caught_up = true;
                    self.standing.set_link(Link::Live);
                    self.standing.set_trouble(Whose::Link, None);
                }
                Progress::Forked { .. } => {
                    // Who reads it goes on until then; a store cannot be closed under its readers.
                    let noted = station.forsake();
                    tracing::warn!(noted = noted.is_ok(), "the archive is another than it was");
                    self.forked = true;
                }
                Progress::Ahead { .. } => {
                    let sentence =
                        "the archive's clock is ahead of this one; what it keeps is taken when this one has come after it";
                    self.standing.set_trouble(Whose::Link, Some(sentence.to_owned()));
                }
                _ => {}
            }
        }
        if self.forked {
            self.standing.set_trouble(Whose::Link, Some(FORKED.to_owned()));
        }
    }
}

fn step(session: &mut Session, station: &mut Station, input: Option<&[u8]>, speak: bool) -> Step {
    let mut side = station.side();
    let mut out = Vec::new();
    let received = input.map_or(Ok(()), |bytes| session.receive(&mut side, bytes));
    let said = match (&received, speak) {
        (Ok(()), false) => Ok(()),
        // After a fault there is one more message.
        _ => session.send(&mut side, &mut out, ROOM),
    };
    Step { out, fault: received.and(said).err() }
}

/// A session that ended, as the person is told.
fn refusal(fault: &Fault) -> Refusal {
    match fault.blame() {
        Blame::Peer => Refusal::new(Code::Malformed, fault.to_string()),
        Blame::Here => crate::unusable(&fault.to_string()),
        Blame::Nobody => Refusal::new(Code::ArchiveUnavailable, fault.to_string()),
    }
}
