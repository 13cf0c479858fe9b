//! A turn as a pure state machine: what happened in, what is to be done out, as data.
//!
//! It asks nobody, waits for nothing and knows no clock, so a turn can be replayed from the list of its [`Event`]s and
//! gives the same [`Effect`]s. The [driver](crate::driver) does what it says.
//!
//! **Architecture Invariant:** words are shown only when the journal has them, a tool runs only for a finished call of a
//! finished answer, and every turn that kept its question keeps an answer, even if it is only that there is none.

mod limits;
#[cfg(test)]
mod tests;

use ipc::{
    Code, Refusal,
    id::{ConversationId, MessageId, TurnId},
    messages::{
        agent::{Goal, Taken, TurnEvent},
        chat::{Attached, Author, Message, Part, Status, ToolCall, ToolResult, Usage},
        llm::{Completed, ModelChoice, ModelEvent, Said, Stop},
        storage::{Step, Trace, TraceOutcome},
    },
};
pub(crate) use limits::{MAX_ROUNDS, MAX_STEPS, MAX_TOOL_TEXT, cut};

/// What a turn begins with.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// Its id, and that of the message that will end it.
    pub(crate) turn: TurnId,
    /// The id of the message that begins it.
    pub(crate) question: MessageId,
    /// Where it belongs.
    pub(crate) conversation: ConversationId,
    /// What the person wants.
    pub(crate) goal: Goal,
    /// What came with it.
    pub(crate) attachments: Vec<Attached>,
    /// Names of files that came with questions before it.
    pub(crate) earlier: Vec<String>,
    /// Who answers; a skill if nobody.
    pub(crate) model: Option<ModelChoice>,
    /// What was said before, oldest first.
    pub(crate) history: Vec<Said>,
}

/// A skill that was chosen, with what it is given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// The skill's name.
    pub(crate) skill: String,
    /// Its script.
    pub(crate) script: String,
    /// Its inputs, as a JSON object.
    pub(crate) inputs: String,
}

/// What a script gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// It did what it should.
    pub(crate) ok: bool,
    /// What it says, for a model or a person.
    pub(crate) text: String,
    /// What a skill returned, as JSON.
    pub(crate) value: String,
    /// Milliseconds it took.
    pub(crate) millis: u64,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The question is kept.
    QuestionKept,
    /// A skill was looked for.
    Routed(Result<Plan, Refusal>),
    /// The skill has run.
    SkillRan(Result<Outcome, Refusal>),
    /// The model says something.
    Model(ModelEvent),
    /// The model has ended.
    ModelEnded(Result<Completed, Refusal>),
    /// A tool has run.
    ToolRan(Outcome),
    /// These words are in the journal.
    Journalled(String),
    /// The answer is kept.
    AnswerKept,
    /// What was done is kept.
    TraceKept,
    /// Something could not be kept. Nothing more can be promised.
    NotKept(Refusal),
    /// The person has had enough.
    Stopped,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Keep this message.
    Keep {
        /// The message.
        message: Message,
        /// It ends the turn.
        ends_turn: bool,
    },
    /// Look for a skill.
    Route,
    /// Run a skill.
    RunSkill(Plan),
    /// Ask the model to go on from here.
    AskModel(Vec<Said>),
    /// Do a tool call.
    RunTool(ToolCall),
    /// Put these words into the journal.
    Journal(String),
    /// Show this to the person.
    Show(TurnEvent),
    /// Whatever is being done is no longer wanted.
    Abort,
    /// Keep what was done; its time is filled in by who knows it.
    KeepTrace(Box<Trace>),
    /// The turn is over.
    End(Result<Taken, Refusal>),
}

/// How far a turn has come.
#[derive(Debug)]
enum State {
    New,
    KeepingQuestion,
    Routing,
    RunningSkill {
        input: String,
    },
    Speaking,
    /// The model has said something and wants these calls done; the journal has not all it said yet. They begin when it
    /// has: who follows the turn sees it in its order.
    Pausing {
        calls: Vec<ToolCall>,
    },
    /// Calls that are to be done, the next one first.
    Working {
        now: ToolCall,
        later: Vec<ToolCall>,
    },
    /// Everything is said; the journal has not all of it yet.
    Closing,
    KeepingAnswer,
    KeepingTrace,
    Ended,
}

