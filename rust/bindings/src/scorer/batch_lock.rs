//! [`BatchLock`]: keeps a swap of the network between batches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::sleep;

use rnn_rust::{Context, Error};

use crate::boundary::{WAIT, if_free, when_free};

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

    /// For a batch, which goes first if it is one `within` another of the same thread.
    pub(super) fn for_batch(
        &self,
        within: bool,
        context: &mut Context<'_>,
    ) -> Result<RwLockReadGuard<'_, ()>, Error> {
        when_free(context, || {
            if !within && self.swaps.load(Ordering::Relaxed) > 0 {
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
        loop {
            self.swaps.fetch_add(1, Ordering::Relaxed);
            let guard = if_free(self.running.try_write()).or_else(|| {
                sleep(WAIT);
                if_free(self.running.try_write())
            });
            self.swaps.fetch_sub(1, Ordering::Relaxed);
            if let Some(guard) = guard {
                return Ok(guard);
            }
            // Not while it counts as waiting: a batch of a signal handler would wait for it.
            context.check()?;
        }
    }
}
