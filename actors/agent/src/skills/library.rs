//! All skills that are known: those that ship, and over them the person's own.

use std::{collections::BTreeMap, sync::OnceLock};

use serde_json::{Map, Value};

use super::{
    Problem, Scope, Skill, check,
    front_matter::{list_of, parse, split, text_of, yaml},
    interface::Interface,
    legacy,
};

/// Where the person's own skills are kept.
pub(crate) const USER: &str = "user/skills/";

/// Skills and what is wrong with some of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Library {
    /// By name; one of each.
    pub(crate) skills: Vec<Skill>,
    /// What is not as it should be.
    pub(crate) problems: Vec<Problem>,
}

/// Files of a folder, by path within it.
pub(crate) type Source = BTreeMap<String, Vec<u8>>;

/// The person's files below [`USER`], by full path.
pub(crate) type UserFiles = BTreeMap<String, Vec<u8>>;

impl Library {
    /// The shipped skills, and the person's own over them.
    pub(crate) fn with_user(files: &UserFiles) -> Library {
        let mut library = system().clone();
        let mut folders: BTreeMap<&str, Source> = BTreeMap::new();
        for (path, bytes) in files {
            let Some(inside) = path.strip_prefix(USER) else { continue };
            match inside.split_once('/') {
                Some((folder, file)) => {
                    folders.entry(folder).or_default().insert(file.to_owned(), bytes.clone());
                }
                None if inside.ends_with(".md") => {
                    let read =
                        text(bytes).ok_or("it is not text".to_owned()).and_then(|text| legacy::read(path, text, Scope::User));
                    library.add(path, read);
                }
                None => {}
            }
        }
        for (folder, source) in folders {
            let path = format!("{USER}{folder}");
            match read_folder(&path, folder, &source, Scope::User) {
                Ok((skill, problems)) => {
                    library.problems.extend(problems);
                    library.add(&path, Ok(skill));
                }
                Err(sentence) => library.add(&path, Err(sentence)),
            }
        }
        library
    }

    /// A skill by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&Skill> {
        self.skills.iter().find(|skill| skill.name == name)
    }

    fn add(&mut self, path: &str, skill: Result<Skill, String>) {
        match skill {
            Ok(skill) => {
                if let Some(old) = self.skills.iter_mut().find(|old| old.name == skill.name) {
                    self.problems.push(Problem {
                        path: path.to_owned(),
                        sentence: format!("it takes the place of the {} skill of the same name", old.scope.name()),
                    });
                    *old = skill;
                } else {
                    self.skills.push(skill);
                    self.skills.sort_by(|one, other| one.name.cmp(&other.name));
                }
            }
            Err(sentence) => self.problems.push(Problem { path: path.to_owned(), sentence }),
        }
    }
}

/// The skills that ship. Read once for each process.
pub(crate) fn system() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let mut library = Library::default();
        let mut folders: BTreeMap<&str, Source> = BTreeMap::new();
        for (path, bytes) in system_skills::files() {
            if let Some((folder, inside)) = path.split_once('/') {
                folders.entry(folder).or_default().insert(inside.to_owned(), bytes.to_vec());
            }
        }
        for (name, source) in folders {
            let path = format!("system/skills/{name}");
            match read_folder(&path, name, &source, Scope::System) {
                Ok((skill, problems)) => {
                    library.problems.extend(problems);
                    library.add(&path, Ok(skill));
                }
                Err(sentence) => library.add(&path, Err(sentence)),
            }
        }
        library
    })
}

/// Reads a folder as a skill. A sentence says why it is none.
pub(crate) fn read_folder(path: &str, folder: &str, source: &Source, scope: Scope) -> Result<(Skill, Vec<Problem>), String> {
    let guide = ["SKILL.md", "skill.md"].iter().find_map(|name| source.get(*name)).ok_or("it has no SKILL.md")?;
    let guide = text(guide).ok_or("its SKILL.md is not text")?;
    let (head, _) = split(guide)?;
    let head = parse(head)?;
    let get = |key: &str| head.get(key).and_then(text_of).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let description = get("description").ok_or("its head has no description")?;
    let name = get("name").unwrap_or_else(|| folder.to_owned());
    let mut problems = check::head(&format!("{path}/SKILL.md"), folder, &head);
    let (mut keywords, mut interface) = (Vec::new(), None);
    if let Some(bytes) = source.get("interface.yaml") {
        match read_interface(bytes, source) {
            Ok((words, read)) => {
                keywords = words;
                interface = Some(read);
            }
            // It can still be read by a model; it only does not run by itself.
            Err(sentence) => problems.push(Problem { path: format!("{path}/interface.yaml"), sentence }),
        }
    }
    let files = source.keys().filter(|file| !file.eq_ignore_ascii_case("SKILL.md")).cloned().collect();
    Ok((Skill { name, description, scope, text: guide.to_owned(), keywords, interface, files }, problems))
}

fn read_interface(bytes: &[u8], source: &Source) -> Result<(Vec<String>, Interface), String> {
    let map: Map<String, Value> = yaml(text(bytes).ok_or("it is not text")?)?;
    let entry = map.get("entry").and_then(text_of).ok_or("it names no entry, as in `entry: scripts/main.py`")?;
    let script = source.get(&entry).ok_or_else(|| format!("its entry {entry:?} is not in the folder"))?;
    let script = text(script).ok_or_else(|| format!("its entry {entry:?} is not text"))?;
    let keywords = map.get("keywords").map(list_of).unwrap_or_default();
    Ok((keywords, Interface::new(script.to_owned(), map.get("inputs"))?))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
