//! Every process played by hand, every moment chosen: what the hub promises, as stories.

mod bounds;
mod every_row;
mod marks;
mod moves;
mod notes;
mod quarantine;

use super::*;
use ipc::{
    header::Flags,
    id::Instance,
    limits::{MAX_BODY, MAX_FORBIDDEN, MAX_UNHEARD, MAX_UNREAD, WINDOW_BYTES},
    messages::{agent, code, common, crypto, llm, storage},
    policy::TABLE,
    service::Method,
};

const CLI: Place = (Role::Cli, Instance(1));
const AGENT: Place = (Role::Agent, Instance(1));
const STORAGE: Place = (Role::Storage, Instance(1));
const LLM: Place = (Role::Llm, Instance(1));
const CODE: Place = (Role::Code, Instance(1));

struct Stage {
    hub: Hub,
    now: Instant,
    ended: Vec<(Place, Misconduct)>,
    wanted: Vec<Role>,
    inbox: HashMap<Place, VecDeque<Frame>>,
}

impl Stage {
    fn with(table: &'static [Row], places: &[Place]) -> Stage {
        let mut stage =
            Stage { hub: Hub::new(table), now: Instant::now(), ended: Vec::new(), wanted: Vec::new(), inbox: HashMap::new() };
        for &place in places {
            stage.hub.set_availability(place.0, Availability::Comes);
            stage.hub.join(place, Generation(1));
            stage.hub.ready(stage.now, place);
        }
        stage
    }

    fn new() -> Stage {
        Stage::with(TABLE, &[CLI, AGENT, STORAGE, LLM, CODE])
    }

    fn settle(&mut self) {
        for effect in self.hub.effects() {
            match effect {
                Effect::Deliver { to, frame, .. } => self.inbox.entry(to).or_default().push_back(frame),
                Effect::End { who, why } => self.ended.push((who, why)),
                Effect::Wanted(role) => self.wanted.push(role),
                Effect::Taken(_) | Effect::Spent(_) | Effect::Forbidden { .. } => {}
            }
        }
    }

    fn send(&mut self, from: Place, frame: Frame) {
        self.hub.frame(self.now, from, frame);
        self.settle();
    }

    fn ask<M: Method>(&mut self, from: Place, to: Place, call: u64) {
        let kind = if M::STREAM { Kind::Open } else { Kind::Call };
        let header = Header { destination: Some(to), method: M::NUMBER, call: CallId(call), ..Header::new(kind) };
        self.send(from, Frame { header, body: vec![7].into() });
    }

    fn cancel(&mut self, from: Place, call: u64) {
        self.send(from, Frame::bare(Header { call: CallId(call), ..Header::new(Kind::Cancel) }));
    }

    /// One dies and another takes its place.
    fn replace(&mut self, place: Place, generation: u32, blame: Blame) {
        self.hub.gone(place, Death { generation, exit: None, signal: Some(6) }, blame);
        self.hub.join(place, Generation(generation + 1));
        self.hub.ready(self.now, place);
        self.settle();
    }

    fn piece(&mut self, from: Place, call: CallId, direction: Direction, length: usize) {
        let header = Header { direction: Some(direction), call, ..Header::new(Kind::Data) };
        self.send(from, Frame { header, body: vec![0; length].into() });
    }

    fn answer(&mut self, from: Place, call: CallId) {
        let header = Header { call, ..Header::new(Kind::Answer) };
        self.send(from, Frame { header, body: vec![1].into() });
    }

    fn next(&mut self, place: Place) -> Option<Frame> {
        self.inbox.entry(place).or_default().pop_front()
    }

    fn refusal(&mut self, place: Place) -> (CallId, Code) {
        let frame = self.next(place).expect("a refusal");
        assert_eq!(frame.header.kind, Kind::Refuse);
        (frame.header.call, Refusal::from_body(frame.body.as_slice()).code)
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.hub.tick(self.now);
        self.settle();
    }
}

fn some(role: Role) -> Place {
    (role, Instance(0))
}

#[test]
fn a_call_arrives_with_its_true_source_and_its_answer_comes_back() {
    let mut stage = Stage::new();
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 1);
    let asked = stage.next(STORAGE).expect("the call");
    assert_eq!((asked.header.source, asked.header.destination), (Some(CLI), Some(STORAGE)));
    assert_eq!(asked.header.deadline_ms, 30_000, "the row's own deadline");
    stage.answer(STORAGE, asked.header.call);
    let answer = stage.next(CLI).expect("the answer");
    assert_eq!((answer.header.kind, answer.header.call, answer.header.source), (Kind::Answer, CallId(1), Some(STORAGE)));
    assert_eq!(stage.hub.unanswered(), 0);
}

