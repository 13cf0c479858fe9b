//! The memory that a derivation fills: asked from the kernel and given back to it at once, so that what passwords left in
//! it is gone, and an idle key process is small. An allocator would keep the 64 MiB for the next time.

#![expect(unsafe_code, reason = "an allocator would keep the memory; only the kernel takes it back")]

use std::{io, ptr::NonNull, slice};

use argon2::Block;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Blocks of zeros in a mapping of their own.
pub(crate) struct Scratch {
    blocks: NonNull<Block>,
    count: usize,
}

impl Scratch {
    /// So many blocks.
    pub(crate) fn new(count: usize) -> io::Result<Scratch> {
        let length = count.checked_mul(size_of::<Block>()).filter(|length| *length > 0).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh private mapping at an address of the kernel's choice, used by nobody else.
        let pages = unsafe { mmap_anonymous(std::ptr::null_mut(), length, protection, MapFlags::PRIVATE)? };
        let blocks = NonNull::new(pages.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Scratch { blocks, count })
    }

    /// The blocks, to be filled.
    pub(crate) fn blocks(&mut self) -> &mut [Block] {
        // SAFETY: the mapping holds `count` blocks, is aligned to a page and so to a block, lives as long as self and is
        // borrowed once; a block is plain numbers, for which the kernel's zeros are valid.
        unsafe { slice::from_raw_parts_mut(self.blocks.as_ptr(), self.count) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing refers to it any more. The kernel clears pages before it hands them on.
        let _ = unsafe { munmap(self.blocks.as_ptr().cast(), self.count * size_of::<Block>()) };
    }
}