/// A turn.
#[derive(Debug)]
pub(crate) struct Turn {
    ask: Ask,
    state: State,
    /// What the answer is made of so far.
    parts: Vec<Part>,
    /// Words and thoughts of the answer that is being spoken.
    words: String,
    thoughts: String,
    seal: String,
    /// Bytes that were given to the journal and not confirmed.
    unconfirmed: usize,
    steps: Vec<Step>,
    usage: Usage,
    rounds: u32,
    skill: String,
    model: String,
    value: String,
    failure: Option<Refusal>,
    status: Status,
}

impl Turn {
    /// A turn that has not begun.
    pub(crate) fn new(ask: Ask) -> Turn {
        Turn {
            ask,
            state: State::New,
            parts: Vec::new(),
            words: String::new(),
            thoughts: String::new(),
            seal: String::new(),
            unconfirmed: 0,
            steps: Vec::new(),
            usage: Usage::default(),
            rounds: 0,
            skill: String::new(),
            model: String::new(),
            value: String::new(),
            failure: None,
            status: Status::Complete,
        }
    }

    /// Begins the turn: the question is kept before anything is done about it.
    pub(crate) fn begin(&mut self) -> Vec<Effect> {
        self.state = State::KeepingQuestion;
        let text = match &self.ask.goal {
            Goal::Words(words) => words.clone(),
            Goal::Skill(skill) => format!("(run {skill})"),
        };
        let message = Message {
            id: self.ask.question,
            conversation: self.ask.conversation,
            turn: self.ask.turn,
            author: Author::Person,
            parts: vec![Part::Text(text)],
            attachments: self.ask.attachments.clone(),
            status: Status::Complete,
            made_by: String::new(),
            at_ms: 0,
        };
        vec![Effect::Keep { message, ends_turn: false }]
    }

