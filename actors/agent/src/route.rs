//! Finding a skill for a goal without a model, and what to say when none fits.

use ipc::{
    Code, Refusal,
    messages::agent::{Goal, Input},
};

use crate::{
    python::Files,
    skills::{Given, Interface, Library, Missing, Skill, best, extract},
    turn::Plan,
};

/// Bytes of a table that are looked at for its columns.
const HEADER: usize = 64 << 10;

/// The skill a goal means, with its inputs.
/// Files that were given with an earlier question count only where it cannot be done without them.
pub(crate) fn route(library: &Library, goal: &Goal, named: &[Input], files: &Files, earlier: &Files) -> Result<Plan, Refusal> {
    match with_files(library, goal, named, files) {
        Err(refusal) if !earlier.is_empty() && matches!(refusal.code, Code::NoSkill | Code::InputMissing) => {
            let all: Vec<_> = files.iter().chain(earlier.iter()).cloned().collect();
            with_files(library, goal, named, &all).map_err(|_| refusal)
        }
        result => result,
    }
}

fn with_files(library: &Library, goal: &Goal, named: &[Input], files: &[(String, Vec<u8>)]) -> Result<Plan, Refusal> {
    let given = Given {
        goal: match goal {
            Goal::Words(words) => words.clone(),
            Goal::Skill(_) => String::new(),
        },
        named: named.iter().map(|input| (input.name.clone(), input.value.clone())).collect(),
        files: files.iter().map(|(name, _)| name.clone()).collect(),
        columns: files.iter().find_map(|(name, bytes)| columns(name, bytes)).unwrap_or_default(),
    };
    let skill = match goal {
        Goal::Skill(name) => library.get(name).ok_or_else(|| unknown(library, name))?,
        Goal::Words(words) => {
            let kinds: Vec<String> = given.files.iter().map(|file| kind(file)).collect();
            best(&library.skills, words, &kinds).map(|hit| hit.skill).ok_or_else(none_fits)?
        }
    };
    let interface = skill.interface.as_ref().ok_or_else(|| {
        Refusal::new(
            Code::InputInvalid,
            format!("{} is a guide for a model and has no script to run; ask a model instead", skill.name),
        )
    })?;
    let inputs = extract(interface, &given).map_err(|missing| refuse(skill, interface, missing))?;
    Ok(Plan {
        skill: skill.name.clone(),
        script: interface.script.clone(),
        inputs: serde_json::Value::Object(inputs).to_string(),
    })
}

fn none_fits() -> Refusal {
    Refusal::new(
        Code::NoSkill,
        "no skill fits this and no model is there to ask; see `lamos skills`, or set OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY or OLLAMA_HOST",
    )
}

/// Names more alike than this are taken for slips of the finger (Jaro and Winkler's measure, 1 for equal ones).
const LIKE: f64 = 0.85;

fn unknown(library: &Library, name: &str) -> Refusal {
    let near = library
        .skills
        .iter()
        .map(|skill| (strsim::jaro_winkler(name, &skill.name), &skill.name))
        .filter(|(likeness, _)| *likeness > LIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, near)| near);
    let hint = near.map_or_else(|| "`lamos skills` lists them".to_owned(), |near| format!("did you mean {near}?"));
    Refusal::new(Code::UnknownSkill, format!("there is no skill {name:?}; {hint}"))
}

