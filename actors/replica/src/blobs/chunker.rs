//! Where content is cut into chunks: by what is in it, so that bytes inserted in the middle move the cuts near them and no
//! others, and equal parts of two files become equal chunks.
//!
//! FastCDC (Xia et al., IEEE TPDS 2020) of the crate `fastcdc`, with a table of its own for each space instead of the
//! published one: all 256 numbers are random under a key, as in borg, and not only combined with one number, as the crate
//! does by itself. With the published table, who sees the lengths of the chunks of a known file recognises it. There are
//! ways to find out such tables from lengths when one may choose what is kept ("Chunking Attacks on File Backup Services
//! using Content-Defined Chunking", Truong et al., 2025); so the lengths are not to be seen either, see `packs.rs`.

use fastcdc::v2020::{Normalization, cut_gear, select_masks};

/// Chunks have at least so many bytes, but for the last of a blob.
pub(crate) const MIN: usize = 16 << 10;
/// About so many on average.
const AVERAGE: usize = 64 << 10;
/// At most so many.
pub(crate) const MAX: usize = 256 << 10;

/// Decides about cuts. The same for all content of a space.
pub(crate) struct Chunker {
    gear: [u64; 256],
    /// The same, shifted by one: two bytes are looked at in each step.
    gear_shifted: [u64; 256],
    strict: u64,
    loose: u64,
}

impl Chunker {
    pub(crate) fn new(gear: [u64; 256]) -> Chunker {
        let (strict, loose) = select_masks(AVERAGE, Normalization::Level2);
        Chunker { gear, gear_shifted: gear.map(|number| number << 1), strict, loose }
    }

    /// The length of the first chunk of `bytes`, which must be at least [`MAX`] bytes or all that is left.
    pub(crate) fn cut(&self, bytes: &[u8]) -> usize {
        let (_, length) = cut_gear(
            bytes,
            MIN,
            AVERAGE,
            MAX,
            self.strict,
            self.loose,
            self.strict << 1,
            self.loose << 1,
            &self.gear,
            &self.gear_shifted,
        );
        length
    }
}

impl Drop for Chunker {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.gear.zeroize();
        self.gear_shifted.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::{keys::BlobKeys, tests::noise};

    fn lengths(key: u8, bytes: &[u8]) -> Vec<usize> {
        let chunker = Chunker::new(BlobKeys::new(&[key; 32]).gear());
        let mut rest = bytes;
        let mut lengths = Vec::new();
        while !rest.is_empty() {
            let length = chunker.cut(rest);
            lengths.push(length);
            rest = &rest[length..];
        }
        lengths
    }

    #[test]
    fn chunks_are_as_large_as_they_are_said_to_be() {
        let bytes = noise(1, 16 << 20);
        let lengths = lengths(1, &bytes);
        assert_eq!(lengths.iter().sum::<usize>(), bytes.len());
        assert!(lengths.iter().all(|length| *length <= MAX));
        assert!(lengths.iter().rev().skip(1).all(|length| *length >= MIN));
        let average = bytes.len() / lengths.len();
        assert!((AVERAGE / 2..AVERAGE * 2).contains(&average), "{average}");
    }

    #[test]
    fn another_space_cuts_elsewhere() {
        let bytes = noise(2, 4 << 20);
        let (one, other) = (lengths(1, &bytes), lengths(2, &bytes));
        let common = one.iter().filter(|length| other.contains(length)).count();
        assert!(common * 10 < one.len(), "{common} of {} lengths are the same", one.len());
    }

    #[test]
    fn what_has_no_shape_is_cut_at_the_most() {
        assert_eq!(lengths(1, &vec![0; MAX * 2 + 5]).len(), 3);
        assert_eq!(lengths(1, b"short"), [5]);
    }
}
