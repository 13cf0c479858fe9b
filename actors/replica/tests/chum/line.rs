//! Two sessions and the bytes between them, cut as a test likes.

use std::collections::VecDeque;

use replica::chum::{Everything, Fault, Grants, Peer, Progress, Session, Settings, Side, limits};

/// One end of a line.
pub(crate) struct End {
    pub(crate) session: Session,
    pub(crate) news: Vec<Progress>,
}

/// A line between two ends.
pub(crate) struct Line {
    pub(crate) ends: [End; 2],
    /// Bytes on their way to each end.
    pub(crate) pipes: [VecDeque<u8>; 2],
    /// All bytes that arrived.
    pub(crate) delivered: u64,
    /// Nothing more arrives after so many.
    pub(crate) cut: u64,
    /// How many bytes arrive at once.
    pub(crate) piece: Box<dyn FnMut() -> usize>,
    /// Most bytes that were on their way to an end.
    pub(crate) most: usize,
}

/// Which end said that the session is over, and why.
pub(crate) type Over = (usize, Fault);

pub(crate) fn end(settings: Settings) -> End {
    end_with(settings, Everything)
}

pub(crate) fn end_with(settings: Settings, grants: impl Grants + Send + 'static) -> End {
    End { session: Session::new(settings, Box::new(grants)), news: Vec::new() }
}

pub(crate) fn archive() -> Settings {
    Settings::archive(Peer([1; 32]))
}

/// An archive that leaves when it has what it wants.
pub(crate) fn once() -> Settings {
    Settings { live: false, ..archive() }
}

impl Line {
    pub(crate) fn new(one: End, other: End) -> Line {
        Line {
            ends: [one, other],
            pipes: [VecDeque::new(), VecDeque::new()],
            delivered: 0,
            cut: u64::MAX,
            piece: Box::new(|| 4096),
            most: 0,
        }
    }

    /// Runs until nobody has anything to say, or the line is cut.
    pub(crate) fn run<A: Side, B: Side>(&mut self, one: &mut A, other: &mut B) -> Result<(), Over> {
        loop {
            let before = (self.delivered, self.pipes[0].len() + self.pipes[1].len());
            self.step(0, one)?;
            self.step(1, other)?;
            let after = (self.delivered, self.pipes[0].len() + self.pipes[1].len());
            if before == after || self.delivered >= self.cut {
                return Ok(());
            }
        }
    }

    /// Lets one end hear something and say something.
    pub(crate) fn step<S: Side>(&mut self, index: usize, side: &mut S) -> Result<(), Over> {
        let count = (self.piece)().max(1).min(self.pipes[index].len());
        let allowed = usize::try_from(self.cut - self.delivered).unwrap_or(usize::MAX);
        let bytes: Vec<u8> = self.pipes[index].drain(..count.min(allowed)).collect();
        self.delivered += bytes.len() as u64;
        let end = &mut self.ends[index];
        let heard = end.session.receive(side, &bytes);
        let mut out = Vec::new();
        // A socket's buffer.
        let room = (64usize << 10).saturating_sub(self.pipes[1 - index].len());
        let said = end.session.send(side, &mut out, room);
        assert!(end.session.held() <= limits::MAX_FRAME + 5);
        self.pipes[1 - index].extend(out);
        self.most = self.most.max(self.pipes[1 - index].len());
        end.news.extend(end.session.progress());
        heard.and(said).map_err(|fault| (index, fault))
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.ends.iter().all(|end| end.session.is_finished())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.ends.iter().map(|end| end.session.tally().bytes_out).sum()
    }
}

/// A whole session between two archives, both of which leave when they have what they want.
pub(crate) fn sync<A: Side, B: Side>(one: &mut A, other: &mut B) -> Line {
    let mut line = Line::new(end(once()), end(once()));
    line.run(one, other).unwrap();
    assert!(line.is_finished(), "{:?} {:?}", line.ends[0].news, line.ends[1].news);
    line
}
