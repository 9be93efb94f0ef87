//! Stochastic gradient descent: w ← w − η g.

use crate::error::{Error, Result};
use crate::optim::Optimizer;
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Level, Simd, Task, dispatch};

/// Plain stochastic gradient descent.
#[derive(Clone, Copy, Debug)]
pub struct Sgd<T> {
    learning_rate: T,
}

impl<T: Real> Sgd<T> {
    /// [`Error::Parameter`] if the rate is negative, NaN or infinite.
    pub fn new(learning_rate: f64) -> Result<Self> {
        let rate = T::from_f64(learning_rate);
        if rate.is_finite() && learning_rate >= 0.0 {
            return Ok(Self { learning_rate: rate });
        }
        Err(Error::Parameter {
            what: "learning_rate",
            expected: "a number of at least 0 that is finite in the network's type",
            got: learning_rate.to_string(),
        })
    }
}

impl<T: Real> Optimizer<T> for Sgd<T> {
    fn step(&mut self, level: Level, before: &[T], gradient: &[T], after: &mut [T]) -> bool {
        dispatch(level, Step { learning_rate: self.learning_rate, before, gradient, after })
    }
}

struct Step<'a, T> {
    learning_rate: T,
    before: &'a [T],
    gradient: &'a [T],
    after: &'a mut [T],
}

impl<T: Real> Task for Step<'_, T> {
    type Output = bool;

    fn run<S: Simd>(self, simd: S) -> bool {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for Step<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run(self, simd: S) -> bool {
        let rate = simd.splat(self.learning_rate);
        // 0 · w is 0 for finite w, else NaN.
        let (zero, mut check) = (simd.zero::<T>(), simd.zero::<T>());
        let groups = self.before.chunks_exact(T::LANES).zip(self.gradient.chunks_exact(T::LANES));
        for ((w, g), after) in groups.zip(self.after.chunks_exact_mut(T::LANES)) {
            let w = rate.fnma(simd.load(g), simd.load(w));
            check = w.fma(zero, check);
            w.store(after);
        }
        check.reduce_add() == T::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_against_the_gradient_on_every_level() {
        for level in Level::available() {
            let (w, g) = ([1.0f64; 8], [2.0; 8]);
            let mut after = [0.0; 8];
            assert!(Sgd::new(0.25).unwrap().step(level, &w, &g, &mut after));
            assert_eq!(after, [0.5; 8]);
        }
    }

    #[test]
    fn tells_of_weights_that_are_not_finite() {
        for level in Level::available() {
            let mut g = [0.0f32; 16];
            g[7] = f32::MAX;
            let mut after = [0.0; 16];
            let finite = Sgd::new(1e3).unwrap().step(level, &[1.0; 16], &g, &mut after);
            assert!(!finite, "{level}");
        }
    }

    #[test]
    fn refuses_rates_that_are_no_rates() {
        for rate in [-1e-9, f64::NAN, f64::INFINITY] {
            assert!(Sgd::<f32>::new(rate).is_err(), "{rate}");
        }
    }
}
