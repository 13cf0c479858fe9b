//! What was done with the keys, in a log that shows when somebody took something out of it.
//!
//! One file for the installation (`audit` in the data directory, handed over at birth like the file of wrapped keys), because
//! nothing of a user may exist before his pair opens: the records of all spaces lie in one row, of equal size, each sealed
//! under a key of its space. Which records are whose, whether there is a second space and what was done in it tells the file
//! to nobody; a space reads its own records and no other's.
//!
//! ```text
//! byte   0  8 B    "LAMOSAUD"
//!        8  u32    version
//!       12  u32    places in the ring
//!       16  u64    records ever written
//!       24  ...    zeros
//!      224  32 B   BLAKE3 of bytes 0 to 224
//!      256  n × 256 B  records: nonce 24 ‖ sealed 216 ‖ tag 16
//! ```
//!
//! Record `k` lies in place `k mod places`; the ring has room for 262,143 of them (64 MiB), then the oldest makes room. A record
//! is sealed with XChaCha20-Poly1305 under HKDF(master key, "lamos/v1/audit"); its associated data are a label, the device,
//! its number in the file and the BLAKE3 of the 256 bytes before it, whoever's these are. Sealed in it (little-endian): version
//! u8, role u8, verb u16, outcome u16 (0, or the number of the refusal), 2 zeros, instance u32, times u32, since and at u64
//! (milliseconds), misses u32, unwritten u32, BLAKE3 over what it was done to, its number among its space's u64, how many of
//! these are notable u64, the place u64 and hash of its space's record before it, zeros. No name, no key, no content.
//!
//! **What is found.** A space knows the number and hash of its newest record while it is open, and each record those of the one
//! before. So a record of its own that was changed, removed, swapped, repeated or inserted before it is named as missing, as
//! is one whose neighbour in the file was changed. What was cut off at the end while nothing was open is found by comparing
//! with the newest head that the archive keeps ([`Top`], signed like everything it keeps). Not found: what is cut off behind
//! the last such head; and whoever puts back an old copy of the whole data directory puts back both.
//!
//! **Volume.** A verb that is called often, and every refusal, is written once and then summed: how often, and a running hash
//! of what it was done to, for each verb, role and outcome; a sum is written every ten minutes, at lock and at drain. Other
//! verbs are written each, up to [`SINGLES`] in ten minutes and then summed too, so that nobody can push what was done before
//! out of the ring in a moment. A crash loses what is summed and not written.
//!
//! **When it cannot be written**, the disk being full say, what has to be recorded waits in memory, up to [`WAITING`] records
//! and after that as a number. Opening, locking and what the archive needs to close are answered all the same, for otherwise
//! nobody could sign in and make room; every other verb is refused rather than done unrecorded.
//!
//! **Architecture Invariant:** nothing is written before a pair has opened its space: a miss is counted in memory and stands
//! in the record of the next opening.

mod chain;
mod record;
mod ring;
mod sums;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fs::File,
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use ipc::{Code, Instance, Refusal, Role, messages::crypto as verbs, service::Method};
use zeroize::Zeroizing;

pub(crate) use self::{
    chain::Chain,
    record::{Previous, Record, hash},
};
use self::{
    record::{Bound, Link},
    ring::{PLACES, Ring},
    sums::{Due, Sums},
};
use crate::{locked::Locked, space::Space};

/// What the key of a space's records is made with.
const LABEL: &str = "lamos/v1/audit";

/// Records of one verb, caller and outcome that are written each within ten minutes.
pub(crate) const SINGLES: u32 = 64;

/// Records that wait in memory while none can be written.
const WAITING: usize = 64;

/// Records looked at in one step, so that nobody waits long for who reads the log.
const STEP: u64 = 2048;

/// Verbs that are called often: recorded once and then summed.
const OFTEN: &[u16] =
    &[verbs::SignEvents::NUMBER, verbs::ReleaseApiKey::NUMBER, verbs::ShowIdentity::NUMBER, verbs::ReadAudit::NUMBER];

/// Verbs that touch no key and are not recorded.
const NOT: &[u16] = &[
    verbs::KeyStatus::NUMBER,
    verbs::AuditHead::NUMBER,
    verbs::NoteForbidden::NUMBER,
    verbs::ShowPicture::NUMBER,
    verbs::ShowCost::NUMBER,
];

/// Verbs that open a space: their records tell of the misses before.
const OPENS: &[u16] = &[
    verbs::Unlock::NUMBER,
    verbs::Deploy::NUMBER,
    verbs::UnlockAnew::NUMBER,
    verbs::UnlockRemembered::NUMBER,
    verbs::Recover::NUMBER,
];

/// Verbs that are answered though they cannot be recorded, besides those that open: what the archive needs to close properly,
/// and what is done already and would only be told wrongly.
const NEEDED: &[u16] = &[
    verbs::ChangePassword::NUMBER,
    verbs::Lock::NUMBER,
    verbs::ReleaseStoreKey::NUMBER,
    verbs::ReleaseCacheKey::NUMBER,
    verbs::SignEvents::NUMBER,
    verbs::ShowIdentity::NUMBER,
    verbs::ReadAudit::NUMBER,
];

