//! `Context`: with what a call computes (instruction set, threads), and whether it is to go on.

use std::sync::OnceLock;
use std::thread::available_parallelism;

use crate::error::{Error, Result};
use crate::lanes::simd::{self, Level};

/// The environment variable that says how many threads a call may use.
pub const NUM_THREADS: &str = "RNN_RUST_NUM_THREADS";

/// Multiply-adds between two questions: a few milliseconds of work, so that asking costs nothing
/// and a caller who wants to stop waits far less than a tenth of a second.
const WORK_PER_QUESTION: usize = 4_000_000;

/// What a call computes with. Results do not depend on it: every number of threads gives the same
/// bits, and so does every instruction set with fused multiply-adds.
pub struct Context<'a> {
    pub(crate) level: Level,
    pub(crate) threads: usize,
    pub(crate) cancel: CancelCheck<'a>,
}

impl<'a> Context<'a> {
    /// The best instruction set and all processors that the process may use, or what the
    /// environment says: [`simd::VARIABLE`] and [`NUM_THREADS`].
    ///
    /// Every few milliseconds `go_on` is asked, on the calling thread; an answer of `false` ends
    /// the call with [`Error::Cancelled`]. [`Error::Parameter`] if a variable makes no sense.
    pub fn new(go_on: &'a mut dyn FnMut() -> bool) -> Result<Self> {
        let level = simd::level().map_err(|error| Error::Parameter {
            what: simd::VARIABLE,
            expected: "an instruction set of this machine, or unset",
            got: error.to_string(),
        })?;
        Ok(Self { level, threads: default_threads()?, cancel: CancelCheck { go_on, spent: 0 } })
    }

    /// The instruction set.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The same with another instruction set.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// The same with at most `threads` threads, at least one.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1), ..self }
    }
}

/// [`Error::Memory`] if there is no room for `numbers` more values of type `T`.
///
/// A failing allocation ends the process; this asks first.
pub(crate) fn check_memory<T>(numbers: usize) -> Result<()> {
    let room = Vec::<T>::new().try_reserve_exact(numbers);
    room.map_err(|_| Error::Memory { bytes: numbers.saturating_mul(size_of::<T>()) })
}

fn default_threads() -> Result<usize> {
    static FOUND: OnceLock<Result<usize>> = OnceLock::new();
    FOUND
        .get_or_init(|| match std::env::var_os(NUM_THREADS) {
            None => Ok(available_parallelism().map_or(1, usize::from)),
            Some(text) => {
                let text = text.to_string_lossy();
                let number = text.parse().ok().filter(|&threads| threads >= 1);
                number.ok_or_else(|| Error::Parameter {
                    what: NUM_THREADS,
                    expected: "a whole number of at least 1, or unset",
                    got: format!("{text:?}"),
                })
            }
        })
        .clone()
}

/// Counts work and asks, every few milliseconds, whether to go on.
pub(crate) struct CancelCheck<'a> {
    go_on: &'a mut dyn FnMut() -> bool,
    spent: usize,
}

impl<'a> CancelCheck<'a> {
    /// Asks `go_on`.
    pub(crate) fn new(go_on: &'a mut dyn FnMut() -> bool) -> Self {
        Self { go_on, spent: 0 }
    }

    /// Accounts for `work` multiply-adds, and asks if enough has been done since the last time.
    #[inline]
    pub(crate) fn spend(&mut self, work: usize) -> Result<()> {
        self.spent = self.spent.saturating_add(work);
        if self.spent < WORK_PER_QUESTION {
            return Ok(());
        }
        // Once refused, always refused: `spent` stays where it asks at once.
        if !(self.go_on)() {
            self.spent = usize::MAX / 2;
            return Err(Error::Cancelled);
        }
        self.spent = 0;
        Ok(())
    }
}
