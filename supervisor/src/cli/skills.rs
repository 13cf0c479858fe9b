//! `skills`: what can be done, and skills of one's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ipc::{
    endpoint::Options,
    id::ConversationId,
    messages::{
        agent::{CheckSkill, Given, ListSkills, ShowSkill, SkillProblem, SkillSummary},
        common::Chunk,
        storage::{ListFiles, MAX_PAGE, RemoveFile, WriteFile},
        supervisor::Engage,
    },
};
use serde_json::{Value, json};

use super::{
    args::{Common, SkillChange, Skills},
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, line, plain, table, tell},
};
use crate::exit;

/// Most files of a skill, and largest of them.
const MAX_FILES: usize = 200;
const MAX_FILE: u64 = 1 << 20;

/// How deep the folders of a skill may lie in one another.
const MAX_DEPTH: usize = 6;

/// `lamos skills`.
pub async fn skills(session: &Session, common: &Common, args: Skills) -> Outcome {
    sign_in(session, common).await?;
    match (args.change, args.name) {
        (Some(SkillChange::Add { folder }), _) => add(session, &folder, common.json).await,
        (Some(SkillChange::Remove { name }), _) => remove(session, &name).await,
        (None, Some(name)) => show(session, name, common.json).await,
        (None, None) => list(session, common.json).await,
    }
}

/// An agent to ask about skills; its conversation is never begun.
async fn agent(session: &Session) -> Result<Options, Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Failure::new(exit::OURS, format!("failed to get random bytes: {error}")))?;
    let engaged = session.client.call(&Engage { conversation: ConversationId(id) }).await?;
    Ok(Options::at(engaged.instance))
}

async fn list(session: &Session, as_json: bool) -> Outcome {
    let skills = session.client.call_with(&ListSkills, agent(session).await?).await?;
    if as_json {
        let items: Vec<Value> = skills.items.iter().map(skill_json).collect();
        let problems: Vec<Value> =
            skills.problems.iter().map(|problem| json!({ "path": problem.path, "problem": problem.sentence })).collect();
        return Ok(words::json(&json!({ "skills": items, "problems": problems }))?);
    }
    let rows: Vec<Vec<String>> = skills
        .items
        .iter()
        .map(|skill| vec![line(&skill.name), skill.scope.clone(), line(first_sentence(&skill.description))])
        .collect();
    words::answer(&table(&rows))?;
    report(&skills.problems);
    Ok(())
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}

fn report(problems: &[SkillProblem]) {
    for problem in problems {
        tell(&format!("{}: {}", problem.path, problem.sentence));
    }
}

fn skill_json(skill: &SkillSummary) -> Value {
    let inputs: Vec<Value> = skill
        .inputs
        .iter()
        .map(|input| json!({ "name": input.name, "type": input.kind, "description": input.description, "required": input.required, "default": input.default }))
        .collect();
    json!({ "name": skill.name, "description": skill.description, "scope": skill.scope, "executable": skill.executable, "inputs": inputs })
}

async fn show(session: &Session, name: String, as_json: bool) -> Outcome {
    let agent = agent(session).await?;
    let text = session.client.call_with(&ShowSkill { name: name.clone() }, agent).await?;
    if as_json {
        return Ok(words::json(&json!({ "name": name, "text": text.text, "files": text.files }))?);
    }
    words::say(plain(&text.text).trim_end())?;
    let skills = session.client.call_with(&ListSkills, agent).await?;
    if let Some(skill) = skills.items.iter().find(|skill| skill.name == name).filter(|skill| !skill.inputs.is_empty()) {
        let rows: Vec<Vec<String>> = skill
            .inputs
            .iter()
            .map(|input| {
                let need = match (input.required, input.default.as_str()) {
                    (true, _) => "needed".to_owned(),
                    (false, "") => "optional".to_owned(),
                    (false, default) => format!("otherwise {default}"),
                };
                vec![format!("--input {}=", line(&input.name)), input.kind.clone(), need, line(&input.description)]
            })
            .collect();
        words::answer(&format!("\nInputs:\n{}", table(&rows)))?;
    }
    Ok(())
}

/// A file of a skill's folder.
struct Part {
    path: String,
    bytes: Vec<u8>,
}

async fn add(session: &Session, folder: &Path, as_json: bool) -> Outcome {
    let bad = |why: String| Failure::new(3, format!("cannot add {}: {why}", folder.display()));
    let folder = fs::canonicalize(folder).map_err(|error| bad(error.to_string()))?;
    let name =
        folder.file_name().and_then(|name| name.to_str()).ok_or_else(|| bad("its folder has no name that is text".to_owned()))?;
    let mut parts = Vec::new();
    collect(&folder, String::new(), 0, &mut parts).map_err(bad)?;
    // A skill is a stranger's words until it was read by who has no rights.
    let files = parts.iter().map(|part| Given { name: part.path.clone(), length: part.bytes.len() as u64 }).collect();
    let stream = session.client.open(&CheckSkill { name: name.to_owned(), files }, agent(session).await?)?;
    for chunk in parts.iter().flat_map(|part| part.bytes.chunks(Chunk::SIZE)) {
        if !stream.send(&Chunk(chunk.to_vec())).await? {
            break;
        }
    }
    stream.end();
    let checked = stream.answer().await?;
    for part in &parts {
        let request = WriteFile::new(format!("user/skills/{name}/{}", part.path), part.bytes.len() as u64);
        let stream = session.client.open(&request, Options::default())?;
        for chunk in part.bytes.chunks(Chunk::SIZE) {
            if !stream.send(&Chunk(chunk.to_vec())).await? {
                break;
            }
        }
        stream.end();
        stream.answer().await?;
    }
    if as_json {
        words::json(&skill_json(&checked.skill))?;
    } else {
        let runs = if checked.skill.executable { "It runs without a model" } else { "It is a guide for a model" };
        words::say(&format!("Added {}. {runs}.", line(&checked.skill.name)))?;
    }
    report(&checked.problems);
    Ok(())
}

fn collect(folder: &Path, inside: String, depth: usize, parts: &mut Vec<Part>) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("its folders lie more than {MAX_DEPTH} deep"));
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(|error| error.to_string())?;
    entries.sort();
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file in it has a name that is not text")?;
        if name.starts_with('.') {
            continue;
        }
        let inside = if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
        // A link could lead out of the folder, so it is not followed.
        let metadata = fs::symlink_metadata(&path).map_err(|error| error.to_string())?;
        if metadata.is_dir() {
            collect(&path, inside, depth + 1, parts)?;
        } else if metadata.is_file() {
            if metadata.len() > MAX_FILE || parts.len() == MAX_FILES {
                return Err(format!("it has more than {MAX_FILES} files, or one larger than {}", words::bytes(MAX_FILE)));
            }
            let bytes = fs::read(&path).map_err(|error| error.to_string())?;
            parts.push(Part { path: inside, bytes });
        }
    }
    Ok(())
}

async fn remove(session: &Session, name: &str) -> Outcome {
    let mut removed = 0;
    for prefix in [format!("user/skills/{name}/"), format!("user/skills/{name}.md")] {
        loop {
            let page = session.client.call(&ListFiles { prefix: prefix.clone(), after: String::new(), limit: MAX_PAGE }).await?;
            for file in &page.items {
                session.client.call(&RemoveFile { path: file.path.clone() }).await?;
                removed += 1;
            }
            if !page.more {
                break;
            }
        }
    }
    if removed == 0 {
        return Err(Failure::new(3, format!("there is no skill of your own called {name:?}; those that ship cannot be removed")));
    }
    Ok(words::say(&format!("Removed {}.", line(name)))?)
}
