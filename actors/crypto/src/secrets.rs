//! Provider keys that are kept. The archive keeps them and the agent never meets them; here they are sealed and opened, and
//! lent like a key that was just entered.
//!
//! ```text
//! version 1 ‖ nonce 24 ‖ sealed ‖ tag 16
//! ```
//!
//! XChaCha20-Poly1305 under HKDF(master key, "lamos/v1/api-keys"). Sealed are the key, the provider and the address, each
//! behind its length, and zeros up to a multiple of 256 bytes, so that the length tells nothing of the key. Provider, address
//! and space are the associated data: a key that was kept for one address does not open for another, whoever asks.

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{AeadInOut as _, KeyInit as _},
};
use ipc::{
    Code, Refusal, Role,
    messages::crypto::{KeepKey, Lend, LendKept, MAX_KEPT_URL, MAX_PROVIDER, MAX_SEALED, SealedKey},
    secret::{MAX_SECRET, Secret},
};
use zeroize::Zeroizing;

use crate::space::Space;

const LABEL: &str = "lamos/v1/api-keys";
const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// What is sealed is as long as a multiple of this.
const ROUND: usize = 256;

fn demo() -> Refusal {
    Refusal::new(
        Code::DemoRefused,
        "the public demo space, whose keys everybody has, keeps no provider's key; --user NAME opens your own",
    )
}

fn bad(why: &str) -> Refusal {
    Refusal::new(Code::NotKeepable, why)
}

/// Whether these can be a provider and an address; both stand in the associated data, so they have one spelling.
fn check(provider: &str, base_url: &str) -> Result<(), Refusal> {
    let letters = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"-_.".contains(&letter);
    if provider.is_empty() || provider.len() > MAX_PROVIDER || !provider.bytes().all(letters) {
        return Err(bad("a provider is called by at most 64 lower-case letters, digits, dots, dashes and underscores"));
    }
    let rest = base_url.strip_prefix("https://").or_else(|| base_url.strip_prefix("http://")).unwrap_or_default();
    let is_one = !rest.is_empty() && !rest.ends_with('/') && rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
    if !is_one || base_url.len() > MAX_KEPT_URL {
        return Err(bad("a key is kept for one address, written as in https://host/v1, without a name or password in it"));
    }
    Ok(())
}

fn associated(space: &Space, provider: &str, base_url: &str) -> Vec<u8> {
    let mut bytes = LABEL.as_bytes().to_vec();
    bytes.extend(space.id());
    for part in [provider, base_url] {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

/// Seals a key for its provider and address.
pub(crate) fn keep(space: &Space, keep: &KeepKey) -> Result<SealedKey, Refusal> {
    if space.is_demo() {
        return Err(demo());
    }
    check(&keep.provider, &keep.base_url)?;
    let key = keep.key.expose();
    if key.is_empty() || key.len() > MAX_SECRET || !key.iter().all(u8::is_ascii_graphic) {
        return Err(bad("a key has between 1 and 4096 letters, digits and signs, and no spaces"));
    }
    let failed = |what: &str| Refusal::internal(format!("seal a key: {what}"));
    let parts = [key, keep.provider.as_bytes(), keep.base_url.as_bytes()];
    let length = parts.iter().map(|part| 4 + part.len()).sum::<usize>().next_multiple_of(ROUND);
    // Never grown with the key in it.
    let mut body = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        body.extend((part.len() as u32).to_le_bytes());
        body.extend(part);
    }
    body.resize(length, 0);
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|error| failed(&error.to_string()))?;
    let cipher = XChaCha20Poly1305::new((&*space.key(LABEL)).into());
    let associated = associated(space, &keep.provider, &keep.base_url);
    let tag = cipher
        .encrypt_inout_detached((&nonce).into(), &associated, body.as_mut_slice().into())
        .map_err(|_| failed("the cipher refuses"))?;
    Ok(SealedKey { sealed: [&[VERSION][..], &nonce, &body, &tag].concat() })
}

