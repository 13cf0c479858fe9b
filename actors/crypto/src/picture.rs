//! Four words by which a person knows his pair again: made from what the pair derives to, so that a mistyped one has others,
//! and whoever wants to try pairs against them pays for Argon2id each time, as for the file of keys.
//!
//! Each word has five letters: so what is said of a pair has the same length whatever the pair is.

use bip39::Language;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::derive::expand;

const WORDS: usize = 4;

/// As many five-letter words of the list are used as nine bits choose from; it has some more.
const CHOICE: u16 = 512;

/// Letters of each word.
const LETTERS: usize = 5;

/// The words, as numbers. Without `Debug`: they are for the person.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Picture([u16; WORDS]);

impl Picture {
    /// Bytes of it where it is kept.
    pub(crate) const LEN: usize = 2 * WORDS;

    /// The words of this root.
    pub(crate) fn of(root: &[u8]) -> Picture {
        let bytes = expand(root, "lamos/v1/picture");
        Picture(std::array::from_fn(|index| u16::from_le_bytes([bytes[2 * index], bytes[2 * index + 1]]) % CHOICE))
    }

    /// As it is kept: each number and one, so that zeros are no picture.
    pub(crate) fn to_bytes(&self) -> [u8; Self::LEN] {
        std::array::from_fn(|index| (self.0[index / 2] + 1).to_le_bytes()[index % 2])
    }

    /// As it was kept.
    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Picture> {
        let number = |index: usize| u16::from_le_bytes([bytes[2 * index], bytes[2 * index + 1]]);
        let numbers: [u16; WORDS] = std::array::from_fn(number);
        numbers.iter().all(|number| (1..=CHOICE).contains(number)).then(|| Picture(numbers.map(|number| number - 1)))
    }

    /// The words, with a space between.
    pub(crate) fn words(&self) -> String {
        let list = Language::English.word_list().iter().filter(|word| word.len() == LETTERS);
        let word = |number: &u16| list.clone().nth(usize::from(*number)).copied().unwrap_or("?????");
        self.0.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_has_its_words_and_another_has_others() {
        let one = Picture::of(&[1; 64]);
        assert_eq!(one.words(), Picture::of(&[1; 64]).words());
        assert_ne!(one.words(), Picture::of(&[2; 64]).words());
        assert!(Picture::from_bytes(one.to_bytes()).is_some_and(|again| again == one));
        assert!(Picture::from_bytes([0; Picture::LEN]).is_none() && Picture::from_bytes([255; Picture::LEN]).is_none());
    }

    #[test]
    fn every_picture_has_the_same_length() {
        let words = Language::English.word_list().iter().filter(|word| word.len() == LETTERS).count();
        assert!(words >= usize::from(CHOICE), "{words}");
        for root in 0..200 {
            assert_eq!(Picture::of(&[root; 64]).words().len(), WORDS * LETTERS + WORDS - 1);
        }
    }
}
