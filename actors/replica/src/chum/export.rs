//! The exporting end: answers what the other side asks and pushes what is new, never more at once than it was let.
//!
//! Everything that leaves passes [`Export::fill`], where the grant and the policy are asked for each event at the moment it
//! is read.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
};

use ipc::event::EventHeader;

use super::{
    deal::{Deal, set_of},
    fault::{Fault, PeerFault},
    grant::{Grants, Reach},
    limits::{CHUNK, MAX_SPANS, MAX_WAITING, MOST_CREDIT},
    merge::Merge,
    message::{Done, Message, Parcels, Pull, Reconcile, Reconciled, Want, WantEntity, Wants},
    parcel::{Carried, Parcel},
    policy::Way,
    progress::Tally,
    reconcile::Answering,
    records::{Author, Head, Id, Packed, Range, Span},
    side::Side,
};

/// Ids that are looked up at once.
const PAGE: usize = 256;

/// Bytes of a message of parcels beside them.
const AROUND: u64 = 32;

/// Why parcels are sent, which decides what a rule does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Part of a chain: every header goes.
    Chain,
    /// News for a window: what is not listed does not go.
    News,
    /// Asked for by name.
    Asked,
}

/// A request by id or by entity that is being answered.
struct Asked {
    request: u32,
    ids: VecDeque<Id>,
    absent: Vec<Id>,
    by_id: bool,
}

/// A request for ranges that is being answered.
struct Pulled {
    request: u32,
    merge: Merge,
    ranges: Vec<Range>,
    forked: Vec<Author>,
    short: Vec<Author>,
}

#[derive(Default)]
pub(crate) struct Export {
    /// Bytes of parcels that may be sent.
    credit: u64,
    /// Bytes the next parcel needs of it.
    needed: u64,
    asked: VecDeque<Asked>,
    pulled: Option<Pulled>,
    question: Option<Reconcile>,
    answering: Option<(u32, Span, Answering)>,
    spans: u32,
    live: bool,
    changed: bool,
    push: Option<(Merge, Vec<Head>)>,
    /// What the other side holds of each author, as far as is known.
    known: BTreeMap<Author, u64>,
    /// Authors who are not pushed, because the two sides hold different events of theirs.
    forked: HashSet<Author>,
}

/// What has come together for one message.
struct Filled {
    parcels: Vec<Parcel>,
    absent: Vec<Id>,
}

impl Export {
    /// Lets parcels be sent.
    pub(crate) fn credit(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(bytes.into()).min(MOST_CREDIT);
    }

    /// Parcels were sent.
    pub(crate) fn spent(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_sub(bytes as u64);
    }

    /// The other side holds all this.
    pub(crate) fn knows(&mut self, heads: &[Head]) {
        self.known.extend(heads.iter().map(|head| (head.author, head.sequence)));
    }

    /// The other side has this event.
    pub(crate) fn has(&mut self, author: &Author, sequence: u64) {
        let known = self.known.entry(*author).or_default();
        if sequence.checked_sub(1) == Some(*known) {
            *known = sequence;
        }
    }

    /// This author's events are different on the two sides.
    pub(crate) fn fork(&mut self, author: Author) {
        self.forked.insert(author);
    }

