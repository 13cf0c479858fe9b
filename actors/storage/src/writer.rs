//! The writing thread. It takes everything that waits, puts it into one transaction, syncs once, and then answers all:
//! a hundred requests that come together cost one sync.

use std::{
    thread,
    time::{Duration, Instant},
};

use ipc::Refusal;
use replica::{
    Draft, Kept, Refused, ReplicaError, Writer,
    blobs::{Checkpoint, Sweep, Swept},
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::errors::{ours, refusal, refused};

/// Requests that may wait for the thread.
const WAITING: usize = 256;

/// Requests in one transaction.
const TOGETHER: usize = 256;

/// How long signatures wait for something to share a transaction with: who writes one thing after the other is back with the
/// next one by then, and does not wait for a sync of theirs.
const LINGER: Duration = Duration::from_millis(2);

/// Events that a slow follower may be behind before it is told that it missed some.
const FOLLOWED: usize = 1024;

/// What waits for the thread.
enum Waiting {
    /// It shares a transaction with what waits beside it.
    Shared(Work),
    /// A transaction of its own.
    Alone(Alone),
}

/// What belongs together.
enum Alone {
    /// All of these or none.
    All { drafts: Vec<Draft>, uploads: Vec<Checkpoint>, answer: oneshot::Sender<Result<(), Refusal>> },
    /// In this order. One that is refused does not keep the others from being kept.
    Each { drafts: Vec<Draft>, answer: oneshot::Sender<Result<Vec<Result<Kept, Refused>>, Refusal>> },
    /// Something that has transactions of its own.
    Task(Task),
}

/// What is done with the writer, and hands its result to whoever waits for it.
type Task = Box<dyn FnOnce(&mut Writer) + Send>;

enum Work {
    /// With what is the end of an upload, if the draft refers to one.
    Append {
        draft: Box<Draft>,
        upload: Option<Box<Checkpoint>>,
        answer: oneshot::Sender<Result<Kept, Refusal>>,
    },
    Upload {
        step: UploadStep,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    /// Has transactions of its own.
    Sweep {
        sweep: Sweep,
        answer: oneshot::Sender<Result<Swept, ReplicaError>>,
    },
    Sign {
        signatures: Vec<(u64, [u8; 64])>,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
}

/// What becomes of an upload that goes on, or does not.
pub(crate) enum UploadStep {
    /// So much of it has come.
    Keep(Box<Checkpoint>),
    /// Nobody goes on with it.
    Discard([u8; 16]),
}

/// Hands work to the thread.
#[derive(Clone)]
pub(crate) struct WriterHandle {
    work: mpsc::Sender<Waiting>,
    kept: broadcast::Sender<Kept>,
    /// How often something was signed, and so may be given out from now on.
    signed: watch::Sender<u64>,
}

impl WriterHandle {
    /// Starts the thread. It ends when the last handle is dropped and everything is written.
    pub(crate) fn start(writer: Writer) -> Result<WriterHandle, Refusal> {
        let (work, waiting) = mpsc::channel(WAITING);
        let kept = broadcast::Sender::new(FOLLOWED);
        let signed = watch::Sender::new(0);
        let said = Said { kept: kept.clone(), signed: signed.clone() };
        let thread = thread::Builder::new().name("writer".to_owned()).spawn(move || write(writer, waiting, &said));
        thread.map_err(|error| ours("start the writing thread", &error))?;
        Ok(WriterHandle { work, kept, signed })
    }

    /// Keeps a draft. When this returns well, it is on disk and synced.
    pub(crate) async fn append(&self, draft: Draft) -> Result<Kept, Refusal> {
        self.append_upload(draft, None).await
    }

    /// Keeps a draft and ends the upload of what it refers to.
    pub(crate) async fn append_upload(&self, draft: Draft, upload: Option<Checkpoint>) -> Result<Kept, Refusal> {
        let (answer, answered) = oneshot::channel();
        let work = Work::Append { draft: Box::new(draft), upload: upload.map(Box::new), answer };
        self.send(Waiting::Shared(work)).await?;
        answered.await.map_err(|error| ours("hear from the writing thread", &error))?
    }

    /// Keeps drafts, all of them or none, and ends the uploads of what they refer to. When this returns well, all are on
    /// disk and synced.
    pub(crate) async fn append_all(&self, drafts: Vec<Draft>, uploads: Vec<Checkpoint>) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.send(Waiting::Alone(Alone::All { drafts, uploads, answer })).await?;
        answered.await.map_err(|error| ours("hear from the writing thread", &error))?
    }

    /// Keeps drafts in this order and in one transaction, but for those that are refused. When this returns well, what
    /// became of each is so for good.
    pub(crate) async fn append_each(&self, drafts: Vec<Draft>) -> Result<Vec<Result<Kept, Refused>>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.send(Waiting::Alone(Alone::Each { drafts, answer })).await?;
        answered.await.map_err(|error| ours("hear from the writing thread", &error))?
    }

    /// Does something with the writer that has transactions of its own. Others wait meanwhile, so it is to be short.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Writer) -> Result<T, ReplicaError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        // Who asked may have gone; what was asked for is done all the same.
        let task: Task = Box::new(move |writer| drop(answer.send(task(writer))));
        self.send(Waiting::Alone(Alone::Task(task))).await?;
        let result = answered.await.map_err(|error| ours("hear from the writing thread", &error))?;
        result.map_err(|error| refusal(&error))
    }

    /// Tells all who follow of something that was kept without being appended.
    pub(crate) fn tell(&self, one: Kept) {
        // Nobody may be following.
        let _ = self.kept.send(one);
    }

    /// Takes down a step of an upload. Blocks: for threads that may.
    pub(crate) fn upload(&self, step: UploadStep) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.blocking_send(Work::Upload { step, answer })?;
        answered.blocking_recv().map_err(|error| ours("hear from the writing thread", &error))?
    }

    /// Does a step of a collection. Blocks: for threads that may.
    pub(crate) fn sweep(&self, sweep: Sweep) -> Result<Swept, ReplicaError> {
        let (answer, answered) = oneshot::channel();
        let gone = || ReplicaError::Engine("the writing thread has gone".to_owned());
        self.blocking_send(Work::Sweep { sweep, answer }).map_err(|_| gone())?;
        answered.blocking_recv().map_err(|_| gone())?
    }

    fn blocking_send(&self, work: Work) -> Result<(), Refusal> {
        self.work.blocking_send(Waiting::Shared(work)).map_err(|_| Refusal::internal("reach the writing thread"))
    }

    /// Adds signatures to events.
    pub(crate) async fn sign(&self, signatures: Vec<(u64, [u8; 64])>) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.send(Waiting::Shared(Work::Sign { signatures, answer })).await?;
        answered.await.map_err(|error| ours("hear from the writing thread", &error))?
    }

    /// Everything that is kept from now on.
    pub(crate) fn follow(&self) -> broadcast::Receiver<Kept> {
        self.kept.subscribe()
    }

    /// Changes whenever something was signed: what another replica may be given then.
    pub(crate) fn signed(&self) -> watch::Receiver<u64> {
        self.signed.subscribe()
    }

    async fn send(&self, work: Waiting) -> Result<(), Refusal> {
        self.work.send(work).await.map_err(|_| Refusal::internal("reach the writing thread"))
    }
}

