//! From a name and a password to two keys: Argon2id (RFC 9106) and then HKDF-SHA256 (RFC 5869) with a label for each use.
//!
//! Salt and parameters belong to the installation and not to a user, because anything that is stored for a user before
//! his pair is known tells that he exists.
//!
//! How what is entered becomes what is derived from, with the tables of Unicode that these versions of the crates bring:
//! - a name: without white space around it; case folded in full and brought to one composition, also of letters that are
//!   the same but for their looks (a compatibility caseless match, Unicode 3.13 D146), and then composed (NFKC): `Straße`,
//!   `STRASSE` and `ＳＴＲＡＳＳＥ` are one name;
//! - a password: composed (NFC), and nothing else: case, white space before and after, and looks matter.
//!
//! Both are UTF-8 of at most 1,024 bytes and not empty. A character that a table does not know yet is left as it is, so a
//! later table changes only names and passwords with characters that were not assigned when they were first used.

use actix::{Actor, Handler, Message, SyncContext};
use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use icu_casemap::CaseMapper;
use ipc::{Code, Refusal, secret::Secret};
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::{picture::Picture, scratch::Scratch};

/// Longest name or password, in bytes. Refused before anything is derived, so that a long one costs nothing.
const MAX_ENTRY: usize = 1024;

/// Cost of a derivation, the same for every pair of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Kibibytes.
    pub(crate) memory: u32,
    /// Passes.
    pub(crate) passes: u32,
    /// Lanes.
    pub(crate) lanes: u32,
}

impl Cost {
    /// The second recommendation of RFC 9106, and the least that is accepted.
    pub(crate) const FLOOR: Cost = Cost { memory: 64 << 10, passes: 3, lanes: 4 };

    /// The most that is accepted, so that a damaged file cannot ask for all memory.
    const CEILING: Cost = Cost { memory: 1 << 20, passes: 16, lanes: 16 };

    /// Whether a file may ask for it.
    pub(crate) fn is_sane(self) -> bool {
        (Cost::FLOOR.memory..=Cost::CEILING.memory).contains(&self.memory)
            && (Cost::FLOOR.passes..=Cost::CEILING.passes).contains(&self.passes)
            && (1..=Cost::CEILING.lanes).contains(&self.lanes)
    }
}

/// What a pair derives to.
pub(crate) struct Root {
    /// Wraps a master key.
    pub(crate) wrapping: Zeroizing<[u8; 32]>,
    /// By which the person knows the pair again.
    pub(crate) picture: Picture,
}

/// Derive the keys of this pair.
pub(crate) struct Derive {
    /// As entered.
    pub(crate) user: Secret,
    /// As entered.
    pub(crate) password: Secret,
    /// The installation's.
    pub(crate) salt: [u8; 32],
    /// The installation's.
    pub(crate) cost: Cost,
}

impl Message for Derive {
    type Result = Result<Root, Refusal>;
}

/// Does one derivation at a time, away from the thread that answers.
pub(crate) struct Deriver;

impl Actor for Deriver {
    type Context = SyncContext<Self>;
}

impl Handler<Derive> for Deriver {
    type Result = Result<Root, Refusal>;

    fn handle(&mut self, derive: Derive, _: &mut SyncContext<Self>) -> Self::Result {
        let user = normal_user(derive.user.expose())?;
        let password = normal_password(derive.password.expose())?;
        root(&user, &password, &derive.salt, derive.cost)
    }
}

/// The name as it is derived from: surrounding space and letter case do not matter, nor how a letter was composed.
pub(crate) fn normal_user(user: &[u8]) -> Result<Zeroizing<String>, Refusal> {
    let user = entry(user)?;
    let fold = |text: &str| Zeroizing::new(CaseMapper::new().fold_string(text).into_owned());
    let decomposed = Zeroizing::new(user.trim().nfd().collect::<String>());
    let plain = Zeroizing::new(fold(&decomposed).nfkd().collect::<String>());
    let user = Zeroizing::new(fold(&plain).nfkc().collect::<String>());
    // White space has looks too: what it becomes is white space around the name all the same.
    let user = Zeroizing::new(user.trim().to_owned());
    if user.is_empty() { Err(empty()) } else { Ok(user) }
}

/// The password as it is derived from: only how a letter was composed does not matter.
pub(crate) fn normal_password(password: &[u8]) -> Result<Zeroizing<String>, Refusal> {
    let password = entry(password)?;
    Ok(Zeroizing::new(password.nfc().collect()))
}

fn entry(bytes: &[u8]) -> Result<&str, Refusal> {
    let bad = |sentence: String| Refusal::new(Code::Credentials, sentence);
    if bytes.is_empty() {
        return Err(empty());
    }
    if bytes.len() > MAX_ENTRY {
        return Err(bad(format!("names and passwords have at most {MAX_ENTRY} bytes")));
    }
    std::str::from_utf8(bytes).map_err(|_| bad("names and passwords are text in UTF-8".to_owned()))
}

fn empty() -> Refusal {
    Refusal::new(Code::Credentials, "a name and a password are needed; an empty one is not accepted")
}