    /// There may be news.
    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }

    /// The other side wants news as they come.
    pub(crate) fn go_live(&mut self) {
        (self.live, self.changed) = (true, true);
    }

    /// Nothing that was asked for by name is left to be answered.
    pub(crate) fn has_answered(&self) -> bool {
        self.asked.is_empty()
    }

    /// Nothing is left to be answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.pulled.is_none() && self.question.is_none() && self.push.is_none()
    }

    pub(crate) fn pull<S: Side + ?Sized>(&mut self, pull: Pull, side: &S, deal: &Deal) -> Result<(), Fault> {
        if deal.reach != Reach::Whole {
            return Err(PeerFault::NotGranted.into());
        }
        if self.pulled.is_some() {
            return Err(PeerFault::Flood.into());
        }
        let (mut ranges, mut forked, mut short) = (Vec::new(), Vec::new(), Vec::new());
        for range in pull.ranges.0 {
            if range.after >= range.upto {
                return Err(PeerFault::BadRange(range.author).into());
            }
            if range.after == 0 {
                ranges.push(range);
                continue;
            }
            match side.chain(&range.author, range.after - 1, range.after, 1)?.first() {
                Some(link) if link.id == range.after_id => ranges.push(range),
                Some(_) => forked.push(range.author),
                None => short.push(range.author),
            }
        }
        self.forked.extend(&forked);
        let merge = Merge::new(side, &ranges)?;
        self.pulled = Some(Pulled { request: pull.request, merge, ranges, forked, short });
        Ok(())
    }

    pub(crate) fn want<S: Side + ?Sized>(&mut self, want: Want, side: &S) -> Result<(), Fault> {
        let ids = want.ids.0;
        let headers = side.headers(&ids)?;
        let clock = |header: &Option<Vec<u8>>| header.as_deref().and_then(|bytes| EventHeader::decode(bytes).ok());
        let mut ordered: Vec<(u64, Id)> =
            headers.iter().zip(ids).map(|(header, id)| (clock(header).map_or(0, |header| header.clock.0), id)).collect();
        ordered.sort_unstable();
        ordered.dedup();
        if want.newest_first {
            ordered.reverse();
        }
        let ids = ordered.into_iter().map(|(_, id)| id).collect();
        self.enqueue(Asked { request: want.request, ids, absent: Vec::new(), by_id: true })
    }

    pub(crate) fn want_entity<S: Side + ?Sized>(&mut self, want: &WantEntity, side: &S) -> Result<(), Fault> {
        let ids = side.entity(&want.entity, want.before, want.limit as usize)?;
        self.enqueue(Asked { request: want.request, ids: ids.into(), absent: Vec::new(), by_id: false })
    }

    fn enqueue(&mut self, asked: Asked) -> Result<(), Fault> {
        if self.asked.len() >= MAX_WAITING {
            return Err(PeerFault::Flood.into());
        }
        self.asked.push_back(asked);
        Ok(())
    }

    pub(crate) fn reconcile(&mut self, question: Reconcile) -> Result<(), Fault> {
        if self.question.is_some() {
            return Err(PeerFault::Flood.into());
        }
        self.question = Some(question);
        Ok(())
    }

    /// The next message, if there is something to say and it may be said.
    pub(crate) fn next<S, G>(&mut self, side: &S, grants: &G, deal: &Deal, tally: &mut Tally) -> Result<Option<Message>, Fault>
    where
        S: Side + ?Sized,
        G: Grants + ?Sized,
    {
        if let Some(question) = self.question.take() {
            tally.rounds += 1;
            return self.answer(question, side, grants, deal).map(Some);
        }
        if self.credit < self.needed + AROUND {
            return Ok(None);
        }
        if let Some(mut asked) = self.asked.pop_front() {
            let request = asked.request;
            let filled = loop {
                let before = asked.ids.len();
                let filled = self.fill(&mut asked.ids, Purpose::Asked, side, grants, deal)?;
                tally.denied += filled.absent.len() as u64;
                asked.absent.extend(&filled.absent);
                if !filled.parcels.is_empty() || asked.ids.is_empty() || asked.ids.len() == before {
                    break filled;
                }
            };
            if filled.parcels.is_empty() && asked.ids.is_empty() {
                let absent = if asked.by_id { asked.absent } else { Vec::new() };
                return Ok(Some(done(request, absent, Vec::new(), Vec::new())));
            }
            self.asked.push_front(asked);
            return Ok(parcels(request, filled.parcels, tally));
        }
        if let Some(mut pulled) = self.pulled.take() {
            pulled.merge.prepare(side, PAGE)?;
            let filled = self.fill(&mut pulled.merge.ready, Purpose::Chain, side, grants, deal)?;
            let request = pulled.request;
            if !filled.absent.is_empty() {
                return Err(Fault::Here(Arc::new(Vanished)));
            }
            if filled.parcels.is_empty() && pulled.merge.ready.is_empty() {
                pulled.short.extend(pulled.merge.short());
                for range in pulled.ranges.iter().filter(|range| !pulled.short.contains(&range.author)) {
                    let known = self.known.entry(range.author).or_default();
                    *known = range.upto.max(*known);
                }
                return Ok(Some(done(request, Vec::new(), pulled.forked, pulled.short)));
            }
            self.pulled = Some(pulled);
            return Ok(parcels(request, filled.parcels, tally));
        }
        self.push(side, grants, deal, tally)
    }

    /// News, if the other side wants them.
    fn push<S, G>(&mut self, side: &S, grants: &G, deal: &Deal, tally: &mut Tally) -> Result<Option<Message>, Fault>
    where
        S: Side + ?Sized,
        G: Grants + ?Sized,
    {
        if !self.live || deal.reach == Reach::Nothing {
            return Ok(None);
        }
        if self.push.is_none() && self.changed {
            self.changed = false;
            let heads = side.heads()?;
            let news = |head: &&Head| !self.forked.contains(&head.author);
            let range = |head: &Head| {
                let after = self.known.get(&head.author).copied().unwrap_or(0);
                Range { author: head.author, after, after_id: [0; 32], upto: head.sequence }
            };
            let ranges: Vec<Range> = heads.iter().filter(news).map(range).filter(|range| range.after < range.upto).collect();
            if !ranges.is_empty() {
                self.push = Some((Merge::new(side, &ranges)?, heads));
            }
        }
        let Some((mut merge, heads)) = self.push.take() else { return Ok(None) };
        let chain = deal.reach == Reach::Whole && deal.theirs.wants == Wants::Everything;
        let purpose = if chain { Purpose::Chain } else { Purpose::News };
        loop {
            merge.prepare(side, PAGE)?;
            let before = merge.ready.len();
            let filled = self.fill(&mut merge.ready, purpose, side, grants, deal)?;
            if filled.parcels.is_empty() && merge.ready.is_empty() {
                let short = merge.short();
                self.knows(&heads.into_iter().filter(|head| !short.contains(&head.author)).collect::<Vec<_>>());
                return Ok(None);
            }
            if filled.parcels.is_empty() && merge.ready.len() < before {
                // All of them stay here; look at the next ones.
                continue;
            }
            self.push = Some((merge, heads));
            return Ok(parcels(0, filled.parcels, tally));
        }
    }

    /// Takes from the front of `ids` what fits into one message and into the credit.
    fn fill<S, G>(&mut self, ids: &mut VecDeque<Id>, purpose: Purpose, side: &S, grants: &G, deal: &Deal) -> Result<Filled, Fault>
    where
        S: Side + ?Sized,
        G: Grants + ?Sized,
    {
        let mut filled = Filled { parcels: Vec::new(), absent: Vec::new() };
        let next: Vec<Id> = ids.iter().take(PAGE).copied().collect();
        if next.is_empty() {
            return Ok(filled);
        }
        let room = self.credit.saturating_sub(AROUND);
        let budget = CHUNK.min(usize::try_from(room).unwrap_or(CHUNK));
        let mut total = 0;
        self.needed = 0;
        for (id, parcel) in next.iter().zip(side.parcels(&next, budget)?) {
            match parcel.and_then(|parcel| judge(parcel, purpose, grants, deal)) {
                Some(parcel) => {
                    let weight = parcel.weight() as u64;
                    if total + weight > room {
                        // A parcel longer than the credit waits until there is more of it.
                        self.needed = if total == 0 { weight } else { 0 };
                        break;
                    }
                    if total > 0 && total + weight > CHUNK as u64 {
                        break;
                    }
                    total += weight;
                    filled.parcels.push(parcel);
                }
                None => filled.absent.push(*id),
            }
            ids.pop_front();
        }
        Ok(filled)
    }

    /// One round of a reconciliation.
    fn answer<S, G>(&mut self, question: Reconcile, side: &S, grants: &G, deal: &Deal) -> Result<Message, Fault>
    where
        S: Side + ?Sized,
        G: Grants + ?Sized,
    {
        let Reconcile { request, span, message } = question;
        if self.answering.as_ref().is_none_or(|(number, of, _)| (*number, *of) != (request, span)) {
            self.spans += 1;
            if self.spans > MAX_SPANS {
                return Err(PeerFault::Flood.into());
            }
            let set = match deal.reach {
                Reach::Nothing => Vec::new(),
                Reach::Whole if deal.theirs.wants == Wants::Everything => side.window(span.from, span.to)?,
                reach => {
                    let way = Way { exporter: &deal.rules, importer: &deal.their_rules };
                    let each = reach == Reach::Some;
                    let may = |header: &EventHeader| grants.may_export(&deal.peer, header);
                    set_of(side, span, way, each.then_some(&may as &dyn Fn(&EventHeader) -> bool))?
                }
            };
            let answering = Answering::new(set).map_err(super::session::engine)?;
            self.answering = Some((request, span, answering));
        }
        let malformed = PeerFault::Malformed(Message::Reconcile(Reconcile { request, span, message: Vec::new() }).kind());
        let Some((_, _, answering)) = &mut self.answering else { return Err(malformed.into()) };
        let message = answering.answer(&message, malformed)?;
        Ok(Message::Reconciled(Reconciled { request, message }))
    }
}

