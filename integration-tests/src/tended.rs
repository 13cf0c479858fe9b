//! What the stories of erasing, verifying and backups share: a space of somebody's own that is open, bytes without shape,
//! and waiting for something to become true.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    home::{Call, Home},
    serve::Serve,
};

/// Whose space it is.
pub const USER: &str = "ada";

/// The password, entered twice.
pub const PASSWORD: &str = "correct horse battery\ncorrect horse battery\n";

/// A supervisor that stays up, with her space open.
pub fn up(home: &Home) -> Serve<'_> {
    Serve::of(home, home.command(["serve"]).signed_in(USER, PASSWORD))
}

/// A command that signs in as her.
pub fn hers<'a>(home: &Home, arguments: impl IntoIterator<Item = &'a str>) -> Call {
    home.command(arguments).signed_in(USER, PASSWORD)
}

/// Bytes without shape.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // splitmix64, Steele 2014.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Waits until something is true; `what` is said if it never is.
pub fn until(patience: Duration, what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !is() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}
