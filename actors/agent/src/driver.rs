//! Does what a turn says, and tells it what happened. It decides nothing.

use std::{collections::VecDeque, rc::Rc, time::Instant};

use ipc::{
    Client, Refusal,
    endpoint::Reply,
    id::{ConversationId, TraceId, TurnId},
    messages::{
        agent::{Goal, Input, Take, Taken},
        llm::ModelChoice,
        storage::{AppendMessage, AppendTrace, Journal},
    },
    role::source,
};
use tokio::{sync::mpsc, task::JoinSet};
use tracing::Instrument as _;

use crate::{
    model,
    persist::keep,
    python::{self, Files},
    route::route,
    skills::Library,
    turn::{Effect, Event, Turn},
};

/// Events that may wait for the turn.
const EVENTS: usize = 64;

/// Words that may wait for the journal.
const WORDS: usize = 64;

/// Bytes that go into the journal at once.
const TOGETHER: usize = 32 << 10;

/// What a turn is done with.
pub(crate) struct Means {
    /// Asks others.
    pub(crate) client: Client<source::Agent>,
    /// The request it belongs to.
    pub(crate) trace: TraceId,
    /// The conversation.
    pub(crate) conversation: ConversationId,
    /// The turn's id.
    pub(crate) turn: TurnId,
    /// What is known how to do.
    pub(crate) library: Rc<Library>,
    /// What came with the question.
    pub(crate) files: Files,
    /// What came with questions before it.
    pub(crate) earlier: Files,
    /// The question.
    pub(crate) goal: Goal,
    /// Inputs that were named.
    pub(crate) inputs: Vec<Input>,
    /// Who answers, and what it is told about itself.
    pub(crate) model: Option<(ModelChoice, String)>,
}