#[test]
fn who_has_no_row_is_refused_and_who_insists_is_ended() {
    let mut stage = Stage::new();
    for call in 1..=u64::from(MAX_FORBIDDEN) {
        stage.ask::<llm::ListModels>(AGENT, some(Role::Llm), call);
        assert_eq!(stage.refusal(AGENT), (CallId(call), Code::Forbidden));
    }
    assert!(stage.ended.is_empty());
    stage.ask::<llm::ListModels>(AGENT, some(Role::Llm), 99);
    assert_eq!(stage.ended, [(AGENT, Misconduct::Insistent)]);
    assert!(stage.next(LLM).is_none(), "nothing arrived");
}

#[test]
fn who_says_itself_who_it_is_is_ended() {
    let mut stage = Stage::new();
    let header = Header {
        source: Some(CLI),
        destination: Some(some(Role::Storage)),
        method: storage::Statistics::NUMBER,
        call: CallId(1),
        ..Header::new(Kind::Call)
    };
    stage.send(AGENT, Frame::bare(header));
    assert_eq!(stage.ended, [(AGENT, Misconduct::Spoofed)]);
}

#[test]
fn what_none_of_ours_would_send_ends_its_sender() {
    let stray = |kind, direction| {
        Frame::bare(Header { call: CallId(77), direction, credit: u16::from(kind == Kind::Credit), ..Header::new(kind) })
    };
    for (frame, why) in [
        (stray(Kind::Answer, None), Misconduct::AnswerToNothing),
        (stray(Kind::Refuse, None), Misconduct::AnswerToNothing),
        (stray(Kind::Data, Some(Direction::Down)), Misconduct::NoStream),
        (stray(Kind::Data, Some(Direction::Up)), Misconduct::NoStream),
        (stray(Kind::Credit, Some(Direction::Up)), Misconduct::NoStream),
        (stray(Kind::End, Some(Direction::Down)), Misconduct::NoStream),
        (Frame::bare(Header::new(Kind::Hello)), Misconduct::OutOfPlace),
        (Frame::bare(Header::new(Kind::Drain)), Misconduct::OutOfPlace),
    ] {
        let mut stage = Stage::new();
        stage.send(LLM, frame);
        assert_eq!(stage.ended, [(LLM, why)]);
    }
}

#[test]
fn when_a_worker_dies_its_callers_hear_how() {
    let mut stage = Stage::new();
    stage.ask::<agent::Take>(CLI, AGENT, 1);
    stage.hub.gone(AGENT, Death { generation: 1, exit: None, signal: Some(9) }, Blame::Work);
    stage.settle();
    let frame = stage.next(CLI).expect("the refusal");
    let refusal = Refusal::from_body(frame.body.as_slice());
    assert_eq!((refusal.code, refusal.death.and_then(|death| death.signal)), (Code::PeerDied, Some(9)));
}

#[test]
fn when_a_caller_dies_its_workers_stop() {
    let mut stage = Stage::new();
    stage.ask::<agent::Take>(CLI, AGENT, 1);
    let call = stage.next(AGENT).expect("the call").header.call;
    stage.hub.gone(CLI, Death { generation: 1, exit: Some(0), signal: None }, Blame::Work);
    stage.settle();
    assert_eq!(stage.next(AGENT).map(|frame| (frame.header.kind, frame.header.call)), Some((Kind::Cancel, call)));
    stage.answer(AGENT, call);
    assert!(stage.ended.is_empty(), "its late answer is nobody's fault");
    stage.answer(AGENT, call);
    assert_eq!(stage.ended, [(AGENT, Misconduct::AnswerToNothing)]);
}

#[test]
fn a_question_can_be_taken_back_and_is_still_answered() {
    let mut stage = Stage::new();
    stage.ask::<agent::Take>(CLI, AGENT, 1);
    let call = stage.next(AGENT).expect("the call").header.call;
    stage.send(CLI, Frame::bare(Header { call: CallId(1), ..Header::new(Kind::Cancel) }));
    assert_eq!(stage.next(AGENT).map(|frame| frame.header.kind), Some(Kind::Cancel));
    stage.answer(AGENT, call);
    assert_eq!(stage.next(CLI).map(|frame| frame.header.kind), Some(Kind::Answer), "what it had is not lost");

    stage.ask::<agent::Take>(CLI, AGENT, 2);
    stage.send(CLI, Frame::bare(Header { call: CallId(2), ..Header::new(Kind::Cancel) }));
    stage.wait(Duration::from_millis(u64::from(CANCEL_GRACE_MS) + 1));
    assert_eq!(stage.refusal(CLI), (CallId(2), Code::Cancelled));
}

