//! Any order of moves: every call has one answer.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Move {
    Ask(u8),
    Piece(u8, bool, u16),
    Answer(u8),
    Cancel(u8),
    Die(u8),
    Return(u8),
    Wait(u16),
    Noise(Vec<u8>),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => any::<u8>().prop_map(Move::Ask),
        2 => (any::<u8>(), any::<bool>(), any::<u16>()).prop_map(|(who, up, length)| Move::Piece(who, up, length)),
        3 => any::<u8>().prop_map(Move::Answer),
        1 => any::<u8>().prop_map(Move::Cancel),
        1 => any::<u8>().prop_map(Move::Die),
        1 => any::<u8>().prop_map(Move::Return),
        1 => any::<u16>().prop_map(Move::Wait),
        1 => prop::collection::vec(any::<u8>(), 64..80).prop_map(Move::Noise),
    ];
    prop::collection::vec(one, 1..120)
}

proptest! {
    /// Whatever the processes do and however they die, every call gets one terminal answer, and the hub forgets it.
    #[test]
    fn every_call_is_answered_once(moves in moves()) {
        let places = [CLI, AGENT, STORAGE, LLM, CODE];
        let mut stage = Stage::new();
        let mut next_call = 0;
        let mut open: HashSet<CallId> = HashSet::new();
        let mut to_answer: HashMap<Place, Vec<CallId>> = HashMap::new();
        let collect = |stage: &mut Stage, open: &mut HashSet<CallId>, to_answer: &mut HashMap<Place, Vec<CallId>>| -> Result<(), TestCaseError> {
            for frame in std::iter::from_fn(|| stage.next(CLI)) {
                if matches!(frame.header.kind, Kind::Answer | Kind::Refuse) {
                    prop_assert!(open.remove(&frame.header.call), "answered twice or never asked");
                }
            }
            for place in [AGENT, STORAGE, LLM, CODE] {
                for frame in std::iter::from_fn(|| stage.next(place)) {
                    if matches!(frame.header.kind, Kind::Call | Kind::Open) {
                        to_answer.entry(place).or_default().push(frame.header.call);
                    }
                }
            }
            Ok(())
        };
        let pick = |number: u8| places[1 + usize::from(number) % 4];
        for one in moves {
            match one {
                Move::Ask(number) => {
                    next_call += 1;
                    open.insert(CallId(next_call));
                    match number % 3 {
                        0 => stage.ask::<agent::Take>(CLI, AGENT, next_call),
                        1 => stage.ask::<storage::Statistics>(CLI, some(Role::Storage), next_call),
                        _ => stage.ask::<llm::ListModels>(CLI, some(Role::Llm), next_call),
                    }
                }
                Move::Piece(who, up, length) => {
                    let call = CallId(u64::from(who) % (next_call + 1));
                    if call != CallId(0) {
                        let (from, direction) = if up { (CLI, Direction::Up) } else { (AGENT, Direction::Down) };
                        stage.piece(from, call, direction, usize::from(length));
                    }
                }
                Move::Answer(number) => {
                    let place = pick(number);
                    if let Some(call) = to_answer.get_mut(&place).and_then(Vec::pop) {
                        stage.answer(place, call);
                    }
                }
                Move::Cancel(number) => {
                    // Also of calls that have not come yet.
                    let call = CallId(u64::from(number) % (next_call + 3));
                    if call != CallId(0) {
                        stage.send(CLI, Frame::bare(Header { call, ..Header::new(Kind::Cancel) }));
                    }
                }
                Move::Die(number) => {
                    stage.hub.gone(pick(number), Death { generation: 1, exit: None, signal: Some(9) }, Blame::Work);
                    stage.settle();
                }
                Move::Return(number) => {
                    let place = pick(number);
                    stage.hub.gone(place, Death { generation: 1, exit: None, signal: Some(9) }, Blame::Work);
                    stage.hub.join(place, Generation(2));
                    stage.hub.ready(stage.now, place);
                    stage.settle();
                }
                Move::Wait(millis) => stage.wait(Duration::from_millis(millis.into())),
                Move::Noise(bytes) => {
                    if let Ok(header) = Header::decode(bytes.first_chunk().unwrap_or(&[0; 64])) {
                        stage.send(LLM, Frame::bare(header));
                    }
                }
            }
            collect(&mut stage, &mut open, &mut to_answer)?;
        }
        for place in [AGENT, STORAGE, LLM, CODE] {
            stage.hub.gone(place, Death { generation: 1, exit: None, signal: Some(9) }, Blame::Work);
        }
        stage.wait(Duration::from_secs(4000));
        collect(&mut stage, &mut open, &mut to_answer)?;
        prop_assert!(open.is_empty(), "never answered: {open:?}");
        prop_assert_eq!(stage.hub.unanswered(), 0);
        prop_assert!(stage.hub.next_deadline().is_none() && stage.hub.waiting.is_empty());
    }
}