/// Takes a turn to its end.
pub(crate) async fn drive(means: Means, mut turn: Turn, reply: &Reply<Take>) -> Result<Taken, Refusal> {
    let begun = Instant::now();
    let (events_in, mut events) = mpsc::channel(EVENTS);
    let (words_in, words) = mpsc::channel(WORDS);
    let (kept_in, mut kept) = mpsc::channel(WORDS);
    let journal = write_journal(means.client.clone(), means.trace, means.conversation, means.turn, words, kept_in);
    let writer = tokio::task::spawn_local(journal.in_current_span());
    // A script finds what was given now and what was given before.
    let files: Files = Rc::new(means.files.iter().chain(means.earlier.iter()).cloned().collect());
    let mut work = JoinSet::new();
    let mut todo: VecDeque<Effect> = turn.begin().into();
    let cancelled = reply.cancelled();
    let mut stopped = false;
    let result = 'turn: loop {
        while let Some(effect) = todo.pop_front() {
            match effect {
                Effect::Keep { message, ends_turn } => {
                    tracing::debug!(ends_turn, parts = message.parts.len(), "keeps a message");
                    let event = match keep(&means.client, means.trace, &AppendMessage { message, ends_turn }).await {
                        Ok(_) if ends_turn => Event::AnswerKept,
                        Ok(_) => Event::QuestionKept,
                        Err(refusal) => Event::NotKept(refusal),
                    };
                    todo.extend(turn.step(event));
                }
                Effect::KeepTrace(mut trace) => {
                    trace.millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    if let Err(refusal) = keep(&means.client, means.trace, &AppendTrace { trace: *trace }).await {
                        // The answer is kept, which is what was asked for.
                        tracing::warn!(code = ?refusal.code, "what was done could not be kept");
                    }
                    todo.extend(turn.step(Event::TraceKept));
                }
                Effect::Route => {
                    tracing::debug!("looks for a skill");
                    let plan = route(&means.library, &means.goal, &means.inputs, &means.files, &means.earlier);
                    todo.extend(turn.step(Event::Routed(plan)));
                }
                Effect::RunSkill(plan) => {
                    // Not which: a skill of the person's own is the person's.
                    tracing::info!("runs a skill");
                    let (client, parent, files, events) =
                        (means.client.clone(), reply.call(), Rc::clone(&files), events_in.clone());
                    let run = async move {
                        let result = python::skill(&client, parent, &plan, &files).await;
                        tracing::info!(ok = result.is_ok(), "the skill has run");
                        let _ = events.send(Event::SkillRan(result)).await;
                    };
                    work.spawn_local(run.in_current_span());
                }
                Effect::RunTool(call) => {
                    tracing::info!(bytes = call.arguments.len(), "runs a tool");
                    let (client, parent, files, events) =
                        (means.client.clone(), reply.call(), Rc::clone(&files), events_in.clone());
                    let run = async move {
                        let outcome = python::tool(&client, parent, &call, &files).await;
                        tracing::info!(ok = outcome.ok, millis = outcome.millis, "the tool has run");
                        let _ = events.send(Event::ToolRan(outcome)).await;
                    };
                    work.spawn_local(run.in_current_span());
                }
                Effect::AskModel(messages) => match &means.model {
                    Some((choice, system)) => {
                        let (client, choice, system) = (means.client.clone(), choice.clone(), system.clone());
                        tracing::info!(messages = messages.len(), "asks the model");
                        let asking = model::ask(client, reply.call(), choice, system, messages, events_in.clone());
                        work.spawn_local(asking.in_current_span());
                    }
                    None => todo.extend(turn.step(Event::ModelEnded(Err(Refusal::internal("ask a model that was not chosen"))))),
                },
                Effect::Journal(text) => {
                    // While there is no room, what the journal has is taken out: neither waits for the other.
                    let mut text = Some(text);
                    while let Some(words) = text.take() {
                        tokio::select! {
                            biased;
                            permit = words_in.reserve() => match permit {
                                Ok(permit) => permit.send(words),
                                Err(_) => todo.extend(turn.step(Event::NotKept(Refusal::internal("reach the journal")))),
                            },
                            Some(result) = kept.recv() => {
                                text = Some(words);
                                todo.extend(turn.step(journal_event(result)));
                            }
                        }
                    }
                }
                Effect::Show(event) => {
                    // Nobody may be listening any more; then the question has been taken back, and the turn hears of it.
                    reply.send(&event).await?;
                }
                Effect::Abort => {
                    tracing::debug!("gives up what is being done");
                    work.abort_all();
                }
                Effect::End(result) => break 'turn result,
            }
        }
        tokio::select! {
            biased;
            Some(result) = kept.recv() => todo.extend(turn.step(journal_event(result))),
            () = cancelled.wait(), if !stopped => {
                stopped = true;
                todo.extend(turn.step(Event::Stopped));
            }
            Some(event) = events.recv() => todo.extend(turn.step(event)),
            Some(_) = work.join_next(), if !work.is_empty() => {}
        }
    };
    writer.abort();
    result
}

fn journal_event(result: Result<String, Refusal>) -> Event {
    match result {
        Ok(words) => Event::Journalled(words),
        Err(refusal) => Event::NotKept(refusal),
    }
}

/// Writes words into the journal in their order, as many at once as have come, and confirms them.
async fn write_journal(
    client: Client<source::Agent>,
    trace: TraceId,
    conversation: ConversationId,
    turn: TurnId,
    mut words: mpsc::Receiver<String>,
    kept: mpsc::Sender<Result<String, Refusal>>,
) {
    let mut index = 0;
    while let Some(mut text) = words.recv().await {
        while text.len() < TOGETHER
            && let Ok(more) = words.try_recv()
        {
            text.push_str(&more);
        }
        while !text.is_empty() {
            let end = (0..=text.len().min(TOGETHER)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(text.len());
            let rest = text.split_off(end);
            let piece = Journal { conversation, turn, index, text };
            tracing::trace!(index, bytes = piece.text.len(), "writes into the journal");
            let result = keep(&client, trace, &piece).await.and_then(|journalled| {
                if journalled.next == index + 1 { Ok(piece.text) } else { Err(Refusal::internal("keep the journal in order")) }
            });
            index += 1;
            let failed = result.is_err();
            if kept.send(result).await.is_err() || failed {
                return;
            }
            text = rest;
        }
    }
}
