//! What a peer may send over CHUM. The target in `fuzz_targets/` calls this with what the fuzzer makes up, and
//! `actors/replica/tests/chum` with what lies in `corpus/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is what is looked for")]
#![allow(unreachable_pub, reason = "a test includes this file as one of its own")]

use replica::chum::{
    Author, Everything, Head, Id, Link, Parcel, Peer, Session, Settings, Side, SideError, Taken, Wants,
    frame::{Input, PREFIX},
    limits::{CREDIT, MAX_FRAME},
    message::{Hello, Message},
};

/// A replica that holds nothing and takes everything.
struct Empty(u64);

impl Side for Empty {
    fn space(&self) -> [u8; 16] {
        [0xaa; 16]
    }

    fn heads(&self) -> Result<Vec<Head>, SideError> {
        Ok(Vec::new())
    }

    fn chain(&self, _: &Author, _: u64, _: u64, _: usize) -> Result<Vec<Link>, SideError> {
        Ok(Vec::new())
    }

    fn window(&self, _: u64, _: u64) -> Result<Vec<(u64, Id)>, SideError> {
        Ok(Vec::new())
    }

    fn entity(&self, _: &[u8; 16], _: u64, _: usize) -> Result<Vec<Id>, SideError> {
        Ok(Vec::new())
    }

    fn headers(&self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, SideError> {
        Ok(vec![None; ids.len()])
    }

    fn parcels(&self, ids: &[Id], _: usize) -> Result<Vec<Option<Parcel>>, SideError> {
        Ok(vec![None; ids.len()])
    }

    fn take(&mut self, parcels: Vec<Parcel>) -> Result<Vec<Taken>, SideError> {
        self.0 += parcels.len() as u64;
        Ok(vec![Taken::New; parcels.len()])
    }

    fn reached(&mut self, _: &[Head]) -> Result<(), SideError> {
        Ok(())
    }
}

/// A stream of messages, whole and cut into pieces whose length the first byte says: to the decoders, and to a session that
/// was greeted.
pub fn chum(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let piece = usize::from(piece).max(1);
    messages(bytes);
    let whole = session(bytes, bytes.len().max(1));
    assert_eq!(whole.0, session(bytes, piece).0, "it matters how the bytes are cut");
}

/// What can be read is written as bytes that are read as the same.
fn messages(bytes: &[u8]) {
    let (mut input, mut rest) = (Input::default(), bytes);
    while let Ok(Some(raw)) = input.next(&mut rest) {
        if let Ok(Some(message)) = Message::read(raw.kind, &raw.payload) {
            let mut again = Vec::new();
            message.put(&mut again);
            assert_eq!(Message::read(raw.kind, &again[PREFIX..]), Ok(Some(message)));
        }
    }
    assert!(input.held() <= PREFIX + MAX_FRAME);
}

/// How a session takes these bytes after a greeting: how it ended, and how many events came.
fn session(bytes: &[u8], piece: usize) -> (Option<String>, u64) {
    let mut side = Empty(0);
    let mut session = Session::new(Settings { audit: true, ..Settings::archive(Peer([1; 32])) }, Box::new(Everything));
    let mut hello = Vec::new();
    Message::Hello(Hello {
        oldest: 1,
        newest: 1,
        features: 0,
        space: [0xaa; 16],
        wants: Wants::Everything,
        complete: false,
        credit: CREDIT,
        rules: Vec::new(),
        state: [1; 32],
    })
    .put(&mut hello);
    session.receive(&mut side, &hello).unwrap();
    let mut out = Vec::new();
    session.send(&mut side, &mut out, MAX_FRAME).unwrap();
    for piece in bytes.chunks(piece) {
        if let Err(fault) = session.receive(&mut side, piece) {
            let mut last = Vec::new();
            session.send(&mut side, &mut last, MAX_FRAME).unwrap();
            assert!(last.len() <= PREFIX + 2, "a farewell and nothing else");
            return (Some(fault.to_string()), side.0);
        }
        assert!(session.held() <= PREFIX + MAX_FRAME);
    }
    (None, side.0)
}