#[test]
fn a_deadline_holds_for_what_is_asked_on_its_behalf() {
    let mut stage = Stage::new();
    let header = Header {
        destination: Some(AGENT),
        method: agent::Take::NUMBER,
        call: CallId(1),
        deadline_ms: 100,
        trace: TraceId([3; 16]),
        ..Header::new(Kind::Open)
    };
    stage.send(CLI, Frame::bare(header));
    let parent = stage.next(AGENT).expect("the call").header.call;
    stage.now += Duration::from_millis(40);
    let header = Header {
        destination: Some(some(Role::Llm)),
        method: llm::Complete::NUMBER,
        call: CallId(1),
        parent: Some(parent),
        ..Header::new(Kind::Open)
    };
    stage.send(AGENT, Frame::bare(header));
    let child = stage.next(LLM).expect("the call").header;
    assert_eq!((child.deadline_ms, child.trace, child.parent), (60, TraceId([3; 16]), None));
    stage.wait(Duration::from_millis(61));
    assert_eq!(stage.refusal(CLI), (CallId(1), Code::DeadlineExceeded));
    let told: Vec<Kind> = std::iter::from_fn(|| stage.next(LLM)).map(|frame| frame.header.kind).collect();
    assert_eq!(told, [Kind::Cancel]);
}

#[test]
fn nobody_calls_on_behalf_of_what_is_not_his() {
    let mut stage = Stage::new();
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 1);
    let foreign = stage.next(STORAGE).expect("the call").header.call;
    let header = Header {
        destination: Some(some(Role::Llm)),
        method: llm::Complete::NUMBER,
        call: CallId(1),
        parent: Some(foreign),
        ..Header::new(Kind::Open)
    };
    stage.send(AGENT, Frame::bare(header));
    assert_eq!(stage.ended, [(AGENT, Misconduct::ForeignParent)]);
}

#[test]
fn a_process_that_serves_one_call_serves_no_second() {
    let mut stage = Stage::new();
    stage.ask::<code::Run>(AGENT, some(Role::Code), 1);
    assert!(stage.next(CODE).is_some());
    stage.ask::<code::Run>(AGENT, some(Role::Code), 2);
    assert!(stage.next(CODE).is_none(), "it waits for another process");
    let second = (Role::Code, Instance(2));
    stage.hub.join(second, Generation(1));
    stage.hub.ready(stage.now, second);
    stage.settle();
    assert_eq!(stage.next(second).map(|frame| frame.header.destination), Some(Some(second)));
}

#[test]
fn what_anybody_can_answer_goes_to_one_that_does_not_end_after_its_call() {
    let mut stage = Stage::new();
    stage.ask::<code::Run>(AGENT, some(Role::Code), 1);
    assert!(stage.next(CODE).is_some());
    let second = (Role::Code, Instance(2));
    stage.hub.join(second, Generation(1));
    stage.hub.ready(stage.now, second);
    stage.ask::<common::Echo>(CLI, some(Role::Code), 1);
    assert_eq!(stage.next(second).map(|frame| frame.header.method), Some(<common::Echo as Method>::NUMBER));
}

#[test]
fn what_waits_keeps_its_order_and_its_stream() {
    let mut stage = Stage::with(TABLE, &[CLI, AGENT]);
    stage.hub.set_availability(Role::Code, Availability::Comes);
    stage.ask::<code::Run>(AGENT, some(Role::Code), 1);
    assert_eq!(stage.wanted, [Role::Code]);
    stage.piece(AGENT, CallId(1), Direction::Up, 5);
    stage.piece(AGENT, CallId(1), Direction::Up, 6);
    stage.hub.join(CODE, Generation(1));
    stage.hub.ready(stage.now, CODE);
    stage.settle();
    let got: Vec<_> = std::iter::from_fn(|| stage.next(CODE)).map(|frame| (frame.header.kind, frame.body.len())).collect();
    assert_eq!(got, [(Kind::Open, 1), (Kind::Data, 5), (Kind::Data, 6)]);
}

