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

use crate::carrier::{SHOWN, SHOWN_BYTES};

/// What is remembered of what is done and has not come: as much as an outbox shows of what waits, for all of that may be done
/// before the first of it comes. What is forgotten before it came is shown by its place in the store alone.
const DONE: (usize, usize) = (SHOWN, SHOWN_BYTES);

/// What the archive has done, by the event that says so, until that has come.
#[derive(Default)]
struct Done {
    acts: VecDeque<([u8; 32], Act)>,
    bytes: usize,
}

/// Bytes of what was said in it.
fn weight(act: &Act) -> usize {
    match act {
        Act::Say(message) => message.text().len(),
        Act::Begin(_) | Act::Rename(_) => 0,
    }
}

/// See the module.
pub(crate) struct Standing {
    link: Cell<Link>,
    trouble: RefCell<[Option<String>; 3]>,
    counted: Cell<Counted>,
    done: RefCell<Done>,
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
    /// What lets the window in.
    Provisioning = 2,
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
        let (most, most_bytes) = DONE;
        done.bytes += weight(&act);
        done.acts.push_back((event, act));
        while done.acts.len() > most || done.bytes > most_bytes && done.acts.len() > 1 {
            let Some((_, gone)) = done.acts.pop_front() else { break };
            done.bytes -= weight(&gone);
        }
    }

    /// What is done, oldest first, unless it is known to have come.
    pub(crate) fn on_their_way(&self) -> Vec<([u8; 32], Act)> {
        self.done.borrow().acts.iter().cloned().collect()
    }

    /// These have come.
    pub(crate) fn came(&self, events: &[[u8; 32]]) {
        if !events.is_empty() {
            let mut done = self.done.borrow_mut();
            done.acts.retain(|(event, _)| !events.contains(event));
            done.bytes = done.acts.iter().map(|(_, act)| weight(act)).sum();
        }
    }
}
