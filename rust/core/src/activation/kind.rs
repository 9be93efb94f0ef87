//! [`Activation`]: the kinds of activations, their names, and the textbook version of each.

use std::sync::LazyLock;

use super::functions::{self, Function, SLOPE};
use crate::error::{Error, Result};
use crate::lanes::Real;
use crate::lanes::elementary::gate;
use crate::lanes::simd::Lanes;

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
    /// z if z > 0, else eᶻ − 1 (Clevert et al., 2015, with α = 1)
    Elu,
    /// z if z > 0, else z / 100 (Maas et al., 2013)
    LeakyRelu,
    /// ln (1 + eᶻ)
    Softplus,
    /// z / (1 + |z|)
    Softsign,
    /// z / (1 + e⁻ᶻ) (Elfwing et al., 2017)
    Silu,
}

impl Activation {
    /// Every activation with its name.
    pub const ALL: [(&'static str, Self); 9] = [
        ("identity", Self::Identity),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
        ("relu", Self::Relu),
        ("elu", Self::Elu),
        ("leaky_relu", Self::LeakyRelu),
        ("softplus", Self::Softplus),
        ("softsign", Self::Softsign),
        ("silu", Self::Silu),
    ];

    /// The activation with this name; [`Error::Parameter`] if there is none.
    pub fn from_name(what: &'static str, name: &str) -> Result<Self> {
        static EXPECTED: LazyLock<String> = LazyLock::new(|| {
            format!("one of {}", Activation::ALL.map(|(name, _)| name).join(", "))
        });
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|&(_, activation)| activation).ok_or_else(|| Error::Parameter {
            what,
            expected: EXPECTED.as_str(),
            got: format!("{name:?}"),
        })
    }

    /// `act(z)`
    pub fn value<T: Real>(self, z: T) -> T {
        let positive = z > T::ZERO;
        let size = if positive { z } else { -z };
        match self {
            Self::Identity => z,
            Self::Tanh => z.tanh(),
            Self::Sigmoid => T::ONE / (T::ONE + (-z).exp()),
            Self::Relu if z < T::ZERO => T::ZERO,
            Self::Relu => z,
            Self::Elu if positive => z,
            Self::Elu => z.exp_m1(),
            Self::LeakyRelu if positive => z,
            Self::LeakyRelu => T::from_f64(SLOPE) * z,
            Self::Softplus if positive => z + (-z).exp().ln_1p(),
            Self::Softplus => z.exp().ln_1p(),
            Self::Softsign => z / (T::ONE + size),
            Self::Silu => z / (T::ONE + (-z).exp()),
        }
    }

    /// `act'(z)` from z and `a = act(z)`
    pub fn derivative<T: Real>(self, z: T, a: T) -> T {
        let positive = a > T::ZERO;
        let size = if positive { a } else { -a };
        match self {
            Self::Identity => T::ONE,
            Self::Tanh => T::ONE - a * a,
            Self::Sigmoid => a * (T::ONE - a),
            Self::Relu | Self::Elu | Self::LeakyRelu if positive => T::ONE,
            Self::Relu => T::ZERO,
            Self::Elu => T::ONE + a,
            Self::LeakyRelu => T::from_f64(SLOPE),
            Self::Softplus => -(-a).exp_m1(),
            Self::Softsign => (T::ONE - size) * (T::ONE - size),
            Self::Silu => {
                let gate = Self::Sigmoid.value(z);
                gate + a * (T::ONE - gate)
            }
        }
    }
}

/// Runs `$body` with `$F` as the [`Function`] type of an [`Activation`], so that the choice is made
/// once, not for every group.
macro_rules! with_function {
    ($activation:expr, $F:ident => $body:expr) => {
        with_function!($activation, $F => $body;
            Identity Tanh Sigmoid Relu Elu LeakyRelu Softplus Softsign Silu)
    };
    ($activation:expr, $F:ident => $body:expr; $($Name:ident)*) => {
        match $activation {
            $(Activation::$Name => {
                type $F = functions::$Name;
                $body
            })*
        }
    };
}
impl Activation {
    /// `a = act(z)`, group by group.
    #[inline(always)]
    pub(crate) fn apply<V: Lanes>(self, z: &[V], a: &mut [V]) {
        with_function!(self, F => for u in 0..a.len() {
            a[u] = F::value(z[u]);
        });
    }

