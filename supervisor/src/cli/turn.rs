//! `ask`, `run` and `chat`: a question, what happens meanwhile, and the answer.

use std::{
    fs::File,
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

use ipc::{
    Code, Refusal,
    endpoint::Options,
    id::{ConversationId, TraceId},
    messages::{
        agent::{Given, Goal, Input, Take, Taken, TurnEvent},
        chat::{MAX_ATTACHMENT, MAX_ATTACHMENTS, MAX_TEXT},
        common::Chunk,
        llm::ModelChoice,
        supervisor::Engage,
    },
};
use serde_json::{Value, json};

use super::{
    args::{Ask, Chat, Common, ModelArgs, Place, Run},
    history, models,
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, Waiting, plain, tell},
};
use crate::exit;

/// `lamos ask`.
pub async fn ask(session: &Session, common: &Common, args: Ask) -> Outcome {
    let text = match &args.text[..] {
        [one] if one == "-" => read_question()?,
        words => words.join(" "),
    };
    let files = read_files(&args.files)?;
    sign_in(session, common).await?;
    let model = model(session, &args.model).await?;
    let conversation = place(session, &args.place).await?;
    let goal = Goal::Words(text);
    let question = Question { trace: session.trace, conversation, goal, inputs: args.inputs, files, model };
    question.put(session, common.json).await
}

/// `lamos run`.
pub async fn run(session: &Session, common: &Common, args: Run) -> Outcome {
    let files = read_files(&args.files)?;
    sign_in(session, common).await?;
    let conversation = place(session, &args.place).await?;
    let trace = session.trace;
    let question = Question { trace, conversation, goal: Goal::Skill(args.skill), inputs: args.inputs, files, model: None };
    question.put(session, common.json).await
}

/// `lamos chat`.
pub async fn chat(session: &Session, common: &Common, args: Chat) -> Outcome {
    sign_in(session, common).await?;
    let model = model(session, &args.model).await?;
    let conversation = place(session, &args.place).await?;
    let terminal = io::stdin().is_terminal();
    if terminal {
        tell("One line is one question. Ctrl-C stops an answer, Ctrl-D ends.");
    }
    while let Some(line) = next_line(terminal).await? {
        if line.trim().is_empty() {
            continue;
        }
        // Each line is a request of its own.
        let (trace, goal) = (TraceId::random(), Goal::Words(line));
        let question = Question { trace, conversation, goal, inputs: Vec::new(), files: Vec::new(), model: model.clone() };
        match question.put(session, common.json).await {
            Ok(()) => {}
            // The conversation goes on; what is gone for good ends it.
            Err(failure) if failure.exit == exit::PIPE || failure.exit == exit::OURS => return Err(failure),
            Err(failure) => words::complain(&failure, common.json),
        }
    }
    Ok(())
}

/// The next line, read where it does not hold up the rest.
async fn next_line(terminal: bool) -> Result<Option<String>, Failure> {
    if terminal {
        words::answer("> ")?;
    }
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|length| (length > 0).then_some(line))
    });
    let line = read.await.map_err(|error| Failure::new(exit::OURS, format!("failed to read a line: {error}")))?;
    let line = line.map_err(|error| Failure::new(exit::USAGE, format!("failed to read a line: {error}")))?;
    if terminal && line.is_none() {
        words::answer("\n")?;
    }
    Ok(line)
}

fn read_question() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().take(MAX_TEXT as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| Failure::new(exit::USAGE, format!("failed to read the question from standard input: {error}")))?;
    Ok(text)
}

/// A file that is given with a question.
struct Gift {
    name: String,
    bytes: Vec<u8>,
}

fn read_files(paths: &[PathBuf]) -> Result<Vec<Gift>, Failure> {
    if paths.len() > MAX_ATTACHMENTS {
        return Err(Failure::new(3, format!("at most {MAX_ATTACHMENTS} files at once, not {}", paths.len())));
    }
    let gifts: Vec<Gift> = paths.iter().map(|path| read_file(path)).collect::<Result<_, _>>()?;
    for (index, gift) in gifts.iter().enumerate() {
        if gifts[..index].iter().any(|other| other.name == gift.name) {
            return Err(Failure::new(3, format!("two files are called {}; give one of them another name", gift.name)));
        }
    }
    Ok(gifts)
}

fn read_file(path: &Path) -> Result<Gift, Failure> {
    let bad = |why: String| Failure::new(3, format!("cannot give {}: {why}", path.display()));
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| bad("it has no name that is text".to_owned()))?;
    let file = File::open(path).map_err(|error| bad(reason(&error)))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(bad("it is a directory; give the files in it".to_owned()));
    }
    let mut bytes = Vec::new();
    // One byte more than may be, so that a file of unknown length is not read for ever.
    file.take(MAX_ATTACHMENT + 1).read_to_end(&mut bytes).map_err(|error| bad(reason(&error)))?;
    if bytes.len() as u64 > MAX_ATTACHMENT {
        return Err(bad(format!("it is larger than {}, which is the most for now", words::bytes(MAX_ATTACHMENT))));
    }
    Ok(Gift { name: name.to_owned(), bytes })
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        _ => error.to_string(),
    }
}

async fn model(session: &Session, args: &ModelArgs) -> Result<Option<ModelChoice>, Failure> {
    match models::all(session, args).await?.into_iter().next() {
        Some(server) => models::prepare(session, server, args.model.as_deref()).await.map(Some),
        None if args.model.is_some() || args.wire.is_some() => Err(Failure::new(
            exit::USAGE,
            "no server is configured to ask a model on; set OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY or OLLAMA_HOST, or give --base-url",
        )),
        None => Ok(None),
    }
}

