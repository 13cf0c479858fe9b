//! The outbox on a real disk: in order, once, there after a kill, and full when it is full.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{
    fs,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use replica::{CommandId, Outbox, OutboxError, ReplicaError, StoreKeys};

const DIRECTORY: &str = "OUTBOX_OF_A_CHILD";

fn open(directory: &Path) -> Outbox {
    open_with(directory, 1 << 20).unwrap()
}

fn open_with(directory: &Path, capacity: u64) -> Result<Outbox, ReplicaError> {
    Outbox::open(directory, StoreKeys::new(&[9; 32], [7; 16], [8; 32]), capacity)
}

fn id(number: u64) -> CommandId {
    let mut id = [0; 16];
    // Not in the order in which they come.
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id
}

fn texts(outbox: &Outbox) -> Vec<String> {
    let waiting = outbox.waiting(None, usize::MAX, usize::MAX).unwrap();
    waiting.into_iter().map(|waiting| String::from_utf8(waiting.command.to_vec()).unwrap()).collect()
}

#[test]
fn commands_wait_in_their_order_until_they_are_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    {
        let outbox = open(directory.path());
        for number in 0..10 {
            assert_eq!(outbox.put(&id(number), format!("do {number}").as_bytes()).unwrap().position, number);
        }
        let again = outbox.put(&id(3), b"do 3").unwrap();
        assert_eq!((again.position, again.again), (3, true));
        assert!(matches!(outbox.put(&id(3), b"do something else"), Err(OutboxError::Conflict)));
    }
    let outbox = open(directory.path());
    assert_eq!(texts(&outbox).len(), 10);
    assert_eq!(outbox.acknowledge(&[id(0), id(4), id(0), [1; 16]]).unwrap(), 2);
    assert_eq!(texts(&outbox), ["do 1", "do 2", "do 3", "do 5", "do 6", "do 7", "do 8", "do 9"]);
    let page = outbox.waiting(Some(2), 2, usize::MAX).unwrap();
    assert_eq!(page.iter().map(|waiting| waiting.position).collect::<Vec<_>>(), [3, 5]);
    assert_eq!(outbox.waiting(None, 100, 1).unwrap().len(), 1, "one at least");
    let rest: Vec<CommandId> = (0..10).map(id).collect();
    assert_eq!(outbox.acknowledge(&rest).unwrap(), 8);
    assert_eq!(outbox.filled().unwrap().bytes, 0);
    // A place is never used twice, so that nothing that was sent late is taken for something new.
    assert_eq!(outbox.put(&id(50), b"later").unwrap().position, 10);
}

#[test]
fn a_full_one_says_so_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open_with(directory.path(), 10_000).unwrap();
    let command = [b'x'; 900];
    let taken = (0..100).take_while(|number| outbox.put(&id(*number), &command).is_ok()).count() as u64;
    assert!((8..=10).contains(&taken), "{taken}");
    let refused = outbox.put(&id(99), &command).unwrap_err();
    assert!(matches!(refused, OutboxError::Full { commands } if commands == taken));
    assert!(refused.to_string().contains("nothing was taken"), "{refused}");
    assert_eq!(texts(&outbox).len() as u64, taken);
    assert!(outbox.put(&id(0), &command).unwrap().again, "what waits already is not refused");
    outbox.acknowledge(&[id(0)]).unwrap();
    outbox.put(&id(99), &command).unwrap();
    assert!(matches!(outbox.put(&id(100), &vec![0; 2 << 20]), Err(OutboxError::TooLong(_))));
}

#[test]
fn no_word_lies_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).put(&id(1), b"canary: buy a yellow bird").unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
    let other = Outbox::open(directory.path(), StoreKeys::new(&[9; 32], [6; 16], [8; 32]), 1);
    assert!(matches!(other.err(), Some(ReplicaError::OtherSpace)));
}

/// Puts commands until it is killed, and says of each that it is taken. Run by the next test.
#[test]
#[ignore = "a child of the next test"]
fn child() {
    let directory = std::env::var_os(DIRECTORY).expect("it is run by its parent");
    let outbox = open_with(Path::new(&directory), 64 << 20).unwrap();
    let from = outbox.waiting(None, usize::MAX, usize::MAX).unwrap().last().map_or(0, |last| last.position + 1);
    for number in from.. {
        outbox.put(&id(number), format!("do {number}").as_bytes()).unwrap();
        println!("taken {number}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn what_was_taken_is_there_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut least = 0;
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut taken = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("taken ")?.parse::<u64>().ok());
        let last = taken.nth(3 + round * 2).unwrap();
        child.kill().unwrap();
        // What it said before it was dead counts too.
        let last = taken.last().unwrap_or(last);
        child.wait().unwrap();
        let outbox = open_with(directory.path(), 64 << 20).unwrap();
        let waiting = texts(&outbox);
        assert!(waiting.len() as u64 > last && last >= least, "{} of {last}", waiting.len());
        assert!(waiting.iter().enumerate().all(|(number, text)| *text == format!("do {number}")), "in order, once");
        assert_eq!(outbox.filled().unwrap().commands, waiting.len() as u64);
        least = last;
    }
}
