//! [`BatchLock`]: lets the network be swapped only between batches.

use std::cell::RefCell;
use std::ptr::from_ref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use rnn_rust::{Context, Error};

use crate::boundary::{if_free, when_free};

thread_local! {
    /// The addresses of the locks for which swaps of this thread are waiting.
    static WAITING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Shared by batches; exclusive for a swap.
///
/// No thread queues for the lock in the system: it could not check for signals there, and a signal
/// handler's batch would wait behind a swap that waits for the batch it interrupted.
pub(super) struct BatchLock {
    running: RwLock<()>,
    /// Waiting swaps: batches that arrive later let them go first.
    swaps: AtomicUsize,
}

impl BatchLock {
    pub(super) fn new() -> Self {
        Self { running: RwLock::new(()), swaps: AtomicUsize::new(0) }
    }

    /// Locks for a batch. It goes first if it is `within` another batch of the same thread, or run by a
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

    /// Locks for a swap, once no batch is running.
    pub(super) fn for_swap(
        &self,
        context: &mut Context<'_>,
    ) -> Result<RwLockWriteGuard<'_, ()>, Error> {
        let _waiting = WaitingSwap::of(self);
        when_free(context, || if_free(self.running.try_write()))
    }
}

/// Counts a swap as waiting until dropped.
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
