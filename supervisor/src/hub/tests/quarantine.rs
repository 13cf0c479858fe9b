//! A request that ends its workers, and what is remembered of it.

use super::*;

#[test]
fn a_request_that_ends_its_worker_twice_is_not_tried_again() {
    let mut stage = Stage::new();
    for call in 1..=2 {
        stage.ask::<storage::Statistics>(CLI, some(Role::Storage), call);
        stage.hub.gone(STORAGE, Death { generation: call as u32, exit: None, signal: Some(6) }, Blame::Work);
        stage.hub.join(STORAGE, Generation(call as u32 + 1));
        stage.hub.ready(stage.now, STORAGE);
        stage.settle();
        assert_eq!(stage.refusal(CLI), (CallId(call), Code::PeerDied));
    }
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 3);
    assert_eq!(stage.refusal(CLI), (CallId(3), Code::Quarantined));
    stage.ask::<storage::ListTraces>(CLI, some(Role::Storage), 4);
    assert!(stage.next(CLI).is_none(), "others pass");
}

#[test]
fn one_death_counts_once_however_many_asked_the_same() {
    let mut stage = Stage::new();
    for call in 1..=2 {
        stage.ask::<storage::Statistics>(CLI, some(Role::Storage), call);
    }
    stage.replace(STORAGE, 1, Blame::Work);
    for _ in 0..2 {
        assert_eq!(stage.refusal(CLI).1, Code::PeerDied);
    }
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 3);
    assert!(stage.next(CLI).is_none(), "it is tried again");
    stage.replace(STORAGE, 2, Blame::Work);
    assert_eq!(stage.refusal(CLI).1, Code::PeerDied);
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 4);
    assert_eq!(stage.refusal(CLI).1, Code::Quarantined);
}

#[test]
fn a_request_is_not_blamed_for_what_the_supervisor_did() {
    let mut stage = Stage::new();
    for call in 1..=3 {
        stage.ask::<storage::Statistics>(CLI, some(Role::Storage), call);
        stage.replace(STORAGE, call as u32, Blame::Supervisor);
        assert_eq!(stage.refusal(CLI), (CallId(call), Code::PeerDied));
    }
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 4);
    assert!(stage.next(CLI).is_none());
}

#[test]
fn requests_that_differ_in_one_byte_are_two() {
    let mut stage = Stage::new();
    let mut call = 0;
    let mut ask = |stage: &mut Stage, middle: u8| {
        call += 1;
        let mut body = vec![0; 1000];
        body[500] = middle;
        let header = Header {
            destination: Some(some(Role::Storage)),
            method: storage::ListTraces::NUMBER,
            call: CallId(call),
            ..Header::new(Kind::Call)
        };
        stage.send(CLI, Frame { header, body: body.into() });
    };
    for generation in 1..=2 {
        ask(&mut stage, 1);
        stage.replace(STORAGE, generation, Blame::Work);
        assert_eq!(stage.refusal(CLI).1, Code::PeerDied);
    }
    ask(&mut stage, 2);
    assert!(stage.next(CLI).is_none(), "nobody has died of this one");
    ask(&mut stage, 1);
    assert_eq!(stage.refusal(CLI).1, Code::Quarantined);
}

#[test]
fn nothing_is_remembered_of_a_secret() {
    let mut stage = Stage::with(TABLE, &[CLI, (Role::Crypto, Instance(1))]);
    for call in 1..=3 {
        let header = Header {
            destination: Some(some(Role::Crypto)),
            method: crypto::Unlock::NUMBER,
            call: CallId(call),
            flags: Flags::SENSITIVE,
            ..Header::new(Kind::Call)
        };
        stage.now += Duration::from_secs(1);
        stage.send(CLI, Frame { header, body: vec![7].into() });
        stage.replace((Role::Crypto, Instance(1)), call as u32, Blame::Work);
        assert_eq!(stage.refusal(CLI).1, Code::PeerDied);
    }
}

#[test]
fn an_archive_that_dies_of_what_it_read_is_said_to_be_damaged() {
    // SIGBUS and SIGSEGV; what dies otherwise, or is no archive, has only died.
    for (signal, code) in [(7, Code::ArchiveDamaged), (11, Code::ArchiveDamaged), (6, Code::PeerDied), (9, Code::PeerDied)] {
        let mut stage = Stage::new();
        stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 1);
        stage.hub.gone(STORAGE, Death { generation: 1, exit: None, signal: Some(signal) }, Blame::Work);
        stage.settle();
        assert_eq!(stage.refusal(CLI), (CallId(1), code), "signal {signal}");
    }
}