async fn place(session: &Session, place: &Place) -> Result<ConversationId, Failure> {
    if let Some(prefix) = &place.conversation {
        return history::find(session, prefix).await;
    }
    if place.continue_last {
        return history::newest(session).await;
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Failure::new(exit::OURS, format!("failed to get random bytes: {error}")))?;
    Ok(ConversationId(id))
}

struct Question {
    trace: TraceId,
    conversation: ConversationId,
    goal: Goal,
    inputs: Vec<(String, String)>,
    files: Vec<Gift>,
    model: Option<ModelChoice>,
}

impl Question {
    /// Puts the question and prints what comes.
    async fn put(self, session: &Session, as_json: bool) -> Outcome {
        let mut shown =
            Shown { as_json, waiting: Waiting::begin("thinking"), text: String::new(), events: Vec::new(), ends_line: true };
        let result = self.ask(session, &mut shown).await;
        shown.waiting.end();
        shown.end_line()?;
        let taken = result?;
        if as_json {
            words::json(&shown.report(self.conversation, self.trace, &taken))?;
        }
        Ok(())
    }

    async fn ask(&self, session: &Session, shown: &mut Shown) -> Result<Taken, Failure> {
        let client = session.client.within(self.trace);
        let engaged = client.call(&Engage { conversation: self.conversation }).await?;
        let take = Take {
            goal: self.goal.clone(),
            inputs: self.inputs.iter().map(|(name, value)| Input { name: name.clone(), value: value.clone() }).collect(),
            attachments: self
                .files
                .iter()
                .map(|file| Given { name: file.name.clone(), length: file.bytes.len() as u64 })
                .collect(),
            model: self.model.clone(),
        };
        let mut stream = client.open(&take, Options::at(engaged.instance))?;
        for chunk in self.files.iter().flat_map(|file| file.bytes.chunks(Chunk::SIZE)) {
            if !stream.send(&Chunk(chunk.to_vec())).await? {
                break;
            }
        }
        stream.end();
        let mut stops = 0;
        loop {
            tokio::select! {
                piece = stream.next() => match piece {
                    Some(event) => shown.event(event?)?,
                    None => return stream.answer().await.map_err(|refusal| self.explain(refusal)),
                },
                _ = tokio::signal::ctrl_c() => {
                    stops += 1;
                    if stops > 1 {
                        return Err(Failure::new(exit::STOPPED, "stopped"));
                    }
                    // The answer so far is kept, and the turn still says how it ended.
                    stream.cancel();
                }
            }
        }
    }

    fn explain(&self, refusal: Refusal) -> Failure {
        let died = refusal.code == Code::PeerDied;
        let mut failure = Failure::from(refusal);
        if died {
            failure.sentence =
                format!("{}; what had arrived is kept, see `lamos history {}`", failure.sentence, self.conversation);
        }
        failure
    }
}

/// What of a turn has been shown.
struct Shown {
    as_json: bool,
    waiting: Waiting,
    text: String,
    events: Vec<Value>,
    ends_line: bool,
}

impl Shown {
    fn event(&mut self, event: TurnEvent) -> Outcome {
        match event {
            TurnEvent::Text(text) => {
                self.waiting.end();
                if !self.as_json {
                    words::answer(&plain(&text))?;
                    self.ends_line = text.ends_with('\n');
                }
                self.text.push_str(&text);
            }
            TurnEvent::Thinking(_) => self.waiting.now("thinking"),
            TurnEvent::SkillChosen(skill) => {
                self.waiting.now(&skill);
                self.note(&format!("Using the skill {skill}."), json!({ "skill": skill }))?;
            }
            TurnEvent::ToolStarted { name, input } => {
                self.waiting.now(&name);
                self.note(&format!("Running {name}."), json!({ "tool": name, "input": input }))?;
            }
            TurnEvent::ToolEnded { name, ok, output } => {
                let how = if ok { "has run" } else { "failed" };
                self.note(
                    &format!("{name} {how}: {}", first_line(&output)),
                    json!({ "tool": name, "ok": ok, "output": output }),
                )?;
            }
            TurnEvent::Waiting(what) => self.waiting.now(&what),
        }
        Ok(())
    }

    fn note(&mut self, words: &str, event: Value) -> Outcome {
        if self.as_json {
            self.events.push(event);
        } else {
            self.end_line()?;
            self.waiting.aside(|| tell(words));
        }
        Ok(())
    }

    fn end_line(&mut self) -> Outcome {
        if !self.ends_line {
            words::answer("\n")?;
            self.ends_line = true;
        }
        Ok(())
    }

    fn report(&self, conversation: ConversationId, trace: TraceId, taken: &Taken) -> Value {
        json!({
            "conversation": conversation.to_string(),
            "turn": taken.turn.to_string(),
            "trace": trace.to_string(),
            "answer": self.text,
            "made_by": taken.made_by,
            "value": serde_json::from_str::<Value>(&taken.value).unwrap_or(Value::Null),
            "steps": self.events,
            "tokens": { "input": taken.usage.input, "output": taken.usage.output },
        })
    }
}

/// The beginning of a text, for a line about it.
fn first_line(text: &str) -> String {
    const MOST: usize = 100;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
