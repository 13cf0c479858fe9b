//! How it stands with the archive: what the link and the carrier say of themselves, for whoever asks.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use ipc::messages::{
    instance::{Counted, Link},
    storage::Act,
};
use replica::chum::Tally;

/// Acts that are done and whose events have not come yet, that are remembered.
const DONE: usize = 256;

/// See the module.
pub(crate) struct Standing {
    link: Cell<Link>,
    trouble: RefCell<[Option<String>; 2]>,
    counted: Cell<Counted>,
    /// What the archive has done, by the event that says so, until that has come.
    done: RefCell<VecDeque<([u8; 32], Act)>>,
}

impl Default for Standing {
    fn default() -> Standing {
        Standing {
            link: Cell::new(Link::Starting),
            trouble: RefCell::default(),
            counted: Cell::default(),
            done: RefCell::default(),
        }
    }
}

/// Whose trouble it is.
#[derive(Clone, Copy)]
pub(crate) enum Whose {
    /// What keeps in step.
    Link = 0,
    /// What carries commands.
    Carrier = 1,
}

impl Standing {
    pub(crate) fn link(&self) -> Link {
        self.link.get()
    }

    pub(crate) fn set_link(&self, link: Link) {
        self.link.set(link);
    }

    /// Something is wrong, or is not any more.
    pub(crate) fn set_trouble(&self, whose: Whose, trouble: Option<String>) {
        self.trouble.borrow_mut()[whose as usize] = trouble;
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.borrow().iter().flatten().next().cloned()
    }

    pub(crate) fn counted(&self) -> Counted {
        self.counted.get()
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counted)) {
        let mut counted = self.counted.get();
        change(&mut counted);
        self.counted.set(counted);
    }

    /// Counts what a session has done since it was looked at last.
    pub(crate) fn count_session(&self, before: &Tally, now: &Tally) {
        self.count(|counted| {
            counted.rounds += now.rounds - before.rounds;
            counted.bytes_in += now.bytes_in - before.bytes_in;
            counted.bytes_out += now.bytes_out - before.bytes_out;
            counted.taken += now.taken - before.taken;
        });
    }

    /// The archive has done this, and the event that says so is on its way.
    pub(crate) fn did(&self, event: [u8; 32], act: Act) {
        let mut done = self.done.borrow_mut();
        if done.len() == DONE {
            done.pop_front();
        }
        done.push_back((event, act));
    }

    /// What is done, oldest first, unless it is known to have come.
    pub(crate) fn on_their_way(&self) -> Vec<([u8; 32], Act)> {
        self.done.borrow().iter().cloned().collect()
    }

    /// These have come.
    pub(crate) fn came(&self, events: &[[u8; 32]]) {
        if !events.is_empty() {
            self.done.borrow_mut().retain(|(event, _)| !events.contains(event));
        }
    }
}
