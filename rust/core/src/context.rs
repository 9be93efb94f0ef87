//! `Context`: what a call computes with (instruction set, threads), and when it is cancelled.

use std::sync::OnceLock;
use std::thread::available_parallelism;

use crate::error::{Error, Result};
use crate::lanes::simd::{self, Level};

/// The environment variable that says how many threads a call may use.
pub const NUM_THREADS: &str = "RNN_RUST_NUM_THREADS";

/// Multiply-adds between two checks: a few milliseconds of work, so that a check costs nothing, and
/// a cancellation takes far less than a tenth of a second.
const WORK_PER_CHECK: usize = 4_000_000;

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
    /// Every few milliseconds `go_on` is called, on the calling thread; if it returns `false`, the
    /// call ends with [`Error::Cancelled`]. [`Error::Parameter`] if a variable has a wrong value.
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

    /// How many threads it may use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// [`Error::Cancelled`] if the caller wants the call to end.
    pub fn check(&mut self) -> Result<()> {
        if (self.cancel.go_on)() { Ok(()) } else { Err(Error::Cancelled) }
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

/// Bytes from which on the system is asked whether it has them: reading its answer takes far less
/// time than to write so many.
const MUCH: usize = 1 << 28;

/// [`Error::Memory`] if there is no memory for `numbers` more values of type `T`.
///
/// A failing allocation would abort the process. Linux promises more memory than it has, and kills
/// who takes it at its word.
pub(crate) fn check_memory<T>(numbers: usize) -> Result<()> {
    let bytes = numbers.saturating_mul(size_of::<T>());
    let promised = Vec::<T>::new().try_reserve_exact(numbers).is_ok();
    if promised && (bytes < MUCH || is_available(bytes)) {
        Ok(())
    } else {
        Err(Error::Memory { bytes })
    }
}

/// Whether the system can still give so many bytes, as far as it says.
pub(crate) fn is_available(bytes: usize) -> bool {
    available().is_none_or(|available| bytes as u64 <= available)
}

/// The bytes that the system can still give, where it says so.
fn available() -> Option<u64> {
    available_of(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_of(meminfo: &str) -> Option<u64> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024))
    };
    Some(bytes("MemAvailable:")?.saturating_add(bytes("SwapFree:").unwrap_or(0)))
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
        // Once cancelled, always cancelled: `spent` stays where the next call checks at once.
        if !(self.go_on)() {
            self.spent = usize::MAX / 2;
            return Err(Error::Cancelled);
        }
        self.spent = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_the_system_does_not_have_is_refused() {
        assert_eq!(check_memory::<f32>(1000), Ok(()));
        let all = Error::Memory { bytes: usize::MAX };
        assert_eq!(check_memory::<f32>(usize::MAX / 2), Err(all));
        // More than is free, if less than there is: that much would be promised.
        if let Some(available) = available() {
            let bytes = available as usize + MUCH;
            assert_eq!(check_memory::<u8>(bytes), Err(Error::Memory { bytes }));
        }
    }

    #[test]
    fn what_the_system_can_give_is_what_it_can_free_and_swap() {
        let text = "MemTotal:  900 kB\nMemFree:  100 kB\nMemAvailable:  300 kB\nSwapFree:  20 kB\n";
        assert_eq!(available_of(text), Some(320 * 1024));
        assert_eq!(available_of("MemAvailable:  7 kB\n"), Some(7 * 1024));
        assert_eq!(available_of("MemTotal:  900 kB\n"), None);
        assert_eq!(available_of("MemAvailable:  many\n"), None);
    }
}
