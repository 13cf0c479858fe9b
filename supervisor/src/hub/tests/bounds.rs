//! How much may be held, in flight and on credit.

use super::*;

#[test]
fn a_stream_has_the_credit_the_hub_counts() {
    let mut stage = Stage::new();
    stage.ask::<agent::Take>(CLI, AGENT, 1);
    let call = stage.next(AGENT).expect("the call").header.call;
    for _ in 0..16 {
        stage.piece(AGENT, call, Direction::Down, 10);
    }
    assert!(stage.ended.is_empty());
    assert_eq!(stage.inbox[&CLI].len(), 16);
    let credit = Header { call: CallId(1), direction: Some(Direction::Down), credit: 1, ..Header::new(Kind::Credit) };
    stage.send(CLI, Frame::bare(credit));
    assert_eq!(stage.next(AGENT).map(|frame| (frame.header.kind, frame.header.call)), Some((Kind::Credit, call)));
    stage.piece(AGENT, call, Direction::Down, 10);
    assert!(stage.ended.is_empty());
    stage.piece(AGENT, call, Direction::Down, 10);
    assert_eq!(stage.ended, [(AGENT, Misconduct::NoCredit)]);
}

#[test]
fn credit_that_was_never_had_cannot_be_given_back() {
    let mut stage = Stage::new();
    stage.ask::<agent::Take>(CLI, AGENT, 1);
    let credit = Header { call: CallId(1), direction: Some(Direction::Down), credit: 1, ..Header::new(Kind::Credit) };
    stage.send(CLI, Frame::bare(credit));
    assert_eq!(stage.ended, [(CLI, Misconduct::FalseCredit)]);
}

#[test]
fn no_more_is_in_flight_than_the_row_allows() {
    let mut stage = Stage::new();
    for call in 1..=4 {
        stage.ask::<agent::Take>(CLI, AGENT, call);
    }
    stage.ask::<agent::Take>(CLI, AGENT, 5);
    assert_eq!(stage.refusal(CLI), (CallId(5), Code::Busy));
    let first = stage.next(AGENT).expect("the call").header.call;
    stage.answer(AGENT, first);
    stage.next(CLI);
    stage.ask::<agent::Take>(CLI, AGENT, 6);
    assert!(stage.next(CLI).is_none(), "an answer makes room");
}

#[test]
fn who_has_too_much_to_read_gets_no_new_calls() {
    let mut stage = Stage::new();
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 1);
    let call = stage.next(STORAGE).expect("the call").header.call;
    stage.hub.set_crowded(STORAGE, true);
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 2);
    assert_eq!(stage.refusal(CLI), (CallId(2), Code::Busy));
    stage.answer(STORAGE, call);
    assert_eq!(stage.next(CLI).map(|frame| frame.header.kind), Some(Kind::Answer), "what it has it may finish");
    stage.hub.set_crowded(STORAGE, false);
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 3);
    assert!(stage.next(STORAGE).is_some());
    stage.hub.set_crowded(STORAGE, true);
    stage.replace(STORAGE, 1, Blame::Supervisor);
    assert!(stage.hub.crowded().is_empty(), "its successor has read everything");
}

#[test]
fn who_has_too_much_to_read_asks_for_no_more() {
    let mut stage = Stage::new();
    stage.hub.set_crowded(AGENT, true);
    for call in 1..=u64::from(MAX_UNHEARD) {
        stage.ask::<storage::ListFiles>(AGENT, some(Role::Storage), call);
        assert_eq!(stage.refusal(AGENT), (CallId(call), Code::Busy));
    }
    stage.hub.set_crowded(AGENT, false);
    stage.ask::<storage::ListFiles>(AGENT, some(Role::Storage), 2000);
    assert!(stage.next(STORAGE).is_some(), "who has read is served");
    stage.hub.set_crowded(AGENT, true);
    for call in 1..=u64::from(MAX_UNHEARD) + 1 {
        stage.ask::<storage::ListFiles>(AGENT, some(Role::Storage), 2000 + call);
    }
    assert_eq!(stage.ended, [(AGENT, Misconduct::Unhearing)]);
}
