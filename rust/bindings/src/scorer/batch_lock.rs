//! [`BatchLock`]: keeps a swap of the network between batches.

use std::cell::RefCell;
use std::ptr::from_ref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use rnn_rust::{Context, Error};

use crate::boundary::{if_free, when_free};

thread_local! {
    /// The addresses of the locks that swaps of this thread wait for.
    static WAITING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Held by batches together, and by a swap alone.
///
/// Nobody queues for the lock within the system, where no signal could be checked, and where a batch of
/// a signal handler would wait behind a swap that waits for the batch it interrupted.
pub(super) struct BatchLock {
    running: RwLock<()>,
    /// Swaps that wait: batches that come later go after them.
    swaps: AtomicUsize,
}

impl BatchLock {
    pub(super) fn new() -> Self {
        Self { running: RwLock::new(()), swaps: AtomicUsize::new(0) }
    }

    /// For a batch, which goes first if it is one `within` another of the same thread, or one of a
    /// signal handler that interrupts a waiting swap.
    pub(super) fn for_batch(
        &self,
        within: bool,
        context: &mut Context<'_>,
    ) -> Result<RwLockReadGuard<'_, ()>, Error> {
        let first = within || WAITING.with_borrow(|locks| locks.contains(&from_ref(self).addr()));
        when_free(context, || {
            if !first && self.swaps.load(Ordering::Relaxed) > 0 {
                return None;
            }
            if_free(self.running.try_read())
        })
    }

    /// For a swap, once no batch runs.
    pub(super) fn for_swap(
        &self,
        context: &mut Context<'_>,
    ) -> Result<RwLockWriteGuard<'_, ()>, Error> {
        let _waiting = WaitingSwap::of(self);
        when_free(context, || if_free(self.running.try_write()))
    }
}

/// Counts a swap as waiting until it is dropped.
struct WaitingSwap<'a>(&'a BatchLock);

impl<'a> WaitingSwap<'a> {
    fn of(lock: &'a BatchLock) -> Self {
        lock.swaps.fetch_add(1, Ordering::Relaxed);
        WAITING.with_borrow_mut(|locks| locks.push(from_ref(lock).addr()));
        Self(lock)
    }
}

impl Drop for WaitingSwap<'_> {
    fn drop(&mut self) {
        WAITING.with_borrow_mut(Vec::pop);
        self.0.swaps.fetch_sub(1, Ordering::Relaxed);
    }
}
