//! The main job: a question with a file, no key, no model, no network; and the same read back from the sealed archive by
//! processes that never saw it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::fs;

use integration_tests::{
    files,
    home::{Home, workspace},
};

fn example() -> String {
    workspace().join("examples/bike-counts.csv").to_str().unwrap().to_owned()
}

#[test]
fn a_question_with_a_file_is_answered_and_kept_sealed() {
    let home = Home::new();
    let question = "What is the median of the bicycles in this table?";
    let asked = home.run(["ask", "--file", &example(), question]);
    let said = asked.err.clone();
    let answer = asked.good();
    // 92 of 93 rows have a count.
    assert!(answer.contains("median") && answer.contains("92 numbers, 1 missing"), "{answer}");
    assert!(said.contains("column-statistics"), "progress goes to standard error: {said}");
    assert!(!answer.contains("Using the skill"), "standard output has the answer alone: {answer}");
    home.assert_empty();

    let list = home.run(["--json", "history"]).json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["messages"], 2);
    let id = list[0]["id"].as_str().unwrap();
    let shown = home.run(["--json", "history", id]).json();
    assert_eq!(shown["messages"][0]["text"], question);
    assert_eq!(shown["messages"][0]["attachments"][0]["name"], "bike-counts.csv");
    assert_eq!(shown["messages"][1]["text"].as_str().unwrap().trim_end(), answer.trim_end());
    assert_eq!(shown["messages"][1]["status"], "complete");
    home.assert_empty();

    let files = files::read_below(&home.data());
    assert!(files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 4096, "something was written");
    for canary in ["bicycles", "median", "bike-counts", "Harbour bridge", "column-statistics", "demo"] {
        for (name, bytes) in &files {
            let found = bytes.windows(canary.len()).any(|window| window.eq_ignore_ascii_case(canary.as_bytes()));
            assert!(!found, "{canary:?} lies open in {}", name.display());
        }
    }
}

#[test]
fn the_same_figures_as_elsewhere() {
    // Reference: sorted by hand-written code here, not by the skill.
    let text = fs::read_to_string(workspace().join("examples/bike-counts.csv")).unwrap();
    let mut counts: Vec<u32> = text.lines().skip(1).filter_map(|line| line.split(';').nth(3)?.parse().ok()).collect();
    counts.sort_unstable();
    let middle = counts.len() / 2;
    let median = f64::from(counts[(counts.len() - 1) / 2] + counts[middle]) / 2.0;
    let home = Home::new();
    let report = home.run(["--json", "run", "column-statistics", "--file", &example(), "-i", "column=bicycles"]).json();
    assert_eq!(report["value"]["columns"][0]["median"].as_f64(), Some(median), "{report:#}");
    assert_eq!(report["made_by"], "column-statistics");
}

#[test]
fn conversations_go_on() {
    let home = Home::new();
    home.run(["ask", "What is 17 percent of 310?"]).good();
    home.run(["ask", "--continue", "5 miles in km"]).good();
    let list = home.run(["--json", "history"]).json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["messages"], 4);
    let id = list[0]["id"].as_str().unwrap()[..8].to_owned();
    let text = home.run(["history", &id]).good();
    assert!(text.contains("17 percent of 310") && text.contains("5 miles in km"), "{text}");
    assert!(text.find("17 percent").unwrap() < text.find("5 miles").unwrap(), "in the order they were said");
}

#[test]
fn a_later_question_may_be_about_an_earlier_file() {
    let home = Home::new();
    home.run(["ask", "--file", &example(), "What is the median of the bicycles?"]).good();
    let answer = home.run(["ask", "--continue", "Total bicycles for each post"]).good();
    assert!(answer.contains("Harbour bridge"), "{answer}");
    // Without need of it, it is left alone.
    assert!(home.run(["ask", "--continue", "5 miles in km"]).good().contains("8.04672"));
}

#[test]
fn a_running_supervisor_is_used() {
    let home = Home::new();
    let serve = integration_tests::serve::Serve::start(&home);
    let pid = serve.status()["pid"].clone();
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    let code = home.run(["ask", "chance that 3d6 is at least 15"]).good();
    assert!(code.contains('%') || code.contains("0.0"), "{code}");
    assert_eq!(serve.status()["pid"], pid);
    // Each conversation had an agent of its own.
    assert_eq!(serve.of_role("agent").len(), 2, "{:#}", serve.status());
    home.run(["stop"]).good();
    home.assert_empty();
}

#[test]
fn lines_are_a_conversation() {
    let home = Home::new();
    let out = home.command(["chat", "--no-model"]).input("What is 17 percent of 310?\n\n5 miles in km\n").run().good();
    assert!(out.contains("52.7") && out.contains("8.04"), "{out}");
    let list = home.run(["--json", "history"]).json();
    assert_eq!(list[0]["messages"], 4, "{list:#}");
    home.assert_empty();
}
