//! [`PriorityLock`]: a lock shared by many short calls and a few long ones; short ones go first.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::yield_now;

use crate::boundary::if_free;

/// Attempts to take a lock before a thread sleeps until it is free: several times as long as a slice,
/// as waking up takes longer than a slice.
const ATTEMPTS: usize = 4000;

/// A lock whose long-time holders release it between slices of their work, letting threads that need it
/// only briefly go first.
pub(super) struct PriorityLock<T> {
    inner: Mutex<T>,
    /// Threads that want the lock briefly.
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

    /// Takes the lock briefly, if it becomes free within about the time of a slice.
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

    /// Takes the lock briefly.
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Takes the lock for a slice of long work, after the threads that want it briefly.
    pub(super) fn lock_for_slice(&self) -> MutexGuard<'_, T> {
        for attempt in 0..ATTEMPTS {
            if self.waiting.load(Ordering::Relaxed) == 0 {
                break;
            }
            // The waiting threads may have no processor to notice on.
            if attempt % 64 == 63 { yield_now() } else { spin_loop() }
        }
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
