//! [`Turns`]: a lock that many short calls and few long ones share.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::yield_now;

/// Looks at a lock before a thread sleeps until it is free: several times what a slice takes. Waking
/// up takes longer than a slice.
const LOOKS: usize = 4000;

/// A lock whose long-time holders let go of it between slices of their work, and let those go first
/// that want it for a moment.
pub(super) struct Turns<T> {
    inner: Mutex<T>,
    /// Threads that want it for a moment.
    waiting: AtomicUsize,
}

// A lock is poisoned only by a panic, which its caller has seen as an InternalError.

impl<T> Turns<T> {
    pub(super) fn new(value: T) -> Self {
        Self { inner: Mutex::new(value), waiting: AtomicUsize::new(0) }
    }

    fn look(&self) -> Option<MutexGuard<'_, T>> {
        match self.inner.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The lock for a moment, if it is free soon: no longer away than a slice takes.
    #[inline]
    pub(super) fn soon(&self) -> Option<MutexGuard<'_, T>> {
        self.look().or_else(|| {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let found = (0..LOOKS).find_map(|_| {
                spin_loop();
                self.look()
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
    pub(super) fn slice(&self) -> MutexGuard<'_, T> {
        for look in 0..LOOKS {
            if self.waiting.load(Ordering::Relaxed) == 0 {
                break;
            }
            // Those who wait may have no processor to notice it on.
            if look % 64 == 63 { yield_now() } else { spin_loop() }
        }
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
