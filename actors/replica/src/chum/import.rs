//! The importing end: compares, asks, checks that what comes is what was asked for, and gives it to the replica.

mod taking;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::{
    deal::{Deal, News, set_of},
    expected::{Chain, Expect, Source},
    export::Export,
    fault::{Fault, PeerFault},
    limits::MAX_IDS,
    message::{Credit, Done, Message, Offer, Pull, Reconciled, Want, WantEntity, Wants},
    policy::Way,
    progress::Progress,
    records::{Author, Head, Id, Packed, Range, Span},
    side::{Side, SideError},
    span::SpanWork,
};

/// Requests for what a screen waits for that are on their way at once.
const FETCHES: usize = 4;

/// What shall be done next.
enum Goal {
    Pull(Vec<Range>),
    Span(Span),
}

/// What is being done.
enum Active {
    Pull(u32),
    Span(Box<SpanWork>),
}

/// What a screen waits for.
enum Fetch {
    Ids(Vec<Id>),
    Entity { entity: [u8; 16], before: u64, limit: u32 },
}

#[derive(Default)]
pub(crate) struct Import {
    requests: u32,
    expected: HashMap<u32, Expect>,
    goals: VecDeque<Goal>,
    active: Option<Active>,
    fetches: VecDeque<(u32, Fetch)>,
    /// What the other side has offered and was not answered yet.
    offered: Option<Offer>,
    /// What this side has offered and was not answered yet.
    offering: Option<u32>,
    /// Heads of the other side that came while there was something else to do.
    later: Option<Vec<Head>>,
    /// The heads all this is to reach.
    target: Vec<Head>,
    /// All moments of the window were compared since the last target was reached.
    compared: bool,
    /// Something was left out, so the target is not reached.
    unsettled: bool,
    /// And that may be taken later.
    refused: bool,
    /// Parents are not looked at: this is a window.
    sparse: bool,
    started: bool,
    caught_up: bool,
    audit: bool,
    live: bool,
    /// Something was refused that may be taken later. What is pushed now may come after it, so nothing pushed is taken until
    /// the heads have been compared again.
    paused: bool,
    /// Up to where news have come in a window without a gap.
    cursors: BTreeMap<Author, u64>,
    /// Bytes of parcels the other side may still send, and those it will be let again.
    room: u64,
    owed: u64,
}

impl Import {
    pub(crate) fn new(credit: u32) -> Import {
        Import { room: credit.into(), ..Import::default() }
    }

    /// The two sides have the same heads, or nothing is wanted that heads would tell.
    pub(crate) fn nothing_to_do(&mut self) {
        self.started = true;
    }

    /// The other side gives no heads: sets are compared.
    pub(crate) fn without_heads(&mut self, deal: &Deal) {
        self.started = true;
        match deal.wants {
            Wants::Everything => self.goals.push_back(Goal::Span(Span::ALL)),
            Wants::Window => self.goals.extend(deal.spans.iter().copied().map(Goal::Span)),
            Wants::OnDemand => {}
        }
    }

    /// A comparison of all that is held here with all that is held there, once the rest is done.
    pub(crate) fn audit(&mut self) {
        (self.audit, self.caught_up) = (true, false);
    }

    /// The other side's heads, to be compared when there is nothing else to do.
    pub(crate) fn heads(&mut self, heads: Vec<Head>) {
        self.later = Some(heads);
        self.caught_up = false;
    }

    /// Asks for these by name. Says so with [`Progress::Fetched`].
    pub(crate) fn fetch(&mut self, ids: Vec<Id>) -> u32 {
        self.requests += 1;
        self.fetches.push_back((self.requests, Fetch::Ids(ids)));
        self.requests
    }

    pub(crate) fn fetch_entity(&mut self, entity: [u8; 16], before: u64, limit: u32) -> u32 {
        self.requests += 1;
        self.fetches.push_back((self.requests, Fetch::Entity { entity, before, limit }));
        self.requests
    }

