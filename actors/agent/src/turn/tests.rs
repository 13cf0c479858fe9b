//! Turns played by hand.

use ipc::messages::llm::Wire;
use proptest::prelude::*;

use super::*;

fn ask(model: bool) -> Ask {
    Ask {
        turn: TurnId([1; 16]),
        question: MessageId([2; 16]),
        conversation: ConversationId([3; 16]),
        goal: Goal::Words("why?".into()),
        attachments: Vec::new(),
        earlier: Vec::new(),
        model: model.then(|| ModelChoice { lease: 1, wire: Wire::OpenAiChat, model: "m".into() }),
        history: Vec::new(),
    }
}

fn completed(stop: Stop, calls: Vec<ToolCall>) -> Event {
    let usage = Usage { input: 10, output: 5 };
    Event::ModelEnded(Ok(Completed { stop, calls, usage, model: "m-1".into() }))
}

fn text(words: &str) -> Event {
    Event::Model(ModelEvent::Text(words.into()))
}

fn call(id: &str) -> ToolCall {
    ToolCall { id: id.into(), name: "python".into(), arguments: r#"{"code":"1"}"#.into() }
}

fn begun(model: bool) -> Turn {
    let mut turn = Turn::new(ask(model));
    assert!(matches!(&turn.begin()[..], [Effect::Keep { ends_turn: false, .. }]));
    turn
}

/// The words of the answer that is kept.
fn kept(effects: &[Effect]) -> Option<(String, Status)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Keep { message, ends_turn: true } => Some((message.text(), message.status)),
        _ => None,
    })
}