/// Whom the thread tells what it did.
struct Said {
    kept: broadcast::Sender<Kept>,
    signed: watch::Sender<u64>,
}

impl Said {
    /// These are kept; one that was before is no news.
    fn keep(&self, kept: impl IntoIterator<Item = Kept>) {
        for one in kept.into_iter().filter(|one| !one.again) {
            // Perhaps nobody listens.
            let _ = self.kept.send(one);
        }
    }
}

fn write(mut writer: Writer, mut waiting: mpsc::Receiver<Waiting>, said: &Said) {
    let mut together = Vec::with_capacity(TOGETHER);
    while let Some(first) = waiting.blocking_recv() {
        let mut alone = gather(Some(first), &mut waiting, &mut together);
        if alone.is_none() && together.iter().all(|work| matches!(work, Work::Sign { .. })) {
            thread::sleep(LINGER);
            alone = gather(waiting.try_recv().ok(), &mut waiting, &mut together);
        }
        for (sweep, answer) in together.extract_if(.., |work| matches!(work, Work::Sweep { .. })).filter_map(Work::into_sweep) {
            let _ = answer.send(sweep.apply(&mut writer));
        }
        if !together.is_empty() {
            commit(&mut writer, &mut together, said);
        }
        // Who asked may have gone; what was asked for is done all the same.
        match alone {
            Some(Alone::All { drafts, uploads, answer }) => {
                let _ = answer.send(commit_all(&mut writer, &drafts, &uploads, said));
            }
            Some(Alone::Each { drafts, answer }) => {
                let _ = answer.send(commit_each(&mut writer, &drafts, said));
            }
            Some(Alone::Task(task)) => task(&mut writer),
            None => {}
        }
    }
}

