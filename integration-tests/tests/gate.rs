//! The HTTP door of a real tree, and who knocks: programs without the token, pages of other sites, and whoever says what is
//! no HTTP, too much of it, too slowly or too often.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    io::{ErrorKind, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    http_gate::{Client, HttpGate, cannot_start},
    processes::Process,
};

/// Where something is, so that nothing but the head can be the reason for a refusal.
const PATH: &str = "/credentials/verify";

/// What is let in and then refused, for it is not what is asked for there.
const LET_IN: u16 = 400;

fn gate_process(home: &Home) -> Process {
    home.processes().into_iter().find(|process| process.is("gate")).expect("a gate lives")
}

/// What of its memory is in use, in KiB.
fn resident(process: &Process) -> u64 {
    // What holds private data cannot be looked into by its person; by root it can.
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn who_has_no_token_or_calls_it_otherwise_is_not_let_in() {
    let home = Home::new();
    let gate = HttpGate::start(&home, &[]);
    let (port, token) = (gate.port, gate.token.clone().expect("a token"));
    assert_eq!(token.len(), 64, "256 bits");
    let by = |host: &str, more: &str| {
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: {host}\r\n{more}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        gate.told(head.as_bytes()).expect("an answer").status
    };
    let ours = format!("Authorization: Bearer {token}\r\n");
    let here = format!("127.0.0.1:{port}");
    assert_eq!(by(&here, &ours), LET_IN);
    assert_eq!(by(&format!("localhost:{port}"), &ours), LET_IN);
    assert_eq!(by(&here, ""), 401);
    assert_eq!(by(&here, "Authorization: Bearer 0000\r\n"), 401);
    assert_eq!(by(&here, &format!("Authorization: Basic {token}\r\n")), 401);
    // A name that somebody made to lead here, and a page that is somewhere else.
    assert_eq!(by(&format!("evil.example:{port}"), &ours), 403);
    assert_eq!(by("localhost", &ours), 403);
    assert_eq!(by(&here, &format!("{ours}Origin: https://evil.example\r\n")), 403);
    assert_eq!(by(&here, &format!("{ours}Origin: null\r\n")), 403);
    assert_eq!(by(&here, &format!("{ours}Origin: http://{here}\r\n")), LET_IN);
    let asked_before = format!(
        "OPTIONS {PATH} HTTP/1.1\r\nHost: {here}\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n"
    );
    let answer = gate.told(asked_before.as_bytes()).unwrap();
    assert_eq!(answer.status, 403);
    assert!(!answer.head.contains("access-control-"), "{answer:?}");
    let answer = gate.ask("/nowhere", "{}");
    assert_eq!((answer.status, answer.json()["status"].as_u64()), (404, Some(404)));
    assert!(answer.head.contains("content-type: application/problem+json"), "{answer:?}");
    // One line for each request, and nothing of what it said.
    gate.says("404 nothing that is here");
    gate.says(&format!("{LET_IN} {PATH}"));
    for words in ["evil", &token, "nowhere"] {
        assert!(!gate.said().contains(words), "{}", gate.said());
    }
    assert_eq!(gate.end(), 0);
    home.assert_empty();
}

#[test]
fn what_is_asked_is_a_path_as_it_is_written() {
    let home = Home::new();
    let gate = HttpGate::start(&home, &[]);
    let port = gate.port;
    let rest = gate.head("x").split_once("\r\n").unwrap().1.to_owned();
    let line = |line: &str| {
        let answer = gate.told(format!("{line}\r\n{rest}Content-Length: 2\r\n\r\n{{}}").as_bytes());
        answer.map_or(0, |answer| answer.status)
    };
    assert_eq!(line(&format!("POST {PATH} HTTP/1.1")), LET_IN);
    assert_eq!(line(&format!("POST http://127.0.0.1:{port}{PATH} HTTP/1.1")), LET_IN);
    assert_eq!(line(&format!("POST http://evil.example{PATH} HTTP/1.1")), 403);
    assert_eq!(line(&format!("POST http://127.0.0.1:{port}@evil.example{PATH} HTTP/1.1")), 403);
    assert_eq!(line(&format!("POST file://{PATH} HTTP/1.1")), 400);
    for path in [
        "//credentials/verify",
        "/credentials//verify",
        "/credentials/verify/",
        "/credentials/../credentials/verify",
        "/./credentials/verify",
        "/credentials/%76erify",
        "/credentials%2fverify",
        "/Credentials/Verify",
        "/credentials/verify?x=1",
        "/credentials/verify?",
        "/credentials/verify;x",
        "/",
        "/..",
        "/../../etc/passwd",
        "/credentials\\verify",
        "/credentials/verify%00",
    ] {
        let came = line(&format!("POST {path} HTTP/1.1"));
        assert!([400, 404].contains(&came), "{path}: {came}");
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "post"] {
        assert_eq!(line(&format!("{method} {PATH} HTTP/1.1")), 405, "{method}");
    }
    for odd in ["CONNECT 127.0.0.1:22 HTTP/1.1", "OPTIONS * HTTP/1.1", "POST * HTTP/1.1"] {
        let came = line(odd);
        assert!((400..500).contains(&came), "{odd}: {came}");
    }
    assert_eq!(gate.ask(PATH, "{}").status, LET_IN, "it is still there");
}

#[test]
fn what_is_no_http_harms_nobody() {
    let home = Home::new();
    let gate = HttpGate::start(&home, &[]);
    let good = String::from_utf8(gate.request(PATH, "{}")).unwrap();
    let head = gate.head(PATH);
    let with = |more: &str| format!("{head}{more}\r\n{{}}").into_bytes();
    let long = "x".repeat(20_000);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("HTTP/0.9", b"GET /\r\n".to_vec()),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(50)),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("another version", good.replace("HTTP/1.1", "HTTP/3.7").into_bytes()),
        ("zeros", vec![0; 50_000]),
        ("every byte", (0..=255).cycle().take(60_000).collect()),
        ("a long line", format!("POST /{long} HTTP/1.1\r\n\r\n").into_bytes()),
        ("a long header", with(&format!("X: {long}\r\nContent-Length: 2\r\n"))),
        ("many headers", with(&("X: y\r\n".repeat(500) + "Content-Length: 2\r\n"))),
        ("no length", with("")),
        ("a length below nothing", with("Content-Length: -2\r\n")),
        ("a length that is none", with("Content-Length: 0x2\r\n")),
        ("a length with a sign", with("Content-Length: +2\r\n")),
        ("two lengths", with("Content-Length: 2\r\nContent-Length: 40\r\n")),
        ("a length of many digits", with("Content-Length: 99999999999999999999999999\r\n")),
        ("pieces", format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n").into_bytes()),
        ("pieces and a length", format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n").into_bytes()),
        ("pieces of another kind", with("Transfer-Encoding: gzip, chunked\r\n")),
        ("two hosts", with("Host: evil.example\r\nContent-Length: 2\r\n")),
        ("a header without a name", with(": x\r\nContent-Length: 2\r\n")),
        ("a space before the colon", with("Content-Length : 2\r\n")),
        ("a folded header", with("X: a\r\n b\r\nContent-Length: 2\r\n")),
        ("a bare return", with("X: a\rb\r\nContent-Length: 2\r\n")),
        ("a zero in a header", with("X: a\0b\r\nContent-Length: 2\r\n")),
        ("an upgrade", with("Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n")),
        ("a websocket", with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nContent-Length: 2\r\n")),
        ("half a body", format!("{head}Content-Length: 2000\r\n\r\n{{").into_bytes()),
    ];
    for (what, bytes) in &cases {
        if let Some(answer) = gate.told(bytes) {
            assert!((400..600).contains(&answer.status), "{what}: {answer:?}");
            assert_ne!(answer.status, 500, "{what}: {answer:?}");
        }
        assert_eq!(gate.ask(PATH, "{}").status, LET_IN, "after {what}");
    }
    let ended = gate.said().contains("started again");
    assert!(!ended, "{}", gate.said());
}

#[test]
fn a_request_in_any_pieces_is_the_same_request() {
    let home = Home::new();
    let gate = HttpGate::start(&home, &[]);
    let request = gate.request(PATH, "{\"verifiableCredential\": 1, \"options\": {\"checks\": [\"what\"]}}");
    let whole = gate.told(&request).unwrap();
    let mut client = gate.connect();
    client.stream.set_nodelay(true).unwrap();
    for byte in &request {
        client.say(&[*byte]);
    }
    let split = client.answer().unwrap();
    assert_eq!((whole.status, &whole.body), (split.status, &split.body));
    // Several in one piece are answered one after the other.
    let mut client = gate.connect();
    client.say(&[gate.request("/a", "{}"), request.clone(), gate.request("/b", "{}")].concat());
    let came: Vec<u16> = (0..3).map(|_| client.answer().unwrap().status).collect();
    assert_eq!(came, [404, LET_IN, 404]);
}

#[test]
fn a_body_is_refused_by_its_length_before_it_is_read() {
    let home = Home::new();
    let gate = HttpGate::start(&home, &[]);
    let most = 256 << 10;
    let of = |length: usize| format!("{}Content-Length: {length}\r\n\r\n", gate.head(PATH));
    // Not a byte of it is sent.
    let mut client = gate.connect();
    client.say(of(most + 1).as_bytes());
    assert_eq!(client.answer().unwrap().status, 413);
    // Who sends it all the same still hears it.
    let mut client = gate.connect();
    client.say(of(900_000).as_bytes());
    client.say(&vec![b' '; 900_000]);
    assert_eq!(client.answer().unwrap().status, 413);
    client.wait_for_the_end();
    // Nor is it waited for from whom is not let in.
    let mut client = gate.connect();
    client.say(of(most).replace("Bearer", "Bear").as_bytes());
    assert_eq!(client.answer().unwrap().status, 401);
    let whole = format!("{{{}}}", " ".repeat(most - 2));
    assert_eq!(gate.ask(PATH, &whole).status, LET_IN);
}

#[test]
fn who_waits_does_not_keep_others_waiting() {
    let home = Home::new();
    let gate = HttpGate::start(&home, &[]);
    let begun = Instant::now();
    // Heads that do not end, one byte and then nothing, and bodies that do not come.
    let mut slow: Vec<Client> = (0..20).map(|_| gate.connect()).collect();
    for (number, client) in slow.iter_mut().enumerate() {
        client.say(match number % 3 {
            0 => b"P".as_slice(),
            1 => b"POST / HTTP/1.1\r\nX: y\r\n",
            _ => b"",
        });
    }
    let mut bodies = gate.connect();
    bodies.say(format!("{}Content-Length: 10\r\n\r\n12", gate.head(PATH)).as_bytes());
    for _ in 0..20 {
        assert_eq!(gate.ask(PATH, "{}").status, LET_IN);
    }
    for client in &mut slow {
        client.wait_for_the_end();
    }
    // They were given their time and no more.
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(bodies.answer().unwrap().status, 408);
    assert_eq!(gate.ask(PATH, "{}").status, LET_IN);
}

#[test]
fn more_than_so_many_are_told_to_come_again() {
    let home = Home::new();
    let gate = HttpGate::start(&home, &[]);
    let mut inside: Vec<Client> = Vec::new();
    // Each has been answered once, and so is surely in.
    for _ in 0..64 {
        let mut client = gate.connect();
        client.say(&gate.request("/x", "{}"));
        assert_eq!(client.answer().expect("room").status, 404);
        inside.push(client);
    }
    let mut refused = 0;
    for _ in 0..40 {
        let mut client = gate.connect();
        client.say(b"x");
        // Or it is closed at once.
        if let Some(answer) = client.answer() {
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(answer.is_last() && answer.json()["status"] == 503);
            refused += 1;
        }
    }
    assert!(refused > 0);
    inside[0].say(&gate.request(PATH, "{}"));
    assert_eq!(inside[0].answer().unwrap().status, LET_IN, "who is in stays in");
    drop(inside);
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let mut client = gate.connect();
        client.say(&gate.request(PATH, "{}"));
        if client.answer().is_some_and(|answer| answer.status == LET_IN) {
            break;
        }
        assert!(Instant::now() < until, "there is room again");
    }
}

#[test]
fn a_flood_takes_time_and_no_room() {
    let home = Home::new();
    let gate = HttpGate::start(&home, &[]);
    let process = gate_process(&home);
    let one = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", gate.port).into_bytes();
    let flood = |connections: usize, each: usize| {
        for _ in 0..connections {
            let mut client = gate.connect();
            let (requests, mut writer) = (one.repeat(each), client.stream.try_clone().unwrap());
            let writes = thread::spawn(move || writer.write_all(&requests).is_ok());
            for number in 0..each {
                let answer = client.answer().unwrap_or_else(|| panic!("{number} of {each}"));
                assert_eq!(answer.status, 401);
                assert_eq!(answer.is_last(), number + 1 == 1000, "{number}");
            }
            assert!(writes.join().unwrap());
        }
    };
    flood(5, 1000);
    let before = resident(&process);
    flood(95, 1000);
    for _ in 0..2000 {
        assert_eq!(gate.told(&one).unwrap().status, 401);
    }
    let after = resident(&process);
    assert!(after < before + (16 << 10), "{before} KiB before a hundred thousand requests, {after} after");
    // Who asks and does not listen is waited for, alone, and takes no more than what sockets hold.
    let mut deaf = TcpStream::connect(gate.address()).unwrap();
    deaf.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let much = one.repeat(10_000);
    let stuck = (0..200).find_map(|_| deaf.write_all(&much).err()).expect("it is not read for ever");
    assert!([ErrorKind::WouldBlock, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&stuck.kind()), "{stuck}");
    assert_eq!(gate.ask(PATH, "{}").status, LET_IN);
    let after = resident(&process);
    assert!(after < before + (16 << 10), "{before} KiB before, {after} after");
    // What was not told is counted.
    gate.says(" more");
}

#[test]
fn it_is_there_as_long_as_the_command_and_no_longer() {
    let home = Home::new();
    let _serve = integration_tests::serve::Serve::start(&home);
    let file = home.path("token");
    let gate = HttpGate::start(&home, &["--token-file", file.to_str().unwrap(), "--ipv6"]);
    assert_eq!(gate.token, None, "it is not printed");
    let token = fs::read_to_string(&file).unwrap();
    assert_eq!((token.trim().len(), fs::metadata(&file).unwrap().permissions().mode() & 0o777), (64, 0o600));
    let ask = |address: SocketAddr| {
        let mut client = Client::to(address);
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n", token.trim());
        client.say(format!("{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes());
        client.answer().map(|answer| answer.status)
    };
    let six = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, gate.port));
    assert_eq!((ask(gate.address()), ask(six)), (Some(LET_IN), Some(LET_IN)));
    // On no other address of the machine.
    assert!(TcpStream::connect(SocketAddr::from(([127, 0, 0, 2], gate.port))).is_err());
    // The port is taken, and another one is not.
    let taken = gate.port.to_string();
    let outcome = cannot_start(home.command(["vc-api", "--port", &taken]));
    assert_eq!(outcome.code, 3, "{outcome:?}");
    assert!(outcome.err.contains("--port"), "{outcome:?}");
    let other = HttpGate::start(&home, &["--no-token"]);
    other.says("WARNING: there is no token");
    assert_eq!(other.ask(PATH, "{}").status, LET_IN);
    assert_eq!(home.processes().iter().filter(|process| process.is("gate")).count(), 2);
    // A process that dies is replaced; who connects meanwhile waits at the same listener.
    let first = gate_process(&home);
    for process in home.processes().iter().filter(|process| process.is("gate")) {
        process.signal(libc::SIGKILL);
    }
    assert_eq!(ask(gate.address()), Some(LET_IN));
    assert_eq!(other.ask(PATH, "{}").status, LET_IN);
    assert_ne!(gate_process(&home).pid, first.pid);
    gate.says("started again");
    let port = gate.port;
    assert_eq!(gate.end(), 0);
    assert!(!file.exists(), "a token that opens nothing");
    // Nobody listens there any more, once the process has gone.
    let until = Instant::now() + Duration::from_secs(30);
    while TcpListener::bind(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "somebody still listens");
        thread::sleep(Duration::from_millis(10));
    }
    drop(other);
    let until = Instant::now() + Duration::from_secs(30);
    while home.processes().iter().any(|process| process.is("gate")) {
        assert!(Instant::now() < until, "a gate without a command");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_command_that_is_killed_takes_its_gate_with_it() {
    let home = Home::new();
    let _serve = integration_tests::serve::Serve::start(&home);
    let mut child = home.command(["--json", "vc-api"]).start();
    let until = Instant::now() + Duration::from_secs(60);
    while !home.processes().iter().any(|process| process.is("gate")) {
        assert!(Instant::now() < until, "no gate");
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    while home.processes().iter().any(|process| process.is("gate")) {
        assert!(Instant::now() < until, "a gate without a command");
        thread::sleep(Duration::from_millis(10));
    }
}