    /// Nothing is on its way or left to be asked.
    pub(crate) fn is_idle(&self) -> bool {
        self.started
            && self.caught_up
            && self.expected.is_empty()
            && self.fetches.is_empty()
            && self.offered.is_none()
            && self.goals.is_empty()
            && self.active.is_none()
    }

    /// The other side wants these, or none of them, of what it was offered.
    pub(crate) fn offer_answered(&mut self, offer: u32) -> Result<(), PeerFault> {
        if self.offering != Some(offer) {
            return Err(PeerFault::OutOfTurn(10));
        }
        self.offering = None;
        Ok(())
    }

    /// The other side holds these and believes this one does not.
    pub(crate) fn offer(&mut self, offer: Offer) -> Result<(), PeerFault> {
        // An honest one has answered the request that its last offer led to before it makes another.
        let pending = |expect: &Expect| matches!(expect, Expect::Ids { source: Source::Offer, .. });
        if self.offered.is_some() || self.expected.values().any(pending) {
            return Err(PeerFault::Flood);
        }
        self.offered = Some(offer);
        Ok(())
    }

    fn request(&mut self, expect: Expect) -> u32 {
        self.requests += 1;
        self.expected.insert(self.requests, expect);
        self.requests
    }

    /// The next message, if there is one to be sent.
    pub(crate) fn step<S: Side + ?Sized>(
        &mut self,
        side: &mut S,
        deal: &Deal,
        export: &mut Export,
        news: &mut News,
    ) -> Result<Option<Message>, Fault> {
        if self.owed * 2 >= u64::from(deal.credit) {
            let bytes = u32::try_from(self.owed).unwrap_or(u32::MAX);
            self.owed -= u64::from(bytes);
            self.room += u64::from(bytes);
            return Ok(Some(Message::Credit(Credit { bytes })));
        }
        if let Some(offer) = self.offered.take() {
            return self.answer_offer(offer, side, deal).map(Some);
        }
        if self.expected.len() < FETCHES + 2
            && let Some((handle, fetch)) = self.fetches.pop_front()
        {
            return Ok(Some(self.ask(handle, fetch)));
        }
        loop {
            match self.active.take() {
                Some(Active::Pull(request)) if self.expected.contains_key(&request) => {
                    self.active = Some(Active::Pull(request));
                    return Ok(None);
                }
                Some(Active::Pull(_)) => {}
                Some(Active::Span(mut work)) => {
                    if work.has_compared() {
                        let in_order = side.window(work.span().from, work.span().to)?;
                        work.put_in_order(in_order.into_iter().map(|(_, id)| id));
                    }
                    let message = self.span_step(&mut work, deal, export);
                    if message.is_some() || !work.is_done() {
                        self.active = Some(Active::Span(work));
                        return Ok(message);
                    }
                    self.unsettled |= work.is_short();
                    news.push(work.report());
                }
                None => {}
            }
            match self.goals.pop_front() {
                Some(Goal::Pull(ranges)) => {
                    let request = self.request(Expect::Chain(Chain::new(&ranges)));
                    self.active = Some(Active::Pull(request));
                    return Ok(Some(Message::Pull(Pull { request, ranges: Packed(ranges) })));
                }
                Some(Goal::Span(span)) => {
                    self.requests += 1;
                    let everything = deal.wants == Wants::Everything && deal.gives_heads;
                    let set = if everything {
                        side.window(span.from, span.to)?
                    } else {
                        let way = Way { exporter: &deal.their_rules, importer: &deal.rules };
                        set_of(side, span, way, None)?
                    };
                    let offers = deal.offers();
                    let newest_first = deal.wants != Wants::Everything;
                    let work = SpanWork::new(self.requests, span, set, offers, newest_first);
                    self.active = Some(Active::Span(Box::new(work.map_err(super::session::engine)?)));
                }
                None => {
                    if self.compare(side, deal, export, news)? {
                        continue;
                    }
                    if !(self.started && std::mem::take(&mut self.audit)) {
                        return self.settle(side, deal, news);
                    }
                    match deal.wants {
                        Wants::Everything => self.goals.push_back(Goal::Span(Span::ALL)),
                        Wants::Window => self.compare_window(deal),
                        Wants::OnDemand => {}
                    }
                }
            }
        }
    }

