//! Finding what two sets differ in: negentropy's range-based reconciliation over `(clock, id)`, with a bound on its rounds.

use negentropy::{Id as Item, Negentropy, NegentropyStorageVector};

use super::{
    fault::PeerFault,
    limits::{self, RECONCILE_FRAME},
    records::Id,
};

type Engine = Negentropy<'static, NegentropyStorageVector>;

/// One end of a reconciliation.
struct End {
    engine: Engine,
    rounds: u64,
    allowed: u64,
}

/// The end that asks, and learns what differs.
pub(crate) struct Asking(End);

/// The end that answers, and learns nothing.
pub(crate) struct Answering(End);

/// What one round has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// The next message; none when all is known.
    pub(crate) next: Option<Vec<u8>>,
    /// What only this end holds.
    pub(crate) have: Vec<Id>,
    /// What only the other end holds, by its own words.
    pub(crate) need: Vec<Id>,
}

impl End {
    fn new(set: Vec<(u64, Id)>) -> Result<End, negentropy::Error> {
        let mut items = NegentropyStorageVector::with_capacity(set.len());
        let allowed = limits::rounds(set.len());
        for (clock, id) in set {
            items.insert(clock, Item::from_byte_array(id))?;
        }
        items.seal()?;
        Ok(End { engine: Negentropy::owned(items, RECONCILE_FRAME as u64)?, rounds: 0, allowed })
    }

    fn round(&mut self) -> Result<(), PeerFault> {
        self.rounds += 1;
        if self.rounds > self.allowed { Err(PeerFault::NeverConverges) } else { Ok(()) }
    }
}

impl Asking {
    /// Begins with what is held, ordered by clock and id; gives the first message.
    pub(crate) fn new(set: Vec<(u64, Id)>) -> Result<(Asking, Vec<u8>), negentropy::Error> {
        let mut end = End::new(set)?;
        let first = end.engine.initiate()?;
        Ok((Asking(end), first))
    }

    /// Reads an answer. What the other end says it holds may be a lie; that shows when it is asked for it.
    pub(crate) fn answer(&mut self, message: &[u8], malformed: PeerFault) -> Result<Round, PeerFault> {
        self.0.round()?;
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = self.0.engine.reconcile_with_ids(message, &mut have, &mut need).map_err(|_| malformed)?;
        let ids = |items: Vec<Item>| items.into_iter().map(|item| *item).collect();
        Ok(Round { next, have: ids(have), need: ids(need) })
    }

    /// Rounds so far.
    pub(crate) fn rounds(&self) -> u64 {
        self.0.rounds
    }
}

impl Answering {
    /// Begins with what is held.
    pub(crate) fn new(set: Vec<(u64, Id)>) -> Result<Answering, negentropy::Error> {
        End::new(set).map(Answering)
    }

    /// Answers a message.
    pub(crate) fn answer(&mut self, message: &[u8], malformed: PeerFault) -> Result<Vec<u8>, PeerFault> {
        self.0.round()?;
        self.0.engine.reconcile(message).map_err(|_| malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: impl Iterator<Item = u64>) -> Vec<(u64, Id)> {
        numbers.map(|number| (number / 3, *blake3::hash(&number.to_le_bytes()).as_bytes())).collect()
    }

    const BAD: PeerFault = PeerFault::Malformed(9);

    #[test]
    fn differences_are_found_from_both_ends() {
        let (mut asking, mut message) = Asking::new(set((0..5000).filter(|number| number % 1000 != 1))).unwrap();
        let mut answering = Answering::new(set((0..5000).filter(|number| number % 1000 != 2))).unwrap();
        let (mut have, mut need) = (Vec::new(), Vec::new());
        loop {
            let round = asking.answer(&answering.answer(&message, BAD).unwrap(), BAD).unwrap();
            have.extend(round.have);
            need.extend(round.need);
            let Some(next) = round.next else { break };
            message = next;
        }
        have.sort();
        need.sort();
        let sorted = |remainder| {
            let mut ids: Vec<Id> =
                set((0..5000).filter(|number| number % 1000 == remainder)).into_iter().map(|(_, id)| id).collect();
            ids.sort();
            ids
        };
        assert_eq!((have, need), (sorted(2), sorted(1)));
    }

    #[test]
    fn fingerprints_that_never_agree_end() {
        let (mut asking, _) = Asking::new(set(0..100)).unwrap();
        // Version, no bound, a fingerprint of nothing that is held.
        let lie = [&[0x61, 0, 0, 1][..], &[0xab; 16]].concat();
        let ended = (0..).find_map(|round| asking.answer(&lie, BAD).err().map(|fault| (round, fault)));
        assert_eq!(ended, Some((limits::rounds(100), PeerFault::NeverConverges)));
        assert_eq!(asking.answer(b"nonsense", BAD), Err(PeerFault::NeverConverges));
    }
}
