//! Each activation and its derivative on groups of lanes.

use crate::lanes::Real;
use crate::lanes::elementary::{expm1, sigmoid, softplus, tanh};
use crate::lanes::simd::Lanes;

/// da/dz of the leaky rectifier for negative z.
pub(super) const SLOPE: f64 = 0.01;

/// An activation known at compile time.
pub(crate) trait Function {
    /// `act(z)`
    fn value<V: Lanes>(z: V) -> V;

    /// `factor · act'(z)` from z and `a = act(z)`; except for silu, a is enough.
    fn times_derivative<V: Lanes>(factor: V, z: V, a: V) -> V;
}

macro_rules! functions {
    ($($Name:ident { $z:ident => $value:expr, ($factor:ident, $z2:pat, $a:pat) => $slope:expr })*) => {$(
        pub(crate) struct $Name;

        impl Function for $Name {
            #[inline(always)]
            fn value<V: Lanes>($z: V) -> V {
                $value
            }

            #[inline(always)]
            fn times_derivative<V: Lanes>($factor: V, $z2: V, $a: V) -> V {
                $slope
            }
        }
    )*};
}

functions! {
    Identity { z => z, (factor, _, _) => factor }
    Tanh { z => tanh(z), (factor, _, a) => factor * a.fnma(a, one(a)) }
    Sigmoid { z => sigmoid(z), (factor, _, a) => factor * (a * (one(a) - a)) }
    Relu {
        z => z.max(zero(z)),
        (factor, _, a) => V::select(a.gt(zero(a)), factor, zero(a))
    }
    Elu {
        z => V::select(z.gt(zero(z)), z, expm1(z.min(zero(z)))),
        (factor, _, a) => factor * V::select(a.gt(zero(a)), one(a), a + one(a))
    }
    LeakyRelu {
        z => V::select(z.gt(zero(z)), z, leak(z)),
        (factor, _, a) => V::select(a.gt(zero(a)), factor, leak(factor))
    }
    Softplus { z => softplus(z), (factor, _, a) => factor * -expm1(-a) }
    Softsign {
        z => z / (z.abs() + one(z)),
        (factor, _, a) => {
            let rest = one(a) - a.abs();
            factor * (rest * rest)
        }
    }
    Silu {
        z => z * sigmoid(z),
        (factor, z, a) => {
            let gate = sigmoid(z);
            factor * a.fma(one(a) - gate, gate)
        }
    }
}

#[inline(always)]
fn zero<V: Lanes>(like: V) -> V {
    like.same(V::Elem::ZERO)
}

#[inline(always)]
fn one<V: Lanes>(like: V) -> V {
    like.same(V::Elem::ONE)
}

#[inline(always)]
fn leak<V: Lanes>(z: V) -> V {
    z * z.same(V::Elem::from_f64(SLOPE))
}
