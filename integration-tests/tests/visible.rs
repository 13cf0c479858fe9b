//! What a person sees of the processes, and does to them: `ps`, `tail`, `log`, `flight`, `drain`, `restart`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    asking::{Asking, PIECES, SEEN, kept, long_answer, piece},
    home::{Home, finish},
    scripted_http::{ScriptedHttp, answer, python},
    serve::Serve,
};
use serde_json::Value;

/// How long is waited for what comes at once.
const SOON: Duration = Duration::from_secs(30);

/// Waits until this is so.
#[track_caller]
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + SOON;
    while !so() {
        assert!(Instant::now() < until, "it never came: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A supervisor that logs this much.
fn serve<'h>(home: &'h Home, levels: &str) -> Serve<'h> {
    Serve::of(home, home.command(["--log", levels, "serve"]))
}

/// The lines of the log that these words select, as JSON.
fn tail(home: &Home, words: &[&str]) -> Vec<Value> {
    let most: &[&str] = if words.contains(&"-n") { &[] } else { &["-n", "100000"] };
    let all = [&["--json", "tail", "--no-follow"], most, words].concat();
    home.run(all).good().lines().map(|line| serde_json::from_str(line).expect("a line of the log is JSON")).collect()
}

fn roles(lines: &[Value]) -> BTreeSet<&str> {
    lines.iter().map(|line| line["role"].as_str().unwrap()).collect()
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

#[test]
fn i_see_every_process_who_waits_for_whom_and_what_passed() {
    let (home, server) = (Home::new(), long_answer());
    let serve = Serve::start(&home);
    let asking = Asking::begin(&home, &server, SEEN);
    let status = serve.status();
    let process = |role: &str| array(&status["processes"]).iter().find(|process| process["role"] == role).unwrap().clone();
    assert_eq!(process("agent")["serving"], 1, "{status:#}");
    assert!(process("agent")["asking"].as_u64().unwrap() >= 1, "it waits for the model");
    assert_eq!(process("llm")["serving"], 1);
    assert!(process("crypto")["cpu_ms"].as_u64().unwrap() > 0, "a password costs time");
    assert!(process("llm")["bytes_sent"].as_u64().unwrap() > 0 && process("llm")["bytes_received"].as_u64().unwrap() > 0);
    assert_eq!(array(&status["processes"]).iter().filter(|process| process["role"] == "cli").count(), 2, "serve and ask");
    let errand = &array(&status["errands"])[0];
    assert_eq!((errand["method"].as_str(), errand["to"].as_str()), (Some("Take"), Some("agent/1")), "{errand}");

    let table = home.run(["ps"]).good();
    let head = table.lines().next().unwrap();
    for column in
        ["PROCESS", "STATE", "PID", "START", "UP", "RESTARTS", "MEMORY", "CPU", "ASKING", "SERVING", "QUEUED", "IN", "OUT", "WHY"]
    {
        assert!(head.split_whitespace().any(|word| word == column), "no column {column}: {head}");
    }
    for name in ["supervisor", "cli/1", "storage/1", "crypto/1", "llm/1", "agent/1", "code/1"] {
        assert!(table.lines().any(|line| line.starts_with(name)), "no row {name}: {table}");
    }
    let said = home.run(["ps"]).err;
    assert!(said.contains("waits for agent/1: Take"), "{said}");

    let talks = home.run(["--json", "ps", "--talks"]).json();
    let talk = |talks: &Value, from: &str, to: &str| {
        array(talks).iter().find(|talk| talk["from"] == from && talk["to"] == to).cloned().unwrap_or_else(|| panic!("{talks:#}"))
    };
    assert_eq!(talk(&talks, "agent/1", "llm")["in_flight"], 1);
    let (shown, outcome) = asking.end();
    outcome.good();
    let talks = home.run(["--json", "ps", "--talks"]).json();
    let after = talk(&talks, "agent/1", "llm");
    assert_eq!((after["calls"].as_u64(), after["in_flight"].as_u64()), (Some(1), Some(0)));
    assert!(after["bytes_received"].as_u64().unwrap() as usize >= shown.trim_end().len(), "{after}");
    assert!(home.run(["ps", "--talks"]).good().starts_with("WHO"));
    assert!(array(&serve.status()["errands"]).is_empty());
}

#[test]
fn i_watch_the_processes_until_lamos_goes() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let mut watch = home.command(["ps", "--watch", "0.2"]).start();
    let mut lines = BufReader::new(watch.stdout.as_mut().unwrap()).lines();
    let mut looks = 0;
    while looks < 3 {
        let line = lines.next().expect("it goes on").unwrap();
        assert!(!line.contains('\u{1b}'), "a pipe is no terminal: {line:?}");
        looks += usize::from(line.starts_with("PROCESS"));
        // From the second look on a share is shown.
        assert!(looks < 2 || !line.starts_with("supervisor") || line.contains(" %"), "{line}");
    }
    home.run(["stop"]).good();
    let end = finish(watch, SOON, "ps --watch");
    assert_eq!(end.code, 0, "{end:?}");
    assert!(end.err.contains("Lamos has ended"), "{end:?}");
    home.run(["ps", "--watch"]).bad(10);
    home.run(["ps", "--watch", "0"]).bad(2);
}

