//! An ordered list (a replicated growable array). An element has a name for ever, and stands behind the one it was put
//! behind; of two that are put in one place at the same time the later comes first, so that what one device writes in a
//! row stays in a row. A removed element stays as a mark, so that what was put behind it finds its place.
//!
//! Finding an element looks through the list from its end: lists of some thousands are meant.

use minicbor::{Decode, Encode};

use super::{Element, Node, Past, Stamp, Value};

/// One element.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Item {
    /// Its name.
    #[n(0)]
    pub id: Element,
    /// What it holds.
    #[n(1)]
    pub node: Node,
    /// It was removed, and only its place is left.
    #[n(2)]
    pub removed: bool,
}

/// The elements in their order.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(transparent)]
pub struct List(#[n(0)] Vec<Item>);

impl List {
    /// The elements that are there.
    pub fn items(&self) -> impl DoubleEndedIterator<Item = &Item> {
        self.0.iter().filter(|item| !item.removed)
    }

    /// All, with the places of those that were removed.
    pub fn places(&self) -> &[Item] {
        &self.0
    }

    fn find(&self, id: &Element) -> Option<usize> {
        self.0.iter().rposition(|item| item.id == *id)
    }

    pub(super) fn node(&self, id: &Element) -> Option<&Node> {
        self.find(id).map(|index| &self.0[index].node)
    }

    pub(super) fn node_mut(&mut self, id: &Element) -> Option<&mut Node> {
        self.find(id).map(|index| &mut self.0[index].node)
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.items().map(|item| &item.node)
    }

    pub(super) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.0.iter_mut().map(|item| &mut item.node)
    }

    /// Where something stands that is put behind this one: at the front, if it is put behind none. `None` if there never
    /// was one of that name.
    fn behind(&self, after: Option<&Element>) -> Option<usize> {
        after.map_or(Some(0), |id| self.find(id).map(|index| index + 1))
    }

    pub(super) fn insert(&mut self, after: Option<&Element>, id: Element, value: Option<&Value>, stamp: &Stamp) {
        let Some(index) = self.behind(after) else { return };
        let mut node = Node::default();
        if let Some(value) = value {
            node.value.set(value, stamp);
        }
        self.0.insert(index, Item { id, node, removed: false });
    }

    /// Puts an element that is there behind another.
    pub(super) fn r#move(&mut self, id: &Element, after: Option<&Element>) {
        if after == Some(id) || self.behind(after).is_none() {
            return;
        }
        let Some(from) = self.find(id) else { return };
        let item = self.0.remove(from);
        let index = self.behind(after).unwrap_or(from);
        self.0.insert(index, item);
    }

    /// Removes an element for good; what it held goes.
    pub(super) fn delete(&mut self, id: &Element) {
        if let Some(index) = self.find(id) {
            self.0[index].removed = true;
            self.0[index].node = Node::default();
        }
    }

    pub(super) fn clear(&mut self, past: &Past) {
        for item in &mut self.0 {
            if past.has_event(&item.id.device, item.id.sequence) {
                item.removed = true;
                item.node = Node::default();
            }
        }
    }
}