    /// Makes goals of the other side's heads; says whether there were any to compare.
    fn compare<S: Side + ?Sized>(
        &mut self,
        side: &S,
        deal: &Deal,
        export: &mut Export,
        news: &mut News,
    ) -> Result<bool, SideError> {
        let Some(theirs) = self.later.take() else { return Ok(false) };
        (self.started, self.unsettled, self.refused) = (true, false, false);
        let ours: HashMap<Author, Head> = side.heads()?.into_iter().map(|head| (head.author, head)).collect();
        let mut ranges = Vec::new();
        for head in &theirs {
            let our = ours.get(&head.author).copied().unwrap_or(Head { author: head.author, sequence: 0, id: [0; 32] });
            if our.sequence < head.sequence {
                ranges.push(Range { author: head.author, after: our.sequence, after_id: our.id, upto: head.sequence });
                continue;
            }
            let same = if our.sequence == head.sequence {
                our.id == head.id
            } else {
                let link = side.chain(&head.author, head.sequence.saturating_sub(1), head.sequence, 1)?;
                link.first().is_none_or(|link| link.id == head.id)
            };
            if !same {
                export.fork(head.author);
                news.push(Progress::Forked { author: head.author });
            }
        }
        if !ranges.is_empty() {
            let events = ranges.iter().fold(0, |sum: u64, range| sum.saturating_add(range.upto - range.after));
            news.push(Progress::Behind { authors: ranges.len(), events });
            match deal.wants {
                Wants::Everything => self.goals.push_back(Goal::Pull(ranges)),
                Wants::Window => self.compare_window(deal),
                Wants::OnDemand => {}
            }
        }
        self.target = theirs;
        Ok(true)
    }

    fn compare_window(&mut self, deal: &Deal) {
        self.compared = true;
        self.goals.extend(deal.spans.iter().copied().map(Goal::Span));
    }

    /// Everything that was wanted is here.
    fn settle<S: Side + ?Sized>(&mut self, side: &mut S, deal: &Deal, news: &mut News) -> Result<Option<Message>, Fault> {
        if !self.started || self.caught_up || self.offering.is_some() {
            return Ok(None);
        }
        self.caught_up = true;
        self.sparse = deal.wants != Wants::Everything;
        self.paused = self.refused && !self.sparse;
        if deal.wants == Wants::Window {
            let compared = std::mem::take(&mut self.compared) && deal.gives_heads;
            match (self.unsettled, compared) {
                (false, true) => side.compared(&self.target)?,
                (false, false) if !self.target.is_empty() => side.reached(&self.target)?,
                _ => {}
            }
            self.cursors = side.heads()?.into_iter().map(|head| (head.author, head.sequence)).collect();
        }
        news.push(Progress::CaughtUp);
        if deal.live && !self.live && deal.wants != Wants::OnDemand {
            self.live = true;
            return Ok(Some(Message::Live(super::message::Live {})));
        }
        Ok(None)
    }

    fn span_step(&mut self, work: &mut SpanWork, deal: &Deal, export: &Export) -> Option<Message> {
        if let Some(message) = work.question() {
            return Some(message);
        }
        if let Some(ids) = work.wanted() {
            let left = ids.iter().copied().collect();
            let request = self.request(Expect::Ids { left, source: Source::Span });
            let newest_first = deal.wants != Wants::Everything;
            return Some(Message::Want(Want { request, offer: 0, newest_first, ids: Packed(ids) }));
        }
        if self.offering.is_none()
            && export.has_answered()
            && let Some(ids) = work.offer()
        {
            self.requests += 1;
            self.offering = Some(self.requests);
            return Some(Message::Offer(Offer { offer: self.requests, ids: Packed(ids) }));
        }
        None
    }