/// A chain that was there a moment ago is not.
#[derive(Debug, thiserror::Error)]
#[error("the replica named an event that it does not hold")]
struct Vanished;

/// What of a parcel goes; `None` if nothing does.
fn judge<G: Grants + ?Sized>(mut parcel: Parcel, purpose: Purpose, grants: &G, deal: &Deal) -> Option<Parcel> {
    let header = parcel.header()?;
    let granted = match deal.reach {
        Reach::Nothing => return None,
        Reach::Some | Reach::Whole => grants.may_export(&deal.peer, &header),
    };
    let way = Way { exporter: &deal.rules, importer: &deal.their_rules };
    // What is longer than a message is a blob and not an event's body; its header goes all the same.
    let goes = granted
        && parcel.fits()
        && if purpose == Purpose::Asked { way.may_go(header.kind) } else { way.goes_unasked(header.kind) };
    if goes {
        return Some(parcel);
    }
    if deal.reach != Reach::Whole || purpose == Purpose::News {
        return None;
    }
    if matches!(parcel.body, Carried::Here(_)) {
        parcel.body = Carried::Withheld;
    }
    Some(parcel)
}

fn parcels(request: u32, parcels: Vec<Parcel>, tally: &mut Tally) -> Option<Message> {
    tally.sent += parcels.len() as u64;
    (!parcels.is_empty()).then_some(Message::Parcels(Parcels { request, parcels }))
}

fn done(request: u32, absent: Vec<Id>, forked: Vec<Author>, short: Vec<Author>) -> Message {
    Message::Done(Done { request, absent: Packed(absent), forked: Packed(forked), short: Packed(short) })
}
