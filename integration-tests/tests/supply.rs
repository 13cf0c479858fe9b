//! What comes from outside: `deny.toml` checked against `cargo metadata`, so that a clone needs no tool for it. Where
//! cargo-deny is installed, it reads the same file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use cargo_metadata::{Metadata, MetadataCommand, Package};
use integration_tests::home::workspace;
use spdx::{Expression, LicenseReq, ParseMode};
use toml::Value;

fn rules() -> Value {
    let text = fs::read_to_string(workspace().join("deny.toml")).expect("deny.toml can be read");
    toml::from_str(&text).expect("deny.toml is TOML")
}

fn metadata(rules: &Value) -> Metadata {
    let mut options = vec!["--locked".to_owned()];
    for target in list(rules["graph"].get("targets")) {
        options.extend(["--filter-platform".to_owned(), target.as_str().expect("a triple").to_owned()]);
    }
    MetadataCommand::new().current_dir(workspace()).other_options(options).exec().expect("cargo describes the workspace")
}

/// The packages that are in what ships: what only tests and benches need is not.
fn shipped(metadata: &Metadata) -> Vec<&Package> {
    let resolve = metadata.resolve.as_ref().expect("cargo resolves");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let root =
        metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == "lamos").expect("lamos is there");
    let mut seen = BTreeSet::new();
    let mut waiting = vec![&root.id];
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let needed = nodes[id]
            .deps
            .iter()
            .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != cargo_metadata::DependencyKind::Development));
        waiting.extend(needed.map(|dep| &dep.pkg));
    }
    metadata.packages.iter().filter(|package| seen.contains(&package.id)).collect()
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn names(value: Option<&Value>) -> BTreeSet<&str> {
    list(value).iter().filter_map(|rule| rule.get("name").or(rule.get("crate")).unwrap_or(rule).as_str()).collect()
}

#[test]
fn licences_are_allowed() {
    let rules = rules();
    let licenses = &rules["licenses"];
    let allowed = |names: &[Value], wanted: &LicenseReq| names.iter().any(|name| name.as_str() == Some(&wanted.to_string()));
    let exceptions: BTreeMap<&str, &[Value]> = list(licenses.get("exceptions"))
        .iter()
        .map(|exception| (exception["crate"].as_str().expect("a crate"), list(exception.get("allow"))))
        .collect();
    let clarified: BTreeMap<&str, &str> = list(licenses.get("clarify"))
        .iter()
        .map(|rule| (rule["crate"].as_str().expect("a crate"), rule["expression"].as_str().expect("an expression")))
        .collect();
    let metadata = metadata(&rules);
    let mut wrong = Vec::new();
    for package in metadata.packages.iter() {
        let name = package.name.as_str();
        let Some(text) = package.license.as_deref().or(clarified.get(name).copied()) else {
            wrong.push(format!("{name} {} names no licence", package.version));
            continue;
        };
        let expression = Expression::parse_mode(text, ParseMode::LAX).unwrap_or_else(|error| panic!("{name}: {error}"));
        let own = exceptions.get(name).copied().unwrap_or_default();
        if !expression.evaluate(|wanted| allowed(list(licenses.get("allow")), wanted) || allowed(own, wanted)) {
            wrong.push(format!("{name} {}: {text}", package.version));
        }
    }
    assert!(wrong.is_empty(), "not in deny.toml: {wrong:#?}");
}

#[test]
fn nothing_banned_is_in_the_tree() {
    let rules = rules();
    let metadata = metadata(&rules);
    for rule in list(rules["bans"].get("deny")) {
        let name = rule.get("name").or(rule.get("crate")).and_then(Value::as_str).expect("a rule names a crate");
        let major = rule.get("version").and_then(Value::as_str);
        let found = metadata.packages.iter().find(|package| {
            package.name.as_str() == name && major.is_none_or(|major| package.version.major.to_string() == major)
        });
        assert!(found.is_none(), "{name} is banned and is in the tree");
    }
}

#[test]
fn a_crate_is_there_once() {
    let rules = rules();
    let skipped = names(rules["bans"].get("skip"));
    let metadata = metadata(&rules);
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in shipped(&metadata) {
        versions.entry(package.name.as_str()).or_default().insert(package.version.to_string());
    }
    let twice: BTreeMap<_, _> =
        versions.iter().filter(|(name, versions)| versions.len() > 1 && !skipped.contains(*name)).collect();
    assert!(twice.is_empty(), "more than one version, and not in deny.toml's skip: {twice:#?}");
    let stale: Vec<_> = skipped.iter().filter(|name| versions.get(*name).is_none_or(|versions| versions.len() < 2)).collect();
    assert!(stale.is_empty(), "in deny.toml's skip without need: {stale:?}");
}

#[test]
fn everything_comes_from_the_registry() {
    let rules = rules();
    for package in &metadata(&rules).packages {
        let source = package.source.as_ref().map(|source| source.repr.as_str());
        let ours = source.is_none() && package.manifest_path.starts_with(workspace().to_str().expect("a path in text"));
        let registry = source.is_some_and(|source| source.starts_with("registry+") || source.starts_with("sparse+"));
        assert!(ours || registry, "{} comes from {source:?}", package.name);
    }
}
