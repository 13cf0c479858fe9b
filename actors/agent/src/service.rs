//! What an agent is asked, and how a question becomes a turn.

use std::{cell::Cell, future::Future, rc::Rc, time::Duration};

use ipc::{
    Client, Code, Refusal,
    endpoint::{Events, Incoming, Options, Reply},
    id::{ConversationId, MessageId, TraceId, TurnId},
    messages::{
        agent::{
            CheckSkill, Given, Goal, InputSummary, ListSkills, Request, ShowSkill, SkillChecked, SkillProblem, SkillSummary,
            SkillText, Skills, Take, Taken,
        },
        chat::{Attached, MAX_ATTACHMENT, MAX_ATTACHMENTS, MAX_TEXT},
        common::Chunk,
        storage::{CreateConversation, ListFiles, MAX_PAGE, PutAttachment, ReadFile},
    },
    role::source,
};

use crate::{
    driver::{Means, drive},
    past::{self, Past},
    persist::keep,
    prompt,
    python::Files,
    route::kind,
    skills::{Library, Problem, Scope, Skill, Source, UserFiles, read_folder},
    turn::{Ask, Turn},
};

/// How long an agent stays that nobody asks anything.
const IDLE: Duration = Duration::from_secs(60);

/// Longest title made from a question, in characters.
const TITLE: usize = 60;

/// Most files of the person's skills, and most bytes of a folder that is looked at.
const MAX_FILES: usize = 2000;

/// Largest file of a skill that is read, in bytes. A larger one is in the volume and not in the skill.
const MAX_SKILL_FILE: u64 = 1 << 20;
const MAX_FOLDER: u64 = 4 << 20;

/// What an answer is made with.
pub(crate) struct Service {
    conversation: ConversationId,
    client: Client<source::Agent>,
    busy: Cell<bool>,
}

/// Answers until the supervisor wants no more, or nobody has asked anything for a while.
pub(crate) fn run(service: Service, events: Events) -> impl Future<Output = ()> {
    let service = Rc::new(service);
    ipc::endpoint::serve_until_idle(events, IDLE, move |incoming| {
        let service = Rc::clone(&service);
        async move { service.answer(incoming).await }
    })
}

impl Service {
    pub(crate) fn new(conversation: ConversationId, client: Client<source::Agent>) -> Service {
        Service { conversation, client, busy: Cell::new(false) }
    }

    async fn answer(&self, incoming: Incoming) {
        let trace = incoming.trace();
        match Request::decode(incoming.method(), incoming.body()) {
            Ok(Request::Take(take)) => {
                let mut reply = incoming.reply::<Take>();
                let result = if self.busy.replace(true) {
                    Err(Refusal::new(Code::TurnInProgress, "this conversation is answering already; wait for it or stop it"))
                } else {
                    let result = self.take(take, trace, &mut reply).await;
                    self.busy.set(false);
                    result
                };
                reply.finish(result);
            }
            Ok(Request::ListSkills(ListSkills)) => {
                let result = self.library(trace).await.map(|library| Skills {
                    items: library.skills.iter().map(summary).collect(),
                    problems: library.problems.iter().map(problem).collect(),
                });
                incoming.reply::<ListSkills>().finish(result);
            }
            Ok(Request::ShowSkill(show)) => {
                let result = self.library(trace).await.and_then(|library| {
                    let skill = library.get(&show.name);
                    let skill = skill.ok_or_else(|| {
                        Refusal::new(Code::UnknownSkill, format!("there is no skill {:?}; `lamos skills` lists them", show.name))
                    })?;
                    Ok(SkillText { text: skill.text.clone(), files: skill.files.clone() })
                });
                incoming.reply::<ShowSkill>().finish(result);
            }
            Ok(Request::CheckSkill(check)) => {
                let mut reply = incoming.reply::<CheckSkill>();
                let result = check_skill(check, &mut reply).await;
                reply.finish(result);
            }
            Err(refusal) => incoming.refuse(&refusal),
        }
    }

