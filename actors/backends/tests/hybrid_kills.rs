//! A process that writes to a hybrid over two real directory trees is killed at any moment, again and again: what it was
//! told is written or deleted is so, here and, after all marks are pushed, there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path as OsPath,
    process::{Command, Stdio},
    rc::Rc,
    time::{Duration, SystemTime},
};

use backends::{BackOff, Hybrid, Path, Pushed, Storage, Tree};
use bytes::Bytes;

const PLACE: &str = "LAMOS_HYBRID_TEST_PLACE";
const NAMES: u64 = 12;
const ROUNDS: u64 = 25;

async fn open(place: &OsPath) -> (Hybrid, Rc<Tree>) {
    let near = Rc::new(Tree::open(&place.join("near")).await.unwrap());
    let far = Rc::new(Tree::open(&place.join("far")).await.unwrap());
    (Hybrid::open(near, far.clone(), BackOff { stray: Duration::ZERO, ..BackOff::default() }).await.unwrap(), far)
}

fn name(number: u64) -> Path {
    Path::parse(format!("folder {}/value {number}", number % 3)).unwrap()
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Not a test but the process that is killed: it says what it begins and what is done.
#[test]
#[ignore = "it is started by the test below"]
fn child() {
    let Ok(place) = env::var(PLACE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (hybrid, _) = open(OsPath::new(&place)).await;
        let mut state = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
        let mut out = std::io::stdout().lock();
        let work = async {
            loop {
                let (number, value) = (next(&mut state) % NAMES, next(&mut state));
                let value = (!value.is_multiple_of(4)).then(|| value.to_string().repeat(1 + (value % 5000) as usize));
                let said = value.as_ref().map_or("-", |value| &value[..value.len().min(19)]).to_owned();
                let length = value.as_ref().map_or(0, String::len);
                writeln!(out, "begin {number} {said} {length}").unwrap();
                match value {
                    Some(value) => hybrid.write(&name(number), value.into()).await.unwrap(),
                    None => hybrid.delete(&name(number)).await.unwrap(),
                }
                writeln!(out, "done {number} {said} {length}").unwrap();
                tokio::task::yield_now().await;
            }
        };
        futures_util::future::join(work, hybrid.run(2)).await;
    });
}

/// What a path may be: the last thing that was done, or what was begun after it.
type May = BTreeMap<u64, Vec<(String, usize)>>;

fn is_one_of(value: Option<&Bytes>, may: &[(String, usize)]) -> bool {
    may.iter().any(|(said, length)| match value {
        None => said == "-",
        Some(value) => said != "-" && value.len() == *length && value.starts_with(said.as_bytes()),
    })
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("near")).unwrap();
    fs::create_dir(place.path().join("far")).unwrap();
    let mut may: May = (0..NAMES).map(|number| (number, vec![("-".to_owned(), 0)])).collect();
    let (mut done, mut begun) = (0, 0);
    for round in 0..ROUNDS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(PLACE, place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // So many lines, and a moment that differs: the kill falls anywhere.
        let mut left = 3 + round * 3;
        let mut take = |line: String| {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, number, said, length] = words[..] else { return };
            let (Ok(number), Ok(length)) = (number.parse::<u64>(), length.parse()) else { return };
            match what {
                "begin" => {
                    begun += 1;
                    may.get_mut(&number).unwrap().push((said.to_owned(), length));
                }
                "done" => {
                    done += 1;
                    may.insert(number, vec![(said.to_owned(), length)]);
                }
                _ => {}
            }
        };
        for line in lines.by_ref().map_while(Result::ok) {
            take(line);
            left -= 1;
            if left == 0 {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(round * 700));
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map_while(Result::ok).for_each(take);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (hybrid, far) = open(place.path()).await;
            for (number, may) in &mut may {
                let value = hybrid.read(&name(*number)).await.unwrap();
                assert!(is_one_of(value.as_ref(), may), "round {round}: {number} is {value:?} and not of {may:?}");
                may.retain(|one| is_one_of(value.as_ref(), std::slice::from_ref(one)));
            }
            if round % 5 == 4 || round + 1 == ROUNDS {
                while hybrid.push().await != Pushed::Idle {}
                assert_eq!(hybrid.status().waiting, 0);
                for number in 0..NAMES {
                    let (near, far) = (hybrid.read(&name(number)).await.unwrap(), far.read(&name(number)).await.unwrap());
                    assert!(near == far, "round {round}: {number} differs between near and far");
                }
            }
        });
    }
    println!("{begun} begun, {done} acknowledged, {ROUNDS} kills");
    assert!(done > ROUNDS * 5, "the process got to work between the kills");
}
