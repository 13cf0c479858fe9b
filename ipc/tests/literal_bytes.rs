//! One message of each service, byte by byte. A change here is a change of the wire, and needs a reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use ipc::{
    codec::{decode, encode, encode_sensitive},
    id::{ConversationId, TurnId},
    messages::{agent, code, common, crypto, llm, start, storage, supervisor},
    refusal::{Code, Refusal},
    role::Role,
    secret::Secret,
};

fn check<T: bincode::Encode + bincode::Decode<()> + PartialEq + std::fmt::Debug>(value: &T, bytes: &[u8]) {
    assert_eq!(encode(value).unwrap(), bytes);
    assert_eq!(decode::<T>(bytes).unwrap(), *value);
    for end in 0..bytes.len() {
        assert!(decode::<T>(&bytes[..end]).is_err(), "{end} of {} bytes were enough", bytes.len());
    }
    assert!(decode::<T>(&[bytes, &[0]].concat()).is_err(), "a byte too many was taken");
}

#[test]
fn start() {
    let hello = start::Hello { version: 1, schema: 0x0102, program: "0.1".into() };
    check(&hello, &[1, 251, 0x02, 0x01, 3, b'0', b'.', b'1']);
}

#[test]
fn supervisor() {
    check(&supervisor::AllowPorts { role: Role::Llm, ports: vec![443, 8080] }, &[5, 2, 251, 0xbb, 0x01, 251, 0x90, 0x1f]);
}

#[test]
fn crypto() {
    let lend = crypto::Lend { base_url: "http://a".into(), key: Secret::new(b"k".to_vec()), holder: Role::Llm };
    let bytes = [8, b'h', b't', b't', b'p', b':', b'/', b'/', b'a', 1, b'k', 5];
    assert_eq!(*encode_sensitive(&lend).unwrap(), bytes);
    assert_eq!(decode::<crypto::Lend>(&bytes).unwrap().key.expose(), b"k");
}

#[test]
fn storage() {
    let journal =
        storage::Journal { conversation: ConversationId([1; 16]), turn: TurnId([2; 16]), index: 300, text: "hi".into() };
    check(&journal, &[&[1; 16][..], &[2; 16], &[251, 0x2c, 0x01, 2, b'h', b'i']].concat());
}

#[test]
fn llm() {
    let choice = llm::ModelChoice { lease: 7, wire: llm::Wire::Anthropic, model: "m".into() };
    check(&choice, &[7, 1, 1, b'm']);
}

#[test]
fn code() {
    check(&code::Output::Stderr("!".into()), &[1, 1, b'!']);
}

#[test]
fn agent() {
    check(&agent::TurnEvent::ToolEnded { name: "p".into(), ok: true, output: String::new() }, &[4, 1, b'p', 1, 0]);
}

#[test]
fn common() {
    check(&common::Echo { bytes: vec![9, 8] }, &[2, 9, 8]);
}

#[test]
fn refusal() {
    let refusal = Refusal::new(Code::Busy, "no");
    assert_eq!(refusal.to_body(), [2, 2, b'n', b'o', 0]);
    assert_eq!(Refusal::from_body(&[2, 2, b'n', b'o', 0]), refusal);
}