#[test]
fn i_see_why_a_process_was_started_again_and_what_is_not_started_any_more() {
    let (home, server) = (Home::new(), long_answer());
    let serve = Serve::start(&home);
    Asking::begin(&home, &server, SEEN).end().1.good();
    let ended = |why: &str| {
        let llm = serve.of_role("llm");
        llm.first().is_some_and(|llm| llm["state"] == "ready" && llm["last_end"].as_str().is_some_and(|end| end.contains(why)))
    };
    serve.process("llm").signal(libc::SIGKILL);
    until("it was ended by a signal", || ended("signal 9"));
    assert_eq!(serve.of_role("llm")[0]["restarts"], 1);
    home.run(["restart", "llm"]).good();
    until("a person wanted it", || ended("a person wanted it"));
    assert!(home.run(["ps"]).good().contains("the one before ended by signal 9: a person wanted it"));

    until("it is given up", || {
        if let Some(process) = home.processes().into_iter().find(|process| process.is("llm")) {
            process.signal(libc::SIGKILL);
        }
        !array(&serve.status()["degraded"]).is_empty()
    });
    let table = home.run(["ps"]).good();
    let row = table.lines().find(|line| line.starts_with("llm ")).unwrap_or_else(|| panic!("no row: {table}"));
    assert!(row.contains("degraded") && row.contains("signal 9"), "{row}");
    home.run(["restart", "llm"]).good();
    until("it is there again", || serve.of_role("llm").first().is_some_and(|llm| llm["state"] == "ready"));
}

#[test]
fn what_i_restart_while_an_answer_is_spoken_loses_nothing_that_was_shown() {
    let home = Home::new();
    let serve = Serve::start(&home);
    for role in ["llm", "code", "storage", "agent", "crypto"] {
        let server = long_answer();
        let asking = Asking::begin(&home, &server, SEEN);
        let name = match role {
            "agent" => {
                let busy = serve.of_role("agent").into_iter().find(|agent| agent["serving"] == 1).unwrap();
                format!("agent/{}", busy["instance"])
            }
            role => role.to_owned(),
        };
        let said = home.run(["restart", &*name]);
        assert_eq!((said.code, role == "agent"), (0, said.err.contains("the next question")), "{said:?}");
        let (shown, outcome) = asking.end();
        // What has nothing to do with the answer does not disturb it, and the archive is waited for.
        let untouched = matches!(role, "code" | "storage");
        assert!(outcome.code == 0 || !untouched, "{role}: {outcome:?}");
        assert_eq!(shown.contains(&piece(PIECES - 1)), untouched, "{role}: {shown}");
        until("what was shown is kept", || {
            let last = kept(&home);
            last["author"] == "assistant" && last["text"].as_str().unwrap().starts_with(shown.trim_end())
        });
        assert!(home.run(["ask", "--no-model", "5 miles in km"]).good().contains("8.04672"));
    }
    assert!(home.run(["restart", "agent"]).bad(3).contains("agent/3"));
    home.run(["restart", "agent/4000"]).bad(3);
    home.run(["restart", "supervisor"]).bad(3);
    home.run(["restart", "nobody"]).bad(2);
    home.run(["restart", "llm/x"]).bad(2);
    home.run(["stop"]).good();
    home.assert_empty();
}

#[test]
fn draining_waits_for_the_answer_and_for_every_run_it_needs() {
    let home = Home::new();
    let slow = python("import time\ntime.sleep(1.5)\nprint('one')");
    let server = ScriptedHttp::start(vec![slow, python("print('two')"), python("print('three')"), answer("All done.")]);
    let serve = Serve::start(&home);
    let asking = home.command(["ask", "-m", "scripted", "Hi"]).env("OPENAI_BASE_URL", &server.openai()).start();
    until("a run begins", || serve.of_role("code").iter().any(|process| process["serving"] == 1));
    let drain = home.command(["drain"]).start();
    until("it takes no new work", || serve.status()["draining"] == true);
    assert!(home.run(["ps"]).good().lines().any(|line| line.starts_with("supervisor") && line.contains("draining")));
    assert_eq!(finish(asking, SOON, "ask").good().trim_end(), "All done.");
    let drained = finish(drain, SOON, "drain");
    assert!(drained.code == 0 && drained.err.contains("waits for agent/1: Take"), "{drained:?}");
    home.assert_empty();
    assert!(home.run(["drain"]).err.contains("not running"));
}