    /// [`Self::apply`] for hidden units, whose sigmoid is [`gate`]: only outputs need the relative
    /// accuracy of small results.
    #[inline(always)]
    pub(crate) fn apply_to_units<V: Lanes>(self, z: &[V], a: &mut [V]) {
        if self != Self::Sigmoid {
            return self.apply(z, a);
        }
        for u in 0..a.len() {
            a[u] = gate(z[u]);
        }
    }

    /// Replaces z by `factor ∘ act'(z)`, given z and `a = act(z)`.
    #[inline(always)]
    pub(crate) fn derive<V: Lanes>(self, factor: &[V], z: &mut [V], a: &[V]) {
        with_function!(self, F => for u in 0..z.len() {
            z[u] = F::times_derivative(factor[u], z[u], a[u]);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::simd::{Kernel, Level, Simd, WithSimd, dispatch};

    const POINTS: [f64; 8] = [-30.0, -3.0, -0.7, -1e-3, 1e-3, 0.4, 2.5, 30.0];

    #[test]
    fn derivatives_equal_central_differences() {
        for (name, act) in Activation::ALL {
            for z in POINTS {
                let h = 1e-6;
                let slope = (act.value(z + h) - act.value(z - h)) / (2.0 * h);
                let exact = act.derivative(z, act.value(z));
                assert!((slope - exact).abs() < 1e-8, "{name} at {z}: {slope} against {exact}");
            }
        }
    }

    #[test]
    fn only_those_that_say_so_need_z() {
        for (name, act) in Activation::ALL {
            for z in POINTS {
                let a = act.value(z);
                let same = act.derivative(z, a).to_bits() == act.derivative(a, a).to_bits();
                assert!(same || act == Activation::Silu, "{name} at {z}");
            }
        }
    }

    /// The value of one number and 3 times its derivative, in every lane.
    struct OfGroups<T>(Activation, T);

    impl<T: Real> WithSimd for OfGroups<T> {
        type Output = [T; 2];
        fn run<S: Simd>(self, simd: S) -> [T; 2] {
            simd.vectorize(self)
        }
    }

    impl<T: Real, S: Simd> Kernel<S> for OfGroups<T> {
        type Output = [T; 2];
        #[inline(always)]
        fn run(self, simd: S) -> [T; 2] {
            let z = simd.splat(self.1);
            let (mut a, mut derivative) = ([z], [z]);
            self.0.apply(&[z], &mut a);
            self.0.derive(&[simd.splat(T::from_f64(3.0))], &mut derivative, &a);
            [a[0].first(), derivative[0].first()]
        }
    }

    fn lanes_agree<T: Real>(tolerance: f64) {
        for (name, act) in Activation::ALL {
            for (level, z) in Level::available().into_iter().flat_map(|l| POINTS.map(|z| (l, z))) {
                let z = T::from_f64(z);
                let a = act.value(z);
                let expected = [a, T::from_f64(3.0) * act.derivative(z, a)];
                let got = dispatch(level, OfGroups(act, z));
                for (got, expected) in got.iter().zip(expected) {
                    let error = (got.to_f64() - expected.to_f64()).abs();
                    let bound = tolerance * (1.0 + expected.to_f64().abs());
                    assert!(error <= bound, "{level} {name} at {z}: {got} for {expected}");
                }
            }
        }
    }

    #[test]
    fn lanes_agree_with_the_textbook() {
        lanes_agree::<f64>(1e-14);
        lanes_agree::<f32>(1e-6);
    }

    #[test]
    fn names_round_trip_and_unknown_names_are_refused() {
        for (name, act) in Activation::ALL {
            assert_eq!(Activation::from_name("activation", name), Ok(act));
        }
        let error = Activation::from_name("activation", "swish").unwrap_err();
        let text = "activation must be one of identity, tanh, sigmoid, relu, elu, leaky_relu, \
                    softplus, softsign, silu, got \"swish\"";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn nan_passes_through() {
        for (name, act) in Activation::ALL {
            assert!(act.value(f64::NAN).is_nan(), "{name}");
            for level in Level::available() {
                let [a, _] = dispatch(level, OfGroups(act, f64::NAN));
                assert!(a.is_nan(), "{level} {name}");
            }
        }
    }
}