/// What is recorded of a call.
#[derive(Clone, Copy)]
pub(crate) struct Act {
    /// Number of the verb.
    pub(crate) verb: u16,
    /// Who asked, as the hub says.
    pub(crate) by: (Role, Instance),
    /// `None` if it was done.
    pub(crate) refused: Option<Code>,
    /// BLAKE3 over what it was done to; zeros if that has no name.
    pub(crate) objects: [u8; 32],
}

/// Where the log of the open space ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Top {
    /// Records of this space.
    pub(crate) number: u64,
    /// How many of them are of more than the archive's own signing, which an event that keeps this head brings about itself.
    pub(crate) notable: u64,
    /// The newest.
    pub(crate) newest: Option<Previous>,
    /// Records of everybody: where reading begins.
    pub(crate) count: u64,
    /// The oldest record of everybody that can still be opened.
    pub(crate) oldest: u64,
}

/// The log.
pub(crate) struct Audit {
    /// `Err` if the file cannot even be read.
    ring: Result<Ring, io::ErrorKind>,
    own: Option<Own>,
    misses: u32,
    clock: fn() -> u64,
}

/// What is known of the log of the open space.
struct Own {
    key: Locked<32>,
    device: [u8; 32],
    number: u64,
    notable: u64,
    newest: Option<Previous>,
    sums: Sums,
    waiting: VecDeque<Due>,
    unwritten: u32,
}

fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Why a verb that must be recorded is refused.
fn unrecorded(kind: io::ErrorKind) -> Refusal {
    let (code, why) = match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (Code::DiskFull, "the disk has no room left".to_owned()),
        other => (Code::ArchiveUnavailable, other.to_string()),
    };
    Refusal::new(code, format!("what is done with keys is recorded, and the record cannot be written: {why}"))
}

impl Audit {
    /// The log in this file. Nothing is written to it yet.
    pub(crate) fn open(file: File) -> Audit {
        Audit::with(file, PLACES, wall)
    }

    fn with(file: File, places: u64, clock: fn() -> u64) -> Audit {
        let ring = Ring::open(file, places).map_err(|error| error.kind());
        Audit { ring, own: None, misses: 0, clock }
    }

    /// A pair opened nothing.
    pub(crate) fn missed(&mut self) {
        self.misses = self.misses.saturating_add(1);
    }

    /// A pair that had opened nothing was entered again and opened its new space: it was no miss.
    pub(crate) fn came(&mut self) {
        self.misses = self.misses.saturating_sub(1);
    }

    /// A space is open: its log goes on where it ended. Of one that was open before nothing changes.
    pub(crate) fn enter(&mut self, space: &Space) -> io::Result<()> {
        self.follow(&space.key(LABEL), space.identity().device)
    }

    fn follow(&mut self, key: &Zeroizing<[u8; 32]>, device: [u8; 32]) -> io::Result<()> {
        if self.own.as_ref().is_some_and(|own| own.device == device && own.key.get() == &**key) {
            return Ok(());
        }
        let mut locked = Locked::new()?;
        locked.get_mut().copy_from_slice(&**key);
        let (waiting, sums) = (VecDeque::new(), Sums::default());
        let mut own = Own { key: locked, device, number: 0, notable: 0, newest: None, sums, waiting, unwritten: 0 };
        let newest = match &self.ring {
            Ok(ring) => newest(ring, &own).map_err(|error| error.kind()),
            Err(kind) => Err(*kind),
        };
        match newest {
            Ok(Some((at, record))) => {
                (own.number, own.notable, own.newest) = (record.link.number, record.link.notable, Some(at));
            }
            Ok(None) => {}
            // Nothing is written where it is not known what is there.
            Err(kind) => self.ring = Err(kind),
        }
        self.own = Some(own);
        Ok(())
    }

    /// No space is open any more. What is summed must be written before.
    pub(crate) fn leave(&mut self) {
        self.own = None;
    }

    /// Records a call. An error means that it cannot be recorded and is not to be answered.
    pub(crate) fn act(&mut self, act: Act) -> Result<(), Refusal> {
        if NOT.contains(&act.verb) {
            return Ok(());
        }
        let at_ms = (self.clock)();
        let Some(own) = &mut self.own else { return Ok(()) };
        let opens = OPENS.contains(&act.verb);
        let each = if act.refused.is_some() || OFTEN.contains(&act.verb) { 1 } else { SINGLES };
        let Some(mut due) = own.sums.take(&act, at_ms, each) else { return Ok(()) };
        if opens && act.refused.is_none() {
            due.misses = std::mem::take(&mut self.misses);
        }
        match self.write_waiting().and_then(|()| self.write(&due)) {
            Ok(()) => Ok(()),
            Err(kind) => {
                let refusal = unrecorded(kind);
                let needed = opens || NEEDED.contains(&act.verb);
                if !needed && due.outcome == 0 {
                    due.outcome = refusal.code as u16;
                }
                self.wait(due);
                if needed { Ok(()) } else { Err(refusal) }
            }
        }
    }

