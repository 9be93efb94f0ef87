//! `Level`: which instruction set to use. Detected once per process, dispatched on once per call.

use std::fmt;
use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use super::Neon;
#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512};
use super::{Portable, Simd, WithSimd};

/// The environment variable that forces a level: `avx512`, `avx2`, `neon` or `portable`.
pub const VARIABLE: &str = "RNN_RUST_SIMD";

/// Every value that [`VARIABLE`] may have, on any machine.
const NAMES: [&str; 4] = ["avx512", "avx2", "neon", "portable"];

/// An instruction set that this machine has; each variant holds the token that proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// AVX-512: one 64-byte register per group.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// AVX2 and FMA: two registers per group.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// NEON: four registers per group.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// Nothing beyond the target's baseline.
    Portable(Portable),
}

impl Level {
    /// The levels of this machine, best first.
    pub fn available() -> Vec<Self> {
        let levels = [
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "aarch64")]
            Neon::detect().map(Self::Neon),
            Some(Self::Portable(Portable)),
        ];
        levels.into_iter().flatten().collect()
    }

    /// The level with this name, as used in [`VARIABLE`].
    ///
    /// # Errors
    /// The name is unknown, or this machine lacks the level.
    pub fn from_name(name: &str) -> Result<Self, LevelError> {
        let mut available = Self::available().into_iter();
        available.find(|level| level.name() == name).ok_or_else(|| {
            if NAMES.contains(&name) {
                LevelError::Unavailable(name.to_owned())
            } else {
                LevelError::Unknown(name.to_owned())
            }
        })
    }

    /// Its name, as used in [`VARIABLE`].
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Avx512::NAME,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Avx2::NAME,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => Neon::NAME,
            Self::Portable(_) => Portable::NAME,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The level of this process: the machine's best, or the one that [`VARIABLE`] names.
///
/// Determined at the first call; later changes of the variable have no effect.
///
/// # Errors
/// The variable names no level, or one that this machine lacks.
pub fn level() -> Result<Level, LevelError> {
    static FOUND: OnceLock<Result<Level, LevelError>> = OnceLock::new();
    FOUND
        .get_or_init(|| match std::env::var_os(VARIABLE) {
            Some(name) => Level::from_name(&name.to_string_lossy()),
            None => Ok(Level::available()[0]),
        })
        .clone()
}

/// Runs `task` with the token of `level`. To be called once per library call, not once per product.
pub fn dispatch<K: WithSimd>(level: Level, task: K) -> K::Output {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(simd) => task.run(simd),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2(simd) => task.run(simd),
        #[cfg(target_arch = "aarch64")]
        Level::Neon(simd) => task.run(simd),
        Level::Portable(simd) => task.run(simd),
    }
}

/// Why a level cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LevelError {
    /// No level has that name.
    Unknown(String),
    /// This machine lacks the level of that name.
    Unavailable(String),
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, fault) = match self {
            Self::Unknown(name) => (name, "is no instruction set known here"),
            Self::Unavailable(name) => (name, "is not available on this machine"),
        };
        let names: Vec<_> = Level::available().into_iter().map(Level::name).collect();
        write!(f, "{VARIABLE}: {name:?} {fault}; set one of {} or none", names.join(", "))
    }
}

impl std::error::Error for LevelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_available_levels_round_trip() {
        let levels = Level::available();
        assert_eq!(levels.last(), Some(&Level::Portable(Portable)));
        for level in levels {
            assert_eq!(Level::from_name(level.name()), Ok(level));
        }
    }

    #[test]
    fn other_names_are_refused_with_what_to_do() {
        let error = Level::from_name("sse9").unwrap_err();
        assert_eq!(error, LevelError::Unknown("sse9".into()));
        assert!(error.to_string().contains("RNN_RUST_SIMD"), "{error}");
        assert!(error.to_string().contains("portable"), "{error}");
        let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
        assert_eq!(Level::from_name(foreign), Err(LevelError::Unavailable(foreign.into())));
    }

    #[test]
    fn the_kernel_runs_with_the_token_of_its_level() {
        struct Name;
        impl WithSimd for Name {
            type Output = &'static str;
            fn run<S: Simd>(self, _: S) -> &'static str {
                S::NAME
            }
        }
        for level in Level::available() {
            assert_eq!(dispatch(level, Name), level.name());
        }
    }
}
