//! A field, in all that it can be.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::{Act, Counter, Element, List, MAX_DEPTH, Operation, Past, Register, Set, Stamp, Step, Text, Value};
use crate::ReplicaError;

/// A field. What was never used of it is empty.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Node {
    /// One value, or none.
    #[n(0)]
    pub value: Register,
    /// A set.
    #[n(1)]
    pub set: Set,
    /// A list.
    #[n(2)]
    pub list: List,
    /// A counter.
    #[n(3)]
    pub counter: Counter,
    /// A text.
    #[n(4)]
    pub text: Option<Text>,
    /// Further fields: it is a map, or an object.
    #[n(5)]
    pub fields: BTreeMap<String, Node>,
}

impl Node {
    /// The field at the end of this path.
    pub fn at(&self, path: &[Step]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match step {
            Step::Field(name) => node.fields.get(name),
            Step::Element(id) => node.list.node(id),
        })
    }

    /// What its register holds.
    pub fn value(&self) -> Option<&Value> {
        self.value.value()
    }

    /// What its text says.
    pub fn text(&self) -> Option<&str> {
        self.text.as_ref().map(Text::as_str)
    }

    /// Does an operation, unless it leads to an element that never was, or too deep.
    pub(super) fn apply(&mut self, operation: &Operation, stamp: &Stamp, index: u32, past: &Past) {
        if operation.path.len() > MAX_DEPTH {
            return;
        }
        let mut node = self;
        for step in &operation.path {
            let next = match step {
                Step::Field(name) => Some(node.fields.entry(name.clone()).or_default()),
                Step::Element(id) => node.list.node_mut(id),
            };
            let Some(next) = next else { return };
            node = next;
        }
        match &operation.act {
            Act::Set(value) => node.value.set(value, stamp),
            Act::Clear => node.clear(past),
            Act::Add(value) => node.set.add(value, stamp, past),
            Act::Remove(value) => node.set.remove(value, past),
            Act::Insert(after, value) => {
                node.list.insert(after.as_ref(), Element::new(stamp, index), value.as_ref(), stamp);
            }
            Act::Move(id, after) => node.list.r#move(id, after.as_ref()),
            Act::Delete(id) => node.list.delete(id),
            Act::Increment(by) => node.counter.add(*by, stamp),
            Act::Text(update) => node.text.get_or_insert_default().take(update, stamp, past),
            Act::Reviewed => {
                if let Some(text) = &mut node.text {
                    text.reviewed(past);
                }
            }
        }
    }

    /// Takes away what was seen of this field and of all below it.
    fn clear(&mut self, past: &Past) {
        self.value.clear(past);
        self.set.clear(past);
        self.list.clear(past);
        self.counter.clear(past);
        if self.text.as_ref().is_some_and(|text| text.is_seen(past)) {
            self.text = None;
        }
        self.fields.values_mut().for_each(|node| node.clear(past));
        self.fields.retain(|_, node| !node.is_empty());
    }

    fn is_empty(&self) -> bool {
        let Node { value, set, list, counter, text, fields } = self;
        value.value().is_none()
            && set.members().next().is_none()
            && list.places().is_empty()
            && counter.is_empty()
            && text.is_none()
            && fields.is_empty()
    }

    /// Whether this is so of it or of any below it.
    pub(super) fn any(&self, so: &dyn Fn(&Node) -> bool) -> bool {
        so(self) || self.fields.values().chain(self.list.nodes()).any(|node| node.any(so))
    }

    pub(super) fn references(&self, found: &mut BTreeSet<[u8; 16]>) {
        for value in self.value.value().into_iter().chain(self.set.members()) {
            found.extend(value.names());
        }
        self.fields.values().chain(self.list.nodes()).for_each(|node| node.references(found));
    }

    /// Bytes that are the same wherever the same was folded.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let mut node = self.clone();
        node.strip();
        // Writing to a vector cannot fail.
        minicbor::to_vec(node).unwrap_or_default()
    }

    fn strip(&mut self) {
        if let Some(text) = &mut self.text {
            text.strip();
        }
        self.fields.values_mut().chain(self.list.nodes_mut()).for_each(Node::strip);
    }

    /// Merges what texts were given; whether one waits for more.
    pub(super) fn settle(&mut self) -> Result<bool, ReplicaError> {
        let mut waits = match &mut self.text {
            Some(text) => text.settle()?,
            None => false,
        };
        for node in self.fields.values_mut().chain(self.list.nodes_mut()) {
            waits |= node.settle()?;
        }
        Ok(waits)
    }
}
