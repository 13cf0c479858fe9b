//! Which skill a goal means: Okapi BM25 (Robertson, Walker: TREC-3, 1994) over whole words, with fields weighted. A word
//! counts for as much as it tells skills apart; what is never asked is whether one text is a part of another.

use std::collections::HashMap;

use super::{InputKind, Skill, words::Words};

const K1: f64 = 1.2;
const B: f64 = 0.6;

/// How much a word in each field counts.
const NAME: f64 = 3.0;
const KEYWORD: f64 = 3.0;
const DESCRIPTION: f64 = 2.0;
const HEADING: f64 = 1.0;

/// Least score of a skill that is chosen without a model and without being named. Below it a goal only shares a word.
const ENOUGH: f64 = 3.4;

/// Least share of a goal's words that such a skill knows: a goal that is mostly about something else is not for it.
const SHARE: f64 = 0.4;

/// The same where files came along that the skill takes: what a goal then says about their content nobody can know.
const SHARE_WITH_FILES: f64 = 0.25;

/// A skill and how well it fits.
#[derive(Clone, Debug)]
pub(crate) struct Hit<'a> {
    /// The skill.
    pub(crate) skill: &'a Skill,
    /// How well it fits; only to be compared.
    pub(crate) score: f64,
    /// How much of the goal it knows, from 0 to 1.
    pub(crate) share: f64,
}

/// The skills that share a telling word with a goal, best first. `given` are the kinds of the files that came with it.
pub(crate) fn rank<'a>(skills: &'a [Skill], goal: &str, given: &[String]) -> Vec<Hit<'a>> {
    let words = Words::new();
    let documents: Vec<HashMap<String, f64>> = skills.iter().map(|skill| weigh(&words, skill)).collect();
    let count = documents.len() as f64;
    let average = documents.iter().map(|document| document.values().sum::<f64>()).sum::<f64>() / count.max(1.0);
    // What stands after a colon is what the goal is about, not what is wanted with it.
    let wanted = goal.split_once(": ").or_else(|| goal.split_once(":\n")).map_or(goal, |(wanted, _)| wanted);
    let mut asked = words.of(wanted);
    asked.retain(|word| !word.starts_with(|letter: char| letter.is_ascii_digit()));
    asked.sort();
    asked.dedup();
    let telling: Vec<(&String, f64)> = asked
        .iter()
        .map(|word| {
            let having = documents.iter().filter(|document| document.contains_key(word)).count() as f64;
            (word, ((count - having + 0.5) / (having + 0.5)).ln_1p())
        })
        .collect();
    let mut hits: Vec<Hit<'a>> = skills
        .iter()
        .zip(&documents)
        .map(|(skill, document)| {
            let length: f64 = document.values().sum();
            let score: f64 = telling
                .iter()
                .filter_map(|(word, weight)| document.get(*word).map(|frequency| (frequency, weight)))
                .map(|(frequency, weight)| weight * frequency * (K1 + 1.0) / (frequency + K1 * (1.0 - B + B * length / average)))
                .sum();
            let known = asked.iter().filter(|word| document.contains_key(*word)).count();
            Hit { skill, score: score * suits(skill, given), share: known as f64 / asked.len().max(1) as f64 }
        })
        .filter(|hit| hit.score > 0.0)
        .collect();
    hits.sort_by(|one, other| other.score.total_cmp(&one.score).then_with(|| one.skill.name.cmp(&other.skill.name)));
    hits
}

/// The skill that answers a goal without a model, if one fits well enough.
pub(crate) fn best<'a>(skills: &'a [Skill], goal: &str, given: &[String]) -> Option<Hit<'a>> {
    let hit = rank(skills, goal, given).into_iter().find(|hit| hit.skill.interface.is_some())?;
    let share = if suits(hit.skill, given) > 1.0 { SHARE_WITH_FILES } else { SHARE };
    (hit.score >= ENOUGH && hit.share >= share).then_some(hit)
}

/// How often each word stands in a skill, weighted by where.
fn weigh(words: &Words, skill: &Skill) -> HashMap<String, f64> {
    let mut document = HashMap::new();
    let mut add = |text: &str, weight: f64| {
        for word in words.of(text) {
            *document.entry(word).or_insert(0.0) += weight;
        }
    };
    add(&skill.name, NAME);
    skill.keywords.iter().for_each(|keyword| add(keyword, KEYWORD));
    add(&skill.description, DESCRIPTION);
    skill.text.lines().filter(|line| line.starts_with('#')).for_each(|line| add(line, HEADING));
    document
}

/// How well a skill suits the files that came: one that takes them gains, one that needs what is not there or ignores what
/// is loses.
fn suits(skill: &Skill, given: &[String]) -> f64 {
    let Some(interface) = &skill.interface else { return 1.0 };
    let mut files = interface.inputs.iter().filter_map(|input| match &input.kind {
        InputKind::File(kinds) => Some((kinds, input.required)),
        _ => None,
    });
    let takes = |kinds: &Vec<String>| kinds.is_empty() || given.iter().any(|kind| kinds.contains(kind));
    match (given.is_empty(), files.clone().next().is_some()) {
        (true, _) if files.any(|(_, required)| required) => 0.4,
        (true, _) => 1.0,
        (false, false) => 0.3,
        (false, true) if files.any(|(kinds, _)| takes(kinds)) => 1.5,
        (false, true) => 0.3,
    }
}
