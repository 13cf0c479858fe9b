//! A page of memory for keys: never swapped, never in a core dump, empty in a child, overwritten at the end.

#![expect(unsafe_code, reason = "the pages of keys are asked from the kernel, because no allocator promises to lock them")]

use std::{io, ptr::NonNull};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize as _;

/// `N` bytes in a page of their own.
pub(crate) struct Locked<const N: usize> {
    page: NonNull<[u8; N]>,
}

impl<const N: usize> Locked<N> {
    /// A page of zeros.
    pub(crate) fn new() -> io::Result<Locked<N>> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh private mapping at an address of the kernel's choice, used by nobody else.
        let page = unsafe { mmap_anonymous(std::ptr::null_mut(), N, protection, MapFlags::PRIVATE)? };
        let page = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let locked = Locked { page };
        let address = page.as_ptr().cast();
        // SAFETY: the mapping is ours and at least N bytes long. A failure leaves it as it was, and `locked` unmaps it.
        unsafe {
            mlock(address, N)?;
            madvise(address, N, Advice::LinuxDontDump)?;
            madvise(address, N, Advice::LinuxWipeOnFork)?;
        }
        Ok(locked)
    }

    /// The bytes.
    pub(crate) fn get(&self) -> &[u8; N] {
        // SAFETY: the mapping is as long as N, lives as long as self, and holds bytes, which have no invalid values.
        unsafe { self.page.as_ref() }
    }

    /// The bytes, to be filled.
    pub(crate) fn get_mut(&mut self) -> &mut [u8; N] {
        // SAFETY: as above, and the borrow of self is unique.
        unsafe { self.page.as_mut() }
    }
}

impl<const N: usize> Drop for Locked<N> {
    fn drop(&mut self) {
        self.get_mut().zeroize();
        // SAFETY: the mapping is ours and nothing refers to it any more. If it fails, zeros stay mapped.
        let _ = unsafe { munmap(self.page.as_ptr().cast(), N) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_in_locked_memory() {
        let mut page = Locked::<96>::new().expect("a page");
        assert_eq!(page.get(), &[0; 96]);
        page.get_mut()[..3].copy_from_slice(b"key");
        assert_eq!(&page.get()[..4], b"key\0");
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
        let address = format!("{:x}-", page.page.as_ptr() as usize);
        let entry: Vec<&str> = maps.lines().skip_while(|line| !line.contains(&address)).take(30).collect();
        let flags = entry.iter().find(|line| line.starts_with("VmFlags:")).expect("its flags");
        for flag in [" lo", " dd", " wf"] {
            assert!(flags.contains(flag), "{flag} in {flags}");
        }
    }
}
