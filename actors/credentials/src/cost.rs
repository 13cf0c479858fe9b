//! How much work RDFC-1.0 would be, estimated from above before it begins.
//!
//! Nodes that differ in what is said of them are named at once. Those that look alike are told apart by trying every order of
//! their neighbours, and for each order every order of the neighbours' neighbours, and so on through everything that hangs
//! together, and that once from each of them. So the product over all nodes that look alike and hang together, of the number
//! of orders of each one's neighbours, times how many they are, is more than is ever tried.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use oxrdf::{
    BlankNode, BlankNodeRef, Dataset, GraphName, GraphNameRef, NamedOrBlankNode, NamedOrBlankNodeRef, QuadRef, Term, TermRef,
};

use crate::{
    error::{Kind, Result, refuse},
    rdf::line,
};

/// How many orders may have to be tried. Each takes some microseconds.
const MAX_ORDERS: u64 = 8_192;

/// In which place of a statement a node stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Subject,
    Object,
    Graph,
}

/// The blank nodes of a statement.
pub(crate) fn blank_nodes(quad: QuadRef<'_>) -> impl Iterator<Item = BlankNodeRef<'_>> {
    placed(quad).map(|(_, node)| node)
}

fn placed(quad: QuadRef<'_>) -> impl Iterator<Item = (Place, BlankNodeRef<'_>)> {
    let subject = if let NamedOrBlankNodeRef::BlankNode(node) = quad.subject { Some((Place::Subject, node)) } else { None };
    let object = if let TermRef::BlankNode(node) = quad.object { Some((Place::Object, node)) } else { None };
    let graph = if let GraphNameRef::BlankNode(node) = quad.graph_name { Some((Place::Graph, node)) } else { None };
    subject.into_iter().chain(object).chain(graph)
}

/// A statement with the numbers of its blank nodes.
struct Statement<'a> {
    quad: QuadRef<'a>,
    nodes: Vec<(Place, usize)>,
}

/// Refuses what could take long.
pub(crate) fn check(dataset: &Dataset) -> Result<()> {
    let mut numbers: HashMap<BlankNodeRef<'_>, usize> = HashMap::new();
    let mut statements = Vec::new();
    for quad in dataset {
        let mut nodes = Vec::new();
        for (place, node) in placed(quad) {
            let next = numbers.len();
            nodes.push((place, *numbers.entry(node).or_insert(next)));
        }
        statements.push(Statement { quad, nodes });
    }
    let looks: Vec<String> = (0..numbers.len()).map(|node| look(node, &statements)).collect();
    let mut same: HashMap<&str, usize> = HashMap::new();
    for look in &looks {
        *same.entry(look).or_default() += 1;
    }
    let alike: Vec<bool> = looks.iter().map(|look| same.get(look.as_str()).is_some_and(|count| *count > 1)).collect();
    let is_alike = |node: usize| alike.get(node).copied().unwrap_or_default();

    // How many nodes hang together, and how many orders are tried for each of them.
    let mut groups_of: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for (node, group) in groups(&statements, is_alike) {
        let (nodes, orders) = groups_of.entry(group).or_insert((0, 1));
        *nodes += 1;
        *orders = orders.saturating_mul(orders_around(node, &statements, &looks, is_alike));
    }
    let all = groups_of.values().fold(0_u64, |all, (nodes, orders)| all.saturating_add(nodes.saturating_mul(*orders)));
    if all > MAX_ORDERS {
        return refuse(Kind::TooComplex, "too many of its things without an id look alike");
    }
    Ok(())
}

