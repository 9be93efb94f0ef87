//! [`PriorityLock`]: a lock that many short calls and few long ones share; short ones go first.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::yield_now;

use crate::boundary::if_free;

/// Attempts to take a lock before a thread sleeps until it is free: several times what a slice takes, as
/// waking up takes longer than a slice.
const ATTEMPTS: usize = 4000;

/// A lock whose long-time holders let go of it between slices of their work, and let those go first
/// that want it for a moment.
pub(super) struct PriorityLock<T> {
    inner: Mutex<T>,
    /// Threads that want it for a moment.
    waiting: AtomicUsize,
}

// A lock is poisoned only by a panic, which its caller has seen as an InternalError.

impl<T> PriorityLock<T> {
    pub(super) fn new(value: T) -> Self {
        Self { inner: Mutex::new(value), waiting: AtomicUsize::new(0) }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if_free(self.inner.try_lock())
    }

    /// The lock for a moment, if it becomes free within about the time of a slice.
    #[inline]
    pub(super) fn lock_if_soon_free(&self) -> Option<MutexGuard<'_, T>> {
        self.try_lock().or_else(|| {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let found = (0..ATTEMPTS).find_map(|_| {
                spin_loop();
                self.try_lock()
            });
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            found
        })
    }

    /// The lock for a moment.
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// The lock for a slice of long work, after those that want it for a moment.
    pub(super) fn lock_for_slice(&self) -> MutexGuard<'_, T> {
        for attempt in 0..ATTEMPTS {
            if self.waiting.load(Ordering::Relaxed) == 0 {
                break;
            }
            // Those who wait may have no processor to notice it on.
            if attempt % 64 == 63 { yield_now() } else { spin_loop() }
        }
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
