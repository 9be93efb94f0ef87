//! [`HugePages`]: an allocator whose large buffers may lie in huge pages.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, with huge pages for buffers of 4 MB and more where Linux gives them on
/// request (`madvise` in `/sys/kernel/mm/transparent_hugepage/enabled`, pages of 4 KB): 2 MB take one
/// entry of the processor's translation buffers instead of 512. Training and prediction on more data
/// than the caches hold are faster by it. A program makes it its own:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: rnn_rust::HugePages = rnn_rust::HugePages;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HugePages;

// SAFETY: all memory is the system allocator's, in the layouts asked for; the advice changes neither
// contents nor addresses.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        advised(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        advised(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises; the memory came from the same allocator.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises; the memory came from the same allocator.
        advised(unsafe { System.realloc(start, layout, size) }, size)
    }
}

/// Asks for huge pages where a buffer is large.
#[cfg(target_os = "linux")]
#[inline(always)]
fn advised(start: *mut u8, bytes: usize) -> *mut u8 {
    /// Bytes of a buffer from which on huge pages are asked for, as in NumPy: two of them.
    const LARGE: usize = 4 << 20;
    #[cold]
    fn advise(start: *mut u8, bytes: usize) {
        // Where pages are larger, the system refuses advice from most addresses.
        const PAGE: usize = 4096;
        // From the start of its page, so that the advice does not divide what the system mapped at
        // once: it could not be moved as a whole any more when the buffer grows.
        let before = start.addr() % PAGE;
        // SAFETY: the pages are those of the buffer; advice changes no contents, nor those of what
        // lies beside it. Where huge pages are not to be had, nothing happens.
        unsafe {
            libc::madvise(start.wrapping_sub(before).cast(), before + bytes, libc::MADV_HUGEPAGE);
        }
    }
    if bytes >= LARGE && !start.is_null() {
        advise(start, bytes);
    }
    start
}

#[cfg(not(target_os = "linux"))]
#[inline(always)]
fn advised(start: *mut u8, _: usize) -> *mut u8 {
    start
}
