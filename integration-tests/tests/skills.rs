//! Every skill that ships does what its own examples say, through every process; and skills of one's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::fs;

use integration_tests::{
    home::{Home, workspace},
    serve::Serve,
};
use serde_json::Value;

fn evals() -> Vec<(String, Value)> {
    let folder = workspace().join("system-skills");
    let mut evals: Vec<(String, Value)> = fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(path.join("evals/evals.json")).ok()?;
            Some((path.file_name()?.to_str()?.to_owned(), serde_json::from_str(&text).unwrap()))
        })
        .collect();
    evals.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(evals.len() >= 10, "the skills are found");
    evals
}

#[test]
fn every_example_gives_its_answer() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for (name, evals) in evals() {
        for eval in evals["evals"].as_array().unwrap() {
            let folder = workspace().join("system-skills").join(&name);
            let files = eval["files"].as_array().unwrap().iter().map(|file| folder.join(file.as_str().unwrap()));
            let mut words = vec!["--json".to_owned(), "ask".to_owned(), "--no-model".to_owned()];
            for file in files {
                words.extend(["--file".to_owned(), file.to_str().unwrap().to_owned()]);
            }
            words.extend(["--".to_owned(), eval["prompt"].as_str().unwrap().to_owned()]);
            let report = home.run(words.iter().map(String::as_str)).json();
            assert_eq!(report["made_by"], name.as_str(), "{}", eval["prompt"]);
            assert_eq!(
                report["answer"].as_str().unwrap().trim_end(),
                eval["expected_output"].as_str().unwrap().trim_end(),
                "{name}: {}",
                eval["prompt"]
            );
        }
    }
}

#[test]
fn what_belongs_elsewhere_goes_elsewhere() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for (name, evals) in evals() {
        for goal in evals["unrelated"].as_array().unwrap() {
            let outcome = home.run(["--json", "ask", "--no-model", "--", goal.as_str().unwrap()]);
            assert!(!outcome.err.contains("panicked"), "{outcome:?}");
            if outcome.code == 0 {
                assert_ne!(outcome.json()["made_by"], name.as_str(), "{goal}");
            }
        }
    }
}

#[test]
fn skills_can_be_listed_and_read() {
    let home = Home::new();
    let list = home.run(["--json", "skills"]).json();
    assert_eq!(list["skills"].as_array().unwrap().len(), evals().len());
    assert_eq!(list["problems"].as_array().unwrap().len(), 0, "{list:#}");
    let text = home.run(["skills", "loan-plan"]).good();
    assert!(text.contains("name: loan-plan") && text.contains("--input "), "{text}");
    let said = home.run(["skills", "no-such-skill"]).bad(3);
    assert!(said.contains("no-such-skill") && said.contains("lamos skills"), "{said}");
}

const GREETING: &str =
    "---\nname: greeting\ndescription: Greets somebody by name in a friendly way. Use it to greet.\n---\n# Greeting\n";
const INTERFACE: &str = "entry: scripts/main.py\nkeywords: [greet, greeting]\ninputs:\n  - {name: who, type: text, description: whom to greet, required: true}\noutputs:\n  - {name: answer, type: text, description: the greeting}\n";

fn write_skill(home: &Home, script: &str) -> String {
    let folder = home.path("greeting");
    fs::create_dir_all(folder.join("scripts")).unwrap();
    fs::write(folder.join("SKILL.md"), GREETING).unwrap();
    fs::write(folder.join("interface.yaml"), INTERFACE).unwrap();
    fs::write(folder.join("scripts/main.py"), script).unwrap();
    folder.to_str().unwrap().to_owned()
}

#[test]
fn a_skill_of_ones_own_is_kept_found_run_and_removed() {
    let home = Home::new();
    let folder = write_skill(&home, "def execute(inputs):\n    return {'answer': 'Hello, ' + inputs['who'] + '!'}\n");
    home.run(["skills", "add", &folder]).good();
    fs::remove_dir_all(&folder).unwrap();
    // It is in the sealed archive now, and new processes find it there.
    let list = home.run(["--json", "skills"]).json();
    let ours = list["skills"].as_array().unwrap().iter().find(|skill| skill["name"] == "greeting").expect("it is listed");
    assert_eq!(ours["scope"], "user");
    assert_eq!(home.run(["run", "greeting", "-i", "who=Anna"]).good().trim_end(), "Hello, Anna!");
    let said = home.run(["run", "greeting"]).bad(3);
    assert!(said.contains("who") && said.contains("--input"), "{said}");
    home.run(["skills", "remove", "greeting"]).good();
    home.run(["run", "greeting", "-i", "who=Anna"]).bad(3);
}

#[test]
fn a_folder_that_is_no_skill_is_refused_with_the_reason() {
    let home = Home::new();
    fs::create_dir_all(home.path("empty")).unwrap();
    let said = home.run(["skills", "add", home.path("empty").to_str().unwrap()]).bad(3);
    assert!(said.contains("SKILL.md"), "{said}");
    let said = home.run(["skills", "add", home.path("nowhere").to_str().unwrap()]).bad(3);
    assert!(said.contains("nowhere"), "{said}");
    let folder = write_skill(&home, "def execute(inputs): return {}");
    fs::write(home.path("greeting/SKILL.md"), "# A text without front matter\n").unwrap();
    let said = home.run(["skills", "add", &folder]).bad(3);
    assert!(said.contains("hyphens"), "it says what is missing: {said}");
    assert!(home.run(["--json", "skills"]).json()["skills"].as_array().unwrap().iter().all(|skill| skill["scope"] == "system"));
}

#[test]
fn what_no_skill_can_do_says_what_would() {
    let home = Home::new();
    let said = home.run(["ask", "Write a love letter with the word moon in it"]).bad(4);
    assert!(said.contains("OPENAI_API_KEY") || said.contains("model"), "{said}");
    assert!(said.contains("lamos skills"), "{said}");
    // The question is kept all the same.
    let list = home.run(["--json", "history"]).json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list:#}");
}
