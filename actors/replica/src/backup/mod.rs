//! Backups: sealed files that never change, and what is made of them again.
//!
//! A *pack* holds a run of events or some chunks of large content. A *point* lists the packs that together are everything
//! there was at one moment; it is written last, so that a backup that was cut off is the one before it, and what was
//! written of it already is made use of by the next.
//!
//! ```text
//! pack    sealed( magic ‖ 0 ‖ first place u64 ‖ last place u64 ‖ for each event:
//!                   header length u16 ‖ header ‖ signature 64 ‖ form u8 ‖ body length u32 ‖ body )
//!         sealed( magic ‖ 1 ‖ for each chunk: name 16 ‖ length u32 ‖ sealed chunk )
//! point   sealed( CBOR, see `point.rs` )
//! name    the first half of the BLAKE3 hash of the file, in hexadecimal digits
//! ```
//!
//! Places are 0 in a pack of events that the archive does not have whole, see `earlier.rs`.
//!
//! A name says nothing about what is inside, and whether a file is what was written is seen without a key. All numbers are
//! little-endian.
//!
//! A backup is never a copy of the database, which is bound to this machine's page size and is not whole while it is open.
//! Where packs lie and who carries them there is not known here.

mod chunks;
mod earlier;
mod events;
mod pack;
mod plan;
mod point;

pub use pack::{BadPack, Inside, MAX_PACK, Pack};
pub use plan::{Next, Plan, Trouble};
pub use point::{ChunkPack, EventPack, Point};

/// What a file of a backup is called.
pub type Name = [u8; 16];

/// The name of a file with these bytes.
pub fn name_of(file: &[u8]) -> Name {
    let hash = blake3::hash(file);
    std::array::from_fn(|index| hash.as_bytes()[index])
}