    async fn take(&self, take: Take, trace: TraceId, reply: &mut Reply<Take>) -> Result<Taken, Refusal> {
        let words = match &take.goal {
            Goal::Words(words) if words.trim().is_empty() => {
                return Err(Refusal::new(Code::InputMissing, "nothing was asked; write what you want"));
            }
            Goal::Words(words) if words.len() > MAX_TEXT => {
                return Err(Refusal::new(
                    Code::NotKeepable,
                    format!("a question has at most {MAX_TEXT} bytes; give the rest as a file"),
                ));
            }
            Goal::Words(words) => words.clone(),
            Goal::Skill(name) => name.clone(),
        };
        let files = Rc::new(receive(&take.attachments, MAX_ATTACHMENT, MAX_ATTACHMENTS, reply).await?);
        let request = CreateConversation { id: self.conversation, title: title(&words) };
        let conversation = keep(&self.client, trace, &request).await?;
        let attachments = self.keep_attachments(&files, trace).await?;
        let library = Rc::new(self.library(trace).await?);
        let past = Past { client: &self.client, conversation: self.conversation, trace };
        let messages = past.messages(conversation.messages).await?;
        let earlier = Rc::new(past.files(&messages, &files).await?);
        let kinds: Vec<String> = files.iter().map(|(name, _)| kind(name)).collect();
        let model = take.model.clone().map(|model| (model, prompt::system(&library, &words, &kinds)));
        let turn = TurnId(random()?);
        let ask = Ask {
            turn,
            question: MessageId(random()?),
            conversation: self.conversation,
            goal: take.goal.clone(),
            attachments,
            earlier: earlier.iter().map(|(name, _)| name.clone()).collect(),
            history: if take.model.is_some() { past::said(messages) } else { Vec::new() },
            model: take.model,
        };
        let means = Means {
            client: self.client.clone(),
            trace,
            conversation: self.conversation,
            turn,
            library,
            files,
            earlier,
            goal: take.goal,
            inputs: take.inputs,
            model,
        };
        tracing::info!(%turn, files = means.files.len(), model = means.model.is_some(), "the turn begins");
        let result = drive(means, Turn::new(ask), reply).await;
        match &result {
            Ok(taken) => {
                let (steps, input, output) = (taken.steps, taken.usage.input, taken.usage.output);
                tracing::info!(%turn, steps, input, output, "the turn ends");
            }
            Err(refusal) => tracing::info!(%turn, code = ?refusal.code, "the turn ends without an answer"),
        }
        result
    }

    async fn keep_attachments(&self, files: &Files, trace: TraceId) -> Result<Vec<Attached>, Refusal> {
        let mut attachments = Vec::with_capacity(files.len());
        for (name, bytes) in files.iter() {
            let request = PutAttachment::new(self.conversation, name.clone(), bytes.len() as u64);
            let stream = self.client.open(&request, Options { trace: Some(trace), ..Options::default() })?;
            for chunk in bytes.chunks(Chunk::SIZE) {
                if !stream.send(&Chunk(chunk.to_vec())).await? {
                    break;
                }
            }
            stream.end();
            attachments.push(stream.answer().await?);
        }
        Ok(attachments)
    }

    /// The skills that ship and the person's own.
    async fn library(&self, trace: TraceId) -> Result<Library, Refusal> {
        let mut files = UserFiles::new();
        let mut after = String::new();
        loop {
            let request = ListFiles { prefix: "user/skills/".to_owned(), after: after.clone(), limit: MAX_PAGE };
            let page = keep(&self.client, trace, &request).await?;
            for file in page.items.iter().filter(|file| file.length <= MAX_SKILL_FILE) {
                files.insert(file.path.clone(), self.read_file(&file.path, trace).await?);
            }
            match page.items.last() {
                Some(last) if page.more && files.len() < MAX_FILES => after.clone_from(&last.path),
                _ => return Ok(Library::with_user(&files)),
            }
        }
    }

