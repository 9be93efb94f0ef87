//! [`RunningBatch`]: the scorers with which this thread is scoring a batch, in case a signal handler
//! calls them meanwhile.

use std::cell::RefCell;
use std::ptr::from_ref;

thread_local! {
    /// The addresses of these scorers.
    static SCORERS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A running batch of this thread, until dropped.
pub(super) struct RunningBatch;

impl RunningBatch {
    pub(super) fn of<S>(scorer: &S) -> Self {
        SCORERS.with_borrow_mut(|scorers| scorers.push(from_ref(scorer).addr()));
        Self
    }
}

impl Drop for RunningBatch {
    fn drop(&mut self) {
        SCORERS.with_borrow_mut(Vec::pop);
    }
}

/// Whether this thread is scoring a batch with a scorer, and would wait for itself.
pub(super) fn is_scoring_batch<S>(scorer: &S) -> bool {
    SCORERS.with_borrow(|scorers| scorers.contains(&from_ref(scorer).addr()))
}