/// Takes what waits, up to what goes alone.
fn gather(first: Option<Waiting>, waiting: &mut mpsc::Receiver<Waiting>, together: &mut Vec<Work>) -> Option<Alone> {
    let mut next = first;
    while let Some(one) = next {
        match one {
            Waiting::Shared(work) => together.push(work),
            Waiting::Alone(alone) => return Some(alone),
        }
        next = if together.len() < TOGETHER { waiting.try_recv().ok() } else { None };
    }
    None
}

impl Work {
    fn into_sweep(self) -> Option<(Sweep, oneshot::Sender<Result<Swept, ReplicaError>>)> {
        match self {
            Work::Sweep { sweep, answer } => Some((sweep, answer)),
            _ => None,
        }
    }
}

/// One transaction for drafts that belong together. One that is refused takes all of them with it.
fn commit_all(writer: &mut Writer, drafts: &[Draft], uploads: &[Checkpoint], said: &Said) -> Result<(), Refusal> {
    let begun = Instant::now();
    let mut first_refused = None;
    let result = writer.write(|batch| {
        uploads.iter().try_for_each(|upload| batch.keep_upload(upload))?;
        let mut all = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match batch.append(draft)? {
                Ok(one) => all.push(one),
                Err(refused) => {
                    first_refused = Some(refused);
                    // An error is what takes a transaction back.
                    return Err(ReplicaError::Engine("one of several is refused".to_owned()));
                }
            }
        }
        Ok(all)
    });
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(events = drafts.len(), ok = result.is_ok(), micros, "committed together");
    match (result, first_refused) {
        (Ok(all), _) => {
            said.keep(all);
            Ok(())
        }
        (Err(_), Some(why)) => Err(refused(why)),
        (Err(error), None) => Err(refusal(&error)),
    }
}

/// One transaction for drafts that come in an order; each is kept or refused by itself.
fn commit_each(writer: &mut Writer, drafts: &[Draft], said: &Said) -> Result<Vec<Result<Kept, Refused>>, Refusal> {
    let begun = Instant::now();
    let result = writer.write(|batch| drafts.iter().map(|draft| batch.append(draft)).collect::<Result<Vec<_>, _>>());
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(events = drafts.len(), ok = result.is_ok(), micros, "committed in order");
    let each = result.map_err(|error| refusal(&error))?;
    said.keep(each.iter().filter_map(|one| one.as_ref().ok()).copied());
    Ok(each)
}

/// One transaction for all; then one answer for each.
fn commit(writer: &mut Writer, together: &mut Vec<Work>, said: &Said) {
    let begun = Instant::now();
    let result = writer.write(|batch| {
        let mut results: Vec<Result<Kept, Refused>> = Vec::with_capacity(together.len());
        for work in together.iter() {
            match work {
                Work::Append { draft, upload, .. } => {
                    upload.iter().try_for_each(|upload| batch.keep_upload(upload))?;
                    results.push(batch.append(draft)?);
                }
                Work::Upload { step: UploadStep::Keep(checkpoint), .. } => batch.keep_upload(checkpoint)?,
                Work::Upload { step: UploadStep::Discard(id), .. } => batch.discard_upload(id)?,
                // Done before.
                Work::Sweep { .. } => {}
                Work::Sign { signatures, .. } => {
                    signatures.iter().try_for_each(|(position, signature)| batch.sign(*position, signature))?
                }
            }
        }
        Ok(results)
    });
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(requests = together.len(), ok = result.is_ok(), micros, "committed");
    if result.is_ok() && together.iter().any(|work| matches!(work, Work::Sign { .. })) {
        said.signed.send_modify(|times| *times += 1);
    }
    let mut results = match result {
        Ok(results) => Ok(results.into_iter()),
        Err(error) => Err(error),
    };
    for work in together.drain(..) {
        // Who asked may have gone; what was asked for is done all the same.
        match work {
            Work::Append { answer, .. } => {
                let result = match &mut results {
                    Ok(results) => results.next().unwrap_or(Err(Refused::Conflict)).map_err(refused),
                    Err(error) => Err(refusal(error)),
                };
                said.keep(result.as_ref().ok().copied());
                let _ = answer.send(result);
            }
            Work::Sweep { .. } => {}
            Work::Sign { answer, .. } | Work::Upload { answer, .. } => {
                let _ = answer.send(results.as_ref().map(|_| ()).map_err(|error: &ReplicaError| refusal(error)));
            }
        }
    }
}