    async fn read_file(&self, path: &str, trace: TraceId) -> Result<Vec<u8>, Refusal> {
        let request = ReadFile { path: path.to_owned(), offset: 0, length: MAX_SKILL_FILE };
        let mut stream = self.client.open(&request, Options { trace: Some(trace), ..Options::default() })?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend(chunk?.0);
        }
        stream.answer().await?;
        Ok(bytes)
    }
}

/// The bytes of files that come as one stream, in their order.
async fn receive<M>(given: &[Given], most: u64, count: usize, reply: &mut Reply<M>) -> Result<Vec<(String, Vec<u8>)>, Refusal>
where
    M: ipc::service::Method<Up = Chunk>,
{
    if given.len() > count {
        return Err(Refusal::new(Code::NotKeepable, format!("at most {count} files at once, not {}", given.len())));
    }
    if let Some(large) = given.iter().find(|file| file.length > most) {
        return Err(Refusal::new(
            Code::NotKeepable,
            format!("{} has {} bytes, and {most} are the most that can be given", large.name, large.length),
        ));
    }
    let mut files: Vec<(String, Vec<u8>)> = Vec::with_capacity(given.len());
    let mut waiting = Vec::new();
    for file in given {
        let length = usize::try_from(file.length).unwrap_or(usize::MAX);
        while waiting.len() < length {
            match reply.next().await {
                Some(chunk) => waiting.extend(chunk?.0),
                None => return Err(Refusal::new(Code::Malformed, "a file has fewer bytes than was said")),
            }
        }
        let rest = waiting.split_off(length);
        files.push((file.name.clone(), std::mem::replace(&mut waiting, rest)));
    }
    Ok(files)
}

async fn check_skill(check: CheckSkill, reply: &mut Reply<CheckSkill>) -> Result<SkillChecked, Refusal> {
    let invalid = |sentence: String| Refusal::new(Code::SkillInvalid, format!("{} is not a skill: {sentence}", check.name));
    if check.files.iter().map(|file| file.length).sum::<u64>() > MAX_FOLDER {
        return Err(invalid(format!("it has more than {MAX_FOLDER} bytes")));
    }
    let source: Source = receive(&check.files, MAX_FOLDER, MAX_FILES, reply).await?.into_iter().collect();
    let path = format!("user/skills/{}", check.name);
    let (skill, problems) = read_folder(&path, &check.name, &source, Scope::User).map_err(invalid)?;
    Ok(SkillChecked { skill: summary(&skill), problems: problems.iter().map(problem).collect() })
}

fn summary(skill: &Skill) -> SkillSummary {
    let inputs = skill.interface.iter().flat_map(|interface| &interface.inputs).map(|input| InputSummary {
        name: input.name.clone(),
        kind: input.kind.name().to_owned(),
        description: input.description.clone(),
        required: input.required,
        default: input
            .default
            .as_ref()
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .unwrap_or_default(),
    });
    SkillSummary {
        name: skill.name.clone(),
        description: skill.description.clone(),
        scope: skill.scope.name().to_owned(),
        executable: skill.interface.is_some(),
        inputs: inputs.collect(),
    }
}

fn problem(problem: &Problem) -> SkillProblem {
    SkillProblem { path: problem.path.clone(), sentence: problem.sentence.clone() }
}

/// The beginning of a question, on one line.
fn title(words: &str) -> String {
    let line: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|letter| !letter.is_control()).collect();
    match line.char_indices().nth(TITLE) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

fn random() -> Result<[u8; 16], Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::internal(format!("get random bytes: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_short_line() {
        assert_eq!(title("  What is\n\tthis? "), "What is this?");
        assert_eq!(title(&"a".repeat(100)).chars().count(), TITLE + 1);
        assert_eq!(title("\u{1b}[31mred"), "[31mred");
    }
}