#[test]
fn i_follow_one_request_through_all_processes() {
    let home = Home::new();
    let server = ScriptedHttp::start(vec![python("print(6 * 7)"), answer("It is 42.")]);
    let serve = serve(&home, "debug");
    let ask = home.command(["--json", "ask", "-m", "scripted", "What is it?"]).env("OPENAI_BASE_URL", &server.openai());
    let report = ask.env("OPENAI_API_KEY", "sk-1").run().json();
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    let trace = report["trace"].as_str().unwrap();

    let lines = tail(&home, &["--trace", trace]);
    let expected = BTreeSet::from(["agent", "llm", "crypto", "storage", "code"]);
    assert!(roles(&lines).is_superset(&expected), "{:?}", roles(&lines));
    assert!(lines.iter().all(|line| line["trace"] == trace));
    assert!(tail(&home, &[]).len() > lines.len(), "the other request has lines too");
    let said = |text: &str| lines.iter().filter(|line| line["text"] == text).count();
    assert_eq!((said("the turn begins"), said("the turn ends"), said("runs a tool"), said("the run ends")), (1, 1, 1, 1));
    let asked = lines.iter().find(|line| line["text"] == "asks a server").unwrap();
    assert_eq!(asked["fields"]["server"], server.openai().trim_end_matches("/v1"), "the server and no path");
    // What a person sees of it begins with the time and has no JSON.
    let text = home.run(["tail", "--no-follow", "--trace", &trace[..8], "--role", "code"]).good();
    assert!(!text.is_empty() && text.lines().all(|line| line.contains(" code/") && line.contains(&trace[..8])), "{text}");

    let records = home.run(["--json", "flight", "--trace", trace]).json();
    let sides = |side: &str| -> BTreeSet<String> {
        let places = array(&records).iter().map(|record| record[side].as_str().unwrap());
        places.map(|place| place.split('/').next().unwrap().to_owned()).collect()
    };
    let asked: BTreeSet<String> = ["supervisor", "agent", "llm", "crypto", "storage", "code"].map(str::to_owned).into();
    assert!(sides("to").is_superset(&asked), "{:?}", sides("to"));
    assert!(sides("from").contains("cli") && sides("from").contains("llm"));
    let take: Vec<&Value> = array(&records).iter().filter(|record| record["method"] == "Take").collect();
    assert_eq!((take[0]["what"].as_str(), take[1]["what"].as_str()), (Some("open"), Some("answer")));
    assert!(take[1]["streamed"].as_u64().unwrap() > 0, "its pieces are counted where it ends");
    drop(serve);
}

#[test]
fn i_change_how_much_is_said_while_it_runs_and_it_stays_so() {
    let home = Home::new();
    let serve = serve(&home, "warn,llm=info");
    let ask = || home.run(["ask", "--no-model", "5 miles in km"]).good();
    ask();
    assert_eq!(tail(&home, &["--role", "storage"]).len(), 0, "nothing went wrong");
    assert_eq!(home.run(["log", "storage=trace"]).good().trim(), "warn,llm=info,storage=trace");
    ask();
    let said = |level: &str| tail(&home, &["--role", "storage"]).iter().filter(|line| line["level"] == level).count();
    assert!(said("trace") > 0 && said("debug") > 0 && said("info") > 0);
    assert_eq!(tail(&home, &["--role", "agent"]).len(), 0, "nobody else was meant");
    let (before, pid) = (said("trace"), serve.process("storage").pid);
    serve.process("storage").signal(libc::SIGKILL);
    until("another archive is there", || {
        serve.of_role("storage").first().is_some_and(|storage| storage["state"] == "ready" && storage["pid"] != pid)
    });
    ask();
    assert!(said("trace") > before, "the next one says as much");
    assert!(tail(&home, &["--role", "storage=info"]).iter().all(|line| line["level"] == "info" || line["level"] == "warn"));
    assert_eq!(home.run(["log", "warn"]).good().trim(), "warn");
    assert_eq!(home.run(["log"]).good().trim(), "warn");
    let quiet = tail(&home, &[]).len();
    ask();
    assert_eq!(tail(&home, &[]).len(), quiet, "it is silent again");
    home.run(["log", "loud"]).bad(2);
    home.run(["--log", "loud", "ps"]).bad(2);
}