/// The keys of a pair, at this cost.
pub(crate) fn root(user: &str, password: &str, salt: &[u8; 32], cost: Cost) -> Result<Root, Refusal> {
    let failed = |error: &dyn std::fmt::Display| Refusal::internal(format!("derive a key: {error}"));
    let mut hash = Sha256::new();
    hash.update(b"lamos/v1/argon-salt");
    hash.update(salt);
    hash.update((user.len() as u64).to_le_bytes());
    hash.update(user.as_bytes());
    let salt = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(64)).map_err(|error| failed(&error))?;
    let mut root = Zeroizing::new([0; 64]);
    let mut scratch = Scratch::new(params.block_count()).map_err(|error| failed(&error))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.as_bytes(), &*salt, &mut *root, scratch.blocks())
        .map_err(|error| failed(&error))?;
    Ok(Root { wrapping: expand(&*root, "lamos/v1/kek"), picture: Picture::of(&*root) })
}

/// A key for one use.
pub(crate) fn expand(root: &[u8], label: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let hkdf = Hkdf::<Sha256>::new(None, root);
    // Fails only for outputs longer than 255 hashes.
    let expanded = hkdf.expand(label.as_bytes(), &mut *key);
    debug_assert!(expanded.is_ok());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same_name() {
        let same: [(&str, &[&str]); 4] = [
            ("zoë", &["Zoë", " zoë ", "Zoe\u{308}", "ZOË", "ｚｏë", "\u{3000}Zoë\u{a0}"]),
            ("strasse", &["Straße", "STRASSE", "STRA\u{1e9e}E", "ＳＴＲＡＳＳＥ"]),
            ("한글", &["\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}", "한글"]),
            ("fin", &["ﬁn", "FIN", "Fin"]),
        ];
        for (name, spellings) in same {
            let normal = normal_user(name.as_bytes()).expect("a name");
            for spelling in spellings {
                assert_eq!(*normal_user(spelling.as_bytes()).expect("a name"), *normal, "{spelling}");
            }
            assert_eq!(*normal_user(normal.as_bytes()).expect("a name"), *normal, "once is as good as twice");
        }
        let name = |text: &str| normal_user(text.as_bytes()).expect("a name");
        assert_eq!(*name("ΣΊΣΥΦΟΣ"), *name("σίσυφος"), "a sigma at the end is a sigma");
        assert_eq!(*name("ῌ"), *name("ηι"), "an iota below is one beside it");
        assert_ne!(*name("i"), *name("ı"), "a letter without its dot is another in every language");
        assert_ne!(*name("anna"), *name("аnna"), "a Cyrillic letter that looks the same is another");
        assert!(normal_user("\u{3000} ".as_bytes()).is_err(), "white space alone is no name");
    }

    /// Composed and decomposed; a syllable and its letters; a family that is held together by joiners; and what is kept.
    #[test]
    fn a_password_is_composed_and_otherwise_kept() {
        let same = [
            ("pässwörd", "pa\u{308}sswo\u{308}rd"),
            ("Å", "\u{212b}"),
            ("각", "\u{1100}\u{1161}\u{11a8}"),
            ("q\u{323}\u{307}", "q\u{307}\u{323}"),
            ("👨\u{200d}👩\u{200d}👧", "👨\u{200d}👩\u{200d}👧"),
        ];
        let password = |text: &str| normal_password(text.as_bytes()).expect("a password");
        for (one, other) in same {
            assert_eq!(*password(one), *password(other), "{one}");
        }
        let different = [
            ("a ", "a"),
            (" a", "a"),
            ("a", "A"),
            ("ﬁ", "fi"),
            ("ａ", "a"),
            ("👨\u{200d}👩", "👨👩"),
            ("a\u{fe0f}", "a"),
            ("a\0b", "a"),
        ];
        for (one, other) in different {
            assert_ne!(*password(one), *password(other), "{one:?}");
        }
    }

    #[test]
    fn a_password_keeps_its_case_and_space() {
        assert_eq!(*normal_password("Pa\u{308}ß ".as_bytes()).expect("a password"), "Päß ");
    }

    #[test]
    fn what_cannot_be_an_entry_is_refused_before_any_work() {
        for wrong in [&b""[..], &[0xff, 0xfe], &[b'a'; MAX_ENTRY + 1]] {
            assert_eq!(entry(wrong).expect_err("refused").code, Code::Credentials);
        }
        assert!(entry(b"a\0b").is_ok(), "a NUL is a character and cuts nothing off");
    }

    /// RFC 9106, section 5.3: the same function with the test vector's own parameters.
    #[test]
    fn argon2id_gives_the_tag_of_the_standard() {
        use argon2::{AssociatedData, ParamsBuilder};
        let mut builder = ParamsBuilder::new();
        builder.m_cost(32).t_cost(3).p_cost(4).output_len(32).data(AssociatedData::new(&[4; 12]).expect("short"));
        let params = builder.build().expect("parameters");
        let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).expect("a secret");
        let mut tag = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).expect("a tag");
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(tag.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
    }

    #[test]
    fn every_part_of_the_pair_and_the_installation_matters() {
        let cost = Cost { memory: 64, passes: 1, lanes: 1 };
        let key = |user, password, salt| *root(user, password, &[salt; 32], cost).expect("a root").wrapping;
        let one = key("ann", "x", 1);
        assert_eq!(one, key("ann", "x", 1));
        for other in [key("bob", "x", 1), key("ann", "y", 1), key("ann", "x", 2), key("an", "nx", 1)] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_file_cannot_ask_for_all_memory() {
        assert!(Cost::FLOOR.is_sane() && Cost::CEILING.is_sane());
        assert!(!Cost { memory: 8 << 20, ..Cost::FLOOR }.is_sane());
        assert!(!Cost { memory: 1024, ..Cost::FLOOR }.is_sane());
    }
}
