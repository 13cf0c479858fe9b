//! What leaves, and what does not: grants are asked at the exporting end, each time.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ipc::event::EventHeader;
use replica::chum::{
    Fault, Grants, Nothing, Peer, PeerFault, Range, Reach, Reason, Session, Settings, Side,
    message::{Message, Pull, Wants},
    records::Packed,
};

use crate::{
    line::{Line, archive, end, end_with, once},
    memory::Memory,
};

/// One entity, until it is taken back.
struct One(AtomicBool);

impl Grants for One {
    fn reach(&self, _: &Peer) -> Reach {
        Reach::Some
    }

    fn may_export(&self, peer: &Peer, header: &EventHeader) -> bool {
        *peer == archive().peer && header.entity == [1; 16] && self.0.load(Ordering::Relaxed)
    }

    fn may_import(&self, _: &Peer, _: &EventHeader) -> bool {
        true
    }
}

/// Everything, until it is taken back.
struct All(AtomicBool);

impl Grants for All {
    fn reach(&self, _: &Peer) -> Reach {
        if self.0.load(Ordering::Relaxed) { Reach::Whole } else { Reach::Nothing }
    }

    fn may_export(&self, _: &Peer, _: &EventHeader) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn may_import(&self, _: &Peer, _: &EventHeader) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn full() -> Memory {
    let mut side = Memory::new(1);
    for number in 0..20u8 {
        side.write(2, number % 2, &[number; 100]);
    }
    side
}

/// The bytes that an end said to the other.
fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn deny_all_lets_nothing_out() {
    let mut keeper = full();
    let secret: Vec<_> = keeper.ids().into_iter().collect();
    for settings in [once(), Settings { wants: Wants::Window, spans: vec![replica::chum::Span::ALL], ..once() }] {
        let mut asker = Memory::window(2);
        let mut line = Line::new(end(settings), end_with(once(), Nothing));
        line.ends[0].session.fetch(secret.clone());
        line.ends[0].session.fetch_entity([1; 16], u64::MAX, 50);
        let mut said = Vec::new();
        for _ in 0..50 {
            line.step(0, &mut asker).unwrap();
            line.step(1, &mut keeper).unwrap();
            said.extend(line.pipes[0].iter().copied());
        }
        assert!(line.is_finished());
        assert!(asker.ids().is_empty());
        assert!(!contains(&said, &keeper.author()), "not even who writes here is told");
        let tally = line.ends[1].session.tally();
        assert_eq!(tally.sent, 0);
        assert!(tally.denied >= 20);
    }
}

#[test]
fn a_range_without_a_grant_ends_the_session() {
    let mut keeper = full();
    let mut session = Session::new(archive(), Box::new(Nothing));
    let mut asker = Memory::new(2);
    let mut other = end(archive()).session;
    let mut hello = Vec::new();
    other.send(&mut asker, &mut hello, 1).unwrap();
    session.receive(&mut keeper, &hello).unwrap();
    let range = Range { author: keeper.author(), after: 0, after_id: [0; 32], upto: 9 };
    let mut pull = Vec::new();
    Message::Pull(Pull { request: 1, ranges: Packed(vec![range]) }).put(&mut pull);
    let fault = session.receive(&mut keeper, &pull).unwrap_err();
    assert!(matches!(fault, Fault::Peer(PeerFault::NotGranted)));
    assert_eq!(fault.reason(), Reason::NotGranted);
}

#[test]
fn a_grant_of_one_conversation_is_one_conversation() {
    let mut keeper = full();
    let mut asker = Memory::window(2);
    let grants = Arc::new(One(AtomicBool::new(true)));
    let mut line = Line::new(end(archive()), end_with(archive(), grants.clone()));
    line.run(&mut asker, &mut keeper).unwrap();
    let granted = keeper.entity(&[1; 16], u64::MAX, 100).unwrap();
    assert_eq!(asker.ids(), granted.into_iter().collect());
    // News of it come, news of others do not.
    let mine = keeper.write(2, 1, b"yes");
    let not_mine = keeper.write(2, 0, b"no");
    line.ends[1].session.changed();
    line.run(&mut asker, &mut keeper).unwrap();
    assert!(asker.holds(&mine) && !asker.holds(&not_mine));
    line.ends[0].session.fetch(vec![not_mine]);
    line.run(&mut asker, &mut keeper).unwrap();
    assert!(!asker.holds(&not_mine));
    // Taken back, it stops with the next event.
    grants.0.store(false, Ordering::Relaxed);
    let late = keeper.write(2, 1, b"too late");
    line.ends[1].session.changed();
    line.ends[0].session.fetch(vec![late]);
    line.run(&mut asker, &mut keeper).unwrap();
    assert!(!asker.holds(&late));
}

#[test]
fn what_is_taken_back_stops_in_the_middle() {
    let mut keeper = Memory::new(1);
    for number in 0..200u8 {
        keeper.write(2, 1, &[number; 10_000]);
    }
    let mut asker = Memory::new(2);
    let grants = Arc::new(All(AtomicBool::new(true)));
    let mut line = Line::new(end(archive()), end_with(archive(), grants.clone()));
    for _ in 0..60 {
        line.step(0, &mut asker).unwrap();
        line.step(1, &mut keeper).unwrap();
    }
    let before = line.ends[1].session.tally().sent;
    assert!(before > 0 && before < 200, "{before}");
    grants.0.store(false, Ordering::Relaxed);
    let (who, fault) = line.run(&mut asker, &mut keeper).unwrap_err();
    assert_eq!(who, 1);
    assert!(matches!(fault, Fault::Revoked), "{fault}");
    assert_eq!(line.ends[1].session.tally().sent, before, "not one more");
    let told = (0..1000).find_map(|_| line.step(0, &mut asker).err()).unwrap().1;
    assert!(matches!(told, Fault::Ended(Reason::NotGranted)), "{told}");
}
