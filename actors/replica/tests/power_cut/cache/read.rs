//! What can be read of a sparse store, as text from one process to another, and whether it is what was acknowledged.

use std::fmt::{Debug, Write as _};

use replica::{
    body::{Body, Message},
    sparse::Sparse,
};

use super::{ALL, Kept, words};
use crate::world::{entity, noise, say};

/// What was found in an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) outbox: Vec<u64>,
    pub(super) pinned: Vec<u64>,
    /// Of each conversation the first and the one behind the last that is shown, and whether nothing is before these.
    pub(super) shown: Vec<(usize, usize, bool)>,
}

impl Read {
    pub(super) fn of(sparse: &Sparse) -> Result<Read, String> {
        fn fails(error: impl Debug) -> String {
            format!("{error:?}")
        }
        let room = sparse.room().map_err(fails)?;
        if room.used > room.capacity || room.files > room.limit {
            return Err(format!("it keeps to no limit: {room:?}"));
        }
        let mut outbox = Vec::new();
        for waiting in sparse.outbox().waiting(None, usize::MAX, usize::MAX).map_err(fails)? {
            let number = u64::from(waiting.id[0]);
            if waiting.command.as_slice() != noise(number, 900).as_bytes() {
                return Err(format!("command {number} is not what it was"));
            }
            outbox.push(number);
        }
        let said = sparse.outbox().pinned().map_err(fails)?;
        let (mut pinned, mut shown) = (Vec::new(), Vec::new());
        for number in 0..ALL {
            let entry = sparse.conversation(&entity(number)).map_err(fails)?;
            if entry.as_ref().is_some_and(|entry| entry.pinned) != said.contains(&entity(number)) && entry.is_some() {
                return Err(format!("the pins of the outbox and of the store differ in {number}"));
            }
            pinned.extend(said.contains(&entity(number)).then_some(number));
            let page = sparse.page_again(&entity(number), None, usize::MAX, usize::MAX).map_err(fails)?;
            let mut range: Option<(usize, usize)> = None;
            for record in page.items {
                let Body::Message(Message { id, parts, .. }) = &record.body else {
                    return Err(format!("no message in {number}"));
                };
                let name = u64::from_le_bytes(*id.first_chunk().unwrap());
                let at = name as u32 as usize;
                let expected = say(name, words(number, at).1);
                if name >> 32 != number || record.body != expected || range.is_some_and(|(_, end)| end != at) {
                    return Err(format!("conversation {number} shows {at} behind {range:?}, {} parts", parts.len()));
                }
                range = Some((range.map_or(at, |(first, _)| first), at + 1));
            }
            let (first, end) = range.unwrap_or_default();
            shown.push((first, end, page.missing.is_none()));
        }
        Ok(Read { outbox, pinned, shown })
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("read;{:?};{:?};", self.outbox, self.pinned);
        for (first, end, whole) in &self.shown {
            let _ = write!(text, "{first} {end} {},", u8::from(*whole));
        }
        text
    }

    pub(super) fn parse(text: &str) -> Option<Read> {
        let mut parts = text.strip_prefix("read;")?.split(';');
        let mut numbers = || -> Option<Vec<u64>> {
            let list = parts.next()?.strip_prefix('[')?.strip_suffix(']')?;
            list.split(", ").filter(|one| !one.is_empty()).map(|one| one.parse().ok()).collect()
        };
        let (outbox, pinned) = (numbers()?, numbers()?);
        let range = |one: &str| {
            let mut numbers = one.split(' ').map(|number| number.parse::<usize>().ok());
            Some((numbers.next()??, numbers.next()??, numbers.next()?? == 1))
        };
        let shown = parts.next()?.split(',').filter(|one| !one.is_empty()).map(range).collect::<Option<_>>()?;
        Some(Read { outbox, pinned, shown })
    }

    /// Whether it is what was acknowledged, or that with what was being done.
    pub(super) fn agrees(&self, between: [&Kept; 2]) -> Result<(), String> {
        if between.iter().all(|kept| kept.outbox != self.outbox) {
            return Err("the outbox has other commands".to_owned());
        }
        if between.iter().all(|kept| !kept.pinned.iter().eq(&self.pinned)) {
            return Err("other things are pinned".to_owned());
        }
        let [before, after] = between;
        for (number, &(first, end, whole)) in (0..).zip(&self.shown) {
            let [least, most] = between.map(|kept| kept.taken[number as usize]);
            // Parcels that come together are taken in one transaction.
            if end != 0 && end != least && end != most {
                return Err(format!("conversation {number} ends otherwise"));
            }
            if whole && (first != 0 || end < least) {
                return Err(format!("conversation {number} says that it is whole"));
            }
            let stays = before.whole.contains(&number) && after.pinned.contains(&number);
            if stays && (!whole || end < least) {
                return Err(format!("of conversation {number}, which is pinned, something is missing"));
            }
        }
        Ok(())
    }
}
