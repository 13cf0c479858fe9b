//! The recovery kit: 256 random bits as 24 words of the BIP39 list, the last of which checks the others.

use std::io;

use bip39::{Language, Mnemonic};
use ipc::{Code, Refusal, secret::Secret};
use zeroize::{Zeroize as _, Zeroizing};

use crate::derive::expand;

/// Bytes of chance in a kit.
const LEN: usize = 32;
/// Words of a kit.
const WORDS: usize = 24;
/// The longest a kit can be in letters and spaces: no word has more than eight.
const LONGEST: usize = WORDS * 9;

/// The words of a kit and the key they stand for.
pub(crate) struct Kit {
    /// Wraps the keys of the space.
    pub(crate) key: Zeroizing<[u8; 32]>,
    /// The words, with a space between.
    pub(crate) words: Secret,
}

impl Kit {
    /// A new, random one.
    pub(crate) fn random() -> io::Result<Kit> {
        let mut entropy = Zeroizing::new([0; LEN]);
        getrandom::fill(&mut *entropy)?;
        let words =
            Mnemonic::from_entropy_in(Language::English, &*entropy).map_err(|error| io::Error::other(error.to_string()))?;
        // As long as it can be from the beginning: a vector that grows leaves what was in it behind.
        let mut text = Vec::with_capacity(LONGEST);
        for (index, word) in words.words().enumerate() {
            if index > 0 {
                text.push(b' ');
            }
            text.extend_from_slice(word.as_bytes());
        }
        Ok(Kit { key: key(&*entropy), words: Secret::new(text) })
    }
}

/// The key that 24 words stand for. Letter case and the space between do not matter.
pub(crate) fn key_of(words: &[u8]) -> Result<Zeroizing<[u8; 32]>, Refusal> {
    let bad = |why: &str| Refusal::new(Code::Credentials, format!("these are not the words of a recovery kit: {why}"));
    let text = std::str::from_utf8(words).map_err(|_| bad("they are not text"))?;
    let mut lower = Zeroizing::new(String::with_capacity(text.len()));
    lower.extend(text.chars().map(|letter| letter.to_ascii_lowercase()));
    if lower.split_whitespace().count() != WORDS {
        return Err(bad("a kit has 24"));
    }
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &lower).map_err(|error| match error {
        bip39::Error::UnknownWord(index) => bad(&format!("number {} is none of the list", index + 1)),
        _ => bad("they do not belong together; one of them is another word of the list, or two changed places"),
    })?;
    let (mut entropy, length) = mnemonic.to_entropy_array();
    let key = key(&entropy[..length.min(LEN)]);
    entropy.zeroize();
    Ok(key)
}

fn key(entropy: &[u8]) -> Zeroizing<[u8; 32]> {
    expand(entropy, "lamos/v1/recovery")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_kit_stand_for_its_key() {
        let kit = Kit::random().expect("a kit");
        let words = String::from_utf8(kit.words.expose().to_vec()).expect("text");
        assert_eq!(words.split(' ').count(), WORDS);
        assert_eq!(key_of(words.as_bytes()).expect("a key"), kit.key);
        assert_eq!(key_of(words.to_uppercase().replace(' ', "\n  ").as_bytes()).expect("a key"), kit.key);
        let mut turned: Vec<&str> = words.split(' ').collect();
        turned.reverse();
        // One in 256 wrong orders passes the checksum; then it is another key.
        assert!(
            key_of(turned.join(" ").as_bytes()).is_ok_and(|key| key != kit.key) || key_of(turned.join(" ").as_bytes()).is_err()
        );
    }

    #[test]
    fn what_is_no_kit_is_refused_and_says_where() {
        let said = |words: &str| match key_of(words.as_bytes()) {
            Ok(_) => panic!("taken"),
            Err(refusal) => refusal.sentence,
        };
        assert!(said("abandon abandon").contains("24"));
        let mut words = vec!["abandon"; 24];
        assert!(said(&words.join(" ")).contains("belong together"));
        words[6] = "lamos";
        assert!(said(&words.join(" ")).contains("number 7"));
        assert!(!said(&words.join(" ")).contains("lamos"), "what was typed is not repeated");
    }

    /// Of the vectors that BIP39 names: 24 words, <https://github.com/trezor/python-mnemonic/blob/master/vectors.json>.
    #[test]
    fn the_words_are_those_of_the_standard() {
        for (entropy, words) in [
            ([0x00; 32], format!("{}art", "abandon ".repeat(23))),
            ([0xff; 32], format!("{}vote", "zoo ".repeat(23))),
([0x80; 32], "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless".to_owned()),
        ] {
            assert_eq!(key_of(words.as_bytes()).expect("a key"), key(&entropy), "{words}");
        }
    }
}
