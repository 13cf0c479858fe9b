//! What the fuzz targets check, for the bytes that are kept beside them; and that no message is without its line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::{fs, path::PathBuf};

use ipc::{
    Instance, PROTOCOL_VERSION, Role, SCHEMA_HASH,
    codec::CodecError,
    control::{self, Request},
    event::{Clock, EventHeader},
    frame::{Frame, max_body},
    header::{Direction, Header, Kind},
    id::CallId,
    messages,
    refusal::{Code, Refusal},
};
use serde_json::{Value, json};

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

/// A target: its name, what it does, and the least that is kept for it.
type Target = (&'static str, fn(&[u8]), usize);

const TARGETS: &[Target] = &[
    ("frame", fuzz::frame, 10),
    ("header", fuzz::header, 10),
    ("messages", fuzz::messages, 80),
    ("start", fuzz::start, 8),
    ("event", fuzz::event, 3),
    ("control", fuzz::control, 6),
];

#[test]
fn what_is_kept_does_no_harm() {
    for (target, check, least) in TARGETS {
        let kept: Vec<_> = fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(kept.len() >= *least, "{target}: {} files", kept.len());
        for path in kept {
            let bytes = fs::read(&path).unwrap();
            check(&bytes);
            // And what one broken byte makes of it.
            for at in 0..bytes.len().min(200) {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << (at % 8);
                check(&broken);
                check(&bytes[..at]);
            }
        }
    }
}

#[test]
fn no_method_is_without_a_line() {
    let services: [(&str, &[(u16, &str)]); 11] = [
        ("common", messages::common::METHODS),
        ("supervisor", messages::supervisor::METHODS),
        ("instance", messages::instance::METHODS),
        ("storage", messages::storage::METHODS),
        ("crypto", messages::crypto::METHODS),
        ("llm", messages::llm::METHODS),
        ("agent", messages::agent::METHODS),
        ("code", messages::code::METHODS),
        ("courier", messages::courier::METHODS),
        ("gate", messages::gate::METHODS),
        ("verifier", messages::verifier::METHODS),
    ];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/messages");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_one = fs::read_to_string(&path).unwrap().contains("crate::service! {");
        assert_eq!(is_one, services.iter().any(|(service, _)| *service == name), "{name}");
    }
    for (service, methods) in services {
        let (_, listed) = fuzz::LINES.iter().find(|(name, _)| *name == service).expect(service);
        for (number, name) in methods {
            assert!(listed.contains(number), "{service}::{name} has no line in fuzz/src/messages.rs");
        }
        assert_eq!(listed.len(), methods.len(), "{service}");
    }
}

/// The bytes of a value of a type, found by reading: as much of this stream as it takes.
fn found(read: fuzz::Read, stream: u8) -> Option<Vec<u8>> {
    let bytes = vec![stream; 8192];
    match read(&bytes) {
        Err(CodecError::Trailing(rest)) => Some(bytes[..bytes.len() - rest].to_vec()),
        _ => None,
    }
}

/// A frame of each kind, as a process would send it.
fn frame_of(kind: Kind) -> Frame {
    let mut header = Header::new(kind);
    if !matches!(kind, Kind::Hello | Kind::Ready | Kind::Ping | Kind::Drain) {
        header.call = CallId(0x0102_0304);
    }
    match kind {
        Kind::Call | Kind::Open => {
            header.destination = Some((Role::Agent, Instance(7)));
            header.method = 1;
            header.parent = Some(CallId(9));
            header.deadline_ms = 60_000;
        }
        Kind::Data | Kind::End => header.direction = Some(Direction::Up),
        Kind::Credit => (header.direction, header.credit) = (Some(Direction::Down), 8),
        _ => {}
    }
    let body = if max_body(kind) > 0 { b"body".to_vec() } else { Vec::new() };
    Frame { header, body: body.into() }
}

/// Writes the corpus anew, from what is valid today.
#[test]
#[ignore = "writes fuzz/corpus; run it by hand when messages have changed"]
fn write_the_corpus() {
    let put = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(folder(target)).unwrap();
        fs::write(folder(target).join(name), bytes).unwrap();
    };
    for (service, method, part, read) in fuzz::DECODERS {
        // Most types have a value of ones: a list of one, `Some`, the second variant. The others have one of zeros.
        let Some(body) = found(*read, 1).or_else(|| found(*read, 0)) else { continue };
        let bytes = [&[*service][..], &method.to_le_bytes(), &[*part], &body].concat();
        put("messages", &format!("{service}-{method:04x}-{part}"), &bytes);
    }
    for (index, (name, read)) in fuzz::OPENERS.iter().enumerate() {
        for stream in 0..3 {
            let Some(body) = found(*read, stream) else { continue };
            put("start", &format!("{name}-{stream}"), &[&[index as u8][..], &body].concat());
        }
    }
    let mut all = vec![50];
    for kind in Kind::ALL {
        let frame = frame_of(*kind);
        let bytes = [&frame.prefix()[..], frame.body.as_slice()].concat();
        put("header", &format!("{kind:?}").to_lowercase(), &frame.header.encode());
        put("frame", &format!("{kind:?}").to_lowercase(), &[&[255][..], &bytes].concat());
        all.extend(bytes);
    }
    put("frame", "all", &all);
    for seen in [0, 1, 8] {
        let header = EventHeader {
            space: [1; 16],
            author: [2; 32],
            sequence: 3,
            previous: [4; 32],
            clock: Clock::from_millis(5),
            kind: 6,
            entity: [7; 16],
            body_len: 8,
            body_digest: [9; 32],
            seen: vec![[10; 32]; seen],
        };
        put("event", &format!("{seen}-heads"), &header.encode());
    }
    let attach = json!({ "version": PROTOCOL_VERSION, "schema": SCHEMA_HASH, "program": "0.1.0", "serves": false });
    for (method, params) in [
        ("status", json!(null)),
        ("tail", json!({})),
        ("restart", json!({ "role": "llm" })),
        ("policy.explain", json!({ "source": "cli" })),
        ("attach", attach),
    ] {
        put("control", method, format!("\u{7}{}\n", Request::line(method, params)).as_bytes());
    }
    let refused = control::refused(&Value::from(1), &Refusal::new(Code::Draining, "later"));
    let said = control::notification("log", json!({ "line": "{}" }));
    put("control", "answers", format!("\u{30}{}\n{refused}\n{said}\n", control::result(&Value::from(1), json!({}))).as_bytes());
}
