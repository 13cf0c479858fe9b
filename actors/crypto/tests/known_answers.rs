//! What the crates answer that keys are made, sealed and written down with, beside the answers others published: Wycheproof for
//! XChaCha20-Poly1305 and HKDF-SHA256, the vectors of BIP39. (RFC 9106 stands in `derive.rs`; Ed25519, RFC 8785 and the W3C's
//! in `actors/credentials`.)

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use bip39::{Language, Mnemonic};
use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{AeadInOut as _, KeyInit as _},
};
use hkdf::Hkdf;
use sha2::Sha256;
use wycheproof::TestResult;

#[test]
fn xchacha20_poly1305_opens_what_is_sealed_and_nothing_else() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::XChaCha20Poly1305).unwrap();
    let (mut good, mut bad) = (0, 0);
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let valid = test.result == TestResult::Valid;
        // Nonces of other lengths cannot be said in our types.
        let (Ok(key), Ok(nonce)) = (<&[u8; 32]>::try_from(&test.key[..]), <&[u8; 24]>::try_from(&test.nonce[..])) else {
            assert!(!valid, "{}", test.tc_id);
            continue;
        };
        let cipher = XChaCha20Poly1305::new(key.into());
        let mut bytes = test.ct.to_vec();
        let tag: &[u8; 16] = test.tag[..].try_into().unwrap();
        let opened = cipher.decrypt_inout_detached(nonce.into(), &test.aad, (&mut bytes[..]).into(), tag.into()).is_ok();
        assert_eq!(opened, valid, "{} {}", test.tc_id, test.comment);
        if !valid {
            bad += 1;
            continue;
        }
        good += 1;
        assert_eq!(bytes, test.pt.to_vec(), "{}", test.tc_id);
        let sealed = cipher.encrypt_inout_detached(nonce.into(), &test.aad, (&mut bytes[..]).into()).unwrap();
        assert_eq!((bytes, &sealed[..]), (test.ct.to_vec(), &test.tag[..]), "{}", test.tc_id);
    }
    assert!(good > 200 && bad > 40, "{good} and {bad}");
}

#[test]
fn hkdf_derives_what_others_derive() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let (mut good, mut bad) = (0, 0);
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let mut okm = vec![0; test.size];
        let derived = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm).is_ok();
        assert_eq!(derived, test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
        if derived {
            good += 1;
            assert_eq!(okm, test.okm.to_vec(), "{}", test.tc_id);
        } else {
            bad += 1;
        }
    }
    assert!(good > 70 && bad > 0, "{good} and {bad}");
}

/// The vectors of 256 bits among those that BIP39 names.
const KITS: [(&str, &str); 8] = [
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon abandon abandon abandon abandon abandon abandon abandon art",
    ),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank \
         year wave sausage worth title",
    ),
    (
        "8080808080808080808080808080808080808080808080808080808080808080",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid letter \
         advice cage absurd amount doctor acoustic bless",
    ),
    (
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
    ),
    (
        "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
        "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple dilemma \
         loan word shrug inflict delay length",
    ),
    (
        "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
        "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation flash devote level \
         hobby quick inner drive ghost inside",
    ),
    (
        "066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad",
        "all hour make first leader extend hole alien behind guard gospel lava path output census museum junior mass reopen \
         famous sing advance salt reform",
    ),
    (
        "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
        "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol group space \
         point ten exist slush involve unfold",
    ),
];

#[test]
fn a_kit_is_written_as_bip39_writes_it() {
    for (entropy, words) in KITS {
        let bytes: Vec<u8> =
            (0..entropy.len()).step_by(2).map(|at| u8::from_str_radix(&entropy[at..at + 2], 16).unwrap()).collect();
        assert_eq!(Mnemonic::from_entropy_in(Language::English, &bytes).unwrap().to_string(), words);
        let (read, length) = Mnemonic::parse_in_normalized(Language::English, words).unwrap().to_entropy_array();
        assert_eq!(read[..length], bytes);
    }
}
