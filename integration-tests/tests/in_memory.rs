//! Where a password, a name and a provider's key lie in memory: in the processes that use them, while they do, and nowhere
//! else; and in none when the space is locked.
//!
//! It reads the memory of other processes, which takes the rights of root where a process cannot be looked into by its own
//! user. Without them those are only tried, and must refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{collections::BTreeSet, fs, os::unix::fs::FileExt as _};

use integration_tests::{
    home::Home,
    processes::Process,
    scripted_http::{ScriptedHttp, answer, python},
    serve::Serve,
};

const NAME: &str = "qzvname-of-anna";
const PASSWORD: &str = "qzvpassword correct horse";
const KEY: &str = "sk-qzvkey-0123456789";

/// The roles a Lamos has while it is used, by their command lines; everything else of a home is a command line.
const ROLES: [&str; 7] = ["supervisor", "crypto", "storage", "ui", "llm", "agent", "code"];

/// The role of a process.
fn role(process: &Process) -> &'static str {
    ROLES.into_iter().find(|role| process.is(role)).unwrap_or("cli")
}

/// Whether these bytes lie in the memory of a process that can be written; `None` if it does not let itself be read.
fn has(process: &Process, needle: &[u8]) -> Option<bool> {
    let memory = fs::File::open(format!("/proc/{}/mem", process.pid)).ok()?;
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.pid)).ok()?;
    let mut piece = vec![0; 1 << 20];
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while at < to {
            let wanted = usize::try_from(to - at).unwrap().min(piece.len());
            // What is mapped and not there is skipped whole.
            let Ok(read) = memory.read_at(&mut piece[..wanted], at) else { break };
            if read == 0 {
                break;
            }
            if piece[..read].windows(needle.len()).any(|window| window == needle) {
                return Some(true);
            }
            // Pieces overlap, so that nothing lies between two of them.
            at += if read == wanted && at + read as u64 != to { (read - needle.len()) as u64 } else { read as u64 };
        }
    }
    Some(false)
}

/// The roles of the processes in which it lies, and those that could be looked into.
fn holders(home: &Home, needle: &str) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for process in home.processes() {
        if let Some(has) = has(&process, needle.as_bytes()) {
            seen.insert(role(&process));
            if has {
                found.insert(role(&process));
            }
        }
    }
    (found, seen)
}

#[test]
fn what_is_secret_lies_in_no_memory_but_where_it_is_used() {
    let home = Home::new();
    let serve = Serve::of(&home, home.command(["serve"]).signed_in(NAME, &format!("{PASSWORD}\n{PASSWORD}\n")));
    let server = ScriptedHttp::start(vec![python("print(6 * 7)"), answer("It is 42.")]);
    let ask = home.command(["ask", "-m", "scripted", "What is it?"]).env("OPENAI_BASE_URL", &server.openai());
    ask.env("OPENAI_API_KEY", KEY).run().good();
    assert!(server.asked()[0].head.contains(KEY), "the server was shown the key");

    // What looks for it finds what is there: the words of the conversation, in the process of the conversation.
    let (found, seen) = holders(&home, "What is it?");
    assert!(found.contains("agent"), "{found:?} of {seen:?}");
    assert!(seen.is_superset(&BTreeSet::from(["supervisor", "agent", "code"])), "{seen:?}");
    // SAFETY: it asks who we are.
    #[expect(unsafe_code, reason = "a system call")]
    let root = unsafe { libc::geteuid() } == 0;
    if root {
        assert!(seen.is_superset(&BTreeSet::from(["crypto", "storage", "llm"])), "{seen:?}");
    } else {
        assert!(seen.is_disjoint(&BTreeSet::from(["crypto", "storage", "llm"])), "{seen:?}");
    }

    let nowhere = BTreeSet::new();
    assert_eq!(holders(&home, PASSWORD).0, nowhere, "the password");
    // A name is an argument of the command that signs in, and so in the memory of that.
    assert_eq!(holders(&home, NAME).0.into_iter().filter(|role| *role != "cli").collect::<BTreeSet<_>>(), nowhere, "the name");
    let (found, _) = holders(&home, KEY);
    assert!(found.is_subset(&BTreeSet::from(["crypto", "llm"])), "the provider's key is in {found:?}");

    home.run(["lock"]).good();
    assert!(serve.of_role("storage").is_empty());
    let (found, seen) = holders(&home, KEY);
    assert!(seen.contains("supervisor"));
    assert!(!found.contains("crypto"), "the provider's key is still in {found:?}");
    assert_eq!(holders(&home, PASSWORD).0, nowhere, "the password, after the lock");
}
