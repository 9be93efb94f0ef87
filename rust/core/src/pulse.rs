//! `Pulse`: lets a long computation ask now and then whether to go on.

use crate::error::{Error, Result};

/// Multiply-adds between two questions: a few milliseconds of work, so that asking costs nothing
/// and a caller who wants to stop waits far less than a tenth of a second.
const WORK_PER_QUESTION: usize = 4_000_000;

/// Counts work and asks the caller, every few milliseconds, whether to go on.
pub struct Pulse<'a> {
    go_on: &'a mut dyn FnMut() -> bool,
    spent: usize,
}

impl<'a> Pulse<'a> {
    /// Asks `go_on`; an answer of `false` ends the computation with [`Error::Cancelled`].
    pub fn new(go_on: &'a mut dyn FnMut() -> bool) -> Self {
        Self { go_on, spent: 0 }
    }

    /// Accounts for `work` multiply-adds, and asks if enough has been done since the last time.
    #[inline]
    pub(crate) fn spend(&mut self, work: usize) -> Result<()> {
        self.spent += work;
        if self.spent < WORK_PER_QUESTION {
            return Ok(());
        }
        self.spent = 0;
        if (self.go_on)() { Ok(()) } else { Err(Error::Cancelled) }
    }
}
