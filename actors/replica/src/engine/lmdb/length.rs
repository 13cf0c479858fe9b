//! Whether a database file is as long as it must be. LMDB maps it, and a page that is missing would end the process the
//! moment it is touched.
//!
//! A file may be shorter than its last page says: pages at the end that were taken and given back in one transaction are
//! never written, and the list of free pages names them (`mm_last_pg` in `mdb.c`). So that list is read, from the file and
//! not from the map, when a file is short, and must name every page that is missing. The layout is that of LMDB's data
//! version 1, in the machine's byte order.

use std::{collections::BTreeSet, fs::File, os::unix::fs::FileExt as _};

/// Bytes before the entries of a page, or the content of an overflow page.
const HEAD: usize = 16;
/// Where a page keeps its kind, and the end of its entries' places.
const FLAGS: usize = 10;
const LOWER: usize = 12;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
/// An entry whose content is on pages of its own.
const BIG: u16 = 0x01;
/// Bytes before an entry's key.
const ENTRY: usize = 8;
/// Where the first two pages keep the root of the free list and the transaction that wrote them.
const FREE_ROOT: usize = HEAD + 24 + 40;
const TRANSACTION: usize = HEAD + 24 + 2 * 48 + 8;
/// The root of an empty tree.
const NO_PAGE: u64 = u64::MAX;
/// No tree is deeper.
const MAX_DEPTH: u32 = 32;
/// The longest list of free pages of one transaction that is read, in bytes.
const MAX_LIST: usize = 256 << 20;

/// What is known of a database before its pages are touched.
pub(super) struct Length<'f> {
    /// Its file.
    pub(super) file: &'f File,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// Bytes of a page.
    pub(super) page: usize,
    /// The number of its last page.
    pub(super) last: u64,
    /// The last transaction.
    pub(super) transaction: u64,
}

impl Length<'_> {
    /// Whether every page that is missing is free.
    pub(super) fn is_enough(&self) -> bool {
        let first_missing = self.bytes / self.page as u64;
        if first_missing > self.last {
            return true;
        }
        let mut free = BTreeSet::new();
        let listed = self.free_root().and_then(|root| match root {
            NO_PAGE => Some(()),
            root => self.walk(root, MAX_DEPTH, first_missing, &mut free),
        });
        listed.is_some() && free.len() as u64 == self.last - first_missing + 1
    }

    fn free_root(&self) -> Option<u64> {
        (0..2).find_map(|number| {
            let meta = self.read(number, self.page)?;
            (u64_at(&meta, TRANSACTION)? == self.transaction).then(|| u64_at(&meta, FREE_ROOT))?
        })
    }

    /// Adds what the tree below a page lists, from the first missing page on.
    fn walk(&self, number: u64, depth: u32, first_missing: u64, free: &mut BTreeSet<u64>) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let page = self.read(number, self.page)?;
        let flags = u16_at(&page, FLAGS)?;
        let entries = usize::from(u16_at(&page, LOWER)?).checked_sub(HEAD)? / 2;
        for index in 0..entries {
            let entry = usize::from(u16_at(&page, HEAD + 2 * index)?);
            let [low, high, kind, key] = [0, 2, 4, 6].map(|offset| u16_at(&page, entry + offset));
            let (low, high, kind, key) = (u64::from(low?), u64::from(high?), kind?, usize::from(key?));
            let number = low | high << 16;
            if flags & BRANCH != 0 {
                self.walk(number | u64::from(kind) << 32, depth, first_missing, free)?;
            } else if flags & LEAF != 0 {
                let (length, at) = (usize::try_from(number).ok()?, entry + ENTRY + key);
                if kind & BIG == 0 {
                    list(page.get(at..at + length)?, first_missing, free)?;
                } else {
                    let content = self.read(u64_at(&page, at)?, HEAD + length)?;
                    list(content.get(HEAD..)?, first_missing, free)?;
                }
            } else {
                return None;
            }
        }
        Some(())
    }

    /// The bytes of a page and those after it; nothing if the file ends before them.
    fn read(&self, number: u64, length: usize) -> Option<Vec<u8>> {
        let start = number.checked_mul(self.page as u64)?;
        let fits = start.checked_add(length as u64)? <= self.bytes && length <= MAX_LIST;
        let mut bytes = vec![0; if fits { length } else { return None }];
        self.file.read_exact_at(&mut bytes, start).ok()?;
        Some(bytes)
    }
}

/// A list of free pages: how many, and their numbers.
fn list(bytes: &[u8], first_missing: u64, free: &mut BTreeSet<u64>) -> Option<()> {
    let count = usize::try_from(u64_at(bytes, 0)?).ok()?;
    let numbers = bytes.get(8..8_usize.checked_add(count.checked_mul(8)?)?)?;
    free.extend(
        numbers.as_chunks::<8>().0.iter().map(|number| u64::from_ne_bytes(*number)).filter(|page| *page >= first_missing),
    );
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}