fn refuse(skill: &Skill, interface: &Interface, missing: Missing) -> Refusal {
    let name = &skill.name;
    match missing {
        Missing::Inputs(inputs) => {
            let list: Vec<String> = inputs
                .iter()
                .map(|(input, meaning)| {
                    let file = interface
                        .inputs
                        .iter()
                        .any(|spec| spec.name == *input && matches!(spec.kind, crate::skills::InputKind::File(_)));
                    let how = if file { "--file PATH".to_owned() } else { format!("--input {input}=…") };
                    format!("{meaning} ({how})")
                })
                .collect();
            Refusal::new(Code::InputMissing, format!("the skill {name} also needs: {}", list.join("; ")))
        }
        Missing::Invalid { name: input, sentence } => {
            Refusal::new(Code::InputInvalid, format!("input {input} of the skill {name}: {sentence}"))
        }
        Missing::Unknown(input) => {
            let known: Vec<&str> = interface.inputs.iter().map(|spec| spec.name.as_str()).collect();
            Refusal::new(Code::InputInvalid, format!("the skill {name} takes no input {input:?}; it takes {}", known.join(", ")))
        }
    }
}

/// The kind of a file, by the end of its name.
pub(crate) fn kind(name: &str) -> String {
    name.rsplit_once('.').map(|(_, end)| end.to_lowercase()).unwrap_or_default()
}

/// The columns of a table, if the file is one.
fn columns(name: &str, bytes: &[u8]) -> Option<Vec<String>> {
    if !matches!(kind(name).as_str(), "csv" | "tsv" | "tab") {
        return None;
    }
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(HEADER)]);
    let line = text.trim_start_matches('\u{feff}').lines().next()?;
    let delimiter = [b',', b';', b'\t', b'|'].into_iter().max_by_key(|mark| line.bytes().filter(|byte| byte == mark).count())?;
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(line.as_bytes());
    let record = reader.records().next()?.ok()?;
    Some(record.iter().map(|column| column.trim().to_owned()).filter(|column| !column.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::skills::system;

    fn files(list: &[(&str, &str)]) -> Files {
        Rc::new(list.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect())
    }

    fn code(result: Result<Plan, Refusal>) -> Code {
        result.expect_err("refused").code
    }

    #[test]
    fn columns_of_tables_are_seen_through_any_delimiter() {
        assert_eq!(
            columns("a.csv", b"\xef\xbb\xbfname;\"unit; price\";n\r\n1;2;3"),
            Some(vec!["name".into(), "unit; price".into(), "n".into()])
        );
        assert_eq!(columns("a.tsv", b"a\tb\n"), Some(vec!["a".into(), "b".into()]));
        assert_eq!(columns("a.txt", b"a,b\n"), None);
        assert_eq!(columns("a.csv", b""), None);
    }

    #[test]
    fn a_skill_that_does_not_exist_is_named() {
        let result = route(system(), &Goal::Skill("summarise".into()), &[], &files(&[]), &files(&[]));
        let refusal = result.expect_err("refused");
        assert_eq!(refusal.code, Code::UnknownSkill);
        assert!(refusal.sentence.contains("did you mean summarise-csv?"), "{}", refusal.sentence);
    }

    #[test]
    fn what_is_missing_is_asked_for() {
        let refusal = route(system(), &Goal::Skill("loan-plan".into()), &[], &files(&[]), &files(&[])).expect_err("refused");
        assert_eq!(refusal.code, Code::InputMissing);
        assert!(refusal.sentence.contains("--input amount="), "{}", refusal.sentence);
        let refusal = route(system(), &Goal::Skill("summarise-csv".into()), &[], &files(&[]), &files(&[])).expect_err("refused");
        assert!(refusal.sentence.contains("--file"), "{}", refusal.sentence);
    }

    #[test]
    fn what_does_not_belong_is_said() {
        let input = |name: &str, value: &str| Input { name: name.into(), value: value.into() };
        let goal = Goal::Skill("loan-plan".into());
        assert_eq!(code(route(system(), &goal, &[input("colour", "red")], &files(&[]), &files(&[]))), Code::InputInvalid);
        let result = route(system(), &goal, &[input("amount", "lots")], &files(&[]), &files(&[]));
        assert_eq!(code(result), Code::InputInvalid);
        assert_eq!(code(route(system(), &Goal::Words("sing me a song".into()), &[], &files(&[]), &files(&[]))), Code::NoSkill);
    }
}