fn ended(turn: &mut Turn) -> Result<Taken, Refusal> {
    let effects = turn.step(Event::AnswerKept);
    assert!(matches!(&effects[..], [Effect::KeepTrace(_)]), "{effects:?}");
    match &turn.step(Event::TraceKept)[..] {
        [Effect::End(result)] => result.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn words_are_shown_when_the_journal_has_them_and_not_before() {
    let mut turn = begun(true);
    assert!(matches!(&turn.step(Event::QuestionKept)[..], [Effect::AskModel(_)]));
    assert_eq!(turn.step(text("Hel")), [Effect::Journal("Hel".into())]);
    assert_eq!(turn.step(text("lo")), [Effect::Journal("lo".into())]);
    assert_eq!(turn.step(completed(Stop::Finished, vec![])), [], "the journal has not all of it");
    let effects = turn.step(Event::Journalled("Hello".into()));
    assert_eq!(effects[0], Effect::Show(TurnEvent::Text("Hello".into())));
    assert_eq!(kept(&effects), Some(("Hello".into(), Status::Complete)));
    let taken = ended(&mut turn).expect("an answer");
    assert_eq!((taken.made_by.as_str(), taken.usage, taken.message), ("m-1", Usage { input: 10, output: 5 }, MessageId([1; 16])));
}

#[test]
fn a_tool_turn_goes_round_until_the_model_has_answered() {
    let mut turn = begun(true);
    turn.step(Event::QuestionKept);
    turn.step(text("Let me see."));
    turn.step(Event::Journalled("Let me see.".into()));
    let effects = turn.step(completed(Stop::ToolUse, vec![call("a"), call("b")]));
    assert_eq!(effects[1], Effect::RunTool(call("a")));
    let outcome = |text: &str| Event::ToolRan(Outcome { ok: true, text: text.into(), value: String::new(), millis: 3 });
    let effects = turn.step(outcome("42"));
    assert_eq!(effects.last(), Some(&Effect::RunTool(call("b"))), "one after another");
    let effects = turn.step(outcome("43"));
    let Some(Effect::AskModel(said)) = effects.last() else { panic!("{effects:?}") };
    let shape: Vec<(bool, usize)> = said.iter().map(|said| (said.by_model, said.parts.len())).collect();
    assert_eq!(shape, [(false, 1), (true, 3), (false, 2)]);
    turn.step(text("It is 42."));
    turn.step(completed(Stop::Finished, vec![]));
    let effects = turn.step(Event::Journalled("It is 42.".into()));
    assert_eq!(kept(&effects), Some(("Let me see.It is 42.".into(), Status::Complete)));
    assert_eq!(ended(&mut turn).map(|taken| (taken.steps, taken.usage.input)), Ok((2, 20)));
}

#[test]
fn a_model_that_only_uses_tools_is_stopped_and_says_so() {
    let mut turn = begun(true);
    let mut effects = turn.step(Event::QuestionKept);
    for _ in 0..100 {
        if kept(&effects).is_some() {
            break;
        }
        turn.step(completed(Stop::ToolUse, vec![call("x")]));
        effects = turn.step(Event::ToolRan(Outcome { ok: true, text: "?".into(), value: String::new(), millis: 0 }));
    }
    let (words, status) = kept(&effects).expect("it ends");
    assert!(words.contains("12 steps") && status == Status::Interrupted, "{words}");
    assert_eq!(ended(&mut turn).map_err(|refusal| refusal.code), Err(Code::BudgetSpent));
}

#[test]
fn a_tool_begins_when_the_words_before_it_are_kept_and_shown() {
    let mut turn = begun(true);
    turn.step(Event::QuestionKept);
    turn.step(Event::Model(ModelEvent::Text("Let me ".into())));
    turn.step(Event::Model(ModelEvent::Text("see.".into())));
    assert_eq!(turn.step(Event::Journalled("Let me ".into())).len(), 1);
    assert!(turn.step(completed(Stop::ToolUse, vec![call("x")])).is_empty(), "not yet");
    let effects = turn.step(Event::Journalled("see.".into()));
    let order: Vec<u8> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Show(TurnEvent::Text(_)) => 1,
            Effect::Show(TurnEvent::ToolStarted { .. }) => 2,
            Effect::RunTool(_) => 3,
            _ => 0,
        })
        .collect();
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn a_model_that_asks_for_everything_at_once_is_stopped_too() {
    let mut turn = begun(true);
    turn.step(Event::QuestionKept);
    let mut effects = turn.step(completed(Stop::ToolUse, (0..100).map(|_| call("x")).collect()));
    for _ in 0..MAX_STEPS {
        assert!(effects.iter().any(|effect| matches!(effect, Effect::RunTool(_))));
        effects = turn.step(Event::ToolRan(Outcome { ok: true, text: "?".into(), value: String::new(), millis: 0 }));
    }
    assert!(kept(&effects).is_some_and(|(_, status)| status == Status::Interrupted));
    assert_eq!(ended(&mut turn).map_err(|refusal| refusal.code), Err(Code::BudgetSpent));
}

#[test]
fn what_had_arrived_is_kept_when_the_stream_breaks() {
    let mut turn = begun(true);
    turn.step(Event::QuestionKept);
    turn.step(text("Half"));
    turn.step(Event::Journalled("Half".into()));
    let effects = turn.step(Event::ModelEnded(Err(Refusal::new(Code::StreamBroken, "broke"))));
    assert_eq!(kept(&effects), Some(("Half".into(), Status::Interrupted)));
    assert_eq!(ended(&mut turn).map_err(|refusal| refusal.code), Err(Code::StreamBroken));
}

#[test]
fn a_question_without_an_answer_says_why() {
    let mut turn = begun(false);
    assert_eq!(turn.step(Event::QuestionKept), [Effect::Route]);
    let effects = turn.step(Event::Routed(Err(Refusal::new(Code::NoSkill, "no skill fits"))));
    assert_eq!(kept(&effects), Some(("(no skill fits)".into(), Status::Interrupted)));
}

#[test]
fn a_skill_answers_without_a_model() {
    let mut turn = begun(false);
    turn.step(Event::QuestionKept);
    let plan = Plan { skill: "loan-plan".into(), script: "…".into(), inputs: "{}".into() };
    let effects = turn.step(Event::Routed(Ok(plan.clone())));
    assert_eq!(effects, [Effect::Show(TurnEvent::SkillChosen("loan-plan".into())), Effect::RunSkill(plan)]);
    let outcome = Outcome { ok: true, text: "898.09 a month".into(), value: r#"{"a":1}"#.into(), millis: 9 };
    assert_eq!(turn.step(Event::SkillRan(Ok(outcome))), [Effect::Journal("898.09 a month".into())]);
    let effects = turn.step(Event::Journalled("898.09 a month".into()));
    assert_eq!(kept(&effects), Some(("898.09 a month".into(), Status::Complete)));
    let taken = ended(&mut turn).expect("an answer");
    assert_eq!((taken.made_by.as_str(), taken.value.as_str(), taken.steps), ("loan-plan", r#"{"a":1}"#, 1));
}

#[test]
fn a_stop_keeps_what_arrived() {
    let mut turn = begun(true);
    turn.step(Event::QuestionKept);
    turn.step(text("So far"));
    let effects = turn.step(Event::Stopped);
    assert_eq!(effects, [Effect::Abort], "the journal has not all of it");
    let effects = turn.step(Event::Journalled("So far".into()));
    assert_eq!(kept(&effects), Some(("So far".into(), Status::Stopped)));
    assert_eq!(turn.step(text(" late")), [], "late words mean nothing");
    assert_eq!(turn.step(Event::Stopped), [], "nor does a second stop");
    assert_eq!(ended(&mut turn).map_err(|refusal| refusal.code), Err(Code::Cancelled));
}

#[test]
fn what_cannot_be_kept_ends_the_turn_at_once() {
    let mut turn = begun(true);
    let effects = turn.step(Event::NotKept(Refusal::new(Code::DiskFull, "full")));
    assert!(matches!(&effects[..], [Effect::Abort, Effect::End(Err(refusal))] if refusal.code == Code::DiskFull));
    assert_eq!(turn.step(Event::QuestionKept), []);
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let refusal = || Refusal::new(Code::StreamBroken, "broke");
    let outcome = Outcome { ok: true, text: "t".into(), value: String::new(), millis: 1 };
    let plan = Plan { skill: "s".into(), script: String::new(), inputs: "{}".into() };
    let one = prop_oneof![
        3 => Just(Event::QuestionKept),
        1 => Just(Event::Routed(Ok(plan))),
        1 => Just(Event::Routed(Err(refusal()))),
        1 => Just(Event::SkillRan(Ok(outcome.clone()))),
        1 => Just(Event::SkillRan(Err(refusal()))),
        4 => "[a-c]{0,3}".prop_map(|words| Event::Model(ModelEvent::Text(words))),
        1 => Just(Event::Model(ModelEvent::Thinking("hm".into()))),
        2 => Just(completed(Stop::Finished, vec![])),
        2 => Just(completed(Stop::ToolUse, vec![call("a")])),
        1 => Just(Event::ModelEnded(Err(refusal()))),
        2 => Just(Event::ToolRan(outcome)),
        2 => Just(Event::AnswerKept),
        1 => Just(Event::TraceKept),
        1 => Just(Event::Stopped),
    ];
    prop::collection::vec(one, 0..40)
}

proptest! {
    /// In whatever order things happen: nothing is shown that the journal does not have, at most one answer is kept, the
    /// turn ends at most once, and the same events give the same effects.
    #[test]
    fn the_promises_hold_in_any_order(events in events(), model in any::<bool>()) {
        let play = || {
            let mut turn = Turn::new(ask(model));
            let mut all = turn.begin();
            for event in &events {
                let mut todo = turn.step(event.clone());
                // The journal confirms what it was given, in order.
                while let Some(effect) = todo.first().cloned() {
                    todo.remove(0);
                    if let Effect::Journal(words) = &effect {
                        todo.extend(turn.step(Event::Journalled(words.clone())));
                    }
                    all.push(effect);
                }
            }
            all
        };
        let effects = play();
        prop_assert_eq!(&effects, &play());
        let mut journalled = String::new();
        let mut shown = String::new();
        for effect in &effects {
            match effect {
                Effect::Journal(words) => journalled.push_str(words),
                Effect::Show(TurnEvent::Text(words)) => shown.push_str(words),
                _ => {}
            }
            prop_assert!(journalled.starts_with(&shown));
        }
        let answers = effects.iter().filter(|effect| matches!(effect, Effect::Keep { ends_turn: true, .. })).count();
        let ends = effects.iter().filter(|effect| matches!(effect, Effect::End(_))).count();
        prop_assert!(answers <= 1 && ends <= 1, "{answers} answers, {ends} ends");
    }
}
