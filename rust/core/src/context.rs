//! `Context`: what a call computes with (instruction set, threads), and when it is cancelled.

use std::sync::OnceLock;
use std::thread::available_parallelism;

use crate::error::{Error, Result};
use crate::lanes::simd::{self, Level};

/// The environment variable that limits how many threads a call may use.
pub const NUM_THREADS: &str = "RNN_RUST_NUM_THREADS";

/// Multiply-adds between two checks: a few milliseconds of work, so that a check costs nothing, and
/// a cancellation takes far less than a tenth of a second.
const WORK_PER_CHECK: usize = 4_000_000;

/// What a call computes with. Results do not depend on it: any number of threads gives the same bits,
/// and so does any instruction set with fused multiply-adds.
pub struct Context<'a> {
    pub(crate) level: Level,
    pub(crate) threads: usize,
    pub(crate) cancel: CancelCheck<'a>,
}

impl<'a> Context<'a> {
    /// Uses the best instruction set and all processors available to the process, unless the
    /// environment says otherwise: [`simd::VARIABLE`] and [`NUM_THREADS`].
    ///
    /// `go_on` is called every few milliseconds on the calling thread; if it returns `false`, the call
    /// ends with [`Error::Cancelled`]. [`Error::Parameter`] if a variable has an invalid value.
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

    /// How many threads a call may use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// [`Error::Cancelled`] if the caller wants the call to end.
    pub fn check(&mut self) -> Result<()> {
        if (self.cancel.go_on)() { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// Uses another instruction set.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Uses at most `threads` threads, and at least one.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1), ..self }
    }
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

/// Counts work and checks, every few milliseconds, whether the call is cancelled.
pub(crate) struct CancelCheck<'a> {
    go_on: &'a mut dyn FnMut() -> bool,
    spent: usize,
}

impl<'a> CancelCheck<'a> {
    /// Checks by calling `go_on`.
    pub(crate) fn new(go_on: &'a mut dyn FnMut() -> bool) -> Self {
        Self { go_on, spent: 0 }
    }

    /// Accounts for `work` multiply-adds; checks if enough have been done since the last check.
    #[inline]
    pub(crate) fn spend(&mut self, work: usize) -> Result<()> {
        self.spent = self.spent.saturating_add(work);
        if self.spent < WORK_PER_CHECK {
            return Ok(());
        }
        // Once cancelled, always cancelled: `spent` is left as it is, so the next call checks at once.
        if !(self.go_on)() {
            self.spent = usize::MAX / 2;
            return Err(Error::Cancelled);
        }
        self.spent = 0;
        Ok(())
    }
}
