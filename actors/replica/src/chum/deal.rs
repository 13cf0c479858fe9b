//! What a session is about: how this side takes part, what the two have agreed on, and what that makes of a set.

use std::collections::VecDeque;

use ipc::event::EventHeader;

use super::{
    grant::{Peer, Reach},
    limits::{self, MAX_PROGRESS},
    message::{Hello, Wants},
    policy::{Listing, Rules, Way},
    progress::{Progress, Tally},
    records::{Id, Span},
    side::{Side, SideError},
};

/// How this side takes part.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who the other side is, by what it proved to the transport.
    pub peer: Peer,
    /// What is wanted of it.
    pub wants: Wants,
    /// The moments that are wanted with [`Wants::Window`], in the order they shall come; see [`Span::recent`].
    pub spans: Vec<Span>,
    /// This side holds whole chains: it is an archive.
    pub complete: bool,
    /// Compare everything, once the rest is done. One of two sides is enough.
    pub audit: bool,
    /// Stay and have news pushed; otherwise the session ends when both have what they want.
    pub live: bool,
    /// The rules of this side for kinds.
    pub rules: Rules,
    /// Bytes of parcels that may be on their way to this side.
    pub credit: u32,
}

impl Settings {
    /// An archive that wants everything and stays.
    pub fn archive(peer: Peer) -> Settings {
        Settings {
            peer,
            wants: Wants::Everything,
            spans: Vec::new(),
            complete: true,
            audit: false,
            live: true,
            rules: Rules::default(),
            credit: limits::CREDIT,
        }
    }

    /// A window that wants these moments and what is new.
    pub fn window(peer: Peer, spans: Vec<Span>) -> Settings {
        Settings { wants: Wants::Window, spans, complete: false, ..Settings::archive(peer) }
    }
}

/// What the two sides have agreed on.
pub(crate) struct Deal {
    pub(crate) peer: Peer,
    pub(crate) wants: Wants,
    pub(crate) spans: Vec<Span>,
    pub(crate) live: bool,
    pub(crate) rules: Rules,
    pub(crate) credit: u32,
    /// What the other side may see.
    pub(crate) reach: Reach,
    /// The other side tells its heads.
    pub(crate) gives_heads: bool,
    pub(crate) their_rules: Rules,
    pub(crate) theirs: Hello,
}

impl Deal {
    /// Whether the other side is told what it lacks, when everything is compared.
    pub(crate) fn offers(&self) -> bool {
        self.wants == Wants::Everything && self.theirs.wants == Wants::Everything && self.reach == Reach::Whole
    }
}

/// What this side is told about the session.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) tally: Tally,
    pub(crate) progress: VecDeque<Progress>,
}

impl News {
    pub(crate) fn push(&mut self, progress: Progress) {
        if self.progress.len() == MAX_PROGRESS {
            self.progress.pop_front();
        }
        self.progress.push_back(progress);
    }
}

/// What is held in a span and shall be in the other side's hands by itself, ordered by clock. Headers are looked at only
/// where a rule or a grant asks for it, newest first.
pub(crate) fn set_of<S: Side + ?Sized>(
    side: &S,
    span: Span,
    way: Way<'_>,
    may: Option<&dyn Fn(&EventHeader) -> bool>,
) -> Result<Vec<(u64, Id)>, SideError> {
    const PAGE: usize = 1024;
    let set = side.window(span.from, span.to)?;
    if !way.filters() && may.is_none() {
        return Ok(set);
    }
    let mut listing = Listing::new(way);
    let mut kept = Vec::new();
    for page in set.rchunks(PAGE) {
        let ids: Vec<Id> = page.iter().map(|(_, id)| *id).collect();
        let headers = side.headers(&ids)?;
        for (item, header) in page.iter().zip(headers).rev() {
            let Some(header) = header.as_deref().and_then(|bytes| EventHeader::decode(bytes).ok()) else { continue };
            if may.is_none_or(|may| may(&header)) && listing.has(&header) {
                kept.push(*item);
            }
        }
    }
    kept.reverse();
    Ok(kept)
}