/// Opens a key that was kept, to be lent.
pub(crate) fn open(space: &Space, kept: LendKept) -> Result<Lend, Refusal> {
    if space.is_demo() {
        return Err(demo());
    }
    check(&kept.provider, &kept.base_url)?;
    let closed = || Refusal::new(Code::NoSuchKey, "this kept key is not of this provider, this address and this space");
    if kept.sealed.len() > MAX_SEALED {
        return Err(closed());
    }
    let (version, rest) = kept.sealed.split_first().ok_or_else(closed)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(closed)?;
    let (body, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or_else(closed)?;
    let mut body = Zeroizing::new(body.to_vec());
    let cipher = XChaCha20Poly1305::new((&*space.key(LABEL)).into());
    let associated = associated(space, &kept.provider, &kept.base_url);
    let opened = cipher.decrypt_inout_detached(nonce.into(), &associated, body.as_mut_slice().into(), tag.into());
    if *version != VERSION || opened.is_err() {
        return Err(closed());
    }
    let (length, rest) = body.split_first_chunk::<4>().ok_or_else(closed)?;
    let key = rest.get(..u32::from_le_bytes(*length) as usize).ok_or_else(closed)?;
    Ok(Lend { base_url: kept.base_url, key: Secret::new(key.to_vec()), holder: Role::Llm })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Keys;

    const URL: &str = "https://api.example.org/v1";

    fn space(demo: bool) -> Space {
        Space::open(Keys::random(demo).expect("keys"))
    }

    fn entered(provider: &str, base_url: &str, key: &str) -> KeepKey {
        KeepKey { provider: provider.into(), base_url: base_url.into(), key: Secret::new(key.as_bytes().to_vec()) }
    }

    fn kept(provider: &str, base_url: &str, sealed: &[u8]) -> LendKept {
        LendKept { provider: provider.into(), base_url: base_url.into(), sealed: sealed.to_vec() }
    }

    fn code<T>(result: Result<T, Refusal>) -> Option<Code> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_kept_key_opens_for_its_provider_address_and_space_alone() {
        let ours = space(false);
        let SealedKey { sealed } = keep(&ours, &entered("openai", URL, "sk-1")).expect("sealed");
        let lend = open(&ours, kept("openai", URL, &sealed)).expect("opened");
        assert_eq!((lend.base_url.as_str(), lend.key.expose(), lend.holder), (URL, &b"sk-1"[..], Role::Llm));
        for (provider, base_url) in
            [("anthropic", URL), ("openai", "https://evil.example.org/v1"), ("openai", "http://api.example.org/v1")]
        {
            assert_eq!(code(open(&ours, kept(provider, base_url, &sealed))), Some(Code::NoSuchKey), "{provider} {base_url}");
        }
        assert_eq!(code(open(&space(false), kept("openai", URL, &sealed))), Some(Code::NoSuchKey), "another space");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(code(open(&ours, kept("openai", URL, &changed))), Some(Code::NoSuchKey), "byte {at}");
            assert_eq!(code(open(&ours, kept("openai", URL, &sealed[..at]))), Some(Code::NoSuchKey), "cut at {at}");
        }
    }

    #[test]
    fn the_length_tells_nothing_and_no_word_is_seen() {
        let ours = space(false);
        let sealed = |key: &str| keep(&ours, &entered("openai", URL, key)).expect("sealed").sealed;
        assert_eq!(sealed("s").len(), sealed(&"s".repeat(100)).len());
        let bytes = sealed("Kanari-Key");
        for word in ["Kanari-Key", "openai", "example"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert_eq!(code(keep(&space(true), &entered("openai", URL, "sk"))), Some(Code::DemoRefused));
        assert_eq!(code(open(&space(true), kept("openai", URL, &[0; 80]))), Some(Code::DemoRefused));
        let ours = space(false);
        for (provider, base_url, key) in [
            ("", URL, "sk"),
            ("Open AI", URL, "sk"),
            ("openai", "ftp://host", "sk"),
            ("openai", "https://", "sk"),
            ("openai", "https://host/v1/", "sk"),
            ("openai", "https://me:word@host", "sk"),
            ("openai", "https://ho st", "sk"),
            ("openai", URL, ""),
            ("openai", URL, "two words"),
            ("openai", URL, "line\nbreak"),
        ] {
            assert_eq!(code(keep(&ours, &entered(provider, base_url, key))), Some(Code::NotKeepable), "{provider} {base_url}");
        }
    }
}