    fn answer_offer<S: Side + ?Sized>(&mut self, offer: Offer, side: &S, deal: &Deal) -> Result<Message, Fault> {
        let mut ids = offer.ids.0;
        if deal.wants == Wants::Everything {
            let held = side.headers(&ids)?;
            let mut held = held.into_iter();
            ids.retain(|_| held.next().flatten().is_none());
        } else {
            ids.clear();
        }
        let left = ids.iter().copied().collect();
        let request = self.request(Expect::Ids { left, source: Source::Offer });
        Ok(Message::Want(Want { request, offer: offer.offer, newest_first: false, ids: Packed(ids) }))
    }

    fn ask(&mut self, handle: u32, fetch: Fetch) -> Message {
        match fetch {
            Fetch::Ids(mut ids) => {
                if ids.len() > MAX_IDS {
                    let rest = ids.split_off(MAX_IDS);
                    self.fetches.push_front((handle, Fetch::Ids(rest)));
                }
                let left = ids.iter().copied().collect();
                let request = self.request(Expect::Ids { left, source: Source::Fetch { handle, came: 0 } });
                Message::Want(Want { request, offer: 0, newest_first: true, ids: Packed(ids) })
            }
            Fetch::Entity { entity, before, limit } => {
                let request = self.request(Expect::Entity { entity, left: limit, handle, came: 0 });
                Message::WantEntity(WantEntity { request, entity, before, limit })
            }
        }
    }

    /// An answer to a round of reconciliation.
    pub(crate) fn reconciled(&mut self, answer: &Reconciled) -> Result<(), PeerFault> {
        match &mut self.active {
            Some(Active::Span(work)) => work.answer(answer),
            _ => Err(PeerFault::OutOfTurn(9)),
        }
    }

    /// A request is answered.
    pub(crate) fn done(&mut self, done: Done, deal: &Deal, export: &mut Export, news: &mut News) -> Result<(), PeerFault> {
        match self.expected.remove(&done.request).ok_or(PeerFault::Unasked)? {
            Expect::Chain(chain) => {
                for (author, lane) in chain.lanes.into_iter().filter(|(_, lane)| lane.next <= lane.upto || lane.stalled) {
                    self.unsettled = true;
                    if done.forked.0.contains(&author) {
                        export.fork(author);
                        news.push(Progress::Forked { author });
                    } else if done.short.0.contains(&author) {
                        news.push(Progress::Stalled { author });
                    } else if !lane.stalled && !chain.ended {
                        return Err(PeerFault::BrokenPromise);
                    }
                }
            }
            Expect::Ids { left, source } => {
                let absent: HashSet<Id> = done.absent.0.into_iter().collect();
                // Who holds whole chains has what it listed a moment ago. A window may have dropped it meanwhile, and a grant
                // may have been taken back.
                let listed = !matches!(source, Source::Fetch { .. });
                if absent != left || (listed && !left.is_empty() && deal.theirs.complete && deal.gives_heads) {
                    return Err(PeerFault::BrokenPromise);
                }
                match source {
                    Source::Span => self.span_answered(left.len()),
                    Source::Offer => {}
                    Source::Fetch { handle, came } => {
                        news.push(Progress::Fetched { request: handle, came, absent: left.len() as u64 });
                    }
                }
            }
            Expect::Entity { handle, came, .. } => news.push(Progress::Fetched { request: handle, came, absent: 0 }),
        }
        Ok(())
    }

    fn span_answered(&mut self, absent: usize) {
        if let Some(Active::Span(work)) = &mut self.active {
            work.came(absent);
        }
    }
}
