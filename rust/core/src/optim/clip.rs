//! `Clip`: bounds on the gradient before an update.

use crate::error::{Error, Result, shortest};
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Level, Simd, WithSimd, dispatch};

/// Bounds on a gradient: on each number, and on all of them together (Pascanu et al., 2013).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clip {
    /// The largest Euclidean norm of the whole gradient; a larger gradient is scaled down to it.
    pub norm: Option<f64>,
    /// The largest absolute value of each number; larger ones are cut off before the norm is taken.
    pub value: Option<f64>,
}

impl Clip {
    /// [`Error::Parameter`] if a bound is not positive.
    pub fn check(self) -> Result<()> {
        for (what, bound) in [("clip_norm", self.norm), ("clip_value", self.value)] {
            if let Some(bound) = bound.filter(|bound| bound.is_nan() || *bound <= 0.0) {
                let expected = "a number greater than 0";
                return Err(Error::Parameter { what, expected, got: shortest(bound) });
            }
        }
        Ok(())
    }

    /// [`Self::apply`] if there is a bound; otherwise the norm is not needed.
    pub(crate) fn limit<T: Real>(&self, level: Level, gradient: &mut [T]) {
        if self.norm.is_some() || self.value.is_some() {
            self.apply(level, gradient);
        }
    }

    /// Bounds a gradient of a whole number of groups, or panics; returns its norm before scaling.
    ///
    /// It is scaled by `norm` / (its norm + 10⁻⁶) if that is below 1, as in PyTorch. A gradient that is
    /// not finite stays so, and the update fails.
    pub fn apply<T: Real>(&self, level: Level, gradient: &mut [T]) -> f64 {
        assert!(gradient.len().is_multiple_of(T::LANES), "a whole number of groups");
        if let Some(value) = self.value {
            dispatch(level, Bound { gradient, value: T::from_f64(value) });
        }
        let (unit, norm) = norm(level, gradient);
        let factor = self.norm.map_or(1.0, |bound| bound / unit / (norm + 1e-6 / unit));
        if factor < 1.0 && norm.is_finite() {
            dispatch(level, Scale { gradient, factor: T::from_f64(factor) });
        }
        unit * norm
    }
}

/// The norm as (unit, norm in that unit): the unit is 1 unless squares of `f64` overflow.
fn norm<T: Real>(level: Level, gradient: &[T]) -> (f64, f64) {
    let in_units = |unit: f64| dispatch(level, Squares { gradient, factor: 1.0 / unit }).sqrt();
    let norm = in_units(1.0);
    if norm == f64::INFINITY {
        let largest = gradient.iter().fold(0.0, |largest, g| f64::max(largest, g.to_f64().abs()));
        if largest.is_finite() {
            return (largest, in_units(largest));
        }
    }
    (1.0, norm)
}

/// Makes a kernel a task that runs on any instruction set.
macro_rules! task {
    ($Kernel:ident -> $Output:ty) => {
        impl<T: Real> WithSimd for $Kernel<'_, T> {
            type Output = $Output;
            fn run<S: Simd>(self, simd: S) -> $Output {
                simd.vectorize(self)
            }
        }
    };
}
task!(Bound -> ());
task!(Squares -> f64);
task!(Scale -> ());

/// Clamps every number to ±`value`; NaN stays NaN.
struct Bound<'a, T> {
    gradient: &'a mut [T],
    value: T,
}

impl<T: Real, S: Simd> Kernel<S> for Bound<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let (low, high) = (simd.splat(-self.value), simd.splat(self.value));
        for group in self.gradient.chunks_exact_mut(T::LANES) {
            simd.load(group).max(low).min(high).store(group);
        }
    }
}

/// The sum of the squares of all numbers times `factor`, in double precision: squares of large `f32`
/// would overflow.
struct Squares<'a, T> {
    gradient: &'a [T],
    factor: f64,
}

impl<T: Real, S: Simd> Kernel<S> for Squares<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run(self, _: S) -> f64 {
        // The same eight sums on every instruction set.
        let mut sums = [0.0; 8];
        for numbers in self.gradient.chunks_exact(8) {
            for i in 0..8 {
                let number = numbers[i].to_f64() * self.factor;
                sums[i] += number * number;
            }
        }
        sums.iter().sum()
    }
}

/// Multiplies every number by `factor`.
struct Scale<'a, T> {
    gradient: &'a mut [T],
    factor: T,
}

impl<T: Real, S: Simd> Kernel<S> for Scale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let factor = simd.splat(self.factor);
        for group in self.gradient.chunks_exact_mut(T::LANES) {
            (simd.load(group) * factor).store(group);
        }
    }
}