    /// Takes in what happened and says what is to be done. What comes at a time at which it means nothing (a late piece
    /// after a stop, say) changes nothing.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Effect> {
        match (event, &mut self.state) {
            (_, State::Ended) => Vec::new(),
            (Event::NotKept(refusal), _) => {
                self.state = State::Ended;
                vec![Effect::Abort, Effect::End(Err(refusal))]
            }
            (Event::Journalled(words), _) => self.journalled(words),
            (Event::Stopped, State::Closing | State::KeepingAnswer | State::KeepingTrace) => Vec::new(),
            (Event::Stopped, State::New | State::KeepingQuestion) => {
                self.state = State::Ended;
                vec![Effect::Abort, Effect::End(Err(stopped()))]
            }
            (Event::Stopped, _) => {
                self.status = Status::Stopped;
                self.failure = Some(stopped());
                let mut effects = vec![Effect::Abort];
                effects.extend(self.close());
                effects
            }
            (Event::QuestionKept, State::KeepingQuestion) => match (&self.ask.goal, &self.ask.model) {
                (Goal::Words(_), Some(_)) => self.next_round(),
                _ => {
                    self.state = State::Routing;
                    vec![Effect::Route]
                }
            },
            (Event::Routed(Ok(plan)), State::Routing) => {
                self.skill.clone_from(&plan.skill);
                self.state = State::RunningSkill { input: plan.inputs.clone() };
                vec![Effect::Show(TurnEvent::SkillChosen(plan.skill.clone())), Effect::RunSkill(plan)]
            }
            (Event::Routed(Err(refusal)), State::Routing) => self.fail(refusal),
            (Event::SkillRan(result), State::RunningSkill { input }) => {
                let input = std::mem::take(input);
                self.skill_ran(input, result)
            }
            (Event::Model(piece), State::Speaking) => self.heard(piece),
            (Event::ModelEnded(Ok(completed)), State::Speaking) => self.model_ended(completed),
            (Event::ModelEnded(Err(refusal)), State::Speaking) => self.fail(refusal),
            (Event::ToolRan(outcome), State::Working { now, later }) => {
                let (call, later) = (now.clone(), std::mem::take(later));
                self.tool_ran(call, later, outcome)
            }
            (Event::AnswerKept, State::KeepingAnswer) => {
                self.state = State::KeepingTrace;
                vec![Effect::KeepTrace(Box::new(self.trace()))]
            }
            (Event::TraceKept, State::KeepingTrace) => {
                self.state = State::Ended;
                vec![Effect::End(self.result())]
            }
            _ => Vec::new(),
        }
    }

    /// Asks the model for the next contribution, unless it has had enough of them.
    fn next_round(&mut self) -> Vec<Effect> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return self.spent();
        }
        self.state = State::Speaking;
        vec![Effect::AskModel(self.so_far())]
    }

    /// It has had enough rounds and tools.
    fn spent(&mut self) -> Vec<Effect> {
        let sentence = format!("the model took {} steps and has not answered; ask for less at once", self.steps.len());
        self.fail(Refusal::new(Code::BudgetSpent, sentence))
    }

    /// The conversation as the model is to see it.
    fn so_far(&self) -> Vec<Said> {
        let mut said = self.ask.history.clone();
        let words = match &self.ask.goal {
            Goal::Words(words) => words.clone(),
            Goal::Skill(skill) => skill.clone(),
        };
        let files: Vec<&str> = self.ask.attachments.iter().map(|file| file.name.as_str()).collect();
        let mut words = words;
        for (when, files) in [("with this", files), ("before", self.ask.earlier.iter().map(String::as_str).collect())] {
            if !files.is_empty() {
                words.push_str(&format!("\n\n(Files given {when}: {})", files.join(", ")));
            }
        }
        said.push(Said { by_model: false, parts: vec![Part::Text(words)] });
        for part in &self.parts {
            let by_model = !matches!(part, Part::Result(_));
            match said.last_mut() {
                Some(last) if last.by_model == by_model => last.parts.push(part.clone()),
                _ => said.push(Said { by_model, parts: vec![part.clone()] }),
            }
        }
        said
    }

    fn heard(&mut self, piece: ModelEvent) -> Vec<Effect> {
        match piece {
            ModelEvent::Text(words) if words.is_empty() => Vec::new(),
            ModelEvent::Text(words) => {
                self.words.push_str(&words);
                self.unconfirmed += words.len();
                vec![Effect::Journal(words)]
            }
            ModelEvent::Thinking(thoughts) => {
                // Thoughts after a seal are another block.
                if !self.seal.is_empty() {
                    self.take_words();
                }
                self.thoughts.push_str(&thoughts);
                if thoughts.is_empty() { Vec::new() } else { vec![Effect::Show(TurnEvent::Thinking(thoughts))] }
            }
            ModelEvent::ThinkingSealed(seal) => {
                self.seal.push_str(&seal);
                Vec::new()
            }
        }
    }

    /// What was being spoken becomes a part of the answer.
    fn take_words(&mut self) {
        if !self.thoughts.is_empty() || !self.seal.is_empty() {
            let (text, signature) = (std::mem::take(&mut self.thoughts), std::mem::take(&mut self.seal));
            self.parts.push(Part::Thinking { text, signature });
        }
        if !self.words.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.words)));
        }
    }

    fn model_ended(&mut self, completed: Completed) -> Vec<Effect> {
        self.take_words();
        self.model = completed.model;
        self.usage.input += completed.usage.input;
        self.usage.output += completed.usage.output;
        match completed.stop {
            Stop::ToolUse if !completed.calls.is_empty() => {
                self.parts.extend(completed.calls.iter().cloned().map(Part::Call));
                if self.unconfirmed > 0 {
                    self.state = State::Pausing { calls: completed.calls };
                    return Vec::new();
                }
                self.work(completed.calls)
            }
            Stop::TooLong => {
                let sentence = "the answer reached the most that was asked for and is cut off; ask to go on";
                self.fail(Refusal::new(Code::BudgetSpent, sentence))
            }
            Stop::ToolUse | Stop::Finished | Stop::Declined => self.close(),
        }
    }

    /// Does the first of these calls; with none left, the model goes on.
    fn work(&mut self, calls: Vec<ToolCall>) -> Vec<Effect> {
        let mut calls = calls.into_iter();
        let Some(now) = calls.next() else { return self.next_round() };
        if self.steps.len() >= MAX_STEPS {
            return self.spent();
        }
        let show = TurnEvent::ToolStarted { name: now.name.clone(), input: cut(&now.arguments, MAX_TOOL_TEXT) };
        let effects = vec![Effect::Show(show), Effect::RunTool(now.clone())];
        self.state = State::Working { now, later: calls.collect() };
        effects
    }

    fn tool_ran(&mut self, call: ToolCall, later: Vec<ToolCall>, outcome: Outcome) -> Vec<Effect> {
        let Outcome { ok, text, millis, .. } = outcome;
        let text = cut(&text, MAX_TOOL_TEXT);
        self.steps.push(Step {
            tool: call.name.clone(),
            input: cut(&call.arguments, MAX_TOOL_TEXT),
            output: text.clone(),
            ok,
            millis,
        });
        self.parts.push(Part::Result(ToolResult { call: call.id, ok, text: text.clone() }));
        let mut effects = vec![Effect::Show(TurnEvent::ToolEnded { name: call.name, ok, output: text })];
        effects.extend(self.work(later));
        effects
    }

    fn skill_ran(&mut self, input: String, result: Result<Outcome, Refusal>) -> Vec<Effect> {
        let (ok, output, millis) = match &result {
            Ok(outcome) => (outcome.ok, outcome.text.clone(), outcome.millis),
            Err(refusal) => (false, refusal.sentence.clone(), 0),
        };
        let input = cut(&input, MAX_TOOL_TEXT);
        self.steps.push(Step { tool: self.skill.clone(), input, output: cut(&output, MAX_TOOL_TEXT), ok, millis });
        match result {
            Ok(Outcome { text, value, .. }) => {
                self.value = value;
                let mut effects = Vec::new();
                if !text.is_empty() {
                    self.unconfirmed += text.len();
                    effects.push(Effect::Journal(text.clone()));
                    self.parts.push(Part::Text(text));
                }
                effects.extend(self.close());
                effects
            }
            Err(refusal) => self.fail(refusal),
        }
    }

    fn journalled(&mut self, words: String) -> Vec<Effect> {
        self.unconfirmed = self.unconfirmed.saturating_sub(words.len());
        let mut effects = vec![Effect::Show(TurnEvent::Text(words))];
        match &mut self.state {
            State::Closing => effects.extend(self.close()),
            State::Pausing { calls } if self.unconfirmed == 0 => {
                let calls = std::mem::take(calls);
                effects.extend(self.work(calls));
            }
            _ => {}
        }
        effects
    }

    fn fail(&mut self, refusal: Refusal) -> Vec<Effect> {
        self.status = Status::Interrupted;
        self.failure = Some(refusal);
        self.close()
    }

    /// Everything is said. When the journal has it all, the answer is kept.
    fn close(&mut self) -> Vec<Effect> {
        self.take_words();
        if self.unconfirmed > 0 {
            self.state = State::Closing;
            return Vec::new();
        }
        if let Some(failure) = &self.failure
            && !self.parts.iter().any(|part| matches!(part, Part::Text(_)))
        {
            // A question without an answer says why, also to who reads it in a year.
            self.parts.push(Part::Text(format!("({})", failure.sentence)));
        }
        self.state = State::KeepingAnswer;
        let message = Message {
            id: MessageId(self.ask.turn.0),
            conversation: self.ask.conversation,
            turn: self.ask.turn,
            author: Author::Assistant,
            parts: self.parts.clone(),
            attachments: Vec::new(),
            status: self.status,
            made_by: self.made_by(),
            at_ms: 0,
        };
        vec![Effect::Keep { message, ends_turn: true }]
    }

    fn made_by(&self) -> String {
        if self.skill.is_empty() { self.model.clone() } else { self.skill.clone() }
    }

    fn trace(&self) -> Trace {
        let goal = match &self.ask.goal {
            Goal::Words(words) => words.clone(),
            Goal::Skill(skill) => skill.clone(),
        };
        Trace {
            turn: self.ask.turn,
            conversation: self.ask.conversation,
            goal: cut(&goal, MAX_TOOL_TEXT),
            skill: self.skill.clone(),
            model: self.model.clone(),
            steps: self.steps.clone(),
            outcome: match self.status {
                Status::Complete => TraceOutcome::Answered,
                Status::Stopped => TraceOutcome::Stopped,
                Status::Interrupted => TraceOutcome::Failed,
            },
            millis: 0,
            usage: self.usage,
            at_ms: 0,
        }
    }

    fn result(&self) -> Result<Taken, Refusal> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        Ok(Taken {
            turn: self.ask.turn,
            message: MessageId(self.ask.turn.0),
            made_by: self.made_by(),
            value: self.value.clone(),
            usage: self.usage,
            steps: u32::try_from(self.steps.len()).unwrap_or(u32::MAX),
        })
    }
}

fn stopped() -> Refusal {
    Refusal::new(Code::Cancelled, "stopped, as asked; what had arrived is kept")
}
