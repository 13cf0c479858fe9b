//! One span of time being compared: rounds of reconciliation, and between them what each round has shown to be missing. The
//! next round waits until that has come, so a peer that invents ids is found out before it can name many.

use std::collections::{HashSet, VecDeque};

use super::{
    fault::PeerFault,
    limits::MAX_IDS,
    message::{Message, Reconcile, Reconciled},
    progress::Progress,
    reconcile::Asking,
    records::{Id, Span},
};

/// A span being compared.
pub(crate) struct SpanWork {
    request: u32,
    span: Span,
    asking: Asking,
    /// The next message of the reconciliation.
    question: Option<Vec<u8>>,
    /// An answer is on its way.
    asked: bool,
    newest_first: bool,
    need: VecDeque<Id>,
    /// Ids that were asked for are on their way.
    wanting: bool,
    /// What the other side lacks, and once all of it is known, parents before children.
    have: VecDeque<Id>,
    ordered: bool,
    offers: bool,
    /// What came before its parents, to be asked for again.
    waiting: Vec<Id>,
    /// So many waited when this was tried before.
    waited: usize,
    needed: u64,
    offered: u64,
    absent: u64,
}

impl SpanWork {
    /// Compares `set`, what is held in this span. With `offers`, what the other side lacks is offered to it.
    pub(crate) fn new(
        request: u32,
        span: Span,
        set: Vec<(u64, Id)>,
        offers: bool,
        newest_first: bool,
    ) -> Result<SpanWork, negentropy::Error> {
        let (asking, first) = Asking::new(set)?;
        Ok(SpanWork {
            request,
            span,
            asking,
            question: Some(first),
            asked: false,
            newest_first,
            need: VecDeque::new(),
            wanting: false,
            have: VecDeque::new(),
            ordered: false,
            offers,
            waiting: Vec::new(),
            waited: usize::MAX,
            needed: 0,
            offered: 0,
            absent: 0,
        })
    }

    /// The next round, once all that the last one has shown is here.
    pub(crate) fn question(&mut self) -> Option<Message> {
        if self.asked || self.wanting || !self.need.is_empty() {
            return None;
        }
        let message = self.question.take()?;
        self.asked = true;
        Some(Message::Reconcile(Reconcile { request: self.request, span: self.span, message }))
    }

    /// The next ids to be asked for.
    pub(crate) fn wanted(&mut self) -> Option<Vec<Id>> {
        if self.wanting {
            return None;
        }
        if self.need.is_empty() && !self.asked && self.question.is_none() && self.waiting.len() < self.waited {
            // Their parents may have come since.
            self.waited = self.waiting.len();
            self.need = self.waiting.drain(..).collect();
        }
        let count = self.need.len().min(MAX_IDS);
        self.wanting = count > 0;
        self.wanting.then(|| self.need.drain(..count).collect())
    }

    /// The moments that are compared.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// All that the other side lacks is known, but not in which order it shall come.
    pub(crate) fn has_compared(&self) -> bool {
        self.question.is_none() && !self.asked && !self.have.is_empty() && !self.ordered
    }

    /// Puts what the other side lacks into the order of all that is held here.
    pub(crate) fn put_in_order(&mut self, all: impl Iterator<Item = Id>) {
        let lacking: HashSet<Id> = self.have.drain(..).collect();
        self.have = all.filter(|id| lacking.contains(id)).collect();
        self.ordered = true;
    }

    /// The next ids the other side is to be told of.
    pub(crate) fn offer(&mut self) -> Option<Vec<Id>> {
        let count = if self.ordered { self.have.len().min(MAX_IDS) } else { 0 };
        (count > 0).then(|| self.have.drain(..count).collect())
    }

    /// What was asked for has come, but for so many.
    pub(crate) fn came(&mut self, absent: usize) {
        self.wanting = false;
        self.absent += absent as u64;
    }

    /// This one came before its parents.
    pub(crate) fn waits(&mut self, id: Id) {
        self.waiting.push(id);
    }

    /// Reads the answer to the last round.
    pub(crate) fn answer(&mut self, answer: &Reconciled) -> Result<(), PeerFault> {
        if !self.asked || answer.request != self.request {
            return Err(PeerFault::OutOfTurn(9));
        }
        self.asked = false;
        let round = self.asking.answer(&answer.message, PeerFault::Malformed(9))?;
        self.question = round.next;
        self.needed += round.need.len() as u64;
        self.need.extend(round.need);
        if self.newest_first {
            // They come roughly by age, oldest first.
            self.need.make_contiguous().reverse();
        }
        if self.offers {
            self.offered += round.have.len() as u64;
            self.have.extend(round.have);
        }
        Ok(())
    }

    /// Nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        let nothing = self.question.is_none() && !self.asked && self.need.is_empty() && !self.wanting && self.have.is_empty();
        nothing && (self.waiting.is_empty() || self.waiting.len() >= self.waited)
    }

    /// Something that was missing is still.
    pub(crate) fn is_short(&self) -> bool {
        self.absent > 0 || !self.waiting.is_empty()
    }

    /// What has come of it.
    pub(crate) fn report(&self) -> Progress {
        Progress::Reconciled { span: self.span, rounds: self.asking.rounds(), needed: self.needed, offered: self.offered }
    }
}
