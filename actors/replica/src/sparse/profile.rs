//! How much a sparse store may hold and for how long, as data.

/// Kept free in the database, one part of so many: LMDB copies the pages that it changes, so what lets go needs room too,
/// and a long body needs free pages that lie side by side.
const SPARE: u64 = 8;

/// What is pinned is sure of one part of so many of the room, and of no more. The titles of everything may take a quarter of
/// the room and the list of what was let go an eighth: so there is always some for what is new.
const PINNED: u64 = 2;

/// What is neither database nor content, one part of so many: locks, a probe for a full disk, what a file system rounds up.
const SLACK: u64 = 128;
const LEAST_SLACK: u64 = 256 << 10;

/// The database grows by pages; no machine's are larger.
const PAGE: u64 = 64 << 10;

/// The least that makes sense: the longest body that travels takes a sixteenth of it.
const LEAST_LIMIT: u64 = 16 << 20;
const LEAST_OUTBOX: u64 = 1 << 20;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// How much a sparse store may hold and for how long.
///
/// The two that are named come from the mobile rules of the systems before this one: a month and 500 MB, a week and 50 MB.
/// Those halved the age when 0.7 of the room was taken and halved it again at 0.9; so do these, in whole days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Bytes on disk that everything together never exceeds: database with its index and free pages, chunks, outbox, locks.
    pub limit: u64,
    /// Of these, bytes of the outbox's file. It takes commands of a third of it.
    pub outbox: u64,
    /// Days after which content leaves that nobody has used.
    pub days: u32,
    /// What tightens that when room gets short, least pressure first.
    pub pressure: [Pressure; 2],
    /// Messages of a conversation that are fetched at once.
    pub first: u32,
    /// And so many behind them, when there is time.
    pub behind: u32,
    /// Conversations that are fetched before anybody asks for them.
    pub conversations: u32,
}

/// From some fullness on, content leaves sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// Thousandths of the room for content that must be taken.
    pub permille: u16,
    /// The days that hold instead.
    pub days: u32,
}

impl Profile {
    /// A month, 500 MB.
    pub const STANDARD: Profile = Profile {
        limit: 500_000_000,
        outbox: 16 << 20,
        days: 30,
        pressure: [Pressure { permille: 700, days: 15 }, Pressure { permille: 900, days: 7 }],
        first: 50,
        behind: 200,
        conversations: 50,
    };

    /// A week, 50 MB: for a small device.
    pub const SMALL: Profile = Profile {
        limit: 50_000_000,
        outbox: 4 << 20,
        days: 7,
        pressure: [Pressure { permille: 700, days: 3 }, Pressure { permille: 900, days: 1 }],
        conversations: 20,
        ..Profile::STANDARD
    };

    /// Why it cannot be kept to, if it cannot.
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        let [first, second] = self.pressure;
        [
            (self.limit < LEAST_LIMIT, "its limit is below 16 MiB"),
            (self.outbox < LEAST_OUTBOX, "its outbox is below 1 MiB"),
            (self.outbox > self.limit / 4, "its outbox is more than a quarter of its limit"),
            (first.permille > second.permille || second.permille > 1000, "its pressure does not rise to 1000 at most"),
            (first.days > self.days || second.days > first.days, "pressure makes it keep longer"),
        ]
        .into_iter()
        .find_map(|(wrong, why)| wrong.then_some(why))
    }

    /// The most bytes of the database's file beside `other` bytes of other files.
    pub(crate) fn map(&self, other: u64) -> u64 {
        let slack = (self.limit / SLACK).max(LEAST_SLACK);
        self.limit.saturating_sub(self.outbox + slack + other) / PAGE * PAGE
    }

    /// The most bytes of the outbox's file.
    pub(crate) fn outbox_map(&self) -> u64 {
        self.outbox / PAGE * PAGE
    }

    /// How long content stays that nobody uses, in milliseconds, when so many thousandths of the room are taken.
    pub(crate) fn age(&self, permille: u64) -> u64 {
        let pressed = self.pressure.iter().filter(|pressure| permille >= pressure.permille.into()).map(|pressure| pressure.days);
        u64::from(pressed.min().unwrap_or(self.days).min(self.days)) * DAY
    }

    /// How far back a comparison goes, in milliseconds.
    pub(crate) fn window(&self) -> u64 {
        u64::from(self.days) * DAY
    }
}

/// Bytes of a database of `map` bytes that may be in use between transactions.
pub(crate) fn capacity(map: u64) -> u64 {
    map - map / SPARE
}

/// Bytes that what is pinned is sure of, where so many may be in use.
pub(crate) fn pinned(capacity: u64) -> u64 {
    capacity / PINNED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_tighter_from_each_threshold_on() {
        let days = |profile: Profile, permille| profile.age(permille) / DAY;
        let standard = [0, 699, 700, 899, 900, 1000].map(|permille| days(Profile::STANDARD, permille));
        assert_eq!(standard, [30, 30, 15, 15, 7, 7]);
        assert_eq!([0, 700, 900].map(|permille| days(Profile::SMALL, permille)), [7, 3, 1]);
    }

    #[test]
    fn parts_stay_below_the_whole() {
        for profile in [Profile::STANDARD, Profile::SMALL] {
            assert_eq!(profile.flaw(), None);
            assert!(profile.map(0) + profile.outbox_map() + LEAST_SLACK <= profile.limit);
            assert!(profile.map(0) > profile.limit / 10 * 8, "most of it is for content");
        }
        assert!(Profile { limit: 1 << 20, ..Profile::SMALL }.flaw().is_some());
    }
}