#[test]
fn what_waits_for_what_cannot_be_had_is_refused() {
    let mut stage = Stage::with(TABLE, &[CLI]);
    stage.hub.set_availability(Role::Storage, Availability::Comes);
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 1);
    stage.hub.set_availability(Role::Storage, Availability::Refused(Refusal::new(Code::Degraded, "no")));
    stage.settle();
    assert_eq!(stage.refusal(CLI), (CallId(1), Code::Degraded));
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 2);
    assert_eq!(stage.refusal(CLI), (CallId(2), Code::Degraded));
}

#[test]
fn a_question_taken_back_before_it_came_is_not_passed_on() {
    let mut stage = Stage::new();
    stage.cancel(AGENT, 2);
    stage.ask::<storage::CreateConversation>(AGENT, some(Role::Storage), 1);
    assert!(stage.next(STORAGE).is_some(), "the one before it is");
    stage.ask::<storage::CreateConversation>(AGENT, some(Role::Storage), 2);
    assert_eq!(stage.refusal(AGENT), (CallId(2), Code::Cancelled));
    stage.ask::<storage::CreateConversation>(AGENT, some(Role::Storage), 3);
    assert_eq!(stage.inbox[&STORAGE].len(), 1, "the one after it is");
    // One that was answered is not remembered, and of the others only so many are.
    stage.cancel(AGENT, 1);
    for call in 0..2 * MAX_EARLY as u64 {
        stage.cancel(AGENT, 1000 + call);
    }
    assert_eq!(stage.hub.members[&AGENT].early.len(), MAX_EARLY);
}

#[test]
fn who_goes_on_with_what_was_given_up_is_told_again() {
    let mut stage = Stage::new();
    stage.ask::<agent::Take>(CLI, AGENT, 1);
    let call = stage.next(AGENT).expect("the call").header.call;
    stage.cancel(CLI, 1);
    stage.wait(Duration::from_millis(u64::from(CANCEL_GRACE_MS) + 1));
    let told = |stage: &mut Stage| {
        std::iter::from_fn(|| stage.next(AGENT)).map(|frame| (frame.header.kind, frame.header.call)).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut stage), [(Kind::Cancel, call), (Kind::Cancel, call)]);
    stage.piece(AGENT, call, Direction::Down, 10);
    assert_eq!(told(&mut stage), [(Kind::Cancel, call)]);
    assert!(stage.ended.is_empty());
}

#[test]
fn who_waited_is_told_how_much_time_is_left() {
    let mut stage = Stage::with(TABLE, &[CLI]);
    stage.hub.set_availability(Role::Storage, Availability::Comes);
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 1);
    stage.now += Duration::from_secs(4);
    stage.hub.join(STORAGE, Generation(1));
    stage.hub.ready(stage.now, STORAGE);
    stage.settle();
    assert_eq!(stage.next(STORAGE).map(|frame| frame.header.deadline_ms), Some(26_000));
}

#[test]
fn who_asks_for_one_that_is_being_ended_waits_for_the_next() {
    let mut stage = Stage::new();
    stage.hub.condemn(STORAGE);
    stage.ask::<storage::Statistics>(CLI, some(Role::Storage), 1);
    assert!(stage.next(STORAGE).is_none() && stage.next(CLI).is_none());
    stage.replace(STORAGE, 1, Blame::Work);
    assert!(stage.next(STORAGE).is_some());
}

/// [`MAX_UNREAD`] is more than can be on its way to a process that gets no new calls.
#[test]
fn nobody_is_ended_for_being_slow() {
    // As many as the tree lets in of each; of the others there is one.
    let peers = |role: Role| if matches!(role, Role::Cli | Role::Agent) { 32 } else { 1 };
    // What is for the supervisor is not sent: it is done in the turn in which it comes.
    for &role in Role::ALL.iter().filter(|role| !matches!(role, Role::Cli | Role::Supervisor)) {
        let streams_to_it = TABLE.iter().filter(|row| row.destination == role && row.stream);
        let windows: usize = streams_to_it.map(|row| peers(row.source) * usize::from(row.in_flight) * WINDOW_BYTES).sum();
        let own = TABLE.iter().filter(|row| row.source == role);
        let answers: usize = own.map(|row| usize::from(row.in_flight) * (MAX_BODY + WINDOW_BYTES)).sum();
        let most = windows + answers + ipc::limits::MAX_QUEUED;
        assert!(most < MAX_UNREAD, "{} MiB may be on their way to {role}", most >> 20);
    }
}