    /// Writes what waits and every sum; verbs that are written each are so again from here.
    pub(crate) fn flush(&mut self) -> Result<(), Refusal> {
        self.write_waiting().map_err(unrecorded)?;
        let Some(own) = &mut self.own else { return Ok(()) };
        let mut due = own.sums.drain(OFTEN);
        while let Some(next) = due.pop_front() {
            if let Err(kind) = self.write(&next) {
                self.wait(next);
                due.into_iter().for_each(|left| self.wait(left));
                return Err(unrecorded(kind));
            }
        }
        Ok(())
    }

    fn wait(&mut self, due: Due) {
        let Some(own) = &mut self.own else { return };
        if own.waiting.len() < WAITING {
            own.waiting.push_back(due);
        } else {
            own.unwritten = own.unwritten.saturating_add(due.times);
        }
    }

    fn write_waiting(&mut self) -> Result<(), io::ErrorKind> {
        while let Some(due) = self.own.as_ref().and_then(|own| own.waiting.front()).copied() {
            self.write(&due)?;
            if let Some(own) = &mut self.own {
                own.waiting.pop_front();
            }
        }
        Ok(())
    }

    fn write(&mut self, due: &Due) -> Result<(), io::ErrorKind> {
        let (Ok(ring), Some(own)) = (&mut self.ring, &mut self.own) else {
            return Err(self.ring.as_ref().err().copied().unwrap_or(io::ErrorKind::NotFound));
        };
        let signs = due.verb == verbs::SignEvents::NUMBER && due.caller.0 == Role::Storage as u8 && due.outcome == 0;
        let link = Link { number: own.number + 1, notable: own.notable + u64::from(!signs), previous: own.newest };
        let record = Record {
            verb: due.verb,
            caller: Some(due.caller),
            outcome: due.outcome,
            times: due.times,
            since_ms: due.since_ms,
            at_ms: due.at_ms,
            objects: due.objects,
            misses: due.misses,
            unwritten: own.unwritten,
            link,
        };
        let place = ring.count();
        let bound = Bound { device: own.device, place, before: ring.last() };
        let written = record.seal(own.key.get(), &bound).and_then(|bytes| ring.append(&bytes).map(|()| hash(&bytes)));
        let hash = written.map_err(|error| error.kind())?;
        (own.number, own.notable, own.newest) = (link.number, link.notable, Some(Previous { place, hash }));
        own.unwritten = 0;
        Ok(())
    }

    /// Where the log of the open space ends; `None` if none is open.
    pub(crate) fn top(&self) -> Option<Top> {
        let own = self.own.as_ref()?;
        let (count, oldest) = self.ring.as_ref().map_or((0, 0), |ring| (ring.count(), ring.oldest()));
        Some(Top { number: own.number, notable: own.notable, newest: own.newest, count, oldest })
    }

    /// Whether the header of the file is as it was written, and was when the file was opened.
    pub(crate) fn is_header_whole(&self) -> bool {
        self.ring.as_ref().is_ok_and(|ring| !ring.was_damaged && ring.is_header_whole().unwrap_or(false))
    }

    /// Some records of the open space below a number in the file, the newest first, and where to go on.
    #[expect(clippy::type_complexity, reason = "a page and where the next begins")]
    pub(crate) fn step(&self, below: u64) -> Result<(Vec<(Previous, Record)>, Option<u64>), Refusal> {
        let (Ok(ring), Some(own)) = (&self.ring, &self.own) else { return Ok((Vec::new(), None)) };
        let from = below.saturating_sub(STEP).max(ring.oldest());
        let unreadable =
            |error: io::Error| Refusal::new(Code::ArchiveUnavailable, format!("the audit log cannot be read: {error}"));
        let found = opened(ring, own, from, below).map_err(unreadable)?;
        Ok((found, (from > ring.oldest()).then_some(from)))
    }
}

/// The records of a space in a part of the file, the newest first.
fn opened(ring: &Ring, own: &Own, from: u64, to: u64) -> io::Result<Vec<(Previous, Record)>> {
    let mut found = Vec::new();
    for (place, before, bytes) in ring.read(from, to)? {
        let bound = Bound { device: own.device, place, before };
        if let Some(record) = Record::open(own.key.get(), &bound, &bytes) {
            found.push((Previous { place, hash: hash(&bytes) }, record));
        }
    }
    Ok(found)
}

fn newest(ring: &Ring, own: &Own) -> io::Result<Option<(Previous, Record)>> {
    let mut to = ring.count();
    while to > ring.oldest() {
        let from = to.saturating_sub(STEP).max(ring.oldest());
        if let Some(newest) = opened(ring, own, from, to)?.into_iter().next() {
            return Ok(Some(newest));
        }
        to = from;
    }
    Ok(None)
}
