//! The skills of LLMos: one Markdown file each. A guide has a head and a body; an executable node also has `inputs`, and
//! its first fenced block of Python defines `execute(inputs)`.

use serde_json::{Map, Value};

use super::{
    Scope, Skill,
    front_matter::{list_of, parse, split, text_of},
    interface::Interface,
};

/// Reads such a file. A sentence says why it cannot be used.
pub(crate) fn read(path: &str, text: &str, scope: Scope) -> Result<Skill, String> {
    let (head, body) = split(text)?;
    let head = parse(head)?;
    let get = |key: &str| head.get(key).and_then(text_of).filter(|value| !value.trim().is_empty());
    let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".md").to_owned();
    let name = slug(&get("skill_id").or_else(|| get("name")).unwrap_or(stem));
    if name.is_empty() {
        return Err("it has no name".to_owned());
    }
    let description = get("description").ok_or("it has no description")?;
    let interface = if runs_python(&head) {
        fenced_python(body).map(|script| Interface::new(script, head.get("inputs"))).transpose()?
    } else {
        None
    };
    let keywords = ["keywords", "tags"].iter().filter_map(|key| head.get(*key)).flat_map(list_of).collect();
    Ok(Skill { name, description, scope, text: text.to_owned(), keywords, interface, files: Vec::new() })
}

fn runs_python(head: &Map<String, Value>) -> bool {
    let kind = head.get("type").and_then(text_of).unwrap_or_default();
    kind.contains("python") || kind == "qiskit"
}

/// The first fenced block of Python that defines `execute`.
fn fenced_python(body: &str) -> Option<String> {
    let mut script: Option<String> = None;
    for line in body.lines() {
        match &mut script {
            None if matches!(line.trim(), "```python" | "```py") => script = Some(String::new()),
            Some(code) if line.trim_end() == "```" => {
                if code.contains("def execute(") {
                    return script;
                }
                script = None;
            }
            Some(code) => {
                code.push_str(line);
                code.push('\n');
            }
            None => {}
        }
    }
    None
}

/// A name as the specification wants it.
pub(crate) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "---\nskill_id: hello_world_node\nname: Hello World\ndescription: Greets.\ntype: python-wasm\nexecution_mode: browser-wasm\ntags: [\"demo\", \"greeting\"]\ninputs:\n  - name: who\n    type: string\n    description: whom\n    default: \"World\"\n    required: false\noutputs:\n  - name: greeting\n    type: string\n---\n# Hello\n\n```python\ndef execute(inputs):\n    return {'answer': 'Hello ' + inputs['who']}\n```\n";

    #[test]
    fn an_executable_node_is_read() {
        let skill = read("user/skills/hello.md", NODE, Scope::User).expect("a skill");
        assert_eq!((skill.name.as_str(), skill.keywords.join(" ").as_str()), ("hello-world-node", "demo greeting"));
        let interface = skill.interface.expect("executable");
        assert!(interface.script.starts_with("def execute"));
        assert_eq!(interface.inputs[0].default, Some(Value::from("World")));
    }

    #[test]
    fn a_guide_has_no_script() {
        let guide = "---\nname: Data Analysis\ncategory: analysis\ndescription: How to look at data\nkeywords: [data, csv]\n---\n## When to Use\n```python\nprint(1)\n```\n";
        let skill = read("user/skills/data-analysis.md", guide, Scope::User).expect("a skill");
        assert_eq!(skill.name, "data-analysis");
        assert!(skill.interface.is_none());
    }

    #[test]
    fn names_become_what_they_must_be() {
        for (name, slugged) in [("Hello, World!", "hello-world"), ("  a__b ", "a-b"), ("Größe 2", "größe-2"), ("--", "")] {
            assert_eq!(slug(name), slugged);
        }
    }
}
