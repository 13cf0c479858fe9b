//! Processes played by hand, one after the other in the same place: what one does or did is not its successor's.

use std::{os::unix::net::UnixStream, path::PathBuf, time::Duration};

use ipc::header::Direction;
use tokio::task::LocalSet;

use super::*;

const STORAGE: Place = (Role::Storage, Instance(1));

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left of it is in a directory for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run<F: Future<Output = ()>>(name: &str, story: impl FnOnce(Tree) -> F) {
    let directory = Directory(std::env::temp_dir().join(format!("lamos-tree-{}-{name}", std::process::id())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let places = Places::find(Some(directory.0.clone())).expect("a place");
    LocalSet::new().block_on(&runtime, async {
        let tree = Tree::new(places, Levels::default()).expect("a tree");
        tokio::time::timeout(Duration::from_secs(20), story(tree)).await.expect("the story ends");
    });
}

/// A process that is only a socket. The other end of it.
fn come(tree: &Tree, place: Place, process_state: State) -> (Life, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("a socket");
    let (_, outbox) = ipc::link::open(ours.into()).expect("a link");
    let outbox = Rc::new(outbox);
    let mut state = tree.lock();
    let life = state.new_life(place);
    let process = Process {
        state: process_state,
        generation: Generation(1),
        birth: life.birth,
        since: Instant::now(),
        greeted: true,
        condemned: false,
        blame: Cell::new(None),
        why: None,
        ready_at: None,
        report: Default::default(),
        missed: 0,
        pid: 0,
        data: Rc::clone(&outbox),
        control: outbox,
        child: None,
    };
    state.processes.insert(place, process);
    state.hub.join(place, Generation(1));
    state.hub.ready(Instant::now(), place);
    (life, theirs)
}

fn go(tree: &Tree, life: Life) {
    let mut state = tree.lock();
    state.processes.remove(&life.place);
    let death = ipc::refusal::Death { generation: 1, exit: Some(0), signal: None };
    state.hub.gone(life.place, death, Blame::Supervisor);
    drop(state);
    tree.0.ended.notify_waiters();
}

/// Whether somebody wanted this process to end.
fn is_to_end(tree: &Tree, life: Life) -> bool {
    tree.lock().living(life).is_none_or(|process| process.state == State::Draining || process.blame.get().is_some())
}

#[test]
fn what_a_dead_process_said_is_not_its_successors() {
    run("said", async |tree| {
        let (first, _socket) = come(&tree, STORAGE, State::Ready);
        go(&tree, first);
        let (second, _socket) = come(&tree, STORAGE, State::Ready);
        let late = || Frame::bare(Header { call: CallId(9), ..Header::new(Kind::Answer) });
        let piece = || Frame::bare(Header { call: CallId(9), direction: Some(Direction::Down), ..Header::new(Kind::End) });
        tree.frame(first, late());
        tree.frame(first, piece());
        tree.frame(first, Frame { header: Header::new(Kind::Ready), body: vec![0xff].into() });
        assert!(!is_to_end(&tree, second));
        tree.frame(second, late());
        assert!(is_to_end(&tree, second), "what it says itself it answers for");
    });
}

#[test]
fn a_process_has_its_own_time_to_become_ready() {
    run("ready", async |tree| {
        let (first, _socket) = come(&tree, STORAGE, State::Starting);
        let waits = tokio::task::spawn_local(tree.clone().expect_ready(first, Duration::from_millis(50)));
        go(&tree, first);
        let (second, _socket) = come(&tree, STORAGE, State::Starting);
        waits.await.expect("it ends");
        assert!(!is_to_end(&tree, second));
        tree.clone().expect_ready(second, Duration::from_millis(50)).await;
        assert!(is_to_end(&tree, second));
    });
}

#[test]
fn who_waits_for_an_end_does_not_wait_for_the_successors() {
    run("finish", async |tree| {
        let (first, _socket) = come(&tree, STORAGE, State::Ready);
        let lives = tree.lives(&[Role::Storage]);
        let finisher = tree.clone();
        let waits = tokio::task::spawn_local(async move { finisher.finish(&lives).await });
        tokio::task::yield_now().await;
        assert!(is_to_end(&tree, first));
        go(&tree, first);
        let (second, _socket) = come(&tree, STORAGE, State::Ready);
        tokio::time::timeout(Duration::from_secs(1), waits).await.expect("at once").expect("it ends");
        assert!(!is_to_end(&tree, second));
    });
}

#[test]
fn who_is_slow_is_not_ended_and_gets_calls_again_when_it_has_read() {
    run("slow", async |tree| {
        let (life, _socket) = come(&tree, STORAGE, State::Ready);
        let body = vec![0; ipc::limits::MAX_BODY];
        for _ in 0..=MAX_QUEUED / body.len() {
            let header = Header { call: CallId(1), ..Header::new(Kind::Answer) };
            tree.deliver(STORAGE, Lane::Data, Frame { header, body: body.clone().into() });
        }
        assert_eq!(tree.lock().hub.crowded(), [STORAGE]);
        assert!(!is_to_end(&tree, life));
        tree.lock().look_who_has_read();
        assert_eq!(tree.lock().hub.crowded(), [STORAGE], "it has not");
        tree.lock().processes[&STORAGE].data.finish();
        tree.lock().look_who_has_read();
        assert!(tree.lock().hub.crowded().is_empty());

        let place = (Role::Cli, Instance(1));
        let (_, _socket) = come(&tree, place, State::Ready);
        for _ in 0..=MAX_QUEUED / body.len() {
            let header = Header { call: CallId(1), ..Header::new(Kind::Answer) };
            tree.deliver(place, Lane::Data, Frame { header, body: body.clone().into() });
        }
        assert!(!tree.lock().processes.contains_key(&place), "a command line is not waited for");
    });
}

#[test]
fn only_what_a_process_ends_of_itself_is_blamed_on_its_work() {
    run("blame", async |tree| {
        let ended_of = |life: Life| tree.lock().living(life).map(|process| process.ended_of());
        let kill = |life: Life, blame: Blame| {
            if let Some(process) = tree.lock().living(life) {
                process.kill(blame);
            }
        };
        let (life, _socket) = come(&tree, STORAGE, State::Ready);
        assert_eq!(ended_of(life), Some(Blame::Work), "of itself");
        kill(life, Blame::Supervisor);
        kill(life, Blame::Work);
        assert_eq!(ended_of(life), Some(Blame::Supervisor), "who came first");
        let (life, _socket) = come(&tree, STORAGE, State::Draining);
        assert_eq!(ended_of(life), Some(Blame::Supervisor), "it was asked to");
    });
}
