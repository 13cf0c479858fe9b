//! What has come: looked at, given to the replica, and what became of each noted.

use ipc::event::EventHeader;

use super::{
    super::{
        deal::{Deal, News},
        expected::{Expect, Source},
        export::Export,
        fault::{Fault, PeerFault},
        message::{Parcels, Wants},
        parcel::{Carried, Parcel},
        policy::Keep,
        progress::Progress,
        records::{Author, Head, Id},
        side::{BadParcel, Side, Taken},
    },
    Active, Import,
};

impl Import {
    /// Events have come, in a message of `bytes` bytes. `may` says whether one is taken from this peer.
    pub(crate) fn parcels<S: Side + ?Sized>(
        &mut self,
        message: Parcels,
        bytes: usize,
        side: &mut S,
        (deal, may): (&Deal, &dyn Fn(&EventHeader) -> bool),
        export: &mut Export,
        news: &mut News,
    ) -> Result<(), Fault> {
        self.room = self.room.checked_sub(bytes as u64).ok_or(PeerFault::OverCredit)?;
        self.owed += bytes as u64;
        let pushed = message.request == 0;
        let mut handed = Vec::with_capacity(message.parcels.len());
        let mut parcels = Vec::with_capacity(message.parcels.len());
        for mut parcel in message.parcels {
            let id = parcel.id();
            let header = parcel.header().ok_or(PeerFault::Bad(id, BadParcel::Header))?;
            if header.space != side.space() {
                return Err(PeerFault::ForeignSpace.into());
            }
            if !self.expects(message.request, &id, &header)? {
                continue;
            }
            if !may(&header) {
                news.tally.barred += 1;
                news.push(Progress::Barred { author: header.author });
                // Nobody's fault, and what comes after it in its author's chain is left out as well.
                self.left_out(message.request, id, header.author, Taken::Forked);
                continue;
            }
            if !self.accepts(&mut parcel, &header, deal, news) {
                continue;
            }
            handed.push((id, header));
            parcels.push(parcel);
        }
        if parcels.is_empty() {
            return Ok(());
        }
        let results = side.take(parcels)?;
        let mut reached = Vec::new();
        for ((id, header), taken) in handed.into_iter().zip(results) {
            let (author, sequence) = (header.author, header.sequence);
            match taken {
                Taken::New | Taken::Known => {
                    news.tally.taken += u64::from(taken == Taken::New);
                    export.has(&author, sequence);
                    let cursor = self.cursors.get(&author).copied().unwrap_or(0);
                    if pushed && deal.wants == Wants::Window && sequence.checked_sub(1) == Some(cursor) {
                        self.cursors.insert(author, sequence);
                        reached.push(Head { author, sequence, id });
                    }
                    continue;
                }
                Taken::Bad(why) => return Err(PeerFault::Bad(id, why).into()),
                // What waits in a comparison is asked for again at its end.
                Taken::Waits if self.compares(message.request) => {}
                Taken::Waits => news.push(Progress::Stalled { author }),
                Taken::Ahead { millis } => news.push(Progress::Ahead { author, millis }),
                Taken::Forked => {
                    export.fork(author);
                    news.push(Progress::Forked { author });
                }
            }
            self.left_out(message.request, id, author, taken);
        }
        if !reached.is_empty() {
            side.reached(&reached)?;
        }
        Ok(())
    }

    /// Whether a parcel is what was asked for, and shall be handed on.
    fn expects(&mut self, request: u32, id: &Id, header: &EventHeader) -> Result<bool, PeerFault> {
        if request == 0 {
            return if self.live { Ok(!self.paused) } else { Err(PeerFault::Unasked) };
        }
        self.expected.get_mut(&request).ok_or(PeerFault::Unasked)?.admits(id, header)
    }

    /// Takes from a parcel what the rules of this side do not let in; whether anything is left.
    fn accepts(&self, parcel: &mut Parcel, header: &EventHeader, deal: &Deal, news: &mut News) -> bool {
        let rule = deal.rules.of(header.kind);
        if rule.accept && rule.keep != Keep::LocalOnly {
            return true;
        }
        if matches!(parcel.body, Carried::Here(_)) {
            news.tally.refused += 1;
            parcel.body = Carried::Withheld;
        }
        deal.wants == Wants::Everything
    }

    fn compares(&self, request: u32) -> bool {
        matches!(self.expected.get(&request), Some(Expect::Ids { source: Source::Span, .. }))
    }

    /// An event was not taken, though nobody is to blame.
    fn left_out(&mut self, request: u32, id: Id, author: Author, taken: Taken) {
        self.unsettled = true;
        self.refused |= taken != Taken::Forked;
        self.paused |= request == 0 && self.refused && !self.sparse;
        match self.expected.get_mut(&request) {
            Some(Expect::Chain(chain)) => {
                chain.ended |= matches!(taken, Taken::Ahead { .. });
                if let Some(lane) = chain.lanes.get_mut(&author) {
                    lane.stalled = true;
                }
            }
            Some(Expect::Ids { source: Source::Span, .. }) if taken == Taken::Waits => {
                if let Some(Active::Span(work)) = &mut self.active {
                    work.waits(id);
                }
            }
            _ => {}
        }
    }
}