#[test]
fn i_follow_the_log_and_see_each_line_once() {
    let home = Home::new();
    let _serve = serve(&home, "debug");
    // More than the supervisor keeps in memory, so that some of it comes from the file.
    for _ in 0..12 {
        home.run(["ask", "--no-model", "5 miles in km"]).good();
    }
    let already = tail(&home, &[]).len();
    assert!(already > 250, "only {already} lines");
    let mut follow = home.command(["--json", "tail", "-n", "100000"]).start();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut seen: Vec<Value> = Vec::new();
    let mut next = |seen: &mut Vec<Value>| seen.push(serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap());
    while seen.len() < already {
        next(&mut seen);
    }
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    while !seen[already..].iter().any(|line| line["text"] == "the turn ends") {
        next(&mut seen);
    }
    let numbers: Vec<u64> = seen.iter().map(|line| line["n"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "each once, in its order");
    let last = tail(&home, &["-n", "3"]);
    assert_eq!(last.len(), 3);
    home.run(["stop"]).good();
    drop(lines);
    follow.wait().unwrap();
    assert!(!tail(&home, &[]).is_empty(), "the log can be read when nothing runs");
    home.run(["tail"]).bad(10);
}

#[test]
fn the_flight_recorder_is_there_after_the_supervisor_was_killed() {
    let (home, server) = (Home::new(), long_answer());
    home.run(["flight"]).bad(3);
    let serve = Serve::start(&home);
    let asking = Asking::begin(&home, &server, SEEN);
    serve.process("supervisor").signal(libc::SIGKILL);
    assert_ne!(asking.end().1.code, 0);
    home.assert_empty_but_for_the_socket();
    let records = home.run(["--json", "flight", "--last", "100000"]).json();
    let is = |record: &Value, what: &str, method: &str| record["what"] == what && record["method"] == method;
    let open = array(&records).iter().find(|record| is(record, "open", "Take")).expect("what was being done");
    assert_eq!(open["to"], "agent/1");
    let trace = open["trace"].as_str().unwrap();
    assert!(!array(&records).iter().any(|record| is(record, "answer", "Take")), "it had no answer");
    assert!(array(&records).iter().any(|record| is(record, "open", "Complete") && record["trace"] == trace));
    assert!(array(&records).iter().any(|record| record["what"] == "ready" && record["from"] == "llm/1"));
    assert!(home.run(["flight", "--trace", &trace[..8]]).good().contains("Complete"));
    // The next supervisor begins another and keeps this one.
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    assert_eq!(home.run(["--json", "flight", "--before", "--last", "100000"]).json(), records);
    assert_eq!(array(&home.run(["--json", "flight", "--trace", trace]).json()).len(), 0);
    home.run(["reset", "--yes"]).good();
    home.run(["flight"]).bad(3);
}

#[test]
fn a_tree_that_nobody_asks_anything_does_nothing() {
    let home = Home::new();
    let serve = serve(&home, "trace");
    until("all are ready", || serve.of_role("code").iter().any(|code| code["state"] == "ready"));
    let seen = || {
        let status = serve.status();
        let processes = array(&status["processes"]).iter().filter(|process| process["role"] != "cli");
        let used: u64 = processes.map(|process| process["cpu_ms"].as_u64().unwrap()).sum();
        (used, tail(&home, &[]).len(), array(&home.run(["--json", "flight"]).json()).len())
    };
    let before = seen();
    // Not waiting for something, but watching that nothing comes: longer than between two questions whether they live.
    thread::sleep(Duration::from_secs(6));
    let after = seen();
    assert_eq!((before.1, before.2), (after.1, after.2), "nothing is logged and nothing passes");
    assert!(after.0 - before.0 <= 100, "{} ms of a processor were used by processes that do nothing", after.0 - before.0);
}

#[test]
fn a_full_table_of_rights_is_explained_without_anything_running() {
    let home = Home::new();
    let row = home.run(["policy", "explain", "agent", "code", "Run"]).good();
    assert!(row.contains("serves this one call") && row.contains("what strangers wrote"), "{row}");
    let none = home.run(["policy", "explain", "agent", "crypto", "Unlock"]).bad(3);
    assert!(none.contains("agent may ask crypto for nothing") && none.contains("cli asks crypto"), "{none}");
    home.assert_empty();
}
