//! Compression of bodies. What a body of a few hundred bytes costs is the making of a context, not the compression (15 µs of
//! which 3 are left with one that is there already), so each thread keeps one; of bounded size, because a context grows with
//! the largest body it has seen and never shrinks.

use std::{cell::RefCell, io};

use zstd::bulk::{Compressor, Decompressor};

const LEVEL: i32 = 3;

/// Bodies up to so many bytes are compressed in the context that is kept, which they let grow to about a MiB.
const SMALL: usize = 64 << 10;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses some bytes.
pub(crate) fn pack(plain: &[u8]) -> io::Result<Vec<u8>> {
    if plain.len() > SMALL {
        return zstd::bulk::compress(plain, LEVEL);
    }
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::new(LEVEL)?),
        };
        compressor.compress(plain)
    })
}

/// The bytes that were compressed, if they are no more than `length`.
pub(crate) fn unpack(packed: &[u8], length: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new()?),
        };
        decompressor.decompress(packed, length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_that_is_kept_forgets_what_was_before() {
        let texts = ["a".repeat(1000), "some other words ".repeat(5000), String::new(), "b".repeat(70_000)];
        for text in texts.iter().chain(&texts) {
            let packed = pack(text.as_bytes()).expect("packed");
            assert_eq!(unpack(&packed, text.len()).expect("unpacked"), text.as_bytes());
            assert!(text.is_empty() || unpack(&packed, text.len() - 1).is_err(), "nothing longer is ever made");
            // What failed leaves nothing behind.
            assert!(unpack(&packed[..packed.len() / 2], text.len()).is_err());
        }
    }
}