/// Each node that looks like another, and the smallest node with which it hangs together: found by going on until nothing
/// changes, for there are few.
fn groups(statements: &[Statement<'_>], is_alike: impl Fn(usize) -> bool) -> BTreeMap<usize, usize> {
    let together: Vec<Vec<usize>> = statements
        .iter()
        .map(|statement| statement.nodes.iter().map(|(_, node)| *node).filter(|node| is_alike(*node)).collect())
        .collect();
    let mut group: BTreeMap<usize, usize> = together.iter().flatten().map(|node| (*node, *node)).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for nodes in &together {
            let Some(least) = nodes.iter().filter_map(|node| group.get(node).copied()).min() else { continue };
            for node in nodes {
                changed |= group.insert(*node, least) != Some(least);
            }
        }
    }
    group
}

/// In how many orders the neighbours of a node can be that look alike and stand in the same relation to it.
fn orders_around(node: usize, statements: &[Statement<'_>], looks: &[String], is_alike: impl Fn(usize) -> bool) -> u64 {
    let mut neighbours: BTreeMap<(Place, &str, &str), BTreeSet<usize>> = BTreeMap::new();
    for statement in statements.iter().filter(|statement| statement.nodes.iter().any(|(_, found)| *found == node)) {
        for (place, neighbour) in statement.nodes.iter().copied().filter(|(_, found)| *found != node && is_alike(*found)) {
            // In a graph's place the predicate says nothing.
            let predicate = if place == Place::Graph { "" } else { statement.quad.predicate.as_str() };
            let look = looks.get(neighbour).map_or("", String::as_str);
            neighbours.entry((place, predicate, look)).or_default().insert(neighbour);
        }
    }
    neighbours.values().map(|same| (1..=same.len() as u64).fold(1, u64::saturating_mul)).fold(1, u64::saturating_mul)
}

/// What is said of a node, as RDFC-1.0 hashes it first (4.6): itself is `_:a`, every other without an id `_:z`.
fn look(node: usize, statements: &[Statement<'_>]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for Statement { quad, nodes } in statements.iter().filter(|statement| statement.nodes.iter().any(|(_, found)| *found == node))
    {
        let mut quad = quad.into_owned();
        for (place, found) in nodes {
            let name = BlankNode::new_unchecked(if *found == node { "a" } else { "z" });
            match place {
                Place::Subject => quad.subject = NamedOrBlankNode::from(name),
                Place::Object => quad.object = Term::from(name),
                Place::Graph => quad.graph_name = GraphName::from(name),
            }
        }
        lines.push(line(quad.as_ref()));
    }
    lines.sort_unstable();
    lines.concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails loudly")]

    use oxrdf::{NamedNode, Quad};

    use super::*;

    /// Nodes that each name those that `names` chooses.
    fn graph(nodes: usize, names: impl Fn(usize, usize) -> bool) -> Dataset {
        let node = |number: usize| BlankNode::new(format!("n{number}")).unwrap();
        let predicate = NamedNode::new("urn:knows").unwrap();
        let pairs = (0..nodes).flat_map(|one| (0..nodes).map(move |other| (one, other)));
        let quads = pairs
            .filter(|(one, other)| one != other && names(*one, *other))
            .map(|(one, other)| Quad::new(node(one), predicate.clone(), node(other), GraphName::DefaultGraph));
        quads.collect()
    }

    #[test]
    fn nodes_that_all_name_one_another_are_refused() {
        for nodes in [5, 8, 9, 30] {
            assert_eq!(check(&graph(nodes, |_, _| true)).map_err(|refused| refused.kind()), Err(Kind::TooComplex), "{nodes}");
        }
        // Each only three, and many of them.
        let ring = |one: usize, other: usize| [1, 63, 32].contains(&((64 + other - one) % 64));
        assert_eq!(check(&graph(64, ring)).map_err(|refused| refused.kind()), Err(Kind::TooComplex));
    }

    #[test]
    fn lines_and_rings_are_not() {
        assert!(check(&graph(64, |one, other| one + 1 == other)).is_ok());
        assert!(check(&graph(64, |one, other| (one + 1) % 64 == other)).is_ok());
        assert!(check(&graph(3, |_, _| true)).is_ok());
    }
}
