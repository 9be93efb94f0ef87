//! Stochastic gradient descent: w ← w − η g.

use crate::error::{Error, Result};
use crate::optim::Optimizer;
use crate::real::Real;

/// Plain stochastic gradient descent.
#[derive(Clone, Copy, Debug)]
pub struct Sgd<T> {
    learning_rate: T,
}

impl<T: Real> Sgd<T> {
    /// [`Error::Parameter`] if the rate is negative, NaN or infinite.
    pub fn new(learning_rate: f64) -> Result<Self> {
        if learning_rate.is_finite() && learning_rate >= 0.0 {
            return Ok(Self { learning_rate: T::from_f64(learning_rate) });
        }
        Err(Error::Parameter {
            what: "learning_rate",
            expected: "a finite number, at least 0",
            got: learning_rate.to_string(),
        })
    }
}

impl<T: Real> Optimizer<T> for Sgd<T> {
    fn step(&mut self, parameters: &mut [T], gradient: &[T]) {
        for (w, &g) in parameters.iter_mut().zip(gradient) {
            *w -= self.learning_rate * g;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_against_the_gradient() {
        let mut w = [1.0f64, -2.0];
        Sgd::new(0.5).unwrap().step(&mut w, &[2.0, -4.0]);
        assert_eq!(w, [0.0, 0.0]);
    }

    #[test]
    fn refuses_rates_that_are_no_rates() {
        for rate in [-1e-9, f64::NAN, f64::INFINITY] {
            assert!(Sgd::<f32>::new(rate).is_err(), "{rate}");
        }
    }
}
