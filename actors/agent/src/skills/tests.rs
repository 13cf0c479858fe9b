//! The skills that ship: each is as it should be, the goals that are meant for it lead to it, and those that are not do not.

use serde_json::Value;

use super::*;

fn evals(name: &str) -> Value {
    let path = format!("{}/../../system-skills/{name}/evals/evals.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().map(|items| items.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default()
}

#[test]
fn every_shipped_skill_is_in_order() {
    let library = system();
    assert_eq!(library.problems, []);
    assert!(library.skills.len() >= 10, "{} skills", library.skills.len());
    for skill in &library.skills {
        assert!(skill.interface.is_some(), "{} runs without a model", skill.name);
        let evals = evals(&skill.name);
        assert_eq!(evals["skill_name"], skill.name.as_str());
        assert!(evals["evals"].as_array().is_some_and(|evals| evals.len() >= 3), "{}", skill.name);
        assert!(strings(&evals["unrelated"]).len() >= 2, "{}", skill.name);
    }
}

#[test]
fn goals_lead_to_the_skill_they_mean() {
    let skills = &system().skills;
    let mut wrong = Vec::new();
    for skill in skills {
        let evals = evals(&skill.name);
        for eval in evals["evals"].as_array().into_iter().flatten() {
            let goal = eval["prompt"].as_str().unwrap_or_default();
            let kinds: Vec<String> = strings(&eval["files"]).iter().map(|file| extract::extension(file)).collect();
            let hit = best(skills, goal, &kinds);
            if hit.as_ref().map(|hit| &hit.skill.name) != Some(&skill.name) {
                let top: Vec<String> =
                    rank(skills, goal, &kinds).iter().take(3).map(|hit| format!("{} {:.1}", hit.skill.name, hit.score)).collect();
                wrong.push(format!("{}: {goal:?} {kinds:?} led to {top:?}", skill.name));
            }
        }
        for goal in strings(&evals["unrelated"]) {
            let hit = best(skills, &goal, &[]);
            if let Some(hit) = hit.filter(|hit| hit.skill.name == skill.name) {
                wrong.push(format!("{}: unrelated {goal:?} led to it with {:.1}", skill.name, hit.score));
            }
        }
    }
    assert!(wrong.is_empty(), "{} goals went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_no_skill_is_meant_for_leads_nowhere() {
    for goal in [
        "hello",
        "who are you?",
        "write a poem about the sea",
        "what is the capital of France",
        "how do I cook rice",
        "translate good morning into Spanish",
        "explain the capability model",
        "give me a recipe for cinnamon rolls",
        "tell me a joke about tax collectors",
        "",
        "   ",
        "?!",
    ] {
        let hit = best(&system().skills, goal, &[]);
        assert!(hit.is_none(), "{goal:?} led to {:?}", hit.map(|hit| (hit.skill.name.clone(), hit.score)));
    }
}

#[test]
fn the_inputs_of_every_example_are_found() {
    for skill in &system().skills {
        let interface = skill.interface.as_ref().expect("executable");
        for eval in evals(&skill.name)["evals"].as_array().into_iter().flatten() {
            let files = strings(&eval["files"]).iter().filter_map(|path| path.rsplit('/').next().map(str::to_owned)).collect();
            let given = Given { goal: eval["prompt"].as_str().unwrap_or_default().to_owned(), files, ..Given::default() };
            assert!(extract(interface, &given).is_ok(), "{}: {given:?} {:?}", skill.name, extract(interface, &given));
        }
    }
}

fn folder(files: &[(&str, &str)]) -> Source {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

#[test]
fn a_skill_of_ones_own_takes_the_place_of_a_shipped_one() {
    let shipped = system().skills[0].name.clone();
    let guide = format!("---\nname: {shipped}\ndescription: mine\n---\n");
    let files = UserFiles::from([(format!("user/skills/{shipped}/SKILL.md"), guide.into_bytes())]);
    let library = Library::with_user(&files);
    let skill = library.get(&shipped).expect("a skill");
    assert_eq!((skill.description.as_str(), skill.scope), ("mine", Scope::User));
    assert!(library.problems.iter().any(|problem| problem.sentence.contains("takes the place")), "and it is said");
    assert_eq!(library.skills.len(), system().skills.len());
}

#[test]
fn a_folder_that_cannot_be_read_is_reported_and_harms_no_other() {
    for (files, why) in [
        (vec![], "no SKILL.md"),
        (vec![("SKILL.md", "no head")], "three hyphens"),
        (vec![("SKILL.md", "---\nname: x\n---\n")], "no description"),
        (vec![("SKILL.md", "---\n[\n---\n")], "YAML"),
    ] {
        let result = read_folder("user/skills/x", "x", &folder(&files), Scope::User);
        assert!(result.as_ref().err().is_some_and(|sentence| sentence.contains(why)), "{why}: {result:?}");
    }
    let files = UserFiles::from([("user/skills/bad/SKILL.md".to_owned(), b"\xff\xfe".to_vec())]);
    let library = Library::with_user(&files);
    assert_eq!(library.skills.len(), system().skills.len());
    assert_eq!(library.problems.len(), 1);
}

#[test]
fn what_is_not_as_the_specification_wants_it_is_said_and_used() {
    let files = folder(&[
        ("SKILL.md", "---\nname: Other Name\ndescription: d\ncolour: red\n---\n"),
        ("interface.yaml", "entry: gone.py\n"),
    ]);
    let (skill, problems) = read_folder("user/skills/x", "x", &files, Scope::User).expect("a skill");
    assert!(skill.interface.is_none());
    let all: String = problems.iter().map(|problem| format!("{problem:?}\n")).collect();
    for said in ["lower-case", "that of its folder", "no field \\\"colour\\\"", "not in the folder"] {
        assert!(all.contains(said), "{said} in {all}");
    }
}
