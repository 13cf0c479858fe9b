//! The one run: files in, output out, and an ending that is one of few.

use std::time::Duration;

use ipc::{
    Code, Refusal,
    endpoint::{Event, Events, Incoming, Reply},
    messages::code::{Ending, MAX_FILES, Ran, Request, Run},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tracing::Instrument as _;

use crate::{
    interpreter::{Done, Interpreter, Job},
    memory,
    native::World,
    watch,
};

/// How long a script may take to stop when it is asked to. Then it is ended with its process.
const GRACE: Duration = Duration::from_millis(150);

/// Pieces of output that may wait for who reads them.
const PIECES: usize = 32;

/// Waits for the one run, answers it, and returns: the process ends.
pub(crate) async fn run(interpreter: Interpreter, bell: memory::Bell, mut events: Events) {
    match events.next().await {
        Some(Event::Call(incoming)) => {
            let span = incoming.span();
            answer(&interpreter, bell, incoming).instrument(span).await;
        }
        Some(Event::Drain(_)) | None => {}
    }
}

async fn answer(interpreter: &Interpreter, bell: memory::Bell, incoming: Incoming) {
    match Request::decode(incoming.method(), incoming.body()) {
        Ok(Request::Run(run)) => {
            let mut reply = incoming.reply::<Run>();
            let result = perform(interpreter, bell, run, &mut reply).await;
            reply.finish(result);
        }
        Err(refusal) => incoming.refuse(&refusal),
    }
}

async fn perform(interpreter: &Interpreter, bell: memory::Bell, run: Run, reply: &mut Reply<Run>) -> Result<Ran, Refusal> {
    let files = take_files(&run, reply).await?;
    let (pieces, mut written) = mpsc::channel(PIECES);
    World::set(pieces, run.limits.output as usize, run.seed);
    let limited = memory::limit(run.limits.memory, bell, watch::too_much_memory);
    limited.map_err(|error| Refusal::internal(format!("watch the memory of a script: {error}")))?;
    let before = memory::held();
    let begun = std::time::Instant::now();
    let job = Job { source: run.source, entry: run.entry, inputs: run.inputs, files };
    tracing::info!(files = job.files.len(), bytes = job.source.len(), "the run begins");
    let mut done = interpreter.run(job)?;
    let cancelled = reply.cancelled();
    let mut limit = std::pin::pin!(sleep(Duration::from_millis(run.limits.millis.into())));
    let ending = loop {
        tokio::select! {
            biased;
            () = watch::memory() => break Err(Ending::MemoryLimit),
            () = watch::output() => break Err(Ending::OutputLimit),
            Some(piece) = written.recv() => {
                if !reply.send(&piece).await? {
                    return Err(stopped());
                }
            }
            result = &mut done => break result.map_err(|_| Ending::MemoryLimit),
            () = &mut limit => {
                interpreter.interrupt();
                // Whatever it does with the exception, the time is over.
                let _ = timeout(GRACE, &mut done).await;
                break Err(Ending::TimeLimit);
            }
            () = cancelled.wait() => return Err(stopped()),
        }
    };
    let ending = match ending {
        Ok(_) if watch::wrote_too_much() => Err(Ending::OutputLimit),
        other => other,
    };
    while let Ok(piece) = written.try_recv() {
        reply.send(&piece).await?;
    }
    let peak_memory = memory::peak().saturating_sub(before) as u64;
    let ran = match ending {
        Ok(Done { ending, value, micros }) => Ran { ending, value, micros, peak_memory },
        Err(ending) => {
            let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            Ran { ending, value: String::new(), micros, peak_memory }
        }
    };
    tracing::info!(ending = name(&ran.ending), micros = ran.micros, peak_memory, "the run ends");
    Ok(ran)
}

/// How a run ended, without the words of the script that are in it.
fn name(ending: &Ending) -> &'static str {
    match ending {
        Ending::Finished => "finished",
        Ending::Raised { .. } => "raised",
        Ending::TimeLimit => "too long",
        Ending::MemoryLimit => "too much memory",
        Ending::OutputLimit => "too much output",
    }
}

/// Takes the bytes of the files, in their order.
async fn take_files(run: &Run, reply: &mut Reply<Run>) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
    let too_large = || Refusal::new(Code::NotKeepable, format!("the files of a run have at most {MAX_FILES} bytes together"));
    let total = run.files.iter().try_fold(0u64, |total, file| total.checked_add(file.length)).filter(|total| *total <= MAX_FILES);
    let total = usize::try_from(total.ok_or_else(too_large)?).map_err(|_| too_large())?;
    let mut bytes = Vec::with_capacity(total);
    while let Some(chunk) = reply.next().await {
        bytes.extend_from_slice(&chunk?.0);
        if bytes.len() > total {
            break;
        }
    }
    if bytes.len() != total {
        return Err(Refusal::new(Code::Malformed, "the files of a run have another length than was said"));
    }
    let mut rest = &bytes[..];
    let files = run.files.iter().map(|file| {
        let (now, later) = rest.split_at(usize::try_from(file.length).unwrap_or(0));
        rest = later;
        (file.name.clone(), now.to_vec())
    });
    Ok(files.collect())
}

fn stopped() -> Refusal {
    Refusal::new(Code::Cancelled, "stopped, as asked")
}
