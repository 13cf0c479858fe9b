//! What the hub notes of what passes: headers, lengths and outcomes.

use super::*;

#[test]
fn what_passes_is_noted_by_its_header_and_pieces_where_their_call_ends() {
    let mut stage = Stage::new();
    stage.hub.passed().for_each(drop);
    stage.ask::<agent::Take>(CLI, (Role::Agent, Instance(0)), 1);
    let id = stage.inbox.get_mut(&AGENT).and_then(VecDeque::pop_front).expect("a call").header.call;
    for length in [3, 5] {
        let header = Header { direction: Some(Direction::Down), call: id, ..Header::new(Kind::Data) };
        stage.send(AGENT, Frame { header, body: vec![0; length].into() });
    }
    let talk = |stage: &Stage| stage.hub.talks().get(&(CLI, Role::Agent)).copied().expect("they talk");
    assert_eq!((talk(&stage).calls, talk(&stage).in_flight, talk(&stage).up, talk(&stage).down), (1, 1, 1, 8));
    let errands: Vec<_> = stage.hub.errands().collect();
    assert_eq!((errands[0].from, errands[0].to, errands[0].method), (CLI, Some(AGENT), "Take"));
    let body: Vec<u8> = Refusal::new(Code::BudgetSpent, "enough").to_body();
    let length = body.len() as u32;
    stage.send(AGENT, Frame { header: Header { call: id, ..Header::new(Kind::Refuse) }, body: body.into() });
    let passed: Vec<Passed> = stage.hub.passed().collect();
    let seen: Vec<_> = passed.iter().map(|passed| (passed.kind, passed.from, passed.to, passed.call)).collect();
    assert_eq!(seen, [(Kind::Open, CLI, AGENT, id), (Kind::Refuse, AGENT, CLI, id)]);
    assert_eq!((passed[1].length, passed[1].streamed, passed[1].outcome), (length, 8, Code::BudgetSpent as u16));
    assert_eq!((talk(&stage).in_flight, talk(&stage).down), (0, 8 + u64::from(length)));
    assert!(stage.hub.errands().next().is_none());
}

#[test]
fn of_a_secret_not_even_the_length_is_noted_and_of_what_never_became_a_call_the_reason() {
    let mut stage = Stage::with(TABLE, &[CLI, AGENT, STORAGE, (Role::Crypto, Instance(1))]);
    let header = Header {
        destination: Some((Role::Crypto, Instance(0))),
        method: crypto::Unlock::NUMBER,
        call: CallId(1),
        flags: Flags::SENSITIVE,
        ..Header::new(Kind::Call)
    };
    let trace = TraceId([9; 16]);
    let secret = ipc::frame::Body::Sensitive(vec![1; 77].into());
    stage.send(CLI, Frame { header: Header { trace, ..header }, body: secret });
    stage.ask::<crypto::Lock>(AGENT, (Role::Crypto, Instance(0)), 1);
    let passed: Vec<Passed> = stage.hub.passed().collect();
    assert_eq!((passed[0].kind, passed[0].length, passed[0].trace), (Kind::Call, 0, trace));
    let refused = passed[1];
    assert_eq!((refused.kind, refused.to, refused.method), (Kind::Refuse, AGENT, crypto::Lock::NUMBER));
    assert_eq!((refused.call, refused.outcome), (CallId(0), Code::Forbidden as u16));
}
