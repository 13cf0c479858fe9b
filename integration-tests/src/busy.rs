//! An attached command line that asks for many things at once and without end: it writes files and titles, runs scripts,
//! reads streams and follows the archive's changes. It notes what was acknowledged, and that every call came to its end.

use std::{
    cell::RefCell,
    fmt::Debug,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ipc::{
    Client, Code, Refusal,
    endpoint::Options,
    id::ConversationId,
    messages::{
        code::{Ending, Entry, Output, Run, RunLimits},
        common::{Chunk, Source},
        storage::{Follow, SetTitle, WriteFile},
    },
    role::{Role, source},
};

use crate::{home::Home, tap::Tapped, wire::on_wire};

/// How long a call may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Computes and speaks for about a third of a second.
const SCRIPT: &str = "import time\nfor n in range(15):\n    print(n, sum(range(20000)), flush=True)\n    time.sleep(0.015)";

/// What came of it.
#[derive(Debug, Default)]
pub struct Done {
    /// Files that were acknowledged.
    pub files: Vec<(String, Vec<u8>)>,
    /// The number of the last title that was acknowledged.
    pub titled: usize,
    /// Runs and streams that came to a good end.
    pub good: usize,
    /// Calls that were refused, with the reason.
    pub refused: Vec<Refusal>,
}

/// A title by its number.
pub fn title(number: usize) -> String {
    format!("Title {number}")
}

/// See the module.
pub struct Busy {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Done>,
}

/// What a task of it needs.
#[derive(Clone)]
struct Work {
    client: Client<source::Cli>,
    done: Rc<RefCell<Done>>,
    on: Rc<dyn Fn() -> bool>,
    /// One for each kind of thing that is in progress.
    going: Arc<AtomicUsize>,
}

impl Busy {
    /// Begins, and returns when all of it is in progress. `first` numbers what is written; `conversation` is renamed.
    pub fn begin(home: &Home, round: usize, first: usize, conversation: ConversationId, role: Role) -> Busy {
        let (stop, going) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, counts) = (Arc::clone(&stop), Arc::clone(&going));
        let home_of_it = home.clone();
        let thread = thread::spawn(move || on_wire(work(&home_of_it, round, first, conversation, role, stopped, counts)));
        let busy = Busy { stop, thread };
        let until = Instant::now() + PATIENCE;
        while going.load(Ordering::SeqCst) < 5 {
            assert!(Instant::now() < until && !busy.thread.is_finished(), "it does not begin: {going:?} of 5 go on");
            thread::sleep(Duration::from_millis(1));
        }
        busy
    }

    /// Ends it; fails if a call hangs, was answered twice, or not at all while somebody was there to answer it.
    pub fn end(self) -> Done {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

async fn work(
    home: &Home,
    round: usize,
    first: usize,
    conversation: ConversationId,
    role: Role,
    stop: Arc<AtomicBool>,
    going: Arc<AtomicUsize>,
) -> Done {
    let tapped = Tapped::to(home);
    tapped.attached.demo().await;
    let ended = Rc::clone(&tapped.ended);
    let on: Rc<dyn Fn() -> bool> = Rc::new(move || !stop.load(Ordering::SeqCst) && !ended.get());
    let work = Work { client: tapped.attached.client.clone(), done: Rc::default(), on, going };
    tokio::join!(work.writes(round), work.renames(first, conversation), work.runs(), work.streams(role), work.follows(),);
    let (without, _, twice, calls) = tapped.ledger.count();
    assert_eq!(twice, 0, "calls were answered more than once: {calls}");
    assert!(without == 0 || tapped.ended.get(), "{without} calls were never answered: {calls}");
    work.done.take()
}

/// Waits for something that must come.
async fn soon<T>(what: impl Debug, result: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, result).await.unwrap_or_else(|_| panic!("it hangs: {what:?}"))
}

impl Work {
    /// Notes how a call ended; true if well.
    async fn noted<T>(&self, result: Result<T, Refusal>) -> bool {
        let Err(refusal) = result else { return true };
        let ours = matches!(refusal.code, Code::Forbidden | Code::TooLarge | Code::Malformed | Code::Quarantined);
        assert!(!ours, "what is right is refused: {refusal}");
        self.done.borrow_mut().refused.push(refusal);
        // Who was killed is back in a moment.
        tokio::time::sleep(Duration::from_millis(20)).await;
        false
    }

    fn goes(&self, number: usize) {
        if number == 0 {
            self.going.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn writes(&self, round: usize) {
        let mut number = 0;
        while (self.on)() {
            let path = format!("user/rounds/{round}/{number}");
            let bytes = format!("{path} ").repeat(1 + (number * 997) % 9000).into_bytes();
            let result = soon(&path, self.write(&path, &bytes)).await;
            if self.noted(result).await {
                self.done.borrow_mut().files.push((path, bytes));
                self.goes(number);
                number += 1;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let request = WriteFile::new(path.to_owned(), bytes.len() as u64);
        let stream = self.client.open(&request, Options::default())?;
        for chunk in bytes.chunks(Chunk::SIZE) {
            if !stream.send(&Chunk(chunk.to_vec())).await? {
                break;
            }
        }
        stream.end();
        stream.answer().await.map(|_| ())
    }

    async fn renames(&self, first: usize, id: ConversationId) {
        let mut number = first;
        while (self.on)() {
            let result = soon("SetTitle", self.client.call(&SetTitle { id, title: title(number) })).await;
            if self.noted(result).await {
                self.done.borrow_mut().titled = number;
                self.goes(number - first);
                number += 1;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn runs(&self) {
        let mut number = 0;
        while (self.on)() {
            let result = soon("Run", self.run(&mut number)).await;
            if self.noted(result).await {
                self.done.borrow_mut().good += 1;
            }
        }
    }

    async fn run(&self, number: &mut usize) -> Result<(), Refusal> {
        let limits = RunLimits::STANDARD;
        let (source, inputs) = (SCRIPT.to_owned(), "{}".to_owned());
        let request = Run { source, entry: Entry::Script, inputs, files: Vec::new(), limits, seed: *number as u64 };
        let mut stream = self.client.open(&request, Options::default())?;
        stream.end();
        let mut text = String::new();
        while let Some(piece) = stream.next().await {
            self.goes(*number);
            *number += 1;
            match piece? {
                Output::Stdout(words) => text += &words,
                Output::Stderr(words) => panic!("{words}"),
            }
        }
        let ran = stream.answer().await?;
        assert_eq!(ran.ending, Ending::Finished);
        assert_eq!(text.lines().count(), 15, "an end without all that was said: {text}");
        Ok(())
    }

    async fn streams(&self, role: Role) {
        let mut number = 0;
        while (self.on)() {
            let result = soon("Source", self.stream(role, &mut number)).await;
            if self.noted(result).await {
                self.done.borrow_mut().good += 1;
            }
        }
    }

    async fn stream(&self, role: Role, number: &mut usize) -> Result<(), Refusal> {
        let options = Options { role: Some(role), ..Options::default() };
        let mut stream = self.client.open(&Source { pieces: 100, size: 3000 }, options)?;
        let mut pieces = 0;
        while let Some(piece) = stream.next().await {
            self.goes(*number);
            *number += 1;
            pieces += 1;
            assert_eq!(piece?.0.len(), 3000);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        stream.answer().await?;
        assert_eq!(pieces, 100, "an end without all pieces");
        Ok(())
    }

    /// Changes come without a gap and without a repetition.
    async fn follows(&self) {
        let mut number = 0;
        while (self.on)() {
            let stream = self.client.open(&Follow { after: 0 }, Options::default());
            let Ok(mut stream) = stream else { return };
            let mut last = 0;
            while (self.on)() {
                // It may be quiet for a while: then it is looked whether to go on.
                match tokio::time::timeout(Duration::from_millis(20), stream.next()).await {
                    Ok(Some(change)) => {
                        let change = change.expect("a change can be read");
                        assert_eq!(change.position, last + 1, "a change is missing, or came twice");
                        last = change.position;
                        self.goes(number);
                        number += 1;
                    }
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
            if !(self.on)() {
                stream.cancel();
            }
            let result = soon("Follow", stream.answer()).await;
            self.noted(result).await;
        }
    }
}
