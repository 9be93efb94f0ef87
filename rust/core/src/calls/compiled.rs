//! [`Compiled`]: the element types that the engine is compiled for.
//!
//! Generic code is compiled by the crate that uses it. Every test, every example and the bindings would
//! compile the whole engine again, for each level and cell. The functions here are not generic, so this
//! crate compiles them, once per type.

use super::hidden_states::HiddenStates;
use super::inference::Predict;
use super::on_engine::{Epochs, OnEngine, OneBatch};
use super::scorer::{MakeScores, Scores};
use super::steps::{MakeStepper, Steps};
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::Level;

/// An element type that networks are trained and run with: `f32` or `f64`.
///
/// Its functions run the engine at a given level; [`Network`](crate::Network) and
/// [`Stepper`](crate::Stepper) call them.
#[expect(private_interfaces, reason = "nothing outside this crate can call these functions")]
pub trait Compiled: Real {
    #[doc(hidden)]
    fn predict(level: Level, work: Predict<'_, '_, Self>) -> Result<()>;
    #[doc(hidden)]
    fn hidden_states(level: Level, work: HiddenStates<'_, '_, Self>) -> Result<()>;
    #[doc(hidden)]
    fn one_batch(
        level: Level,
        work: OnEngine<'_, '_, Self, OneBatch<'_>>,
    ) -> Result<Result<(f64, Vec<Self>)>>;
    #[doc(hidden)]
    fn epochs(level: Level, work: OnEngine<'_, '_, Self, Epochs<'_, Self>>) -> Result<Result<()>>;
    #[doc(hidden)]
    fn stepper(level: Level, work: MakeStepper<Self>) -> Box<dyn Steps<Self>>;
    #[doc(hidden)]
    fn scores(level: Level, work: MakeScores<Self>) -> Box<dyn Scores<Self>>;
}

/// One module per type. The unit tests of this crate do not run the engine, and compile much faster
/// without it.
#[cfg(not(test))]
mod types {
    use super::{
        Compiled, Epochs, HiddenStates, MakeScores, MakeStepper, OnEngine, OneBatch, Predict,
        Result, Scores, Steps,
    };
    use crate::lanes::simd::{Level, dispatch};

    macro_rules! compiled {
        ($($T:ty),*) => {$(
            #[expect(private_interfaces, reason = "as in the trait")]
            impl Compiled for $T {
                #[inline(never)]
                fn predict(level: Level, work: Predict<'_, '_, $T>) -> Result<()> {
                    dispatch(level, work)
                }

                #[inline(never)]
                fn hidden_states(level: Level, work: HiddenStates<'_, '_, $T>) -> Result<()> {
                    dispatch(level, work)
                }

                #[inline(never)]
                fn one_batch(
                    level: Level,
                    work: OnEngine<'_, '_, $T, OneBatch<'_>>,
                ) -> Result<Result<(f64, Vec<$T>)>> {
                    dispatch(level, work)
                }

                #[inline(never)]
                fn epochs(
                    level: Level,
                    work: OnEngine<'_, '_, $T, Epochs<'_, $T>>,
                ) -> Result<Result<()>> {
                    dispatch(level, work)
                }

                #[inline(never)]
                fn stepper(level: Level, work: MakeStepper<$T>) -> Box<dyn Steps<$T>> {
                    dispatch(level, work)
                }

                #[inline(never)]
                fn scores(level: Level, work: MakeScores<$T>) -> Box<dyn Scores<$T>> {
                    dispatch(level, work)
                }
            }
        )*};
    }

    compiled!(f32, f64);
}
