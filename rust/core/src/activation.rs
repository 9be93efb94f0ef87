//! Activations, each value beside its derivative.
//!
//! The derivative is taken from the activated value `a = act(z)`, so that backpropagation needs
//! no pre-activations:
//!
//! | name | a = act(z) | da/dz |
//! |---|---|---|
//! | identity | z | 1 |
//! | tanh | tanh z | 1 − a² |
//! | sigmoid | 1 / (1 + e⁻ᶻ) | a (1 − a) |
//! | relu | max(z, 0) | 1 if a > 0, else 0 |

use crate::elementary::{sigmoid, tanh};
use crate::error::{Error, Result};
use crate::real::Real;
use crate::simd::Lanes;

/// An elementwise nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// z
    Identity,
    /// tanh z
    Tanh,
    /// 1 / (1 + e⁻ᶻ)
    Sigmoid,
    /// max(z, 0)
    Relu,
}

impl Activation {
    /// Every activation with its name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("identity", Self::Identity),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
        ("relu", Self::Relu),
    ];

    /// The activation of that name; [`Error::Parameter`] if there is none.
    pub fn from_name(what: &'static str, name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|&(_, activation)| activation).ok_or_else(|| Error::Parameter {
            what,
            expected: "one of identity, tanh, sigmoid, relu",
            got: format!("{name:?}"),
        })
    }

    /// `act(z)`
    #[inline(always)]
    pub fn value<T: Real>(self, z: T) -> T {
        match self {
            Self::Identity => z,
            Self::Tanh => z.tanh(),
            Self::Sigmoid => T::ONE / (T::ONE + (-z).exp()),
            // NaN stays NaN: a diverged state must show in the loss.
            Self::Relu => {
                if z < T::ZERO {
                    T::ZERO
                } else {
                    z
                }
            }
        }
    }

    /// `act'(z)` from `a = act(z)`
    #[inline(always)]
    pub fn derivative<T: Real>(self, a: T) -> T {
        match self {
            Self::Identity => T::ONE,
            Self::Tanh => T::ONE - a * a,
            Self::Sigmoid => a * (T::ONE - a),
            Self::Relu => {
                if a > T::ZERO {
                    T::ONE
                } else {
                    T::ZERO
                }
            }
        }
    }
}

impl Activation {
    /// Replaces every group by its activation.
    #[inline(always)]
    pub(crate) fn apply<V: Lanes>(self, groups: &mut [V]) {
        match self {
            Self::Identity => {}
            Self::Tanh => {
                for z in groups {
                    *z = tanh(*z);
                }
            }
            Self::Sigmoid => {
                for z in groups {
                    *z = sigmoid(*z);
                }
            }
            Self::Relu => {
                for z in groups {
                    *z = z.max(z.same(V::Elem::ZERO));
                }
            }
        }
    }

    /// `factor · act'(z)` from `a = act(z)`.
    #[inline(always)]
    pub(crate) fn times_derivative<V: Lanes>(self, factor: V, a: V) -> V {
        let one = a.same(V::Elem::ONE);
        match self {
            Self::Identity => factor,
            Self::Tanh => factor * a.fnma(a, one),
            Self::Sigmoid => factor * (a * (one - a)),
            Self::Relu => {
                let zero = a.same(V::Elem::ZERO);
                V::select(a.gt(zero), factor, zero)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_equal_central_differences() {
        for (name, act) in Activation::ALL {
            for z in [-3.0, -0.7, -1e-3, 1e-3, 0.4, 2.5f64] {
                let h = 1e-6;
                let slope = (act.value(z + h) - act.value(z - h)) / (2.0 * h);
                let exact = act.derivative(act.value(z));
                assert!((slope - exact).abs() < 1e-9, "{name} at {z}: {slope} against {exact}");
            }
        }
    }

    #[test]
    fn names_round_trip_and_unknown_names_are_refused() {
        for (name, act) in Activation::ALL {
            assert_eq!(Activation::from_name("activation", name), Ok(act));
        }
        let error = Activation::from_name("activation", "swish").unwrap_err();
        assert!(error.to_string().contains("activation must be one of"), "{error}");
    }

    #[test]
    fn nan_passes_through() {
        for (name, act) in Activation::ALL {
            assert!(act.value(f64::NAN).is_nan(), "{name}");
        }
    }
}
